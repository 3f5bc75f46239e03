//! The quorum port: the sockets between a leader and its learners, at either end.
//!
//! ```text
//! peer -> QuorumPort::send, flush -> Link (queue) -> socket     written at once, or by the task
//!         QuorumPort::stream      -> Link -> its task <- chunks <- a thread that reads the state or the log
//! socket -> link's task -> packets -> Input::FromLearner, FromLeader -> writer
//! ```
//!
//! In: packets, already bytes, and what to stream among them; when to listen, whom to dial. Out:
//! inputs for the writer's queue. What packets mean is not known here, but for SNAP, behind which
//! comes a state and no packet.
//!
//! Invariants: per link, bytes leave in the order they were given; a link that is slow costs the
//! caller nothing but its own queue, and the link itself at the bound of that; a malformed stream
//! closes its link and nothing else; what was closed from here is not answered, and
//! [`QuorumPort::wants`] tells inputs that were on their way then. All tasks end with the port.
//!
//! | row | where |
//! |---|---|
//! | QP-017 | `listen`: open from [`QuorumPort::open`] to [`QuorumPort::close`] |
//! | QP-142 | `link`: what may wait for an observer |
//! | QP-019 | `dial`: names are looked up at each attempt |
//! | QP-115 | `link`: writes never wait, what is left over is the link's task's |

mod dial;
mod figures;
mod link;
mod listen;
mod read;
mod registry;
mod serve;
mod stream;

pub use figures::{LinkFigures, LinkReports};

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::base::{QuorumLink, ServerId, Zxid};
use crate::config::{ListenAddress, PeerSaslOptions};
use crate::net::Server;
use crate::net::quorum_port::link::Link;
use crate::net::quorum_port::registry::Registry;
use crate::net::sockets::Resolver;
use crate::net::tls::PeerSecurity;
use crate::peer::{Door, Input};
use crate::quorum::Address;
use crate::store::log_range::LogPlace;
use crate::tree::Database;
use crate::zab::StreamItem;

/// What the configuration says about the quorum port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumPortOptions {
    /// Where to listen while leading: the quorum addresses of the own `server.N` line, or, with
    /// `quorumListenOnAllIPs`, their ports on all of the machine's addresses.
    pub listen: Vec<ListenAddress>,
    /// Where to listen for observers while following: `observerMasterPort` on the same hosts.
    pub listen_for_observers: Vec<ListenAddress>,
    /// `observerMaster.sizeLimit`: bytes that may wait for an observer of a follower. At the bound its
    /// link is closed: it has to come again.
    pub observer_queue_bytes_max: usize,
    /// `jute.maxbuffer` and `jute.maxbuffer.extrasize` together: the longest field of a packet.
    pub field_bytes_max: usize,
    /// `tickTime` times `connectToLearnerMasterLimit`, or `initLimit`: how long a leader is dialled.
    pub dial_budget_ms: u64,
    /// `leaderConnectDelayDuringRetryMs`: the longest pause between two attempts.
    pub dial_pause_max_ms: u64,
    /// `tcpKeepAlive`.
    pub keep_alive: bool,
    /// How servers log in to each other.
    pub sasl: Option<PeerSaslOptions>,
    /// `tickTime` times `initLimit`: what a login may take.
    pub login_limit_ms: u64,
    /// The same: how long a learner may take nothing of what is streamed to it. Then its link is closed.
    pub stall_limit_ms: u64,
}

/// Reads the state that follows a SNAP packet.
pub trait SnapshotReceiver: Send + Sync {
    /// Reads up to and with the signature, and not a byte beyond it. Runs on a thread that may
    /// wait; `input` fails when the link is closed. The small reads that this takes are cheap.
    fn receive(&self, zxid: Zxid, input: &mut dyn Read) -> io::Result<Box<Database>>;
}

/// Reads transactions back from the log on disk.
pub trait LogRanges: Send + Sync {
    /// Those behind `after`, up to `upto` and with it. `from`: where the range before it has ended, on the
    /// same link. Runs on a thread that may wait.
    fn open(
        &self,
        after: Zxid,
        upto: Zxid,
        from: Option<&LogPlace>,
    ) -> io::Result<Box<dyn LogRange>>;
}

/// Transactions in their order, each with what the log holds of it.
pub trait LogRange {
    /// `None` behind the last.
    fn next(&mut self) -> io::Result<Option<(Zxid, Bytes)>>;

    /// Where it is.
    fn place(&self) -> Option<LogPlace>;
}

/// What the port does its work with.
#[derive(Clone)]
pub struct QuorumPortParts {
    pub server: Arc<Server>,
    pub resolver: Arc<dyn Resolver>,
    pub snapshots: Arc<dyn SnapshotReceiver>,
    pub logs: Arc<dyn LogRanges>,
    /// What connections are made with.
    pub security: PeerSecurity,
}

/// The quorum port of one server, for the thread that drives its peer.
pub struct QuorumPort {
    runtime: Handle,
    shared: Arc<Shared>,
    /// Links with something to flush.
    touched: Vec<Arc<Link>>,
    /// The task that listens, or did so last.
    listening: Option<JoinHandle<()>>,
    dialling: Option<JoinHandle<()>>,
    /// While leading, where the numbers of the learners' links begin.
    learners_from: Option<QuorumLink>,
    leader: Option<QuorumLink>,
}

impl QuorumPort {
    /// A port that is closed. Its tasks run on `runtime`.
    pub fn new(runtime: Handle, parts: QuorumPortParts, options: QuorumPortOptions) -> Self {
        Self {
            runtime,
            shared: Arc::new(Shared {
                parts,
                listen: Mutex::new(options.listen.clone()),
                options,
                registry: Mutex::new(Registry::default()),
            }),
            touched: Vec::new(),
            listening: None,
            dialling: None,
            learners_from: None,
            leader: None,
        }
    }

    /// Tells of its links, also while another thread has it.
    pub fn reports(&self) -> LinkReports {
        LinkReports {
            shared: self.shared.clone(),
        }
    }

    /// Starts to listen for learners. If a leader cannot, `Input::QuorumPortFailed` says so; a follower
    /// tries again until it can.
    pub fn open(&mut self, door: Door) {
        self.close();
        let (opening, first) = self.shared.registry.lock().open();
        self.learners_from = Some(first);
        let previous = self.listening.take();
        let listen = listen::run(self.shared.clone(), door, opening, previous);
        self.listening = Some(self.runtime.spawn(listen));
    }

    /// Where to listen from the next [`QuorumPort::open`] on.
    pub fn set_listen(&self, listen: Vec<ListenAddress>) {
        *self.shared.listen.lock() = listen;
    }

    /// Closes the port and the links of all learners, whatever they have not yet taken.
    pub fn close(&mut self) {
        if self.learners_from.take().is_none() {
            return;
        }
        for link in self.shared.registry.lock().close() {
            link.cut();
        }
        if let Some(task) = &self.listening {
            task.abort();
        }
    }

    /// Dials a leader until it answers or the budget is used up. The link's number is that of the
    /// `Input::LeaderConnected` or `Input::LeaderGone` that follows. A follower that is to serve an
    /// observer is given up sooner: it listens already, or there are others.
    pub fn dial(&mut self, leader: ServerId, door: Door, addresses: Vec<Address>) -> QuorumLink {
        self.hang_up();
        let link = self.shared.registry.lock().dial();
        self.leader = Some(link);
        let dial = dial::run(self.shared.clone(), link, (leader, door), addresses);
        self.dialling = Some(self.runtime.spawn(dial));
        link
    }

    /// Closes the link to the leader, or stops dialling; no answer.
    pub fn hang_up(&mut self) {
        self.leader = None;
        if let Some(link) = self.shared.registry.lock().hang_up() {
            link.cut();
        }
        if let Some(task) = self.dialling.take() {
            task.abort();
        }
    }

    /// Whether an input is about a link that was not closed from here, or about none: the driver
    /// asks before it gives the input to the peer, which expects nothing more of a closed link.
    pub fn wants(&self, input: &Input) -> bool {
        match input {
            Input::LearnerConnected { link }
            | Input::FromLearner { link, .. }
            | Input::Streamed { link }
            | Input::LearnerGone { link } => self.learners_from.is_some_and(|first| *link >= first),
            Input::QuorumPortFailed { .. } => self.learners_from.is_some(),
            Input::LeaderConnected { link }
            | Input::LeaderSends { link }
            | Input::FromLeader { link, .. }
            | Input::LeaderGone { link, .. } => self.leader == Some(*link),
            _ => true,
        }
    }

    /// Queues the bytes of whole packets. Dropped if the link is gone.
    pub fn send(&mut self, link: QuorumLink, packets: Bytes) {
        self.queue(link, |link| link.send(packets));
    }

    /// Queues what is more than a packet. A snapshot is of the state as it is when its turn comes,
    /// which is never behind the state of now; so what is sent behind it may repeat some of it.
    pub fn stream(&mut self, link: QuorumLink, item: StreamItem) {
        self.queue(link, |link| link.stream(item));
    }

    /// Closes a learner's link behind what is queued; no answer.
    pub fn close_link(&mut self, link: QuorumLink) {
        let closed = self.shared.registry.lock().remove(link);
        if let Some(link) = closed {
            link.close();
        }
    }

    /// Sends what was queued. Never waits: what a socket does not take now is sent by its task.
    pub fn flush(&mut self) {
        for link in self.touched.drain(..) {
            link.flush();
        }
    }

    /// Closes everything.
    pub fn stop(&mut self) {
        self.close();
        self.hang_up();
    }

    /// `queue` tells whether the link had nothing to flush before.
    fn queue(&mut self, link: QuorumLink, queue: impl FnOnce(&Link) -> bool) {
        let link = self.shared.registry.lock().get(link);
        if let Some(link) = link
            && queue(&link)
        {
            self.touched.push(link);
        }
    }
}

impl Drop for QuorumPort {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What all tasks of the port need.
struct Shared {
    parts: QuorumPortParts,
    options: QuorumPortOptions,
    /// Where to listen when the port is opened.
    listen: Mutex<Vec<ListenAddress>>,
    /// Locked before the writer's queue, never behind it.
    registry: Mutex<Registry>,
}

impl Shared {
    /// What was to be streamed to a learner is sent.
    fn on_streamed(&self, link: QuorumLink) {
        self.parts
            .server
            .submissions
            .notify(Input::Streamed { link });
    }
}
