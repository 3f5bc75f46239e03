//! The transaction log: what is written reads back, what is cut or damaged is judged.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::{Monotonic, SessionId, WallMillis, Xid, Zxid};
use crate::proto::{Txn, TxnRecord};
use crate::store::disk::{Disk, RealDisk};
use crate::store::layout::DataDirs;
use crate::store::log_file::Flaw;
use crate::store::log_reader::{LogReadError, LogReader, LogRemark};
use crate::store::log_writer::{LogOptions, LogWriteError, LogWriter};
use crate::store::sim_disk::{Fault, SimDisk};
use crate::store::tests::{dirs, options, sim_disk, writer};

const PAYLOAD_MAX: usize = 4096;

/// A payload that differs with the zxid, in content and length.
pub(super) fn payload(zxid: i64) -> Vec<u8> {
    let record = TxnRecord {
        session: SessionId(0x1234),
        cxid: Xid(7),
        zxid: Zxid(zxid),
        time: WallMillis(1_700_000_000_000),
        txn: Txn::Delete {
            path: format!("/{}", "x".repeat(usize::try_from(zxid % 97).unwrap())).into(),
        },
        digest: Some(u64::MAX / 3),
    };
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

fn write(disk: &SimDisk, options: LogOptions, zxids: std::ops::RangeInclusive<i64>) -> LogWriter {
    let mut log = writer(disk, options, Zxid(zxids.start() - 1));
    for zxid in zxids {
        log.append(Zxid(zxid), &payload(zxid)).unwrap();
    }
    log.sync().unwrap();
    log
}

type Outcome = Result<(Vec<i64>, Vec<LogRemark>), LogReadError>;

/// All zxids behind `last`, each with its content checked.
pub(super) fn read_after(disk: &dyn Disk, last: i64) -> Outcome {
    let dirs = dirs();
    let mut reader = LogReader::after(disk, &dirs, Zxid(last), PAYLOAD_MAX)?;
    let mut zxids = Vec::new();
    while let Some(record) = reader.next()? {
        assert_eq!(record.payload, payload(record.zxid.0));
        zxids.push(record.zxid.0);
    }
    Ok((zxids, reader.take_remarks()))
}

fn log_path(name: &str) -> PathBuf {
    dirs().logs.join(name)
}

fn logs(disk: &dyn Disk) -> Vec<String> {
    let logs = dirs().list_logs(disk).unwrap();
    logs.into_iter().map(|log| log.name).collect()
}

/// Where each record of a log starts, and where the last ends.
fn offsets(zxids: std::ops::RangeInclusive<i64>) -> Vec<usize> {
    let mut at = 16;
    let mut offsets = vec![at];
    for zxid in zxids {
        at += payload(zxid).len() + 13;
        offsets.push(at);
    }
    offsets
}

#[test]
fn sf_011_sf_013_what_is_written_reads_back_with_and_without_padding() {
    for (step, len) in [(65_536, 65_552), (0, *offsets(1..=20).last().unwrap())] {
        let disk = sim_disk(1);
        write(&disk, options(step), 1..=20);
        assert_eq!(disk.read(&log_path("log.1")).unwrap().len(), len);
        let (zxids, remarks) = read_after(&disk, 0).unwrap();
        assert_eq!(zxids, (1..=20).collect::<Vec<_>>());
        assert_eq!(remarks, []);
    }
}

#[test]
fn sf_012_a_record_larger_than_the_step_survives() {
    let dir = tempfile::tempdir().unwrap();
    let dirs = DataDirs::new(dir.path(), dir.path());
    dirs.prepare(&RealDisk, true).unwrap();
    let large: Vec<u8> = payload(2).into_iter().chain(vec![0x42; 300_000]).collect();
    let clock = Box::new(|| Monotonic(0));
    let disk = Arc::new(RealDisk);
    let mut log = LogWriter::new(disk, dirs.logs.clone(), options(65_536), Zxid(0), clock);
    for bytes in [payload(1), large.clone(), payload(3)] {
        log.append(log.last().next(), &bytes).unwrap();
        log.sync().unwrap();
    }
    let mut reader = LogReader::after(&RealDisk, &dirs, Zxid(0), 500_000).unwrap();
    for expected in [payload(1), large, payload(3)] {
        assert_eq!(reader.next().unwrap().unwrap().payload, expected);
    }
    assert_eq!(reader.next().unwrap(), None);
    let len = RealDisk.open(&dirs.logs.join("log.1")).unwrap().size();
    assert_eq!(len, 6 * 65_536 - 65_536);
}

#[test]
fn sf_014_a_length_of_zero_ends_the_file_whatever_the_checksum() {
    let disk = sim_disk(1);
    write(&disk, options(65_536), 1..=3);
    let path = log_path("log.1");
    let mut content = disk.read(&path).unwrap();
    let end = offsets(1..=3)[3];
    content[end + 5] = 9;
    disk.put(&path, &content);
    let (zxids, remarks) = read_after(&disk, 0).unwrap();
    assert_eq!(zxids, [1, 2, 3]);
    let expected = LogRemark::TornEnd {
        path,
        offset: end as u64,
        last: Zxid(3),
        flaw: Flaw::LengthZero,
    };
    assert_eq!(remarks, [expected]);
}

#[test]
fn sf_015_a_file_cut_anywhere_keeps_the_records_before_the_cut() {
    let disk = sim_disk(1);
    write(&disk, options(0), 1..=5);
    let content = disk.read(&log_path("log.1")).unwrap();
    let offsets = offsets(1..=5);
    for cut in 16..=content.len() {
        disk.put(&log_path("log.1"), &content[..cut]);
        let (zxids, remarks) = read_after(&disk, 0).unwrap();
        let whole = offsets.iter().filter(|offset| **offset <= cut).count() - 1;
        assert_eq!(zxids.len(), whole, "cut at {cut}");
        let tail = &content[offsets[whole]..cut];
        assert_eq!(
            remarks.len(),
            usize::from(tail.iter().any(|byte| *byte != 0))
        );
    }
}

#[test]
fn sf_016_sf_017_a_bad_last_record_is_torn_and_reported() {
    let offsets = offsets(1..=5);
    let cases = [
        (offsets[5] - 1, Flaw::EndMark),
        (offsets[5] - 5, Flaw::Checksum),
        (offsets[4] + 7, Flaw::Checksum),
    ];
    for (offset, flaw) in cases {
        let disk = sim_disk(1);
        write(&disk, options(65_536), 1..=5);
        let path = log_path("log.1");
        let mut content = disk.read(&path).unwrap();
        content[offset] = !content[offset];
        disk.put(&path, &content);
        let (zxids, remarks) = read_after(&disk, 0).unwrap();
        assert_eq!(zxids, [1, 2, 3, 4]);
        let offset = offsets[4] as u64;
        let last = Zxid(4);
        assert_eq!(
            remarks,
            [LogRemark::TornEnd {
                path,
                offset,
                last,
                flaw
            }]
        );
    }
}

#[test]
fn sf_017_a_bad_record_before_good_ones_refuses() {
    let offsets = offsets(1..=5);
    for (offset, flaw) in [
        (offsets[2] - 1, Flaw::EndMark),
        (offsets[2] - 5, Flaw::Checksum),
        (offsets[1] + 2, Flaw::Checksum),
    ] {
        let disk = sim_disk(1);
        write(&disk, options(65_536), 1..=5);
        let path = log_path("log.1");
        let mut content = disk.read(&path).unwrap();
        content[offset] = !content[offset];
        disk.put(&path, &content);
        let error = read_after(&disk, 0).unwrap_err();
        let is_expected = matches!(&error, LogReadError::Damaged { last: Zxid(1), flaw: found, .. }
            if *found == flaw);
        assert!(is_expected, "{error}");
    }
}

#[test]
fn sf_018_wild_lengths_refuse() {
    let limit = i32::try_from(PAYLOAD_MAX).unwrap();
    for length in [-1, -2, i32::MIN, i32::MAX, 0x4242_4242, limit + 1] {
        for record in [2, 4] {
            let disk = sim_disk(1);
            write(&disk, options(65_536), 1..=5);
            let path = log_path("log.1");
            let mut content = disk.read(&path).unwrap();
            let at = offsets(1..=5)[record] + 8;
            content[at..at + 4].copy_from_slice(&length.to_be_bytes());
            disk.put(&path, &content);
            let error = read_after(&disk, 0).unwrap_err();
            let flaw = Flaw::LengthUnreasonable(length);
            assert!(
                matches!(error, LogReadError::Damaged { flaw: found, .. } if found == flaw),
                "{error}"
            );
        }
    }
}

#[test]
fn sf_019_a_record_of_the_limit_loads() {
    let disk = sim_disk(1);
    let mut log = writer(&disk, options(1024), Zxid(0));
    let mut bytes = payload(1);
    bytes.resize(PAYLOAD_MAX, 0);
    log.append(Zxid(1), &bytes).unwrap();
    log.append(Zxid(2), &payload(2)).unwrap();
    log.sync().unwrap();
    let dirs = dirs();
    let mut reader = LogReader::after(&disk, &dirs, Zxid(0), PAYLOAD_MAX).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().payload, bytes);
    assert_eq!(reader.next().unwrap().unwrap().payload, payload(2));
}

#[test]
fn sf_020_a_torn_end_in_an_older_file_is_passed_when_the_next_continues() {
    let disk = sim_disk(1);
    write(&disk, options(65_536), 1..=5);
    let path = log_path("log.1");
    let mut content = disk.read(&path).unwrap();
    // The damage lies before record 5, but a server has gone on from 3.
    content[offsets(1..=5)[4] - 5] ^= 1;
    disk.put(&path, &content);
    write(&disk, options(65_536), 4..=6);
    let (zxids, remarks) = read_after(&disk, 0).unwrap();
    assert_eq!(zxids, [1, 2, 3, 4, 5, 6]);
    assert_eq!(remarks.len(), 1);
}

#[test]
fn sf_021_a_hole_within_an_epoch_refuses() {
    let disk = sim_disk(1);
    write(&disk, options(65_536), 1..=3);
    write(&disk, options(65_536), 5..=6);
    let error = read_after(&disk, 0).unwrap_err();
    let expected = (Zxid(3), Zxid(5));
    assert!(
        matches!(error, LogReadError::Hole { last, found, .. } if (last, found) == expected),
        "{error}"
    );
    // The same between a snapshot and the log.
    assert!(matches!(read_after(&disk, 4), Ok((zxids, _)) if zxids == [5, 6]));
    let disk = sim_disk(1);
    write(&disk, options(65_536), 5..=6);
    assert!(matches!(
        read_after(&disk, 3),
        Err(LogReadError::Hole { .. })
    ));
}

#[test]
fn a_new_epoch_starts_where_it_likes() {
    let disk = sim_disk(1);
    write(&disk, options(65_536), 1..=3);
    let next = 0x2_0000_0001;
    write(&disk, options(65_536), next..=next + 1);
    assert_eq!(read_after(&disk, 0).unwrap().0, [1, 2, 3, next, next + 1]);
}

#[test]
fn sf_022_an_empty_newest_file_is_removed() {
    // No byte, a part of the head, or a length without content.
    let head = b"ZKLG\0\0\0\x02".to_vec();
    for content in [vec![], head, vec![0; 65_552]] {
        let disk = sim_disk(1);
        write(&disk, options(65_536), 1..=3);
        let path = log_path("log.4");
        disk.put(&path, &content);
        let (zxids, remarks) = read_after(&disk, 0).unwrap();
        assert_eq!(zxids, [1, 2, 3]);
        assert_eq!(remarks, [LogRemark::RemovedEmpty { path }]);
        assert_eq!(logs(&disk), ["log.1"]);
    }
}

#[test]
fn sf_023_other_files_without_a_whole_head_are_reported() {
    for (name, len) in [("log.2", 0), ("log.2", 7), ("log.4", 1), ("log.4", 15)] {
        let disk = sim_disk(1);
        write(&disk, options(65_536), 1..=1);
        write(&disk, options(65_536), 2..=3);
        if name == "log.2" {
            write(&disk, options(65_536), 4..=4);
        }
        disk.put(&log_path(name), &vec![b'x'; len]);
        let error = read_after(&disk, 0);
        let is_short = |error: &LogReadError| matches!(error, LogReadError::HeadCut { len: found, .. } if *found == len as u64);
        assert!(
            error.as_ref().is_err_and(is_short),
            "{name} {len} {error:?}"
        );
    }
}

#[test]
fn sf_008_a_bad_magic_refuses_and_another_version_does_not() {
    for (offset, is_fine) in [(0, false), (3, false), (7, true), (15, true)] {
        let disk = sim_disk(1);
        write(&disk, options(65_536), 1..=3);
        let mut content = disk.read(&log_path("log.1")).unwrap();
        content[offset] ^= 0x10;
        disk.put(&log_path("log.1"), &content);
        let outcome = read_after(&disk, 0);
        assert_eq!(outcome.is_ok(), is_fine, "{offset}");
        if let Err(error) = outcome {
            assert!(matches!(error, LogReadError::BadMagic(_)), "{error}");
        }
    }
}

#[test]
fn sf_025_reading_starts_in_the_newest_file_that_can_hold_the_zxid() {
    let disk = sim_disk(1);
    write(&disk, options(65_536), 1..=3);
    write(&disk, options(65_536), 4..=6);
    write(&disk, options(65_536), 7..=9);
    // A file that is not needed may be anything.
    disk.put(&log_path("log.1"), b"rubbish");
    for last in 3..=9 {
        let expected: Vec<i64> = (last + 1..=9).collect();
        assert_eq!(
            read_after(&disk, last).unwrap(),
            (expected, vec![]),
            "{last}"
        );
    }
    let needed = read_after(&disk, 2);
    assert!(
        matches!(needed, Err(LogReadError::HeadCut { .. })),
        "{needed:?}"
    );
}

#[test]
fn sf_026_sf_027_every_start_opens_a_file_of_its_own() {
    let disk = sim_disk(1);
    write(&disk, options(65_536), 1..=3);
    write(&disk, options(65_536), 4..=4);
    assert_eq!(logs(&disk), ["log.1", "log.4"]);
    // A file without a usable record has the name the next one needs.
    let torn = disk.read(&log_path("log.4")).unwrap();
    disk.put(&log_path("log.4"), &torn[..40]);
    assert_eq!(read_after(&disk, 0).unwrap().0, [1, 2, 3]);
    write(&disk, options(0), 4..=5);
    assert_eq!(read_after(&disk, 0).unwrap(), (vec![1, 2, 3, 4, 5], vec![]));
}

#[test]
fn sf_028_a_rolled_file_is_synced_with_the_next_batch() {
    let disk = sim_disk(1);
    let mut log = writer(&disk, options(65_536), Zxid(0));
    for zxid in 1..=6 {
        log.append(Zxid(zxid), &payload(zxid)).unwrap();
        if zxid % 2 == 0 {
            log.roll();
        }
    }
    assert_eq!(log.durable(), Zxid(0));
    assert_eq!(log.sync().unwrap(), Zxid(6));
    // Three files, and their heads before that.
    assert_eq!(disk.syncs(), 6);
    disk.crash();
    assert_eq!(logs(&disk), ["log.1", "log.3", "log.5"]);
    assert_eq!(read_after(&disk, 0).unwrap().0, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn sf_029_one_sync_covers_all_appended_and_none_is_made_without_force() {
    let disk = sim_disk(1);
    let mut log = writer(&disk, options(65_536), Zxid(0));
    log.append(Zxid(1), &payload(1)).unwrap();
    let before = disk.syncs();
    for zxid in 2..=100 {
        log.append(Zxid(zxid), &payload(zxid)).unwrap();
    }
    log.sync().unwrap();
    assert_eq!(disk.syncs() - before, 1);
    log.sync().unwrap();
    assert_eq!(disk.syncs() - before, 1, "nothing new needs no sync");

    let disk = sim_disk(1);
    let lazy = LogOptions {
        force_sync: false,
        ..options(65_536)
    };
    let mut log = write(&disk, lazy, 1..=5);
    assert_eq!((disk.syncs(), log.sync().unwrap()), (0, Zxid(5)));
}

#[test]
fn sf_030_slow_syncs_are_counted() {
    let disk = sim_disk(1);
    let time = Arc::new(AtomicU64::new(0));
    let clock = { Box::new(move || Monotonic(time.fetch_add(500, Ordering::Relaxed))) };
    let slow = LogOptions {
        sync_warning_ms: 499,
        ..options(0)
    };
    let mut log = LogWriter::new(Arc::new(disk), dirs().logs, slow, Zxid(0), clock);
    log.append(Zxid(1), &payload(1)).unwrap();
    log.sync().unwrap();
    let counters = log.counters();
    assert_eq!((counters.slow_syncs, counters.last_sync_ms), (1, 500));
    assert_eq!(
        (counters.records, counters.files, counters.syncs),
        (1, 1, 1)
    );
}

#[test]
fn sf_031_a_file_beyond_its_limit_ends_with_a_sync() {
    let disk = sim_disk(1);
    let limited = LogOptions {
        file_bytes_max: Some(500),
        ..options(65_536)
    };
    let mut log = writer(&disk, limited, Zxid(0));
    for zxid in 1..=40 {
        log.append(Zxid(zxid), &payload(zxid)).unwrap();
        if zxid % 10 == 0 {
            log.sync().unwrap();
        }
    }
    assert_eq!(logs(&disk), ["log.1", "log.b", "log.15", "log.1f"]);
    assert_eq!(read_after(&disk, 0).unwrap().0.len(), 40);
}

#[test]
fn sf_032_after_a_failure_the_writer_takes_nothing() {
    // The calls of one append and one sync: create, head, sync, names, space, record, sync.
    for call in 0..7 {
        let disk = sim_disk(call);
        let mut log = writer(&disk, options(65_536), Zxid(0));
        disk.inject(Fault::FailAt(call));
        let appended = log.append(Zxid(1), &payload(1));
        let outcome = appended.and_then(|()| log.sync().map(drop));
        assert!(matches!(outcome, Err(LogWriteError::Io { .. })), "{call}");
        let again = log.append(Zxid(2), &payload(2));
        assert!(matches!(again, Err(LogWriteError::FailedBefore)));
        assert!(matches!(log.sync(), Err(LogWriteError::FailedBefore)));
        assert_eq!(log.durable(), Zxid(0));
    }
}

#[test]
fn sf_032_a_full_disk_is_an_error_of_the_append() {
    let disk = sim_disk(1);
    disk.inject(Fault::Capacity(100_000));
    let mut log = writer(&disk, options(65_536), Zxid(0));
    let mut zxid = 0;
    let error = loop {
        zxid += 1;
        match log.append(Zxid(zxid), &payload(zxid)) {
            Ok(()) => assert_eq!(log.sync().unwrap(), Zxid(zxid)),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            error,
            LogWriteError::Io {
                action: "extend",
                ..
            }
        ),
        "{error}"
    );
    let (zxids, _) = read_after(&disk, 0).unwrap();
    assert_eq!(zxids, (1..zxid).collect::<Vec<_>>());
}

#[test]
#[should_panic(expected = "is appended behind")]
fn zxids_must_increase() {
    let disk = sim_disk(1);
    let mut log = write(&disk, options(0), 1..=3);
    let _ = log.append(Zxid(3), &payload(3));
}
