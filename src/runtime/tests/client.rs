//! A raw client: frames over a blocking socket, with deadlines.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use jute::proto::{ConnectRequest, ConnectResponse, CreateRequest, ReplyHeader, RequestHeader};
use jute::{Decode, Encode};

use crate::base::{Acl, perms};
use crate::proto::Op;

/// A connection, with a session once [`Client::open`] made one.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) session: i64,
    pub(super) password: Vec<u8>,
    xid: i32,
}

/// A reply or an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) xid: i32,
    pub(super) zxid: i64,
    pub(super) err: i32,
    pub(super) body: Vec<u8>,
}

impl Client {
    /// A connection that has said nothing.
    pub(super) fn connect(server: SocketAddr) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            session: 0,
            password: vec![0; 16],
            xid: 0,
        }
    }

    /// A connection with a fresh session.
    pub(super) fn open(server: SocketAddr) -> Self {
        let mut client = Self::connect(server);
        let response = client.hello(0, &[0; 16]).unwrap();
        let response = ConnectResponse::from_slice(&response).unwrap();
        assert!(response.time_out > 0 && response.session_id != 0);
        client.session = response.session_id;
        client.password = response.passwd.unwrap().to_vec();
        client
    }

    pub(super) fn send_hello(&mut self, session: i64, password: &[u8]) {
        let request = ConnectRequest {
            time_out: 30_000,
            session_id: session,
            passwd: Some(password),
            read_only: Some(false),
            ..ConnectRequest::default()
        };
        self.send_frame(&request.to_vec()).unwrap();
    }

    pub(super) fn hello(&mut self, session: i64, password: &[u8]) -> io::Result<Vec<u8>> {
        self.send_hello(session, password);
        self.frame()
    }

    pub(super) fn send_frame(&mut self, content: &[u8]) -> io::Result<()> {
        let length = u32::try_from(content.len()).unwrap();
        let bytes = [&length.to_be_bytes(), content].concat();
        self.stream.write_all(&bytes)
    }

    /// Sends a request under the next number, which it gives.
    pub(super) fn send(&mut self, op: Op, body: &[u8]) -> i32 {
        self.xid += 1;
        self.send_as(self.xid, op.number(), body);
        self.xid
    }

    pub(super) fn send_as(&mut self, xid: i32, op: i32, body: &[u8]) {
        let header = RequestHeader { xid, op }.to_vec();
        self.send_frame(&[&header, body].concat()).unwrap();
    }

    /// Sends a request and gives its reply, which must be the next to come.
    pub(super) fn call(&mut self, op: Op, body: &[u8]) -> Reply {
        let xid = self.send(op, body);
        let reply = self.reply();
        assert_eq!(reply.xid, xid);
        reply
    }

    pub(super) fn reply(&mut self) -> Reply {
        let frame = self.frame().unwrap();
        Self::reply_of(&frame)
    }

    /// The next reply, or `None` when the connection ends or none comes for a moment. Not to be
    /// used where a reply may come in parts.
    pub(super) fn try_reply(&mut self) -> Option<Reply> {
        self.stream.set_read_timeout(Some(MOMENT)).unwrap();
        let frame = self.frame().ok();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        frame.map(|frame| Self::reply_of(&frame))
    }

    fn reply_of(frame: &[u8]) -> Reply {
        let header = ReplyHeader::from_slice(frame).unwrap();
        Reply {
            xid: header.xid,
            zxid: header.zxid,
            err: header.err,
            body: frame[16..].to_vec(),
        }
    }

    pub(super) fn frame(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut content = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut content)?;
        Ok(content)
    }

    /// Asserts that nothing comes any more but the end.
    pub(super) fn assert_closed(mut self) {
        let mut rest = Vec::new();
        let end = self.stream.read_to_end(&mut rest).map_err(|e| e.kind());
        assert!(
            matches!(end, Ok(0) | Err(io::ErrorKind::ConnectionReset)),
            "{end:?}, {rest:?}"
        );
    }

    /// Everything until the end.
    pub(super) fn rest(mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// What any answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

const MOMENT: Duration = Duration::from_millis(100);

pub(super) fn create(path: &str, data: &[u8]) -> Vec<u8> {
    CreateRequest {
        path: Some(path.into()),
        data: Some(data),
        acl: Some(vec![Acl::anyone(perms::ALL).as_record()]),
        flags: 0,
    }
    .to_vec()
}

/// `exists`, `getData` and `getChildren`.
pub(super) fn look(path: &str, watch: bool) -> Vec<u8> {
    jute::proto::GetDataRequest {
        path: Some(path.into()),
        watch,
    }
    .to_vec()
}

pub(super) fn set(path: &str, data: &[u8]) -> Vec<u8> {
    jute::proto::SetDataRequest {
        path: Some(path.into()),
        data: Some(data),
        version: -1,
    }
    .to_vec()
}
