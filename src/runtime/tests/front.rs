//! The client side of a server, with the test for its writer and its clock.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rustix::net::sockopt;
use tokio::task::JoinHandle;

use jute::Encode;
use jute::proto::{GetAllChildrenNumberRequest, MultiHeader};

use super::client::{Client, look};
use super::config;
use crate::auth::{AuthOptions, Policy};
use crate::base::{ConnId, Monotonic, Now, SessionId, WallMillis, Xid, Zxid};
use crate::net::{Clock, Server, Woken, Words, bind, sweep};
use crate::peer::{ClientOutput, Input, Mode};
use crate::proto::txn::{CreateKind, CreateTxn};
use crate::proto::{EventType, NodeEvent, Op, Txn, TxnRecord};
use crate::runtime::options;
use crate::session::SessionTable;
use crate::tree::{Database, TreeOptions};

/// A clock that counts how often it is read, and panics when it is told to.
#[derive(Default)]
struct Mine {
    readings: AtomicU64,
    is_armed: AtomicBool,
    step_ms: u64,
}

impl Clock for Mine {
    fn now(&self) -> Now {
        assert!(
            !self.is_armed.swap(false, Ordering::SeqCst),
            "a panic on purpose"
        );
        let reading = self.readings.fetch_add(1, Ordering::SeqCst);
        Now {
            monotonic: Monotonic(reading * self.step_ms),
            wall: WallMillis(0),
        }
    }
}

struct NoWords;

impl Words for NoWords {
    fn is_known(&self, _: [u8; 4]) -> bool {
        false
    }

    fn argument_bytes(&self, _: [u8; 4]) -> usize {
        0
    }

    fn answer(&self, _: &Arc<Server>, _: [u8; 4], _: &[u8], _: SocketAddr) -> JoinHandle<Bytes> {
        tokio::spawn(async { Bytes::new() })
    }
}

/// The client side of a server on one worker thread, whose writer is the test.
struct Front {
    clock: Arc<Mine>,
    server: Arc<Server>,
    address: SocketAddr,
    _tokio: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Front {
    fn start(clock: Mine) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = config(
            dir.path(),
            &[("gamekeeper.client.unreadBytesMax", "1048575")],
        );
        let clock = Arc::new(clock);
        let policy = Arc::new(Policy::new(&AuthOptions::default()).unwrap());
        let database = Database::new(TreeOptions::default());
        let options = options::net(&config, 1).unwrap();
        let server = Server::new(database, policy, options, clock.clone(), Arc::new(NoWords));
        server.serve(Mode::Standalone);
        let server = Arc::new(server);
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let inside = tokio.enter();
        let listener = bind(
            config.listen.address.as_ref().unwrap(),
            &config.listen,
            false,
        )
        .unwrap();
        drop(inside);
        let address = listener.local_addr().unwrap();
        tokio.spawn(listener.run(server.clone()));
        tokio.spawn(sweep(server.clone()));
        Self {
            clock,
            server,
            address,
            _tokio: tokio,
            _dir: dir,
        }
    }

    /// A client whose session is opened by hand.
    fn open(&self, session: i64) -> (Client, ConnId) {
        let mut client = Client::connect(self.address);
        client.send_hello(0, &[0; 16]);
        let Input::Connect { conn, .. } = self.next_input() else {
            panic!("a connect was due");
        };
        let mut sessions = SessionTable::new(1000);
        let connected = ClientOutput::Connected {
            conn,
            session: sessions.track(SessionId(session), 30_000, Monotonic(0)),
            timeout_ms: 30_000,
            password: [0; 16],
        };
        self.deliver(vec![connected], || {});
        client.frame().unwrap();
        (client, conn)
    }

    /// Delivers what the writer would, after `first` under the exclusive lock.
    fn deliver(&self, mut outputs: Vec<ClientOutput>, first: impl FnOnce()) {
        let mut woken = Woken::default();
        let state = self.server.state.write();
        first();
        self.server.deliver(&mut outputs, &mut woken);
        drop(state);
        woken.wake();
    }

    fn next_input(&self) -> Input {
        let mut inputs = Vec::new();
        let patience = Duration::from_secs(20);
        assert!(self.server.submissions.take(&mut inputs, Some(patience)));
        assert_eq!(inputs.len(), 1, "{inputs:?}");
        inputs.remove(0)
    }
}

#[test]
fn a_panic_costs_its_own_connection_only() {
    let front = Front::start(Mine::default());
    let (mut unlucky, _) = front.open(1);
    assert_eq!(unlucky.call(Op::GetData, &look("/", true)).err, 0);
    assert_eq!(front.server.watches.lock().data_watch_count(), 1);
    front.clock.is_armed.store(true, Ordering::SeqCst);
    unlucky.send_as(-2, Op::Ping.number(), &[]);
    unlucky.assert_closed();
    assert!(matches!(front.next_input(), Input::Disconnected { .. }));
    assert_eq!(front.server.watches.lock().data_watch_count(), 0);
    assert_eq!(front.server.connection_count(), 0);
    let (mut other, _) = front.open(2);
    assert_eq!(other.call(Op::Exists, &look("/", false)).err, 0);
}

#[test]
fn reads_that_take_long_let_the_writer_in() {
    const REQUESTS: u64 = 100;
    let clock = Mine {
        step_ms: 1000,
        ..Mine::default()
    };
    let front = Front::start(clock);
    let (mut client, _) = front.open(1);
    let before = front.clock.readings.load(Ordering::SeqCst);
    let path = GetAllChildrenNumberRequest {
        path: Some("/zookeeper".into()),
    };
    let path = path.to_vec();
    for _ in 0..REQUESTS {
        client.send(Op::GetAllChildrenNumber, &path);
    }
    for _ in 0..REQUESTS {
        assert_eq!(client.reply().err, 0);
    }
    let readings = front.clock.readings.load(Ordering::SeqCst) - before;
    assert!(readings >= 2 * REQUESTS, "one lock for each: {readings}");
}

#[test]
fn no_reply_follows_an_event_that_was_dropped() {
    let front = Front::start(Mine::default());
    let (mut lazy, conn) = front.open(1);
    let too_long = Arc::new(NodeEvent {
        event_type: EventType::NodeDataChanged,
        path: "p".repeat(600_000).into(),
        acl: None,
    });
    let event = ClientOutput::Event {
        conn,
        zxid: Zxid(1),
        event: too_long,
    };
    let readings = || front.clock.readings.load(Ordering::SeqCst);
    front.deliver(vec![event.clone(), event], || {
        let before = readings();
        lazy.send(Op::Exists, &look("/", false));
        // The task has begun to work on it and waits for the lock.
        while readings() == before {
            std::thread::yield_now();
        }
    });
    lazy.assert_closed();
}

#[test]
fn who_reads_slowly_is_alive() {
    const PARTS: usize = 40;
    let clock = Mine {
        step_ms: 1,
        ..Mine::default()
    };
    let front = Front::start(clock);
    let create = TxnRecord {
        session: SessionId(1),
        cxid: Xid(0),
        zxid: Zxid(1),
        time: WallMillis(0),
        txn: Txn::Create(CreateTxn {
            path: "/big".into(),
            data: Some(vec![b'v'; 1_000_000].into()),
            acl: None,
            kind: CreateKind::Plain {
                op_is_create2: false,
                ephemeral: false,
            },
            parent_cversion: 1,
        }),
        digest: None,
    };
    front.server.state.write().apply(&create, &mut Vec::new());
    let (mut slow, _) = front.open(1);
    // Or the whole reply may be in the kernel before the clock goes on.
    sockopt::set_socket_recv_buffer_size(&slow.stream, 1 << 17).unwrap();
    let part = MultiHeader {
        op: Op::GetData.number(),
        done: false,
        err: -1,
    };
    let parts = [part.to_vec(), look("/big", false)].concat().repeat(PARTS);
    // One reply, longer than what sockets hold, worked out in one go.
    slow.send(Op::MultiRead, &[parts, MultiHeader::END.to_vec()].concat());
    let deadline = || front.server.connections()[0].idle_deadline;
    let mut chunk = vec![0; 1_000_000];
    slow.stream.read_exact(&mut chunk).unwrap();
    let before = deadline();
    for _ in 0..PARTS / 2 {
        slow.stream.read_exact(&mut chunk).unwrap();
        // Each look at the clock brings the next whole interval nearer.
        for _ in 0..10_000 {
            front.clock.now();
        }
    }
    assert!(deadline() > before);
}
