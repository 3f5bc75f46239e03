//! Another state in the place of the server's own: an operator brings back what a snapshot holds.
//!
//! The zxids of the log go on: only what the tree and the sessions are is replaced. A server on its
//! own goes on behind the snapshot's last transaction where that is the newer one, as a server would
//! that was started with the snapshot; a member cannot, since its zxids are its leader's, so there the
//! nodes may be newer than the transactions that follow.
//!
//! What was prepared against the old state would not fit the new one. So who prepares takes the new
//! one only when nothing is in flight; until then ([`Peer::hold`]) nothing more is prepared: the driver
//! keeps clients' requests ([`Peer::has_room`]), and what learners pass on is kept here. A learner
//! applies what its leader has prepared to whatever it has, as it does behind a snapshot, and a
//! digest that does not match is counted.
//!
//! Sessions that the new state does not have are over, and the clients that hold them are cut off; but
//! not those that only this server knows, and those that are being opened. Watches stay.

use crate::base::{Now, QuorumLink, SessionId, Zxid, limits};
use crate::peer::pipeline::Pipeline;
use crate::peer::{ClientOutput, Output, Peer, Role};
use crate::session::Scope;
use crate::tree::Database;
use crate::zab::LearnerRequest;

/// Whether the state may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restorable {
    Now,
    /// Not before what is in flight is applied.
    Later,
    /// The server does not serve.
    No,
}

/// What waits for a restore.
#[derive(Debug, Default)]
pub(super) struct Held {
    is_holding: bool,
    /// What learners have passed on meanwhile, in order.
    requests: Vec<(QuorumLink, LearnerRequest)>,
}

impl Held {
    pub(super) fn is_holding(&self) -> bool {
        self.is_holding
    }
}

impl Peer {
    /// Whether [`Peer::restore`] may be called.
    pub fn restorable(&self) -> Restorable {
        if !self.is_serving() {
            return Restorable::No;
        }
        match self.role.pipeline() {
            Some(pipeline) if pipeline.in_flight_len() > 0 => Restorable::Later,
            _ => Restorable::Now,
        }
    }

    /// Whether it waits for a restore.
    pub fn is_holding(&self) -> bool {
        self.held.is_holding
    }

    /// Prepares nothing more until [`Peer::release`]: [`Peer::has_room`] says no.
    pub fn hold(&mut self) {
        self.held.is_holding = true;
    }

    /// Goes on with what was held.
    pub fn release(&mut self, now: Now, db: &Database, out: &mut Vec<Output>) {
        let held = std::mem::take(&mut self.held);
        for (link, request) in held.requests {
            self.on_learner_request(now, db, link, request, out);
        }
    }

    /// Keeps what a learner has passed on while a restore is awaited. `None` then; where there would be
    /// too much of it, all of it has its turn and the restore waits longer.
    pub(super) fn held_back(
        &mut self,
        now: Now,
        db: &Database,
        (link, request): (QuorumLink, LearnerRequest),
        out: &mut Vec<Output>,
    ) -> Option<LearnerRequest> {
        if !self.held.is_holding {
            return Some(request);
        }
        if self.held.requests.len() >= limits::TRANSACTIONS_IN_FLIGHT {
            self.release(now, db, out);
            return Some(request);
        }
        self.held.requests.push((link, request));
        None
    }

    /// Where the state stands after a restore of one that ends with `restored`.
    pub fn position_after(&self, db: &Database, restored: Zxid) -> Zxid {
        match self.role {
            Role::Standalone(_) => db.last_zxid().max(restored),
            _ => db.last_zxid(),
        }
    }

    /// Puts `state` in the place of `db`. The caller releases what was held.
    ///
    /// # Panics
    /// Unless it is [`Restorable::Now`].
    pub fn restore(
        &mut self,
        now: Now,
        db: &mut Database,
        state: Database,
        client: &mut Vec<ClientOutput>,
    ) {
        assert_eq!(self.restorable(), Restorable::Now, "nothing is in flight");
        let position = self.position_after(db, state.last_zxid());
        *db = state;
        db.settle_at(position);
        if matches!(self.role, Role::Standalone(_)) {
            let orphans = db.remove_orphaned_ephemerals();
            tracing::info!(
                orphans,
                "restored; ephemerals of unknown sessions were removed"
            );
        }
        let fresh = self
            .role
            .pipeline()
            .map(|_| Pipeline::new(&self.options, db, now));
        if let (Some(fresh), Some(pipeline)) = (fresh, self.pipeline_mut()) {
            *pipeline = fresh;
        }
        self.end_sessions_without(db, client);
        if self.role.pipeline().is_some() {
            for (&session, &timeout_ms) in &db.sessions {
                if !self.sessions.contains(session) {
                    self.sessions.track(session, timeout_ms, now.monotonic);
                }
                self.sessions.commit(session);
            }
        }
        if let Some(member) = &mut self.member {
            // Every member holds its own view, whatever the snapshot has.
            member.config_is_stale = true;
        }
    }

    /// Ends the sessions that are not in the state any more.
    fn end_sessions_without(&mut self, db: &Database, client: &mut Vec<ClientOutput>) {
        let is_over = |session: SessionId| {
            self.sessions.scope(session) == Some(Scope::Global)
                && !db.sessions.contains_key(&session)
                && !self.connections.is_opening(session)
        };
        let views = self.sessions.views().into_iter();
        let over: Vec<_> = views
            .map(|view| view.id)
            .filter(|session| is_over(*session))
            .collect();
        for session in over {
            self.remember_ended(session);
            self.on_closed(session, None, db.last_zxid(), client);
        }
    }
}
