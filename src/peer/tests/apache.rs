//! The same requests as an Apache 3.9.5 server got, the same replies and log records byte for byte.
//!
//! A fixture is made by `testdata/record.py`: what one random client sent to a fresh server with extended types switched on, in
//! bursts, after it authenticated as `u:p`, and what came of it:
//!
//! ```text
//! session (8)  timeout (4)
//! count (4)    then count times: length (4) request  length (4) reply     header and body each
//! count (4)    then count times: length (4) payload                       as in the log
//! ```
//!
//! Only the time of each transaction is taken over. Records with a zxid that was there before are
//! left out: Apache logs those for bodies that cannot be read.

use std::collections::BTreeMap;

use jute::{Decode, Reader};

use super::*;
use crate::auth::Shown;
use crate::proto::Txn;
use crate::tree::TreeOptions;

struct Fixture {
    session: SessionId,
    timeout_ms: i32,
    exchanges: Vec<(Bytes, Bytes)>,
    records: BTreeMap<Zxid, Bytes>,
}

impl Fixture {
    fn read(bytes: &[u8]) -> Self {
        let mut reader = Reader::new(bytes);
        let number = |reader: &mut Reader<'_>| i32::decode(reader).unwrap();
        let field = |reader: &mut Reader<'_>| {
            let bytes = jute::Buffer::decode(reader).unwrap().unwrap();
            Bytes::copy_from_slice(bytes)
        };
        let session = SessionId(i64::decode(&mut reader).unwrap());
        let timeout_ms = number(&mut reader);
        let exchanges = (0..number(&mut reader))
            .map(|_| (field(&mut reader), field(&mut reader)))
            .collect();
        let mut records = BTreeMap::new();
        for _ in 0..number(&mut reader) {
            let payload = field(&mut reader);
            let record = TxnRecord::decode(&payload, usize::MAX).unwrap();
            records.entry(record.zxid).or_insert(payload);
        }
        assert_eq!(reader.remaining(), 0);
        Self {
            session,
            timeout_ms,
            exchanges,
            records,
        }
    }

    /// A server that gives its first client the session of the fixture.
    fn bench(&self, enforce_quota: bool) -> Bench {
        let mut options = options();
        options.session_timeout_max_ms = self.timeout_ms;
        options.prep.enforce_quota = enforce_quota;
        options.prep.tree = TreeOptions {
            extended_types: true,
            ..TreeOptions::default()
        };
        let start = (self.session.0.cast_unsigned() >> 16) & 0xff_ffff_ffff;
        Bench::starting_at(Database::new(options.prep.tree), options, Monotonic(start))
    }

    fn time_of_next(&self, bench: &Bench) -> Option<WallMillis> {
        let zxid = bench.peer.in_flight().last_zxid.next();
        let payload = self.records.get(&zxid)?;
        Some(TxnRecord::decode(payload, usize::MAX).unwrap().time)
    }

    fn check(&self, enforce_quota: bool) {
        let mut bench = self.bench(enforce_quota);
        bench.now.wall = self.time_of_next(&bench).unwrap();
        let conn = bench.connect(|ask| ask.timeout_ms = i32::MAX);
        bench.sync(1);
        bench.apply();
        let client = bench.take_client(conn);
        assert_eq!(client.id(), self.session);
        let peer = "127.0.0.1".parse().unwrap();
        let policy = Policy::new(&AuthOptions::default()).unwrap();
        let ids = Policy::initial(peer);
        let ids = policy.authenticate(&ids, "digest", &Shown::new(Some(b"u:p"), peer));
        let ids = ids.unwrap();
        for (number, (request, reply)) in self.exchanges.iter().enumerate() {
            if let Some(time) = self.time_of_next(&bench) {
                bench.now.wall = time;
            }
            let mut reader = Reader::new(request);
            let xid = Xid(i32::decode(&mut reader).unwrap());
            let op = Op::from_number(i32::decode(&mut reader).unwrap()).unwrap();
            let body = request.slice(8..);
            let request = WriteRequest::decode(op, &body);
            let what = format!("number {number}: {request:?}");
            bench.feed(Input::Write(Write {
                conn: client.conn,
                session: client.id(),
                xid,
                op,
                request,
                ids: ids.clone(),
                body,
            }));
            bench.sync(usize::MAX - bench.durable);
            bench.apply();
            assert_eq!(replies(&mut bench), std::slice::from_ref(reply), "{what}");
        }
        let ours: BTreeMap<_, _> = bench.log.iter().cloned().collect();
        for (zxid, theirs) in &self.records {
            compare(&ours[zxid], theirs);
        }
        assert_eq!(ours.len(), self.records.len());
    }
}

/// Byte for byte, but for two things in which Apache's order is of its own.
fn compare(ours: &Bytes, theirs: &Bytes) {
    let decoded = |bytes: &Bytes| TxnRecord::decode(bytes, usize::MAX).unwrap();
    let mut expected = decoded(theirs);
    let mut is_exact = true;
    match &mut expected.txn {
        // It has computed a digest when it finds that a multi is for reading only.
        Txn::Error { .. } if expected.digest.take().is_some() => is_exact = false,
        // It lists ephemerals in the order of a hash table.
        Txn::CloseSession { paths: Some(paths) } => {
            paths.sort_unstable();
            is_exact = false;
        }
        _ => {}
    }
    assert_eq!(decoded(ours), expected);
    assert!(!is_exact || ours == theirs, "{expected:?}");
}

/// The replies since the last look, without the length in front.
fn replies(bench: &mut Bench) -> Vec<Bytes> {
    let frame = |output: ClientOutput| match output {
        ClientOutput::Reply {
            xid, zxid, reply, ..
        } => {
            let mut frame = Vec::new();
            reply.encode_frame(xid, zxid, &mut frame);
            Some(Bytes::from(frame).slice(4..))
        }
        _ => None,
    };
    bench.client.drain(..).filter_map(frame).collect()
}

#[test]
fn random_writes() {
    let fixture = include_bytes!("../testdata/apache-3.9.5-writes.bin");
    Fixture::read(fixture).check(false);
}

/// `/a` and `/b` have hard limits, one request at a time.
#[test]
fn random_writes_under_quotas() {
    let fixture = include_bytes!("../testdata/apache-3.9.5-quota.bin");
    Fixture::read(fixture).check(true);
}
