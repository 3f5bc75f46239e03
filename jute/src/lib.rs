//! Jute, ZooKeeper's serialization, and every record of its protocols and files.
//!
//! | Jute type | bytes |
//! |---|---|
//! | boolean | one byte, any non-zero value reads as true |
//! | int, long | 4 or 8 bytes, big-endian two's complement |
//! | buffer, ustring | int length, then that many bytes; -1 stands for null |
//! | vector | int count, then the elements; -1 stands for null, other negative counts read as empty |
//! | record | its fields in declared order; no tags, no padding, no length |
//!
//! Records borrow from the bytes they were decoded from, so that decoding a request allocates
//! nothing but its vectors. Decoding checks every bound, never panics on any input, and allocates
//! no more than a constant factor of the bytes at hand. The crate knows nothing of the server.

mod decode;
mod encode;
mod error;
mod record_macro;

pub mod data;
pub mod persistence;
pub mod proto;
pub mod quorum;
pub mod txn;

pub use decode::{Decode, Reader};
pub use encode::Encode;
pub use error::DecodeError;

use std::borrow::Cow;

/// A Jute `ustring`: null, or text. Malformed UTF-8 was replaced by U+FFFD, as Java's decoder does.
pub type Ustring<'a> = Option<Cow<'a, str>>;

/// A Jute `buffer`: null, or bytes. Null and empty are different values.
pub type Buffer<'a> = Option<&'a [u8]>;

/// A Jute `vector`: null, or elements. Null and empty are different values.
pub type Vector<T> = Option<Vec<T>>;

/// Default of `jute.maxbuffer`: the largest frame a server accepts, in bytes.
pub const MAX_BUFFER_DEFAULT: usize = 0xf_ffff;
