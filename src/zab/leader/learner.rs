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

use super::super::LearnerKind;
use super::super::catch_up::{LastZxid, Sending, Transfer};
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
        sending: Sending,
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
        matches!(self.stage, Stage::Syncing { .. } | Stage::Synced { .. })
    }

    pub(super) fn gets_proposals(&self) -> bool {
        self.is_live() && self.kind == LearnerKind::Follower
    }

    pub(super) fn gets_informs(&self) -> bool {
        self.is_live() && self.kind == LearnerKind::Observer
    }

    /// Whether it is being sent a snapshot that NEWLEADER is to follow.
    pub(super) fn awaits_new_leader(&self) -> bool {
        matches!(&self.stage, Stage::Syncing { sending, .. } if sending.awaits_new_leader())
    }

    /// What it is being brought up to date with.
    pub(super) fn transfer(&self) -> Option<Transfer> {
        match &self.stage {
            Stage::Syncing { sending, .. } => Some(sending.transfer()),
            _ => None,
        }
    }
}
