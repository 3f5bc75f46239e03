//! Which paths are refused by which operation, and with which error.

use compat_tests::wire::Body;

use crate::{
    ops::{self, OPEN, err, op},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("null_paths_in_writes", &[77], null_paths_in_writes),
    Scenario::both("create_bad_paths", &[76, 77, 78, 79, 80], create_bad_paths),
    Scenario::both("dots_inside_names", &[81], dots_inside_names),
    Scenario::both("characters_of_names", &[82, 83], characters_of_names),
    Scenario::both(
        "empty_path_reads_the_root",
        &[84],
        empty_path_reads_the_root,
    ),
    Scenario::both(
        "malformed_paths_in_reads",
        &[85, 86],
        malformed_paths_in_reads,
    ),
    Scenario::both("reserved_nodes_stay", &[87], reserved_nodes_stay),
    Scenario::both("sync_takes_any_path", &[88], sync_takes_any_path),
    Scenario::both(
        "malformed_paths_in_writes",
        &[119],
        malformed_paths_in_writes,
    ),
];

fn create_bad_paths(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create("no-slash", b"").fails(err::BAD_ARGUMENTS);
    conn.create("", b"").fails(err::BAD_ARGUMENTS);
    let null_path = Body::new()
        .null()
        .buffer(b"")
        .append(&ops::acl_vector(OPEN))
        .int(0);
    conn.call(op::CREATE, &null_path).fails(err::MARSHALLING);
    conn.create("/", b"").fails(err::NODE_EXISTS);
    conn.create("/zookeeper", b"").fails(err::NODE_EXISTS);
    conn.create("/zookeeper/quota", b"").fails(err::NODE_EXISTS);
    conn.create("/zookeeper/config", b"")
        .fails(err::NODE_EXISTS);

    let root = t.root();
    conn.create(&format!("{root}/"), b"")
        .fails(err::BAD_ARGUMENTS);
    conn.create(&format!("{root}-missing/"), b"")
        .fails(err::NO_NODE);
    conn.create(&format!("{root}/."), b"")
        .fails(err::BAD_ARGUMENTS);
    conn.create(&format!("{root}/.."), b"")
        .fails(err::BAD_ARGUMENTS);
    conn.create(&format!("{root}//a"), b"").fails(err::NO_NODE);
    conn.create(&format!("{root}/./a"), b"").fails(err::NO_NODE);
    conn.create(&format!("{root}/../a"), b"")
        .fails(err::NO_NODE);
    // The literal parent is the root here.
    conn.create("//a", b"").fails(err::BAD_ARGUMENTS);
    // The part before the last slash is the name of an existing node here.
    conn.create(&format!("x{root}"), b"").fails(err::NO_NODE);
    assert_eq!(conn.children(&root).ok().names(), [""; 0]);
}

fn dots_inside_names(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for name in ["a.b", "..a", "a..", "...", ".a", "a.", " ", "-"] {
        conn.create(&t.path(name), b"").ok();
    }
}

fn characters_of_names(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for bad in [
        '\u{0}', '\u{1}', '\u{1f}', '\u{7f}', '\u{85}', '\u{9f}', '\u{e000}', '\u{f8ff}',
        '\u{fff0}', '\u{fffd}', '\u{ffff}',
    ] {
        conn.create(&t.path(&format!("x{bad}y")), b"")
            .fails(err::BAD_ARGUMENTS);
    }
    for good in [
        '\u{20}', '\u{7e}', '\u{a0}', 'é', '中', '\u{d7ff}', '\u{f900}', '\u{ffef}',
    ] {
        let path = t.path(&format!("x{good}y"));
        assert_eq!(
            conn.create(&path, b"").ok().path().as_deref(),
            Some(path.as_str())
        );
    }
}

fn empty_path_reads_the_root(t: &mut Target) {
    let mut conn = t.conn();
    let root = conn.exists("/").ok().stat();
    assert_eq!(conn.exists("").ok().stat(), root);
    assert_eq!(conn.get("").ok().stat(), root);
    let names = conn.children("/").ok().names();
    assert_eq!(conn.children("").ok().names(), names);
    conn.get_acl("").ok();
    conn.set("", b"", -1).fails(err::BAD_ARGUMENTS);
    conn.delete("", -1).fails(err::BAD_ARGUMENTS);
}

fn malformed_paths_in_reads(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let nul = t.path("a\0b");
    conn.exists(&nul).fails(err::BAD_ARGUMENTS);
    conn.get(&nul).fails(err::NO_NODE);
    for path in [
        t.path(""),
        "no-slash".to_owned(),
        t.path("."),
        format!("/{}", t.root()),
    ] {
        conn.exists(&path).fails(err::NO_NODE);
        conn.get(&path).fails(err::NO_NODE);
        conn.children(&path).fails(err::NO_NODE);
        conn.get_acl(&path).fails(err::NO_NODE);
    }
    let null = Body::new().null().boolean(false);
    for op in [
        op::EXISTS,
        op::GET_DATA,
        op::GET_CHILDREN,
        op::GET_CHILDREN2,
        op::GET_ACL,
    ] {
        conn.call(op, &null).fails(err::MARSHALLING);
    }
    conn.call(op::GET_ALL_CHILDREN_NUMBER, &null)
        .fails(err::MARSHALLING);
}

fn reserved_nodes_stay(t: &mut Target) {
    let mut conn = t.conn();
    for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
        conn.delete(path, -1).fails(err::BAD_ARGUMENTS);
    }
    conn.delete("no-slash", -1).fails(err::BAD_ARGUMENTS);
    conn.delete("/a\0b", -1).fails(err::BAD_ARGUMENTS);
    conn.delete(&t.path(".."), -1).fails(err::NO_NODE);
}

fn sync_takes_any_path(t: &mut Target) {
    let mut conn = t.conn();
    for path in ["/", "", "no-slash", "/a\0b", "//", &t.path("missing")] {
        let reply = conn.call(op::SYNC, &ops::path_only(path)).ok();
        assert_eq!(reply.path().as_deref(), Some(path));
    }
    assert_eq!(conn.call(op::SYNC, &Body::new().null()).ok().path(), None);
}

fn malformed_paths_in_writes(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for path in [
        "no-slash",
        &t.path(""),
        &t.path("."),
        &t.path("a\u{1}"),
        "//",
        "/a\0b",
    ] {
        conn.set(path, b"", -1).fails(err::BAD_ARGUMENTS);
        conn.set_acl(path, OPEN, -1).fails(err::BAD_ARGUMENTS);
        conn.multi(&[(op::CHECK, ops::path_int(path, -1))]).ok();
    }
}

/// What is refused while it is parsed takes no zxid; what is refused later does.
fn null_paths_in_writes(t: &mut Target) {
    let mut conn = t.conn();
    let create = Body::new()
        .null()
        .buffer(b"")
        .append(&ops::acl_vector(OPEN))
        .int(0);
    for op in [op::CREATE, op::CREATE2, op::CREATE_CONTAINER] {
        conn.call(op, &create).fails(err::MARSHALLING);
        conn.multi(&[(op, create.clone())]);
    }
    let create = Body::new()
        .null()
        .buffer(b"")
        .append(&ops::acl_vector(&[]))
        .int(9);
    conn.call(op::CREATE, &create).fails(err::BAD_ARGUMENTS);
    let create = Body::new()
        .null()
        .buffer(b"")
        .append(&ops::acl_vector(&[]))
        .int(0);
    conn.call(op::CREATE, &create).fails(err::MARSHALLING);
    let delete = Body::new().null().int(-1);
    conn.call(op::DELETE, &delete).fails(err::MARSHALLING);
    conn.multi(&[(op::DELETE, delete)]);
    let set = Body::new().null().buffer(b"").int(-1);
    conn.call(op::SET_DATA, &set);
    conn.multi(&[(op::SET_DATA, set)]);
    let set_acl = Body::new().null().append(&ops::acl_vector(OPEN)).int(-1);
    conn.call(op::SET_ACL, &set_acl);
    let check = Body::new().null().int(-1);
    conn.multi(&[(op::CHECK, check)]);
    conn.exists("/").ok();
}
