//! One kept election link: frames both ways.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Shared;
use super::owner::Event;
use crate::base::ServerId;
use crate::election::{FrameError, LinkId, Received, frame_length};
use crate::net::tls::PeerStream;
use crate::peer::Input;

/// A link as its task needs it.
pub(super) struct KeptLink {
    pub(super) shared: Arc<Shared>,
    pub(super) link: LinkId,
    pub(super) peer: ServerId,
    pub(super) stream: PeerStream,
    /// Bytes that came with the initial message.
    pub(super) received: BytesMut,
    /// Messages to send, one at a time; closed when the link is to be.
    pub(super) messages: mpsc::Receiver<Bytes>,
    pub(super) events: mpsc::Sender<Event>,
}

/// Why a link ends.
#[derive(Debug, thiserror::Error)]
enum Ending {
    #[error("the other side closed it")]
    ClosedByPeer,
    #[error("another one has taken its place")]
    Closed,
    #[error("the other side does not take a message")]
    Stuck,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Malformed(#[from] FrameError),
}

/// Carries frames until either side closes the link.
pub(super) async fn serve(mut kept: KeptLink) -> Event {
    let (link, peer) = (kept.link, kept.peer);
    let (mut reading, mut writing) = tokio::io::split(kept.stream);
    let mut reader = Reader {
        shared: &kept.shared,
        peer,
        buffer: kept.received,
        has_warned: false,
    };
    let ending = tokio::select! {
        ending = reader.run(&mut reading) => ending,
        ending = write(&mut writing, link, &mut kept.messages, &kept.events) => ending,
    };
    match ending {
        Ending::Malformed(_) | Ending::Stuck => {
            tracing::warn!(sid = %peer, "closed an election link: {ending}");
        }
        _ => tracing::debug!(sid = %peer, "an election link ends: {ending}"),
    }
    Event::Closed(link)
}

struct Reader<'a> {
    shared: &'a Shared,
    peer: ServerId,
    buffer: BytesMut,
    /// Whether a message that cannot be read was complained about: more may come every second.
    has_warned: bool,
}

impl Reader<'_> {
    async fn run(&mut self, stream: &mut ReadHalf<PeerStream>) -> Ending {
        loop {
            match self.hand_over() {
                Ok(bytes_missing) => self.buffer.reserve(bytes_missing),
                Err(error) => return error.into(),
            }
            self.shared.server.submissions.link_room().await;
            match stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Ending::ClosedByPeer,
                Ok(_) => {}
                Err(error) => return error.into(),
            }
        }
    }

    /// Hands over all whole frames. How many bytes the next one lacks.
    fn hand_over(&mut self) -> Result<usize, FrameError> {
        let mut inputs = Vec::new();
        let mut bytes = 0;
        let outcome = loop {
            let Some(field) = self.buffer.first_chunk() else {
                break Ok(READ_BYTES);
            };
            let length = match frame_length(i32::from_be_bytes(*field)) {
                Ok(length) => length,
                Err(error) => break Err(error),
            };
            let Some(message) = self.buffer.get(LENGTH_BYTES..LENGTH_BYTES + length) else {
                break Ok(LENGTH_BYTES + length - self.buffer.len());
            };
            let multi_address_enabled = self.shared.options.multi_address_enabled;
            match Received::decode(message, multi_address_enabled) {
                Ok(message) => inputs.push(Input::Notification {
                    from: self.peer,
                    message,
                }),
                Err(error) if self.has_warned => {
                    tracing::debug!(sid = %self.peer, "dropped a notification: {error}");
                }
                Err(error) => {
                    tracing::warn!(sid = %self.peer, "dropped a notification: {error}");
                    self.has_warned = true;
                }
            }
            bytes += length;
            self.buffer.advance(LENGTH_BYTES + length);
        };
        self.shared
            .server
            .submissions
            .notify_all(&mut inputs, bytes);
        outcome
    }
}

async fn write(
    stream: &mut WriteHalf<PeerStream>,
    link: LinkId,
    messages: &mut mpsc::Receiver<Bytes>,
    events: &mpsc::Sender<Event>,
) -> Ending {
    while let Some(message) = messages.recv().await {
        let length = i32::try_from(message.len()).expect("a notification is smaller than 2 GiB");
        let mut frame = BytesMut::with_capacity(LENGTH_BYTES + message.len());
        frame.put_i32(length);
        frame.put_slice(&message);
        match timeout(WRITE_TIMEOUT, send(stream, &frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return Ending::Stuck,
        }
        // The owner is gone only when the port is closed.
        let _ = events.send(Event::Written(link)).await;
    }
    Ending::Closed
}

/// With TLS what is written has not left before it is flushed.
async fn send(stream: &mut WriteHalf<PeerStream>, frame: &[u8]) -> io::Result<()> {
    stream.write_all(frame).await?;
    stream.flush().await
}

const LENGTH_BYTES: usize = 4;

/// Room for a few notifications.
const READ_BYTES: usize = 4096;

/// A notification fits the buffers of the sockets many times, so a server that does not take one
/// for this long is not there; a new link will have the newest.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
