//! Limits on connections and requests, each on a server started for it.

use std::time::{Duration, Instant};

use compat_tests::wire::{Body, connect_request};

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

/// For `maxCnxns=4`, whoever connects.
pub(crate) const ALL_CONNECTIONS: &[Scenario] = &[Scenario::both(
    "connections_of_all_addresses",
    &[],
    connections_per_address,
)];

/// For `jute.maxbuffer=2000`.
pub(crate) const SMALL_BUFFER: &[Scenario] =
    &[Scenario::both("small_buffer", &[9, 10, 15], small_buffer)];

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

/// For `request_throttle_max_requests=1` and `throttled_op_wait_time=1`.
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

fn small_buffer(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let empty = ops::create(&t.path("x"), b"", OPEN, 0).bytes().len() + 8;
    conn.create(&t.path("x"), &vec![b'x'; 2_000 - empty]).ok();
    for index in 0..3 {
        conn.create(&t.path(&format!("{index}{}", "n".repeat(1_000))), b"")
            .ok();
    }
    assert!(conn.children(&t.root()).ok().body.len() > 3_000);
    conn.send(
        op::CREATE,
        &ops::create(&t.path("y"), &vec![b'x'; 2_001 - empty], OPEN, 0),
    );
    conn.closed();
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

/// How many wait too long is a matter of the disk, so nothing of this is compared.
fn throttled_operations(t: &mut Target) {
    let mut conns = [t.conn(), t.conn(), t.conn()];
    // Even a lone request may wait too long on a busy machine.
    conns[0].quietly(|conn| while conn.create(&t.root(), b"").err == err::THROTTLED_OP {});
    let give_up = Instant::now() + Duration::from_secs(20);
    let (mut executed, mut throttled) = (0, 0);
    while throttled == 0 {
        assert!(
            Instant::now() < give_up,
            "nothing waits too long, however much there is to do"
        );
        let writes = vec![ops::set_data(&t.root(), &[b'x'; 500], -1); 500];
        for conn in &mut conns {
            let bytes: Vec<u8> = writes
                .iter()
                .flat_map(|body| conn.framed(op::SET_DATA, body))
                .collect();
            assert!(conn.client().send_raw(&bytes));
        }
        for conn in &mut conns {
            let replies =
                conn.quietly(|conn| writes.iter().map(|_| conn.reply()).collect::<Vec<_>>());
            let of = |code| replies.iter().filter(|reply| reply.err == code).count();
            assert_eq!(
                of(0) + of(err::THROTTLED_OP),
                replies.len(),
                "done or throttled"
            );
            assert!(
                replies.windows(2).all(|pair| pair[0].xid < pair[1].xid),
                "in order"
            );
            executed += of(0);
            throttled += of(err::THROTTLED_OP);
        }
    }
    let version = conns[0].quietly(|conn| {
        loop {
            let reply = conn.get(&t.root());
            if reply.err == 0 {
                break reply.stat().version;
            }
        }
    });
    assert_eq!(
        usize::try_from(version),
        Ok(executed),
        "a throttled operation is not executed"
    );
}
