//! Sessions that open, come back, move to another connection, and are refused.

use super::*;
use crate::proto::Txn;

#[test]
fn new_sessions_have_a_clamped_timeout_and_ids_in_a_row() {
    let mut bench = Bench::new();
    for asked in [4000, 3999, 0, -1, i32::MIN, 40_000, 40_001, i32::MAX] {
        bench.connect(|ask| {
            ask.timeout_ms = asked;
            ask.password = None;
        });
    }
    let expected = [
        "1: connected for 4000",
        "2: connected for 4000",
        "3: connected for 4000",
        "4: connected for 4000",
        "5: connected for 4000",
        "6: connected for 40000",
        "7: connected for 40000",
        "8: connected for 40000",
    ];
    assert_eq!(bench.settle(), expected);
    let ids: Vec<_> = bench.db.sessions.keys().map(|id| id.0).collect();
    assert_eq!(
        ids[0].cast_unsigned() >> 56,
        1,
        "the standalone server's byte"
    );
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn the_password_is_the_sessions() {
    let mut bench = Bench::new();
    let conn = bench.connect(|_| {});
    bench.sync(1);
    bench.apply();
    let Some(ClientOutput::Connected {
        conn: to,
        session,
        password: given,
        ..
    }) = bench.client.pop()
    else {
        panic!("no session");
    };
    assert_eq!((to, given), (conn, password(session.id())));
}

#[test]
fn a_client_that_has_seen_the_future_is_cut_off() {
    let mut bench = Bench::new();
    let client = bench.client();
    assert_eq!(bench.db.last_zxid(), Zxid(1));
    let session = client.id();
    for (seen, expected) in [(2, "2: close"), (1, "3: connected for 4000")] {
        bench.connect(|ask| {
            ask.last_zxid_seen = Zxid(seen);
            if seen == 2 {
                ask.session = session;
                ask.password = Some(Bytes::copy_from_slice(&password(session)));
            }
        });
        assert_eq!(bench.settle(), [expected]);
    }
    // Prepared is not applied.
    bench.create(&client, "/a");
    bench.connect(|ask| ask.last_zxid_seen = Zxid(3));
    assert_eq!(bench.heard(), ["4: close"]);
}

#[test]
fn coming_back_renegotiates_and_closes_the_old_connection() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.ephemeral(&client, "/e");
    bench.settle();
    bench.create(&client, "/in-flight");
    let conn = bench.come_back(client.id(), 10_000);
    // At once: nothing has to become durable for it.
    assert_eq!(bench.heard(), ["1: close", "2: connected for 10000"]);
    assert_eq!(client.session.timeout_ms(), 10_000);
    // The old connection's write is done and not answered; a new one of it is dropped.
    bench.create(&client, "/late");
    assert_eq!(bench.settle(), [""; 0]);
    assert!(bench.exists("/in-flight") && !bench.exists("/late") && bench.exists("/e"));
    bench.feed(Input::Disconnected { conn: client.conn });
    let client = Client { conn, ..client };
    bench.create(&client, "/new");
    assert_eq!(bench.settle(), ["2: reply 4 at 4: /new"]);
}

#[test]
fn coming_back_after_the_connection_was_lost() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.feed(Input::Disconnected { conn: client.conn });
    bench.come_back(client.id(), 4000);
    assert_eq!(bench.heard(), ["2: connected for 4000"]);
}

#[test]
fn a_wrong_password_disturbs_nobody() {
    let mut bench = Bench::new();
    let client = bench.client();
    let session = client.id();
    let right = password(session);
    let mut wrong = right;
    wrong[0] ^= 1;
    for given in [
        None,
        Some(&[][..]),
        Some(&[0; 16]),
        Some(&wrong),
        Some(&right[1..]),
    ] {
        let given = given.map(Bytes::copy_from_slice);
        let conn = bench.connect(|ask| {
            ask.session = session;
            ask.password = given;
        });
        assert_eq!(bench.settle(), [format!("{}: invalid", conn.0)]);
    }
    bench.create(&client, "/a");
    assert_eq!(bench.settle(), ["1: reply 1 at 2: /a"]);
    assert_eq!(bench.peer.counters().sessions_refused, 5);
}

#[test]
fn sessions_that_are_not_there_are_invalid() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.come_back(SessionId(0x1234), 4000);
    assert_eq!(bench.settle(), ["2: invalid"]);
    // Closing.
    bench.close(&client);
    bench.come_back(client.id(), 4000);
    assert_eq!(bench.heard(), ["3: invalid"]);
    // Closed.
    bench.settle();
    bench.come_back(client.id(), 4000);
    assert_eq!(bench.heard(), ["4: invalid"]);
    // Not open yet: its id can be guessed, but nobody was told it.
    bench.connect(|_| {});
    bench.come_back(SessionId(client.id().0 + 1), 4000);
    assert_eq!(bench.settle(), ["6: invalid", "5: connected for 4000"]);
}

#[test]
fn a_client_that_leaves_before_its_session_is_open() {
    let mut bench = Bench::new();
    let conn = bench.connect(|_| {});
    bench.feed(Input::Disconnected { conn });
    assert_eq!(bench.settle(), [""; 0]);
    assert_eq!(bench.db.sessions.len(), 1);
    for _ in 0..4 {
        bench.pass(TICK);
    }
    assert_eq!(bench.settle(), [""; 0]);
    assert!(bench.db.sessions.is_empty());
}

#[test]
fn ephemerals_without_a_session_are_purged_at_the_start() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.create(&client, "/p");
    bench.ephemeral(&client, "/p/of-an-open-session");
    bench.settle();
    let mut db = bench.recovered();
    // Some ephemeral of a session that the snapshot did not have.
    let payload = &bench.log.last().unwrap().1;
    let mut record = TxnRecord::decode(payload, usize::MAX).unwrap();
    record.session = SessionId(0x99);
    record.zxid = record.zxid.next();
    record.digest = None;
    let Txn::Create(create) = &mut record.txn else {
        panic!("created above");
    };
    create.path = "/p/orphan".into();
    db.apply(&record, &mut Vec::new());
    let zxid = db.last_zxid();

    let mut bench = Bench::on(db, options());
    assert!(!bench.exists("/p/orphan") && bench.exists("/p/of-an-open-session"));
    assert_eq!(bench.db.last_zxid(), zxid, "it is no transaction");
    let parent = bench.db.tree.node("/p").unwrap().persisted();
    assert_eq!(parent.pzxid, zxid.0);
    // Foretelling the digest goes on from there.
    let client = bench.client();
    bench.create(&client, "/p/new");
    assert_eq!(bench.settle(), ["1: reply 1 at 6: /p/new"]);
}

#[test]
fn sessions_survive_a_restart() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.ephemeral(&client, "/e");
    bench.settle();
    let mut bench = Bench::on(bench.recovered(), options());
    let conn = bench.come_back(client.id(), 4000);
    let client = bench.take_client(conn);
    bench.delete(&client, "/e");
    assert_eq!(bench.settle(), ["1: reply 1 at 3: done"]);
}

#[test]
fn operators_see_sessions_and_who_holds_them() {
    let mut bench = Bench::new();
    let held = bench.client();
    let left = bench.client();
    bench.feed(Input::Disconnected { conn: left.conn });
    let reports = bench.peer.sessions();
    assert_eq!(bench.peer.session_count(), 2);
    let seen: Vec<_> = reports
        .iter()
        .map(|report| (report.session.id, report.session.timeout_ms, report.conn))
        .collect();
    let expected = [(held.id(), 4000, Some(held.conn)), (left.id(), 4000, None)];
    assert_eq!(seen, expected);
    bench.now.monotonic = bench.now.monotonic.after(TICK);
    held.session.touch(bench.now.monotonic);
    let buckets: Vec<_> = bench.peer.expiry_buckets(false).into_iter().collect();
    let expected = [
        (Monotonic(1_006_000), vec![left.id()]),
        (Monotonic(1_008_000), vec![held.id()]),
    ];
    assert_eq!(buckets, expected);
    bench.create(&held, "/a");
    let in_flight = bench.peer.in_flight();
    assert_eq!((in_flight.requests, in_flight.last_zxid), (1, Zxid(3)));
    assert!(in_flight.transaction_bytes > 0);
}
