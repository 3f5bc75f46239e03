//! How a learner is brought up to date, whoever does it: a leader, or a follower that serves observers.
//!
//! In: where the learner's log ends, the own window, log and state. Out: a plan ([`plan`]), what goes to
//! a learner that lacks more than memory has ([`feed`]), and all of it as packets and streams in their
//! order ([`queue`]).
//!
//! The wire, for one learner: DIFF or TRUNC or a snapshot, the history it lacks as PROPOSAL and
//! COMMIT, what is proposed and not committed (a leader's followers only), NEWLEADER, what happens
//! meanwhile, UPTODATE. The last of the history, what is proposed, and NEWLEADER are queued within one
//! call; so NEWLEADER never overtakes history, and no commit falls between.
//!
//! A snapshot is made while transactions go on, and may hold parts of any that was applied before its
//! end. All these are committed, so they come before NEWLEADER, and what a learner then stores is a
//! state that once was.

pub(in crate::zab) mod feed;
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
