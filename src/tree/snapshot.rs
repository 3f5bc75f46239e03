//! Writing the whole state as bytes, a slice at a time, while transactions go on between slices.
//!
//! ```text
//! sessions | access control lists | nodes, parents first | "/"
//! ```
//!
//! What comes out is "fuzzy" in the way the format allows: sessions, lists and the set of nodes are
//! of the moment of the first slice, less what was deleted before its turn; data, stat and list of
//! a node are of the moment it is written. Replaying the log from the first slice's zxid on repairs
//! all of it. Nodes made after the first slice are left out, replay makes them.
//!
//! The cursor goes through the slab's slots in order and writes a node's ancestors before it; a bit
//! per slot tells what has been written. A slot that is used again meanwhile holds a newer node,
//! which is left out, so bits never speak of another node than the one they were set for.

use jute::Encode;

use crate::base::{Acl, Zxid};
use crate::tree::Database;
use crate::tree::slab::NodeIndex;

/// How far a snapshot has been written.
#[derive(Debug)]
pub struct SnapshotCursor {
    /// Nodes created after this are left out.
    zxid: Zxid,
    next_slot: u32,
    /// Slots there were when the cursor started.
    slots: u32,
    written: Vec<u64>,
    has_begun: bool,
    is_done: bool,
}

/// Slots looked at in one slice, so that a slab of vacant slots does not hold the lock for long.
const SLOTS_PER_SLICE: u32 = 64 * 1024;

impl SnapshotCursor {
    /// A cursor that starts with the state as it is now; the snapshot is named by
    /// [`SnapshotCursor::zxid`].
    pub fn new(database: &Database) -> Self {
        let slots = database.tree.slab.slots();
        Self {
            zxid: database.last_zxid(),
            next_slot: 0,
            slots,
            written: vec![0; slots as usize / 64 + 1],
            has_begun: false,
            is_done: false,
        }
    }

    /// The last transaction that is surely in the snapshot.
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// Appends the next part, about `bytes_max` bytes of it: sessions and lists in one, and the
    /// last node may reach beyond. Gives whether there is more.
    pub fn next_slice(&mut self, database: &Database, bytes_max: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if !self.has_begun {
            self.has_begun = true;
            encode_sessions(database, out);
            encode_acls(database, out);
        }
        let last_slot = self.next_slot.saturating_add(SLOTS_PER_SLICE);
        while self.next_slot < self.slots {
            if out.len() - start >= bytes_max || self.next_slot >= last_slot {
                return true;
            }
            self.encode_with_ancestors(database, NodeIndex(self.next_slot), out);
            self.next_slot += 1;
        }
        if !self.is_done {
            self.is_done = true;
            Some(&b"/"[..]).encode(out);
        }
        false
    }

    fn encode_with_ancestors(&mut self, database: &Database, index: NodeIndex, out: &mut Vec<u8>) {
        let slab = &database.tree.slab;
        if slab.live_at(index).is_none() {
            return;
        }
        let mut unwritten = Vec::new();
        let mut climb = index;
        while climb != NodeIndex::NONE && !self.is_written(climb) {
            let record = slab.at(climb);
            if record.czxid > self.zxid.0 {
                return;
            }
            unwritten.push(climb);
            climb = record.parent;
        }
        for index in unwritten.into_iter().rev() {
            self.mark_written(index);
            encode_node(database, index, out);
        }
    }

    fn is_written(&self, index: NodeIndex) -> bool {
        let word = self.written.get(index.0 as usize / 64);
        word.is_some_and(|word| word & (1 << (index.0 % 64)) != 0)
    }

    fn mark_written(&mut self, index: NodeIndex) {
        if let Some(word) = self.written.get_mut(index.0 as usize / 64) {
            *word |= 1 << (index.0 % 64);
        }
    }
}

fn encode_sessions(database: &Database, out: &mut Vec<u8>) {
    count_field(database.sessions.len()).encode(out);
    for (session, timeout_ms) in &database.sessions {
        session.0.encode(out);
        timeout_ms.encode(out);
    }
}

fn encode_acls(database: &Database, out: &mut Vec<u8>) {
    let lists = database.tree.acls.by_id();
    count_field(lists.len()).encode(out);
    for (id, list) in lists {
        id.encode(out);
        count_field(list.len()).encode(out);
        for entry in list.iter().map(Acl::as_record) {
            entry.encode(out);
        }
    }
}

fn encode_node(database: &Database, index: NodeIndex, out: &mut Vec<u8>) {
    let tree = &database.tree;
    let length_at = out.len();
    0_i32.encode(out);
    let path_at = out.len();
    tree.append_path(index, out);
    let path_len = count_field(out.len() - path_at);
    let place = out.get_mut(length_at..path_at);
    place
        .expect("it was just appended")
        .copy_from_slice(&path_len.to_be_bytes());
    let record = tree.slab.at(index);
    record.blob.data().encode(out);
    tree.acls.id(record.acl).encode(out);
    tree.slab.persisted(record).encode(out);
}

fn count_field(count: usize) -> i32 {
    i32::try_from(count).expect("what is counted fits memory many times before this")
}
