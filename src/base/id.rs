//! Identifiers, each a type of its own so that none is taken for another.

use std::fmt;

/// A server's `myid`: a signed 64-bit number, in practice 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub i64);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A client session, as Apache numbers them: the opener's server id in the top byte, then time,
/// then a counter. 0 stands for "no session": the server's own requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SessionId(pub i64);

impl SessionId {
    /// The server's own requests, such as the deletion of a container.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// One accepted client connection of this process; never used again within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn-{}", self.0)
    }
}

/// One connection on the quorum port of this process, either end; never used again within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuorumLink(pub u64);

impl fmt::Display for QuorumLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link-{}", self.0)
    }
}

/// A client's number for a request; the reply repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Xid(pub i32);

impl Xid {
    /// Watch events.
    pub const EVENT: Self = Self(-1);
    /// Every answer to a ping, whatever number the ping carried.
    pub const PING: Self = Self(-2);

    /// Whether the request counts as outstanding: only positive numbers do.
    pub fn counts_as_outstanding(self) -> bool {
        self.0 > 0
    }
}
