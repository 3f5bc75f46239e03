//! How a learner is brought up to date, whoever does it: a leader, or a follower that serves observers.
//!
//! In: where the learner's log ends, the own window, log and state. Out: a plan ([`plan`]), and its
//! packets and streams in their order ([`queue`]).
//!
//! The wire, for one learner: DIFF or TRUNC or a snapshot, the history it lacks as PROPOSAL and
//! COMMIT, what is proposed and not committed (a leader's followers only), what happens meanwhile,
//! NEWLEADER, what happens meanwhile, UPTODATE. The plan is made and queued within one call; so
//! NEWLEADER never overtakes history, and no commit falls between.
//!
//! NEWLEADER comes right behind history, except behind a snapshot: that is made while transactions go
//! on, and may hold parts of any that was applied before its end. NEWLEADER waits for that end, so
//! all these commits come before it, and what a learner then stores is a state that once was.

pub(in crate::zab) mod plan;
pub(in crate::zab) mod queue;
#[cfg(test)]
mod tests;

use super::{PROTOCOL_VERSION, ToLearner, ZabOptions};
use crate::base::{Epoch, Zxid};
use crate::quorum::QuorumView;

/// Where a learner's log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::zab) enum LastZxid {
    Known(Zxid),
    /// It did not say, or what it said is of no use: all it gets is a snapshot.
    Unknown,
}

/// What a learner is brought up to date with; each kind has its own bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::zab) enum Transfer {
    Transactions,
    Snapshot,
}

impl Transfer {
    /// How many learners may be brought up to date this way before observers have to wait.
    pub(in crate::zab) fn at_once_max(self, options: &ZabOptions) -> usize {
        match self {
            Self::Transactions => options.diff_syncs_max,
            Self::Snapshot => options.snap_syncs_max,
        }
    }
}

/// What the log on disk has for a learner. The log between `next` and what was asked for is whole:
/// each transaction follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogProbe {
    /// The last transaction in the log that is not behind the learner's last.
    pub floor: Zxid,
    /// The first behind it.
    pub next: Zxid,
}

/// What a link carries besides packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamItem {
    /// A SNAP packet with the zxid of the state as it is now, then that state.
    Snapshot,
    /// A PROPOSAL and a COMMIT for each transaction in the log behind `after`, up to `upto`.
    LogRange { after: Zxid, upto: Zxid },
}

/// A plan on its way: everything up to NEWLEADER is queued, and NEWLEADER too unless it waits for a
/// snapshot's end.
#[derive(Debug)]
pub(in crate::zab) struct Sending {
    transfer: Transfer,
    /// How many are not sent yet.
    streams: usize,
}

/// What the end of a stream means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::zab) enum Streamed {
    /// More is to come, or none was awaited.
    NotLast,
    /// It was the last one: it is for the learner to acknowledge NEWLEADER, which is sent already.
    Last,
    /// The same, and NEWLEADER is to be sent now.
    LastBeforeNewLeader,
}

impl Sending {
    pub(in crate::zab) fn transfer(&self) -> Transfer {
        self.transfer
    }

    /// Whether nothing is awaited any more but the learner's acknowledgement.
    pub(in crate::zab) fn is_all_sent(&self) -> bool {
        self.streams == 0
    }

    /// Whether a snapshot is being sent that NEWLEADER is to follow.
    pub(in crate::zab) fn awaits_new_leader(&self) -> bool {
        self.transfer == Transfer::Snapshot && !self.is_all_sent()
    }

    pub(in crate::zab) fn on_streamed(&mut self) -> Streamed {
        let is_last = self.streams == 1;
        self.streams = self.streams.saturating_sub(1);
        match self.transfer {
            _ if !is_last => Streamed::NotLast,
            Transfer::Transactions => Streamed::Last,
            Transfer::Snapshot => Streamed::LastBeforeNewLeader,
        }
    }
}

/// NEWLEADER of this term, with the view if the learner is of a release that knows of it.
pub(in crate::zab) fn new_leader(
    epoch: Epoch,
    view: &QuorumView,
    protocol_version: i32,
) -> ToLearner {
    let knows_views = protocol_version >= PROTOCOL_VERSION;
    ToLearner::NewLeader {
        zxid: Zxid::start_of(epoch),
        config: knows_views.then(|| view.to_string().into()),
    }
}
