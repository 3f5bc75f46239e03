//! Writes on their way, on the server that prepares them: from preparation to the turn in which they
//! are applied and answered. A server on its own has one, and so has a leader while its term lasts.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::base::{ConnId, Now, SessionId, Xid, Zxid, limits};
use crate::peer::PeerOptions;
use crate::peer::janitor::Janitor;
use crate::prep::{Prep, Prepared};
use crate::proto::{ErrorCode, Op, TxnRecord};
use crate::tree::Database;

/// See the module.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) prep: Prep,
    pub(super) janitor: Janitor,
    /// In order; records have rising zxids.
    in_flight: VecDeque<InFlight>,
    /// Of the records in flight.
    bytes: usize,
    /// Everything up to this may be applied: it is on this server's disk, or on those of a quorum.
    settled: Zxid,
}

/// What waits for its turn.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) task: Task,
    /// Whom to answer; nobody for the server's own, and for what a learner answers itself.
    pub(super) asked: Option<Asked>,
    bytes: usize,
}

/// What is to be done when the turn comes.
#[derive(Debug)]
pub(super) enum Task {
    /// Once it is settled.
    Apply(TxnRecord),
    /// A refusal without a transaction.
    Refuse {
        code: ErrorCode,
        zxid: Zxid,
    },
    Sync {
        path: Option<Box<str>>,
    },
    /// The end of a session that no transaction opened.
    CloseLocal(SessionId),
}

/// A client's request that is to be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) conn: ConnId,
    pub(super) xid: Xid,
    pub(super) op: Op,
    /// What a refusal is to be called, whatever the transaction says.
    pub(super) refused_as: Option<ErrorCode>,
}

impl Pipeline {
    /// Goes on after the state in `db`.
    pub(super) fn new(options: &PeerOptions, db: &Database, now: Now) -> Self {
        Self {
            prep: Prep::new(options.prep.clone(), db),
            janitor: Janitor::new(options.janitor, now),
            in_flight: VecDeque::new(),
            bytes: 0,
            settled: db.last_zxid(),
        }
    }

    /// Queues what was prepared. A transaction is given back as what the log is to hold.
    pub(super) fn queue(
        &mut self,
        prepared: Prepared,
        asked: Option<Asked>,
    ) -> Option<(Zxid, Bytes)> {
        let (task, logged) = match prepared {
            Prepared::Logged(record) => {
                let payload = encoded(&record);
                let zxid = record.zxid;
                assert!(zxid > self.settled, "what is settled was prepared before");
                (Task::Apply(record), Some((zxid, payload)))
            }
            Prepared::Refused { code, zxid } => (Task::Refuse { code, zxid }, None),
            Prepared::Sync { path } => (Task::Sync { path }, None),
        };
        let bytes = logged.as_ref().map_or(0, |(_, payload)| payload.len());
        self.bytes += bytes;
        self.in_flight.push_back(InFlight { task, asked, bytes });
        logged
    }

    /// Queues the end of a session that no transaction opened.
    pub(super) fn queue_local_close(&mut self, session: SessionId, asked: Asked) {
        self.in_flight.push_back(InFlight {
            task: Task::CloseLocal(session),
            asked: Some(asked),
            bytes: 0,
        });
    }

    /// Everything up to this may be applied.
    pub(super) fn settle(&mut self, zxid: Zxid) {
        assert!(zxid >= self.settled, "what is settled stays so");
        assert!(
            zxid <= self.prep.last_zxid(),
            "only what was prepared settles"
        );
        self.settled = zxid;
    }

    pub(super) fn has_room(&self) -> bool {
        self.in_flight.len() < limits::TRANSACTIONS_IN_FLIGHT
            && self.bytes < limits::TRANSACTION_BYTES_IN_FLIGHT
    }

    pub(super) fn has_settled(&self) -> bool {
        self.in_flight
            .front()
            .is_some_and(|first| match &first.task {
                Task::Apply(record) => record.zxid <= self.settled,
                Task::Refuse { .. } | Task::Sync { .. } | Task::CloseLocal(_) => true,
            })
    }

    /// The first in flight, if it has settled.
    pub(super) fn next_settled(&mut self) -> Option<InFlight> {
        if !self.has_settled() {
            return None;
        }
        let first = self.in_flight.pop_front()?;
        self.bytes -= first.bytes;
        Some(first)
    }

    /// The transactions in flight, in order: whatever becomes of them, the log has them.
    pub(super) fn into_records(self) -> impl Iterator<Item = TxnRecord> {
        self.in_flight
            .into_iter()
            .filter_map(|waiting| match waiting.task {
                Task::Apply(record) => Some(record),
                Task::Refuse { .. } | Task::Sync { .. } | Task::CloseLocal(_) => None,
            })
    }

    pub(super) fn in_flight_len(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn in_flight_bytes(&self) -> usize {
        self.bytes
    }
}

fn encoded(record: &TxnRecord) -> Bytes {
    let mut payload = BytesMut::with_capacity(record.encoded_len());
    record.encode(&mut payload);
    payload.freeze()
}
