//! The handshake: new sessions, sessions attached again, and what is refused how.

use compat_tests::wire::{Body, connect_request};

use crate::{
    ops::{self, err, op},
    runner::Scenario,
    target::Target,
    transcript::password_of,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("flag_and_what_follows", &[], flag_and_what_follows),
    Scenario::both("new_session", &[25, 27, 33, 34, 35], new_session),
    Scenario::both("connect_without_the_flag", &[26], connect_without_the_flag),
    Scenario::both("timeout_is_clamped", &[28, 29], timeout_is_clamped),
    Scenario::both("any_password_opens_a_new_session", &[30, 31], any_password),
    Scenario::both(
        "protocol_version_is_ignored",
        &[32],
        protocol_version_is_ignored,
    ),
    Scenario::both("reattach", &[36, 37, 43], reattach),
    Scenario::both(
        "reattach_closes_the_old_connection",
        &[38],
        reattach_closes_the_old,
    ),
    Scenario::both("reattach_with_a_wrong_password", &[39, 42], wrong_password),
    Scenario::both("reattach_an_unknown_session", &[40], unknown_session),
    Scenario::both(
        "client_ahead_of_the_server",
        &[44, 45],
        client_ahead_of_the_server,
    ),
    Scenario::both("truncated_connect", &[46], truncated_connect),
    Scenario::both(
        "requests_behind_the_handshake",
        &[47],
        requests_behind_the_handshake,
    ),
];

/// For a server with `minSessionTimeout=1234` and `maxSessionTimeout=5678`.
pub(crate) const CONFIGURED_TIMEOUTS: &[Scenario] = &[Scenario::both(
    "configured_timeouts",
    &[28, 29],
    configured_timeouts,
)];

fn new_session(t: &mut Target) {
    let (first, second) = (t.conn(), t.conn());
    let session = first.session();
    assert_eq!((session.protocol_version, session.read_only), (0, Some(0)));
    assert_eq!(session.timeout_ms, 40_000);
    assert_eq!(
        session.id >> 56,
        1,
        "a standalone server stamps its ids with 1"
    );
    assert_eq!(second.session().id, session.id + 1);
    for conn in [&first, &second] {
        let low_bits = conn.session().id & 0xffff_ffff_ffff;
        assert_eq!(conn.session().password, password_of(low_bits));
    }
}

fn connect_without_the_flag(t: &mut Target) {
    let mut conn = t.tcp();
    conn.client()
        .send_frame(connect_request(0, 10_000, 0, Some(&[0; 16]), None).bytes());
    let session = conn.connect_response().expect("a ConnectResponse");
    assert_eq!(
        session.read_only, None,
        "36 bytes for a client that does not know the flag"
    );
    conn.ping().ok();

    // An invalid session is told in the same form.
    let mut conn = t.tcp();
    let session = conn.handshake(&connect_request(0, 10_000, 77, Some(&[1; 16]), None));
    assert_eq!(session.expect("a ConnectResponse").read_only, None);
}

fn timeout_is_clamped(t: &mut Target) {
    for (asked, granted) in [
        (1, 4_000),
        (0, 4_000),
        (-5, 4_000),
        (i32::MIN, 4_000),
        (5_000, 5_000),
        (40_001, 40_000),
        (i32::MAX, 40_000),
    ] {
        assert_eq!(
            t.conn_with_timeout(asked).session().timeout_ms,
            granted,
            "asked for {asked}"
        );
    }
}

fn configured_timeouts(t: &mut Target) {
    for (asked, granted) in [(1, 1_234), (2_000, 2_000), (60_000, 5_678)] {
        assert_eq!(
            t.conn_with_timeout(asked).session().timeout_ms,
            granted,
            "asked for {asked}"
        );
    }
}

fn any_password(t: &mut Target) {
    for password in [None, Some(&b""[..]), Some(b"short"), Some(&[9; 100])] {
        let mut conn = t.tcp();
        let session = conn
            .handshake(&connect_request(0, 10_000, 0, password, Some(false)))
            .expect("a ConnectResponse");
        assert_eq!(session.password, password_of(session.id));
    }
}

fn protocol_version_is_ignored(t: &mut Target) {
    for version in [1, -1, i32::MAX] {
        let mut conn = t.tcp();
        let request = Body::new()
            .int(version)
            .long(0)
            .int(10_000)
            .long(0)
            .buffer(&[0; 16])
            .boolean(false);
        let session = conn.handshake(&request).expect("a ConnectResponse");
        assert_eq!((session.protocol_version, session.timeout_ms), (0, 10_000));
    }
}

fn reattach(t: &mut Target) {
    let mut conn = t.conn();
    conn.create_mode(&t.root(), ops::EPHEMERAL).ok();
    let session = conn.session().clone();
    drop(conn);
    for timeout in [40_000, 7_000, 1] {
        let (mut conn, response) = t.reattach(&session, timeout);
        assert_eq!(
            (response.id, &response.password),
            (session.id, &session.password)
        );
        assert_eq!(response.timeout_ms, timeout.max(4_000));
        assert_eq!(
            conn.exists(&t.root()).ok().stat().ephemeral_owner,
            session.id
        );
    }
}

fn reattach_closes_the_old(t: &mut Target) {
    let mut old = t.conn();
    let (mut new, response) = t.reattach(&old.session().clone(), 40_000);
    assert_eq!(response.id, old.session().id);
    old.closed();
    new.create_mode(&t.root(), ops::EPHEMERAL).ok();
}

fn wrong_password(t: &mut Target) {
    let conn = t.conn();
    let session = conn.session().clone();
    // The old connection goes first: who holds it while a wrong password is tried is another matter.
    drop(conn);
    for password in [
        None,
        Some(&b""[..]),
        Some(&[0; 16]),
        Some(&session.password[..15]),
    ] {
        let mut conn = t.tcp();
        let request = connect_request(0, 10_000, session.id, password, Some(false));
        let response = conn.handshake(&request).expect("a ConnectResponse");
        assert_eq!((response.timeout_ms, response.id), (0, 0));
        assert_eq!(
            (response.password, response.read_only),
            (vec![0; 16], Some(0))
        );
        conn.closed();
    }
    let (_conn, response) = t.reattach(&session, 40_000);
    assert_eq!(response.id, session.id, "failed attempts do no harm");
}

fn unknown_session(t: &mut Target) {
    let mut closed = t.conn();
    closed.close().ok();
    for id in [closed.session().id, 77, -1] {
        let mut conn = t.tcp();
        let password = password_of(id);
        let request = connect_request(0, 10_000, id, Some(&password), Some(false));
        let response = conn.handshake(&request).expect("a ConnectResponse");
        assert_eq!(
            (response.timeout_ms, response.id),
            (0, 0),
            "session {id:#x}"
        );
        assert_eq!(response.password, [0; 16]);
        conn.closed();
    }
}

fn client_ahead_of_the_server(t: &mut Target) {
    let request = |zxid| connect_request(zxid, 10_000, 0, Some(&[0; 16]), Some(false));
    assert!(t.tcp().handshake(&request(t.base_zxid() + 1)).is_none());
    assert!(t.tcp().handshake(&request(i64::MAX)).is_none());
    let session = t
        .tcp()
        .handshake(&request(t.base_zxid()))
        .expect("equality is accepted");
    assert_eq!(session.timeout_ms, 10_000);
    assert!(t.tcp().handshake(&request(-1)).is_some());
}

fn truncated_connect(t: &mut Target) {
    let whole = connect_request(0, 10_000, 0, Some(&[0; 16]), None).into_bytes();
    for length in [1, 4, 20, 27, 43] {
        let mut conn = t.tcp();
        conn.client().send_frame(&whole[..length]);
        conn.closed();
    }
    for length in [-2, 17, i32::MAX] {
        let mut conn = t.tcp();
        let head = Body::new().int(0).long(0).int(10_000).long(0).int(length);
        conn.client().send_frame(head.raw(&[0; 16]).bytes());
        conn.closed();
    }
}

/// To a server that writes, the flag is only a sign of a client that knows it.
fn flag_and_what_follows(t: &mut Target) {
    for flag in [1, 0x7f] {
        let mut conn = t.tcp();
        let request = connect_request(0, 10_000, 0, Some(&[0; 16]), None);
        let session = conn.handshake(&request.byte(flag).raw(b"and more"));
        assert_eq!(session.expect("a ConnectResponse").read_only, Some(0));
        conn.create_mode(&t.root(), ops::SEQUENTIAL).ok();
    }
}

fn requests_behind_the_handshake(t: &mut Target) {
    let mut conn = t.tcp();
    let connect = connect_request(0, 10_000, 0, Some(&[0; 16]), Some(false));
    conn.client().send_frame(connect.bytes());
    conn.send(
        op::CREATE,
        &ops::create(&t.root(), b"early", ops::OPEN, ops::PLAIN),
    );
    conn.send(op::GET_DATA, &ops::path_watch(&t.root(), false));
    conn.send(op::EXISTS, &ops::path_watch(&t.path("no"), false));
    conn.connect_response()
        .expect("the ConnectResponse comes first");
    assert_eq!(conn.reply().ok().xid, 1);
    assert_eq!(conn.reply().ok().data_text(), "early");
    assert_eq!(conn.reply().fails(err::NO_NODE).xid, 3);
}
