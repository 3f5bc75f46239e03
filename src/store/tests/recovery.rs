//! From files to a state: which snapshot, which logs, what stops the start, what may be removed.

use std::path::{Path, PathBuf};

use crate::base::Zxid;
use crate::proto::TxnRecord;
use crate::store::disk::Disk;
use crate::store::layout::{Compression, DataDirs, snapshot_name};
use crate::store::log_reader::{LogReadError, LogRemark};
use crate::store::purge::purge;
use crate::store::recover::{RecoverError, Recovered, Remark, StorageOptions, recover};
use crate::store::sim_disk::{Fault, SimDisk};
use crate::store::snapshot_writer::{SnapshotSource, SnapshotTail, write_snapshot};
use crate::store::tests::{Random, Still, describe, dirs, options, sim_disk, storage, writer};
use crate::tree::{Database, SnapshotCursor, TreeOptions};

const ALL_CONTAINERS: [Compression; 3] =
    [Compression::Plain, Compression::Gzip, Compression::Snappy];

fn tree_options() -> TreeOptions {
    TreeOptions {
        extended_types: true,
        ..TreeOptions::default()
    }
}

fn try_recover(disk: &dyn Disk) -> Result<Recovered, RecoverError> {
    recover(disk, &storage(), tree_options())
}

fn path(name: &str) -> PathBuf {
    dirs().snapshots.join(name)
}

fn names(disk: &SimDisk) -> Vec<String> {
    let mut names = disk.list(&dirs().snapshots).unwrap();
    names.sort();
    names
}

/// A server that made `counts` transactions in a log each, with a snapshot behind each log.
fn history(disk: &SimDisk, seed: u64, counts: &[i64]) -> Database {
    let mut random = Random(seed);
    let mut database = try_recover(disk).unwrap().database;
    for count in counts {
        let mut log = writer(disk, options(4096), database.last_zxid());
        for _ in 0..*count {
            let (zxid, payload) = random.apply_next(&mut database);
            log.append(zxid, &payload).unwrap();
        }
        log.sync().unwrap();
        snapshot(disk, &database, Compression::Plain);
    }
    database
}

fn snapshot(disk: &SimDisk, database: &Database, compression: Compression) -> PathBuf {
    let mut source = Still::new(database);
    let zxid = database.last_zxid();
    let written = write_snapshot(disk, &dirs(), zxid, &mut source, compression);
    written.unwrap().path
}

fn separate() -> StorageOptions {
    StorageOptions::new(Path::new("/data"), Path::new("/logs"))
}

#[test]
fn sf_003_missing_directories_are_made_or_refused() {
    let disk = SimDisk::new(1);
    let strict = StorageOptions {
        creates_dirs: false,
        ..storage()
    };
    let error = recover(&disk, &strict, tree_options()).unwrap_err();
    assert_eq!((error.exit_code(), disk.calls()), (3, 0), "{error}");
    assert!(try_recover(&disk).is_ok());
    assert!(recover(&disk, &strict, tree_options()).is_ok());

    let disk = SimDisk::new(1);
    disk.inject(Fault::FailAt(0));
    assert_eq!(try_recover(&disk).unwrap_err().exit_code(), 3);
}

#[test]
fn sf_004_a_directory_that_cannot_be_written_refuses() {
    let disk = sim_disk(1);
    disk.set_read_only(&dirs().snapshots);
    let error = try_recover(&disk).unwrap_err();
    assert!(matches!(error, RecoverError::Layout(_)), "{error}");
    assert_eq!(error.exit_code(), 3);
}

#[test]
fn sf_005_sf_006_confused_directories_refuse() {
    for (place, name, exit_code) in [
        ("/logs/version-2", "snapshot.0", Some(3)),
        ("/logs/version-2", "snapshot.x.tmp", Some(3)),
        ("/data/version-2", "log.1", Some(3)),
        ("/data/version-2", "logx", None),
    ] {
        let disk = SimDisk::new(1);
        recover(&disk, &separate(), tree_options()).unwrap();
        disk.put(&Path::new(place).join(name), b"");
        let outcome = recover(&disk, &separate(), tree_options());
        let found = outcome.as_ref().err().map(RecoverError::exit_code);
        assert_eq!(found, exit_code, "{place} {name}");
        assert_eq!(
            purge(&disk, &separate().dirs, 3).is_err(),
            exit_code.is_some()
        );
    }
    // The same directory for both holds both.
    let disk = sim_disk(1);
    history(&disk, 1, &[3]);
    assert_eq!(names(&disk), ["log.1", "snapshot.0", "snapshot.3"]);
    assert!(try_recover(&disk).is_ok());
}

#[test]
fn sf_082_an_empty_server_votes_by_configuration_or_by_the_marker() {
    let strict = StorageOptions {
        empty_may_vote: false,
        ..storage()
    };
    let marker = Path::new("/data/initialize");
    let disk = sim_disk(1);
    let empty = recover(&disk, &strict, tree_options()).unwrap();
    assert_eq!(
        (empty.may_vote, empty.database.last_zxid()),
        (false, Zxid(-1))
    );
    assert_eq!(names(&disk), Vec::<String>::new());
    disk.put(marker, b"");
    let marked = recover(&disk, &strict, tree_options()).unwrap();
    assert_eq!(
        (marked.may_vote, marked.database.last_zxid()),
        (true, Zxid(0))
    );
    assert!(!disk.exists(marker));
    assert_eq!(names(&disk), ["snapshot.0"]);
    // Used or not, it goes.
    disk.put(marker, b"");
    assert!(recover(&disk, &strict, tree_options()).unwrap().may_vote);
    assert!(!disk.exists(marker));
}

#[test]
fn sf_084_logs_without_a_snapshot_are_replayed_only_if_that_is_trusted() {
    let disk = sim_disk(1);
    let database = history(&disk, 1, &[40]);
    disk.remove(&path("snapshot.0")).unwrap();
    disk.remove(&path("snapshot.28")).unwrap();
    let error = try_recover(&disk).unwrap_err();
    assert!(matches!(error, RecoverError::SnapshotMissing), "{error}");
    assert_eq!(error.exit_code(), 1);
    let trusting = StorageOptions {
        trusts_empty: true,
        ..storage()
    };
    let recovered = recover(&disk, &trusting, tree_options()).unwrap();
    assert_eq!(describe(&recovered.database), describe(&database));
    assert_eq!(recovered.remarks, [Remark::TrustedEmpty]);
    assert_eq!((recovered.snapshot, recovered.replayed), (None, 40));
}

#[test]
fn sf_085_the_start_that_trusts_leaves_a_snapshot() {
    for compression in ALL_CONTAINERS {
        let disk = sim_disk(1);
        let database = history(&disk, 1, &[40]);
        disk.remove(&path("snapshot.0")).unwrap();
        disk.remove(&path("snapshot.28")).unwrap();
        let trusting = StorageOptions {
            trusts_empty: true,
            compression,
            ..storage()
        };
        recover(&disk, &trusting, tree_options()).unwrap();
        disk.crash();
        let again = try_recover(&disk).unwrap();
        assert_eq!(describe(&again.database), describe(&database));
        assert_eq!(again.remarks, []);
        assert_eq!((again.snapshot, again.replayed), (Some(Zxid(40)), 0));
    }
}

#[test]
fn sf_024_a_log_of_a_head_alone_is_a_log() {
    let disk = sim_disk(1);
    history(&disk, 1, &[1]);
    let head = disk.read(&path("log.1")).unwrap()[..16].to_vec();
    let disk = sim_disk(1);
    disk.put(&path("log.5"), &head);
    let error = try_recover(&disk).unwrap_err();
    assert!(matches!(error, RecoverError::SnapshotMissing), "{error}");
}

#[test]
fn sf_053_a_bit_flipped_anywhere_makes_the_next_older_one_used() {
    let disk = sim_disk(1);
    let database = history(&disk, 3, &[4, 2]);
    let expected = describe(&database);
    let newest = path("snapshot.6");
    for compression in ALL_CONTAINERS {
        disk.remove(&newest).unwrap();
        let newest = snapshot(&disk, &database, compression);
        let content = disk.read(&newest).unwrap();
        for bit in 0..content.len() * 8 {
            let mut flipped = content.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            disk.put(&newest, &flipped);
            let recovered = try_recover(&disk).unwrap();
            assert_eq!(describe(&recovered.database), expected, "bit {bit}");
            let is_rejected = recovered.snapshot == Some(Zxid(4));
            assert_eq!(recovered.remarks.len(), usize::from(is_rejected));
            // Compressed files have bits that do not change the content.
            let may_pass = compression != Compression::Plain;
            assert!(is_rejected || may_pass, "bit {bit} of {compression:?}");
        }
        disk.rename(&newest, &path("snapshot.6")).unwrap();
    }
}

#[test]
fn sf_054_a_snapshot_cut_anywhere_is_rejected() {
    let disk = sim_disk(1);
    let database = history(&disk, 4, &[8, 4]);
    let expected = describe(&database);
    disk.remove(&path("snapshot.c")).unwrap();
    for compression in ALL_CONTAINERS {
        let newest = snapshot(&disk, &database, compression);
        let content = disk.read(&newest).unwrap();
        for cut in 0..content.len() {
            disk.put(&newest, &content[..cut]);
            let recovered = try_recover(&disk).unwrap();
            assert_eq!(describe(&recovered.database), expected, "cut at {cut}");
            // Whole but for its trailers, as servers without them write it.
            let is_older_format =
                compression == Compression::Plain && [21, 54].contains(&(content.len() - cut));
            let used = if is_older_format { 12 } else { 8 };
            assert_eq!(recovered.snapshot, Some(Zxid(used)), "cut at {cut}");
        }
        disk.remove(&newest).unwrap();
    }
}

#[test]
fn sf_054_without_any_whole_snapshot_the_start_is_refused() {
    for compression in ALL_CONTAINERS {
        let disk = sim_disk(1);
        let database = history(&disk, 4, &[25]);
        disk.remove(&path("snapshot.0")).unwrap();
        disk.remove(&path("snapshot.19")).unwrap();
        let only = snapshot(&disk, &database, compression);
        let content = disk.read(&only).unwrap();
        disk.put(&only, &content[..content.len() - 1]);
        for has_logs in [true, false] {
            if !has_logs {
                disk.remove(&path("log.1")).unwrap();
            }
            let error = try_recover(&disk).unwrap_err();
            assert!(
                matches!(error, RecoverError::NoUsableSnapshot { .. }),
                "{error}"
            );
            assert_eq!(error.exit_code(), 1);
        }
    }
}

#[test]
fn a_torn_first_snapshot_is_no_loss_while_there_is_no_log() {
    let disk = sim_disk(1);
    disk.put(&path("snapshot.0"), b"ZKSN");
    let recovered = try_recover(&disk).unwrap();
    assert!(matches!(
        &recovered.remarks[..],
        [Remark::UnusableSnapshot { .. }]
    ));
    assert_eq!(disk.read(&path("snapshot.0")).unwrap().len(), 478);
    history(&disk, 1, &[3]);
    disk.remove(&path("snapshot.3")).unwrap();
    disk.put(&path("snapshot.0"), b"ZKSN");
    assert!(try_recover(&disk).is_err());
}

#[test]
fn an_older_snapshot_whose_logs_are_gone_is_a_hole() {
    let disk = sim_disk(1);
    history(&disk, 5, &[20, 20, 20]);
    disk.put(&path("snapshot.3c"), b"broken");
    disk.put(&path("snapshot.28"), b"broken");
    assert_eq!(try_recover(&disk).unwrap().replayed, 40);
    disk.remove(&path("log.15")).unwrap();
    let error = try_recover(&disk).unwrap_err();
    let expected = (Zxid(20), Zxid(41));
    assert!(
        matches!(&error, RecoverError::Log(LogReadError::Hole { last, found, .. })
            if (*last, *found) == expected),
        "{error}"
    );
}

#[test]
fn sf_002_what_an_operator_left_is_not_read_and_not_removed() {
    let disk = sim_disk(1);
    let database = history(&disk, 6, &[20, 20]);
    let left = [
        "log.1.fixed",
        "log.1.chopped9",
        "snapshot.99.tmp",
        "snapshot.28.old",
    ];
    for name in left {
        disk.put(&path(name), b"anything");
    }
    disk.put(&path("writing-snapshot.28"), b"unfinished");
    let recovered = try_recover(&disk).unwrap();
    assert_eq!(describe(&recovered.database), describe(&database));
    let unfinished = path("writing-snapshot.28");
    assert!(!disk.exists(&unfinished));
    assert_eq!(
        recovered.remarks,
        [Remark::RemovedUnfinished { path: unfinished }]
    );
    purge(&disk, &dirs(), 3).unwrap();
    assert!(left.iter().all(|name| disk.exists(&path(name))));
}

/// A state to which transactions come while its snapshot is written, into the log as well.
struct UnderLoad<'d> {
    database: &'d mut Database,
    cursor: SnapshotCursor,
    random: &'d mut Random,
    log: &'d mut crate::store::log_writer::LogWriter,
}

impl SnapshotSource for UnderLoad<'_> {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        for _ in 0..self.random.below(4) {
            let (zxid, payload) = self.random.apply_next(self.database);
            self.log.append(zxid, &payload).unwrap();
        }
        self.cursor.next_slice(self.database, 100, out)
    }

    fn tail(&mut self) -> SnapshotTail {
        Still::new(self.database).tail()
    }
}

#[test]
fn sf_062_sf_063_sf_066_sf_073_sf_086_a_snapshot_under_load_and_the_log_give_the_live_state() {
    for seed in 0..150 {
        let disk = sim_disk(seed);
        let mut database = history(&disk, seed, &[60]);
        let mut random = Random(seed);
        let mut log = writer(&disk, options(4096), database.last_zxid());
        let compression = ALL_CONTAINERS[usize::try_from(seed % 3).unwrap()];
        let mut source = UnderLoad {
            cursor: SnapshotCursor::new(&database),
            database: &mut database,
            random: &mut random,
            log: &mut log,
        };
        let zxid = source.cursor.zxid();
        write_snapshot(&disk, &dirs(), zxid, &mut source, compression).unwrap();
        log.sync().unwrap();
        let recovered = try_recover(&disk).unwrap();
        assert_eq!(
            describe(&recovered.database),
            describe(&database),
            "seed {seed}"
        );
        assert_eq!(
            recovered.remarks,
            [],
            "seed {seed}: digests agree once it is whole"
        );
        assert_eq!(recovered.snapshot, Some(Zxid(60)));
        assert!(!recovered.database.awaits_digest());
    }
}

#[test]
fn a_log_that_ends_inside_the_snapshot_is_remarked_on() {
    let disk = sim_disk(1);
    let mut database = history(&disk, 7, &[10]);
    let mut random = Random(7);
    let mut log = writer(&disk, options(4096), database.last_zxid());
    let mut source = UnderLoad {
        cursor: SnapshotCursor::new(&database),
        database: &mut database,
        random: &mut random,
        log: &mut log,
    };
    write_snapshot(&disk, &dirs(), Zxid(10), &mut source, Compression::Plain).unwrap();
    disk.remove(&path("log.b")).unwrap();
    let remarks = try_recover(&disk).unwrap().remarks;
    let snapshot_end = database.last_zxid();
    let last = Zxid(10);
    assert_eq!(
        remarks,
        [Remark::LogEndsInsideSnapshot { last, snapshot_end }]
    );
}

#[test]
fn sf_064_a_crash_or_failure_at_any_call_of_writing_leaves_the_older_one() {
    for compression in ALL_CONTAINERS {
        for (call, loses_power) in (0..8).flat_map(|call| [(call, true), (call, false)]) {
            let disk = sim_disk(call);
            let database = history(&disk, 8, &[20]);
            disk.remove(&path("snapshot.14")).unwrap();
            disk.sync_dir(&dirs().snapshots).unwrap();
            disk.inject(if loses_power {
                Fault::PowerLossAt(call)
            } else {
                Fault::FailAt(call)
            });
            let mut source = Still::new(&database);
            let written = write_snapshot(&disk, &dirs(), Zxid(20), &mut source, compression);
            let name = snapshot_name(Zxid(20), compression);
            if written.is_err() && !loses_power {
                // Only the sync of the directory comes behind the new name.
                assert!(names(&disk).iter().all(|name| !name.starts_with("writing")));
            }
            disk.crash();
            let recovered = try_recover(&disk).unwrap();
            assert_eq!(describe(&recovered.database), describe(&database));
            if written.is_ok() {
                assert_eq!(recovered.snapshot, Some(Zxid(20)), "{name} {call}");
            }
            assert!(
                recovered
                    .remarks
                    .iter()
                    .all(|remark| matches!(remark, Remark::RemovedUnfinished { .. }))
            );
        }
    }
}

#[test]
fn sf_105_sf_106_purge_keeps_whole_snapshots_and_the_logs_they_need() {
    let disk = sim_disk(1);
    let database = history(&disk, 9, &[10, 10, 10, 10, 10, 10]);
    // Broken ones are neither counted nor, if they are newer, removed.
    disk.put(&path("snapshot.3b"), b"broken");
    disk.put(&path("snapshot.9"), b"broken");
    // A log that starts right behind the snapshot of 30 is not enough: this one spans it.
    disk.rename(&path("log.1f"), &path("log.1e")).unwrap();
    let removed = purge(&disk, &dirs(), 4).unwrap();
    let mut removed: Vec<_> = removed
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    removed.sort_unstable();
    let expected = [
        "log.1",
        "log.15",
        "log.b",
        "snapshot.0",
        "snapshot.14",
        "snapshot.9",
        "snapshot.a",
    ];
    assert_eq!(removed, expected);
    let kept = [
        "log.1e",
        "log.29",
        "log.33",
        "snapshot.1e",
        "snapshot.28",
        "snapshot.32",
        "snapshot.3b",
        "snapshot.3c",
    ];
    assert_eq!(names(&disk), kept);
    assert_eq!(purge(&disk, &dirs(), 4).unwrap(), Vec::<PathBuf>::new());
    // The oldest that was kept still gives the state.
    for name in ["snapshot.3c", "snapshot.3b", "snapshot.32", "snapshot.28"] {
        disk.remove(&path(name)).unwrap();
    }
    let recovered = try_recover(&disk).unwrap();
    assert_eq!(describe(&recovered.database), describe(&database));
    assert_eq!(recovered.replayed, 30);
}

#[test]
fn sf_107_purge_keeps_three_at_least_and_everything_if_none_is_whole() {
    let disk = sim_disk(1);
    history(&disk, 10, &[5, 5, 5, 5]);
    purge(&disk, &dirs(), 0).unwrap();
    let kept = [
        "log.10",
        "log.6",
        "log.b",
        "snapshot.14",
        "snapshot.a",
        "snapshot.f",
    ];
    assert_eq!(
        names(&disk)[1..],
        kept[1..],
        "and the newest log from before the oldest of them"
    );
    for name in ["snapshot.14", "snapshot.a", "snapshot.f"] {
        disk.put(&path(name), b"broken");
    }
    assert_eq!(purge(&disk, &dirs(), 3).unwrap(), Vec::<PathBuf>::new());
}

#[test]
fn sf_107_a_crash_anywhere_in_a_purge_leaves_a_state() {
    for call in 0..12 {
        let disk = sim_disk(call);
        let database = history(&disk, 11, &[6, 6, 6, 6, 6, 6, 6]);
        disk.inject(Fault::PowerLossAt(call));
        let _ = purge(&disk, &dirs(), 3);
        disk.crash();
        let recovered = try_recover(&disk).unwrap();
        assert_eq!(describe(&recovered.database), describe(&database), "{call}");
    }
}

#[test]
fn sf_092_the_newest_records_of_the_log_come_with_the_state() {
    let disk = sim_disk(1);
    history(&disk, 13, &[30, 700]);
    let zxids = |recovered: Recovered| -> Vec<i64> {
        recovered.recent.iter().map(|entry| entry.zxid.0).collect()
    };
    disk.remove(&path("snapshot.2da")).unwrap();
    let recovered = try_recover(&disk).unwrap();
    for entry in &recovered.recent {
        let record = TxnRecord::decode(&entry.payload, 1 << 20).unwrap();
        assert_eq!(record.zxid, entry.zxid);
    }
    assert_eq!(zxids(recovered), (231..=730).collect::<Vec<_>>());
    // A server on its own keeps none, one whose snapshot is the newest thing has none.
    let alone = StorageOptions {
        recent_max: 0,
        ..storage()
    };
    assert_eq!(
        zxids(recover(&disk, &alone, tree_options()).unwrap()),
        [0; 0]
    );
    let disk = sim_disk(1);
    history(&disk, 13, &[30]);
    assert_eq!(zxids(try_recover(&disk).unwrap()), [0; 0]);
}

#[test]
fn separate_directories_keep_logs_and_snapshots_apart() {
    let disk = SimDisk::new(1);
    let dirs: DataDirs = separate().dirs;
    recover(&disk, &separate(), tree_options()).unwrap();
    assert_eq!(disk.list(&dirs.snapshots).unwrap(), ["snapshot.0"]);
    assert_eq!(disk.list(&dirs.logs).unwrap(), Vec::<String>::new());
    assert_eq!(dirs.initialize_marker(), Path::new("/logs/initialize"));
}

#[test]
fn a_torn_end_is_remarked_on_once_per_file() {
    let disk = sim_disk(1);
    let database = history(&disk, 12, &[5]);
    let content = disk.read(&path("log.1")).unwrap();
    let used = content.iter().rposition(|byte| *byte != 0).unwrap();
    let mut torn = content;
    torn[used] = 0;
    disk.put(&path("log.1"), &torn);
    disk.remove(&path("snapshot.5")).unwrap();
    let recovered = try_recover(&disk).unwrap();
    assert_eq!(recovered.database.last_zxid(), Zxid(4));
    assert!(matches!(
        &recovered.remarks[..],
        [Remark::Log(LogRemark::TornEnd { .. })]
    ));
    assert_eq!(database.last_zxid(), Zxid(5));
}

#[test]
fn the_names_of_all_new_directories_are_made_durable() {
    let disk = SimDisk::new(1);
    let new = DataDirs::new(Path::new("/a/b/data"), Path::new("/a/log"));
    new.prepare(&disk, true).unwrap();
    for parent in ["/", "/a", "/a/b", "/a/b/data", "/a/log"] {
        assert!(disk.synced_dirs().contains(&parent.into()), "{parent}");
    }
}
