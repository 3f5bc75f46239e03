//! Which of several errors a request is refused with: each row breaks one rule more than the row
//! after it, so the order of checks is what the rows say.

use super::*;
use crate::proto::request::Reconfig;

use ErrorCode::{
    BadArguments, BadVersion, InvalidAcl, NoAuth, NoChildrenForEphemerals, NoNode, NodeExists,
    NotEmpty, QuotaExceeded, SessionExpired, Unimplemented,
};

const BAD_ACL: &[Acl] = &[];
const TTL: Op = Op::CreateTtl;

fn closed() -> Vec<Acl> {
    vec![acl(31, "digest", "nobody:x")]
}

/// `/open`, `/open/child`, `/closed` that lets nobody, `/ephemeral`, `/a`.
fn world() -> World {
    let mut world = World::with(extended);
    world.done(create("/open"));
    world.done(create("/open/child"));
    world.done(create_with_acl("/closed", &closed()));
    world.done(ephemeral("/ephemeral"));
    world.done(create("/a"));
    world
}

#[test]
fn create_checks_flags_then_session_then_path_then_list_then_parent() {
    let mut world = world();
    let bad = |path: &str, op: Op, flags: i32, ttl: i64| Create {
        acl: Some(BAD_ACL.to_vec()),
        ..create_as(path, op, flags, ttl)
    };
    world.standing = Err(SessionExpired);
    for flags in [-1, 7, i32::MAX, i32::MIN] {
        let request = bad("bad", Op::Create, flags, -1);
        assert_eq!(world.refusal(request), Some(BadArguments), "{flags}");
    }
    for (op, flags, ttl) in [
        (TTL, 5, 0),
        (TTL, 5, -1),
        (TTL, 6, 0x100_0000_0000),
        (TTL, 0, 1),
        (TTL, 0, -1),
        (TTL, 1, -1),
        (TTL, 4, -1),
        (Op::Create, 5, -1),
        (Op::Create2, 6, -1),
        (Op::CreateContainer, 5, -1),
    ] {
        let request = bad("bad", op, flags, ttl);
        assert_eq!(
            world.refusal(request),
            Some(BadArguments),
            "{op:?} {flags} {ttl}"
        );
    }
    let request = bad("bad", Op::Create, 0, -1);
    assert_eq!(world.refusal(request), Some(SessionExpired));
    world.standing = Ok(());
    for (path, acl, expected) in [
        ("bad", BAD_ACL, BadArguments),
        ("", BAD_ACL, BadArguments),
        ("/nul\0", BAD_ACL, BadArguments),
        ("/missing/x", BAD_ACL, InvalidAcl),
        ("/missing/..", &closed()[..], NoNode),
        ("/closed/..", &closed(), NoAuth),
        ("/closed/x", &closed(), NoAuth),
        ("/ephemeral/..", &closed(), BadArguments),
        ("/ephemeral/x", &closed(), NoChildrenForEphemerals),
        ("/a", &closed(), NodeExists),
        ("/", &closed(), NodeExists),
        ("/zookeeper", &closed(), NodeExists),
    ] {
        let request = create_with_acl(path, acl);
        assert_eq!(world.refusal(request), Some(expected), "{path:?}");
    }
    let none = Create {
        acl: None,
        ..create("/missing/x")
    };
    assert_eq!(world.refusal(none), Some(InvalidAcl));
}

#[test]
fn an_existing_node_is_said_before_its_ephemeral_parent() {
    let mut world = world();
    // No request makes a child of an ephemeral; a record may.
    let mut record = world.ask(create("/a/child"));
    let Txn::Create(create_txn) = &mut record.txn else {
        panic!("a creation");
    };
    create_txn.path = "/ephemeral/child".into();
    world.db.apply(&record, &mut Vec::new());
    world.in_flight.clear();
    world.prep = Prep::new(PrepOptions::default(), &world.db);
    assert_eq!(world.refusal(create("/ephemeral/child")), Some(NodeExists));
    let other = world.refusal(create("/ephemeral/other"));
    assert_eq!(other, Some(NoChildrenForEphemerals));
}

#[test]
fn ttl_modes_need_extended_types() {
    let mut world = World::new();
    for flags in [5, 6] {
        // Before the time is looked at, and before the session.
        world.standing = Err(SessionExpired);
        let request = create_as("bad", TTL, flags, 0);
        assert_eq!(world.refusal(request), Some(Unimplemented));
    }
    let request = create_as("/x", TTL, 0, -1);
    assert_eq!(world.refusal(request), Some(BadArguments));
}

#[test]
fn ttl_bounds() {
    let mut world = World::with(extended);
    world.done(create_as("/least", TTL, 5, 1));
    world.done(create_as("/most", TTL, 5, 0xff_ffff_ffff));
    world.done(create_as("/sequential-", TTL, 6, 1000));
    assert!(world.db.tree.node("/sequential-0000000002").is_some());
    // TTL nodes and containers may have children.
    world.done(create_as("/container", Op::CreateContainer, 4, -1));
    world.done(create("/most/child"));
    world.done(create("/container/child"));
}

#[test]
fn delete_checks_session_path_parent_list_node_version_children() {
    let mut world = world();
    world.standing = Err(SessionExpired);
    assert_eq!(world.refusal(delete("bad", 5)), Some(SessionExpired));
    world.standing = Ok(());
    let lets_nobody = [acl(31, "digest", "nobody:x")];
    world.done(create("/guarded"));
    world.done(create("/guarded/child"));
    world.done(set_acl("/guarded", &lets_nobody, -1));
    for (path, version, expected) in [
        ("bad", 5, BadArguments),
        ("", 5, BadArguments),
        ("/nul\0", 5, BadArguments),
        ("/", 5, BadArguments),
        ("/zookeeper", 5, BadArguments),
        ("/zookeeper/quota", 5, BadArguments),
        ("/zookeeper/config", 5, BadArguments),
        ("/missing/x", 5, NoNode),
        ("/guarded/missing", 5, NoAuth),
        ("/guarded/child", 5, NoAuth),
        // There is no full validation.
        ("/open/..", 5, NoNode),
        ("/open/", 5, NoNode),
        ("/open/missing", 5, NoNode),
        ("/open", 5, BadVersion),
        ("/open", 0, NotEmpty),
        ("/open", -1, NotEmpty),
    ] {
        let code = world.refusal(delete(path, version));
        assert_eq!(code, Some(expected), "{path:?} {version}");
    }
    // The node's own list does not matter.
    world.done(delete("/closed", 0));
    world.done(delete("/open/child", -1));
    world.done(delete("/open", 0));
}

#[test]
fn set_data_checks_session_path_node_list_quota_version() {
    let mut world = world();
    world.standing = Err(SessionExpired);
    assert_eq!(world.refusal(set("bad", 5)), Some(SessionExpired));
    world.standing = Ok(());
    for (path, version, expected) in [
        ("bad", 5, BadArguments),
        ("", 5, BadArguments),
        ("/missing/", 5, BadArguments),
        ("/missing/x", 5, NoNode),
        ("/closed", 5, NoAuth),
        ("/zookeeper/config", 5, NoAuth),
        ("/a", 5, BadVersion),
    ] {
        let code = world.refusal(set(path, version));
        assert_eq!(code, Some(expected), "{path:?} {version}");
    }
    for path in ["/", "/a", "/zookeeper", "/zookeeper/quota"] {
        world.done(set(path, 0));
        world.done(set(path, 1));
    }
}

#[test]
fn set_acl_checks_session_path_list_node_permission_version() {
    let mut world = world();
    let open = [Acl::anyone(perms::ALL)];
    world.standing = Err(SessionExpired);
    let request = set_acl("bad", BAD_ACL, 5);
    assert_eq!(world.refusal(request), Some(SessionExpired));
    world.standing = Ok(());
    for (path, acl, version, expected) in [
        ("bad", BAD_ACL, 5, BadArguments),
        ("/missing", BAD_ACL, 5, InvalidAcl),
        ("/missing", &open[..], 5, NoNode),
        ("/closed", &open, 5, NoAuth),
        ("/zookeeper/config", &open, 5, NoAuth),
        ("/a", &open, 5, BadVersion),
    ] {
        let code = world.refusal(set_acl(path, acl, version));
        assert_eq!(code, Some(expected), "{path:?} {version}");
    }
    // The version is the list's own.
    world.done(set("/a", 0));
    world.done(set_acl("/a", &open, 0));
    assert_eq!(world.refusal(set_acl("/a", &open, 0)), Some(BadVersion));
    let stat = world.db.tree.node("/a").unwrap().stat();
    assert_eq!((stat.version, stat.aversion), (1, 1));
}

#[test]
fn check_checks_session_path_node_list_version() {
    let mut world = world();
    let refusal = |world: &mut World, path: &str, version: i32| {
        world.refusal(vec![MultiOp::from(check(path, version))])
    };
    world.standing = Err(SessionExpired);
    assert_eq!(refusal(&mut world, "bad", 5), Some(SessionExpired));
    world.standing = Ok(());
    for (path, version, expected) in [
        ("bad", 5, Some(BadArguments)),
        ("/missing", 5, Some(NoNode)),
        ("/closed", 5, Some(NoAuth)),
        ("/a", 5, Some(BadVersion)),
        ("/a", 0, None),
        ("/a", -1, None),
    ] {
        let code = refusal(&mut world, path, version);
        assert_eq!(code, expected, "{path:?} {version}");
    }
}

#[test]
fn each_permission_is_asked_of_the_right_node() {
    let all = [
        perms::READ,
        perms::WRITE,
        perms::CREATE,
        perms::DELETE,
        perms::ADMIN,
    ];
    for missing in all {
        let mut world = World::new();
        world.done(create_with_acl("/n", &[Acl::anyone(perms::ALL & !missing)]));
        let open = [Acl::anyone(perms::ALL)];
        let expect = |perm: i32| (perm == missing).then_some(NoAuth);
        assert_eq!(world.refusal(create("/n/c")), expect(perms::CREATE));
        assert_eq!(world.refusal(set("/n", -1)), expect(perms::WRITE));
        let read = world.refusal(vec![MultiOp::from(check("/n", -1))]);
        assert_eq!(read, expect(perms::READ));
        if missing != perms::CREATE {
            assert_eq!(world.refusal(delete("/n/c", -1)), expect(perms::DELETE));
        }
        assert_eq!(
            world.refusal(set_acl("/n", &open, -1)),
            expect(perms::ADMIN)
        );
    }
}

#[test]
fn super_may_do_all_but_break_other_rules() {
    let mut world = World::new();
    let options = AuthOptions {
        super_digest: Some("super:lK75jTNcA+U9vtVEw5vB51mj/w4=".to_owned()),
        ..AuthOptions::default()
    };
    world.policy = Policy::new(&options).unwrap();
    world.authenticate("super:secret");
    world.done(set("/zookeeper/config", -1));
    assert_eq!(world.refusal(set("/zookeeper/config", 7)), Some(BadVersion));
    // Its list starts at version -1.
    world.done(set_acl("/zookeeper/config", &[Acl::anyone(31)], -1));
    let config = world.db.tree.node("/zookeeper/config").unwrap().stat();
    assert_eq!(config.aversion, 0);
}

#[test]
fn reconfig_is_disabled_then_checks_the_session_then_wants_an_ensemble() {
    let request = || {
        WriteRequest::Reconfig(Reconfig {
            joining: None,
            leaving: None,
            new_members: None,
            config_version: -1,
        })
    };
    let mut world = World::new();
    world.standing = Err(SessionExpired);
    assert_eq!(world.refusal(request()), Some(ErrorCode::ReconfigDisabled));
    let mut world = World::with(|options| options.reconfig_enabled = true);
    world.standing = Err(SessionExpired);
    assert_eq!(world.refusal(request()), Some(SessionExpired));
    world.standing = Ok(());
    assert_eq!(world.refusal(request()), Some(Unimplemented));
}

#[test]
fn quota_comes_after_an_ephemeral_parent_and_before_a_version() {
    let mut world = World::with(|options| options.enforce_quota = true);
    quota::limit(
        &mut world,
        "/q",
        b"count=-1,bytes=-1=;byteHardLimit=6;countHardLimit=2",
    );
    world.done(ephemeral("/q/e"));
    let request = create("/q/e/x");
    assert_eq!(world.refusal(request), Some(NoChildrenForEphemerals));
    assert_eq!(world.refusal(create("/q/x")), Some(QuotaExceeded));
    assert_eq!(world.refusal(set("/q/e", 9)), Some(QuotaExceeded));
    assert_eq!(world.refusal(set_to("/q/e", b"same", 9)), Some(BadVersion));
}
