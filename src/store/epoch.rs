//! The two epochs a member of an ensemble must not forget: the highest it has promised to join,
//! and the highest whose initial history it has.
//!
//! ```text
//! acceptedEpoch, currentEpoch    the number in decimal digits, no newline
//! <name>.tmp                     the next one, until it is durable and gets the name
//! ```
//!
//! At the start they are held against the epoch E of the last transaction on disk:
//!
//! ```text
//! a file is missing              it becomes E
//! current < E <= accepted        a crash came between the history of E and the file: it becomes
//!                                what `currentEpoch.tmp` has, if that is not behind E, else E
//! accepted < E                   refused: the file does not belong to this data
//! accepted < current             refused
//! ```
//!
//! Apache's server refuses the second without the temporary file. A server without data that may
//! not vote has -1 as its last zxid, and -1 as the epoch of it; its files say so.
//!
//! Invariant: a file is durable before anybody acts on what it says.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::{Epoch, Zxid};
use crate::store::disk::Disk;
use crate::store::layout::DataDirs;

/// What is in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    /// The highest epoch this server has promised to join.
    pub accepted: Epoch,
    /// The highest epoch whose initial history it has.
    pub current: Epoch,
}

/// One of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochFile {
    Accepted,
    Current,
}

/// Why a server cannot go on with its epochs.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    #[error("cannot {action} {path:?}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{path:?} should hold an epoch in decimal digits and holds {text:?}")]
    NotANumber { path: PathBuf, text: String },
    #[error(
        "the data ends with {last} of epoch {}, but {path:?} says that no epoch behind {} was \
         accepted: it does not belong to this data",
        last.epoch().0, accepted.0
    )]
    NeverAccepted {
        path: PathBuf,
        accepted: Epoch,
        last: Zxid,
    },
    #[error(
        "{path:?} says that no epoch behind {} was accepted, but the current one is {}",
        accepted.0, current.0
    )]
    AcceptedBehindCurrent {
        path: PathBuf,
        accepted: Epoch,
        current: Epoch,
    },
}

impl EpochError {
    pub const EXIT_CODE: u8 = 1;
}

impl Epochs {
    /// Reads the files and holds them against the last transaction on disk. What follows from that
    /// is written before it is given.
    pub fn load(disk: &dyn Disk, dirs: &DataDirs, last_zxid: Zxid) -> Result<Self, EpochError> {
        let of_data = last_zxid.epoch();
        let path = |file: EpochFile| dirs.snapshots.join(file.name());
        let found_accepted = read(disk, &path(EpochFile::Accepted))?;
        let found_current = read(disk, &path(EpochFile::Current))?;
        let accepted = found_accepted.unwrap_or(of_data);
        let mut current = found_current.unwrap_or(of_data);
        if of_data > accepted {
            return Err(EpochError::NeverAccepted {
                path: path(EpochFile::Accepted),
                accepted,
                last: last_zxid,
            });
        }
        if of_data > current {
            let unfinished = read_unfinished(disk, dirs).filter(|epoch| *epoch >= of_data);
            let adopted = unfinished.unwrap_or(of_data);
            tracing::warn!(
                "the data ends with {last_zxid}, but the current epoch was {}: it becomes {}",
                current.0,
                adopted.0
            );
            current = adopted;
        }
        if accepted < current {
            return Err(EpochError::AcceptedBehindCurrent {
                path: path(EpochFile::Accepted),
                accepted,
                current,
            });
        }
        if found_accepted != Some(accepted) {
            EpochFile::Accepted.save(disk, dirs, accepted)?;
        }
        if found_current != Some(current) {
            EpochFile::Current.save(disk, dirs, current)?;
        }
        assert!(of_data <= current && current <= accepted);
        Ok(Self { accepted, current })
    }
}

impl EpochFile {
    /// Makes `epoch` what the file says, durably. A crash leaves the old or the new.
    pub fn save(self, disk: &dyn Disk, dirs: &DataDirs, epoch: Epoch) -> Result<(), EpochError> {
        let dir = &dirs.snapshots;
        let path = dir.join(self.name());
        let unfinished = dir.join(self.unfinished_name());
        let write = || {
            let mut file = disk.create(&unfinished)?;
            file.append(epoch.0.to_string().as_bytes())?;
            file.sync()?;
            disk.rename(&unfinished, &path)?;
            disk.sync_dir(dir)
        };
        write().map_err(failure("write", &path))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "acceptedEpoch",
            Self::Current => "currentEpoch",
        }
    }

    fn unfinished_name(self) -> String {
        format!("{}.tmp", self.name())
    }
}

impl fmt::Display for EpochFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// More than any epoch has digits.
const FIRST_LINE_MAX: usize = 64;

/// Reads the first line as Apache does: a number and nothing else, whatever follows.
fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Epoch>, EpochError> {
    if !disk.exists(path) {
        return Ok(None);
    }
    let mut content = [0; FIRST_LINE_MAX];
    let file = disk.open(path).map_err(failure("read", path))?;
    let count = file.read_at(0, &mut content);
    let count = count.map_err(failure("read", path))?;
    let mut lines = content
        .split_at_checked(count)
        .map_or(&content[..], |(read, _)| read)
        .split(|byte| matches!(byte, b'\n' | b'\r'));
    let line = String::from_utf8_lossy(lines.next().unwrap_or_default());
    match line.parse() {
        Ok(epoch) => Ok(Some(Epoch(epoch))),
        Err(_) => Err(EpochError::NotANumber {
            path: path.to_path_buf(),
            text: line.into_owned(),
        }),
    }
}

/// What a crash left of a file that did not get its name. It may be torn: then it says nothing.
fn read_unfinished(disk: &dyn Disk, dirs: &DataDirs) -> Option<Epoch> {
    let path = dirs.snapshots.join(EpochFile::Current.unfinished_name());
    read(disk, &path).ok().flatten()
}

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EpochError {
    move |source| EpochError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
