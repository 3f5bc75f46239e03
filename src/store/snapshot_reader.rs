//! Reading a snapshot: bytes in, parts of the state out, checked against the seals.
//!
//! ```text
//! 16 bytes of head | sessions | access control lists | nodes | "/"
//! seal | [zxid, version, digest | seal] | [zxid | seal]        seal: Adler-32 so far in 8 bytes, "/"
//! ```
//!
//! Which trailers there are is told by how many bytes follow the first seal, not by switches, so
//! that files of servers with any switches read. Bytes behind the trailers are ignored, as Apache
//! does. The parts go to the sink before the seal is seen: the sink's product counts only if
//! [`read_snapshot`] gives no error.
//!
//! What a leader sends to a learner has the same parts without head and seals, see
//! [`snapshot_stream`](crate::store::snapshot_stream).

use std::borrow::Cow;
use std::io::{self, Read};

use jute::data::StatPersisted;
use jute::persistence::{FileHeader, SNAPSHOT_MAGIC};
use jute::{Buffer, Decode, DecodeError, Reader, Ustring};
use simd_adler32::Adler32;

use crate::base::{Acl, AclList, SessionId, Zxid};
use crate::proto::txn::DIGEST_VERSION;
use crate::store::snapshot_writer::SnapshotTail;

/// Where the parts of a snapshot go, in the order they come.
pub trait SnapshotSink {
    type Error;
    fn session(&mut self, id: SessionId, timeout_ms: i32);
    fn acl(&mut self, id: i64, list: AclList);
    /// The root has the empty path.
    fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl_id: i64,
        stat: &StatPersisted,
    ) -> Result<(), Self::Error>;
}

/// Why a file is not a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotReadError<E> {
    #[error("cannot read it")]
    Io(#[from] io::Error),
    #[error("it does not start as a snapshot")]
    BadMagic,
    #[error("it is cut off or has a field that cannot be")]
    Malformed(#[from] DecodeError),
    #[error("an access control list is null")]
    NullAcl,
    #[error("its content does not match its checksum")]
    BadSeal,
    #[error("{0} bytes behind its first seal are no trailer")]
    BadTrailer(usize),
    #[error("it does not end with the signature of a leader")]
    BadSignature,
    #[error("its nodes are not a tree")]
    BadState(#[source] E),
}

const HEAD_LEN: usize = 16;
const ACL_ID_LEN: usize = 8;
const STAT_LEN: usize = 60;
const SEAL_LEN: usize = 13;
const DIGEST_TRAILER_LEN: usize = 20 + SEAL_LEN;
const ZXID_TRAILER_LEN: usize = 8 + SEAL_LEN;
const BOTH_TRAILERS_LEN: usize = DIGEST_TRAILER_LEN + ZXID_TRAILER_LEN;
const END_OF_NODES: &str = "/";

/// Reads a whole snapshot. Strings and buffers longer than `field_max` are refused.
pub fn read_snapshot<S: SnapshotSink>(
    input: &mut dyn Read,
    field_max: usize,
    sink: &mut S,
) -> Result<SnapshotTail, SnapshotReadError<S::Error>> {
    let mut stream = Stream::new(input, field_max);
    let header: FileHeader = stream.record(HEAD_LEN)?;
    if header.magic != SNAPSHOT_MAGIC {
        return Err(SnapshotReadError::BadMagic);
    }
    read_parts(&mut stream, sink)?;
    read_tail(&mut stream)
}

/// Reads sessions, access control lists and nodes, and the end of the nodes.
pub(super) fn read_parts<S: SnapshotSink>(
    stream: &mut Stream<'_>,
    sink: &mut S,
) -> Result<(), SnapshotReadError<S::Error>> {
    for _ in 0..stream.record::<i32>(4)? {
        let id = SessionId(stream.record(8)?);
        sink.session(id, stream.record(4)?);
    }
    for _ in 0..stream.record::<i32>(4)? {
        let id = stream.record(8)?;
        let list = read_acl(stream)?.ok_or(SnapshotReadError::NullAcl)?;
        sink.acl(id, list);
    }
    while let Some(len) = stream.measure_node()? {
        let mut node = Reader::new(stream.take(len)?);
        let path: Cow<'_, str> = Decode::decode(&mut node)?;
        let data = Buffer::decode(&mut node)?;
        let acl_id = i64::decode(&mut node)?;
        let stat = StatPersisted::decode(&mut node)?;
        let accepted = sink.node(&path, data, acl_id, &stat);
        accepted.map_err(SnapshotReadError::BadState)?;
    }
    Ok(())
}

fn read_acl<E>(stream: &mut Stream<'_>) -> Result<Option<AclList>, SnapshotReadError<E>> {
    let count = stream.record::<i32>(4)?;
    if count == -1 {
        return Ok(None);
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let perms = stream.record(4)?;
        let scheme = stream.text()?;
        let id = stream.text()?;
        entries.push(Acl::from_record(&jute::data::Acl {
            perms,
            id: jute::data::Id {
                scheme: scheme.map(Cow::Owned),
                id: id.map(Cow::Owned),
            },
        }));
    }
    Ok(Some(entries.into()))
}

fn read_tail<E>(stream: &mut Stream<'_>) -> Result<SnapshotTail, SnapshotReadError<E>> {
    check_seal(stream)?;
    let (has_digest, has_zxid) = match stream.remaining(BOTH_TRAILERS_LEN)? {
        0 => (false, false),
        ZXID_TRAILER_LEN => (false, true),
        DIGEST_TRAILER_LEN => (true, false),
        BOTH_TRAILERS_LEN.. => (true, true),
        other => return Err(SnapshotReadError::BadTrailer(other)),
    };
    let mut digest = None;
    if has_digest {
        let zxid = Zxid(stream.record(8)?);
        let version: i32 = stream.record(4)?;
        let value: i64 = stream.record(8)?;
        check_seal(stream)?;
        digest = (version == DIGEST_VERSION).then_some((zxid, value.cast_unsigned()));
    }
    let mut last_processed = None;
    if has_zxid {
        last_processed = Some(Zxid(stream.record(8)?));
        check_seal(stream)?;
    }
    stream.drain()?;
    Ok(SnapshotTail {
        digest,
        last_processed,
    })
}

fn check_seal<E>(stream: &mut Stream<'_>) -> Result<(), SnapshotReadError<E>> {
    let expected = stream.sum();
    let sum: i64 = stream.record(8)?;
    let is_right = sum == i64::from(expected) && stream.text()?.as_deref() == Some("/");
    if is_right {
        Ok(())
    } else {
        Err(SnapshotReadError::BadSeal)
    }
}

/// Bytes taken from the input at a time: enough to make calls few, little enough to stay in a
/// cache between reading, summing and decoding.
const BUFFER_BYTES: usize = 256 * 1024;

/// A buffer over the input that keeps the sum over all that was taken.
pub(super) struct Stream<'i> {
    input: &'i mut dyn Read,
    buffer: Vec<u8>,
    /// The unread part is `start..end`; `summed..start` was taken and is not in the sum yet.
    start: usize,
    end: usize,
    summed: usize,
    sum: Adler32,
    field_max: usize,
    /// Whether the input is all of the snapshot. Else not a byte is read before it is asked for,
    /// and no sum is kept.
    reads_ahead: bool,
}

/// Reading fails by the input, or by what it holds.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl<E> From<StreamError> for SnapshotReadError<E> {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Io(error) => Self::Io(error),
            StreamError::Decode(error) => Self::Malformed(error),
        }
    }
}

impl<'i> Stream<'i> {
    fn new(input: &'i mut dyn Read, field_max: usize) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            summed: 0,
            sum: Adler32::new(),
            field_max,
            reads_ahead: true,
        }
    }

    /// A stream over an input that goes on behind the snapshot with something else.
    pub(super) fn exact(input: &'i mut dyn Read, field_max: usize) -> Self {
        Self {
            reads_ahead: false,
            ..Self::new(input, field_max)
        }
    }

    /// Takes a value of a fixed length.
    fn record<T>(&mut self, len: usize) -> Result<T, StreamError>
    where
        T: for<'a> Decode<'a>,
    {
        Ok(T::from_slice(self.take(len)?)?)
    }

    /// Takes a string.
    pub(super) fn text(&mut self) -> Result<Option<String>, StreamError> {
        let len = 4 + self.field_len(0)?;
        let text = Ustring::from_slice(self.take(len)?)?;
        Ok(text.map(Cow::into_owned))
    }

    /// The length of the node that comes next; `None`, and moves behind it, if the end of the
    /// nodes does.
    fn measure_node(&mut self) -> Result<Option<usize>, StreamError> {
        let path_len = 4 + self.field_len(0)?;
        self.ensure(path_len)?;
        let path = self.ahead().get(4..path_len).unwrap_or_default();
        if path == END_OF_NODES.as_bytes() {
            self.take(path_len)?;
            return Ok(None);
        }
        let data_len = 4 + self.field_len(path_len)?;
        Ok(Some(path_len + data_len + ACL_ID_LEN + STAT_LEN))
    }

    /// How many bytes follow the length field that lies `at` bytes ahead.
    fn field_len(&mut self, at: usize) -> Result<usize, StreamError> {
        self.ensure(at + 4)?;
        let field = i32::from_slice(self.ahead().get(at..).unwrap_or_default())?;
        match usize::try_from(field) {
            Ok(len) if len <= self.field_max => Ok(len),
            Err(_) if field == -1 => Ok(0),
            _ => Err(DecodeError::BadLength(field).into()),
        }
    }

    fn take(&mut self, len: usize) -> Result<&[u8], StreamError> {
        self.ensure(len)?;
        let from = self.start;
        self.start += len;
        Ok(self.buffer.get(from..self.start).unwrap_or_default())
    }

    fn ahead(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// The sum over all that was taken.
    fn sum(&mut self) -> u32 {
        let taken = self.buffer.get(self.summed..self.start).unwrap_or_default();
        self.sum.write(taken);
        self.summed = self.start;
        self.sum.finish()
    }

    /// How many bytes are left, counted up to `enough`.
    fn remaining(&mut self, enough: usize) -> Result<usize, StreamError> {
        match self.ensure(enough) {
            Ok(()) => Ok(enough),
            Err(StreamError::Decode(DecodeError::Truncated)) => Ok(self.ahead().len()),
            Err(error) => Err(error),
        }
    }

    /// Reads what is left, so that the container checks its own end.
    fn drain(&mut self) -> Result<(), StreamError> {
        loop {
            match self.input.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Makes sure that `len` bytes are at hand. The buffer grows only as bytes really come.
    fn ensure(&mut self, len: usize) -> Result<(), StreamError> {
        if self.end - self.start >= len {
            return Ok(());
        }
        if self.reads_ahead {
            self.sum();
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        self.summed = 0;
        while self.end < len {
            if self.end == self.buffer.len() {
                self.buffer.resize(2 * self.end, 0);
            }
            let room = self.buffer.len();
            let end = if self.reads_ahead {
                room
            } else {
                len.min(room)
            };
            let place = self.buffer.get_mut(self.end..end).unwrap_or_default();
            match self.input.read(place) {
                Ok(0) => return Err(DecodeError::Truncated.into()),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
