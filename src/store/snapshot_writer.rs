//! Writing a snapshot: slices of the state in, a durable file under its final name out.
//!
//! The file has another name until it is whole and durable, so that a crash at any byte leaves
//! the older snapshots as they were. Between slices the state changes; replaying the log from the
//! zxid in the name on repairs what the file mixes, so that zxid must be read before the first
//! slice is made.

use std::io;
use std::path::PathBuf;

use jute::Encode;
use jute::persistence::{FILE_VERSION, FileHeader, SNAPSHOT_MAGIC};
use simd_adler32::Adler32;

use crate::base::{Zxid, limits};
use crate::proto::txn::DIGEST_VERSION;
use crate::store::container::Wrapper;
use crate::store::disk::Disk;
use crate::store::layout::{Compression, DataDirs, snapshot_name, unfinished_snapshot_name};

/// The state to be written.
pub trait SnapshotSource {
    /// Appends the next part of sessions, access control lists and nodes, and gives whether there
    /// is more.
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool;
    /// What is true of the state now that all slices were made.
    fn tail(&mut self) -> SnapshotTail;
    /// Whether the snapshot is not wanted any more: then it fails, and nothing is left of it.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// What stands behind the nodes. A trailer is left out where Apache with the same switches leaves
/// it out: its servers guess by their own switches what they read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotTail {
    /// The last transaction applied, and the digest after it; without `zookeeper.digest.enabled`
    /// none.
    pub digest: Option<(Zxid, u64)>,
    /// The last transaction applied; without `zookeeper.serializeLastProcessedZxid.enabled` none.
    pub last_processed: Option<Zxid>,
}

/// A snapshot that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSnapshot {
    pub zxid: Zxid,
    pub path: PathBuf,
    pub file_bytes: u64,
}

/// A snapshot could not be written. Of those the server takes by itself the exit code is 10.
#[derive(Debug, thiserror::Error)]
#[error("cannot write snapshot {path:?}")]
pub struct SnapshotWriteError {
    path: PathBuf,
    source: io::Error,
}

impl SnapshotWriteError {
    /// As `ExitCode.TXNLOG_ERROR_TAKING_SNAPSHOT`.
    pub const EXIT_CODE: u8 = 10;
}

/// Writes the snapshot of the state at `zxid` and what came in while it was written.
pub fn write_snapshot(
    disk: &dyn Disk,
    dirs: &DataDirs,
    zxid: Zxid,
    source: &mut dyn SnapshotSource,
    compression: Compression,
) -> Result<WrittenSnapshot, SnapshotWriteError> {
    let path = dirs.snapshots.join(snapshot_name(zxid, compression));
    let unfinished = unfinished_snapshot_name(zxid, compression);
    let unfinished = dirs.snapshots.join(unfinished);
    let mut write = || {
        let wrapper = Wrapper::new(disk.create(&unfinished)?, compression)?;
        let file_bytes = write_parts(wrapper, source)?;
        disk.rename(&unfinished, &path)?;
        disk.sync_dir(&dirs.snapshots)?;
        Ok(file_bytes)
    };
    match write() {
        Ok(file_bytes) => Ok(WrittenSnapshot {
            zxid,
            path,
            file_bytes,
        }),
        Err(source) => {
            // It is of no use and may be what fills the disk. A failure leaves it to the next
            // start, which removes it too.
            let _ = disk.remove(&unfinished);
            Err(SnapshotWriteError { path, source })
        }
    }
}

/// The stream inside the container, and the sum over it that its seals hold.
struct SealedStream {
    wrapper: Wrapper,
    sum: Adler32,
}

impl SealedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.write(bytes);
        self.wrapper.write(bytes)
    }

    /// The sum over all before it, and the text "/".
    fn seal(&mut self) -> io::Result<()> {
        let mut seal = Vec::new();
        i64::from(self.sum.finish()).encode(&mut seal);
        Some(&b"/"[..]).encode(&mut seal);
        self.write(&seal)
    }
}

fn write_parts(wrapper: Wrapper, source: &mut dyn SnapshotSource) -> io::Result<u64> {
    let mut stream = SealedStream {
        wrapper,
        sum: Adler32::new(),
    };
    let header = FileHeader {
        magic: SNAPSHOT_MAGIC,
        version: FILE_VERSION,
        dbid: -1,
    };
    stream.write(&header.to_vec())?;
    let mut slice = Vec::with_capacity(2 * limits::SNAPSHOT_SLICE_BYTES);
    loop {
        slice.clear();
        let has_more = source.next_slice(&mut slice);
        stream.write(&slice)?;
        if source.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if !has_more {
            break;
        }
    }
    stream.seal()?;
    let tail = source.tail();
    if let Some((zxid, digest)) = tail.digest {
        let mut trailer = Vec::new();
        zxid.0.encode(&mut trailer);
        DIGEST_VERSION.encode(&mut trailer);
        digest.cast_signed().encode(&mut trailer);
        stream.write(&trailer)?;
        stream.seal()?;
    }
    if let Some(zxid) = tail.last_processed {
        stream.write(&zxid.0.to_be_bytes())?;
        stream.seal()?;
    }
    stream.wrapper.finish()
}
