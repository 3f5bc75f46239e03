//! Which names are taken, and what sequential ones become.

use super::*;

use ErrorCode::{BadArguments, NoNode, NodeExists};

fn path_of(record: &TxnRecord) -> &str {
    match &record.txn {
        Txn::Create(create) => &create.path,
        other => panic!("not a creation: {other:?}"),
    }
}

#[test]
fn names_that_are_refused() {
    let mut world = World::new();
    world.done(create("/a"));
    for (path, expected) in [
        ("a", BadArguments),
        ("", BadArguments),
        ("/", NodeExists),
        ("/a/", BadArguments),
        ("/a//b", NoNode),
        ("//a", BadArguments),
        ("/a/.", BadArguments),
        ("/a/..", BadArguments),
        ("/a/../b", NoNode),
        ("/missing/.", NoNode),
        ("/\u{1}", BadArguments),
        ("/\u{1f}", BadArguments),
        ("/\u{7f}", BadArguments),
        ("/\u{9f}", BadArguments),
        ("/\u{e000}", BadArguments),
        ("/\u{f8ff}", BadArguments),
        ("/\u{fff0}", BadArguments),
        ("/\u{fffd}", BadArguments),
        ("/\u{1f600}", BadArguments),
    ] {
        assert_eq!(world.refusal(create(path)), Some(expected), "{path:?}");
    }
    for path in ["/a.b", "/..a", "/a..", "/...", "/\u{d7ff}", "/é"] {
        world.done(create(path));
    }
}

#[test]
fn sequential_names_follow_the_parents_counter() {
    let mut world = World::new();
    world.done(create("/p"));
    for (request, expected) in [
        (sequential("/p/x-"), "/p/x-0000000000"),
        (sequential("/p/y-"), "/p/y-0000000001"),
        (create("/p/plain"), "/p/plain"),
        (sequential("/p/x-"), "/p/x-0000000003"),
        (sequential("/p/"), "/p/0000000004"),
        (create_as("/p/e", Op::Create2, 3, -1), "/p/e0000000005"),
        (sequential("/x"), "/x0000000001"),
        (sequential("/"), "/0000000002"),
    ] {
        assert_eq!(path_of(&world.done(request)), expected);
    }
    // Deletions and refusals leave it alone.
    world.done(delete("/p/plain", -1));
    assert_eq!(world.refusal(create("/p/x-0000000000")), Some(NodeExists));
    assert_eq!(path_of(&world.done(sequential("/p/z"))), "/p/z0000000006");
}

#[test]
fn sequential_names_in_flight_are_distinct() {
    let mut world = World::new();
    world.ask(create("/p"));
    for number in 0..50 {
        let record = world.ask(sequential("/p/n-"));
        assert_eq!(path_of(&record), format!("/p/n-{number:010}"));
    }
    world.apply_all();
    assert_eq!(world.db.tree.node("/p").unwrap().child_count(), 50);
}

/// A parent whose counter stands at `cversion`, which creating children would take years to reach.
fn world_at(cversion: i32) -> World {
    let mut world = World::new();
    let mut record = world.done(create("/p"));
    // As a leader of another make may write it.
    let zxid = world.db.last_zxid().next();
    record.zxid = zxid;
    record.digest = None;
    let Txn::Create(create) = &mut record.txn else {
        panic!("created above");
    };
    create.path = "/p/first".into();
    create.parent_cversion = cversion;
    world.db.apply(&record, &mut Vec::new());
    let options = PrepOptions::default();
    world.prep = Prep::new(options, &world.db);
    world
}

#[test]
fn the_counter_stays_at_its_last_positive_value() {
    for in_flight in [false, true] {
        let mut world = world_at(i32::MAX - 1);
        let mut ask = |request: Create| {
            let record = world.ask(request);
            if !in_flight {
                world.apply_all();
            }
            record
        };
        assert_eq!(path_of(&ask(sequential("/p/s"))), "/p/s2147483646");
        assert_eq!(path_of(&ask(sequential("/p/s"))), "/p/s2147483647");
        assert_eq!(code_of(&ask(sequential("/p/s"))), Some(NodeExists));
        let other = ask(sequential("/p/other"));
        assert_eq!(path_of(&other), "/p/other2147483647");
        let Txn::Create(create) = &other.txn else {
            panic!("created above");
        };
        assert_eq!(create.parent_cversion, i32::MIN, "as Apache's would carry");
        world.apply_all();
        let parent = world.db.tree.node("/p").unwrap();
        assert_eq!(parent.persisted().cversion, i32::MAX);
        assert_eq!(parent.child_count(), 4);
    }
}

#[test]
fn a_negative_counter_prints_its_sign_within_the_width() {
    let mut world = World::new();
    world.done(create("/p"));
    // Not reachable by requests; the format is Java's `%010d`.
    assert_eq!(format!("{:010}", -5), "-000000005");
    assert_eq!(format!("{:010}", i32::MIN), "-2147483648");
    assert_eq!(path_of(&world.done(sequential("/p/"))), "/p/0000000000");
}
