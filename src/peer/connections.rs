//! Which connection holds which session.

use hashbrown::HashMap;

use crate::base::{ConnId, SessionId};

/// Both ways, one to one. A connection is here from its connect on, also while its session is
/// still being opened, until it is closed by either side.
#[derive(Debug, Default)]
pub(super) struct Connections {
    sessions: HashMap<ConnId, SessionId>,
    holders: HashMap<SessionId, ConnId>,
}

impl Connections {
    /// Gives a session to a connection. Returns the one it is taken from, which is not known any
    /// more.
    pub(super) fn attach(&mut self, conn: ConnId, session: SessionId) -> Option<ConnId> {
        let had = self.sessions.insert(conn, session);
        assert!(had.is_none(), "a connection connects once");
        let old = self.holders.insert(session, conn)?;
        self.sessions.remove(&old);
        Some(old)
    }

    /// Forgets a connection. Its session, if it had one, is given and held by none.
    pub(super) fn detach(&mut self, conn: ConnId) -> Option<SessionId> {
        let session = self.sessions.remove(&conn)?;
        let holder = self.holders.remove(&session);
        assert_eq!(holder, Some(conn), "both ways agree");
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
