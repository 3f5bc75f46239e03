//! What a member of an ensemble does on its disk, command by command: the log, the epochs,
//! truncation, the snapshot that takes the place of a history, and reading all of it back.
//!
//! ```text
//! Append, Append, Append    one sync for all in a row, then Appended
//! SaveAcceptedEpoch         durable before anything behind it begins; so are the following
//! SaveCurrentEpoch
//! SaveSeenView              the configuration that may become committed
//! SaveCommittedView         the one that is
//! Truncate                  log and snapshots end with that transaction; gives the state
//! StoreSnapshot             what is in memory is what is on disk; gives nothing
//! Reload                    gives the state
//! Drain                     all before it is done
//! ```
//!
//! Commands are worked off in their order and answered in it, each answer given as soon as it is
//! true. The driver calls from whatever thread it likes, and has as many commands wait meanwhile
//! as it likes: appends that waited together share a sync.
//!
//! Invariants: what is answered is durable; after an error nothing more is done, and the server
//! must stop; no snapshot of the driver's own is written while log and snapshots are changed.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Epoch, Monotonic, ServerId, Zxid};
use crate::quorum::QuorumView;
use crate::store::disk::Disk;
use crate::store::epoch::{EpochError, EpochFile};
use crate::store::log_writer::{LogCounters, LogOptions, LogWriteError, LogWriter};
use crate::store::member_files::{MemberFiles, MemberFilesError};
use crate::store::recover::{RecoverError, Recovered, Remark, StorageOptions, recover};
use crate::store::snapshot_writer::{SnapshotSource, SnapshotWriteError, write_snapshot};
use crate::store::trigger::{SnapshotTrigger, TriggerOptions};
use crate::store::truncate::{
    TruncateError, forget_behind, remove_logs, remove_snapshots, truncate,
};
use crate::tree::{Database, TreeOptions};
use crate::zab::Committed;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskCommand {
    /// zxids rise.
    Append {
        zxid: Zxid,
        payload: Bytes,
    },
    SaveAcceptedEpoch(Epoch),
    SaveCurrentEpoch(Epoch),
    /// Keep a configuration that may become committed.
    SaveSeenView(Arc<QuorumView>),
    /// Keep a committed one. `keeps_seen`: a newer one may become committed.
    SaveCommittedView {
        view: Arc<QuorumView>,
        keeps_seen: bool,
    },
    /// Make this the last transaction, in log and snapshots.
    Truncate {
        zxid: Zxid,
    },
    /// Make the state in memory, which has all up to this, the one on disk. What the log has is
    /// void: it need not lead there.
    StoreSnapshot {
        zxid: Zxid,
    },
    /// Read the state back.
    Reload,
    /// Say so once all before is done.
    Drain,
}

impl DiskCommand {
    /// Whether it takes away snapshots and logs, by what it finds of them.
    pub fn replaces_history(&self) -> bool {
        matches!(self, Self::Truncate { .. } | Self::StoreSnapshot { .. })
    }
}

/// What was done. A state that comes with it is for the driver to put in place.
#[derive(Debug)]
pub enum DiskDone {
    /// Everything up to and including this is durable.
    Appended {
        zxid: Zxid,
    },
    AcceptedEpochSaved(Epoch),
    CurrentEpochSaved(Epoch),
    /// Seen or committed.
    ViewSaved,
    Truncated {
        zxid: Zxid,
        state: Box<Database>,
        recent: Vec<Committed>,
    },
    /// What is on disk does not lead to where it was to be cut; nothing was changed.
    NotTruncated {
        zxid: Zxid,
    },
    SnapshotStored {
        zxid: Zxid,
    },
    Reloaded {
        zxid: Zxid,
        state: Box<Database>,
        recent: Vec<Committed>,
    },
    Drained,
}

/// What a call did besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Executed {
    /// Transactions appended.
    pub appended: usize,
    /// It is time for a snapshot: the log goes on in a new file, and the driver should begin one
    /// unless one is being written.
    pub snapshot_is_due: bool,
}

/// The state in memory and what the driver does with it.
pub trait StateAccess {
    /// Lets no snapshot of the driver's own be written: one that is being written is finished or
    /// gone when this returns, and the driver begins none before the command's answer.
    fn stop_snapshots(&self);
    /// The last transaction applied, and the state from then on.
    fn snapshot_source(&self) -> (Zxid, Box<dyn SnapshotSource + '_>);
}

/// What a worker can be told by the configuration.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    pub storage: StorageOptions,
    pub tree: TreeOptions,
    pub log: LogOptions,
    pub trigger: TriggerOptions,
    /// `false` for an observer with `zookeeper.observer.syncEnabled=false`: it appends nothing.
    pub keeps_log: bool,
    /// Where configurations are kept, with the id of this server; `None` where they do not change.
    pub files: Option<(MemberFiles, ServerId)>,
}

/// Why the server cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("a write to the transaction log failed; nothing more is acknowledged")]
    Log(#[from] LogWriteError),
    #[error("an epoch cannot be kept")]
    Epoch(#[from] EpochError),
    #[error("a configuration of the ensemble cannot be kept")]
    MemberFiles(#[from] MemberFilesError),
    #[error("the history cannot be cut")]
    Truncate(#[from] TruncateError),
    #[error("the state received from the leader cannot be stored")]
    Snapshot(#[from] SnapshotWriteError),
    #[error("the state received from the leader cannot take the place of what is on disk")]
    Replace(#[source] TruncateError),
    #[error("the state cannot be read back")]
    Reload(#[from] RecoverError),
    #[error("the disk failed before")]
    FailedBefore,
}

impl WorkerError {
    /// The process's exit code, as `ExitCode` has it for the same reason.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Log(_) | Self::MemberFiles(_) | Self::FailedBefore => 1,
            Self::Epoch(_) => EpochError::EXIT_CODE,
            Self::Truncate(_) => TruncateError::EXIT_CODE,
            Self::Snapshot(_) | Self::Replace(_) => SnapshotWriteError::EXIT_CODE,
            Self::Reload(error) => error.exit_code(),
        }
    }
}

/// See the module.
pub struct DiskWorker {
    disk: Arc<dyn Disk>,
    options: WorkerOptions,
    log: LogWriter,
    trigger: SnapshotTrigger,
    /// The last transaction that was appended since the last sync.
    unsynced: Option<Zxid>,
    has_failed: bool,
}

impl DiskWorker {
    /// A worker for a disk whose history ends with `last`. `clock` only times syncs; `seed` should
    /// differ between servers and starts.
    pub fn new(
        disk: Arc<dyn Disk>,
        options: WorkerOptions,
        last: Zxid,
        clock: Box<dyn Fn() -> Monotonic + Send>,
        seed: u64,
    ) -> Self {
        let logs = options.storage.dirs.logs.clone();
        Self {
            log: LogWriter::new(disk.clone(), logs, options.log, last, clock),
            trigger: SnapshotTrigger::new(options.trigger, seed),
            disk,
            options,
            unsynced: None,
            has_failed: false,
        }
    }

    /// Does what is commanded, in order, and gives the answers to `done`, in order.
    ///
    /// # Panics
    /// When a transaction is not behind those appended before, or the state in memory is behind
    /// what is to be stored of it.
    pub fn execute(
        &mut self,
        commands: impl IntoIterator<Item = DiskCommand>,
        state: &dyn StateAccess,
        done: &mut dyn FnMut(DiskDone),
    ) -> Result<Executed, WorkerError> {
        if self.has_failed {
            return Err(WorkerError::FailedBefore);
        }
        // Also if one of the following panics.
        self.has_failed = true;
        let mut executed = Executed::default();
        for command in commands {
            if let DiskCommand::Append { zxid, payload } = command {
                executed.appended += 1;
                executed.snapshot_is_due |= self.append(zxid, &payload)?;
            } else {
                self.sync(done)?;
                done(self.carry_out(command, state)?);
            }
        }
        self.sync(done)?;
        self.has_failed = false;
        Ok(executed)
    }

    /// What the log did, for metrics.
    pub fn log_counters(&self) -> LogCounters {
        self.log.counters()
    }

    /// Gives whether a snapshot is due.
    fn append(&mut self, zxid: Zxid, payload: &[u8]) -> Result<bool, WorkerError> {
        self.unsynced = Some(zxid);
        if !self.options.keeps_log {
            return Ok(false);
        }
        self.log.append(zxid, payload)?;
        let is_due = self.trigger.count(payload.len() as u64);
        if is_due {
            self.log.roll();
        }
        Ok(is_due)
    }

    fn sync(&mut self, done: &mut dyn FnMut(DiskDone)) -> Result<(), WorkerError> {
        if let Some(zxid) = self.unsynced.take() {
            let durable = self.log.sync()?;
            assert!(durable == zxid || !self.options.keeps_log);
            done(DiskDone::Appended { zxid });
        }
        Ok(())
    }

    /// Everything appended before is durable.
    fn carry_out(
        &mut self,
        command: DiskCommand,
        state: &dyn StateAccess,
    ) -> Result<DiskDone, WorkerError> {
        assert!(self.unsynced.is_none(), "the log is synced first");
        let dirs = &self.options.storage.dirs;
        Ok(match command {
            DiskCommand::Append { .. } => unreachable!("appends are collected"),
            DiskCommand::SaveAcceptedEpoch(epoch) => {
                EpochFile::Accepted.save(&*self.disk, dirs, epoch)?;
                DiskDone::AcceptedEpochSaved(epoch)
            }
            DiskCommand::SaveCurrentEpoch(epoch) => {
                EpochFile::Current.save(&*self.disk, dirs, epoch)?;
                DiskDone::CurrentEpochSaved(epoch)
            }
            DiskCommand::SaveSeenView(view) => {
                if let Some((files, _)) = &self.options.files {
                    files.propose(&*self.disk, &view)?;
                }
                DiskDone::ViewSaved
            }
            DiskCommand::SaveCommittedView { view, keeps_seen } => {
                if let Some((files, me)) = &self.options.files {
                    files.activate(&*self.disk, &view, *me, keeps_seen)?;
                }
                DiskDone::ViewSaved
            }
            DiskCommand::Truncate { zxid } => self.truncate(zxid, state)?,
            DiskCommand::StoreSnapshot { zxid } => self.store_snapshot(zxid, state)?,
            DiskCommand::Reload => self.reload(state)?,
            DiskCommand::Drain => DiskDone::Drained,
        })
    }

    fn truncate(&mut self, zxid: Zxid, state: &dyn StateAccess) -> Result<DiskDone, WorkerError> {
        state.stop_snapshots();
        let WorkerOptions { storage, tree, .. } = &self.options;
        let remaining = match truncate(&*self.disk, storage, *tree, zxid) {
            Err(error @ (TruncateError::NoSnapshot { .. } | TruncateError::NotInLog { .. })) => {
                tracing::warn!("{error}");
                return Ok(DiskDone::NotTruncated { zxid });
            }
            truncated => truncated?,
        };
        self.log.restart(zxid);
        report(&remaining.remarks);
        Ok(DiskDone::Truncated {
            zxid,
            state: Box::new(remaining.database),
            recent: remaining.recent,
        })
    }

    /// What does not lead to the snapshot goes before it is there, so that a start never puts it
    /// on top; what lies before it goes once it is durable.
    fn store_snapshot(
        &mut self,
        zxid: Zxid,
        state: &dyn StateAccess,
    ) -> Result<DiskDone, WorkerError> {
        state.stop_snapshots();
        let (disk, storage) = (&*self.disk, &self.options.storage);
        forget_behind(disk, storage, zxid).map_err(WorkerError::Replace)?;
        let (applied, mut source) = state.snapshot_source();
        assert!(applied >= zxid, "{applied} is behind {zxid}");
        let compression = storage.compression;
        let written = write_snapshot(disk, &storage.dirs, zxid, &mut *source, compression)?;
        remove_snapshots(disk, storage, |snapshot| {
            storage.dirs.snapshots.join(&snapshot.name) != written.path
        })
        .map_err(WorkerError::Replace)?;
        remove_logs(disk, storage).map_err(WorkerError::Replace)?;
        self.log.restart(zxid);
        Ok(DiskDone::SnapshotStored { zxid })
    }

    fn reload(&mut self, state: &dyn StateAccess) -> Result<DiskDone, WorkerError> {
        state.stop_snapshots();
        let WorkerOptions { storage, tree, .. } = &self.options;
        let Recovered {
            database,
            recent,
            remarks,
            ..
        } = recover(&*self.disk, storage, *tree)?;
        let zxid = database.last_zxid();
        self.log.restart(zxid);
        report(&remarks);
        Ok(DiskDone::Reloaded {
            zxid,
            state: Box::new(database),
            recent,
        })
    }
}

fn report(remarks: &[Remark]) {
    for remark in remarks {
        tracing::warn!("{remark}");
    }
}

impl fmt::Debug for DiskWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskWorker")
            .field("log", &self.log)
            .field("unsynced", &self.unsynced)
            .field("has_failed", &self.has_failed)
            .finish_non_exhaustive()
    }
}
