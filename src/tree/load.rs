//! Building the state from the parts of a snapshot, in the order they come: sessions, lists, nodes.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use jute::data::StatPersisted;

use crate::base::{AclList, SessionId, Zxid, path};
use crate::tree::acl_table::AclSlot;
use crate::tree::change::Place;
use crate::tree::owner::{looks_like_ttl, owner_of};
use crate::tree::quota;
use crate::tree::slab::{Blob, NodeIndex};
use crate::tree::{Database, Owner, Tree, TreeOptions, digest};

/// A state that is being loaded. Each attempt starts with a new one.
#[derive(Debug)]
pub struct DatabaseLoader {
    tree: Tree,
    sessions: BTreeMap<SessionId, i32>,
    /// Each counts as a node that has the list, so that none is forgotten before the end: bytes
    /// that are no snapshot may name a node twice.
    acls: HashMap<i64, AclSlot>,
    has_root: bool,
    /// The parent of the last node: the next one's too, more often than not.
    last_parent: (Box<str>, NodeIndex),
}

/// All of a node that can be worked out without the tree, so that another thread can do it.
#[derive(Debug)]
pub struct NodeParts {
    pub(super) blob: Blob,
    pub(super) stat: StatPersisted,
    /// CRC-32 of path and data; 0 without digests.
    pub(super) prefix_crc: u32,
    /// What the node adds to the tree's digest.
    pub(super) digest: u64,
}

impl NodeParts {
    pub fn new(
        options: TreeOptions,
        path: &str,
        data: Option<&[u8]>,
        stat: &StatPersisted,
    ) -> Self {
        let prefix_crc = if options.digest_enabled {
            digest::prefix_crc(path, data)
        } else {
            0
        };
        let counts = options.digest_enabled && digest::counts(path);
        Self {
            blob: Blob::new(path::name(path).as_bytes(), data),
            stat: *stat,
            prefix_crc,
            digest: if counts {
                digest::node_digest(prefix_crc, stat)
            } else {
                0
            },
        }
    }
}

/// Why the parts are not a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("the node {0} comes before its parent")]
    NoParent(Box<str>),
    #[error("there is no root")]
    NoRoot,
}

/// A loaded state, and what an operator should know of it.
#[derive(Debug)]
pub struct Loaded {
    pub database: Database,
    /// Numbers of access control lists that nodes have and the snapshot lacks. Replay should bring
    /// them; until then those nodes let nobody.
    pub missing_acls: Vec<i64>,
    /// TTL nodes were found though extended types are switched off; they are kept as such.
    pub turned_on_extended_types: bool,
}

impl DatabaseLoader {
    pub fn new(options: TreeOptions) -> Self {
        Self {
            tree: Tree::with_root_only(options),
            sessions: BTreeMap::new(),
            acls: HashMap::from([(-1, AclSlot::OPEN)]),
            has_root: false,
            last_parent: (Box::default(), NodeIndex::ROOT),
        }
    }

    pub fn session(&mut self, id: SessionId, timeout_ms: i32) {
        self.sessions.insert(id, timeout_ms);
    }

    pub fn acl(&mut self, id: i64, list: AclList) {
        let slot = self.tree.acls.load(id, Some(list));
        self.tree.acls.add_node(slot);
        if let Some(replaced) = self.acls.insert(id, slot) {
            self.tree.acls.release(replaced);
        }
    }

    /// The settings of the tree.
    pub fn options(&self) -> TreeOptions {
        self.tree.options
    }

    /// The next node; the root has the empty path.
    pub fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl_id: i64,
        stat: &StatPersisted,
    ) -> Result<(), LoadError> {
        let node = NodeParts::new(self.options(), path, data, stat);
        self.node_parts(path, acl_id, node)
    }

    /// The same from parts that were made for these options and this path.
    pub fn node_parts(
        &mut self,
        path: &str,
        acl_id: i64,
        node: NodeParts,
    ) -> Result<(), LoadError> {
        let acl = *self.acls.entry(acl_id).or_insert_with(|| {
            let slot = self.tree.acls.load(acl_id, None);
            self.tree.acls.add_node(slot);
            slot
        });
        self.tree.acls.add_node(acl);
        let hash = self.tree.hash(path);
        if let Some(index) = self.tree.find_hashed(path, hash) {
            self.has_root |= index == NodeIndex::ROOT;
            self.tree
                .overwrite(index, path, node.blob.data(), acl, &node.stat);
            return Ok(());
        }
        let parent = path::parent(path).and_then(|parent| self.parent(parent));
        let parent = parent.ok_or_else(|| LoadError::NoParent(path.into()))?;
        self.tree
            .attach_parts(Place { parent, path, hash }, node, acl);
        Ok(())
    }

    /// The state once all parts are there. Usage of quotas is counted anew, lists no node has are
    /// forgotten.
    pub fn finish(mut self, last_zxid: Zxid) -> Result<Loaded, LoadError> {
        if !self.has_root {
            return Err(LoadError::NoRoot);
        }
        let turned_on_extended_types = self.has_stray_ttl();
        if turned_on_extended_types {
            self.tree.recognise_ttl();
        }
        for subtree in self.quota_subtrees() {
            self.tree.quotas.add(&subtree);
            self.tree.recount_usage(&subtree);
        }
        for slot in self.acls.into_values() {
            self.tree.acls.release(slot);
        }
        self.tree.acls.drop_unused();
        Ok(Loaded {
            missing_acls: self.tree.acls.missing(),
            database: Database::loaded(self.tree, self.sessions, last_zxid),
            turned_on_extended_types,
        })
    }

    fn parent(&mut self, parent_path: &str) -> Option<NodeIndex> {
        if parent_path == "/" {
            return None;
        }
        if *self.last_parent.0 != *parent_path {
            self.last_parent = (parent_path.into(), self.tree.find(parent_path)?);
        }
        Some(self.last_parent.1)
    }

    /// Whether an owner looks like a TTL and is no session that is open.
    fn has_stray_ttl(&self) -> bool {
        let mut owners = self.tree.sessions_with_ephemerals();
        owners.any(|owner| looks_like_ttl(owner.0) && !self.sessions.contains_key(&owner))
    }

    fn quota_subtrees(&self) -> Vec<Box<str>> {
        let Some(top) = self.tree.find(path::QUOTA) else {
            return Vec::new();
        };
        let is_limits = |index: &NodeIndex| {
            let record = self.tree.slab.at(*index);
            let has_children = self.tree.slab.extra(record).child_count > 0;
            !has_children && record.blob.name() == quota::LIMITS.as_bytes()
        };
        let limits = self.tree.subtree(top).filter(is_limits);
        let paths = limits.map(|index| self.tree.path_of(self.tree.slab.at(index).parent));
        paths
            .filter_map(|path| quota::subtree_of(&path).map(Box::from))
            .collect()
    }
}

impl Tree {
    /// Replaces all of a node but its place. Snapshots name the root, which is there before it is
    /// loaded, and no other node twice.
    fn overwrite(
        &mut self,
        index: NodeIndex,
        path: &str,
        data: Option<&[u8]>,
        acl: AclSlot,
        stat: &StatPersisted,
    ) {
        self.subtract_from_digest(path, index);
        let prefix_crc = self.prefix_crc(path, data);
        let old_owner = self.slab.extra_at(index).owner;
        self.slab.set_persisted(index, stat);
        let record = self.slab.at_mut(index);
        let old_acl = record.acl;
        let old_len = record.blob.data().unwrap_or_default().len();
        record.blob = record.blob.with_data(data);
        record.acl = acl;
        record.prefix_crc = prefix_crc;
        self.acls.release(old_acl);
        self.data_size = self.data_size - old_len as u64 + data.unwrap_or_default().len() as u64;
        self.unregister_owner(old_owner, index);
        // The root belongs to no session, whatever a snapshot says.
        if index != NodeIndex::ROOT
            || owner_of(stat.ephemeral_owner, self.options) == Owner::Persistent
        {
            self.register_owner(stat.ephemeral_owner, index);
        }
        self.add_to_digest(path, index);
    }
}
