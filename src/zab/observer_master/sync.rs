//! Bringing an observer up to date: the plan a leader would make, from what this server knows to be
//! committed.
//!
//! What is committed behind the plan goes to the observer from then on. What goes over the wire, and
//! where NEWLEADER has its place: see `catch_up`.

use super::super::catch_up::feed::{Next, Supply};
use super::super::catch_up::plan::{Circumstances, Decision, SyncPlan};
use super::super::catch_up::queue::Queue;
use super::super::catch_up::{self, LastZxid, StreamItem, Transfer};
use super::super::{CloseReason, LogProbe, Recent, ToLeader, ToLearner};
use super::{History, Observer, ObserverMaster, ObserverMasterOutput, Stage, send};
use crate::base::{QuorumLink, Zxid};

impl ObserverMaster {
    /// Takes every observer that is ready and does not have to wait: for the state in memory, which a
    /// snapshot would be made of, or for what it has and this server does not.
    pub(super) fn sync_ready(
        &mut self,
        history: &mut History<'_>,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let is_ready = |observer: &Observer| matches!(observer.stage, Stage::Ready { .. });
        if !self.observers.values().any(is_ready) {
            return;
        }
        self.check_window(history);
        if !self.goes_on_from(history.recent, history.applied) {
            return;
        }
        let ready = self.observers.iter().filter_map(|(link, observer)| {
            let Stage::Ready { last } = observer.stage else {
                return None;
            };
            (!self.is_ahead(last)).then_some((*link, last))
        });
        let ready: Vec<_> = ready.collect();
        for (link, last) in ready {
            match self.circumstances(history).decide(last) {
                Decision::Plan(plan) => self.carry_out(link, plan, history, out),
                Decision::Probe { upto } => self.probe(link, last, upto, history, out),
            }
        }
    }

    /// Whether an observer has more of this term than has come here.
    fn is_ahead(&self, last: LastZxid) -> bool {
        matches!(last, LastZxid::Known(last) if last.epoch() == self.epoch && last > self.committed)
    }

    fn probe(
        &mut self,
        link: QuorumLink,
        last: LastZxid,
        upto: Zxid,
        history: &mut History<'_>,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let (LastZxid::Known(last_zxid), Some(observer)) = (last, self.observers.get_mut(&link))
        else {
            return;
        };
        observer.stage = Stage::Probing { last_zxid, upto };
        observer.silent_until = None;
        // The window keeps `upto` itself, by which it is seen that the two meet.
        history.recent.pin(upto);
        self.has_pinned = true;
        let after = last_zxid;
        out.push(ObserverMasterOutput::ProbeLog { link, after, upto });
    }

    pub(super) fn on_log_probed(
        &mut self,
        link: QuorumLink,
        found: Option<LogProbe>,
        history: &mut History<'_>,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let Some(observer) = self.observers.get_mut(&link) else {
            return;
        };
        let Stage::Probing { last_zxid, upto } = observer.stage else {
            return;
        };
        // If the log does not serve, it is not asked again.
        let last = LastZxid::Unknown;
        observer.stage = Stage::Ready { last };
        if let Some(found) = found.filter(|_| self.goes_on_from(history.recent, upto)) {
            self.check_window(history);
            let circumstances = self.circumstances(history);
            let plan = circumstances.decide_with_log(last_zxid, upto, found);
            self.carry_out(link, plan, history, out);
        }
    }

    /// Whether the window has all that lies behind `zxid`, a transaction of the own history.
    fn goes_on_from(&self, recent: &Recent, zxid: Zxid) -> bool {
        recent.goes_on_from(zxid, self.initial, Some(self.epoch))
    }

    fn circumstances<'a>(&self, history: &'a History<'_>) -> Circumstances<'a> {
        Circumstances {
            recent: history.recent,
            first: history
                .recent
                .first_within(self.options.queue_bytes_max / 2),
            applied: history.applied,
            force_snapshot: self.options.zab.force_snapshot_sync,
            may_read_log: self.options.zab.snapshot_size_factor.is_some(),
        }
    }

    /// What is sent hangs on where the window ends.
    fn check_window(&self, history: &History<'_>) {
        let last = history.recent.last().unwrap_or(history.applied);
        assert!(
            last == self.committed,
            "the window ends with {last}, the commits with {}",
            self.committed
        );
        assert!(
            history.applied <= self.committed,
            "{} is applied and not committed",
            history.applied
        );
    }

    fn carry_out(
        &mut self,
        link: QuorumLink,
        plan: SyncPlan,
        history: &mut History<'_>,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let transfer = plan.transfer();
        if self.is_busy(transfer) {
            return self.close(link, CloseReason::Busy, out);
        }
        let Some(observer) = self.observers.get_mut(&link) else {
            return;
        };
        tracing::info!(%link, sid = %observer.sid, ?plan, "bringing an observer up to date");
        let mut queue = Queue::new(link, out);
        let feed = queue.open(plan);
        observer.silent_until = None;
        observer.stage = Stage::Syncing { transfer, feed };
        match feed {
            None => self.complete(link, plan.after, queue, history),
            Some(feed) => history.recent.pin(feed.at()),
        }
        self.has_pinned |= feed.is_some();
    }

    /// What it lacked is sent, or comes from the window: that, and NEWLEADER. From here on it hears of all
    /// that is committed, and is expected to acknowledge.
    fn complete(
        &mut self,
        link: QuorumLink,
        after: Zxid,
        mut queue: Queue<'_, ObserverMasterOutput>,
        history: &History<'_>,
    ) {
        let turn_ends = self.ticks.after(self.options.zab.init_limit);
        let Some(observer) = self.observers.get_mut(&link) else {
            return;
        };
        observer.silent_until = Some(turn_ends);
        if let Stage::Syncing { feed, .. } = &mut observer.stage {
            *feed = None;
        }
        let protocol_version = observer.protocol_version;
        queue.put_history(history.recent.after(after));
        queue.finish(&self.new_leader(protocol_version));
    }

    fn new_leader(&self, protocol_version: i32) -> ToLearner {
        catch_up::new_leader(self.epoch, self.membership.committed(), protocol_version)
    }

    /// Whether as many observers as may are being brought up to date this way.
    fn is_busy(&self, transfer: Transfer) -> bool {
        let same = |observer: &&Observer| matches!(&observer.stage, Stage::Syncing { transfer: other, .. } if *other == transfer);
        let count = self.observers.values().filter(same).count();
        count >= transfer.at_once_max(&self.options.zab)
    }

    /// What was streamed is sent.
    pub(super) fn on_streamed(
        &mut self,
        link: QuorumLink,
        history: &mut History<'_>,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        if let Some(feed) = self.observers.get_mut(&link).and_then(Observer::feed) {
            feed.on_streamed();
            self.check_window(history);
            self.feed(link, history, out);
        }
    }

    /// The own log has more, perhaps of what observers are fed.
    pub(super) fn on_appended(
        &mut self,
        zxid: Zxid,
        history: &mut History<'_>,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        assert!(zxid >= self.durable, "what was on disk is gone");
        self.durable = zxid;
        if self.awaits_disk.take().is_none() {
            return;
        }
        self.check_window(history);
        let links: Vec<QuorumLink> = self.observers.keys().copied().collect();
        for link in links {
            self.feed(link, history, out);
        }
    }

    /// Gives an observer that is fed what comes next, if it is its turn.
    fn feed(
        &mut self,
        link: QuorumLink,
        history: &mut History<'_>,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let pinned_max = history.recent.pinned_bytes_max();
        let supply = Supply {
            recent: history.recent,
            durable: self.durable,
            initial: self.initial,
            epoch: Some(self.epoch),
            at_once_max: (self.options.queue_bytes_max / 2).min(pinned_max),
        };
        let Some(feed) = self.observers.get_mut(&link).and_then(Observer::feed) else {
            return;
        };
        match feed.next(&supply) {
            None => {}
            Some(Next::AwaitDisk) => self.awaits_disk = Some(self.durable),
            Some(Next::Window) => {
                let after = feed.at();
                self.complete(link, after, Queue::new(link, out), history);
            }
            Some(Next::Log { after, upto }) => {
                feed.stream(upto);
                history.recent.pin(upto);
                tracing::debug!(%link, %after, %upto, "going on with the log for an observer");
                Queue::new(link, out).stream(StreamItem::LogRange { after, upto });
            }
        }
    }

    /// A packet of an observer that has not acknowledged NEWLEADER.
    pub(super) fn on_sync_packet(
        &mut self,
        link: QuorumLink,
        packet: &ToLeader,
        out: &mut Vec<ObserverMasterOutput>,
    ) {
        let start = Zxid::start_of(self.epoch);
        let limit = self.ticks.after(self.options.zab.sync_limit);
        let Some(observer) = self.observers.get_mut(&link) else {
            return;
        };
        let awaits_new_leader = observer.feed().is_some();
        match packet {
            ToLeader::Ack { zxid } if *zxid == start && !awaits_new_leader => {
                observer.stage = Stage::Synced;
                observer.silent_until = Some(limit);
                tracing::debug!(%link, sid = %observer.sid, "an observer is up to date");
                send(link, &ToLearner::UpToDate, out);
            }
            _ => self.close(link, CloseReason::OutOfTurn(packet.name()), out),
        }
    }

    /// Lets go of the window when nobody reads up to it any more.
    pub(super) fn maybe_unpin(&mut self, recent: &mut Recent) {
        if self.has_pinned && !self.observers.values().any(Observer::reads_log) {
            self.has_pinned = false;
            recent.unpin();
        }
    }
}
