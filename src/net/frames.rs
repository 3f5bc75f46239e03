//! Cutting the stream of a client into frames: four bytes of length, then that many bytes.

use std::iter;

/// What stands at the start of the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// A whole frame's content; with its length field it takes four bytes more.
    Frame(&'a [u8]),
    /// Not there yet: a frame that takes this many bytes in all, 4 while the length is unknown.
    Partial(usize),
    /// A length no frame may have.
    BadLength(i32),
}

/// Bytes of the length field.
pub const LENGTH_BYTES: usize = 4;

/// Looks at the start of `input`. A frame's content may be up to `content_max` bytes.
pub fn head(input: &[u8], content_max: usize) -> Head<'_> {
    let Some((field, rest)) = input.split_first_chunk::<LENGTH_BYTES>() else {
        return Head::Partial(LENGTH_BYTES);
    };
    let field = i32::from_be_bytes(*field);
    match usize::try_from(field) {
        Ok(length) if length <= content_max => match rest.get(..length) {
            Some(content) => Head::Frame(content),
            None => Head::Partial(LENGTH_BYTES + length),
        },
        _ => Head::BadLength(field),
    }
}

/// The lengths of the contents of whole frames that follow each other.
pub fn lengths(mut frames: &[u8]) -> impl Iterator<Item = usize> {
    iter::from_fn(move || {
        let (field, rest) = frames.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::try_from(i32::from_be_bytes(*field)).ok()?;
        frames = rest.get(length..)?;
        Some(length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_by_their_length() {
        let bytes = [0, 0, 0, 2, 7, 8, 9];
        assert_eq!(head(&bytes, 2), Head::Frame(&[7, 8]));
        assert_eq!(head(&bytes[..5], 2), Head::Partial(6));
        assert_eq!(head(&bytes[..3], 2), Head::Partial(4));
        assert_eq!(head(&[], 2), Head::Partial(4));
        assert_eq!(head(&[0; 4], 2), Head::Frame(&[]));
    }

    #[test]
    fn the_lengths_of_frames_end_where_a_frame_is_not_whole() {
        let bytes = [0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9];
        let of = |bytes: &[u8]| lengths(bytes).collect::<Vec<_>>();
        assert_eq!(of(&bytes), [2, 0, 1]);
        assert_eq!(of(&bytes[..14]), [2, 0]);
        assert_eq!(of(&bytes[..9]), [2]);
        assert!(of(&[0xff; 8]).is_empty());
    }

    #[test]
    fn a_length_out_of_range_is_seen_before_its_content_comes() {
        assert_eq!(head(&[0, 0, 0, 3], 2), Head::BadLength(3));
        assert_eq!(head(&[0xff, 0xff, 0xff, 0xff], 2), Head::BadLength(-1));
        assert_eq!(head(b"ruok", 0xf_ffff), Head::BadLength(0x7275_6f6b));
    }
}
