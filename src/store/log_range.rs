//! The log as what a learner is brought up to date with: whether a range of it can serve, and
//! reading it while the writer goes on behind.
//!
//! A learner that gets a range has nothing but that to go by, so it must be whole. The log need
//! not be: a server that took a snapshot over from a leader lacks what lies before, and a server
//! that was Apache's still has the older files. Two records follow each other if the second is the
//! next zxid, or the first of a later epoch; and in the latter case only if no snapshot says that
//! there was something in between.
//!
//! Nothing is removed and nothing mended here, and no byte behind the range is looked at.

use std::io;
use std::sync::Arc;

use crate::base::Zxid;
use crate::store::container;
use crate::store::disk::Disk;
use crate::store::layout::DataDirs;
use crate::store::log_format::RECORD_OVERHEAD;
use crate::store::log_reader::{LogCursor, LogReadError, LogRecord, Place};
use crate::store::recover::StorageOptions;
use crate::zab::LogProbe;

/// Why a range cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum LogRangeError {
    #[error(transparent)]
    Read(#[from] LogReadError),
    #[error("the log goes on with {found} behind {last}: records are missing")]
    Hole { last: Zxid, found: Zxid },
    #[error("the log ends with {last}, before {upto}")]
    EndsEarly { last: Zxid, upto: Zxid },
}

/// Looks whether the log has all that lies behind `after` up to `upto`, and something that does
/// not lie behind `after`. `None`: it has not, or it is not worth it.
///
/// `size_factor` is how large the range may be, as a share of the newest snapshot that looks
/// whole; 0, or no snapshot: of any size; `None`: no range is wanted. As in Apache, whose iterator
/// counts the files it has not opened yet, the part of the range in its first file is free; Apache
/// counts the others whole and with their padding, here it is what of them is in the range.
///
/// `upto` should be durable. An error is one of reading the disk.
pub fn probe(
    disk: &dyn Disk,
    storage: &StorageOptions,
    after: Zxid,
    upto: Zxid,
    size_factor: Option<f64>,
) -> io::Result<Option<LogProbe>> {
    let Some(size_factor) = size_factor.filter(|factor| *factor >= 0.0) else {
        return Ok(None);
    };
    match look(disk, storage, after, upto, size_factor) {
        Ok(found) => Ok(found),
        // It may be purged at any moment.
        Err(LogReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(LogReadError::Io { source, .. }) => Err(source),
        Err(error) => {
            tracing::warn!("no learner can be brought up to date from the log: {error}");
            Ok(None)
        }
    }
}

fn look(
    disk: &dyn Disk,
    storage: &StorageOptions,
    after: Zxid,
    upto: Zxid,
    size_factor: f64,
) -> Result<Option<LogProbe>, LogReadError> {
    let dirs = &storage.dirs;
    let in_dirs = |source| LogReadError::Io {
        path: dirs.snapshots.clone(),
        source,
    };
    let snapshots = Snapshots::list(disk, dirs).map_err(in_dirs)?;
    let bytes_max = size_factor * snapshots.newest_bytes as f64;
    let is_bounded = bytes_max >= 1.0;
    let Some((mut cursor, second_file)) = start_at_or_before(disk, storage, after)? else {
        return Ok(None);
    };
    let (mut floor, mut next, mut last) = (None, None, None);
    let mut bytes = 0;
    while let Some(LogRecord { zxid, payload }) = cursor.next(disk)? {
        if last.is_some_and(|last| zxid <= last) {
            return Ok(None);
        }
        if zxid <= after {
            floor = Some(zxid);
        } else {
            if last.is_none_or(|last| !follows(last, zxid) || snapshots.have_between(last, zxid)) {
                return Ok(None);
            }
            next = next.or(Some(zxid));
            if second_file.is_some_and(|second| zxid >= second) {
                bytes += payload.len() + RECORD_OVERHEAD;
            }
            if zxid > upto || (is_bounded && bytes as f64 > bytes_max) {
                return Ok(None);
            }
        }
        if zxid == upto {
            let found = floor.zip(next);
            return Ok(found.map(|(floor, next)| LogProbe { floor, next }));
        }
        last = Some(zxid);
    }
    Ok(None)
}

/// A cursor at the start of the newest file that begins at or before `zxid`, and where the file
/// behind that begins.
fn start_at_or_before(
    disk: &dyn Disk,
    storage: &StorageOptions,
    zxid: Zxid,
) -> Result<Option<(LogCursor, Option<Zxid>)>, LogReadError> {
    let dirs = &storage.dirs;
    let files = dirs.list_logs(disk).map_err(|source| LogReadError::Io {
        path: dirs.logs.clone(),
        source,
    })?;
    let behind = files.partition_point(|file| file.zxid <= zxid);
    let Some(file) = files.get(..behind).and_then(<[_]>::last) else {
        return Ok(None);
    };
    let before = Zxid(file.zxid.0 - 1);
    let cursor = LogCursor::after(disk, dirs, before, storage.field_bytes_max)?;
    Ok(Some((cursor, files.get(behind).map(|file| file.zxid))))
}

/// What the snapshots tell of the log.
struct Snapshots {
    zxids: Vec<Zxid>,
    /// Of the newest that looks whole, 0 without one.
    newest_bytes: u64,
}

impl Snapshots {
    fn list(disk: &dyn Disk, dirs: &DataDirs) -> io::Result<Self> {
        let snapshots = dirs.list_snapshots(disk)?;
        let mut newest_bytes = 0;
        for snapshot in &snapshots {
            let file = disk.open(&dirs.snapshots.join(&snapshot.name))?;
            if container::looks_whole(&*file, snapshot.compression)? {
                newest_bytes = file.size();
                break;
            }
        }
        Ok(Self {
            zxids: snapshots.iter().map(|snapshot| snapshot.zxid).collect(),
            newest_bytes,
        })
    }

    /// Whether there was a transaction between two that are next to each other in the log.
    fn have_between(&self, last: Zxid, next: Zxid) -> bool {
        let mut zxids = self.zxids.iter();
        // A leader begins with a position that no transaction has.
        zxids.any(|zxid| last < *zxid && *zxid < next && zxid.counter() != 0)
    }
}

/// Whether `next` can be what was appended behind `last`.
fn follows(last: Zxid, next: Zxid) -> bool {
    next == last.next() || (next.epoch() > last.epoch() && next.counter() == 1)
}

/// Where in the log a range has ended. One that goes on from there need not look for it from the start of
/// a file, which may have gigabytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    last: Zxid,
    record: Place,
}

/// A range of the log, record by record.
pub struct LogRange {
    disk: Arc<dyn Disk>,
    cursor: LogCursor,
    last: Zxid,
    upto: Zxid,
}

impl LogRange {
    /// What lies behind `after` up to `upto`, which [`probe`] has found whole, or which this server has
    /// appended behind its own state. `from`: where the range before it has ended.
    pub fn open(
        disk: Arc<dyn Disk>,
        storage: &StorageOptions,
        after: Zxid,
        upto: Zxid,
        from: Option<&LogPlace>,
    ) -> Result<Self, LogRangeError> {
        let (dirs, payload_max) = (&storage.dirs, storage.field_bytes_max);
        let cursor = match from.filter(|place| place.last == after) {
            Some(place) => LogCursor::behind(&*disk, dirs, (after, &place.record), payload_max)?,
            None => LogCursor::after(&*disk, dirs, after, payload_max)?,
        };
        Ok(Self {
            disk,
            cursor,
            last: after,
            upto,
        })
    }

    /// Where it is; `None` before the first record.
    pub fn place(&self) -> Option<LogPlace> {
        let record = self.cursor.place()?;
        let last = self.last;
        Some(LogPlace { last, record })
    }

    /// The next record, `None` behind `upto`.
    #[expect(
        clippy::should_implement_trait,
        reason = "a reader that can fail is no iterator"
    )]
    pub fn next(&mut self) -> Result<Option<LogRecord>, LogRangeError> {
        let (last, upto) = (self.last, self.upto);
        if last >= upto {
            return Ok(None);
        }
        let Some(record) = self.cursor.next(&*self.disk)? else {
            return Err(LogRangeError::EndsEarly { last, upto });
        };
        let found = record.zxid;
        if !follows(last, found) || found > upto {
            return Err(LogRangeError::Hole { last, found });
        }
        self.last = found;
        Ok(Some(record))
    }
}
