//! Appending to the transaction log: payloads in, durable records out, one `write` and one
//! `fdatasync` for all that were appended since the last.
//!
//! Records are collected and written with one call, not copied into a mapped file: taking the
//! fault of each new page costs more than twice what the call does (measured with batches of 100
//! records of 1 KiB).
//!
//! A writer never appends to a file it did not create: the first record after a start or a roll
//! opens `log.<its zxid>`. The order at that moment makes a crash harmless: all earlier files are
//! durable first, then the new one's head, then its name, and only then space is taken and the
//! record written.
//!
//! Invariants: zxids strictly increase; what [`LogWriter::sync`] reported is durable, records and
//! names; after any error the writer refuses everything, so nothing appended before it can be
//! taken for durable later. The server must stop then.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{Monotonic, Zxid};
use crate::store::disk::{Disk, Segment};
use crate::store::layout::log_name;
use crate::store::log_format::{
    FILE_HEAD_LEN, RECORD_END, RECORD_OVERHEAD, file_head, padded_len, record_head,
};

/// What a log writer can be told by the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// `zookeeper.preAllocSize`, in bytes: how much space a file takes at a time. 0: none ahead.
    pub preallocation_bytes: u64,
    /// `zookeeper.forceSync`, which only the exact word `no` turns off.
    pub force_sync: bool,
    /// `fsync.warningthresholdms`.
    pub sync_warning_ms: u64,
    /// `zookeeper.txnLogSizeLimitInKb`, in bytes: a file beyond it is closed at the next sync.
    /// Apache compares the space taken; here it is the bytes written, so that a limit below the
    /// preallocation does not start a file with every sync.
    pub file_bytes_max: Option<u64>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            preallocation_bytes: 64 * 1024 * 1024,
            force_sync: true,
            sync_warning_ms: 1000,
            file_bytes_max: None,
        }
    }
}

/// A write to the log failed; the server must leave service. Its exit code is 1.
#[derive(Debug, thiserror::Error)]
pub enum LogWriteError {
    #[error("cannot {action} transaction log {path:?}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the transaction log takes nothing after its earlier failure")]
    FailedBefore,
}

/// What the writer did, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogCounters {
    pub records: u64,
    pub bytes: u64,
    pub syncs: u64,
    /// Syncs that took longer than the warning threshold.
    pub slow_syncs: u64,
    pub last_sync_ms: u64,
    pub files: u64,
}

/// The writing end of the transaction log.
pub struct LogWriter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: LogOptions,
    clock: Box<dyn Fn() -> Monotonic + Send>,
    current: Option<OpenLog>,
    /// Files left by a roll, with records that are not durable yet.
    rolled: Vec<OpenLog>,
    last: Zxid,
    durable: Zxid,
    failed: bool,
    counters: LogCounters,
}

struct OpenLog {
    path: PathBuf,
    segment: Box<dyn Segment>,
    /// Where the next record goes, behind those in `unwritten`.
    position: u64,
    /// Records that end at `position` and have not been given to the file yet.
    unwritten: Vec<u8>,
    /// How far the file's space reaches.
    reserved: u64,
    is_dirty: bool,
}

impl LogWriter {
    /// A writer for `dir` behind the record `last`. `clock` only times syncs.
    pub fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        options: LogOptions,
        last: Zxid,
        clock: Box<dyn Fn() -> Monotonic + Send>,
    ) -> Self {
        Self {
            disk,
            dir,
            options,
            clock,
            current: None,
            rolled: Vec::new(),
            last,
            durable: last,
            failed: false,
            counters: LogCounters::default(),
        }
    }

    /// Appends one record. It is not durable before the next [`LogWriter::sync`].
    ///
    /// # Panics
    /// When `zxid` does not lie behind all appended before.
    pub fn append(&mut self, zxid: Zxid, payload: &[u8]) -> Result<(), LogWriteError> {
        assert!(zxid > self.last, "{zxid} is appended behind {}", self.last);
        self.guarded(|this| this.append_record(zxid, payload))?;
        self.last = zxid;
        self.counters.records += 1;
        self.counters.bytes += (payload.len() + RECORD_OVERHEAD) as u64;
        Ok(())
    }

    /// Makes all that was appended durable and returns the last zxid of it.
    pub fn sync(&mut self) -> Result<Zxid, LogWriteError> {
        self.guarded(Self::sync_files)?;
        assert!(self.durable <= self.last, "what is durable was appended");
        self.durable = self.last;
        let is_full = |log: &OpenLog| {
            self.options
                .file_bytes_max
                .is_some_and(|max| log.position > max)
        };
        if self.current.as_ref().is_some_and(is_full) {
            self.roll();
        }
        Ok(self.durable)
    }

    /// Lets the next record start a new file. What was appended before stays to be synced.
    pub fn roll(&mut self) {
        self.rolled.extend(self.current.take());
    }

    /// Goes on behind `last` in a new file: others have changed what the files hold.
    ///
    /// # Panics
    /// When something that was appended is not durable.
    pub fn restart(&mut self, last: Zxid) {
        assert!(
            self.durable == self.last,
            "what was appended is durable before it is changed"
        );
        self.current = None;
        self.rolled.clear();
        self.last = last;
        self.durable = last;
    }

    /// The last record appended.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// The last record known to be durable.
    pub fn durable(&self) -> Zxid {
        self.durable
    }

    pub fn counters(&self) -> LogCounters {
        self.counters
    }

    /// Runs `action` unless something failed before, and lets nothing through after it fails.
    fn guarded(
        &mut self,
        action: impl FnOnce(&mut Self) -> Result<(), LogWriteError>,
    ) -> Result<(), LogWriteError> {
        if self.failed {
            return Err(LogWriteError::FailedBefore);
        }
        let result = action(self);
        self.failed = result.is_err();
        result
    }

    fn append_record(&mut self, zxid: Zxid, payload: &[u8]) -> Result<(), LogWriteError> {
        if self.current.is_none() {
            // A file whose records are durable while those before them are not would be a hole.
            self.sync_files()?;
            self.current = Some(self.create(zxid)?);
            self.counters.files += 1;
        }
        let step = self.options.preallocation_bytes;
        let log = self.current.as_mut().expect("a file was just opened");
        let reserved = padded_len(log.position, log.reserved, step);
        if reserved != log.reserved {
            let extended = log.segment.reserve(reserved);
            extended.map_err(failure("extend", &log.path))?;
            log.reserved = reserved;
        }
        log.unwritten.extend_from_slice(&record_head(payload));
        log.unwritten.extend_from_slice(payload);
        log.unwritten.push(RECORD_END);
        log.position += (payload.len() + RECORD_OVERHEAD) as u64;
        log.is_dirty = true;
        if log.unwritten.len() >= UNWRITTEN_BYTES_MAX {
            log.write_out()?;
        }
        Ok(())
    }

    fn create(&self, zxid: Zxid) -> Result<OpenLog, LogWriteError> {
        let path = self.dir.join(log_name(zxid));
        let open = || {
            let mut segment = self.disk.create_segment(&path)?;
            segment.write(0, &file_head())?;
            if self.options.force_sync {
                segment.sync()?;
                self.disk.sync_dir(&self.dir)?;
            }
            Ok(segment)
        };
        let segment = open().map_err(failure("create", &path))?;
        let head_len = FILE_HEAD_LEN as u64;
        Ok(OpenLog {
            path,
            segment,
            position: head_len,
            unwritten: Vec::new(),
            reserved: head_len,
            is_dirty: false,
        })
    }

    /// Oldest file first, so that a crash between two leaves no hole.
    fn sync_files(&mut self) -> Result<(), LogWriteError> {
        let logs = self.rolled.iter_mut().chain(&mut self.current);
        for log in logs.filter(|log| log.is_dirty) {
            log.write_out()?;
            if self.options.force_sync {
                let started = (self.clock)();
                log.segment.sync().map_err(failure("sync", &log.path))?;
                let took_ms = (self.clock)().since(started);
                self.counters.syncs += 1;
                self.counters.last_sync_ms = took_ms;
                if took_ms > self.options.sync_warning_ms {
                    self.counters.slow_syncs += 1;
                    tracing::warn!(
                        path = ?log.path,
                        bytes = log.position,
                        "fsync-ing the write ahead log took {took_ms}ms, and all writes waited"
                    );
                }
            }
            log.is_dirty = false;
        }
        self.rolled.clear();
        Ok(())
    }
}

impl OpenLog {
    /// Gives the file all records it does not have.
    fn write_out(&mut self) -> Result<(), LogWriteError> {
        let start = self.position - self.unwritten.len() as u64;
        let written = self.segment.write(start, &self.unwritten);
        written.map_err(failure("append to", &self.path))?;
        self.unwritten.clear();
        if self.unwritten.capacity() > UNWRITTEN_BYTES_MAX {
            self.unwritten = Vec::new();
        }
        Ok(())
    }
}

/// Records collected before they are written out ahead of the sync.
const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter")
            .field("dir", &self.dir)
            .field("last", &self.last)
            .field("durable", &self.durable)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

fn failure<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> LogWriteError + 'a {
    move |source| LogWriteError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
