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
//! A server on its own has it so. A member of an ensemble looks for a leader, leads or learns
//! ([`role`]): then what a quorum has on disk is committed, writes of a learner's clients go through
//! its leader, and whatever the cores of [`election`](crate::election) and [`zab`](crate::zab) ask
//! for is passed on here.
//!
//! For the driver:
//! - While [`Peer::has_room`] is false it feeds no `Connect` and no `Write`; all else it may. What
//!   it feeds all the same is taken, so a batch it has already begun may overshoot the bound.
//! - After every `handle` it asks [`Peer::has_committed`]: a refusal or a sync with nothing before
//!   it is ready at once. It must also ask [`Peer::next_deadline`] anew and feed `Wake` then.
//! - Outputs are carried out in order; those of `apply_committed` behind those of `handle` before it.
//! - Another state may take the place of the own ([`Peer::restore`]) once [`Peer::restorable`] says so;
//!   [`Peer::hold`] brings that about.
//! - A write of a session that is closing or was taken over is dropped without a reply. The
//!   connection it came from has been given a `Close`, or gets it once the closing is applied; so
//!   nothing of it waits for longer than that.

mod commit;
mod connections;
mod intake;
mod janitor;
mod leading;
mod learning;
mod local_sessions;
mod looking;
mod masters;
mod member;
mod observers;
mod options;
mod pipeline;
mod query;
mod read_only;
mod reconfig;
mod reply;
mod requests;
mod restore;
mod role;
mod seam;
#[cfg(test)]
mod tests;

pub use janitor::JanitorOptions;
pub use member::{MemberOptions, MemberStart};
pub use options::{LocalSessions, PeerOptions};
pub use query::{Counters, InFlightReport, LeadingReport, QuorumReport, RoleReport, SessionReport};
pub use restore::Restorable;
pub use seam::{ClientOutput, ConnectAsk, Door, Input, Mode, Output, Write};

use std::sync::Arc;

use crate::auth::Policy;
use crate::base::{ConnId, Monotonic, Now, WallMillis, Zxid};
use crate::election;
use crate::proto::NodeEvent;
use crate::session::{IdGenerator, Owner, SessionTable};
use crate::tree::Database;
use crate::watch::WatchTable;
use crate::zab::{LeaderInput, LearnerInput, ObserverMasterInput, leader::StepDown};

use connections::Connections;
use looking::Looking;
use member::Member;
use pipeline::Pipeline;
use role::Role;

/// See the module.
#[derive(Debug)]
pub struct Peer {
    options: PeerOptions,
    policy: Arc<Policy>,
    /// Of a leader or a server on its own all global sessions; of a learner those of its clients. Of
    /// every server its local ones.
    sessions: SessionTable,
    session_ids: IdGenerator,
    connections: Connections,
    /// `None` for a server on its own.
    member: Option<Member>,
    role: Role,
    counters: Counters,
    held: restore::Held,
    scratch: Scratch,
}

/// Buffers kept between transactions.
#[derive(Debug, Default)]
struct Scratch {
    events: Vec<NodeEvent>,
    watchers: Vec<ConnId>,
}

/// Whose the sessions are whose clients are connected here. Learners' are numbered from 1.
const OWN_CLIENTS: Owner = Owner(0);

/// The last counter an epoch has: the one behind it would begin the next.
const LAST_COUNTER: u32 = 0xffff_fffe;

impl Peer {
    /// A standalone server that goes on after `db`, which recovery gave. Ephemerals whose session
    /// is unknown are removed; every known session has its full timeout from now.
    pub fn new(options: PeerOptions, policy: Arc<Policy>, db: &mut Database, now: Now) -> Self {
        let orphans = db.remove_orphaned_ephemerals();
        if orphans > 0 {
            tracing::warn!(orphans, "removed ephemerals of unknown sessions");
        }
        let role = Role::Standalone(Box::new(Pipeline::new(&options, db, now)));
        let mut peer = Self::with_role(options, policy, None, role, now);
        for (&session, &timeout_ms) in &db.sessions {
            peer.sessions.track(session, timeout_ms, now.monotonic);
            peer.sessions.commit(session);
        }
        peer
    }

    /// A member of an ensemble, whose state `db` is all that its log holds. It looks for a leader as
    /// soon as [`Peer::apply_committed`] was called.
    pub fn member(
        options: PeerOptions,
        member: MemberOptions,
        policy: Arc<Policy>,
        start: MemberStart,
        now: Now,
    ) -> Self {
        let role = Role::Looking(Looking::at_start());
        let member = Member::new(member, start);
        Self::with_role(options, policy, Some(member), role, now)
    }

    fn with_role(
        options: PeerOptions,
        policy: Arc<Policy>,
        member: Option<Member>,
        role: Role,
        now: Now,
    ) -> Self {
        Self {
            policy,
            sessions: match role {
                Role::Standalone(_) => SessionTable::new(options.tick_ms),
                _ => SessionTable::of_local_expiry(options.tick_ms),
            },
            session_ids: IdGenerator::new(options.session_id_byte, now.monotonic),
            connections: Connections::default(),
            member,
            role,
            counters: Counters::default(),
            held: restore::Held::default(),
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
            Input::Write(write) => self.write(now, db, write, out, client),
            Input::Disconnected { conn } => {
                let session = self.connections.detach(conn);
                self.on_client_left(conn, session);
            }
            Input::Wake => self.wake(now, db, out, client),
            Input::Notification { from, message } => {
                let input = election::Input::Received { from, message };
                self.feed_election(now, db, input, out);
            }
            Input::Reach { peer, state } => {
                let input = election::Input::Link { peer, state };
                self.feed_election(now, db, input, out);
            }
            Input::QuorumPortFailed { reason } => {
                if matches!(self.role, Role::Leading(_)) {
                    self.leave(&reason, out);
                }
            }
            input @ (Input::LearnerConnected { .. }
            | Input::FromLearner { .. }
            | Input::LearnerGone { .. }
            | Input::Streamed { .. }
            | Input::LogProbed { .. }) => self.on_link(now, db, input, out),
            Input::LeaderConnected { link } => self.on_leader_connected(now, link, out, client),
            Input::LeaderSends { link } => {
                if self.follows(link) {
                    self.feed_learner(now, LearnerInput::Receiving, out, client);
                }
            }
            Input::FromLeader { link, packet } => {
                if self.follows(link) {
                    self.feed_learner(now, LearnerInput::Received(packet), out, client);
                }
            }
            Input::LeaderGone { link, reason } => self.on_leader_gone(link, &reason, out),
            done => self.on_disk(now, db, done, out, client),
        }
        self.step_down_with_the_epoch(out);
    }

    /// Whether connects and writes may be fed. It becomes true again when enough was applied.
    pub fn has_room(&self) -> bool {
        if self.held.is_holding() {
            return false;
        }
        match &self.role {
            Role::Standalone(_) | Role::Leading(_) => {
                self.role.pipeline().is_none_or(Pipeline::has_room)
            }
            Role::Learning(role) => role.has_room(),
            Role::Looking(_) => true,
        }
    }

    /// Whether the state that [`Peer::apply_committed`] left is known to be committed: a term is on,
    /// whether or not clients are served.
    pub fn is_in_term(&self) -> bool {
        self.is_serving()
    }

    /// Whether [`Peer::apply_committed`] has something to do.
    pub fn has_committed(&self) -> bool {
        let config_is_stale = self.member.as_ref().is_some_and(|m| m.config_is_stale);
        config_is_stale
            || match &self.role {
                Role::Standalone(pipeline) => pipeline.has_settled(),
                Role::Leading(role) => role.has_committed(),
                Role::Learning(role) => role.has_committed(),
                Role::Looking(role) => role.is_catching_up(),
            }
    }

    /// Applies and answers all that is committed, in order, and changes the state as the role needs
    /// it besides.
    pub fn apply_committed(
        &mut self,
        now: Now,
        db: &mut Database,
        watches: &mut WatchTable,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        self.refresh_config(now.wall, db);
        match &self.role {
            Role::Standalone(_) => {}
            Role::Leading(_) => self.begin_term(now, db, out),
            Role::Looking(_) => return self.catch_up(now, db),
            Role::Learning(_) => {
                while let Role::Learning(role) = &mut self.role
                    && let Some(step) = role.next_step()
                {
                    self.take_step(now, step, db, watches, out, client);
                }
                return self.after_steps(now, db, out);
            }
        }
        while let Some(in_flight) = self.pipeline_mut().and_then(Pipeline::next_settled) {
            self.apply(in_flight, db, watches, client);
        }
    }

    /// When to feed `Wake`.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let election = self.member.as_ref().and_then(|m| m.election.as_ref());
        let election = election.and_then(election::Election::next_deadline);
        let role = match &self.role {
            Role::Standalone(_) => None,
            Role::Leading(role) => role.zab.next_deadline(),
            Role::Learning(role) => role.next_deadline(),
            Role::Looking(role) => role.deadline(),
        };
        let local = match self.role.pipeline() {
            Some(_) => None,
            None => self.sessions.next_due(),
        };
        // What it would bring needs room.
        let pipeline = self.role.pipeline();
        let pipeline = pipeline.filter(|pipeline| pipeline.has_room() && !self.held.is_holding());
        let own = pipeline.map(|pipeline| {
            let janitor = pipeline.janitor.deadline();
            let sessions = self.sessions.next_due();
            sessions.map_or(janitor, |due| due.min(janitor))
        });
        [election, role, own, local].into_iter().flatten().min()
    }

    fn wake(
        &mut self,
        now: Now,
        db: &Database,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        self.feed_election(now, db, election::Input::Wake, out);
        match &self.role {
            Role::Standalone(_) => {}
            Role::Leading(_) => self.feed_leader(now, db, LeaderInput::Wake, out),
            Role::Learning(_) => {
                self.feed_learner(now, LearnerInput::Wake, out, client);
                self.feed_observers(now, db, ObserverMasterInput::Wake, out);
            }
            Role::Looking(_) => self.wake_looking(now, db, out),
        }
        self.wake_local_sessions(now, db, client);
        self.wake_pipeline(now, db, out, client);
    }

    /// The disk has done something.
    fn on_disk(
        &mut self,
        now: Now,
        db: &Database,
        done: Input,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        if let (Role::Standalone(pipeline), Input::Appended { zxid }) = (&mut self.role, &done) {
            return pipeline.settle(*zxid);
        }
        let member = self.member.as_mut();
        let member = member.expect("a server on its own asks for nothing but its log");
        let (leader, learner) = match done {
            Input::Appended { zxid } => (
                Some(LeaderInput::Appended(zxid)),
                Some(LearnerInput::Appended(zxid)),
            ),
            Input::AcceptedEpochSaved(epoch) => {
                member.on_accepted_epoch(epoch);
                let leader = LeaderInput::AcceptedEpochSaved(epoch);
                (Some(leader), Some(LearnerInput::AcceptedEpochSaved(epoch)))
            }
            Input::CurrentEpochSaved(epoch) => {
                member.on_current_epoch(epoch);
                let leader = LeaderInput::CurrentEpochSaved(epoch);
                (Some(leader), Some(LearnerInput::CurrentEpochSaved(epoch)))
            }
            Input::SnapshotStored { zxid } => (None, Some(LearnerInput::SnapshotStored(zxid))),
            Input::Truncated { zxid, recent } => {
                self.on_read_back(recent);
                (None, Some(LearnerInput::Truncated(zxid)))
            }
            Input::NotTruncated { zxid } => {
                member.needs_snapshot = true;
                (None, Some(LearnerInput::NotTruncated(zxid)))
            }
            Input::Reloaded { recent, .. } => {
                self.on_read_back(recent);
                (None, None)
            }
            Input::Drained => {
                if let Role::Looking(role) = &mut self.role {
                    role.on_drained();
                }
                (None, None)
            }
            other => unreachable!("{other:?} is not of the disk"),
        };
        match &self.role {
            Role::Leading(_) => {
                if let Some(input) = leader {
                    self.feed_leader(now, db, input, out);
                }
            }
            Role::Learning(_) => {
                let appended = match &learner {
                    Some(LearnerInput::Appended(zxid)) => Some(*zxid),
                    _ => None,
                };
                if let Some(input) = learner {
                    self.feed_learner(now, input, out, client);
                }
                if let Some(zxid) = appended {
                    self.feed_observers(now, db, ObserverMasterInput::Appended(zxid), out);
                }
            }
            Role::Standalone(_) | Role::Looking(_) => {}
        }
    }

    /// The state was read back from disk: it is all that the log holds.
    fn on_read_back(&mut self, recent: Vec<crate::zab::Committed>) {
        if let Some(member) = &mut self.member {
            member.replace_recent(recent);
            member.config_is_stale = true;
        }
        if let Role::Looking(role) = &mut self.role {
            role.forget_tail();
        }
    }

    /// Every member holds its own view in `/zookeeper/config`.
    fn refresh_config(&mut self, time: WallMillis, db: &mut Database) {
        if let Some(member) = &mut self.member
            && std::mem::take(&mut member.config_is_stale)
        {
            let view = member.membership.committed();
            db.set_config(&view.to_string(), Zxid(view.version().0), time);
        }
    }

    /// An epoch has as many transactions as its counter can number; then the next begins.
    fn step_down_with_the_epoch(&mut self, out: &mut Vec<Output>) {
        if let Role::Leading(role) = &self.role
            && let Some(pipeline) = &role.pipeline
            && pipeline.prep.last_zxid().counter() >= LAST_COUNTER
        {
            self.leave(&StepDown::CounterUsedUp, out);
        }
    }

    /// Nobody reads up to the window from the log any more.
    fn unpin_recent(&mut self) {
        if let Some(member) = &mut self.member {
            member.recent.unpin();
        }
    }

    /// The term is over: connections, and what was known of their sessions, go with it.
    fn forget_clients(&mut self) {
        self.connections = Connections::default();
        self.sessions = SessionTable::of_local_expiry(self.options.tick_ms);
    }

    /// Whether clients can be served.
    fn is_serving(&self) -> bool {
        match &self.role {
            Role::Standalone(_) => true,
            Role::Leading(role) => role.pipeline.is_some(),
            Role::Learning(role) => role.is_serving(),
            Role::Looking(_) => false,
        }
    }

    fn pipeline_mut(&mut self) -> Option<&mut Pipeline> {
        match &mut self.role {
            Role::Standalone(pipeline) => Some(pipeline),
            Role::Leading(role) => role.pipeline.as_mut(),
            Role::Looking(_) | Role::Learning(_) => None,
        }
    }

    /// Whether this server may propose more of its own. Not when the epoch has no number left: it
    /// then ends with this input.
    fn pipeline_has_room(&self) -> bool {
        let is_used_up = |pipeline: &Pipeline| {
            let last = pipeline.prep.last_zxid();
            matches!(self.role, Role::Leading(_)) && last.counter() >= LAST_COUNTER
        };
        let pipeline = self.role.pipeline();
        let has_room = |pipeline: &Pipeline| pipeline.has_room() && !is_used_up(pipeline);
        !self.held.is_holding() && pipeline.is_some_and(has_room)
    }
}
