//! What goes to one learner at once: packets in pieces, and streams in their place between them.

use bytes::{Bytes, BytesMut};

use super::StreamItem;
use super::feed::Feed;
use super::plan::{Opening, SyncPlan};
use crate::base::QuorumLink;
use crate::zab::{Committed, ToLearner};

/// A piece is sent when it has as many bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// How whoever brings a learner up to date asks for bytes to be sent.
pub(in crate::zab) trait LinkOutput {
    fn send(link: QuorumLink, packets: Bytes) -> Self;
    fn stream(link: QuorumLink, item: StreamItem) -> Self;
}

/// Packets for one learner, collected into pieces.
pub(in crate::zab) struct Queue<'a, O> {
    link: QuorumLink,
    piece: BytesMut,
    out: &'a mut Vec<O>,
}

impl<'a, O: LinkOutput> Queue<'a, O> {
    pub(in crate::zab) fn new(link: QuorumLink, out: &'a mut Vec<O>) -> Self {
        Self {
            link,
            piece: BytesMut::new(),
            out,
        }
    }

    /// DIFF, TRUNC or a snapshot, and what comes from the log. If there is a stream among it, the
    /// learner is to be fed on when that is sent; else it has all up to `plan.after`.
    pub(in crate::zab) fn open(&mut self, plan: SyncPlan) -> Option<Feed> {
        match plan.opening {
            Opening::Diff(zxid) => self.put(&ToLearner::Diff { zxid }),
            Opening::Trunc(zxid) => self.put(&ToLearner::Trunc { zxid }),
            Opening::Snap => {
                self.stream(StreamItem::Snapshot);
                return Some(Feed::new(plan.after));
            }
        }
        let (after, upto) = plan.log?;
        self.stream(StreamItem::LogRange { after, upto });
        Some(Feed::new(upto))
    }

    pub(in crate::zab) fn put(&mut self, packet: &ToLearner) {
        packet.encode(&mut self.piece);
        if self.piece.len() >= PIECE_BYTES {
            self.flush();
        }
    }

    /// What is committed, each proposed first.
    pub(in crate::zab) fn put_history<'c>(
        &mut self,
        history: impl IntoIterator<Item = &'c Committed>,
    ) {
        for Committed { zxid, payload } in history {
            let (zxid, payload) = (*zxid, payload.clone());
            self.put(&ToLearner::Proposal { zxid, payload });
            self.put(&ToLearner::Commit { zxid });
        }
    }

    pub(in crate::zab) fn stream(&mut self, item: StreamItem) {
        self.flush();
        self.out.push(O::stream(self.link, item));
    }

    fn flush(&mut self) {
        if !self.piece.is_empty() {
            let packets = self.piece.split().freeze();
            self.out.push(O::send(self.link, packets));
        }
    }

    /// NEWLEADER ends what is queued.
    pub(in crate::zab) fn finish(mut self, new_leader: &ToLearner) {
        self.put(new_leader);
        self.flush();
    }
}
