//! Sessions over time: expiry, what keeps one alive, idle connections, a restarted server.
//!
//! For a server with a short tick, see `sets.rs`; what a session is granted is two ticks at least.

use std::time::{Duration, Instant};

use compat_tests::{eventually::eventually, wire::Inbound};

use crate::{
    conn::{Conn, Incoming},
    ops::{self, CHILDREN_CHANGED, DELETED, err, op},
    runner::Scenario,
    sets::SHORT_TICK_MS,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("expiry_events", &[183, 185, 186, 41], expiry_events),
    Scenario::both("pings_keep_a_session", &[62], pings_keep_a_session),
    Scenario::both("auth_alone_does_not", &[62], auth_alone_does_not),
    Scenario::both(
        "idle_before_the_handshake",
        &[49],
        idle_before_the_handshake,
    ),
    Scenario::both("restart_keeps_sessions", &[48, 187], restart_keeps_sessions),
];

const TIMEOUT_MS: i32 = 1_000;
/// The test's own clock starts a little after the server's, and a busy machine adds delay.
const SLACK: Duration = Duration::from_millis(4_000);

fn expiry_events(t: &mut Target) {
    let mut watcher = t.conn_at_root();
    let mut doomed = t.conn_with_timeout(TIMEOUT_MS);
    let e = t.path("e");
    doomed.create_mode(&e, ops::EPHEMERAL).ok();
    watcher.watch_children(&t.root()).ok();
    watcher.watch_data(&e).ok();
    doomed.ping().ok();
    let last_activity = Instant::now();
    let first = watcher.event();
    let waited = last_activity.elapsed();
    assert_eq!((first.kind, first.path), (DELETED, e));
    let second = watcher.event();
    assert_eq!(
        (second.kind, second.path, second.zxid),
        (CHILDREN_CHANGED, t.root(), first.zxid)
    );

    let timeout = Duration::from_millis(TIMEOUT_MS.unsigned_abs().into());
    let tick = Duration::from_millis(SHORT_TICK_MS.unsigned_abs().into());
    assert!(
        waited + Duration::from_millis(20) >= timeout,
        "too early: {waited:?}"
    );
    assert!(waited <= timeout + tick + SLACK, "too late: {waited:?}");
    doomed.closed();
    let (_conn, response) = t.reattach(&doomed.session().clone(), 10_000);
    assert_eq!(
        (response.timeout_ms, response.id),
        (0, 0),
        "expired is gone"
    );
}

fn pings_keep_a_session(t: &mut Target) {
    let mut conn = t.conn_with_timeout(TIMEOUT_MS);
    conn.create_mode(&t.root(), ops::EPHEMERAL).ok();
    let until = Instant::now() + Duration::from_millis(3_000);
    conn.quietly(|conn| {
        while Instant::now() < until {
            conn.ping().ok();
            pause(conn, Duration::from_millis(200));
        }
    });
    conn.exists(&t.root()).ok();
}

fn auth_alone_does_not(t: &mut Target) {
    let mut observer = t.conn();
    let mut conn = t.conn_with_timeout(TIMEOUT_MS);
    conn.create_mode(&t.root(), ops::EPHEMERAL).ok();
    let give_up = Instant::now() + Duration::from_secs(20);
    conn.quietly(|conn| {
        loop {
            assert!(
                Instant::now() < give_up,
                "auth packets keep the session alive"
            );
            conn.send_as(-4, op::AUTH, &ops::auth("digest", b"u:p"));
            match conn.incoming_within(Duration::from_millis(200)) {
                Incoming::Closed => break,
                Incoming::Silent | Incoming::Event(_) => {}
                Incoming::Reply(reply) => {
                    reply.ok();
                    if !pause(conn, Duration::from_millis(200)) {
                        break;
                    }
                }
            }
        }
    });
    observer.exists(&t.root()).fails(err::NO_NODE);
}

/// Lets time pass while listening; false if the connection ended.
fn pause(conn: &mut Conn, time: Duration) -> bool {
    match conn.client().read_frame_within(time) {
        Inbound::Silent => true,
        Inbound::Closed => false,
        Inbound::Frame(frame) => panic!("nobody asked for {frame:02x?}"),
    }
}

fn idle_before_the_handshake(t: &mut Target) {
    let started = Instant::now();
    let mut idle = t.tcp();
    idle.closed();
    let waited = started.elapsed();
    // The option set says one second; as with sessions, it is checked in steps of that length.
    assert!(
        waited >= Duration::from_millis(900),
        "too early: {waited:?}"
    );
    assert!(
        waited <= Duration::from_millis(2_000) + SLACK,
        "too late: {waited:?}"
    );
}

fn restart_keeps_sessions(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let mut conn = t.conn_with_timeout(10_000);
    conn.create_mode(&t.path("e"), ops::EPHEMERAL).ok();
    // Nothing but the handshake: an answered ConnectRequest is enough to survive.
    let silent = t.conn_with_timeout(10_000);
    writer.set(&t.root(), b"before", -1).ok();
    t.crash_and_restart();

    let (mut again, response) = t.reattach(&conn.session().clone(), 10_000);
    assert_eq!(
        (response.id, response.timeout_ms),
        (conn.session().id, 10_000)
    );
    assert_eq!(
        again.exists(&t.path("e")).ok().stat().ephemeral_owner,
        response.id
    );
    assert_eq!(again.get(&t.root()).ok().data_text(), "before");
    let (_silent, response) = t.reattach(&silent.session().clone(), 10_000);
    assert_eq!(response.id, silent.session().id);
    let (mut writer, _) = t.reattach(&writer.session().clone(), 10_000);
    again.close().ok();
    eventually("the ephemeral is gone", Duration::from_secs(5), || {
        writer.quietly(|writer| (writer.exists(&t.path("e")).err == err::NO_NODE).then_some(()))
    });
}
