//! One server as a scenario sees it: connections, a subtree of its own, a transcript.

use std::{
    cell::RefCell,
    net::{Ipv6Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use compat_tests::{
    eventually::{eventually, within},
    server::{Server, ServerOptions, four_letter_word},
    wire::{Body, Client, Inbound, Reader, Session, connect_request},
};

use crate::{
    conn::Conn,
    ops::{self, OPEN, op},
    sets::has_v6,
    transcript::Transcript,
};

/// Long enough that no session expires under a scenario that does not mean it to.
const SESSION_TIMEOUT_MS: i32 = 40_000;
/// Sent before a session is closed behind a scenario, for servers that enforce authentication.
const CLEANUP_AUTH: &[u8] = b"cleaner:cleaner";

pub(crate) struct Target {
    server: Rc<RefCell<Server>>,
    /// With the data directory, so that a restarted server finds its data.
    options: ServerOptions,
    transcript: Rc<RefCell<Transcript>>,
    root: String,
    base_zxid: i64,
}

impl Target {
    pub(crate) fn new(server: Rc<RefCell<Server>>, options: ServerOptions, scenario: &str) -> Self {
        let address = server.borrow().address();
        let base_zxid = last_zxid(address);
        let transcript = Rc::new(RefCell::new(Transcript::new(base_zxid)));
        Self {
            server,
            options,
            transcript,
            root: format!("/{scenario}"),
            base_zxid,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.borrow().address()
    }

    /// The scenario's own node; whoever wants it creates it.
    pub(crate) fn root(&self) -> String {
        self.root.clone()
    }

    /// `child` below the scenario's own node.
    pub(crate) fn path(&self, child: &str) -> String {
        format!("{}/{child}", self.root)
    }

    /// The server's last zxid when the scenario began.
    pub(crate) fn base_zxid(&self) -> i64 {
        self.base_zxid
    }

    /// A connection on which the handshake is still to come.
    pub(crate) fn tcp(&self) -> Conn {
        Conn::new(self.address(), &self.transcript)
    }

    /// A connection with a session.
    #[track_caller]
    pub(crate) fn conn(&self) -> Conn {
        self.tcp().open(SESSION_TIMEOUT_MS)
    }

    #[track_caller]
    pub(crate) fn conn_with_timeout(&self, timeout_ms: i32) -> Conn {
        self.tcp().open(timeout_ms)
    }

    /// As [`Self::conn`] from the IPv6 loopback address, if there is one.
    #[track_caller]
    pub(crate) fn conn_over_v6(&self) -> Option<Conn> {
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, self.address().port()));
        has_v6().then(|| Conn::new(address, &self.transcript).open(SESSION_TIMEOUT_MS))
    }

    /// A connection with a session, and the scenario's own node made with it.
    #[track_caller]
    pub(crate) fn conn_at_root(&self) -> Conn {
        let mut conn = self.conn();
        let body = ops::create(&self.root, b"", OPEN, ops::PLAIN);
        conn.call(op::CREATE, &body).ok();
        conn
    }

    /// Attaches a session again on a new connection; whether that worked is in the response.
    #[track_caller]
    pub(crate) fn reattach(&self, session: &Session, timeout_ms: i32) -> (Conn, Session) {
        let mut conn = self.tcp();
        let request = connect_request(
            0,
            timeout_ms,
            session.id,
            Some(&session.password),
            Some(false),
        );
        let response = conn.handshake(&request).expect("a ConnectResponse");
        (conn, response)
    }

    /// Sends a four-letter word and records the answer.
    pub(crate) fn four_letter_word(&self, bytes: &[u8]) -> String {
        let mut client = Client::connect(self.address());
        client.send_raw(bytes);
        let answer = String::from_utf8_lossy(&client.read_to_close()).into_owned();
        self.note(format!("4lw {bytes:?} {answer:?}"));
        answer
    }

    /// As [`Self::four_letter_word`] for answers with times and addresses, which cannot be equal.
    pub(crate) fn four_letter_word_unrecorded(&self, word: &str) -> String {
        self.server.borrow().four_letter_word(word)
    }

    /// A line of the transcript in the scenario's own words.
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.transcript.borrow_mut().line(line.into());
    }

    /// `kill -9` and a new process on the same data directory and port.
    pub(crate) fn crash_and_restart(&self) {
        let mut server = self.server.borrow_mut();
        server.kill();
        let options = self.options.clone().port_of(&server);
        *server = Server::start(server.kind(), &options);
        self.note("restarted");
    }

    /// Closes every session the scenario left open, so that none expires under a later one.
    pub(crate) fn finish(self) -> Vec<String> {
        let sessions = self.transcript.borrow().open_sessions();
        for session in sessions {
            let closed = within(Duration::from_secs(15), || {
                close_session(self.address(), &session, true)
                    .or_else(|| close_session(self.address(), &session, false))
            });
            assert!(
                closed.is_some(),
                "session {:#x} cannot be closed",
                session.id
            );
        }
        self.transcript.borrow().lines().to_vec()
    }
}

/// `Zxid` of `srvr`, which every server answers without a session.
fn last_zxid(address: SocketAddr) -> i64 {
    eventually("srvr tells the zxid", Duration::from_secs(15), || {
        let answer = four_letter_word(address, "srvr").ok()?;
        let hex = answer
            .lines()
            .find_map(|line| line.strip_prefix("Zxid: 0x"))?;
        i64::from_str_radix(hex.trim(), 16).ok()
    })
}

/// `Some` once the session is known to be gone. Some servers want an identity, some refuse one.
fn close_session(address: SocketAddr, session: &Session, identify: bool) -> Option<()> {
    let mut client = Client::connect(address);
    let password = Some(session.password.as_slice());
    client.send_frame(connect_request(0, 10_000, session.id, password, Some(false)).bytes());
    let Inbound::Frame(frame) = client.read_frame() else {
        return None;
    };
    if Session::decode(&frame)?.timeout_ms <= 0 {
        return Some(());
    }
    if identify {
        client.request(-4, op::AUTH, &ops::auth("digest", CLEANUP_AUTH));
        client.read_frame();
    }
    client.request(1, op::CLOSE_SESSION, &Body::new());
    let Inbound::Frame(reply) = client.read_frame() else {
        return None;
    };
    let mut reader = Reader::new(&reply);
    let (xid, _zxid, err) = (reader.int()?, reader.long()?, reader.int()?);
    ((xid, err) == (1, 0) && client.read_frame() == Inbound::Closed).then_some(())
}
