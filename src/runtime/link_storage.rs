//! What the links of an ensemble read from disk, and what they receive into memory.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

use crate::base::{QuorumLink, Zxid};
use crate::net::{LogRange, LogRanges, Server, SnapshotReceiver};
use crate::peer::Input;
use crate::store::disk::Disk;
use crate::store::log_range::{self, LogPlace};
use crate::store::recover::StorageOptions;
use crate::store::snapshot_stream::receive_snapshot;
use crate::tree::{Database, TreeOptions};

/// What links read from disk, and into memory.
#[derive(Clone)]
pub(super) struct LinkStorage {
    pub(super) runtime: Handle,
    pub(super) server: Arc<Server>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) storage: StorageOptions,
    pub(super) tree: TreeOptions,
    /// `snapshotSizeFactor`.
    pub(super) size_factor: Option<f64>,
}

impl LinkStorage {
    /// Looks whether the log has what lies behind `after` up to `upto`, and tells the writer. A log
    /// that cannot be read has not.
    pub(super) fn probe(&self, link: QuorumLink, after: Zxid, upto: Zxid) {
        let this = self.clone();
        self.runtime.spawn_blocking(move || {
            let probed =
                log_range::probe(&*this.disk, &this.storage, after, upto, this.size_factor);
            let found = probed.unwrap_or_else(|error| {
                tracing::warn!(%link, "cannot read the log for a learner: {error}");
                None
            });
            let probed = Input::LogProbed { link, found };
            this.server.submissions.notify(probed);
        });
    }
}

impl SnapshotReceiver for LinkStorage {
    fn receive(&self, zxid: Zxid, input: &mut dyn io::Read) -> io::Result<Box<Database>> {
        let field_max = self.storage.field_bytes_max;
        let loaded = receive_snapshot(input, field_max, self.tree, zxid);
        let loaded = loaded.map_err(io::Error::other)?;
        if !loaded.missing_acls.is_empty() {
            let ids = &loaded.missing_acls;
            tracing::warn!(?ids, "the leader's state lacks access control lists");
        }
        Ok(Box::new(loaded.database))
    }
}

impl LogRanges for LinkStorage {
    fn open(
        &self,
        after: Zxid,
        upto: Zxid,
        from: Option<&LogPlace>,
    ) -> io::Result<Box<dyn LogRange>> {
        let disk = self.disk.clone();
        let range = log_range::LogRange::open(disk, &self.storage, after, upto, from);
        Ok(Box::new(range.map_err(io::Error::other)?))
    }
}

impl LogRange for log_range::LogRange {
    fn next(&mut self) -> io::Result<Option<(Zxid, Bytes)>> {
        let record = Self::next(self).map_err(io::Error::other)?;
        Ok(record.map(|record| (record.zxid, record.payload)))
    }

    fn place(&self) -> Option<LogPlace> {
        Self::place(self)
    }
}
