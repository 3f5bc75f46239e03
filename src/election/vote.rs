//! Votes: what is proposed, when one is better, when two are the same.

use std::fmt;

use crate::base::{Epoch, ServerId, Zxid};

/// What a server is doing, by its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerState {
    Looking,
    Following,
    Leading,
    Observing,
}

impl PeerState {
    /// The state with this number.
    pub fn from_wire(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Looking),
            1 => Some(Self::Following),
            2 => Some(Self::Leading),
            3 => Some(Self::Observing),
            _ => None,
        }
    }

    /// As `QuorumPeer.ServerState` numbers it.
    pub fn to_wire(self) -> i32 {
        match self {
            Self::Looking => 0,
            Self::Following => 1,
            Self::Leading => 2,
            Self::Observing => 3,
        }
    }
}

impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Looking => "LOOKING",
            Self::Following => "FOLLOWING",
            Self::Leading => "LEADING",
            Self::Observing => "OBSERVING",
        })
    }
}

/// The number of an election as one server counts them. Kept in memory only, so it starts again
/// with the process; a server that hears a greater one takes it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Round(pub i64);

impl Round {
    /// The round after this. At the end of the numbers, which only a hostile peer brings about,
    /// the count stays where it is.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who is to lead, and how much history it has. The order of the fields is the order of
/// candidates: the epoch first, then the zxid, then the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate {
    /// The candidate's currentEpoch; once its term has begun, the term's epoch.
    pub epoch: Epoch,
    /// The last transaction in its log, committed or not.
    pub zxid: Zxid,
    pub leader: ServerId,
}

impl Candidate {
    /// What a server proposes that does not vote: worse than any other.
    pub const NOBODY: Self = Self {
        epoch: Epoch(i64::MIN),
        zxid: Zxid(i64::MIN),
        leader: ServerId(i64::MIN),
    };
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NOBODY {
            return f.write_str("nobody");
        }
        write!(f, "{}", self.leader)?;
        write!(f, " (epoch {}, zxid {})", self.epoch, self.zxid)
    }
}

/// A candidate, voted for in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vote {
    pub candidate: Candidate,
    pub round: Round,
}

/// What one server said: its vote and what it was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ballot {
    pub state: PeerState,
    pub vote: Vote,
    /// Of the message; 0 for servers that do not update the epoch in their vote when a term begins.
    pub version: i32,
}

impl Ballot {
    /// The vote of a server that is looking.
    pub fn looking(vote: Vote) -> Self {
        Self {
            state: PeerState::Looking,
            vote,
            version: 0,
        }
    }

    /// Whether two votes count as the same, as `Vote.equals`. While one of the two looks, all of
    /// the vote must be. Between settled servers zxid and round may differ without meaning, and
    /// with a server that does not update the epoch, the epoch too.
    pub fn agrees_with(&self, other: &Self) -> bool {
        if self.state == PeerState::Looking || other.state == PeerState::Looking {
            return self.vote == other.vote;
        }
        let (a, b) = (self.vote.candidate, other.vote.candidate);
        let both_or_neither_update = (self.version > 0) == (other.version > 0);
        a.leader == b.leader && (!both_or_neither_update || a.epoch == b.epoch)
    }
}
