//! Clients that keep an ensemble busy through whatever happens to it, and record what they see.
//!
//! Each client is a thread with one session, which it carries from server to server by id, password and
//! the last transaction id it saw, as Apache's client does. It sends its operations in pipelined
//! batches. [`Load::settle`] ends the batches and leaves the clients connected (half of them close their
//! sessions); [`Load::finish`] looks at what the servers hold and gives the [`History`].

mod worker;

use std::{
    collections::BTreeSet,
    mem,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    calls::{PERSISTENT, create},
    eventually::eventually,
    history::{Found, History, Home, Record, Seen},
    tree::{self, Tree},
    wire::Client,
};
use worker::Worker;

const ROOT: &str = "/load";
const REGISTERS: &str = "/load/r";
const EPHEMERALS: &str = "/load/ephemerals";
const SETTLE_PATIENCE: Duration = Duration::from_secs(120);
/// Until the servers hold the same tree, sessions that ended included.
const SAME_PATIENCE: Duration = Duration::from_secs(60);

/// What the clients are to do: send batches; take the last answers and be quiet; end.
const RUN: u8 = 0;
const SETTLE: u8 = 1;
const END: u8 = 2;

#[derive(Debug, Clone, Copy)]
pub struct LoadOptions {
    pub clients: usize,
    pub registers: usize,
    pub session_timeout: Duration,
    /// Between two batches of a client; bounds the size of the tree.
    pub pause: Duration,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            clients: 4,
            registers: 3,
            session_timeout: Duration::from_secs(10),
            pause: Duration::from_millis(20),
        }
    }
}

#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<Record>>>,
}

#[derive(Debug)]
struct Shared {
    options: LoadOptions,
    addresses: Vec<SocketAddr>,
    started: Instant,
    phase: AtomicU8,
    /// Writes that succeeded.
    acknowledged: AtomicU64,
    settled: AtomicUsize,
}

impl Load {
    /// Makes the nodes and starts the clients; each begins with another of the servers.
    pub fn start(addresses: &[SocketAddr], options: LoadOptions) -> Self {
        let timeout_ms = milliseconds(options.session_timeout);
        let mut client = Client::open_session(addresses[0], timeout_ms).0;
        let homes = (0..options.clients).map(home);
        for path in [ROOT.to_owned(), EPHEMERALS.to_owned()]
            .into_iter()
            .chain((0..options.registers).map(register_path))
            .chain(homes)
        {
            create(&mut client, &path, b"", PERSISTENT);
        }
        let shared = Arc::new(Shared {
            options,
            addresses: addresses.to_vec(),
            started: Instant::now(),
            phase: AtomicU8::new(RUN),
            acknowledged: AtomicU64::new(0),
            settled: AtomicUsize::new(0),
        });
        let threads = (0..options.clients).map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || Worker::new(number, shared).run())
        });
        let load = Self {
            threads: threads.collect(),
            shared,
        };
        load.await_writes(1, SETTLE_PATIENCE);
        load
    }

    /// How many writes succeeded up to now.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until `count` more writes have succeeded.
    pub fn await_writes(&self, count: u64, patience: Duration) {
        let goal = self.acknowledged() + count;
        eventually("writes succeed", patience, || {
            let failed = self.threads.iter().any(JoinHandle::is_finished);
            assert!(!failed, "a client has panicked");
            (self.acknowledged() >= goal).then_some(())
        });
    }

    /// Ends the load: every client has its last answers and is quiet when this returns.
    pub fn settle(&self) {
        self.shared.phase.store(SETTLE, Ordering::Relaxed);
        eventually("all clients are quiet", SETTLE_PATIENCE, || {
            let settled = self.shared.settled.load(Ordering::Relaxed);
            (settled == self.threads.len()).then_some(())
        });
    }

    /// Settles, waits until `servers` hold the same, and takes that and the clients' records.
    pub fn finish(mut self, servers: &[SocketAddr]) -> History {
        self.settle();
        let tree = tree::await_same(servers, "/", SAME_PATIENCE);
        self.shared.phase.store(END, Ordering::Relaxed);
        let threads = mem::take(&mut self.threads);
        let records = threads
            .into_iter()
            .map(|thread| thread.join().expect("a client ends without a panic"));
        History {
            records: records.collect(),
            found: found(&tree, self.shared.options),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // The clients of a test that failed are not to go on.
        self.shared.phase.store(END, Ordering::Relaxed);
    }
}

fn home(client: usize) -> String {
    format!("{ROOT}/c{client}")
}

fn register_path(register: usize) -> String {
    format!("{REGISTERS}{register}")
}

fn ephemeral_path(client: usize, number: u64) -> String {
    format!("{EPHEMERALS}/{client}.{number}")
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).expect("a timeout")
}

fn found(tree: &Tree, options: LoadOptions) -> Found {
    let seen = |path: &str| {
        let node = &tree[path];
        Seen {
            value: String::from_utf8_lossy(&node.data).into_owned(),
            version: node.stat.version,
            mzxid: node.stat.mzxid,
        }
    };
    let names = |parent: &str| -> Vec<String> {
        let prefix = format!("{parent}/");
        tree.keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect()
    };
    let homes = (0..options.clients).map(|client| {
        let path = home(client);
        let children = names(&path);
        let children: BTreeSet<u64> = children.iter().map(|name| name.parse().unwrap()).collect();
        let node = seen(&path);
        Home { node, children }
    });
    let ephemerals = names(EPHEMERALS).into_iter().map(|name| {
        let (client, number) = name.split_once('.').expect("<client>.<number>");
        let owner = tree[&format!("{EPHEMERALS}/{name}")].stat.ephemeral_owner;
        ((client.parse().unwrap(), number.parse().unwrap()), owner)
    });
    Found {
        registers: (0..options.registers)
            .map(|number| seen(&register_path(number)))
            .collect(),
        homes: homes.collect(),
        ephemerals: ephemerals.collect(),
    }
}
