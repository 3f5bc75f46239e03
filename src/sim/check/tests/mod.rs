//! Planted violations: every checker finds what it is for, and a story without any passes.

mod clients;
mod servers;

use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Epoch, ServerId, SessionId, WallMillis, Xid, Zxid};
use crate::peer::Mode;
use crate::proto::txn::{CreateKind, CreateTxn, SetDataTxn};
use crate::proto::{EventType, Txn, TxnRecord};
use crate::sim::asked::{Answer, Asked, CreateMode, Facts, WatchSet};
use crate::sim::check::{Checkers, Violation};
use crate::sim::facts::{
    ClientFact, ClientId, Entry, EpochKind, Fact, FinalState, History, ServerFact, hash_of,
};
use crate::sim::world::Micros;

/// Facts as a run would give them, told one by one.
struct Story {
    checkers: Checkers,
    now: u64,
    proposed: Vec<Entry>,
    outcome: Result<(), Violation>,
}

const N1: ServerId = ServerId(1);
const N2: ServerId = ServerId(2);
const S: SessionId = SessionId(0x0100_0000_0000_0001);
const C: ClientId = ClientId(1);

fn zxid(epoch: i64, counter: i64) -> Zxid {
    Zxid((epoch << 32) + counter)
}

fn create(path: &str, ephemeral: bool) -> Txn {
    Txn::Create(CreateTxn {
        kind: CreateKind::Plain {
            op_is_create2: false,
            ephemeral,
        },
        path: path.into(),
        data: Some(Bytes::from_static(b"0")),
        acl: None,
        parent_cversion: 1,
    })
}

fn set(path: &str, data: &'static str, version: i32) -> Txn {
    Txn::SetData(SetDataTxn {
        path: path.into(),
        data: Some(Bytes::from_static(data.as_bytes())),
        version,
    })
}

fn asks_to_create(path: &str) -> Asked {
    Asked::Create {
        path: path.into(),
        data: Bytes::from_static(b"0"),
        mode: CreateMode::Persistent,
        wants_stat: false,
    }
}

fn asks_to_set(path: &str, data: &'static str) -> Asked {
    Asked::SetData {
        path: path.into(),
        data: Bytes::from_static(data.as_bytes()),
        version: -1,
    }
}

fn facts(czxid: Zxid, mzxid: Zxid, version: i32) -> Facts {
    Facts {
        czxid,
        mzxid,
        pzxid: czxid,
        version,
        owner: SessionId::NONE,
    }
}

impl Story {
    fn new() -> Self {
        Self {
            checkers: Checkers::default(),
            now: 0,
            proposed: Vec::new(),
            outcome: Ok(()),
        }
    }

    /// Two servers that serve in epoch 1, and a client at the second, whose session is the first
    /// transaction.
    fn running() -> Self {
        let mut story = Self::new();
        for node in [N1, N2] {
            story.start(node, 0, &[]);
        }
        story.server(N1, ServerFact::TermBegan(zxid(1, 0)));
        story.serve(N1, Mode::Leader, 1);
        story.serve(N2, Mode::Follower, 1);
        story.write(zxid(1, 1), 0, Txn::CreateSession { timeout_ms: 4000 });
        story.connect(1, true);
        story
    }

    fn tell(&mut self, fact: &Fact) {
        if self.outcome.is_ok() {
            self.outcome = self.checkers.observe(Micros(self.now), fact);
        }
        self.now += 1000;
    }

    fn server(&mut self, node: ServerId, what: ServerFact) {
        self.tell(&Fact::Server { node, what });
    }

    fn client(&mut self, what: ClientFact) {
        self.tell(&Fact::Client { client: C, what });
    }

    fn history(&self, base: Zxid, zxids: &[Zxid]) -> History {
        let entries = self.proposed.iter();
        let entries = entries.filter(|entry| zxids.contains(&entry.zxid));
        History {
            base,
            entries: entries.map(|entry| (entry.zxid, entry.hash)).collect(),
        }
    }

    fn start(&mut self, node: ServerId, epoch: i64, zxids: &[Zxid]) {
        let history = self.history(Zxid::ZERO, zxids);
        self.server(
            node,
            ServerFact::Started {
                history,
                accepted: Epoch(epoch),
                current: Epoch(epoch),
            },
        );
    }

    fn serve(&mut self, node: ServerId, mode: Mode, epoch: i64) {
        let epoch = Epoch(epoch);
        self.server(node, ServerFact::Serving { mode, epoch });
    }

    /// A server makes a transaction for the client's session.
    fn propose(&mut self, node: ServerId, zxid: Zxid, xid: i32, txn: Txn) {
        let record = TxnRecord {
            session: S,
            cxid: Xid(xid),
            zxid,
            time: WallMillis(0),
            txn,
            digest: None,
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let entry = Entry {
            zxid,
            hash: hash_of(&bytes),
            txn: Arc::new(record),
        };
        self.proposed.push(entry.clone());
        self.server(node, ServerFact::Proposed(entry));
    }

    fn apply(&mut self, node: ServerId, zxid: Zxid) {
        let entry = self.proposed.iter().rfind(|entry| entry.zxid == zxid);
        let hash = entry.expect("it was proposed").hash;
        self.server(node, ServerFact::Applied { zxid, hash });
    }

    /// A transaction that is made by the first server and applied by both.
    fn write(&mut self, zxid: Zxid, xid: i32, txn: Txn) {
        self.propose(N1, zxid, xid, txn);
        self.apply(N1, zxid);
        self.apply(N2, zxid);
    }

    fn connect(&mut self, conn: u32, is_new: bool) {
        self.client(ClientFact::Connected {
            conn,
            server: N2,
            session: S,
            timeout_ms: 4000,
            is_new,
        });
    }

    fn ask(&mut self, conn: u32, xid: i32, asked: Asked) {
        self.client(ClientFact::Invoked {
            conn,
            session: S,
            xid: Xid(xid),
            asked,
        });
    }

    fn reply(&mut self, conn: u32, xid: i32, zxid: Zxid, err: i32, answer: Answer) {
        self.client(ClientFact::Replied {
            conn,
            xid: Xid(xid),
            zxid,
            err,
            answer,
        });
    }

    fn event(&mut self, conn: u32, zxid: Zxid, event_type: EventType, path: &str) {
        self.client(ClientFact::Event {
            conn,
            zxid,
            event_type: event_type.number(),
            path: path.into(),
        });
    }

    /// A node is made, as xid 1 and transaction 2, and answered.
    fn with_node(path: &str) -> Self {
        let mut story = Self::running();
        story.ask(1, 1, asks_to_create(path));
        story.write(zxid(1, 2), 1, create(path, false));
        story.reply(1, 1, zxid(1, 2), 0, Answer::Path(path.into()));
        story
    }

    /// It is read with a watch, as xid 2.
    fn with_watch(path: &str) -> Self {
        let mut story = Self::with_node(path);
        let asked = Asked::GetData {
            path: path.into(),
            watch: true,
        };
        story.ask(1, 2, asked);
        let answer = Answer::Data(Bytes::from_static(b"0"), facts(zxid(1, 2), zxid(1, 2), 0));
        story.reply(1, 2, zxid(1, 2), 0, answer);
        story
    }

    /// It is set, as xid 3 and transaction 3, and not answered yet.
    fn with_set(mut self, path: &str) -> Self {
        self.ask(1, 3, asks_to_set(path, "1"));
        self.write(zxid(1, 3), 3, set(path, "1", 1));
        self
    }

    fn answer_set(&mut self) {
        let answer = Answer::Stat(facts(zxid(1, 2), zxid(1, 3), 1));
        self.reply(1, 3, zxid(1, 3), 0, answer);
    }

    #[track_caller]
    fn passes(&self) {
        assert_eq!(self.outcome, Ok(()));
    }

    #[track_caller]
    fn fails(&self, checker: &str, text: &str) {
        let Err(violation) = &self.outcome else {
            panic!("nothing was found, wanted {checker}: {text}");
        };
        assert!(
            violation.checker == checker && violation.text.contains(text),
            "found {violation}"
        );
    }
}
