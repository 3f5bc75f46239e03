//! setData, setACL and getACL.

use crate::{
    ops::{ADMIN, ALL, CREATE, OPEN, READ, WRITE, err},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("set_data", &[117, 118, 121], set_data),
    Scenario::both(
        "set_data_on_the_config_node",
        &[120],
        set_data_on_the_config_node,
    ),
    Scenario::both("set_acl", &[122, 123], set_acl),
    Scenario::both("get_acl_masks_digests", &[124], get_acl_masks_digests),
    Scenario::both("get_acl_permission", &[125], get_acl_permission),
];

fn set_data(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let created = conn.exists(&t.root()).ok().stat();
    let reply = conn.set(&t.root(), b"one", 0).ok();
    let stat = reply.stat();
    assert_eq!(
        (stat.version, stat.mzxid, stat.data_length),
        (1, reply.zxid, 3)
    );
    assert_eq!(
        (stat.czxid, stat.ctime, stat.pzxid),
        (created.czxid, created.ctime, created.pzxid)
    );
    assert!(stat.mtime >= created.mtime);
    conn.set(&t.root(), b"two", 0).fails(err::BAD_VERSION);
    conn.set(&t.root(), b"two", 2).fails(err::BAD_VERSION);
    conn.set(&t.root(), b"two", -2).fails(err::BAD_VERSION);
    conn.set(&t.root(), b"two", -1).ok();
    let read = conn.get(&t.root()).ok();
    assert_eq!((read.data_text().as_str(), read.stat().version), ("two", 2));
    conn.set(&t.path("missing"), b"", -1).fails(err::NO_NODE);

    let root = conn.set("/", b"on the root", -1).ok().stat();
    assert_eq!(root.data_length, 11);
    conn.set("/", b"", -1).ok();
    conn.set("/zookeeper", b"", -1).ok();
}

fn set_data_on_the_config_node(t: &mut Target) {
    let mut conn = t.conn();
    conn.set("/zookeeper/config", b"x", -1).fails(err::NO_AUTH);
    conn.create("/zookeeper/config/x", b"").fails(err::NO_AUTH);
    conn.set_acl("/zookeeper/config", OPEN, -1)
        .fails(err::NO_AUTH);
}

fn set_acl(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let before = conn.watch_data(&t.root()).ok().stat();
    let reply = conn.set_acl(&t.root(), &[(ALL, "world", "anyone")], 0).ok();
    let after = reply.stat();
    assert_eq!(after.aversion, 1);
    assert_eq!(
        (after.version, after.mzxid, after.mtime),
        (0, before.mzxid, before.mtime)
    );
    assert_eq!(
        (after.cversion, after.pzxid),
        (before.cversion, before.pzxid)
    );
    assert_eq!(conn.events(), [], "no watch fires");
    conn.set_acl(&t.root(), OPEN, 0).fails(err::BAD_VERSION);
    conn.set_acl(&t.root(), OPEN, 1).ok();
    conn.set_acl(&t.path("missing"), OPEN, -1)
        .fails(err::NO_NODE);
    conn.set_acl(&t.path("missing"), &[], -1)
        .fails(err::INVALID_ACL);
    assert_eq!(conn.set(&t.root(), b"", 0).ok().stat().aversion, 2);
}

fn get_acl_masks_digests(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let hash = "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=";
    let acl = &[
        (READ, "world", "anyone"),
        (ALL, "digest", hash),
        (WRITE, "ip", "10.0.0.0/8"),
    ];
    conn.create_acl(&t.path("x"), acl).ok();
    let masked = conn.get_acl(&t.path("x")).ok().acl();
    assert_eq!(masked[1], (ALL, "digest".to_owned(), "u:x".to_owned()));
    assert_eq!(masked[2].2, "10.0.0.0/8");
    conn.auth("digest", b"u:p").ok();
    let full = conn.get_acl(&t.path("x")).ok().acl();
    assert_eq!(full[1], (ALL, "digest".to_owned(), hash.to_owned()));
}

fn get_acl_permission(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for (name, perms, code) in [
        ("read", READ, 0),
        ("admin", ADMIN, 0),
        ("neither", ALL & !READ & !ADMIN, err::NO_AUTH),
        ("create", CREATE, err::NO_AUTH),
    ] {
        conn.create_acl(&t.path(name), &[(perms, "world", "anyone")])
            .ok();
        conn.get_acl(&t.path(name)).fails(code);
    }
    conn.get_acl(&t.path("missing")).fails(err::NO_NODE);
}
