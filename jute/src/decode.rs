//! Reading: a cursor over a byte slice, and the trait of what can be read from it.

use std::borrow::Cow;

use crate::{Buffer, DecodeError, Ustring, Vector};

/// A value that can be read from Jute bytes, borrowing from them where it can.
pub trait Decode<'a>: Sized {
    /// Reads one value and moves the reader behind it. On an error the reader's position is
    /// somewhere inside the value.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Reads one value from the start of `bytes`; what follows it is ignored, as Apache's server
    /// ignores what trails a request.
    fn from_slice(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        Self::decode(&mut Reader::new(bytes))
    }
}

/// A cursor over bytes from outside. Every read is checked against what is left.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// The longest string or buffer that is accepted, in bytes.
    field_max: usize,
}

impl<'a> Reader<'a> {
    /// A reader whose fields are bounded by the input alone.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            field_max: i32::MAX as usize,
        }
    }

    /// A reader that refuses strings and buffers longer than `field_max` bytes, as Apache does
    /// beyond `jute.maxbuffer` plus `zookeeper.jute.maxbuffer.extrasize`.
    pub fn with_field_max(bytes: &'a [u8], field_max: usize) -> Self {
        Self {
            rest: bytes,
            field_max,
        }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes have not been read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Takes the next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }
}

impl Decode<'_> for bool {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [byte] = reader.array()?;
        Ok(byte != 0)
    }
}

impl Decode<'_> for i32 {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::from_be_bytes(reader.array()?))
    }
}

impl Decode<'_> for i64 {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::from_be_bytes(reader.array()?))
    }
}

impl<'a> Decode<'a> for Buffer<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let length = i32::decode(reader)?;
        if length == -1 {
            return Ok(None);
        }
        let count = usize::try_from(length).map_err(|_| DecodeError::BadLength(length))?;
        if count > reader.field_max {
            return Err(DecodeError::BadLength(length));
        }
        reader.take(count).map(Some)
    }
}

impl<'a> Decode<'a> for Ustring<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Buffer::decode(reader)?.map(String::from_utf8_lossy))
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vector<T> {
    /// The count is not trusted: the vector grows only as elements are really there, and every
    /// element of the protocol takes at least four bytes.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = i32::decode(reader)?;
        if count == -1 {
            return Ok(None);
        }
        let count = usize::try_from(count).unwrap_or(0);
        let mut elements = Vec::with_capacity(count.min(reader.remaining() / 4));
        for _ in 0..count {
            elements.push(T::decode(reader)?);
        }
        Ok(Some(elements))
    }
}

/// Borrows where the text was valid UTF-8; owned where it had to be mended.
impl<'a> Decode<'a> for Cow<'a, str> {
    /// A null string has no place where text is required: it reads as a bad length.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ustring::decode(reader)?.ok_or(DecodeError::BadLength(-1))
    }
}
