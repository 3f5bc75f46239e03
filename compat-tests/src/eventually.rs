//! Waiting for a condition with a deadline, and pacing. Tests call this and never sleep themselves.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a condition may take when a test has no better bound. Generous, because it is only
/// spent when something is broken or the machine is very busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(10);

/// Calls `probe` until it returns a value; panics naming `what` once `patience` is over.
pub fn eventually<T>(what: &str, patience: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    match within(patience, &mut probe) {
        Some(value) => value,
        None => panic!("not within {patience:?}: {what}"),
    }
}

/// As [`eventually`], for callers that have their own way to report a missed deadline.
pub fn within<T>(patience: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// Spaces out the steps of a client that would otherwise spin. Nothing may depend on how long it takes.
pub fn pace() {
    thread::sleep(PAUSE);
}
