//! The door to the file system: the [`Disk`] trait, what it hands out, and the real one.
//!
//! This is the only place of the crate that touches `std::fs`. Everything else in `store` speaks
//! to a [`Disk`], so that the same code runs over the simulated disk, which forgets, tears, fills
//! up and fails.
//!
//! What has been written is durable only after the `sync` of the file **and**, for the file's
//! name, after [`Disk::sync_dir`]. Names are UTF-8; other entries of a directory are not ours and
//! are left out.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Access, FallocateFlags, access, fallocate};
use rustix::io::Errno;

/// A file system.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Names of everything in `dir`, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Whether `path` is there, be it a file or a directory.
    fn exists(&self, path: &Path) -> bool;
    /// Whether files may be created in `dir`.
    fn is_writable(&self, dir: &Path) -> bool;
    /// Creates `dir` and what is missing above it; fine if it is there.
    fn create_dirs(&self, dir: &Path) -> io::Result<()>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>>;
    /// Creates a file, or empties the one that is there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;
    /// Creates a log segment, or empties the one that is there.
    fn create_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>>;
    /// Renames within one directory, replacing what had the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Cuts a file to `len` bytes. It is durable after [`Disk::sync_file`].
    fn set_len(&self, path: &Path, len: u64) -> io::Result<()>;
    /// Makes content and length of the file durable, whoever wrote it.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in `dir` durable: creations, renames and removals so far.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file open for reading.
pub trait ReadFile: Send {
    /// Its length in bytes when it was opened.
    fn size(&self) -> u64;
    /// Reads at `offset`; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// A file that grows at its end.
pub trait WriteFile: Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes content and length durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file written at given places, within space reserved beforehand or beyond it.
pub trait Segment: Send {
    /// Extends the file to `len` bytes of zeros for which the blocks are taken now, so that a
    /// later write within them cannot meet a full disk. Never shrinks.
    fn reserve(&mut self, len: u64) -> io::Result<()>;
    /// Writes `bytes` from `offset` on. What lies beyond the reserved space extends the file.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes all written so far durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_writable(&self, dir: &Path) -> bool {
        access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    }

    fn create_dirs(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Box::new(RealReadFile { file, size }))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(RealWriteFile {
            file: File::create(path)?,
        }))
    }

    fn create_segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        Ok(Box::new(RealSegment { file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn set_len(&self, path: &Path, len: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(len)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

struct RealReadFile {
    file: File,
    size: u64,
}

impl ReadFile for RealReadFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

struct RealWriteFile {
    file: File,
}

impl WriteFile for RealWriteFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}

struct RealSegment {
    file: File,
}

impl Segment for RealSegment {
    fn reserve(&mut self, len: u64) -> io::Result<()> {
        let present = self.file.metadata()?.len();
        if len > present {
            allocate(&self.file, present, len - present)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Takes real blocks, by writing zeros where the file system cannot simply set them aside.
fn allocate(file: &File, offset: u64, count: u64) -> io::Result<()> {
    loop {
        match fallocate(file, FallocateFlags::empty(), offset, count) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return write_zeros(file, offset, count),
            Err(error) => return Err(error.into()),
        }
    }
}

fn write_zeros(file: &File, offset: u64, count: u64) -> io::Result<()> {
    const CHUNK: usize = 64 * 1024;
    let zeros = [0; CHUNK];
    let end = offset + count;
    let mut at = offset;
    while at < end {
        let part = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
        file.write_all_at(zeros.get(..part).unwrap_or(&zeros), at)?;
        at += part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_written_where_blocks_cannot_be_set_aside() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"head", 0).unwrap();
        write_zeros(&file, 4, 150_000).unwrap();
        let mut content = vec![1; 200_000];
        let len = RealReadFile { file, size: 0 }
            .read_at(0, &mut content)
            .unwrap();
        assert_eq!(len, 150_004);
        assert!(content[..4] == *b"head" && content[4..len].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_file_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert!(RealDisk.set_len(&path, 3).is_err(), "it is not made");
        fs::write(&path, b"abcdef").unwrap();
        RealDisk.set_len(&path, 3).unwrap();
        RealDisk.sync_file(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abc");
    }

    #[test]
    fn a_segment_is_written_within_its_space_and_beyond() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        let mut segment = RealDisk.create_segment(&path).unwrap();
        segment.write(0, b"abc").unwrap();
        segment.reserve(10_000).unwrap();
        segment.write(3, b"de").unwrap();
        segment.write(9_999, b"1234").unwrap();
        segment.sync().unwrap();
        let content = fs::read(&path).unwrap();
        assert_eq!(content.len(), 10_003);
        assert_eq!(&content[..6], b"abcde\0");
        assert_eq!(&content[9_998..], b"\x001234");
    }
}
