//! A server's disk thread: the [`DiskWorker`] on a simulated disk. Commands are done one after the
//! other, all that wait in one batch, and a batch takes its time. What was not begun when the process
//! ends is not done, and of what was begun only a part.

use std::cell::Cell;
use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;

use crate::base::{Monotonic, Zxid};
use crate::peer::Input;
use crate::sim::facts::{EpochKind, History, ServerFact, hash_of};
use crate::sim::mutation::Mutation;
use crate::sim::node::NodeEvent;
use crate::sim::options::DiskOptions;
use crate::sim::scene::{Mail, Scene};
use crate::sim::world::Micros;
use crate::store::disk::Disk;
use crate::store::log_reader::LogReader;
use crate::store::recover::{Recovered, recover};
use crate::store::snapshot_writer::{SnapshotSource, SnapshotTail, write_snapshot};
use crate::store::worker::{
    DiskCommand, DiskDone, DiskWorker, StateAccess, WorkerError, WorkerOptions,
};
use crate::tree::{Database, SnapshotCursor};

/// What a server keeps, and where.
#[derive(Debug, Clone)]
pub(super) struct Storage {
    pub disk: Arc<dyn Disk>,
    pub options: WorkerOptions,
}

/// What a batch came to.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// For the peer.
    pub done: Vec<Mail>,
    /// It is time for a snapshot.
    pub snapshot_is_due: bool,
    /// A snapshot that is being made is of a state that is no more.
    pub stops_snapshots: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct DiskThread {
    storage: Storage,
    options: DiskOptions,
    worker: DiskWorker,
    queue: VecDeque<DiskCommand>,
    /// How many of the queue are being done.
    batch: usize,
    /// Until then everything takes long.
    slow_until: Micros,
    mutation: Option<Mutation>,
}

impl Storage {
    /// The state that is on disk.
    pub(super) fn recover(&self) -> Result<Recovered, String> {
        let WorkerOptions { storage, tree, .. } = &self.options;
        recover(&*self.disk, storage, *tree).map_err(explain)
    }

    /// What is on disk of the history.
    pub(super) fn history(&self) -> Result<History, String> {
        let storage = &self.options.storage;
        let (dirs, field_max) = (&storage.dirs, storage.field_bytes_max);
        let snapshots = dirs.list_snapshots(&*self.disk).map_err(explain)?;
        let base = snapshots.first().map_or(Zxid::ZERO, |newest| newest.zxid);
        let mut entries = Vec::new();
        if !dirs.list_logs(&*self.disk).map_err(explain)?.is_empty() {
            let mut log = LogReader::after(&*self.disk, dirs, base, field_max).map_err(explain)?;
            while let Some(record) = log.next().map_err(explain)? {
                entries.push((record.zxid, hash_of(&record.payload)));
            }
        }
        Ok(History { base, entries })
    }

    /// Writes slices of a state as a snapshot.
    pub(super) fn write_snapshot(&self, slices: Slices) -> Result<(), String> {
        let zxid = slices.zxid;
        let storage = &self.options.storage;
        let (dirs, compression) = (&storage.dirs, storage.compression);
        let mut source = Made(slices);
        write_snapshot(&*self.disk, dirs, zxid, &mut source, compression).map_err(explain)?;
        Ok(())
    }
}

impl DiskThread {
    /// A thread for a disk whose history ends with `last`.
    pub(super) fn new(
        storage: Storage,
        options: DiskOptions,
        last: Zxid,
        mutation: Option<Mutation>,
        seed: u64,
    ) -> Self {
        let clock = Box::new(|| Monotonic(0));
        let (disk, worker) = (storage.disk.clone(), storage.options.clone());
        Self {
            worker: DiskWorker::new(disk, worker, last, clock, seed),
            storage,
            options,
            queue: VecDeque::new(),
            batch: 0,
            slow_until: Micros::default(),
            mutation,
        }
    }

    pub(super) fn slow_down(&mut self, until: Micros) {
        self.slow_until = until;
    }

    pub(super) fn command(&mut self, scene: &mut Scene<'_>, command: DiskCommand) {
        self.queue.push_back(command);
        self.begin(scene);
    }

    /// The batch in progress is done; another one begins.
    pub(super) fn on_done(
        &mut self,
        scene: &mut Scene<'_>,
        db: &Database,
    ) -> Result<Batch, String> {
        let batch = self.carry_out(db)?;
        self.begin(scene);
        Ok(batch)
    }

    /// Whether a batch is in progress.
    pub(super) fn is_busy(&self) -> bool {
        self.batch > 0
    }

    /// Does what is in progress, whether or not anybody will hear of it.
    pub(super) fn carry_out(&mut self, db: &Database) -> Result<Batch, String> {
        let commands: Vec<DiskCommand> = self.queue.drain(..self.batch).collect();
        self.batch = 0;
        let is_mutated = self.mutation == Some(Mutation::ForgetTruncation);
        let forgets =
            |command: &DiskCommand| is_mutated && matches!(command, DiskCommand::Truncate { .. });
        let mut batch = Batch::default();
        let mut rest = VecDeque::from(commands);
        while !rest.is_empty() {
            let count = rest.iter().position(forgets).unwrap_or(rest.len());
            self.execute(rest.drain(..count).collect(), db, &mut batch)?;
            if let Some(DiskCommand::Truncate { zxid }) = rest.pop_front() {
                self.pretend_to_truncate(zxid, db, &mut batch)?;
            }
        }
        Ok(batch)
    }

    fn begin(&mut self, scene: &mut Scene<'_>) {
        if self.batch > 0 || self.queue.is_empty() {
            return;
        }
        self.batch = self.queue.len();
        let DiskOptions {
            sync_min_us,
            sync_mean_us,
            stall_per_mille,
            stall_us,
        } = self.options;
        let mut takes = sync_min_us + scene.prng.around(sync_mean_us);
        if scene.prng.per_mille(stall_per_mille) {
            takes += scene.prng.below(stall_us);
        }
        if scene.stage.now() < self.slow_until {
            takes = takes * 20 + 10_000;
        }
        scene.after(Micros(takes), NodeEvent::DiskDone);
    }

    fn execute(
        &mut self,
        commands: Vec<DiskCommand>,
        db: &Database,
        batch: &mut Batch,
    ) -> Result<(), String> {
        let access = Access {
            db,
            stops: Cell::new(false),
        };
        let mut answers = Vec::new();
        let executed = self
            .worker
            .execute(commands, &access, &mut |done| answers.push(done));
        batch.stops_snapshots |= access.stops.get();
        for answer in answers {
            batch.done.extend(self.report(answer)?);
        }
        let executed = executed.map_err(|error: WorkerError| explain(error))?;
        batch.snapshot_is_due |= executed.snapshot_is_due;
        Ok(())
    }

    /// The planted bug: the state is read back as it is.
    fn pretend_to_truncate(
        &mut self,
        zxid: Zxid,
        db: &Database,
        batch: &mut Batch,
    ) -> Result<(), String> {
        self.execute(vec![DiskCommand::Reload], db, batch)?;
        if let Some(Mail { input, fact, .. }) = batch.done.last_mut()
            && let Input::Reloaded { recent, .. } = input
            && let Some(ServerFact::Reloaded { history }) = fact.take()
        {
            let recent = std::mem::take(recent);
            *input = Input::Truncated { zxid, recent };
            *fact = Some(ServerFact::Truncated { zxid, history });
        }
        Ok(())
    }

    fn report(&self, answer: DiskDone) -> Result<Option<Mail>, String> {
        let (fact, input, state) = match answer {
            DiskDone::Appended { zxid } => {
                let fact = ServerFact::Durable(zxid);
                (Some(fact), Input::Appended { zxid }, None)
            }
            DiskDone::AcceptedEpochSaved(epoch) => {
                let fact = ServerFact::EpochSaved(EpochKind::Accepted, epoch);
                (Some(fact), Input::AcceptedEpochSaved(epoch), None)
            }
            DiskDone::CurrentEpochSaved(epoch) => {
                let fact = ServerFact::EpochSaved(EpochKind::Current, epoch);
                (Some(fact), Input::CurrentEpochSaved(epoch), None)
            }
            DiskDone::Truncated {
                zxid,
                state,
                recent,
            } => {
                let history = self.storage.history()?;
                let fact = ServerFact::Truncated { zxid, history };
                (Some(fact), Input::Truncated { zxid, recent }, Some(state))
            }
            DiskDone::NotTruncated { zxid } => (None, Input::NotTruncated { zxid }, None),
            DiskDone::Reloaded {
                zxid,
                state,
                recent,
            } => {
                let history = self.storage.history()?;
                let fact = ServerFact::Reloaded { history };
                (Some(fact), Input::Reloaded { zxid, recent }, Some(state))
            }
            DiskDone::SnapshotStored { zxid } => {
                let fact = ServerFact::SnapshotStored { zxid };
                (Some(fact), Input::SnapshotStored { zxid }, None)
            }
            DiskDone::ViewSaved => return Ok(None),
            DiskDone::Drained => (None, Input::Drained, None),
        };
        Ok(Some(Mail { input, state, fact }))
    }
}

/// The state in memory, for the worker.
struct Access<'a> {
    db: &'a Database,
    stops: Cell<bool>,
}

impl StateAccess for Access<'_> {
    fn stop_snapshots(&self) {
        self.stops.set(true);
    }

    fn snapshot_source(&self) -> (Zxid, Box<dyn SnapshotSource + '_>) {
        let source = Live {
            db: self.db,
            cursor: SnapshotCursor::new(self.db),
        };
        (self.db.last_zxid(), Box::new(source))
    }
}

/// The state as it is now.
struct Live<'a> {
    db: &'a Database,
    cursor: SnapshotCursor,
}

impl SnapshotSource for Live<'_> {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        self.cursor.next_slice(self.db, usize::MAX, out)
    }

    fn tail(&mut self) -> SnapshotTail {
        tail_of(self.db)
    }
}

/// A state in slices that were made while it changed.
#[derive(Debug)]
pub(super) struct Slices {
    pub zxid: Zxid,
    pub bytes: Vec<u8>,
    pub tail: SnapshotTail,
}

struct Made(Slices);

impl SnapshotSource for Made {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        out.append(&mut self.0.bytes);
        false
    }

    fn tail(&mut self) -> SnapshotTail {
        self.0.tail
    }
}

/// What stands behind the slices of a state.
pub(super) fn tail_of(db: &Database) -> SnapshotTail {
    SnapshotTail {
        digest: Some((db.last_zxid(), db.tree.digest())),
        last_processed: Some(db.last_zxid()),
    }
}

/// An error and all its reasons.
pub(super) fn explain(error: impl Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        text = format!("{text}: {reason}");
        source = reason.source();
    }
    text
}
