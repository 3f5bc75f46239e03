//! Counters of connections and of the server: plain numbers, written by connection tasks once per
//! batch, read by whoever reports.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::base::{Monotonic, SizeSpread, Xid, Zxid};
use crate::net::frames;
use crate::order::Ticket;
use crate::proto::Op;

/// What one connection has done. Written by its task alone.
#[derive(Debug)]
pub(super) struct ConnStats {
    received: AtomicU64,
    sent: AtomicU64,
    queued: AtomicU64,
    last_op: AtomicI32,
    last_cxid: AtomicI64,
    last_zxid: AtomicI64,
    last_response: AtomicU64,
    last_latency: AtomicU64,
    latency: Latency,
}

/// A spread of whole milliseconds.
#[derive(Debug)]
struct Latency {
    min: AtomicU64,
    max: AtomicU64,
    count: AtomicU64,
    total: AtomicU64,
}

/// The same as plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LatencySpread {
    pub min_ms: u64,
    pub max_ms: u64,
    pub count: u64,
    pub total_ms: u64,
}

/// What one connection has done, as numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnFigures {
    pub received: u64,
    pub sent: u64,
    /// Requests not answered.
    pub queued: u64,
    /// `None` before the first; an operation that does not exist is -1.
    pub last_op: Option<i32>,
    /// -1 before the first.
    pub last_cxid: i64,
    pub last_zxid: i64,
    /// Monotonic milliseconds.
    pub last_response: u64,
    pub last_latency_ms: u64,
    pub latency: LatencySpread,
}

/// What a batch of one connection amounted to.
#[derive(Debug, Default)]
pub(super) struct BatchCount {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
    pub(super) event_bytes: u64,
    responses: Option<SizeSpread>,
    answered: u64,
    total_ms: u64,
    min_ms: u64,
    max_ms: u64,
    last: Option<(Ticket, Zxid, u64)>,
    /// Of the last reply whose number is not a special one.
    last_cxid: Option<Xid>,
}

impl BatchCount {
    /// Takes the sizes of replies and events: all that is sent but the answer to a handshake, as
    /// `ServerCnxn.serialize` sees them.
    pub(super) fn measure(&mut self, frames: &[u8]) {
        for length in frames::lengths(frames) {
            SizeSpread::count(&mut self.responses, length);
        }
    }

    /// A request got its reply.
    pub(super) fn answer(&mut self, ticket: Ticket, zxid: Zxid, now: Monotonic) {
        let latency_ms = now.since(ticket.arrived);
        self.min_ms = if self.answered == 0 {
            latency_ms
        } else {
            self.min_ms.min(latency_ms)
        };
        self.max_ms = self.max_ms.max(latency_ms);
        self.total_ms += latency_ms;
        self.answered += 1;
        self.sent += 1;
        self.last = Some((ticket, zxid, latency_ms));
        if ticket.xid.0 >= 0 {
            self.last_cxid = Some(ticket.xid);
        }
    }
}

impl ConnStats {
    pub(super) fn new() -> Self {
        Self {
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            last_op: AtomicI32::new(NO_OP),
            last_cxid: AtomicI64::new(-1),
            last_zxid: AtomicI64::new(-1),
            last_response: AtomicU64::new(0),
            last_latency: AtomicU64::new(0),
            latency: Latency::new(),
        }
    }

    pub(super) fn add(&self, batch: &BatchCount, queued: usize, now: Monotonic) {
        bump(&self.received, batch.received);
        bump(&self.sent, batch.sent);
        self.queued.store(queued as u64, Relaxed);
        let Some((ticket, zxid, latency_ms)) = batch.last else {
            return;
        };
        if let Some(Xid(cxid)) = batch.last_cxid {
            self.last_cxid.store(i64::from(cxid), Relaxed);
        }
        self.last_op
            .store(ticket.op.map_or(-1, Op::number), Relaxed);
        self.last_zxid.store(zxid.0, Relaxed);
        self.last_response.store(now.0, Relaxed);
        self.last_latency.store(latency_ms, Relaxed);
        let latency = &self.latency;
        bump(&latency.count, batch.answered);
        bump(&latency.total, batch.total_ms);
        if batch.min_ms < latency.min.load(Relaxed) {
            latency.min.store(batch.min_ms, Relaxed);
        }
        if batch.max_ms > latency.max.load(Relaxed) {
            latency.max.store(batch.max_ms, Relaxed);
        }
    }

    /// As `crst` does it.
    pub(super) fn reset(&self) {
        self.received.store(0, Relaxed);
        self.sent.store(0, Relaxed);
        self.last_op.store(NO_OP, Relaxed);
        self.last_cxid.store(-1, Relaxed);
        self.last_zxid.store(-1, Relaxed);
        self.last_response.store(0, Relaxed);
        self.last_latency.store(0, Relaxed);
        self.latency.reset();
    }

    pub(super) fn figures(&self) -> ConnFigures {
        let last_op = self.last_op.load(Relaxed);
        ConnFigures {
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
            queued: self.queued.load(Relaxed),
            last_op: (last_op != NO_OP).then_some(last_op),
            last_cxid: self.last_cxid.load(Relaxed),
            last_zxid: self.last_zxid.load(Relaxed),
            last_response: self.last_response.load(Relaxed),
            last_latency_ms: self.last_latency.load(Relaxed),
            latency: self.latency.spread(),
        }
    }
}

/// What the server has done, in shards so that cores do not share cache lines.
#[derive(Debug)]
pub(super) struct ServerStats {
    shards: [Shard; SHARDS],
    pub(super) events: Events,
}

macro_rules! events {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// What happens so rarely that one counter for all cores will do.
        #[derive(Debug, Default)]
        pub(super) struct Events {
            $($(#[$meta])* pub(super) $name: EventCount,)*
        }

        /// The same as numbers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct EventFigures {
            $($(#[$meta])* pub $name: u64,)*
        }

        impl Events {
            fn figures(&self) -> EventFigures {
                EventFigures {
                    $($name: self.$name.0.load(Relaxed),)*
                }
            }

            fn reset(&self) {
                $(self.$name.0.store(0, Relaxed);)*
            }
        }
    };
}

events! {
    /// Requests for a session, new or old.
    sessions_requested,
    /// Of those, the ones for an old session.
    sessions_renewed,
    /// Connections that have ended.
    connections_ended,
    /// Connections beyond a limit, and sessions beyond the throttle's.
    connections_rejected,
    /// Connections closed because no session was opened on them.
    sessionless_expired,
    large_requests_rejected,
    /// Requests answered `ThrottledOp`.
    requests_throttled,
    /// TLS handshakes of clients that failed, or took too long.
    handshakes_failed,
    /// Connections closed as there were too many handshakes.
    handshakes_exceeded,
    /// Failed handshakes, and client certificates that were refused.
    authentications_failed,
}

/// A counter.
#[derive(Debug, Default)]
pub(super) struct EventCount(AtomicU64);

impl EventCount {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    received: AtomicU64,
    sent: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    event_bytes: AtomicU64,
    responses: Responses,
    latency: Latency,
}

/// The sizes of responses.
#[derive(Debug)]
struct Responses {
    last: AtomicUsize,
    /// Monotonic milliseconds.
    last_at: AtomicU64,
    min: AtomicUsize,
    max: AtomicUsize,
}

/// What the server has done since the start or the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerFigures {
    pub received: u64,
    pub sent: u64,
    pub received_bytes: u64,
    /// Replies and events.
    pub sent_bytes: u64,
    /// Events alone.
    pub event_bytes: u64,
    /// Of replies and events, without their length fields.
    pub responses: Option<SizeSpread>,
    pub events: EventFigures,
    pub latency: LatencySpread,
}

impl ServerStats {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Shard {
                received: AtomicU64::new(0),
                sent: AtomicU64::new(0),
                received_bytes: AtomicU64::new(0),
                sent_bytes: AtomicU64::new(0),
                event_bytes: AtomicU64::new(0),
                responses: Responses::new(),
                latency: Latency::new(),
            }),
            events: Events::default(),
        }
    }

    /// Counts a batch of a connection whose number is `key`.
    pub(super) fn add(&self, batch: &BatchCount, key: u64, now: Monotonic) {
        let position = usize::try_from(key % SHARDS as u64).unwrap_or_default();
        let Some(shard) = self.shards.get(position) else {
            return;
        };
        shard.received.fetch_add(batch.received, Relaxed);
        shard.sent.fetch_add(batch.sent, Relaxed);
        shard
            .received_bytes
            .fetch_add(batch.received_bytes, Relaxed);
        shard.sent_bytes.fetch_add(batch.sent_bytes, Relaxed);
        if batch.event_bytes > 0 {
            shard.event_bytes.fetch_add(batch.event_bytes, Relaxed);
        }
        if let Some(responses) = batch.responses {
            shard.responses.add(responses, now);
        }
        if batch.answered == 0 {
            return;
        }
        let latency = &shard.latency;
        latency.count.fetch_add(batch.answered, Relaxed);
        if batch.total_ms > 0 {
            latency.total.fetch_add(batch.total_ms, Relaxed);
        }
        if batch.min_ms < latency.min.load(Relaxed) {
            latency.min.fetch_min(batch.min_ms, Relaxed);
        }
        if batch.max_ms > latency.max.load(Relaxed) {
            latency.max.fetch_max(batch.max_ms, Relaxed);
        }
    }

    /// As `srst` does it.
    pub(super) fn reset(&self) {
        for shard in &self.shards {
            shard.received.store(0, Relaxed);
            shard.sent.store(0, Relaxed);
            shard.received_bytes.store(0, Relaxed);
            shard.sent_bytes.store(0, Relaxed);
            shard.event_bytes.store(0, Relaxed);
            shard.responses.reset();
            shard.latency.reset();
        }
        self.events.reset();
    }

    pub(super) fn figures(&self) -> ServerFigures {
        let mut sum = ServerFigures {
            events: self.events.figures(),
            ..ServerFigures::default()
        };
        let mut min_ms = u64::MAX;
        let mut responses: Option<(u64, SizeSpread)> = None;
        for shard in &self.shards {
            let spread = shard.latency.spread();
            sum.received += shard.received.load(Relaxed);
            sum.sent += shard.sent.load(Relaxed);
            sum.received_bytes += shard.received_bytes.load(Relaxed);
            sum.sent_bytes += shard.sent_bytes.load(Relaxed);
            sum.event_bytes += shard.event_bytes.load(Relaxed);
            sum.latency.count += spread.count;
            sum.latency.total_ms += spread.total_ms;
            sum.latency.max_ms = sum.latency.max_ms.max(spread.max_ms);
            if spread.count > 0 {
                min_ms = min_ms.min(spread.min_ms);
            }
            responses = Responses::join(responses, shard.responses.spread());
        }
        sum.responses = responses.map(|(_, spread)| spread);
        sum.latency.min_ms = if min_ms == u64::MAX { 0 } else { min_ms };
        sum
    }
}

impl Responses {
    fn new() -> Self {
        Self {
            last: AtomicUsize::new(0),
            last_at: AtomicU64::new(0),
            min: AtomicUsize::new(usize::MAX),
            max: AtomicUsize::new(0),
        }
    }

    fn add(&self, batch: SizeSpread, now: Monotonic) {
        self.last.store(batch.last, Relaxed);
        self.last_at.store(now.0, Relaxed);
        if batch.min < self.min.load(Relaxed) {
            self.min.fetch_min(batch.min, Relaxed);
        }
        if batch.max > self.max.load(Relaxed) {
            self.max.fetch_max(batch.max, Relaxed);
        }
    }

    fn reset(&self) {
        self.last.store(0, Relaxed);
        self.min.store(usize::MAX, Relaxed);
        self.max.store(0, Relaxed);
    }

    /// With when the last was sent. None has no bytes at all.
    fn spread(&self) -> Option<(u64, SizeSpread)> {
        let spread = SizeSpread {
            last: self.last.load(Relaxed),
            min: self.min.load(Relaxed),
            max: self.max.load(Relaxed),
        };
        (spread.last > 0).then(|| (self.last_at.load(Relaxed), spread))
    }

    fn join(
        one: Option<(u64, SizeSpread)>,
        other: Option<(u64, SizeSpread)>,
    ) -> Option<(u64, SizeSpread)> {
        let (Some((at, spread)), Some((other_at, with))) = (one, other) else {
            return one.or(other);
        };
        let last = if other_at > at {
            with.last
        } else {
            spread.last
        };
        let joined = SizeSpread {
            last,
            min: spread.min.min(with.min),
            max: spread.max.max(with.max),
        };
        Some((at.max(other_at), joined))
    }
}

impl Latency {
    fn new() -> Self {
        Self {
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
            count: AtomicU64::new(0),
            total: AtomicU64::new(0),
        }
    }

    fn reset(&self) {
        self.min.store(u64::MAX, Relaxed);
        self.max.store(0, Relaxed);
        self.count.store(0, Relaxed);
        self.total.store(0, Relaxed);
    }

    fn spread(&self) -> LatencySpread {
        let min_ms = self.min.load(Relaxed);
        LatencySpread {
            min_ms: if min_ms == u64::MAX { 0 } else { min_ms },
            max_ms: self.max.load(Relaxed),
            count: self.count.load(Relaxed),
            total_ms: self.total.load(Relaxed),
        }
    }
}

/// Adds without a locked instruction: there is one writer.
fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

const SHARDS: usize = 16;

/// No operation has this number.
const NO_OP: i32 = i32::MIN;

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(xid: i32, arrived: u64) -> Ticket {
        Ticket {
            xid: Xid(xid),
            op: Some(Op::GetData),
            arrived: Monotonic(arrived),
            bytes: 8,
        }
    }

    #[test]
    fn latencies_of_all_connections_add_up() {
        let (server, conn) = (ServerStats::new(), ConnStats::new());
        let mut batch = BatchCount {
            received: 3,
            received_bytes: 20,
            ..BatchCount::default()
        };
        batch.answer(ticket(1, 90), Zxid(7), Monotonic(100));
        batch.answer(ticket(-2, 98), Zxid(8), Monotonic(100));
        batch.measure(&[0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 2, 1, 2]);
        for key in 0..20 {
            server.add(&batch, key, Monotonic(100 + key));
        }
        conn.add(&batch, 1, Monotonic(100));
        let spread = LatencySpread {
            min_ms: 2,
            max_ms: 10,
            count: 40,
            total_ms: 240,
        };
        let expected = ServerFigures {
            received: 60,
            sent: 40,
            received_bytes: 400,
            responses: Some(SizeSpread {
                last: 2,
                min: 2,
                max: 3,
            }),
            latency: spread,
            ..ServerFigures::default()
        };
        assert_eq!(server.figures(), expected);
        let figures = conn.figures();
        assert_eq!((figures.last_cxid, figures.last_zxid), (1, 8));
        assert_eq!((figures.latency.max_ms, figures.queued), (10, 1));
        server.reset();
        conn.reset();
        assert_eq!(server.figures(), ServerFigures::default());
        assert_eq!(conn.figures().last_zxid, -1);
    }
}
