//! Sessions that exist on one server only: no transaction opens or closes them, the server that
//! opened them says when they expire, and they end with its term.
//!
//! Their clients write like all others, except that an ephemeral node needs a session that every
//! server knows. Where it is allowed, the first such request makes the session global: the
//! transaction that opens sessions goes ahead of it, under the id and with the timeout that the
//! client has had all along.

use crate::base::{ConnId, Now, SessionId};
use crate::peer::pipeline::Asked;
use crate::peer::{ClientOutput, LocalSessions, OWN_CLIENTS, Output, Peer, Role};
use crate::proto::ErrorCode;
use crate::session::{Owner, Scope, password};
use crate::tree::Database;

/// What the check of a session says, of any write and of one that makes an ephemeral node.
pub(super) type Standings = (Result<(), ErrorCode>, Result<(), ErrorCode>);

impl Peer {
    /// The client has its session at once.
    pub(super) fn open_local(
        &mut self,
        now: Now,
        db: &Database,
        conn: ConnId,
        timeout_ms: i32,
        client: &mut Vec<ClientOutput>,
    ) {
        let session = self.unused_session_id(db);
        let handle = self
            .sessions
            .open_local(session, timeout_ms, OWN_CLIENTS, now.monotonic);
        let held = self.connections.attach(conn, session);
        assert!(held.is_none(), "a new session is held by none");
        client.push(ClientOutput::Connected {
            conn,
            session: handle,
            timeout_ms,
            password: password(session),
        });
    }

    /// Ends an own local session, behind what it has asked for before.
    pub(super) fn close_local(
        &mut self,
        db: &Database,
        session: SessionId,
        asked: Asked,
        client: &mut Vec<ClientOutput>,
    ) {
        self.sessions.start_closing(session);
        match &mut self.role {
            Role::Learning(role) => {
                role.requests.close_local(session, asked);
                self.answer_ready(session, db, client);
            }
            Role::Standalone(_) | Role::Leading(_) => {
                let pipeline = self.pipeline_mut().expect("writes are taken in a term");
                pipeline.queue_local_close(session, asked);
            }
            // Nothing is ever asked for there.
            Role::Looking(_) => self.on_closed(session, Some(asked), db.last_zxid(), client),
        }
    }

    /// An own local session asks for an ephemeral node.
    pub(super) fn upgrade(
        &mut self,
        now: Now,
        db: &Database,
        session: SessionId,
        out: &mut Vec<Output>,
    ) -> Result<(), ErrorCode> {
        if self.options.local_sessions != LocalSessions::Upgradable {
            return Err(ErrorCode::EphemeralOnLocalSession);
        }
        if let Some(timeout_ms) = self.sessions.start_upgrade(session, now.monotonic) {
            tracing::info!(%session, "upgrading a local session");
            self.ask_for_opening(now, db, session, timeout_ms, out);
        }
        Ok(())
    }

    /// Where writes of a session stand that come through `asking`, as
    /// `LeaderSessionTracker.checkSession` and `checkGlobalSession`. One that is not known may be
    /// another server's local one, unless it is known to have ended; what this server opened it knows.
    /// Apache's leader does not know, and takes what a closed session had under way on another link.
    pub(super) fn standings(&mut self, session: SessionId, asking: Owner) -> Standings {
        let checked = self.sessions.check(session, asking);
        match self.sessions.scope(session) {
            Some(Scope::Local) => (checked, Err(ErrorCode::SessionExpired)),
            None if self.may_be_elsewhere(session) => (Ok(()), checked),
            _ => (checked, checked),
        }
    }

    /// Ends local sessions that expired on a server that prepares nothing.
    pub(super) fn wake_local_sessions(
        &mut self,
        now: Now,
        db: &Database,
        client: &mut Vec<ClientOutput>,
    ) {
        if self.role.pipeline().is_some() {
            return;
        }
        while let Some(session) = self.sessions.next_expired(now.monotonic) {
            self.count_expiry(session);
            self.on_closed(session, None, db.last_zxid(), client);
        }
    }

    pub(super) fn count_expiry(&mut self, session: SessionId) {
        let timeout_ms = self.sessions.handle(session).map(|it| it.timeout_ms());
        let timeout_ms = timeout_ms.unwrap_or_default();
        tracing::info!("Expiring session {session}, timeout of {timeout_ms}ms exceeded");
        self.counters.sessions_expired += 1;
    }

    /// A transaction has ended the session.
    pub(super) fn remember_ended(&mut self, session: SessionId) {
        if self.options.local_sessions.are_on()
            && let Role::Leading(role) = &mut self.role
        {
            role.ended.add(session);
        }
    }

    /// Whether a session that is not known here may be a local one of another server.
    fn may_be_elsewhere(&self, session: SessionId) -> bool {
        let has_ended =
            || matches!(&self.role, Role::Leading(role) if role.ended.contains(session));
        self.options.local_sessions.are_on() && !self.is_own_id(session) && !has_ended()
    }

    fn is_own_id(&self, session: SessionId) -> bool {
        let [server, ..] = session.0.to_be_bytes();
        server == self.options.session_id_byte
    }
}
