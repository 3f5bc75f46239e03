//! Loading a snapshot with two threads: one reads, sums, decodes and makes the nodes' parts, the
//! other puts them into the tree. Each has about half of the work.
//!
//! In: the bytes of a snapshot and a loader. Out: the loader with all of it, and the tail. What
//! arrives in the loader is in the order of the file, so the result is that of one thread.

use std::convert::Infallible;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use jute::data::StatPersisted;

use crate::base::{AclList, SessionId};
use crate::store::snapshot_reader::{SnapshotReadError, SnapshotSink, read_snapshot};
use crate::store::snapshot_writer::SnapshotTail;
use crate::tree::{DatabaseLoader, LoadError, NodeParts, TreeOptions};

/// Reads a whole snapshot into `loader`. Strings and buffers longer than `field_max` are refused.
pub(super) fn load_ahead(
    input: &mut (dyn Read + Send),
    field_max: usize,
    loader: &mut DatabaseLoader,
) -> Result<SnapshotTail, SnapshotReadError<LoadError>> {
    let (sender, batches) = sync_channel(BATCHES_AHEAD);
    let mut ahead = Ahead {
        options: loader.options(),
        batch: Batch::default(),
        sender,
    };
    thread::scope(|scope| {
        let read = thread::Builder::new().name("snapshot-read".to_owned());
        let read = read.spawn_scoped(scope, move || {
            let tail = read_snapshot(input, field_max, &mut ahead)?;
            ahead.send();
            Ok(tail)
        })?;
        let placed = place_all(&batches, loader);
        // Without a receiver the reader sends into the void and soon ends.
        drop(batches);
        let tail = read
            .join()
            .map_err(|_| io::Error::other("the reader panicked"))?;
        placed.map_err(SnapshotReadError::BadState)?;
        tail.map_err(widened)
    })
}

/// Batches that wait between the threads.
const BATCHES_AHEAD: usize = 2;
/// Parts in a batch: enough that handing it over costs nothing for each.
const BATCH_PARTS: usize = 256;
/// Bytes of data in a batch, so that large nodes do not pile up.
const BATCH_BYTES: usize = 1 << 20;

/// Parts of a snapshot in the order of the file.
#[derive(Default)]
struct Batch {
    parts: Vec<Part>,
    /// The paths of all nodes in it, one after the other.
    paths: String,
    bytes: usize,
}

enum Part {
    Session {
        id: SessionId,
        timeout_ms: i32,
    },
    Acl {
        id: i64,
        list: AclList,
    },
    Node {
        path_len: usize,
        acl_id: i64,
        node: NodeParts,
    },
}

/// The reading thread's end.
struct Ahead {
    options: TreeOptions,
    batch: Batch,
    sender: SyncSender<Batch>,
}

impl Ahead {
    fn push(&mut self, part: Part, bytes: usize) {
        self.batch.parts.push(part);
        self.batch.bytes += bytes;
        if self.batch.parts.len() >= BATCH_PARTS || self.batch.bytes >= BATCH_BYTES {
            self.send();
        }
    }

    /// Nobody receives after the other thread failed; then it does not matter what was sent.
    fn send(&mut self) {
        let _ = self.sender.send(std::mem::take(&mut self.batch));
    }
}

impl SnapshotSink for Ahead {
    type Error = Infallible;

    fn session(&mut self, id: SessionId, timeout_ms: i32) {
        self.push(Part::Session { id, timeout_ms }, 0);
    }

    fn acl(&mut self, id: i64, list: AclList) {
        self.push(Part::Acl { id, list }, 0);
    }

    fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl_id: i64,
        stat: &StatPersisted,
    ) -> Result<(), Infallible> {
        let node = NodeParts::new(self.options, path, data, stat);
        self.batch.paths.push_str(path);
        let path_len = path.len();
        let bytes = path_len + data.unwrap_or_default().len();
        self.push(
            Part::Node {
                path_len,
                acl_id,
                node,
            },
            bytes,
        );
        Ok(())
    }
}

fn place_all(batches: &Receiver<Batch>, loader: &mut DatabaseLoader) -> Result<(), LoadError> {
    for batch in batches {
        let mut paths = batch.paths.as_str();
        for part in batch.parts {
            match part {
                Part::Session { id, timeout_ms } => loader.session(id, timeout_ms),
                Part::Acl { id, list } => loader.acl(id, list),
                Part::Node {
                    path_len,
                    acl_id,
                    node,
                } => {
                    let (path, rest) = paths.split_at(path_len);
                    paths = rest;
                    loader.node_parts(path, acl_id, node)?;
                }
            }
        }
    }
    Ok(())
}

fn widened(error: SnapshotReadError<Infallible>) -> SnapshotReadError<LoadError> {
    match error {
        SnapshotReadError::Io(error) => SnapshotReadError::Io(error),
        SnapshotReadError::BadMagic => SnapshotReadError::BadMagic,
        SnapshotReadError::Malformed(error) => SnapshotReadError::Malformed(error),
        SnapshotReadError::NullAcl => SnapshotReadError::NullAcl,
        SnapshotReadError::BadSeal => SnapshotReadError::BadSeal,
        SnapshotReadError::BadTrailer(len) => SnapshotReadError::BadTrailer(len),
        SnapshotReadError::BadSignature => SnapshotReadError::BadSignature,
        SnapshotReadError::BadState(never) => match never {},
    }
}
