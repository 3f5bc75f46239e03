//! From a full path to its node: a hash table of indexes that holds no paths.
//!
//! An entry is a node's index alone. The node knows 32 bits of its path's hash, which the table
//! asks for when it grows; whether it is the right one is decided by the caller, who walks up from
//! the node. The table is split in parts, each of which grows by itself, so that no single
//! insertion pays for moving everything.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::tree::slab::NodeIndex;

/// What the table knows of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathHash(pub(crate) u32);

impl PathHash {
    /// The table looks at the lowest and the highest bits; this sets them apart from each other.
    fn spread(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn part(self) -> usize {
        (self.0 >> (32 - PART_BITS)) as usize
    }
}

const PART_BITS: u32 = 8;

/// The table. Its hash has random keys, so that clients cannot make paths collide; nothing ever
/// iterates over it, so that they show nowhere.
#[derive(Debug)]
pub(crate) struct PathIndex {
    parts: Vec<HashTable<NodeIndex>>,
    hash_builder: DefaultHashBuilder,
}

impl PathIndex {
    pub(crate) fn new() -> Self {
        Self {
            parts: (0..1 << PART_BITS).map(|_| HashTable::new()).collect(),
            hash_builder: DefaultHashBuilder::default(),
        }
    }

    pub(crate) fn hash(&self, path: &str) -> PathHash {
        let [a, b, c, d, ..] = self.hash_builder.hash_one(path.as_bytes()).to_be_bytes();
        PathHash(u32::from_be_bytes([a, b, c, d]))
    }

    /// The node that `is_it` accepts, of those that may have this hash.
    pub(crate) fn find(
        &self,
        hash: PathHash,
        mut is_it: impl FnMut(NodeIndex) -> bool,
    ) -> Option<NodeIndex> {
        self.parts
            .get(hash.part())?
            .find(hash.spread(), |node| is_it(*node))
            .copied()
    }

    /// Adds a node. `hash_of` gives the hash of any that is in the table.
    pub(crate) fn insert(
        &mut self,
        hash: PathHash,
        node: NodeIndex,
        hash_of: impl Fn(NodeIndex) -> PathHash,
    ) {
        self.part_mut(hash)
            .insert_unique(hash.spread(), node, |node| hash_of(*node).spread());
    }

    pub(crate) fn remove(&mut self, hash: PathHash, node: NodeIndex) {
        self.part_mut(hash)
            .find_entry(hash.spread(), |entry| *entry == node)
            .expect("every node is in the index until it is removed")
            .remove();
    }

    fn part_mut(&mut self, hash: PathHash) -> &mut HashTable<NodeIndex> {
        self.parts
            .get_mut(hash.part())
            .expect("there is a part for every value of the bits")
    }
}
