//! Reads of one node, and several in one `multiRead`.

use jute::Encode;
use jute::data::Stat;
use jute::proto::MultiHeader;

use crate::base::{Acl, Identity};
use crate::exec::tests::{World, ask, bytes_of, string, strings};
use crate::proto::Op;

fn unreadable() -> World {
    let mut world = World::new();
    world.create("/secret", Some(b"s"), Acl::anyone(30), false);
    world
}

#[test]
fn exists_gives_the_stat() {
    let world = World::new().with(&["/a"]);
    let body = world.body(Op::Exists, &ask(Some("/a"), false));
    assert_eq!(body, world.stat("/a").to_vec());
    assert_eq!(world.watch_counts(), (0, 0));
    assert_eq!(world.body(Op::Exists, &ask(Some("/a"), true)).len(), 68);
    assert_eq!(world.watch_counts(), (1, 0));
}

#[test]
fn exists_watches_also_what_is_not_there() {
    let world = unreadable();
    assert_eq!(world.error(Op::Exists, &ask(Some("/none"), true)), -101);
    assert_eq!(world.watch_counts(), (1, 0));
    assert_eq!(world.error(Op::Exists, &ask(Some("/secret"), true)), -102);
    assert_eq!(world.error(Op::Exists, &ask(Some("/nul\0"), true)), -8);
    assert_eq!(world.error(Op::Exists, &ask(None, true)), -5);
    assert_eq!(world.error(Op::Exists, b"\0"), -5);
    assert_eq!(world.watch_counts(), (1, 0));
}

#[test]
fn get_data_gives_data_and_stat() {
    let mut world = World::new().with(&["/a"]);
    world.create("/null", None, Acl::anyone(31), false);
    world.create("/empty", Some(b""), Acl::anyone(31), false);
    for (path, data) in [
        ("/a", Some(&b"data"[..])),
        ("/null", None),
        ("/empty", Some(b"")),
    ] {
        let expected = bytes_of(&[&data.to_vec(), &world.stat(path).to_vec()]);
        assert_eq!(world.body(Op::GetData, &ask(Some(path), true)), expected);
    }
    assert_eq!(world.watch_counts(), (3, 0));
    // The root by both of its names; what trails a request is ignored.
    let root = world.body(Op::GetData, &ask(Some("/"), false));
    let trailing = bytes_of(&[&ask(Some(""), false), b"trailing"]);
    assert_eq!(world.body(Op::GetData, &trailing), root);
}

#[test]
fn get_data_refuses() {
    let world = unreadable();
    for (path, code) in [
        (Some("/none"), -101),
        (Some("/secret/"), -101),
        (Some("secret"), -101),
        (Some("/nul\0"), -101),
        (Some("/secret"), -102),
        (None, -5),
    ] {
        for op in [Op::GetData, Op::GetChildren, Op::GetChildren2] {
            assert_eq!(world.error(op, &ask(path, true)), code, "{path:?}");
        }
    }
    assert_eq!(world.error(Op::GetData, b""), -5);
    assert_eq!(world.watch_counts(), (0, 0));
}

#[test]
fn get_children_gives_names_and_the_second_kind_the_stat_too() {
    let world = World::new().with(&["/a", "/a/x", "/a/y"]);
    let children = world.body(Op::GetChildren, &ask(Some("/a"), true));
    assert_eq!(children, strings(&["x", "y"]), "the first made first");
    assert_eq!(world.watch_counts(), (0, 1));
    let both = world.body(Op::GetChildren2, &ask(Some("/a"), true));
    assert_eq!(both, bytes_of(&[&children, &world.stat("/a").to_vec()]));
    let none = world.body(Op::GetChildren, &ask(Some("/a/x"), false));
    assert_eq!(none, strings(&[]));
    let root = world.body(Op::GetChildren, &ask(Some("/"), false));
    assert_eq!(root, strings(&["zookeeper", "a"]));
}

#[test]
fn get_acl_masks_digests_for_those_who_may_not_change_it() {
    let mut world = World::new();
    let entry = |scheme, id| Acl {
        perms: 31,
        id: Identity::new(scheme, id),
    };
    world.create("/d", None, entry("digest", "u:hash="), false);
    assert_eq!(world.error(Op::GetAcl, &string(Some("/d"))), -102);
    assert_eq!(world.error(Op::GetAcl, &string(Some("/none"))), -101);
    assert_eq!(world.error(Op::GetAcl, &string(None)), -5);

    let answer = |perms: i32, scheme, id, stat: Stat| {
        let id = bytes_of(&[&string(Some(scheme)), &string(Some(id))]);
        bytes_of(&[&1_i32.to_vec(), &perms.to_vec(), &id, &stat.to_vec()])
    };
    world.ids.push(Identity::new("digest", "u:hash="));
    let whole = world.body(Op::GetAcl, &string(Some("/d")));
    assert_eq!(whole, answer(31, "digest", "u:hash=", world.stat("/d")));

    // Reading alone shows who, not the hash.
    let reading = Acl {
        perms: 1,
        ..entry("digest", "u:hash=")
    };
    world.create("/r", None, reading, false);
    let masked = world.body(Op::GetAcl, &string(Some("/r")));
    assert_eq!(masked, answer(1, "digest", "u:x", world.stat("/r")));

    world.create(
        "/ip",
        None,
        Acl {
            perms: 1,
            ..entry("ip", "10.0.0.1")
        },
        false,
    );
    let other = world.body(Op::GetAcl, &string(Some("/ip")));
    assert_eq!(other, answer(1, "ip", "10.0.0.1", world.stat("/ip")));
    let open = world.body(Op::GetAcl, &string(Some("/")));
    assert_eq!(open, answer(31, "world", "anyone", world.stat("/")));
}

#[test]
fn all_children_are_counted() {
    let world = World::new().with(&["/a", "/a/b", "/a/b/c", "/ab"]);
    let count = |path| world.body(Op::GetAllChildrenNumber, &string(Some(path)));
    assert_eq!(count("/a"), 2_i32.to_vec());
    assert_eq!(count("/a/b/c"), 0_i32.to_vec());
    assert_eq!(count("/"), 7_i32.to_vec());
    assert_eq!(count(""), 8_i32.to_vec());
    let error = |path| world.error(Op::GetAllChildrenNumber, &string(path));
    assert_eq!((error(Some("/none")), error(None)), (-101, -5));
    let secret = unreadable();
    assert_eq!(
        secret.error(Op::GetAllChildrenNumber, &string(Some("/secret"))),
        -102
    );
}

fn part(op: i32, path: Option<&str>) -> Vec<u8> {
    let header = MultiHeader {
        op,
        done: false,
        err: -1,
    };
    bytes_of(&[&header.to_vec(), &ask(path, true)])
}

fn result(op: i32, err: i32, body: &[u8]) -> Vec<u8> {
    let header = MultiHeader {
        op,
        done: false,
        err,
    };
    bytes_of(&[&header.to_vec(), body])
}

#[test]
fn multi_read_answers_each_part() {
    let mut world = World::new().with(&["/a", "/a/x"]);
    world.create("/secret", None, Acl::anyone(30), false);
    let end = MultiHeader::END.to_vec();
    let request = bytes_of(&[
        &part(4, Some("/a")),
        &part(8, Some("/a")),
        &part(4, Some("/none")),
        &part(8, Some("/secret")),
        &end,
    ]);
    let data = bytes_of(&[&Some(&b"data"[..]).to_vec(), &world.stat("/a").to_vec()]);
    let expected = bytes_of(&[
        &result(4, 0, &data),
        &result(8, 0, &strings(&["x"])),
        &result(-1, -101, &(-101_i32).to_vec()),
        &result(-1, -102, &(-102_i32).to_vec()),
        &end,
    ]);
    assert_eq!(world.body(Op::MultiRead, &request), expected);
    assert_eq!(world.watch_counts(), (0, 0));
    assert_eq!(world.body(Op::MultiRead, &end), end);
}

#[test]
fn multi_read_refuses_writes_and_what_it_cannot_read() {
    let world = World::new().with(&["/a"]);
    let end = MultiHeader::END.to_vec();
    let delete = result(2, -1, &bytes_of(&[&string(Some("/a")), &0_i32.to_vec()]));
    let writes = bytes_of(&[&delete, &end]);
    let frame = world.frame(Op::MultiRead, &writes);
    assert_eq!((frame.err, &frame.body), (-5, &end));
    let mixed = bytes_of(&[&part(4, Some("/a")), &writes]);
    assert_eq!(world.error(Op::MultiRead, &mixed), -5);
    assert_eq!(world.error(Op::MultiRead, &part(4, Some("/a"))), -5);
    assert_eq!(world.error(Op::MultiRead, b""), -5);
    let null = bytes_of(&[&part(8, Some("/a")), &part(4, None), &end]);
    let frame = world.frame(Op::MultiRead, &null);
    let before = bytes_of(&[&result(8, 0, &strings(&[])), &end]);
    assert_eq!((frame.err, frame.body), (-5, before));
}
