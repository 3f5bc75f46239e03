//! The order of one connection's requests.
//!
//! In comes what a client asked, one request after the other, and how many of its writes were
//! answered; out comes whose turn it is. A read runs at once unless writes of the same connection
//! are unanswered or an earlier request still waits; writes that follow each other go to the
//! writer without waiting for one another; a write behind a waiting read waits too.
//!
//! ```text
//!            +-- nothing before it ----------------------> Turn::Now
//!  request --+-- read behind writes, write behind reads -> Turn::Wait -> park() -> next()
//!            +-- after the last request ----------------> Turn::Drop
//! ```
//!
//! Invariants: `next` and `Turn::Now` give requests in the order of arrival; a read has its turn
//! only when no write is unanswered; nothing follows the request that was marked last.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::base::{Monotonic, Xid, limits};
use crate::proto::Op;

/// Requests of one connection that are not answered. `T` is what a waiting request needs kept.
#[derive(Debug)]
pub struct ConnectionOrder<T> {
    /// Not begun, in order of arrival.
    waiting: VecDeque<Waiting<T>>,
    waiting_bytes: usize,
    /// With the writer, oldest first.
    sent: VecDeque<Ticket>,
    /// The last request was seen: `closeSession`, or one after which the connection is closed.
    sealed: bool,
    /// How many in `waiting` and `sent` count as outstanding.
    outstanding: usize,
}

/// What is remembered of a request until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub xid: Xid,
    /// `None` for a number that names no operation.
    pub op: Option<Op>,
    pub arrived: Monotonic,
    /// Length of its frame.
    pub bytes: usize,
}

/// Which way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Answered by the connection's own task.
    Read,
    /// Answered by the writer.
    Write,
}

/// A request as it arrives.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub ticket: Ticket,
    pub lane: Lane,
    /// Nothing may follow this one.
    pub last: bool,
}

/// What to do with a request that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Execute it, or hand it to the writer: it counts as sent.
    Now,
    /// Keep it: the caller calls [`ConnectionOrder::park`] next.
    Wait,
    /// Forget it: it follows the last request.
    Drop,
}

/// A request that could not run when it arrived.
#[derive(Debug)]
pub struct Waiting<T> {
    pub ticket: Ticket,
    pub lane: Lane,
    pub kept: T,
    bytes: usize,
}

impl<T> Default for ConnectionOrder<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            sent: VecDeque::new(),
            sealed: false,
            outstanding: 0,
        }
    }
}

impl<T> ConnectionOrder<T> {
    /// Takes in a request. `writer_has_room` says whether the writer would take a write now.
    pub fn admit(&mut self, arrival: Arrival, writer_has_room: bool) -> Turn {
        if self.sealed {
            return Turn::Drop;
        }
        self.sealed = arrival.last;
        if !self.may_run(arrival.lane, writer_has_room) || !self.waiting.is_empty() {
            return Turn::Wait;
        }
        if arrival.lane == Lane::Write {
            self.count_in(arrival.ticket);
            self.sent.push_back(arrival.ticket);
        }
        Turn::Now
    }

    /// Keeps a request whose turn is to wait, `bytes` of memory with it.
    pub fn park(&mut self, arrival: Arrival, kept: T, bytes: usize) {
        self.count_in(arrival.ticket);
        self.waiting_bytes += bytes;
        self.waiting.push_back(Waiting {
            ticket: arrival.ticket,
            lane: arrival.lane,
            kept,
            bytes,
        });
    }

    /// The writer has answered the oldest request it had from here.
    ///
    /// # Panics
    /// When it had none: the writer answers each request once.
    pub fn answered(&mut self) -> Ticket {
        let ticket = self.sent.pop_front().expect("the writer answers once");
        self.count_out(ticket);
        ticket
    }

    /// The waiting request whose turn has come. A write counts as sent from here on.
    pub fn next(&mut self, writer_has_room: bool) -> Option<Waiting<T>> {
        let lane = self.waiting.front()?.lane;
        if !self.may_run(lane, writer_has_room) {
            return None;
        }
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes -= waiting.bytes;
        match lane {
            Lane::Read => self.count_out(waiting.ticket),
            Lane::Write => self.sent.push_back(waiting.ticket),
        }
        if self.waiting.is_empty() && self.waiting.capacity() > CAPACITY_KEPT {
            self.waiting = VecDeque::new();
        }
        Some(waiting)
    }

    /// Makes the next waiting request one that is answered by the connection's own task if
    /// `refused` says so, as a refusal needs no writer but still its place in the order.
    pub fn keep_from_writer(&mut self, refused: impl FnOnce(&Waiting<T>) -> bool) {
        if let Some(first) = self.waiting.front_mut()
            && first.lane == Lane::Write
            && refused(first)
        {
            first.lane = Lane::Read;
        }
    }

    /// No more requests are to be taken in until some are answered.
    pub fn is_full(&self) -> bool {
        self.waiting.len() + self.sent.len() >= limits::REQUESTS_WAITING_PER_CONNECTION
            || self.waiting_bytes >= limits::REQUEST_BYTES_WAITING_PER_CONNECTION
    }

    /// Whether the last request was taken in.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Whether a request waits whose turn has come but for the writer's room.
    pub fn wants_writer(&self) -> bool {
        self.waiting
            .front()
            .is_some_and(|first| first.lane == Lane::Write)
    }

    /// Whether the next waiting request is a read whose turn has come.
    pub fn read_is_next(&self) -> bool {
        self.sent.is_empty()
            && self
                .waiting
                .front()
                .is_some_and(|first| first.lane == Lane::Read)
    }

    /// Unanswered requests with a number above 0, as Apache counts them for its throttle.
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Requests the writer has not answered.
    pub fn sent(&self) -> usize {
        self.sent.len()
    }

    fn may_run(&self, lane: Lane, writer_has_room: bool) -> bool {
        match lane {
            Lane::Read => self.sent.is_empty(),
            Lane::Write => writer_has_room,
        }
    }

    fn count_in(&mut self, ticket: Ticket) {
        self.outstanding += usize::from(ticket.xid.counts_as_outstanding());
    }

    fn count_out(&mut self, ticket: Ticket) {
        self.outstanding -= usize::from(ticket.xid.counts_as_outstanding());
    }
}

/// Room for waiting requests that a connection keeps when none waits.
const CAPACITY_KEPT: usize = 64;
