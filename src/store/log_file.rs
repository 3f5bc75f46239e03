//! Reading one transaction log, and judging what does not read as a record.
//!
//! A file ends at the first length of zero, where its space reaches beyond its records, or at the
//! end of the file. Anything else that is not a whole record is either the torn end of a log (a
//! crash caught records that nobody was told of) or damage to records that may have been
//! acknowledged. The judgement, in this order:
//!
//! 1. The next file starts with the zxid that is due: whatever is here was never part of the
//!    history. Torn.
//! 2. Nothing but zeros where it should start: the crash lost that sector. Torn.
//! 3. A length below zero or above the limit is none that a crash leaves. Damage.
//! 4. A sector within the bad record is all zeros: the crash lost a sector of it. Torn.
//! 5. A whole record with a later zxid lies behind it in the file: damage. Else torn.
//!
//! As Apache, damage refuses to start; unlike Apache, a torn end with a right end mark does not,
//! and damage with a wrong end mark does. What is dropped as torn is always reported.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

use crate::base::Zxid;
use crate::store::disk::ReadFile;
use crate::store::log_format::{
    FILE_HEAD_LEN, PAYLOAD_LEN_MIN, RECORD_END, RECORD_HEAD_LEN, RECORD_OVERHEAD, checksum_matches,
    parse_record_head, payload_zxid,
};

/// Bytes taken from the file at a time.
const CHUNK_BYTES: usize = 512 * 1024;
/// What a disk writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What stands at a place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole record with this payload.
    Record(Bytes),
    /// The clean end: nothing was written here.
    End,
    /// Neither.
    Bad(BadRecord),
}

/// Something that is not a whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadRecord {
    pub offset: u64,
    /// One past its last byte, by its length if that makes sense.
    pub end: u64,
    pub flaw: Flaw,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("its head is cut off by the end of the file")]
    HeadCut,
    #[error("nothing is written there, but behind it there is")]
    Blank,
    #[error("its length is zero, but not its checksum")]
    LengthZero,
    #[error("its length {0} is negative or above the limit")]
    LengthUnreasonable(i32),
    #[error("it is cut off by the end of the file")]
    Cut,
    #[error("its end mark is wrong")]
    EndMark,
    #[error("its checksum is wrong")]
    Checksum,
    #[error("it is too short for a transaction header")]
    TooShort,
}

/// A cursor over the records of one file, behind its head.
pub(super) struct LogFileReader {
    file: Box<dyn ReadFile>,
    /// The unread part of what was taken from the file.
    buffer: BytesMut,
    /// Where `buffer` starts in the file.
    offset: u64,
    /// Where the last record starts.
    record_start: u64,
    payload_max: usize,
}

impl LogFileReader {
    /// `payload_max` is the longest payload that is believed without looking at it.
    pub(super) fn new(file: Box<dyn ReadFile>, payload_max: usize) -> Self {
        Self {
            file,
            buffer: BytesMut::new(),
            offset: FILE_HEAD_LEN as u64,
            record_start: FILE_HEAD_LEN as u64,
            payload_max,
        }
    }

    /// Reads what comes next and moves behind it if it is a record.
    pub(super) fn next(&mut self) -> io::Result<Found> {
        self.fill(RECORD_HEAD_LEN)?;
        let Some(head) = self.buffer.first_chunk::<RECORD_HEAD_LEN>() else {
            return Ok(if self.is_blank_ahead() {
                Found::End
            } else {
                self.bad(Flaw::HeadCut, self.file.size())
            });
        };
        let (checksum, length_field) = parse_record_head(head);
        let head_end = self.offset + RECORD_HEAD_LEN as u64;
        if length_field == 0 {
            return Ok(match checksum {
                0 if self.is_blank_ahead() => Found::End,
                0 => self.bad(Flaw::Blank, head_end),
                _ => self.bad(Flaw::LengthZero, head_end),
            });
        }
        let unreasonable = Flaw::LengthUnreasonable(length_field);
        let Ok(length) = usize::try_from(length_field) else {
            return Ok(self.bad(unreasonable, head_end));
        };
        let end = head_end + length as u64 + 1;
        let is_too_long = length > self.payload_max;
        if end > self.file.size() {
            let flaw = if is_too_long { unreasonable } else { Flaw::Cut };
            return Ok(self.bad(flaw, self.file.size()));
        }
        // The end mark first: a wild length costs no memory.
        let mark = match self.buffer.get(RECORD_HEAD_LEN + length) {
            Some(mark) => Some(*mark),
            None => byte_at(&*self.file, end - 1)?,
        };
        if mark != Some(RECORD_END) {
            let flaw = if is_too_long {
                unreasonable
            } else {
                Flaw::EndMark
            };
            return Ok(self.bad(flaw, end));
        }
        self.take_record(checksum, length, end)
    }

    /// The record has a right end mark. Ours may be longer than the limit if it proves whole: it
    /// was written by a server with a higher one.
    fn take_record(&mut self, checksum: u64, length: usize, end: u64) -> io::Result<Found> {
        self.fill(RECORD_OVERHEAD + length)?;
        let payload = self.buffer.get(RECORD_HEAD_LEN..RECORD_HEAD_LEN + length);
        let Some(payload) = payload else {
            return Ok(self.bad(Flaw::Cut, self.file.size()));
        };
        if !checksum_matches(checksum, payload) {
            return Ok(self.bad(Flaw::Checksum, end));
        }
        if length < PAYLOAD_LEN_MIN {
            return Ok(self.bad(Flaw::TooShort, end));
        }
        self.buffer.advance(RECORD_HEAD_LEN);
        let payload = self.buffer.split_to(length).freeze();
        self.buffer.advance(1);
        self.record_start = self.offset;
        self.offset = end;
        Ok(Found::Record(payload))
    }

    /// Goes on reading at the start of a record.
    pub(super) fn seek(&mut self, record_start: u64) {
        self.buffer.clear();
        self.offset = record_start;
        self.record_start = record_start;
    }

    /// Where the last record that was read starts.
    pub(super) fn record_start(&self) -> u64 {
        self.record_start
    }

    /// Whether a bad record may be dropped as the end of a log that a crash tore. `last` is the
    /// last zxid before it, `next_file` that of the file behind this one.
    pub(super) fn is_torn_end(
        &self,
        bad: BadRecord,
        last: Zxid,
        next_file: Option<Zxid>,
    ) -> io::Result<bool> {
        if next_file.is_some_and(|zxid| last.0.checked_add(1) == Some(zxid.0)) {
            return Ok(true);
        }
        match bad.flaw {
            Flaw::Blank => Ok(true),
            Flaw::LengthUnreasonable(_) | Flaw::TooShort => Ok(false),
            _ => Ok(self.has_lost_sector(bad)? || !self.is_followed(bad, last)?),
        }
    }

    /// Whether some sector that the bad record reaches into is all zeros from the record's start
    /// on, as before it was written. The first four bytes of every record are zero and say
    /// nothing.
    fn has_lost_sector(&self, bad: BadRecord) -> io::Result<bool> {
        let mut sector = [0; SECTOR_BYTES];
        let sector_len = SECTOR_BYTES as u64;
        let mut start = bad.offset + 4;
        while start < bad.end {
            let sector_end = (start / sector_len + 1) * sector_len;
            let count =
                usize::try_from(sector_end - start).expect("a part of a sector fits into memory");
            let part = sector.get_mut(..count).expect("a part is within a sector");
            let count = self.file.read_at(start, part)?;
            if part.iter().take(count).all(|byte| *byte == 0) {
                return Ok(true);
            }
            start = sector_end;
        }
        Ok(false)
    }

    /// Whether a whole record with a zxid behind `last` starts anywhere behind the bad one's
    /// start. It looks at every byte: the bad one's length may be what is wrong with it.
    fn is_followed(&self, bad: BadRecord, last: Zxid) -> io::Result<bool> {
        let mut window = vec![0; CHUNK_BYTES];
        let mut payload = Vec::new();
        let mut start = bad.offset + 1;
        loop {
            let count = self.file.read_at(start, &mut window)?;
            let heads = window.get(..count).unwrap_or_default();
            for (head, offset) in heads.windows(RECORD_HEAD_LEN).zip(start..) {
                if self.is_record_after(head, offset, last, &mut payload)? {
                    return Ok(true);
                }
            }
            if count < window.len() {
                return Ok(false);
            }
            start += (count - RECORD_HEAD_LEN + 1) as u64;
        }
    }

    fn is_record_after(
        &self,
        head: &[u8],
        offset: u64,
        last: Zxid,
        payload: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let Some(head) = head.first_chunk() else {
            return Ok(false);
        };
        let (checksum, length) = parse_record_head(head);
        let length = usize::try_from(length).unwrap_or(0);
        let is_plausible = (PAYLOAD_LEN_MIN..=self.payload_max).contains(&length)
            && checksum >> 32 == 0
            && offset + (RECORD_OVERHEAD + length) as u64 <= self.file.size();
        if !is_plausible {
            return Ok(false);
        }
        let start = offset + RECORD_HEAD_LEN as u64;
        if byte_at(&*self.file, start + length as u64)? != Some(RECORD_END) {
            return Ok(false);
        }
        payload.resize(length, 0);
        self.file.read_at(start, payload)?;
        Ok(checksum_matches(checksum, payload)
            && payload_zxid(payload).is_some_and(|zxid| zxid > last))
    }

    /// Whether there are only zeros as far as the file was taken in.
    fn is_blank_ahead(&self) -> bool {
        self.buffer.iter().all(|byte| *byte == 0)
    }

    fn bad(&self, flaw: Flaw, end: u64) -> Found {
        Found::Bad(BadRecord {
            offset: self.offset,
            end: end.min(self.file.size()),
            flaw,
        })
    }

    /// Takes from the file until `count` bytes are at hand, or all there are.
    fn fill(&mut self, count: usize) -> io::Result<()> {
        if self.buffer.len() >= count {
            return Ok(());
        }
        let from = self.offset + self.buffer.len() as u64;
        let left = self.file.size().saturating_sub(from);
        let wanted = CHUNK_BYTES.max(count - self.buffer.len());
        let wanted = usize::try_from(left).map_or(wanted, |left| left.min(wanted));
        let start = self.buffer.len();
        self.buffer.resize(start + wanted, 0);
        let place = self.buffer.get_mut(start..).unwrap_or_default();
        let read = self.file.read_at(from, place)?;
        self.buffer.truncate(start + read);
        Ok(())
    }
}

fn byte_at(file: &dyn ReadFile, offset: u64) -> io::Result<Option<u8>> {
    let mut byte = [0];
    let count = file.read_at(offset, &mut byte)?;
    Ok((count == 1).then(|| byte[0]))
}
