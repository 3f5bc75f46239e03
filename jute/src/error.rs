//! Why bytes are not a record.

/// The bytes at hand are not the record that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ends inside a field.
    #[error("the input ends inside a field")]
    Truncated,
    /// A string's or buffer's length is below -1 or above the reader's limit.
    #[error("a field's length is {0}, which is negative or above the limit")]
    BadLength(i32),
    /// A tag (a transaction's or an operation's type) that has no record here.
    #[error("no record has the type {0}")]
    UnknownTag(i32),
}
