//! The containers a snapshot may be wrapped in: none, gzip, and the stream format of snappy-java.
//!
//! ```text
//! snappy-java  0  82 "SNAPPY" 00 | version 1, 4 bytes | readable since version 1, 4 bytes
//!             16  block, block, ... to the end of the file
//! block        0  length n, 4 bytes
//!              4  n bytes of raw snappy, which hold at most 32 KiB
//! ```
//!
//! It is not the framing format of snappy itself. All is streamed: nothing here takes more memory
//! than a block and a buffer, whatever the file says.

use std::io::{self, BufReader, Read, Write};

use flate2::Compression as GzipLevel;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::store::disk::{ReadFile, WriteFile};
use crate::store::layout::Compression;

const SNAPPY_HEAD: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const SNAPPY_MAGIC_LEN: usize = 8;
const SNAPPY_BLOCK_BYTES: usize = 32 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// What every whole plain snapshot ends with: the last seal's text.
const PLAIN_END: [u8; 5] = *b"\0\0\0\x01/";
const PLAIN_LEN_MIN: u64 = 10;
const FILE_BUFFER_BYTES: usize = 64 * 1024;

/// Whether the file may be a whole snapshot, as `SnapStream.isValidSnapshot` tells cheaply. It
/// says nothing about what is inside.
pub(super) fn looks_whole(file: &dyn ReadFile, compression: Compression) -> io::Result<bool> {
    let starts_with = |magic: &[u8]| {
        let mut head = vec![0; magic.len()];
        Ok(file.read_at(0, &mut head)? == magic.len() && head == magic)
    };
    match compression {
        Compression::Plain => {
            let mut end = PLAIN_END.map(|_| 0);
            let start = file.size().saturating_sub(PLAIN_END.len() as u64);
            file.read_at(start, &mut end)?;
            Ok(file.size() >= PLAIN_LEN_MIN && end == PLAIN_END)
        }
        Compression::Gzip => starts_with(&GZIP_MAGIC),
        Compression::Snappy => starts_with(SNAPPY_HEAD.get(..SNAPPY_MAGIC_LEN).unwrap_or_default()),
    }
}

/// The bytes inside the container.
pub(super) fn unwrap(
    file: Box<dyn ReadFile>,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send>> {
    let cursor = FileCursor { file, offset: 0 };
    Ok(match compression {
        Compression::Plain => Box::new(cursor),
        Compression::Gzip => {
            let buffered = BufReader::with_capacity(FILE_BUFFER_BYTES, cursor);
            Box::new(MultiGzDecoder::new(buffered))
        }
        Compression::Snappy => Box::new(SnappyReader::open(BufReader::with_capacity(
            FILE_BUFFER_BYTES,
            cursor,
        ))?),
    })
}

/// Puts bytes into a container that is a file.
pub(super) enum Wrapper {
    Plain(FileAppender),
    Gzip(GzEncoder<FileAppender>),
    Snappy(SnappyWriter),
}

impl Wrapper {
    pub(super) fn new(file: Box<dyn WriteFile>, compression: Compression) -> io::Result<Self> {
        let mut file = FileAppender {
            file,
            len: 0,
            unsynced: 0,
        };
        Ok(match compression {
            Compression::Plain => Self::Plain(file),
            Compression::Gzip => Self::Gzip(GzEncoder::new(file, GzipLevel::default())),
            Compression::Snappy => {
                file.write_all(&SNAPPY_HEAD)?;
                Self::Snappy(SnappyWriter {
                    file,
                    waiting: Vec::new(),
                    block: Vec::new(),
                })
            }
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Snappy(writer) => writer.write(bytes),
        }
    }

    /// Writes what is held back, makes all durable, and gives the file's length.
    pub(super) fn finish(self) -> io::Result<u64> {
        let mut file = match self {
            Self::Plain(file) => file,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Snappy(mut writer) => {
                writer.flush_block()?;
                writer.file
            }
        };
        file.file.sync()?;
        Ok(file.len)
    }
}

/// A file as a reader from its start.
struct FileCursor {
    file: Box<dyn ReadFile>,
    offset: u64,
}

impl Read for FileCursor {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.offset, into)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// A file as a writer at its end. It is synced every few megabytes: the sync of a whole snapshot
/// at its end would hold up the log's syncs, and with them every write, until all of it is out.
pub(super) struct FileAppender {
    file: Box<dyn WriteFile>,
    len: u64,
    /// Bytes written since the last sync.
    unsynced: usize,
}

/// Bytes between two syncs of a snapshot.
const SYNC_INTERVAL_BYTES: usize = 2 * 1024 * 1024;

impl Write for FileAppender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.append(bytes)?;
        self.len += bytes.len() as u64;
        self.unsynced += bytes.len();
        if self.unsynced >= SYNC_INTERVAL_BYTES {
            self.file.sync()?;
            self.unsynced = 0;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct SnappyWriter {
    file: FileAppender,
    /// Less than a block.
    waiting: Vec<u8>,
    block: Vec<u8>,
}

impl SnappyWriter {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = bytes.len().min(SNAPPY_BLOCK_BYTES - self.waiting.len());
            let (now, later) = bytes.split_at(count);
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == SNAPPY_BLOCK_BYTES {
                self.flush_block()?;
            }
        }
        Ok(())
    }

    fn flush_block(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let compressed = snap::raw::Encoder::new().compress_vec(&self.waiting)?;
        let length = u32::try_from(compressed.len()).expect("a block is a few KiB");
        self.block.clear();
        self.block.extend_from_slice(&length.to_be_bytes());
        self.block.extend_from_slice(&compressed);
        self.waiting.clear();
        self.file.write_all(&self.block)
    }
}

struct SnappyReader<R> {
    input: R,
    compressed: Vec<u8>,
    block: Vec<u8>,
    /// How much of `block` was handed out.
    taken: usize,
}

impl<R: Read> SnappyReader<R> {
    fn open(mut input: R) -> io::Result<Self> {
        let mut head = SNAPPY_HEAD.map(|_| 0);
        input.read_exact(&mut head)?;
        if head != SNAPPY_HEAD {
            return Err(malformed("not a snappy-java stream of version 1"));
        }
        Ok(Self {
            input,
            compressed: Vec::new(),
            block: Vec::new(),
            taken: 0,
        })
    }

    /// Reads the next block; `false` at the end of the file.
    fn next_block(&mut self) -> io::Result<bool> {
        let mut length = [0; 4];
        if self.input.read(&mut length[..1])? == 0 {
            return Ok(false);
        }
        self.input.read_exact(&mut length[1..])?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > snap::raw::max_compress_len(SNAPPY_BLOCK_BYTES) {
            return Err(malformed("a snappy block is longer than any can be"));
        }
        self.compressed.resize(length, 0);
        self.input.read_exact(&mut self.compressed)?;
        if snap::raw::decompress_len(&self.compressed)? > SNAPPY_BLOCK_BYTES {
            return Err(malformed("a snappy block holds more than 32 KiB"));
        }
        self.block = snap::raw::Decoder::new().decompress_vec(&self.compressed)?;
        self.taken = 0;
        Ok(true)
    }
}

impl<R: Read> Read for SnappyReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let rest = self.block.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(into.len());
        let (from, _) = rest.split_at(count);
        into.get_mut(..count)
            .expect("the count is at most the length")
            .copy_from_slice(from);
        self.taken += count;
        Ok(count)
    }
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
