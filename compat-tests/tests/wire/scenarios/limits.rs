//! Limits on connections and requests, each on a server started for it.

use compat_tests::wire::{Body, Inbound, connect_request};

use crate::{
    conn::Conn,
    ops::{self, OPEN, err, op},
    runner::Scenario,
    target::Target,
};

/// For `maxClientCnxns=4`, `largeRequestThreshold=1000` and `largeRequestMaxBytes=3000`.
pub(crate) const CONNECTIONS_AND_SIZES: &[Scenario] = &[
    Scenario::both("connections_per_address", &[221], connections_per_address),
    Scenario::both("large_requests", &[223], large_requests),
];

/// For `connection_throttle_tokens=3` that are not refilled. Its first scenario takes them all.
pub(crate) const CONNECT_TOKENS: &[Scenario] = &[Scenario::both(
    "connection_throttle",
    &[222],
    connection_throttle,
)];

/// For `globalOutstandingLimit=5`.
pub(crate) const OUTSTANDING: &[Scenario] = &[Scenario::both(
    "outstanding_limit_only_delays",
    &[225],
    outstanding_limit_only_delays,
)];

/// For `request_throttle_max_requests=1` and `throttled_op_wait_time=5`.
pub(crate) const THROTTLED: &[Scenario] = &[Scenario::both(
    "throttled_operations",
    &[224],
    throttled_operations,
)];

fn connections_per_address(t: &mut Target) {
    const MAX: usize = 4;
    // Connections of the probe before this scenario may linger; hold what is granted.
    let mut held: Vec<Conn> = Vec::new();
    while held.len() < MAX {
        let mut conn = t.tcp();
        let request = connect_request(0, 10_000, 0, Some(&[0; 16]), Some(false));
        if conn.handshake(&request).is_some() {
            held.push(conn);
        }
    }
    for _ in 0..3 {
        let mut extra = t.tcp();
        extra.closed();
    }
    held.pop().expect("four").close().ok();
    held[0].ping().ok();
}

fn large_requests(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create(&t.path("small"), &[b'x'; 900]).ok();
    conn.create(&t.path("large"), &[b'x'; 2_000]).ok();
    conn.create(&t.path("large-again"), &[b'x'; 2_000]).ok();
    let mut other = t.conn();
    other.send(
        op::CREATE,
        &ops::create(&t.path("too-large"), &[b'x'; 4_000], OPEN, 0),
    );
    other.closed();
    conn.exists(&t.path("too-large")).fails(err::NO_NODE);
}

fn connection_throttle(t: &mut Target) {
    let request = connect_request(0, 10_000, 0, Some(&[0; 16]), Some(false));
    let mut held: Vec<Conn> = (0..3).map(|_| t.tcp()).collect();
    for conn in &mut held {
        assert!(conn.handshake(&request).is_some(), "there is a token");
    }
    for _ in 0..3 {
        assert!(
            t.tcp().handshake(&request).is_none(),
            "closed without an answer"
        );
    }
    // Closed here, since nobody can attach them again later.
    for mut conn in held {
        conn.close().ok();
    }
}

fn outstanding_limit_only_delays(t: &mut Target) {
    const COUNT: i32 = 2_000;
    let mut conn = t.conn_at_root();
    let mut frames = Vec::new();
    for xid in 0..COUNT {
        let body = ops::set_data(&t.root(), b"x", -1);
        let frame = Body::new().int(xid + 10).int(op::SET_DATA).append(&body);
        frames.extend_from_slice(Body::new().buffer(frame.bytes()).bytes());
    }
    assert!(conn.client().send_raw(&frames));
    conn.quietly(|conn| {
        for xid in 0..COUNT {
            assert_eq!(conn.reply().ok().xid, xid + 10);
        }
    });
    assert_eq!(conn.get(&t.root()).ok().stat().version, COUNT);
}

fn throttled_operations(t: &mut Target) {
    const COUNT: i32 = 300;
    let mut conn = t.conn();
    // Even a lone request may wait too long on a busy machine.
    conn.quietly(|conn| while conn.create(&t.root(), b"").err == err::THROTTLED_OP {});
    let mut frames = Vec::new();
    for xid in 0..COUNT {
        let body = ops::set_data(&t.root(), b"x", -1);
        let frame = Body::new().int(xid + 10).int(op::SET_DATA).append(&body);
        frames.extend_from_slice(Body::new().buffer(frame.bytes()).bytes());
    }
    assert!(conn.client().send_raw(&frames));
    let mut executed = 0;
    for xid in 0..COUNT {
        // How many wait too long is a matter of the disk, so nothing of this is compared.
        let Inbound::Frame(frame) = conn.client().read_frame() else {
            panic!("every request is answered");
        };
        let mut reader = compat_tests::wire::Reader::new(&frame);
        assert_eq!(reader.int(), Some(xid + 10), "in order");
        reader.long().expect("a zxid");
        match reader.int() {
            Some(0) => executed += 1,
            Some(err::THROTTLED_OP) => assert!(reader.remaining().is_empty()),
            other => panic!("neither done nor throttled: {other:?}"),
        }
    }
    assert!(
        executed < COUNT,
        "some waited longer than five milliseconds"
    );
    let version = conn.quietly(|conn| {
        loop {
            let reply = conn.get(&t.root());
            if reply.err == 0 {
                break reply.stat().version;
            }
            assert_eq!(reply.err, err::THROTTLED_OP);
        }
    });
    assert_eq!(version, executed, "a throttled operation is not executed");
}
