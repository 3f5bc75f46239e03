//! All or nothing.

use super::*;
use crate::proto::SubTxn;

use ErrorCode::{BadVersion, NoNode};

/// The code of each part, 0 where it is no error.
pub(super) fn codes(record: &TxnRecord) -> Vec<i32> {
    let Txn::Multi(parts) = &record.txn else {
        panic!("not a multi: {record:?}");
    };
    let code = |part: &SubTxn| match part {
        SubTxn::Error { body } => i32::from_be_bytes(*body.first_chunk().unwrap()),
        _ => 0,
    };
    parts.iter().map(code).collect()
}

#[test]
fn parts_see_earlier_ones_and_share_zxid_and_time() {
    let mut world = World::new();
    let record = world.done(vec![
        create("/a").into(),
        set("/a", 0).into(),
        check("/a", 1).into(),
        create("/a/b").into(),
        delete("/a/b", 0).into(),
        delete("/a", 1).into(),
        create("/a").into(),
        sequential("/a/s").into(),
        sequential("/a/s").into(),
    ]);
    assert_eq!(codes(&record), [0; 9]);
    let node = world.db.tree.node("/a").unwrap().stat();
    assert_eq!((node.czxid, node.mzxid, node.pzxid), (1, 1, 1));
    assert_eq!(
        (node.ctime, node.version, node.num_children),
        (record.time.0, 0, 2)
    );
    assert!(world.db.tree.node("/a/s0000000001").is_some());
}

#[test]
fn the_check_of_a_version_carries_the_next_one() {
    let mut world = World::new();
    world.done(create("/a"));
    let record = world.done(vec![check("/a", 0).into()]);
    let expected = SubTxn::Check {
        path: "/a".into(),
        version: 1,
    };
    assert_eq!(record.txn, Txn::Multi(vec![expected]));
}

/// QP-095.
#[test]
fn a_refused_part_refuses_all() {
    let mut world = World::new();
    world.done(create("/a"));
    let before = (world.db.tree.digest(), world.db.tree.node_count());
    let zxid = world.last_zxid();
    let record = world.run(vec![
        create("/b").into(),
        sequential("/a/s").into(),
        ephemeral("/a/e").into(),
        set("/a", 7).into(),
        delete("/missing", -1).into(),
        create("/c").into(),
    ]);
    assert_eq!(codes(&record), [0, 0, 0, BadVersion.number(), -2, -2]);
    assert_eq!(record.digest, Some(before.0), "the unchanged tree's");
    assert_eq!(record.zxid, zxid.next(), "it uses up a zxid");
    let after = (world.db.tree.digest(), world.db.tree.node_count());
    assert_eq!(after, before);
    // Parts before the refused one keep their bodies.
    let Txn::Multi(parts) = &record.txn else {
        panic!("a multi");
    };
    assert!(matches!(&parts[0], SubTxn::Create(create) if &*create.path == "/b"));
    // The counter of sequential names is back.
    world.done(sequential("/a/s"));
    assert!(world.db.tree.node("/a/s0000000000").is_some());
}

#[test]
fn a_refused_multi_leaves_what_is_in_flight() {
    let mut world = World::new();
    world.ask(create("/a"));
    world.ask(sequential("/a/s"));
    world.ask(ephemeral("/e"));
    let record = world.ask(vec![
        delete("/a/s0000000000", -1).into(),
        delete("/e", -1).into(),
        set("/a", 0).into(),
        sequential("/a/s").into(),
        delete("/missing", -1).into(),
    ]);
    assert_eq!(code_of(&record), Some(NoNode));
    let next = world.ask(sequential("/a/s"));
    assert!(matches!(next.txn, Txn::Create(create) if &*create.path == "/a/s0000000001"));
    assert_eq!(code_of(&world.ask(set("/a", 0))), None);
    let closed = world.ask(WriteRequest::CloseSession);
    let paths = Some(vec!["/e".into()]);
    assert_eq!(closed.txn, Txn::CloseSession { paths });
    world.apply_all();
}

#[test]
fn without_parts_it_still_uses_up_a_zxid() {
    let mut world = World::new();
    let record = world.done(WriteRequest::Multi(vec![]));
    assert_eq!((record.txn, record.zxid), (Txn::Multi(vec![]), Zxid(1)));
}

#[test]
fn the_session_is_checked_by_each_part() {
    let mut world = World::new();
    world.standing = Err(ErrorCode::SessionExpired);
    let record = world.run(vec![create("/a").into(), create("/b").into()]);
    assert_eq!(codes(&record), [-112, -2]);
}

#[test]
fn kinds_of_creation_keep_their_type() {
    let mut world = World::with(extended);
    let record = world.done(vec![
        create_as("/plain", Op::Create, 0, -1).into(),
        create_as("/two", Op::Create2, 0, -1).into(),
        create_as("/container", Op::CreateContainer, 4, -1).into(),
        create_as("/ttl", Op::CreateTtl, 5, 1000).into(),
        ephemeral("/e").into(),
    ]);
    let Txn::Multi(parts) = &record.txn else {
        panic!("a multi");
    };
    let ops: Vec<_> = parts
        .iter()
        .map(|part| match part {
            SubTxn::Create(create) => create.kind.op(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        Op::Create,
        Op::Create2,
        Op::CreateContainer,
        Op::CreateTtl,
        Op::Create,
    ];
    assert_eq!(ops, expected);
    let owner = world.db.tree.node("/e").unwrap().stat().ephemeral_owner;
    assert_eq!(owner, SESSION.0);

    let mut plain = World::new();
    let record = plain.run(vec![create_as("/ttl", Op::CreateTtl, 5, 1000).into()]);
    assert_eq!(codes(&record), [ErrorCode::Unimplemented.number()]);
}
