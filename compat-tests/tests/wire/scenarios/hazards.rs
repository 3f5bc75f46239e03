//! Where Apache's server harms itself or its data, and ours does not follow. Run on ours only.

use compat_tests::wire::{Body, Inbound, connect_request};

use crate::{
    ops::{self, OPEN, err, op},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::ours_only("delete_container_from_a_client", &[239], delete_container),
    Scenario::ours_only("create_session_from_a_client", &[243], create_session),
    Scenario::ours_only(
        "wrong_password_harms_nobody",
        &[],
        wrong_password_harms_nobody,
    ),
    Scenario::ours_only("quota_on_the_root", &[241], quota_on_the_root),
    Scenario::ours_only("garbage_in_quota_stats", &[242], garbage_in_quota_stats),
];

/// For a server with `extendedTypesEnabled=true`.
pub(crate) const EXTENDED: &[Scenario] = &[Scenario::ours_only(
    "negative_ttl_without_ttl_mode",
    &[240],
    negative_ttl,
)];

/// Apache deletes any childless node for anyone who asks with this operation.
fn delete_container(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create_acl(&t.path("x"), &[(ops::READ, "world", "anyone")])
        .ok();
    for body in [
        ops::path_only(&t.path("x")),
        Body::new().buffer(t.path("x").as_bytes()),
    ] {
        let mut other = t.conn();
        let reply = other
            .call(op::DELETE_CONTAINER, &body)
            .fails(err::UNIMPLEMENTED);
        assert_eq!(reply.zxid, -1, "as for an operation that does not exist");
        other.closed();
    }
    conn.exists(&t.path("x")).ok();
}

/// Apache sends a second ConnectResponse in the middle of the stream.
fn create_session(t: &mut Target) {
    let mut conn = t.conn();
    let reply = conn
        .call(op::CREATE_SESSION, &Body::new().int(10_000))
        .fails(err::UNIMPLEMENTED);
    assert_eq!(reply.zxid, -1);
    conn.closed();
}

/// Apache closes the connection that holds the session before it looks at the password.
fn wrong_password_harms_nobody(t: &mut Target) {
    let mut holder = t.conn();
    let mut thief = t.tcp();
    let request = connect_request(0, 10_000, holder.session().id, Some(&[1; 16]), Some(false));
    let response = thief.handshake(&request).expect("a ConnectResponse");
    assert_eq!(response.timeout_ms, 0);
    thief.closed();
    holder.ping().ok();
}

/// Apache stops, and cannot start again, at a quota on the root itself.
fn quota_on_the_root(t: &mut Target) {
    let mut conn = t.conn();
    conn.create("/zookeeper/quota/zookeeper_limits", b"count=1,bytes=1")
        .ok();
    conn.create("/zookeeper/quota/zookeeper_stats", b"").ok();
    conn.create(&t.root(), b"not limited").ok();
    conn.set("/zookeeper/quota/zookeeper_limits", b"nonsense", -1)
        .ok();
    conn.create(&t.path("x"), b"").ok();
    conn.delete("/zookeeper/quota/zookeeper_limits", -1).ok();
    conn.delete("/zookeeper/quota/zookeeper_stats", -1).ok();
}

/// Apache stops at the next write below a quota whose usage it cannot read.
fn garbage_in_quota_stats(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let quota = format!("/zookeeper/quota{}", t.root());
    let stats = format!("{quota}/zookeeper_stats");
    conn.create(&quota, b"").ok();
    conn.create(&format!("{quota}/zookeeper_limits"), b"count=-1,bytes=-1")
        .ok();
    conn.create(&stats, b"").ok();
    for garbage in [&b"garbage"[..], b"count=x", b"\xff\xfe", b"="] {
        conn.set(&stats, garbage, -1).ok();
        conn.call(
            op::CREATE,
            &ops::create(&t.path("n"), b"1", OPEN, ops::SEQUENTIAL),
        )
        .ok();
    }
    conn.call(op::SET_DATA, &Body::new().string(&stats).null().int(-1))
        .ok();
    conn.create(&t.path("x"), b"12").ok();
    conn.delete(&t.path("x"), -1).ok();
    assert_eq!(
        conn.client().read_frame_within(std::time::Duration::ZERO),
        Inbound::Silent
    );
}

/// Apache accepts this, stops while applying it, and cannot start again.
fn negative_ttl(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for flags in 0..=4 {
        let body = ops::create_ttl(&t.path("x"), flags, -1);
        conn.call(op::CREATE_TTL, &body).fails(err::BAD_ARGUMENTS);
    }
    conn.exists(&t.path("x")).fails(err::NO_NODE);
}
