//! The worker of a member: order, shared syncs, what is durable when, and every crash.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Epoch, Monotonic, Zxid};
use crate::store::disk::Disk;
use crate::store::epoch::Epochs;
use crate::store::log_writer::LogOptions;
use crate::store::recover::{Recovered, StorageOptions, recover};
use crate::store::sim_disk::{Fault, SimDisk};
use crate::store::snapshot_writer::SnapshotSource;
use crate::store::tests::{Random, Still, describe, dirs, options, sim_disk, storage};
use crate::store::trigger::TriggerOptions;
use crate::store::worker::{
    DiskCommand, DiskDone, DiskWorker, Executed, StateAccess, WorkerError, WorkerOptions,
};
use crate::tree::{Database, TreeOptions};

const TREE: TreeOptions = TreeOptions {
    extended_types: true,
    emulate_353_ttl: false,
    digest_enabled: true,
};
const SECOND: i64 = 0x2_0000_0000;

fn worker_options() -> WorkerOptions {
    WorkerOptions {
        storage: storage(),
        tree: TREE,
        log: options(512),
        trigger: TriggerOptions::default(),
        keeps_log: true,
        files: None,
    }
}

fn worker(disk: &SimDisk, options: WorkerOptions, last: Zxid) -> DiskWorker {
    let disk = Arc::new(disk.clone());
    DiskWorker::new(disk, options, last, Box::new(|| Monotonic(0)), 1)
}

fn path(name: &str) -> PathBuf {
    dirs().snapshots.join(name)
}

fn names(disk: &SimDisk) -> Vec<String> {
    let mut names = disk.list(&dirs().snapshots).unwrap();
    names.sort();
    names
}

/// The state in memory, which does not change meanwhile.
struct Memory<'d> {
    database: &'d Database,
    stopped: Cell<usize>,
}

impl<'d> Memory<'d> {
    fn new(database: &'d Database) -> Self {
        Self {
            database,
            stopped: Cell::new(0),
        }
    }
}

impl StateAccess for Memory<'_> {
    fn stop_snapshots(&self) {
        self.stopped.set(self.stopped.get() + 1);
    }

    fn snapshot_source(&self) -> (Zxid, Box<dyn SnapshotSource + '_>) {
        assert!(self.stopped.get() > 0, "there is no other snapshot");
        let source = Box::new(Still::new(self.database));
        (self.database.last_zxid(), source)
    }
}

/// A member with what it was told to append, and the state after each.
struct Member {
    disk: SimDisk,
    worker: DiskWorker,
    random: Random,
    database: Database,
    states: BTreeMap<Zxid, String>,
    /// Of the leader, where it is another than ours.
    leaders: Option<String>,
    done: Vec<DiskDone>,
}

impl Member {
    fn new(seed: u64) -> Self {
        Self::with(seed, worker_options())
    }

    fn with(seed: u64, options: WorkerOptions) -> Self {
        let disk = sim_disk(seed);
        let database = recover(&disk, &storage(), TREE).unwrap().database;
        Epochs::load(&disk, &dirs(), database.last_zxid()).unwrap();
        Self {
            worker: worker(&disk, options, database.last_zxid()),
            states: BTreeMap::from([(Zxid::ZERO, describe(&database))]),
            leaders: None,
            disk,
            random: Random(seed),
            database,
            done: Vec::new(),
        }
    }

    fn txn(&mut self) -> DiskCommand {
        let (zxid, payload) = self.random.apply_next(&mut self.database);
        self.states.insert(zxid, describe(&self.database));
        let payload = Bytes::from(payload);
        DiskCommand::Append { zxid, payload }
    }

    fn txns(&mut self, count: usize) -> Vec<DiskCommand> {
        (0..count).map(|_| self.txn()).collect()
    }

    fn execute(&mut self, commands: Vec<DiskCommand>) -> Result<Executed, WorkerError> {
        let memory = Memory::new(&self.database);
        let done = &mut |done| self.done.push(done);
        self.worker.execute(commands, &memory, done)
    }

    /// What was answered since the last time, in short.
    fn answers(&mut self) -> Vec<String> {
        let word = |done| match done {
            DiskDone::Appended { zxid } => format!("appended {zxid}"),
            DiskDone::AcceptedEpochSaved(epoch) => format!("accepted {epoch}"),
            DiskDone::CurrentEpochSaved(epoch) => format!("current {epoch}"),
            DiskDone::Truncated { zxid, .. } => format!("truncated {zxid}"),
            DiskDone::NotTruncated { zxid } => format!("not truncated {zxid}"),
            DiskDone::SnapshotStored { zxid } => format!("stored {zxid}"),
            DiskDone::Reloaded { zxid, .. } => format!("reloaded {zxid}"),
            DiskDone::ViewSaved => "view".to_owned(),
            DiskDone::Drained => "drained".to_owned(),
        };
        self.done.drain(..).map(word).collect()
    }

    fn recovered(&self) -> Recovered {
        recover(&self.disk, &storage(), TREE).unwrap()
    }
}

#[test]
fn commands_are_worked_off_in_order_and_appends_in_a_row_share_a_sync() {
    let mut member = Member::new(1);
    let mut commands = member.txns(3);
    commands.push(DiskCommand::SaveAcceptedEpoch(Epoch(2)));
    commands.push(DiskCommand::Drain);
    commands.extend(member.txns(2));
    commands.push(DiskCommand::SaveCurrentEpoch(Epoch(2)));
    commands.extend(member.txns(1));
    let executed = member.execute(commands).unwrap();
    assert_eq!(
        executed,
        Executed {
            appended: 6,
            snapshot_is_due: false
        }
    );
    assert_eq!(
        member.answers(),
        [
            "appended 0x3",
            "accepted 0x2",
            "drained",
            "appended 0x5",
            "current 0x2",
            "appended 0x6"
        ]
    );
    assert_eq!(member.worker.log_counters().syncs, 3);
    let commands = member.txns(100);
    member.execute(commands).unwrap();
    assert_eq!(member.answers(), ["appended 0x6a"]);
    assert_eq!(member.worker.log_counters().syncs, 4);
    member.disk.crash();
    assert_eq!(
        describe(&member.recovered().database),
        describe(&member.database)
    );
}

#[test]
fn an_epoch_is_saved_only_behind_what_was_appended_before_it() {
    for save in [
        DiskCommand::SaveAcceptedEpoch(Epoch(5)),
        DiskCommand::SaveCurrentEpoch(Epoch(5)),
    ] {
        for call in 0..20 {
            let mut member = Member::new(call);
            let mut commands = member.txns(3);
            commands.push(save.clone());
            member.disk.inject(Fault::PowerLossAt(call));
            let _ = member.execute(commands);
            member.disk.crash();
            let last = member.recovered().database.last_zxid();
            let epochs = Epochs::load(&member.disk, &dirs(), last);
            let is_saved = match (&save, epochs) {
                (DiskCommand::SaveAcceptedEpoch(_), Ok(epochs)) => epochs.accepted == Epoch(5),
                // Nobody promised it here.
                (_, epochs) => epochs.is_err(),
            };
            assert!(!is_saved || last == Zxid(3), "call {call}: {last}");
        }
    }
}

#[test]
fn a_truncation_gives_state_and_window_and_goes_on_in_a_new_file() {
    let mut member = Member::new(1);
    let mut commands = member.txns(9);
    commands.push(DiskCommand::Truncate { zxid: Zxid(6) });
    member.execute(commands).unwrap();
    let DiskDone::Truncated { state, recent, .. } = member.done.pop().unwrap() else {
        panic!("the last answer is that of the truncation");
    };
    assert_eq!(member.answers(), ["appended 0x9"]);
    assert_eq!(describe(&state), member.states[&Zxid(6)]);
    let zxids: Vec<i64> = recent.iter().map(|entry| entry.zxid.0).collect();
    assert_eq!(zxids, [1, 2, 3, 4, 5, 6]);
    member.database = *state;
    member.database.set_last_zxid(Zxid(SECOND));
    let commands = member.txns(2);
    member.execute(commands).unwrap();
    member.disk.crash();
    assert_eq!(
        names(&member.disk)[2..],
        ["log.1", "log.200000001", "snapshot.0"]
    );
    assert_eq!(
        describe(&member.recovered().database),
        describe(&member.database)
    );
}

#[test]
fn sf_065_a_stored_snapshot_is_durable_and_voids_the_log() {
    // The leader's state: another history, shorter than ours or longer.
    for zxid in [5, SECOND + 3] {
        let mut member = Member::new(1);
        let commands = member.txns(9);
        member.execute(commands).unwrap();
        let mut leader = Member::new(77).database;
        Random(9).apply_next(&mut leader);
        leader.set_last_zxid(Zxid(zxid));
        member.database = leader;
        let expected = describe(&member.database);
        let store = DiskCommand::StoreSnapshot { zxid: Zxid(zxid) };
        member.execute(vec![store]).unwrap();
        assert_eq!(member.answers()[1], format!("stored {}", Zxid(zxid)));
        member.disk.crash();
        let name = format!("snapshot.{zxid:x}");
        assert_eq!(names(&member.disk)[2..], [name]);
        assert_eq!(describe(&member.recovered().database), expected);
        // The log goes on behind it.
        let commands = member.txns(2);
        member.execute(commands).unwrap();
        assert_eq!(member.recovered().recent.len(), 2);
        assert_eq!(
            describe(&member.recovered().database),
            describe(&member.database)
        );
    }
}

#[test]
fn a_state_that_came_from_logs_alone_is_stored() {
    let mut member = Member::new(1);
    let commands = member.txns(9);
    member.execute(commands).unwrap();
    member.disk.remove(&path("snapshot.0")).unwrap();
    let trusting = StorageOptions {
        trusts_empty: true,
        ..storage()
    };
    let database = recover(&member.disk, &trusting, TREE).unwrap().database;
    member.worker = worker(&member.disk, worker_options(), database.last_zxid());
    let mut commands = member.txns(1);
    commands.push(DiskCommand::StoreSnapshot { zxid: Zxid(10) });
    member.execute(commands).unwrap();
    let recovered = member.recovered();
    assert_eq!(describe(&recovered.database), describe(&member.database));
    assert_eq!(recovered.snapshot, Some(Zxid(10)));
}

/// As when the leader that sent the state is never established, and the next one never had its end.
#[test]
fn what_cannot_be_cut_stays_and_a_snapshot_takes_its_place() {
    let mut member = Member::new(2);
    let commands = member.txns(5);
    member.execute(commands).unwrap();
    let store = DiskCommand::StoreSnapshot { zxid: Zxid(5) };
    member.execute(vec![store]).unwrap();
    let commands = member.txns(2);
    member.execute(commands).unwrap();
    member.done.clear();
    let before = names(&member.disk);
    let cut = DiskCommand::Truncate { zxid: Zxid(4) };
    member.execute(vec![cut]).unwrap();
    let beyond = DiskCommand::Truncate { zxid: Zxid(9) };
    member.execute(vec![beyond]).unwrap();
    assert_eq!(member.answers(), ["not truncated 0x4", "not truncated 0x9"]);
    assert_eq!(names(&member.disk), before);
    assert_eq!(
        describe(&member.recovered().database),
        describe(&member.database)
    );
    let leaders = Member::new(3);
    member.database = leaders.recovered().database;
    let store = DiskCommand::StoreSnapshot { zxid: Zxid::ZERO };
    member.execute(vec![store]).unwrap();
    assert_eq!(member.answers(), ["stored 0x0"]);
    assert_eq!(
        describe(&member.recovered().database),
        describe(&member.database)
    );
}

#[test]
fn a_reload_gives_what_is_on_disk() {
    let mut member = Member::new(1);
    let mut commands = member.txns(4);
    commands.push(DiskCommand::Reload);
    // Memory has gone another way.
    let expected = describe(&member.database);
    member.database = Member::new(2).database;
    member.execute(commands).unwrap();
    let DiskDone::Reloaded {
        zxid,
        state,
        recent,
    } = member.done.pop().unwrap()
    else {
        panic!("the last answer is that of the reload");
    };
    assert_eq!((zxid, recent.len()), (Zxid(4), 4));
    assert_eq!(describe(&state), expected);
    member.database = *state;
    let commands = member.txns(1);
    member.execute(commands).unwrap();
    assert_eq!(names(&member.disk)[2..], ["log.1", "log.5", "snapshot.0"]);
}

#[test]
fn a_snapshot_is_due_after_so_many_records_and_the_log_is_rolled() {
    let mut member = Member::with(
        1,
        WorkerOptions {
            trigger: TriggerOptions {
                records: 20,
                log_bytes: 0,
            },
            ..worker_options()
        },
    );
    let mut due = 0;
    for _ in 0..50 {
        let commands = member.txns(2);
        let executed = member.execute(commands).unwrap();
        due += usize::from(executed.snapshot_is_due);
        let logs = dirs().list_logs(&member.disk).unwrap().len();
        // The file that was rolled is followed by another with the next record.
        assert!(logs == due || logs == due + 1, "{logs} {due}");
    }
    assert!((5..=10).contains(&due), "{due}");
}

#[test]
fn sf_104_an_observer_that_keeps_no_log_writes_none() {
    let mut member = Member::with(
        1,
        WorkerOptions {
            keeps_log: false,
            ..worker_options()
        },
    );
    let before = member.disk.calls();
    let mut commands = member.txns(5);
    commands.push(DiskCommand::Drain);
    member.execute(commands).unwrap();
    assert_eq!(member.answers(), ["appended 0x5", "drained"]);
    assert_eq!(member.disk.calls(), before);
    let store = DiskCommand::StoreSnapshot { zxid: Zxid(5) };
    member.execute(vec![store]).unwrap();
    assert_eq!(
        describe(&member.recovered().database),
        describe(&member.database)
    );
}

#[test]
fn after_a_failure_nothing_is_done_and_the_exit_code_says_what_failed() {
    let appended_before = |member: &mut Member| {
        let commands = member.txns(3);
        member.execute(commands).unwrap();
        member.done.clear();
    };
    let last = Zxid(3);
    for (command, exit_code) in [
        (
            DiskCommand::Append {
                zxid: last.next(),
                payload: vec![0; 40].into(),
            },
            1,
        ),
        (DiskCommand::SaveAcceptedEpoch(Epoch(2)), 1),
        (DiskCommand::SaveCurrentEpoch(Epoch(2)), 1),
        (DiskCommand::Truncate { zxid: Zxid(2) }, 13),
        (DiskCommand::StoreSnapshot { zxid: last }, 10),
        (DiskCommand::Reload, 1),
    ] {
        let mut member = Member::new(1);
        appended_before(&mut member);
        member.disk.inject(Fault::FailAt(0));
        let error = member.execute(vec![command.clone()]).unwrap_err();
        assert_eq!(error.exit_code(), exit_code, "{command:?}: {error}");
        let again = member.execute(vec![DiskCommand::Drain]).unwrap_err();
        assert!(matches!(again, WorkerError::FailedBefore), "{again}");
        assert_eq!(member.answers(), [""; 0]);
    }
}

#[test]
fn what_was_answered_before_a_failure_stands() {
    let mut member = Member::new(1);
    let mut commands = member.txns(2);
    commands.push(DiskCommand::SaveAcceptedEpoch(Epoch(2)));
    commands.extend(member.txns(2));
    // The file and its records take eight calls, the epoch five.
    member.disk.inject(Fault::PowerLossAt(13));
    assert!(member.execute(commands).is_err());
    assert_eq!(member.answers(), ["appended 0x2", "accepted 0x2"]);
    member.disk.crash();
    let last = member.recovered().database.last_zxid();
    assert!(last >= Zxid(2));
    let epochs = Epochs::load(&member.disk, &dirs(), last).unwrap();
    assert_eq!(epochs.accepted, Epoch(2));
}

/// A member with a history of one epoch, some of it known to others.
fn member_of_first_epoch(seed: u64) -> Member {
    let mut member = Member::new(seed);
    member.database.set_last_zxid(Zxid::start_of(Epoch(1)));
    let mut commands = vec![
        DiskCommand::SaveAcceptedEpoch(Epoch(1)),
        DiskCommand::SaveCurrentEpoch(Epoch(1)),
    ];
    commands.extend(member.txns(6));
    member.execute(commands).unwrap();
    member.done.clear();
    member
}

/// What a crash leaves of `commands`: a start, a state that there was, and everything that was
/// answered. Gives whether all was done.
fn check_crash(member: &mut Member, commands: Vec<DiskCommand>, call: u64) -> bool {
    member.disk.inject(Fault::PowerLossAt(call));
    let is_done = member.execute(commands).is_ok();
    member.disk.crash();
    let recovered = recover(&member.disk, &storage(), TREE);
    let recovered = recovered.unwrap_or_else(|error| panic!("call {call}: {error}"));
    let last = recovered.database.last_zxid();
    let state = Some(describe(&recovered.database));
    let is_known = state.as_ref() == member.states.get(&last) || state == member.leaders;
    assert!(is_known, "call {call}: {last}");
    assert!(
        !is_done || member.leaders.is_none() || state == member.leaders,
        "call {call}: it is the leader's"
    );
    let epochs = Epochs::load(&member.disk, &dirs(), last);
    let epochs = epochs.unwrap_or_else(|error| panic!("call {call}: {error}"));
    for done in &member.done {
        match done {
            DiskDone::Appended { zxid } | DiskDone::SnapshotStored { zxid } => {
                assert!(last >= *zxid, "call {call}: {zxid} is lost");
            }
            DiskDone::AcceptedEpochSaved(epoch) => assert!(epochs.accepted >= *epoch),
            DiskDone::CurrentEpochSaved(epoch) => assert!(epochs.current >= *epoch),
            DiskDone::NotTruncated { zxid } => panic!("call {call}: {zxid} is there"),
            DiskDone::Truncated { .. }
            | DiskDone::Reloaded { .. }
            | DiskDone::ViewSaved
            | DiskDone::Drained => {}
        }
    }
    is_done
}

/// Cuts the power at each call in turn.
fn check_crashes(commands: impl Fn(&mut Member) -> Vec<DiskCommand>) {
    for seed in 0..4 {
        for call in 0.. {
            let mut member = member_of_first_epoch(seed);
            let commands = commands(&mut member);
            member.disk = reseeded(&mut member, seed * 1000 + call);
            if check_crash(&mut member, commands, call) {
                assert!(call > 10, "there was something to cut");
                break;
            }
        }
    }
}

/// The same durable files on a disk whose crashes go otherwise, and a worker for them.
fn reseeded(member: &mut Member, seed: u64) -> SimDisk {
    let disk = sim_disk(seed);
    for name in names(&member.disk) {
        disk.put(&path(&name), &member.disk.read(&path(&name)).unwrap());
    }
    let last = recover(&disk, &storage(), TREE)
        .unwrap()
        .database
        .last_zxid();
    member.worker = worker(&disk, worker_options(), last);
    disk
}

#[test]
fn sf_081_a_crash_at_any_call_of_a_sync_by_transactions() {
    check_crashes(|member| {
        let mut commands = vec![DiskCommand::SaveAcceptedEpoch(Epoch(3))];
        commands.extend(member.txns(3));
        // Of an epoch that this server was away for.
        member.database.set_last_zxid(Zxid(SECOND));
        commands.extend(member.txns(3));
        commands.push(DiskCommand::SaveCurrentEpoch(Epoch(3)));
        member.database.set_last_zxid(Zxid::start_of(Epoch(3)));
        commands.extend(member.txns(2));
        commands
    });
}

#[test]
fn sf_065_sf_081_a_crash_at_any_call_of_a_sync_by_a_snapshot() {
    check_crashes(|member| {
        // A history that this server has not seen.
        member.database.set_last_zxid(Zxid(SECOND + 40));
        let (zxid, _) = member.random.apply_next(&mut member.database);
        member.states.insert(zxid, describe(&member.database));
        vec![
            DiskCommand::SaveAcceptedEpoch(Epoch(3)),
            DiskCommand::StoreSnapshot { zxid },
            DiskCommand::SaveCurrentEpoch(Epoch(3)),
            DiskCommand::Drain,
        ]
    });
}

#[test]
fn sf_065_sf_081_a_crash_where_the_snapshot_is_older_than_the_log() {
    check_crashes(|member| {
        let zxid = Zxid(0x1_0000_0003);
        let mut leader = recover(&sim_disk(1), &storage(), TREE).unwrap().database;
        for _ in 0..30 {
            Random(leader.last_zxid().0.cast_unsigned()).apply_next(&mut leader);
        }
        leader.set_last_zxid(zxid);
        let leaders = describe(&leader);
        // This server's own way there is not the leader's, and may be left until that is there.
        assert_ne!(leaders, member.states[&zxid]);
        member.leaders = Some(leaders);
        member.database = leader;
        vec![
            DiskCommand::SaveAcceptedEpoch(Epoch(3)),
            DiskCommand::StoreSnapshot { zxid },
            DiskCommand::SaveCurrentEpoch(Epoch(3)),
        ]
    });
}

#[test]
fn sf_081_sf_096_a_crash_at_any_call_of_a_truncation() {
    check_crashes(|member| {
        let to = Zxid(0x1_0000_0004);
        vec![
            DiskCommand::SaveAcceptedEpoch(Epoch(3)),
            DiskCommand::Truncate { zxid: to },
            DiskCommand::SaveCurrentEpoch(Epoch(3)),
            DiskCommand::SaveAcceptedEpoch(Epoch(4)),
        ]
        .into_iter()
        .inspect(|_| assert!(member.states.contains_key(&to)))
        .collect()
    });
}

#[test]
fn without_force_appends_are_answered_and_epochs_are_still_durable() {
    let log = LogOptions {
        force_sync: false,
        ..options(512)
    };
    let mut member = Member::with(
        1,
        WorkerOptions {
            log,
            ..worker_options()
        },
    );
    let mut commands = member.txns(3);
    commands.push(DiskCommand::SaveAcceptedEpoch(Epoch(2)));
    let before = member.disk.syncs();
    member.execute(commands).unwrap();
    assert_eq!(member.disk.syncs(), before + 1);
    assert_eq!(member.answers(), ["appended 0x3", "accepted 0x2"]);
}
