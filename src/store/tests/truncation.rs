//! Truncation: what remains, what refuses before it changes anything, and every crash.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::{Epoch, Zxid};
use crate::store::disk::Disk;
use crate::store::layout::Compression;
use crate::store::log_writer::LogWriter;
use crate::store::recover::{Recovered, Remark, StorageOptions, recover};
use crate::store::sim_disk::{Fault, SimDisk};
use crate::store::snapshot_writer::{SnapshotSource, SnapshotTail, write_snapshot};
use crate::store::tests::{Random, Still, describe, dirs, options, sim_disk, storage, writer};
use crate::store::truncate::{TruncateError, truncate};
use crate::tree::{Database, SnapshotCursor, TreeOptions};

const TREE: TreeOptions = TreeOptions {
    extended_types: true,
    emulate_353_ttl: false,
    digest_enabled: true,
};
const SECOND: i64 = 0x2_0000_0000;

fn path(name: &str) -> PathBuf {
    dirs().snapshots.join(name)
}

fn names(disk: &SimDisk) -> Vec<String> {
    let mut names = disk.list(&dirs().snapshots).unwrap();
    names.sort();
    names
}

/// What a server has on disk, and the state after each of its transactions.
struct History {
    disk: SimDisk,
    random: Random,
    database: Database,
    states: BTreeMap<Zxid, String>,
}

impl History {
    fn new(seed: u64) -> Self {
        let disk = sim_disk(seed);
        let database = recover(&disk, &storage(), TREE).unwrap().database;
        Self {
            states: BTreeMap::from([(Zxid::ZERO, describe(&database))]),
            disk,
            random: Random(seed),
            database,
        }
    }

    /// `count` transactions in a file of their own.
    fn log(&mut self, count: usize) -> &mut Self {
        let mut log = writer(&self.disk, options(4096), self.database.last_zxid());
        self.append(&mut log, count);
        self
    }

    fn append(&mut self, log: &mut LogWriter, count: usize) {
        for _ in 0..count {
            let (zxid, payload) = self.random.apply_next(&mut self.database);
            self.states.insert(zxid, describe(&self.database));
            log.append(zxid, &payload).unwrap();
        }
        log.sync().unwrap();
    }

    fn epoch(&mut self, epoch: i64) -> &mut Self {
        self.database.set_last_zxid(Zxid::start_of(Epoch(epoch)));
        self
    }

    fn snapshot(&mut self) -> &mut Self {
        let mut source = Still::new(&self.database);
        let zxid = self.database.last_zxid();
        write_snapshot(&self.disk, &dirs(), zxid, &mut source, Compression::Plain).unwrap();
        self
    }

    /// A snapshot while which transactions go on.
    fn snapshot_under_load(&mut self) -> &mut Self {
        struct Load<'h> {
            history: &'h mut History,
            log: LogWriter,
            cursor: SnapshotCursor,
        }
        impl SnapshotSource for Load<'_> {
            fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
                self.history.append(&mut self.log, 2);
                self.cursor.next_slice(&self.history.database, 100, out)
            }

            fn tail(&mut self) -> SnapshotTail {
                Still::new(&self.history.database).tail()
            }
        }
        let disk = self.disk.clone();
        let zxid = self.database.last_zxid();
        let mut load = Load {
            log: writer(&disk, options(4096), zxid),
            cursor: SnapshotCursor::new(&self.database),
            history: self,
        };
        write_snapshot(&disk, &dirs(), zxid, &mut load, Compression::Plain).unwrap();
        self
    }

    fn truncate(&self, to: i64) -> Result<Recovered, TruncateError> {
        truncate(&self.disk, &storage(), TREE, Zxid(to))
    }

    /// Truncates, and checks that memory and disk have the state of that time.
    fn check(&self, to: i64) {
        let expected = &self.states[&Zxid(to)];
        let truncated = self.truncate(to).unwrap();
        assert_eq!(describe(&truncated.database), *expected, "{to:#x}");
        self.check_start(expected, &truncated);
    }

    fn check_start(&self, expected: &str, truncated: &Recovered) {
        let again = recover(&self.disk, &storage(), TREE).unwrap();
        assert_eq!(describe(&again.database), *expected);
        assert_eq!(again.recent, truncated.recent);
        assert_eq!(again.snapshot, truncated.snapshot);
        assert!(!again.remarks.iter().any(is_about_content));
    }
}

fn is_about_content(remark: &Remark) -> bool {
    matches!(
        remark,
        Remark::LogEndsInsideSnapshot { .. } | Remark::DigestMismatch { .. } | Remark::Log(_)
    )
}

/// Two epochs in several files, with snapshots in between.
fn two_epochs(seed: u64) -> History {
    let mut history = History::new(seed);
    history.log(8).snapshot().log(6).log(5).snapshot().log(3);
    history.epoch(2).log(4).snapshot().log(5);
    history
}

/// QP-088.
#[test]
fn sf_093_sf_095_every_transaction_can_become_the_last() {
    let all: Vec<Zxid> = two_epochs(1).states.into_keys().collect();
    assert_eq!(all.len(), 32);
    for to in all {
        two_epochs(1).check(to.0);
    }
}

#[test]
fn sf_093_the_file_is_cut_behind_the_last_and_later_files_are_gone() {
    let history = two_epochs(1);
    let last = history.disk.read(&path("log.9")).unwrap();
    history.check(11);
    assert_eq!(
        names(&history.disk),
        ["log.1", "log.9", "snapshot.0", "snapshot.8"]
    );
    let cut = history.disk.read(&path("log.9")).unwrap();
    assert!(last.starts_with(&cut) && cut.ends_with(b"B"));
    // All is durable.
    history.disk.crash();
    let again = recover(&history.disk, &storage(), TREE).unwrap();
    assert_eq!(again.database.last_zxid(), Zxid(11));
}

#[test]
fn sf_093_the_history_goes_on_in_a_new_file() {
    let mut history = two_epochs(1);
    history.database = history.truncate(11).unwrap().database;
    history.epoch(3).log(4);
    let recovered = recover(&history.disk, &storage(), TREE).unwrap();
    let zxids: Vec<i64> = recovered.recent.iter().map(|entry| entry.zxid.0).collect();
    let third = 0x3_0000_0000;
    assert_eq!(
        zxids,
        [9, 10, 11, third + 1, third + 2, third + 3, third + 4]
    );
    assert_eq!(describe(&recovered.database), describe(&history.database));
    assert_eq!(recovered.remarks, []);
}

#[test]
fn sf_094_what_is_not_in_the_history_refuses_and_changes_nothing() {
    let history = two_epochs(1);
    let before = history.disk.calls();
    for to in [23, 1000, SECOND - 1, SECOND + 10, 0x3_0000_0001] {
        let error = history.truncate(to).unwrap_err();
        assert!(matches!(error, TruncateError::NotInLog { .. }), "{error}");
    }
    // Before all that is left.
    history.disk.remove(&path("snapshot.0")).unwrap();
    history.disk.remove(&path("log.1")).unwrap();
    for to in 0..8 {
        let error = history.truncate(to).unwrap_err();
        assert!(matches!(error, TruncateError::NoSnapshot { .. }), "{error}");
    }
    assert_eq!(history.disk.calls(), before + 2);
    history.check(8);
}

#[test]
fn sf_094_a_snapshot_alone_can_be_what_remains() {
    let history = two_epochs(1);
    for name in ["log.1", "log.9", "snapshot.0", "snapshot.8"] {
        history.disk.remove(&path(name)).unwrap();
    }
    history.check(19);
    assert_eq!(names(&history.disk), ["log.f", "snapshot.13"]);
}

#[test]
fn the_start_of_an_epoch_is_what_lies_before_its_first_transaction() {
    let history = two_epochs(1);
    let truncated = history.truncate(SECOND).unwrap();
    assert_eq!(truncated.database.last_zxid(), Zxid(SECOND));
    let again = recover(&history.disk, &storage(), TREE).unwrap();
    assert_eq!(again.database.last_zxid(), Zxid(22));
    assert_eq!(describe(&again.database), history.states[&Zxid(22)]);
    // Of an epoch that this history has nothing of, nothing is known.
    let error = two_epochs(1).truncate(0x1_0000_0000).unwrap_err();
    assert!(matches!(error, TruncateError::NotInLog { .. }), "{error}");
}

#[test]
fn sf_095_a_snapshot_that_was_written_while_what_goes_was_applied_goes_too() {
    let mut history = History::new(3);
    history
        .log(8)
        .snapshot()
        .log(4)
        .snapshot_under_load()
        .log(2);
    let last = history.database.last_zxid().0;
    assert!(last > 20, "the load was long enough");
    assert!(names(&history.disk).contains(&"snapshot.c".to_owned()));
    history.check(14);
    assert!(!names(&history.disk).contains(&"snapshot.c".to_owned()));
    // It stays where it has nothing of what goes.
    let mut history = History::new(3);
    history
        .log(8)
        .snapshot()
        .log(4)
        .snapshot_under_load()
        .log(2);
    history.check(last - 1);
    assert!(names(&history.disk).contains(&"snapshot.c".to_owned()));
}

#[test]
fn a_broken_snapshot_is_passed_over_and_left() {
    let history = two_epochs(1);
    history.disk.put(&path("snapshot.8"), b"ZKSN");
    let truncated = history.truncate(12).unwrap();
    assert_eq!(truncated.snapshot, Some(Zxid::ZERO));
    assert!(matches!(
        truncated.remarks[..],
        [Remark::UnusableSnapshot { .. }]
    ));
    assert_eq!(describe(&truncated.database), history.states[&Zxid(12)]);
    assert!(history.disk.exists(&path("snapshot.8")));
}

#[test]
fn without_snapshots_the_log_counts_only_if_that_is_trusted() {
    let mut history = History::new(4);
    history.log(8).log(4);
    history.disk.remove(&path("snapshot.0")).unwrap();
    assert!(history.truncate(9).is_err());
    let trusting = StorageOptions {
        trusts_empty: true,
        ..storage()
    };
    let truncated = truncate(&history.disk, &trusting, TREE, Zxid(9)).unwrap();
    assert_eq!(describe(&truncated.database), history.states[&Zxid(9)]);
    let again = recover(&history.disk, &trusting, TREE).unwrap();
    assert_eq!(describe(&again.database), history.states[&Zxid(9)]);
}

/// Truncates while the power goes, starts, and truncates again.
fn check_crash(history: &History, to: i64, call: u64, context: &str) -> bool {
    history.disk.inject(Fault::PowerLossAt(call));
    let is_done = history.truncate(to).is_ok();
    history.disk.crash();
    let recovered = recover(&history.disk, &storage(), TREE);
    let recovered = recovered.unwrap_or_else(|error| panic!("{context}: {error}"));
    let last = recovered.database.last_zxid();
    assert!(last >= Zxid(to), "{context}: {last} is too little");
    assert!(!is_done || last == Zxid(to), "{context}: {last} is back");
    assert_eq!(
        describe(&recovered.database),
        history.states[&last],
        "{context}: {last}"
    );
    assert!(!recovered.remarks.iter().any(is_about_content), "{context}");
    history.check(to);
    is_done
}

#[test]
fn sf_096_a_crash_at_any_call_leaves_the_old_the_new_or_what_ends_in_between() {
    for (index, to) in (0..).zip(two_epochs(7).states.into_keys()) {
        let to = to.0;
        for call in 0.. {
            let seed = index * 100 + call;
            let mut history = two_epochs(7);
            history.disk = copied(&history.disk, seed);
            if check_crash(&history, to, call, &format!("to {to:#x}, call {call}")) {
                break;
            }
        }
    }
}

#[test]
fn sf_096_a_crash_with_logs_that_do_not_lead_to_the_newest_snapshot() {
    // A server that took a snapshot over and fell before it removed its older logs.
    for call in 0..20 {
        let mut history = History::new(5);
        history.log(8).snapshot().log(6);
        history.log(9).snapshot();
        history.disk.remove(&path("log.f")).unwrap();
        history.log(4);
        history.disk = copied(&history.disk, call);
        let context = format!("call {call}");
        history.disk.inject(Fault::PowerLossAt(call));
        let is_done = history.truncate(12).is_ok();
        history.disk.crash();
        let recovered = recover(&history.disk, &storage(), TREE);
        let recovered = recovered.unwrap_or_else(|error| panic!("{context}: {error}"));
        let last = recovered.database.last_zxid();
        assert!(!is_done || last == Zxid(12), "{context}");
        assert_eq!(describe(&recovered.database), history.states[&last]);
        history.check(12);
    }
}

#[test]
fn a_failure_of_the_disk_at_any_call_is_told() {
    for call in 0..12 {
        let history = two_epochs(1);
        history.disk.inject(Fault::FailAt(call));
        let truncated = history.truncate(11);
        let is_told = matches!(truncated, Err(TruncateError::Io { .. }));
        assert!(is_told || call >= 11, "{call}");
        history.disk.inject(Fault::None);
        history.check(11);
    }
}

/// The same durable files on a disk whose crashes go otherwise.
fn copied(disk: &SimDisk, seed: u64) -> SimDisk {
    let copy = sim_disk(seed);
    for name in names(disk) {
        copy.put(&path(&name), &disk.read(&path(&name)).unwrap());
    }
    copy
}
