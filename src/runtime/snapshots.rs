//! Snapshots of the running server: when, and on a thread of its own.
//!
//! The state is walked in slices, each under the shared lock, while writes go on in between.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::base::limits;
use crate::net::{Clock, Server};
use crate::runtime::Failure;
use crate::runtime::clock::SystemClock;
use crate::runtime::reports::Reports;
use crate::store::disk::Disk;
use crate::store::layout::{Compression, DataDirs};
use crate::store::snapshot_writer::{SnapshotSource, SnapshotTail, write_snapshot};
use crate::store::trigger::SnapshotTrigger;
use crate::tree::SnapshotCursor;

/// Says when a snapshot is due and has it written.
pub(super) struct Snapshots {
    trigger: SnapshotTrigger,
    job: SnapshotJob,
    is_writing: Arc<AtomicBool>,
    /// Of the last one: ends without a word when its thread does.
    end: Option<Receiver<()>>,
}

/// What it takes to write one.
#[derive(Clone)]
pub(super) struct SnapshotJob {
    pub(super) server: Arc<Server>,
    pub(super) clock: Arc<SystemClock>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dirs: DataDirs,
    pub(super) compression: Compression,
    pub(super) has_digest: bool,
    pub(super) writes_last_processed: bool,
    pub(super) reports: Arc<Reports>,
}

impl Snapshots {
    pub(super) fn new(trigger: SnapshotTrigger, job: SnapshotJob) -> Self {
        Self {
            trigger,
            job,
            is_writing: Arc::new(AtomicBool::new(false)),
            end: None,
        }
    }

    /// Counts a record; whether the log is to be rolled behind it and a snapshot taken.
    pub(super) fn count(&mut self, record_bytes: usize) -> bool {
        self.trigger.count(record_bytes as u64)
    }

    /// Begins a snapshot, unless one is being written.
    pub(super) fn start(&mut self) -> io::Result<()> {
        if self.is_writing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let (job, is_writing) = (self.job.clone(), self.is_writing.clone());
        let (alive, end) = mpsc::sync_channel(0);
        let thread = thread::Builder::new().name("snapshot".to_owned());
        thread.spawn(move || {
            job.reports.guard("snapshot", || job.write_unless_stopped());
            is_writing.store(false, Ordering::Release);
            drop(alive);
        })?;
        self.end = Some(end);
        Ok(())
    }

    /// Waits for the one that is being written, which gives up as the server stops. Not for a
    /// disk that has stalled: nothing is lost with a snapshot that has not got its name.
    pub(super) fn finish(&mut self) {
        if let Some(end) = self.end.take()
            && end.recv_timeout(END_TIMEOUT) == Err(RecvTimeoutError::Timeout)
        {
            tracing::warn!("a snapshot is left unfinished, the next start removes it");
        }
    }
}

/// How long a snapshot may take to give up.
const END_TIMEOUT: Duration = Duration::from_millis(500);

impl SnapshotJob {
    fn write_unless_stopped(&self) -> Result<(), Failure> {
        match self.write() {
            Err(_) if !self.server.is_running() => {
                tracing::info!("gave up a snapshot, as the server stops");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Writes one now.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let started = self.clock.now().monotonic;
        let cursor = SnapshotCursor::new(&self.server.state.read());
        let zxid = cursor.zxid();
        tracing::info!("Snapshotting: {zxid} to {}", self.dirs.snapshots.display());
        let mut source = LiveState { job: self, cursor };
        let written = write_snapshot(&*self.disk, &self.dirs, zxid, &mut source, self.compression)?;
        let took_ms = self.clock.now().monotonic.since(started);
        self.reports.count_snapshot(took_ms);
        tracing::info!(
            file = %written.path.display(),
            bytes = written.file_bytes,
            "Snapshot taken in {took_ms} ms"
        );
        Ok(())
    }
}

/// The state while the server works on it.
struct LiveState<'a> {
    job: &'a SnapshotJob,
    cursor: SnapshotCursor,
}

impl SnapshotSource for LiveState<'_> {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        let state = self.job.server.state.read();
        self.cursor
            .next_slice(&state, limits::SNAPSHOT_SLICE_BYTES, out)
    }

    fn is_cancelled(&self) -> bool {
        !self.job.server.is_running()
    }

    fn tail(&mut self) -> SnapshotTail {
        let state = self.job.server.state.read();
        let zxid = state.last_zxid();
        SnapshotTail {
            digest: self.job.has_digest.then(|| (zxid, state.tree.digest())),
            last_processed: self.job.writes_last_processed.then_some(zxid),
        }
    }
}
