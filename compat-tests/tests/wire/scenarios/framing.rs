//! Frames: lengths at and beyond the limits, requests glued together and torn apart.

use compat_tests::wire::{Body, connect_request};

use crate::{
    ops::{self, OPEN, op},
    runner::Scenario,
    target::Target,
};

/// The default of `jute.maxbuffer`.
const MAX_BUFFER: i32 = 0xfffff;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("frame_length_zero", &[7], |t| length_closes(t, 0)),
    Scenario::both("frame_length_negative", &[8], |t| length_closes(t, -1)),
    Scenario::both("frame_at_the_limit", &[9], frame_at_the_limit),
    Scenario::both("frame_above_the_limit", &[10], |t| {
        length_closes(t, MAX_BUFFER + 1)
    }),
    Scenario::both("frame_without_a_header", &[11], frame_without_a_header),
    Scenario::both("reply_header_is_16_bytes", &[12], reply_header_is_16_bytes),
    Scenario::both(
        "many_requests_in_a_segment",
        &[13],
        many_requests_in_a_segment,
    ),
    Scenario::both(
        "a_request_in_many_segments",
        &[14],
        a_request_in_many_segments,
    ),
    Scenario::both("reply_above_the_limit", &[15], reply_above_the_limit),
];

fn length_closes(t: &mut Target, length: i32) {
    let mut fresh = t.tcp();
    fresh.client().send_raw(Body::new().int(length).bytes());
    fresh.closed();
    let mut open = t.conn();
    open.client().send_raw(Body::new().int(length).bytes());
    open.closed();
}

fn frame_at_the_limit(t: &mut Target) {
    let mut conn = t.conn();
    let empty = ops::create(&t.root(), b"", OPEN, ops::PLAIN).bytes().len() + 8;
    let data = vec![b'x'; usize::try_from(MAX_BUFFER).expect("positive") - empty];
    let created = conn.create(&t.root(), &data).ok();
    assert_eq!(created.path(), Some(t.root()));
    assert_eq!(
        conn.get(&t.root()).ok().data().map(|data| data.len()),
        Some(data.len())
    );
}

fn frame_without_a_header(t: &mut Target) {
    for bytes in [1, 4, 7] {
        let mut conn = t.conn();
        conn.client().send_frame(&vec![0; bytes]);
        conn.closed();
    }
}

fn reply_header_is_16_bytes(t: &mut Target) {
    let mut conn = t.conn_at_root();
    // The decoder takes 16 bytes as the header; an empty body shows there was nothing else.
    let reply = conn.delete(&t.root(), -1).ok();
    assert!(reply.body.is_empty());
    assert_eq!((reply.xid, reply.zxid), (2, t.base_zxid() + 3));
}

fn many_requests_in_a_segment(t: &mut Target) {
    let mut conn = t.conn();
    let mut segment = Vec::new();
    for xid in 1..=20 {
        let body = ops::create(&t.root(), b"", OPEN, ops::SEQUENTIAL);
        let frame = Body::new().int(xid).int(op::CREATE).append(&body);
        segment.extend_from_slice(Body::new().buffer(frame.bytes()).bytes());
    }
    conn.client().send_raw(&segment);
    for xid in 1..=20 {
        let reply = conn.reply().ok();
        assert_eq!(
            (reply.xid, reply.zxid),
            (xid, t.base_zxid() + 1 + i64::from(xid))
        );
    }
}

fn a_request_in_many_segments(t: &mut Target) {
    let mut conn = t.tcp();
    let connect = connect_request(0, 10_000, 0, Some(&[0; 16]), Some(false));
    for byte in Body::new().buffer(connect.bytes()).bytes() {
        conn.client().send_raw(&[*byte]);
    }
    conn.connect_response().expect("a ConnectResponse");
    let create = ops::create(&t.root(), b"torn", OPEN, ops::PLAIN);
    let frame = Body::new().int(1).int(op::CREATE).append(&create);
    for byte in Body::new().buffer(frame.bytes()).bytes() {
        conn.client().send_raw(&[*byte]);
    }
    conn.reply().ok();
    assert_eq!(conn.get(&t.root()).ok().data_text(), "torn");
}

fn reply_above_the_limit(t: &mut Target) {
    const NAME_BYTES: usize = 150_000;
    const CHILDREN: usize = 8;
    let mut conn = t.conn_at_root();
    for index in 0..CHILDREN {
        conn.create(&t.path(&format!("{index}{}", "n".repeat(NAME_BYTES))), b"")
            .ok();
    }
    let reply = conn.children(&t.root()).ok();
    assert!(reply.body.len() > usize::try_from(MAX_BUFFER).expect("positive"));
    assert_eq!(reply.names().len(), CHILDREN);
}
