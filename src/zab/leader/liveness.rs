//! Who is still there: ticks, pings, learners that are silent or lag, and the quorum that a leader
//! needs to go on.
//!
//! Time is counted in ticks of `tickTime`, each of two beats; learners are pinged at every beat.
//! After a pause of the whole process one beat follows and none is made up for: what the learners
//! have sent meanwhile is still to be read.

use super::super::ToLearner;
use super::learner::Learner;
use super::{CloseReason, Leader, LeaderOutput, LearnerKind, Phase, StepDown};
use crate::base::{Monotonic, ServerId, Zxid};

/// The leader's clock.
#[derive(Debug)]
pub(in crate::zab) struct Ticks {
    beat_ms: u64,
    tick: u64,
    /// Whether the next beat begins a tick.
    begins_tick: bool,
    next_beat: Monotonic,
}

impl Ticks {
    pub(in crate::zab) fn new(tick_ms: u64, now: Monotonic) -> Self {
        let beat_ms = (tick_ms / 2).max(1);
        Self {
            beat_ms,
            tick: 0,
            begins_tick: false,
            next_beat: now.after(beat_ms),
        }
    }

    /// The number of the current tick.
    pub(in crate::zab) fn now(&self) -> u64 {
        self.tick
    }

    /// The number of the tick so many from now.
    pub(in crate::zab) fn after(&self, ticks: u64) -> u64 {
        self.tick.saturating_add(ticks)
    }

    pub(in crate::zab) fn next_beat(&self) -> Monotonic {
        self.next_beat
    }

    /// The beat that is due, if one is: whether it begins a tick.
    pub(in crate::zab) fn beat(&mut self, now: Monotonic) -> Option<bool> {
        if now < self.next_beat {
            return None;
        }
        let on_time = self.next_beat.after(self.beat_ms);
        self.next_beat = if on_time > now {
            on_time
        } else {
            now.after(self.beat_ms)
        };
        let begins_tick = self.begins_tick;
        self.begins_tick = !begins_tick;
        self.tick += u64::from(begins_tick);
        Some(begins_tick)
    }
}

/// Whether a follower acknowledges in time: one proposal is watched at a time, and the newest is
/// the next to be (`LearnerHandler.SyncLimitCheck`).
#[derive(Debug, Default)]
pub(super) struct Unacknowledged {
    /// With the tick in which it was proposed.
    watched: Option<(Zxid, u64)>,
    newest: Option<(Zxid, u64)>,
}

impl Unacknowledged {
    pub(super) fn on_proposed(&mut self, zxid: Zxid, tick: u64) {
        if self.watched.is_none() {
            self.watched = Some((zxid, tick));
        } else {
            self.newest = Some((zxid, tick));
        }
    }

    /// Acknowledgements come in order, so a later one stands for those before.
    pub(super) fn on_acknowledged(&mut self, zxid: Zxid) {
        let is_open = |watched: &(Zxid, u64)| watched.0 > zxid;
        if self.watched.is_some_and(|watched| !is_open(&watched)) {
            self.watched = self.newest.take().filter(is_open);
        }
    }

    fn is_older_than(&self, tick: u64) -> bool {
        self.watched.is_some_and(|(_, proposed)| proposed < tick)
    }
}

impl Leader {
    /// When the wait of the current phase is over.
    pub(super) fn wait_deadline(&self) -> Option<Monotonic> {
        let (since, _) = self.wait()?;
        let ms = self.options.tick_ms.saturating_mul(self.options.init_limit);
        Some(since.after(ms))
    }

    /// Since when this phase waits, and for what.
    fn wait(&self) -> Option<(Monotonic, &'static str)> {
        match &self.phase {
            Phase::ChoosingEpoch { since, .. } => Some((*since, "waited for followers")),
            Phase::AwaitingPromises { since, .. } => Some((*since, "waited for ACKEPOCH")),
            Phase::Synchronising { since, .. } => Some((*since, "waited for ACKs of NEWLEADER")),
            Phase::SavingEpoch { .. } | Phase::Broadcasting(_) | Phase::Over => None,
        }
    }

    pub(super) fn on_wake(&mut self, now: Monotonic, out: &mut Vec<LeaderOutput>) {
        if self.wait_deadline().is_some_and(|deadline| now >= deadline)
            && let Some((_, what)) = self.wait()
        {
            self.step_down(StepDown::NotEstablished(what), out);
        }
        if matches!(self.phase, Phase::Over) {
            return;
        }
        let Some(begins_tick) = self.ticks.beat(now) else {
            return;
        };
        if begins_tick {
            self.close_late(out);
            self.maybe_hand_over(out);
            if let Phase::Broadcasting(proposals) = &self.phase
                && proposals.over().is_none()
                && !self.has_support(true)
            {
                self.step_down(StepDown::QuorumLost, out);
            }
            if matches!(self.phase, Phase::Over) {
                return;
            }
            if self.lags() && self.has_support(false) {
                self.step_down(StepDown::OwnDiskLags, out);
                return;
            }
        }
        self.ping(out);
    }

    /// Closes the links of those that are silent or lag.
    fn close_late(&mut self, out: &mut Vec<LeaderOutput>) {
        let tick = self.ticks.now();
        let oldest = self.oldest_allowed();
        let strangers = self.strangers.iter();
        let silent = strangers.filter(|(_, until)| tick > **until);
        let mut late: Vec<_> = silent
            .map(|(link, _)| (*link, CloseReason::Silent))
            .collect();
        for (&link, learner) in &self.learners {
            if learner.silent_until.is_some_and(|until| tick > until) {
                late.push((link, CloseReason::Silent));
            } else if learner.unacknowledged.is_older_than(oldest) {
                late.push((link, CloseReason::Lagging));
            }
        }
        for (link, reason) in late {
            self.close(link, reason, out);
        }
    }

    /// A proposal from before this tick should have been acknowledged.
    fn oldest_allowed(&self) -> u64 {
        self.ticks.now().saturating_sub(self.options.sync_limit)
    }

    /// Whether the own disk is what would be too slow for a follower: what it has not taken piles up
    /// here while the others commit.
    fn lags(&self) -> bool {
        self.unappended.is_older_than(self.oldest_allowed())
    }

    /// Whether those that this server hears from, with itself or without, are a quorum of every view.
    /// A follower that is being brought up to date supports it too, for a while.
    pub(super) fn has_support(&self, with_me: bool) -> bool {
        let tick = self.ticks.now();
        let supporting = |learner: &&Learner| {
            learner.kind == LearnerKind::Follower && tick <= learner.supports_until
        };
        let supporters = self.learners.values().filter(supporting);
        let supporters: Vec<ServerId> = supporters.map(|learner| learner.sid).collect();
        let supports = |server| (with_me && server == self.me) || supporters.contains(&server);
        self.membership.has_quorum(supports)
    }

    fn ping(&self, out: &mut Vec<LeaderOutput>) {
        let zxid = match &self.phase {
            Phase::Broadcasting(proposals) => proposals.last_proposed(),
            Phase::Synchronising { epoch, .. } => Zxid::start_of(*epoch),
            _ => return,
        };
        self.send_all(
            Learner::is_live,
            [ToLearner::Ping { zxid }].into_iter(),
            out,
        );
    }
}
