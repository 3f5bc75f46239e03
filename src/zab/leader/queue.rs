//! What goes to one learner at once: packets in pieces, and streams in their place between them.

use bytes::BytesMut;

use super::super::ToLearner;
use super::sync_plan::{Opening, SyncPlan};
use super::{LeaderOutput, StreamItem};
use crate::base::QuorumLink;

/// A piece is sent when it has as many bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// Packets for one learner, collected into pieces.
pub(super) struct Queue<'a> {
    link: QuorumLink,
    piece: BytesMut,
    streams: usize,
    out: &'a mut Vec<LeaderOutput>,
}

impl<'a> Queue<'a> {
    pub(super) fn new(link: QuorumLink, out: &'a mut Vec<LeaderOutput>) -> Self {
        Self {
            link,
            piece: BytesMut::new(),
            streams: 0,
            out,
        }
    }

    /// DIFF, TRUNC or a snapshot, and what comes from the log.
    pub(super) fn open(&mut self, plan: SyncPlan) {
        match plan.opening {
            Opening::Diff(zxid) => self.put(&ToLearner::Diff { zxid }),
            Opening::Trunc(zxid) => self.put(&ToLearner::Trunc { zxid }),
            Opening::Snap => self.stream(StreamItem::Snapshot),
        }
        if let Some((after, upto)) = plan.log {
            self.stream(StreamItem::LogRange { after, upto });
        }
    }

    pub(super) fn put(&mut self, packet: &ToLearner) {
        packet.encode(&mut self.piece);
        if self.piece.len() >= PIECE_BYTES {
            self.flush();
        }
    }

    fn stream(&mut self, item: StreamItem) {
        self.flush();
        self.streams += 1;
        let link = self.link;
        self.out.push(LeaderOutput::Stream { link, item });
    }

    fn flush(&mut self) {
        if !self.piece.is_empty() {
            let packets = self.piece.split().freeze();
            let link = self.link;
            self.out.push(LeaderOutput::Send { link, packets });
        }
    }

    /// How many streams there are among the packets.
    pub(super) fn finish(mut self) -> usize {
        self.flush();
        self.streams
    }
}
