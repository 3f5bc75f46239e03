//! What happens at the bounds.

use std::io::{Read, Write};

use jute::Encode;
use jute::proto::{AddWatchRequest, RequestHeader};

use super::Fixture;
use super::client::{Client, create, look, set};
use crate::base::limits;
use crate::proto::Op;

#[test]
fn an_address_has_its_share_of_connections() {
    let fixture = Fixture::start(&[("zookeeper.maxClientCnxns", "2")]);
    let server = fixture.server.client_address();
    let first = Client::open(server);
    let _second = Client::open(server);
    Client::connect(server).assert_closed();
    drop(first);
    // The server sees the first go in its own time.
    let mut attempts = 0..10_000;
    let reopened = attempts.find_map(|_| Client::connect(server).hello(0, &[0; 16]).ok());
    assert!(reopened.is_some());
    fixture.server.stop().unwrap();
}

#[test]
fn more_replies_than_the_socket_takes_wait_for_their_client() {
    const REQUESTS: i32 = 600;
    let fixture = Fixture::start(&[]);
    let mut client = Client::open(fixture.server.client_address());
    let value = vec![b'v'; 200_000];
    assert_eq!(client.call(Op::Create, &create("/big", &value)).err, 0);
    // 120 MB of replies, far more than sockets hold, none of which is read yet.
    let mut requests = Vec::new();
    for xid in 1..=REQUESTS {
        let header = RequestHeader {
            xid,
            op: Op::GetData.number(),
        };
        let content = [header.to_vec(), look("/big", false)].concat();
        requests.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        requests.extend(content);
    }
    client.stream.write_all(&requests).unwrap();
    for xid in 1..=REQUESTS {
        let reply = client.reply();
        assert_eq!((reply.xid, reply.err), (xid, 0));
        assert!(reply.body.len() > value.len());
    }
    fixture.server.stop().unwrap();
}

#[test]
fn a_client_that_leaves_events_unread_is_closed() {
    let fixture = Fixture::start(&[("gamekeeper.client.unreadBytesMax", "1048575")]);
    let server = fixture.server.client_address();
    let path = format!("/{}", "p".repeat(60_000));
    let mut lazy = Client::open(server);
    let watch = AddWatchRequest {
        path: Some(path.as_str().into()),
        mode: 0,
    };
    assert_eq!(lazy.call(Op::AddWatch, &watch.to_vec()).err, 0);
    let mut busy = Client::open(server);
    assert_eq!(busy.call(Op::Create, &create(&path, b"")).err, 0);
    // 60 KB of events with each, which fills the sockets' buffers and then the bound.
    for _ in 0..400 {
        assert_eq!(busy.call(Op::SetData, &set(&path, b"")).err, 0);
    }
    let mut received = Vec::new();
    // The end or a reset, either of which is before all events.
    let _ = lazy.stream.read_to_end(&mut received);
    assert!(received.len() < 400 * path.len(), "{}", received.len());
    assert_eq!(busy.call(Op::Exists, &look("/", false)).err, 0);
    fixture.server.stop().unwrap();
}

#[test]
fn a_deep_pipeline_of_writes_and_reads_is_worked_off() {
    let fixture = Fixture::start(&[("zookeeper.globalOutstandingLimit", "10")]);
    let mut client = Client::open(fixture.server.client_address());
    let mut writer = Client::open(fixture.server.client_address());
    writer.call(Op::Create, &create("/n", b""));
    let requests = 4 * i32::try_from(limits::REQUESTS_WAITING_PER_CONNECTION).unwrap();
    let mut sent = Vec::new();
    let mut bytes = Vec::new();
    for xid in 1..=requests {
        let (op, body) = if xid % 2 == 0 {
            (Op::GetData, look("/n", false))
        } else {
            (Op::SetData, set("/n", b"v"))
        };
        let header = RequestHeader {
            xid,
            op: op.number(),
        };
        let content = [header.to_vec(), body].concat();
        bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        bytes.extend(content);
        sent.push(xid);
    }
    let mut sender = client.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || sender.write_all(&bytes).unwrap());
    for xid in sent {
        assert_eq!(client.reply().xid, xid);
    }
    sending.join().unwrap();
    fixture.server.stop().unwrap();
}

#[test]
fn large_requests_have_a_budget() {
    let fixture = Fixture::start(&[
        ("zookeeper.largeRequestThreshold", "1000"),
        ("zookeeper.largeRequestMaxBytes", "5000"),
    ]);
    let server = fixture.server.client_address();
    let mut client = Client::open(server);
    for number in 0..10 {
        let path = format!("/n{number}");
        let created = client.call(Op::Create, &create(&path, &[0; 4000]));
        assert_eq!(created.err, 0, "answered ones give their share back");
    }
    client.send(Op::Create, &create("/too-much", &[0; 5000]));
    client.assert_closed();
    fixture.server.stop().unwrap();
}

#[test]
fn sessions_are_throttled_by_tokens() {
    let fixture = Fixture::start(&[
        ("zookeeper.connection_throttle_tokens", "2"),
        ("zookeeper.connection_throttle_fill_time", "1000000"),
    ]);
    let server = fixture.server.client_address();
    let _sessions = [Client::open(server), Client::open(server)];
    let mut refused = Client::connect(server);
    refused.send_hello(0, &[0; 16]);
    refused.assert_closed();
    fixture.server.stop().unwrap();
}
