//! What can end a measurement early.

use std::io;

/// Every failure is the end of the run: a figure with errors in it is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{action}: {source}")]
    Io { action: String, source: io::Error },
    #[error("the server sent {0}")]
    Protocol(&'static str),
    #[error("request {xid} failed with error {error}")]
    Refused { xid: i32, error: i32 },
    #[error("{0}")]
    Failed(String),
}

/// Adds what was being done to an I/O error.
pub(crate) trait Doing<T> {
    fn doing(self, action: impl Into<String>) -> Result<T, LoadError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, action: impl Into<String>) -> Result<T, LoadError> {
        self.map_err(|source| LoadError::Io {
            action: action.into(),
            source: source.into(),
        })
    }
}
