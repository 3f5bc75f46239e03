//! Any bytes as the newest file of a log: whole records, a torn end, or a refusal; and what is
//! whole can be applied.
#![no_main]

use std::io;
use std::path::Path;

use gamekeeper::base::Zxid;
use gamekeeper::proto::TxnRecord;
use gamekeeper::store::disk::{Disk, ReadFile, Segment, WriteFile};
use gamekeeper::store::layout::DataDirs;
use gamekeeper::store::log_reader::LogReader;
use gamekeeper::tree::{Database, TreeOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let disk = OneFile(data.to_vec());
    let dirs = DataDirs::new(Path::new("/data"), Path::new("/data"));
    let mut database = Database::new(TreeOptions::default());
    let Ok(mut reader) = LogReader::after(&disk, &dirs, Zxid::ZERO, 1 << 20) else {
        return;
    };
    while let Ok(Some(record)) = reader.next() {
        let Ok(txn) = TxnRecord::decode(&record.payload, 1 << 20) else {
            return;
        };
        database.apply(&txn, &mut Vec::new());
    }
});

/// A disk with one log, whatever is asked for.
#[derive(Debug)]
struct OneFile(Vec<u8>);

struct Content(Vec<u8>);

impl ReadFile for Content {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.0.len());
        let rest = &self.0[start..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Disk for OneFile {
    fn list(&self, _dir: &Path) -> io::Result<Vec<String>> {
        Ok(vec!["log.1".to_owned()])
    }

    fn exists(&self, _path: &Path) -> bool {
        true
    }

    fn is_writable(&self, _dir: &Path) -> bool {
        true
    }

    fn create_dirs(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, _path: &Path) -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(Content(self.0.clone())))
    }

    fn create(&self, _path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn create_segment(&self, _path: &Path) -> io::Result<Box<dyn Segment>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, _path: &Path, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_file(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }
}
