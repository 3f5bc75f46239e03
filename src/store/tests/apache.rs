//! Files written by a server of Apache 3.9.5 (see `testdata/MakeFixture.java`), and ours compared
//! with them.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use flate2::read::GzDecoder;

use crate::base::Zxid;
use crate::proto::{Txn, TxnRecord};
use crate::store::disk::Disk;
use crate::store::layout::Compression;
use crate::store::log_reader::LogReader;
use crate::store::log_writer::LogOptions;
use crate::store::recover::{Recovered, StorageOptions, recover};
use crate::store::sim_disk::SimDisk;
use crate::store::snapshot_writer::write_snapshot;
use crate::store::tests::{Still, describe, dirs, sim_disk, storage, writer};
use crate::tree::TreeOptions;

const EXPECTED: &str = include_str!("../testdata/3.9.5/expected.txt");
const SNAPSHOT_0: &[u8] = include_bytes!("../testdata/3.9.5/snapshot.0.gz");
const SNAPSHOT_17: &[u8] = include_bytes!("../testdata/3.9.5/snapshot.17.gz");
const LOG_1: &[u8] = include_bytes!("../testdata/3.9.5/log.1.gz");
const LOG_18: &[u8] = include_bytes!("../testdata/3.9.5/log.18.gz");
const PLAIN: &[u8] = include_bytes!("../testdata/3.9.5/containers/snapshot.21");
const GZIP: &[u8] = include_bytes!("../testdata/3.9.5/containers/snapshot.21.gz");
const SNAPPY: &[u8] = include_bytes!("../testdata/3.9.5/containers/snapshot.21.snappy");

const EXTENDED: TreeOptions = TreeOptions {
    extended_types: true,
    emulate_353_ttl: false,
    digest_enabled: true,
};

fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut content).unwrap();
    content
}

fn put(disk: &SimDisk, name: &str, content: &[u8]) {
    disk.put(&dirs().snapshots.join(name), content);
}

/// Apache's whole data directory, or parts of it.
fn apache_disk(names: &[&str]) -> SimDisk {
    let disk = sim_disk(1);
    for name in names {
        let packed = match *name {
            "snapshot.0" => SNAPSHOT_0,
            "snapshot.17" => SNAPSHOT_17,
            "log.1" => LOG_1,
            "log.18" => LOG_18,
            _ => panic!("no such file"),
        };
        put(&disk, name, &gunzip(packed));
    }
    disk
}

fn recovered(disk: &dyn Disk) -> Recovered {
    recover(disk, &storage(), EXTENDED).unwrap()
}

#[test]
fn sf_052_sf_059_sf_063_a_directory_of_apache_gives_its_state() {
    let all = ["snapshot.0", "snapshot.17", "log.1", "log.18"];
    for (names, replayed) in [(&all[..], 10), (&["snapshot.0", "log.1", "log.18"][..], 33)] {
        let recovered = recovered(&apache_disk(names));
        assert_eq!(describe(&recovered.database), EXPECTED);
        assert_eq!(recovered.remarks, [], "digests agree after every record");
        assert_eq!(recovered.replayed, replayed);
        assert!(recovered.may_vote);
    }
}

#[test]
fn sf_055_sf_056_each_container_of_apache_gives_the_same_state() {
    for (name, content) in [
        ("snapshot.21", PLAIN),
        ("snapshot.21.gz", GZIP),
        ("snapshot.21.snappy", SNAPPY),
    ] {
        let disk = sim_disk(1);
        put(&disk, name, content);
        let recovered = recovered(&disk);
        assert_eq!(describe(&recovered.database), EXPECTED, "{name}");
        assert_eq!((recovered.replayed, recovered.remarks), (0, vec![]));
    }
}

#[test]
fn sf_055_sf_056_sf_067_our_snapshots_give_the_state_back_in_each_container() {
    let database = recovered(&apache_disk(&["snapshot.17", "log.18"])).database;
    for compression in [Compression::Plain, Compression::Gzip, Compression::Snappy] {
        let disk = sim_disk(1);
        let mut source = Still::new(&database);
        let zxid = database.last_zxid();
        let written = write_snapshot(&disk, &dirs(), zxid, &mut source, compression).unwrap();
        let content = disk.read(&written.path).unwrap();
        assert_eq!(content.len() as u64, written.file_bytes);
        let again = recovered(&disk);
        assert_eq!(describe(&again.database), EXPECTED);
        assert_eq!(again.remarks, []);
        if compression == Compression::Plain {
            // Only the order of sessions, lists and nodes is each server's own.
            assert_eq!(content.len(), PLAIN.len());
        }
    }
}

#[test]
fn sf_049_sf_050_sf_051_sf_057_sf_058_a_fresh_snapshot_is_apaches_to_the_byte() {
    let disk = sim_disk(1);
    let fresh = recover(&disk, &storage(), TreeOptions::default()).unwrap();
    let content = disk.read(&dirs().snapshots.join("snapshot.0")).unwrap();
    assert_eq!(content, gunzip(SNAPSHOT_0));
    assert_eq!(content.len(), 478);
    assert_eq!(content[411..419], 0xb8a2_3b49_u64.to_be_bytes());
    assert_eq!(content[444..452], 0x95b9_3d59_u64.to_be_bytes());
    assert_eq!(content[465..473], 0xbde8_3f6d_u64.to_be_bytes());
    assert_eq!(
        (fresh.snapshot, fresh.replayed, fresh.may_vote),
        (None, 0, true)
    );
    assert_eq!(fresh.database.last_zxid(), Zxid(0));
}

/// Every payload of a log, in order.
fn payloads(log: &[u8], name: &str) -> Vec<Bytes> {
    let disk = sim_disk(1);
    put(&disk, name, log);
    let (dirs, first) = (dirs(), i64::from_str_radix(&name[4..], 16).unwrap());
    let mut reader = LogReader::after(&disk, &dirs, Zxid(first - 1), 1 << 20).unwrap();
    let mut payloads = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        payloads.push(record.payload);
    }
    payloads
}

#[test]
fn sf_034_sf_035_sf_037_sf_039_every_record_of_apache_encodes_back_to_its_bytes() {
    let mut kinds = std::collections::BTreeSet::new();
    for (packed, name) in [(LOG_1, "log.1"), (LOG_18, "log.18")] {
        for payload in payloads(&gunzip(packed), name) {
            let record = TxnRecord::decode(&payload, 1 << 20).unwrap();
            let mut again = Vec::new();
            record.encode(&mut again);
            assert_eq!(again, payload);
            let is_error = matches!(record.txn, Txn::Error { .. });
            assert_eq!(record.digest.is_none(), is_error);
            // SF-038
            assert!(!is_error || payload.len() == 36);
            kinds.insert(record.txn.type_number());
        }
    }
    assert_eq!(
        Vec::from_iter(kinds),
        [-11, -10, -1, 1, 2, 5, 7, 14, 15, 19, 21]
    );
}

#[test]
fn sf_033_a_log_written_from_apaches_payloads_is_apaches_to_the_byte() {
    for (packed, name) in [(LOG_1, "log.1"), (LOG_18, "log.18")] {
        let theirs = gunzip(packed);
        let first = i64::from_str_radix(&name[4..], 16).unwrap();
        let disk = sim_disk(1);
        let options = LogOptions {
            preallocation_bytes: 64 * 1024,
            ..LogOptions::default()
        };
        let mut log = writer(&disk, options, Zxid(first - 1));
        for (payload, zxid) in payloads(&theirs, name).iter().zip(first..) {
            log.append(Zxid(zxid), payload).unwrap();
            log.sync().unwrap();
        }
        assert_eq!(disk.read(&dirs().logs.join(name)).unwrap(), theirs);
    }
}

#[test]
fn sf_052_snapshots_without_trailers_load() {
    // The seals are sums over all before them, so that a file cut behind any of them is one that
    // a server without the later trailers wrote.
    let len = PLAIN.len();
    for cut in [0, 21, 54] {
        let disk = sim_disk(1);
        put(&disk, "snapshot.21", &PLAIN[..len - cut]);
        let recovered = recovered(&disk);
        assert_eq!(describe(&recovered.database), EXPECTED);
        assert_eq!(recovered.remarks, []);
    }
}

#[test]
fn ttl_nodes_are_kept_where_extended_types_are_off() {
    let disk = apache_disk(&["snapshot.17", "log.18"]);
    let options = TreeOptions::default();
    let mut recovered = recover(&disk, &storage(), options).unwrap();
    assert_eq!(
        recovered.remarks,
        [crate::store::recover::Remark::TtlWithoutExtendedTypes]
    );
    recovered.database.remove_orphaned_ephemerals();
    assert_eq!(describe(&recovered.database), EXPECTED);
}

#[test]
fn defaults_are_apaches() {
    let options = StorageOptions::new(Path::new("/data"), Path::new("/data"));
    assert_eq!(options, storage());
    assert_eq!(LogOptions::default().preallocation_bytes, 65_536 * 1024);
}
