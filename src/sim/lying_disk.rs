//! A disk that says it has synced a file and has not: what [`Mutation::DropSync`] plants.
//!
//! [`Mutation::DropSync`]: crate::sim::mutation::Mutation::DropSync

use std::io;
use std::path::Path;

use crate::store::disk::{Disk, ReadFile, Segment, WriteFile};
use crate::store::sim_disk::SimDisk;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct LyingDisk(pub SimDisk);

struct LyingSegment(Box<dyn Segment>);

impl Segment for LyingSegment {
    fn reserve(&mut self, len: u64) -> io::Result<()> {
        self.0.reserve(len)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for LyingDisk {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.exists(path)
    }

    fn is_writable(&self, dir: &Path) -> bool {
        self.0.is_writable(dir)
    }

    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dirs(dir)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        self.0.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.0.create(path)
    }

    fn create_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        Ok(Box::new(LyingSegment(self.0.create_segment(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn set_len(&self, path: &Path, len: u64) -> io::Result<()> {
        self.0.set_len(path, len)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.0.sync_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
}
