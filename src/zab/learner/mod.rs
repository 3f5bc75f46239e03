//! The learner's side.

use bytes::Bytes;
use thiserror::Error;

use super::ToLearner;
use crate::base::{Epoch, SessionId, Zxid};

/// What can happen to a learner.
#[derive(Debug, Clone)]
pub enum LearnerInput {
    /// The link to the leader is there.
    Connected,
    /// A packet. For SNAP the whole snapshot has been received with it and is at hand.
    Received(ToLearner),
    AcceptedEpochSaved(Epoch),
    CurrentEpochSaved(Epoch),
    /// The log holds everything up to this, durably.
    Appended(Zxid),
    /// The log and the state end with this now.
    Truncated(Zxid),
    /// The state in memory is on disk as a snapshot.
    SnapshotStored(Zxid),
    /// Time has passed.
    Wake,
}

/// What a learner asks for, in order.
#[derive(Debug, Clone)]
pub enum LearnerOutput {
    /// Send the bytes of one packet or of several to the leader.
    Send(Bytes),
    SaveAcceptedEpoch(Epoch),
    /// After everything appended before it is durable.
    SaveCurrentEpoch(Epoch),
    Append {
        zxid: Zxid,
        payload: Bytes,
    },
    /// Forget, on disk and in memory, what lies behind this.
    Truncate(Zxid),
    /// The state that was received with the SNAP packet takes the place of the one in memory.
    InstallSnapshot {
        zxid: Zxid,
    },
    /// Write the state in memory, with all commits so far, to disk; what the log has is void.
    StoreSnapshot,
    /// Apply this to the state. In SNAP mode it is in no log.
    Commit {
        zxid: Zxid,
        payload: Bytes,
    },
    /// The leader's last seen configuration, as a text.
    Config(Bytes),
    /// Clients may be served. The term's epoch.
    Serve(Epoch),
    /// The leader asks for a sign of life: the peer answers with the sessions it has heard of.
    Ping {
        zxid: Zxid,
    },
    /// Whether a session that a client came back with is alive.
    Revalidated {
        session: SessionId,
        is_valid: bool,
    },
    /// The oldest sync that was forwarded is answered.
    Synced,
    /// The term is over for this server.
    Leave(LeaveReason),
    /// The server cannot go on.
    Exit {
        code: u8,
        reason: String,
    },
}

/// Why a learner leaves its leader.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LeaveReason {
    #[error("the leader has said nothing for too long")]
    Silent,
    #[error("the leader proposes epoch {proposed}, {accepted} was promised")]
    OldEpoch { proposed: Epoch, accepted: Epoch },
    #[error("the leader did not bring this server up to date in time")]
    NotSynced,
    #[error("the leader sent {0}, which has no place there")]
    Unexpected(&'static str),
    #[error("transaction {found} came behind {last}: one is missing")]
    Hole { last: Zxid, found: Zxid },
}
