//! One client connection on a server's side: what `net::dialogue` does over a socket, done over a
//! simulated link with the same parts: the connection's order, reads by `exec` on the server's state,
//! writes handed to the peer, one outbox for what the peer has to say.
//!
//! As in production the connection has turns of its own: what the peer puts into the outbox waits
//! for the next one, and the reads behind it run on the state as it is by then.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;

use jute::proto as wire;
use jute::{Decode, Encode, Reader};

use crate::auth::{AuthIds, Policy};
use crate::base::{AclList, ConnId, Monotonic, SessionId, Xid, Zxid, perms};
use crate::exec;
use crate::order::{Arrival, ConnectionOrder, Lane, Ticket, Turn, Waiting};
use crate::peer::{ClientOutput, ConnectAsk, Input, Write};
use crate::proto::event::SYNC_CONNECTED;
use crate::proto::{ErrorCode, Op, OpClass, WriteRequest, reply};
use crate::session::SessionHandle;
use crate::sim::network::End;
use crate::tree::Database;
use crate::watch::WatchTable;

/// See the module.
#[derive(Debug)]
pub(super) struct ClientConn {
    pub id: ConnId,
    pub end: End,
    phase: Phase,
    order: ConnectionOrder<Kept>,
    ids: AuthIds,
    input: BytesMut,
    outbox: Outbox,
    /// The connection is to be closed once what there is has been sent.
    is_over: bool,
    /// The peer has heard of it, so it must hear of its end.
    pub is_known: bool,
    /// It will have a turn.
    pub has_turn: bool,
}

#[derive(Debug)]
enum Phase {
    New,
    Settling,
    Open(Arc<SessionHandle>),
}

/// What a waiting request needs kept.
#[derive(Debug)]
struct Kept {
    body: Bytes,
    ids: AuthIds,
}

/// What the peer had to say since the last turn.
#[derive(Debug, Default)]
struct Outbox {
    bytes: BytesMut,
    replies: usize,
    session: Option<Arc<SessionHandle>>,
    closes: bool,
}

/// What a turn works with and what comes of it.
#[derive(Debug)]
pub(super) struct TurnOf<'a> {
    pub now: Monotonic,
    pub db: &'a Database,
    pub watches: &'a Mutex<WatchTable>,
    pub policy: &'a Policy,
    /// For the peer.
    pub inputs: Vec<Input>,
    /// For the client.
    pub out: BytesMut,
    /// A request came that proves the session alive.
    pub touches: bool,
    /// Reads wait for the writes before them.
    pub reads_wait: bool,
}

impl ClientConn {
    pub(super) fn new(id: ConnId, end: End) -> Self {
        Self {
            id,
            end,
            phase: Phase::New,
            order: ConnectionOrder::default(),
            ids: Policy::initial([10, 0, 0, 1].into()),
            input: BytesMut::new(),
            outbox: Outbox::default(),
            is_over: false,
            is_known: false,
            has_turn: false,
        }
    }

    pub(super) fn receive(&mut self, bytes: &Bytes) {
        self.input.extend_from_slice(bytes);
    }

    /// Takes what the peer has to say.
    pub(super) fn put(&mut self, output: &ClientOutput, policy: &Policy, is_read_only: bool) {
        let out = &mut self.outbox;
        match output {
            ClientOutput::Connected {
                session,
                timeout_ms,
                password,
                ..
            } => {
                let greeting = greeting(*timeout_ms, session.id(), password, is_read_only);
                encode_greeting(&greeting, &mut out.bytes);
                out.session = Some(session.clone());
            }
            ClientOutput::SessionInvalid { .. } => {
                let greeting = greeting(0, SessionId::NONE, &[0; 16], is_read_only);
                encode_greeting(&greeting, &mut out.bytes);
                out.closes = true;
            }
            ClientOutput::Reply {
                xid, zxid, reply, ..
            } => {
                reply.encode_frame(*xid, *zxid, &mut out.bytes);
                out.replies += 1;
            }
            ClientOutput::Event { zxid, event, .. } => {
                let acl = event.acl.as_ref().map(AclList::as_ref);
                if policy.permits(&self.ids, acl, perms::READ) {
                    let body = wire::WatcherEvent {
                        event_type: event.event_type.number(),
                        state: SYNC_CONNECTED,
                        path: Some((&*event.path).into()),
                    };
                    reply::encode_frame(Xid::EVENT, *zxid, &body, &mut out.bytes);
                }
            }
            ClientOutput::Close { .. } => out.closes = true,
        }
    }

    /// Works off what came in meanwhile. Whether the connection is over.
    pub(super) fn work(&mut self, turn: &mut TurnOf<'_>) -> bool {
        self.take_news(turn);
        self.run_waiting(turn);
        while !self.is_over
            && !matches!(self.phase, Phase::Settling)
            && !self.order.is_sealed()
            && !self.order.is_full()
            && let Some(frame) = next_frame(&mut self.input)
        {
            match self.phase {
                Phase::New => self.connect(turn, &frame),
                _ => self.take_request(turn, &frame),
            }
        }
        self.is_over
    }

    /// The session it has.
    pub(super) fn session(&self) -> SessionId {
        match &self.phase {
            Phase::Open(session) => session.id(),
            _ => SessionId::NONE,
        }
    }

    fn take_news(&mut self, turn: &mut TurnOf<'_>) {
        let news = std::mem::take(&mut self.outbox);
        turn.out.extend_from_slice(&news.bytes);
        for _ in 0..news.replies {
            self.order.answered();
        }
        if let Some(session) = news.session {
            self.phase = Phase::Open(session);
        }
        self.is_over |= news.closes;
    }

    fn run_waiting(&mut self, turn: &mut TurnOf<'_>) {
        while !self.is_over
            && let Some(waiting) = self.order.next(true)
        {
            let Waiting {
                ticket, lane, kept, ..
            } = waiting;
            match lane {
                Lane::Write => self.hand_over(turn, ticket, kept.body, kept.ids),
                Lane::Read => self.read(turn, ticket, &kept.body, &kept.ids),
            }
        }
    }

    fn connect(&mut self, turn: &mut TurnOf<'_>, frame: &Bytes) {
        let Ok(request) = wire::ConnectRequest::from_slice(frame) else {
            self.is_over = true;
            return;
        };
        self.phase = Phase::Settling;
        self.is_known = true;
        turn.inputs.push(Input::Connect {
            conn: self.id,
            request: ConnectAsk {
                last_zxid_seen: Zxid(request.last_zxid_seen),
                timeout_ms: request.time_out,
                session: SessionId(request.session_id),
                password: request.passwd.map(Bytes::copy_from_slice),
                read_only: request.read_only == Some(true),
            },
        });
    }

    fn take_request(&mut self, turn: &mut TurnOf<'_>, frame: &Bytes) {
        let mut reader = Reader::new(frame);
        let Ok(header) = wire::RequestHeader::decode(&mut reader) else {
            self.is_over = true;
            return;
        };
        let op = Op::from_number(header.op);
        let lane = match op.map(Op::class) {
            Some(OpClass::Write | OpClass::Sync) => Lane::Write,
            _ => Lane::Read,
        };
        let Phase::Open(session) = &self.phase else {
            return;
        };
        if !session.is_open() {
            return;
        }
        session.touch(turn.now);
        turn.touches = true;
        let ticket = Ticket {
            xid: Xid(header.xid),
            op,
            arrived: turn.now,
            bytes: frame.len(),
        };
        let last = op == Some(Op::CloseSession);
        let arrival = Arrival { ticket, lane, last };
        let body = frame.slice_ref(reader.rest());
        let ids = self.ids.clone();
        if lane == Lane::Read && !turn.reads_wait {
            return self.read(turn, ticket, &body, &ids);
        }
        match (self.order.admit(arrival, true), lane) {
            (Turn::Now, Lane::Read) => self.read(turn, ticket, &body, &ids),
            (Turn::Now, Lane::Write) => self.hand_over(turn, ticket, body, ids),
            (Turn::Wait, _) => {
                let bytes = body.len();
                self.order.park(arrival, Kept { body, ids }, bytes);
            }
            (Turn::Drop, _) => {}
        }
    }

    fn hand_over(&self, turn: &mut TurnOf<'_>, ticket: Ticket, body: Bytes, ids: AuthIds) {
        let op = ticket.op.expect("only known operations are writes");
        turn.inputs.push(Input::Write(Write {
            conn: self.id,
            session: self.session(),
            xid: ticket.xid,
            op,
            request: WriteRequest::decode(op, &body),
            ids,
            body,
        }));
    }

    fn read(&mut self, turn: &mut TurnOf<'_>, ticket: Ticket, body: &Bytes, ids: &AuthIds) {
        let last_zxid = turn.db.last_zxid();
        match ticket.op {
            Some(Op::Ping) => {
                reply::encode_header_frame(Xid::PING, last_zxid, 0, &mut turn.out);
            }
            Some(op) if op.class() == OpClass::Read => {
                let reader = exec::Reader {
                    db: turn.db,
                    watches: turn.watches,
                    policy: turn.policy,
                    ids,
                    conn: self.id,
                    session: self.session(),
                };
                exec::read(&reader, op, ticket.xid, body, &mut turn.out);
            }
            _ => {
                let code = ErrorCode::Unimplemented.number();
                reply::encode_header_frame(ticket.xid, Zxid(-1), code, &mut turn.out);
                self.is_over = true;
            }
        }
    }
}

fn greeting(
    timeout_ms: i32,
    session: SessionId,
    password: &[u8],
    is_read_only: bool,
) -> wire::ConnectResponse<'_> {
    wire::ConnectResponse {
        protocol_version: 0,
        time_out: timeout_ms,
        session_id: session.0,
        passwd: Some(password),
        read_only: Some(is_read_only),
    }
}

fn encode_greeting(response: &wire::ConnectResponse<'_>, out: &mut BytesMut) {
    reply::frame_length(response.encoded_len(), out);
    response.encode(out);
}

fn next_frame(input: &mut BytesMut) -> Option<Bytes> {
    let length = u32::from_be_bytes(*input.first_chunk()?) as usize;
    if input.len() < 4 + length {
        return None;
    }
    input.advance(4);
    Some(input.split_to(length).freeze())
}
