//! Reply headers: which zxid a reply carries, what fails how, what closes.

use compat_tests::wire::Body;

use crate::{
    ops::{self, OPEN, err, op},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("zxids_of_replies", &[68, 69, 70], zxids_of_replies),
    Scenario::both("unparsable_writes", &[71], unparsable_writes),
    Scenario::both("unparsable_reads", &[], unparsable_reads),
    Scenario::both("unknown_operations", &[72, 73], unknown_operations),
    Scenario::both("read_your_writes", &[74], read_your_writes),
];

fn zxids_of_replies(t: &mut Target) {
    let mut conn = t.conn();
    let zxid = |steps| t.base_zxid() + 1 + steps;
    assert_eq!(
        conn.exists("/").ok().zxid,
        zxid(0),
        "of the session's own creation"
    );
    assert_eq!(conn.create(&t.root(), b"").ok().zxid, zxid(1));
    assert_eq!(conn.get(&t.root()).ok().zxid, zxid(1));
    assert_eq!(conn.get(&t.path("no")).fails(err::NO_NODE).zxid, zxid(1));
    assert_eq!(
        conn.set(&t.root(), b"", 9).fails(err::BAD_VERSION).zxid,
        zxid(2)
    );
    assert_eq!(
        conn.create(&t.root(), b"").fails(err::NODE_EXISTS).zxid,
        zxid(3)
    );
    assert_eq!(
        conn.delete(&t.path("no"), -1).fails(err::NO_NODE).zxid,
        zxid(4)
    );
    assert_eq!(conn.get(&t.root()).ok().zxid, zxid(4));
    assert_eq!(conn.get(&t.root()).ok().stat().mzxid, zxid(1));
    assert_eq!(conn.ping().ok().zxid, zxid(4));
    assert_eq!(conn.set(&t.root(), b"", -1).ok().stat().mzxid, zxid(5));
    assert_eq!(conn.call(op::SYNC, &ops::path_only("/")).ok().zxid, zxid(5));
}

fn unparsable_writes(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let half = Body::new().int(100).raw(b"/half");
    for op in [
        op::CREATE,
        op::CREATE2,
        op::CREATE_CONTAINER,
        op::CREATE_TTL,
        op::DELETE,
        op::SET_DATA,
        op::SET_ACL,
    ] {
        conn.call(op, &half).fails(err::MARSHALLING);
        conn.call(op, &Body::new()).fails(err::MARSHALLING);
    }
    // The bytes of `half` happen to be a terminated list of no operations.
    conn.call(op::MULTI, &Body::new()).fails(err::MARSHALLING);
    conn.call(op::MULTI, &Body::new().int(op::DELETE))
        .fails(err::MARSHALLING);
    conn.set(&t.root(), b"alive", -1).ok();
}

fn unparsable_reads(t: &mut Target) {
    let mut conn = t.conn();
    for op in [
        op::EXISTS,
        op::GET_DATA,
        op::GET_ACL,
        op::GET_CHILDREN,
        op::GET_CHILDREN2,
        op::SYNC,
        op::CHECK_WATCHES,
        op::REMOVE_WATCHES,
        op::SET_WATCHES,
        op::SET_WATCHES2,
        op::ADD_WATCH,
        op::GET_EPHEMERALS,
        op::GET_ALL_CHILDREN_NUMBER,
    ] {
        conn.call(op, &Body::new()).fails(err::MARSHALLING);
        conn.call(op, &Body::new().int(100).raw(b"/half"))
            .fails(err::MARSHALLING);
    }
    conn.call(op::MULTI_READ, &Body::new())
        .fails(err::MARSHALLING);
    conn.exists("/").ok();
}

fn unknown_operations(t: &mut Target) {
    for op in [0, 10, op::CHECK, -1, 23, 99, 108, 999, i32::MAX, i32::MIN] {
        let mut conn = t.conn();
        let reply = conn
            .call(op, &ops::path_int("/", -1))
            .fails(err::UNIMPLEMENTED);
        assert_eq!((reply.xid, reply.zxid), (1, -1), "operation {op}");
        assert!(reply.body.is_empty());
        conn.closed();
    }
}

fn read_your_writes(t: &mut Target) {
    let mut conn = t.conn();
    conn.send(op::CREATE, &ops::create(&t.root(), b"0", OPEN, ops::PLAIN));
    conn.send(op::GET_DATA, &ops::path_watch(&t.root(), false));
    conn.send(op::SET_DATA, &ops::set_data(&t.root(), b"1", 0));
    conn.send(op::GET_DATA, &ops::path_watch(&t.root(), false));
    conn.send(op::DELETE, &ops::path_int(&t.root(), 1));
    conn.send(op::GET_DATA, &ops::path_watch(&t.root(), false));
    conn.reply().ok();
    assert_eq!(conn.reply().ok().data_text(), "0");
    conn.reply().ok();
    assert_eq!(conn.reply().ok().data_text(), "1");
    conn.reply().ok();
    conn.reply().fails(err::NO_NODE);
}
