//! What all connections share, and the writer's way to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::{Bytes, BytesMut};
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use jute::Encode;
use jute::proto::{ReplyHeader, WatcherEvent};

use crate::auth::{PermitMemo, Policy};
use crate::base::{AclList, ConnId, Now, SessionId, Xid, Zxid, perms};
use crate::config::{ClientListen, ListenAddress, ThrottleOptions, WireLimits};
use crate::net::handshake::ClientTls;
use crate::net::links::{ConnReport, Link, Links};
use crate::net::outbox::Closing;
use crate::net::stats::{ServerFigures, ServerStats};
use crate::net::submission::Submissions;
use crate::net::throttle::{LargeRequestBudget, SessionThrottle};
use crate::peer::{ClientOutput, Mode};
use crate::proto::event::SYNC_CONNECTED;
use crate::proto::{NodeEvent, reply};
use crate::tree::Database;
use crate::watch::WatchTable;

/// Reads the clocks. The one that does is the runtime's.
pub trait Clock: Send + Sync {
    fn now(&self) -> Now;
}

/// Answers four-letter words.
pub trait Words: Send + Sync {
    /// Whether these first four bytes of a connection are a word, allowed or not.
    fn is_known(&self, word: [u8; 4]) -> bool;

    /// How many bytes after the word belong to it.
    fn argument_bytes(&self, word: [u8; 4]) -> usize;

    /// Works out the answer, after which the connection is closed.
    fn answer(
        &self,
        server: &Arc<Server>,
        word: [u8; 4],
        argument: &[u8],
        from: SocketAddr,
    ) -> JoinHandle<Bytes>;
}

/// What the configuration says about clients.
#[derive(Debug, Clone)]
pub struct NetOptions {
    pub listen: ClientListen,
    pub wire: WireLimits,
    pub throttle: ThrottleOptions,
    /// `None` when no client port has TLS.
    pub tls: Option<ClientTls>,
    /// Where the random refusals of the session throttle start.
    pub seed: u64,
}

/// The state, the writer's queue and the connections.
pub struct Server {
    pub state: RwLock<Database>,
    /// Locked after `state`, never before it.
    pub watches: Mutex<WatchTable>,
    pub policy: Arc<Policy>,
    pub submissions: Submissions,
    pub clock: Arc<dyn Clock>,
    pub(super) words: Arc<dyn Words>,
    pub(super) options: NetOptions,
    pub(super) links: Links,
    pub(super) stats: ServerStats,
    pub(super) session_throttle: Option<SessionThrottle>,
    pub(super) large_requests: LargeRequestBudget,
    /// TLS handshakes of clients that are under way.
    pub(super) handshakes: AtomicU32,
    /// Where the client port moves to.
    pub(super) client_port: watch::Sender<Option<ListenAddress>>,
    /// Cleared when the server stops: nothing is taken from sockets then.
    running: AtomicBool,
    /// What the server is to clients, `None` while it serves none.
    mode: RwLock<Option<Mode>>,
}

/// Connections that have something new in their outbox.
#[derive(Default)]
pub struct Woken(Vec<Arc<Link>>);

impl Server {
    pub fn new(
        database: Database,
        policy: Arc<Policy>,
        options: NetOptions,
        clock: Arc<dyn Clock>,
        words: Arc<dyn Words>,
    ) -> Self {
        let now = clock.now().monotonic;
        let throttle = options.throttle.clone();
        let in_flight_max = throttle.requests.requests_max.map(|max| max as usize);
        Self {
            state: RwLock::new(database),
            watches: Mutex::new(WatchTable::default()),
            policy,
            submissions: Submissions::new(in_flight_max),
            clock,
            words,
            links: Links::new(
                options.listen.connections_max,
                options.listen.connections_per_address_max,
            ),
            stats: ServerStats::new(),
            session_throttle: throttle
                .connections
                .map(|connections| SessionThrottle::new(connections, now, options.seed)),
            large_requests: LargeRequestBudget::new(throttle.large_requests),
            options,
            handshakes: AtomicU32::new(0),
            client_port: watch::channel(None).0,
            running: AtomicBool::new(true),
            mode: RwLock::new(None),
        }
    }

    /// Moves the client port; connections stay. Nothing happens if it is there already.
    pub fn move_client_port(&self, to: ListenAddress) {
        self.client_port.send_if_modified(|place| {
            let is_other = place.as_ref().or(self.options.listen.address.as_ref()) != Some(&to);
            if is_other {
                *place = Some(to);
            }
            is_other
        });
    }

    /// Clients may connect from here on.
    pub fn serve(&self, mode: Mode) {
        *self.mode.write() = Some(mode);
    }

    /// Closes all connections and takes none until [`Server::serve`].
    pub fn retire(&self, reason: &'static str) {
        *self.mode.write() = None;
        self.links.close_all(reason);
    }

    /// What the server is to clients, `None` while it serves none.
    pub fn mode(&self) -> Option<Mode> {
        *self.mode.read()
    }

    fn is_read_only(&self) -> bool {
        self.mode() == Some(Mode::ReadOnly)
    }

    /// Puts what the writer has for clients into their outboxes, in order. The caller holds the
    /// state exclusively, and calls [`Woken::wake`] when it has let go.
    pub fn deliver(&self, outputs: &mut Vec<ClientOutput>, woken: &mut Woken) {
        let mut event = EncodedEvent::default();
        let mut permits = PermitMemo::default();
        self.links.with(|links| {
            for output in outputs.drain(..) {
                let Some(link) = links.get(&conn_of(&output)) else {
                    continue;
                };
                if self.put(link, output, &mut event, &mut permits) {
                    woken.0.push(link.clone());
                }
            }
        });
    }

    fn put(
        &self,
        link: &Link,
        output: ClientOutput,
        encoded: &mut EncodedEvent,
        permits: &mut PermitMemo,
    ) -> bool {
        let outbox = &link.outbox;
        match output {
            ClientOutput::Connected {
                session,
                timeout_ms,
                password,
                ..
            } => outbox.put_connected(session, timeout_ms, &password, self.is_read_only()),
            ClientOutput::SessionInvalid { .. } => outbox.put_session_invalid(self.is_read_only()),
            ClientOutput::Reply {
                xid, zxid, reply, ..
            } => outbox.put_reply(xid, zxid, &reply),
            ClientOutput::Event { zxid, event, .. } => {
                let acl = event.acl.as_ref();
                outbox.put_event(encoded.frame_of(&event, zxid), |ids| {
                    let ask = || {
                        self.policy
                            .permits(ids, acl.map(AclList::as_ref), perms::READ)
                    };
                    permits.answer(link.id.0, acl, ask)
                })
            }
            ClientOutput::Close { .. } => {
                outbox.put_close(Closing::AfterFlush("the session has ended or moved on"))
            }
        }
    }

    /// Stops taking requests and closes all connections.
    pub fn stop(&self) {
        self.running.store(false, Ordering::Relaxed);
        self.retire("the server stops");
    }

    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    pub fn options(&self) -> &NetOptions {
        &self.options
    }

    /// All connections, oldest first.
    pub fn connections(&self) -> Vec<ConnReport> {
        self.links.report()
    }

    /// The session of each connection that has one.
    pub fn sessions(&self) -> HashMap<ConnId, SessionId> {
        self.links.sessions()
    }

    pub fn connection_count(&self) -> usize {
        self.links.len()
    }

    /// TLS handshakes of clients that are under way.
    pub fn handshake_count(&self) -> u32 {
        self.handshakes.load(Ordering::Relaxed)
    }

    pub fn figures(&self) -> ServerFigures {
        self.stats.figures()
    }

    pub fn reset_figures(&self) {
        self.stats.reset();
    }

    pub fn reset_connection_figures(&self) {
        self.links.reset_stats();
    }

    /// The chance that a new session is refused at random.
    pub fn connection_drop_chance(&self) -> f64 {
        self.session_throttle
            .as_ref()
            .map_or(0.0, SessionThrottle::drop_chance)
    }
}

impl Woken {
    /// Wakes their tasks, each once. The state must not be locked.
    pub fn wake(&mut self) {
        for link in self.0.drain(..) {
            link.outbox.wake();
        }
    }
}

/// The bytes of the event that was last asked for: many connections may watch one node.
#[derive(Default)]
struct EncodedEvent {
    of: Option<(Arc<NodeEvent>, Zxid)>,
    frame: BytesMut,
}

impl EncodedEvent {
    fn frame_of(&mut self, event: &Arc<NodeEvent>, zxid: Zxid) -> &[u8] {
        let is_same =
            |(other, at): &(Arc<NodeEvent>, Zxid)| Arc::ptr_eq(other, event) && *at == zxid;
        if !self.of.as_ref().is_some_and(is_same) {
            self.frame.clear();
            encode_event(event, zxid, &mut self.frame);
            self.of = Some((event.clone(), zxid));
        }
        &self.frame
    }
}

fn encode_event(event: &NodeEvent, zxid: Zxid, out: &mut BytesMut) {
    let header = ReplyHeader {
        xid: Xid::EVENT.0,
        zxid: zxid.0,
        err: 0,
    };
    let body = WatcherEvent {
        event_type: event.event_type.number(),
        state: SYNC_CONNECTED,
        path: Some((&*event.path).into()),
    };
    reply::frame_length(header.encoded_len() + body.encoded_len(), out);
    header.encode(out);
    body.encode(out);
}

fn conn_of(output: &ClientOutput) -> ConnId {
    match output {
        ClientOutput::Connected { conn, .. }
        | ClientOutput::SessionInvalid { conn }
        | ClientOutput::Reply { conn, .. }
        | ClientOutput::Event { conn, .. }
        | ClientOutput::Close { conn } => *conn,
    }
}
