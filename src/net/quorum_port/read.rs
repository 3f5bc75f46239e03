//! From bytes to packets, and from packets to inputs, all of one read in one go.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::runtime::Handle;

use super::Shared;
use super::link::Link;
use super::serve::{Ending, Side};
use crate::base::{Monotonic, QuorumLink, Zxid};
use crate::net::Server;
use crate::peer::Input;
use crate::zab::{PacketError, ToLeader, ToLearner, packet_len};

/// Why bytes close their link.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("{0}")]
    Packet(#[from] PacketError),
    #[error("a packet has more than {0} bytes")]
    TooLong(usize),
    #[error("a second snapshot on one link")]
    SecondSnapshot,
}

/// Reads until the link ends.
pub(super) async fn read(shared: &Arc<Shared>, link: &Arc<Link>, side: Side) -> Ending {
    let mut cutter = Cutter::new(link.id, side, shared.options.field_bytes_max);
    cutter.buffer = link.take_received();
    let submissions = &shared.parts.server.submissions;
    let mut inputs = Vec::new();
    let mut has_snapshot = false;
    link.counters.begin(shared.parts.server.clock.now().wall);
    loop {
        let before = cutter.buffer.len();
        let cut = cutter.cut(&mut inputs);
        if link.is_closing() {
            inputs.clear();
        }
        link.counters.count_received(&inputs);
        submissions.notify_all(&mut inputs, before - cutter.buffer.len());
        match cut {
            Ok(Cut::Partial) => {
                submissions.link_room().await;
                match receive(link, &mut cutter.buffer).await {
                    Ok(0) => return Ending::ClosedByPeer,
                    Ok(_) => {}
                    Err(error) => return error.into(),
                }
            }
            Ok(Cut::Snapshot(_)) if has_snapshot => return Malformed::SecondSnapshot.into(),
            Ok(Cut::Snapshot(zxid)) => {
                has_snapshot = true;
                match receive_state(shared, link, zxid, cutter.buffer).await {
                    Ok(rest) => cutter.buffer = rest,
                    Err(error) => return Ending::Snapshot(error),
                }
            }
            Err(error) => return error.into(),
        }
    }
}

async fn receive(link: &Link, buffer: &mut BytesMut) -> io::Result<usize> {
    if buffer.capacity() - buffer.len() < READ_BYTES_MIN {
        buffer.reserve(READ_BYTES);
    }
    loop {
        match link.stream.try_read_buf(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
        link.stream.readable().await?;
    }
}

/// The bytes of one link that are not yet packets.
struct Cutter {
    link: QuorumLink,
    side: Side,
    buffer: BytesMut,
    field_bytes_max: usize,
}

/// Where the cutting stopped.
enum Cut {
    /// More bytes are needed.
    Partial,
    /// Behind a SNAP packet: no packet follows.
    Snapshot(Zxid),
}

impl Cutter {
    fn new(link: QuorumLink, side: Side, field_bytes_max: usize) -> Self {
        Self {
            link,
            side,
            buffer: BytesMut::new(),
            field_bytes_max,
        }
    }

    /// Takes all whole packets. Their payloads stay where they are.
    fn cut(&mut self, inputs: &mut Vec<Input>) -> Result<Cut, Malformed> {
        let link = self.link;
        while let Some(length) = packet_len(&self.buffer, self.field_bytes_max)? {
            let packet = self.buffer.split_to(length).freeze();
            match self.side {
                Side::Leader => {
                    let packet = ToLeader::decode(&packet)?;
                    inputs.push(Input::FromLearner { link, packet });
                }
                Side::Learner => match ToLearner::decode(&packet)? {
                    ToLearner::Snap { zxid } => return Ok(Cut::Snapshot(zxid)),
                    packet => inputs.push(Input::FromLeader { link, packet }),
                },
            }
        }
        let packet_bytes_max = self.field_bytes_max.saturating_mul(2) + PACKET_EXTRA_BYTES;
        if self.buffer.len() > packet_bytes_max {
            return Err(Malformed::TooLong(packet_bytes_max));
        }
        Ok(Cut::Partial)
    }
}

/// Reads the state behind a SNAP packet and hands both over. What came behind it.
async fn receive_state(
    shared: &Arc<Shared>,
    link: &Arc<Link>,
    zxid: Zxid,
    buffer: BytesMut,
) -> io::Result<BytesMut> {
    let receiver = shared.parts.snapshots.clone();
    let mut input = BlockingReader {
        link: link.clone(),
        server: shared.parts.server.clone(),
        runtime: Handle::current(),
        told: shared.parts.server.clock.now().monotonic,
        buffer,
    };
    tracing::info!(%zxid, "the leader sends its whole state");
    let receive = move || {
        let state = receiver.receive(zxid, &mut input)?;
        Ok((state, input.buffer))
    };
    let (state, rest) = tokio::task::spawn_blocking(receive)
        .await
        .map_err(io::Error::other)
        .flatten()?;
    let input = Input::FromLeader {
        link: link.id,
        packet: ToLearner::Snap { zxid },
    };
    let submissions = &shared.parts.server.submissions;
    submissions.notify_with_state(input, state);
    Ok(rest)
}

/// A link as a thread that may wait reads it.
struct BlockingReader {
    link: Arc<Link>,
    server: Arc<Server>,
    runtime: Handle,
    /// When the writer last heard that something comes: no packet tells it so meanwhile.
    told: Monotonic,
    /// Received and not yet read.
    buffer: BytesMut,
}

impl Read for BlockingReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            let receive = receive(&self.link, &mut self.buffer);
            self.runtime.block_on(receive)?;
            self.tell();
        }
        let count = self.buffer.len().min(into.len());
        self.buffer.copy_to_slice(into.split_at_mut(count).0);
        Ok(count)
    }
}

impl BlockingReader {
    fn tell(&mut self) {
        let now = self.server.clock.now().monotonic;
        if now.since(self.told) >= TOLD_EVERY_MS && !self.link.is_closing() {
            self.told = now;
            let link = self.link.id;
            self.server.submissions.notify(Input::LeaderSends { link });
        }
    }
}

/// How often the writer hears that more of a snapshot has come.
const TOLD_EVERY_MS: u64 = 100;

/// Taken from a socket at one go, if it has as much.
const READ_BYTES: usize = 64 * 1024;

/// Less room than this is not worth a read.
const READ_BYTES_MIN: usize = 4 * 1024;

/// What a packet may have besides its payload and identities as long as that.
const PACKET_EXTRA_BYTES: usize = 64 * 1024;
