//! The nodes that proposals in flight touch, as they will be, over the committed tree.
//!
//! Paths are keyed with the root as the empty text, as the parent of `/a` is written. Each node is
//! kept once, in its newest state, until the last proposal that touched it is applied.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use hashbrown::HashMap;

use jute::data::StatPersisted;

use crate::base::{AclList, SessionId, Zxid};
use crate::tree::digest::{counts, node_digest, prefix_crc};
use crate::tree::{Owner, Tree};

/// A node as the proposals before the next one leave it: all that checks and digests need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PendingNode {
    pub(super) stat: StatPersisted,
    pub(super) owner: Owner,
    pub(super) acl: Option<AclList>,
    pub(super) child_count: usize,
    pub(super) data_len: usize,
    prefix_crc: u32,
    /// What it adds to the tree's digest as it is recorded now, whatever was changed here since.
    digest: u64,
}

#[derive(Debug)]
struct Change {
    /// The last proposal that touched it.
    zxid: Zxid,
    /// `None` when it is deleted.
    node: Option<PendingNode>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Overlay {
    digest_enabled: bool,
    changes: HashMap<Arc<str>, Change>,
    /// The ephemerals among `changes`.
    ephemerals: BTreeSet<(SessionId, Arc<str>)>,
    /// Who touched what, in order.
    touched: VecDeque<(Zxid, Arc<str>)>,
    /// Of the tree after all proposals.
    digest: u64,
    savepoint: Option<Savepoint>,
}

/// How to get back to where a multi began.
#[derive(Debug)]
struct Savepoint {
    touched: usize,
    digest: u64,
    /// What was replaced since, oldest first.
    replaced: Vec<(Arc<str>, Option<Change>)>,
}

impl Overlay {
    pub(super) fn new(digest_enabled: bool, digest: u64) -> Self {
        Self {
            digest_enabled,
            changes: HashMap::new(),
            ephemerals: BTreeSet::new(),
            touched: VecDeque::new(),
            digest,
            savepoint: None,
        }
    }

    /// The digest after all proposals, if digests are kept.
    pub(super) fn digest(&self) -> Option<u64> {
        self.digest_enabled.then_some(self.digest)
    }

    /// The node at `path`, if there will be one.
    pub(super) fn node(&self, tree: &Tree, path: &str) -> Option<PendingNode> {
        if let Some(change) = self.changes.get(key(path)) {
            return change.node.clone();
        }
        let node = tree.node(path)?;
        let has_digest = self.digest_enabled && counts(path);
        Some(PendingNode {
            stat: node.persisted(),
            owner: node.owner(),
            acl: node.acl().cloned(),
            child_count: node.child_count(),
            data_len: node.data().map_or(0, <[u8]>::len),
            prefix_crc: node.prefix_crc(),
            digest: if has_digest { node.digest() } else { 0 },
        })
    }

    /// Whether there will be a node at `path`.
    pub(super) fn exists(&self, tree: &Tree, path: &str) -> bool {
        match self.changes.get(key(path)) {
            Some(change) => change.node.is_some(),
            None => tree.node(path).is_some(),
        }
    }

    /// The paths of the ephemerals that a session will have, sorted.
    pub(super) fn ephemerals_of(&self, tree: &Tree, session: SessionId) -> BTreeSet<Box<str>> {
        let committed = tree
            .ephemerals_of(session)
            .filter(|path| !self.changes.contains_key(&**path));
        let pending = self
            .ephemerals
            .range((session, Arc::from(""))..)
            .take_while(|(owner, _)| *owner == session)
            .map(|(_, path)| Box::from(&**path));
        committed.chain(pending).collect()
    }

    /// Adds a node without children.
    pub(super) fn create(
        &mut self,
        path: &str,
        zxid: Zxid,
        (owner, stat): (Owner, StatPersisted),
        acl: AclList,
        data: Option<&[u8]>,
    ) {
        let node = PendingNode {
            stat,
            owner,
            acl: Some(acl),
            child_count: 0,
            data_len: data.map_or(0, <[u8]>::len),
            prefix_crc: self.prefix_crc(path, data),
            digest: 0,
        };
        self.update(path, zxid, node);
    }

    /// Puts a node in the place of what [`Overlay::node`] gave.
    pub(super) fn update(&mut self, path: &str, zxid: Zxid, mut node: PendingNode) {
        let old = node.digest;
        if self.digest_enabled && counts(path) {
            node.digest = node_digest(node.prefix_crc, &node.stat);
        }
        self.digest = self.digest.wrapping_sub(old).wrapping_add(node.digest);
        let node = Some(node);
        self.record(path, Change { zxid, node });
    }

    /// As [`Overlay::update`] with other data.
    pub(super) fn update_data(
        &mut self,
        path: &str,
        zxid: Zxid,
        mut node: PendingNode,
        data: Option<&[u8]>,
    ) {
        node.data_len = data.map_or(0, <[u8]>::len);
        node.prefix_crc = self.prefix_crc(path, data);
        self.update(path, zxid, node);
    }

    /// Takes away the node that [`Overlay::node`] gave.
    pub(super) fn delete(&mut self, path: &str, zxid: Zxid, node: &PendingNode) {
        self.digest = self.digest.wrapping_sub(node.digest);
        self.record(path, Change { zxid, node: None });
    }

    /// From here on, [`Overlay::roll_back`] can undo everything.
    pub(super) fn begin(&mut self) {
        assert!(self.savepoint.is_none(), "multis do not nest");
        self.savepoint = Some(Savepoint {
            touched: self.touched.len(),
            digest: self.digest,
            replaced: Vec::new(),
        });
    }

    /// Keeps what was done since [`Overlay::begin`].
    pub(super) fn keep(&mut self) {
        assert!(self.savepoint.take().is_some(), "begun before");
    }

    /// Undoes what was done since [`Overlay::begin`].
    pub(super) fn roll_back(&mut self) {
        let savepoint = self.savepoint.take().expect("begun before");
        for (path, change) in savepoint.replaced.into_iter().rev() {
            self.replace(path, change);
        }
        self.touched.truncate(savepoint.touched);
        self.digest = savepoint.digest;
    }

    /// Forgets what proposals up to `zxid` did: it is in the tree now.
    pub(super) fn forget(&mut self, zxid: Zxid) {
        while let Some((by, path)) = self.touched.pop_front_if(|(by, _)| *by <= zxid) {
            if self
                .changes
                .get(&path)
                .is_some_and(|change| change.zxid == by)
            {
                self.replace(path, None);
            }
        }
    }

    /// # Panics
    /// Unless the overlay is empty and foretold the tree's digest.
    pub(super) fn assert_matches(&self, tree: &Tree) {
        assert!(
            self.changes.is_empty() && self.touched.is_empty(),
            "nothing is in flight"
        );
        assert!(self.ephemerals.is_empty(), "the index mirrors the changes");
        if let Some(digest) = self.digest() {
            assert_eq!(digest, tree.digest(), "the tree's digest was foretold");
        }
    }

    fn prefix_crc(&self, path: &str, data: Option<&[u8]>) -> u32 {
        if self.digest_enabled && counts(path) {
            prefix_crc(path, data)
        } else {
            0
        }
    }

    fn record(&mut self, path: &str, change: Change) {
        let path = key(path);
        let path = match self.changes.get_key_value(path) {
            Some((path, _)) => path.clone(),
            None => Arc::from(path),
        };
        self.touched.push_back((change.zxid, path.clone()));
        let old = self.replace(path.clone(), Some(change));
        if let Some(savepoint) = &mut self.savepoint {
            savepoint.replaced.push((path, old));
        }
    }

    /// Changes what is known of a path, in the map and in the index of ephemerals.
    fn replace(&mut self, path: Arc<str>, change: Option<Change>) -> Option<Change> {
        let new_session = change.as_ref().and_then(Change::session);
        let old = match change {
            Some(change) => self.changes.insert(path.clone(), change),
            None => self.changes.remove(&path),
        };
        let old_session = old.as_ref().and_then(Change::session);
        if old_session != new_session {
            if let Some(session) = old_session {
                self.ephemerals.remove(&(session, path.clone()));
            }
            if let Some(session) = new_session {
                self.ephemerals.insert((session, path));
            }
        }
        old
    }
}

impl Change {
    /// Whose ephemeral it makes, if any.
    fn session(&self) -> Option<SessionId> {
        match self.node.as_ref()?.owner {
            Owner::Ephemeral(session) => Some(session),
            Owner::Persistent | Owner::Container | Owner::Ttl(_) => None,
        }
    }
}

fn key(path: &str) -> &str {
    if path == "/" { "" } else { path }
}
