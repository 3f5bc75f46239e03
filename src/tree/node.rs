//! A node, as those who read see it.

use jute::data::{Stat, StatPersisted};

use crate::base::AclList;
use crate::tree::owner::{Owner, owner_of};
use crate::tree::slab::{NodeIndex, NodeRecord};
use crate::tree::{Tree, digest};

/// A node and the tree it is in.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    tree: &'a Tree,
    index: NodeIndex,
    record: &'a NodeRecord,
}

impl<'a> Node<'a> {
    pub(super) fn new(tree: &'a Tree, index: NodeIndex) -> Self {
        let record = tree.slab.at(index);
        Self {
            tree,
            index,
            record,
        }
    }

    /// Null and empty data are different.
    pub fn data(&self) -> Option<&'a [u8]> {
        self.record.blob.data()
    }

    /// The metadata as clients see them.
    pub fn stat(&self) -> Stat {
        let record = self.record;
        let extra = self.tree.slab.extra(record);
        let child_count = extra.child_count.cast_signed();
        let data_length = self.data().unwrap_or_default().len();
        Stat {
            czxid: record.czxid,
            mzxid: record.mzxid,
            ctime: record.ctime,
            mtime: record.mtime,
            version: record.version,
            cversion: extra.cversion.wrapping_mul(2).wrapping_sub(child_count),
            aversion: extra.aversion,
            ephemeral_owner: match owner_of(extra.owner, self.tree.options) {
                Owner::Ephemeral(session) => session.0,
                Owner::Persistent | Owner::Container | Owner::Ttl(_) => 0,
            },
            data_length: i32::try_from(data_length).expect("data came in a frame below 2 GiB"),
            num_children: child_count,
            pzxid: record.pzxid,
        }
    }

    /// The metadata as snapshots and the digest have them.
    pub fn persisted(&self) -> StatPersisted {
        self.tree.slab.persisted(self.record)
    }

    /// The access control list; `None` is open to all. One that is missing from the snapshot the
    /// tree was loaded from lets nobody.
    pub fn acl(&self) -> Option<&'a AclList> {
        self.tree.acls.list(self.record.acl)
    }

    pub fn owner(&self) -> Owner {
        owner_of(self.tree.slab.extra(self.record).owner, self.tree.options)
    }

    pub fn child_count(&self) -> usize {
        self.tree.slab.extra(self.record).child_count as usize
    }

    /// Names of the children in the order in which they were added: as created since the tree was
    /// made or loaded, before those as the snapshot had them. Apache's server hashes them instead;
    /// clients are promised no order.
    pub fn children(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.child_names()
            .map(|name| str::from_utf8(name).expect("names come from text"))
    }

    /// The same as bytes of UTF-8, for those who only pass them on.
    pub fn child_names(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let tree = self.tree;
        let mut next = tree.slab.extra(self.record).first_child;
        std::iter::from_fn(move || {
            if next == NodeIndex::NONE {
                return None;
            }
            let record = tree.slab.at(next);
            next = record.next_sibling;
            Some(record.blob.name())
        })
    }

    /// The full path; of the root it is empty.
    pub fn path(&self) -> Box<str> {
        self.tree.path_of(self.index)
    }

    /// CRC-32 of path and data, from which the digest goes on with the stat. 0 where the tree
    /// keeps no digest.
    pub fn prefix_crc(&self) -> u32 {
        self.record.prefix_crc
    }

    /// The digest of this node alone, also where it is no part of the tree's.
    pub fn digest(&self) -> u64 {
        digest::node_digest(self.prefix_crc(), &self.persisted())
    }
}
