//! The one writer: takes what connections handed over, has the peer prepare it, appends it to the
//! log, waits for the disk, has it applied and answered.
//!
//! ```text
//! take all that waits -> handle each (shared lock) -> append all -> one sync
//!    -> apply all, fill outboxes (exclusive lock) -> wake each connection once
//! ```
//!
//! The sync is done here and not on a thread of its own: a batch is what came in during the last
//! sync, and a lone write has no hop more than it needs.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::{Zxid, limits};
use crate::net::{Server, Woken};
use crate::peer::{ClientOutput, Input, Output, Peer};
use crate::runtime::Failure;
use crate::runtime::clock::SystemClock;
use crate::runtime::reports::Reports;
use crate::runtime::restore::{Pending, RestoreDesk};
use crate::runtime::snapshots::Snapshots;
use crate::store::log_writer::LogWriter;

/// The writer's side of the server, on its own thread.
pub(super) struct Writer {
    pub(super) server: Arc<Server>,
    pub(super) clock: Arc<SystemClock>,
    /// Shared with those who answer questions about sessions.
    pub(super) peer: Arc<Mutex<Peer>>,
    pub(super) log: LogWriter,
    pub(super) snapshots: Snapshots,
    pub(super) reports: Arc<Reports>,
    pub(super) batch: BatchLimits,
    pub(super) restores: RestoreDesk,
}

/// How writes share a sync.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLimits {
    /// `flushDelay`: how long a write may wait for others.
    pub(super) delay_ms: u64,
    /// `maxBatchSize`.
    pub(super) writes_max: usize,
}

/// Buffers kept between batches.
#[derive(Default)]
struct Buffers {
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    client: Vec<ClientOutput>,
    woken: Woken,
}

impl Writer {
    /// Works until the queue is closed and empty, or the log fails. Nothing is acknowledged after
    /// a failure.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let mut buffers = Buffers::default();
        loop {
            let mut taken = std::mem::take(&mut buffers.inputs);
            let is_open = self
                .server
                .submissions
                .take(&mut taken, self.time_to_wake());
            if !is_open {
                self.log.sync()?;
                self.snapshots.finish();
                return Ok(());
            }
            if self.restores.0.is_asked() {
                self.restore(&mut buffers);
            }
            if self.batch.delay_ms > 0 && !taken.is_empty() {
                self.await_company(&mut taken);
            }
            let mut rest = taken.drain(..);
            loop {
                self.batch(&mut rest, &mut buffers)?;
                if rest.len() == 0 {
                    break;
                }
            }
            drop(rest);
            buffers.inputs = taken;
        }
    }

    /// Puts another state in the place of this server's, which it makes durable first: what is
    /// acknowledged behind it must not meet the old one after a crash. Between batches nothing is in
    /// flight.
    fn restore(&mut self, buffers: &mut Buffers) {
        let Some((mut state, answer)) = self.restores.0.take().map(Pending::into_parts) else {
            return;
        };
        let restored = state.last_zxid();
        let position = {
            let db = self.server.state.read();
            self.peer.lock().position_after(&db, restored)
        };
        state.settle_at(position);
        if let Err(error) = self.snapshots.job().write_detached(&state) {
            return answer.give(Err(error.into()));
        }
        self.log.roll();
        let mut peer = self.peer.lock();
        let now = self.server.clock.now();
        let mut db = ManuallyDrop::new(self.server.state.write());
        peer.restore(now, &mut db, *state, &mut buffers.client);
        self.server.deliver(&mut buffers.client, &mut buffers.woken);
        drop(ManuallyDrop::into_inner(db));
        drop(peer);
        buffers.woken.wake();
        answer.give(Ok(position));
    }

    fn time_to_wake(&self) -> Option<Duration> {
        let deadline = self.peer.lock().next_deadline()?;
        let now = self.clock.monotonic();
        Some(Duration::from_millis(deadline.since(now)))
    }

    /// Waits for others to share the sync with.
    fn await_company(&self, taken: &mut Vec<Input>) {
        let deadline = self.clock.monotonic().after(self.batch.delay_ms);
        let mut more = Vec::new();
        while taken.len() < self.batch.writes_max {
            let left_ms = deadline.since(self.clock.monotonic());
            let left = Duration::from_millis(left_ms);
            if left_ms == 0 || !self.server.submissions.take(&mut more, Some(left)) {
                return;
            }
            taken.append(&mut more);
        }
    }

    /// Carries some of `inputs`, or all, from preparation to reply.
    fn batch(
        &mut self,
        inputs: &mut std::vec::Drain<'_, Input>,
        buffers: &mut Buffers,
    ) -> Result<(), Failure> {
        let requests = self.prepare(inputs, buffers);
        let appended = self.append(&mut buffers.outputs)?;
        let mut peer = self.peer.lock();
        let now = self.server.clock.now();
        if let Some(zxid) = appended {
            let db = self.server.state.read();
            let Buffers {
                outputs, client, ..
            } = buffers;
            peer.handle(now, &db, Input::Appended { zxid }, outputs, client);
        }
        if peer.has_committed() || !buffers.client.is_empty() {
            // A panic must not unlock it: nobody may read what is half applied.
            let mut db = ManuallyDrop::new(self.server.state.write());
            let mut watches = self.server.watches.lock();
            peer.apply_committed(
                now,
                &mut db,
                &mut watches,
                &mut buffers.outputs,
                &mut buffers.client,
            );
            drop(watches);
            self.server.deliver(&mut buffers.client, &mut buffers.woken);
            drop(ManuallyDrop::into_inner(db));
        }
        drop(peer);
        self.server.submissions.answered(requests);
        buffers.woken.wake();
        Ok(())
    }

    /// Feeds inputs to the peer, as many as make a batch. How many of them were requests.
    fn prepare(&mut self, inputs: &mut std::vec::Drain<'_, Input>, buffers: &mut Buffers) -> usize {
        let now = self.server.clock.now();
        let mut peer = self.peer.lock();
        let db = self.server.state.read();
        let Buffers {
            outputs, client, ..
        } = buffers;
        if peer
            .next_deadline()
            .is_some_and(|deadline| deadline <= now.monotonic)
        {
            peer.handle(now, &db, Input::Wake, outputs, client);
        }
        let mut requests = 0;
        while outputs.len() < self.batch.writes_max.min(limits::WRITES_PER_BATCH)
            && peer.has_room()
            && let Some(input) = inputs.next()
        {
            requests += usize::from(matches!(input, Input::Write(_)));
            peer.handle(now, &db, input, outputs, client);
        }
        requests
    }

    /// Makes the transactions durable. The last of them, if there were any.
    fn append(&mut self, outputs: &mut Vec<Output>) -> Result<Option<Zxid>, Failure> {
        if outputs.is_empty() {
            return Ok(None);
        }
        let mut snapshot_is_due = false;
        let transactions = outputs.len();
        for output in outputs.drain(..) {
            let Output::Append { zxid, payload } = output else {
                panic!("a server on its own asks for nothing but its log");
            };
            self.log.append(zxid, &payload)?;
            if self.snapshots.count(payload.len()) {
                self.log.roll();
                snapshot_is_due = true;
            }
        }
        let durable = self.log.sync()?;
        let took_ms = self.log.counters().last_sync_ms;
        self.reports.count_sync(took_ms, transactions);
        if snapshot_is_due {
            self.snapshots.start().map_err(Failure::Thread)?;
        }
        Ok(Some(durable))
    }
}
