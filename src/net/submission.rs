//! The queue from the connections' tasks to the writer: one hand-over per batch of a connection,
//! one take-over of all that waits by the writer.
//!
//! Bounded by number and by bytes. At the bound a connection keeps its requests, and its task is
//! woken when there is room. What must not be lost (a connection is gone) goes in regardless:
//! each connection sends it once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex};

use crate::base::{ConnId, limits};
use crate::peer::Input;

/// Requests on their way to the writer.
#[derive(Debug)]
pub struct Submissions {
    inner: Mutex<Inner>,
    arrived: Condvar,
    /// Requests handed over and not yet answered, `queued` among them.
    in_flight: AtomicUsize,
    /// Bytes of requests in the queue.
    queued_bytes: AtomicUsize,
    in_flight_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    inputs: Vec<Input>,
    /// Tasks that found no room. Thousands may wait, and each may ask often.
    waiting: HashMap<ConnId, Waker>,
    writer_sleeps: bool,
    /// The writer is to look at something other than inputs.
    nudged: bool,
    closed: bool,
}

impl Submissions {
    /// `in_flight_max` bounds requests handed over and not answered.
    pub fn new(in_flight_max: Option<usize>) -> Self {
        Self {
            inner: Mutex::new(Inner::default()),
            arrived: Condvar::new(),
            in_flight: AtomicUsize::new(0),
            queued_bytes: AtomicUsize::new(0),
            in_flight_max: in_flight_max.unwrap_or(usize::MAX),
        }
    }

    /// Whether requests may be handed over. A hint: a batch may go a little beyond the bound.
    pub(super) fn has_room(&self) -> bool {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        in_flight < limits::WRITER_QUEUE.min(self.in_flight_max)
            && self.queued_bytes.load(Ordering::Relaxed) < limits::WRITER_QUEUE_BYTES
    }

    /// Asks to be woken when there is room. Whether there is already.
    pub(super) fn await_room(&self, conn: ConnId, waker: &Waker) -> bool {
        let mut inner = self.inner.lock();
        if self.has_room() {
            return true;
        }
        inner.waiting.insert(conn, waker.clone());
        false
    }

    /// Hands over requests to be answered, `bytes` in all, leaving `batch` empty.
    pub(super) fn submit(&self, batch: &mut Vec<Input>, bytes: usize) {
        self.in_flight.fetch_add(batch.len(), Ordering::Relaxed);
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        inner.inputs.append(batch);
        self.rouse(inner);
    }

    /// Hands over what is not answered: a new or lost connection.
    pub(super) fn notify(&self, input: Input) {
        let mut inner = self.inner.lock();
        inner.inputs.push(input);
        self.rouse(inner);
    }

    /// Makes the writer return from [`Submissions::take`] soon.
    pub fn nudge(&self) {
        let mut inner = self.inner.lock();
        inner.nudged = true;
        self.rouse(inner);
    }

    /// Nothing more comes: the writer finishes what is queued and stops.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        self.rouse(inner);
    }

    /// Requests handed over and not answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Moves all that waits to `inputs`, which is empty. Without anything, sleeps until something
    /// comes, a nudge comes, or `timeout` has passed. `false` when nothing will come any more.
    pub fn take(&self, inputs: &mut Vec<Input>, timeout: Option<Duration>) -> bool {
        let mut inner = self.inner.lock();
        if inner.inputs.is_empty() && !inner.nudged && !inner.closed {
            inner.writer_sleeps = true;
            match timeout {
                Some(timeout) => {
                    self.arrived.wait_for(&mut inner, timeout);
                }
                None => self.arrived.wait(&mut inner),
            }
            inner.writer_sleeps = false;
        }
        inner.nudged = false;
        std::mem::swap(inputs, &mut inner.inputs);
        self.queued_bytes.store(0, Ordering::Relaxed);
        !(inner.closed && inputs.is_empty())
    }

    /// The writer has answered `count` requests: connections that wait for room go on.
    pub fn answered(&self, count: usize) {
        self.in_flight.fetch_sub(count, Ordering::Relaxed);
        let waiting = std::mem::take(&mut self.inner.lock().waiting);
        for (_, waker) in waiting {
            waker.wake();
        }
    }

    fn rouse(&self, mut inner: parking_lot::MutexGuard<'_, Inner>) {
        let sleeps = std::mem::take(&mut inner.writer_sleeps);
        drop(inner);
        if sleeps {
            self.arrived.notify_one();
        }
    }
}
