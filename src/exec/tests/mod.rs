//! Every read, by its bytes.

mod nodes;
mod others;
mod watches;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use jute::data::Stat;
use jute::proto::ReplyHeader;
use jute::{Decode, Encode};

use crate::auth::{AuthOptions, Policy};
use crate::base::{Acl, AclList, ConnId, Identity, SessionId, WallMillis, Xid, Zxid};
use crate::exec::{Reader, read};
use crate::proto::txn::{CreateKind, CreateTxn};
use crate::proto::{Op, Txn, TxnRecord};
use crate::tree::{Database, TreeOptions};
use crate::watch::WatchTable;

const CONN: ConnId = ConnId(7);
const SESSION: SessionId = SessionId(0x0100_0000_0000_0001);

/// A state to read from, and the one who reads.
struct World {
    database: Database,
    watches: Mutex<WatchTable>,
    policy: Policy,
    ids: Vec<Identity>,
}

/// One frame: the header's error and what follows it.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    xid: i32,
    zxid: i64,
    err: i32,
    body: Vec<u8>,
}

impl World {
    fn new() -> Self {
        Self {
            database: Database::new(TreeOptions::default()),
            watches: Mutex::new(WatchTable::new(4)),
            policy: Policy::new(&AuthOptions::default()).unwrap(),
            ids: vec![Identity::new("ip", "10.0.0.1")],
        }
    }

    fn with(mut self, paths: &[&str]) -> Self {
        for path in paths {
            self.create(path, Some(b"data"), Acl::anyone(31), false);
        }
        self
    }

    fn create(&mut self, path: &str, data: Option<&[u8]>, acl: Acl, ephemeral: bool) {
        self.apply(Txn::Create(CreateTxn {
            kind: CreateKind::Plain {
                op_is_create2: false,
                ephemeral,
            },
            path: path.into(),
            data: data.map(Bytes::copy_from_slice),
            acl: Some(AclList::from([acl])),
            parent_cversion: -1,
        }));
    }

    fn apply(&mut self, txn: Txn) {
        let zxid = self.database.last_zxid().next();
        let record = TxnRecord {
            session: SESSION,
            cxid: Xid(0),
            zxid,
            time: WallMillis(1000 + zxid.0),
            txn,
            digest: None,
        };
        self.database.apply(&record, &mut Vec::new());
    }

    /// All frames that a request gives, on a connection that has more output waiting.
    fn frames(&self, op: Op, body: &[u8]) -> Vec<Frame> {
        let reader = Reader {
            db: &self.database,
            watches: &self.watches,
            policy: &self.policy,
            ids: &self.ids,
            conn: CONN,
            session: SESSION,
        };
        let mut out = BytesMut::from(&b"before"[..]);
        read(&reader, op, Xid(5), body, &mut out);
        let mut rest = out.strip_prefix(b"before").unwrap();
        let mut frames = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk() {
            let (frame, after) = after.split_at(u32::from_be_bytes(*length) as usize);
            let mut reader = jute::Reader::new(frame);
            let ReplyHeader { xid, zxid, err } = ReplyHeader::decode(&mut reader).unwrap();
            let body = reader.rest().to_vec();
            frames.push(Frame {
                xid,
                zxid,
                err,
                body,
            });
            rest = after;
        }
        assert!(rest.is_empty());
        frames
    }

    /// The one frame that a request gives.
    fn frame(&self, op: Op, body: &[u8]) -> Frame {
        let mut frames = self.frames(op, body);
        let frame = frames.pop().unwrap();
        assert!(frames.is_empty());
        assert_eq!(
            (frame.xid, Zxid(frame.zxid)),
            (5, self.database.last_zxid())
        );
        frame
    }

    /// The body of a reply that succeeds.
    fn body(&self, op: Op, body: &[u8]) -> Vec<u8> {
        let frame = self.frame(op, body);
        assert_eq!(frame.err, 0);
        frame.body
    }

    /// The code of a reply that fails, which has no body.
    fn error(&self, op: Op, body: &[u8]) -> i32 {
        let frame = self.frame(op, body);
        assert!(frame.body.is_empty());
        frame.err
    }

    fn stat(&self, path: &str) -> Stat {
        self.database.tree.node(path).unwrap().stat()
    }

    fn watch_counts(&self) -> (usize, usize) {
        let watches = self.watches.lock();
        (watches.data_watch_count(), watches.child_watch_count())
    }
}

/// The body of most reads: a path and whether to watch.
fn ask(path: Option<&str>, watch: bool) -> Vec<u8> {
    bytes_of(&[&string(path), &[u8::from(watch)]])
}

fn string(text: Option<&str>) -> Vec<u8> {
    text.map(str::as_bytes).to_vec()
}

fn strings(texts: &[&str]) -> Vec<u8> {
    let count = i32::try_from(texts.len()).unwrap();
    let texts: Vec<_> = texts.iter().map(|text| string(Some(text))).collect();
    bytes_of(&[&count.to_vec(), &texts.concat()])
}

fn bytes_of(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
