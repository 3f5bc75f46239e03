//! One connection and what is to be sent on it.
//!
//! The thread that queues packets also writes them, without waiting, as long as the socket takes
//! them: that saves a change of threads. When it does not, or something is to be streamed, the rest
//! is left to the link's task, and until the queue is empty again only the task writes.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use rustix::net::{Shutdown, shutdown};
use tokio::sync::Notify;

use super::figures::LinkCounters;
use crate::base::{QuorumLink, limits};
use crate::net::tls::Socket;
use crate::zab::StreamItem;

/// A connection between a leader and a learner.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: QuorumLink,
    pub(super) peer: SocketAddr,
    pub(super) stream: Socket,
    /// What may wait to be sent. Nobody queues behind a stream but what is little.
    queue_bytes_max: usize,
    /// What came with its login and is not read yet.
    received: Mutex<BytesMut>,
    outbox: Mutex<Outbox>,
    pub(super) counters: LinkCounters,
    /// Rung when the task has something to write, or is to end.
    bell: Notify,
    /// Rung when the link is to close behind what is queued.
    closing: Notify,
}

#[derive(Debug, Default)]
struct Outbox {
    queue: VecDeque<Item>,
    /// Of the packets in the queue.
    bytes: usize,
    /// Something was queued since the last flush.
    is_touched: bool,
    /// Only the task may write.
    task_writes: bool,
    /// To be closed behind what is queued.
    is_closing: bool,
    /// More was queued than may be.
    has_overflowed: bool,
}

#[derive(Debug)]
enum Item {
    Packets(Bytes),
    Stream(StreamItem),
}

/// What the link's task does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Step again: those who queue had their chance to get in between.
    Write,
    /// Wait until the socket takes more.
    AwaitSocket,
    /// Wait for [`Link::rung`].
    AwaitWork,
    /// Send this before anything else.
    Stream(StreamItem),
    /// All is sent, and the link is to be closed.
    Close,
}

impl Link {
    pub(super) fn new(
        id: QuorumLink,
        peer: SocketAddr,
        stream: Socket,
        received: BytesMut,
        queue_bytes_max: usize,
    ) -> Self {
        Self {
            id,
            peer,
            stream,
            queue_bytes_max: queue_bytes_max.min(limits::QUORUM_LINK_BYTES),
            received: Mutex::new(received),
            outbox: Mutex::new(Outbox::default()),
            counters: LinkCounters::default(),
            bell: Notify::new(),
            closing: Notify::new(),
        }
    }

    /// Here and below: whether nothing was queued since the last flush.
    pub(super) fn send(&self, packets: Bytes) -> bool {
        self.counters.count_sent(&packets);
        let mut outbox = self.outbox.lock();
        if outbox.would_overflow(packets.len(), self.queue_bytes_max) {
            outbox.has_overflowed = true;
            outbox.queue.clear();
            outbox.bytes = 0;
            drop(outbox);
            self.cut();
            return false;
        }
        outbox.bytes += packets.len();
        outbox.queue.push_back(Item::Packets(packets));
        outbox.touch()
    }

    pub(super) fn stream(&self, item: StreamItem) -> bool {
        let mut outbox = self.outbox.lock();
        outbox.queue.push_back(Item::Stream(item));
        outbox.touch()
    }

    /// Sends what is queued as far as the socket takes it, and leaves the rest to the task.
    pub(super) fn flush(&self) {
        let mut outbox = self.outbox.lock();
        outbox.is_touched = false;
        if outbox.task_writes {
            return;
        }
        let written = loop {
            match outbox.write(&self.stream) {
                Ok(Written::Some) => {}
                written => break written,
            }
        };
        // The task finds a broken socket broken too, and ends.
        if !matches!(written, Ok(Written::All)) {
            outbox.task_writes = true;
            drop(outbox);
            self.bell.notify_one();
        }
    }

    /// Closes behind what is queued.
    pub(super) fn close(&self) {
        self.outbox.lock().is_closing = true;
        self.closing.notify_one();
        self.flush();
        self.bell.notify_one();
    }

    /// Closes at once, also for those who wait for the socket.
    pub(super) fn cut(&self) {
        // It may be broken already.
        let _ = shutdown(self.stream.tcp(), Shutdown::Both);
        self.bell.notify_one();
    }

    /// What waits to be sent: how many items, and the bytes of those that are packets.
    pub(super) fn queued(&self) -> (usize, usize) {
        let outbox = self.outbox.lock();
        (outbox.queue.len(), outbox.bytes)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.outbox.lock().is_closing
    }

    pub(super) fn has_overflowed(&self) -> bool {
        self.outbox.lock().has_overflowed
    }

    /// For the task: writes once, and says what comes next.
    pub(super) fn step(&self) -> io::Result<Step> {
        let mut outbox = self.outbox.lock();
        let written = outbox.write(&self.stream)?;
        outbox.task_writes = !matches!(written, Written::All);
        Ok(match written {
            Written::Some => Step::Write,
            Written::Blocked => Step::AwaitSocket,
            Written::UpTo(item) => {
                outbox.queue.pop_front();
                Step::Stream(item)
            }
            Written::All if outbox.is_closing => Step::Close,
            Written::All => Step::AwaitWork,
        })
    }

    /// For the task: there is a step to do.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// For the task: the bytes that come before those of the stream.
    pub(super) fn take_received(&self) -> BytesMut {
        std::mem::take(&mut self.received.lock())
    }

    /// For the task: [`Link::close`] was called.
    pub(super) async fn closing(&self) {
        self.closing.notified().await;
    }
}

/// How far a write got.
enum Written {
    All,
    /// There may be more that the socket takes.
    Some,
    /// The socket takes no more.
    Blocked,
    /// To something that is no packet.
    UpTo(StreamItem),
}

impl Outbox {
    fn touch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_touched, true)
    }

    /// Whether so many bytes more are more than may wait. One packet may whatever its size, as far as
    /// there may be such packets at all.
    fn would_overflow(&self, more: usize, queue_bytes_max: usize) -> bool {
        let bytes = self.bytes + more;
        let is_too_much = self.bytes > 0 && bytes > queue_bytes_max;
        bytes > limits::QUORUM_LINK_BYTES || is_too_much
    }

    /// Writes packets up to the next item that is none, many with one call.
    fn write(&mut self, stream: &Socket) -> io::Result<Written> {
        match self.queue.front() {
            None => {
                return match stream.try_flush() {
                    Ok(()) => Ok(Written::All),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Written::Blocked),
                    Err(error) => Err(error),
                };
            }
            Some(Item::Stream(item)) => return Ok(Written::UpTo(*item)),
            Some(Item::Packets(_)) => {}
        }
        match stream.try_write_vectored(&self.gather()) {
            Ok(count) => {
                self.advance(count);
                Ok(Written::Some)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Written::Blocked),
            Err(error) => Err(error),
        }
    }

    fn gather(&self) -> Vec<IoSlice<'_>> {
        let mut slices = Vec::with_capacity(self.queue.len().min(SLICES_PER_WRITE));
        let mut bytes = 0;
        for item in self.queue.iter().take(SLICES_PER_WRITE) {
            let Item::Packets(packets) = item else {
                break;
            };
            slices.push(IoSlice::new(packets));
            bytes += packets.len();
            if bytes >= BYTES_PER_WRITE {
                break;
            }
        }
        slices
    }

    /// The first `count` bytes are sent.
    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(Item::Packets(packets)) = self.queue.front_mut() {
            if packets.len() > count {
                packets.advance(count);
                return;
            }
            count -= packets.len();
            self.queue.pop_front();
        }
        assert!(count == 0, "no more is sent than was given");
        if self.queue.capacity() > CAPACITY_KEPT && self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }
}

/// Packets given to the socket with one call.
const SLICES_PER_WRITE: usize = 256;

/// Bytes given to the socket with one call, beyond one packet: those who queue wait meanwhile.
const BYTES_PER_WRITE: usize = 1024 * 1024;

/// Room in the queue that a link keeps when nothing waits.
const CAPACITY_KEPT: usize = 4096;
