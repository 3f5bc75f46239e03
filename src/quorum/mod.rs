//! Who is in the ensemble, who votes, and which sets of servers decide.
//!
//! In: configuration texts, from files, peers and reconfigurations. Out: [`QuorumView`]s that print
//! byte for byte as Apache prints them, and the question every protocol asks: is this set a quorum
//! of every view in force ([`Membership`], [`AckSet`])?
//!
//! ```text
//! address    host:port, IPv6 in brackets
//! member     one server.N line
//! verifier   majorities, groups and weights
//! view       version + members + verifier
//! view_text  the text of a view, both ways
//! ack_set    acknowledgements in one or two views at once
//! ```
//!
//! Invariants: a view that exists has a participant and would be accepted by Apache, so its text
//! can be sent to a peer; any two quorums of one view share a voter; no text makes this panic. No
//! names are looked up here: addresses compare as written.
//!
//! | row | here |
//! |---|---|
//! | QP-023, QP-024 | `view_text`: nothing panics; what is printed parses again, in Apache too |
//! | QP-043 | `verifier`: groups, weights, groups and servers of weight 0 |
//! | QP-044 | `ack_set`: a quorum in both views |
//! | QP-125 | `view_text`: format, parse, equality, hexadecimal version |

mod ack_set;
mod address;
mod member;
mod verifier;
mod view;
mod view_text;

#[cfg(test)]
pub(crate) mod tests;

pub use ack_set::{AckSet, Membership};
pub use address::{Address, AddressError, Host};
pub use member::{LineError, Member, PeerAddress, Role};
pub use verifier::{GroupId, Groups, GroupsError, Verifier};
pub use view::{ConfigVersion, QuorumView};
pub use view_text::{ViewError, ViewLines, ViewRules};
