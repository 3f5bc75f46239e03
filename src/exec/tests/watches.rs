//! Requests about watches.

use jute::Encode;
use jute::proto::WatcherEvent;

use crate::exec::tests::{CONN, Frame, World, ask, bytes_of, string, strings};
use crate::proto::txn::SetDataTxn;
use crate::proto::{Op, Txn};
use crate::watch::WatchKind;

/// Of `addWatch`, `checkWatches` and `removeWatches`: a path and a number.
fn numbered(path: Option<&str>, number: i32) -> Vec<u8> {
    bytes_of(&[&string(path), &number.to_vec()])
}

fn event(event_type: i32, path: &str) -> Frame {
    let event = WatcherEvent {
        event_type,
        state: 3,
        path: Some(path.into()),
    };
    Frame {
        xid: -1,
        zxid: -1,
        err: 0,
        body: event.to_vec(),
    }
}

#[test]
fn add_watch_takes_any_path() {
    let world = World::new();
    for (path, mode) in [(Some("/none"), 0), (Some("no//path/"), 1), (None, 0)] {
        let body = world.body(Op::AddWatch, &numbered(path, mode));
        assert_eq!(body, 0_i32.to_vec());
    }
    assert_eq!(world.watch_counts(), (3, 2));
    assert_eq!(world.error(Op::AddWatch, &numbered(Some("/a"), 2)), -5);
    assert_eq!(world.error(Op::AddWatch, &numbered(Some("/a"), -1)), -5);
    assert_eq!(world.error(Op::AddWatch, &string(Some("/a"))), -5);
    let null = world.body(Op::CheckWatches, &numbered(None, 4));
    assert!(null.is_empty());
}

#[test]
fn watches_are_checked_and_removed_by_kind() {
    let world = World::new().with(&["/a"]);
    world.frame(Op::GetData, &ask(Some("/a"), true));
    world.frame(Op::AddWatch, &numbered(Some("/a"), 0));
    let check = |kind| world.frame(Op::CheckWatches, &numbered(Some("/a"), kind));
    let codes: Vec<_> = (0..7).map(|kind| check(kind).err).collect();
    assert_eq!(codes, [-5, -121, 0, 0, 0, -121, -5]);
    assert!(check(3).body.is_empty());
    let remove = |kind| world.frame(Op::RemoveWatches, &numbered(Some("/a"), kind));
    let codes: Vec<_> = [0, 2, 2, 4, 4, 3, 6].map(|kind| remove(kind).err).to_vec();
    assert_eq!(codes, [-5, 0, -121, 0, -121, -121, -5]);
    assert_eq!(world.watch_counts(), (0, 0));
    assert_eq!(world.error(Op::CheckWatches, b""), -5);
    assert_eq!(world.error(Op::RemoveWatches, b""), -5);
}

#[test]
fn set_watches_catches_up_and_arms_the_rest() {
    let mut world = World::new().with(&["/old", "/parent", "/parent/child", "/new"]);
    world.apply(Txn::SetData(SetDataTxn {
        path: "/new".into(),
        data: None,
        version: 1,
    }));
    let body = |relative_zxid: i64| {
        bytes_of(&[
            &relative_zxid.to_vec(),
            &strings(&["/gone", "/new", "/old"]),
            &strings(&["/new", "/later"]),
            &strings(&["/gone", "/parent", "/old"]),
        ])
    };
    let done = |world: &World| Frame {
        xid: 5,
        zxid: world.database.last_zxid().0,
        err: 0,
        body: Vec::new(),
    };
    let frames = world.frames(Op::SetWatches, &body(2));
    let expected = [
        event(2, "/gone"),
        event(3, "/new"),
        event(1, "/new"),
        event(2, "/gone"),
        event(4, "/parent"),
        done(&world),
    ];
    assert_eq!(frames, expected);
    assert_eq!(world.watch_counts(), (2, 1));
    let watches = world.watches.lock();
    assert!(watches.check("/old", CONN, WatchKind::Data));
    assert!(watches.check("/later", CONN, WatchKind::Data));
    assert!(watches.check("/old", CONN, WatchKind::Children));
}

#[test]
fn set_watches2_arms_lasting_watches_without_looking() {
    let world = World::new();
    let none = strings(&[]);
    let request = bytes_of(&[
        &0_i64.to_vec(),
        &none,
        &none,
        &none,
        &strings(&["/p"]),
        &strings(&["/r"]),
    ]);
    assert!(world.body(Op::SetWatches2, &request).is_empty());
    assert_eq!(world.watch_counts(), (2, 1));
    let watches = world.watches.lock();
    assert!(watches.check("/p", CONN, WatchKind::Persistent));
    assert!(watches.check("/r", CONN, WatchKind::Recursive));
}

#[test]
fn a_null_list_ends_set_watches_in_an_error() {
    let world = World::new();
    let null = (-1_i32).to_vec();
    let negative = (-2_i32).to_vec();
    let request = bytes_of(&[&0_i64.to_vec(), &strings(&["/gone"]), &null, &negative]);
    let frames = world.frames(Op::SetWatches, &request);
    assert_eq!(frames[0], event(2, "/gone"));
    assert_eq!((frames.len(), frames[1].err), (2, -5));
    let request = bytes_of(&[&0_i64.to_vec(), &negative, &negative, &negative]);
    assert!(world.body(Op::SetWatches, &request).is_empty());
    assert_eq!(world.error(Op::SetWatches2, &request), -5);
    assert_eq!(world.error(Op::SetWatches, b""), -5);
    let null_path = bytes_of(&[&1_i32.to_vec(), &null]);
    let request = bytes_of(&[&0_i64.to_vec(), &null_path, &negative, &negative]);
    assert_eq!(world.error(Op::SetWatches, &request), -5);
}

#[test]
fn too_many_watches_are_refused() {
    let world = World::new().with(&["/a"]);
    for path in ["/1", "/2", "/3", "/4"] {
        world.frame(Op::AddWatch, &numbered(Some(path), 0));
    }
    assert_eq!(world.error(Op::GetData, &ask(Some("/a"), true)), -5);
    assert_eq!(world.error(Op::AddWatch, &numbered(Some("/a"), 1)), -5);
    assert_eq!(world.frame(Op::GetData, &ask(Some("/a"), false)).err, 0);
    assert_eq!(world.watch_counts(), (4, 4));
}
