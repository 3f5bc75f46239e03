//! A bug that panics: in one connection's task it costs that connection, anywhere else it stops
//! the process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;

use jute::Encode;
use jute::proto::GetAllChildrenNumberRequest;

use super::client::{Client, create, look};
use super::config;
use crate::auth::{AuthOptions, Policy};
use crate::base::{Monotonic, Now, SessionId, WallMillis};
use crate::net::{Clock, Server, Woken, Words, bind};
use crate::peer::{ClientOutput, Input};
use crate::proto::Op;
use crate::runtime::{Failure, Running, options};
use crate::session::SessionTable;
use crate::store::sim_disk::{Fault, Panic, SimDisk};
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
    dir: tempfile::TempDir,
}

impl Front {
    fn start(clock: Mine) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), &[]);
        let clock = Arc::new(clock);
        let policy = Arc::new(Policy::new(&AuthOptions::default()).unwrap());
        let database = Database::new(TreeOptions::default());
        let options = options::net(&config, 1);
        let server = Server::new(database, policy, options, clock.clone(), Arc::new(NoWords));
        let server = Arc::new(server);
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let inside = tokio.enter();
        let listener = bind(&config.listen).unwrap();
        drop(inside);
        let address = listener.local_addr().unwrap();
        tokio.spawn(listener.run(server.clone()));
        Self {
            clock,
            server,
            address,
            _tokio: tokio,
            dir,
        }
    }

    /// A client whose session is opened by hand.
    fn open(&self, session: i64) -> Client {
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
        let mut woken = Woken::default();
        let state = self.server.state.write();
        self.server.deliver(&mut vec![connected], &mut woken);
        drop(state);
        woken.wake();
        client.frame().unwrap();
        client
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
    let mut unlucky = front.open(1);
    assert_eq!(unlucky.call(Op::GetData, &look("/", true)).err, 0);
    assert_eq!(front.server.watches.lock().data_watch_count(), 1);
    front.clock.is_armed.store(true, Ordering::SeqCst);
    unlucky.send_as(-2, Op::Ping.number(), &[]);
    unlucky.assert_closed();
    assert!(matches!(front.next_input(), Input::Disconnected { .. }));
    assert_eq!(front.server.watches.lock().data_watch_count(), 0);
    assert_eq!(front.server.connection_count(), 0);
    let mut other = front.open(2);
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
    let mut client = front.open(1);
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
    assert!(front.dir.path().exists());
}

/// A server that is busy until it dies of a panic.
fn die_of(panic: Panic) -> Failure {
    let disk = SimDisk::new(1);
    let config = config(Path::new("/data"), &[("zookeeper.snapCount", "20")]);
    let mut server = Running::start_on(Arc::new(disk.clone()), &config).unwrap();
    let mut client = Client::open(server.client_address());
    disk.inject(Fault::Panic(panic));
    let writing = thread::spawn(move || {
        for number in 0..100 {
            client.send(Op::Create, &create(&format!("/n{number}"), b""));
            if client.frame().is_err() {
                return number;
            }
        }
        100
    });
    let failure = server.wait().unwrap();
    let stopped = server.stop();
    assert!(stopped.is_ok(), "{stopped:?}");
    writing.join().unwrap();
    failure
}

#[test]
fn a_panic_of_the_writer_stops_the_process() {
    let failure = die_of(Panic::AtSync);
    assert_eq!(failure.explained(), "the writer's thread panicked");
    assert_eq!(failure.exit_code(), 1);
}

#[test]
fn a_panic_of_a_snapshot_stops_the_process() {
    let failure = die_of(Panic::AtCreation("writing-snapshot"));
    assert_eq!(failure.explained(), "the snapshot's thread panicked");
    assert_eq!(failure.exit_code(), 1);
}
