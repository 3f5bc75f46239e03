//! Sequential names: the counter of a parent, and what moves it.

use crate::{
    ops::{self, OPEN, err, op},
    runner::Scenario,
    target::Target,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::both("sequence_counter", &[104, 105, 106, 107], sequence_counter),
    Scenario::both(
        "sequence_in_a_failed_multi",
        &[108],
        sequence_in_a_failed_multi,
    ),
    Scenario::both(
        "sequence_with_a_trailing_slash",
        &[109],
        sequence_with_a_trailing_slash,
    ),
    Scenario::both("sequence_in_the_root", &[110], sequence_in_the_root),
    Scenario::both("sequence_pipelined", &[111], sequence_pipelined),
];

fn sequence_counter(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let mut next = |path: &str, flags| {
        let name = conn.create_mode(path, flags).ok().path().expect("a name");
        assert!(name.starts_with(path), "{name}");
        name[path.len()..].to_owned()
    };
    assert_eq!(next(&t.path("a-"), ops::SEQUENTIAL), "0000000000");
    assert_eq!(
        next(&t.path("b-"), ops::EPHEMERAL_SEQUENTIAL),
        "0000000001",
        "shared by prefixes"
    );
    assert_eq!(next(&t.path("plain"), ops::PLAIN), "");
    assert_eq!(
        next(&t.path("a-"), ops::SEQUENTIAL),
        "0000000003",
        "plain creates count"
    );
    conn.delete(&t.path("plain"), -1).ok();
    conn.delete(&t.path("a-0000000003"), -1).ok();
    conn.create(&t.path("a-0000000000"), b"")
        .fails(err::NODE_EXISTS);
    conn.create_acl(&t.path("x"), &[]).fails(err::INVALID_ACL);
    let path = conn.create_mode(&t.path("a-"), ops::SEQUENTIAL).ok().path();
    assert_eq!(
        path,
        Some(t.path("a-0000000004")),
        "neither deletes nor failures move it"
    );
    conn.exists(&t.root()).ok();
}

fn sequence_in_a_failed_multi(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let sequential = || {
        (
            op::CREATE,
            ops::create(&t.path("s-"), b"", OPEN, ops::SEQUENTIAL),
        )
    };
    let failing = (op::CHECK, ops::path_int(&t.root(), 77));
    let reply = conn.multi(&[sequential(), sequential(), failing]).ok();
    assert_eq!(reply.multi_errors(), [0, 0, err::BAD_VERSION]);
    conn.multi(&[sequential(), sequential()]).ok();
    let names = conn.children(&t.root()).ok().names();
    assert_eq!(names, ["s-0000000000", "s-0000000001"]);
}

fn sequence_with_a_trailing_slash(t: &mut Target) {
    let mut conn = t.conn_at_root();
    let reply = conn.create_mode(&t.path(""), ops::SEQUENTIAL).ok();
    assert_eq!(reply.path(), Some(t.path("0000000000")));
    conn.create_mode(&t.path("/"), ops::SEQUENTIAL)
        .fails(err::NO_NODE);
}

fn sequence_in_the_root(t: &mut Target) {
    let mut conn = t.conn();
    let created = conn
        .create_mode(&t.root(), ops::SEQUENTIAL)
        .ok()
        .path()
        .expect("a name");
    assert_eq!(created.len(), t.root().len() + 10);
    conn.exists(&created).ok();
    conn.create_mode("/", ops::EPHEMERAL_SEQUENTIAL).ok();
}

fn sequence_pipelined(t: &mut Target) {
    const COUNT: usize = 200;
    let mut conn = t.conn_at_root();
    for _ in 0..COUNT {
        conn.send(
            op::CREATE,
            &ops::create(&t.path("n"), b"", OPEN, ops::SEQUENTIAL),
        );
    }
    for index in 0..COUNT {
        let expected = t.path(&format!("n{index:010}"));
        assert_eq!(conn.reply().ok().path(), Some(expected));
    }
}
