//! From a client's write to a transaction: every check of `PrepRequestProcessor`, in its order,
//! against the committed tree plus what the proposals in flight will have made of it.
//!
//! In: a request with who asks, and the committed state. Out: a [`TxnRecord`] with the digest the
//! tree will have after it, or a refusal. A refused write uses up a zxid and is logged as an error
//! transaction, as Apache does; only a body that cannot be read leaves the counter where it is.
//!
//! Invariants: zxids rise by one; a record prepared behind others in flight is the one that would
//! be prepared once those are applied (quotas apart, which are checked against committed usage); a
//! refusal leaves the overlay as it was; with nothing in flight the overlay is empty and its digest
//! the tree's.
//!
//! Three things are stricter than Apache's server, all where that one stops or leaks: `createTTL`
//! wants a TTL mode, a new access control list holds for what is prepared after it, and no record is
//! longer than another server takes (ZOOKEEPER-4306: `auth` in a list stands for all that the client
//! is, and a session has any number of ephemerals).

mod create;
mod delete;
mod multi;
mod overlay;
mod quota;
mod reconfig;
mod session;
mod set;
mod step;
#[cfg(test)]
mod tests;

use crate::auth::{PermitMemo, Policy};
use crate::base::{Identity, SessionId, WallMillis, Xid, Zxid};
use crate::proto::{ErrorCode, Op, Txn, TxnRecord, WriteRequest};
use crate::tree::{Database, TreeOptions};

pub use create::wants_global_session;
pub use reconfig::Ensemble;

use overlay::Overlay;
use quota::QuotaLog;
use step::Step;

/// The settings of `prep`.
#[derive(Debug, Clone)]
pub struct PrepOptions {
    /// Which kinds of node there are.
    pub tree: TreeOptions,
    /// `zookeeper.enforceQuota`: hard limits refuse writes.
    pub enforce_quota: bool,
    /// `reconfigEnabled`.
    pub reconfig_enabled: bool,
    /// `zookeeper.closeSessionTxn.enabled`: the end of a session lists its ephemerals.
    pub close_session_txn: bool,
    /// Bytes of the longest record that may be made: `jute.maxbuffer` and its extra size together,
    /// beyond which no learner takes a proposal. One that nobody takes would be the end of the
    /// ensemble, as its history cannot go on without it.
    pub record_bytes_max: usize,
}

impl Default for PrepOptions {
    fn default() -> Self {
        Self {
            tree: TreeOptions::default(),
            enforce_quota: false,
            reconfig_enabled: false,
            close_session_txn: true,
            record_bytes_max: 2 * jute::MAX_BUFFER_DEFAULT,
        }
    }
}

/// Who asks for a write.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub session: SessionId,
    pub xid: Xid,
    pub op: Op,
    /// The connection's identities when the request was read.
    pub ids: &'a [Identity],
    /// What the check of the session says. Where in the order it counts depends on the operation.
    pub standing: Result<(), ErrorCode>,
    /// What it says where an ephemeral node is asked for, whose session all servers must know.
    pub ephemerals: Result<(), ErrorCode>,
}

/// What becomes of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prepared {
    /// To be logged and applied; also a refusal, as [`Txn::Error`] or a multi with an error in it.
    Logged(TxnRecord),
    /// Not logged: answered with this code once everything before it is. The zxid is the newest
    /// that is used up.
    Refused { code: ErrorCode, zxid: Zxid },
    /// Not logged: answered with the path once everything before it is.
    Sync { path: Option<Box<str>> },
}

/// The preparation of one leader's or standalone server's writes.
#[derive(Debug)]
pub struct Prep {
    options: PrepOptions,
    overlay: Overlay,
    /// The newest zxid that is used up.
    last_zxid: Zxid,
    quota_log: QuotaLog,
}

impl Prep {
    /// Goes on after the state in `db`.
    pub fn new(options: PrepOptions, db: &Database) -> Self {
        Self {
            overlay: Overlay::new(options.tree.digest_enabled, db.tree.digest()),
            options,
            last_zxid: db.last_zxid(),
            quota_log: QuotaLog::default(),
        }
    }

    /// The newest zxid that is used up.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// Prepares a client's write.
    pub fn prepare(
        &mut self,
        db: &Database,
        policy: &Policy,
        time: WallMillis,
        caller: &Caller<'_>,
        request: WriteRequest,
    ) -> Prepared {
        let request = match request {
            WriteRequest::Sync { path } => return Prepared::Sync { path },
            WriteRequest::Malformed {
                code,
                takes_zxid: false,
            } => {
                let zxid = self.last_zxid;
                return Prepared::Refused { code, zxid };
            }
            request => request,
        };
        Prepared::Logged(
            self.log(db, time, caller.session, caller.xid, |prep, zxid| {
                let mut step = prep.step(db, policy, zxid, time, caller);
                match request {
                    WriteRequest::Create(create) => step.create(create).map(Txn::Create),
                    WriteRequest::Delete(delete) => step.delete(delete),
                    WriteRequest::SetData(set) => step.set_data(set).map(Txn::SetData),
                    WriteRequest::SetAcl(set) => step.set_acl(set),
                    WriteRequest::Multi(ops) => Ok(step.multi(ops)),
                    WriteRequest::Reconfig(_) => step.reconfig_alone(),
                    WriteRequest::CloseSession => Ok(step.close_session()),
                    WriteRequest::Malformed { code, .. } => Err(code),
                    WriteRequest::Sync { .. } => Err(ErrorCode::MarshallingError),
                }
            }),
        )
    }

    /// Prepares the opening of a session.
    pub fn open_session(
        &mut self,
        db: &Database,
        time: WallMillis,
        session: SessionId,
        timeout_ms: i32,
    ) -> TxnRecord {
        self.log(db, time, session, Xid(0), |_, _| {
            Ok(Txn::CreateSession { timeout_ms })
        })
    }

    /// Prepares the end of a session that expired.
    pub fn expire_session(
        &mut self,
        db: &Database,
        policy: &Policy,
        time: WallMillis,
        session: SessionId,
    ) -> TxnRecord {
        let caller = Caller::server(session, Op::CloseSession);
        self.log(db, time, session, caller.xid, |prep, zxid| {
            Ok(prep.step(db, policy, zxid, time, &caller).close_session())
        })
    }

    /// Prepares the deletion of a container or TTL node whose time has come. Refused when that
    /// changed since it was looked for.
    pub fn delete_container(
        &mut self,
        db: &Database,
        policy: &Policy,
        time: WallMillis,
        path: Box<str>,
    ) -> TxnRecord {
        let caller = Caller::server(SessionId::NONE, Op::DeleteContainer);
        self.log(db, time, caller.session, caller.xid, |prep, zxid| {
            prep.step(db, policy, zxid, time, &caller)
                .delete_container(path)
        })
    }

    /// Everything up to and including `zxid` is in `db`. What the overlay knows of it is
    /// forgotten.
    ///
    /// # Panics
    /// When nothing is in flight any more and the tree is not what was foretold.
    pub fn applied(&mut self, db: &Database, zxid: Zxid) {
        assert!(zxid <= self.last_zxid, "only what was prepared is applied");
        self.overlay.forget(zxid);
        if zxid == self.last_zxid {
            self.overlay.assert_matches(&db.tree);
        }
    }

    fn log(
        &mut self,
        db: &Database,
        time: WallMillis,
        session: SessionId,
        cxid: Xid,
        prepare: impl FnOnce(&mut Self, Zxid) -> Result<Txn, ErrorCode>,
    ) -> TxnRecord {
        let zxid = self.last_zxid.next();
        assert!(
            zxid > db.last_zxid(),
            "what is applied is behind what is prepared"
        );
        self.last_zxid = zxid;
        let txn = prepare(self, zxid).unwrap_or_else(|code| Txn::Error {
            code: code.number(),
        });
        let has_digest = !matches!(txn, Txn::Error { .. });
        TxnRecord {
            session,
            cxid,
            zxid,
            time,
            txn,
            digest: self.overlay.digest().filter(|_| has_digest),
        }
    }

    fn step<'a>(
        &'a mut self,
        db: &'a Database,
        policy: &'a Policy,
        zxid: Zxid,
        time: WallMillis,
        caller: &'a Caller<'a>,
    ) -> Step<'a> {
        Step {
            tree: &db.tree,
            policy,
            options: &self.options,
            overlay: &mut self.overlay,
            quota_log: &mut self.quota_log,
            caller,
            permits: PermitMemo::default(),
            room: self.options.record_bytes_max.saturating_sub(ENVELOPE_BYTES),
            zxid,
            time,
        }
    }
}

/// What a record has besides its parts: header, count and digest.
const ENVELOPE_BYTES: usize = 32 + 4 + 12;

impl Caller<'_> {
    /// The server itself.
    fn server(session: SessionId, op: Op) -> Self {
        Self {
            session,
            xid: Xid(0),
            op,
            ids: &[],
            standing: Ok(()),
            ephemerals: Ok(()),
        }
    }
}
