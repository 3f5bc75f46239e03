//! What a server without a leader does for clients that make do with reads.
//!
//! ```text
//!  electing -- looked for long enough --> serves reads -- elected --> clients are let go
//! ```
//!
//! It serves the state that its vote speaks for. There is no pipeline in this role, so nothing can
//! be prepared, logged or forwarded: every write is refused. Its sessions are local ones, and a
//! session of the ensemble's stays with the servers that can tell whether it lives.

use crate::base::{ConnId, Monotonic, Now, SessionId};
use crate::peer::intake::has_seen_more;
use crate::peer::pipeline::Asked;
use crate::peer::{ClientOutput, ConnectAsk, Mode, Output, Peer, Role};
use crate::proto::{ErrorCode, Op, WriteReply};
use crate::session::{Scope, is_password_of};
use crate::tree::Database;

/// Whether a server without a leader serves reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadOnly {
    No,
    From(Monotonic),
    Serves,
}

impl ReadOnly {
    pub(super) fn deadline(self) -> Option<Monotonic> {
        match self {
            Self::From(at) => Some(at),
            Self::No | Self::Serves => None,
        }
    }
}

impl Peer {
    /// Whether reads are served without a leader.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(&self.role, Role::Looking(role) if role.read_only == ReadOnly::Serves)
    }

    /// An election begins. It may go the usual way, and then nobody needs this server's reads.
    pub(super) fn await_read_only(&mut self, now: Now) {
        let after_ms = self
            .member
            .as_ref()
            .and_then(|m| m.options.read_only_after_ms);
        if let (Role::Looking(role), Some(after_ms)) = (&mut self.role, after_ms) {
            role.read_only = ReadOnly::From(now.monotonic.after(after_ms));
        }
    }

    /// Time has passed.
    pub(super) fn wake_read_only(&mut self, now: Now, out: &mut Vec<Output>) {
        if let Role::Looking(role) = &mut self.role
            && role
                .read_only
                .deadline()
                .is_some_and(|at| at <= now.monotonic)
        {
            role.read_only = ReadOnly::Serves;
            tracing::info!("no leader was found so far: serving clients that only read");
            out.push(Output::Serve(Mode::ReadOnly));
        }
    }

    /// An election has ended: what clients know of here ends with it.
    pub(super) fn end_read_only(&mut self, out: &mut Vec<Output>) {
        if self.is_read_only() {
            self.forget_clients();
            out.push(Output::Retire);
        }
        if let Role::Looking(role) = &mut self.role {
            role.read_only = ReadOnly::No;
        }
    }

    /// As `ReadOnlyZooKeeperServer` takes connections. A client that wants a session where none can
    /// be opened is let go; Apache's answers it with what no client can read.
    pub(super) fn connect_read_only(
        &mut self,
        now: Now,
        db: &Database,
        conn: ConnId,
        ask: &ConnectAsk,
        client: &mut Vec<ClientOutput>,
    ) {
        let session = ask.session;
        let is_global = db.sessions.contains_key(&session);
        let has_local = self.options.local_sessions.are_on();
        if !ask.read_only
            || has_seen_more(conn, ask, db)
            || is_global
            || (session == SessionId::NONE && !has_local)
        {
            tracing::info!(%conn, %session, "refused a client that a read-only server cannot serve");
            client.push(ClientOutput::Close { conn });
            return;
        }
        let timeout_ms = self.negotiated_ms(ask);
        if session == SessionId::NONE {
            return self.open_local(now, db, conn, timeout_ms, client);
        }
        let is_right = is_password_of(session, ask.password.as_deref());
        // Without local sessions there is no book of them, and every other one passes for one that
        // the rest of the ensemble has opened since.
        if is_right && !has_local {
            self.sessions.track(session, timeout_ms, now.monotonic);
        }
        if is_right && self.sessions.open(session).is_some() {
            self.give_back(now, conn, session, timeout_ms, client);
        } else {
            self.refuse_session(conn, client);
        }
    }

    /// What is no read is refused, except the end of a session that only this server knows.
    pub(super) fn answer_read_only(
        &mut self,
        db: &Database,
        session: SessionId,
        asked: Asked,
        client: &mut Vec<ClientOutput>,
    ) {
        let is_local = self.sessions.scope(session) == Some(Scope::Local);
        if is_local && asked.op == Op::CloseSession {
            return self.close_local(db, session, asked, client);
        }
        let refusal = WriteReply::Error(ErrorCode::NotReadOnly);
        self.reply(Some(asked), db.last_zxid(), refusal, client);
    }
}
