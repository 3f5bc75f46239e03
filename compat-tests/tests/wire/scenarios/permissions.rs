//! Which operation needs which permission, on which node.

use crate::{
    conn::Conn,
    ops::{self, ADMIN, ALL, CREATE, DELETE, OPEN, READ, WRITE, err, op},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both(
        "permission_per_operation",
        &[203, 204],
        permission_per_operation,
    ),
    Scenario::both(
        "operations_without_permission",
        &[],
        operations_without_permission,
    ),
    Scenario::both("acls_are_not_inherited", &[], acls_are_not_inherited),
];

/// Every operation on a node that lacks one permission, and nothing else.
fn permission_per_operation(t: &mut Target) {
    let mut conn = t.conn_at_root();
    for (name, missing) in [
        ("read", READ),
        ("write", WRITE),
        ("create", CREATE),
        ("delete", DELETE),
        ("admin", ADMIN),
    ] {
        let node = t.path(name);
        conn.create(&node, b"").ok();
        conn.create(&format!("{node}/old"), b"").ok();
        conn.set_acl(&node, &[(ALL & !missing, "world", "anyone")], -1)
            .ok();
        let code = |needed| if needed == missing { err::NO_AUTH } else { 0 };
        conn.exists(&node).fails(code(READ));
        conn.get(&node).fails(code(READ));
        conn.children(&node).fails(code(READ));
        conn.call(op::GET_CHILDREN2, &ops::path_watch(&node, false))
            .fails(code(READ));
        conn.call(op::GET_ALL_CHILDREN_NUMBER, &ops::path_only(&node))
            .fails(code(READ));
        conn.set(&node, b"", -1).fails(code(WRITE));
        created(&mut conn, &node, code(CREATE));
        conn.delete(&format!("{node}/old"), -1).fails(code(DELETE));
        let check = conn.multi(&[(op::CHECK, ops::path_int(&node, -1))]).ok();
        if missing == READ {
            assert_eq!(check.multi_errors(), [err::NO_AUTH]);
        }
        conn.get_acl(&node).ok();
        conn.set_acl(&node, OPEN, -1).fails(code(ADMIN));
    }
}

#[track_caller]
fn created(conn: &mut Conn, parent: &str, code: i32) {
    for (kind, name) in [
        (op::CREATE, "1"),
        (op::CREATE2, "15"),
        (op::CREATE_CONTAINER, "19"),
    ] {
        let flags = if kind == op::CREATE_CONTAINER {
            ops::CONTAINER
        } else {
            ops::PLAIN
        };
        let body = ops::create(&format!("{parent}/{name}"), b"", OPEN, flags);
        conn.call(kind, &body).fails(code);
    }
}

fn operations_without_permission(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let closed = t.path("closed");
    conn.create_acl(&closed, &[(0, "world", "anyone")]).ok();
    conn.watch_exists(&closed).fails(err::NO_AUTH);
    conn.check_watches(&closed, 3).fails(err::NO_WATCHER);
    conn.call(op::SYNC, &ops::path_only(&closed)).ok();
    conn.add_watch(&closed, ops::PERSISTENT).ok();
    conn.check_watches(&closed, 4).ok();
    conn.remove_watches(&closed, 4).ok();
    conn.delete(&closed, -1).ok();
}

fn acls_are_not_inherited(t: &mut Target) {
    let mut conn = t.conn_at_root();
    conn.create_acl(&t.path("a"), &[(CREATE, "world", "anyone")])
        .ok();
    conn.create(&t.path("a/b"), b"open").ok();
    conn.get(&t.path("a")).fails(err::NO_AUTH);
    assert_eq!(conn.get(&t.path("a/b")).ok().data_text(), "open");
}
