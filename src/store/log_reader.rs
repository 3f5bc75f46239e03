//! Reading the transaction log from a zxid on, across files.
//!
//! Files follow each other by the zxid in their names. A server opens a new file at every start,
//! so what a crash tore stays at the end of an older one for ever: the reader goes on with the
//! next file, and [`LogReader::next`] refuses when what follows leaves a hole.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::base::Zxid;
use crate::store::disk::{Disk, ReadFile};
use crate::store::layout::{DataDirs, LogName};
use crate::store::log_file::{BadRecord, Flaw, Found, LogFileReader};
use crate::store::log_format::{FILE_HEAD_LEN, file_head, is_file_head, payload_zxid};

/// Why the log cannot be read on. All of them stop the start of a server.
#[derive(Debug, thiserror::Error)]
pub enum LogReadError {
    #[error("cannot read transaction log {path:?}")]
    Io { path: PathBuf, source: io::Error },
    #[error("transaction log {path:?} has {len} bytes, less than its head")]
    HeadCut { path: PathBuf, len: u64 },
    #[error("transaction log {0:?} does not start as one")]
    BadMagic(PathBuf),
    #[error("transaction log {path:?} is damaged at byte {offset}, behind {last}: {flaw}")]
    Damaged {
        path: PathBuf,
        offset: u64,
        last: Zxid,
        flaw: Flaw,
    },
    #[error("transaction log {path:?} goes on with {found} behind {last}: records are missing")]
    Hole {
        path: PathBuf,
        last: Zxid,
        found: Zxid,
    },
}

/// Something about the log that a person should know and that does not stop the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogRemark {
    /// What lies behind `last` in a file is not a record and was never acknowledged: dropped.
    TornEnd {
        path: PathBuf,
        offset: u64,
        last: Zxid,
        flaw: Flaw,
    },
    /// The newest file held nothing at all and was removed.
    RemovedEmpty { path: PathBuf },
    /// A record that is not behind the one before it; it is used, as Apache does.
    OutOfOrder {
        path: PathBuf,
        last: Zxid,
        found: Zxid,
    },
}

impl fmt::Display for LogRemark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornEnd {
                path,
                offset,
                last,
                flaw,
            } => write!(
                f,
                "log {path:?} is torn at byte {offset} behind {last}, dropping the rest: {flaw}"
            ),
            Self::RemovedEmpty { path } => write!(f, "removed log {path:?}, which was empty"),
            Self::OutOfOrder { path, last, found } => {
                write!(f, "log {path:?} has {found} behind {last}")
            }
        }
    }
}

/// A record as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    pub zxid: Zxid,
    /// See `proto::TxnRecord::decode`.
    pub payload: Bytes,
}

/// A cursor over all records from a zxid on.
pub struct LogReader<'d> {
    disk: &'d dyn Disk,
    cursor: LogCursor,
}

impl<'d> LogReader<'d> {
    /// Reads what follows `last`. Only files that can hold that are opened: the one that starts
    /// right behind it or else the newest before that, and all later ones. (Apache opens the one
    /// before in either case.)
    ///
    /// An empty newest file, which a crash leaves between a file's creation and its first bytes,
    /// is removed.
    pub fn after(
        disk: &'d dyn Disk,
        dirs: &DataDirs,
        last: Zxid,
        payload_max: usize,
    ) -> Result<Self, LogReadError> {
        let mut files = list(disk, dirs)?;
        let first = first_file(&files, last);
        let mut cursor = LogCursor::new(dirs, last, payload_max);
        cursor.remove_empty_newest(disk, &mut files)?;
        cursor.files = files.into_iter().skip(first).collect();
        Ok(Self { disk, cursor })
    }

    /// The next record, `None` behind the last.
    #[expect(
        clippy::should_implement_trait,
        reason = "a reader that can fail is no iterator"
    )]
    pub fn next(&mut self) -> Result<Option<LogRecord>, LogReadError> {
        self.cursor.next(self.disk)
    }

    /// What was noticed so far.
    pub fn take_remarks(&mut self) -> Vec<LogRemark> {
        self.cursor.take_remarks()
    }
}

/// Where a reader is. It changes nothing on the disk, so that it may read what is being written,
/// as long as it is not asked for records that are not.
pub(super) struct LogCursor {
    dir: PathBuf,
    files: VecDeque<LogName>,
    current: Option<OpenFile>,
    /// The name of the file that was opened last.
    opened: String,
    from: Zxid,
    /// The last record returned, or what the reader was to start behind. What is needed of the
    /// log lies behind it.
    last: Zxid,
    payload_max: usize,
    remarks: Vec<LogRemark>,
}

struct OpenFile {
    path: PathBuf,
    reader: LogFileReader,
}

/// Where a record starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file.
    pub(super) name: String,
    pub(super) offset: u64,
}

impl LogCursor {
    /// Reads what follows `last`, from the file on that may have it.
    pub(super) fn after(
        disk: &dyn Disk,
        dirs: &DataDirs,
        last: Zxid,
        payload_max: usize,
    ) -> Result<Self, LogReadError> {
        let files = list(disk, dirs)?;
        let first = first_file(&files, last);
        let mut cursor = Self::new(dirs, last, payload_max);
        cursor.files = files.into_iter().skip(first).collect();
        Ok(cursor)
    }

    /// Reads what follows `last`, whose record another cursor has found at `place`.
    pub(super) fn behind(
        disk: &dyn Disk,
        dirs: &DataDirs,
        (last, place): (Zxid, &Place),
        payload_max: usize,
    ) -> Result<Self, LogReadError> {
        let files = list(disk, dirs)?;
        let mut cursor = Self::new(dirs, last, payload_max);
        let files = files.into_iter().skip_while(|file| file.name != place.name);
        cursor.files = files.collect();
        cursor.open_next(disk)?;
        match &mut cursor.current {
            Some(file) => file.reader.seek(place.offset),
            // It was purged; the answer is that of a log that lacks what is asked for.
            None => return Self::after(disk, dirs, last, payload_max),
        }
        Ok(cursor)
    }

    fn new(dirs: &DataDirs, last: Zxid, payload_max: usize) -> Self {
        Self {
            dir: dirs.logs.clone(),
            files: VecDeque::new(),
            current: None,
            opened: String::new(),
            from: last.next(),
            last,
            payload_max,
            remarks: Vec::new(),
        }
    }

    /// The next record, `None` behind the last.
    pub(super) fn next(&mut self, disk: &dyn Disk) -> Result<Option<LogRecord>, LogReadError> {
        loop {
            let Some(file) = &mut self.current else {
                if self.open_next(disk)? {
                    continue;
                }
                return Ok(None);
            };
            match file.reader.next().map_err(unreadable(&file.path))? {
                Found::Record(payload) => {
                    let zxid = payload_zxid(&payload).expect("a record has a whole header");
                    if zxid >= self.from {
                        self.check_order(zxid)?;
                        return Ok(Some(LogRecord { zxid, payload }));
                    }
                }
                Found::End => self.current = None,
                Found::Bad(bad) => self.pass_torn_end(bad)?,
            }
        }
    }

    /// Where the record starts that was read last, also if it did not fit.
    pub(super) fn place(&self) -> Option<Place> {
        let file = self.current.as_ref()?;
        Some(Place {
            name: self.opened.clone(),
            offset: file.reader.record_start(),
        })
    }

    /// The file that was read last.
    pub(super) fn file(&self) -> &str {
        &self.opened
    }

    /// What was noticed so far.
    pub(super) fn take_remarks(&mut self) -> Vec<LogRemark> {
        std::mem::take(&mut self.remarks)
    }

    /// Goes on with the next file if what is bad here was never acknowledged.
    fn pass_torn_end(&mut self, bad: BadRecord) -> Result<(), LogReadError> {
        let file = self.current.take().expect("a file has the bad record");
        let next_file = self.files.front().map(|file| file.zxid);
        let (path, last) = (file.path, self.last);
        let BadRecord { offset, flaw, .. } = bad;
        let is_torn = file.reader.is_torn_end(bad, last, next_file);
        if !is_torn.map_err(unreadable(&path))? {
            return Err(LogReadError::Damaged {
                path,
                offset,
                last,
                flaw,
            });
        }
        self.remarks.push(LogRemark::TornEnd {
            path,
            offset,
            last,
            flaw,
        });
        Ok(())
    }

    /// Within an epoch nothing may be missing; a new epoch starts where it likes.
    fn check_order(&mut self, zxid: Zxid) -> Result<(), LogReadError> {
        let last = self.last;
        let path = || {
            let current = self.current.as_ref();
            current.map(|file| file.path.clone()).unwrap_or_default()
        };
        if zxid <= last {
            let path = path();
            self.remarks.push(LogRemark::OutOfOrder {
                path,
                last,
                found: zxid,
            });
        } else if zxid != last.next() && zxid.epoch() == last.epoch() {
            let path = path();
            return Err(LogReadError::Hole {
                path,
                last,
                found: zxid,
            });
        }
        self.last = last.max(zxid);
        Ok(())
    }

    fn open_next(&mut self, disk: &dyn Disk) -> Result<bool, LogReadError> {
        let Some(LogName { name, .. }) = self.files.pop_front() else {
            return Ok(false);
        };
        let path = self.dir.join(&name);
        self.opened = name;
        let file = disk.open(&path).map_err(unreadable(&path))?;
        let mut head = [0; FILE_HEAD_LEN];
        let len = file.read_at(0, &mut head).map_err(unreadable(&path))?;
        if len < FILE_HEAD_LEN {
            let len = file.size();
            return Err(LogReadError::HeadCut { path, len });
        }
        if !is_file_head(&head) {
            return Err(LogReadError::BadMagic(path));
        }
        let reader = LogFileReader::new(file, self.payload_max);
        self.current = Some(OpenFile { path, reader });
        Ok(true)
    }

    /// A crash may leave no byte of the newest file, a part of its head, or its length and
    /// nothing but zeros: nothing in it was ever acknowledged.
    fn remove_empty_newest(
        &mut self,
        disk: &dyn Disk,
        files: &mut Vec<LogName>,
    ) -> Result<(), LogReadError> {
        let Some(newest) = files.last() else {
            return Ok(());
        };
        let path = self.dir.join(&newest.name);
        let remove_if_empty = || {
            let file = disk.open(&path)?;
            let is_empty = is_part_of_head(&*file)? || is_all_zero(&*file)?;
            if is_empty {
                disk.remove(&path)?;
                disk.sync_dir(&self.dir)?;
            }
            Ok(is_empty)
        };
        if remove_if_empty().map_err(unreadable(&path))? {
            self.remarks.push(LogRemark::RemovedEmpty { path });
            files.pop();
        }
        Ok(())
    }
}

fn list(disk: &dyn Disk, dirs: &DataDirs) -> Result<Vec<LogName>, LogReadError> {
    let path = || dirs.logs.clone();
    let unlistable = |source| LogReadError::Io {
        path: path(),
        source,
    };
    dirs.list_logs(disk).map_err(unlistable)
}

/// The first file that is needed to read what follows `last`.
fn first_file(files: &[LogName], last: Zxid) -> usize {
    let from = last.next();
    let older = files.partition_point(|file| file.zxid < from);
    let starts_with_it = files.get(older).is_some_and(|file| file.zxid == from);
    older.saturating_sub(usize::from(!starts_with_it))
}

fn is_part_of_head(file: &dyn ReadFile) -> io::Result<bool> {
    let mut part = [0; FILE_HEAD_LEN];
    let count = file.read_at(0, &mut part)?;
    let part = part.get(..count).unwrap_or_default();
    Ok(count < FILE_HEAD_LEN && file_head().starts_with(part))
}

fn is_all_zero(file: &dyn ReadFile) -> io::Result<bool> {
    let mut chunk = vec![0; 64 * 1024];
    let mut offset = 0;
    loop {
        let count = file.read_at(offset, &mut chunk)?;
        if chunk.iter().take(count).any(|byte| *byte != 0) {
            return Ok(false);
        }
        if count < chunk.len() {
            return Ok(true);
        }
        offset += count as u64;
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> LogReadError {
    move |source| LogReadError::Io {
        path: path.to_path_buf(),
        source,
    }
}
