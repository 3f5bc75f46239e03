//! What the clients of a learner have asked for and the leader has not answered yet.
//!
//! In: requests as they are forwarded, what is committed and what is synced, in the leader's order.
//! Out: whom to answer. Invariants: a session's answers come in the order of its requests; what is
//! refused here waits for what was asked before it; a request is answered by a transaction that the
//! leader made after it was forwarded, as the same client may have used its number before, through
//! another connection.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::base::{SessionId, Xid, Zxid};
use crate::peer::pipeline::Asked;
use crate::proto::ErrorCode;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Requests {
    by_session: HashMap<SessionId, VecDeque<(Asked, Kind)>>,
    /// Whose syncs the leader has not answered, oldest first; its answer names none.
    syncs: VecDeque<(SessionId, SyncNumber)>,
    next_sync: SyncNumber,
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct SyncNumber(u64);

#[derive(Debug)]
enum Kind {
    Forwarded {
        after: Zxid,
    },
    Sync {
        number: SyncNumber,
        path: Option<Box<str>>,
        is_answered: bool,
    },
    Refused(ErrorCode),
    CloseLocal,
}

/// What can be answered without a transaction.
#[derive(Debug)]
pub(super) enum Ready {
    Synced(Option<Box<str>>),
    Refused(ErrorCode),
    /// The session, which only this server knows, is to end.
    Closed,
}

impl Requests {
    /// Requests that are not answered.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The leader is asked for a write. What it makes of it lies behind `after`, the last transaction
    /// it is known to have made.
    pub(super) fn forward(&mut self, session: SessionId, asked: Asked, after: Zxid) {
        self.push(session, asked, Kind::Forwarded { after });
    }

    /// The leader is asked for a sync.
    pub(super) fn sync(&mut self, session: SessionId, asked: Asked, path: Option<Box<str>>) {
        let number = self.next_sync;
        self.next_sync.0 += 1;
        self.syncs.push_back((session, number));
        let kind = Kind::Sync {
            number,
            path,
            is_answered: false,
        };
        self.push(session, asked, kind);
    }

    /// Nobody is asked: it is refused when all before it is answered, see [`Requests::next_ready`].
    pub(super) fn refuse(&mut self, session: SessionId, asked: Asked, code: ErrorCode) {
        self.push(session, asked, Kind::Refused(code));
    }

    /// Nobody is asked: the session, which only this server knows, ends when all before this is
    /// answered.
    pub(super) fn close_local(&mut self, session: SessionId, asked: Asked) {
        self.push(session, asked, Kind::CloseLocal);
    }

    /// A transaction of this session with this request's number is about to be applied. Syncs that were asked
    /// for before it, through this server, are answered by that: all that was proposed before them
    /// is. Apache's leaders say so in time, but nothing holds others to it.
    pub(super) fn overtake(&mut self, session: SessionId, xid: Xid, zxid: Zxid) {
        let Some(waiting) = self.by_session.get_mut(&session) else {
            return;
        };
        let is_forwarded = |(_, kind): &(Asked, Kind)| matches!(kind, Kind::Forwarded { .. });
        let first = waiting.iter().position(is_forwarded);
        let is_it = |at: &usize| waiting.get(*at).is_some_and(|it| is_answer(it, xid, zxid));
        if let Some(first) = first.filter(is_it) {
            for (_, kind) in waiting.range_mut(..first) {
                if let Kind::Sync { is_answered, .. } = kind {
                    *is_answered = true;
                }
            }
        }
    }

    /// A transaction of this session with this number is committed. Whom to answer, if it was asked
    /// for through this server.
    pub(super) fn committed(&mut self, session: SessionId, xid: Xid, zxid: Zxid) -> Option<Asked> {
        let waiting = self.by_session.get_mut(&session)?;
        let (asked, _) = waiting.pop_front_if(|first| is_answer(first, xid, zxid))?;
        self.on_answered(session);
        Some(asked)
    }

    /// The oldest sync is answered. The session whose requests may be ready now.
    pub(super) fn synced(&mut self) -> Option<SessionId> {
        let (session, answered) = self.syncs.pop_front()?;
        let waiting = self.by_session.get_mut(&session)?;
        for (_, kind) in waiting {
            if let Kind::Sync {
                number,
                is_answered,
                ..
            } = kind
                && *number == answered
            {
                *is_answered = true;
            }
        }
        Some(session)
    }

    /// The session's oldest request, if it can be answered without a transaction.
    pub(super) fn next_ready(&mut self, session: SessionId) -> Option<(Asked, Ready)> {
        let waiting = self.by_session.get_mut(&session)?;
        let is_ready = |(_, kind): &mut (Asked, Kind)| match kind {
            Kind::Forwarded { .. } => false,
            Kind::Sync { is_answered, .. } => *is_answered,
            Kind::Refused(_) | Kind::CloseLocal => true,
        };
        let (asked, kind) = waiting.pop_front_if(is_ready)?;
        self.on_answered(session);
        match kind {
            Kind::Sync { path, .. } => Some((asked, Ready::Synced(path))),
            Kind::Refused(code) => Some((asked, Ready::Refused(code))),
            Kind::CloseLocal => Some((asked, Ready::Closed)),
            Kind::Forwarded { .. } => unreachable!("it is not ready"),
        }
    }

    /// Nobody waits for the session's answers any more.
    pub(super) fn forget(&mut self, session: SessionId) {
        let gone = self.by_session.remove(&session).unwrap_or_default();
        self.count -= gone.len();
    }

    fn push(&mut self, session: SessionId, asked: Asked, kind: Kind) {
        let waiting = self.by_session.entry(session).or_default();
        waiting.push_back((asked, kind));
        self.count += 1;
    }

    fn on_answered(&mut self, session: SessionId) {
        self.count -= 1;
        if self
            .by_session
            .get(&session)
            .is_some_and(VecDeque::is_empty)
        {
            self.by_session.remove(&session);
        }
    }
}

/// Whether the transaction `zxid` of the same session, asked for under `xid`, is what came of this.
fn is_answer((asked, kind): &(Asked, Kind), xid: Xid, zxid: Zxid) -> bool {
    asked.xid == xid && matches!(kind, Kind::Forwarded { after } if zxid > *after)
}
