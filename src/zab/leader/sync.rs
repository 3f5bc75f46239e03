//! Synchronisation: carries out the plan for each learner, up to NEWLEADER; begins the term when a
//! quorum has acknowledged that; then UPTODATE.
//!
//! What goes over the wire, and where NEWLEADER has its place: see `catch_up`.

use super::super::catch_up::feed::{Next, Supply};
use super::super::catch_up::plan::{Circumstances, Decision, SyncPlan};
use super::super::catch_up::queue::Queue;
use super::super::catch_up::{self, LastZxid, StreamItem, Transfer};
use super::super::{LearnerKind, LogProbe, ToLeader, ToLearner};
use super::broadcast::Proposals;
use super::learner::{Learner, Stage};
use super::{CloseReason, History, Leader, LeaderOutput, Phase, Recent, send};
use crate::base::{Epoch, QuorumLink, Zxid};
use crate::quorum::Role;

impl Leader {
    /// Takes every learner that is ready.
    pub(super) fn sync_all(&mut self, history: &mut History<'_>, out: &mut Vec<LeaderOutput>) {
        self.waits_for_state = false;
        let ready = self
            .learners
            .iter()
            .filter(|(_, learner)| matches!(learner.stage, Stage::Promised { .. }));
        let ready: Vec<QuorumLink> = ready.map(|(link, _)| *link).collect();
        for link in ready {
            self.sync(link, history, out);
        }
    }

    /// Brings a learner that has promised the epoch up to date, or looks into the log first. While
    /// the state in memory is too far behind the window, it waits: a snapshot would leave a hole.
    pub(super) fn sync(
        &mut self,
        link: QuorumLink,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let Some(last) = self.learners.get(&link).and_then(last_zxid) else {
            return;
        };
        self.check_window(history);
        if !self.goes_on_from(history.recent, history.applied) {
            self.waits_for_state = true;
            return;
        }
        match self.circumstances(history).decide(last) {
            Decision::Plan(plan) => self.carry_out(link, plan, history, out),
            Decision::Probe { upto } => self.probe(link, last, upto, history, out),
        }
    }

    fn probe(
        &mut self,
        link: QuorumLink,
        last: LastZxid,
        upto: Zxid,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let LastZxid::Known(last_zxid) = last else {
            return;
        };
        let Some(learner) = self.learners.get_mut(&link) else {
            return;
        };
        learner.stage = Stage::Probing { last_zxid, upto };
        // The window keeps `upto` itself, by which it is seen that the two meet.
        history.recent.pin(upto);
        self.has_pinned = true;
        let after = last_zxid;
        out.push(LeaderOutput::ProbeLog { link, after, upto });
    }

    pub(super) fn on_log_probed(
        &mut self,
        link: QuorumLink,
        found: Option<LogProbe>,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let Some(learner) = self.learners.get_mut(&link) else {
            return;
        };
        let Stage::Probing { last_zxid, upto } = learner.stage else {
            return;
        };
        // If the log does not serve, it is not asked again.
        let last = LastZxid::Unknown;
        learner.stage = Stage::Promised { last };
        self.check_window(history);
        match found.filter(|_| self.goes_on_from(history.recent, upto)) {
            Some(found) => {
                let circumstances = self.circumstances(history);
                let plan = circumstances.decide_with_log(last_zxid, upto, found);
                self.carry_out(link, plan, history, out);
            }
            None => self.sync(link, history, out),
        }
    }

    /// Whether the window has all that lies behind `zxid`, a transaction of the own history.
    fn goes_on_from(&self, recent: &Recent, zxid: Zxid) -> bool {
        recent.goes_on_from(zxid, self.standing.last_zxid, self.epoch())
    }

    fn circumstances<'a>(&self, history: &'a History<'_>) -> Circumstances<'a> {
        Circumstances {
            recent: history.recent,
            first: history.recent.first(),
            applied: history.applied,
            force_snapshot: self.options.force_snapshot_sync,
            may_read_log: self.options.snapshot_size_factor.is_some(),
        }
    }

    /// The window has to end where the own history ends: with the last commit of the term, or with
    /// what was there before it. What is sent to learners, and what they are told to forget, hangs
    /// on it.
    fn check_window(&self, history: &History<'_>) {
        let last = history.recent.last().unwrap_or(history.applied);
        let initial = self.standing.last_zxid;
        let committed = match &self.phase {
            Phase::Broadcasting(proposals) => proposals.committed(),
            _ => initial,
        };
        let has_begun = committed.counter() > 0 && committed > initial;
        assert!(
            last == committed || (!has_begun && last == initial),
            "the window ends with {last}, the history with {initial}, the commits with {committed}"
        );
        assert!(
            history.applied <= committed.max(initial),
            "{} is applied and not committed",
            history.applied
        );
    }

    fn carry_out(
        &mut self,
        link: QuorumLink,
        plan: SyncPlan,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let transfer = plan.transfer();
        let Some(learner) = self.learners.get(&link) else {
            return;
        };
        if learner.kind == LearnerKind::Observer && self.is_busy(transfer) {
            self.close(link, CloseReason::Busy, out);
            return;
        }
        tracing::info!(%link, sid = %learner.sid, ?plan, "bringing a learner up to date");
        let mut queue = Queue::new(link, out);
        let feed = queue.open(plan);
        if let Some(learner) = self.learners.get_mut(&link) {
            learner.silent_until = None;
            learner.stage = Stage::Syncing {
                transfer,
                feed,
                early_acks: Vec::new(),
            };
        }
        match feed {
            None => self.complete(link, plan.after, queue, history),
            Some(feed) => history.recent.pin(feed.at()),
        }
        self.has_pinned |= feed.is_some();
    }

    /// What it lacked is sent, or comes from the window: that, then what is proposed, and NEWLEADER. From
    /// here on it gets all that happens, and is expected to acknowledge.
    fn complete(
        &mut self,
        link: QuorumLink,
        after: Zxid,
        mut queue: Queue<'_, LeaderOutput>,
        history: &History<'_>,
    ) {
        let turn_ends = self.ticks.after(self.options.init_limit);
        let (Some(epoch), Some(learner)) = (self.epoch(), self.learners.get_mut(&link)) else {
            return;
        };
        learner.silent_until = Some(turn_ends);
        if let Stage::Syncing { feed, .. } = &mut learner.stage {
            *feed = None;
        }
        let (kind, protocol_version) = (learner.kind, learner.protocol_version);
        queue.put_history(history.recent.after(after));
        if let Phase::Broadcasting(proposals) = &self.phase
            && kind == LearnerKind::Follower
        {
            for (zxid, payload) in proposals.iter() {
                let payload = payload.clone();
                queue.put(&ToLearner::Proposal { zxid, payload });
            }
        }
        queue.finish(&self.new_leader(epoch, kind, protocol_version));
    }

    /// Brings the view that was seen last, as Apache's does. With the term's begin that is in force; in
    /// the middle of a term a follower has the proposal of it, and knows that it is not. An observer
    /// would not, and gets the one that is in force: of another it hears when that is committed.
    fn new_leader(&self, epoch: Epoch, kind: LearnerKind, protocol_version: i32) -> ToLearner {
        let view = match (&self.phase, kind) {
            (Phase::Broadcasting(_), LearnerKind::Observer) => self.membership.committed(),
            _ => self.membership.last_seen(),
        };
        catch_up::new_leader(epoch, view, protocol_version)
    }

    /// Whether observers have to wait until others are up to date. Followers never have to, but
    /// they count.
    fn is_busy(&self, transfer: Transfer) -> bool {
        let same = |learner: &&Learner| learner.transfer() == Some(transfer);
        let count = self.learners.values().filter(same).count();
        count >= transfer.at_once_max(&self.options)
    }

    /// What was streamed is sent.
    pub(super) fn on_streamed(
        &mut self,
        link: QuorumLink,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        if let Some(feed) = self.learners.get_mut(&link).and_then(Learner::feed) {
            feed.on_streamed();
            self.check_window(history);
            self.feed(link, history, out);
        }
    }

    /// The own log has more of what learners are fed.
    pub(super) fn feed_all(&mut self, history: &mut History<'_>, out: &mut Vec<LeaderOutput>) {
        self.awaits_disk = None;
        self.check_window(history);
        let links: Vec<QuorumLink> = self.learners.keys().copied().collect();
        for link in links {
            self.feed(link, history, out);
        }
    }

    /// Gives a learner that is fed what comes next, if it is its turn.
    fn feed(&mut self, link: QuorumLink, history: &mut History<'_>, out: &mut Vec<LeaderOutput>) {
        let durable = self.durable();
        let supply = Supply {
            recent: history.recent,
            durable,
            initial: self.standing.last_zxid,
            epoch: self.epoch(),
            at_once_max: history.recent.pinned_bytes_max(),
        };
        let Some(feed) = self.learners.get_mut(&link).and_then(Learner::feed) else {
            return;
        };
        match feed.next(&supply) {
            None => {}
            Some(Next::AwaitDisk) => self.awaits_disk = Some(durable),
            Some(Next::Window) => {
                let after = feed.at();
                self.complete(link, after, Queue::new(link, out), history);
            }
            Some(Next::Log { after, upto }) => {
                feed.stream(upto);
                history.recent.pin(upto);
                tracing::debug!(%link, %after, %upto, "going on with the log for a learner");
                Queue::new(link, out).stream(StreamItem::LogRange { after, upto });
            }
        }
    }

    /// The own log holds everything up to this.
    pub(super) fn durable(&self) -> Zxid {
        match &self.phase {
            Phase::Broadcasting(proposals) => proposals.appended(),
            _ => self.standing.last_zxid,
        }
    }

    /// A packet of a learner that has promised the epoch and not acknowledged NEWLEADER. Followers
    /// of some releases acknowledge proposals before (ZOOKEEPER-4685).
    pub(super) fn on_sync_packet(
        &mut self,
        link: QuorumLink,
        packet: ToLeader,
        out: &mut Vec<LeaderOutput>,
    ) {
        let (Some(epoch), Some(learner)) = (self.epoch(), self.learners.get_mut(&link)) else {
            return;
        };
        let ToLeader::Ack { zxid } = packet else {
            self.close(link, CloseReason::OutOfTurn(packet.name()), out);
            return;
        };
        let Stage::Syncing {
            feed, early_acks, ..
        } = &mut learner.stage
        else {
            self.close(link, CloseReason::OutOfTurn("ACK"), out);
            return;
        };
        if zxid != Zxid::start_of(epoch) {
            if let Phase::Broadcasting(proposals) = &self.phase
                && feed.is_none()
            {
                remember(early_acks, zxid, proposals);
            }
            return;
        }
        if feed.is_some() {
            self.close(link, CloseReason::OutOfTurn("an ACK of NEWLEADER"), out);
            return;
        }
        let early_acks = std::mem::take(early_acks);
        self.on_synced(link, early_acks, out);
    }

    /// A learner has the whole history of the epoch on disk.
    fn on_synced(&mut self, link: QuorumLink, early_acks: Vec<Zxid>, out: &mut Vec<LeaderOutput>) {
        let Some(learner) = self.learners.get_mut(&link) else {
            return;
        };
        learner.stage = Stage::Synced {
            is_up_to_date: false,
        };
        // It answers no ping before UPTODATE, which may wait for others.
        learner.silent_until = None;
        let (sid, kind) = (learner.sid, learner.kind);
        tracing::debug!(%link, %sid, "a learner has the history of the epoch");
        if let Phase::Synchronising { acked, .. } = &mut self.phase {
            // Who observes now may vote in the view that is to be completed, which needs its word.
            if kind == LearnerKind::Follower || self.membership.role(sid) == Role::Observer {
                acked.add(sid);
            }
            self.maybe_establish(out);
            return;
        }
        // UPTODATE goes first: what the remembered acknowledgements commit comes behind it.
        self.bring_up_to_date(link, out);
        for zxid in early_acks {
            self.on_ack(link, zxid, out);
        }
    }

    pub(super) fn on_current_epoch_saved(&mut self, saved: Epoch, out: &mut Vec<LeaderOutput>) {
        let Phase::Synchronising { epoch, acked, .. } = &mut self.phase else {
            return;
        };
        assert_eq!(saved, *epoch, "the epoch that was asked for is saved");
        acked.add(self.me);
        self.maybe_establish(out);
    }

    /// Begins the term when a quorum of every view, this server among them, has its history.
    fn maybe_establish(&mut self, out: &mut Vec<LeaderOutput>) {
        let Phase::Synchronising { epoch, acked, .. } = &self.phase else {
            return;
        };
        if !acked.contains(self.me) || !acked.has_quorum() {
            return;
        }
        let (epoch, acked) = (*epoch, acked.servers().to_vec());
        tracing::info!(sid = %self.me, %epoch, "leads");
        self.phase = Phase::Broadcasting(Proposals::new(epoch, self.membership.clone()));
        let leads_on = self.complete_view(&acked, out);
        if leads_on {
            out.push(LeaderOutput::Established(epoch));
        }
        let synced = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.is_synced());
        let synced: Vec<QuorumLink> = synced.map(|(link, _)| *link).collect();
        for link in synced {
            self.bring_up_to_date(link, out);
        }
    }

    fn bring_up_to_date(&mut self, link: QuorumLink, out: &mut Vec<LeaderOutput>) {
        if !self.is_established() {
            return;
        }
        let limit = self.ticks.after(self.options.sync_limit);
        if let Some(learner) = self.learners.get_mut(&link)
            && let Stage::Synced { is_up_to_date } = &mut learner.stage
        {
            assert!(!*is_up_to_date, "UPTODATE is sent once");
            *is_up_to_date = true;
            learner.supports_until = limit;
            learner.silent_until = Some(limit);
            send(link, &ToLearner::UpToDate, out);
        }
    }

    /// Lets go of the window when nobody reads up to it any more.
    pub(super) fn maybe_unpin(&mut self, recent: &mut Recent) {
        if self.has_pinned && !self.learners.values().any(Learner::reads_log) {
            self.has_pinned = false;
            recent.unpin();
        }
    }
}

fn last_zxid(learner: &Learner) -> Option<LastZxid> {
    match learner.stage {
        Stage::Promised { last } => Some(last),
        _ => None,
    }
}

/// Keeps the acknowledgement of a proposal that is not committed yet.
fn remember(early_acks: &mut Vec<Zxid>, zxid: Zxid, proposals: &Proposals) {
    let committed = proposals.committed();
    early_acks.retain(|early| *early > committed);
    let is_rising = early_acks.last().is_none_or(|last| *last < zxid);
    if is_rising && zxid > committed && zxid <= proposals.last_proposed() {
        early_acks.push(zxid);
    }
    assert!(
        early_acks.len() <= proposals.len(),
        "one acknowledgement for each proposal at most"
    );
}
