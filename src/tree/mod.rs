//! The tree of nodes, and the replicated state it is the main part of.
//!
//! [`Database`] takes transactions in order ([`Database::apply`]) and gives what each did and the
//! [`NodeEvent`](crate::proto::NodeEvent)s watches are told of. Everything else only reads: by path
//! ([`Tree::node`]), or all of it slice by slice for a snapshot ([`SnapshotCursor`]).
//!
//! Plain and single-threaded: `&Tree` to read, `&mut Tree` to apply. Applying is total: whatever a
//! log holds, also records whose effects are already there, has a defined result and never panics.
//!
//! Invariants: every node but the root hangs below a parent; the path index, the sessions'
//! ephemerals, containers and TTL nodes mirror the nodes; the digest is the sum over the nodes;
//! every list of the access control table has the count of nodes that have it.
//!
//! No permission is checked here (`auth`), no transaction is made here (`prep`), and no watcher is
//! known here (`watch`).

mod acl_table;
mod change;
mod database;
pub mod digest;
mod load;
mod node;
mod owner;
mod path_index;
mod quota;
mod slab;
mod snapshot;
#[cfg(test)]
mod tests;

pub use database::{Applied, Database, DigestMismatch, Outcome};
pub use load::{DatabaseLoader, LoadError, Loaded, NodeParts};
pub use node::Node;
pub use owner::{CONTAINER_OWNER, Owner, ttl_owner};
pub use quota::{LIMITS, QuotaNumbers, QuotaState, STATS};
pub use snapshot::SnapshotCursor;

use std::collections::{BTreeMap, BTreeSet};

use jute::data::StatPersisted;

use crate::base::{Acl, AclList, SessionId, WallMillis, path, perms};
use crate::tree::acl_table::{AclSlot, AclTable};
use crate::tree::change::Place;
use crate::tree::path_index::{PathHash, PathIndex};
use crate::tree::quota::{QuotaPaths, QuotaText};
use crate::tree::slab::{Blob, NodeIndex, NodeRecord, Slab};

/// What differs between servers by configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeOptions {
    /// Whether owner values of the TTL pattern are TTL nodes. Data that has such nodes turns it on
    /// for this tree: taken for ephemerals of unknown sessions they would be deleted.
    pub extended_types: bool,
    /// Whether negative owner values are TTL nodes as 3.5.3 wrote them; needs extended types.
    pub emulate_353_ttl: bool,
    /// Whether the digest is kept; without, it is 0.
    pub digest_enabled: bool,
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self {
            extended_types: false,
            emulate_353_ttl: false,
            digest_enabled: true,
        }
    }
}

/// The nodes and all that is known of them by other keys than their path.
#[derive(Debug)]
pub struct Tree {
    options: TreeOptions,
    slab: Slab,
    index: PathIndex,
    acls: AclTable,
    /// No session has an empty set.
    ephemerals: BTreeMap<SessionId, BTreeSet<NodeIndex>>,
    ephemeral_count: usize,
    containers: BTreeSet<NodeIndex>,
    ttl_nodes: BTreeSet<NodeIndex>,
    quotas: QuotaPaths,
    digest: u64,
    /// Bytes of all paths and data.
    data_size: u64,
}

impl Tree {
    /// The tree of a fresh standalone server: the root, and below it `zookeeper` with `quota` and
    /// `config`, whose metadata are all zero except that `config` is for reading only.
    pub fn new(options: TreeOptions) -> Self {
        let mut tree = Self::with_root_only(options);
        let stat = StatPersisted::default();
        let add = |tree: &mut Self, parent, path, acl, stat: &StatPersisted| {
            let hash = tree.hash(path);
            let place = Place { parent, path, hash };
            tree.attach(place, Some(b""), acl, stat)
        };
        let root = NodeIndex::ROOT;
        let zookeeper = add(&mut tree, root, path::ZOOKEEPER, AclSlot::OPEN, &stat);
        let read_only = AclList::from([Acl::anyone(perms::READ)]);
        let read_only = tree.acls.acquire(Some(&read_only));
        let config = StatPersisted {
            aversion: -1,
            ..stat
        };
        // In the order in which Apache's first snapshot lists them.
        add(&mut tree, zookeeper, path::CONFIG, read_only, &config);
        add(&mut tree, zookeeper, path::QUOTA, AclSlot::OPEN, &stat);
        tree
    }

    /// The root and nothing else, for loading.
    fn with_root_only(options: TreeOptions) -> Self {
        let mut tree = Self {
            options,
            slab: Slab::default(),
            index: PathIndex::new(),
            acls: AclTable::new(),
            ephemerals: BTreeMap::new(),
            ephemeral_count: 0,
            containers: BTreeSet::new(),
            ttl_nodes: BTreeSet::new(),
            quotas: QuotaPaths::default(),
            digest: 0,
            data_size: 0,
        };
        let stat = StatPersisted::default();
        let crc = tree.prefix_crc("", Some(b""));
        let blob = Blob::new(b"", Some(b""));
        let hash = tree.hash("");
        let root = tree.slab.insert(&stat, blob, AclSlot::OPEN, hash, crc);
        assert!(root == NodeIndex::ROOT, "the root is the first node");
        tree.index.insert(hash, root, |_| hash);
        tree.add_to_digest("", root);
        tree
    }

    /// The node at `path`. The root is at `/` and at the empty path.
    pub fn node(&self, path: &str) -> Option<Node<'_>> {
        self.find(path).map(|index| Node::new(self, index))
    }

    /// Paths of the ephemeral nodes of `session`.
    pub fn ephemerals_of(&self, session: SessionId) -> impl Iterator<Item = Box<str>> {
        let nodes = self.ephemerals.get(&session).into_iter().flatten();
        nodes.map(|index| self.path_of(*index))
    }

    /// Sessions that have ephemeral nodes.
    pub fn sessions_with_ephemerals(&self) -> impl Iterator<Item = SessionId> {
        self.ephemerals.keys().copied()
    }

    /// How many nodes lie below `path`. Takes time for each of them, except for the root.
    pub fn descendants_count(&self, path: &str) -> Option<usize> {
        let index = self.find(path)?;
        if index == NodeIndex::ROOT {
            return Some(self.slab.live() - 1);
        }
        Some(self.subtree(index).count() - 1)
    }

    /// Sum of the digests of the nodes, modulo 2^64.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// How many nodes there are, the root once. Apache counts it twice, under both of its names.
    pub fn node_count(&self) -> usize {
        self.slab.live()
    }

    /// Bytes of all paths and data, as Apache counts them: the root's path as one.
    pub fn approximate_data_size(&self) -> u64 {
        self.data_size + 1
    }

    /// How many ephemeral nodes there are.
    pub fn ephemerals_count(&self) -> usize {
        self.ephemeral_count
    }

    /// Distinct access control lists of nodes, other than the open one of the system nodes.
    pub fn acl_count(&self) -> usize {
        self.acls.by_id().len()
    }

    /// Numbers of access control lists that nodes have and no snapshot or transaction brought.
    pub fn missing_acls(&self) -> Vec<i64> {
        self.acls.missing()
    }

    /// Up to `max` containers and TTL nodes whose time has come: containers that had children and
    /// have none, or never had any for longer than `never_used_ms` (0: however long); TTL nodes
    /// without children and without a change for their time to live.
    pub fn deletion_candidates(
        &self,
        now: WallMillis,
        never_used_ms: i64,
        max: usize,
    ) -> Vec<Box<str>> {
        let age_ms = |record: &NodeRecord| now.0.saturating_sub(record.mtime);
        let is_due = |index: &NodeIndex| {
            let record = self.slab.at(*index);
            let extra = self.slab.extra(record);
            let is_due = match owner::owner_of(extra.owner, self.options) {
                Owner::Container if extra.cversion > 0 => true,
                Owner::Container => never_used_ms != 0 && age_ms(record) > never_used_ms,
                Owner::Ttl(ttl_ms) => ttl_ms != 0 && age_ms(record) > ttl_ms,
                Owner::Persistent | Owner::Ephemeral(_) => false,
            };
            is_due && extra.child_count == 0
        };
        let candidates = self.containers.iter().chain(&self.ttl_nodes);
        let due = candidates.copied().filter(is_due).take(max);
        due.map(|index| self.path_of(index)).collect()
    }

    /// The quota that covers `path`: of the deepest of it and its ancestors that has one. Text
    /// that cannot be read is no limit, or no usage. `None` also when either node is missing.
    pub fn quota_for(&self, path: &str) -> Option<QuotaState> {
        let at = self.quotas.deepest(path)?;
        let limits = self.node(&quota::limits_path(at))?;
        let limits = QuotaText::parse(limits.data()).unwrap_or_default();
        let usage = self.node(&quota::stats_path(at))?;
        let usage = QuotaText::parse(usage.data()).unwrap_or_else(|| QuotaText::usage(0, 0));
        Some(QuotaState {
            at: at.into(),
            limits: limits.numbers(),
            usage: usage.numbers(),
        })
    }

    fn keeps_digest(&self) -> bool {
        self.options.digest_enabled
    }

    fn find(&self, path: &str) -> Option<NodeIndex> {
        self.find_hashed(path, self.hash(path))
    }

    fn find_hashed(&self, path: &str, hash: PathHash) -> Option<NodeIndex> {
        let path = if path == "/" { "" } else { path };
        self.index.find(hash, |index| {
            self.slab.at(index).path_hash == hash && self.is_at(index, path)
        })
    }

    fn hash(&self, path: &str) -> PathHash {
        self.index.hash(if path == "/" { "" } else { path })
    }

    /// Whether the node is the one at `path`, by walking up from it.
    fn is_at(&self, mut index: NodeIndex, path: &str) -> bool {
        let mut rest = path.as_bytes();
        while index != NodeIndex::ROOT {
            let record = self.slab.at(index);
            let Some(above) = rest.strip_suffix(record.blob.name()) else {
                return false;
            };
            let Some(above) = above.strip_suffix(b"/") else {
                return false;
            };
            rest = above;
            index = record.parent;
        }
        rest.is_empty()
    }

    /// The full path, empty for the root.
    fn path_of(&self, index: NodeIndex) -> Box<str> {
        let mut path = Vec::new();
        self.append_path(index, &mut path);
        String::from_utf8(path)
            .expect("names come from text")
            .into_boxed_str()
    }

    /// Appends the full path, nothing for the root.
    fn append_path(&self, index: NodeIndex, out: &mut Vec<u8>) {
        let start = out.len();
        let length: usize = self
            .ancestors(index)
            .map(|record| 1 + record.blob.name().len())
            .sum();
        out.resize(start + length, 0);
        let mut end = out.len();
        for record in self.ancestors(index) {
            let name = record.blob.name();
            end -= name.len() + 1;
            let place = out.get_mut(end..).expect("there is room for all names");
            if let Some((slash, place)) = place.split_first_mut() {
                *slash = b'/';
                let place = place.get_mut(..name.len());
                place
                    .expect("there is room for all names")
                    .copy_from_slice(name);
            }
        }
    }

    /// The node and those above it, without the root.
    fn ancestors(&self, index: NodeIndex) -> impl Iterator<Item = &NodeRecord> {
        let mut index = index;
        std::iter::from_fn(move || {
            if index == NodeIndex::ROOT {
                return None;
            }
            let record = self.slab.at(index);
            index = record.parent;
            Some(record)
        })
    }

    /// The node and all below it, parents first.
    fn subtree(&self, top: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        let mut next = top;
        std::iter::from_fn(move || {
            let current = next;
            if current == NodeIndex::NONE {
                return None;
            }
            next = self.after_in_subtree(current, top);
            Some(current)
        })
    }

    fn after_in_subtree(&self, current: NodeIndex, top: NodeIndex) -> NodeIndex {
        let first_child = self.slab.extra_at(current).first_child;
        if first_child != NodeIndex::NONE {
            return first_child;
        }
        let mut climb = current;
        while climb != top {
            let record = self.slab.at(climb);
            if record.next_sibling != NodeIndex::NONE {
                return record.next_sibling;
            }
            climb = record.parent;
        }
        NodeIndex::NONE
    }
}
