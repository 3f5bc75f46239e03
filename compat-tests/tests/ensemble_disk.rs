//! One member's disk is full, under load: the others go on, the member says why it does not, and when
//! there is room again it comes back and holds what the others hold.

use compat_tests::{
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip},
    eventually::eventually,
    history::Rules,
    load::{Load, LoadOptions},
    scenarios::tell,
    server::{
        Kind,
        Kind::{Apache, Ours},
    },
    small_disk::SmallDisk,
};

const DISK_MEGABYTES: u32 = 16;
const WRITES: u64 = 200;
/// What the system calls it (ENOSPC).
const COMPLAINT: &str = "No space left on device";

/// `member` is the one with the small disk; the last one leads.
fn full_disk(test: &str, kinds: &[Kind], member: usize) {
    if !can_run_or_skip(test, kinds) {
        return;
    }
    let Some(disk) = SmallDisk::new_or_skip(test, DISK_MEGABYTES) else {
        return;
    };
    let options = EnsembleOptions::new()
        .data_dir(member, &disk.path())
        // Snapshots and new logs come soon, and take little room at a time.
        .config("preAllocSize", 64)
        .config("snapCount", 1_000)
        .config("autopurge.purgeInterval", 0);
    let mut ensemble = Ensemble::start(kinds, &options);
    let addresses = ensemble.addresses();
    let load = Load::start(&addresses, LoadOptions::default());
    load.await_writes(WRITES, ENSEMBLE_PATIENCE);

    disk.fill();
    eventually("the full disk is noticed", ENSEMBLE_PATIENCE, || {
        ensemble.log(member).contains(COMPLAINT).then_some(())
    });
    // Apache's server may look for a leader again and again, or end.
    if kinds.get(member) == Some(&Ours) {
        let status = ensemble.server_mut(member).wait();
        assert!(!status.success(), "it ends with an error: {status}");
        ensemble.forget(member);
    }
    load.await_writes(WRITES, ENSEMBLE_PATIENCE);

    disk.relieve();
    if ensemble.is_running(member) {
        ensemble.kill(member);
    }
    ensemble.restart(member);
    ensemble.await_serving(member);
    load.await_writes(WRITES, ENSEMBLE_PATIENCE);
    let rules = Rules {
        sync_is_fresh: true,
        ..Rules::LENIENT
    };
    tell(test, &load.finish(&addresses).expect(rules));
}

compat_tests::cases! {
    of_an_apache_follower: full_disk(&[Apache; 3], 0);
    of_an_apache_leader: full_disk(&[Apache; 3], 2);
    of_our_follower: full_disk(&[Ours; 3], 0);
    of_our_leader: full_disk(&[Ours; 3], 2);
}

#[test]
fn of_our_follower_of_apache() {
    let test = "ensemble_disk::of_our_follower_of_apache";
    full_disk(test, &[Ours, Apache, Apache], 0);
}
