//! Snapshots of the running server: when, and on a thread of its own.
//!
//! The state is walked in slices, each under the shared lock, while writes go on in between. A member
//! of an ensemble takes them only while its state is known to be committed: what its log holds beyond
//! that may be taken back, and a snapshot with a part of it would keep that part.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::{Monotonic, Zxid, limits};
use crate::net::{Clock, Server};
use crate::runtime::Failure;
use crate::runtime::clock::SystemClock;
use crate::runtime::reports::Reports;
use crate::store::disk::Disk;
use crate::store::layout::{Compression, DataDirs};
use crate::store::snapshot_writer::{
    SnapshotSource, SnapshotTail, SnapshotWriteError, WrittenSnapshot, write_snapshot,
};
use crate::store::trigger::SnapshotTrigger;
use crate::tree::{Database, SnapshotCursor};

/// Says when a snapshot is due and has it written.
pub(super) struct Snapshots {
    trigger: SnapshotTrigger,
    job: SnapshotJob,
    is_writing: Arc<AtomicBool>,
    /// Of the last one: ends without a word when its thread does.
    end: Option<Receiver<()>>,
}

/// Whether snapshots may be taken; one that was begun before the gate closed is given up.
#[derive(Debug)]
pub(super) struct SnapshotGate {
    /// Odd while it is open.
    turns: AtomicU64,
}

impl SnapshotGate {
    /// A server on its own has only what is committed.
    pub(super) fn always_open() -> Arc<Self> {
        let turns = AtomicU64::new(1);
        Arc::new(Self { turns })
    }

    pub(super) fn closed() -> Arc<Self> {
        let turns = AtomicU64::new(0);
        Arc::new(Self { turns })
    }

    pub(super) fn open(&self) {
        if self.turn().is_none() {
            self.turns.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub(super) fn close(&self) {
        if self.turn().is_some() {
            self.turns.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Which opening this is, while it is open.
    fn turn(&self) -> Option<u64> {
        let turn = self.turns.load(Ordering::Acquire);
        (!turn.is_multiple_of(2)).then_some(turn)
    }
}

/// What it takes to write one.
#[derive(Clone)]
pub(super) struct SnapshotJob {
    pub(super) gate: Arc<SnapshotGate>,
    pub(super) server: Arc<Server>,
    pub(super) clock: Arc<SystemClock>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dirs: DataDirs,
    pub(super) compression: Compression,
    pub(super) has_digest: bool,
    pub(super) writes_last_processed: bool,
    pub(super) reports: Arc<Reports>,
    /// Held while one is written: two at once might have one name.
    pub(super) turn: Arc<Mutex<()>>,
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

    pub(super) fn job(&self) -> &SnapshotJob {
        &self.job
    }

    /// Counts a record; whether the log is to be rolled behind it and a snapshot taken.
    pub(super) fn count(&mut self, record_bytes: usize) -> bool {
        self.trigger.count(record_bytes as u64)
    }

    /// Begins a snapshot, unless one is being written, or none may be.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let Some(turn) = self.job.gate.turn() else {
            return Ok(());
        };
        if self.is_writing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let (job, is_writing) = (self.job.clone(), self.is_writing.clone());
        let (alive, end) = mpsc::sync_channel(0);
        let thread = thread::Builder::new().name("snapshot".to_owned());
        thread.spawn(move || {
            job.reports
                .guard("snapshot", || job.write_unless_stopped(turn));
            is_writing.store(false, Ordering::Release);
            drop(alive);
        })?;
        self.end = Some(end);
        Ok(())
    }

    /// Waits for the one that is being written, however long that takes.
    pub(super) fn await_end(&mut self) {
        if let Some(end) = self.end.take() {
            // It ends without a word.
            let _ = end.recv();
        }
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
    fn write_unless_stopped(&self, turn: u64) -> Result<(), Failure> {
        match self.write(Some(turn)) {
            Err(_) if self.is_unwanted(Some(turn)) => {
                tracing::info!("gave up a snapshot, as the server stops or its term is over");
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }

    fn is_unwanted(&self, turn: Option<u64>) -> bool {
        !self.server.is_running() || turn.is_some_and(|turn| self.gate.turn() != Some(turn))
    }

    /// Writes one now; with a turn, unless the gate closes meanwhile.
    pub(super) fn write(&self, turn: Option<u64>) -> Result<WrittenSnapshot, Failure> {
        let _alone = self.turn.lock();
        let started = self.clock.now().monotonic;
        let (zxid, mut source) = self.live_state(turn);
        tracing::info!("Snapshotting: {zxid} to {}", self.dirs.snapshots.display());
        let written = write_snapshot(&*self.disk, &self.dirs, zxid, &mut source, self.compression)?;
        self.count(started, &written);
        Ok(written)
    }

    /// Writes one because somebody asks for it; `None` while none may be written.
    pub(super) fn write_on_demand(&self) -> Option<Result<WrittenSnapshot, Failure>> {
        let turn = self.gate.turn()?;
        Some(self.write(Some(turn)))
    }

    /// Writes one of a state that nobody changes.
    pub(super) fn write_detached(&self, state: &Database) -> Result<(), SnapshotWriteError> {
        let _alone = self.turn.lock();
        let started = self.clock.now().monotonic;
        let mut source = DetachedState {
            job: self,
            cursor: SnapshotCursor::new(state),
            state,
        };
        let zxid = state.last_zxid();
        let written = write_snapshot(&*self.disk, &self.dirs, zxid, &mut source, self.compression)?;
        self.count(started, &written);
        self.remove_others(&written);
        Ok(())
    }

    /// Removes what else there is of this zxid, in another compression: it holds what a restore has
    /// replaced.
    pub(super) fn remove_others(&self, written: &WrittenSnapshot) {
        let snapshots = self.dirs.list_snapshots(&*self.disk).unwrap_or_default();
        let of_zxid = snapshots.iter().filter(|it| it.zxid == written.zxid);
        for path in of_zxid.map(|it| self.dirs.snapshots.join(&it.name)) {
            if path != written.path
                && let Err(error) = self.disk.remove(&path)
            {
                tracing::error!(%error, "{} holds the state before a restore", path.display());
            }
        }
    }

    /// Waits for one that is being written on demand.
    pub(super) fn await_others(&self) {
        drop(self.turn.lock());
    }

    fn count(&self, started: Monotonic, written: &WrittenSnapshot) {
        let took_ms = self.clock.now().monotonic.since(started);
        self.reports.count_snapshot(took_ms);
        tracing::info!(
            file = %written.path.display(),
            bytes = written.file_bytes,
            "Snapshot taken in {took_ms} ms"
        );
    }

    /// The state from now on, whatever the server does, and the last transaction that is surely in
    /// it.
    pub(super) fn source(&self) -> (Zxid, Box<dyn SnapshotSource + '_>) {
        let (zxid, source) = self.live_state(None);
        (zxid, Box::new(source))
    }

    fn tail_of(&self, state: &Database) -> SnapshotTail {
        let zxid = state.last_zxid();
        SnapshotTail {
            digest: self.has_digest.then(|| (zxid, state.tree.digest())),
            last_processed: self.writes_last_processed.then_some(zxid),
        }
    }

    fn live_state(&self, turn: Option<u64>) -> (Zxid, LiveState<'_>) {
        let cursor = SnapshotCursor::new(&self.server.state.read());
        let zxid = cursor.zxid();
        let source = LiveState {
            job: self,
            cursor,
            turn,
        };
        (zxid, source)
    }
}

/// The state while the server works on it.
struct LiveState<'a> {
    job: &'a SnapshotJob,
    cursor: SnapshotCursor,
    turn: Option<u64>,
}

impl SnapshotSource for LiveState<'_> {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        let state = self.job.server.state.read();
        self.cursor
            .next_slice(&state, limits::SNAPSHOT_SLICE_BYTES, out)
    }

    fn is_cancelled(&self) -> bool {
        self.job.is_unwanted(self.turn)
    }

    fn tail(&mut self) -> SnapshotTail {
        self.job.tail_of(&self.job.server.state.read())
    }
}

/// A state that is nobody's yet.
struct DetachedState<'a> {
    job: &'a SnapshotJob,
    cursor: SnapshotCursor,
    state: &'a Database,
}

impl SnapshotSource for DetachedState<'_> {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        self.cursor
            .next_slice(self.state, limits::SNAPSHOT_SLICE_BYTES, out)
    }

    fn tail(&mut self) -> SnapshotTail {
        self.job.tail_of(self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server has without a term may never be committed, and one that was begun before it lost
    /// its term may take that in.
    #[test]
    fn a_snapshot_is_of_one_term() {
        let gate = SnapshotGate::closed();
        assert_eq!(gate.turn(), None, "no term has begun");
        gate.open();
        let turn = gate.turn();
        assert!(turn.is_some());
        gate.open();
        assert_eq!(gate.turn(), turn, "it goes on");
        gate.close();
        assert_eq!(gate.turn(), None);
        gate.open();
        assert!(gate.turn().is_some_and(|next| Some(next) != turn));
        assert!(SnapshotGate::always_open().turn().is_some());
    }
}
