//! The election port: the sockets that notifications travel on.
//!
//! ```text
//! peer -> ElectionPort::notify, eager -> owner task (election::Links) -> dial, link tasks -> socket
//! socket -> accept, link tasks -> owner task                        -> Input::Reach -> writer
//!                      \--------- frames, read into Input::Notification ----------> writer
//! ```
//!
//! Who dials whom and which connection is kept is decided by [`Links`](crate::election::Links), a
//! state machine, of which one task is the owner; here are the sockets, names, numbers and clocks
//! it has none of. In: notifications to send, already bytes. Out: inputs for the writer's queue.
//!
//! Bounded: pending accepted sockets (at the bound the oldest goes), servers known (by `Links`),
//! messages to send (the newest per server), frames not yet taken by the writer (links are not read
//! then). A malformed stream closes its link and nothing else. All tasks end with [`ElectionPort`].
//!
//! | row | where |
//! |---|---|
//! | QP-001, QP-002 | `Shared::initial_message` |
//! | QP-003, QP-015 | `accept` |
//! | QP-004, QP-006 to QP-008, QP-013 | `owner`, as `Links` says |
//! | QP-010 | `link` |
//! | QP-012 | nothing is dropped: a link is not read while the writer is behind |
//! | QP-014 | own votes never get here |
//! | QP-016 | `accept` |
//! | 1.5 | `sockets`: all addresses at once; `owner`: a link over a dead one is left |
//! | QP-019 | `sockets`: names are looked up at each dial |

mod accept;
mod link;
mod owner;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use crate::base::ServerId;
use crate::config::{ListenAddress, PeerSaslOptions};
use crate::election::InitialMessage;
use crate::net::Server;
use crate::net::sockets::Resolver;
use crate::net::tls::PeerSecurity;
use crate::quorum::Address;

/// What the configuration says about the election port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectionPortOptions {
    pub me: ServerId,
    /// Where to listen: the election addresses of the own `server.N` line, or, with
    /// `quorumListenOnAllIPs`, their ports on all of the machine's addresses.
    pub listen: Vec<ListenAddress>,
    /// The election addresses of the own `server.N` line, which others are told to dial.
    pub advertised: Vec<Address>,
    /// The election addresses of all other servers.
    pub peers: BTreeMap<ServerId, Vec<Address>>,
    /// `multiAddress.enabled`.
    pub multi_address_enabled: bool,
    /// `cnxTimeout`: what a dial may take, the look-up of names and the initial message included.
    pub connect_timeout_ms: u64,
    /// `quorumCnxnTimeoutMs`, or `tickTime` times `syncLimit`: the time an accepted connection has
    /// to say who it is.
    pub handshake_timeout_ms: u64,
    /// `electionPortBindRetry`: how often binding is tried, with a second in between; `None` for
    /// ever.
    pub bind_attempts_max: Option<u32>,
    /// `multiAddress.reachabilityCheckTimeoutMs`: how long what is sent to a server with several
    /// addresses may stay unacknowledged, until its link is closed and all of them are dialled. `None`:
    /// as long as the system waits.
    pub unacknowledged_max_ms: Option<u32>,
    /// `tcpKeepAlive`.
    pub keep_alive: bool,
    /// How servers log in to each other; within `handshake_timeout_ms` either way.
    pub sasl: Option<PeerSaslOptions>,
}

/// Why a server cannot take part in elections any more: it has to stop.
#[derive(Debug, thiserror::Error)]
pub enum ElectionPortFailure {
    #[error("cannot listen on the election port {at}")]
    Bind { at: String, source: io::Error },
    #[error("the election port's task panicked")]
    Panicked,
}

impl ElectionPortFailure {
    /// As `ExitCode.UNABLE_TO_BIND_QUORUM_PORT` for the same reason.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Bind { .. } => 14,
            Self::Panicked => 1,
        }
    }
}

/// The open election port of one server.
#[derive(Debug)]
pub struct ElectionPort {
    desk: Arc<Desk>,
    task: AbortHandle,
}

impl ElectionPort {
    /// Opens the port. `security` is what connections are made with. `failed` hears at most once why it cannot stay open. Inputs go to the
    /// server's queue from here on.
    pub fn start(
        runtime: &Handle,
        server: Arc<Server>,
        options: ElectionPortOptions,
        (resolver, security): (Arc<dyn Resolver>, PeerSecurity),
        failed: impl FnOnce(ElectionPortFailure) + Send + 'static,
    ) -> Self {
        let desk = Arc::new(Desk {
            peers: Mutex::new(options.peers.clone()),
            ..Desk::default()
        });
        let initial = InitialMessage {
            sid: options.me,
            addresses: options.advertised.clone(),
        };
        let shared = Arc::new(Shared {
            initial_message: initial.encode(options.multi_address_enabled),
            server,
            options,
            resolver,
            security,
            desk: desk.clone(),
        });
        let task = runtime.spawn(async move {
            let mut inside = JoinSet::new();
            inside.spawn(owner::run(shared));
            match inside.join_next().await {
                Some(Ok(failure)) => failed(failure),
                Some(Err(error)) if error.is_panic() => failed(ElectionPortFailure::Panicked),
                _ => {}
            }
        });
        Self {
            desk,
            task: task.abort_handle(),
        }
    }

    /// Sends a notification; it takes the place of one to the same server that still waits.
    pub fn notify(&self, to: ServerId, message: Bytes) {
        self.desk.outgoing.lock().messages.insert(to, message);
        self.desk.changed.notify_one();
    }

    /// Whether an election is on: then servers without a link are dialled again and again.
    pub fn eager(&self, eager: bool) {
        self.desk.outgoing.lock().eager = Some(eager);
        self.desk.changed.notify_one();
    }

    /// Other servers are there, or are elsewhere; holds from the next dial on. Links stay.
    pub fn set_peers(&self, peers: BTreeMap<ServerId, Vec<Address>>) {
        *self.desk.peers.lock() = peers;
    }

    /// Closes the port and all links.
    pub fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for ElectionPort {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the peer leaves what is to be sent, without ever waiting.
#[derive(Debug, Default)]
struct Desk {
    /// The election addresses of all other servers.
    peers: Mutex<BTreeMap<ServerId, Vec<Address>>>,
    outgoing: Mutex<Outgoing>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Outgoing {
    /// The newest per server.
    messages: BTreeMap<ServerId, Bytes>,
    eager: Option<bool>,
}

/// What all tasks of the port need.
struct Shared {
    server: Arc<Server>,
    options: ElectionPortOptions,
    resolver: Arc<dyn Resolver>,
    security: PeerSecurity,
    desk: Arc<Desk>,
    /// In one piece for one write: Apache takes a short read for an error.
    initial_message: Bytes,
}
