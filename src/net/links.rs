//! The open connections: what of each is shared between its task, the writer and reports.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use crate::auth::Policy;
use crate::base::{ConnId, Monotonic, SessionId, WallMillis};
use crate::net::outbox::{Closing, Outbox};
use crate::net::stats::{ConnFigures, ConnStats};
use crate::session::SessionHandle;

/// The shared part of one connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: ConnId,
    /// The client's address, an IPv4 one as such even if it came through an IPv6 socket.
    pub(super) peer: SocketAddr,
    /// Whether it came by the port for clients with TLS.
    is_secure: bool,
    pub(super) established: WallMillis,
    pub(super) outbox: Outbox,
    pub(super) stats: ConnStats,
    session: Mutex<Option<Arc<SessionHandle>>>,
    /// Last time bytes came or went, monotonic milliseconds.
    last_io: AtomicU64,
    /// How long without bytes the connection may stay.
    idle_limit_ms: AtomicU32,
    /// Idle connections are looked for this often, at whole multiples of it: the limit before a
    /// session, as `NIOServerCnxnFactory` makes that the interval of its expiry queue.
    sweep_interval_ms: u64,
    reads: AtomicBool,
}

/// One connection, as numbers.
#[derive(Debug, Clone)]
pub struct ConnReport {
    pub peer: SocketAddr,
    /// Whether it came by the port for clients with TLS.
    pub is_secure: bool,
    /// Id and timeout, once there is a session.
    pub session: Option<(SessionId, i32)>,
    pub established: WallMillis,
    pub figures: ConnFigures,
    /// Whether requests are taken from its socket.
    pub reads: bool,
    /// When it is closed unless bytes come or go before.
    pub idle_deadline: Monotonic,
}

impl Link {
    pub(super) fn new(
        id: ConnId,
        (peer, is_secure): (SocketAddr, bool),
        now: (Monotonic, WallMillis),
        idle_limit_ms: u32,
        unread_bytes_max: usize,
    ) -> Self {
        Self {
            id,
            peer,
            is_secure,
            established: now.1,
            outbox: Outbox::new(Policy::initial(peer.ip()), unread_bytes_max),
            stats: ConnStats::new(),
            session: Mutex::new(None),
            last_io: AtomicU64::new(now.0.0),
            idle_limit_ms: AtomicU32::new(idle_limit_ms),
            sweep_interval_ms: u64::from(idle_limit_ms).max(1),
            reads: AtomicBool::new(true),
        }
    }

    /// Bytes came or went.
    pub(super) fn touch(&self, now: Monotonic) {
        self.last_io.store(now.0, Relaxed);
    }

    pub(super) fn set_reads(&self, reads: bool) {
        if self.reads.load(Relaxed) != reads {
            self.reads.store(reads, Relaxed);
        }
    }

    pub(super) fn set_session(&self, session: Arc<SessionHandle>) {
        let timeout_ms = u32::try_from(session.timeout_ms()).unwrap_or_default();
        self.idle_limit_ms.store(timeout_ms, Relaxed);
        *self.session.lock() = Some(session);
    }

    fn session(&self) -> Option<(SessionId, i32)> {
        let session = self.session.lock();
        session
            .as_ref()
            .map(|session| (session.id(), session.timeout_ms()))
    }

    fn idle_deadline(&self) -> Monotonic {
        let due = self.last_io.load(Relaxed) + u64::from(self.idle_limit_ms.load(Relaxed));
        Monotonic((due / self.sweep_interval_ms + 1) * self.sweep_interval_ms)
    }

    fn report(&self) -> ConnReport {
        ConnReport {
            peer: self.peer,
            is_secure: self.is_secure,
            session: self.session(),
            established: self.established,
            figures: self.stats.figures(),
            reads: self.reads.load(Relaxed),
            idle_deadline: self.idle_deadline(),
        }
    }
}

/// All open connections, and how many each address has.
#[derive(Debug)]
pub(super) struct Links {
    by_id: RwLock<HashMap<ConnId, Arc<Link>>>,
    by_address: Mutex<HashMap<IpAddr, u32>>,
    next_id: AtomicU64,
    max: usize,
    per_address_max: u32,
}

/// Why a connection was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its address has as many as it may have.
    Address(u32),
    /// The server has as many as it may have.
    Server(usize),
}

impl Links {
    pub(super) fn new(max: Option<u32>, per_address_max: Option<u32>) -> Self {
        Self {
            by_id: RwLock::new(HashMap::new()),
            by_address: Mutex::new(HashMap::new()),
            next_id: AtomicU64::new(1),
            max: max.map_or(usize::MAX, |max| max as usize),
            per_address_max: per_address_max.unwrap_or(u32::MAX),
        }
    }

    /// Takes up the connection that `build` makes for a fresh id, if there is room.
    pub(super) fn add(
        &self,
        address: IpAddr,
        build: impl FnOnce(ConnId) -> Link,
    ) -> Result<Arc<Link>, Refusal> {
        let mut by_address = self.by_address.lock();
        let mut by_id = self.by_id.write();
        if by_id.len() >= self.max {
            return Err(Refusal::Server(self.max));
        }
        let count = by_address.entry(address).or_default();
        if *count >= self.per_address_max {
            return Err(Refusal::Address(self.per_address_max));
        }
        *count += 1;
        let id = ConnId(self.next_id.fetch_add(1, Relaxed));
        let link = Arc::new(build(id));
        by_id.insert(id, link.clone());
        Ok(link)
    }

    pub(super) fn remove(&self, link: &Link) {
        let mut by_address = self.by_address.lock();
        let address = link.peer.ip();
        if self.by_id.write().remove(&link.id).is_none() {
            return;
        }
        if let Some(count) = by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.read().len()
    }

    /// Runs `with` on the connections while none comes or goes.
    pub(super) fn with<R>(&self, with: impl FnOnce(&HashMap<ConnId, Arc<Link>>) -> R) -> R {
        with(&self.by_id.read())
    }

    pub(super) fn report(&self) -> Vec<ConnReport> {
        let mut links: Vec<Arc<Link>> = self.with(|all| all.values().cloned().collect());
        links.sort_unstable_by_key(|link| link.id);
        links.iter().map(|link| link.report()).collect()
    }

    pub(super) fn sessions(&self) -> HashMap<ConnId, SessionId> {
        self.with(|all| {
            let with_session = |link: &Arc<Link>| Some((link.id, link.session()?.0));
            all.values().filter_map(with_session).collect()
        })
    }

    pub(super) fn reset_stats(&self) {
        self.with(|all| all.values().for_each(|link| link.stats.reset()));
    }

    /// Closes what had no bytes for too long. How many of them had no session.
    pub(super) fn close_idle(&self, now: Monotonic) -> usize {
        let closed = self.close_where(IDLE, |link| link.idle_deadline() <= now);
        closed
            .iter()
            .filter(|link| link.session().is_none())
            .count()
    }

    pub(super) fn close_all(&self, reason: &'static str) {
        self.close_where(reason, |_| true);
    }

    fn close_where(&self, reason: &'static str, which: impl Fn(&Link) -> bool) -> Vec<Arc<Link>> {
        let found: Vec<Arc<Link>> = self.with(|all| {
            let chosen = all.values().filter(|link| which(link));
            chosen.cloned().collect()
        });
        for link in &found {
            link.outbox.put_close(Closing::AtOnce(reason));
            link.outbox.wake();
        }
        found
    }
}

const IDLE: &str = "nothing came or went for too long";

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn link(id: ConnId, at: u64, idle_limit_ms: u32) -> Link {
        let now = (Monotonic(at), WallMillis(0));
        Link::new(id, ((PEER, 1).into(), false), now, idle_limit_ms, 1000)
    }

    #[test]
    fn an_idle_connection_goes_at_the_tenth_second_after_its_limit() {
        for (last_io, limit, deadline) in [
            (0, 10_000, 20_000),
            (9_999, 10_000, 20_000),
            (10_000, 10_000, 30_000),
            (12_345, 4_000, 20_000),
        ] {
            let link = link(ConnId(1), 0, limit);
            link.touch(Monotonic(last_io));
            assert_eq!(link.idle_deadline(), Monotonic(deadline), "{last_io}");
        }
    }

    #[test]
    fn only_what_is_idle_is_closed() {
        let links = Links::new(None, None);
        let idle = links.add(PEER, |id| link(id, 0, 10_000)).unwrap();
        let busy = links.add(PEER, |id| link(id, 15_000, 10_000)).unwrap();
        assert_eq!(links.close_idle(Monotonic(19_999)), 0);
        assert_eq!(links.close_idle(Monotonic(20_000)), 1);
        assert!(idle.outbox.closes_at_once().is_some());
        assert!(busy.outbox.closes_at_once().is_none());
    }

    #[test]
    fn room_comes_back_when_connections_go() {
        let links = Links::new(Some(3), Some(2));
        let add = |address: [u8; 4]| {
            let address = IpAddr::from(address);
            links.add(address, |id| {
                let now = (Monotonic(0), WallMillis(0));
                Link::new(id, ((address, 1).into(), false), now, 1, 1)
            })
        };
        let first = add([127, 0, 0, 1]).unwrap();
        add([127, 0, 0, 1]).unwrap();
        assert_eq!(add([127, 0, 0, 1]).unwrap_err(), Refusal::Address(2));
        add([127, 0, 0, 2]).unwrap();
        assert_eq!(add([127, 0, 0, 3]).unwrap_err(), Refusal::Server(3));
        links.remove(&first);
        links.remove(&first);
        add([127, 0, 0, 1]).unwrap();
        assert_eq!(links.len(), 3);
    }
}
