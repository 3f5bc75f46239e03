//! What a follower does for the observers that learn from it: ZAB brings them up to date, here what
//! their clients ask for goes on to the leader, and the leader's answers go back.
//!
//! The leader answers syncs, and what it is asked about sessions, in the order in which they came, and
//! names nobody: who asked is kept in that order, own clients and observers alike.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::base::{Now, QuorumLink, ServerId, SessionId, Zxid};
use crate::peer::learning::Step;
use crate::peer::{ClientOutput, Door, Input, Output, Peer, Role};
use crate::proto::Op;
use crate::tree::Database;
use crate::zab::{
    LeaderInput, ObserverMaster, ObserverMasterInput, ObserverMasterOptions, ObserverMasterOutput,
    Term,
};

/// Who waits for which answer of the leader, oldest first. `None` is an own client.
#[derive(Debug, Default)]
pub(super) struct Questions {
    syncs: VecDeque<Option<QuorumLink>>,
    sessions: VecDeque<(SessionId, Option<QuorumLink>)>,
}

/// Questions of observers that the leader has not answered. At the bound the next observer that asks is
/// let go.
const QUESTIONS_MAX: usize = 256 * 1024;

impl Questions {
    pub(super) fn ask_sync(&mut self, from: Option<QuorumLink>) {
        self.syncs.push_back(from);
    }

    pub(super) fn ask_session(&mut self, session: SessionId, from: Option<QuorumLink>) {
        self.sessions.push_back((session, from));
    }

    /// Who asked for the sync that is answered.
    pub(super) fn on_synced(&mut self) -> Option<QuorumLink> {
        self.syncs.pop_front().flatten()
    }

    /// Who asked about the session that is answered for.
    pub(super) fn on_session(&mut self, session: SessionId) -> Option<QuorumLink> {
        let at = self.sessions.iter().position(|(id, _)| *id == session)?;
        let (_, from) = self.sessions.remove(at)?;
        from
    }

    fn is_full(&self) -> bool {
        self.syncs.len() + self.sessions.len() >= QUESTIONS_MAX
    }
}

/// Whom each session was given to last, of those that learn from here and the own clients; `None` is
/// an own client. To the leader they are all one: that a session has moved among them is seen here
/// alone. Apache's follower does not see it, and takes what the old one has still under way.
#[derive(Debug, Default)]
pub(super) struct Holders(HashMap<SessionId, Option<QuorumLink>>);

impl Holders {
    pub(super) fn give(&mut self, session: SessionId, to: Option<QuorumLink>) {
        self.0.insert(session, to);
    }

    pub(super) fn forget(&mut self, session: SessionId) {
        self.0.remove(&session);
    }

    /// Whether somebody else has the session than the one that asks for something in it.
    fn has_moved(&self, session: SessionId, from: QuorumLink) -> bool {
        let holder = self.0.get(&session);
        holder.is_some_and(|holder| *holder != Some(from))
    }
}

impl Peer {
    /// Something about a learner's link: it is a leader's, or a follower's with observers.
    pub(super) fn on_link(&mut self, now: Now, db: &Database, input: Input, out: &mut Vec<Output>) {
        if matches!(self.role, Role::Learning(_)) {
            if let Some(input) = for_observer_master(input) {
                self.feed_observers(now, db, input, out);
            }
        } else if let Some(input) = for_leader(input) {
            self.feed_leader(now, db, input, out);
        }
    }

    /// A follower that serves from now on serves observers too, if it has a port for them.
    pub(super) fn open_for_observers(&mut self, now: Now, term: Term, out: &mut Vec<Output>) {
        let (Role::Learning(role), Some(member)) = (&mut self.role, &self.member) else {
            return;
        };
        let options = &member.options;
        if options.observer_master_port.is_none() || !role.is_follower() {
            return;
        }
        let master_options = ObserverMasterOptions {
            zab: options.zab,
            queue_bytes_max: options.observer_queue_bytes_max,
        };
        let membership = member.membership.clone();
        let master =
            ObserverMaster::new(options.me, master_options, membership, term, now.monotonic);
        role.observers = Some(Box::new(master));
        out.push(Output::OpenQuorumPort(Door::Follower));
    }

    pub(super) fn feed_observers(
        &mut self,
        now: Now,
        db: &Database,
        input: ObserverMasterInput,
        out: &mut Vec<Output>,
    ) {
        let (Role::Learning(role), Some(member)) = (&mut self.role, &mut self.member) else {
            return;
        };
        let Some(observers) = &mut role.observers else {
            return;
        };
        let mut asked = Vec::new();
        let applied = db.last_zxid();
        let recent = &mut member.recent;
        observers.handle(now.monotonic, recent, applied, input, &mut asked);
        self.carry_out_observers(asked, out);
    }

    /// The state in memory is as far as what is committed: some observers may wait for that.
    pub(super) fn resume_observers(&mut self, now: Now, db: &Database, out: &mut Vec<Output>) {
        let observers = match &self.role {
            Role::Learning(role) => role.observers.as_ref(),
            _ => None,
        };
        if observers.is_some_and(|observers| observers.has_waiting()) {
            self.feed_observers(now, db, ObserverMasterInput::Wake, out);
        }
    }

    /// A transaction is committed and in the window; `activates` as the leader says it.
    pub(super) fn inform_observers(
        &mut self,
        zxid: Zxid,
        payload: Bytes,
        activates: Option<ServerId>,
        out: &mut Vec<Output>,
    ) {
        self.tell_observers(out, |observers, asked| {
            observers.inform(zxid, payload, activates, asked);
        });
    }

    /// The leader has answered the oldest sync.
    pub(super) fn on_synced(&mut self, out: &mut Vec<Output>) {
        let Role::Learning(role) = &mut self.role else {
            return;
        };
        match role.questions.on_synced() {
            None => role.push_step(Step::Synced),
            Some(link) => {
                self.tell_observers(out, |observers, asked| observers.answer_sync(link, asked));
            }
        }
    }

    /// The leader has answered for a session that a client came back with to an observer.
    pub(super) fn answer_observer(
        &mut self,
        link: QuorumLink,
        (session, is_valid): (SessionId, bool),
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        if let Role::Learning(role) = &mut self.role
            && is_valid
        {
            role.holders.give(session, Some(link));
            if let Some(conn) = self.connections.holder_of(session) {
                self.lose_client(conn, client);
            }
        }
        self.tell_observers(out, |observers, asked| {
            observers.answer_revalidate(link, session, is_valid, asked);
        });
    }

    fn tell_observers(
        &mut self,
        out: &mut Vec<Output>,
        tell: impl FnOnce(&mut ObserverMaster, &mut Vec<ObserverMasterOutput>),
    ) {
        if let Role::Learning(role) = &mut self.role
            && let Some(observers) = &mut role.observers
        {
            let mut asked = Vec::new();
            tell(observers, &mut asked);
            self.carry_out_observers(asked, out);
        }
    }

    fn carry_out_observers(&mut self, asked: Vec<ObserverMasterOutput>, out: &mut Vec<Output>) {
        for output in asked {
            let Role::Learning(role) = &mut self.role else {
                return;
            };
            match output {
                ObserverMasterOutput::Send { link, packets } => {
                    out.push(Output::Send { link, packets });
                }
                ObserverMasterOutput::Stream { link, item } => {
                    out.push(Output::Stream { link, item });
                }
                ObserverMasterOutput::Close { link, .. } => out.push(Output::CloseLink { link }),
                ObserverMasterOutput::ProbeLog { link, after, upto } => {
                    out.push(Output::ProbeLog { link, after, upto });
                }
                ObserverMasterOutput::Request { link, .. }
                | ObserverMasterOutput::Revalidate { link, .. }
                    if role.questions.is_full() =>
                {
                    self.refuse_observer(link, out);
                }
                ObserverMasterOutput::Request { link, request }
                    if role.holders.has_moved(request.session, link) =>
                {
                    // Its client has left that observer: nobody waits for an answer.
                    tracing::debug!(%link, session = %request.session, "passing over a request of a session that has moved");
                }
                ObserverMasterOutput::Request { link, request } => {
                    if request.op == Op::Sync.number() {
                        role.questions.ask_sync(Some(link));
                    } else if request.op == Op::CreateSession.number() {
                        role.holders.give(request.session, Some(link));
                    }
                    role.tell_leader(out, |zab, asked| zab.forward(request, asked));
                }
                ObserverMasterOutput::Touched { sessions } => role.touched_elsewhere(sessions),
                ObserverMasterOutput::Revalidate {
                    link,
                    session,
                    timeout_ms,
                } => {
                    role.questions.ask_session(session, Some(link));
                    role.tell_leader(out, |zab, asked| {
                        zab.revalidate(session, timeout_ms, asked);
                    });
                }
            }
        }
    }

    /// Lets an observer go that asks more than the leader answers.
    fn refuse_observer(&mut self, link: QuorumLink, out: &mut Vec<Output>) {
        if let Role::Learning(role) = &mut self.role
            && let Some(observers) = &mut role.observers
            && observers.refuse(link)
        {
            out.push(Output::CloseLink { link });
        }
    }
}

fn for_observer_master(input: Input) -> Option<ObserverMasterInput> {
    Some(match input {
        Input::LearnerConnected { link } => ObserverMasterInput::Connected { link },
        Input::FromLearner { link, packet } => ObserverMasterInput::Received { link, packet },
        Input::LearnerGone { link } => ObserverMasterInput::Gone { link },
        Input::Streamed { link } => ObserverMasterInput::Streamed { link },
        Input::LogProbed { link, found } => ObserverMasterInput::LogProbed { link, found },
        _ => return None,
    })
}

fn for_leader(input: Input) -> Option<LeaderInput> {
    Some(match input {
        Input::LearnerConnected { link } => LeaderInput::Connected { link },
        Input::FromLearner { link, packet } => LeaderInput::Received { link, packet },
        Input::LearnerGone { link } => LeaderInput::Gone { link },
        Input::Streamed { link } => LeaderInput::Streamed { link },
        Input::LogProbed { link, found } => LeaderInput::LogProbed { link, found },
        _ => return None,
    })
}
