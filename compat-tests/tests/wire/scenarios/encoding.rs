//! Jute primitives in request bodies: what is tolerated, what is an error reply.

use compat_tests::wire::Body;

use crate::{
    ops::{self, DATA_CHANGED, OPEN, err, op},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("any_nonzero_byte_is_true", &[1], any_nonzero_byte_is_true),
    Scenario::both("nulls_decode_to_null", &[2], nulls_decode_to_null),
    Scenario::both("senseless_lengths", &[3], senseless_lengths),
    Scenario::both("vector_counts", &[4], vector_counts),
    Scenario::both("trailing_bytes", &[5], trailing_bytes),
    Scenario::both("invalid_utf8", &[6], invalid_utf8),
];

fn any_nonzero_byte_is_true(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for flag in [0x7f, 0xff, 2] {
        conn.call(op::GET_DATA, &Body::new().string(&t.root()).byte(flag))
            .ok();
        conn.set(&t.root(), b"x", -1).ok();
        assert_eq!(
            conn.events(),
            [(DATA_CHANGED, t.root())],
            "byte {flag:#x} asks for a watch"
        );
    }
}

fn nulls_decode_to_null(t: &mut Target) {
    let mut conn = t.conn();
    let body = Body::new()
        .string(&t.root())
        .null()
        .append(&ops::acl_vector(OPEN))
        .int(0);
    conn.call(op::CREATE, &body).ok();
    assert_eq!(conn.get(&t.root()).ok().data(), None);
    assert_eq!(conn.call(op::SYNC, &Body::new().null()).ok().path(), None);
}

fn senseless_lengths(t: &mut Target) {
    let mut conn = t.conn_at_root();
    // Twice jute.maxbuffer and a bit: the limit of one string with the default extra size.
    for length in [-2, i32::MIN, 3_000_000, i32::MAX] {
        conn.call(op::GET_DATA, &Body::new().int(length).raw(b"/a\0"))
            .fails(err::MARSHALLING);
        conn.call(op::EXISTS, &Body::new().int(length).raw(b"/a\0"))
            .fails(err::MARSHALLING);
        let body = Body::new().string(&t.path("x")).int(length).raw(b"data");
        conn.call(op::CREATE, &body).fails(err::MARSHALLING);
        conn.call(op::SET_DATA, &body).fails(err::MARSHALLING);
    }
    conn.exists(&t.path("x")).fails(err::NO_NODE);
}

fn vector_counts(t: &mut Target) {
    let mut conn = t.conn();
    let lists = |count: i32| Body::new().long(0).int(count).int(0).int(0);
    conn.call(op::SET_WATCHES, &lists(-2)).ok();
    conn.call(op::SET_WATCHES, &lists(-1))
        .fails(err::MARSHALLING);
    for count in [-1, -2] {
        let body = Body::new().string(&t.root()).buffer(b"").int(count).int(0);
        conn.call(op::CREATE, &body).fails(err::INVALID_ACL);
    }
}

fn trailing_bytes(t: &mut Target) {
    let mut conn = t.conn();
    let create = ops::create(&t.root(), b"data", OPEN, ops::PLAIN);
    conn.call(op::CREATE, &create.raw(b"trailing")).ok();
    conn.call(
        op::GET_DATA,
        &ops::path_watch(&t.root(), false).raw(&[0; 40]),
    )
    .ok();
    conn.call(op::PING, &Body::new().raw(b"ping")).ok();
}

fn invalid_utf8(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let mut path = t.path("").into_bytes();
    path.extend_from_slice(b"\xff\xfe");
    let read = Body::new().buffer(&path).boolean(false);
    conn.call(op::EXISTS, &read).fails(err::NO_NODE);
    conn.call(op::GET_DATA, &read).fails(err::NO_NODE);
    let create = Body::new()
        .buffer(&path)
        .buffer(b"")
        .append(&ops::acl_vector(OPEN))
        .int(0);
    conn.call(op::CREATE, &create).fails(err::BAD_ARGUMENTS);
}
