//! What a link carries that is more than a packet: the state, or a piece of the log.
//!
//! A thread that may wait makes chunks of bytes, the link's task sends them; the thread is never
//! more than a few chunks ahead, and ends when the link does.
//!
//! ```text
//! snapshot:  SNAP packet | the state, see store::snapshot_stream
//! log range: PROPOSAL COMMIT PROPOSAL COMMIT ...
//! ```

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc;

use super::link::Link;
use super::serve::Ending;
use super::{LogRanges, Shared};
use crate::base::{Zxid, limits};
use crate::net::Server;
use crate::store::snapshot_stream::OutgoingSnapshot;
use crate::zab::{StreamItem, ToLearner};

/// Sends one item, whole.
pub(super) async fn stream(
    shared: &Arc<Shared>,
    link: &Link,
    item: StreamItem,
) -> Result<(), Ending> {
    let (chunks, mut incoming) = mpsc::channel(CHUNKS_AHEAD);
    let parts = shared.parts.clone();
    let making = tokio::task::spawn_blocking(move || match item {
        StreamItem::Snapshot => snapshot(&parts.server, &chunks),
        StreamItem::LogRange { after, upto } => log_range(&*parts.logs, after, upto, &chunks),
    });
    while let Some(chunk) = incoming.recv().await {
        write_all(link, chunk).await?;
    }
    let made = making.await.map_err(io::Error::other).flatten();
    made.map_err(Ending::Source)
}

async fn write_all(link: &Link, mut chunk: Bytes) -> io::Result<()> {
    while chunk.has_remaining() {
        match link.stream.try_write(&chunk) {
            Ok(count) => chunk.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                link.stream.writable().await?;
            }
            Err(error) => return Err(error),
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

fn log_range(logs: &dyn LogRanges, after: Zxid, upto: Zxid, chunks: &Chunks) -> io::Result<()> {
    let mut last = after;
    let mut packets = BytesMut::with_capacity(CHUNK_BYTES);
    for transaction in logs.open(after, upto)? {
        let (zxid, payload) = transaction?;
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
