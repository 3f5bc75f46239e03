//! setWatches and setWatches2: what a client sends after it came back.

use crate::{
    ops::{ADMIN, CHILDREN_CHANGED, CREATED, DATA_CHANGED, DELETED, READ, err, op, set_watches},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("set_watches_data", &[176, 179], set_watches_data),
    Scenario::both("set_watches_exist", &[177], set_watches_exist),
    Scenario::both("set_watches_child", &[178], set_watches_child),
    Scenario::both("set_watches_persistent", &[180], set_watches_persistent),
    Scenario::both("set_watches_skips_the_acl", &[], set_watches_skips_the_acl),
];

fn set_watches_data(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let (old, changed, missing) = (t.path("old"), t.path("changed"), t.path("missing"));
    conn.create(&changed, b"").ok();
    conn.create(&old, b"").ok();
    let seen = conn.exists("/").ok().zxid;
    conn.set(&changed, b"x", -1).ok();
    let body = set_watches(seen, &[&[&changed, &old, &missing], &[], &[&missing]]);
    conn.call(op::SET_WATCHES, &body).ok();
    let events = conn.take_events();
    assert!(
        events
            .iter()
            .all(|event| event.zxid == -1 && event.state == 3)
    );
    let kinds: Vec<_> = events
        .into_iter()
        .map(|event| (event.kind, event.path))
        .collect();
    let twice = (DELETED, missing);
    assert_eq!(
        kinds,
        [(DATA_CHANGED, changed.clone()), twice.clone(), twice]
    );
    conn.set(&changed, b"", -1).ok();
    conn.set(&old, b"", -1).ok();
    assert_eq!(
        conn.events(),
        [(DATA_CHANGED, old)],
        "only this one was armed"
    );
}

fn set_watches_exist(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let (present, missing) = (t.path("present"), t.path("missing"));
    conn.create(&present, b"").ok();
    let seen = conn.exists("/").ok().zxid;
    let body = set_watches(seen, &[&[], &[&present, &missing], &[]]);
    conn.call(op::SET_WATCHES, &body).ok();
    assert_eq!(conn.events(), [(CREATED, present)], "present, however old");
    conn.create(&missing, b"").ok();
    assert_eq!(conn.events(), [(CREATED, missing)]);
}

fn set_watches_child(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let (old, changed) = (t.path("old"), t.path("changed"));
    for path in [&old, &changed] {
        conn.create(path, b"").ok();
    }
    let seen = conn.exists("/").ok().zxid;
    conn.create(&t.path("changed/c"), b"").ok();
    conn.set(&old, b"newer data", -1).ok();
    let body = set_watches(seen, &[&[], &[], &[&changed, &old]]);
    conn.call(op::SET_WATCHES, &body).ok();
    assert_eq!(conn.events(), [(CHILDREN_CHANGED, changed)]);
    conn.create(&t.path("old/c"), b"").ok();
    assert_eq!(conn.events(), [(CHILDREN_CHANGED, old)]);
}

fn set_watches_persistent(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let (p, r) = (t.path("p"), t.path("r"));
    conn.create(&p, b"").ok();
    conn.create(&r, b"").ok();
    let body = set_watches(0, &[&[], &[], &[], &[&p, "malformed"], &[&r]]);
    conn.call_as(-8, op::SET_WATCHES2, &body).ok();
    assert_eq!(
        conn.events(),
        [],
        "no catching up, though both are newer than zxid 0"
    );
    conn.check_watches(&p, 4).ok();
    conn.check_watches(&p, 5).fails(err::NO_WATCHER);
    conn.check_watches(&r, 5).ok();
    conn.create(&t.path("p/c"), b"").ok();
    conn.create(&t.path("r/c"), b"").ok();
    assert_eq!(
        conn.events(),
        [(CHILDREN_CHANGED, p.clone()), (CREATED, t.path("r/c"))]
    );

    let body = set_watches(0, &[&[&p], &[], &[], &[], &[]]);
    conn.call(op::SET_WATCHES2, &body).ok();
    assert_eq!(
        conn.events(),
        [(DATA_CHANGED, p)],
        "the old lists still catch up"
    );
}

/// Catching up is not filtered: the client held the watch when it could read.
fn set_watches_skips_the_acl(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let seen = conn.exists("/").ok().zxid;
    let secret = t.path("secret");
    conn.create_acl(&secret, &[(ADMIN, "world", "anyone")]).ok();
    let body = set_watches(seen, &[&[&secret], &[&secret], &[&secret]]);
    conn.call(op::SET_WATCHES, &body).ok();
    let kinds: Vec<_> = conn.events().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [DATA_CHANGED, CREATED, CHILDREN_CHANGED]);
    conn.set_acl(&secret, &[(READ, "world", "anyone")], -1).ok();
}
