//! Restores: a state that was read from a snapshot gets to the writer, which puts it in the place of
//! its own when the peer lets it.
//!
//! ```text
//! AdminServer's thread: read the state -> ask -> nudge the writer -> wait
//! writer of a server on its own:  write it down as a snapshot -> swap
//! writer of a member:             hold what would be prepared, until nothing is in flight -> swap
//!                                 (the asking thread then writes the snapshot: this writer may not wait)
//! ```
//!
//! Apache's server only swaps, and after its next start the old state is back. Here a restore that was
//! answered with success is on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::Zxid;
use crate::net::Submissions;
use crate::store::snapshot_writer::SnapshotWriteError;
use crate::tree::Database;

/// Why a state was not put in place.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestoreError {
    #[error("another one is under way")]
    Another,
    #[error("the server does not serve")]
    NotServing,
    #[error("what is in flight did not come to an end")]
    Busy,
    #[error("the server stops")]
    Stopping,
    #[error("it cannot be written down: {0}")]
    Snapshot(#[from] SnapshotWriteError),
}

/// Where the writer finds what it is to put in place.
#[derive(Debug, Default)]
pub(super) struct Restores {
    slot: Mutex<Option<Pending>>,
    is_asked: AtomicBool,
}

/// A state that waits for its turn.
#[derive(Debug)]
pub(super) struct Pending {
    state: Box<Database>,
    answer: mpsc::SyncSender<Result<Zxid, RestoreError>>,
}

impl Pending {
    /// The state, and who asked.
    pub(super) fn into_parts(self) -> (Box<Database>, Answer) {
        (self.state, Answer(self.answer))
    }
}

/// Who asked.
#[derive(Debug)]
pub(super) struct Answer(mpsc::SyncSender<Result<Zxid, RestoreError>>);

impl Answer {
    /// Where the state stands now, or why it was not put in place.
    pub(super) fn give(self, outcome: Result<Zxid, RestoreError>) {
        // Whoever asked may have given up.
        let _ = self.0.try_send(outcome);
    }
}

impl Restores {
    /// Hands a state over and waits until it is in place. Where it stands then.
    pub(super) fn ask(
        &self,
        submissions: &Submissions,
        state: Box<Database>,
    ) -> Result<Zxid, RestoreError> {
        let (answer, outcome) = mpsc::sync_channel(1);
        {
            let mut slot = self.slot.lock();
            if slot.is_some() {
                return Err(RestoreError::Another);
            }
            *slot = Some(Pending { state, answer });
            self.is_asked.store(true, Ordering::Release);
        }
        submissions.nudge();
        match outcome.recv_timeout(PATIENCE) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) if self.take().is_some() => {
                submissions.nudge();
                Err(RestoreError::Busy)
            }
            // The writer has just taken it.
            Err(RecvTimeoutError::Timeout) => outcome.recv().unwrap_or(Err(RestoreError::Stopping)),
            Err(RecvTimeoutError::Disconnected) => Err(RestoreError::Stopping),
        }
    }

    /// Whether a state waits. Cheap enough to ask at every turn.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Option<Pending> {
        let mut slot = self.slot.lock();
        self.is_asked.store(false, Ordering::Release);
        slot.take()
    }
}

/// The writer's side, to which it says good-bye when it ends: nobody is to wait for it then.
pub(super) struct RestoreDesk(pub(super) Arc<Restores>);

impl Drop for RestoreDesk {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

/// How long a restore waits for what is in flight.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::thread::{self, JoinHandle};

    use super::*;
    use crate::tree::TreeOptions;

    fn state() -> Box<Database> {
        Box::new(Database::new(TreeOptions::default()))
    }

    /// A restore that was asked for on a thread of its own, as the writer finds it.
    fn asked() -> (
        Arc<Restores>,
        Arc<Submissions>,
        JoinHandle<Result<Zxid, RestoreError>>,
    ) {
        let restores = Arc::new(Restores::default());
        let submissions = Arc::new(Submissions::new(None));
        let asking = {
            let (restores, submissions) = (restores.clone(), submissions.clone());
            thread::spawn(move || restores.ask(&submissions, state()))
        };
        let mut inputs = Vec::new();
        while !restores.is_asked() {
            submissions.take(&mut inputs, None);
        }
        (restores, submissions, asking)
    }

    #[test]
    fn whoever_asks_hears_what_became_of_it() {
        let (restores, submissions, asking) = asked();
        let second = restores.ask(&submissions, state());
        assert!(matches!(second, Err(RestoreError::Another)));
        let (_, answer) = restores.take().unwrap().into_parts();
        answer.give(Ok(Zxid(7)));
        assert_eq!(asking.join().unwrap().unwrap(), Zxid(7));
        assert!(!restores.is_asked());
    }

    #[test]
    fn a_writer_that_ends_lets_nobody_wait() {
        let (restores, _, asking) = asked();
        drop(RestoreDesk(restores));
        let outcome = asking.join().unwrap();
        assert!(matches!(outcome, Err(RestoreError::Stopping)));
    }
}
