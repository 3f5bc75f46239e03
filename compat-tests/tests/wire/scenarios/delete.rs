//! delete: the order of its checks.

use crate::{
    ops::{ALL, CREATE, DELETE, READ, err},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("delete_checks", &[112, 113, 114, 115], delete_checks),
    Scenario::both("delete_needs_the_parent", &[116], delete_needs_the_parent),
];

fn delete_checks(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create(&t.path("a"), b"").ok();
    conn.create(&t.path("a/b"), b"").ok();
    conn.delete(&t.path("a"), 5).fails(err::BAD_VERSION);
    conn.delete(&t.path("a"), 0).fails(err::NOT_EMPTY);
    conn.delete(&t.path("a"), -1).fails(err::NOT_EMPTY);
    conn.delete(&t.path("missing"), -1).fails(err::NO_NODE);
    conn.delete(&t.path("missing/child"), -1)
        .fails(err::NO_NODE);
    conn.set(&t.path("a/b"), b"1", -1).ok();
    conn.delete(&t.path("a/b"), 0).fails(err::BAD_VERSION);
    assert!(conn.delete(&t.path("a/b"), 1).ok().body.is_empty());
    conn.delete(&t.path("a"), -1).ok();
    conn.delete(&t.path("a"), -1).fails(err::NO_NODE);
}

fn delete_needs_the_parent(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let without_delete = &[(ALL & !DELETE, "world", "anyone")];
    conn.create_acl(&t.path("kept"), without_delete).ok();
    conn.create(&t.path("kept/child"), b"").ok();
    conn.delete(&t.path("kept/child"), -1).fails(err::NO_AUTH);
    // The order: the parent's permission comes before the node itself.
    conn.delete(&t.path("kept/missing"), -1).fails(err::NO_AUTH);

    conn.create(&t.path("open"), b"").ok();
    let nobody = &[(READ | CREATE, "world", "anyone")];
    conn.create_acl(&t.path("open/locked"), nobody).ok();
    conn.delete(&t.path("open/locked"), -1).ok();
}
