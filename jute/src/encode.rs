//! Writing: the trait of what can be written as Jute bytes.

use std::borrow::Cow;

use bytes::BufMut;

use crate::{Buffer, Ustring, Vector};

/// A value that can be written as Jute bytes.
pub trait Encode {
    /// Appends the value's bytes to `out`.
    fn encode(&self, out: &mut impl BufMut);

    /// How many bytes [`Encode::encode`] appends.
    fn encoded_len(&self) -> usize;

    /// The value's bytes in a vector of their own.
    fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode(&mut out);
        out
    }
}

impl Encode for bool {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(u8::from(*self));
    }

    fn encoded_len(&self) -> usize {
        1
    }
}

impl Encode for i32 {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_i32(*self);
    }

    fn encoded_len(&self) -> usize {
        4
    }
}

impl Encode for i64 {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_i64(*self);
    }

    fn encoded_len(&self) -> usize {
        8
    }
}

impl Encode for Buffer<'_> {
    fn encode(&self, out: &mut impl BufMut) {
        match self {
            None => out.put_i32(-1),
            Some(bytes) => {
                out.put_i32(length_field(bytes.len()));
                out.put_slice(bytes);
            }
        }
    }

    fn encoded_len(&self) -> usize {
        4 + self.map_or(0, <[u8]>::len)
    }
}

impl Encode for Ustring<'_> {
    fn encode(&self, out: &mut impl BufMut) {
        self.as_deref().map(str::as_bytes).encode(out);
    }

    fn encoded_len(&self) -> usize {
        4 + self.as_deref().map_or(0, str::len)
    }
}

impl Encode for Cow<'_, str> {
    fn encode(&self, out: &mut impl BufMut) {
        Some(self.as_bytes()).encode(out);
    }

    fn encoded_len(&self) -> usize {
        4 + self.len()
    }
}

impl<T: Encode> Encode for Vector<T> {
    fn encode(&self, out: &mut impl BufMut) {
        match self {
            None => out.put_i32(-1),
            Some(elements) => {
                out.put_i32(length_field(elements.len()));
                for element in elements {
                    element.encode(out);
                }
            }
        }
    }

    fn encoded_len(&self) -> usize {
        4 + self
            .as_deref()
            .map_or(0, |elements| elements.iter().map(Encode::encoded_len).sum())
    }
}

/// Lengths on the wire are 32-bit. What we write came in through frames and files whose sizes are
/// bounded far below that, so a longer value is a broken invariant of ours.
fn length_field(length: usize) -> i32 {
    i32::try_from(length).expect("values are bounded by frames, which are below 2 GiB")
}
