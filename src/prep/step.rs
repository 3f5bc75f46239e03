//! What the preparation of one operation has at hand, and the checks that several share.

use crate::auth::{PermitMemo, Policy};
use crate::base::{AclList, WallMillis, Zxid, path};
use crate::prep::overlay::{Overlay, PendingNode};
use crate::prep::quota::QuotaLog;
use crate::prep::{Caller, PrepOptions};
use crate::proto::{ErrorCode, Txn};
use crate::tree::Tree;

/// One operation on its way to a transaction; the parts of a multi share zxid and time. Every
/// check of an operation comes before its first change to the overlay.
pub(super) struct Step<'a> {
    pub(super) tree: &'a Tree,
    pub(super) policy: &'a Policy,
    pub(super) options: &'a PrepOptions,
    pub(super) overlay: &'a mut Overlay,
    pub(super) quota_log: &'a mut QuotaLog,
    pub(super) caller: &'a Caller<'a>,
    /// Of this caller, by what is wanted.
    pub(super) permits: PermitMemo,
    /// Bytes that the record has left for parts.
    pub(super) room: usize,
    pub(super) zxid: Zxid,
    pub(super) time: WallMillis,
}

impl Step<'_> {
    pub(super) fn node(&self, path: &str) -> Result<PendingNode, ErrorCode> {
        self.overlay.node(self.tree, path).ok_or(ErrorCode::NoNode)
    }

    /// Whether the caller has one of the bits in `wanted` on the node.
    pub(super) fn permit(&mut self, node: &PendingNode, wanted: i32) -> Result<(), ErrorCode> {
        let (policy, ids) = (self.policy, self.caller.ids);
        let acl = node.acl.as_ref();
        let ask = || policy.permits(ids, acl.map(AclList::as_ref), wanted);
        if self.permits.answer(wanted.unsigned_abs().into(), acl, ask) {
            Ok(())
        } else {
            Err(ErrorCode::NoAuth)
        }
    }

    /// Takes the room that a part of the record needs, its head included.
    pub(super) fn take_room(&mut self, body_bytes: usize) -> Result<(), ErrorCode> {
        let left = self.room.checked_sub(PART_HEAD_BYTES + body_bytes);
        self.room = left.ok_or(ErrorCode::MarshallingError)?;
        Ok(())
    }

    /// Membership changes need an ensemble, which a server on its own is not. The texts of the
    /// request are looked at only there.
    pub(super) fn reconfig_alone(&self) -> Result<Txn, ErrorCode> {
        if !self.options.reconfig_enabled {
            return Err(ErrorCode::ReconfigDisabled);
        }
        self.caller.standing?;
        Err(ErrorCode::Unimplemented)
    }
}

/// Type and length of a part of a multi.
const PART_HEAD_BYTES: usize = 8;

pub(super) fn validate(path: &str) -> Result<(), ErrorCode> {
    if path::is_valid(path) {
        Ok(())
    } else {
        Err(ErrorCode::BadArguments)
    }
}

/// The parent of a path whose other rules are checked later or not at all.
pub(super) fn parent_of(path: &str) -> Result<&str, ErrorCode> {
    path::parent(path)
        .filter(|_| !path.contains('\0'))
        .ok_or(ErrorCode::BadArguments)
}

/// The version after `current`, if `expected` allows the change. -1 matches any version and so is
/// none itself: a counter that wrapped skips it, as from Apache 3.10 on.
pub(super) fn next_version(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    if expected != -1 && expected != current {
        return Err(ErrorCode::BadVersion);
    }
    let next = current.wrapping_add(1);
    Ok(if next == -1 { 0 } else { next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(next_version(0, 0), Ok(1));
        assert_eq!(next_version(5, -1), Ok(6));
        assert_eq!(next_version(5, 4), Err(ErrorCode::BadVersion));
        assert_eq!(next_version(i32::MAX, -1), Ok(i32::MIN));
        assert_eq!(next_version(-2, -2), Ok(0));
        assert_eq!(next_version(-1, -1), Ok(0), "aversion of /zookeeper/config");
    }
}
