//! A client of the ensemble, as Apache's library is one: it keeps a session over connections to
//! whichever server, tells each the newest state it has seen, sends requests without waiting for
//! answers, keeps the session alive, and sets its watches again on a new connection.
//!
//! ```text
//!  away --dial--> dialling --> greeting --session valid--> open -- requests, pings --+
//!   ^                |            |                          |                       |
//!   +----------------+------------+-- refused, silent, lost, -+----------------------+
//!                                     moved, vanished
//! ```

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use jute::proto as wire;
use jute::{Decode, Encode, Reader};

use crate::base::{ServerId, SessionId, Xid, Zxid};
use crate::proto::ErrorCode;
use crate::proto::reply::frame_length;
use crate::sim::asked::{Answer, Asked};
use crate::sim::facts::{ClientConn, ClientFact, ClientId};
use crate::sim::network::{Arrival, End, Port};
use crate::sim::options::ClientOptions;
use crate::sim::prng::Prng;
use crate::sim::stage::{Event, Stage, host_of, host_of_client};
use crate::sim::watched::Watched;
use crate::sim::workload::Workload;
use crate::sim::world::Micros;

/// What a client's clock tells it.
#[derive(Debug, Clone, Copy)]
pub enum ClientEvent {
    Dial,
    /// For one connection.
    Burst(ClientConn),
    /// It has seen enough of a server that only lets it read.
    Leave(ClientConn),
    Watchdog(ClientConn),
    Move(ClientConn),
    Vanish,
}

/// See the module.
#[derive(Debug)]
pub struct Client {
    id: ClientId,
    options: ClientOptions,
    prng: Prng,
    workload: Workload,
    servers: Vec<ServerId>,
    session: Option<Session>,
    /// The newest state that was seen in a reply.
    seen: Zxid,
    next_xid: i32,
    conn: ClientConn,
    link: Link,
    watches: Watched,
    /// Nothing is asked any more but to stay alive.
    is_quiet: bool,
    /// Does not move or vanish any more.
    is_steady: bool,
    /// Writes answered without an error.
    written: u64,
}

#[derive(Debug, Clone)]
struct Session {
    id: SessionId,
    password: Bytes,
    timeout_ms: i32,
}

#[derive(Debug)]
enum Link {
    Away,
    Dialling(End, ServerId),
    Greeting(Open),
    Open(Open),
    /// At a server that only lets it read.
    Reading(Open),
}

#[derive(Debug)]
struct Open {
    end: End,
    server: ServerId,
    input: BytesMut,
    /// Requests without an answer, oldest first.
    asked: VecDeque<(Xid, Pending)>,
    heard: Micros,
    spoke: Micros,
}

#[derive(Debug)]
enum Pending {
    Asked(Asked),
    WatchesSet,
}

impl Client {
    pub fn new(
        id: ClientId,
        options: ClientOptions,
        servers: Vec<ServerId>,
        mut prng: Prng,
    ) -> Self {
        let workload = Workload::new(id, options.clone(), prng.fork(1));
        Self {
            id,
            options,
            prng,
            workload,
            servers,
            session: None,
            seen: Zxid::ZERO,
            next_xid: 1,
            conn: 0,
            link: Link::Away,
            watches: Watched::default(),
            is_quiet: false,
            is_steady: false,
            written: 0,
        }
    }

    /// Begins to look for a server.
    pub fn start(&mut self, stage: &mut Stage) {
        self.retry(stage);
        self.arm(stage, self.options.vanish_mean_ms, ClientEvent::Vanish);
    }

    pub fn on_event(&mut self, stage: &mut Stage, event: ClientEvent) {
        match event {
            ClientEvent::Dial => self.dial(stage),
            ClientEvent::Burst(conn) if conn == self.conn => self.burst(stage),
            ClientEvent::Watchdog(conn) if conn == self.conn => self.watch_over(stage),
            ClientEvent::Leave(conn) if conn == self.conn => self.hang_up(stage),
            ClientEvent::Move(conn) if conn == self.conn && !self.is_steady => {
                self.hang_up(stage);
            }
            ClientEvent::Vanish if !self.is_steady => {
                self.vanish(stage);
                self.arm(stage, self.options.vanish_mean_ms, ClientEvent::Vanish);
            }
            _ => {}
        }
    }

    pub fn on_arrival(&mut self, stage: &mut Stage, end: End, arrival: Arrival) {
        if self.end() != Some(end) {
            return;
        }
        match arrival {
            Arrival::Dialled => self.greet(stage),
            Arrival::Bytes(bytes) => self.on_bytes(stage, &bytes),
            Arrival::Closed | Arrival::DialFailed => self.lose(stage),
            Arrival::Accepted { .. } => unreachable!("clients listen nowhere"),
        }
    }

    /// No more moves: what is left to do is done where the client is.
    pub fn be_steady(&mut self) {
        self.is_steady = true;
        self.written = 0;
        self.workload.be_plain();
    }

    /// No more requests but pings.
    pub fn be_quiet(&mut self) {
        self.is_quiet = true;
    }

    /// Successful writes since the client is steady.
    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn session(&self) -> Option<SessionId> {
        self.session.as_ref().map(|session| session.id)
    }

    /// Whether the client has a session and nothing without an answer.
    pub fn is_settled(&self) -> bool {
        matches!(&self.link, Link::Open(open) if open.asked.is_empty())
    }

    /// One line for someone who wonders why a run does not end.
    pub fn describe(&self) -> String {
        let link = match &self.link {
            Link::Away => "away".to_owned(),
            Link::Dialling(_, server) => format!("dialling {server}"),
            Link::Greeting(open) => format!("greeting {}", open.server),
            Link::Open(open) | Link::Reading(open) => {
                format!("at {} with {} open", open.server, open.asked.len())
            }
        };
        let session = self.session.as_ref().map(|session| session.id);
        format!(
            "{}: {link}, session {session:?}, seen {}, {} written",
            self.id, self.seen, self.written
        )
    }

    fn dial(&mut self, stage: &mut Stage) {
        if !matches!(self.link, Link::Away) {
            return;
        }
        let server = *self.prng.pick(&self.servers);
        let end = stage.dial(host_of_client(self.id), host_of(server), Port::Client);
        self.conn += 1;
        self.link = Link::Dialling(end, server);
    }

    fn greet(&mut self, stage: &mut Stage) {
        let Link::Dialling(end, server) = self.link else {
            return;
        };
        let now = stage.now();
        let session = self.session.as_ref();
        let request = wire::ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.seen.0,
            time_out: self.options.session_timeout_ms,
            session_id: session.map_or(0, |session| session.id.0),
            passwd: Some(session.map_or(&[0; 16], |session| &session.password)),
            read_only: Some(self.options.read_only),
        };
        let mut frame = BytesMut::new();
        frame_length(request.encoded_len(), &mut frame);
        request.encode(&mut frame);
        stage.send(end, frame.freeze());
        self.link = Link::Greeting(Open {
            end,
            server,
            input: BytesMut::new(),
            asked: VecDeque::new(),
            heard: now,
            spoke: now,
        });
        self.after(stage, self.watchdog_ms(), ClientEvent::Watchdog(self.conn));
    }

    fn on_bytes(&mut self, stage: &mut Stage, bytes: &Bytes) {
        let now = stage.now();
        if let Link::Greeting(open) | Link::Open(open) | Link::Reading(open) = &mut self.link {
            open.input.extend_from_slice(bytes);
            open.heard = now;
        }
        while let Link::Greeting(open) | Link::Open(open) | Link::Reading(open) = &mut self.link
            && let Some(frame) = next_frame(&mut open.input)
        {
            match self.link {
                Link::Greeting(_) => self.on_greeting(stage, &frame),
                Link::Reading(_) => self.on_refusal(stage, &frame),
                _ => self.on_frame(stage, &frame),
            }
        }
    }

    fn on_greeting(&mut self, stage: &mut Stage, frame: &Bytes) {
        let response = wire::ConnectResponse::from_slice(frame).expect("a connect response");
        let Link::Greeting(open) = std::mem::replace(&mut self.link, Link::Away) else {
            return;
        };
        let session = SessionId(response.session_id);
        if response.time_out == 0 {
            stage.close(open.end);
            if let Some(Session { id, .. }) = self.session.take() {
                let (server, session) = (open.server, id);
                stage.client(self.id, ClientFact::Expired { server, session });
            }
            self.forget_session();
            return self.retry(stage);
        }
        if response.read_only == Some(true) {
            return self.try_to_write(stage, open);
        }
        let known = self.session.as_ref().map(|session| session.id);
        assert!(known.is_none_or(|known| known == session), "the session");
        let (server, conn) = (open.server, self.conn);
        self.link = Link::Open(open);
        self.session = Some(Session {
            id: session,
            password: Bytes::copy_from_slice(response.passwd.unwrap_or_default()),
            timeout_ms: response.time_out,
        });
        stage.client(
            self.id,
            ClientFact::Connected {
                conn,
                server,
                session,
                timeout_ms: response.time_out,
                is_new: known.is_none(),
            },
        );
        self.set_watches_again(stage);
        let think_ms = self.workload.think_ms();
        self.after(stage, think_ms, ClientEvent::Burst(conn));
        self.arm(stage, self.options.move_mean_ms, ClientEvent::Move(conn));
    }

    /// At a server without a leader. What it shows need not be committed, so the checkers are told
    /// of nothing; what changes there for all that is a write that nobody asked for.
    fn try_to_write(&mut self, stage: &mut Stage, mut open: Open) {
        let mut frames = BytesMut::new();
        for asked in self.workload.next_burst() {
            if asked == Asked::Ping || asked == Asked::CloseSession {
                continue;
            }
            self.next_xid += 1;
            let xid = Xid(self.next_xid);
            asked.encode_frame(xid, &mut frames);
            open.asked.push_back((xid, Pending::Asked(asked)));
        }
        stage.send(open.end, frames.freeze());
        self.link = Link::Reading(open);
        let think_ms = self.workload.think_ms();
        self.after(stage, think_ms, ClientEvent::Leave(self.conn));
    }

    fn on_refusal(&mut self, stage: &mut Stage, frame: &Bytes) {
        let mut reader = Reader::new(frame);
        let header = wire::ReplyHeader::decode(&mut reader).expect("a reply header");
        let Link::Reading(open) = &mut self.link else {
            return;
        };
        if Xid(header.xid) == Xid::EVENT {
            return;
        }
        let conn = self.conn;
        let is_right = open.asked.pop_front().is_some_and(|(xid, pending)| {
            let refused = header.err == ErrorCode::NotReadOnly.number();
            let writes = matches!(pending, Pending::Asked(asked) if asked.is_write());
            xid.0 == header.xid && (refused || !writes)
        });
        if !is_right {
            let text = format!("a server that only reads answers {header:?}");
            stage.client(self.id, ClientFact::Garbled { conn, text });
        }
    }

    fn set_watches_again(&mut self, stage: &mut Stage) {
        let watches = self.watches.as_set();
        let Link::Open(open) = &mut self.link else {
            return;
        };
        if watches.is_empty() {
            return;
        }
        let mut frame = BytesMut::new();
        watches.encode_frame(SET_WATCHES, self.seen, &mut frame);
        stage.send(open.end, frame.freeze());
        open.asked.push_back((SET_WATCHES, Pending::WatchesSet));
        stage.client(
            self.id,
            ClientFact::WatchesSet {
                conn: self.conn,
                xid: SET_WATCHES,
                seen: self.seen,
                watches,
            },
        );
    }

    fn burst(&mut self, stage: &mut Stage) {
        let can_ask = matches!(&self.link, Link::Open(open) if open.asked.len() < ASKED_MAX);
        if !self.is_quiet && can_ask {
            let burst = self.workload.next_burst();
            self.ask(stage, burst);
        }
        let think_ms = self.workload.think_ms();
        self.after(stage, think_ms, ClientEvent::Burst(self.conn));
    }

    fn ask(&mut self, stage: &mut Stage, burst: Vec<Asked>) {
        let Some(session) = self.session.as_ref().map(|session| session.id) else {
            return;
        };
        let Link::Open(open) = &mut self.link else {
            return;
        };
        let is_closing =
            |(_, pending): &(Xid, Pending)| matches!(pending, Pending::Asked(Asked::CloseSession));
        if open.asked.iter().any(is_closing) {
            return;
        }
        let mut frames = BytesMut::new();
        for asked in burst {
            let xid = if asked == Asked::Ping {
                Xid::PING
            } else {
                self.next_xid += 1;
                Xid(self.next_xid)
            };
            asked.encode_frame(xid, &mut frames);
            open.asked.push_back((xid, Pending::Asked(asked.clone())));
            stage.client(
                self.id,
                ClientFact::Invoked {
                    conn: self.conn,
                    session,
                    xid,
                    asked,
                },
            );
        }
        open.spoke = stage.now();
        stage.send(open.end, frames.freeze());
    }

    fn on_frame(&mut self, stage: &mut Stage, frame: &Bytes) {
        let mut reader = Reader::new(frame);
        let header = wire::ReplyHeader::decode(&mut reader).expect("a reply header");
        let (xid, zxid, err) = (Xid(header.xid), Zxid(header.zxid), header.err);
        if xid == Xid::EVENT {
            return self.on_watch_event(stage, zxid, reader.rest());
        }
        let Link::Open(open) = &mut self.link else {
            return;
        };
        let first = open.asked.pop_front();
        let conn = self.conn;
        let Some((_, pending)) = first.filter(|(asked, _)| *asked == xid) else {
            let text = format!("reply {} comes out of its order", xid.0);
            stage.client(self.id, ClientFact::Garbled { conn, text });
            return;
        };
        let mut answer = Answer::Nothing;
        if let (Pending::Asked(asked), 0) = (&pending, err) {
            answer = asked.decode_answer(reader.rest()).expect("an answer");
        }
        if zxid.0 > 0 {
            self.seen = self.seen.max(zxid);
        }
        stage.client(
            self.id,
            ClientFact::Replied {
                conn,
                xid,
                zxid,
                err,
                answer: answer.clone(),
            },
        );
        if let Pending::Asked(asked) = pending {
            self.on_answer(stage, &asked, err, &answer);
        }
    }

    fn on_answer(&mut self, stage: &mut Stage, asked: &Asked, err: i32, answer: &Answer) {
        self.workload.learn(asked, answer);
        self.watches.learn(asked, err);
        if asked.is_write() && err == 0 {
            self.written += 1;
        }
        let has_ended = [ErrorCode::SessionExpired, ErrorCode::SessionMoved]
            .iter()
            .any(|code| code.number() == err);
        if *asked == Asked::CloseSession {
            self.leave_session(stage);
        } else if has_ended {
            self.hang_up(stage);
        }
    }

    fn on_watch_event(&mut self, stage: &mut Stage, zxid: Zxid, body: &[u8]) {
        let event = wire::WatcherEvent::from_slice(body).expect("an event");
        let path: Box<str> = event.path.as_deref().unwrap_or_default().into();
        self.watches.on_event(event.event_type, &path);
        let (conn, event_type) = (self.conn, event.event_type);
        stage.client(
            self.id,
            ClientFact::Event {
                conn,
                zxid,
                event_type,
                path,
            },
        );
    }

    /// Keeps the session alive, and leaves a server that is silent.
    fn watch_over(&mut self, stage: &mut Stage) {
        let now = stage.now();
        let timeout_ms = self.timeout_ms();
        let (Link::Greeting(open) | Link::Open(open)) = &self.link else {
            return;
        };
        let silent_ms = now.since(open.heard).as_millis();
        let mute_ms = now.since(open.spoke).as_millis();
        if silent_ms > timeout_ms * 2 / 3 {
            return self.hang_up(stage);
        }
        if mute_ms > timeout_ms / 3 && matches!(self.link, Link::Open(_)) {
            self.ask(stage, vec![Asked::Ping]);
        }
        self.after(stage, self.watchdog_ms(), ClientEvent::Watchdog(self.conn));
    }

    /// The connection is over, by the other side.
    fn lose(&mut self, stage: &mut Stage) {
        let was_open = matches!(self.link, Link::Open(_));
        let closing = match std::mem::replace(&mut self.link, Link::Away) {
            Link::Open(open) => open
                .asked
                .iter()
                .any(|(_, pending)| matches!(pending, Pending::Asked(Asked::CloseSession))),
            _ => false,
        };
        if was_open {
            let conn = self.conn;
            stage.client(self.id, ClientFact::Disconnected { conn });
        }
        if closing {
            // Whether it was closed is not known, and the library does not ask.
            self.session = None;
            self.forget_session();
        }
        self.retry(stage);
    }

    fn hang_up(&mut self, stage: &mut Stage) {
        if let Some(end) = self.end() {
            stage.close(end);
            self.lose(stage);
        }
    }

    /// The session is closed; another one is opened.
    fn leave_session(&mut self, stage: &mut Stage) {
        self.session = None;
        self.forget_session();
        self.hang_up(stage);
    }

    /// The client is gone without a word, and another one comes in its place. Its server may not
    /// even hear that the connection is over.
    fn vanish(&mut self, stage: &mut Stage) {
        if self.prng.per_mille(500) {
            self.leave_session(stage);
        } else if let Link::Open(_) = &self.link {
            let conn = self.conn;
            stage.client(self.id, ClientFact::Disconnected { conn });
            self.link = Link::Away;
            self.session = None;
            self.forget_session();
            self.retry(stage);
        }
    }

    fn forget_session(&mut self) {
        self.watches = Watched::default();
        self.seen = Zxid::ZERO;
    }

    fn retry(&mut self, stage: &mut Stage) {
        let delay_ms = 1 + self.prng.around(20);
        self.after(stage, delay_ms, ClientEvent::Dial);
    }

    fn arm(&mut self, stage: &mut Stage, mean_ms: Option<u64>, event: ClientEvent) {
        if let Some(mean_ms) = mean_ms {
            let delay_ms = self.prng.around(mean_ms);
            self.after(stage, delay_ms, event);
        }
    }

    fn after(&self, stage: &mut Stage, millis: u64, event: ClientEvent) {
        let event = Event::Client(self.id, event);
        stage.timeline.after(Micros::from_millis(millis), event);
    }

    fn end(&self) -> Option<End> {
        match &self.link {
            Link::Away => None,
            Link::Dialling(end, _) => Some(*end),
            Link::Greeting(open) | Link::Open(open) | Link::Reading(open) => Some(open.end),
        }
    }

    fn timeout_ms(&self) -> u64 {
        let session = self.session.as_ref();
        let timeout = session.map_or(self.options.session_timeout_ms, |session| {
            session.timeout_ms
        });
        u64::try_from(timeout).unwrap_or_default()
    }

    fn watchdog_ms(&self) -> u64 {
        (self.timeout_ms() / 10).max(1)
    }
}

/// The number of the request that sets watches again, as Apache's library has it.
const SET_WATCHES: Xid = Xid(-8);
/// Requests without an answer beyond which a client asks nothing more.
const ASKED_MAX: usize = 100;

fn next_frame(input: &mut BytesMut) -> Option<Bytes> {
    let length = u32::from_be_bytes(*input.first_chunk()?) as usize;
    if input.len() < 4 + length {
        return None;
    }
    input.advance(4);
    Some(input.split_to(length).freeze())
}
