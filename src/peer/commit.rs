//! What has its turn: it is applied, watchers hear of it, and its client is answered.

use std::sync::Arc;

use crate::base::{Now, SessionId, Xid, Zxid};
use crate::peer::learning::Step;
use crate::peer::pipeline::{Asked, InFlight, Task};
use crate::peer::{ClientOutput, ConnId, Output, Peer, Role, reply};
use crate::proto::{ErrorCode, Txn, TxnRecord, WriteReply};
use crate::session::password;
use crate::tree::{Applied, Database};
use crate::watch::WatchTable;

impl Peer {
    /// Does what has its turn on a server that prepared it, and answers it.
    pub(super) fn apply(
        &mut self,
        in_flight: InFlight,
        db: &mut Database,
        watches: &mut WatchTable,
        client: &mut Vec<ClientOutput>,
    ) {
        let asked = in_flight.asked;
        match in_flight.task {
            Task::Refuse { code, zxid } => {
                self.reply(asked, zxid, WriteReply::Error(code), client);
            }
            Task::Sync { path } => {
                self.reply(asked, db.last_zxid(), WriteReply::Synced(path), client);
            }
            Task::CloseLocal(session) => self.on_closed(session, asked, db.last_zxid(), client),
            Task::Apply(record) => {
                let zxid = record.zxid;
                self.apply_record(record, asked, db, watches, client);
                let pipeline = self.pipeline_mut().expect("it prepared the transaction");
                pipeline.prep.applied(db, zxid);
            }
        }
    }

    /// Does what the leader has decided on.
    pub(super) fn take_step(
        &mut self,
        now: Now,
        step: Step,
        db: &mut Database,
        watches: &mut WatchTable,
        out: &mut Vec<Output>,
        client: &mut Vec<ClientOutput>,
    ) {
        let Role::Learning(role) = &mut self.role else {
            return;
        };
        let requests = &mut role.requests;
        match step {
            Step::Apply(record) => {
                let (session, xid, zxid) = (record.session, record.cxid, record.zxid);
                // An opening is no request of a client's, and one of its own may have the number 0.
                let is_opening = matches!(record.txn, Txn::CreateSession { .. });
                let mut asked = None;
                if !is_opening {
                    requests.overtake(session, xid, zxid);
                    self.answer_ready(session, db, client);
                    asked = self.answered_by(session, xid, zxid);
                }
                self.apply_record(record, asked, db, watches, client);
                self.answer_ready(session, db, client);
            }
            Step::StoreSnapshot => {
                let zxid = db.last_zxid();
                out.push(Output::StoreSnapshot { zxid });
            }
            Step::Ask(output) => out.push(output),
            Step::Activate {
                view,
                leader,
                source,
            } => self.activate(now, db, (&view, leader), source, out),
            Step::Synced => {
                if let Some(session) = requests.synced() {
                    self.answer_ready(session, db, client);
                }
            }
        }
    }

    /// Whom a transaction answers on a learner.
    fn answered_by(&mut self, session: SessionId, xid: Xid, zxid: Zxid) -> Option<Asked> {
        match &mut self.role {
            Role::Learning(role) => role.requests.committed(session, xid, zxid),
            _ => None,
        }
    }

    /// Takes what the log has beyond the state into the state: nobody is served meanwhile.
    pub(super) fn catch_up(&mut self, now: Now, db: &mut Database) {
        let (Role::Looking(role), Some(member)) = (&mut self.role, &mut self.member) else {
            return;
        };
        if !role.is_catching_up() {
            return;
        }
        for (record, payload) in role.take_tail() {
            db.apply(&record, &mut self.scratch.events);
            self.scratch.events.clear();
            member.recent.push(record.zxid, payload);
        }
        db.set_last_zxid(role.stands_at(db));
        let until = if role.is_designated() {
            now.monotonic
        } else {
            member.rest_until(now.monotonic)
        };
        role.rest(until);
    }

    fn apply_record(
        &mut self,
        record: TxnRecord,
        asked: Option<Asked>,
        db: &mut Database,
        watches: &mut WatchTable,
        out: &mut Vec<ClientOutput>,
    ) {
        let (session, zxid) = (record.session, record.zxid);
        // A snapshot that was taken over holds parts of what follows it.
        let repeats = !self.is_serving();
        assert!(
            repeats || zxid > db.last_zxid(),
            "transactions are applied in order"
        );
        let applied = db.apply(&record, &mut self.scratch.events);
        if !repeats {
            self.report_mismatch(&applied);
        }
        self.counters.transactions_applied += 1;
        self.fire(zxid, watches, out);
        match record.txn {
            Txn::CreateSession { timeout_ms } => self.on_opened(session, timeout_ms, out),
            Txn::CloseSession { .. } => {
                self.remember_ended(session);
                self.on_closed(session, asked, zxid, out);
            }
            txn => {
                if let Some(by) = asked {
                    let reply = by.named(reply::of(&txn, applied.outcome));
                    self.reply(asked, zxid, reply, out);
                }
            }
        }
    }

    /// Tells watchers of what the last transaction did.
    fn fire(&mut self, zxid: Zxid, watches: &mut WatchTable, out: &mut Vec<ClientOutput>) {
        for event in self.scratch.events.drain(..) {
            watches.trigger(&event, &mut self.scratch.watchers);
            if self.scratch.watchers.is_empty() {
                continue;
            }
            let event = Arc::new(event);
            let told = self.scratch.watchers.drain(..);
            out.extend(told.map(|conn| ClientOutput::Event {
                conn,
                zxid,
                event: event.clone(),
            }));
        }
    }

    fn on_opened(&mut self, session: SessionId, timeout_ms: i32, out: &mut Vec<ClientOutput>) {
        self.sessions.commit(session);
        if matches!(self.role, Role::Learning(_)) && self.connections.holder_of(session).is_none() {
            // Its client left while it was being upgraded; the leader sees to its expiry.
            self.sessions.remove(session);
        }
        let conn = self.connections.opened(session);
        let handle = self.sessions.handle(session);
        // The client may have left; its session then waits for its expiry.
        if let (Some(conn), Some(handle)) = (conn, handle) {
            out.push(ClientOutput::Connected {
                conn,
                session: handle.clone(),
                timeout_ms,
                password: password(session),
            });
        }
    }

    /// Whoever holds the session is cut off; one who asked for it is answered first.
    pub(super) fn on_closed(
        &mut self,
        session: SessionId,
        asked: Option<Asked>,
        zxid: Zxid,
        out: &mut Vec<ClientOutput>,
    ) {
        self.reply(asked, zxid, WriteReply::Done, out);
        self.sessions.remove(session);
        if let Role::Learning(role) = &mut self.role {
            role.requests.forget(session);
            role.holders.forget(session);
        }
        if let Some(conn) = self.connections.holder_of(session) {
            self.connections.detach(conn);
            out.push(ClientOutput::Close { conn });
        }
    }

    pub(super) fn reply(
        &mut self,
        asked: Option<Asked>,
        zxid: Zxid,
        reply: WriteReply,
        out: &mut Vec<ClientOutput>,
    ) {
        let Some(Asked { conn, xid, op, .. }) = asked else {
            return;
        };
        if !self.connections.contains(conn) {
            return;
        }
        if reply.says(ErrorCode::SessionMoved) {
            self.lose_client(conn, out);
        } else {
            out.push(ClientOutput::Reply {
                conn,
                xid,
                zxid,
                op,
                reply,
            });
        }
    }

    /// A client is served elsewhere by now, and what it would hear from here would mislead it.
    pub(super) fn lose_client(&mut self, conn: ConnId, out: &mut Vec<ClientOutput>) {
        let session = self.connections.detach(conn);
        self.on_client_left(conn, session);
        out.push(ClientOutput::Close { conn });
    }

    fn report_mismatch(&mut self, applied: &Applied) {
        if let Some(mismatch) = applied.digest_mismatch {
            self.counters.digest_mismatches += 1;
            tracing::error!(zxid = %mismatch.zxid, expected = mismatch.expected,
                actual = mismatch.actual, "the tree's digest is not the transaction's");
        }
    }
}
