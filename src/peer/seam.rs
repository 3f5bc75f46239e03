//! What goes into a peer and what comes out.

use std::sync::Arc;

use bytes::Bytes;

use crate::auth::AuthIds;
use crate::base::{ConnId, SessionId, Xid, Zxid};
use crate::proto::{NodeEvent, Op, WriteReply, WriteRequest};
use crate::session::{PASSWORD_LEN, SessionHandle};

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A connection wants a session: a new one or its old one. Once for each connection.
    Connect { conn: ConnId, request: ConnectAsk },
    /// A request of class write or sync.
    Write(Write),
    /// A connection is gone. The session stays.
    Disconnected { conn: ConnId },
    /// Everything up to and including this is durable.
    Appended { zxid: Zxid },
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
}

/// What the driver is to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Put a transaction into the log, and say `Appended` once it is durable. zxids rise.
    Append { zxid: Zxid, payload: Bytes },
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
