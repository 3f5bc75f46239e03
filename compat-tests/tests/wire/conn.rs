//! One client connection of a scenario: sends requests, reads and records what comes back.
//!
//! Replies are decoded by the operation they answer, so every request sent here is remembered until
//! its reply is read. Events met on the way to a reply are recorded in place and kept in `events`.

use std::{cell::RefCell, collections::VecDeque, net::SocketAddr, rc::Rc, time::Duration};

use compat_tests::wire::{Body, Client, Inbound, Reader, Session, connect_request};

use crate::{
    ops::{self, Acl, OPEN, op},
    reply::{Event, Reply},
    transcript::{ReplyFrame, Transcript},
};

pub(crate) struct Conn {
    client: Client,
    name: usize,
    transcript: Rc<RefCell<Transcript>>,
    recording: bool,
    next_xid: i32,
    awaited: VecDeque<i32>,
    session: Option<Session>,
    events: Vec<Event>,
}

/// What a connection brought next.
#[derive(Debug)]
pub(crate) enum Incoming {
    Reply(Reply),
    Event(Event),
    Closed,
    Silent,
}

impl Conn {
    /// A TCP connection on which nothing has been said.
    pub(crate) fn new(address: SocketAddr, transcript: &Rc<RefCell<Transcript>>) -> Self {
        let name = transcript.borrow_mut().next_conn();
        Self {
            client: Client::connect(address),
            name,
            transcript: Rc::clone(transcript),
            recording: true,
            next_xid: 1,
            awaited: VecDeque::new(),
            session: None,
            events: Vec::new(),
        }
    }

    /// The handshake of a new session.
    #[track_caller]
    pub(crate) fn open(mut self, timeout_ms: i32) -> Self {
        let request = connect_request(0, timeout_ms, 0, Some(&[0; 16]), Some(false));
        let session = self.handshake(&request).expect("a ConnectResponse");
        assert!(session.timeout_ms > 0, "a new session is granted");
        self
    }

    /// Sends a ConnectRequest; `None` if the server closes instead of answering.
    #[track_caller]
    pub(crate) fn handshake(&mut self, request: &Body) -> Option<Session> {
        self.client.send_frame(request.bytes());
        self.connect_response()
    }

    #[track_caller]
    pub(crate) fn connect_response(&mut self) -> Option<Session> {
        match self.client.read_frame() {
            Inbound::Frame(frame) => {
                let session = Session::decode(&frame)
                    .unwrap_or_else(|| panic!("not a ConnectResponse: {frame:02x?}"));
                self.transcript.borrow_mut().session(self.name, &session);
                self.session = Some(session.clone());
                Some(session)
            }
            Inbound::Closed => {
                self.note("closed instead of a ConnectResponse");
                None
            }
            Inbound::Silent => panic!("c{}: no ConnectResponse", self.name),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        self.session.as_ref().expect("the handshake is done")
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Sends with the next xid and does not wait. Returns the xid.
    pub(crate) fn send(&mut self, op: i32, body: &Body) -> i32 {
        let xid = self.next_xid;
        self.next_xid += 1;
        self.send_as(xid, op, body);
        xid
    }

    pub(crate) fn send_as(&mut self, xid: i32, op: i32, body: &Body) {
        self.client.request(xid, op, body);
        self.awaited.push_back(op);
    }

    /// The bytes of a request whose reply will be read, for sending many in one piece.
    pub(crate) fn framed(&mut self, op: i32, body: &Body) -> Vec<u8> {
        let xid = self.next_xid;
        self.next_xid += 1;
        self.awaited.push_back(op);
        let payload = Body::new().int(xid).int(op).append(body);
        Body::new().buffer(payload.bytes()).into_bytes()
    }

    #[track_caller]
    pub(crate) fn call(&mut self, op: i32, body: &Body) -> Reply {
        self.send(op, body);
        self.reply()
    }

    #[track_caller]
    pub(crate) fn call_as(&mut self, xid: i32, op: i32, body: &Body) -> Reply {
        self.send_as(xid, op, body);
        self.reply()
    }

    /// The next reply; events before it are kept.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Reply {
        loop {
            match self.incoming() {
                Incoming::Reply(reply) => return reply,
                Incoming::Event(event) => self.events.push(event),
                Incoming::Closed => panic!("c{}: closed, a reply was due", self.name),
                Incoming::Silent => panic!("c{}: silent, a reply was due", self.name),
            }
        }
    }

    /// The next event, which must be the next thing to come.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Event {
        match self.incoming() {
            Incoming::Event(event) => event,
            other => panic!("c{}: an event was due, got {other:?}", self.name),
        }
    }

    #[track_caller]
    pub(crate) fn closed(&mut self) {
        match self.incoming() {
            Incoming::Closed => {}
            other => panic!("c{}: the server was to close, got {other:?}", self.name),
        }
    }

    pub(crate) fn incoming(&mut self) -> Incoming {
        self.incoming_within(compat_tests::wire::REPLY_PATIENCE)
    }

    pub(crate) fn incoming_within(&mut self, patience: Duration) -> Incoming {
        match self.client.read_frame_within(patience) {
            Inbound::Frame(frame) => self.take_apart(&frame),
            Inbound::Closed => {
                self.note("closed");
                Incoming::Closed
            }
            Inbound::Silent => Incoming::Silent,
        }
    }

    /// Events received so far, as (type, path); a ping flushes out those on their way.
    #[track_caller]
    pub(crate) fn events(&mut self) -> Vec<(i32, String)> {
        self.ping();
        self.take_events()
            .into_iter()
            .map(|event| (event.kind, event.path))
            .collect()
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Runs without recording: for polling, whose number of rounds is nobody's
    /// business. The xids used are used again.
    pub(crate) fn quietly<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let next_xid = self.next_xid;
        self.recording = false;
        let result = work(self);
        self.recording = true;
        self.next_xid = next_xid;
        result
    }

    fn take_apart(&mut self, frame: &[u8]) -> Incoming {
        let mut reader = Reader::new(frame);
        let (Some(xid), Some(zxid), Some(err)) = (reader.int(), reader.long(), reader.int()) else {
            panic!(
                "c{}: a frame without a reply header: {frame:02x?}",
                self.name
            );
        };
        let body = reader.remaining();
        // No scenario sends this xid itself: it is how events are told from replies.
        if xid == -1 {
            if self.recording {
                self.transcript
                    .borrow_mut()
                    .event(self.name, zxid, err, body);
            }
            return Incoming::Event(Event::decode(zxid, body));
        }
        let op = self.awaited.pop_front().unwrap_or(0);
        if self.recording {
            let reply = ReplyFrame {
                op,
                xid,
                zxid,
                err,
                body,
            };
            self.transcript.borrow_mut().reply(self.name, &reply);
        }
        Incoming::Reply(Reply {
            op,
            xid,
            zxid,
            err,
            body: body.to_vec(),
        })
    }

    fn note(&self, what: &str) {
        if self.recording {
            self.transcript
                .borrow_mut()
                .line(format!("c{} {what}", self.name));
        }
    }
}

/// The operations by name, each waiting for its reply.
impl Conn {
    #[track_caller]
    pub(crate) fn create(&mut self, path: &str, data: &[u8]) -> Reply {
        self.call(op::CREATE, &ops::create(path, data, OPEN, ops::PLAIN))
    }

    #[track_caller]
    pub(crate) fn create_mode(&mut self, path: &str, flags: i32) -> Reply {
        self.call(op::CREATE, &ops::create(path, b"", OPEN, flags))
    }

    #[track_caller]
    pub(crate) fn create_acl(&mut self, path: &str, acl: &[Acl<'_>]) -> Reply {
        self.call(op::CREATE, &ops::create(path, b"", acl, ops::PLAIN))
    }

    #[track_caller]
    pub(crate) fn delete(&mut self, path: &str, version: i32) -> Reply {
        self.call(op::DELETE, &ops::path_int(path, version))
    }

    #[track_caller]
    pub(crate) fn exists(&mut self, path: &str) -> Reply {
        self.call(op::EXISTS, &ops::path_watch(path, false))
    }

    #[track_caller]
    pub(crate) fn watch_exists(&mut self, path: &str) -> Reply {
        self.call(op::EXISTS, &ops::path_watch(path, true))
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.call(op::GET_DATA, &ops::path_watch(path, false))
    }

    #[track_caller]
    pub(crate) fn watch_data(&mut self, path: &str) -> Reply {
        self.call(op::GET_DATA, &ops::path_watch(path, true))
    }

    #[track_caller]
    pub(crate) fn children(&mut self, path: &str) -> Reply {
        self.call(op::GET_CHILDREN, &ops::path_watch(path, false))
    }

    #[track_caller]
    pub(crate) fn watch_children(&mut self, path: &str) -> Reply {
        self.call(op::GET_CHILDREN, &ops::path_watch(path, true))
    }

    #[track_caller]
    pub(crate) fn set(&mut self, path: &str, data: &[u8], version: i32) -> Reply {
        self.call(op::SET_DATA, &ops::set_data(path, data, version))
    }

    #[track_caller]
    pub(crate) fn set_acl(&mut self, path: &str, acl: &[Acl<'_>], version: i32) -> Reply {
        self.call(op::SET_ACL, &ops::set_acl(path, acl, version))
    }

    #[track_caller]
    pub(crate) fn get_acl(&mut self, path: &str) -> Reply {
        self.call(op::GET_ACL, &ops::path_only(path))
    }

    #[track_caller]
    pub(crate) fn multi(&mut self, records: &[(i32, Body)]) -> Reply {
        self.call(op::MULTI, &ops::multi(records))
    }

    #[track_caller]
    pub(crate) fn add_watch(&mut self, path: &str, mode: i32) -> Reply {
        self.call(op::ADD_WATCH, &ops::path_int(path, mode))
    }

    #[track_caller]
    pub(crate) fn check_watches(&mut self, path: &str, kind: i32) -> Reply {
        self.call(op::CHECK_WATCHES, &ops::path_int(path, kind))
    }

    #[track_caller]
    pub(crate) fn remove_watches(&mut self, path: &str, kind: i32) -> Reply {
        self.call(op::REMOVE_WATCHES, &ops::path_int(path, kind))
    }

    #[track_caller]
    pub(crate) fn auth(&mut self, scheme: &str, data: &[u8]) -> Reply {
        self.call_as(-4, op::AUTH, &ops::auth(scheme, data))
    }

    #[track_caller]
    pub(crate) fn ping(&mut self) -> Reply {
        self.call_as(-2, op::PING, &Body::new())
    }

    #[track_caller]
    pub(crate) fn who_am_i(&mut self) -> Reply {
        self.call(op::WHO_AM_I, &Body::new())
    }

    /// Closes the session and reads the end of the connection.
    #[track_caller]
    pub(crate) fn close(&mut self) -> Reply {
        let reply = self.call(op::CLOSE_SESSION, &Body::new());
        self.closed();
        self.transcript
            .borrow_mut()
            .session_closed(self.session().id);
        reply
    }
}
