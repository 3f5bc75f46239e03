//! Names and places: which directories there are, what the files in them are called, and what is
//! checked of them before anything is read.
//!
//! | place | content |
//! |---|---|
//! | `dataDir/version-2/snapshot.<zxid>[.gz\|.snappy]` | snapshots |
//! | `dataDir/version-2/writing-snapshot.<zxid>...` | a snapshot being written; no server reads it |
//! | `dataDir/version-2/acceptedEpoch`, `currentEpoch`, and `.tmp` of each | [`super::epoch`] |
//! | `dataLogDir/version-2/log.<zxid>` | transaction logs |
//! | `dataLogDir/initialize` | marker: an empty server may vote |
//!
//! `<zxid>` is lower-case hexadecimal without prefix or padding. Apache ignores all suffixes
//! behind it and so reads `snapshot.5.tmp` and `log.5.fixed` too; here a name with a suffix that
//! nothing gives a meaning to is not a live file.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::Zxid;
use crate::store::disk::Disk;

/// Where one server keeps its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDirs {
    /// `dataDir/version-2`.
    pub snapshots: PathBuf,
    /// `dataLogDir/version-2`.
    pub logs: PathBuf,
    /// `dataLogDir`.
    log_root: PathBuf,
}

/// Why the directories cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error("data directory {0:?} is missing and zookeeper.datadir.autocreate is false")]
    Missing(PathBuf),
    #[error("cannot create data directory {dir:?}")]
    Uncreatable { dir: PathBuf, source: io::Error },
    #[error("cannot write to data directory {0:?}")]
    Unwritable(PathBuf),
    #[error("cannot list data directory {dir:?}")]
    Unlistable { dir: PathBuf, source: io::Error },
    #[error("log directory {dir:?} has the snapshot {name}: check dataDir and dataLogDir")]
    SnapshotAmongLogs { dir: PathBuf, name: String },
    #[error("snapshot directory {dir:?} has the log {name}: check dataDir and dataLogDir")]
    LogAmongSnapshots { dir: PathBuf, name: String },
}

/// The container of a snapshot file, told by the last part of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    #[default]
    Plain,
    Gzip,
    Snappy,
}

/// A live file: its name and the zxid in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogName {
    pub zxid: Zxid,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotName {
    pub zxid: Zxid,
    pub compression: Compression,
    pub name: String,
}

impl DataDirs {
    pub fn new(data_dir: &Path, data_log_dir: &Path) -> Self {
        Self {
            snapshots: data_dir.join("version-2"),
            logs: data_log_dir.join("version-2"),
            log_root: data_log_dir.to_path_buf(),
        }
    }

    /// The marker that lets a server without data count as one that never had any.
    pub fn initialize_marker(&self) -> PathBuf {
        self.log_root.join("initialize")
    }

    /// Creates what is missing, if that is allowed, and refuses what cannot be right.
    pub fn prepare(&self, disk: &dyn Disk, autocreate: bool) -> Result<(), LayoutError> {
        for dir in [&self.logs, &self.snapshots] {
            if !disk.exists(dir) {
                create(disk, dir, autocreate)?;
            }
            if !disk.is_writable(dir) {
                return Err(LayoutError::Unwritable(dir.clone()));
            }
        }
        self.check_contents(disk)
    }

    /// Directories that were confused with each other show in what they hold.
    pub fn check_contents(&self, disk: &dyn Disk) -> Result<(), LayoutError> {
        if self.logs == self.snapshots {
            return Ok(());
        }
        if let Some(name) = first_with_prefix(disk, &self.logs, "snapshot.")? {
            let dir = self.logs.clone();
            return Err(LayoutError::SnapshotAmongLogs { dir, name });
        }
        if let Some(name) = first_with_prefix(disk, &self.snapshots, "log.")? {
            let dir = self.snapshots.clone();
            return Err(LayoutError::LogAmongSnapshots { dir, name });
        }
        Ok(())
    }

    /// All logs, oldest first.
    pub fn list_logs(&self, disk: &dyn Disk) -> io::Result<Vec<LogName>> {
        let names = disk.list(&self.logs)?.into_iter();
        let mut logs: Vec<_> = names
            .filter_map(|name| {
                Some(LogName {
                    zxid: parse_log_name(&name)?,
                    name,
                })
            })
            .collect();
        logs.sort_by(|a, b| (a.zxid, &a.name).cmp(&(b.zxid, &b.name)));
        Ok(logs)
    }

    /// All snapshots, newest first, whether they are whole or not.
    pub fn list_snapshots(&self, disk: &dyn Disk) -> io::Result<Vec<SnapshotName>> {
        let names = disk.list(&self.snapshots)?.into_iter();
        let mut snapshots: Vec<_> = names
            .filter_map(|name| {
                let (zxid, compression) = parse_snapshot_name(&name)?;
                Some(SnapshotName {
                    zxid,
                    compression,
                    name,
                })
            })
            .collect();
        snapshots.sort_by(|a, b| (b.zxid, &b.name).cmp(&(a.zxid, &a.name)));
        Ok(snapshots)
    }
}

impl Compression {
    /// As `zookeeper.snapshot.compression.method`: what is not known is no compression.
    pub fn parse_method(text: &str) -> Self {
        Self::parse_suffix(text).unwrap_or_default()
    }

    fn parse_suffix(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "gz" => Some(Self::Gzip),
            "snappy" => Some(Self::Snappy),
            _ => None,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Snappy => ".snappy",
        }
    }
}

/// The name of the log whose first record is `zxid`.
pub fn log_name(zxid: Zxid) -> String {
    format!("log.{:x}", zxid.0)
}

/// The name of the snapshot of the state at `zxid`.
pub fn snapshot_name(zxid: Zxid, compression: Compression) -> String {
    format!("snapshot.{:x}{}", zxid.0, compression.suffix())
}

/// What a snapshot is called until it is whole. Apache reads no file whose name does not start
/// with `snapshot.`.
pub fn unfinished_snapshot_name(zxid: Zxid, compression: Compression) -> String {
    format!("{UNFINISHED}{}", snapshot_name(zxid, compression))
}

/// Whether the file is what a crash left of a snapshot being written.
pub fn is_unfinished_snapshot(name: &str) -> bool {
    name.starts_with(UNFINISHED)
}

const UNFINISHED: &str = "writing-";

/// The zxid in the name of a live log.
pub fn parse_log_name(name: &str) -> Option<Zxid> {
    parse_zxid(name.strip_prefix("log.")?)
}

/// The zxid and the container in the name of a live snapshot.
pub fn parse_snapshot_name(name: &str) -> Option<(Zxid, Compression)> {
    let rest = name.strip_prefix("snapshot.")?;
    let (digits, compression) = match rest.split_once('.') {
        None => (rest, Compression::Plain),
        Some((digits, suffix)) => (digits, Compression::parse_suffix(suffix)?),
    };
    Some((parse_zxid(digits)?, compression))
}

fn parse_zxid(digits: &str) -> Option<Zxid> {
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = i64::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some(Zxid(value))
}

fn create(disk: &dyn Disk, dir: &Path, autocreate: bool) -> Result<(), LayoutError> {
    if !autocreate {
        return Err(LayoutError::Missing(dir.to_path_buf()));
    }
    let create_and_sync = || {
        let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !disk.exists(dir);
        let missing: Vec<_> = dir.ancestors().take_while(is_missing).collect();
        disk.create_dirs(dir)?;
        // The names of new directories must outlive a power loss together with what they hold.
        for made in missing {
            let parent = made.parent().filter(|dir| !dir.as_os_str().is_empty());
            disk.sync_dir(parent.unwrap_or_else(|| Path::new(".")))?;
        }
        Ok(())
    };
    create_and_sync().map_err(|source| LayoutError::Uncreatable {
        dir: dir.to_path_buf(),
        source,
    })
}

fn first_with_prefix(
    disk: &dyn Disk,
    dir: &Path,
    prefix: &str,
) -> Result<Option<String>, LayoutError> {
    let mut names = disk.list(dir).map_err(|source| LayoutError::Unlistable {
        dir: dir.to_path_buf(),
        source,
    })?;
    names.retain(|name| name.starts_with(prefix));
    Ok(names.into_iter().min())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sf_001_names_carry_the_zxid_in_plain_hexadecimal() {
        for zxid in [0, 5, 0x1_0000_0001, 0xabc_def0_1234, i64::MAX] {
            let zxid = Zxid(zxid);
            assert_eq!(parse_log_name(&log_name(zxid)), Some(zxid));
            for compression in [Compression::Plain, Compression::Gzip, Compression::Snappy] {
                let name = snapshot_name(zxid, compression);
                assert_eq!(parse_snapshot_name(&name), Some((zxid, compression)));
            }
        }
        assert_eq!(log_name(Zxid(0x1_0000_000a)), "log.10000000a");
        assert_eq!(snapshot_name(Zxid(0), Compression::Gzip), "snapshot.0.gz");
        assert_eq!(log_name(Zxid(i64::MAX)), "log.7fffffffffffffff");
    }

    #[test]
    fn sf_002_other_names_are_not_live_files() {
        let logs = [
            "log",
            "log.",
            "log.x",
            "log.-1",
            "log.+1",
            "log.8000000000000000",
            "log.5.fixed",
            "log.5.chopped7",
            "log.5.tmp",
            "xlog.5",
            "log.5.",
            "Log.5",
            "logs.5",
        ];
        for name in logs {
            assert_eq!(parse_log_name(name), None, "{name}");
        }
        let snapshots = [
            "snapshot.5.tmp",
            "snapshot.5.gz.tmp",
            "snapshot.5.",
            "snapshot.",
            "snapshot.g",
            "writing-snapshot.5",
            "snapshot.5.tmp.gz",
        ];
        for name in snapshots {
            assert_eq!(parse_snapshot_name(name), None, "{name}");
        }
        assert!(is_unfinished_snapshot(&unfinished_snapshot_name(
            Zxid(5),
            Compression::Plain
        )));
    }

    #[test]
    fn the_compression_method_is_read_without_case_and_defaults_to_none() {
        assert_eq!(Compression::parse_method("GZ"), Compression::Gzip);
        assert_eq!(Compression::parse_method("Snappy"), Compression::Snappy);
        assert_eq!(Compression::parse_method("zip"), Compression::Plain);
        assert_eq!(Compression::parse_method(""), Compression::Plain);
    }
}
