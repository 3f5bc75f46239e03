//! The create family and the Stat of fresh, changed and special nodes.

use compat_tests::{tree::Stat, wire::Body};

use crate::{
    ops::{self, OPEN, READ, err, op},
    runner::Scenario,
    target::Target,
};

/// Must run before anything else touches the tree.
pub(crate) const ON_A_FRESH_TREE: &[Scenario] = &[Scenario::both(
    "fresh_tree",
    &[99, 100, 101, 129],
    fresh_tree,
)];

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("create_replies", &[89, 103], create_replies),
    Scenario::both("create_flags", &[90], create_flags),
    Scenario::both("create_error_order", &[91, 92, 93, 94], create_error_order),
    Scenario::both("null_data", &[95], null_data),
    Scenario::both("parent_stat", &[96, 97, 98], parent_stat),
    Scenario::both(
        "container_flags_with_plain_operations",
        &[],
        container_flags,
    ),
];

/// Where we differ on purpose.
pub(crate) const DEVIATIONS: &[Scenario] = &[Scenario::ours_only(
    "container_that_says_ephemeral",
    &[],
    container_that_says_ephemeral,
)];

fn fresh_tree(t: &mut Target) {
    let mut conn = t.conn();
    let root = conn.exists("/").ok().stat();
    assert_eq!((root.version, root.cversion, root.num_children), (0, -1, 1));
    assert_eq!((root.czxid, root.ctime, root.pzxid), (0, 0, 0));
    let zookeeper = conn.exists("/zookeeper").ok().stat();
    assert_eq!((zookeeper.cversion, zookeeper.num_children), (-2, 2));
    let config = conn.get("/zookeeper/config").ok();
    assert_eq!(config.stat().aversion, -1);
    let acl = conn.get_acl("/zookeeper/config").ok().acl();
    assert_eq!(acl, [(READ, "world".to_owned(), "anyone".to_owned())]);
    conn.exists("/zookeeper/quota").ok();
    for path in ["/", "/zookeeper", "/zookeeper/quota"] {
        conn.get_acl(path).ok();
        conn.call(op::GET_CHILDREN2, &ops::path_watch(path, false))
            .ok();
    }
    assert_eq!(conn.children("/").ok().names(), ["zookeeper"]);
}

fn create_replies(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let plain = conn.create(&t.path("plain"), b"data").ok();
    assert_eq!(
        plain.body.len(),
        4 + t.path("plain").len(),
        "the path and no Stat"
    );
    for (kind, name) in [(op::CREATE2, "two"), (op::CREATE_CONTAINER, "container")] {
        let flags = if kind == op::CREATE_CONTAINER {
            ops::CONTAINER
        } else {
            ops::PLAIN
        };
        let reply = conn
            .call(kind, &ops::create(&t.path(name), b"data", OPEN, flags))
            .ok();
        assert_eq!(reply.path(), Some(t.path(name)));
        let stat = reply.stat();
        assert_eq!(
            (stat.czxid, stat.mzxid, stat.pzxid),
            (reply.zxid, reply.zxid, reply.zxid)
        );
        assert_eq!((stat.ctime, stat.ephemeral_owner), (stat.mtime, 0));
        assert_eq!(
            (stat.data_length, stat.num_children, stat.cversion),
            (4, 0, 0)
        );
    }
    let body = ops::create(&t.path("ephemeral"), b"", OPEN, ops::EPHEMERAL);
    let owner = conn.call(op::CREATE2, &body).ok().stat().ephemeral_owner;
    assert_eq!(owner, conn.session().id);
    for name in ["plain", "two", "container", "ephemeral"] {
        conn.exists(&t.path(name)).ok();
    }
}

fn create_flags(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for flags in [-1, 7, 8, 100, i32::MAX, i32::MIN] {
        for kind in [op::CREATE, op::CREATE2, op::CREATE_CONTAINER] {
            let body = ops::create(&t.path("x"), b"", OPEN, flags);
            conn.call(kind, &body).fails(err::BAD_ARGUMENTS);
        }
    }
    conn.call(op::CREATE_TTL, &ops::create_ttl(&t.path("x"), 7, 100))
        .fails(err::BAD_ARGUMENTS);
    conn.exists(&t.path("x")).fails(err::NO_NODE);
}

fn create_error_order(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create(&t.path("missing/child"), b"")
        .fails(err::NO_NODE);
    conn.create_acl(&t.path("missing/child"), &[])
        .fails(err::INVALID_ACL);
    conn.create_acl(&t.path("missing/child"), &[(31, "nonsense", "x")])
        .fails(err::INVALID_ACL);
    conn.create_acl("no-slash", &[]).fails(err::BAD_ARGUMENTS);

    conn.create_mode(&t.path("ephemeral"), ops::EPHEMERAL).ok();
    conn.create(&t.path("ephemeral"), b"")
        .fails(err::NODE_EXISTS);
    conn.create(&t.path("ephemeral/child"), b"")
        .fails(err::NO_CHILDREN_FOR_EPHEMERALS);
    conn.create_mode(&t.path("ephemeral/child"), ops::EPHEMERAL)
        .fails(err::NO_CHILDREN_FOR_EPHEMERALS);
    conn.create(&t.path("ephemeral/."), b"")
        .fails(err::BAD_ARGUMENTS);
    conn.create(&t.root(), b"").fails(err::NODE_EXISTS);
}

fn null_data(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let body = Body::new()
        .string(&t.path("null"))
        .null()
        .append(&ops::acl_vector(OPEN))
        .int(ops::PLAIN);
    conn.call(op::CREATE, &body).ok();
    let reply = conn.get(&t.path("null")).ok();
    assert_eq!((reply.data(), reply.stat().data_length), (None, 0));
    conn.set(&t.path("null"), b"", -1).ok();
    assert_eq!(conn.get(&t.path("null")).ok().data(), Some(Vec::new()));
    conn.call(
        op::SET_DATA,
        &Body::new().string(&t.path("null")).null().int(-1),
    )
    .ok();
    let reply = conn.get(&t.path("null")).ok();
    assert_eq!((reply.data(), reply.stat().version), (None, 2));
}

fn parent_stat(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let before = conn.exists(&t.root()).ok().stat();
    for name in ["a", "b", "c"] {
        conn.create(&t.path(name), b"").ok();
    }
    conn.set(&t.path("a"), b"changed", -1).ok();
    let created = conn.exists(&t.root()).ok().stat();
    assert_eq!((created.cversion, created.num_children), (3, 3));
    assert_eq!(created.pzxid, t.base_zxid() + 5);
    let kept = |stat: &Stat| (stat.czxid, stat.mzxid, stat.ctime, stat.mtime, stat.version);
    assert_eq!(kept(&created), kept(&before));

    let deleted_zxid = conn.delete(&t.path("b"), -1).ok().zxid;
    let deleted = conn.exists(&t.root()).ok().stat();
    assert_eq!(
        (deleted.cversion, deleted.num_children),
        (4, 2),
        "2 x 3 creates - 2 children"
    );
    assert_eq!(deleted.pzxid, deleted_zxid);
    assert_eq!(kept(&deleted), kept(&before));
    conn.delete(&t.path("missing"), -1).fails(err::NO_NODE);
    assert_eq!(
        conn.exists(&t.root()).ok().stat(),
        deleted,
        "a failed write changes nothing"
    );
}

/// The operation decides what a node becomes; flags that disagree are only validated.
fn container_flags(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for kind in [op::CREATE, op::CREATE2] {
        let path = t.path(&format!("container-{kind}"));
        conn.call(kind, &ops::create(&path, b"", OPEN, ops::CONTAINER))
            .ok();
    }
    let body = ops::create(&t.path("e"), b"", OPEN, ops::EPHEMERAL);
    let stat = conn.call(op::CREATE_CONTAINER, &body).ok().stat();
    assert_eq!(stat.ephemeral_owner, 0, "a container, whatever the flags");
    let body = ops::create(&t.path("s"), b"", OPEN, ops::SEQUENTIAL);
    conn.call(op::CREATE_CONTAINER, &body).ok();
}

/// createContainer with the ephemeral flag makes a container. Until that is applied, Apache's
/// preparation takes it for an ephemeral node and refuses it children: always within a multi, and
/// between two requests as the race falls. To us it is a container from the start.
fn container_that_says_ephemeral(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let container = ops::create(&t.path("c"), b"", OPEN, ops::EPHEMERAL);
    let child = ops::create(&t.path("c/child"), b"", OPEN, ops::PLAIN);
    conn.multi(&[(op::CREATE_CONTAINER, container), (op::CREATE, child)])
        .ok();
    assert_eq!(conn.exists(&t.path("c")).ok().stat().num_children, 1);
}
