//! What the leader knows of one learner.
//!
//! ```text
//!  Joined --epoch saved: LEADERINFO--> Asked --ACKEPOCH--> Promised --a quorum has promised--+
//!                                                            |   ^                            |
//!                                              look into the log |  not there                 |
//!                                                            v   |                            v
//!                                                           Probing ---the log has it---> Syncing
//!                                                                                             |
//!                  UPTODATE when the term has begun  <-- Synced <--ACK of NEWLEADER-----------+
//! ```
//!
//! One that lacks more than memory has is fed while it is Syncing, see `catch_up::feed`: until that is
//! over it hears of nothing that happens.

use super::super::LearnerKind;
use super::super::catch_up::feed::Feed;
use super::super::catch_up::{LastZxid, Transfer};
use super::liveness::Unacknowledged;
use crate::base::{Epoch, ServerId, Zxid};

/// See the module.
#[derive(Debug)]
pub(super) struct Learner {
    pub(super) sid: ServerId,
    pub(super) kind: LearnerKind,
    pub(super) protocol_version: i32,
    /// What it had promised when it dialled in.
    pub(super) accepted_epoch: Epoch,
    pub(super) stage: Stage,
    /// The tick up to which it counts among those that support this leader, whether or not it is
    /// synchronised.
    pub(super) supports_until: u64,
    /// The tick up to which it may be silent; `None`: it is not its turn to speak.
    pub(super) silent_until: Option<u64>,
    pub(super) unacknowledged: Unacknowledged,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// It has said who it is, and waits for the epoch.
    Joined,
    /// LEADERINFO is sent.
    Asked,
    /// It has promised the epoch, and waits until a quorum has.
    Promised { last: LastZxid },
    /// The own log is asked for what it lacks.
    Probing {
        last_zxid: Zxid,
        /// Where the log meets the window.
        upto: Zxid,
    },
    /// Everything up to NEWLEADER is on its way.
    Syncing {
        transfer: Transfer,
        /// It does not have all that happens yet, nor NEWLEADER.
        feed: Option<Feed>,
        /// Proposals it has acknowledged before NEWLEADER, rising.
        early_acks: Vec<Zxid>,
    },
    /// It has acknowledged NEWLEADER.
    Synced { is_up_to_date: bool },
}

impl Learner {
    /// Whether the epoch is still to be promised.
    pub(super) fn is_joining(&self) -> bool {
        matches!(self.stage, Stage::Joined | Stage::Asked)
    }

    /// Whether it has acknowledged the history of the epoch.
    pub(super) fn is_synced(&self) -> bool {
        matches!(self.stage, Stage::Synced { .. })
    }

    /// Whether it has been sent the history and is to get all that follows.
    pub(super) fn is_live(&self) -> bool {
        matches!(
            self.stage,
            Stage::Syncing { feed: None, .. } | Stage::Synced { .. }
        )
    }

    pub(super) fn gets_proposals(&self) -> bool {
        self.is_live() && self.kind == LearnerKind::Follower
    }

    pub(super) fn gets_informs(&self) -> bool {
        self.is_live() && self.kind == LearnerKind::Observer
    }

    /// Whether it has promised the epoch and is in its way through the history, or has it.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self.stage, Stage::Syncing { .. } | Stage::Synced { .. })
    }

    /// How far it is, if it lacks more than memory has.
    pub(super) fn feed(&mut self) -> Option<&mut Feed> {
        match &mut self.stage {
            Stage::Syncing { feed, .. } => feed.as_mut(),
            _ => None,
        }
    }

    /// Whether it needs the window to reach back: the log is read for it.
    pub(super) fn reads_log(&self) -> bool {
        matches!(
            self.stage,
            Stage::Probing { .. } | Stage::Syncing { feed: Some(_), .. }
        )
    }

    /// What it is being brought up to date with.
    pub(super) fn transfer(&self) -> Option<Transfer> {
        match &self.stage {
            Stage::Syncing { transfer, .. } => Some(*transfer),
            _ => None,
        }
    }
}
