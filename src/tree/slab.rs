//! Where nodes live: a slab of fixed records addressed by a 32-bit index.
//!
//! A record holds what every node has: times and zxids, its place among parent and siblings, and
//! one allocation with its name and data. What most nodes do without (children, an owner, a
//! changed list) is in a second slab. Both keep their records in chunks, so that growing never
//! moves what is there, and use a vacant slot again for a later record.

use jute::data::StatPersisted;

use crate::tree::acl_table::AclSlot;
use crate::tree::path_index::PathHash;

/// The place of a node in the slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeIndex(pub(crate) u32);

impl NodeIndex {
    /// The root is made first and never goes.
    pub(crate) const ROOT: Self = Self(0);
    /// No node: the parent of the root, the end of a list of siblings.
    pub(crate) const NONE: Self = Self(u32::MAX);
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
    pub(crate) blob: Blob,
    pub(crate) version: i32,
    pub(crate) parent: NodeIndex,
    /// The child of the same parent that was added next; of the last one [`NodeIndex::NONE`].
    pub(crate) next_sibling: NodeIndex,
    /// The child that was added before; of the first one the last, so that the end is found there.
    pub(crate) previous_sibling: NodeIndex,
    pub(crate) acl: AclSlot,
    pub(crate) path_hash: PathHash,
    /// CRC-32 of path and data, from which the digest goes on with the stat.
    pub(crate) prefix_crc: u32,
    /// Where its [`Extra`] is; `u32::MAX` when all of that is as in [`Extra::NONE`].
    extra: u32,
}

/// What most nodes do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extra {
    /// As snapshots hold it, see `owner`.
    pub(crate) owner: i64,
    /// The child that was added first of those there are.
    pub(crate) first_child: NodeIndex,
    pub(crate) child_count: u32,
    /// How many children were ever created.
    pub(crate) cversion: i32,
    pub(crate) aversion: i32,
}

impl Extra {
    const NONE: Self = Self {
        owner: 0,
        first_child: NodeIndex::NONE,
        child_count: 0,
        cversion: 0,
        aversion: 0,
    };
}

const NO_EXTRA: u32 = u32::MAX;

// The budget for a million nodes of 100 bytes stands and falls with this.
const _: () = assert!(size_of::<NodeRecord>() == 88 && size_of::<Extra>() == 24);

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
#[derive(Debug, Default)]
pub(crate) struct Slab {
    nodes: Chunks<NodeRecord>,
    extras: Chunks<Extra>,
}

impl Slab {
    /// Adds a node that has no place among others yet.
    pub(crate) fn insert(
        &mut self,
        stat: &StatPersisted,
        blob: Blob,
        acl: AclSlot,
        path_hash: PathHash,
        prefix_crc: u32,
    ) -> NodeIndex {
        let record = NodeRecord {
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            pzxid: stat.pzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            blob,
            version: stat.version,
            parent: NodeIndex::NONE,
            next_sibling: NodeIndex::NONE,
            previous_sibling: NodeIndex::NONE,
            acl,
            path_hash,
            prefix_crc,
            extra: NO_EXTRA,
        };
        let index = NodeIndex(self.nodes.insert(record));
        self.set_persisted(index, stat);
        index
    }

    pub(crate) fn remove(&mut self, index: NodeIndex) {
        let record = self.at_mut(index);
        assert!(!record.blob.0.is_empty(), "a node is removed once");
        record.blob = Blob::default();
        let extra = std::mem::replace(&mut record.extra, NO_EXTRA);
        self.nodes.vacate(index.0);
        if extra != NO_EXTRA {
            self.extras.vacate(extra);
        }
    }

    pub(crate) fn at(&self, index: NodeIndex) -> &NodeRecord {
        self.nodes.at(index.0)
    }

    pub(crate) fn at_mut(&mut self, index: NodeIndex) -> &mut NodeRecord {
        self.nodes.at_mut(index.0)
    }

    pub(crate) fn extra(&self, record: &NodeRecord) -> &Extra {
        if record.extra == NO_EXTRA {
            return &Extra::NONE;
        }
        self.extras.at(record.extra)
    }

    pub(crate) fn extra_at(&self, index: NodeIndex) -> &Extra {
        self.extra(self.at(index))
    }

    /// The same to be changed; it then stays as long as the node does.
    pub(crate) fn extra_mut(&mut self, index: NodeIndex) -> &mut Extra {
        let mut extra = self.at(index).extra;
        if extra == NO_EXTRA {
            extra = self.extras.insert(Extra::NONE);
            self.at_mut(index).extra = extra;
        }
        self.extras.at_mut(extra)
    }

    pub(crate) fn persisted(&self, record: &NodeRecord) -> StatPersisted {
        let extra = self.extra(record);
        StatPersisted {
            czxid: record.czxid,
            mzxid: record.mzxid,
            ctime: record.ctime,
            mtime: record.mtime,
            version: record.version,
            cversion: extra.cversion,
            aversion: extra.aversion,
            ephemeral_owner: extra.owner,
            pzxid: record.pzxid,
        }
    }

    /// Takes over all of `stat`.
    pub(crate) fn set_persisted(&mut self, index: NodeIndex, stat: &StatPersisted) {
        let record = self.at_mut(index);
        record.czxid = stat.czxid;
        record.mzxid = stat.mzxid;
        record.pzxid = stat.pzxid;
        record.ctime = stat.ctime;
        record.mtime = stat.mtime;
        record.version = stat.version;
        let present = *self.extra_at(index);
        let extra = Extra {
            owner: stat.ephemeral_owner,
            cversion: stat.cversion,
            aversion: stat.aversion,
            ..present
        };
        if extra != present {
            *self.extra_mut(index) = extra;
        }
    }

    /// The node in this slot, if there is one.
    pub(crate) fn live_at(&self, index: NodeIndex) -> Option<&NodeRecord> {
        (index.0 < self.slots())
            .then(|| self.at(index))
            .filter(|record| !record.blob.0.is_empty())
    }

    /// Slots ever used.
    pub(crate) fn slots(&self) -> u32 {
        self.nodes.slots
    }

    /// Nodes there are.
    pub(crate) fn live(&self) -> usize {
        self.nodes.slots as usize - self.nodes.vacant.len()
    }
}

/// Records by a 32-bit number, in chunks.
#[derive(Debug)]
struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    vacant: Vec<u32>,
    /// Slots ever used: every number is below it.
    slots: u32,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            vacant: Vec::new(),
            slots: 0,
        }
    }
}

impl<T> Chunks<T> {
    fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.vacant.pop() {
            *self.at_mut(slot) = value;
            return slot;
        }
        let slot = self.slots;
        assert!(slot != u32::MAX, "records fit 32-bit numbers");
        self.slots += 1;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_NODES as usize => chunk.push(value),
            _ => {
                // The first chunk grows, so that a small tree is small.
                let is_first = self.chunks.is_empty();
                let capacity = if is_first { 64 } else { CHUNK_NODES };
                let mut chunk = Vec::with_capacity(capacity as usize);
                chunk.push(value);
                self.chunks.push(chunk);
            }
        }
        slot
    }

    fn vacate(&mut self, slot: u32) {
        self.vacant.push(slot);
    }

    fn at(&self, slot: u32) -> &T {
        self.chunks
            .get((slot >> CHUNK_BITS) as usize)
            .and_then(|chunk| chunk.get((slot & (CHUNK_NODES - 1)) as usize))
            .expect("numbers come from insert")
    }

    fn at_mut(&mut self, slot: u32) -> &mut T {
        self.chunks
            .get_mut((slot >> CHUNK_BITS) as usize)
            .and_then(|chunk| chunk.get_mut((slot & (CHUNK_NODES - 1)) as usize))
            .expect("numbers come from insert")
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
        let insert = |slab: &mut Slab, aversion| {
            let stat = StatPersisted {
                aversion,
                ..StatPersisted::default()
            };
            slab.insert(&stat, Blob::new(b"n", None), AclSlot::OPEN, PathHash(0), 0)
        };
        let mut slab = Slab::default();
        let indexes: Vec<_> = (0..10_000).map(|_| insert(&mut slab, 1)).collect();
        for index in indexes.iter().step_by(2) {
            slab.remove(*index);
        }
        assert_eq!((slab.live(), slab.slots()), (5000, 10_000));
        assert!(slab.live_at(indexes[0]).is_none() && slab.live_at(indexes[1]).is_some());
        for _ in 0..5000 {
            let index = insert(&mut slab, 0);
            assert_eq!(*slab.extra_at(index), Extra::NONE);
        }
        assert_eq!(slab.extra_at(indexes[1]).aversion, 1);
        assert_eq!((slab.live(), slab.slots()), (10_000, 10_000));
        assert!(slab.live_at(NodeIndex(10_000)).is_none());
    }
}
