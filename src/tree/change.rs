//! What transactions do to the tree: nodes made, changed and removed, with every index that
//! mirrors them, quota usage, and the events that follow.
//!
//! The rules are those of `DataTree`'s `createNode`, `deleteNode`, `setData` and `setACL`, which
//! serve live traffic and replay alike: a change that is already there does no harm.

use std::sync::Arc;

use jute::data::{Stat, StatPersisted};

use crate::base::{AclList, SessionId, WallMillis, Zxid, path};
use crate::proto::txn::{CreateKind, CreateTxn, SetDataTxn};
use crate::proto::{ErrorCode, EventType, NodeEvent, Op};
use crate::tree::acl_table::AclSlot;
use crate::tree::owner::{CONTAINER_OWNER, Owner, looks_like_ttl, owner_of, ttl_owner};
use crate::tree::path_index::PathHash;
use crate::tree::quota::{self, QuotaText};
use crate::tree::slab::{NodeIndex, Slab};
use crate::tree::{Node, NodeParts, Tree, digest};

/// What all parts of a transaction share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) session: SessionId,
    pub(super) zxid: Zxid,
    pub(super) time: WallMillis,
}

/// Where a node comes to be: known once it is known that there is none yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) parent: NodeIndex,
    pub(super) path: &'a str,
    pub(super) hash: PathHash,
}

impl Tree {
    /// Creates a node. If it exists it only gets the list, and after a plain `create` the parent's
    /// counter is brought up to date: the node then came with a snapshot taken while it was made.
    pub(super) fn create(
        &mut self,
        create: &CreateTxn,
        stamp: Stamp,
        events: &mut Vec<NodeEvent>,
    ) -> Result<Stat, ErrorCode> {
        let (parent_path, parent) = self.parent(&create.path).ok_or(ErrorCode::NoNode)?;
        let hash = self.hash(&create.path);
        if let Some(existing) = self.find_hashed(&create.path, hash) {
            self.replace_acl(existing, create.acl.as_ref());
            if create.kind.op() == Op::Create {
                self.raise_cversion(parent_path, parent, create.parent_cversion, stamp.zxid);
            }
            return Err(ErrorCode::NodeExists);
        }
        self.raise_cversion(parent_path, parent, create.parent_cversion, stamp.zxid);
        let acl = self.acls.acquire(create.acl.as_ref());
        let stat = StatPersisted {
            czxid: stamp.zxid.0,
            mzxid: stamp.zxid.0,
            pzxid: stamp.zxid.0,
            ctime: stamp.time.0,
            mtime: stamp.time.0,
            ephemeral_owner: self.owner_value(create.kind, stamp.session),
            ..StatPersisted::default()
        };
        let place = Place {
            parent,
            path: &create.path,
            hash,
        };
        let node = self.attach(place, create.data.as_deref(), acl, &stat);
        let stat = Node::new(self, node).stat();
        self.on_created_in_quota_tree(&create.path);
        self.count_usage(&create.path, data_len(create.data.as_deref()), 1);
        events.push(NodeEvent {
            event_type: EventType::NodeCreated,
            path: Arc::from(&*create.path),
            acl: create.acl.clone(),
        });
        events.push(self.children_changed(parent_path, parent));
        Ok(stat)
    }

    /// Deletes a node. The parent's `pzxid` is raised even if the node is gone already.
    ///
    /// Nodes below it go with it, without events. Live they cannot exist; in replay over a
    /// snapshot taken during writes they are of a later node of the same path, and come back when
    /// replay gets there.
    pub(super) fn delete(
        &mut self,
        node_path: &str,
        zxid: Zxid,
        events: &mut Vec<NodeEvent>,
    ) -> Result<(), ErrorCode> {
        let (parent_path, parent) = self.parent(node_path).ok_or(ErrorCode::NoNode)?;
        let node = self.find(node_path).filter(|node| *node != NodeIndex::ROOT);
        if zxid.0 > self.slab.at(parent).pzxid {
            self.update(parent_path, parent, |slab| {
                slab.at_mut(parent).pzxid = zxid.0
            });
        }
        let node = node.ok_or(ErrorCode::NoNode)?;
        let acl = Node::new(self, node).acl().cloned();
        let data_bytes = data_len(Node::new(self, node).data());
        if self.slab.extra_at(node).child_count > 0 {
            let mut below: Vec<_> = self.subtree(node).skip(1).collect();
            while let Some(index) = below.pop() {
                self.detach(&self.path_of(index), index);
            }
        }
        self.detach(node_path, node);
        if path::name(node_path) == quota::LIMITS
            && let Some(subtree) = quota::subtree_of(parent_path)
        {
            self.quotas.remove(subtree);
        }
        self.count_usage(node_path, -data_bytes, -1);
        events.push(NodeEvent {
            event_type: EventType::NodeDeleted,
            path: Arc::from(node_path),
            acl,
        });
        events.push(self.children_changed(parent_path, parent));
        Ok(())
    }

    /// Replaces a node's data, its version and what goes with it.
    pub(super) fn set_data(
        &mut self,
        set: &SetDataTxn,
        stamp: Stamp,
        events: &mut Vec<NodeEvent>,
    ) -> Result<Stat, ErrorCode> {
        let node = self.find(&set.path).ok_or(ErrorCode::NoNode)?;
        let old_len = data_len(Node::new(self, node).data());
        let new_len = data_len(set.data.as_deref());
        let prefix_crc = self.prefix_crc(&set.path, set.data.as_deref());
        self.update(&set.path, node, |slab| {
            let record = slab.at_mut(node);
            record.blob = record.blob.with_data(set.data.as_deref());
            record.prefix_crc = prefix_crc;
            record.version = set.version;
            record.mzxid = stamp.zxid.0;
            record.mtime = stamp.time.0;
        });
        self.data_size = self.data_size.wrapping_add_signed(new_len - old_len);
        let (stat, acl) = {
            let node = Node::new(self, node);
            (node.stat(), node.acl().cloned())
        };
        self.count_usage(&set.path, new_len - old_len, 0);
        events.push(NodeEvent {
            event_type: EventType::NodeDataChanged,
            path: Arc::from(if set.path.is_empty() { "/" } else { &set.path }),
            acl,
        });
        Ok(stat)
    }

    /// Replaces a node's access control list and that list's version.
    pub(super) fn set_acl(
        &mut self,
        node_path: &str,
        acl: Option<&AclList>,
        version: i32,
    ) -> Result<Stat, ErrorCode> {
        let node = self.find(node_path).ok_or(ErrorCode::NoNode)?;
        self.replace_acl(node, acl);
        self.update(node_path, node, |slab| {
            slab.extra_mut(node).aversion = version
        });
        Ok(Node::new(self, node).stat())
    }

    /// Deletes the ephemerals of a session: those listed, in that order, then any that are left.
    pub(super) fn delete_ephemerals(
        &mut self,
        session: SessionId,
        listed: &[Box<str>],
        zxid: Zxid,
        events: &mut Vec<NodeEvent>,
    ) {
        for path in listed {
            // One that is gone was deleted by its owner in a replayed past.
            let _ = self.delete(path, zxid, events);
        }
        let left: Vec<_> = self.ephemerals_of(session).collect();
        for path in left {
            let _ = self.delete(&path, zxid, events);
        }
    }

    /// Puts a node below its parent and into every index. `acl` was acquired for it.
    pub(super) fn attach(
        &mut self,
        place: Place<'_>,
        data: Option<&[u8]>,
        acl: AclSlot,
        stat: &StatPersisted,
    ) -> NodeIndex {
        let node = NodeParts::new(self.options, place.path, data, stat);
        self.attach_parts(place, node, acl)
    }

    /// The same with a node whose parts are made already.
    pub(super) fn attach_parts(
        &mut self,
        place: Place<'_>,
        node: NodeParts,
        acl: AclSlot,
    ) -> NodeIndex {
        let Place { parent, path, hash } = place;
        let NodeParts {
            blob,
            stat,
            prefix_crc,
            digest,
        } = node;
        let data_len = blob.data().unwrap_or_default().len();
        let index = self.slab.insert(&stat, blob, acl, hash, prefix_crc);
        self.append_child(parent, index);
        let slab = &self.slab;
        self.index
            .insert(hash, index, |node| slab.at(node).path_hash);
        self.digest = self.digest.wrapping_add(digest);
        self.data_size += (path.len() + data_len) as u64;
        self.register_owner(stat.ephemeral_owner, index);
        index
    }

    /// Takes a node without children out of every index.
    fn detach(&mut self, path: &str, index: NodeIndex) {
        self.subtract_from_digest(path, index);
        let record = self.slab.at(index);
        let extra = self.slab.extra(record);
        assert!(extra.child_count == 0, "children are detached first");
        let (acl, owner, hash) = (record.acl, extra.owner, record.path_hash);
        let bytes = path.len() + record.blob.data().unwrap_or_default().len();
        self.take_out_child(index);
        self.index.remove(hash, index);
        self.unregister_owner(owner, index);
        self.acls.release(acl);
        self.data_size -= bytes as u64;
        self.slab.remove(index);
    }

    /// Makes a new node the last child of its parent.
    fn append_child(&mut self, parent: NodeIndex, index: NodeIndex) {
        let above = self.slab.extra_mut(parent);
        above.child_count += 1;
        let previous = if above.first_child == NodeIndex::NONE {
            above.first_child = index;
            index
        } else {
            let first = above.first_child;
            let last = std::mem::replace(&mut self.slab.at_mut(first).previous_sibling, index);
            self.slab.at_mut(last).next_sibling = index;
            last
        };
        let record = self.slab.at_mut(index);
        record.parent = parent;
        record.previous_sibling = previous;
    }

    /// Closes the gap between the siblings of a node that goes.
    fn take_out_child(&mut self, index: NodeIndex) {
        let record = self.slab.at(index);
        let (parent, next, previous) =
            (record.parent, record.next_sibling, record.previous_sibling);
        let above = self.slab.extra_mut(parent);
        above.child_count -= 1;
        let first = above.first_child;
        if first == index {
            above.first_child = next;
        } else {
            self.slab.at_mut(previous).next_sibling = next;
        }
        let behind = if next == NodeIndex::NONE { first } else { next };
        self.slab.at_mut(behind).previous_sibling = previous;
    }

    pub(super) fn register_owner(&mut self, owner: i64, index: NodeIndex) {
        match owner_of(owner, self.options) {
            Owner::Persistent => {}
            Owner::Ephemeral(session) => {
                if self.ephemerals.entry(session).or_default().insert(index) {
                    self.ephemeral_count += 1;
                }
            }
            Owner::Container => {
                self.containers.insert(index);
            }
            Owner::Ttl(_) => {
                self.ttl_nodes.insert(index);
            }
        }
    }

    pub(super) fn unregister_owner(&mut self, owner: i64, index: NodeIndex) {
        match owner_of(owner, self.options) {
            Owner::Persistent => {}
            Owner::Ephemeral(session) => {
                if let Some(nodes) = self.ephemerals.get_mut(&session) {
                    self.ephemeral_count -= usize::from(nodes.remove(&index));
                    if nodes.is_empty() {
                        self.ephemerals.remove(&session);
                    }
                }
            }
            Owner::Container => {
                self.containers.remove(&index);
            }
            Owner::Ttl(_) => {
                self.ttl_nodes.remove(&index);
            }
        }
    }

    /// From now on owner values of the TTL pattern are TTL nodes, also those there already.
    pub(super) fn recognise_ttl(&mut self) {
        if self.options.extended_types {
            return;
        }
        let sessions = self.ephemerals.keys().copied();
        let ttl: Vec<_> = sessions.filter(|id| looks_like_ttl(id.0)).collect();
        self.options.extended_types = true;
        for owner in ttl {
            let nodes = self.ephemerals.remove(&owner).unwrap_or_default();
            self.ephemeral_count -= nodes.len();
            for index in nodes {
                self.register_owner(owner.0, index);
            }
        }
    }

    /// The parent's path and place. A path that could not be put together again from names, which
    /// only a damaged log has, has none.
    fn parent<'p>(&self, node_path: &'p str) -> Option<(&'p str, NodeIndex)> {
        let parent_path = path::parent(node_path)?;
        let is_whole = parent_path != "/" && (node_path == "/" || !node_path.ends_with('/'));
        let parent = self.find(parent_path).filter(|_| is_whole)?;
        Some((parent_path, parent))
    }

    /// Counts the nodes and bytes of a subtree anew and writes them to its stats node, if there is
    /// one.
    pub(super) fn recount_usage(&mut self, subtree: &str) {
        let (mut count, mut bytes) = (0, 0);
        if let Some(top) = self.find(subtree) {
            for index in self.subtree(top) {
                count += 1;
                bytes += data_len(self.slab.at(index).blob.data());
            }
        }
        let stats_path = quota::stats_path(subtree);
        if let Some(stats) = self.find(&stats_path) {
            let usage = QuotaText::usage(count, bytes);
            self.overwrite_usage(&stats_path, stats, &usage);
        }
    }

    pub(super) fn prefix_crc(&self, path: &str, data: Option<&[u8]>) -> u32 {
        if !self.options.digest_enabled {
            return 0;
        }
        digest::prefix_crc(path, data)
    }

    pub(super) fn add_to_digest(&mut self, path: &str, index: NodeIndex) {
        if self.options.digest_enabled && digest::counts(path) {
            let node_digest = Node::new(self, index).digest();
            self.digest = self.digest.wrapping_add(node_digest);
        }
    }

    pub(super) fn subtract_from_digest(&mut self, path: &str, index: NodeIndex) {
        if self.options.digest_enabled && digest::counts(path) {
            let node_digest = Node::new(self, index).digest();
            self.digest = self.digest.wrapping_sub(node_digest);
        }
    }

    /// Changes a node, and the digest with it.
    fn update(&mut self, path: &str, index: NodeIndex, change: impl FnOnce(&mut Slab)) {
        self.subtract_from_digest(path, index);
        change(&mut self.slab);
        self.add_to_digest(path, index);
    }

    fn replace_acl(&mut self, index: NodeIndex, acl: Option<&AclList>) {
        let acquired = self.acls.acquire(acl);
        let released = std::mem::replace(&mut self.slab.at_mut(index).acl, acquired);
        self.acls.release(released);
    }

    /// A child was created below `parent`: its counter and `pzxid` follow, but only upwards, since
    /// a snapshot may have them from later already.
    fn raise_cversion(&mut self, path: &str, parent: NodeIndex, cversion: i32, zxid: Zxid) {
        let present = self.slab.extra_at(parent).cversion;
        let cversion = if cversion == -1 {
            present.wrapping_add(1)
        } else {
            cversion
        };
        if cversion > present {
            self.update(path, parent, |slab| {
                slab.extra_mut(parent).cversion = cversion;
                slab.at_mut(parent).pzxid = zxid.0;
            });
        }
    }

    fn owner_value(&mut self, kind: CreateKind, session: SessionId) -> i64 {
        match kind {
            CreateKind::Plain {
                ephemeral: false, ..
            } => 0,
            CreateKind::Plain {
                ephemeral: true, ..
            } => session.0,
            CreateKind::Container => CONTAINER_OWNER,
            CreateKind::Ttl { ttl_ms } => {
                self.recognise_ttl();
                ttl_owner(ttl_ms)
            }
        }
    }

    fn children_changed(&self, parent_path: &str, parent: NodeIndex) -> NodeEvent {
        NodeEvent {
            event_type: EventType::NodeChildrenChanged,
            path: Arc::from(if parent_path.is_empty() {
                "/"
            } else {
                parent_path
            }),
            acl: Node::new(self, parent).acl().cloned(),
        }
    }

    fn on_created_in_quota_tree(&mut self, node_path: &str) {
        let Some(subtree) = path::parent(node_path).and_then(quota::subtree_of) else {
            return;
        };
        match path::name(node_path) {
            quota::LIMITS => self.quotas.add(subtree),
            quota::STATS => self.recount_usage(subtree),
            _ => {}
        }
    }

    /// Adds to the usage of the quota that covers `path`, if one does and has a stats node.
    fn count_usage(&mut self, path: &str, bytes: i64, count: i64) {
        let Some(at) = self.quotas.deepest(path) else {
            return;
        };
        let stats_path = quota::stats_path(at);
        let Some(stats) = self.find(&stats_path) else {
            return;
        };
        let mut usage = QuotaText::parse(Node::new(self, stats).data())
            .unwrap_or_else(|| QuotaText::usage(0, 0));
        usage.set("count", usage.number("count").saturating_add(count));
        usage.set("bytes", usage.number("bytes").saturating_add(bytes));
        self.overwrite_usage(&stats_path, stats, &usage);
    }

    /// Stats nodes change without a trace in their stat and without an event.
    fn overwrite_usage(&mut self, stats_path: &str, stats: NodeIndex, usage: &QuotaText) {
        let text = usage.print();
        let data = Some(text.as_bytes());
        let grown = data_len(data) - data_len(Node::new(self, stats).data());
        let prefix_crc = self.prefix_crc(stats_path, data);
        self.update(stats_path, stats, |slab| {
            let record = slab.at_mut(stats);
            record.blob = record.blob.with_data(data);
            record.prefix_crc = prefix_crc;
        });
        self.data_size = self.data_size.wrapping_add_signed(grown);
    }
}

fn data_len(data: Option<&[u8]>) -> i64 {
    i64::try_from(data.unwrap_or_default().len()).expect("memory is smaller")
}
