//! The replicated state: the tree, the open sessions, and how far transactions have been applied.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, Bytes};

use jute::data::Stat;

use crate::base::{SessionId, WallMillis, Zxid, path};
use crate::proto::txn::{CreateTxn, SetDataTxn};
use crate::proto::{ErrorCode, NodeEvent, SubTxn, Txn, TxnRecord};
use crate::tree::change::Stamp;
use crate::tree::{Tree, TreeOptions};

/// The replicated state of one server.
#[derive(Debug)]
pub struct Database {
    pub tree: Tree,
    /// Open sessions and their timeouts in milliseconds.
    pub sessions: BTreeMap<SessionId, i32>,
    last_zxid: Zxid,
    /// What the digest must be at a zxid still to come. Until then the state mixes moments, and no
    /// digest is compared.
    digest_awaited: Option<(Zxid, u64)>,
    digest_history: VecDeque<(Zxid, u64)>,
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub outcome: Outcome,
    /// Set when the state is not what the transaction's author had: to be counted and reported,
    /// never a reason to stop.
    pub digest_mismatch: Option<DigestMismatch>,
}

/// The effect of a transaction or of a part of a multi, as its reply needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A deletion or a check.
    Done,
    Created {
        path: Box<str>,
        stat: Stat,
    },
    /// Data or access control list replaced.
    Stat(Stat),
    /// An error transaction's code; the part of a failed multi (0 before the one that failed); or
    /// why nothing was changed, which only replay meets.
    Refused(i32),
    Multi(Vec<Self>),
    SessionOpened {
        timeout_ms: i32,
    },
    SessionClosed,
}

/// Two digests of what should have been the same tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestMismatch {
    pub zxid: Zxid,
    pub expected: u64,
    pub actual: u64,
}

/// Digests are kept for zxids divisible by this, so that servers can be compared.
const DIGEST_HISTORY_INTERVAL: i64 = 128;
/// How many digests are kept; older ones go.
const DIGEST_HISTORY_MAX: usize = 1024;

impl Database {
    /// The state of a fresh standalone server.
    pub fn new(options: TreeOptions) -> Self {
        Self::loaded(Tree::new(options), BTreeMap::new(), Zxid::ZERO)
    }

    pub(super) fn loaded(tree: Tree, sessions: BTreeMap<SessionId, i32>, last_zxid: Zxid) -> Self {
        Self {
            tree,
            sessions,
            last_zxid,
            digest_awaited: None,
            digest_history: VecDeque::new(),
        }
    }

    /// Applies a transaction, appending to `events` what it triggers. Rules of `DataTree.processTxn`.
    pub fn apply(&mut self, record: &TxnRecord, events: &mut Vec<NodeEvent>) -> Applied {
        let stamp = Stamp {
            session: record.session,
            zxid: record.zxid,
            time: record.time,
        };
        let outcome = self.apply_txn(&record.txn, stamp, events);
        // Only now, and only upwards: a snapshot named by it must hold the whole transaction.
        self.last_zxid = self.last_zxid.max(record.zxid);
        Applied {
            outcome,
            digest_mismatch: self.compare_digest(record.zxid, record.digest),
        }
    }

    /// The last transaction applied.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// Sets how far transactions have been applied, where that is not known from applying: a new
    /// epoch begins, or a snapshot says so.
    pub fn set_last_zxid(&mut self, zxid: Zxid) {
        self.last_zxid = zxid;
    }

    /// The state is whole as it is, and is that of this zxid from here on: no digest that its author
    /// named is awaited, and those of the past are not its own.
    pub fn settle_at(&mut self, zxid: Zxid) {
        self.last_zxid = zxid;
        self.digest_awaited = None;
        self.digest_history.clear();
    }

    /// Puts a configuration into `/zookeeper/config`, as every member of an ensemble does for itself
    /// and without a transaction (`ZKDatabase.initConfigInZKDatabase`). The tree's digest does not
    /// cover that node.
    pub fn set_config(&mut self, text: &str, version: Zxid, time: WallMillis) {
        let stamp = Stamp {
            session: SessionId::NONE,
            zxid: version,
            time,
        };
        let set = SetDataTxn {
            path: path::CONFIG.into(),
            data: Some(Bytes::copy_from_slice(text.as_bytes())),
            version: -1,
        };
        if self.tree.set_data(&set, stamp, &mut Vec::new()).is_err() {
            // Only snapshots of before 3.5 lack the node.
            tracing::warn!("there is no /zookeeper/config to hold the membership");
        }
    }

    /// The state was loaded from a snapshot that ends with this digest: compare again from there.
    pub fn await_digest(&mut self, zxid: Zxid, digest: u64) {
        self.digest_awaited = Some((zxid, digest));
    }

    /// Whether a digest is awaited, so that the state may still mix moments.
    pub fn awaits_digest(&self) -> bool {
        self.digest_awaited.is_some()
    }

    /// Digests of the past at zxids divisible by 128, oldest first.
    pub fn digest_history(&self) -> impl Iterator<Item = (Zxid, u64)> {
        self.digest_history.iter().copied()
    }

    /// Deletes ephemerals whose session is not open, as servers do that begin to serve alone or to
    /// lead. Gives how many there were.
    pub fn remove_orphaned_ephemerals(&mut self) -> usize {
        let sessions: Vec<_> = self
            .tree
            .sessions_with_ephemerals()
            .filter(|session| !self.sessions.contains_key(session))
            .collect();
        let before = self.tree.ephemerals_count();
        for session in sessions {
            let zxid = self.last_zxid;
            self.tree
                .delete_ephemerals(session, &[], zxid, &mut Vec::new());
        }
        before - self.tree.ephemerals_count()
    }

    fn apply_txn(&mut self, txn: &Txn, stamp: Stamp, events: &mut Vec<NodeEvent>) -> Outcome {
        match txn {
            Txn::CreateSession { timeout_ms } => {
                self.sessions.insert(stamp.session, *timeout_ms);
                Outcome::SessionOpened {
                    timeout_ms: *timeout_ms,
                }
            }
            Txn::CloseSession { paths } => {
                self.sessions.remove(&stamp.session);
                let listed = paths.as_deref().unwrap_or_default();
                self.tree
                    .delete_ephemerals(stamp.session, listed, stamp.zxid, events);
                Outcome::SessionClosed
            }
            Txn::Error { code } => Outcome::Refused(*code),
            Txn::Create(create) => self.create(create, stamp, events),
            Txn::Delete { path } | Txn::DeleteContainer { path } => {
                done(self.tree.delete(path, stamp.zxid, events))
            }
            Txn::SetData(set) | Txn::Reconfig(set) => stat(self.tree.set_data(set, stamp, events)),
            Txn::SetAcl { path, acl, version } => {
                stat(self.tree.set_acl(path, acl.as_ref(), *version))
            }
            Txn::Multi(parts) => Outcome::Multi(self.apply_multi(parts, stamp, events)),
        }
    }

    fn apply_multi(
        &mut self,
        parts: &[SubTxn],
        stamp: Stamp,
        events: &mut Vec<NodeEvent>,
    ) -> Vec<Outcome> {
        let failed_at = parts
            .iter()
            .position(|part| matches!(part, SubTxn::Error { .. }));
        if let Some(failed_at) = failed_at {
            let results = parts.iter().enumerate();
            return results
                .map(|(position, part)| Outcome::Refused(refusal(position < failed_at, part)))
                .collect();
        }
        let apply_part = |part: &SubTxn| match part {
            SubTxn::Create(create) => self.create(create, stamp, events),
            SubTxn::Delete { path } | SubTxn::DeleteContainer { path } => {
                done(self.tree.delete(path, stamp.zxid, events))
            }
            SubTxn::SetData(set) => stat(self.tree.set_data(set, stamp, events)),
            SubTxn::Check { .. } | SubTxn::Error { .. } => Outcome::Done,
        };
        parts.iter().map(apply_part).collect()
    }

    fn create(&mut self, create: &CreateTxn, stamp: Stamp, events: &mut Vec<NodeEvent>) -> Outcome {
        match self.tree.create(create, stamp, events) {
            Ok(stat) => Outcome::Created {
                path: create.path.clone(),
                stat,
            },
            Err(code) => Outcome::Refused(code.number()),
        }
    }

    fn compare_digest(&mut self, zxid: Zxid, carried: Option<u64>) -> Option<DigestMismatch> {
        if !self.tree.keeps_digest() {
            return None;
        }
        let actual = self.tree.digest();
        let expected = match self.digest_awaited {
            Some((awaited, _)) if zxid < awaited => return None,
            Some((awaited, digest)) => {
                self.digest_awaited = None;
                if awaited == zxid {
                    Some(digest)
                } else {
                    carried
                }
            }
            None => carried,
        };
        if zxid.0 % DIGEST_HISTORY_INTERVAL == 0 {
            self.digest_history.push_back((zxid, actual));
            if self.digest_history.len() > DIGEST_HISTORY_MAX {
                self.digest_history.pop_front();
            }
        }
        let expected = expected.filter(|expected| *expected != actual)?;
        Some(DigestMismatch {
            zxid,
            expected,
            actual,
        })
    }
}

/// What a part of a failed multi answers. The body of the failed one starts with its code.
fn refusal(is_before_failure: bool, part: &SubTxn) -> i32 {
    match part {
        _ if is_before_failure => 0,
        SubTxn::Error { body } if body.len() >= 4 => body.clone().get_i32(),
        _ => ErrorCode::RuntimeInconsistency.number(),
    }
}

fn done(result: Result<(), ErrorCode>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(code) => Outcome::Refused(code.number()),
    }
}

fn stat(result: Result<Stat, ErrorCode>) -> Outcome {
    match result {
        Ok(stat) => Outcome::Stat(stat),
        Err(code) => Outcome::Refused(code.number()),
    }
}
