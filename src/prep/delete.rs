//! `delete`, and the server's own deletion of containers and TTL nodes.

use crate::base::{path, perms};
use crate::prep::overlay::PendingNode;
use crate::prep::step::{Step, next_version, parent_of};
use crate::proto::request::Delete;
use crate::proto::{ErrorCode, Txn};
use crate::tree::Owner;

impl Step<'_> {
    pub(super) fn delete(&mut self, request: Delete) -> Result<Txn, ErrorCode> {
        self.caller.standing?;
        let parent_path = parent_of_deletable(&request.path)?;
        let parent = self.node(parent_path)?;
        self.permit(&parent, perms::DELETE)?;
        let node = self.node(&request.path)?;
        next_version(node.stat.version, request.version)?;
        if node.child_count > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(&request.path, &node, parent_path, parent);
        Ok(Txn::Delete { path: request.path })
    }

    pub(super) fn delete_container(&mut self, path: Box<str>) -> Result<Txn, ErrorCode> {
        let parent_path = parent_of_deletable(&path)?;
        let node = self.node(&path)?;
        if node.child_count > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        if matches!(node.owner, Owner::Ephemeral(_)) {
            return Err(ErrorCode::BadVersion);
        }
        let parent = self.node(parent_path)?;
        self.remove(&path, &node, parent_path, parent);
        Ok(Txn::DeleteContainer { path })
    }

    /// Takes a node without children away and tells its parent.
    pub(super) fn remove(
        &mut self,
        path: &str,
        node: &PendingNode,
        parent_path: &str,
        mut parent: PendingNode,
    ) {
        assert_eq!(node.child_count, 0, "only leaves are removed");
        parent.child_count = parent
            .child_count
            .checked_sub(1)
            .expect("a parent counts its children");
        parent.stat.pzxid = parent.stat.pzxid.max(self.zxid.0);
        self.overlay.update(parent_path, self.zxid, parent);
        self.overlay.delete(path, self.zxid, node);
    }
}

fn parent_of_deletable(path: &str) -> Result<&str, ErrorCode> {
    match path {
        "/" | path::ZOOKEEPER | path::QUOTA | path::CONFIG => Err(ErrorCode::BadArguments),
        _ => parent_of(path),
    }
}
