//! A database, its preparation, and requests by short names.
//!
//! Every record that is applied is checked: it does what it was prepared for, its bytes read back,
//! and its digest is the tree's afterwards.

mod model;
mod multi;
mod names;
mod order;
mod quota;
mod reconfig;
mod records;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::auth::{AuthIds, AuthOptions, Policy, Shown};
use crate::base::{Acl, Identity, SessionId, WallMillis, Xid, Zxid, perms};
use crate::prep::{Caller, Prep, PrepOptions, Prepared};
use crate::proto::request::{Check, Create, Delete, SetAcl, SetData};
use crate::proto::{ErrorCode, MultiOp, NodeEvent, Op, Txn, TxnRecord, WriteRequest};
use crate::tree::{Database, Outcome, TreeOptions};

pub(super) const SESSION: SessionId = SessionId(0x0100_0000_0000_0001);

pub(super) struct World {
    pub(super) db: Database,
    pub(super) prep: Prep,
    pub(super) policy: Policy,
    pub(super) ids: AuthIds,
    pub(super) session: SessionId,
    pub(super) standing: Result<(), ErrorCode>,
    pub(super) time: WallMillis,
    pub(super) in_flight: VecDeque<TxnRecord>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut PrepOptions)) -> Self {
        let mut options = PrepOptions::default();
        change(&mut options);
        let db = Database::new(options.tree);
        Self {
            prep: Prep::new(options, &db),
            db,
            policy: Policy::new(&AuthOptions::default()).unwrap(),
            ids: Policy::initial("10.0.0.1".parse().unwrap()),
            session: SESSION,
            standing: Ok(()),
            time: WallMillis(1_700_000_000_000),
            in_flight: VecDeque::new(),
        }
    }

    /// Prepares a request and leaves it in flight.
    pub(super) fn prepare(&mut self, op: Op, request: WriteRequest) -> Prepared {
        self.time.0 += 1;
        let caller = Caller {
            session: self.session,
            xid: Xid(7),
            op,
            ids: &self.ids,
            standing: self.standing,
            ephemerals: self.standing,
        };
        let prepared = self
            .prep
            .prepare(&self.db, &self.policy, self.time, &caller, request);
        if let Prepared::Logged(record) = &prepared {
            self.in_flight.push_back(record.clone());
        }
        prepared
    }

    pub(super) fn ask(&mut self, request: impl Into<WriteRequest>) -> TxnRecord {
        let request = request.into();
        match self.prepare(op_of(&request), request) {
            Prepared::Logged(record) => record,
            other => panic!("not logged: {other:?}"),
        }
    }

    /// Prepares a request and applies all that is in flight.
    pub(super) fn run(&mut self, request: impl Into<WriteRequest>) -> TxnRecord {
        let record = self.ask(request);
        self.apply_all();
        record
    }

    /// As [`World::run`], for what must succeed.
    pub(super) fn done(&mut self, request: impl Into<WriteRequest>) -> TxnRecord {
        let record = self.run(request);
        assert_eq!(code_of(&record), None, "{record:?}");
        record
    }

    /// The code a request is refused with right now.
    pub(super) fn refusal(&mut self, request: impl Into<WriteRequest>) -> Option<ErrorCode> {
        code_of(&self.run(request))
    }

    pub(super) fn apply_all(&mut self) {
        while let Some(record) = self.in_flight.pop_front() {
            self.apply(&record);
        }
    }

    pub(super) fn apply_one(&mut self) {
        if let Some(record) = self.in_flight.pop_front() {
            self.apply(&record);
        }
    }

    fn apply(&mut self, record: &TxnRecord) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert_eq!(bytes.len(), record.encoded_len());
        let bytes = Bytes::from(bytes);
        assert_eq!(TxnRecord::decode(&bytes, usize::MAX).as_ref(), Ok(record));

        let before = self.db.tree.digest();
        let mut events: Vec<NodeEvent> = Vec::new();
        let applied = self.db.apply(record, &mut events);
        assert_eq!(applied.digest_mismatch, None, "{record:?}");
        match &record.txn {
            Txn::Error { .. } => {
                assert_eq!(record.digest, None);
                assert_eq!(self.db.tree.digest(), before);
            }
            Txn::Multi(parts) => {
                assert_eq!(record.digest, Some(self.db.tree.digest()));
                let Outcome::Multi(outcomes) = &applied.outcome else {
                    panic!("{applied:?}");
                };
                assert_eq!(outcomes.len(), parts.len());
            }
            _ => {
                assert_eq!(record.digest, Some(self.db.tree.digest()));
                let is_refused = matches!(applied.outcome, Outcome::Refused(_));
                assert!(!is_refused, "{record:?} {applied:?}");
            }
        }
        self.prep.applied(&self.db, record.zxid);
    }

    pub(super) fn last_zxid(&self) -> Zxid {
        self.prep.last_zxid()
    }

    pub(super) fn authenticate(&mut self, user_and_password: &str) {
        let peer = "10.0.0.1".parse().unwrap();
        let token = Some(user_and_password.as_bytes());
        self.ids = self
            .policy
            .authenticate(&self.ids, "digest", &Shown::new(token, peer))
            .unwrap();
    }
}

/// The refusal in a record, also of a multi's first refused part.
pub(super) fn code_of(record: &TxnRecord) -> Option<ErrorCode> {
    match &record.txn {
        Txn::Error { code } => ErrorCode::from_number(*code),
        Txn::Multi(_) => multi::codes(record)
            .into_iter()
            .find(|code| *code != 0)
            .and_then(ErrorCode::from_number),
        _ => None,
    }
}

pub(super) fn op_of(request: &WriteRequest) -> Op {
    match request {
        WriteRequest::Create(create) => create.op,
        WriteRequest::Delete(_) => Op::Delete,
        WriteRequest::SetData(_) => Op::SetData,
        WriteRequest::SetAcl(_) => Op::SetAcl,
        WriteRequest::Multi(_) => Op::Multi,
        WriteRequest::Reconfig(_) => Op::Reconfig,
        WriteRequest::Sync { .. } => Op::Sync,
        WriteRequest::CloseSession => Op::CloseSession,
        WriteRequest::Malformed { .. } => Op::Create,
    }
}

pub(super) fn create(path: &str) -> Create {
    Create {
        op: Op::Create,
        path: path.into(),
        data: Some(Bytes::from_static(b"data")),
        acl: Some(vec![Acl::anyone(perms::ALL)]),
        flags: 0,
        ttl: -1,
    }
}

pub(super) fn create_as(path: &str, op: Op, flags: i32, ttl: i64) -> Create {
    Create {
        op,
        flags,
        ttl,
        ..create(path)
    }
}

pub(super) fn ephemeral(path: &str) -> Create {
    create_as(path, Op::Create, 1, -1)
}

pub(super) fn sequential(path: &str) -> Create {
    create_as(path, Op::Create, 2, -1)
}

pub(super) fn create_with_acl(path: &str, acl: &[Acl]) -> Create {
    Create {
        acl: Some(acl.to_vec()),
        ..create(path)
    }
}

pub(super) fn acl(perms: i32, scheme: &str, id: &str) -> Acl {
    Acl {
        perms,
        id: Identity::new(scheme, id),
    }
}

pub(super) fn delete(path: &str, version: i32) -> Delete {
    Delete {
        path: path.into(),
        version,
    }
}

pub(super) fn set(path: &str, version: i32) -> SetData {
    set_to(path, b"new data", version)
}

pub(super) fn set_to(path: &str, data: &'static [u8], version: i32) -> SetData {
    SetData {
        path: path.into(),
        data: Some(Bytes::from_static(data)),
        version,
    }
}

pub(super) fn set_acl(path: &str, acl: &[Acl], version: i32) -> SetAcl {
    SetAcl {
        path: path.into(),
        acl: Some(acl.to_vec()),
        version,
    }
}

pub(super) fn check(path: &str, version: i32) -> Check {
    Check {
        path: path.into(),
        version,
    }
}

macro_rules! requests {
    ($($record:ident)*) => {
        $(impl From<$record> for WriteRequest {
            fn from(request: $record) -> Self {
                Self::$record(request)
            }
        })*
    };
}

requests! { Create Delete SetData SetAcl }

macro_rules! parts {
    ($($record:ident)*) => {
        $(impl From<$record> for MultiOp {
            fn from(part: $record) -> Self {
                Self::$record(part)
            }
        })*
    };
}

parts! { Create Delete SetData Check }

impl From<Vec<MultiOp>> for WriteRequest {
    fn from(ops: Vec<MultiOp>) -> Self {
        Self::Multi(ops)
    }
}

pub(super) fn extended(options: &mut PrepOptions) {
    options.tree = TreeOptions {
        extended_types: true,
        ..TreeOptions::default()
    };
}
