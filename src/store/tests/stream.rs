//! The state between leader and learner: what is sent arrives, nothing behind it is touched, and
//! nothing that is sent makes the learner panic.

use std::io::{self, BufReader, Read};

use bytes::Bytes;

use crate::base::Zxid;
use crate::proto::TxnRecord;
use crate::store::recover::recover;
use crate::store::snapshot_reader::SnapshotReadError;
use crate::store::snapshot_stream::{OutgoingSnapshot, receive_snapshot};
use crate::store::tests::{Random, describe, sim_disk, storage};
use crate::tree::{Database, LoadError, Loaded, SnapshotCursor, TreeOptions};

const TREE: TreeOptions = TreeOptions {
    extended_types: true,
    emulate_353_ttl: false,
    digest_enabled: true,
};
const FIELD_MAX: usize = 1 << 20;
const PACKETS: &[u8] = b"the packets that follow";

fn state(seed: u64, count: i64) -> Database {
    let mut database = recover(&sim_disk(seed), &storage(), TREE).unwrap().database;
    let mut random = Random(seed);
    while database.last_zxid() < Zxid(count) {
        random.apply_next(&mut database);
    }
    database
}

fn sent(database: &Database) -> Vec<u8> {
    let mut outgoing = OutgoingSnapshot::new(database);
    assert_eq!(outgoing.zxid(), database.last_zxid());
    let mut bytes = Vec::new();
    while outgoing.next_slice(database, &mut bytes) {}
    bytes
}

type Received = Result<Loaded, SnapshotReadError<LoadError>>;

fn receive(input: &mut dyn Read, zxid: Zxid) -> Received {
    receive_snapshot(input, FIELD_MAX, TREE, zxid)
}

/// Gives few bytes at a time, now and then none for a signal.
struct Trickle<'b> {
    bytes: &'b [u8],
    random: Random,
}

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.random.below(5) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = usize::try_from(self.random.below(9)).unwrap() + 1;
        let most = most.min(into.len());
        self.bytes.read(&mut into[..most])
    }
}

#[test]
fn what_is_sent_arrives_and_what_follows_stays() {
    for seed in 0..20 {
        let database = state(seed, 80);
        let mut bytes = sent(&database);
        assert_eq!(bytes[bytes.len() - 14..], *b"\0\0\0\x0aBenWasHere");
        let len = bytes.len();
        bytes.extend_from_slice(PACKETS);
        let zxid = database.last_zxid();

        let mut exact = &bytes[..];
        let received = receive(&mut exact, zxid).unwrap();
        assert_eq!(describe(&received.database), describe(&database));
        assert_eq!(exact, PACKETS);

        let mut trickle = Trickle {
            bytes: &bytes,
            random: Random(seed),
        };
        let received = receive(&mut trickle, zxid).unwrap();
        assert_eq!(describe(&received.database), describe(&database));
        assert_eq!(trickle.bytes, PACKETS);

        // A reader with a buffer of its own goes on with what is in it.
        let mut buffered = BufReader::with_capacity(len - 5, &bytes[..]);
        receive(&mut buffered, zxid).unwrap();
        let mut rest = Vec::new();
        buffered.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, PACKETS);
    }
}

#[test]
fn the_parts_of_apaches_snapshot_are_a_stream() {
    // Sixteen bytes of head before them; a seal and both trailers with theirs behind.
    let file = include_bytes!("../testdata/3.9.5/containers/snapshot.21");
    let mut bytes = file[16..file.len() - 13 - 33 - 21].to_vec();
    bytes.extend_from_slice(b"\0\0\0\x0aBenWasHere");
    let received = receive(&mut &bytes[..], Zxid(0x21)).unwrap();
    let expected = include_str!("../testdata/3.9.5/expected.txt");
    assert_eq!(describe(&received.database), expected);
    assert_eq!(sent(&received.database).len(), bytes.len());
}

#[test]
fn the_zxid_is_that_of_the_packet() {
    let bytes = sent(&state(1, 10));
    let received = receive(&mut &bytes[..], Zxid(0x7_0000_0000)).unwrap();
    assert_eq!(received.database.last_zxid(), Zxid(0x7_0000_0000));
}

#[test]
fn a_wrong_signature_refuses() {
    let mut bytes = sent(&state(1, 10));
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    let error = receive(&mut &bytes[..], Zxid(10)).unwrap_err();
    assert!(matches!(error, SnapshotReadError::BadSignature), "{error}");
}

#[test]
fn a_stream_cut_anywhere_refuses() {
    let bytes = sent(&state(2, 40));
    for cut in 0..bytes.len() {
        let error = receive(&mut &bytes[..cut], Zxid(40)).unwrap_err();
        assert!(
            matches!(error, SnapshotReadError::Malformed(_)),
            "{cut}: {error}"
        );
    }
}

#[test]
fn a_link_that_breaks_is_told_from_bytes_that_make_no_sense() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let bytes = sent(&state(2, 10));
    let error = receive(&mut bytes[..50].chain(Broken), Zxid(10)).unwrap_err();
    assert!(matches!(error, SnapshotReadError::Io(_)), "{error}");
}

#[test]
fn a_state_that_changes_while_it_is_sent_is_repaired_by_what_follows() {
    for seed in 0..40 {
        let mut database = state(seed, 50);
        let mut random = Random(seed + 1000);
        let mut cursor = SnapshotCursor::new(&database);
        let (mut bytes, mut log) = (Vec::new(), Vec::<Bytes>::new());
        while cursor.next_slice(&database, 200, &mut bytes) {
            let (_, payload) = random.apply_next(&mut database);
            log.push(payload.into());
        }
        bytes.extend_from_slice(b"\0\0\0\x0aBenWasHere");
        let received = receive(&mut &bytes[..], cursor.zxid()).unwrap();
        let mut received = received.database;
        for payload in &log {
            let record = TxnRecord::decode(payload, FIELD_MAX).unwrap();
            received.apply(&record, &mut Vec::new());
        }
        assert_eq!(describe(&received), describe(&database), "seed {seed}");
    }
}

#[test]
fn no_bytes_make_the_learner_panic_or_take_memory() {
    let bytes = sent(&state(3, 60));
    let mut random = Random(9);
    for _ in 0..3000 {
        let mut tampered = bytes.clone();
        for _ in 0..=random.below(4) {
            let at = usize::try_from(random.below(tampered.len() as u64)).unwrap();
            tampered[at] = [0, 0xff, 0x7f, 1][usize::try_from(random.below(4)).unwrap()];
        }
        let _ = receive(&mut &tampered[..], Zxid(60));
    }
}
