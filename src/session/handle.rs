//! What the task of a connection and the server's book of sessions share.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use crate::base::{Monotonic, SessionId};

/// A session as its connection sees it. Every request touches it; a request on one that is not
/// open any more is dropped without an answer, since the connection is about to be closed.
///
/// All accesses are relaxed: the values stand alone, nothing else is published through them.
#[derive(Debug)]
pub struct SessionHandle {
    id: SessionId,
    /// As negotiated by the connection that holds the session now.
    timeout_ms: AtomicI32,
    /// Monotonic milliseconds of the last request.
    touched: AtomicU64,
    open: AtomicBool,
}

impl SessionHandle {
    pub(super) fn new(id: SessionId, timeout_ms: i32, now: Monotonic) -> Self {
        Self {
            id,
            timeout_ms: AtomicI32::new(timeout_ms),
            touched: AtomicU64::new(now.0),
            open: AtomicBool::new(true),
        }
    }

    pub fn id(&self) -> SessionId {
        self.id
    }

    pub fn timeout_ms(&self) -> i32 {
        self.timeout_ms.load(Ordering::Relaxed)
    }

    /// False from the moment the session's end is decided.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Proves that the client is alive.
    pub fn touch(&self, now: Monotonic) {
        self.touched.store(now.0, Ordering::Relaxed);
    }

    /// When the client last proved that it is alive.
    pub fn touched(&self) -> Monotonic {
        Monotonic(self.touched.load(Ordering::Relaxed))
    }

    pub(super) fn set_timeout(&self, timeout_ms: i32) {
        self.timeout_ms.store(timeout_ms, Ordering::Relaxed);
    }

    pub(super) fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
    }
}
