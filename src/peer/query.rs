//! Plain data about a peer, for operators.

use std::collections::BTreeMap;

use crate::base::{ConnId, Monotonic, SessionId, Zxid};
use crate::peer::{Peer, Role};
use crate::session::SessionView;

/// A session and who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionReport {
    pub session: SessionView,
    pub conn: Option<ConnId>,
}

/// What waits to become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlightReport {
    /// Requests, also those without a transaction.
    pub requests: usize,
    pub transaction_bytes: usize,
    /// The newest zxid that is used up.
    pub last_zxid: Zxid,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    pub transactions_applied: u64,
    pub sessions_expired: u64,
    /// Clients that came back to a session they do not have.
    pub sessions_refused: u64,
    /// Writes of sessions that were closing or held by another connection.
    pub writes_dropped: u64,
    pub digest_mismatches: u64,
}

impl Peer {
    /// All sessions, by id. Takes time for each.
    pub fn sessions(&self) -> Vec<SessionReport> {
        let with_conn = |session: SessionView| SessionReport {
            session,
            conn: self.connections.holder_of(session.id),
        };
        self.sessions.views().into_iter().map(with_conn).collect()
    }

    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Open sessions by when they expire if they are not touched again, as `dump` shows them.
    pub fn expiry_buckets(&self) -> BTreeMap<Monotonic, Vec<SessionId>> {
        let mut buckets: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for view in self.sessions.views() {
            if let Some(expires) = view.expires {
                buckets.entry(expires).or_default().push(view.id);
            }
        }
        buckets
    }

    pub fn in_flight(&self) -> InFlightReport {
        let Role::Standalone(role) = &self.role;
        InFlightReport {
            requests: role.in_flight_len(),
            transaction_bytes: role.in_flight_bytes(),
            last_zxid: role.prep.last_zxid(),
        }
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }
}
