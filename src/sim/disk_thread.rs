//! A server's disk thread: commands are done one after the other, all that wait in one batch, and a
//! batch takes its time. What was not begun when the process ends is not done, and of what was begun
//! only a part.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Epoch, Monotonic, Zxid};
use crate::peer::Input;
use crate::sim::facts::{EpochKind, History, ServerFact, hash_of};
use crate::sim::node::NodeEvent;
use crate::sim::options::DiskOptions;
use crate::sim::scene::{Mail, Scene};
use crate::sim::world::Micros;
use crate::store::disk::Disk;
use crate::store::epoch::EpochFile;
use crate::store::log_reader::LogReader;
use crate::store::log_writer::{LogOptions, LogWriter};
use crate::store::recover::{Recovered, StorageOptions, recover};
use crate::store::snapshot_writer::{SnapshotSource, SnapshotTail, write_snapshot};
use crate::tree::{Database, TreeOptions};

/// What a server keeps, and where.
#[derive(Debug, Clone)]
pub struct Storage {
    pub disk: Arc<dyn Disk>,
    pub options: StorageOptions,
    pub tree: TreeOptions,
    pub log: LogOptions,
}

/// Something for the disk to do.
#[derive(Debug)]
pub enum DiskCommand {
    Append { zxid: Zxid, payload: Bytes },
    /// The log goes on in another file.
    Roll,
    SaveEpoch(EpochFile, Epoch),
    Truncate(Zxid),
    StoreSnapshot(Slices),
    Reload,
    Drain,
}

/// A state as it was when its slices were made.
#[derive(Debug, Clone)]
pub struct Slices {
    pub zxid: Zxid,
    pub bytes: Vec<u8>,
    pub tail: SnapshotTail,
}

/// What the disk has done: a fact, and what the peer is told.
#[derive(Debug)]
pub struct Done {
    pub fact: Option<ServerFact>,
    pub mail: Mail,
}

/// See the module.
#[derive(Debug)]
pub struct DiskThread {
    storage: Storage,
    options: DiskOptions,
    log: LogWriter,
    queue: VecDeque<DiskCommand>,
    /// How many of the queue are being done.
    batch: usize,
    /// Until then everything takes long.
    slow_until: Micros,
    pub syncs: u64,
}

type DiskResult<T> = Result<T, String>;

impl Storage {
    /// The state that is on disk.
    pub fn recover(&self) -> DiskResult<Recovered> {
        recover(&*self.disk, &self.options, self.tree).map_err(explain)
    }

    /// What of the history is on disk behind the snapshot.
    pub fn history(&self, snapshot: Option<Zxid>) -> DiskResult<History> {
        let base = snapshot.unwrap_or_default();
        let (dirs, field_max) = (&self.options.dirs, self.options.field_bytes_max);
        let mut entries = Vec::new();
        if !dirs.list_logs(&*self.disk).map_err(explain)?.is_empty() {
            let mut log = LogReader::after(&*self.disk, dirs, base, field_max).map_err(explain)?;
            while let Some(record) = log.next().map_err(explain)? {
                entries.push((record.zxid, hash_of(&record.payload)));
            }
        }
        Ok(History { base, entries })
    }

    fn log_behind(&self, last: Zxid) -> LogWriter {
        LogWriter::new(
            self.disk.clone(),
            self.options.dirs.logs.clone(),
            self.log,
            last,
            Box::new(|| Monotonic(0)),
        )
    }
}

impl DiskThread {
    /// A thread whose log goes on behind `last`.
    pub fn new(storage: Storage, options: DiskOptions, last: Zxid) -> Self {
        Self {
            log: storage.log_behind(last),
            storage,
            options,
            queue: VecDeque::new(),
            batch: 0,
            slow_until: Micros::default(),
            syncs: 0,
        }
    }

    pub fn slow_down(&mut self, until: Micros) {
        self.slow_until = until;
    }

    pub fn command(&mut self, scene: &mut Scene<'_>, command: DiskCommand) {
        self.queue.push_back(command);
        self.begin(scene);
    }

    /// The batch in progress is done; another one begins.
    pub fn on_done(&mut self, scene: &mut Scene<'_>) -> DiskResult<Vec<Done>> {
        let done = self.carry_out()?;
        self.begin(scene);
        Ok(done)
    }

    /// Whether a batch is in progress.
    pub fn is_busy(&self) -> bool {
        self.batch > 0
    }

    /// Does what is in progress, whether or not anybody will hear of it.
    pub fn carry_out(&mut self) -> DiskResult<Vec<Done>> {
        let batch: Vec<DiskCommand> = self.queue.drain(..self.batch).collect();
        self.batch = 0;
        let mut done = Vec::new();
        let mut appended = None;
        for command in batch {
            match command {
                DiskCommand::Append { zxid, payload } => {
                    self.log.append(zxid, &payload).map_err(explain)?;
                    appended = Some(zxid);
                    continue;
                }
                DiskCommand::Roll => {
                    self.log.roll();
                    continue;
                }
                _ => self.sync(appended.take(), &mut done)?,
            }
            done.push(self.execute(command)?);
        }
        self.sync(appended, &mut done)?;
        Ok(done)
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

    fn sync(&mut self, appended: Option<Zxid>, done: &mut Vec<Done>) -> DiskResult<()> {
        let Some(zxid) = appended else {
            return Ok(());
        };
        self.syncs += 1;
        let durable = self.log.sync().map_err(explain)?;
        assert_eq!(durable, zxid, "a sync makes all of the log durable");
        let fact = ServerFact::Durable(zxid);
        done.push(Done::new(fact, Input::Appended { zxid }));
        Ok(())
    }

    fn execute(&mut self, command: DiskCommand) -> DiskResult<Done> {
        let (disk, options) = (&*self.storage.disk, &self.storage.options);
        match command {
            DiskCommand::SaveEpoch(file, epoch) => {
                file.save(disk, &options.dirs, epoch).map_err(explain)?;
                let (kind, input) = match file {
                    EpochFile::Accepted => (EpochKind::Accepted, Input::AcceptedEpochSaved(epoch)),
                    EpochFile::Current => (EpochKind::Current, Input::CurrentEpochSaved(epoch)),
                };
                Ok(Done::new(ServerFact::EpochSaved(kind, epoch), input))
            }
            DiskCommand::Truncate(_) => Err("cannot cut yet".to_owned()),
            DiskCommand::StoreSnapshot(slices) => self.store_snapshot(slices),
            DiskCommand::Reload => self.reload(),
            DiskCommand::Drain => Ok(Done {
                fact: None,
                mail: Mail {
                    input: Input::Drained,
                    state: None,
                },
            }),
            DiskCommand::Append { .. } | DiskCommand::Roll => unreachable!("done by the caller"),
        }
    }

    fn reload(&mut self) -> DiskResult<Done> {
        let recovered = self.storage.recover()?;
        let history = self.storage.history(recovered.snapshot)?;
        let zxid = recovered.database.last_zxid();
        let recent = recovered.recent;
        Ok(Done {
            fact: Some(ServerFact::Reloaded { history }),
            mail: Mail {
                input: Input::Reloaded { zxid, recent },
                state: Some(Box::new(recovered.database)),
            },
        })
    }

    fn store_snapshot(&mut self, slices: Slices) -> DiskResult<Done> {
        let zxid = slices.zxid;
        slices.write(&self.storage)?;
        self.log = self.storage.log_behind(zxid);
        let fact = ServerFact::SnapshotStored { zxid };
        Ok(Done::new(fact, Input::SnapshotStored { zxid }))
    }
}

impl Slices {
    /// Writes them as a snapshot.
    pub fn write(self, storage: &Storage) -> DiskResult<()> {
        let (zxid, mut source) = (self.zxid, Made(Some(self)));
        let StorageOptions {
            dirs, compression, ..
        } = &storage.options;
        write_snapshot(&*storage.disk, dirs, zxid, &mut source, *compression).map_err(explain)?;
        Ok(())
    }
}

/// Slices that are there already.
struct Made(Option<Slices>);

impl SnapshotSource for Made {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.0.as_ref().expect("slices are taken once").bytes);
        false
    }

    fn tail(&mut self) -> SnapshotTail {
        self.0.take().expect("the tail is taken once").tail
    }
}

impl Done {
    fn new(fact: ServerFact, input: Input) -> Self {
        Self {
            fact: Some(fact),
            mail: Mail { input, state: None },
        }
    }
}

/// The state as slices that are made at once.
pub fn slices_of(db: &Database) -> Slices {
    let mut cursor = crate::tree::SnapshotCursor::new(db);
    let mut bytes = Vec::new();
    while cursor.next_slice(db, usize::MAX, &mut bytes) {}
    Slices {
        zxid: cursor.zxid(),
        bytes,
        tail: tail_of(db),
    }
}

/// What stands behind the slices of a state.
pub fn tail_of(db: &Database) -> SnapshotTail {
    SnapshotTail {
        digest: Some((db.last_zxid(), db.tree.digest())),
        last_processed: Some(db.last_zxid()),
    }
}

fn explain(error: impl Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        text = format!("{text}: {reason}");
        source = reason.source();
    }
    text
}
