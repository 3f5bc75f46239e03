//! TTL and container nodes, and what reconfig says on a standalone server.
//!
//! The servers of these look for candidates several times a second, see `sets.rs`.

use std::time::Duration;

use compat_tests::{eventually::eventually, wire::Body};

use crate::{
    conn::Conn,
    ops::{self, CONTAINER, CREATED, DELETED, OPEN, TTL, TTL_SEQUENTIAL, err, op},
    runner::Scenario,
    target::Target,
};

/// For a server without `extendedTypesEnabled`.
pub(crate) const DISABLED: &[Scenario] = &[
    Scenario::both("ttl_disabled", &[226], ttl_disabled),
    Scenario::both("reconfig_disabled", &[235], |t| {
        reconfig(t, err::RECONFIG_DISABLED)
    }),
];

/// For a server with `extendedTypesEnabled=true` and `reconfigEnabled=true`.
pub(crate) const ENABLED: &[Scenario] = &[
    Scenario::both("ttl_arguments", &[227, 228], ttl_arguments),
    Scenario::both("ttl_nodes", &[233, 234, 89, 103], ttl_nodes),
    Scenario::both("ttl_expires", &[229, 230], ttl_expires),
    Scenario::both("containers_expire", &[231, 234], containers_expire),
    Scenario::both("multi_ttl", &[136, 148], multi_ttl),
    Scenario::both("reconfig_standalone", &[235], |t| {
        reconfig(t, err::UNIMPLEMENTED)
    }),
];

/// For a server with `znode.container.maxNeverUsedIntervalMs` of a second.
pub(crate) const NEVER_USED: &[Scenario] = &[Scenario::both(
    "never_used_container",
    &[232],
    never_used_container,
)];

const CLEANED: Duration = Duration::from_secs(20);
const TTL_MAX: i64 = 0xff_ffff_ffff;

fn gone(conn: &mut Conn, path: &str) {
    eventually(&format!("{path} is removed"), CLEANED, || {
        conn.quietly(|conn| (conn.exists(path).err == err::NO_NODE).then_some(()))
    });
}

fn ttl_disabled(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for flags in [TTL, TTL_SEQUENTIAL] {
        let body = ops::create_ttl(&t.path("x"), flags, 1000);
        conn.call(op::CREATE_TTL, &body).fails(err::UNIMPLEMENTED);
    }
    // An operation without the field has no ttl.
    conn.create_mode(&t.path("x"), TTL)
        .fails(err::UNIMPLEMENTED);
    let reply = conn
        .multi(&[(op::CREATE_TTL, ops::create_ttl(&t.path("x"), TTL, 1000))])
        .ok();
    assert_eq!(reply.multi_errors(), [err::UNIMPLEMENTED]);
    conn.exists(&t.path("x")).fails(err::NO_NODE);
}

fn ttl_arguments(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let x = t.path("x");
    for ttl in [0, -1, i64::MIN, TTL_MAX + 1, i64::MAX] {
        conn.call(op::CREATE_TTL, &ops::create_ttl(&x, TTL, ttl))
            .fails(err::BAD_ARGUMENTS);
    }
    for flags in 0..=4 {
        for ttl in [0, 1, 1000, TTL_MAX + 1] {
            let body = ops::create_ttl(&x, flags, ttl);
            conn.call(op::CREATE_TTL, &body).fails(err::BAD_ARGUMENTS);
        }
    }
    for kind in [op::CREATE, op::CREATE2] {
        conn.call(kind, &ops::create(&x, b"", OPEN, TTL))
            .fails(err::BAD_ARGUMENTS);
    }
    conn.call(op::CREATE_TTL, &ops::create_ttl(&x, TTL, TTL_MAX))
        .ok();
}

fn ttl_nodes(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let reply = conn
        .call(op::CREATE_TTL, &ops::create_ttl(&t.path("t"), TTL, TTL_MAX))
        .ok();
    assert_eq!(
        (reply.path(), reply.stat().ephemeral_owner),
        (Some(t.path("t")), 0)
    );
    let body = ops::create_ttl(&t.path("t-"), TTL_SEQUENTIAL, TTL_MAX);
    assert_eq!(
        conn.call(op::CREATE_TTL, &body).ok().path(),
        Some(t.path("t-0000000001"))
    );
    conn.create(&t.path("t/child"), b"").ok();
    conn.create_mode(&t.path("t/e"), ops::EPHEMERAL).ok();
    conn.delete(&t.path("t"), -1).fails(err::NOT_EMPTY);
    assert_eq!(conn.exists(&t.path("t")).ok().stat().ephemeral_owner, 0);
}

fn ttl_expires(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let (short, kept, renewed) = (t.path("short"), t.path("kept"), t.path("renewed"));
    // Longer than a busy machine takes to get from here to the child.
    for path in [&kept, &renewed, &short] {
        conn.call(op::CREATE_TTL, &ops::create_ttl(path, TTL, 1_500))
            .ok();
    }
    conn.create(&t.path("kept/child"), b"").ok();
    let mut watcher = t.conn();
    watcher.watch_data(&short).ok();
    eventually("the short one is removed", CLEANED, || {
        conn.quietly(|conn| {
            conn.set(&renewed, b"again", -1).ok();
            (conn.exists(&short).err == err::NO_NODE).then_some(())
        })
    });
    conn.quietly(|conn| conn.exists(&renewed).ok());
    conn.quietly(|conn| conn.exists(&kept).ok());
    let event = watcher.quietly(Conn::event);
    assert_eq!((event.kind, event.path), (DELETED, short));
    gone(&mut conn, &renewed);
    conn.quietly(|conn| {
        conn.exists(&kept).ok();
        conn.delete(&t.path("kept/child"), -1).ok();
    });
    gone(&mut conn, &kept);
}

fn containers_expire(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let (used, unused) = (t.path("used"), t.path("unused"));
    for path in [&used, &unused] {
        conn.call(
            op::CREATE_CONTAINER,
            &ops::create(path, b"", OPEN, CONTAINER),
        )
        .ok();
    }
    conn.create(&t.path("used/child"), b"").ok();
    let mut watcher = t.conn();
    watcher.watch_exists(&used).ok();
    conn.delete(&t.path("used/child"), -1).ok();
    gone(&mut conn, &used);
    let event = watcher.event();
    assert_eq!((event.kind, event.path, event.state), (DELETED, used, 3));
    conn.exists(&unused).ok();
    let flags = ops::create(&t.path("plain"), b"", OPEN, CONTAINER);
    conn.call(op::CREATE, &flags).ok();
}

fn never_used_container(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let unused = t.path("unused");
    let mut watcher = t.conn();
    watcher.watch_exists(&unused).fails(err::NO_NODE);
    conn.call(
        op::CREATE_CONTAINER,
        &ops::create(&unused, b"", OPEN, CONTAINER),
    )
    .ok();
    assert_eq!(watcher.event().kind, CREATED);
    conn.quietly(|conn| conn.exists(&unused).ok());
    gone(&mut conn, &unused);
}

fn multi_ttl(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let record = |name: &str, flags| {
        (
            op::CREATE_TTL,
            ops::create_ttl(&t.path(name), flags, TTL_MAX),
        )
    };
    let reply = conn
        .multi(&[
            record("ttl", TTL),
            record("seq", TTL_SEQUENTIAL),
            record("plain", ops::PLAIN),
            record("ephemeral", ops::EPHEMERAL),
            record("container", CONTAINER),
        ])
        .ok();
    let kinds = conn.children(&t.root()).ok().names();
    assert_eq!(
        kinds,
        ["container", "ephemeral", "plain", "seq0000000001", "ttl"]
    );
    assert_eq!(
        compat_tests::wire::Reader::new(&reply.body).int(),
        Some(op::CREATE2)
    );
    let owner = conn
        .exists(&t.path("ephemeral"))
        .ok()
        .stat()
        .ephemeral_owner;
    assert_eq!(owner, conn.session().id);
    let reply = conn.multi(&[record("ttl", TTL)]).ok();
    assert_eq!(reply.multi_errors(), [err::NODE_EXISTS]);
    // Without a list or a path: whether Apache notices before it takes a zxid differs.
    for flags in [TTL, ops::PLAIN] {
        let null_acl = Body::new()
            .string(&t.path("x"))
            .buffer(b"")
            .null()
            .int(flags)
            .long(5);
        conn.multi(&[(op::CREATE_TTL, null_acl)]);
        let acl = ops::acl_vector(OPEN);
        let null_path = Body::new()
            .null()
            .buffer(b"")
            .append(&acl)
            .int(flags)
            .long(5);
        conn.multi(&[(op::CREATE_TTL, null_path)]);
    }
    let zero = (op::CREATE_TTL, ops::create_ttl(&t.path("zero"), TTL, 0));
    assert_eq!(
        conn.multi(&[zero]).ok().multi_errors(),
        [err::BAD_ARGUMENTS]
    );
}

fn reconfig(t: &mut Target, code: i32) {
    let mut conn = t.conn();
    let members = "server.1=127.0.0.1:2888:3888;2181";
    conn.call(op::RECONFIG, &ops::reconfig(members, -1))
        .fails(code);
    conn.call(op::RECONFIG, &ops::reconfig("nonsense", 5))
        .fails(code);
    conn.ping().ok();
}
