//! What comes in: clients connect, come back and write; time passes.

use crate::base::{ConnId, Now, SessionId};
use crate::peer::seam::Write;
use crate::peer::standalone::Origin;
use crate::peer::{ClientOutput, ConnectAsk, Output, Peer, Role, STANDALONE_OWNER};
use crate::prep::{Caller, Prepared};
use crate::proto::WriteRequest;
use crate::session::{is_password_of, password};
use crate::tree::Database;

impl Peer {
    /// `ZooKeeperServer.processConnectRequest`, from the check of what the client has seen on.
    pub(super) fn connect(
        &mut self,
        now: Now,
        db: &Database,
        conn: ConnId,
        ask: &ConnectAsk,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        if ask.last_zxid_seen > db.last_zxid() {
            tracing::info!(%conn, seen = %ask.last_zxid_seen, applied = %db.last_zxid(),
                "refused a client that has seen what is not yet here");
            client.push(ClientOutput::Close { conn });
            return;
        }
        let min_ms = self.options.session_timeout_min_ms;
        let max_ms = self.options.session_timeout_max_ms;
        let timeout_ms = ask.timeout_ms.min(max_ms).max(min_ms);
        if ask.session == SessionId::NONE {
            self.open_session(now, db, conn, timeout_ms, out);
        } else {
            self.take_over(now, conn, ask, timeout_ms, client);
        }
    }

    /// The client hears of its session once the opening is applied.
    fn open_session(
        &mut self,
        now: Now,
        db: &Database,
        conn: ConnId,
        timeout_ms: i32,
        out: &mut Vec<Output>,
    ) {
        let mut session = self.session_ids.next_id();
        while self.sessions.contains(session) {
            session = self.session_ids.next_id();
        }
        self.sessions.track(session, timeout_ms, now.monotonic);
        self.sessions.set_owner(session, STANDALONE_OWNER);
        let taken_from = self.connections.attach(conn, session);
        assert!(taken_from.is_none(), "a new session is held by none");
        let Role::Standalone(role) = &mut self.role;
        let record = role.prep.open_session(db, now.wall, session, timeout_ms);
        role.propose(Prepared::Logged(record), None, out);
    }

    /// A client comes back with its session. Apache closes the old connection before it looks at
    /// the password; here a wrong one disturbs nobody.
    fn take_over(
        &mut self,
        now: Now,
        conn: ConnId,
        ask: &ConnectAsk,
        timeout_ms: i32,
        client: &mut Vec<ClientOutput>,
    ) {
        let session = ask.session;
        let is_right = is_password_of(session, ask.password.as_deref());
        let handle = self.sessions.returning(session).filter(|_| is_right);
        let Some(handle) = handle.cloned() else {
            self.counters.sessions_refused += 1;
            client.push(ClientOutput::SessionInvalid { conn });
            return;
        };
        if let Some(old) = self.connections.attach(conn, session) {
            client.push(ClientOutput::Close { conn: old });
        }
        let is_open = self.sessions.touch(session, timeout_ms, now.monotonic);
        assert!(is_open, "only an open session is taken over");
        self.sessions.set_owner(session, STANDALONE_OWNER);
        client.push(ClientOutput::Connected {
            conn,
            session: handle,
            timeout_ms,
            password: password(session),
        });
    }

    pub(super) fn write(&mut self, now: Now, db: &Database, write: Write, out: &mut Vec<Output>) {
        let holds = self.connections.session_of(write.conn) == Some(write.session);
        if !holds || self.sessions.open(write.session).is_none() {
            self.counters.writes_dropped += 1;
            return;
        }
        let caller = Caller {
            session: write.session,
            xid: write.xid,
            op: write.op,
            ids: &write.ids,
            standing: self.sessions.check(write.session, STANDALONE_OWNER),
        };
        let closes = matches!(write.request, WriteRequest::CloseSession);
        let Role::Standalone(role) = &mut self.role;
        let prepared = role
            .prep
            .prepare(db, &self.policy, now.wall, &caller, write.request);
        let origin = Origin {
            conn: write.conn,
            xid: write.xid,
            op: write.op,
        };
        role.propose(prepared, Some(origin), out);
        if closes {
            self.sessions.start_closing(write.session);
        }
    }

    /// Time has passed: ends sessions that expired, deletes nodes whose time has come.
    pub(super) fn wake(&mut self, now: Now, db: &Database, out: &mut Vec<Output>) {
        let Role::Standalone(role) = &mut self.role;
        while role.has_room()
            && let Some(session) = self.sessions.next_expired(now.monotonic)
        {
            let timeout_ms = db.sessions.get(&session).copied().unwrap_or_default();
            tracing::info!("Expiring session {session}, timeout of {timeout_ms}ms exceeded");
            self.counters.sessions_expired += 1;
            let record = role
                .prep
                .expire_session(db, &self.policy, now.wall, session);
            role.propose(Prepared::Logged(record), None, out);
        }
        while role.has_room()
            && let Some(path) = role.janitor.next_candidate(now, &db.tree)
        {
            tracing::info!(%path, "deleting a container or TTL node whose time has come");
            let record = role.prep.delete_container(db, &self.policy, now.wall, path);
            role.propose(Prepared::Logged(record), None, out);
        }
    }
}
