//! The queue to the writer from the connections' tasks, from the links to other servers and from
//! the disk: one hand-over per batch, one take-over of all that waits by the writer.
//!
//! Bounded by number and by bytes. At the bound a connection keeps its requests, and its task is
//! woken when there is room; a link to another server is not read. What must not be lost (a
//! connection is gone) goes in regardless: each connection sends it once.
//!
//! A few inputs bring a whole state with them. It does not pass through the peer, so it waits
//! beside the queue: [`Submissions::next_state`] gives it when its input's turn has come.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::base::{ConnId, limits};
use crate::peer::Input;
use crate::tree::Database;
use crate::zab::ToLearner;

/// Inputs on their way to the writer.
#[derive(Debug)]
pub struct Submissions {
    inner: Mutex<Inner>,
    arrived: Condvar,
    /// Requests handed over and not yet answered, `queued` among them.
    in_flight: AtomicUsize,
    /// Bytes of requests in the queue.
    queued_bytes: AtomicUsize,
    /// What other servers' inputs in the queue take.
    link_bytes: AtomicUsize,
    /// Rung when `link_bytes` has fallen.
    link_room: Notify,
    in_flight_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    inputs: Vec<Input>,
    /// What some of the inputs, taken or not, bring with them, in their order.
    states: VecDeque<Box<Database>>,
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
            link_bytes: AtomicUsize::new(0),
            link_room: Notify::new(),
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

    /// Hands over what is not answered: a new or lost connection, a completion of the disk.
    pub fn notify(&self, input: Input) {
        assert!(!brings_state(&input), "it comes with its state");
        let mut inner = self.inner.lock();
        inner.inputs.push(input);
        self.rouse(inner);
    }

    /// Hands over an input with the state it brings.
    pub fn notify_with_state(&self, input: Input, state: Box<Database>) {
        assert!(brings_state(&input), "a state comes with its input");
        let mut inner = self.inner.lock();
        inner.inputs.push(input);
        inner.states.push_back(state);
        self.rouse(inner);
    }

    /// The state that belongs to the input whose turn it is: the writer asks for it once for each
    /// input that [`brings_state`], in their order, whether or not it has a use for it.
    ///
    /// # Panics
    /// When it has asked more often.
    pub fn next_state(&self) -> Box<Database> {
        let state = self.inner.lock().states.pop_front();
        state.expect("each such input is handed over with a state")
    }

    /// Hands over what came on a link to another server, `bytes` of it, leaving `batch` empty.
    pub(super) fn notify_all(&self, batch: &mut Vec<Input>, bytes: usize) {
        if batch.is_empty() {
            return;
        }
        let weight = bytes + batch.len() * size_of::<Input>();
        self.link_bytes.fetch_add(weight, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        inner.inputs.append(batch);
        self.rouse(inner);
    }

    /// Waits until there is room for what comes on links.
    pub(super) async fn link_room(&self) {
        while self.link_bytes.load(Ordering::Acquire) >= limits::WRITER_QUEUE_BYTES {
            let rung = self.link_room.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            // The writer may have taken all of it before the bell could reach this task.
            if self.link_bytes.load(Ordering::Acquire) >= limits::WRITER_QUEUE_BYTES {
                rung.await;
            }
        }
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
        if self.link_bytes.swap(0, Ordering::AcqRel) >= limits::WRITER_QUEUE_BYTES {
            self.link_room.notify_waiters();
        }
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

/// Whether an input is handed over with a state: the one that was read back from disk, or the one
/// the leader sent.
pub fn brings_state(input: &Input) -> bool {
    matches!(
        input,
        Input::Truncated { .. }
            | Input::Reloaded { .. }
            | Input::FromLeader {
                packet: ToLearner::Snap { .. },
                ..
            }
    )
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll};

    use super::*;
    use crate::base::{QuorumLink, Zxid};
    use crate::tree::TreeOptions;

    #[test]
    fn links_are_not_read_while_the_writer_is_behind() {
        let submissions = Submissions::new(None);
        let mut cx = Context::from_waker(Waker::noop());
        let hand_over = |bytes| submissions.notify_all(&mut vec![Input::Drained], bytes);
        hand_over(limits::WRITER_QUEUE_BYTES / 2);
        assert!(pin!(submissions.link_room()).poll(&mut cx).is_ready());
        hand_over(limits::WRITER_QUEUE_BYTES / 2);
        let mut waiting = pin!(submissions.link_room());
        assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Pending);
        let mut taken = Vec::new();
        submissions.take(&mut taken, None);
        assert_eq!(taken.len(), 2);
        assert!(waiting.poll(&mut cx).is_ready());
    }

    #[test]
    fn a_state_is_found_at_its_input() {
        let submissions = Submissions::new(None);
        let state = |zxid| {
            let mut database = Database::new(TreeOptions::default());
            database.set_last_zxid(Zxid(zxid));
            Box::new(database)
        };
        let snap = |zxid| Input::FromLeader {
            link: QuorumLink(1),
            packet: ToLearner::Snap { zxid: Zxid(zxid) },
        };
        submissions.notify_with_state(snap(1), state(1));
        submissions.notify(Input::Drained);
        let mut taken = Vec::new();
        submissions.take(&mut taken, None);
        // What comes later does not get in between.
        let reloaded = Input::Reloaded {
            zxid: Zxid(2),
            recent: Vec::new(),
        };
        submissions.notify_with_state(reloaded, state(2));
        let mut later = Vec::new();
        submissions.take(&mut later, None);
        let inputs = taken.iter().chain(&later);
        assert!(inputs.map(brings_state).eq([true, false, true]));
        assert_eq!(submissions.next_state().last_zxid(), Zxid(1));
        assert_eq!(submissions.next_state().last_zxid(), Zxid(2));
    }
}
