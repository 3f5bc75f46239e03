//! What has gone over a link, for operators.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use super::Shared;
use crate::base::{QuorumLink, WallMillis};
use crate::peer::Input;
use crate::zab::ToLeader;

/// Counters of one link.
#[derive(Debug)]
pub(super) struct LinkCounters {
    established: AtomicI64,
    received: AtomicU64,
    requests: AtomicU64,
    sent: AtomicU64,
    last_zxid: AtomicI64,
}

/// A link with its counters as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFigures {
    pub peer: SocketAddr,
    pub established: WallMillis,
    /// Packets from the other side.
    pub received: u64,
    /// Of those, requests of its clients.
    pub requests: u64,
    /// Packets to the other side; those that went in one go count as one.
    pub sent: u64,
    /// Of what was sent last; -1 before the first.
    pub last_zxid: i64,
    /// What waits to be sent, counted likewise.
    pub queued: u64,
    pub queued_bytes: u64,
}

impl Default for LinkCounters {
    fn default() -> Self {
        Self {
            established: AtomicI64::new(0),
            received: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            last_zxid: AtomicI64::new(NO_ZXID),
        }
    }
}

impl LinkCounters {
    pub(super) fn begin(&self, now: WallMillis) {
        self.established.store(now.0, Relaxed);
    }

    pub(super) fn count_received(&self, inputs: &[Input]) {
        let is_request = |input: &&Input| {
            let Input::FromLearner { packet, .. } = input else {
                return false;
            };
            matches!(packet, ToLeader::Request(_))
        };
        let requests = inputs.iter().filter(is_request).count();
        self.received.fetch_add(inputs.len() as u64, Relaxed);
        self.requests.fetch_add(requests as u64, Relaxed);
    }

    /// A packet is its type, its zxid, and what belongs to it.
    pub(super) fn count_sent(&self, packets: &[u8]) {
        self.sent.fetch_add(1, Relaxed);
        if let Some(zxid) = packets.get(4..).and_then(|rest| rest.first_chunk()) {
            self.last_zxid.store(i64::from_be_bytes(*zxid), Relaxed);
        }
    }

    fn reset(&self) {
        self.received.store(0, Relaxed);
        self.requests.store(0, Relaxed);
        self.sent.store(0, Relaxed);
        self.last_zxid.store(NO_ZXID, Relaxed);
    }
}

/// Tells of the links of a quorum port.
#[derive(Clone)]
pub struct LinkReports {
    pub(super) shared: Arc<Shared>,
}

impl LinkReports {
    /// A link, unless it is gone.
    pub fn of(&self, link: QuorumLink) -> Option<LinkFigures> {
        let link = self.shared.registry.lock().get(link)?;
        let counters = &link.counters;
        let (queued, queued_bytes) = link.queued();
        Some(LinkFigures {
            peer: link.peer,
            established: WallMillis(counters.established.load(Relaxed)),
            received: counters.received.load(Relaxed),
            requests: counters.requests.load(Relaxed),
            sent: counters.sent.load(Relaxed),
            last_zxid: counters.last_zxid.load(Relaxed),
            queued: queued as u64,
            queued_bytes: queued_bytes as u64,
        })
    }

    /// Begins to count anew.
    pub fn reset(&self, link: QuorumLink) {
        let link = self.shared.registry.lock().get(link);
        if let Some(link) = link {
            link.counters.reset();
        }
    }
}

const NO_ZXID: i64 = -1;
