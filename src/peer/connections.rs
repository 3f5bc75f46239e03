//! Which connection holds which session.

use hashbrown::{HashMap, HashSet};

use crate::base::{ConnId, SessionId};

/// Both ways, one to one. A connection is here from its connect on, also while its session is
/// still being opened, until it is closed by either side.
#[derive(Debug, Default)]
pub(super) struct Connections {
    sessions: HashMap<ConnId, SessionId>,
    holders: HashMap<SessionId, ConnId>,
    /// Sessions whose holder waits to hear that they are open.
    opening: HashSet<SessionId>,
}

impl Connections {
    /// Gives a new session to the connection that asked for one.
    pub(super) fn open(&mut self, conn: ConnId, session: SessionId) {
        let taken_from = self.attach(conn, session);
        assert!(taken_from.is_none(), "a new session is held by none");
        self.opening.insert(session);
    }

    /// A session is open. Who is to be told, once: a client that came here with it before this
    /// server knew of its opening has been told already.
    pub(super) fn opened(&mut self, session: SessionId) -> Option<ConnId> {
        let is_awaited = self.opening.remove(&session);
        self.holder_of(session).filter(|_| is_awaited)
    }

    /// Whether its holder waits to hear that it is open.
    pub(super) fn is_opening(&self, session: SessionId) -> bool {
        self.opening.contains(&session)
    }

    /// Gives a session to a connection. Returns the one it is taken from, which is not known any
    /// more.
    pub(super) fn attach(&mut self, conn: ConnId, session: SessionId) -> Option<ConnId> {
        let had = self.sessions.insert(conn, session);
        assert!(had.is_none(), "a connection connects once");
        self.opening.remove(&session);
        let old = self.holders.insert(session, conn)?;
        self.sessions.remove(&old);
        Some(old)
    }

    /// Forgets a connection. Its session, if it had one, is given and held by none.
    pub(super) fn detach(&mut self, conn: ConnId) -> Option<SessionId> {
        let session = self.sessions.remove(&conn)?;
        let holder = self.holders.remove(&session);
        assert_eq!(holder, Some(conn), "both ways agree");
        self.opening.remove(&session);
        Some(session)
    }

    pub(super) fn session_of(&self, conn: ConnId) -> Option<SessionId> {
        self.sessions.get(&conn).copied()
    }

    pub(super) fn holder_of(&self, session: SessionId) -> Option<ConnId> {
        self.holders.get(&session).copied()
    }

    pub(super) fn contains(&self, conn: ConnId) -> bool {
        self.sessions.contains_key(&conn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId(7);

    #[test]
    fn who_asked_for_a_session_is_told_once_that_it_is_open() {
        let mut connections = Connections::default();
        connections.open(ConnId(1), SESSION);
        assert_eq!(connections.opened(SESSION), Some(ConnId(1)));
        assert_eq!(connections.opened(SESSION), None);
    }

    /// A learner may hear from its leader that a session is valid before it applies the opening.
    #[test]
    fn who_came_with_a_session_is_not_told_of_its_opening() {
        let mut connections = Connections::default();
        connections.attach(ConnId(1), SESSION);
        assert_eq!(connections.opened(SESSION), None);
        let mut connections = Connections::default();
        connections.open(ConnId(1), SESSION);
        assert_eq!(connections.attach(ConnId(2), SESSION), Some(ConnId(1)));
        assert_eq!(connections.opened(SESSION), None);
        assert_eq!(connections.holder_of(SESSION), Some(ConnId(2)));
    }

    #[test]
    fn who_left_is_told_nothing() {
        let mut connections = Connections::default();
        connections.open(ConnId(1), SESSION);
        assert_eq!(connections.detach(ConnId(1)), Some(SESSION));
        assert_eq!(connections.opened(SESSION), None);
    }
}
