//! The checkers: they see the facts of a run, one after the other, and nothing else.
//!
//! ```text
//! logs        one history: committed logs are prefixes of each other, nothing durable is lost,
//!             epochs never fall, one leader per epoch
//!   |  what is committed, in order
//!   v
//! model       what a tree is after each committed transaction, and which events it fires
//! writes      nothing acknowledged is lost or made up, each write happens once, in the order its
//!             session asked, and not before what was acknowledged earlier
//! views       what a session is told is what the model has at that zxid, and zxids go forward
//! watches     every event once, in order, before the reply that shows the change
//! sessions    they end when they were closed or when nobody heard of them for long enough, once,
//!             and their ephemerals with them
//! digests     equal trees at equal zxids; all servers the same at the end, and as the model
//! ```
//!
//! A checker is as good as the violations it finds: each has a test with planted ones.

mod digests;
mod logs;
mod model;
mod sessions;
#[cfg(test)]
mod tests;
mod views;
mod watches;
mod writes;

use std::fmt;

use crate::base::{SessionId, Zxid};
use crate::sim::facts::{ClientFact, Entry, Fact};
use crate::sim::world::Micros;

use digests::Digests;
use logs::Logs;
use model::Model;
use sessions::Sessions;
use views::Views;
use watches::Watches;
use writes::Writes;

/// Something that must never happen did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which checker says so.
    pub checker: &'static str,
    pub text: String,
}

/// All checkers.
#[derive(Debug, Default)]
pub struct Checkers {
    logs: Logs,
    model: Model,
    writes: Writes,
    views: Views,
    watches: Watches,
    sessions: Sessions,
    digests: Digests,
}

type Verdict = Result<(), Violation>;

impl Checkers {
    /// Takes in the next fact.
    pub fn observe(&mut self, at: Micros, fact: &Fact) -> Verdict {
        match fact {
            Fact::Server { node, what } => {
                self.sessions.on_server(at, *node, what)?;
                for entry in self.logs.observe(*node, what)? {
                    self.commit(&entry)?;
                }
                self.digests.observe(*node, what, &self.logs, &self.model)
            }
            Fact::Client { client, what } => {
                self.writes.observe(*client, what, &self.model)?;
                self.sessions.on_client(at, *client, what, &self.model)?;
                self.watches.observe(*client, what, &self.model)?;
                self.views.observe(*client, what, &self.model)
            }
            Fact::Fault(_) => Ok(()),
        }
    }

    /// All is over and healed: everything that was acknowledged is there.
    pub fn finish(&self) -> Verdict {
        self.digests.finish()
    }

    /// The last transaction known to be committed.
    pub fn committed(&self) -> Zxid {
        self.logs.committed()
    }

    /// How many transactions are committed.
    pub fn committed_count(&self) -> usize {
        self.logs.committed_count()
    }

    /// How many requests of clients were answered.
    pub fn replies(&self) -> u64 {
        self.views.replies()
    }

    /// How many watch events clients were told of.
    pub fn events(&self) -> u64 {
        self.watches.events()
    }

    /// Whether a session is open that all servers know.
    pub fn is_open(&self, session: SessionId) -> bool {
        self.model.is_open(session)
    }

    fn commit(&mut self, entry: &Entry) -> Verdict {
        self.sessions.on_commit(entry)?;
        self.writes.on_commit(entry)?;
        self.model.apply(entry)
    }
}

/// A reply that says something of a state: its zxid is that of the state.
fn shows_a_state(what: &ClientFact) -> Option<Zxid> {
    match what {
        ClientFact::Replied { zxid, .. } if zxid.0 >= 0 => Some(*zxid),
        _ => None,
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.checker, self.text)
    }
}
