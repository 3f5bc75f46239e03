//! The disk of a member of an ensemble: a thread that does what the writer asks for, in order, and
//! says so through the writer's queue.
//!
//! All that waits is taken at once, so appends that came in during a sync share the next one.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::base::Zxid;
use crate::net::{Server, Submissions};
use crate::peer::Input;
use crate::runtime::Failure;
use crate::runtime::reports::Reports;
use crate::runtime::snapshots::{SnapshotJob, Snapshots};
use crate::store::snapshot_writer::SnapshotSource;
use crate::store::worker::{DiskCommand, DiskDone, DiskWorker, StateAccess};

/// What the disk is to do, in order. Bounded by what the peer has in flight.
#[derive(Debug, Default)]
pub(super) struct DiskQueue {
    inner: Mutex<Inner>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    commands: Vec<DiskCommand>,
    is_closed: bool,
}

impl DiskQueue {
    /// Hands over commands, leaving `commands` empty.
    pub(super) fn push(&self, commands: &mut Vec<DiskCommand>) {
        if !commands.is_empty() {
            self.inner.lock().commands.append(commands);
            self.arrived.notify_one();
        }
    }

    /// Nothing more comes: the thread finishes what there is and ends.
    pub(super) fn close(&self) {
        self.inner.lock().is_closed = true;
        self.arrived.notify_one();
    }

    /// Waits for commands and moves all to `commands`, which is empty. `false` when there are none
    /// and none will come.
    fn take(&self, commands: &mut Vec<DiskCommand>) -> bool {
        let mut inner = self.inner.lock();
        while inner.commands.is_empty() {
            if inner.is_closed {
                return false;
            }
            self.arrived.wait(&mut inner);
        }
        std::mem::swap(commands, &mut inner.commands);
        true
    }
}

/// The thread's side.
pub(super) struct DiskThread {
    pub(super) queue: Arc<DiskQueue>,
    pub(super) worker: DiskWorker,
    pub(super) server: Arc<Server>,
    pub(super) snapshots: Snapshots,
    /// How a learner's state is written down.
    pub(super) job: SnapshotJob,
    pub(super) reports: Arc<Reports>,
    /// See [`crate::runtime::common::Common`].
    pub(super) old_files: Arc<Mutex<()>>,
}

impl DiskThread {
    /// Works until the queue is closed and empty, or the disk fails.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let state = LiveState {
            job: &self.job,
            snapshots: Mutex::new(self.snapshots),
        };
        let mut commands = Vec::new();
        while self.queue.take(&mut commands) {
            let submissions = &self.server.submissions;
            let replaces = commands.iter().any(DiskCommand::replaces_history);
            let _alone = replaces.then(|| self.old_files.lock());
            let executed = self
                .worker
                .execute(commands.drain(..), &state, &mut |done| {
                    tell(submissions, done);
                })?;
            if executed.appended > 0 {
                let took_ms = self.worker.log_counters().last_sync_ms;
                self.reports.count_sync(took_ms, executed.appended);
            }
            if executed.snapshot_is_due {
                let started = state.snapshots.lock().start();
                started.map_err(Failure::Thread)?;
            }
        }
        state.snapshots.lock().finish();
        Ok(())
    }
}

/// Tells the writer what was done.
fn tell(submissions: &Submissions, done: DiskDone) {
    match done {
        DiskDone::Appended { zxid } => submissions.notify(Input::Appended { zxid }),
        DiskDone::AcceptedEpochSaved(epoch) => {
            submissions.notify(Input::AcceptedEpochSaved(epoch));
        }
        // What was promised behind it waits for its own answer.
        DiskDone::ViewSaved => {}
        DiskDone::CurrentEpochSaved(epoch) => submissions.notify(Input::CurrentEpochSaved(epoch)),
        DiskDone::Truncated {
            zxid,
            state,
            recent,
        } => submissions.notify_with_state(Input::Truncated { zxid, recent }, state),
        DiskDone::NotTruncated { zxid } => submissions.notify(Input::NotTruncated { zxid }),
        DiskDone::SnapshotStored { zxid } => submissions.notify(Input::SnapshotStored { zxid }),
        DiskDone::Reloaded {
            zxid,
            state,
            recent,
        } => submissions.notify_with_state(Input::Reloaded { zxid, recent }, state),
        DiskDone::Drained => submissions.notify(Input::Drained),
    }
}

/// The state in memory, and the snapshots that are taken of it from time to time.
struct LiveState<'a> {
    job: &'a SnapshotJob,
    snapshots: Mutex<Snapshots>,
}

impl StateAccess for LiveState<'_> {
    /// The gate is closed when this is asked, as no clients are served, so none is begun.
    fn stop_snapshots(&self) {
        self.snapshots.lock().await_end();
        self.job.await_others();
    }

    fn snapshot_source(&self) -> (Zxid, Box<dyn SnapshotSource + '_>) {
        self.job.source()
    }
}
