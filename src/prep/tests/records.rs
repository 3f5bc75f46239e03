//! What records carry, and who uses up a zxid.

use super::*;
use crate::base::limits;
use crate::proto::txn::{CreateKind, CreateTxn};

#[test]
fn a_creation_as_it_is_logged() {
    let mut world = World::new();
    let record = world.done(create("/a"));
    let expected = TxnRecord {
        session: SESSION,
        cxid: Xid(7),
        zxid: Zxid(1),
        time: world.time,
        txn: Txn::Create(CreateTxn {
            kind: CreateKind::Plain {
                op_is_create2: false,
                ephemeral: false,
            },
            path: "/a".into(),
            data: Some(Bytes::from_static(b"data")),
            acl: Some([Acl::anyone(perms::ALL)].into()),
            parent_cversion: 1,
        }),
        digest: Some(world.db.tree.digest()),
    };
    assert_eq!(record, expected);
}

#[test]
fn the_operation_decides_over_the_flags() {
    let mut world = World::with(extended);
    for (op, flags, ttl, owner) in [
        (Op::Create, 4, -1, 0),
        (Op::Create2, 4, -1, 0),
        (Op::Create2, 1, -1, SESSION.0),
        (Op::CreateContainer, 0, -1, i64::MIN),
        (Op::CreateContainer, 1, -1, i64::MIN),
        (Op::CreateContainer, 4, -1, i64::MIN),
        (
            Op::CreateTtl,
            5,
            0x1234,
            0xff00_0000_0000_1234_u64.cast_signed(),
        ),
    ] {
        let path = format!("/{}-{flags}", op.number());
        world.done(create_as(&path, op, flags, ttl));
        let stat = world.db.tree.node(&path).unwrap().persisted();
        assert_eq!(stat.ephemeral_owner, owner, "{op:?} {flags}");
    }
}

#[test]
fn lists_are_stored_as_fixed() {
    let mut world = World::new();
    world.authenticate("u:p");
    let entry = acl(31, "auth", "");
    world.done(create_with_acl("/a", &[entry.clone(), entry]));
    let expected = [acl(31, "digest", "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=")];
    assert_eq!(**world.db.tree.node("/a").unwrap().acl().unwrap(), expected);
}

/// QP-094.
#[test]
fn refusals_use_up_a_zxid_and_carry_no_digest() {
    let mut world = World::new();
    let record = world.run(create("/missing/x"));
    let code = ErrorCode::NoNode.number();
    assert_eq!((record.zxid, record.txn), (Zxid(1), Txn::Error { code }));
    assert_eq!(record.digest, None);
    assert_eq!(world.db.last_zxid(), Zxid(1));
}

#[test]
fn a_body_that_cannot_be_read_uses_up_none_unless_it_is_a_multis() {
    let mut world = World::new();
    world.ask(create("/a"));
    let refused = Prepared::Refused {
        code: ErrorCode::MarshallingError,
        zxid: Zxid(1),
    };
    let malformed = |code, takes_zxid| WriteRequest::Malformed { code, takes_zxid };
    let unreadable = malformed(ErrorCode::MarshallingError, false);
    assert_eq!(world.prepare(Op::Create, unreadable.clone()), refused);
    assert_eq!(world.prepare(Op::SetAcl, unreadable), refused);
    for (zxid, code) in [
        (2, ErrorCode::MarshallingError),
        (3, ErrorCode::BadArguments),
    ] {
        let Prepared::Logged(record) = world.prepare(Op::Multi, malformed(code, true)) else {
            panic!("what takes a zxid is logged");
        };
        let code = code.number();
        assert_eq!((record.zxid, record.txn), (Zxid(zxid), Txn::Error { code }));
    }
    world.apply_all();
}

#[test]
fn a_sync_is_not_logged() {
    let mut world = World::new();
    for path in [None, Some("anything at all".into())] {
        let request = WriteRequest::Sync { path: path.clone() };
        assert_eq!(world.prepare(Op::Sync, request), Prepared::Sync { path });
    }
    assert_eq!(world.last_zxid(), Zxid::ZERO);
}

#[test]
fn null_and_empty_data_stay_distinct() {
    let mut world = World::new();
    for (path, data) in [("/null", None), ("/empty", Some(Bytes::new()))] {
        world.done(Create {
            data: data.clone(),
            ..create(path)
        });
        assert_eq!(world.db.tree.node(path).unwrap().data(), data.as_deref());
    }
}

#[test]
fn the_end_of_a_session_lists_its_ephemerals_also_those_in_flight() {
    let mut world = World::new();
    world.done(create("/p"));
    world.done(ephemeral("/p/kept"));
    world.done(ephemeral("/p/deleted"));
    world.session = SessionId(2);
    world.done(ephemeral("/p/of-another"));
    world.session = SESSION;
    world.ask(delete("/p/deleted", -1));
    world.ask(ephemeral("/p/new"));
    world.ask(ephemeral("/p/gone"));
    world.ask(delete("/p/gone", -1));
    world.ask(set("/p/kept", -1));
    let record = world.ask(WriteRequest::CloseSession);
    let paths = Some(vec!["/p/kept".into(), "/p/new".into()]);
    assert_eq!(record.txn, Txn::CloseSession { paths });
    // What comes after it finds them gone, and the counter where it was.
    assert_eq!(
        code_of(&world.ask(set("/p/kept", -1))),
        Some(ErrorCode::NoNode)
    );
    world.session = SessionId(2);
    assert_eq!(code_of(&world.ask(create("/p/kept"))), None);
    world.apply_all();
    assert_eq!(world.db.tree.node("/p").unwrap().child_count(), 2);
}

/// QP-153.
#[test]
fn the_end_of_a_session_may_list_nothing() {
    let mut world = World::with(|options| options.close_session_txn = false);
    world.done(ephemeral("/e"));
    let record = world.done(WriteRequest::CloseSession);
    assert_eq!(record.txn, Txn::CloseSession { paths: None });
    assert!(world.db.tree.node("/e").is_none());
}

#[test]
fn the_end_of_a_session_lists_no_more_than_a_log_can_hold() {
    let mut world = World::with(|options| options.record_bytes_max = usize::MAX);
    let length = limits::CLOSED_PATH_BYTES / 4 - 4;
    for name in ["a", "b", "c", "d", "e"] {
        world.done(ephemeral(&format!("/{}", name.repeat(length - 1))));
    }
    let record = world.done(WriteRequest::CloseSession);
    let Txn::CloseSession { paths: Some(paths) } = &record.txn else {
        panic!("{:?}", record.zxid);
    };
    assert_eq!(paths.len(), 4);
    assert_eq!(world.db.tree.ephemerals_count(), 0);
}

/// ZOOKEEPER-4306: a follower takes no longer payload, and its ensemble would never get past it.
#[test]
fn the_end_of_a_session_is_no_longer_than_a_follower_takes() {
    for max in [150, 400, 401, 407, 408] {
        let mut world = World::with(|options| options.record_bytes_max = max);
        for number in 0..100 {
            world.done(ephemeral(&format!("/e{number:03}")));
        }
        let record = world.done(WriteRequest::CloseSession);
        let Txn::CloseSession { paths: Some(paths) } = &record.txn else {
            panic!("{record:?}");
        };
        let length = record.encoded_len();
        assert!(length <= max, "{length} of {max}");
        assert!(length + 4 + 5 > max, "as many as fit: {length} of {max}");
        assert!(!paths.is_empty() && paths.len() < 100);
        assert_eq!(world.db.tree.ephemerals_count(), 0, "listed or not");
    }
}

/// `auth` stands for all that the client is, so a request may be far shorter than what comes of it.
#[test]
fn no_record_is_longer_than_a_follower_takes() {
    let mut world = World::with(|options| options.record_bytes_max = 700);
    for user in 0..20 {
        world.authenticate(&format!("user{user}:password"));
    }
    world.done(create("/a"));
    let long = [acl(31, "auth", "")];
    let refusals = [
        world.run(create_with_acl("/b", &long)),
        world.run(set_acl("/a", &long, 0)),
        world.run(create_as_long("/b", 700)),
    ];
    for record in &refusals {
        assert_eq!(code_of(record), Some(ErrorCode::MarshallingError));
        assert!(record.encoded_len() <= 700);
    }
    let before = world.db.tree.digest();
    let parts: Vec<_> = (0..20).map(|n| create(&format!("/c{n}")).into()).collect();
    let record = world.run(parts);
    assert_eq!(code_of(&record), Some(ErrorCode::MarshallingError));
    assert_eq!(world.db.tree.digest(), before, "all or nothing");
    for number in 0..60 {
        world.done(create(&format!("/d{number:02}")));
    }
    let deletions = (0..60).map(|number| delete(&format!("/d{number:02}"), -1).into());
    for parts in [
        deletions.collect(),
        vec![set_to("/a", &[7; 300], -1).into(); 3],
        vec![check("/a", -1).into(); 40],
    ] {
        let code = code_of(&world.run(parts));
        assert_eq!(code, Some(ErrorCode::MarshallingError));
    }
    world.done(vec![
        create("/b").into(),
        set_to("/a", &[7; 300], 0).into(),
        delete("/b", 0).into(),
    ]);
}

fn create_as_long(path: &str, bytes: usize) -> Create {
    Create {
        data: Some(vec![7; bytes].into()),
        ..create(path)
    }
}

#[test]
fn sessions_open_and_expire() {
    let mut world = World::new();
    let record = world
        .prep
        .open_session(&world.db, world.time, SESSION, 6000);
    let txn = Txn::CreateSession { timeout_ms: 6000 };
    assert_eq!((record.session, record.cxid), (SESSION, Xid(0)));
    assert_eq!(
        (&record.txn, record.digest),
        (&txn, Some(world.db.tree.digest()))
    );
    world.in_flight.push_back(record);
    world.ask(ephemeral("/e"));
    let record = world
        .prep
        .expire_session(&world.db, &world.policy, world.time, SESSION);
    assert_eq!((record.session, record.cxid), (SESSION, Xid(0)));
    let paths = Some(vec!["/e".into()]);
    assert_eq!(record.txn, Txn::CloseSession { paths });
    world.in_flight.push_back(record);
    world.apply_all();
    assert!(world.db.sessions.is_empty());
}

#[test]
fn containers_are_deleted_only_while_they_are_empty() {
    let mut world = World::with(extended);
    world.done(create_as("/container", Op::CreateContainer, 4, -1));
    world.done(create("/persistent"));
    world.done(ephemeral("/ephemeral"));
    let try_delete = |world: &mut World, path: &str| {
        let (db, policy) = (&world.db, &world.policy);
        let record = world
            .prep
            .delete_container(db, policy, world.time, path.into());
        assert_eq!((record.session, record.cxid), (SessionId::NONE, Xid(0)));
        world.in_flight.push_back(record.clone());
        code_of(&record)
    };
    world.ask(create("/container/child"));
    for (path, expected) in [
        ("/zookeeper", Some(ErrorCode::BadArguments)),
        ("bad", Some(ErrorCode::BadArguments)),
        ("/missing", Some(ErrorCode::NoNode)),
        ("/container", Some(ErrorCode::NotEmpty)),
        ("/ephemeral", Some(ErrorCode::BadVersion)),
        ("/persistent", None),
    ] {
        assert_eq!(try_delete(&mut world, path), expected, "{path}");
    }
    world.ask(delete("/container/child", -1));
    assert_eq!(try_delete(&mut world, "/container"), None);
    world.apply_all();
    assert!(world.db.tree.node("/container").is_none());
}

#[test]
fn a_new_list_holds_for_what_is_prepared_after_it() {
    let mut world = World::new();
    world.done(create("/a"));
    world.ask(set_acl("/a", &[Acl::anyone(perms::READ)], 0));
    let record = world.ask(create("/a/b"));
    assert_eq!(code_of(&record), Some(ErrorCode::NoAuth));
    world.apply_all();
}

/// QP-149.
#[test]
fn without_digests_records_have_none() {
    let mut world = World::with(|options| options.tree.digest_enabled = false);
    let record = world.ask(create("/a"));
    assert_eq!(record.digest, None);
    let applied = world.db.apply(&record, &mut Vec::new());
    assert_eq!(applied.digest_mismatch, None);
    world.prep.applied(&world.db, record.zxid);
}
