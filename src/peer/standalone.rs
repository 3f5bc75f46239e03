//! The role of a server on its own: what is prepared goes to the log, and what is durable there is
//! committed.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::base::{ConnId, Now, Xid, Zxid, limits};
use crate::peer::janitor::Janitor;
use crate::peer::{Output, PeerOptions};
use crate::prep::{Prep, Prepared};
use crate::proto::{ErrorCode, Op, TxnRecord};
use crate::tree::Database;

/// See the module.
#[derive(Debug)]
pub(super) struct Standalone {
    pub(super) prep: Prep,
    pub(super) janitor: Janitor,
    /// In order; records have rising zxids.
    in_flight: VecDeque<InFlight>,
    /// Of the records in flight.
    bytes: usize,
    /// Everything up to this is on disk.
    durable: Zxid,
}

/// What waits for its turn.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) task: Task,
    /// Whom to answer; `None` for the server's own.
    pub(super) origin: Option<Origin>,
    bytes: usize,
}

/// What is to be done when the turn comes.
#[derive(Debug)]
pub(super) enum Task {
    /// Once it is durable.
    Apply(TxnRecord),
    /// A refusal without a transaction.
    Refuse {
        code: ErrorCode,
        zxid: Zxid,
    },
    Sync {
        path: Option<Box<str>>,
    },
}

/// Whose request it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) conn: ConnId,
    pub(super) xid: Xid,
    pub(super) op: Op,
}

impl Standalone {
    pub(super) fn new(options: &PeerOptions, db: &Database, now: Now) -> Self {
        Self {
            prep: Prep::new(options.prep.clone(), db),
            janitor: Janitor::new(options.janitor, now),
            in_flight: VecDeque::new(),
            bytes: 0,
            durable: db.last_zxid(),
        }
    }

    /// Queues what was prepared, and has it logged if it is a transaction.
    pub(super) fn propose(
        &mut self,
        prepared: Prepared,
        origin: Option<Origin>,
        out: &mut Vec<Output>,
    ) {
        let (task, bytes) = match prepared {
            Prepared::Logged(record) => {
                let payload = encoded(&record);
                let bytes = payload.len();
                let zxid = record.zxid;
                assert!(zxid > self.durable, "what is durable was prepared before");
                out.push(Output::Append { zxid, payload });
                (Task::Apply(record), bytes)
            }
            Prepared::Refused { code, zxid } => (Task::Refuse { code, zxid }, 0),
            Prepared::Sync { path } => (Task::Sync { path }, 0),
        };
        self.bytes += bytes;
        self.in_flight.push_back(InFlight {
            task,
            origin,
            bytes,
        });
    }

    pub(super) fn on_appended(&mut self, zxid: Zxid) {
        assert!(zxid >= self.durable, "what is durable stays so");
        assert!(
            zxid <= self.prep.last_zxid(),
            "only what was prepared is appended"
        );
        self.durable = zxid;
    }

    pub(super) fn has_room(&self) -> bool {
        self.in_flight.len() < limits::TRANSACTIONS_IN_FLIGHT
            && self.bytes < limits::TRANSACTION_BYTES_IN_FLIGHT
    }

    pub(super) fn has_committed(&self) -> bool {
        self.in_flight
            .front()
            .is_some_and(|first| match &first.task {
                Task::Apply(record) => record.zxid <= self.durable,
                Task::Refuse { .. } | Task::Sync { .. } => true,
            })
    }

    /// The first in flight, if it is committed.
    pub(super) fn next_committed(&mut self) -> Option<InFlight> {
        if !self.has_committed() {
            return None;
        }
        let first = self.in_flight.pop_front()?;
        self.bytes -= first.bytes;
        Some(first)
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
