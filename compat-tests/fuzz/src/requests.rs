//! Any requests of two clients, in any order, through the whole server but its sockets and disk:
//! every one is answered or its connection closed, and nothing stops the server.
//!
//! The input is a list of requests: one byte for the operation, one for the client and whether
//! the log is synced afterwards, two for the length of the body, then the body.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gamekeeper::auth::{AuthOptions, Policy};
use gamekeeper::base::{ConnId, Monotonic, Now, SessionId, WallMillis, Xid, Zxid};
use gamekeeper::exec;
use gamekeeper::peer::{ClientOutput, ConnectAsk, Input, Output, Peer, PeerOptions, Write};
use gamekeeper::proto::{Op, OpClass, TxnRecord, WriteRequest};
use gamekeeper::tree::{Database, TreeOptions};
use gamekeeper::watch::WatchTable;
use libfuzzer_sys::fuzz_target;
use parking_lot::Mutex;

const CLIENTS: [ConnId; 2] = [ConnId(1), ConnId(2)];

fuzz_target!(|data: &[u8]| {
    let mut server = Server::new();
    for conn in CLIENTS {
        server.open_session(conn);
    }
    let mut rest = data;
    while let Some(([op, who, high, low], more)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(more.len());
        let (body, after) = more.split_at(length);
        rest = after;
        let op = Op::ALL[usize::from(*op) % Op::ALL.len()];
        let conn = CLIENTS[usize::from(who & 1)];
        server.request(conn, op, body);
        if who & 2 != 0 {
            server.sync();
        }
        if who & 0xc0 == 0xc0 {
            server.pass_time(u64::from(*who) * 100);
        }
    }
    server.sync();
    server.check();
});

struct Server {
    peer: Peer,
    db: Database,
    watches: Mutex<WatchTable>,
    policy: Arc<Policy>,
    now: Now,
    sessions: [SessionId; 2],
    appended: Vec<TxnRecord>,
    last_appended: Zxid,
    asked: usize,
    answered: usize,
}

impl Server {
    fn new() -> Self {
        let tree = TreeOptions {
            extended_types: true,
            ..TreeOptions::default()
        };
        let policy = Arc::new(Policy::new(&AuthOptions::default()).expect("defaults are valid"));
        let mut db = Database::new(tree);
        let now = Now {
            monotonic: Monotonic(1_000_000),
            wall: WallMillis(1_700_000_000_000),
        };
        let mut options = PeerOptions::default();
        options.prep.tree.extended_types = true;
        options.prep.enforce_quota = true;
        Self {
            peer: Peer::new(options, policy.clone(), &mut db, now),
            db,
            watches: Mutex::new(WatchTable::default()),
            policy,
            now,
            sessions: [SessionId::NONE; 2],
            appended: Vec::new(),
            last_appended: Zxid::ZERO,
            asked: 0,
            answered: 0,
        }
    }

    fn open_session(&mut self, conn: ConnId) {
        let request = ConnectAsk {
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: 10_000,
            session: SessionId::NONE,
            password: None,
        };
        self.feed(Input::Connect { conn, request });
        self.sync();
    }

    fn request(&mut self, conn: ConnId, op: Op, body: &[u8]) {
        let session = self.sessions[usize::from(conn == CLIENTS[1])];
        let ids = Policy::initial(IpAddr::V4(Ipv4Addr::LOCALHOST));
        match op.class() {
            OpClass::Write | OpClass::Sync => {
                let body = Bytes::copy_from_slice(body);
                let request = WriteRequest::decode(op, &body);
                let xid = Xid(7);
                self.asked += 1;
                self.feed(Input::Write(Write {
                    conn,
                    session,
                    xid,
                    op,
                    request,
                    ids,
                    body,
                }));
            }
            OpClass::Read => {
                let mut out = BytesMut::new();
                let reader = exec::Reader {
                    db: &self.db,
                    watches: &self.watches,
                    policy: &self.policy,
                    ids: &ids,
                    conn,
                    session,
                };
                exec::read(&reader, op, Xid(7), body, &mut out);
                assert!(out.len() >= 20, "every read is answered with a header");
            }
            _ => {}
        }
    }

    fn pass_time(&mut self, millis: u64) {
        self.now.monotonic = self.now.monotonic.after(millis);
        self.now.wall.0 += i64::try_from(millis).expect("a few seconds");
        if self
            .peer
            .next_deadline()
            .is_some_and(|deadline| deadline <= self.now.monotonic)
        {
            self.feed(Input::Wake);
        }
    }

    fn feed(&mut self, input: Input) {
        let (mut out, mut client) = (Vec::new(), Vec::new());
        self.peer
            .handle(self.now, &self.db, input, &mut out, &mut client);
        for output in out {
            let Output::Append { zxid, payload } = output else {
                panic!("a server on its own asks for nothing but its log");
            };
            let record = TxnRecord::decode(&payload, 1 << 21).expect("what we log can be read");
            assert!(zxid > self.last_appended && record.zxid == zxid);
            self.last_appended = zxid;
            self.appended.push(record);
        }
        self.take(client);
    }

    fn sync(&mut self) {
        self.feed(Input::Appended {
            zxid: self.last_appended,
        });
        let (mut out, mut client) = (Vec::new(), Vec::new());
        let (db, watches) = (&mut self.db, &mut self.watches.lock());
        self.peer
            .apply_committed(self.now, db, watches, &mut out, &mut client);
        self.take(client);
        if let Some(record) = self.appended.last() {
            assert_eq!(
                self.db.last_zxid(),
                record.zxid,
                "what is durable is applied"
            );
            let expected = record.digest.unwrap_or_else(|| self.db.tree.digest());
            assert_eq!(self.db.tree.digest(), expected, "the digest was foreseen");
        }
    }

    fn take(&mut self, outputs: Vec<ClientOutput>) {
        for output in outputs {
            match output {
                ClientOutput::Connected { conn, session, .. } => {
                    self.sessions[usize::from(conn == CLIENTS[1])] = session.id();
                }
                ClientOutput::Reply { .. } => self.answered += 1,
                _ => {}
            }
        }
    }

    /// What the log holds makes the same state again.
    fn check(&self) {
        assert!(self.answered <= self.asked);
        let tree = TreeOptions {
            extended_types: true,
            ..TreeOptions::default()
        };
        let mut replayed = Database::new(tree);
        for record in &self.appended {
            let applied = replayed.apply(record, &mut Vec::new());
            assert_eq!(applied.digest_mismatch, None);
        }
        assert_eq!(replayed.tree.digest(), self.db.tree.digest());
        assert_eq!(replayed.sessions, self.db.sessions);
    }
}
