//! From files to a state: the newest snapshot that is whole, and all of the log behind it.
//!
//! ```text
//! snapshot | logs | result
//! loaded   | any  | the log behind the snapshot's name is replayed
//! none     | some | refused, unless an empty tree may be trusted: then all of the log is replayed,
//!          |      | and becomes durable as a snapshot
//! none     | none | an empty state; it may vote by the marker `initialize` or by configuration,
//!          |      | and then becomes durable as `snapshot.0`
//! ```
//!
//! What a crash left of files nobody was told of is dropped and remarked on. Damage to what may
//! have been acknowledged, or records missing in between, stop the start.
//!
//! Deliberately absent: which ephemerals have lost their session. Only who begins to lead or to
//! serve alone may decide that ([`Database::remove_orphaned_ephemerals`]), and takes a snapshot
//! then.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use jute::DecodeError;
use jute::data::StatPersisted;

use crate::base::{AclList, SessionId, Zxid, limits};
use crate::store::container;
use crate::store::disk::Disk;
use crate::store::layout::{
    Compression, DataDirs, LayoutError, SnapshotName, is_unfinished_snapshot,
};
use crate::store::load_ahead::load_ahead;
use crate::store::log_reader::{LogReadError, LogReader, LogRemark};
use crate::store::replay::{Replay, Replayed};
use crate::store::snapshot_reader::{SnapshotReadError, SnapshotSink};
use crate::store::snapshot_writer::{
    SnapshotSource, SnapshotTail, SnapshotWriteError, write_snapshot,
};
use crate::tree::{
    Database, DatabaseLoader, DigestMismatch, LoadError, SnapshotCursor, TreeOptions,
};
use crate::zab::Committed;

/// What recovery can be told by the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageOptions {
    pub dirs: DataDirs,
    /// `zookeeper.datadir.autocreate`: missing directories are made.
    pub creates_dirs: bool,
    /// `zookeeper.db.autocreate`: a server without data may vote without the marker.
    pub empty_may_vote: bool,
    /// `zookeeper.snapshot.trust.empty`: logs without a snapshot are replayed onto an empty tree.
    pub trusts_empty: bool,
    /// `jute.maxbuffer` and `zookeeper.jute.maxbuffer.extrasize` together.
    pub field_bytes_max: usize,
    /// `zookeeper.snapshot.compression.method`.
    pub compression: Compression,
    /// `zookeeper.serializeLastProcessedZxid.enabled`.
    pub writes_last_processed: bool,
    /// `zookeeper.commitLogCount`: how many of the newest transactions come with the state, for a
    /// member of an ensemble to bring others up to date with. A server on its own needs none.
    pub recent_max: usize,
}

impl StorageOptions {
    /// Apache's defaults for these directories.
    pub fn new(data_dir: &Path, data_log_dir: &Path) -> Self {
        Self {
            dirs: DataDirs::new(data_dir, data_log_dir),
            creates_dirs: true,
            empty_may_vote: true,
            trusts_empty: false,
            field_bytes_max: 2 * jute::MAX_BUFFER_DEFAULT,
            compression: Compression::Plain,
            writes_last_processed: true,
            recent_max: RECENT_MAX_DEFAULT,
        }
    }
}

/// Apache's `commitLogCount`.
const RECENT_MAX_DEFAULT: usize = 500;

/// The state that was on disk.
#[derive(Debug)]
pub struct Recovered {
    pub database: Database,
    /// The snapshot it started from; `None` where there was none.
    pub snapshot: Option<Zxid>,
    /// Transactions replayed on top of it.
    pub replayed: u64,
    /// The newest of them, without a hole; the last is the last of the state.
    pub recent: Vec<Committed>,
    /// `false` for a server without data that was not told that it never had any.
    pub may_vote: bool,
    /// What a person should know.
    pub remarks: Vec<Remark>,
}

/// Something noticed on the way that does not stop the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// A file with a snapshot's name is none; an older one was tried.
    UnusableSnapshot {
        path: PathBuf,
        reason: String,
    },
    /// What a crash left of a snapshot being written was removed.
    RemovedUnfinished {
        path: PathBuf,
    },
    /// There are logs and no snapshot, and that was to be trusted.
    TrustedEmpty,
    Log(LogRemark),
    /// The state is not the one its author had. `count` of them in all.
    DigestMismatch {
        first: DigestMismatch,
        count: u64,
    },
    /// The log ends before the transaction up to which the snapshot was written.
    LogEndsInsideSnapshot {
        last: Zxid,
        snapshot_end: Zxid,
    },
    /// Nodes have access control lists that neither the snapshot holds nor the log brought. They
    /// let nobody.
    MissingAcls(Vec<i64>),
    /// There are TTL nodes though extended types are off; they are kept as such.
    TtlWithoutExtendedTypes,
}

/// Why there is no state to start with.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error("cannot {action} {path:?}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("none of the {count} snapshots can be used; the newest: {newest}")]
    NoUsableSnapshot { count: usize, newest: String },
    #[error(
        "there are logs and no snapshot: something is missing, or zookeeper.snapshot.trust.empty \
         has to be set for an upgrade from before 3.5"
    )]
    SnapshotMissing,
    #[error(transparent)]
    Log(#[from] LogReadError),
    #[error("the log's transaction {zxid} cannot be understood")]
    Undecodable { zxid: Zxid, source: DecodeError },
    #[error(transparent)]
    FirstSnapshot(#[from] SnapshotWriteError),
}

impl RecoverError {
    /// What Apache's server exits with for the same reason (`ExitCode`).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Layout(_) => 3,
            Self::FirstSnapshot(_) => SnapshotWriteError::EXIT_CODE,
            _ => 1,
        }
    }
}

/// Newer ones than these are not looked at, as in `FileSnap`.
pub(super) const SNAPSHOTS_TRIED: usize = 100;

/// Brings the state back.
pub fn recover(
    disk: &dyn Disk,
    storage: &StorageOptions,
    tree: TreeOptions,
) -> Result<Recovered, RecoverError> {
    let dirs = &storage.dirs;
    dirs.prepare(disk, storage.creates_dirs)?;
    let mut remarks = remove_unfinished(disk, dirs)?;
    let is_marked = take_initialize_marker(disk, dirs)?;
    let has_logs = !list(dirs.list_logs(disk), &dirs.logs)?.is_empty();
    let loaded = load_newest(disk, storage, tree, has_logs, &mut remarks)?;
    let snapshot = loaded.as_ref().map(|loaded| loaded.zxid);
    let mut may_vote = true;
    let (database, snapshot_end) = match loaded {
        Some(loaded) => (loaded.database, loaded.end),
        None if has_logs && !storage.trusts_empty => return Err(RecoverError::SnapshotMissing),
        None => {
            let mut database = Database::new(tree);
            if has_logs {
                remarks.push(Remark::TrustedEmpty);
            } else if is_marked || storage.empty_may_vote {
                // Apache's digest trailer of a state no transaction made is zero, whatever the tree's.
                write_first_snapshot(disk, storage, &database, tree.digest_enabled.then_some(0))?;
            } else {
                may_vote = false;
                database.set_last_zxid(Zxid(-1));
            }
            (database, Zxid::ZERO)
        }
    };
    let mut recovered = Recovered {
        database,
        snapshot,
        replayed: 0,
        recent: Vec::new(),
        may_vote,
        remarks,
    };
    if has_logs {
        recovered.replay(disk, storage)?;
    }
    make_durable(disk, dirs)?;
    if recovered.remarks.contains(&Remark::TrustedEmpty) {
        // Apache's server on its own and its leader write one at each start, its learner behind the first
        // DIFF: the next start need not be told to trust.
        let database = &recovered.database;
        let digest = tree.digest_enabled.then(|| database.tree.digest());
        write_first_snapshot(disk, storage, database, digest)?;
    }
    let missing_acls = recovered.database.tree.missing_acls();
    if !missing_acls.is_empty() {
        let remark = Remark::MissingAcls(missing_acls);
        recovered.remarks.push(remark);
    }
    let last = recovered.database.last_zxid();
    if last < snapshot_end {
        let remark = Remark::LogEndsInsideSnapshot { last, snapshot_end };
        recovered.remarks.push(remark);
    }
    Ok(recovered)
}

/// A snapshot in memory.
pub(super) struct LoadedSnapshot {
    pub(super) database: Database,
    /// By its name: what surely is in it.
    pub(super) zxid: Zxid,
    /// By its trailer: the last transaction some of which may be in it.
    pub(super) end: Zxid,
}

impl Recovered {
    fn replay(&mut self, disk: &dyn Disk, storage: &StorageOptions) -> Result<(), RecoverError> {
        let last = self.database.last_zxid();
        let field_max = storage.field_bytes_max;
        let mut log = LogReader::after(disk, &storage.dirs, last, field_max)?;
        let mut replay = Replay::new(field_max, storage.recent_max);
        while let Some(record) = log.next()? {
            replay.apply(&mut self.database, record)?;
        }
        let remarks = log.take_remarks().into_iter().map(Remark::Log);
        self.remarks.extend(remarks);
        self.take(replay.finish());
        Ok(())
    }

    pub(super) fn take(&mut self, replayed: Replayed) {
        self.replayed = replayed.count;
        self.recent = replayed.recent;
        let mismatch = replayed
            .mismatch
            .map(|(first, count)| Remark::DigestMismatch { first, count });
        self.remarks.extend(mismatch);
    }
}

/// What was read is told to clients from here on, and the new log goes on behind it. A process
/// that was killed may have left it unsynced: a loss of power would then take it from under both.
fn make_durable(disk: &dyn Disk, dirs: &DataDirs) -> Result<(), RecoverError> {
    for log in list(dirs.list_logs(disk), &dirs.logs)? {
        let path = dirs.logs.join(log.name);
        disk.sync_file(&path).map_err(failure("sync", &path))?;
    }
    for dir in [&dirs.logs, &dirs.snapshots] {
        disk.sync_dir(dir).map_err(failure("sync", dir))?;
    }
    Ok(())
}

fn load_newest(
    disk: &dyn Disk,
    storage: &StorageOptions,
    tree: TreeOptions,
    has_logs: bool,
    remarks: &mut Vec<Remark>,
) -> Result<Option<LoadedSnapshot>, RecoverError> {
    let dirs = &storage.dirs;
    let mut snapshots = list(dirs.list_snapshots(disk), &dirs.snapshots)?;
    snapshots.truncate(SNAPSHOTS_TRIED);
    let mut newest = None;
    for snapshot in &snapshots {
        match load(disk, storage, tree, snapshot, remarks) {
            Ok(loaded) => return Ok(Some(loaded)),
            Err(error) => {
                let path = dirs.snapshots.join(&snapshot.name);
                let reason = reason_chain(&error);
                newest.get_or_insert_with(|| format!("{path:?}: {reason}"));
                remarks.push(Remark::UnusableSnapshot { path, reason });
            }
        }
    }
    // The very first snapshot holds nothing, and Apache's servers write it in place: what a crash
    // left of it is no loss while there is no log.
    let is_first_only = snapshots.iter().all(|snapshot| snapshot.zxid == Zxid::ZERO);
    match newest {
        Some(newest) if has_logs || !is_first_only => Err(RecoverError::NoUsableSnapshot {
            count: snapshots.len(),
            newest,
        }),
        _ => Ok(None),
    }
}

/// Each attempt starts from nothing, so that a broken file leaves nothing behind.
pub(super) fn load(
    disk: &dyn Disk,
    storage: &StorageOptions,
    tree: TreeOptions,
    snapshot: &SnapshotName,
    remarks: &mut Vec<Remark>,
) -> Result<LoadedSnapshot, SnapshotReadError<LoadError>> {
    let file = disk.open(&storage.dirs.snapshots.join(&snapshot.name))?;
    if !container::looks_whole(&*file, snapshot.compression)? {
        return Err(DecodeError::Truncated.into());
    }
    let mut input = container::unwrap(file, snapshot.compression)?;
    let mut loader = DatabaseLoader::new(tree);
    let tail = load_ahead(&mut *input, storage.field_bytes_max, &mut loader)?;
    let loaded = loader.finish(snapshot.zxid);
    let loaded = loaded.map_err(SnapshotReadError::BadState)?;
    if loaded.turned_on_extended_types {
        remarks.push(Remark::TtlWithoutExtendedTypes);
    }
    Ok(finish_load(
        loaded.database,
        tail,
        snapshot.zxid,
        tree,
        remarks,
    ))
}

/// The digest in the trailer is that of the last transaction applied while the snapshot was
/// written. Before replay has reached it the state mixes moments.
fn finish_load(
    mut database: Database,
    tail: SnapshotTail,
    zxid: Zxid,
    tree: TreeOptions,
    remarks: &mut Vec<Remark>,
) -> LoadedSnapshot {
    let ends = [tail.last_processed, tail.digest.map(|(at, _)| at)];
    let end = ends.into_iter().flatten().fold(zxid, Zxid::max);
    if let Some((at, digest)) = tail
        .digest
        .filter(|(at, _)| tree.digest_enabled && at.0 != 0)
    {
        if at > zxid {
            database.await_digest(at, digest);
        } else if at == zxid && database.tree.digest() != digest {
            let first = DigestMismatch {
                zxid,
                expected: digest,
                actual: database.tree.digest(),
            };
            remarks.push(Remark::DigestMismatch { first, count: 1 });
        }
    }
    LoadedSnapshot {
        database,
        zxid,
        end,
    }
}

impl SnapshotSink for DatabaseLoader {
    type Error = LoadError;

    fn session(&mut self, id: SessionId, timeout_ms: i32) {
        Self::session(self, id, timeout_ms);
    }

    fn acl(&mut self, id: i64, list: AclList) {
        Self::acl(self, id, list);
    }

    fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl_id: i64,
        stat: &StatPersisted,
    ) -> Result<(), LoadError> {
        Self::node(self, path, data, acl_id, stat)
    }
}

/// A state that does not change while it is written.
struct FirstSnapshot<'d> {
    database: &'d Database,
    cursor: SnapshotCursor,
    tail: SnapshotTail,
}

impl SnapshotSource for FirstSnapshot<'_> {
    fn next_slice(&mut self, out: &mut Vec<u8>) -> bool {
        self.cursor
            .next_slice(self.database, limits::SNAPSHOT_SLICE_BYTES, out)
    }

    fn tail(&mut self) -> SnapshotTail {
        self.tail
    }
}

/// Writes the first snapshot there is.
fn write_first_snapshot(
    disk: &dyn Disk,
    storage: &StorageOptions,
    database: &Database,
    digest: Option<u64>,
) -> Result<(), RecoverError> {
    let last = database.last_zxid();
    let mut source = FirstSnapshot {
        database,
        cursor: SnapshotCursor::new(database),
        tail: SnapshotTail {
            digest: digest.map(|digest| (last, digest)),
            last_processed: storage.writes_last_processed.then_some(last),
        },
    };
    let (dirs, compression) = (&storage.dirs, storage.compression);
    write_snapshot(disk, dirs, last, &mut source, compression)?;
    Ok(())
}

fn remove_unfinished(disk: &dyn Disk, dirs: &DataDirs) -> Result<Vec<Remark>, RecoverError> {
    let mut remarks = Vec::new();
    for name in list(disk.list(&dirs.snapshots), &dirs.snapshots)? {
        if is_unfinished_snapshot(&name) {
            let path = dirs.snapshots.join(name);
            disk.remove(&path).map_err(failure("remove", &path))?;
            remarks.push(Remark::RemovedUnfinished { path });
        }
    }
    Ok(remarks)
}

/// The marker counts once, used or not.
fn take_initialize_marker(disk: &dyn Disk, dirs: &DataDirs) -> Result<bool, RecoverError> {
    let marker = dirs.initialize_marker();
    let is_there = disk.exists(&marker);
    if is_there {
        disk.remove(&marker).map_err(failure("remove", &marker))?;
    }
    Ok(is_there)
}

fn list<T>(listed: io::Result<Vec<T>>, dir: &Path) -> Result<Vec<T>, RecoverError> {
    listed.map_err(failure("list", dir))
}

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecoverError {
    move |source| RecoverError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}

pub(super) fn reason_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnusableSnapshot { path, reason } => {
                write!(
                    f,
                    "snapshot {path:?} cannot be used, trying an older one: {reason}"
                )
            }
            Self::RemovedUnfinished { path } => {
                write!(f, "removed {path:?}, a snapshot that was never finished")
            }
            Self::TrustedEmpty => write!(
                f,
                "replaying logs without a snapshot; unset zookeeper.snapshot.trust.empty once \
                 there is one"
            ),
            Self::Log(remark) => remark.fmt(f),
            Self::DigestMismatch { first, count } => write!(
                f,
                "the digest of the state after {} is {:#x}, its author had {:#x}; {count} such",
                first.zxid, first.actual, first.expected
            ),
            Self::LogEndsInsideSnapshot { last, snapshot_end } => write!(
                f,
                "the log ends with {last}, the snapshot was written up to {snapshot_end}: the \
                 state may mix moments"
            ),
            Self::MissingAcls(ids) => write!(
                f,
                "access control lists {ids:?} are missing; nodes that have them let nobody"
            ),
            Self::TtlWithoutExtendedTypes => write!(
                f,
                "there are TTL nodes though zookeeper.extendedTypesEnabled is off; they are kept"
            ),
        }
    }
}
