//! One client's socket: bytes in, bytes out, and when to do which. One task each.
//!
//! The task is a hand-written poll loop, so that a round trip costs one wake-up, one `recv` and
//! one `send`. Its buffers for a batch belong to the thread; a connection has memory of its own
//! only for what is incomplete or not taken by its client.
//!
//! Back-pressure: while the socket does not take replies, nothing is read from it and nothing is
//! taken out of the outbox, which then closes the connection at its bound.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::base::limits;
use crate::net::batch::Batch;
use crate::net::dialogue::Dialogue;
use crate::net::links::Link;
use crate::net::outbox::SLOW_READER;
use crate::net::server::Server;
use crate::net::tls::Preceded;
use crate::peer::Input;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ending {
    #[error("the client closed it")]
    ClosedByClient,
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Decided here, for this reason.
    #[error("{0}")]
    Closed(&'static str),
    #[error("a frame says it has {0} bytes, and jute.maxbuffer forbids that")]
    BadLength(i32),
    #[error("the client sent {0}, which cannot be taken")]
    Malformed(&'static str),
}

/// A connection of which nothing is known but that it is there. It is hung up with this.
pub(super) struct Newcomer(Option<(Arc<Server>, Arc<Link>)>);

impl Newcomer {
    pub(super) fn new(server: Arc<Server>, link: Arc<Link>) -> Self {
        Self(Some((server, link)))
    }

    fn parts(&self) -> &(Arc<Server>, Arc<Link>) {
        self.0.as_ref().expect("they are taken with self")
    }

    pub(super) fn server(&self) -> &Arc<Server> {
        &self.parts().0
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.parts().1.peer
    }

    /// Comes when the connection is to be closed.
    pub(super) async fn is_closed(&self) {
        let outbox = &self.parts().1.outbox;
        poll_fn(|cx| {
            outbox.register(cx.waker());
            match outbox.closes_at_once() {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        })
        .await;
    }

    fn into_parts(mut self) -> (Arc<Server>, Arc<Link>) {
        self.0.take().expect("they are taken once")
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        if let Some((server, link)) = self.0.take() {
            Dialogue::new(&server, link, None).hang_up(&server);
        }
    }
}

/// What a client is connected by. Each kind has a task of its own made of the same text, so that plain
/// text does not pay for TLS.
pub(super) trait ClientStream: AsyncRead + AsyncWrite + Unpin {
    /// The socket underneath.
    fn socket(&self) -> &TcpStream;

    /// What it has to say before the stream ends, as far as the socket takes it.
    fn farewell(&mut self);
}

impl ClientStream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }

    fn farewell(&mut self) {}
}

impl ClientStream for TlsStream<Preceded> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0.tcp()
    }

    fn farewell(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let (_, session) = self.get_mut();
        session.send_close_notify();
        // A socket that takes no more has no use for it either.
        let _ = Pin::new(self).poll_flush(&mut cx);
    }
}

/// Serves one client until its connection ends. `name` is that in its certificate.
pub(super) async fn serve<S: ClientStream>(newcomer: Newcomer, stream: S, name: Option<String>) {
    let (server, link) = newcomer.into_parts();
    let dialogue = Dialogue::new(&server, link, name);
    let mut connection = Connection {
        server,
        stream,
        input: BytesMut::new(),
        unsent: BytesMut::new(),
        waker: None,
        dialogue,
    };
    tracing::debug!(peer = %connection.dialogue.link().peer, "accepted");
    let ending =
        poll_fn(|cx| SCRATCH.with_borrow_mut(|scratch| connection.poll(cx, scratch))).await;
    connection.log(&ending);
    if matches!(ending, Ending::Closed(_) | Ending::Malformed(_)) {
        connection.part();
    }
}

struct Connection<S: ClientStream> {
    server: Arc<Server>,
    stream: S,
    /// Bytes received and not worked off.
    input: BytesMut,
    /// Replies the socket has not taken.
    unsent: BytesMut,
    /// What the outbox wakes.
    waker: Option<Waker>,
    dialogue: Dialogue,
}

/// However the task ends, also by a panic or with the runtime: nothing of the connection stays.
impl<S: ClientStream> Drop for Connection<S> {
    fn drop(&mut self) {
        self.dialogue.hang_up(&self.server);
    }
}

/// What a thread needs while it works on a batch, empty in between.
struct Scratch {
    input: Box<[u8]>,
    out: BytesMut,
    writes: Vec<Input>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; limits::SOCKET_READ_BYTES].into(),
        out: BytesMut::with_capacity(limits::REPLY_BYTES_PER_BATCH),
        writes: Vec::new(),
    });
}

impl Scratch {
    /// Another connection's task may have panicked and left its own there.
    fn clear(&mut self) {
        self.out.clear();
        self.writes.clear();
    }
}

impl<S: ClientStream> Connection<S> {
    fn poll(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Ending> {
        let server = &self.server.clone();
        scratch.clear();
        self.register(cx);
        for _ in 0..ROUNDS_PER_POLL {
            if let Some(reason) = self.dialogue.link().outbox.closes_at_once() {
                return Poll::Ready(Ending::Closed(reason));
            }
            if let Some(ending) = self.dialogue.take_cut() {
                return Poll::Ready(ending);
            }
            if let Err(error) = ready!(self.poll_flush(cx)) {
                return Poll::Ready(error.into());
            }
            if let Some(ending) = self.dialogue.take_ending() {
                return Poll::Ready(ending);
            }
            if let Some(word) = self.dialogue.word() {
                let answer = ready!(Pin::new(word).poll(cx));
                self.unsent.extend_from_slice(&answer.unwrap_or_default());
                self.dialogue
                    .end(Ending::Closed("a four-letter word was answered"));
                continue;
            }
            self.dialogue.poll_login(cx);
            let received = match self.poll_receive(server, cx, scratch) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ending::ClosedByClient),
                Poll::Ready(Ok(count)) => count,
                Poll::Ready(Err(error)) => return Poll::Ready(error.into()),
                Poll::Pending => 0,
            };
            if received == 0 && !self.has_work(server, cx) {
                return Poll::Pending;
            }
            self.work(server, scratch, received);
            if let Err(error) = self.send(cx, &mut scratch.out) {
                return Poll::Ready(error.into());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn register(&mut self, cx: &Context<'_>) {
        let waker = cx.waker();
        if !self
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            self.dialogue.link().outbox.register(waker);
            self.waker = Some(waker.clone());
        }
    }

    /// Reads once, if more requests are wanted. `Ready(Ok(0))` is the end of the stream.
    fn poll_receive(
        &mut self,
        server: &Server,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<io::Result<usize>> {
        if !self.dialogue.wants_bytes(server) || self.dialogue.has_frame(server, &self.input) {
            return Poll::Pending;
        }
        let mut buffer = ReadBuf::new(&mut scratch.input);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn has_work(&self, server: &Server, cx: &Context<'_>) -> bool {
        let await_room = || {
            let conn = self.dialogue.link().id;
            server.submissions.await_room(conn, cx.waker())
        };
        self.dialogue.has_work(server, &self.input) || (self.dialogue.wants_room() && await_room())
    }

    /// Works on the `received` bytes in `scratch`, or on what was left over before.
    fn work(&mut self, server: &Arc<Server>, scratch: &mut Scratch, received: usize) {
        let Scratch { input, out, writes } = scratch;
        let fresh = input.get(..received).unwrap_or_default();
        let batch = Batch::new(server, out, writes);
        if self.input.is_empty() {
            let consumed = self.dialogue.work(batch, fresh);
            let rest = fresh.get(consumed..).unwrap_or_default();
            if !rest.is_empty() {
                self.input.extend_from_slice(rest);
            }
            return;
        }
        self.input.extend_from_slice(fresh);
        let consumed = self.dialogue.work(batch, &self.input);
        self.input.advance(consumed);
        if self.input.is_empty() && self.input.capacity() > 0 {
            self.input = BytesMut::new();
        }
    }

    /// Gives `out` to the socket; what it does not take now is kept for later.
    fn send(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let sent = match Pin::new(&mut self.stream).poll_write(cx, out) {
            Poll::Ready(Ok(sent)) => sent,
            Poll::Ready(Err(error)) => {
                out.clear();
                return Err(error);
            }
            Poll::Pending => 0,
        };
        self.unsent
            .extend_from_slice(out.get(sent..).unwrap_or_default());
        out.clear();
        if out.capacity() > OUT_CAPACITY_KEPT {
            *out = BytesMut::with_capacity(limits::REPLY_BYTES_PER_BATCH);
        }
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))?;
            self.unsent.advance(sent);
            // Its pings are not read meanwhile, so this is how it proves that it is alive.
            self.dialogue.touch(self.server.clock.now().monotonic);
        }
        if self.unsent.capacity() > 0 {
            self.unsent = BytesMut::new();
        }
        // A TLS session may have what the socket did not take; plain text never has.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ends the stream towards the client and takes in what it has sent: unread bytes would turn
    /// the end into a reset, which may overtake the last reply.
    fn part(&mut self) {
        self.stream.farewell();
        let socket = self.stream.socket();
        // A socket that is broken already needs no farewell.
        let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
        SCRATCH.with_borrow_mut(
            |scratch| {
                while matches!(socket.try_read(&mut scratch.input), Ok(1..)) {}
            },
        );
    }

    fn log(&self, ending: &Ending) {
        let peer = self.dialogue.link().peer;
        let session = self.dialogue.session();
        match ending {
            Ending::Closed(SLOW_READER) | Ending::BadLength(_) | Ending::Malformed(_) => {
                tracing::warn!(%peer, %session, "closed a connection: {ending}");
            }
            _ => tracing::debug!(%peer, %session, "closed a connection: {ending}"),
        }
    }
}

/// Batches before other connections get their turn.
const ROUNDS_PER_POLL: usize = 8;

/// A thread's reply buffer that grew beyond this is let go.
const OUT_CAPACITY_KEPT: usize = 4 * limits::REPLY_BYTES_PER_BATCH;
