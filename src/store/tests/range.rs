//! Ranges of the log for learners: what can serve, what cannot, and reading behind the writer.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::Zxid;
use crate::store::disk::Disk;
use crate::store::log_range::{LogPlace, LogRange, LogRangeError, probe};
use crate::store::log_writer::LogWriter;
use crate::store::sim_disk::{Fault, SimDisk};
use crate::store::tests::log::payload;
use crate::store::tests::{dirs, options, sim_disk, storage, writer};
use crate::zab::LogProbe;

const SECOND: i64 = 0x2_0000_0000;
const ANY_SIZE: Option<f64> = Some(0.0);

fn path(name: &str) -> PathBuf {
    dirs().logs.join(name)
}

/// Files of these records, each sort of continuity wanted.
fn logs(disk: &SimDisk, files: &[&[i64]]) {
    for zxids in files {
        let mut log = writer(disk, options(4096), Zxid(zxids[0] - 1));
        append(&mut log, zxids);
    }
}

fn append(log: &mut LogWriter, zxids: &[i64]) {
    for zxid in zxids {
        log.append(Zxid(*zxid), &payload(*zxid)).unwrap();
    }
    log.sync().unwrap();
}

/// Floor and next.
fn look(disk: &SimDisk, after: i64, upto: i64) -> Option<(i64, i64)> {
    let found = probe(disk, &storage(), Zxid(after), Zxid(upto), ANY_SIZE).unwrap();
    found.map(|LogProbe { floor, next }| (floor.0, next.0))
}

fn read(disk: &SimDisk, after: i64, upto: i64) -> Result<Vec<i64>, LogRangeError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut range = LogRange::open(disk, &storage(), Zxid(after), Zxid(upto), None)?;
    let mut zxids = Vec::new();
    while let Some(record) = range.next()? {
        assert_eq!(record.payload, payload(record.zxid.0));
        zxids.push(record.zxid.0);
    }
    assert_eq!(range.next()?, None);
    Ok(zxids)
}

#[test]
fn a_whole_range_serves_across_files_and_epochs() {
    let disk = sim_disk(1);
    logs(&disk, &[&[5, 6, 7], &[8, 9], &[SECOND + 1, SECOND + 2]]);
    for after in 5..=8 {
        assert_eq!(look(&disk, after, SECOND + 2), Some((after, after + 1)));
        let expected: Vec<i64> = (after + 1..=9).chain([SECOND + 1, SECOND + 2]).collect();
        assert_eq!(read(&disk, after, SECOND + 2).unwrap(), expected);
    }
    // A learner with records that are not in this history, or with none of its epoch.
    assert_eq!(look(&disk, 12, SECOND + 2), Some((9, SECOND + 1)));
    assert_eq!(look(&disk, SECOND, SECOND + 2), Some((9, SECOND + 1)));
    assert_eq!(
        look(&disk, SECOND + 1, SECOND + 2),
        Some((SECOND + 1, SECOND + 2))
    );
    assert_eq!(look(&disk, 6, 7), Some((6, 7)));
    assert_eq!(read(&disk, 6, 7).unwrap(), [7]);
    assert_eq!(read(&disk, 7, 7).unwrap(), [0; 0]);
}

#[test]
fn a_range_that_the_log_does_not_have_does_not_serve() {
    let disk = sim_disk(1);
    assert_eq!(look(&disk, 0, 3), None, "no log");
    logs(&disk, &[&[5, 6, 7], &[SECOND + 1]]);
    for (after, upto, why) in [
        (0, 7, "nothing that is not behind it"),
        (
            4,
            7,
            "nothing that is not behind it, though what is is whole",
        ),
        (5, 8, "no such end"),
        (5, SECOND, "no such end"),
        (5, SECOND + 2, "beyond the end"),
        (7, 7, "nothing between"),
        (7, 6, "nothing between"),
    ] {
        assert_eq!(look(&disk, after, upto), None, "{after} {upto}: {why}");
    }
    let error = read(&disk, 5, SECOND + 2).unwrap_err();
    assert!(matches!(error, LogRangeError::EndsEarly { .. }), "{error}");
}

#[test]
fn a_range_with_a_hole_does_not_serve() {
    let within = sim_disk(1);
    logs(&within, &[&[5, 6], &[8, 9]]);
    // The first of an epoch is not there.
    let between = sim_disk(1);
    logs(&between, &[&[5, 6], &[SECOND + 2, SECOND + 3]]);
    for (disk, upto) in [(&within, 9), (&between, SECOND + 3)] {
        assert_eq!(look(disk, 5, upto), None);
        assert_eq!(look(disk, 6, upto), None);
        assert!(read(disk, 5, upto).is_err());
        assert_eq!(look(disk, 5, 6), Some((5, 6)), "what lies before it serves");
    }
    assert_eq!(look(&within, 8, 9), Some((8, 9)));
    assert_eq!(
        look(&between, SECOND + 2, SECOND + 3),
        Some((SECOND + 2, SECOND + 3))
    );
}

#[test]
fn a_snapshot_tells_of_what_the_log_lacks_before_a_new_epoch() {
    let disk = sim_disk(1);
    logs(&disk, &[&[5, 6], &[SECOND + 1]]);
    let snapshots = dirs().snapshots;
    disk.put(&snapshots.join("snapshot.200000000"), b"of a new leader");
    disk.put(&snapshots.join("snapshot.6"), b"of the last");
    assert_eq!(look(&disk, 5, SECOND + 1), Some((5, 6)));
    disk.put(&snapshots.join("snapshot.9"), b"of a leader of that time");
    assert_eq!(look(&disk, 5, SECOND + 1), None);
    assert_eq!(look(&disk, 5, 6), Some((5, 6)));
}

#[test]
fn records_that_go_back_do_not_serve() {
    let disk = sim_disk(1);
    logs(&disk, &[&[5, 6, 7, 8]]);
    logs(&disk, &[&[7, 8, 9]]);
    assert_eq!(look(&disk, 5, 9), None);
    assert!(read(&disk, 5, 9).is_err());
    assert_eq!(look(&disk, 7, 9), Some((7, 8)));
}

#[test]
fn a_damaged_range_does_not_serve_and_a_torn_end_does() {
    let disk = sim_disk(1);
    logs(&disk, &[&[5, 6, 7], &[8, 9]]);
    let whole = disk.read(&path("log.5")).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut torn = whole.clone();
    torn[used..used + 40].fill(7);
    disk.put(&path("log.5"), &torn);
    assert_eq!(look(&disk, 5, 9), Some((5, 6)));
    assert_eq!(read(&disk, 5, 9).unwrap(), [6, 7, 8, 9]);
    let mut damaged = whole;
    damaged[used - 100] ^= 1;
    disk.put(&path("log.5"), &damaged);
    assert_eq!(look(&disk, 5, 9), None);
    assert!(read(&disk, 5, 9).is_err());
}

#[test]
fn a_range_larger_than_its_share_of_the_snapshot_does_not_serve() {
    let disk = sim_disk(1);
    // What of it is in the first file is free, as in Apache.
    logs(&disk, &[&[2, 3, 4, 5], &[6, 7, 8]]);
    let bytes: usize = (6..=8).map(|zxid| payload(zxid).len() + 13).sum();
    let share = |factor| {
        let found = probe(&disk, &storage(), Zxid(5), Zxid(8), factor);
        found.unwrap().is_some()
    };
    assert!(share(Some(0.33)), "without a snapshot there is no bound");
    // The newest is not whole and does not count.
    let mut snapshot = vec![0; bytes * 2];
    snapshot.extend_from_slice(b"\0\0\0\x01/");
    disk.put(&dirs().snapshots.join("snapshot.4"), &snapshot);
    disk.put(&dirs().snapshots.join("snapshot.8"), b"ZKSN");
    assert!(share(Some(0.5)));
    assert!(!share(Some(0.4)));
    let in_first = probe(&disk, &storage(), Zxid(2), Zxid(5), Some(0.001));
    assert!(in_first.unwrap().is_some(), "of any size");
    assert!(share(Some(0.0)), "no bound");
    assert!(!share(Some(-1.0)) && !share(None), "switched off");
}

#[test]
fn reading_goes_on_behind_the_writer_and_changes_nothing() {
    for step in [0, 512, 4096] {
        let disk = sim_disk(1);
        let mut log = writer(&disk, options(step), Zxid(4));
        append(&mut log, &[5, 6]);
        let upto = |upto| {
            let disk: Arc<dyn Disk> = Arc::new(disk.clone());
            LogRange::open(disk, &storage(), Zxid(5), Zxid(upto), None).unwrap()
        };
        let mut range = upto(6);
        append(&mut log, &[7]);
        log.roll();
        append(&mut log, &[8, 9]);
        assert_eq!(range.next().unwrap().unwrap().zxid, Zxid(6));
        assert_eq!(range.next().unwrap(), None);
        // The writer is about to begin a file, and has written a part of a record to the other.
        disk.put(&path("log.a"), b"");
        log.append(Zxid(10), &payload(10)).unwrap();
        disk.inject(Fault::FailAt(0));
        let calls = disk.calls();
        assert_eq!(look(&disk, 5, 9), Some((5, 6)));
        assert_eq!(look(&disk, 5, 11), None);
        let mut range = upto(9);
        for zxid in 6..=9 {
            assert_eq!(range.next().unwrap().unwrap().zxid, Zxid(zxid));
        }
        assert_eq!(range.next().unwrap(), None);
        assert_eq!(disk.calls(), calls, "nothing was changed");
        assert!(disk.exists(&path("log.a")));
    }
}

/// Also across files, behind the writer, and when the file of the place is gone.
#[test]
fn a_range_goes_on_where_the_one_before_it_has_ended() {
    for step in [0, 512, 4096] {
        let disk = sim_disk(1);
        let mut log = writer(&disk, options(step), Zxid(4));
        append(&mut log, &[5, 6, 7]);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let read = |after, upto, from: Option<&LogPlace>| {
            let (after, upto) = (Zxid(after), Zxid(upto));
            let mut range = LogRange::open(shared.clone(), &storage(), after, upto, from).unwrap();
            let mut zxids = Vec::new();
            while let Some(record) = range.next().unwrap() {
                assert_eq!(record.payload, payload(record.zxid.0));
                zxids.push(record.zxid.0);
            }
            (zxids, range.place().unwrap())
        };
        let (zxids, place) = read(5, 6, None);
        assert_eq!(zxids, [6]);
        append(&mut log, &[8]);
        log.roll();
        append(&mut log, &[9, 10]);
        let (zxids, second) = read(6, 8, Some(&place));
        assert_eq!(zxids, [7, 8]);
        let (zxids, third) = read(8, 9, Some(&second));
        assert_eq!(zxids, [9]);
        append(&mut log, &[11]);
        // A place of another range says nothing.
        assert_eq!(read(9, 11, Some(&place)).0, [10, 11]);
        disk.remove(&path("log.5")).unwrap();
        assert_eq!(read(9, 11, Some(&third)).0, [10, 11]);
        let gone = LogRange::open(shared.clone(), &storage(), Zxid(6), Zxid(8), Some(&place));
        let hole = gone.unwrap().next();
        assert!(hole.is_err(), "{hole:?}");
    }
}

#[test]
fn a_file_that_is_gone_is_no_failure_of_the_disk() {
    let disk = sim_disk(1);
    logs(&disk, &[&[5, 6], &[7, 8]]);
    disk.remove(&path("log.7")).unwrap();
    assert_eq!(look(&disk, 5, 8), None);
}
