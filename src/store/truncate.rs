//! Forgetting what lies behind a transaction, as a learner does whose history goes on differently
//! from the leader's.
//!
//! All that can go wrong is found out before anything is changed: the state that is to remain is
//! brought back from snapshots and log, and must end exactly where it was to end. Only then the
//! disk is made to be that:
//!
//! ```text
//! log files that do not follow what lies before them, newest first
//! snapshots that have something of what goes
//! log files behind the one with the first record that goes, newest first
//! that file is cut before that record
//! ```
//!
//! each durable before the next, so that a crash anywhere leaves the old history, the new, or one
//! that ends in between: snapshots go first because what a snapshot mixes is only repaired by the
//! log behind it.
//!
//! # Where it differs from Apache on purpose
//!
//! | matter | Apache | here |
//! |---|---|---|
//! | the transaction is not in the log | the next larger one stays | refused |
//! | snapshots behind it | stay, and are loaded again | removed |
//! | snapshots before it that were written while what goes was applied | loaded | removed |
//! | the cut file | not synced | synced, and the directory |
//! | later files | oldest first | newest first |
//! | there is nothing to keep | found out after the removal | before it |

use std::io;
use std::path::{Path, PathBuf};

use crate::base::Zxid;
use crate::store::disk::Disk;
use crate::store::layout::SnapshotName;
use crate::store::log_format::FILE_HEAD_LEN;
use crate::store::log_reader::{LogCursor, LogReadError, Place};
use crate::store::recover::{
    LoadedSnapshot, RecoverError, Recovered, Remark, SNAPSHOTS_TRIED, StorageOptions, load,
    reason_chain,
};
use crate::store::replay::Replay;
use crate::tree::{Database, TreeOptions};

/// Why the history cannot be made to end where it should. The server must not go on with it.
#[derive(Debug, thiserror::Error)]
pub enum TruncateError {
    #[error("cannot {action} {path:?}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot go back to {to}: no snapshot that can be used is that old")]
    NoSnapshot { to: Zxid },
    #[error("cannot go back to {to}: it is not in the log, what lies before it ends with {last}")]
    NotInLog { to: Zxid, last: Zxid },
    #[error("cannot read what is to remain")]
    Unreadable(#[from] RecoverError),
}

impl TruncateError {
    /// As `ExitCode.QUORUM_PACKET_ERROR`.
    pub const EXIT_CODE: u8 = 13;
}

/// Makes `to` the last transaction of log and snapshots, and gives the state after it.
///
/// Nothing may be appended or written as a snapshot meanwhile; a writer has to begin a new file
/// behind it.
pub fn truncate(
    disk: &dyn Disk,
    storage: &StorageOptions,
    tree: TreeOptions,
    to: Zxid,
) -> Result<Recovered, TruncateError> {
    let mut remarks = Vec::new();
    let Base { loaded, spoiled } = find_base(disk, storage, tree, to, &mut remarks)?;
    let mut remaining = Recovered {
        snapshot: loaded.as_ref().map(|loaded| loaded.zxid),
        database: loaded.map_or_else(|| Database::new(tree), |loaded| loaded.database),
        replayed: 0,
        recent: Vec::new(),
        may_vote: true,
        remarks,
    };
    let tail = replay_to(disk, storage, &mut remaining, to)?;
    // From here on the disk changes.
    remove_behind(disk, storage, tail, |snapshot| {
        snapshot.zxid > to || spoiled.contains(snapshot)
    })?;
    assert!(
        remaining.database.last_zxid() == to,
        "the state is that of {to}"
    );
    Ok(remaining)
}

/// Removes what log and snapshots have behind `zxid`, of which a newer snapshot will take the
/// place. What lies before need not lead there.
pub(super) fn forget_behind(
    disk: &dyn Disk,
    storage: &StorageOptions,
    zxid: Zxid,
) -> Result<(), TruncateError> {
    let payload_max = storage.field_bytes_max;
    let cursor = LogCursor::after(disk, &storage.dirs, zxid, payload_max);
    let mut cursor = cursor.map_err(RecoverError::from)?;
    let tail = match cursor.next(disk) {
        Ok(Some(_)) => Tail::find(disk, cursor, true),
        Err(LogReadError::Hole { .. }) => Tail::find(disk, cursor, false),
        Ok(None) => None,
        Err(error) => return Err(RecoverError::from(error).into()),
    };
    remove_behind(disk, storage, tail, |snapshot| snapshot.zxid > zxid)
}

/// Removes all snapshots of which `goes` says so.
pub(super) fn remove_snapshots(
    disk: &dyn Disk,
    storage: &StorageOptions,
    goes: impl Fn(&SnapshotName) -> bool,
) -> Result<(), TruncateError> {
    let dir = &storage.dirs.snapshots;
    let snapshots = storage.dirs.list_snapshots(disk);
    let snapshots = snapshots.map_err(failure("list", dir))?;
    for snapshot in snapshots.iter().filter(|snapshot| goes(snapshot)) {
        remove(disk, &dir.join(&snapshot.name))?;
    }
    disk.sync_dir(dir).map_err(failure("sync", dir))
}

/// Removes all logs, oldest first.
pub(super) fn remove_logs(disk: &dyn Disk, storage: &StorageOptions) -> Result<(), TruncateError> {
    let dir = &storage.dirs.logs;
    let logs = storage.dirs.list_logs(disk).map_err(failure("list", dir))?;
    for log in logs {
        remove(disk, &dir.join(&log.name))?;
    }
    disk.sync_dir(dir).map_err(failure("sync", dir))
}

/// What the remaining state starts from.
struct Base {
    /// `None` for an empty state.
    loaded: Option<LoadedSnapshot>,
    /// Newer snapshots that have something of what goes, though their names do not say so.
    spoiled: Vec<SnapshotName>,
}

fn find_base(
    disk: &dyn Disk,
    storage: &StorageOptions,
    tree: TreeOptions,
    to: Zxid,
    remarks: &mut Vec<Remark>,
) -> Result<Base, TruncateError> {
    let dir = &storage.dirs.snapshots;
    let snapshots = storage.dirs.list_snapshots(disk);
    let snapshots = snapshots.map_err(failure("list", dir))?;
    let has_none = snapshots.is_empty();
    let mut spoiled = Vec::new();
    let old_enough = snapshots.into_iter().filter(|snapshot| snapshot.zxid <= to);
    for snapshot in old_enough.take(SNAPSHOTS_TRIED) {
        match load(disk, storage, tree, &snapshot, remarks) {
            Ok(loaded) if loaded.end > to => spoiled.push(snapshot),
            Ok(loaded) => {
                let loaded = Some(loaded);
                return Ok(Base { loaded, spoiled });
            }
            Err(error) => remarks.push(Remark::UnusableSnapshot {
                path: dir.join(&snapshot.name),
                reason: reason_chain(&error),
            }),
        }
    }
    if !has_none || !storage.trusts_empty {
        return Err(TruncateError::NoSnapshot { to });
    }
    remarks.push(Remark::TrustedEmpty);
    Ok(Base {
        loaded: None,
        spoiled,
    })
}

/// Applies the log up to `to`, and gives what lies behind.
fn replay_to(
    disk: &dyn Disk,
    storage: &StorageOptions,
    remaining: &mut Recovered,
    to: Zxid,
) -> Result<Option<Tail>, TruncateError> {
    let payload_max = storage.field_bytes_max;
    let last = remaining.database.last_zxid();
    let cursor = LogCursor::after(disk, &storage.dirs, last, payload_max);
    let mut cursor = cursor.map_err(RecoverError::from)?;
    let mut replay = Replay::new(payload_max, storage.recent_max);
    let (first_behind, follows) = loop {
        match cursor.next(disk) {
            Ok(Some(record)) if record.zxid <= to => {
                replay.apply(&mut remaining.database, record)?;
            }
            Ok(Some(record)) => break (Some(record.zxid), true),
            Ok(None) => break (None, true),
            Err(LogReadError::Hole { found, .. }) if found > to => break (Some(found), false),
            Err(error) => return Err(RecoverError::from(error).into()),
        }
    };
    remaining.take(replay.finish());
    let remarks = cursor.take_remarks().into_iter().map(Remark::Log);
    remaining.remarks.extend(remarks);
    let last = remaining.database.last_zxid();
    // The position at which an epoch begins is no transaction. What lies before the first of that
    // epoch is all there is before it.
    let is_start_of_epoch = to.counter() == 0 && first_behind == Some(to.next());
    if last != to && !is_start_of_epoch {
        return Err(TruncateError::NotInLog { to, last });
    }
    remaining.database.set_last_zxid(to);
    Ok(first_behind.and_then(|_| Tail::find(disk, cursor, follows)))
}

/// Removes the tail of the log, and the snapshots of which `goes` says so.
fn remove_behind(
    disk: &dyn Disk,
    storage: &StorageOptions,
    tail: Option<Tail>,
    goes: impl Fn(&SnapshotName) -> bool,
) -> Result<(), TruncateError> {
    let Some(Tail { first, stray }) = tail else {
        return remove_snapshots(disk, storage, goes);
    };
    match stray {
        Some(stray) if stray == first.name => {
            cut(disk, storage, &first)?;
            remove_snapshots(disk, storage, goes)
        }
        stray => {
            if let Some(stray) = stray {
                remove_logs_behind(disk, storage, &stray)?;
                remove(disk, &storage.dirs.logs.join(&stray))?;
                sync_dir(disk, &storage.dirs.logs)?;
            }
            remove_snapshots(disk, storage, goes)?;
            cut(disk, storage, &first)
        }
    }
}

/// What of the log goes.
struct Tail {
    first: Place,
    /// The first file that a start from an older snapshot would refuse.
    stray: Option<String>,
}

impl Tail {
    /// The cursor has just read the first record that goes; whether that `follows` the one before.
    fn find(disk: &dyn Disk, mut cursor: LogCursor, follows: bool) -> Option<Self> {
        let first = cursor.place()?;
        let stray = loop {
            if !follows {
                break Some(first.name.clone());
            }
            match cursor.next(disk) {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(_) => break Some(cursor.file().to_owned()),
            }
        };
        Some(Self { first, stray })
    }
}

/// Removes all behind the file with the first record that goes, and cuts that.
fn cut(disk: &dyn Disk, storage: &StorageOptions, first: &Place) -> Result<(), TruncateError> {
    remove_logs_behind(disk, storage, &first.name)?;
    let dir = &storage.dirs.logs;
    let path = dir.join(&first.name);
    if first.offset == FILE_HEAD_LEN as u64 {
        remove(disk, &path)?;
    } else {
        let cut = disk.set_len(&path, first.offset);
        cut.map_err(failure("cut", &path))?;
        disk.sync_file(&path).map_err(failure("sync", &path))?;
    }
    sync_dir(disk, dir)
}

/// Removes the log files behind `name`, newest first, each durably before the next.
fn remove_logs_behind(
    disk: &dyn Disk,
    storage: &StorageOptions,
    name: &str,
) -> Result<(), TruncateError> {
    let dir = &storage.dirs.logs;
    let logs = storage.dirs.list_logs(disk).map_err(failure("list", dir))?;
    let is_there = logs.iter().any(|log| log.name == name);
    assert!(is_there, "{name} was just read");
    for log in logs.iter().rev().take_while(|log| log.name != name) {
        remove(disk, &dir.join(&log.name))?;
        sync_dir(disk, dir)?;
    }
    Ok(())
}

fn remove(disk: &dyn Disk, path: &Path) -> Result<(), TruncateError> {
    disk.remove(path).map_err(failure("remove", path))
}

fn sync_dir(disk: &dyn Disk, dir: &Path) -> Result<(), TruncateError> {
    disk.sync_dir(dir).map_err(failure("sync", dir))
}

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TruncateError {
    move |source| TruncateError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
