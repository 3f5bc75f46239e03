//! multi and multiRead.

use compat_tests::wire::{Body, Reader};

use crate::{
    conn::Conn,
    ops::{self, CHILDREN_CHANGED, CREATED, OPEN, err, op},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("multi_results", &[135, 136, 140], multi_results),
    Scenario::both("multi_failure", &[137, 138, 139, 142], multi_failure),
    Scenario::both("multi_sees_itself", &[141], multi_sees_itself),
    Scenario::both("multi_empty", &[143], multi_empty),
    Scenario::both(
        "multi_refused_as_a_whole",
        &[144, 145, 146, 147],
        multi_refused,
    ),
    Scenario::both(
        "multi_ends_at_any_done_header",
        &[],
        multi_ends_at_any_done_header,
    ),
    Scenario::both("multi_ephemeral", &[149], multi_ephemeral),
    Scenario::both("multi_read", &[150, 151], multi_read),
    Scenario::both("multi_read_with_a_write", &[152], multi_read_with_a_write),
    Scenario::both("multi_fires_in_order", &[182], multi_fires_in_order),
];

fn create(path: &str) -> (i32, Body) {
    (op::CREATE, ops::create(path, b"", OPEN, ops::PLAIN))
}

fn check(path: &str, version: i32) -> (i32, Body) {
    (op::CHECK, ops::path_int(path, version))
}

fn delete(path: &str) -> (i32, Body) {
    (op::DELETE, ops::path_int(path, -1))
}

fn set(path: &str) -> (i32, Body) {
    (op::SET_DATA, ops::set_data(path, b"set", -1))
}

fn multi_results(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let container = ops::create(&t.path("container"), b"", OPEN, ops::CONTAINER);
    let reply = conn
        .multi(&[
            create(&t.path("a")),
            (
                op::CREATE2,
                ops::create(&t.path("b"), b"", OPEN, ops::PLAIN),
            ),
            (op::CREATE_CONTAINER, container),
            set(&t.path("b")),
            check(&t.path("b"), 1),
            delete(&t.path("a")),
        ])
        .ok();
    assert_eq!(result_types(&reply.body), [1, 15, 15, 5, 13, 2]);
    let set_stat = conn.exists(&t.path("b")).ok().stat();
    let made_stat = conn.exists(&t.path("container")).ok().stat();
    assert_eq!((set_stat.mzxid, made_stat.czxid), (reply.zxid, reply.zxid));
    assert_eq!(
        set_stat.mtime, made_stat.ctime,
        "one time for the whole multi"
    );
    conn.exists(&t.root()).ok();
}

/// The result types of a multi that succeeded, skipping over each body.
fn result_types(body: &[u8]) -> Vec<i32> {
    const STAT_BYTES: usize = 68;
    let mut reader = Reader::new(body);
    let mut types = Vec::new();
    loop {
        let kind = reader.int().expect("a type");
        let done = reader.byte().expect("a flag");
        let error = reader.int().expect("an error");
        if done != 0 {
            assert_eq!((kind, error), (-1, -1), "the terminator");
            assert!(reader.remaining().is_empty());
            return types;
        }
        assert_eq!(error, 0);
        types.push(kind);
        if matches!(kind, op::CREATE | op::CREATE2) {
            reader.string().expect("a path");
        }
        if matches!(kind, op::CREATE2 | op::SET_DATA) {
            reader.raw(STAT_BYTES).expect("a Stat");
        }
    }
}

fn multi_failure(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.watch_children(&t.root()).ok();
    conn.watch_data(&t.root()).ok();
    let reply = conn
        .multi(&[
            create(&t.path("a")),
            set(&t.root()),
            check(&t.root(), 9),
            delete(&t.root()),
        ])
        .ok();
    let skipped = err::RUNTIME_INCONSISTENCY;
    assert_eq!(reply.multi_errors(), [0, 0, err::BAD_VERSION, skipped]);
    assert_eq!(reply.zxid, t.base_zxid() + 3, "a failed multi takes a zxid");
    let reply = conn
        .multi(&[delete(&t.path("no")), create(&t.path("a")), set(&t.root())])
        .ok();
    assert_eq!(reply.multi_errors(), [err::NO_NODE, skipped, skipped]);
    for (first, code) in [
        (create(&t.root()), err::NODE_EXISTS),
        (create("no-slash"), err::BAD_ARGUMENTS),
        (
            (op::CREATE, ops::create(&t.path("x"), b"", &[], 0)),
            err::INVALID_ACL,
        ),
        (check(&t.path("no"), -1), err::NO_NODE),
        (set(&t.path("")), err::BAD_ARGUMENTS),
        (delete("/"), err::BAD_ARGUMENTS),
    ] {
        assert_eq!(conn.multi(&[first]).ok().multi_errors(), [code]);
    }
    assert_eq!(conn.events(), [], "nothing happened, so nothing fires");
    let stat = conn.exists(&t.root()).ok().stat();
    assert_eq!((stat.version, stat.num_children, stat.cversion), (0, 0, 0));
}

fn multi_sees_itself(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let a = t.path("a");
    conn.multi(&[
        create(&a),
        delete(&a),
        create(&a),
        create(&t.path("a/b")),
        set(&a),
    ])
    .ok();
    let reply = conn.multi(&[check(&a, 1), set(&a), check(&a, 2)]).ok();
    assert_eq!(result_types(&reply.body), [13, 5, 13]);
    let reply = conn
        .multi(&[delete(&t.path("a/b")), delete(&a), check(&a, -1)])
        .ok();
    assert_eq!(reply.multi_errors(), [0, 0, err::NO_NODE]);
    let reply = conn.multi(&[delete(&a)]).ok();
    assert_eq!(reply.multi_errors(), [err::NOT_EMPTY]);
    conn.exists(&t.root()).ok();
}

fn multi_empty(t: &mut Target) {
    let mut conn = t.conn();
    let reply = conn.multi(&[]).ok();
    assert_eq!(reply.zxid, t.base_zxid() + 2, "an empty multi takes a zxid");
    assert_eq!(
        reply.body,
        [0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff]
    );
    assert_eq!(conn.ping().ok().zxid, reply.zxid);
}

fn multi_refused(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let x = t.path("x");
    let read = || (op::GET_DATA, ops::path_watch("/", false));
    let names = || (op::GET_CHILDREN, ops::path_watch("/", false));
    let flagged = |flags| (op::CREATE, ops::create(&x, b"", OPEN, flags));
    let null_acl = || (op::CREATE, Body::new().string(&x).buffer(b"").null().int(0));
    let null_path = || {
        (
            op::CREATE,
            Body::new()
                .null()
                .buffer(b"")
                .append(&ops::acl_vector(OPEN))
                .int(0),
        )
    };
    for second in [
        (op::SET_ACL, ops::set_acl("/", OPEN, -1)),
        (op::EXISTS, ops::path_watch("/", false)),
        (op::DELETE_CONTAINER, ops::path_only(&x)),
        (op::MULTI, ops::multi(&[])),
        (999, Body::new()),
        read(),
        names(),
        flagged(ops::TTL),
        flagged(ops::TTL_SEQUENTIAL),
        flagged(7),
        flagged(-1),
        null_acl(),
        null_path(),
    ] {
        refused(&mut conn, &ops::multi(&[create(&x), second]));
    }
    refused(&mut conn, &ops::multi(&[read()]));
    refused(&mut conn, &ops::multi(&[read(), names()]));
    refused(&mut conn, &ops::unterminated_multi(&[create(&x)]));
    conn.exists(&x).fails(err::NO_NODE);
}

#[track_caller]
fn refused(conn: &mut Conn, body: &Body) {
    let reply = conn.call(op::MULTI, body).fails(err::MARSHALLING);
    assert!(reply.body.is_empty(), "no results");
}

fn multi_ends_at_any_done_header(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let body = ops::unterminated_multi(&[set(&t.root())]);
    let reply = conn
        .call(op::MULTI, &body.int(5).byte(7).int(0).raw(b"ignored"))
        .ok();
    assert_eq!(result_types(&reply.body), [5]);
}

fn multi_ephemeral(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let mut owner = t.conn();
    let ephemeral = (
        op::CREATE,
        ops::create(&t.path("e"), b"", OPEN, ops::EPHEMERAL),
    );
    let child = create(&t.path("e/child"));
    let reply = owner.multi(&[ephemeral.clone(), child]).ok();
    assert_eq!(reply.multi_errors(), [0, err::NO_CHILDREN_FOR_EPHEMERALS]);
    owner.multi(&[ephemeral]).ok();
    assert_eq!(
        conn.exists(&t.path("e")).ok().stat().ephemeral_owner,
        owner.session().id
    );
    owner.close().ok();
    conn.exists(&t.path("e")).fails(err::NO_NODE);
}

fn multi_read(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create(&t.path("a"), b"data").ok();
    conn.create_acl(&t.path("secret"), &[(ops::ADMIN, "world", "anyone")])
        .ok();
    let get = |path: &str| (op::GET_DATA, ops::path_watch(path, true));
    let names = |path: &str| (op::GET_CHILDREN, ops::path_watch(path, true));
    let body = ops::multi(&[
        get(&t.path("a")),
        names(&t.root()),
        get(&t.path("missing")),
        get(&t.path("secret")),
        names(&t.path("secret")),
        get("malformed"),
        names(&t.path("a")),
    ]);
    let reply = conn.call(op::MULTI_READ, &body).ok();
    assert_eq!(reply.zxid, t.base_zxid() + 4);
    assert_eq!(Reader::new(&reply.body).int(), Some(op::GET_DATA));
    conn.set(&t.path("a"), b"", -1).ok();
    conn.create(&t.path("b"), b"").ok();
    assert_eq!(conn.events(), [], "the watch flags are ignored");
    let empty = conn.call(op::MULTI_READ, &ops::multi(&[])).ok();
    assert_eq!(
        empty.body,
        [0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff]
    );
}

fn multi_read_with_a_write(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let get = || (op::GET_DATA, ops::path_watch(&t.root(), false));
    conn.call(op::MULTI_READ, &ops::multi(&[get(), set(&t.root())]))
        .fails(err::MARSHALLING);
    // Writes alone get an empty list of results besides, which clients do not read.
    let null_path = (op::DELETE, Body::new().null().int(-1));
    for writes in [
        &[set(&t.root())][..],
        std::slice::from_ref(&null_path),
        &[null_path.clone(), set(&t.root())],
    ] {
        conn.call(op::MULTI_READ, &ops::multi(writes))
            .fails(err::MARSHALLING);
        conn.multi(&[writes, &[check("/no", 0)]].concat());
    }
    assert_eq!(conn.get(&t.root()).ok().stat().version, 0);
}

fn multi_fires_in_order(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let (a, b) = (t.path("a"), t.path("b"));
    conn.watch_exists(&a).fails(err::NO_NODE);
    conn.watch_exists(&b).fails(err::NO_NODE);
    conn.watch_children(&t.root()).ok();
    let reply = conn.multi(&[create(&a), create(&b), delete(&a)]).ok();
    let events = conn.take_events();
    assert!(events.iter().all(|event| event.zxid == reply.zxid));
    let kinds: Vec<_> = events
        .into_iter()
        .map(|event| (event.kind, event.path))
        .collect();
    assert_eq!(
        kinds,
        [(CREATED, a), (CHILDREN_CHANGED, t.root()), (CREATED, b)]
    );
}
