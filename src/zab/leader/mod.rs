//! The leader's side.

use bytes::Bytes;
use thiserror::Error;

use super::{LearnerRequest, ToLeader};
use crate::base::{Epoch, QuorumLink, ServerId, SessionId, Zxid};

/// What can happen to a leader.
#[derive(Debug, Clone)]
pub enum LeaderInput {
    /// A learner has dialled in.
    Connected {
        link: QuorumLink,
    },
    Received {
        link: QuorumLink,
        packet: ToLeader,
    },
    /// The link is closed, by the other side or by a failure.
    Gone {
        link: QuorumLink,
    },
    AcceptedEpochSaved(Epoch),
    CurrentEpochSaved(Epoch),
    /// The own log holds everything up to this, durably.
    Appended(Zxid),
    /// The answer to [`LeaderOutput::ProbeLog`]; `None`: the log cannot serve.
    LogProbed {
        link: QuorumLink,
        found: Option<LogProbe>,
    },
    /// A voter is looking for a leader.
    VoterLooks(ServerId),
    /// Time has passed.
    Wake,
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

/// What a leader asks for, in order.
#[derive(Debug, Clone)]
pub enum LeaderOutput {
    /// Send the bytes of one packet or of several.
    Send {
        link: QuorumLink,
        packets: Bytes,
    },
    /// Send what is too much to pass through here, in its place among the packets.
    Stream {
        link: QuorumLink,
        item: StreamItem,
    },
    /// Close the link behind what is sent; no answer.
    Close {
        link: QuorumLink,
        reason: CloseReason,
    },
    SaveAcceptedEpoch(Epoch),
    SaveCurrentEpoch(Epoch),
    /// Look whether the log on disk has what lies behind `after`, up to `upto`, and is small enough.
    ProbeLog {
        link: QuorumLink,
        after: Zxid,
        upto: Zxid,
    },
    /// A quorum has this leader's history under this epoch: the term begins.
    Established(Epoch),
    /// All proposals up to this are committed.
    Committed(Zxid),
    /// A learner passes on a client's request. `sid` is the learner.
    Request {
        link: QuorumLink,
        sid: ServerId,
        request: LearnerRequest,
    },
    /// A learner has heard of these sessions; with their timeouts.
    Touched {
        link: QuorumLink,
        sessions: Vec<(SessionId, i32)>,
    },
    /// A client came back to a learner with its session: the peer answers it.
    Revalidate {
        link: QuorumLink,
        session: SessionId,
        timeout_ms: i32,
    },
    /// The term is over.
    StepDown(StepDown),
}

/// What a link carries besides packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamItem {
    /// A SNAP packet with the zxid of the state as it is now, then that state.
    Snapshot,
    /// A PROPOSAL and a COMMIT for each transaction in the log behind `after`, up to `upto`.
    LogRange { after: Zxid, upto: Zxid },
}

/// Why a leader closes the link of a learner.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloseReason {
    #[error("its first packet is neither FOLLOWERINFO nor OBSERVERINFO")]
    NotALearner,
    #[error("it knows a configuration that is newer than ours")]
    NewerConfig,
    #[error("it answered LEADERINFO with something other than ACKEPOCH")]
    NoAckEpoch,
    #[error("its history (epoch {epoch}, zxid {zxid}) is longer than the leader's")]
    MoreRecent { epoch: Epoch, zxid: Zxid },
    #[error("it has said nothing for too long")]
    Silent,
    #[error("it has not acknowledged a proposal for too long")]
    Lagging,
    #[error("too many observers are catching up")]
    Busy,
    #[error("the same server has dialled in again")]
    Replaced,
}

/// Why a leader stops leading.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StepDown {
    #[error("no quorum has joined in time: {0}")]
    NotEstablished(&'static str),
    #[error("its voters are looking for another leader")]
    Abandoned,
    #[error("a quorum of synced voters is gone")]
    QuorumLost,
    #[error("the counter of the epoch is used up")]
    CounterUsedUp,
}
