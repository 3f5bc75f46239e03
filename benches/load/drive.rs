//! The loop that keeps a number of connections busy, on one thread.
//!
//! A closed loop: every connection has at most `depth` requests in flight, and a reply makes room for the next one.
//! In: a `Load`, which makes the requests and is told the answers. Out: nothing; the load keeps what it measures.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use crate::{
    conn::Conn,
    error::{Doing as _, LoadError},
    wire::Reply,
};

/// A server that says nothing for this long, though requests wait, has failed.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What to ask, and what to make of the answers.
pub(crate) trait Load {
    /// Appends the next request to `out` and returns true, or returns false when there is none for now.
    fn next(&mut self, xid: i32, out: &mut Vec<u8>) -> bool;

    /// Takes note of an answer. `sent_at` is when the request was queued, `now` when the answer was read.
    fn answered(
        &mut self,
        reply: &Reply<'_>,
        sent_at: Instant,
        now: Instant,
    ) -> Result<(), LoadError>;
}

/// A set of connections to one server, or spread over the members of one ensemble.
pub(crate) struct Fleet {
    poll: Poll,
    conns: Vec<Conn>,
    depth: usize,
}

impl Fleet {
    /// Opens `size` sessions, dealt out over `targets`, that will each have up to `depth` requests in flight.
    pub(crate) fn open(
        targets: &[SocketAddr],
        size: usize,
        depth: usize,
    ) -> Result<Self, LoadError> {
        let poll = Poll::new().doing("open epoll")?;
        let mut conns = Vec::with_capacity(size);
        for (index, target) in targets.iter().cycle().take(size).enumerate() {
            let mut conn = Conn::open(*target)?;
            poll.registry()
                .register(
                    conn.source(),
                    Token(index),
                    Interest::READABLE | Interest::WRITABLE,
                )
                .doing("watch a socket")?;
            conns.push(conn);
        }
        Ok(Self { poll, conns, depth })
    }

    /// Runs until the load has no more requests and every answer has come.
    pub(crate) fn run(&mut self, load: &mut impl Load) -> Result<(), LoadError> {
        let mut events = Events::with_capacity(self.conns.len().max(1));
        for conn in &mut self.conns {
            refill(conn, self.depth, load, Instant::now())?;
        }
        while self.conns.iter().any(|conn| conn.in_flight() > 0) {
            self.poll
                .poll(&mut events, Some(SILENCE_MAX))
                .doing("wait for sockets")?;
            if events.is_empty() {
                return Err(LoadError::Failed(format!("no reply in {SILENCE_MAX:?}")));
            }
            for event in &events {
                let Some(conn) = self.conns.get_mut(event.token().0) else {
                    continue;
                };
                let now = Instant::now();
                if event.is_readable() {
                    conn.receive(|reply, sent_at| load.answered(reply, sent_at, now))?;
                }
                refill(conn, self.depth, load, now)?;
            }
        }
        Ok(())
    }

    /// Ends all sessions.
    pub(crate) fn close(self) -> Result<(), LoadError> {
        self.conns.into_iter().try_for_each(Conn::close)
    }
}

fn refill(
    conn: &mut Conn,
    depth: usize,
    load: &mut impl Load,
    now: Instant,
) -> Result<(), LoadError> {
    while conn.in_flight() < depth && conn.send(now, |xid, out| load.next(xid, out)) {}
    conn.flush()
}
