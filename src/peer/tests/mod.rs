//! A peer with a disk that syncs when told, virtual time, and what clients hear as lines of text.
//!
//! A line is `<connection>: <what>`, so a test reads as a script and its answer.

mod apache;
mod cluster;
mod ensemble;
mod ensemble_clients;
mod local_sessions;
mod observers;
mod order;
mod random;
mod read_only;
mod reconfig;
mod restore;
mod sessions;
mod terms;
mod time;

use std::sync::Arc;

use bytes::Bytes;

use crate::auth::{AuthOptions, Policy};
use crate::base::{Acl, ConnId, Monotonic, Now, SessionId, WallMillis, Xid, Zxid, perms};
use crate::peer::{ClientOutput, ConnectAsk, Input, Output, Peer, PeerOptions, Write};
use crate::proto::request::{Create, Delete, SetData};
use crate::proto::{ErrorCode, Op, TxnRecord, WriteReply, WriteRequest};
use crate::session::{SessionHandle, password};
use crate::tree::Database;
use crate::watch::{Registry, WatchMode, WatchTable};

/// Bucket width; timeouts from 2 to 20 of it.
pub(super) const TICK: u64 = 2000;

pub(super) struct Bench {
    pub(super) peer: Peer,
    pub(super) db: Database,
    pub(super) watches: WatchTable,
    pub(super) now: Now,
    /// All that was to be appended, and how much of it is durable.
    pub(super) log: Vec<(Zxid, Bytes)>,
    pub(super) durable: usize,
    pub(super) client: Vec<ClientOutput>,
    next_conn: u64,
    next_xid: i32,
}

/// A connection that has its session.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) conn: ConnId,
    pub(super) session: Arc<SessionHandle>,
}

impl Client {
    pub(super) fn id(&self) -> SessionId {
        self.session.id()
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut PeerOptions)) -> Self {
        let mut options = options();
        change(&mut options);
        Self::on(Database::new(options.prep.tree), options)
    }

    /// As after a restart with this state.
    pub(super) fn on(db: Database, options: PeerOptions) -> Self {
        Self::starting_at(db, options, Monotonic(1_000_000))
    }

    pub(super) fn starting_at(
        mut db: Database,
        options: PeerOptions,
        monotonic: Monotonic,
    ) -> Self {
        let now = Now {
            monotonic,
            wall: WallMillis(1_700_000_000_000),
        };
        let policy = Policy::new(&AuthOptions::default()).unwrap();
        Self {
            peer: Peer::new(options, Arc::new(policy), &mut db, now),
            db,
            watches: WatchTable::default(),
            now,
            log: Vec::new(),
            durable: 0,
            client: Vec::new(),
            next_conn: 0,
            next_xid: 0,
        }
    }

    pub(super) fn feed(&mut self, input: Input) {
        let mut out = Vec::new();
        self.peer
            .handle(self.now, &self.db, input, &mut out, &mut self.client);
        for output in out {
            let Output::Append { zxid, payload } = output else {
                panic!("a server on its own asks for nothing but its log");
            };
            let last = self.log.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
            assert!(zxid > last, "zxids rise");
            self.log.push((zxid, payload));
        }
    }

    /// The disk makes the next `count` records durable.
    pub(super) fn sync(&mut self, count: usize) {
        self.durable = (self.durable + count).min(self.log.len());
        if let Some((zxid, _)) = self.durable.checked_sub(1).and_then(|at| self.log.get(at)) {
            let zxid = *zxid;
            self.feed(Input::Appended { zxid });
        }
    }

    pub(super) fn apply(&mut self) {
        let (db, watches) = (&mut self.db, &mut self.watches);
        let mut out = Vec::new();
        self.peer
            .apply_committed(self.now, db, watches, &mut out, &mut self.client);
        assert!(out.is_empty(), "a server on its own asks for nothing then");
        assert!(!self.peer.has_committed());
    }

    /// The disk and the applier catch up; what clients hear by then.
    pub(super) fn settle(&mut self) -> Vec<String> {
        self.sync(usize::MAX - self.durable);
        self.apply();
        self.heard()
    }

    /// What clients heard since the last question.
    pub(super) fn heard(&mut self) -> Vec<String> {
        self.client.drain(..).map(|output| line(&output)).collect()
    }

    pub(super) fn pass(&mut self, millis: u64) {
        self.now.monotonic = self.now.monotonic.after(millis);
        self.now.wall.0 += i64::try_from(millis).unwrap();
        if self
            .peer
            .next_deadline()
            .is_some_and(|due| due <= self.now.monotonic)
        {
            self.feed(Input::Wake);
        }
    }

    pub(super) fn conn(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn)
    }

    pub(super) fn connect(&mut self, change: impl FnOnce(&mut ConnectAsk)) -> ConnId {
        let mut request = ConnectAsk {
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: 4000,
            session: SessionId::NONE,
            password: Some(Bytes::from_static(&[0; 16])),
            read_only: false,
        };
        change(&mut request);
        let conn = self.conn();
        self.feed(Input::Connect { conn, request });
        conn
    }

    /// A client with a new session, all settled.
    pub(super) fn client(&mut self) -> Client {
        let conn = self.connect(|_| {});
        self.sync(usize::MAX - self.durable);
        self.apply();
        self.take_client(conn)
    }

    pub(super) fn take_client(&mut self, conn: ConnId) -> Client {
        let session = self.client.drain(..).find_map(|output| match output {
            ClientOutput::Connected {
                conn: to, session, ..
            } if to == conn => Some(session),
            _ => None,
        });
        Client {
            conn,
            session: session.expect("the connection has its session"),
        }
    }

    /// A client comes back with its session.
    pub(super) fn come_back(&mut self, session: SessionId, timeout_ms: i32) -> ConnId {
        self.connect(|ask| {
            ask.session = session;
            ask.password = Some(Bytes::copy_from_slice(&password(session)));
            ask.timeout_ms = timeout_ms;
        })
    }

    /// Feeds a write and gives its xid.
    pub(super) fn write(&mut self, client: &Client, op: Op, request: WriteRequest) -> i32 {
        self.next_xid += 1;
        client.session.touch(self.now.monotonic);
        self.feed(Input::Write(Write {
            conn: client.conn,
            session: client.id(),
            xid: Xid(self.next_xid),
            op,
            request,
            ids: Policy::initial("10.0.0.1".parse().unwrap()),
            body: Bytes::new(),
        }));
        self.next_xid
    }

    pub(super) fn create(&mut self, client: &Client, path: &str) -> i32 {
        self.write(client, Op::Create, create(path, 0))
    }

    pub(super) fn ephemeral(&mut self, client: &Client, path: &str) -> i32 {
        self.write(client, Op::Create, create(path, 1))
    }

    pub(super) fn delete(&mut self, client: &Client, path: &str) -> i32 {
        let request = WriteRequest::Delete(Delete {
            path: path.into(),
            version: -1,
        });
        self.write(client, Op::Delete, request)
    }

    pub(super) fn set(&mut self, client: &Client, path: &str) -> i32 {
        let request = WriteRequest::SetData(SetData {
            path: path.into(),
            data: Some(Bytes::from_static(b"new")),
            version: -1,
        });
        self.write(client, Op::SetData, request)
    }

    pub(super) fn sync_path(&mut self, client: &Client, path: &str) -> i32 {
        let path = Some(path.into());
        self.write(client, Op::Sync, WriteRequest::Sync { path })
    }

    pub(super) fn malformed(&mut self, client: &Client) -> i32 {
        let malformed = WriteRequest::Malformed {
            code: ErrorCode::MarshallingError,
            takes_zxid: false,
        };
        self.write(client, Op::Create, malformed)
    }

    pub(super) fn close(&mut self, client: &Client) -> i32 {
        self.write(client, Op::CloseSession, WriteRequest::CloseSession)
    }

    pub(super) fn watch(&mut self, client: &Client, path: &str) {
        self.watches
            .add(path, client.conn, Registry::Data, WatchMode::Recursive)
            .unwrap();
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.db.tree.node(path).is_some()
    }

    /// The state a server comes back with that lost its memory now.
    pub(super) fn recovered(&self) -> Database {
        let mut db = Database::new(options().prep.tree);
        for (zxid, payload) in self.log.iter().take(self.durable) {
            let record = TxnRecord::decode(payload, usize::MAX).unwrap();
            assert_eq!(record.zxid, *zxid);
            let applied = db.apply(&record, &mut Vec::new());
            assert_eq!(applied.digest_mismatch, None);
        }
        db
    }
}

pub(super) fn options() -> PeerOptions {
    PeerOptions {
        tick_ms: TICK,
        session_timeout_min_ms: 4000,
        session_timeout_max_ms: 40_000,
        ..PeerOptions::default()
    }
}

pub(super) fn create(path: &str, flags: i32) -> WriteRequest {
    create_as(path, Op::Create, flags, -1)
}

pub(super) fn create_as(path: &str, op: Op, flags: i32, ttl: i64) -> WriteRequest {
    WriteRequest::Create(Create {
        op,
        path: path.into(),
        data: Some(Bytes::from_static(b"data")),
        acl: Some(vec![Acl::anyone(perms::ALL)]),
        flags,
        ttl,
    })
}

pub(super) fn line(output: &ClientOutput) -> String {
    match output {
        ClientOutput::Connected {
            conn, timeout_ms, ..
        } => format!("{}: connected for {timeout_ms}", conn.0),
        ClientOutput::SessionInvalid { conn } => format!("{}: invalid", conn.0),
        ClientOutput::Reply {
            conn,
            xid,
            zxid,
            reply,
            ..
        } => format!("{}: reply {} at {}: {}", conn.0, xid.0, zxid.0, what(reply)),
        ClientOutput::Event { conn, zxid, event } => {
            let event_type = event.event_type;
            format!("{}: {event_type:?} {} at {}", conn.0, event.path, zxid.0)
        }
        ClientOutput::Close { conn } => format!("{}: close", conn.0),
    }
}

fn what(reply: &WriteReply) -> String {
    match reply {
        WriteReply::Done => "done".to_owned(),
        WriteReply::Path(path) => path.to_string(),
        WriteReply::PathAndStat(path, stat) => format!("{path} of {}", stat.czxid),
        WriteReply::Stat(stat) => format!("version {} {}", stat.version, stat.aversion),
        WriteReply::Data(data, _) => format!("{data:?}"),
        WriteReply::Synced(path) => format!("synced {path:?}"),
        WriteReply::Multi(results) => format!("{results:?}"),
        WriteReply::Error(code) => code.wire_name().to_owned(),
    }
}
