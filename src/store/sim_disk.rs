//! A file system in memory that behaves badly on purpose.
//!
//! It keeps what was written apart from what is durable. [`SimDisk::crash`] is a loss of power:
//! of every file any subset of the sectors written since its last sync survives, its length is
//! the old or the new one, and of the changes to names any number of the first survives.
//! [`SimDisk::inject`] makes the N-th changing call fail, the power go in the middle of it, or
//! the space run out. All choices come from one seed, and each instance is a disk of its own.
//!
//! It stands in for [`RealDisk`](crate::store::disk::RealDisk) in tests and in the simulation of
//! ensembles, never in a server: a mistake in how it is used is a panic.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "simulation: nothing here comes from outside, and a mistake is to stop the run"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::store::disk::{Disk, ReadFile, Segment, WriteFile};

const SECTOR: usize = 512;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    #[default]
    None,
    /// The N-th changing call from now (0 is the next) fails and has a part of its effect, those
    /// behind it work.
    FailAt(u64),
    /// At the N-th changing call the power goes: it has a part of its effect, and nothing works
    /// from then on until [`SimDisk::crash`].
    PowerLossAt(u64),
    /// The disk has room for that many bytes in all.
    Capacity(u64),
    /// The next creation of a file whose name starts so, or the next sync of the log, panics.
    Panic(Panic),
}

/// Where the code below a thread of the server panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panic {
    AtSync,
    AtCreation(&'static str),
}

/// A handle to one simulated disk; clones share it.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    changed: Arc<Condvar>,
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: Names,
    durable_names: Names,
    /// Changes to names since their directory was synced, in order.
    pending: Vec<NameChange>,
    dirs: Vec<PathBuf>,
    read_only: Vec<PathBuf>,
    synced_dirs: Vec<PathBuf>,
    random: u64,
    fault: Fault,
    is_off: bool,
    holds_appends: bool,
    is_append_held: bool,
    calls: u64,
    syncs: u64,
    /// With so many files, also forgotten ones, it is time to look for those.
    sweep_at: usize,
}

type Names = BTreeMap<PathBuf, usize>;

/// Both are shared with readers, and with each other after a sync.
#[derive(Debug, Default, Clone)]
struct Inode {
    content: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: seed,
            dirs: vec![PathBuf::from("/")],
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            changed: Arc::default(),
        }
    }

    pub fn inject(&self, fault: Fault) {
        let mut state = self.state.lock();
        let calls = state.calls;
        state.fault = match fault {
            Fault::FailAt(count) => Fault::FailAt(calls + count),
            Fault::PowerLossAt(count) => Fault::PowerLossAt(calls + count),
            Fault::None | Fault::Capacity(_) | Fault::Panic(_) => fault,
        };
    }

    /// From now on files that only grow, as snapshots do, do not until they are let go.
    pub fn hold_appends(&self, hold: bool) {
        self.state.lock().holds_appends = hold;
        self.changed.notify_all();
    }

    /// Waits until one is held.
    pub fn await_held_append(&self) {
        let mut state = self.state.lock();
        while !state.is_append_held {
            self.changed.wait(&mut state);
        }
    }

    /// Directories that were synced, in order.
    pub fn synced_dirs(&self) -> Vec<PathBuf> {
        self.state.lock().synced_dirs.clone()
    }

    /// Changing calls so far.
    pub fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    /// Syncs of files so far.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// The power goes and comes back: what was not synced survives in parts. Clears all faults.
    pub fn crash(&self) {
        self.state.lock().crash();
    }

    /// The process is gone and the machine is not: what was written stays, whether or not it was
    /// synced. Clears all faults.
    pub fn power_on(&self) {
        let mut state = self.state.lock();
        state.fault = Fault::None;
        state.is_off = false;
    }

    pub fn set_read_only(&self, dir: &Path) {
        self.state.lock().read_only.push(dir.to_path_buf());
    }

    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state.lock();
        let inode = state.names.get(path)?;
        Some(state.inodes[*inode].content.to_vec())
    }

    /// Puts a durable file there.
    pub fn put(&self, path: &Path, content: &[u8]) {
        let mut state = self.state.lock();
        let inode = state.inodes.len();
        let content = Arc::new(content.to_vec());
        state.inodes.push(Inode {
            durable: content.clone(),
            content,
        });
        state.names.insert(path.to_path_buf(), inode);
        state.durable_names.insert(path.to_path_buf(), inode);
    }

    fn create_file(&self, path: &Path) -> io::Result<SimFile> {
        let mut state = self.state.lock();
        let parent = path.parent().unwrap_or(path);
        if !state.dirs.iter().any(|dir| dir == parent) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if let Fault::Panic(Panic::AtCreation(prefix)) = state.fault {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            assert!(!name.starts_with(prefix), "a panic on purpose");
        }
        state.change()?;
        // Emptying a file frees its blocks: a crash brings back the old one or leaves the new.
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.change_names(NameChange::Link(path.to_path_buf(), inode));
        Ok(SimFile {
            disk: self.clone(),
            inode,
        })
    }
}

impl State {
    /// Counts a changing call. An error means that it fails, after a part of its effect if it
    /// writes.
    fn change(&mut self) -> io::Result<()> {
        if self.is_off {
            return Err(io::Error::other("the power is off"));
        }
        let call = self.calls;
        self.calls += 1;
        match self.fault {
            Fault::FailAt(count) if count == call => Err(io::Error::other("a failure on purpose")),
            Fault::PowerLossAt(count) if count == call => {
                self.is_off = true;
                Err(io::Error::other("the power went"))
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, inode: usize, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let was_off = self.is_off;
        let outcome = self.change();
        if was_off {
            return outcome;
        }
        let count = match outcome {
            Ok(()) => bytes.len(),
            Err(_) => self.below(bytes.len() + 1),
        };
        let end = offset + count;
        let grown = end.saturating_sub(self.inodes[inode].content.len());
        self.check_space(grown)?;
        let content = Arc::make_mut(&mut self.inodes[inode].content);
        content.resize(content.len() + grown, 0);
        content[offset..end].copy_from_slice(&bytes[..count]);
        outcome
    }

    fn check_space(&self, grown: usize) -> io::Result<()> {
        let Fault::Capacity(max) = self.fault else {
            return Ok(());
        };
        let used: usize = self.inodes.iter().map(|inode| inode.content.len()).sum();
        if grown > 0 && (used + grown) as u64 > max {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Forgets the content of files that no name leads to and no crash can bring back, so that a
    /// long run stays small.
    fn drop_unreachable(&mut self) {
        if self.inodes.len() < self.sweep_at {
            return;
        }
        let linked = self.pending.iter().filter_map(|change| match change {
            NameChange::Link(_, inode) => Some(inode),
            NameChange::Unlink(_) | NameChange::Rename(..) => None,
        });
        let named = self.names.values().chain(self.durable_names.values());
        let reachable: BTreeSet<usize> = named.chain(linked).copied().collect();
        for (index, inode) in self.inodes.iter_mut().enumerate() {
            if !reachable.contains(&index) {
                *inode = Inode::default();
            }
        }
        self.sweep_at = self.inodes.len() + reachable.len() + 64;
    }

    fn change_names(&mut self, change: NameChange) {
        change.clone().apply(&mut self.names);
        self.pending.push(change);
    }

    fn crash(&mut self) {
        let kept = self.below(self.pending.len() + 1);
        for change in self.pending.drain(..).take(kept) {
            change.apply(&mut self.durable_names);
        }
        self.names = self.durable_names.clone();
        for index in 0..self.inodes.len() {
            let torn = self.torn(index);
            self.inodes[index] = Inode {
                content: torn.clone(),
                durable: torn,
            };
        }
        self.drop_unreachable();
        self.fault = Fault::None;
        self.is_off = false;
    }

    /// What survives of a file: its old or new length, and sector by sector the old or the new
    /// content, where what was never written reads as zeros.
    fn torn(&mut self, index: usize) -> Arc<Vec<u8>> {
        let Inode { content, durable } = self.inodes[index].clone();
        if content == durable {
            return content;
        }
        // All, nothing, or a mix: a mix alone would hardly ever keep much.
        let style = self.below(4);
        let mut torn = if style == 0 || (style > 1 && self.below(2) == 0) {
            durable.to_vec()
        } else {
            let mut torn = vec![0; content.len()];
            let common = durable.len().min(content.len());
            torn[..common].copy_from_slice(&durable[..common]);
            torn
        };
        let len = torn.len();
        for start in (0..len).step_by(SECTOR) {
            let end = (start + SECTOR).min(len).min(content.len());
            let keeps_new = style == 1 || (style > 1 && self.below(2) == 0);
            if keeps_new && start < end {
                torn[start..end].copy_from_slice(&content[start..end]);
            }
        }
        Arc::new(torn)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        usize::try_from(mixed % bound as u64).unwrap()
    }
}

impl NameChange {
    fn apply(self, names: &mut Names) {
        match self {
            Self::Link(path, inode) => {
                names.insert(path, inode);
            }
            Self::Unlink(path) => {
                names.remove(&path);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(&from) {
                    names.insert(to, inode);
                }
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let (Self::Link(path, _) | Self::Unlink(path) | Self::Rename(path, _)) = self;
        path.parent() == Some(dir)
    }
}

impl Disk for SimDisk {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        if !state.dirs.iter().any(|known| known == dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let paths = state.names.keys().chain(&state.dirs);
        let names = paths.filter(|path| path.parent() == Some(dir));
        let text = |path: &PathBuf| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        Ok(names.filter_map(text).collect())
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.state.lock();
        state.names.contains_key(path) || state.dirs.iter().any(|dir| dir == path)
    }

    fn is_writable(&self, dir: &Path) -> bool {
        !self.state.lock().read_only.iter().any(|known| known == dir)
    }

    /// Directories are durable at once: they are only made before anything else is.
    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.change()?;
        for dir in dir.ancestors() {
            if !state.dirs.iter().any(|known| known == dir) {
                state.dirs.push(dir.to_path_buf());
            }
        }
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        let state = self.state.lock();
        let inode = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Snapshot(state.inodes[*inode].content.clone())))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(self.create_file(path)?))
    }

    fn create_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        Ok(Box::new(self.create_file(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.change()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(NameChange::Rename(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.change()?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(NameChange::Unlink(path.to_path_buf()));
        Ok(())
    }

    fn set_len(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.is_off {
            return state.change();
        }
        let inode = state.names.get(path).copied();
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        let outcome = state.change();
        if outcome.is_ok() || state.below(2) == 0 {
            let content = Arc::make_mut(&mut state.inodes[inode].content);
            content.resize(usize::try_from(len).unwrap(), 0);
        }
        outcome
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let inode = self.state.lock().names.get(path).copied();
        let disk = self.clone();
        let inode = inode.ok_or(io::ErrorKind::NotFound)?;
        SimFile { disk, inode }.sync_content()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.change()?;
        state.synced_dirs.push(dir.to_path_buf());
        let pending = std::mem::take(&mut state.pending);
        let (synced, pending) = pending.into_iter().partition(|change| change.is_in(dir));
        state.pending = pending;
        let synced: Vec<NameChange> = synced;
        for change in synced {
            change.apply(&mut state.durable_names);
        }
        state.drop_unreachable();
        Ok(())
    }
}

/// The file as it was when it was opened.
struct Snapshot(Arc<Vec<u8>>);

impl ReadFile for Snapshot {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap().min(self.0.len());
        let count = into.len().min(self.0.len() - start);
        into[..count].copy_from_slice(&self.0[start..start + count]);
        Ok(count)
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl SimFile {
    fn sync_content(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let panics = state.fault == Fault::Panic(Panic::AtSync);
        assert!(!panics, "a panic on purpose");
        state.change()?;
        state.syncs += 1;
        let inode = &mut state.inodes[self.inode];
        inode.durable = inode.content.clone();
        Ok(())
    }
}

impl WriteFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        while state.holds_appends {
            state.is_append_held = true;
            self.disk.changed.notify_all();
            self.disk.changed.wait(&mut state);
        }
        let end = state.inodes[self.inode].content.len();
        state.write(self.inode, end, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_content()
    }
}

impl Segment for SimFile {
    fn reserve(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.change()?;
        let len = usize::try_from(len).unwrap();
        let grown = len.saturating_sub(state.inodes[self.inode].content.len());
        state.check_space(grown)?;
        let content = Arc::make_mut(&mut state.inodes[self.inode].content);
        content.resize(content.len() + grown, 0);
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.write(self.inode, usize::try_from(offset).unwrap(), bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_content()
    }
}
