//! Bugs planted on purpose, each in the driver of a server: what the checkers are for must be found
//! by them. None of them is in the code of the server.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// The disk says that it has synced, and has not.
    DropSync,
    /// A transaction counts as durable before the disk was even asked.
    AckBeforeDisk,
    /// A promise of an epoch counts as saved, and is not.
    ForgetEpoch,
    /// A follower takes a proposal for committed.
    CommitEarly,
    /// The log is not cut where it should be.
    ForgetTruncation,
    /// A follower gets two proposals with their contents swapped.
    SwapProposals,
    /// Now and then a watch event is not passed on.
    DropEvent,
    /// Now and then a watch event is passed on twice.
    DoubleEvent,
    /// Replies overtake the events that were there before them.
    LateEvents,
    /// The leader's clock is twice as fast.
    FastClock,
    /// A server does not ask what a client has seen.
    ForgetSeen,
    /// Reads do not wait for the writes before them.
    EarlyReads,
}

impl Mutation {
    pub const ALL: [Self; 12] = [
        Self::DropSync,
        Self::AckBeforeDisk,
        Self::ForgetEpoch,
        Self::CommitEarly,
        Self::ForgetTruncation,
        Self::SwapProposals,
        Self::DropEvent,
        Self::DoubleEvent,
        Self::LateEvents,
        Self::FastClock,
        Self::ForgetSeen,
        Self::EarlyReads,
    ];

    /// The bug with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mutation| format!("{mutation:?}").eq_ignore_ascii_case(name))
    }
}
