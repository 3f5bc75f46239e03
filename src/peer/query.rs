//! Plain data about a peer, for operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{ConnId, Epoch, Monotonic, QuorumLink, ServerId, SessionId, SizeSpread, Zxid};
use crate::peer::pipeline::Pipeline;
use crate::peer::{Peer, Role};
use crate::quorum::Membership;
use crate::session::{Scope, SessionView};
use crate::zab::LearnerReport;

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

/// What a member of an ensemble is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReport {
    pub accepted_epoch: Epoch,
    pub current_epoch: Epoch,
    /// The newest transaction that is known to be committed.
    pub recent_last: Option<Zxid>,
    /// Voters in the committed view.
    pub voters: usize,
    pub membership: Arc<Membership>,
    pub role: RoleReport,
}

/// What it is at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleReport {
    Looking,
    Leading(LeadingReport),
    Learning {
        /// Whom it learns from: the leader, or a follower that serves observers.
        leader: ServerId,
        /// Observers that have got all from this server; `None` where none are served.
        synced_observers: Option<Vec<(QuorumLink, ServerId)>>,
    },
}

/// What only a leader knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadingReport {
    /// When its term began; `None` before.
    pub since: Option<Monotonic>,
    pub learners: Vec<LearnerReport>,
    /// Syncs of learners' clients that wait for what was proposed before them.
    pub pending_syncs: usize,
    /// Of its proposals, since it leads.
    pub proposals: Option<SizeSpread>,
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

    /// How many only this server knows.
    pub fn local_session_count(&self) -> usize {
        self.sessions.local_count()
    }

    /// Whether new sessions are local.
    pub fn local_sessions_are_on(&self) -> bool {
        self.options.local_sessions.are_on()
    }

    /// Open sessions that only this server knows, or those that others know too, by when they
    /// expire here if they are not touched again, as `dump` shows them.
    pub fn expiry_buckets(&self, local: bool) -> BTreeMap<Monotonic, Vec<SessionId>> {
        let mut buckets: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let views = self.sessions.views().into_iter();
        for view in views.filter(|view| (view.scope == Scope::Local) == local) {
            if let Some(expires) = view.expires {
                buckets.entry(expires).or_default().push(view.id);
            }
        }
        buckets
    }

    pub fn in_flight(&self) -> InFlightReport {
        let pipeline = self.role.pipeline();
        InFlightReport {
            requests: pipeline.map_or(0, Pipeline::in_flight_len),
            transaction_bytes: pipeline.map_or(0, Pipeline::in_flight_bytes),
            last_zxid: pipeline.map_or(Zxid::ZERO, |pipeline| pipeline.prep.last_zxid()),
        }
    }

    /// What a member of an ensemble is doing; `None` for a server on its own.
    pub fn quorum(&self) -> Option<QuorumReport> {
        let member = self.member.as_ref()?;
        let (accepted_epoch, current_epoch) = member.epochs();
        Some(QuorumReport {
            accepted_epoch,
            current_epoch,
            recent_last: member.recent.last(),
            voters: member.membership.committed().voters().len(),
            membership: member.membership.clone(),
            role: match &self.role {
                Role::Leading(role) => RoleReport::Leading(role.report()),
                Role::Learning(role) => RoleReport::Learning {
                    leader: role.master(),
                    synced_observers: role.observers.as_ref().map(|master| master.synced()),
                },
                Role::Looking(_) | Role::Standalone(_) => RoleReport::Looking,
            },
        })
    }

    /// As `srst` does it.
    pub fn reset_proposal_sizes(&mut self) {
        if let Role::Leading(role) = &mut self.role {
            role.reset_proposal_sizes();
        }
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }
}
