//! Watches: what fires when, for whom, in which order, and what is left afterwards.

use crate::{
    ops::{
        self, ADMIN, ALL, CHILDREN_CHANGED, CREATED, DATA_CHANGED, DELETED, PERSISTENT, READ,
        RECURSIVE, err, op,
    },
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both(
        "data_watch_fires_once",
        &[153, 161, 162, 163],
        data_watch_fires_once,
    ),
    Scenario::both("child_watch", &[155, 158], child_watch),
    Scenario::both("delete_events", &[156, 157], delete_events),
    Scenario::both("own_events_come_first", &[159, 160], own_events_come_first),
    Scenario::both(
        "watches_die_with_the_connection",
        &[164],
        watches_die_with_the_connection,
    ),
    Scenario::both("persistent_watch", &[165, 166], persistent_watch),
    Scenario::both("recursive_watch", &[167], recursive_watch),
    Scenario::both(
        "recursive_watch_on_the_root",
        &[168],
        recursive_watch_on_the_root,
    ),
    Scenario::both("overlapping_watches", &[169], overlapping_watches),
    Scenario::both("add_watch", &[170, 171, 172], add_watch),
    Scenario::both("check_watches", &[173], check_watches),
    Scenario::both("remove_watches", &[174, 175], remove_watches),
    Scenario::both("events_need_read", &[181], events_need_read),
];

fn data_watch_fires_once(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let mut conn = t.conn();
    conn.watch_data(&t.root()).ok();
    conn.watch_data(&t.root()).ok();
    conn.watch_exists(&t.root()).ok();
    let zxid = writer.set(&t.root(), b"1", -1).ok().zxid;
    writer.set(&t.root(), b"2", -1).ok();
    let event = conn.event();
    assert_eq!(
        (event.kind, event.state, event.zxid),
        (DATA_CHANGED, 3, zxid)
    );
    assert_eq!(event.path, t.root());
    assert_eq!(conn.events(), []);
}

fn child_watch(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let mut conn = t.conn();
    let a = t.path("a");
    for _ in 0..2 {
        conn.watch_children(&t.root()).ok();
        conn.watch_exists(&a).fails(err::NO_NODE);
        writer.create(&a, b"").ok();
        assert_eq!(
            conn.events(),
            [(CREATED, a.clone()), (CHILDREN_CHANGED, t.root())]
        );

        conn.watch_children(&t.root()).ok();
        writer.set(&a, b"x", -1).ok();
        writer.set(&t.root(), b"x", -1).ok();
        writer.create(&t.path("a/b"), b"").ok();
        writer.delete(&t.path("a/b"), -1).ok();
        assert_eq!(conn.events(), [], "neither data nor grandchildren");
        writer.delete(&a, -1).ok();
        assert_eq!(conn.events(), [(CHILDREN_CHANGED, t.root())]);
    }
}

fn delete_events(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let a = t.path("a");
    writer.create(&a, b"").ok();
    let (mut both, mut child_only, mut parent_too) = (t.conn(), t.conn(), t.conn());
    both.watch_data(&a).ok();
    both.watch_children(&a).ok();
    child_only.watch_children(&a).ok();
    parent_too.watch_data(&a).ok();
    parent_too.watch_children(&a).ok();
    parent_too.watch_children(&t.root()).ok();
    writer.delete(&a, -1).ok();
    assert_eq!(both.events(), [(DELETED, a.clone())]);
    assert_eq!(child_only.events(), [(DELETED, a.clone())]);
    assert_eq!(
        parent_too.events(),
        [(DELETED, a.clone()), (CHILDREN_CHANGED, t.root())]
    );
    // The child watch was taken by the first event too.
    writer.create(&a, b"").ok();
    writer.create(&t.path("a/b"), b"").ok();
    assert_eq!(both.events(), []);
}

fn own_events_come_first(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.watch_data(&t.root()).ok();
    conn.send(op::SET_DATA, &ops::set_data(&t.root(), b"x", -1));
    conn.send(op::GET_DATA, &ops::path_watch(&t.root(), false));
    assert_eq!(conn.event().kind, DATA_CHANGED);
    conn.reply().ok();
    conn.reply().ok();

    let mut reader = t.conn();
    reader.watch_data(&t.root()).ok();
    conn.set(&t.root(), b"y", -1).ok();
    reader.send(op::GET_DATA, &ops::path_watch(&t.root(), false));
    assert_eq!(
        reader.event().kind,
        DATA_CHANGED,
        "before a reply that shows the change"
    );
    assert_eq!(reader.reply().ok().data_text(), "y");
}

fn watches_die_with_the_connection(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let mut conn = t.conn();
    conn.watch_data(&t.root()).ok();
    conn.add_watch(&t.root(), RECURSIVE).ok();
    let (mut again, response) = t.reattach(&conn.session().clone(), 40_000);
    assert_eq!(response.id, conn.session().id);
    conn.closed();
    writer.set(&t.root(), b"", -1).ok();
    assert_eq!(again.events(), []);
    again.check_watches(&t.root(), 3).fails(err::NO_WATCHER);
}

fn persistent_watch(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let mut conn = t.conn();
    let (p, child) = (t.path("p"), t.path("p/c"));
    conn.add_watch(&p, PERSISTENT).ok();
    for _ in 0..2 {
        writer.create(&p, b"").ok();
        writer.create(&child, b"").ok();
        writer.set(&p, b"x", -1).ok();
        writer.set(&child, b"x", -1).ok();
        writer.delete(&child, -1).ok();
        writer.delete(&p, -1).ok();
        let kinds = [
            CREATED,
            CHILDREN_CHANGED,
            DATA_CHANGED,
            CHILDREN_CHANGED,
            DELETED,
        ];
        assert_eq!(conn.events(), kinds.map(|kind| (kind, p.clone())));
    }
    conn.check_watches(&p, 4).ok();
}

fn recursive_watch(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let mut conn = t.conn();
    let (p, child, deep) = (t.path("p"), t.path("p/c"), t.path("p/c/d"));
    conn.add_watch(&p, RECURSIVE).ok();
    writer.create(&t.path("px"), b"").ok();
    for path in [&p, &child, &deep] {
        writer.create(path, b"").ok();
    }
    writer.set(&p, b"x", -1).ok();
    writer.set(&deep, b"x", -1).ok();
    for path in [&deep, &child, &p] {
        writer.delete(path, -1).ok();
    }
    let expected = [
        (CREATED, &p),
        (CREATED, &child),
        (CREATED, &deep),
        (DATA_CHANGED, &p),
        (DATA_CHANGED, &deep),
        (DELETED, &deep),
        (DELETED, &child),
        (DELETED, &p),
    ];
    assert_eq!(
        conn.events(),
        expected.map(|(kind, path)| (kind, path.clone()))
    );
}

fn recursive_watch_on_the_root(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let mut conn = t.conn();
    conn.add_watch("/", RECURSIVE).ok();
    writer.create(&t.path("a"), b"").ok();
    writer.set("/", b"", -1).ok();
    writer.set("/zookeeper", b"", -1).ok();
    writer.delete(&t.path("a"), -1).ok();
    let expected = [
        (CREATED, t.path("a")),
        (DATA_CHANGED, "/".to_owned()),
        (DATA_CHANGED, "/zookeeper".to_owned()),
        (DELETED, t.path("a")),
    ];
    assert_eq!(conn.events(), expected);
}

fn overlapping_watches(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let mut conn = t.conn();
    let (p, child) = (t.path("p"), t.path("p/c"));
    writer.create(&p, b"").ok();
    conn.add_watch(&p, PERSISTENT).ok();
    conn.add_watch(&p, RECURSIVE).ok();
    conn.add_watch(&t.root(), RECURSIVE).ok();
    conn.watch_data(&p).ok();
    conn.watch_children(&p).ok();
    writer.set(&p, b"x", -1).ok();
    assert_eq!(conn.events(), [(DATA_CHANGED, p.clone())]);
    writer.create(&child, b"").ok();
    assert_eq!(
        conn.events(),
        [(CREATED, child.clone()), (CHILDREN_CHANGED, p.clone())]
    );
    writer.delete(&child, -1).ok();
    assert_eq!(
        conn.events(),
        [(DELETED, child), (CHILDREN_CHANGED, p.clone())]
    );
    writer.delete(&p, -1).ok();
    assert_eq!(conn.events(), [(DELETED, p)]);
}

fn add_watch(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for path in [t.path("missing").as_str(), "malformed", "", "//"] {
        for mode in [PERSISTENT, RECURSIVE] {
            let reply = conn.add_watch(path, mode).ok();
            assert_eq!(reply.body, [0, 0, 0, 0]);
        }
    }
    for mode in [2, -1, i32::MAX] {
        conn.add_watch(&t.root(), mode).fails(err::MARSHALLING);
    }
    conn.create(&t.path("missing"), b"").ok();
    assert_eq!(conn.events(), [(CREATED, t.path("missing"))]);
}

fn check_watches(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let root = t.root();
    let armed = |conn: &mut crate::conn::Conn| -> Vec<i32> {
        let armed = (1..=5).filter(|kind| {
            let reply = conn.check_watches(&root, *kind);
            assert!([0, err::NO_WATCHER].contains(&reply.err) && reply.body.is_empty());
            reply.err == 0
        });
        armed.collect()
    };
    assert_eq!(armed(&mut conn), [0; 0]);
    conn.watch_children(&t.root()).ok();
    assert_eq!(armed(&mut conn), [1, 3]);
    conn.watch_data(&t.root()).ok();
    assert_eq!(armed(&mut conn), [1, 2, 3]);
    conn.add_watch(&t.root(), PERSISTENT).ok();
    assert_eq!(armed(&mut conn), [1, 2, 3, 4]);
    conn.add_watch(&t.root(), RECURSIVE).ok();
    assert_eq!(armed(&mut conn), [1, 2, 3, 4, 5]);
    for kind in [0, 6, -1] {
        conn.check_watches(&t.root(), kind).fails(err::MARSHALLING);
        conn.remove_watches(&t.root(), kind).fails(err::MARSHALLING);
    }
    conn.check_watches(&t.path("below"), 3)
        .fails(err::NO_WATCHER);
    t.conn().check_watches(&t.root(), 3).fails(err::NO_WATCHER);
}

fn remove_watches(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let mut conn = t.conn();
    let arm = |conn: &mut crate::conn::Conn| {
        conn.watch_data(&t.root()).ok();
        conn.watch_children(&t.root()).ok();
        conn.add_watch(&t.root(), PERSISTENT).ok();
        conn.add_watch(&t.root(), RECURSIVE).ok();
    };
    arm(&mut conn);
    assert!(conn.remove_watches(&t.root(), 3).ok().body.is_empty());
    conn.remove_watches(&t.root(), 3).fails(err::NO_WATCHER);
    writer.set(&t.root(), b"", -1).ok();
    assert_eq!(conn.events(), []);

    arm(&mut conn);
    for kind in [4, 5, 1] {
        conn.remove_watches(&t.root(), kind).ok();
        conn.remove_watches(&t.root(), kind).fails(err::NO_WATCHER);
    }
    writer.create(&t.path("a"), b"").ok();
    assert_eq!(
        conn.events(),
        [],
        "of the four, only the data watch is left"
    );
    writer.set(&t.root(), b"", -1).ok();
    assert_eq!(conn.events(), [(DATA_CHANGED, t.root())]);

    conn.add_watch(&t.root(), PERSISTENT).ok();
    conn.watch_data(&t.root()).ok();
    conn.remove_watches(&t.root(), 2).ok();
    writer.set(&t.root(), b"", -1).ok();
    writer.set(&t.root(), b"", -1).ok();
    assert_eq!(conn.events().len(), 2, "the persistent one stays");
    conn.remove_watches(&t.path("missing"), 3)
        .fails(err::NO_WATCHER);
}

fn events_need_read(t: &mut Target) {
    let mut writer = t.conn_at_root();
    let mut conn = t.conn();
    let a = t.path("a");
    writer.auth("digest", b"u:p").ok();
    let acl = |perms| [(perms, "world", "anyone"), (ALL, "auth", "")];
    writer.create_acl(&a, &acl(READ)).ok();
    conn.watch_data(&a).ok();
    writer.set_acl(&a, &acl(ADMIN), -1).ok();
    writer.set(&a, b"secret", -1).ok();
    assert_eq!(conn.events(), [], "withheld");
    writer.set_acl(&a, &acl(READ), -1).ok();
    writer.set(&a, b"open", -1).ok();
    assert_eq!(conn.events(), [], "and consumed");

    conn.add_watch(&a, PERSISTENT).ok();
    conn.watch_exists(&t.path("b")).fails(err::NO_NODE);
    writer.create_acl(&t.path("b"), &acl(ADMIN)).ok();
    writer.set_acl(&a, &acl(ADMIN), -1).ok();
    writer.set(&a, b"secret", -1).ok();
    writer.create(&t.path("a/child"), b"").ok();
    writer.delete(&t.path("a/child"), -1).ok();
    assert_eq!(
        conn.events(),
        [],
        "of data, of children, of a node one may not read"
    );
    writer.set_acl(&a, &acl(READ), -1).ok();
    writer.set(&a, b"open", -1).ok();
    writer.delete(&a, -1).ok();
    assert_eq!(conn.events(), [(DATA_CHANGED, a.clone()), (DELETED, a)]);
}
