//! One server's replicated side as a state machine: sessions, the preparation of writes, and the
//! order in which they become durable, are applied and answered.
//!
//! A driver feeds it ([`Peer::handle`]), carries out what it asks for in order, and lets it apply
//! what is durable ([`Peer::apply_committed`]). No file, socket, clock or thread is in here.
//!
//! ```text
//!  Write ---- prepare ----> in flight: Append ----> disk ----> Appended
//!                               |                                 |
//!                               |  everything before is durable   |
//!                               +---------> apply_committed <-----+----> Event, Reply, Close
//! ```
//!
//! Invariants: nothing is answered before it and all before it is durable; replies and events of
//! one connection come in the order of transactions, an event before the reply of the write that
//! fired it; zxids strictly rise; a session has one connection at most.
//!
//! For the driver:
//! - While [`Peer::has_room`] is false it feeds no `Connect` and no `Write`; all else it may. What
//!   it feeds all the same is taken, so a batch it has already begun may overshoot the bound.
//! - After every `handle` it asks [`Peer::has_committed`]: a refusal or a sync with nothing before
//!   it is ready at once. It must also ask [`Peer::next_deadline`] anew and feed `Wake` then.
//! - A write of a session that is closing or was taken over is dropped without a reply. The
//!   connection it came from has been given a `Close`, or gets it once the closing is applied; so
//!   nothing of it waits for longer than that.

mod commit;
mod connections;
mod intake;
mod janitor;
mod options;
mod query;
mod reply;
mod seam;
mod standalone;
#[cfg(test)]
mod tests;

pub use janitor::JanitorOptions;
pub use options::PeerOptions;
pub use query::{Counters, InFlightReport, SessionReport};
pub use seam::{ClientOutput, ConnectAsk, Input, Mode, Output, Write};

use std::sync::Arc;

use crate::auth::Policy;
use crate::base::{ConnId, Monotonic, Now};
use crate::proto::NodeEvent;
use crate::session::{IdGenerator, Owner, SessionTable};
use crate::tree::Database;
use crate::watch::WatchTable;

use connections::Connections;
use standalone::{InFlight, Standalone};

/// See the module.
#[derive(Debug)]
pub struct Peer {
    options: PeerOptions,
    policy: Arc<Policy>,
    sessions: SessionTable,
    session_ids: IdGenerator,
    connections: Connections,
    role: Role,
    counters: Counters,
    scratch: Scratch,
}

/// What the server is to its ensemble, with what only that role has. Leading and learning become
/// variants of their own; a change of role consumes the old one.
#[derive(Debug)]
enum Role {
    /// No ensemble: what is durable here is committed.
    Standalone(Standalone),
}

/// Buffers kept between transactions.
#[derive(Debug, Default)]
struct Scratch {
    events: Vec<NodeEvent>,
    watchers: Vec<ConnId>,
}

/// A server on its own is the owner of all its sessions.
const STANDALONE_OWNER: Owner = Owner(0);

impl Peer {
    /// A standalone server that goes on after `db`, which recovery gave. Ephemerals whose session
    /// is unknown are removed; every known session has its full timeout from now.
    pub fn new(options: PeerOptions, policy: Arc<Policy>, db: &mut Database, now: Now) -> Self {
        let orphans = db.remove_orphaned_ephemerals();
        if orphans > 0 {
            tracing::warn!(orphans, "removed ephemerals of unknown sessions");
        }
        let mut sessions = SessionTable::new(options.tick_ms);
        for (&session, &timeout_ms) in &db.sessions {
            sessions.track(session, timeout_ms, now.monotonic);
            sessions.commit(session);
        }
        Self {
            policy,
            sessions,
            session_ids: IdGenerator::new(options.session_id_byte, now.monotonic),
            connections: Connections::default(),
            role: Role::Standalone(Standalone::new(&options, db, now)),
            counters: Counters::default(),
            scratch: Scratch::default(),
            options,
        }
    }

    /// Takes one input. `db` is the state that [`Peer::apply_committed`] left.
    pub fn handle(
        &mut self,
        now: Now,
        db: &Database,
        input: Input,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        match input {
            Input::Connect { conn, request } => self.connect(now, db, conn, &request, out, client),
            Input::Write(write) => self.write(now, db, write, out),
            Input::Disconnected { conn } => {
                self.connections.detach(conn);
            }
            Input::Appended { zxid } => match &mut self.role {
                Role::Standalone(role) => role.on_appended(zxid),
            },
            Input::Wake => self.wake(now, db, out),
            other => panic!("a server on its own is not given {other:?}"),
        }
    }

    /// Whether connects and writes may be fed. It becomes true again when enough was applied.
    pub fn has_room(&self) -> bool {
        match &self.role {
            Role::Standalone(role) => role.has_room(),
        }
    }

    /// Whether [`Peer::apply_committed`] has something to do.
    pub fn has_committed(&self) -> bool {
        match &self.role {
            Role::Standalone(role) => role.has_committed(),
        }
    }

    /// Applies and answers all that is committed, in order.
    pub fn apply_committed(
        &mut self,
        db: &mut Database,
        watches: &mut WatchTable,
        out: &mut Vec<ClientOutput>,
    ) {
        while let Some(in_flight) = self.next_committed() {
            self.apply(in_flight, db, watches, out);
        }
    }

    fn next_committed(&mut self) -> Option<InFlight> {
        match &mut self.role {
            Role::Standalone(role) => role.next_committed(),
        }
    }

    /// When to feed `Wake`. `None` while there is no room for what it would bring.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        if !self.has_room() {
            return None;
        }
        let Role::Standalone(role) = &self.role;
        let janitor = role.janitor.deadline();
        Some(
            self.sessions
                .next_due()
                .map_or(janitor, |due| due.min(janitor)),
        )
    }
}
