//! Raw bytes to and from a server: frames, a builder and a reader of Jute primitives, a client.
//!
//! Written on purpose without the `jute` crate, and with nothing clever in it: what a test sends and
//! reads here must not share a mistake with the server. All multi-byte numbers are big-endian.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// How long a reply may take; only spent when a test fails.
pub const REPLY_PATIENCE: Duration = Duration::from_secs(60);

/// Builds the bytes of a record, field by field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body(Vec<u8>);

impl Body {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    #[must_use]
    pub fn byte(self, value: u8) -> Self {
        self.raw(&[value])
    }

    #[must_use]
    pub fn boolean(self, value: bool) -> Self {
        self.byte(u8::from(value))
    }

    #[must_use]
    pub fn int(self, value: i32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    #[must_use]
    pub fn long(self, value: i64) -> Self {
        self.raw(&value.to_be_bytes())
    }

    #[must_use]
    pub fn buffer(self, bytes: &[u8]) -> Self {
        self.int(length_of(bytes)).raw(bytes)
    }

    #[must_use]
    pub fn string(self, text: &str) -> Self {
        self.buffer(text.as_bytes())
    }

    /// The null string, buffer or vector: length -1.
    #[must_use]
    pub fn null(self) -> Self {
        self.int(-1)
    }

    #[must_use]
    pub fn strings(self, texts: &[&str]) -> Self {
        let count = i32::try_from(texts.len()).expect("tests send short vectors");
        texts
            .iter()
            .fold(self.int(count), |body, text| body.string(text))
    }

    #[must_use]
    pub fn append(self, other: &Self) -> Self {
        self.raw(&other.0)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Takes a record apart, field by field. `None` means the bytes ended or a length makes no sense.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn raw(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.raw(1).map(|bytes| bytes[0])
    }

    pub fn int(&mut self) -> Option<i32> {
        self.raw(4)
            .map(|bytes| i32::from_be_bytes(bytes.try_into().expect("four bytes")))
    }

    pub fn long(&mut self) -> Option<i64> {
        self.raw(8)
            .map(|bytes| i64::from_be_bytes(bytes.try_into().expect("eight bytes")))
    }

    /// The inner `None` is the null buffer.
    pub fn buffer(&mut self) -> Option<Option<&'a [u8]>> {
        match self.int()? {
            -1 => Some(None),
            length => self.raw(usize::try_from(length).ok()?).map(Some),
        }
    }

    /// The inner `None` is the null string.
    pub fn string(&mut self) -> Option<Option<String>> {
        let buffer = self.buffer()?;
        Some(buffer.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    pub fn remaining(&self) -> &'a [u8] {
        self.0
    }
}

/// What the next read of a connection brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// The payload of one frame, without its length.
    Frame(Vec<u8>),
    /// The server ended the connection, with or without a reset, at a frame's edge or inside one.
    Closed,
    /// Nothing within the time given; what arrived of a frame is kept for the next read.
    Silent,
}

/// One TCP connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        // Without a timeout, since on loopback it is at once, and since the variant with one reports a
        // reset that follows the connect, which is a server's way to say that it has enough clients.
        let stream = TcpStream::connect(address)
            .unwrap_or_else(|error| panic!("{address} does not accept: {error}"));
        Self::over(stream)
    }

    /// For servers that may be gone or cut off.
    pub fn connect_within(address: SocketAddr, patience: Duration) -> std::io::Result<Self> {
        TcpStream::connect_timeout(&address, patience).map(Self::over)
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket option");
        stream
            .set_write_timeout(Some(REPLY_PATIENCE))
            .expect("a socket option");
        Self {
            stream,
            pending: Vec::new(),
        }
    }

    /// Connects and opens a session; panics unless the server grants one.
    pub fn open_session(address: SocketAddr, timeout_ms: i32) -> (Self, Session) {
        let opened = Self::try_open_session(address, timeout_ms);
        opened.unwrap_or_else(|| panic!("{address} closes instead of opening a session"))
    }

    /// The same; `None` if the server closes the connection.
    pub fn try_open_session(address: SocketAddr, timeout_ms: i32) -> Option<(Self, Session)> {
        let mut client = Self::connect(address);
        client.send_frame(connect_request(0, timeout_ms, 0, Some(&[0; 16]), Some(false)).bytes());
        let response = client.frame_or_close("ConnectResponse")?;
        let session = Session::decode(&response).expect("a ConnectResponse");
        assert!(
            session.timeout_ms > 0,
            "no session was granted: {session:?}"
        );
        Some((client, session))
    }

    /// Connects with the id and the password of a session; what the server makes of it.
    pub fn come_back(address: SocketAddr, session: &Session, password: &[u8]) -> (Self, Session) {
        let mut client = Self::connect(address);
        let request = connect_request(
            0,
            session.timeout_ms,
            session.id,
            Some(password),
            Some(false),
        );
        client.send_frame(request.bytes());
        let session = Session::decode(&client.frame("ConnectResponse")).expect("a ConnectResponse");
        (client, session)
    }

    /// Sends bytes as they are. False if the server has closed the connection, which some tests await.
    pub fn send_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn send_frame(&mut self, payload: &[u8]) -> bool {
        self.send_raw(Body::new().buffer(payload).bytes())
    }

    /// Sends a request without waiting for its reply.
    pub fn request(&mut self, xid: i32, op: i32, body: &Body) -> bool {
        self.send_frame(Body::new().int(xid).int(op).append(body).bytes())
    }

    pub fn read_frame(&mut self) -> Inbound {
        self.read_frame_within(REPLY_PATIENCE)
    }

    pub fn read_frame_within(&mut self, patience: Duration) -> Inbound {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(frame) = self.take_frame() {
                return Inbound::Frame(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Inbound::Silent;
            }
            self.stream
                .set_read_timeout(Some(left))
                .expect("a socket option");
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Inbound::Closed,
                Ok(count) => self.pending.extend_from_slice(&chunk[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Inbound::Silent;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Inbound::Closed,
            }
        }
    }

    /// The next frame; panics, naming `what` was awaited, if there is none.
    pub fn frame(&mut self, what: &str) -> Vec<u8> {
        match self.read_frame() {
            Inbound::Frame(frame) => frame,
            other => panic!("awaited {what}, got {other:?}"),
        }
    }

    /// The next frame; `None` if the server closes the connection.
    pub fn frame_or_close(&mut self, what: &str) -> Option<Vec<u8>> {
        match self.read_frame() {
            Inbound::Frame(frame) => Some(frame),
            Inbound::Closed => None,
            Inbound::Silent => panic!("awaited {what}, got nothing"),
        }
    }

    /// Panics unless the server closes the connection without another frame.
    pub fn expect_close(&mut self) {
        let inbound = self.read_frame();
        assert_eq!(
            inbound,
            Inbound::Closed,
            "the server was to close the connection"
        );
    }

    /// Ends our sending direction; the server sees the end of the stream.
    pub fn finish_sending(&mut self) {
        // The server may have closed first.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Everything up to the end of the connection, frames or not.
    pub fn read_to_close(&mut self) -> Vec<u8> {
        self.stream
            .set_read_timeout(Some(REPLY_PATIENCE))
            .expect("a socket option");
        let mut bytes = std::mem::take(&mut self.pending);
        // A reset after the last byte is an end like any other.
        let _ = self.stream.read_to_end(&mut bytes);
        bytes
    }

    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let mut reader = Reader::new(&self.pending);
        let length = usize::try_from(reader.int()?).expect("a server sends lengths >= 0");
        let frame = reader.raw(length)?.to_vec();
        self.pending.drain(..4 + length);
        Some(frame)
    }
}

/// The fields of a ConnectResponse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub protocol_version: i32,
    pub timeout_ms: i32,
    pub id: i64,
    pub password: Vec<u8>,
    /// Absent when the request carried no such byte.
    pub read_only: Option<u8>,
}

impl Session {
    pub fn decode(frame: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(frame);
        let session = Self {
            protocol_version: reader.int()?,
            timeout_ms: reader.int()?,
            id: reader.long()?,
            password: reader.buffer()??.to_vec(),
            read_only: reader.byte(),
        };
        reader.remaining().is_empty().then_some(session)
    }
}

/// A ConnectRequest; `password` `None` is the null buffer, `read_only` `None` leaves the byte out as
/// clients before 3.4 do.
pub fn connect_request(
    last_zxid_seen: i64,
    timeout_ms: i32,
    session_id: i64,
    password: Option<&[u8]>,
    read_only: Option<bool>,
) -> Body {
    let body = Body::new()
        .int(0)
        .long(last_zxid_seen)
        .int(timeout_ms)
        .long(session_id);
    let body = match password {
        Some(password) => body.buffer(password),
        None => body.null(),
    };
    match read_only {
        Some(flag) => body.boolean(flag),
        None => body,
    }
}

fn length_of(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).expect("tests send less than 2 GiB")
}
