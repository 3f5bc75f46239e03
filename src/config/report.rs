//! What the reader of a configuration has to say: errors, which stop the start with exit code 2,
//! and warnings.
//!
//! Each names where the setting stands, its key, its value and what was expected, on one line that
//! a person can act on. The values of secret keys are never shown.

use std::{
    fmt::{self, Display, Formatter},
    path::{Path, PathBuf},
};

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A line of a configuration file, counted from 1; 0 speaks of the file as a whole.
    File {
        /// The file as the command line named it.
        path: PathBuf,
        /// The line the key stands on.
        line: usize,
    },
    /// `-Dname=value`, `--client-port` or `--data-dir`.
    CommandLine,
    /// Written nowhere.
    Default,
}

impl Origin {
    pub(super) fn file(path: &Path, line: usize) -> Self {
        Self::File {
            path: path.to_owned(),
            line,
        }
    }
}

impl Display for Origin {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => {
                // A name from a file may hold anything.
                for c in path.to_string_lossy().chars() {
                    match c {
                        c if c.is_control() => write!(f, "{}", c.escape_debug())?,
                        c => write!(f, "{c}")?,
                    }
                }
                match line {
                    0 => Ok(()),
                    line => write!(f, ":{line}"),
                }
            }
            Self::CommandLine => f.write_str("command line"),
            Self::Default => f.write_str("configuration"),
        }
    }
}

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(Remark);

/// One thing about the configuration that is odd but does not stop the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(Remark);

impl ConfigError {
    pub(super) const fn new(remark: Remark) -> Self {
        Self(remark)
    }

    /// Where the setting stands.
    pub const fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The key it is about; empty where the file as a whole is meant.
    pub fn key(&self) -> &str {
        &self.0.key
    }
}

impl Warning {
    pub(super) const fn new(remark: Remark) -> Self {
        Self(remark)
    }

    /// Where the setting stands.
    pub const fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The key it is about; empty where the file as a whole is meant.
    pub fn key(&self) -> &str {
        &self.0.key
    }
}

impl Display for Warning {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

/// A configuration the server will not start with: every error found, and the warnings met on the
/// way, since a key that nobody knows is often the reason of an error elsewhere.
#[derive(Debug)]
pub struct Rejection {
    /// At least one, in the order of the file, then those of the command line.
    pub errors: Vec<ConfigError>,
    /// What would have been warned of.
    pub warnings: Vec<Warning>,
}

impl Rejection {
    /// What the process exits with, as Apache's `ExitCode.INVALID_INVOCATION`.
    pub const EXIT_CODE: u8 = 2;
}

impl std::error::Error for Rejection {}

impl Display for Rejection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for error in &self.errors {
            writeln!(f, "error: {error}")?;
        }
        Ok(())
    }
}

/// A place, a setting and a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Remark {
    pub(super) origin: Origin,
    /// As the user spelled it; empty where the file as a whole is meant.
    pub(super) key: String,
    /// As the user wrote it; `None` where there is nothing to show or it is secret.
    pub(super) value: Option<String>,
    pub(super) text: String,
}

impl Remark {
    /// About a place and no setting of its own.
    pub(super) fn about(origin: Origin, text: impl Into<String>) -> Self {
        Self {
            origin,
            key: String::new(),
            value: None,
            text: text.into(),
        }
    }
}

impl Display for Remark {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        match (&*self.key, &self.value) {
            ("", _) => {}
            (key, Some(value)) => write!(f, "{} = \"{}\": ", shown(key), shown(value))?,
            (key, None) => write!(f, "{}: ", shown(key))?,
        }
        f.write_str(&self.text)
    }
}

/// Text from a file made fit for one line of a terminal: no control characters, no more than
/// [`SHOWN_CHARS_MAX`].
pub(super) fn shown(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        out.push_str("...");
    }
    out
}

const SHOWN_CHARS_MAX: usize = 120;
