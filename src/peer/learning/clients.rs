//! The clients of a learner: what they ask for goes to the leader, and they are answered when it has
//! decided; the leader hears of their sessions with each ping.

use std::sync::Arc;

use bytes::Bytes;

use super::Learning;
use crate::base::{ConnId, Monotonic, Now, SessionId, Xid, Zxid};
use crate::peer::pipeline::Asked;
use crate::peer::requests::Ready;
use crate::peer::seam::Write;
use crate::peer::{ClientOutput, Output, Peer, Role};
use crate::proto::{Op, WriteReply, WriteRequest};
use crate::session::{Scope, password};
use crate::tree::Database;
use crate::zab::LearnerRequest;

/// A client that came back with a session the leader is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Returning {
    conn: ConnId,
    timeout_ms: i32,
}

/// Sessions of observers that the leader is told of with one ping: far more than there are. At the
/// bound the others have to wait for the next.
const TOUCHED_MAX: usize = 4 * 1024 * 1024;

impl Learning {
    /// Observers have heard of these sessions.
    pub(in crate::peer) fn touched_elsewhere(&mut self, sessions: Vec<(SessionId, i32)>) {
        let room = TOUCHED_MAX.saturating_sub(self.touched_elsewhere.len());
        self.touched_elsewhere
            .extend(sessions.into_iter().take(room));
    }

    /// A client has left; the leader hears of its session once more.
    fn on_departed(&mut self, session: SessionId, timeout_ms: i32, touched: Monotonic) {
        if touched >= self.pinged {
            self.touched_elsewhere.insert(session, timeout_ms);
        }
    }
}

impl Peer {
    /// A client opens a session: the leader makes it, under the number given here.
    pub(in crate::peer) fn forward_opening(
        &mut self,
        session: SessionId,
        timeout_ms: i32,
        out: &mut Vec<Output>,
    ) {
        let request = LearnerRequest {
            session,
            xid: Xid(0),
            op: Op::CreateSession.number(),
            body: Bytes::copy_from_slice(&timeout_ms.to_be_bytes()),
            ids: Arc::from([]),
        };
        self.send_request(request, out);
    }

    /// A client comes back with a session: whether it is alive, and whether it expires, only the
    /// leader knows.
    pub(in crate::peer) fn ask_for_session(
        &mut self,
        conn: ConnId,
        session: SessionId,
        timeout_ms: i32,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        let Role::Learning(role) = &mut self.role else {
            return;
        };
        let returning = Returning { conn, timeout_ms };
        if let Some(earlier) = role.returning.insert(session, returning) {
            client.push(ClientOutput::Close { conn: earlier.conn });
        }
        role.questions.ask_session(session, None);
        role.tell_leader(out, |zab, asked| zab.revalidate(session, timeout_ms, asked));
    }

    /// A write or sync of a client whose session this server holds.
    pub(in crate::peer) fn forward(
        &mut self,
        db: &Database,
        write: Write,
        asked: Asked,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        let Role::Learning(role) = &mut self.role else {
            return;
        };
        let session = write.session;
        match write.request {
            WriteRequest::Malformed {
                code,
                takes_zxid: false,
            } => {
                role.requests.refuse(session, asked, code);
                return self.answer_ready(session, db, client);
            }
            WriteRequest::Sync { path } => {
                role.questions.ask_sync(None);
                role.requests.sync(session, asked, path);
            }
            _ => role.requests.forward(session, asked, role.known),
        }
        let closes = write.op == Op::CloseSession;
        let request = LearnerRequest {
            session,
            xid: write.xid,
            op: write.op.number(),
            body: if closes { Bytes::new() } else { write.body },
            ids: write.ids,
        };
        self.send_request(request, out);
        if closes {
            self.sessions.start_closing(session);
        }
    }

    /// Answers what of a session waits for nothing any more.
    pub(in crate::peer) fn answer_ready(
        &mut self,
        session: SessionId,
        db: &Database,
        client: &mut Vec<ClientOutput>,
    ) {
        while let Role::Learning(role) = &mut self.role
            && let Some((asked, ready)) = role.requests.next_ready(session)
        {
            let reply = match ready {
                Ready::Synced(path) => WriteReply::Synced(path),
                Ready::Refused(code) => WriteReply::Error(code),
                Ready::Closed => {
                    self.on_closed(session, Some(asked), db.last_zxid(), client);
                    return;
                }
            };
            self.reply(Some(asked), db.last_zxid(), reply, client);
        }
    }

    /// A connection of a learner's client is gone.
    pub(in crate::peer) fn on_client_left(&mut self, conn: ConnId, session: Option<SessionId>) {
        if let Role::Learning(role) = &mut self.role {
            role.returning.retain(|_, returning| returning.conn != conn);
        }
        let Some(session) = session else {
            return;
        };
        let scope = self.sessions.scope(session);
        let role = match &mut self.role {
            Role::Learning(role) => Some(role),
            Role::Looking(_) => None,
            Role::Standalone(_) | Role::Leading(_) => return,
        };
        if let Some(role) = role {
            role.requests.forget(session);
            let handle = self.sessions.handle(session);
            if let Some(handle) = handle.filter(|_| scope != Some(Scope::Local)) {
                role.on_departed(session, handle.timeout_ms(), handle.touched());
            }
        }
        // A local session stays for as long as it has, one that is being upgraded until it is
        // known that the leader has it. What waited to close one is forgotten with its client.
        let stays = match scope {
            Some(Scope::Local) => self.sessions.open(session).is_some(),
            Some(Scope::Upgrading) => true,
            Some(Scope::Global) | None => false,
        };
        if !stays {
            self.sessions.remove(session);
        }
    }

    pub(in crate::peer) fn on_revalidated(
        &mut self,
        now: Now,
        session: SessionId,
        is_valid: bool,
        client: &mut Vec<ClientOutput>,
    ) {
        let Role::Learning(role) = &mut self.role else {
            return;
        };
        let Some(Returning { conn, timeout_ms }) = role.returning.remove(&session) else {
            return;
        };
        if !is_valid {
            return self.refuse_session(conn, client);
        }
        role.requests.forget(session);
        if role.observers.is_some() {
            role.holders.give(session, None);
        }
        if let Some(old) = self.connections.attach(conn, session) {
            client.push(ClientOutput::Close { conn: old });
        }
        let handle = self.sessions.track(session, timeout_ms, now.monotonic);
        self.sessions.commit(session);
        client.push(ClientOutput::Connected {
            conn,
            session: handle,
            timeout_ms,
            password: password(session),
        });
    }

    pub(in crate::peer) fn answer_ping(&mut self, now: Now, zxid: Zxid, out: &mut Vec<Output>) {
        let Role::Learning(role) = &mut self.role else {
            return;
        };
        let mut touched = std::mem::take(&mut role.touched_elsewhere);
        touched.extend(self.sessions.touched_since(role.pinged));
        let touched: Vec<_> = touched.into_iter().collect();
        role.pinged = now.monotonic;
        role.tell_leader(out, |zab, asked| zab.answer_ping(zxid, touched, asked));
    }

    fn send_request(&mut self, request: LearnerRequest, out: &mut Vec<Output>) {
        if let Role::Learning(role) = &mut self.role {
            role.tell_leader(out, |zab, asked| zab.forward(request, asked));
        }
    }
}
