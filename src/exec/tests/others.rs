//! Reads about the one who asks, and what is no read.

use jute::Encode;

use crate::base::{Acl, Identity};
use crate::exec::tests::{World, bytes_of, string, strings};
use crate::proto::{Op, OpClass};

#[test]
fn ephemerals_of_the_own_session_by_prefix_as_text() {
    let mut world = World::new().with(&["/a"]);
    for path in ["/a/e", "/ab", "/b"] {
        world.create(path, None, Acl::anyone(0), true);
    }
    let ask = |prefix| world.body(Op::GetEphemerals, &string(prefix));
    let all = strings(&["/a/e", "/ab", "/b"]);
    for prefix in [None, Some(""), Some(" \t"), Some("/"), Some(" / ")] {
        assert_eq!(ask(prefix), all, "{prefix:?}");
    }
    assert_eq!(ask(Some("/a")), strings(&["/a/e", "/ab"]));
    assert_eq!(ask(Some(" /a")), strings(&[]));
    assert_eq!(world.error(Op::GetEphemerals, b""), -5);
}

#[test]
fn who_am_i_shows_users_without_secrets() {
    let mut world = World::new();
    world.ids.push(Identity::new("digest", "u:hash="));
    world.ids.push(Identity::new("super", ""));
    let pairs = [("ip", "10.0.0.1"), ("digest", "u"), ("super", "")];
    let pairs = pairs.map(|(scheme, user)| bytes_of(&[&string(Some(scheme)), &string(Some(user))]));
    let expected = bytes_of(&[&3_i32.to_vec(), &pairs.concat()]);
    assert_eq!(world.body(Op::WhoAmI, b""), expected);
}

#[test]
fn every_read_is_answered_here_and_nothing_else() {
    let world = World::new();
    for op in Op::ALL {
        let frames = world.frames(*op, b"");
        let is_unimplemented = frames.iter().any(|frame| frame.err == -6);
        assert_eq!(frames.len(), 1);
        assert_eq!(!is_unimplemented, op.class() == OpClass::Read, "{op:?}");
    }
}
