//! Who is told of what: connections' watches by path, and which of them an event selects.
//!
//! Reads add, check and remove watches; the writer asks, for each
//! [`NodeEvent`](crate::proto::NodeEvent) of an applied transaction, which connections it goes to.
//! Watches belong to connections, not sessions: a client sets its own again when it reconnects.
//! Whether a connection may see an event is decided behind this (by the event's list): a watch that
//! fires once is used up either way.
//!
//! Invariants: a path is known as long as a connection watches it; every watch of a connection is
//! in its path's list of watchers, at the position the watch notes; the counts are those of the
//! watches there are.

mod modes;
mod report;
mod table;
#[cfg(test)]
mod tests;

pub use modes::{Registry, WatchKind, WatchMode};
pub use report::WatchSummary;
pub use table::{TooManyWatches, WatchTable};
