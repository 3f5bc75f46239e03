//! What a link carries that is more than a packet: the state, or a piece of the log.
//!
//! A thread that may wait makes chunks of bytes, the link's task sends them; the thread is never
//! more than a few chunks ahead, and ends when the link does. Nothing is queued behind a stream, so no
//! queue ends a link that stands still: its learner has a limit to take some more.
//!
//! ```text
//! snapshot:  SNAP packet | the state, see store::snapshot_stream
//! log range: PROPOSAL COMMIT PROPOSAL COMMIT ...
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::link::Link;
use super::serve::Ending;
use super::{LogRange, Shared};
use crate::base::{Zxid, limits};
use crate::net::Server;
use crate::store::log_range::LogPlace;
use crate::store::snapshot_stream::OutgoingSnapshot;
use crate::zab::{StreamItem, ToLearner};

/// Sends one item, whole. `place` is where in the log the item before it has ended, and then where this
/// one has.
pub(super) async fn stream(
    shared: &Arc<Shared>,
    link: &Link,
    item: StreamItem,
    place: &mut Option<LogPlace>,
) -> Result<(), Ending> {
    let (chunks, mut incoming) = mpsc::channel(CHUNKS_AHEAD);
    let parts = shared.parts.clone();
    let from = place.take();
    let making = tokio::task::spawn_blocking(move || match item {
        StreamItem::Snapshot => snapshot(&parts.server, &chunks).map(|()| None),
        StreamItem::LogRange { after, upto } => {
            let mut range = parts.logs.open(after, upto, from.as_ref())?;
            log_range(&mut *range, after, upto, &chunks)?;
            Ok(range.place())
        }
    });
    let stall_limit = Duration::from_millis(shared.options.stall_limit_ms);
    while let Some(chunk) = incoming.recv().await {
        write_all(link, chunk, stall_limit).await?;
    }
    let made = making.await.map_err(io::Error::other).flatten();
    *place = made.map_err(Ending::Source)?;
    Ok(())
}

async fn write_all(link: &Link, mut chunk: Bytes, stall_limit: Duration) -> Result<(), Ending> {
    while chunk.has_remaining() {
        match link.stream.try_write(&chunk) {
            Ok(count) => chunk.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let writable = timeout(stall_limit, link.stream.writable()).await;
                writable.map_err(|_| Ending::SlowReader)??;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

type Chunks = mpsc::Sender<Bytes>;

/// The state in slices, each under the shared lock, while the server works on it in between.
fn snapshot(server: &Server, chunks: &Chunks) -> io::Result<()> {
    let mut outgoing = OutgoingSnapshot::new(&server.state.read());
    let zxid = outgoing.zxid();
    tracing::info!(%zxid, "sending the whole state to a learner");
    let mut slice = ToLearner::Snap { zxid }.to_bytes().to_vec();
    loop {
        let state = server.state.read();
        let has_more = outgoing.next_slice(&state, &mut slice);
        drop(state);
        let chunk = std::mem::replace(&mut slice, Vec::with_capacity(CHUNK_BYTES));
        if !hand_over(chunks, chunk.into()) || !has_more {
            return Ok(());
        }
    }
}

fn log_range(range: &mut dyn LogRange, after: Zxid, upto: Zxid, chunks: &Chunks) -> io::Result<()> {
    let mut last = after;
    let mut packets = BytesMut::with_capacity(CHUNK_BYTES);
    while let Some((zxid, payload)) = range.next()? {
        if zxid <= last || zxid > upto {
            return Err(io::Error::other(format!(
                "{zxid} follows {last} in the log"
            )));
        }
        ToLearner::Proposal { zxid, payload }.encode(&mut packets);
        ToLearner::Commit { zxid }.encode(&mut packets);
        last = zxid;
        if packets.len() >= limits::SNAPSHOT_SLICE_BYTES
            && !hand_over(chunks, packets.split().freeze())
        {
            return Ok(());
        }
    }
    if last != upto {
        return Err(io::Error::other(format!(
            "the log ends at {last}, before {upto}"
        )));
    }
    hand_over(chunks, packets.freeze());
    Ok(())
}

/// Whether the link is still there.
fn hand_over(chunks: &Chunks, chunk: Bytes) -> bool {
    chunk.is_empty() || chunks.blocking_send(chunk).is_ok()
}

const CHUNKS_AHEAD: usize = 2;

/// A slice, and the node that passes its end.
const CHUNK_BYTES: usize = 2 * limits::SNAPSHOT_SLICE_BYTES;
