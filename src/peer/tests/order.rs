//! Who is answered when, and in which order.

use super::*;
use crate::base::limits;
use crate::proto::MultiOp;
use crate::proto::request::{Check, SetAcl};

#[test]
fn nothing_is_answered_before_it_is_durable() {
    let mut bench = Bench::new();
    let conn = bench.connect(|_| {});
    bench.apply();
    assert_eq!(bench.heard(), [""; 0]);
    bench.sync(1);
    assert!(bench.peer.has_committed());
    bench.apply();
    let client = bench.take_client(conn);
    bench.create(&client, "/a");
    bench.create(&client, "/b");
    bench.create(&client, "/missing/x");
    bench.apply();
    assert_eq!(bench.heard(), [""; 0]);
    assert!(!bench.exists("/a"));
    bench.sync(2);
    bench.apply();
    assert_eq!(
        bench.heard(),
        ["1: reply 1 at 2: /a", "1: reply 2 at 3: /b"]
    );
    assert_eq!(bench.settle(), ["1: reply 3 at 4: NONODE"]);
}

#[test]
fn what_needs_no_disk_waits_for_its_turn() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.create(&client, "/a");
    bench.malformed(&client);
    bench.sync_path(&client, "/any");
    bench.create(&client, "/b");
    bench.malformed(&client);
    assert!(!bench.peer.has_committed());
    bench.sync(1);
    bench.apply();
    let expected = [
        "1: reply 1 at 2: /a",
        "1: reply 2 at 2: MARSHALLINGERROR",
        "1: reply 3 at 2: synced Some(\"/any\")",
    ];
    assert_eq!(bench.heard(), expected);
    let expected = ["1: reply 4 at 3: /b", "1: reply 5 at 3: MARSHALLINGERROR"];
    assert_eq!(bench.settle(), expected);
}

#[test]
fn with_nothing_before_it_a_sync_is_ready_at_once() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.sync_path(&client, "/");
    assert!(bench.peer.has_committed());
    bench.apply();
    assert_eq!(bench.heard(), ["1: reply 1 at 1: synced Some(\"/\")"]);
    bench.malformed(&client);
    assert!(bench.peer.has_committed());
    bench.apply();
    assert_eq!(bench.heard(), ["1: reply 2 at 1: MARSHALLINGERROR"]);
}

#[test]
fn every_kind_of_reply() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.write(&client, Op::Create, create("/a", 0));
    bench.write(&client, Op::Create2, create_as("/b", Op::Create2, 0, -1));
    let container = create_as("/c", Op::CreateContainer, 4, -1);
    bench.write(&client, Op::CreateContainer, container);
    bench.set(&client, "/a");
    let set_acl = WriteRequest::SetAcl(SetAcl {
        path: "/a".into(),
        acl: Some(vec![Acl::anyone(perms::ALL)]),
        version: 0,
    });
    bench.write(&client, Op::SetAcl, set_acl);
    let check = |version| {
        MultiOp::Check(Check {
            path: "/a".into(),
            version,
        })
    };
    let multi = WriteRequest::Multi(vec![check(1)]);
    bench.write(&client, Op::Multi, multi);
    let multi = WriteRequest::Multi(vec![check(1), check(7), check(1)]);
    bench.write(&client, Op::Multi, multi);
    bench.delete(&client, "/b");
    let expected = [
        "1: reply 1 at 2: /a",
        "1: reply 2 at 3: /b of 3",
        "1: reply 3 at 4: /c of 4",
        "1: reply 4 at 5: version 1 0",
        "1: reply 5 at 6: version 1 1",
        "1: reply 6 at 7: [Checked]",
        "1: reply 7 at 8: [Error(0), Error(-103), Error(-2)]",
        "1: reply 8 at 9: done",
    ];
    assert_eq!(bench.settle(), expected);
}

/// QP-117.
#[test]
fn an_event_comes_before_the_reply_of_its_write() {
    let mut bench = Bench::new();
    let writer = bench.client();
    let watcher = bench.client();
    bench.watch(&writer, "/");
    bench.watch(&watcher, "/a");
    bench.create(&writer, "/a");
    bench.create(&writer, "/b");
    let heard = bench.settle();
    let of = |conn: &'static str| heard.iter().filter(move |line| line.starts_with(conn));
    let expected = [
        "1: NodeCreated /a at 3",
        "1: reply 1 at 3: /a",
        "1: NodeCreated /b at 4",
        "1: reply 2 at 4: /b",
    ];
    assert!(of("1").eq(&expected), "{heard:?}");
    assert!(of("2").eq(&["2: NodeCreated /a at 3"]), "{heard:?}");
}

#[test]
fn the_end_of_a_session_tells_watchers_answers_and_closes() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.create(&client, "/p");
    bench.ephemeral(&client, "/p/b");
    bench.ephemeral(&client, "/p/a");
    bench.settle();
    bench.watch(&client, "/p");
    bench.close(&client);
    assert!(!client.session.is_open());
    // What the client sent behind it is dropped.
    bench.create(&client, "/late");
    bench.sync_path(&client, "/late");
    let expected = [
        "1: NodeDeleted /p/a at 5",
        "1: NodeDeleted /p/b at 5",
        "1: reply 4 at 5: done",
        "1: close",
    ];
    assert_eq!(bench.settle(), expected);
    assert_eq!(bench.peer.counters().writes_dropped, 2);
    assert!(bench.db.sessions.is_empty() && !bench.exists("/late"));
    bench.feed(Input::Disconnected { conn: client.conn });
    assert_eq!(bench.settle(), [""; 0]);
}

#[test]
fn who_has_left_is_not_answered_but_its_writes_are_done() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.create(&client, "/a");
    bench.feed(Input::Disconnected { conn: client.conn });
    bench.create(&client, "/b");
    assert_eq!(bench.settle(), [""; 0]);
    assert!(bench.exists("/a") && !bench.exists("/b"));
}

#[test]
fn a_write_over_another_connection_than_the_sessions_is_dropped() {
    let mut bench = Bench::new();
    let client = bench.client();
    let other = bench.client();
    let mixed = Client {
        conn: other.conn,
        session: client.session,
    };
    bench.create(&mixed, "/a");
    assert_eq!(bench.settle(), [""; 0]);
    assert!(!bench.exists("/a"));
}

#[test]
fn there_is_room_up_to_the_bound() {
    let mut bench = Bench::new();
    let client = bench.client();
    let mut fed = 0;
    while bench.peer.has_room() {
        bench.set(&client, "/");
        fed += 1;
    }
    assert_eq!(fed, limits::TRANSACTIONS_IN_FLIGHT);
    // Nothing wakes it while it is full.
    assert_eq!(bench.peer.next_deadline(), None);
    bench.sync(1);
    bench.apply();
    assert!(bench.peer.has_room());
    assert!(bench.peer.next_deadline().is_some());
    assert_eq!(bench.settle().len(), fed);
    assert_eq!(bench.peer.in_flight().requests, 0);
    assert_eq!(bench.peer.in_flight().transaction_bytes, 0);
}

#[test]
fn bytes_in_flight_are_bounded_too() {
    let mut bench = Bench::new();
    let client = bench.client();
    let data = Bytes::from(vec![7; 1_000_000]);
    let mut fed = 0;
    while bench.peer.has_room() {
        let request = WriteRequest::SetData(SetData {
            path: "/".into(),
            data: Some(data.clone()),
            version: -1,
        });
        bench.write(&client, Op::SetData, request);
        fed += 1;
    }
    assert_eq!(fed, limits::TRANSACTION_BYTES_IN_FLIGHT / 1_000_000 + 1);
    assert_eq!(bench.settle().len(), fed);
}
