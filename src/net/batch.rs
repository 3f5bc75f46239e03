//! One batch of a connection's work: what it collects, and when it has done enough.
//!
//! All complete frames at hand, one shared lock for all reads among them, one hand-over to the
//! writer, one buffer of replies. It ends early where the buffer is full, or where the lock has been
//! held for long.

use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::RwLockReadGuard;

use crate::base::{Monotonic, limits};
use crate::net::server::Server;
use crate::net::stats::BatchCount;
use crate::peer::Input;
use crate::proto::Op;
use crate::tree::Database;

/// One batch of work and what it collects.
pub(super) struct Batch<'a> {
    pub(super) server: &'a Arc<Server>,
    pub(super) now: Monotonic,
    pub(super) out: &'a mut BytesMut,
    pub(super) writes: &'a mut Vec<Input>,
    pub(super) write_bytes: usize,
    pub(super) writer_has_room: bool,
    /// Locked at the first read and until the end.
    pub(super) state: Option<RwLockReadGuard<'a, Database>>,
    pub(super) count: BatchCount,
    reads: usize,
    /// The lock has been held for long enough.
    is_overdue: bool,
    /// Bytes at the start of `out` that are the answer to the handshake.
    pub(super) greeting_bytes: usize,
    /// A request came that proves the session alive.
    pub(super) touches: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        server: &'a Arc<Server>,
        out: &'a mut BytesMut,
        writes: &'a mut Vec<Input>,
    ) -> Self {
        Self {
            server,
            now: server.clock.now().monotonic,
            out,
            writes,
            write_bytes: 0,
            writer_has_room: server.submissions.has_room(),
            state: None,
            count: BatchCount::default(),
            reads: 0,
            is_overdue: false,
            greeting_bytes: 0,
            touches: false,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_overdue || self.out.len() >= limits::REPLY_BYTES_PER_BATCH
    }

    /// Sees to it that reads which take long by themselves, or by their number, let go of the
    /// lock in between.
    pub(super) fn count_read(&mut self, op: Op) {
        self.reads += 1;
        let may_take_long = matches!(
            op,
            Op::GetAllChildrenNumber
                | Op::GetEphemerals
                | Op::MultiRead
                | Op::SetWatches
                | Op::SetWatches2
        );
        if may_take_long || self.reads.is_multiple_of(READS_PER_LOOK_AT_CLOCK) {
            let passed_ms = self.server.clock.now().monotonic.since(self.now);
            self.is_overdue = passed_ms >= limits::READ_BATCH_MS;
        }
    }
}

/// Reads of which each takes little, between two looks at how long they took together.
const READS_PER_LOOK_AT_CLOCK: usize = 16;
