//! The state as a leader sends it to a learner behind a SNAP packet, and as the learner takes it.
//!
//! ```text
//! sessions | access control lists | nodes | "/" | "BenWasHere"
//! ```
//!
//! The parts are those of a snapshot file, without its head, seals and trailers. There is no sum
//! over them and no length before them: packets follow right behind the signature, so a reader
//! must not take a byte more than there is.
//!
//! The state goes on changing while it is sent, as that of a file does. The transactions that the
//! leader sends behind it repair what it mixes.

use std::io::Read;

use jute::Encode;

use crate::base::{Zxid, limits};
use crate::store::snapshot_reader::{SnapshotReadError, Stream, read_parts};
use crate::tree::{Database, DatabaseLoader, LoadError, Loaded, SnapshotCursor, TreeOptions};

const SIGNATURE: &str = "BenWasHere";

/// The state on its way to a learner, made slice by slice while it changes.
#[derive(Debug)]
pub struct OutgoingSnapshot {
    cursor: SnapshotCursor,
    slice_bytes: usize,
    is_done: bool,
}

impl OutgoingSnapshot {
    /// Starts with the state as it is now.
    pub fn new(database: &Database) -> Self {
        Self::sliced(database, limits::SNAPSHOT_SLICE_BYTES)
    }

    /// The same in slices of about this many bytes.
    pub fn sliced(database: &Database, slice_bytes: usize) -> Self {
        Self {
            cursor: SnapshotCursor::new(database),
            slice_bytes,
            is_done: false,
        }
    }

    /// The last transaction that is surely in it: what the SNAP packet says.
    pub fn zxid(&self) -> Zxid {
        self.cursor.zxid()
    }

    /// Appends the next part, and gives whether there is more.
    pub fn next_slice(&mut self, database: &Database, out: &mut Vec<u8>) -> bool {
        assert!(!self.is_done, "nothing is asked for behind the end");
        let has_more = self.cursor.next_slice(database, self.slice_bytes, out);
        if !has_more {
            Some(SIGNATURE.as_bytes()).encode(out);
            self.is_done = true;
        }
        has_more
    }
}

/// Takes a state from `input`, to the last byte of its signature and no further. `zxid` is what
/// the SNAP packet before it said. Strings and buffers longer than `field_max` are refused.
///
/// It asks for few bytes at a time, so `input` should be buffered; what follows is still in it.
pub fn receive_snapshot(
    input: &mut dyn Read,
    field_max: usize,
    tree: TreeOptions,
    zxid: Zxid,
) -> Result<Loaded, SnapshotReadError<LoadError>> {
    let mut stream = Stream::exact(input, field_max);
    let mut loader = DatabaseLoader::new(tree);
    read_parts(&mut stream, &mut loader)?;
    if stream.text()?.as_deref() != Some(SIGNATURE) {
        return Err(SnapshotReadError::BadSignature);
    }
    loader.finish(zxid).map_err(SnapshotReadError::BadState)
}
