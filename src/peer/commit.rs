//! What has its turn: it is applied, watchers hear of it, and its client is answered.

use std::sync::Arc;

use crate::base::{SessionId, Zxid};
use crate::peer::standalone::{InFlight, Origin, Task};
use crate::peer::{ClientOutput, Peer, Role, reply};
use crate::proto::{Txn, TxnRecord, WriteReply};
use crate::session::password;
use crate::tree::{Applied, Database};
use crate::watch::WatchTable;

impl Peer {
    /// Does what has its turn, and answers it.
    pub(super) fn apply(
        &mut self,
        in_flight: InFlight,
        db: &mut Database,
        watches: &mut WatchTable,
        out: &mut Vec<ClientOutput>,
    ) {
        match in_flight.task {
            Task::Refuse { code, zxid } => {
                self.reply(in_flight.origin, zxid, WriteReply::Error(code), out);
            }
            Task::Sync { path } => {
                let zxid = db.last_zxid();
                self.reply(in_flight.origin, zxid, WriteReply::Synced(path), out);
            }
            Task::Apply(record) => {
                self.apply_record(record, in_flight.origin, db, watches, out);
            }
        }
    }

    fn apply_record(
        &mut self,
        record: TxnRecord,
        origin: Option<Origin>,
        db: &mut Database,
        watches: &mut WatchTable,
        out: &mut Vec<ClientOutput>,
    ) {
        let (session, zxid) = (record.session, record.zxid);
        assert!(zxid > db.last_zxid(), "transactions are applied in order");
        let applied = db.apply(&record, &mut self.scratch.events);
        self.report_mismatch(&applied);
        let Role::Standalone(role) = &mut self.role;
        role.prep.applied(db, zxid);
        self.counters.transactions_applied += 1;
        self.fire(zxid, watches, out);
        match record.txn {
            Txn::CreateSession { timeout_ms } => self.on_opened(session, timeout_ms, out),
            Txn::CloseSession { .. } => self.on_closed(session, origin, zxid, out),
            txn => self.reply(origin, zxid, reply::of(&txn, applied.outcome), out),
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
        let conn = self.connections.holder_of(session);
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
    fn on_closed(
        &mut self,
        session: SessionId,
        origin: Option<Origin>,
        zxid: Zxid,
        out: &mut Vec<ClientOutput>,
    ) {
        self.reply(origin, zxid, WriteReply::Done, out);
        self.sessions.remove(session);
        if let Some(conn) = self.connections.holder_of(session) {
            self.connections.detach(conn);
            out.push(ClientOutput::Close { conn });
        }
    }

    fn reply(
        &self,
        origin: Option<Origin>,
        zxid: Zxid,
        reply: WriteReply,
        out: &mut Vec<ClientOutput>,
    ) {
        let Some(Origin { conn, xid, op }) = origin else {
            return;
        };
        if self.connections.contains(conn) {
            out.push(ClientOutput::Reply {
                conn,
                xid,
                zxid,
                op,
                reply,
            });
        }
    }

    fn report_mismatch(&mut self, applied: &Applied) {
        if let Some(mismatch) = applied.digest_mismatch {
            self.counters.digest_mismatches += 1;
            tracing::error!(zxid = %mismatch.zxid, expected = mismatch.expected,
                actual = mismatch.actual, "the tree's digest is not the transaction's");
        }
    }
}
