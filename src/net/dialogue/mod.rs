//! One client's side of the protocol: what its bytes mean and what follows from them. Knows
//! nothing of sockets; `connection` brings bytes and takes replies away.
//!
//! ```text
//!   New -- four-letter word --> Word -- answered --> closed
//!    |
//!    +-- ConnectRequest --> Settling -- session valid ----> Open -- requests, events
//!                               |                            |
//!                               +-- not valid, closed        +-- closeSession, error: closed
//! ```
//!
//! Work is done in batches: all complete frames at hand, one shared lock for all reads among them,
//! one hand-over to the writer, one buffer of replies.
//!
//! How a client becomes somebody is in `authenticate` and, by SASL, `login`.

mod authenticate;
mod login;

use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use tokio::task::JoinHandle;

use jute::Decode;
use jute::proto::{ConnectRequest, RequestHeader};

use crate::auth::{AuthIds, Policy};
use crate::base::{Monotonic, SessionId, Xid, Zxid};
use crate::exec;
use crate::net::batch::Batch;
use crate::net::connection::Ending;
use crate::net::frames::{self, Head, LENGTH_BYTES};
use crate::net::links::Link;
use crate::net::outbox::Closing;
use crate::net::server::Server;
use crate::order::{Arrival, ConnectionOrder, Lane, Ticket, Turn, Waiting};
use crate::peer::{ConnectAsk, Input, Write};
use crate::proto::{ErrorCode, Op, OpClass, WriteRequest, reply};
use crate::session::SessionHandle;
use crate::tree::Database;

use login::ClientLogin;

/// The state of the talk with one client.
pub(super) struct Dialogue {
    link: Arc<Link>,
    phase: Phase,
    order: ConnectionOrder<Kept>,
    ids: AuthIds,
    login: ClientLogin,
    /// The name in the client's certificate, if the TLS handshake gave one.
    certified: Option<String>,
    /// The connection is to be closed once the replies so far are flushed.
    ending: Option<Ending>,
    /// What the writer had for the client may be lost, so nothing may follow it: a reply would
    /// show what an event was to tell of before.
    is_cut: bool,
    /// This connection's part of the budget of large requests.
    large_share: usize,
    /// The writer has heard of this connection, so it must hear of its end.
    known_to_writer: bool,
}

enum Phase {
    New,
    Word(JoinHandle<Bytes>),
    Settling,
    Open(Arc<SessionHandle>),
}

/// What a waiting request needs kept.
struct Kept {
    body: Bytes,
    /// Who the client was when the request came.
    ids: AuthIds,
    /// It waits because the writer had no room, which `throttled_op_wait_time` bounds.
    held_back: bool,
}

impl Dialogue {
    /// `certified` is the name in the client's certificate.
    pub(super) fn new(server: &Server, link: Arc<Link>, certified: Option<String>) -> Self {
        let mut ids = Policy::initial(link.peer.ip());
        let with_name = certified
            .as_deref()
            .map(|name| server.policy.certify(&ids, name));
        let mut ending = None;
        match with_name {
            None => {}
            Some(Ok(with_name)) => {
                ids = with_name;
                link.outbox.set_ids(ids.clone());
            }
            Some(Err(_)) => {
                server.stats.events.authentications_failed.add_one();
                ending = Some(Ending::Closed("the client's certificate is refused"));
            }
        }
        Self {
            link,
            phase: Phase::New,
            order: ConnectionOrder::default(),
            ids,
            login: ClientLogin::default(),
            certified,
            ending,
            is_cut: false,
            large_share: 0,
            known_to_writer: false,
        }
    }

    /// Works off what the writer has sent, what waited, and the complete frames of `input`, until
    /// something is full. How many bytes of `input` are done with.
    pub(super) fn work(&mut self, mut batch: Batch<'_>, input: &[u8]) -> usize {
        if self.link.outbox.is_dirty() {
            self.take_news(&mut batch);
        }
        if let Some((xid, step)) = self.login.take_done() {
            self.answer_sasl_token(&mut batch, xid, step);
        }
        self.run_waiting(&mut batch);
        let consumed = match self.phase {
            Phase::New => self.greet(&mut batch, input),
            _ => self.take_frames(&mut batch, input),
        };
        batch.count.received_bytes += consumed as u64;
        self.finish(batch);
        consumed
    }

    /// Gives back what the connection held of the server. Called once, at the end.
    pub(super) fn hang_up(&mut self, server: &Server) {
        server.large_requests.give_back(self.large_share);
        server.watches.lock().remove_conn(self.link.id);
        if self.known_to_writer {
            let conn = self.link.id;
            server.submissions.notify(Input::Disconnected { conn });
        }
        server.stats.events.connections_ended.add_one();
        server.links.remove(&self.link);
    }

    /// The answer to a four-letter word that is being worked out.
    pub(super) fn word(&mut self) -> Option<&mut JoinHandle<Bytes>> {
        match &mut self.phase {
            Phase::Word(answer) => Some(answer),
            _ => None,
        }
    }

    /// Looks whether a step of a login that takes its time is done: then there is work.
    pub(super) fn poll_login(&mut self, cx: &mut Context<'_>) {
        self.login.poll(cx);
    }

    /// Takes the reason to close, if there is one. All replies have been flushed.
    pub(super) fn take_ending(&mut self) -> Option<Ending> {
        self.ending.take()
    }

    /// As [`Dialogue::take_ending`], if not even the flush is to be waited for.
    pub(super) fn take_cut(&mut self) -> Option<Ending> {
        self.ending.take_if(|_| self.is_cut)
    }

    pub(super) fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    /// Whether bytes should be taken from the socket.
    pub(super) fn wants_bytes(&self, server: &Server) -> bool {
        match self.phase {
            Phase::New => self.ending.is_none(),
            Phase::Open(_) => {
                let outstanding_max = server.options.throttle.outstanding_requests_max;
                let is_throttled = self.order.outstanding() > 0
                    && server.submissions.in_flight() > outstanding_max as usize;
                self.takes_requests() && !is_throttled
            }
            Phase::Word(_) | Phase::Settling => false,
        }
    }

    /// Whether [`Dialogue::work`] would get on without new bytes.
    pub(super) fn has_work(&self, server: &Server, input: &[u8]) -> bool {
        self.link.outbox.is_dirty()
            || self.login.is_done()
            || self.order.read_is_next()
            || (self.order.wants_writer() && server.submissions.has_room())
            || self.has_frame(server, input)
    }

    /// Whether a request at the start of `input` could be taken now.
    pub(super) fn has_frame(&self, server: &Server, input: &[u8]) -> bool {
        matches!(self.phase, Phase::Open(_))
            && self.takes_requests()
            && !matches!(frames::head(input, content_max(server)), Head::Partial(_))
    }

    /// Whether a request waits for nothing but room in the writer's queue.
    pub(super) fn wants_room(&self) -> bool {
        self.order.wants_writer()
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// The client took bytes that it had left for a while.
    pub(super) fn touch(&self, now: Monotonic) {
        self.link.touch(now);
        if let Phase::Open(session) = &self.phase {
            session.touch(now);
        }
    }

    pub(super) fn session(&self) -> SessionId {
        match &self.phase {
            Phase::Open(session) => session.id(),
            _ => SessionId::NONE,
        }
    }

    fn takes_requests(&self) -> bool {
        self.ending.is_none()
            && !self.login.is_busy()
            && !self.order.is_sealed()
            && !self.order.is_full()
    }

    fn take_news(&mut self, batch: &mut Batch<'_>) {
        let news = self.link.outbox.drain(batch.out);
        if news.greets {
            let greeting = frames::lengths(batch.out).next();
            batch.greeting_bytes = greeting.map_or(0, |length| LENGTH_BYTES + length);
        }
        for _ in 0..news.replies {
            let ticket = self.order.answered();
            self.release(batch.server, ticket.bytes);
            batch.count.answer(ticket, news.last_zxid, batch.now);
        }
        batch.count.sent += news.events as u64;
        batch.count.event_bytes += news.event_bytes as u64;
        if let Some(session) = news.session {
            batch.count.sent += 1;
            self.link.set_session(session.clone());
            self.phase = Phase::Open(session);
        }
        if let Some(Closing::AfterFlush(reason) | Closing::AtOnce(reason)) = news.close {
            self.is_cut |= matches!(news.close, Some(Closing::AtOnce(_)));
            self.end(Ending::Closed(reason));
        }
    }

    fn run_waiting(&mut self, batch: &mut Batch<'_>) {
        let wait_max_ms = batch.server.options.throttle.requests.op_wait_max_ms;
        let now = batch.now;
        let is_overdue = |waiting: &Waiting<Kept>| {
            let ticket = waiting.ticket;
            waiting.kept.held_back
                && wait_max_ms.is_some_and(|max_ms| now.since(ticket.arrived) > max_ms)
                && !matches!(ticket.op, Some(Op::Ping | Op::CloseSession))
        };
        while self.ending.is_none() && !batch.is_full() {
            self.order.keep_from_writer(is_overdue);
            let Some(waiting) = self.order.next(batch.writer_has_room) else {
                return;
            };
            let Waiting {
                ticket, lane, kept, ..
            } = &waiting;
            if *lane == Lane::Write {
                self.hand_over(batch, *ticket, kept.body.clone(), kept.ids.clone());
            } else if is_overdue(&waiting) {
                self.refuse_throttled(batch, *ticket);
            } else {
                self.lock(batch);
                let body = &kept.body;
                self.read(batch, *ticket, body, Some(&kept.ids));
            }
        }
    }

    /// The first bytes of a connection.
    fn greet(&mut self, batch: &mut Batch<'_>, input: &[u8]) -> usize {
        let Some((word, rest)) = input.split_first_chunk::<LENGTH_BYTES>() else {
            return 0;
        };
        let server = batch.server;
        if server.words.is_known(*word) {
            let Some(argument) = rest.get(..server.words.argument_bytes(*word)) else {
                return 0;
            };
            batch.count.received += 1;
            let answer = server.words.answer(server, *word, argument, self.link.peer);
            self.phase = Phase::Word(answer);
            return input.len();
        }
        match frames::head(input, content_max(server)) {
            Head::Partial(_) => 0,
            Head::Frame(content) => {
                self.connect(batch, content);
                LENGTH_BYTES + content.len()
            }
            Head::BadLength(length) => {
                self.end(Ending::BadLength(length));
                0
            }
        }
    }

    fn connect(&mut self, batch: &mut Batch<'_>, content: &[u8]) {
        let server = batch.server;
        batch.count.received += 1;
        if server.mode().is_none() {
            return self.end(Ending::Closed("the server does not serve clients now"));
        }
        let Ok(request) = ConnectRequest::from_slice(content) else {
            return self.end(Ending::Malformed("a connect request"));
        };
        let renewed = request.session_id != 0;
        let events = &server.stats.events;
        events.sessions_requested.add_one();
        if renewed {
            events.sessions_renewed.add_one();
        }
        let throttle = server.session_throttle.as_ref();
        if throttle.is_some_and(|throttle| !throttle.lets_in(renewed, batch.now)) {
            events.connections_rejected.add_one();
            return self.end(Ending::Closed("too many sessions are being opened"));
        }
        self.link
            .outbox
            .set_knows_read_only(request.read_only.is_some());
        self.phase = Phase::Settling;
        self.known_to_writer = true;
        server.submissions.notify(Input::Connect {
            conn: self.link.id,
            request: ConnectAsk {
                last_zxid_seen: Zxid(request.last_zxid_seen),
                timeout_ms: request.time_out,
                session: SessionId(request.session_id),
                password: request.passwd.map(Bytes::copy_from_slice),
                read_only: request.read_only == Some(true),
            },
        });
    }

    fn take_frames(&mut self, batch: &mut Batch<'_>, input: &[u8]) -> usize {
        let mut rest = input;
        let mut consumed = 0;
        while matches!(self.phase, Phase::Open(_)) && self.takes_requests() && !batch.is_full() {
            match frames::head(rest, content_max(batch.server)) {
                Head::Partial(_) => break,
                Head::Frame(content) => {
                    self.take_request(batch, content);
                    let taken = LENGTH_BYTES + content.len();
                    consumed += taken;
                    rest = rest.get(taken..).unwrap_or_default();
                }
                Head::BadLength(length) => self.end(Ending::BadLength(length)),
            }
        }
        consumed
    }

    fn take_request(&mut self, batch: &mut Batch<'_>, content: &[u8]) {
        batch.count.received += 1;
        let mut reader = jute::Reader::new(content);
        let Ok(header) = RequestHeader::decode(&mut reader) else {
            return self.end(Ending::Malformed("a request header"));
        };
        let body = reader.rest();
        let op = Op::from_number(header.op);
        let ticket = Ticket {
            xid: Xid(header.xid),
            op,
            arrived: batch.now,
            bytes: content.len(),
        };
        let (lane, last) = match op.map(Op::class) {
            Some(OpClass::Connection) => return self.authenticate(batch, ticket, body),
            Some(OpClass::Read | OpClass::Ping) => (Lane::Read, false),
            Some(OpClass::Write | OpClass::Sync) => (Lane::Write, op == Some(Op::CloseSession)),
            Some(OpClass::Internal) | None => (Lane::Read, true),
        };
        if batch.server.policy.refuses_unauthenticated(&self.ids) {
            let code = ErrorCode::SessionClosedRequireSaslAuth;
            return self.refuse(batch, ticket, code, "the client has not authenticated");
        }
        batch.touches = true;
        if !matches!(&self.phase, Phase::Open(session) if session.is_open()) {
            return;
        }
        let share = batch.server.large_requests.share_of(content.len());
        if !batch.server.large_requests.take(share) {
            batch.server.stats.events.large_requests_rejected.add_one();
            return self.end(Ending::Closed("large requests take too much memory"));
        }
        self.large_share += share;
        let arrival = Arrival { ticket, lane, last };
        self.admit(batch, arrival, body);
    }

    fn admit(&mut self, batch: &mut Batch<'_>, arrival: Arrival, body: &[u8]) {
        let ticket = arrival.ticket;
        match (
            self.order.admit(arrival, batch.writer_has_room),
            arrival.lane,
        ) {
            (Turn::Now, Lane::Read) => {
                self.lock(batch);
                self.read(batch, ticket, body, None);
            }
            (Turn::Now, Lane::Write) => {
                let (body, ids) = (Bytes::copy_from_slice(body), self.ids.clone());
                self.hand_over(batch, ticket, body, ids);
            }
            (Turn::Wait, _) => {
                let kept = Kept {
                    body: Bytes::copy_from_slice(body),
                    ids: self.ids.clone(),
                    held_back: !batch.writer_has_room,
                };
                self.order.park(arrival, kept, body.len());
            }
            (Turn::Drop, _) => self.release(batch.server, ticket.bytes),
        }
    }

    fn hand_over(&mut self, batch: &mut Batch<'_>, ticket: Ticket, body: Bytes, ids: AuthIds) {
        let op = ticket.op.expect("only known operations are writes");
        batch.write_bytes += body.len();
        batch.writes.push(Input::Write(Write {
            conn: self.link.id,
            session: self.session(),
            xid: ticket.xid,
            op,
            request: WriteRequest::decode(op, &body),
            ids,
            body,
        }));
    }

    /// Takes the shared lock for the rest of the batch. Events that came before it was had go out
    /// before anything that is read under it.
    fn lock(&mut self, batch: &mut Batch<'_>) {
        if batch.state.is_none() {
            batch.state = Some(batch.server.state.read());
            if self.link.outbox.is_dirty() {
                self.take_news(batch);
            }
        }
    }

    /// Answers a request that needs no writer. `ids` is who asks, if not who the client is now.
    fn read(&mut self, batch: &mut Batch<'_>, ticket: Ticket, body: &[u8], ids: Option<&AuthIds>) {
        let db: &Database = batch.state.as_ref().expect("the caller has locked it");
        let last_zxid = db.last_zxid();
        match ticket.op {
            Some(Op::Ping) => reply::encode_header_frame(Xid::PING, last_zxid, 0, batch.out),
            Some(op) if op.class() == OpClass::Read => {
                let reader = exec::Reader {
                    db,
                    watches: &batch.server.watches,
                    policy: &batch.server.policy,
                    ids: ids.unwrap_or(&self.ids),
                    conn: self.link.id,
                    session: self.session(),
                };
                exec::read(&reader, op, ticket.xid, body, batch.out);
                batch.count_read(op);
            }
            _ => {
                let code = ErrorCode::Unimplemented.number();
                reply::encode_header_frame(ticket.xid, Zxid(-1), code, batch.out);
                self.end(Ending::Malformed("an operation that is not for clients"));
            }
        }
        batch.count.answer(ticket, last_zxid, batch.now);
        self.release(batch.server, ticket.bytes);
    }

    fn refuse_throttled(&mut self, batch: &mut Batch<'_>, ticket: Ticket) {
        self.lock(batch);
        let last_zxid = batch.state.as_ref().map_or(Zxid::ZERO, |db| db.last_zxid());
        let code = ErrorCode::ThrottledOp.number();
        batch.server.stats.events.requests_throttled.add_one();
        reply::encode_header_frame(ticket.xid, last_zxid, code, batch.out);
        batch.count.answer(ticket, last_zxid, batch.now);
        self.release(batch.server, ticket.bytes);
    }

    /// Answers at once, out of order, and closes.
    fn refuse(
        &mut self,
        batch: &mut Batch<'_>,
        ticket: Ticket,
        code: ErrorCode,
        reason: &'static str,
    ) {
        reply::encode_header_frame(ticket.xid, Zxid::ZERO, code.number(), batch.out);
        batch.count.answer(ticket, Zxid::ZERO, batch.now);
        self.end(Ending::Closed(reason));
    }

    fn release(&mut self, server: &Server, bytes: usize) {
        let share = server.large_requests.share_of(bytes);
        self.large_share -= share;
        server.large_requests.give_back(share);
    }

    fn finish(&mut self, batch: Batch<'_>) {
        let Batch {
            server,
            now,
            out,
            writes,
            write_bytes,
            state,
            mut count,
            greeting_bytes,
            touches,
            ..
        } = batch;
        count.sent_bytes += out.len() as u64;
        count.measure(out.get(greeting_bytes..).unwrap_or_default());
        drop(state);
        if self.is_cut {
            out.clear();
        }
        if !writes.is_empty() {
            server.submissions.submit(writes, write_bytes);
        }
        if let (true, Phase::Open(session)) = (touches, &self.phase) {
            session.touch(now);
        }
        self.link.touch(now);
        self.link.stats.add(&count, self.order.outstanding(), now);
        self.link.set_reads(self.wants_bytes(server));
        server.stats.add(&count, self.link.id.0, now);
    }
}

fn content_max(server: &Server) -> usize {
    server.options.wire.jute_max_buffer as usize
}
