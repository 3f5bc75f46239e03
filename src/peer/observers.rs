//! What a follower does for the observers that learn from it: ZAB brings them up to date, here what
//! their clients ask for goes on to the leader, and the leader's answers go back.
//!
//! The leader answers syncs, and what it is asked about sessions, in the order in which they came, and
//! names nobody: who asked is kept in that order, own clients and observers alike.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::{Now, QuorumLink, ServerId, SessionId, Zxid};
use crate::peer::learning::Step;
use crate::peer::{Door, Input, Output, Peer, Role};
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
        session: SessionId,
        is_valid: bool,
        out: &mut Vec<Output>,
    ) {
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
            let mut to_leader = Vec::new();
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
                ObserverMasterOutput::Request { link, request } => {
                    if request.op == Op::Sync.number() {
                        role.questions.ask_sync(Some(link));
                    }
                    role.zab.forward(request, &mut to_leader);
                }
                ObserverMasterOutput::Touched { sessions } => role.touched_elsewhere(sessions),
                ObserverMasterOutput::Revalidate {
                    link,
                    session,
                    timeout_ms,
                } => {
                    role.questions.ask_session(session, Some(link));
                    role.zab.revalidate(session, timeout_ms, &mut to_leader);
                }
            }
            self.send_to_leader(to_leader, out);
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
