//! What goes into a peer and what comes out.

use std::sync::Arc;

use bytes::Bytes;

use crate::auth::AuthIds;
use crate::base::{ConnId, Epoch, QuorumLink, ServerId, SessionId, Xid, Zxid};
use crate::election::{LinkState, Received};
use crate::proto::{NodeEvent, Op, WriteReply, WriteRequest};
use crate::quorum::{Address, Membership, QuorumView};
use crate::session::{PASSWORD_LEN, SessionHandle};
use crate::zab::{Committed, LogProbe, StreamItem, ToLeader, ToLearner};

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A connection wants a session: a new one or its old one. Once for each connection.
    Connect {
        conn: ConnId,
        request: ConnectAsk,
    },
    /// A request of class write or sync.
    Write(Write),
    /// A connection is gone. The session stays.
    Disconnected {
        conn: ConnId,
    },
    /// Everything up to and including this is durable.
    Appended {
        zxid: Zxid,
    },
    AcceptedEpochSaved(Epoch),
    CurrentEpochSaved(Epoch),
    /// The log and the snapshots end with this; the state was read back and is in place. With the
    /// newest transactions of the log.
    Truncated {
        zxid: Zxid,
        recent: Vec<Committed>,
    },
    /// The log and the snapshots do not lead to where they were to be cut, and are as they were.
    NotTruncated {
        zxid: Zxid,
    },
    /// The state in memory is on disk.
    SnapshotStored {
        zxid: Zxid,
    },
    /// The state was read back from disk and is in place; as above.
    Reloaded {
        zxid: Zxid,
        recent: Vec<Committed>,
    },
    /// Everything that the disk was asked for before [`Output::Drain`] is done.
    Drained,
    /// The answer to [`Output::ProbeLog`].
    LogProbed {
        link: QuorumLink,
        found: Option<LogProbe>,
    },
    /// Another server's word on the election port.
    Notification {
        from: ServerId,
        message: Received,
    },
    /// Whether another server's election port can be reached.
    Reach {
        peer: ServerId,
        state: LinkState,
    },
    /// The port for learners cannot be opened.
    QuorumPortFailed {
        reason: String,
    },
    /// A learner has dialled in.
    LearnerConnected {
        link: QuorumLink,
    },
    FromLearner {
        link: QuorumLink,
        packet: ToLeader,
    },
    /// What [`Output::Stream`] asked for is sent.
    Streamed {
        link: QuorumLink,
    },
    /// A learner's link is closed, by the other side or by a failure.
    LearnerGone {
        link: QuorumLink,
    },
    /// The leader that was dialled has answered.
    LeaderConnected {
        link: QuorumLink,
    },
    /// More of the leader's snapshot has come. Said from time to time.
    LeaderSends {
        link: QuorumLink,
    },
    /// A packet of the leader. With SNAP the whole snapshot has been received.
    FromLeader {
        link: QuorumLink,
        packet: ToLearner,
    },
    /// The leader cannot be reached, or its link is closed; not after [`Output::HangUp`].
    LeaderGone {
        link: QuorumLink,
        reason: String,
    },
    /// The time that `next_deadline` gave has come.
    Wake,
}

/// What a client asks for with its first frame.
#[derive(Debug, Clone)]
pub struct ConnectAsk {
    pub last_zxid_seen: Zxid,
    pub timeout_ms: i32,
    /// [`SessionId::NONE`] for a new one.
    pub session: SessionId,
    pub password: Option<Bytes>,
    /// The client makes do with reads.
    pub read_only: bool,
}

/// A client's write or sync, read from its connection.
#[derive(Debug)]
pub struct Write {
    pub conn: ConnId,
    pub session: SessionId,
    pub xid: Xid,
    pub op: Op,
    pub request: WriteRequest,
    /// The connection's identities when the request was read.
    pub ids: AuthIds,
    /// What `request` was read from: a learner passes it on.
    pub body: Bytes,
}

/// What the driver is to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Put a transaction into the log, and say `Appended` once it is durable. zxids rise. The disk
    /// does this and the following up to `Drain` one after the other.
    Append {
        zxid: Zxid,
        payload: Bytes,
    },
    SaveAcceptedEpoch(Epoch),
    /// Once everything appended before is durable.
    SaveCurrentEpoch(Epoch),
    /// Keep a configuration that may become committed. The disk does it in its turn; no answer.
    SaveSeenView(Arc<QuorumView>),
    /// Keep a committed configuration, which the next start reads; likewise. `keeps_seen`: a newer one
    /// was seen.
    SaveCommittedView {
        view: Arc<QuorumView>,
        keeps_seen: bool,
    },
    /// Other servers are members, or are elsewhere, perhaps this one: ports and dials follow.
    Members(Arc<Membership>),
    /// Forget what lies behind this in log and snapshots, read the state back.
    Truncate {
        zxid: Zxid,
    },
    /// Make the state in memory, which is that of `zxid`, the one that is on disk.
    StoreSnapshot {
        zxid: Zxid,
    },
    /// Read the state back: the one in memory is not to be trusted.
    Reload,
    /// Say `Drained` once everything before is done.
    Drain,
    /// Look whether the log has what lies behind `after` up to `upto`, and is small enough to be
    /// sent instead of a snapshot. Not in the order of the others.
    ProbeLog {
        link: QuorumLink,
        after: Zxid,
        upto: Zxid,
    },
    /// Send this on the election port; it takes the place of what still waits for that server.
    Notify {
        to: ServerId,
        message: Bytes,
    },
    /// Whether an election is on.
    Eager(bool),
    /// Listen for learners there.
    OpenQuorumPort(Door),
    /// The port that is open and the links of all learners.
    CloseQuorumPort,
    /// Send packets to a learner, or to the leader.
    Send {
        link: QuorumLink,
        packets: Bytes,
    },
    /// Send more than a packet to a learner, in its place among the packets; then say `Streamed`.
    Stream {
        link: QuorumLink,
        item: StreamItem,
    },
    /// Close a learner's link behind what is sent; no answer.
    CloseLink {
        link: QuorumLink,
    },
    /// Dial until the leader answers or the budget of the configuration is used up; a follower that
    /// is to serve this observer is dialled for a short time only, as there are others.
    DialLeader {
        leader: ServerId,
        door: Door,
        addresses: Vec<Address>,
    },
    /// Close the link to the leader, or stop dialling; no answer.
    HangUp,
    /// Put the state that came with the last SNAP packet in the place of the one in memory.
    InstallSnapshot {
        zxid: Zxid,
    },
    /// Clients may connect from here on.
    Serve(Mode),
    /// Close all clients' connections and take no more; forget their watches.
    Retire,
    /// Stop the process.
    Exit {
        code: u8,
        reason: String,
    },
}

/// Where a server takes learners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// The quorum port, while it leads.
    Leader,
    /// `observerMasterPort`, for observers only, while it follows.
    Follower,
}

/// What a server is to its clients, as `srvr` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    Standalone,
    Leader,
    Follower,
    Observer,
    /// It has no leader, and serves reads from the state it has.
    ReadOnly,
}

impl Mode {
    /// Apache's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::ReadOnly => "read-only",
        }
    }
}

/// What connections are to be told, in order.
#[derive(Debug, Clone)]
pub enum ClientOutput {
    /// The connection has its session.
    Connected {
        conn: ConnId,
        session: Arc<SessionHandle>,
        timeout_ms: i32,
        password: [u8; PASSWORD_LEN],
    },
    /// There is no such session, or it has ended, or the password is wrong: say so and close.
    SessionInvalid { conn: ConnId },
    /// The answer to a write, exactly one for each that was not dropped. That of `closeSession`
    /// is followed by `Close`.
    Reply {
        conn: ConnId,
        xid: Xid,
        zxid: Zxid,
        op: Op,
        reply: WriteReply,
    },
    /// A watch fired. Not to be sent when the connection may not read the node, by the event's
    /// list.
    Event {
        conn: ConnId,
        zxid: Zxid,
        event: Arc<NodeEvent>,
    },
    /// Send what is queued, then close.
    Close { conn: ConnId },
}
