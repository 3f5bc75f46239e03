//! Where nodes live: a slab of fixed records addressed by a 32-bit index.
//!
//! A record holds its metadata, its place among parent and siblings, and one allocation with its
//! name and data. Records are kept in chunks, so that growing never moves what is there. A freed
//! slot is used again for a later node.

use jute::data::StatPersisted;

use crate::tree::acl_table::AclSlot;

/// The place of a node in the slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeIndex(pub(crate) u32);

impl NodeIndex {
    /// The root is made first and never goes.
    pub(crate) const ROOT: Self = Self(0);
    /// No node: the parent of the root, the end of a list of siblings.
    pub(crate) const NONE: Self = Self(u32::MAX);

    fn chunk_and_offset(self) -> (usize, usize) {
        (
            (self.0 >> CHUNK_BITS) as usize,
            (self.0 & (CHUNK_NODES - 1)) as usize,
        )
    }
}

const CHUNK_BITS: u32 = 12;
const CHUNK_NODES: u32 = 1 << CHUNK_BITS;

/// One node. The fields of the stat stand apart from each other so that none is padded.
#[derive(Debug)]
pub(crate) struct NodeRecord {
    pub(crate) czxid: i64,
    pub(crate) mzxid: i64,
    pub(crate) pzxid: i64,
    pub(crate) ctime: i64,
    pub(crate) mtime: i64,
    /// As snapshots hold it, see `owner`.
    pub(crate) ephemeral_owner: i64,
    pub(crate) blob: Blob,
    pub(crate) version: i32,
    /// How many children were ever created.
    pub(crate) cversion: i32,
    pub(crate) aversion: i32,
    pub(crate) parent: NodeIndex,
    pub(crate) first_child: NodeIndex,
    pub(crate) next_sibling: NodeIndex,
    pub(crate) previous_sibling: NodeIndex,
    pub(crate) child_count: u32,
    pub(crate) acl: AclSlot,
    /// CRC-32 of path and data, from which the digest goes on with the stat.
    pub(crate) prefix_crc: u32,
}

// The budget for a million nodes of 100 bytes stands and falls with this.
const _: () = assert!(size_of::<NodeRecord>() == 104);

impl NodeRecord {
    pub(crate) fn new(stat: &StatPersisted, blob: Blob, acl: AclSlot, prefix_crc: u32) -> Self {
        Self {
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            pzxid: stat.pzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            ephemeral_owner: stat.ephemeral_owner,
            blob,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            parent: NodeIndex::NONE,
            first_child: NodeIndex::NONE,
            next_sibling: NodeIndex::NONE,
            previous_sibling: NodeIndex::NONE,
            child_count: 0,
            acl,
            prefix_crc,
        }
    }

    pub(crate) fn persisted(&self) -> StatPersisted {
        StatPersisted {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.cversion,
            aversion: self.aversion,
            ephemeral_owner: self.ephemeral_owner,
            pzxid: self.pzxid,
        }
    }

    /// Takes over all of `stat`.
    pub(crate) fn set_persisted(&mut self, stat: &StatPersisted) {
        self.czxid = stat.czxid;
        self.mzxid = stat.mzxid;
        self.pzxid = stat.pzxid;
        self.ctime = stat.ctime;
        self.mtime = stat.mtime;
        self.ephemeral_owner = stat.ephemeral_owner;
        self.version = stat.version;
        self.cversion = stat.cversion;
        self.aversion = stat.aversion;
    }
}

/// A node's name and data in one exact allocation, and whether the data is null:
///
/// | part | bytes |
/// |---|---|
/// | name length times two, plus one if the data is null | base-128, low digits first |
/// | name | as many |
/// | data | the rest |
///
/// A live node's blob is never empty; a vacant slot's is.
#[derive(Debug, Default)]
pub(crate) struct Blob(Box<[u8]>);

impl Blob {
    pub(crate) fn new(name: &[u8], data: Option<&[u8]>) -> Self {
        let mut head = name.len() << 1 | usize::from(data.is_none());
        let head_bytes = 1 + (usize::BITS - (head | 1).leading_zeros() - 1) as usize / 7;
        let data = data.unwrap_or_default();
        let mut bytes = Vec::with_capacity(head_bytes + name.len() + data.len());
        loop {
            let [digits, ..] = head.to_le_bytes();
            head >>= 7;
            if head == 0 {
                bytes.push(digits & 0x7f);
                break;
            }
            bytes.push(digits | 0x80);
        }
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(data);
        Self(bytes.into_boxed_slice())
    }

    /// The same name with other data.
    pub(crate) fn with_data(&self, data: Option<&[u8]>) -> Self {
        Self::new(self.name(), data)
    }

    pub(crate) fn name(&self) -> &[u8] {
        self.split().1
    }

    pub(crate) fn data(&self) -> Option<&[u8]> {
        let (is_null, _, data) = self.split();
        (!is_null).then_some(data)
    }

    fn split(&self) -> (bool, &[u8], &[u8]) {
        let mut head = 0_usize;
        let mut head_bytes = 0;
        for byte in &self.0 {
            head |= usize::from(byte & 0x7f) << (7 * head_bytes);
            head_bytes += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (name, data) = self
            .0
            .get(head_bytes..)
            .and_then(|rest| rest.split_at_checked(head >> 1))
            .expect("new wrote the name's length in front of it");
        (head & 1 == 1, name, data)
    }
}

/// All nodes.
#[derive(Debug)]
pub(crate) struct Slab {
    chunks: Vec<Vec<NodeRecord>>,
    /// Vacant slots, linked by `next_sibling`.
    first_vacant: NodeIndex,
    /// Slots ever used: every index is below it.
    slots: u32,
    live: usize,
}

impl Slab {
    pub(crate) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            first_vacant: NodeIndex::NONE,
            slots: 0,
            live: 0,
        }
    }

    pub(crate) fn insert(&mut self, record: NodeRecord) -> NodeIndex {
        self.live += 1;
        let vacant = self.first_vacant;
        if vacant != NodeIndex::NONE {
            let slot = self.at_mut(vacant);
            let next_vacant = slot.next_sibling;
            *slot = record;
            self.first_vacant = next_vacant;
            return vacant;
        }
        let index = NodeIndex(self.slots);
        assert!(index != NodeIndex::NONE, "nodes fit 32-bit indexes");
        self.slots += 1;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_NODES as usize => chunk.push(record),
            _ => {
                // The first chunk grows, so that a small tree is small.
                let capacity = if self.chunks.is_empty() {
                    64
                } else {
                    CHUNK_NODES
                };
                let mut chunk = Vec::with_capacity(capacity as usize);
                chunk.push(record);
                self.chunks.push(chunk);
            }
        }
        index
    }

    pub(crate) fn remove(&mut self, index: NodeIndex) {
        let first_vacant = self.first_vacant;
        let slot = self.at_mut(index);
        assert!(!slot.blob.0.is_empty(), "a node is removed once");
        slot.blob = Blob::default();
        slot.next_sibling = first_vacant;
        self.first_vacant = index;
        self.live -= 1;
    }

    pub(crate) fn at(&self, index: NodeIndex) -> &NodeRecord {
        let (chunk, offset) = index.chunk_and_offset();
        self.chunks
            .get(chunk)
            .and_then(|chunk| chunk.get(offset))
            .expect("indexes come from insert")
    }

    pub(crate) fn at_mut(&mut self, index: NodeIndex) -> &mut NodeRecord {
        let (chunk, offset) = index.chunk_and_offset();
        self.chunks
            .get_mut(chunk)
            .and_then(|chunk| chunk.get_mut(offset))
            .expect("indexes come from insert")
    }

    /// The node in this slot, if there is one.
    pub(crate) fn live_at(&self, index: NodeIndex) -> Option<&NodeRecord> {
        (index.0 < self.slots)
            .then(|| self.at(index))
            .filter(|record| !record.blob.0.is_empty())
    }

    /// Slots ever used.
    pub(crate) fn slots(&self) -> u32 {
        self.slots
    }

    /// Nodes there are.
    pub(crate) fn live(&self) -> usize {
        self.live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_keeps_name_and_data_of_any_length() {
        for name_len in [0, 1, 63, 64, 200, 8191, 8192, 70_000] {
            let name = vec![b'n'; name_len];
            for data in [None, Some(&b""[..]), Some(b"x"), Some(&[7; 300])] {
                let blob = Blob::new(&name, data);
                assert_eq!((blob.name(), blob.data()), (&name[..], data));
                let other = blob.with_data(Some(b"other"));
                assert_eq!(
                    (other.name(), other.data()),
                    (&name[..], Some(&b"other"[..]))
                );
            }
        }
        assert_eq!(Blob::new(b"", None).0.len(), 1);
    }

    #[test]
    fn slots_are_used_again() {
        let node = || {
            let blob = Blob::new(b"n", None);
            NodeRecord::new(&StatPersisted::default(), blob, AclSlot::OPEN, 0)
        };
        let mut slab = Slab::new();
        let indexes: Vec<_> = (0..10_000).map(|_| slab.insert(node())).collect();
        for index in indexes.iter().step_by(2) {
            slab.remove(*index);
        }
        assert_eq!((slab.live(), slab.slots()), (5000, 10_000));
        assert!(slab.live_at(indexes[0]).is_none() && slab.live_at(indexes[1]).is_some());
        for _ in 0..5000 {
            slab.insert(node());
        }
        assert_eq!((slab.live(), slab.slots()), (10_000, 10_000));
        assert!(slab.live_at(NodeIndex(10_000)).is_none());
    }
}
