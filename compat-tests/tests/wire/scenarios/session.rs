//! Closing a session, special xids, and the order of replies.

use compat_tests::wire::Body;

use crate::{
    conn::Incoming,
    ops::{self, DELETED, OPEN, err, op},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("close_session", &[57, 58, 59], close_session),
    Scenario::both("requests_behind_a_close", &[60], requests_behind_a_close),
    Scenario::both(
        "ping_is_answered_as_minus_two",
        &[61],
        ping_is_answered_as_minus_two,
    ),
    Scenario::both(
        "replies_in_request_order",
        &[63, 75],
        replies_in_request_order,
    ),
    Scenario::both("xids_are_echoed", &[64, 65], xids_are_echoed),
    Scenario::both(
        "set_watches_and_auth_xids",
        &[66, 67],
        set_watches_and_auth_xids,
    ),
    Scenario::both("second_connect_request", &[], second_connect_request),
];

fn close_session(t: &mut Target) {
    let mut other = t.conn_at_root();
    let mut conn = t.conn();
    for name in ["a", "b", "c"] {
        conn.create_mode(&t.path(name), ops::EPHEMERAL).ok();
    }
    conn.watch_data(&t.path("a")).ok();
    let reply = conn.close().ok();
    assert!(reply.body.is_empty());
    assert_eq!(reply.zxid, t.base_zxid() + 7);
    let events = conn.take_events();
    assert_eq!(
        events.len(),
        1,
        "the closing client hears of its own ephemeral, before the reply"
    );
    assert_eq!((events[0].kind, &events[0].path), (DELETED, &t.path("a")));
    assert_eq!(other.children(&t.root()).ok().names(), [""; 0]);
}

fn requests_behind_a_close(t: &mut Target) {
    let mut conn = t.conn();
    conn.send(op::CLOSE_SESSION, &Body::new());
    conn.send(op::GET_DATA, &ops::path_watch("/", false));
    conn.send(op::CREATE, &ops::create(&t.root(), b"", OPEN, ops::PLAIN));
    assert_eq!(conn.reply().ok().xid, 1);
    conn.quietly(|conn| {
        // Apache answers what it read before it marked the session as closing; mostly it drops it.
        while let Incoming::Reply(reply) = conn.incoming() {
            reply.fails(err::SESSION_EXPIRED);
        }
    });
    let mut other = t.conn();
    other.quietly(|other| other.exists(&t.root()).fails(err::NO_NODE));
}

fn ping_is_answered_as_minus_two(t: &mut Target) {
    let mut conn = t.conn();
    for xid in [-2, 77, 0, -9] {
        let reply = conn.call_as(xid, op::PING, &Body::new()).ok();
        assert_eq!((reply.xid, reply.zxid), (-2, t.base_zxid() + 1));
        assert!(reply.body.is_empty());
    }
}

fn replies_in_request_order(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for round in 0..30 {
        match round % 3 {
            0 => conn.send(op::SET_DATA, &ops::set_data(&t.root(), b"x", -1)),
            1 => conn.send(op::GET_DATA, &ops::path_watch(&t.root(), false)),
            _ => conn.send(op::EXISTS, &ops::path_watch(&t.path("missing"), false)),
        };
    }
    let mut zxid = 0;
    for round in 0..30 {
        let reply = conn.reply();
        assert_eq!(reply.xid, round + 2);
        assert!(reply.zxid >= zxid, "zxids never fall");
        zxid = reply.zxid;
        if round % 3 == 1 {
            assert_eq!(
                reply.stat().version,
                round / 3 + 1,
                "a read sees the write before it"
            );
        }
    }
}

fn xids_are_echoed(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for xid in [5, 5, 5, 0, -2, -4, -7, -8, -100, i32::MIN, i32::MAX, 4] {
        assert_eq!(
            conn.call_as(xid, op::SYNC, &ops::path_only("/")).ok().xid,
            xid
        );
        let set = ops::set_data(&t.root(), b"", -1);
        assert_eq!(conn.call_as(xid, op::SET_DATA, &set).ok().xid, xid);
    }
}

fn set_watches_and_auth_xids(t: &mut Target) {
    let mut conn = t.conn();
    for xid in [-8, 55] {
        let reply = conn.call_as(xid, op::SET_WATCHES, &ops::set_watches(0, &[&[], &[], &[]]));
        assert_eq!(reply.ok().xid, xid);
    }
    for xid in [-4, 9] {
        let reply = conn
            .call_as(xid, op::AUTH, &ops::auth("digest", b"u:p"))
            .ok();
        assert_eq!((reply.xid, reply.zxid), (xid, 0));
        assert!(reply.body.is_empty());
    }
}

/// On an open connection it is a request like any other: xid 0, operation 0.
fn second_connect_request(t: &mut Target) {
    let mut conn = t.conn();
    let request = compat_tests::wire::connect_request(0, 10_000, 0, Some(&[0; 16]), Some(false));
    conn.client().send_frame(request.bytes());
    let reply = conn.reply().fails(err::UNIMPLEMENTED);
    assert_eq!((reply.xid, reply.zxid), (0, -1));
    conn.closed();
}
