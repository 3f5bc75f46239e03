//! One client connection: a session, its requests in flight, its buffers.
//!
//! In: requests as bytes, readiness of the socket. Out: replies in order, each with the moment its request was sent.
//! Replies must carry the xids in the order sent; anything else ends the run.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    error::{Doing as _, LoadError},
    wire::{self, Credentials, Reply},
};

/// Long enough that a session outlives any pause of a measurement without pings.
const SESSION_TIMEOUT_MS: i32 = 40_000;
/// How long the handshake and the farewell may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that is starting may accept a connection and never answer on it; asking again soon keeps the time until
/// it serves exact enough.
const PROBE_TIMEOUT: Duration = Duration::from_millis(100);
/// Room for what one wake-up brings at the depths used here; grows if a reply needs more.
const INBOX_BYTES: usize = 64 << 10;

pub(crate) struct Conn {
    stream: mio::net::TcpStream,
    inbox: Vec<u8>,
    /// The bytes `inbox[taken..filled]` were received and not yet consumed.
    taken: usize,
    filled: usize,
    outbox: Vec<u8>,
    /// How much of `outbox` the socket has accepted.
    written: usize,
    in_flight: VecDeque<(i32, Instant)>,
    next_xid: i32,
}

impl Conn {
    /// Connects and opens a session; the socket is non-blocking from then on.
    pub(crate) fn open(target: SocketAddr) -> Result<Self, LoadError> {
        let (stream, _) = open_session(target, SESSION_TIMEOUT_MS, None, HANDSHAKE_TIMEOUT)?;
        stream
            .set_nonblocking(true)
            .doing("make the socket non-blocking")?;
        Ok(Self {
            stream: mio::net::TcpStream::from_std(stream),
            inbox: vec![0; INBOX_BYTES],
            taken: 0,
            filled: 0,
            outbox: Vec::with_capacity(INBOX_BYTES),
            written: 0,
            in_flight: VecDeque::new(),
            next_xid: 1,
        })
    }

    pub(crate) fn source(&mut self) -> &mut mio::net::TcpStream {
        &mut self.stream
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Queues the request that `write` appends for the xid it is given; returns what `write` returns, and counts the
    /// request as sent if that is true.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        write: impl FnOnce(i32, &mut Vec<u8>) -> bool,
    ) -> bool {
        let xid = self.next_xid;
        let sent = write(xid, &mut self.outbox);
        if sent {
            self.in_flight.push_back((xid, now));
            self.next_xid = self.next_xid.checked_add(1).unwrap_or(1);
        }
        sent
    }

    /// Hands the queued bytes to the socket, as far as it takes them.
    pub(crate) fn flush(&mut self) -> Result<(), LoadError> {
        while let Some(rest) = self
            .outbox
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match self.stream.write(rest) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).doing("send requests"),
            }
        }
        self.outbox.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads what is there and hands each whole reply to `answered`, with the moment its request was sent.
    pub(crate) fn receive(
        &mut self,
        mut answered: impl FnMut(&Reply<'_>, Instant) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        loop {
            let room = self.inbox.get_mut(self.filled..).unwrap_or_default();
            let space = room.len();
            match self.stream.read(room) {
                Ok(0) => return Err(LoadError::Protocol("an end of the stream")),
                Ok(count) => {
                    self.filled += count;
                    self.consume(&mut answered)?;
                    // A short read has emptied a stream socket (see epoll(7)), so the next edge will tell.
                    if count < space {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).doing("receive replies"),
            }
        }
    }

    /// Ends the session and waits for the server to say so.
    pub(crate) fn close(mut self) -> Result<(), LoadError> {
        self.send(Instant::now(), |xid, out| {
            wire::close_session(out, xid);
            true
        });
        let mut stream = TcpStream::from(self.stream);
        stream
            .set_nonblocking(false)
            .doing("make the socket blocking")?;
        stream
            .set_read_timeout(Some(HANDSHAKE_TIMEOUT))
            .doing("limit the farewell")?;
        stream
            .write_all(self.outbox.get(self.written..).unwrap_or_default())
            .doing("close the session")?;
        read_frame(&mut stream).map(drop)
    }

    fn consume(
        &mut self,
        answered: &mut impl FnMut(&Reply<'_>, Instant) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let received = self.inbox.get(..self.filled).unwrap_or_default();
        while let Some((payload, size)) =
            wire::split_frame(received.get(self.taken..).unwrap_or_default())?
        {
            let reply = wire::reply(payload)?;
            let (xid, sent_at) = self
                .in_flight
                .pop_front()
                .ok_or(LoadError::Protocol("an unasked reply"))?;
            if xid != reply.xid {
                return Err(LoadError::Protocol("a reply out of order"));
            }
            answered(&reply, sent_at)?;
            self.taken += size;
        }
        self.make_room();
        Ok(())
    }

    /// Moves an incomplete frame to the front, and doubles the buffer if it fills it.
    fn make_room(&mut self) {
        self.inbox.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        if self.filled == self.inbox.len() {
            self.inbox.resize(self.inbox.len() * 2, 0);
        }
    }
}

/// Whether a session can be opened right now; it is left to expire.
pub(crate) fn is_serving(target: SocketAddr) -> bool {
    open_session(target, SESSION_TIMEOUT_MS, None, PROBE_TIMEOUT).is_ok()
}

/// Connects and opens a session or takes up a known one; reads on the socket give up after `patience`.
pub(crate) fn open_session(
    target: SocketAddr,
    timeout_ms: i32,
    known: Option<&Credentials>,
    patience: Duration,
) -> Result<(TcpStream, Credentials), LoadError> {
    let mut stream = TcpStream::connect(target).doing(format!("connect to {target}"))?;
    stream.set_nodelay(true).doing("set TCP_NODELAY")?;
    stream
        .set_read_timeout(Some(patience))
        .doing("limit the handshake")?;
    let mut hello = Vec::new();
    wire::connect(&mut hello, timeout_ms, known);
    stream.write_all(&hello).doing("send the ConnectRequest")?;
    let granted = wire::granted(&read_frame(&mut stream)?)?;
    granted
        .map(|credentials| (stream, credentials))
        .ok_or(LoadError::Protocol("no session"))
}

/// What a server answers to a four-letter word.
pub(crate) fn four_letter_word(target: SocketAddr, word: &str) -> Result<String, LoadError> {
    let action = || format!("ask {target} for {word}");
    let mut stream = TcpStream::connect(target).doing(action())?;
    stream
        .set_read_timeout(Some(HANDSHAKE_TIMEOUT))
        .doing(action())?;
    stream.write_all(word.as_bytes()).doing(action())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).doing(action())?;
    Ok(answer)
}

pub(crate) fn read_frame(stream: &mut TcpStream) -> Result<Vec<u8>, LoadError> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).doing("receive a frame")?;
    let mut payload = vec![0; wire::payload_len(prefix)?];
    stream.read_exact(&mut payload).doing("receive a frame")?;
    Ok(payload)
}
