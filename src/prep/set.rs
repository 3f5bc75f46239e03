//! `setData`, `setACL`, and the check of a version within a multi.

use crate::base::perms;
use crate::prep::step::{Step, next_version, validate};
use crate::proto::request::{Check, SetAcl, SetData};
use crate::proto::txn::{SetDataTxn, SubTxn};
use crate::proto::{ErrorCode, Txn};

impl Step<'_> {
    pub(super) fn set_data(&mut self, request: SetData) -> Result<SetDataTxn, ErrorCode> {
        self.caller.standing?;
        validate(&request.path)?;
        let mut node = self.node(&request.path)?;
        self.permit(&node, perms::WRITE)?;
        let data = request.data;
        let new_len = data.as_deref().map_or(0, <[u8]>::len);
        self.check_quota(&request.path, new_len, node.data_len, 0)?;
        let version = next_version(node.stat.version, request.version)?;

        node.stat.version = version;
        node.stat.mtime = self.time.0;
        node.stat.mzxid = self.zxid.0;
        self.overlay
            .update_data(&request.path, self.zxid, node, data.as_deref());
        Ok(SetDataTxn {
            path: request.path,
            data,
            version,
        })
    }

    pub(super) fn set_acl(&mut self, request: SetAcl) -> Result<Txn, ErrorCode> {
        self.caller.standing?;
        validate(&request.path)?;
        let acl = self
            .policy
            .fix_acl(self.caller.ids, request.acl.as_deref())?;
        let mut node = self.node(&request.path)?;
        self.permit(&node, perms::ADMIN)?;
        let version = next_version(node.stat.aversion, request.version)?;
        let path = request.path;
        node.stat.aversion = version;
        node.acl = Some(acl.clone());
        let txn = Txn::SetAcl {
            path: path.clone(),
            acl: Some(acl),
            version,
        };
        self.take_room(txn.body_len())?;

        self.overlay.update(&path, self.zxid, node);
        Ok(txn)
    }

    pub(super) fn check(&mut self, request: Check) -> Result<SubTxn, ErrorCode> {
        self.caller.standing?;
        validate(&request.path)?;
        let node = self.node(&request.path)?;
        self.permit(&node, perms::READ)?;
        let version = next_version(node.stat.version, request.version)?;
        Ok(SubTxn::Check {
            path: request.path,
            version,
        })
    }
}
