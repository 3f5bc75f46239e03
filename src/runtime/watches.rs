//! Who watches what, of the watches on data.

use crate::base::{ConnId, SessionId};
use crate::net::Server;

/// Paths with the sessions that watch them.
pub(super) fn by_path(server: &Server) -> Vec<(String, Vec<SessionId>)> {
    let sessions = server.sessions();
    let session_of = |conn: ConnId| sessions.get(&conn).copied().unwrap_or(SessionId::NONE);
    let table = server.watches.lock();
    let by_path = table.by_path().into_iter();
    let with_sessions = by_path.map(|(path, conns)| {
        let sessions = conns.into_iter().map(session_of);
        (path.to_owned(), sessions.collect())
    });
    with_sessions.collect()
}

/// Sessions with the paths they watch.
pub(super) fn by_session(server: &Server) -> Vec<(SessionId, Vec<String>)> {
    let sessions = server.sessions();
    let session_of = |conn: ConnId| sessions.get(&conn).copied().unwrap_or(SessionId::NONE);
    let table = server.watches.lock();
    let by_connection = table.by_connection().into_iter();
    let with_session = by_connection.map(|(conn, paths)| {
        let paths = paths.into_iter().map(str::to_owned);
        (session_of(conn), paths.collect())
    });
    with_session.collect()
}
