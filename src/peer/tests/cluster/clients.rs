//! Clients of the ensemble: they connect, ask, and what they were told is looked at.

use bytes::Bytes;

use super::Cluster;
use crate::auth::Policy;
use crate::base::{Acl, ConnId, SessionId, Xid, Zxid};
use crate::peer::{ClientOutput, ConnectAsk, Input, Write};
use crate::proto::{Op, WriteReply, WriteRequest};
use crate::session::password;

/// A client of one server.
#[derive(Clone, Copy)]
pub(in crate::peer::tests) struct Client {
    pub(in crate::peer::tests) at: usize,
    pub(in crate::peer::tests) conn: ConnId,
    pub(in crate::peer::tests) session: SessionId,
}

impl Cluster {
    pub(in crate::peer::tests) fn connect(&mut self, at: usize, session: SessionId) -> Client {
        let conn = self.knock(at, session);
        while self.step() {}
        let heard = std::mem::take(&mut self.nodes[at].client);
        let session = heard.iter().find_map(|output| connected(output, conn));
        let session = session.unwrap_or_else(|| panic!("no session: {heard:?}"));
        Client { at, conn, session }
    }

    /// A client connects, and does not wait.
    pub(in crate::peer::tests) fn knock(&mut self, at: usize, session: SessionId) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let last_zxid_seen = Zxid::ZERO;
        let password = Some(Bytes::copy_from_slice(&password(session)));
        let request = ConnectAsk {
            last_zxid_seen,
            timeout_ms: 10_000,
            session,
            password: password.filter(|_| session != SessionId::NONE),
            read_only: true,
        };
        self.events
            .push_back((at, Input::Connect { conn, request }));
        conn
    }

    /// Asks, without waiting.
    pub(in crate::peer::tests) fn ask(&mut self, client: Client, op: Op, body: &[u8]) -> Xid {
        self.next_xid += 1;
        let xid = Xid(self.next_xid);
        let write = write(client, xid, op, body);
        self.events.push_back((client.at, Input::Write(write)));
        xid
    }

    /// What the client was answered, in order.
    pub(in crate::peer::tests) fn replies(&mut self, client: Client) -> Vec<(Xid, WriteReply)> {
        self.settle();
        let heard = std::mem::take(&mut self.nodes[client.at].client);
        let replies = heard.into_iter().filter_map(|output| match output {
            ClientOutput::Reply {
                conn, xid, reply, ..
            } if conn == client.conn => Some((xid, reply)),
            _ => None,
        });
        replies.collect()
    }

    pub(in crate::peer::tests) fn create(&mut self, client: Client, path: &str) {
        let xid = self.ask(client, Op::Create, &create_body(path, 0));
        let replies = self.replies(client);
        assert_eq!(replies, [(xid, WriteReply::Path(path.into()))]);
    }
}

pub(in crate::peer::tests) fn write(client: Client, xid: Xid, op: Op, body: &[u8]) -> Write {
    let body = Bytes::copy_from_slice(body);
    Write {
        conn: client.conn,
        session: client.session,
        xid,
        op,
        request: WriteRequest::decode(op, &body),
        ids: Policy::initial("10.0.0.1".parse().unwrap()),
        body,
    }
}

/// The session that a connection is told of.
pub(in crate::peer::tests) fn connected(output: &ClientOutput, to: ConnId) -> Option<SessionId> {
    match output {
        ClientOutput::Connected { conn, session, .. } if *conn == to => Some(session.id()),
        _ => None,
    }
}

pub(in crate::peer::tests) fn create_body(path: &str, flags: i32) -> Vec<u8> {
    use jute::Encode as _;
    let acl = Acl::anyone(31);
    jute::proto::CreateRequest {
        path: Some(path.into()),
        data: Some(b"data"),
        acl: Some(vec![acl.as_record()]),
        flags,
    }
    .to_vec()
}
