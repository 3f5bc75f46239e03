//! What comes in: clients connect, come back and write; time passes.

use crate::base::{ConnId, Now, SessionId};
use crate::peer::pipeline::Asked;
use crate::peer::seam::Write;
use crate::peer::{ClientOutput, ConnectAsk, OWN_CLIENTS, Output, Peer, Role};
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
        if !self.is_serving() {
            client.push(ClientOutput::Close { conn });
            return;
        }
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
            self.take_over(now, conn, ask, timeout_ms, out, client);
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
        while self.sessions.contains(session) || db.sessions.contains_key(&session) {
            session = self.session_ids.next_id();
        }
        self.sessions.track(session, timeout_ms, now.monotonic);
        self.sessions.set_owner(session, OWN_CLIENTS);
        self.connections.open(conn, session);
        match self.pipeline_mut() {
            Some(pipeline) => {
                let record = pipeline
                    .prep
                    .open_session(db, now.wall, session, timeout_ms);
                self.propose(now, Prepared::Logged(record), None, out);
            }
            None => self.forward_opening(session, timeout_ms, out),
        }
    }

    /// A client comes back with its session. Apache closes the old connection before it looks at
    /// the password; here a wrong one disturbs nobody.
    fn take_over(
        &mut self,
        now: Now,
        conn: ConnId,
        ask: &ConnectAsk,
        timeout_ms: i32,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        let session = ask.session;
        let is_right = is_password_of(session, ask.password.as_deref());
        if is_right && matches!(self.role, Role::Learning(_)) {
            return self.ask_for_session(conn, session, timeout_ms, out, client);
        }
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
        self.sessions.set_owner(session, OWN_CLIENTS);
        client.push(ClientOutput::Connected {
            conn,
            session: handle,
            timeout_ms,
            password: password(session),
        });
    }

    pub(super) fn write(
        &mut self,
        now: Now,
        db: &Database,
        write: Write,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        let holds = self.connections.session_of(write.conn) == Some(write.session);
        if !holds || self.sessions.open(write.session).is_none() {
            self.counters.writes_dropped += 1;
            return;
        }
        if matches!(self.role, Role::Learning(_)) {
            return self.forward(db, write, out, client);
        }
        let caller = Caller {
            session: write.session,
            xid: write.xid,
            op: write.op,
            ids: &write.ids,
            standing: self.sessions.check(write.session, OWN_CLIENTS),
        };
        let asked = Some(Asked {
            conn: write.conn,
            xid: write.xid,
            op: write.op,
        });
        self.prepare(now, db, &caller, write.request, asked, out);
    }

    /// Prepares a write, whoever asks, and proposes what comes of it.
    pub(super) fn prepare(
        &mut self,
        now: Now,
        db: &Database,
        caller: &Caller<'_>,
        request: WriteRequest,
        asked: Option<Asked>,
        out: &mut Vec<Output>,
    ) {
        let closes = matches!(request, WriteRequest::CloseSession);
        let policy = self.policy.clone();
        let pipeline = self.pipeline_mut().expect("writes are taken in a term");
        let prepared = pipeline
            .prep
            .prepare(db, &policy, now.wall, caller, request);
        self.propose(now, prepared, asked, out);
        if closes {
            self.sessions.start_closing(caller.session);
        }
    }

    /// Time has passed: ends sessions that expired, deletes nodes whose time has come.
    pub(super) fn wake_pipeline(&mut self, now: Now, db: &Database, out: &mut Vec<Output>) {
        let policy = self.policy.clone();
        while self.pipeline_has_room()
            && let Some(session) = self.sessions.next_expired(now.monotonic)
        {
            let timeout_ms = db.sessions.get(&session).copied().unwrap_or_default();
            tracing::info!("Expiring session {session}, timeout of {timeout_ms}ms exceeded");
            self.counters.sessions_expired += 1;
            let pipeline = self.pipeline_mut().expect("it has room");
            let record = pipeline.prep.expire_session(db, &policy, now.wall, session);
            self.propose(now, Prepared::Logged(record), None, out);
        }
        while self.pipeline_has_room()
            && let Some(pipeline) = self.pipeline_mut()
            && let Some(path) = pipeline.janitor.next_candidate(now, &db.tree)
        {
            tracing::info!(%path, "deleting a container or TTL node whose time has come");
            let record = pipeline.prep.delete_container(db, &policy, now.wall, path);
            self.propose(now, Prepared::Logged(record), None, out);
        }
    }
}
