//! Quotas: what is counted, what is enforced.

use crate::{
    conn::Conn,
    ops::{self, OPEN, err, op},
    runner::Scenario,
    target::Target,
};

/// For any server; nothing here exceeds a limit.
pub(crate) const TRACKED: &[Scenario] = &[
    Scenario::both("quota_usage", &[211, 212, 213], quota_usage),
    Scenario::both("quota_on_siblings", &[218], quota_on_siblings),
    Scenario::both("quota_removed", &[220], quota_removed),
];

/// For a server without `enforceQuota`.
pub(crate) const NOT_ENFORCED: &[Scenario] = &[Scenario::both(
    "quota_not_enforced",
    &[219],
    quota_not_enforced,
)];

/// For a server with `enforceQuota=true`.
pub(crate) const ENFORCED: &[Scenario] = &[
    Scenario::both("quota_count", &[214], quota_count),
    Scenario::both("quota_bytes", &[215, 217], quota_bytes),
    Scenario::both("quota_soft", &[216], quota_soft),
    Scenario::both("quota_in_multi", &[], quota_in_multi),
];

/// Puts a quota on `path` the way Apache's tool does.
fn limit(conn: &mut Conn, path: &str, limits: &str) {
    let mut node = "/zookeeper/quota".to_owned();
    for name in path.trim_start_matches('/').split('/') {
        node = format!("{node}/{name}");
        conn.create(&node, b"");
    }
    conn.create(&format!("{node}/zookeeper_limits"), limits.as_bytes())
        .ok();
    conn.create(&format!("{node}/zookeeper_stats"), b"count=77,bytes=77")
        .ok();
}

fn usage(conn: &mut Conn, path: &str) -> String {
    conn.get(&format!("/zookeeper/quota{path}/zookeeper_stats"))
        .ok()
        .data_text()
}

fn quota_usage(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create(&t.path("a"), b"12345").ok();
    limit(&mut conn, &t.root(), "count=-1,bytes=-1");
    let root = t.root();
    assert_eq!(
        usage(&mut conn, &root),
        "count=2,bytes=5",
        "counted anew, whatever was given"
    );
    let stats = format!("/zookeeper/quota{root}/zookeeper_stats");
    let before = conn.watch_data(&stats).ok().stat();
    conn.create(&t.path("a/b"), b"123").ok();
    assert_eq!(usage(&mut conn, &root), "count=3,bytes=8");
    conn.set(&t.path("a"), b"1", -1).ok();
    assert_eq!(usage(&mut conn, &root), "count=3,bytes=4");
    conn.set(&t.root(), b"own data", -1).ok();
    assert_eq!(usage(&mut conn, &root), "count=3,bytes=12");
    conn.delete(&t.path("a/b"), -1).ok();
    assert_eq!(usage(&mut conn, &root), "count=2,bytes=9");
    conn.create_mode(&t.path("e"), ops::EPHEMERAL).ok();
    assert_eq!(usage(&mut conn, &root), "count=3,bytes=9");
    let after = conn.exists(&stats).ok().stat();
    assert_eq!(
        (after.version, after.mzxid, after.mtime),
        (before.version, before.mzxid, before.mtime)
    );
    assert_eq!(conn.events(), [], "bookkeeping fires no watch");
}

fn quota_on_siblings(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let q = t.path("q");
    conn.create(&q, b"").ok();
    limit(&mut conn, &q, "count=5,bytes=5");
    conn.create(&t.path("qq"), b"123").ok();
    conn.create(&t.path("qq/x"), b"123").ok();
    assert_eq!(usage(&mut conn, &q), "count=1,bytes=0");
    conn.create(&t.path("q/x"), b"123").ok();
    conn.create(&t.path("q/x/y"), b"1").ok();
    assert_eq!(usage(&mut conn, &q), "count=3,bytes=4");
    // The deepest quota on the way up is the one that counts.
    limit(&mut conn, &t.path("q/x"), "count=5,bytes=5");
    conn.create(&t.path("q/x/z"), b"1").ok();
    assert_eq!(usage(&mut conn, &t.path("q/x")), "count=3,bytes=5");
    assert_eq!(usage(&mut conn, &q), "count=3,bytes=4");
}

fn quota_removed(t: &mut Target) {
    let mut conn = t.conn_at_root();
    limit(
        &mut conn,
        &t.root(),
        "count=-1,bytes=-1=;byteHardLimit=5;countHardLimit=3",
    );
    conn.create(&t.path("a"), b"").ok();
    let root = t.root();
    let counted = usage(&mut conn, &root);
    conn.delete(&format!("/zookeeper/quota{root}/zookeeper_limits"), -1)
        .ok();
    for name in ["b", "c", "d"] {
        conn.create(&t.path(name), b"more than five").ok();
    }
    assert_eq!(usage(&mut conn, &root), counted);
    conn.delete(&format!("/zookeeper/quota{root}/zookeeper_stats"), -1)
        .ok();
}

fn quota_not_enforced(t: &mut Target) {
    let mut conn = t.conn_at_root();
    limit(
        &mut conn,
        &t.root(),
        "count=1,bytes=1=;byteHardLimit=1;countHardLimit=1",
    );
    conn.create(&t.path("a"), b"12345").ok();
    conn.set(&t.path("a"), b"123456", -1).ok();
    let root = t.root();
    assert!(usage(&mut conn, &root).starts_with("count=2,bytes=6"));
}

fn quota_count(t: &mut Target) {
    let mut conn = t.conn_at_root();
    limit(&mut conn, &t.root(), "count=-1,bytes=-1=;countHardLimit=3");
    conn.create(&t.path("a"), b"").ok();
    conn.create(&t.path("b"), b"").ok();
    conn.create(&t.path("c"), b"").fails(err::QUOTA_EXCEEDED);
    conn.create_mode(&t.path("c"), ops::EPHEMERAL)
        .fails(err::QUOTA_EXCEEDED);
    conn.create(&t.path("a"), b"").fails(err::NODE_EXISTS);
    conn.create(&t.path("a/b"), b"").fails(err::QUOTA_EXCEEDED);
    conn.set(&t.path("a"), b"any size", -1).ok();
    conn.delete(&t.path("b"), -1).ok();
    conn.create(&t.path("c"), b"").ok();
    // New limits count at once.
    let limits = format!("/zookeeper/quota{}/zookeeper_limits", t.root());
    conn.set(&limits, b"count=-1,bytes=-1=;countHardLimit=9", -1)
        .ok();
    conn.create(&t.path("d"), b"").ok();
}

fn quota_bytes(t: &mut Target) {
    let mut conn = t.conn_at_root();
    limit(&mut conn, &t.root(), "count=-1,bytes=-1=;byteHardLimit=10");
    conn.create(&t.path("a"), b"12345").ok();
    conn.create(&t.path("b"), b"123456")
        .fails(err::QUOTA_EXCEEDED);
    conn.create(&t.path("b"), b"12345").ok();
    conn.set(&t.path("b"), b"123456", -1)
        .fails(err::QUOTA_EXCEEDED);
    conn.set(&t.path("b"), b"123456", 77)
        .fails(err::QUOTA_EXCEEDED);
    conn.set(&t.path("b"), b"54321", 77).fails(err::BAD_VERSION);
    conn.set(&t.path("b"), b"54321", -1).ok();
    conn.set(&t.path("b"), b"", -1).ok();
    conn.create(&t.path("empty"), b"").ok();
    // Shrinking is refused too while the rest stays above the limit.
    let limits = format!("/zookeeper/quota{}/zookeeper_limits", t.root());
    conn.set(&limits, b"count=-1,bytes=-1=;byteHardLimit=2", -1)
        .ok();
    conn.set(&t.path("a"), b"1234", -1)
        .fails(err::QUOTA_EXCEEDED);
    conn.set(&t.path("a"), b"54321", -1).ok();
    conn.set(&t.path("a"), b"12", -1).ok();
}

fn quota_soft(t: &mut Target) {
    let mut conn = t.conn_at_root();
    limit(&mut conn, &t.root(), "count=1,bytes=1");
    for name in ["a", "b", "c"] {
        conn.create(&t.path(name), b"12345").ok();
    }
    conn.set(&t.path("a"), b"1234567890", -1).ok();
    let root = t.root();
    assert_eq!(usage(&mut conn, &root), "count=4,bytes=20");
}

fn quota_in_multi(t: &mut Target) {
    let mut conn = t.conn_at_root();
    limit(&mut conn, &t.root(), "count=-1,bytes=-1=;countHardLimit=2");
    let create = |name: &str| {
        (
            op::CREATE,
            ops::create(&t.path(name), b"", OPEN, ops::PLAIN),
        )
    };
    // Each is checked against what is committed, so together they may pass the limit.
    conn.multi(&[create("a"), create("b")]).ok();
    let reply = conn.multi(&[create("c")]).ok();
    assert_eq!(reply.multi_errors(), [err::QUOTA_EXCEEDED]);
}
