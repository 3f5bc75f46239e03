//! What comes in: clients connect, come back and write; time passes.

use crate::base::{ConnId, Now, SessionId};
use crate::peer::pipeline::Asked;
use crate::peer::seam::Write;
use crate::peer::{ClientOutput, ConnectAsk, OWN_CLIENTS, Output, Peer, Role};
use crate::prep::{Caller, Prepared, wants_global_session};
use crate::proto::{Op, WriteRequest};
use crate::session::{Scope, is_password_of, password};
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
        if self.is_read_only() {
            return self.connect_read_only(now, db, conn, ask, client);
        }
        if !self.is_serving() {
            client.push(ClientOutput::Close { conn });
            return;
        }
        if has_seen_more(conn, ask, db) {
            client.push(ClientOutput::Close { conn });
            return;
        }
        let timeout_ms = self.negotiated_ms(ask);
        if ask.session != SessionId::NONE {
            self.take_over(now, conn, ask, timeout_ms, out, client);
        } else if self.options.local_sessions.are_on() {
            self.open_local(now, db, conn, timeout_ms, client);
        } else {
            self.open_session(now, db, conn, timeout_ms, out);
        }
    }

    /// What becomes of the timeout that the client asked for, in milliseconds.
    pub(super) fn negotiated_ms(&self, ask: &ConnectAsk) -> i32 {
        let min_ms = self.options.session_timeout_min_ms;
        let max_ms = self.options.session_timeout_max_ms;
        ask.timeout_ms.min(max_ms).max(min_ms)
    }

    /// An id that no session has which this server knows of.
    pub(super) fn unused_session_id(&mut self, db: &Database) -> SessionId {
        loop {
            let session = self.session_ids.next_id();
            if !self.sessions.contains(session) && !db.sessions.contains_key(&session) {
                return session;
            }
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
        let session = self.unused_session_id(db);
        self.sessions.track(session, timeout_ms, now.monotonic);
        self.sessions.set_owner(session, OWN_CLIENTS);
        self.connections.open(conn, session);
        self.ask_for_opening(now, db, session, timeout_ms, out);
    }

    /// Sees to the transaction that opens a session.
    pub(super) fn ask_for_opening(
        &mut self,
        now: Now,
        db: &Database,
        session: SessionId,
        timeout_ms: i32,
        out: &mut Vec<Output>,
    ) {
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
        let is_local = self.sessions.scope(session) == Some(Scope::Local);
        if is_right && !is_local && matches!(self.role, Role::Learning(_)) {
            return self.ask_for_session(conn, session, timeout_ms, out, client);
        }
        // Its opening may still be on its way, as in `on_revalidate`; unless somebody here waits for it,
        // who is the only one that can have heard of it.
        let is_open = self.sessions.open(session).is_some();
        if is_right && is_open && !self.connections.is_opening(session) {
            self.give_back(now, conn, session, timeout_ms, client);
        } else {
            self.refuse_session(conn, client);
        }
    }

    pub(super) fn refuse_session(&mut self, conn: ConnId, client: &mut Vec<ClientOutput>) {
        self.counters.sessions_refused += 1;
        client.push(ClientOutput::SessionInvalid { conn });
    }

    /// Gives an open session to a connection; who held it is cut off.
    pub(super) fn give_back(
        &mut self,
        now: Now,
        conn: ConnId,
        session: SessionId,
        timeout_ms: i32,
        client: &mut Vec<ClientOutput>,
    ) {
        if let Role::Learning(role) = &mut self.role {
            role.requests.forget(session);
        }
        if let Some(old) = self.connections.attach(conn, session) {
            client.push(ClientOutput::Close { conn: old });
        }
        let is_open = self.sessions.touch(session, timeout_ms, now.monotonic);
        assert!(is_open, "only an open session is taken over");
        self.sessions.set_owner(session, OWN_CLIENTS);
        let handle = self.sessions.handle(session).cloned();
        client.push(ClientOutput::Connected {
            conn,
            session: handle.expect("it is open"),
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
        let mut asked = Asked {
            conn: write.conn,
            xid: write.xid,
            op: write.op,
            refused_as: None,
        };
        if self.is_read_only() {
            return self.answer_read_only(db, write.session, asked, client);
        }
        if self.sessions.scope(write.session) == Some(Scope::Local) {
            if write.op == Op::CloseSession {
                return self.close_local(db, write.session, asked, client);
            }
            if wants_global_session(&write.request) {
                asked.refused_as = self.upgrade(now, db, write.session, out).err();
            }
        }
        if matches!(self.role, Role::Learning(_)) {
            return self.forward(db, write, asked, out, client);
        }
        let (standing, ephemerals) = self.standings(write.session, OWN_CLIENTS);
        let caller = Caller {
            session: write.session,
            xid: write.xid,
            op: write.op,
            ids: &write.ids,
            standing,
            ephemerals: asked.refused_as.map_or(ephemerals, Err),
        };
        self.prepare(now, db, &caller, write.request, Some(asked), out);
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
        let request = match request {
            WriteRequest::Reconfig(request) if matches!(self.role, Role::Leading(_)) => {
                return self.prepare_reconfig(now, db, caller, (request, asked), out);
            }
            request => request,
        };
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
    pub(super) fn wake_pipeline(
        &mut self,
        now: Now,
        db: &Database,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        let policy = self.policy.clone();
        while self.pipeline_has_room()
            && let Some(session) = self.sessions.next_expired(now.monotonic)
        {
            self.count_expiry(session);
            if self.sessions.scope(session) == Some(Scope::Local) {
                self.on_closed(session, None, db.last_zxid(), client);
                continue;
            }
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

/// The tree here is behind what the client knows.
pub(super) fn has_seen_more(conn: ConnId, ask: &ConnectAsk, db: &Database) -> bool {
    let seen = ask.last_zxid_seen;
    let has = seen > db.last_zxid();
    if has {
        tracing::info!(%conn, %seen, applied = %db.last_zxid(),
            "refused a client that has seen what is not yet here");
    }
    has
}
