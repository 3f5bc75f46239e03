//! What goes into a follower that serves observers and what comes out.

use bytes::Bytes;

use super::super::catch_up::queue::LinkOutput;
use super::super::{CloseReason, LearnerRequest, LogProbe, StreamItem, ToLeader, ZabOptions};
use crate::base::{Epoch, QuorumLink, SessionId, Zxid};

/// What can happen to a follower that serves observers.
#[derive(Debug, Clone)]
pub enum ObserverMasterInput {
    /// Somebody has dialled in.
    Connected {
        link: QuorumLink,
    },
    Received {
        link: QuorumLink,
        packet: ToLeader,
    },
    /// The link is closed, by the other side or by a failure.
    Gone {
        link: QuorumLink,
    },
    /// The answer to [`ObserverMasterOutput::ProbeLog`]; `None`: the log cannot serve.
    LogProbed {
        link: QuorumLink,
        found: Option<LogProbe>,
    },
    /// What was asked for by a [`ObserverMasterOutput::Stream`] is sent.
    Streamed {
        link: QuorumLink,
    },
    /// The own log holds everything up to this, durably.
    Appended(Zxid),
    /// Time has passed.
    Wake,
}

/// What it asks for, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObserverMasterOutput {
    /// Send the bytes of one packet or of several.
    Send { link: QuorumLink, packets: Bytes },
    /// Send what is too much to pass through here, in its place among the packets.
    Stream { link: QuorumLink, item: StreamItem },
    /// Close the link behind what is sent; no answer.
    Close {
        link: QuorumLink,
        reason: CloseReason,
    },
    /// Look whether the log on disk has what lies behind `after`, up to `upto`, and is small enough.
    ProbeLog {
        link: QuorumLink,
        after: Zxid,
        upto: Zxid,
    },
    /// An observer passes on a client's request; the leader is to have it.
    Request {
        link: QuorumLink,
        request: LearnerRequest,
    },
    /// An observer has heard of these sessions; with their timeouts.
    Touched { sessions: Vec<(SessionId, i32)> },
    /// A client came back to an observer with its session: the leader is asked.
    Revalidate {
        link: QuorumLink,
        session: SessionId,
        timeout_ms: i32,
    },
}

/// What an operator may set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ObserverMasterOptions {
    pub zab: ZabOptions,
    /// `zookeeper.observerMaster.sizeLimit`: bytes that may wait to be sent to one observer. What is
    /// given to it from memory at once is half of that at most.
    pub queue_bytes_max: usize,
}

/// The term in which observers are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    pub epoch: Epoch,
    /// The last transaction that is committed as far as this server knows: its window ends with it.
    pub committed: Zxid,
    /// What of it the own log has, durably.
    pub durable: Zxid,
}

impl LinkOutput for ObserverMasterOutput {
    fn send(link: QuorumLink, packets: Bytes) -> Self {
        Self::Send { link, packets }
    }

    fn stream(link: QuorumLink, item: StreamItem) -> Self {
        Self::Stream { link, item }
    }
}
