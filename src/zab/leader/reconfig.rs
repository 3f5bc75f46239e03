//! Another view: from the proposal of it until it is committed two are in force, then it alone, and
//! perhaps under another leader.
//!
//! ```text
//!  committed A ----propose B----> A and B ----a quorum of each----> committed B, leader L
//!                                                                    L = this: goes on
//!                                                                    else: nothing more is committed,
//!                                                                    the followers leave for L
//! ```
//!
//! A leader that finds a view in its history which need not be committed completes it with
//! NEWLEADER, which needs both quorums too. The first leader of an ensemble gives its configuration
//! a version in the same way: so it wins over the ones that servers start with (ZOOKEEPER-1783).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Leader, LeaderOutput, LearnerKind, Phase, StepDown};
use crate::base::{Epoch, ServerId, Zxid};
use crate::quorum::{Address, ConfigVersion, Membership, QuorumView};

impl Leader {
    /// Whether a quorum of a view is there and up to date: followers that get all proposals, or will
    /// when they have what came before, and this server, if it votes there (`Leader.isQuorumSynced`).
    pub fn is_quorum_synced(&self, view: &QuorumView) -> bool {
        let tick = self.ticks.now();
        let is_synced = |server: ServerId| {
            let mut learners = self.learners.values();
            learners.any(|learner| {
                learner.sid == server
                    && learner.kind == LearnerKind::Follower
                    && learner.is_taken()
                    && tick <= learner.supports_until
            })
        };
        view.has_quorum(|server| server == self.me || is_synced(server))
    }

    /// This view need not be committed, but from here on it is in force beside the committed one.
    pub(super) fn see_view(&mut self, view: Arc<QuorumView>, out: &mut Vec<LeaderOutput>) {
        tracing::info!(sid = %self.me, version = %view.version(), "another configuration is proposed");
        self.set_membership(self.membership.seeing(view.clone()));
        out.push(LeaderOutput::ViewSeen(view));
    }

    /// The configuration that nobody has changed gets its version from the epoch.
    pub(super) fn version_view(&mut self, epoch: Epoch, out: &mut Vec<LeaderOutput>) {
        let unversioned = ConfigVersion::default();
        if self.options.reconfig_enabled && self.membership.last_seen().version() == unversioned {
            let version = ConfigVersion::of(Zxid::start_of(epoch));
            let view = QuorumView::clone(self.membership.committed());
            self.see_view(Arc::new(view.with_version(version)), out);
        }
    }

    /// The term begins: what was seen and not committed is, by the quorums that have acknowledged
    /// NEWLEADER. Whether this server leads on.
    pub(super) fn complete_view(
        &mut self,
        acked: &[ServerId],
        out: &mut Vec<LeaderOutput>,
    ) -> bool {
        let Some(view) = self.membership.proposed().cloned() else {
            return true;
        };
        let leader = self.commit_view(&view, acked);
        out.push(LeaderOutput::ViewCommitted { view, leader });
        leader == self.me
    }

    /// The view is in force alone. Gives who leads under it; if that is another server, this one's
    /// last commit is the one that says so.
    pub(super) fn commit_view(&mut self, view: &Arc<QuorumView>, acked: &[ServerId]) -> ServerId {
        let leader = self.designated(view, acked);
        tracing::info!(sid = %self.me, version = %view.version(), %leader, "another configuration is in force");
        self.set_membership(self.membership.committing(view.clone()));
        if leader != self.me
            && let Phase::Broadcasting(proposals) = &mut self.phase
        {
            proposals.end(self.ticks.after(1));
        }
        leader
    }

    /// The followers have gone to the leader that was named: this term has done all it can. One that is
    /// slow has a tick to read the last commit: without it it would look for a leader, and find one that
    /// nobody has elected.
    pub(super) fn maybe_hand_over(&mut self, out: &mut Vec<LeaderOutput>) {
        let Phase::Broadcasting(proposals) = &self.phase else {
            return;
        };
        let has_waited = |until: u64| self.ticks.now() > until && !self.has_support(true);
        if proposals
            .over()
            .is_some_and(|until| self.learners.is_empty() || has_waited(until))
        {
            self.step_down(StepDown::HandedOver, out);
        }
    }

    /// This server, if it votes in the new view where it can be reached as before. Else one of those
    /// that have the change and vote there: the one that has most of what follows it too, so that
    /// little is lost (`Leader.getDesignatedLeader`).
    fn designated(&self, view: &QuorumView, acked: &[ServerId]) -> ServerId {
        let place = |view: &QuorumView| -> Option<BTreeSet<Address>> {
            let own = view.members().get(&self.me)?;
            Some(own.quorum_addresses().collect())
        };
        let stays =
            view.voters().contains(&self.me) && place(view) == place(self.membership.committed());
        if stays {
            return self.me;
        }
        let votes = |server: &&ServerId| **server != self.me && view.voters().contains(*server);
        let mut candidates: Vec<ServerId> = acked.iter().filter(votes).copied().collect();
        if let Phase::Broadcasting(proposals) = &self.phase {
            for acked in proposals.acknowledged() {
                let has_it = |server: &ServerId| acked.contains(server);
                if !candidates.iter().any(has_it) {
                    break;
                }
                candidates.retain(has_it);
            }
        }
        // A quorum of the view has acknowledged; without this server it is the others.
        let first = candidates.first().copied();
        first.unwrap_or(self.me)
    }

    fn set_membership(&mut self, membership: Membership) {
        self.membership = Arc::new(membership);
        if let Phase::Broadcasting(proposals) = &mut self.phase {
            proposals.set_membership(self.membership.clone());
        }
    }
}
