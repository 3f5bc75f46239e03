//! Tests of the whole of `store` over the simulated disk and over files written by Apache.

mod apache;
mod crash;
mod log;
mod recovery;

use std::path::Path;
use std::sync::Arc;

use crate::base::{Monotonic, Zxid, limits};
use crate::store::disk::Disk;
use crate::store::layout::DataDirs;
use crate::store::log_writer::{LogOptions, LogWriter};
use crate::store::recover::StorageOptions;
use crate::store::sim_disk::SimDisk;
use crate::store::snapshot_writer::{SnapshotSource, SnapshotTail};
use crate::tree::{Database, SnapshotCursor};

fn storage() -> StorageOptions {
    StorageOptions::new(Path::new("/data"), Path::new("/data"))
}

fn dirs() -> DataDirs {
    storage().dirs
}

fn sim_disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    dirs().prepare(&disk, true).unwrap();
    disk
}

fn options(preallocation_bytes: u64) -> LogOptions {
    LogOptions {
        preallocation_bytes,
        ..LogOptions::default()
    }
}

fn writer(disk: &SimDisk, options: LogOptions, last: Zxid) -> LogWriter {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    LogWriter::new(disk, dirs().logs, options, last, Box::new(|| Monotonic(0)))
}

/// A state that does not change while its snapshot is written.
struct Still<'d> {
    database: &'d Database,
    cursor: SnapshotCursor,
}

impl<'d> Still<'d> {
    fn new(database: &'d Database) -> Self {
        Self {
            database,
            cursor: SnapshotCursor::new(database),
        }
    }
}

impl SnapshotSource for Still<'_> {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        let bytes_max = limits::SNAPSHOT_SLICE_BYTES;
        self.cursor.next_slice(self.database, bytes_max, out)
    }

    fn tail(&mut self) -> SnapshotTail {
        let zxid = self.database.last_zxid();
        SnapshotTail {
            digest: Some((zxid, self.database.tree.digest())),
            last_processed: Some(zxid),
        }
    }
}
