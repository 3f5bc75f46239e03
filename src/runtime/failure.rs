//! Why a server ends, what it says then, and with which exit code.

use std::error::Error;
use std::io;

use crate::net::{ElectionPortFailure, TlsError};
use crate::store::epoch::EpochError;
use crate::store::log_writer::LogWriteError;
use crate::store::recover::RecoverError;
use crate::store::snapshot_writer::SnapshotWriteError;
use crate::store::worker::WorkerError;

/// Why the server does not start or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Configuration(String),
    #[error("cannot bring the data back")]
    Recovery(#[from] RecoverError),
    #[error("there is no data, no file `initialize`, and zookeeper.db.autocreate is false")]
    NoData,
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("cannot listen for clients at {at}")]
    Listen { at: String, source: io::Error },
    #[error("problem starting AdminServer at {at} and command URL {url}")]
    Admin {
        at: String,
        url: String,
        source: io::Error,
    },
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    #[error("a write to the transaction log failed; nothing more is acknowledged")]
    Log(#[from] LogWriteError),
    #[error("a snapshot failed")]
    Snapshot(#[from] SnapshotWriteError),
    #[error("the {0}'s thread panicked")]
    Panicked(&'static str),
    #[error("the epochs on disk cannot be")]
    Epochs(#[from] EpochError),
    #[error("the disk of a member of an ensemble failed")]
    Disk(#[from] WorkerError),
    #[error("the election port failed")]
    ElectionPort(#[from] ElectionPortFailure),
    #[error("{reason}")]
    Protocol { code: u8, reason: String },
}

impl Failure {
    /// The process's exit code, as `ExitCode` has it for the same reason.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::Tls(_) => 2,
            Self::Admin { .. } => 4,
            Self::Recovery(error) => error.exit_code(),
            Self::Snapshot(_) => SnapshotWriteError::EXIT_CODE,
            Self::Disk(error) => error.exit_code(),
            Self::ElectionPort(error) => error.exit_code(),
            Self::Protocol { code, .. } => *code,
            _ => 1,
        }
    }

    /// What Apache's server says before it exits with that code.
    pub fn headline(&self) -> &'static str {
        match self.exit_code() {
            2 => "Invalid config, exiting abnormally",
            3 => "Unable to access datadir, exiting abnormally",
            4 => "Unable to start AdminServer, exiting abnormally",
            _ => "Unexpected exception, exiting abnormally",
        }
    }

    /// The failure and all its reasons in one line.
    pub fn explained(&self) -> String {
        let mut text = self.to_string();
        let mut reason: Option<&dyn Error> = self.source();
        while let Some(error) = reason {
            text = format!("{text}: {error}");
            reason = error.source();
        }
        text
    }
}
