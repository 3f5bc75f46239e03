//! What a learner is brought up to date with: DIFF, TRUNC or SNAP. A pure decision.
//!
//! The own history is what the log has, up to the last transaction of the window of recent commits:
//! a leader takes everything it has logged for committed, and a learner that has more forgets it.
//!
//! A zxid names one transaction and, with it, all that came before it: the leader of its epoch
//! proposed it in one order behind one initial history. So two histories that share a zxid share
//! everything up to it, and a learner whose last zxid is in the own history lacks what lies behind.
//! A learner that has more than the own history, in the *same* epoch, shares it up to there. Of one
//! whose last zxid is of another epoch nothing is known but that it may have diverged earlier: it
//! gets a snapshot, where Apache would send TRUNC to a zxid the learner may not have.
//!
//! A last zxid with counter 0 is of a learner that has the initial history of that epoch and nothing
//! behind it. All zeros is a learner without any history, which everything lies behind; what the
//! window or the log begin with need not be the first transaction ever, so it gets a snapshot
//! unless that is proven.

use super::{LastZxid, LogProbe, Transfer};
use crate::base::Zxid;
use crate::zab::Recent;

/// What the decision goes by.
pub(in crate::zab) struct Circumstances<'a> {
    pub(in crate::zab) recent: &'a Recent,
    /// The first of the window that may be sent from there; what lies before it comes from the log.
    pub(in crate::zab) first: Option<Zxid>,
    /// The last transaction in the state in memory.
    pub(in crate::zab) applied: Zxid,
    pub(in crate::zab) force_snapshot: bool,
    pub(in crate::zab) may_read_log: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::zab) enum Decision {
    Plan(SyncPlan),
    /// The window does not reach back to what the learner has; perhaps the log does, and goes on up
    /// to `upto`, where the window takes over.
    Probe {
        upto: Zxid,
    },
}

/// What to send, in order: the opening, a range of the log, and the window behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::zab) struct SyncPlan {
    pub(in crate::zab) opening: Opening,
    /// Of the log: behind the first, up to the second.
    pub(in crate::zab) log: Option<(Zxid, Zxid)>,
    /// What lies behind this in the window comes last.
    pub(in crate::zab) after: Zxid,
}

impl SyncPlan {
    pub(in crate::zab) fn transfer(&self) -> Transfer {
        match self.opening {
            Opening::Diff(_) | Opening::Trunc(_) => Transfer::Transactions,
            Opening::Snap => Transfer::Snapshot,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::zab) enum Opening {
    Diff(Zxid),
    Trunc(Zxid),
    Snap,
}

impl Circumstances<'_> {
    /// Decides for a learner whose log ends with `last`. The order of the tests is Apache's.
    pub(in crate::zab) fn decide(&self, last: LastZxid) -> Decision {
        let LastZxid::Known(last) = last else {
            return Decision::Plan(self.snapshot());
        };
        if self.force_snapshot || last < Zxid::ZERO {
            return Decision::Plan(self.snapshot());
        }
        if last == self.applied {
            return Decision::Plan(SyncPlan::new(Opening::Diff(last), last));
        }
        if last > self.last() {
            return Decision::Plan(self.beyond(last));
        }
        let Some(first) = self.first else {
            return self.before(last, self.applied);
        };
        if last.next() == first {
            // The one before the window, by its number.
            return Decision::Plan(self.diff(last));
        }
        if last < first {
            return self.before(last, first);
        }
        Decision::Plan(self.within(last))
    }

    /// Decides when the log was asked. `found` is what lies around `last` in it.
    pub(in crate::zab) fn decide_with_log(
        &self,
        last: Zxid,
        upto: Zxid,
        found: LogProbe,
    ) -> SyncPlan {
        let LogProbe { floor, next } = found;
        assert!(
            floor <= last && last < next && next <= upto,
            "the log answers for {last} up to {upto}: {found:?}"
        );
        let meeting = meet(last, floor, Some(next));
        let (opening, after) = match meeting {
            Meeting::Prefix => (Opening::Diff(self.last()), last),
            Meeting::DivergedBehind(common) => (Opening::Trunc(common), common),
            Meeting::Unknown => return self.snapshot(),
        };
        SyncPlan {
            opening,
            log: Some((after, upto)),
            after: upto,
        }
    }

    /// A snapshot, and what is in the window but perhaps not in the snapshot.
    pub(in crate::zab) fn snapshot(&self) -> SyncPlan {
        SyncPlan::new(Opening::Snap, self.applied)
    }

    /// Where the own history ends.
    pub(in crate::zab) fn last(&self) -> Zxid {
        self.recent.last().unwrap_or(self.applied)
    }

    /// The learner has more than there is.
    fn beyond(&self, learner_last: Zxid) -> SyncPlan {
        let last = self.last();
        let is_same_epoch = last.epoch() == learner_last.epoch();
        if is_same_epoch && last.counter() > 0 {
            SyncPlan::new(Opening::Trunc(last), last)
        } else {
            self.snapshot()
        }
    }

    /// The learner's last zxid lies in the range of the window.
    fn within(&self, learner_last: Zxid) -> SyncPlan {
        let Some(floor) = self.recent.floor(learner_last) else {
            return self.snapshot();
        };
        let next = self.recent.after(learner_last).next();
        let next = next.map(|committed| committed.zxid);
        match meet(learner_last, floor, next) {
            Meeting::Prefix => self.diff(learner_last),
            Meeting::DivergedBehind(common) => SyncPlan::new(Opening::Trunc(common), common),
            Meeting::Unknown => self.snapshot(),
        }
    }

    /// The learner's last zxid lies before the window, which begins with, or is empty behind, `upto`.
    fn before(&self, learner_last: Zxid, upto: Zxid) -> Decision {
        if self.may_read_log && learner_last > Zxid::ZERO && upto.counter() > 0 {
            Decision::Probe { upto }
        } else {
            Decision::Plan(self.snapshot())
        }
    }

    fn diff(&self, after: Zxid) -> SyncPlan {
        SyncPlan::new(Opening::Diff(self.last()), after)
    }
}

impl SyncPlan {
    fn new(opening: Opening, after: Zxid) -> Self {
        Self {
            opening,
            log: None,
            after,
        }
    }
}

/// How a learner's history meets the own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    /// It is the beginning of the own.
    Prefix,
    /// They are the same up to this, and the learner has more.
    DivergedBehind(Zxid),
    Unknown,
}

/// `floor` is the last transaction of the own history that is not behind the learner's last, `next`
/// the one that follows it.
fn meet(learner_last: Zxid, floor: Zxid, next: Option<Zxid>) -> Meeting {
    assert!(
        floor <= learner_last && next.is_none_or(|next| next > learner_last),
        "{floor} and {next:?} are around {learner_last}"
    );
    let is_same_epoch = |zxid: Zxid| zxid.epoch() == learner_last.epoch();
    if floor == learner_last || learner_last.counter() == 0 {
        Meeting::Prefix
    } else if is_same_epoch(floor) && next.is_some_and(is_same_epoch) {
        Meeting::DivergedBehind(floor)
    } else {
        Meeting::Unknown
    }
}
