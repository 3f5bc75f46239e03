//! Handshake, order of replies, and what closes a connection.

use jute::proto::{AuthPacket, ConnectResponse, GetDataResponse, GetSaslRequest, SetSaslResponse};
use jute::{Decode, Encode};

use super::Fixture;
use super::client::{Client, create, look, set};
use crate::proto::{ErrorCode, Op};

#[test]
fn a_client_writes_and_reads() {
    let fixture = Fixture::start(&[]);
    let mut client = Client::open(fixture.server.client_address());
    let created = client.call(Op::Create, &create("/a", b"one"));
    assert_eq!((created.zxid, created.err), (2, 0));
    let read = client.call(Op::GetData, &look("/a", true));
    let data = GetDataResponse::from_slice(&read.body).unwrap();
    assert_eq!((data.data, data.stat.version), (Some(&b"one"[..]), 0));
    let missing = client.call(Op::Exists, &look("/b", false));
    assert_eq!(missing.err, ErrorCode::NoNode.number());

    let xid = client.send(Op::SetData, &set("/a", b"two"));
    let event = client.reply();
    assert_eq!((event.xid, event.zxid), (-1, 3), "the event comes first");
    assert_eq!(client.reply().xid, xid);
    client.send_as(77, Op::Ping.number(), &[]);
    let pong = client.reply();
    assert_eq!((pong.xid, pong.zxid, pong.err), (-2, 3, 0));
    let closed = client.call(Op::CloseSession, &[]);
    assert_eq!((closed.zxid, closed.err), (4, 0));
    client.assert_closed();
    fixture.server.stop().unwrap();
}

#[test]
fn replies_come_in_the_order_of_requests() {
    let fixture = Fixture::start(&[]);
    let server = fixture.server.client_address();
    let mut client = Client::open(server);
    let mut expected = vec![client.send(Op::Create, &create("/n", b"0"))];
    for number in 1..=500_u32 {
        let data = number.to_string();
        expected.push(client.send(Op::SetData, &set("/n", data.as_bytes())));
        expected.push(client.send(Op::GetData, &look("/n", false)));
        expected.push(client.send(Op::GetData, &look("/missing", false)));
    }
    let mut last_written = String::new();
    for (position, xid) in expected.into_iter().enumerate() {
        let reply = client.reply();
        assert_eq!(reply.xid, xid);
        if position % 3 == 2 {
            let read = GetDataResponse::from_slice(&reply.body).unwrap();
            last_written = String::from_utf8(read.data.unwrap().to_vec()).unwrap();
            assert_eq!(last_written, (position / 3 + 1).to_string());
        }
    }
    assert_eq!(last_written, "500");
    fixture.server.stop().unwrap();
}

#[test]
fn what_is_sent_while_the_session_settles_is_kept() {
    let fixture = Fixture::start(&[]);
    let mut client = Client::connect(fixture.server.client_address());
    client.send_hello(0, &[0; 16]);
    let create = client.send(Op::Create, &create("/early", b""));
    let read = client.send(Op::GetData, &look("/early", false));
    let response = client.frame().unwrap();
    assert_eq!(response.len(), 37, "with the read-only flag");
    assert_eq!((client.reply().xid, client.reply().xid), (create, read));
    fixture.server.stop().unwrap();
}

#[test]
fn the_handshake_mirrors_the_read_only_flag() {
    let fixture = Fixture::start(&[]);
    let mut client = Client::connect(fixture.server.client_address());
    let without_flag = jute::proto::ConnectRequest {
        time_out: 30_000,
        passwd: Some(&[0; 16]),
        ..Default::default()
    };
    client.send_frame(&without_flag.to_vec()).unwrap();
    assert_eq!(client.frame().unwrap().len(), 36);
    fixture.server.stop().unwrap();
}

#[test]
fn a_session_moves_to_a_new_connection() {
    let fixture = Fixture::start(&[]);
    let server = fixture.server.client_address();
    let old = Client::open(server);
    let mut new = Client::connect(server);
    let response = new.hello(old.session, &old.password).unwrap();
    let response = ConnectResponse::from_slice(&response).unwrap();
    assert_eq!(
        (response.session_id, response.time_out),
        (old.session, 30_000)
    );
    let mut stranger = Client::connect(server);
    let refused = stranger.hello(old.session, &[7; 16]).unwrap();
    let refused = ConnectResponse::from_slice(&refused).unwrap();
    assert_eq!((refused.session_id, refused.time_out), (0, 0));
    old.assert_closed();
    stranger.assert_closed();
    assert_eq!(new.call(Op::Exists, &look("/", false)).err, 0);
    fixture.server.stop().unwrap();
}

#[test]
fn frames_that_cannot_be_taken_close_the_connection() {
    let fixture = Fixture::start(&[("jute.maxbuffer", "4096")]);
    let server = fixture.server.client_address();
    let mut too_long = Client::open(server);
    let longest = too_long.call(Op::Create, &create("/a", &[b'x'; 4000]));
    assert_eq!(longest.err, 0);
    too_long.send_frame(&[0; 4097]).unwrap();
    too_long.assert_closed();
    let mut no_header = Client::open(server);
    no_header.send_frame(&[0; 7]).unwrap();
    no_header.assert_closed();
    let mut garbage = Client::connect(server);
    garbage.send_frame(&[1; 20]).unwrap();
    garbage.assert_closed();
    let mut malformed = Client::open(server);
    let refused = malformed.call(Op::GetData, &[0, 0, 0, 9]);
    assert_eq!(refused.err, ErrorCode::MarshallingError.number());
    assert_eq!(malformed.call(Op::Exists, &look("/a", false)).err, 0);
    fixture.server.stop().unwrap();
}

#[test]
fn operations_not_for_clients_are_refused_and_close() {
    let fixture = Fixture::start(&[]);
    for op in [0, 13, 20, 99, -1, -10] {
        let mut client = Client::open(fixture.server.client_address());
        client.send(Op::Create, &create("/before", b""));
        client.send_as(5, op, &[]);
        client.send(Op::Exists, &look("/", false));
        client.reply();
        let reply = client.reply();
        let unimplemented = ErrorCode::Unimplemented.number();
        assert_eq!((reply.xid, reply.zxid, reply.err), (5, -1, unimplemented));
        client.assert_closed();
    }
    fixture.server.stop().unwrap();
}

fn auth(scheme: &str, token: &[u8]) -> Vec<u8> {
    AuthPacket {
        auth_type: 0,
        scheme: Some(scheme.into()),
        auth: Some(token),
    }
    .to_vec()
}

#[test]
fn authentication_is_answered_at_once() {
    let fixture = Fixture::start(&[]);
    let server = fixture.server.client_address();
    let mut client = Client::open(server);
    client.send_as(-4, Op::Auth.number(), &auth("digest", b"ann:secret"));
    let reply = client.reply();
    assert_eq!((reply.xid, reply.zxid, reply.err), (-4, 0, 0));
    let who = client.call(Op::WhoAmI, &[]);
    assert!(who.body.windows(3).any(|bytes| bytes == b"ann"));
    client.send_as(-4, Op::Auth.number(), &auth("nonsense", b""));
    assert_eq!(client.reply().err, ErrorCode::AuthFailed.number());
    client.assert_closed();

    let mut sasl = Client::open(server);
    let token = GetSaslRequest { token: Some(b"") };
    let reply = sasl.call(Op::Sasl, &token.to_vec());
    assert_eq!((reply.zxid, reply.err), (0, 0));
    let response = SetSaslResponse::from_slice(&reply.body).unwrap();
    assert_eq!(response.token, None);
    sasl.send(Op::Sasl, &GetSaslRequest { token: None }.to_vec());
    sasl.assert_closed();
    fixture.server.stop().unwrap();
}

#[test]
fn enforced_schemes_are_demanded_of_every_request() {
    let fixture = Fixture::start(&[
        ("zookeeper.enforce.auth.enabled", "true"),
        ("zookeeper.enforce.auth.schemes", "digest"),
    ]);
    let server = fixture.server.client_address();
    let mut client = Client::open(server);
    client.send_as(-4, Op::Auth.number(), &auth("digest", b"ann:secret"));
    client.reply();
    assert_eq!(client.call(Op::Exists, &look("/", false)).err, 0);
    let mut nobody = Client::open(server);
    nobody.send_as(-2, Op::Ping.number(), &[]);
    let reply = nobody.reply();
    let code = ErrorCode::SessionClosedRequireSaslAuth.number();
    assert_eq!((reply.xid, reply.zxid, reply.err), (-2, 0, code));
    nobody.assert_closed();
    fixture.server.stop().unwrap();
}
