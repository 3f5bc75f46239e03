//! Reads, and what they leave armed.

use compat_tests::wire::Body;

use crate::{
    ops::{self, CREATED, OPEN, err, op},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both(
        "reads_of_missing_nodes",
        &[126, 127, 154],
        reads_of_missing_nodes,
    ),
    Scenario::both("children", &[128], children),
    Scenario::both("all_children_number", &[130], all_children_number),
    Scenario::both("ephemerals", &[131, 132], ephemerals),
    Scenario::both("who_am_i", &[133, 202], who_am_i),
    Scenario::both("sync_orders_after_writes", &[134], sync_orders_after_writes),
];

fn reads_of_missing_nodes(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.watch_exists(&t.path("a")).fails(err::NO_NODE);
    conn.watch_data(&t.path("b")).fails(err::NO_NODE);
    conn.watch_children(&t.path("c")).fails(err::NO_NODE);
    for name in ["a", "b", "c"] {
        conn.create(&t.path(name), b"").ok();
    }
    assert_eq!(
        conn.events(),
        [(CREATED, t.path("a"))],
        "only exists arms a missing node"
    );
}

fn children(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for name in ["b", "a", "c"] {
        conn.create(&t.path(name), b"").ok();
    }
    let names = conn.children(&t.root()).ok().names();
    assert_eq!(names, ["a", "b", "c"]);
    let with_stat = conn
        .call(op::GET_CHILDREN2, &ops::path_watch(&t.root(), false))
        .ok();
    assert_eq!(with_stat.names(), names);
    assert_eq!(with_stat.stat(), conn.exists(&t.root()).ok().stat());
    assert_eq!(conn.children(&t.path("a")).ok().names(), [""; 0]);
    assert!(
        conn.children("/")
            .ok()
            .names()
            .contains(&"zookeeper".to_owned())
    );
}

fn all_children_number(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let count = |conn: &mut crate::conn::Conn, path: &str| {
        conn.call(op::GET_ALL_CHILDREN_NUMBER, &ops::path_only(path))
            .ok()
            .int()
    };
    let before = count(&mut conn, "/");
    for name in ["a", "a/b", "a/b/c", "ab"] {
        conn.create(&t.path(name), b"").ok();
    }
    assert_eq!(count(&mut conn, &t.root()), 4);
    assert_eq!(count(&mut conn, &t.path("a")), 2);
    assert_eq!(count(&mut conn, &t.path("a/b/c")), 0);
    assert_eq!(count(&mut conn, "/zookeeper"), 2);
    assert_eq!(count(&mut conn, "/"), before + 4);
    assert!(
        before >= 4,
        "the scenario's node, /zookeeper and its two children"
    );
    conn.call(op::GET_ALL_CHILDREN_NUMBER, &ops::path_only(&t.path("x")))
        .fails(err::NO_NODE);
}

fn ephemerals(t: &mut Target) {
    let mut other = t.conn_at_root();
    let mut conn = t.conn();
    other.create_mode(&t.path("a-other"), ops::EPHEMERAL).ok();
    let mine = [t.path("a"), t.path("ab"), t.path("b")];
    for path in &mine {
        conn.create_mode(path, ops::EPHEMERAL).ok();
    }
    let mut list = |body: &Body| conn.call(op::GET_EPHEMERALS, body).ok().names();
    for all in [
        Body::new().null(),
        ops::path_only(""),
        ops::path_only("/"),
        ops::path_only("  "),
    ] {
        assert_eq!(list(&all), mine);
    }
    assert_eq!(
        list(&ops::path_only(&t.path("a"))),
        mine[..2],
        "a plain prefix, not a path"
    );
    assert_eq!(list(&ops::path_only(&t.path("b"))), mine[2..]);
    assert_eq!(list(&ops::path_only("nothing")), [""; 0]);
}

fn who_am_i(t: &mut Target) {
    let pair = |scheme: &str, user: &str| (scheme.to_owned(), user.to_owned());
    let mut conn = t.conn();
    assert_eq!(conn.who_am_i().ok().identities(), [pair("ip", "127.0.0.1")]);
    conn.auth("digest", b"u:p").ok();
    conn.auth("digest", b"v:q").ok();
    let expected = [
        pair("digest", "u"),
        pair("digest", "v"),
        pair("ip", "127.0.0.1"),
    ];
    assert_eq!(conn.who_am_i().ok().identities(), expected);
}

fn sync_orders_after_writes(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for _ in 0..20 {
        conn.send(
            op::CREATE,
            &ops::create(&t.path("n"), b"", OPEN, ops::SEQUENTIAL),
        );
    }
    conn.send(op::SYNC, &ops::path_only(&t.root()));
    let mut last = 0;
    for _ in 0..20 {
        last = conn.reply().ok().zxid;
    }
    let sync = conn.reply().ok();
    assert_eq!((sync.path(), sync.zxid), (Some(t.root()), last));
}
