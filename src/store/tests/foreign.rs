//! What servers with other settings, or with bugs of theirs, left on disk.

use std::path::PathBuf;

use crate::base::{SessionId, WallMillis, Xid, Zxid};
use crate::proto::{Txn, TxnRecord};
use crate::store::layout::Compression;
use crate::store::log_format::{RECORD_END, file_head, record_head};
use crate::store::log_reader::LogRemark;
use crate::store::recover::{Remark, recover};
use crate::store::snapshot_writer::{SnapshotSource, SnapshotTail, write_snapshot};
use crate::store::tests::{Random, Still, describe, dirs, sim_disk, storage};
use crate::tree::{Database, TreeOptions};

fn path(name: &str) -> PathBuf {
    dirs().snapshots.join(name)
}

fn put_record(file: &mut Vec<u8>, payload: &[u8]) {
    file.extend_from_slice(&record_head(payload));
    file.extend_from_slice(payload);
    file.push(RECORD_END);
}

/// Apache's leader gives a zxid a second time when it cannot read a request (H-01). The error behind
/// the transaction that has it changes nothing, and the history goes on.
#[test]
fn an_error_under_a_zxid_that_is_taken_is_read_over() {
    let disk = sim_disk(1);
    let mut random = Random(1);
    let mut database = recover(&disk, &storage(), TreeOptions::default())
        .unwrap()
        .database;
    let mut file = file_head().to_vec();
    for number in 1..=6 {
        let (zxid, payload) = random.apply_next(&mut database);
        put_record(&mut file, &payload);
        if number % 2 == 0 {
            let error = TxnRecord {
                session: SessionId(1),
                cxid: Xid(1),
                zxid,
                time: WallMillis(0),
                txn: Txn::Error { code: -5 },
                digest: None,
            };
            let mut payload = Vec::new();
            error.encode(&mut payload);
            put_record(&mut file, &payload);
        }
    }
    disk.put(&path("log.1"), &file);
    let recovered = recover(&disk, &storage(), TreeOptions::default()).unwrap();
    assert_eq!(describe(&recovered.database), describe(&database));
    let kept = recovered.recent.iter().map(|entry| {
        let record = TxnRecord::decode(&entry.payload, 1 << 20).unwrap();
        assert!(
            !matches!(record.txn, Txn::Error { code: -5 }),
            "learners get the first"
        );
        entry.zxid.0
    });
    assert_eq!(kept.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let is_told = |remark: &Remark| matches!(remark, Remark::Log(LogRemark::OutOfOrder { .. }));
    assert_eq!(recovered.remarks.len(), 3);
    assert!(recovered.remarks.iter().all(is_told));
}

/// A snapshot whose writer had these trailers switched on.
struct Tailed<'d> {
    still: Still<'d>,
    has_digest: bool,
    has_zxid: bool,
}

impl SnapshotSource for Tailed<'_> {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        self.still.next_slice(out)
    }

    fn tail(&mut self) -> SnapshotTail {
        let whole = self.still.tail();
        SnapshotTail {
            digest: whole.digest.filter(|_| self.has_digest),
            last_processed: whole.last_processed.filter(|_| self.has_zxid),
        }
    }
}

/// Apache's server takes one trailer for the other when digests were switched on or off since, and
/// then no snapshot of it loads (H-20).
#[test]
fn trailers_are_told_apart_whatever_the_switches() {
    let tree = |digest_enabled| TreeOptions {
        extended_types: true,
        digest_enabled,
        ..TreeOptions::default()
    };
    let mut database = Database::new(tree(true));
    let mut random = Random(1);
    for _ in 0..30 {
        random.apply_next(&mut database);
    }
    let nodes = |database: &Database| -> Vec<String> {
        let text = describe(database);
        let lines = text.lines().filter(|line| !line.starts_with("digest"));
        lines.map(str::to_owned).collect()
    };
    for case in 0..8 {
        let [has_digest, has_zxid, digest_enabled] = [1, 2, 4].map(|bit| case & bit != 0);
        let disk = sim_disk(1);
        let mut source = Tailed {
            still: Still::new(&database),
            has_digest,
            has_zxid,
        };
        let zxid = database.last_zxid();
        write_snapshot(&disk, &dirs(), zxid, &mut source, Compression::Plain).unwrap();
        let recovered = recover(&disk, &storage(), tree(digest_enabled)).unwrap();
        assert_eq!(recovered.snapshot, Some(Zxid(30)), "case {case}");
        assert_eq!(recovered.remarks, [], "case {case}");
        assert_eq!(nodes(&recovered.database), nodes(&database), "case {case}");
    }
}
