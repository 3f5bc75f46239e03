//! Which old files may go: all that the N newest whole snapshots do not need.

use std::io;
use std::path::PathBuf;

use crate::base::Zxid;
use crate::store::container;
use crate::store::disk::Disk;
use crate::store::layout::{DataDirs, LayoutError};

/// Fewer snapshots are never kept.
pub const SNAPSHOTS_KEPT_MIN: usize = 3;

/// Why a purge did not go through. The server goes on; the next purge tries again.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error("cannot {action} {path:?}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// Removes what the `keep` newest whole snapshots (at least [`SNAPSHOTS_KEPT_MIN`]) do not need,
/// and gives what was removed.
///
/// With X the oldest of those snapshots: logs older than the newest that starts at or before X,
/// and snapshots older than X. What looks broken and is newer than X is neither counted nor
/// removed. Unlike Apache's, names with suffixes nothing gives a meaning to (`log.5.fixed`) are
/// left alone: someone put them there.
///
/// Safe while the server appends, rolls and writes snapshots: all of that is newer than X.
pub fn purge(disk: &dyn Disk, dirs: &DataDirs, keep: usize) -> Result<Vec<PathBuf>, PurgeError> {
    dirs.check_contents(disk)?;
    let keep = keep.max(SNAPSHOTS_KEPT_MIN);
    let snapshots = dirs.list_snapshots(disk);
    let snapshots = snapshots.map_err(failure("list", dirs.snapshots.clone()))?;
    let mut oldest_kept = None;
    let mut whole = 0;
    for snapshot in &snapshots {
        let path = dirs.snapshots.join(&snapshot.name);
        let looks_whole = || container::looks_whole(&*disk.open(&path)?, snapshot.compression);
        if whole < keep && looks_whole().map_err(failure("read", path.clone()))? {
            whole += 1;
            oldest_kept = Some(snapshot.zxid);
        }
    }
    let Some(oldest_kept) = oldest_kept else {
        return Ok(Vec::new());
    };
    let mut removed = Vec::new();
    // Snapshots first, oldest first: at any moment what is left can be recovered from.
    let old = snapshots.iter().rev();
    for snapshot in old.filter(|snapshot| snapshot.zxid < oldest_kept) {
        removed.push(dirs.snapshots.join(&snapshot.name));
    }
    removed.extend(old_logs(disk, dirs, oldest_kept)?);
    for path in &removed {
        disk.remove(path).map_err(failure("remove", path.clone()))?;
    }
    Ok(removed)
}

fn old_logs(
    disk: &dyn Disk,
    dirs: &DataDirs,
    oldest_kept: Zxid,
) -> Result<Vec<PathBuf>, PurgeError> {
    let logs = dirs.list_logs(disk);
    let mut logs = logs.map_err(failure("list", dirs.logs.clone()))?;
    let at_or_before = logs.partition_point(|log| log.zxid <= oldest_kept);
    logs.truncate(at_or_before.saturating_sub(1));
    Ok(logs.iter().map(|log| dirs.logs.join(&log.name)).collect())
}

fn failure(action: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> PurgeError {
    move |source| PurgeError::Io {
        action,
        path,
        source,
    }
}
