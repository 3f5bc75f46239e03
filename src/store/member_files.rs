//! The files a server's ensemble is written in when it changes, beside its `zoo.cfg`:
//!
//! ```text
//! zoo.cfg                  names the next one; rewritten whenever a configuration is committed
//! zoo.cfg.dynamic.<hex>    a committed configuration, its version in the name; old ones stay
//! zoo.cfg.dynamic.next     one that is proposed, its version inside; goes with the commit
//! zoo.cfg.bak              zoo.cfg as it was when the members were still in it
//! <name>.tmp               the next one, until it is durable and gets the name
//! ```
//!
//! Invariants: each file is the old or the new one after any crash, and durable before anybody
//! acts on what it says; `zoo.cfg` never names a file that is not whole; a proposed configuration
//! is only removed once the one it was, or a newer one, is what `zoo.cfg` names.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::ServerId;
use crate::quorum::{ConfigVersion, QuorumView};
use crate::store::disk::Disk;

/// Makes the new content of `zoo.cfg`: from the old one, the path of the dynamic file, and whether
/// the client port is to go.
pub type EditStatic = fn(&[u8], &str, bool) -> Vec<u8>;

/// See the module.
#[derive(Debug, Clone)]
pub struct MemberFiles {
    /// The zoo.cfg. Absolute.
    config: PathBuf,
    edit: EditStatic,
}

/// Why a server cannot go on with its configuration.
#[derive(Debug, thiserror::Error)]
pub enum MemberFilesError {
    #[error("cannot {action} {path:?}, which reconfiguration needs")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{0:?} is longer than a configuration is")]
    TooLong(PathBuf),
    #[error("files cannot be created beside {0:?}, which reconfigEnabled=true needs")]
    NotWritable(PathBuf),
}

impl MemberFiles {
    /// The files beside the `zoo.cfg` at this absolute path.
    pub fn new(config: PathBuf, edit: EditStatic) -> Self {
        assert!(config.is_absolute(), "what is written names it");
        Self { config, edit }
    }

    /// Whether what has to be written can be: better at the start than in the middle of a change.
    pub fn check(&self, disk: &dyn Disk) -> Result<(), MemberFilesError> {
        if disk.is_writable(self.dir()) {
            Ok(())
        } else {
            Err(MemberFilesError::NotWritable(self.config.clone()))
        }
    }

    /// Keeps `zoo.cfg` as it is now under another name, for a person to look up later.
    pub fn back_up(&self, disk: &dyn Disk) -> Result<(), MemberFilesError> {
        let text = self.read_static(disk)?;
        self.replace(disk, &self.beside(".bak"), &text)
    }

    /// Keeps a configuration that may be committed.
    pub fn propose(&self, disk: &dyn Disk, view: &QuorumView) -> Result<(), MemberFilesError> {
        let text = view.file_text(true);
        self.replace(disk, &self.next(), text.as_bytes())
    }

    /// Makes a committed configuration the one that the next start reads. `me` is this server.
    /// Unless `keeps_proposed`, nothing newer is proposed.
    pub fn activate(
        &self,
        disk: &dyn Disk,
        view: &QuorumView,
        me: ServerId,
        keeps_proposed: bool,
    ) -> Result<(), MemberFilesError> {
        let dynamic = self.dynamic(view.version());
        self.replace(disk, &dynamic, view.file_text(false).as_bytes())?;
        let own = view.members().get(&me);
        let names_client = own.is_some_and(|own| own.client.is_some() && !own.client_from_static);
        let text = self.read_static(disk)?;
        let text = (self.edit)(&text, &dynamic.to_string_lossy(), names_client);
        self.replace(disk, &self.config, &text)?;
        if keeps_proposed {
            return Ok(());
        }
        self.forget_proposed(disk)
    }

    /// Removes what was proposed and is not any more.
    pub fn forget_proposed(&self, disk: &dyn Disk) -> Result<(), MemberFilesError> {
        let next = self.next();
        if !disk.exists(&next) {
            return Ok(());
        }
        let remove = || {
            disk.remove(&next)?;
            disk.sync_dir(self.dir())
        };
        remove().map_err(failure("remove", &next))
    }

    /// Where a committed configuration is.
    pub fn dynamic(&self, version: ConfigVersion) -> PathBuf {
        self.beside(&format!(".dynamic.{version}"))
    }

    /// Where a proposed one is.
    pub fn next(&self) -> PathBuf {
        self.beside(".dynamic.next")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.config.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    fn dir(&self) -> &Path {
        self.config.parent().unwrap_or_else(|| Path::new("/"))
    }

    fn read_static(&self, disk: &dyn Disk) -> Result<Vec<u8>, MemberFilesError> {
        let file = disk
            .open(&self.config)
            .map_err(failure("read", &self.config))?;
        let too_long = || MemberFilesError::TooLong(self.config.clone());
        let size = usize::try_from(file.size()).map_err(|_| too_long())?;
        if size > STATIC_BYTES_MAX {
            return Err(too_long());
        }
        let mut text = vec![0; size];
        let count = file
            .read_at(0, &mut text)
            .map_err(failure("read", &self.config))?;
        text.truncate(count);
        Ok(text)
    }

    fn replace(
        &self,
        disk: &dyn Disk,
        path: &Path,
        content: &[u8],
    ) -> Result<(), MemberFilesError> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".tmp");
        let unfinished = PathBuf::from(unfinished);
        let write = || {
            let mut file = disk.create(&unfinished)?;
            file.append(content)?;
            file.sync()?;
            disk.rename(&unfinished, path)?;
            disk.sync_dir(self.dir())
        };
        write().map_err(failure("write", path))
    }
}

/// As much of a zoo.cfg as is read at the start.
const STATIC_BYTES_MAX: usize = 1024 * 1024;

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> MemberFilesError {
    move |source| MemberFilesError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
