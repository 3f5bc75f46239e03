//! A member of an ensemble whose members change: which views it has seen and committed, what a new
//! one makes of its role, and who leads then.
//!
//! ```text
//!  proposed, NEWLEADER    seen: in force beside the committed one, on disk before it is promised
//!  COMMITANDACTIVATE,     committed: in force alone, on disk, shown in /zookeeper/config
//!  UPTODATE, gossip
//! ```
//!
//! A term ends by a change when this server's role is another one, or who leads. If the change has
//! named the leader, this server goes to it, or leads itself, without an election: whoever leads
//! asks a quorum for its histories all the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::{Now, ServerId};
use crate::election;
use crate::peer::leading::Leading;
use crate::peer::member::Member;
use crate::peer::pipeline::Asked;
use crate::peer::{Output, Peer, Role};
use crate::prep::{Caller, Ensemble, Prepared};
use crate::proto::request::Reconfig;
use crate::proto::{Txn, TxnRecord};
use crate::quorum::{Address, QuorumView, ViewError, ViewRules};
use crate::tree::Database;
use crate::zab::LearnerKind;

/// What a view that is committed has changed.
#[derive(Debug)]
struct Change {
    former: Arc<QuorumView>,
    former_kind: LearnerKind,
}

/// Where a view comes from that is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A transaction, which the state takes in by itself.
    Transaction,
    /// What another server said of itself, or asked to be kept before.
    Word,
}

/// The view that a transaction brings.
pub(super) fn view_of(
    record: &TxnRecord,
    rules: ViewRules,
) -> Option<Result<Arc<QuorumView>, ViewError>> {
    let Txn::Reconfig(set) = &record.txn else {
        return None;
    };
    let text = set.data.as_deref().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    Some(QuorumView::parse(&text, rules).map(Arc::new))
}

impl Member {
    /// Whether the view is another than the last one seen. It is that from here on.
    pub(super) fn see_view(&mut self, view: &Arc<QuorumView>) -> bool {
        let is_other = self.membership.last_seen().version() != view.version();
        if self.options.reconfig_enabled && is_other {
            self.membership = Arc::new(self.membership.seeing(view.clone()));
            return true;
        }
        false
    }

    /// What the view changes, if it is newer than the committed one. It is that from here on.
    fn commit_view(&mut self, view: &Arc<QuorumView>) -> Option<Change> {
        let former = self.membership.committed().clone();
        if !self.options.reconfig_enabled || view.version() <= former.version() {
            return None;
        }
        let former_kind = self.learner_kind();
        self.membership = Arc::new(self.membership.committing(view.clone()));
        assert_eq!(
            self.membership.committed().version(),
            view.version(),
            "versions of committed views rise"
        );
        if !former.matches(view) {
            self.forget_masters();
        }
        Some(Change {
            former,
            former_kind,
        })
    }
}

impl Peer {
    /// A view was proposed here: it is kept.
    pub(super) fn on_view_seen(&mut self, view: Arc<QuorumView>, out: &mut Vec<Output>) {
        let member = self.member.as_mut().expect("only a member sees views");
        if member.see_view(&view) {
            let membership = member.membership.clone();
            out.push(Output::SaveSeenView(view));
            out.push(Output::Members(membership));
        }
    }

    /// This leader's view is committed. If another server leads under it, this one waits until its
    /// followers have left, and then goes there too, or looks for who leads.
    pub(super) fn on_view_committed(
        &mut self,
        now: Now,
        db: &Database,
        view: &Arc<QuorumView>,
        leader: ServerId,
        out: &mut Vec<Output>,
    ) {
        let Role::Leading(role) = &mut self.role else {
            return;
        };
        let source = match &role.pipeline {
            Some(_) => Source::Transaction,
            None => Source::Word,
        };
        let me = self.member.as_ref().map(|member| member.options.me);
        // UPTODATE names no leader: who has the view from NEWLEADER looks for one, and so does this one.
        if me != Some(leader) && source == Source::Transaction {
            role.hands_over_to = Some(leader);
        }
        self.take_view(now, db, view, source, out);
    }

    /// While looking, another server tells of a newer view: the election goes on under it.
    pub(super) fn adopt_view(
        &mut self,
        now: Now,
        db: &Database,
        view: &Arc<QuorumView>,
        out: &mut Vec<Output>,
    ) {
        if matches!(self.role, Role::Looking(_)) {
            tracing::info!(version = %view.version(), "taking over a newer configuration");
            self.take_view(now, db, view, Source::Word, out);
        }
    }

    /// The leader this server follows has committed a view, and named who leads under it unless it
    /// is the one that came with NEWLEADER.
    pub(super) fn activate(
        &mut self,
        now: Now,
        db: &Database,
        (view, leader): (&Arc<QuorumView>, Option<ServerId>),
        source: Source,
        out: &mut Vec<Output>,
    ) {
        let Role::Learning(role) = &self.role else {
            return;
        };
        let current = role.leader();
        let Some(change) = self.take_view(now, db, view, source, out) else {
            return;
        };
        let member = self.member.as_ref().expect("only a member learns");
        let has_other_role = member.learner_kind() != change.former_kind;
        let has_other_leader = match leader {
            Some(leader) => leader != current,
            None => {
                voter_at(&change.former, current) != voter_at(view, current)
                    || voter_at(view, current).is_none()
            }
        };
        if has_other_role || has_other_leader {
            self.leave_for(leader, &"the members of the ensemble have changed", out);
        }
    }

    /// A view is committed. Gives what it has changed, unless its members are the same.
    fn take_view(
        &mut self,
        now: Now,
        db: &Database,
        view: &Arc<QuorumView>,
        source: Source,
        out: &mut Vec<Output>,
    ) -> Option<Change> {
        let member = self.member.as_mut()?;
        let change = member.commit_view(view)?;
        let membership = member.membership.clone();
        tracing::info!(sid = %member.options.me, version = %view.version(), "a configuration is in force");
        member.config_is_stale |= source == Source::Word;
        out.push(Output::SaveCommittedView {
            view: view.clone(),
            keeps_seen: membership.proposed().is_some(),
        });
        out.push(Output::Members(membership.clone()));
        self.feed_election(now, db, election::Input::Reconfigured(membership), out);
        (!change.former.matches(view)).then_some(change)
    }

    /// A client wants other members.
    pub(super) fn prepare_reconfig(
        &mut self,
        now: Now,
        db: &Database,
        caller: &Caller<'_>,
        (request, asked): (Reconfig, Option<Asked>),
        out: &mut Vec<Output>,
    ) {
        let (Role::Leading(role), Some(member)) = (&mut self.role, &self.member) else {
            return;
        };
        let Leading { zab, pipeline, .. } = &mut **role;
        let pipeline = pipeline.as_mut().expect("writes are taken in a term");
        let ensemble = Ensemble {
            membership: &member.membership,
            rules: member.options.view_rules,
            is_synced: &|view| zab.is_quorum_synced(view),
        };
        let (record, view) =
            pipeline
                .prep
                .reconfigure(db, &self.policy, now.wall, caller, (request, ensemble));
        let Some(view) = view else {
            return self.propose(now, Prepared::Logged(record), asked, out);
        };
        let queued = pipeline.queue(Prepared::Logged(record), asked);
        let (zxid, payload) = queued.expect("a transaction is logged");
        let mut asked = Vec::new();
        zab.propose_view((zxid, payload.clone()), Arc::new(view), &mut asked);
        self.carry_out_leader(now, db, asked, out);
        out.push(Output::Append { zxid, payload });
    }
}

/// Where the server can be reached, if it votes in the view.
fn voter_at(view: &QuorumView, server: ServerId) -> Option<BTreeSet<Address>> {
    let member = view.members().get(&server).filter(|m| m.is_participant())?;
    Some(member.quorum_addresses().collect())
}
