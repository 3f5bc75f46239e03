//! Fresh trees, digests and events as Apache's server has them; rules of replay one by one.

use jute::data::Stat;

use crate::base::{Acl, AclList, SessionId, WallMillis, Zxid};
use crate::proto::txn::{CreateKind, CreateTxn};
use crate::proto::{EventType, NodeEvent, SubTxn, Txn, TxnRecord};
use crate::tree::tests::{
    SESSION, apply_all, create, create_txn, delete, ephemeral, load, record, set, snapshot,
    sub_create,
};
use crate::tree::{Database, LoadError, Outcome, Owner, QuotaNumbers, TreeOptions};

#[test]
fn a_fresh_tree_is_apaches() {
    let database = Database::new(TreeOptions::default());
    let tree = &database.tree;
    assert_eq!(tree.digest(), 0x51c6_d660);
    assert_eq!((tree.node_count(), tree.approximate_data_size()), (4, 44));
    let stat = |path| tree.node(path).unwrap().stat();
    let zero = Stat::default();
    let expected = |cversion, num_children| Stat {
        cversion,
        num_children,
        ..zero
    };
    assert_eq!(stat("/"), expected(-1, 1));
    assert_eq!(stat(""), expected(-1, 1));
    assert_eq!(stat("/zookeeper"), expected(-2, 2));
    assert_eq!(stat("/zookeeper/quota"), zero);
    let config = tree.node("/zookeeper/config").unwrap();
    assert_eq!(
        config.stat(),
        Stat {
            aversion: -1,
            ..zero
        }
    );
    assert_eq!(config.acl(), Some(&AclList::from([Acl::anyone(1)])));
    assert_eq!(tree.node("/zookeeper").unwrap().acl(), None);
    // 478 bytes of the file, less 16 of header and 67 of seals and trailers.
    let bytes = snapshot(&database, usize::MAX);
    assert_eq!(bytes.len(), 411 - 16);
}

#[test]
fn digests_are_apaches() {
    let mut database = Database::new(TreeOptions::default());
    let mut events = Vec::new();
    let open = Txn::CreateSession { timeout_ms: 30000 };
    let applied = database.apply(
        &TxnRecord {
            digest: Some(0x51c6_d660),
            ..record(1, open)
        },
        &mut events,
    );
    assert_eq!(
        applied.outcome,
        Outcome::SessionOpened { timeout_ms: 30000 }
    );
    assert_eq!(applied.digest_mismatch, None);
    let created = TxnRecord {
        time: WallMillis(0x1a1_ffa6_64ad),
        digest: Some(0xd430_5bd8),
        ..record(2, create("/a", b"hi"))
    };
    assert_eq!(database.apply(&created, &mut events).digest_mismatch, None);
    assert_eq!(database.tree.digest(), 0xd430_5bd8);
    let wrong = TxnRecord {
        digest: Some(1),
        ..record(3, delete("/a"))
    };
    let mismatch = database.apply(&wrong, &mut events).digest_mismatch.unwrap();
    assert_eq!((mismatch.zxid, mismatch.expected), (Zxid(3), 1));
    assert_eq!(database.last_zxid(), Zxid(3));
}

#[test]
fn an_awaited_digest_is_compared_where_it_belongs() {
    let mut database = Database::new(TreeOptions::default());
    database.await_digest(Zxid(2), 7);
    let with_digest = |zxid| TxnRecord {
        digest: Some(1),
        ..record(zxid, create(&format!("/{zxid}"), b""))
    };
    let mut mismatch = |zxid| {
        let applied = database.apply(&with_digest(zxid), &mut Vec::new());
        applied.digest_mismatch.map(|mismatch| mismatch.expected)
    };
    assert_eq!(
        (mismatch(1), mismatch(2), mismatch(3)),
        (None, Some(7), Some(1))
    );
    assert!(!database.awaits_digest());
}

#[test]
fn events_of_each_transaction() {
    let mut database = apply_all([create("/a", b""), ephemeral("/a/e")]);
    let mut fired = |zxid, txn| {
        let mut events = Vec::new();
        database.apply(&record(zxid, txn), &mut events);
        let name = |event: &NodeEvent| format!("{:?} {}", event.event_type, event.path);
        events.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(
        fired(3, create("/a/b", b"")),
        ["NodeCreated /a/b", "NodeChildrenChanged /a"]
    );
    assert_eq!(fired(4, set("/a/b", b"1", 1)), ["NodeDataChanged /a/b"]);
    assert_eq!(fired(5, set("/", b"1", 1)), ["NodeDataChanged /"]);
    assert_eq!(
        fired(6, Txn::CloseSession { paths: None }),
        ["NodeDeleted /a/e", "NodeChildrenChanged /a"]
    );
    let multi = Txn::Multi(vec![
        SubTxn::Delete {
            path: "/a/b".into(),
        },
        SubTxn::Delete { path: "/a".into() },
        sub_create("/c"),
    ]);
    assert_eq!(
        fired(7, multi),
        [
            "NodeDeleted /a/b",
            "NodeChildrenChanged /a",
            "NodeDeleted /a",
            "NodeChildrenChanged /",
            "NodeCreated /c",
            "NodeChildrenChanged /"
        ]
    );
    let acl = Txn::SetAcl {
        path: "/c".into(),
        acl: None,
        version: 1,
    };
    assert!(fired(8, acl).is_empty());
    assert!(fired(9, delete("/nope")).is_empty());
}

#[test]
fn events_carry_the_list_that_decides() {
    let mut database = Database::new(TreeOptions::default());
    let mut events = Vec::new();
    let read = AclList::from([Acl::anyone(1)]);
    let create = Txn::Create(CreateTxn {
        acl: Some(AclList::clone(&read)),
        ..create_txn("/a", b"")
    });
    database.apply(&record(1, create), &mut events);
    database.apply(&record(2, delete("/a")), &mut events);
    let lists: Vec<_> = events.iter().map(|event| event.acl.as_ref()).collect();
    assert_eq!(lists, [Some(&read), None, Some(&read), None]);
    assert_eq!(events[2].event_type, EventType::NodeDeleted);
}

#[test]
fn failed_multis_answer_and_change_nothing() {
    let mut database = Database::new(TreeOptions::default());
    let multi = Txn::Multi(vec![
        sub_create("/a"),
        SubTxn::error(-110),
        SubTxn::error(-2),
    ]);
    let applied = database.apply(&record(1, multi), &mut Vec::new());
    let refused = [0, -110, -2].map(Outcome::Refused);
    assert_eq!(applied.outcome, Outcome::Multi(refused.to_vec()));
    assert_eq!(database.tree.digest(), 0x51c6_d660);
    // As Apache's servers rewrite it once applied: the first part's body under the error's type.
    let body = bytes::Bytes::from_static(&[0, 0, 0, 2, b'/', b'a', 0, 0, 0, 1]);
    let multi = Txn::Multi(vec![SubTxn::Error { body }, SubTxn::error(-101)]);
    database.apply(&record(2, multi), &mut Vec::new());
    assert_eq!(database.last_zxid(), Zxid(2));
}

#[test]
fn creating_what_exists_brings_its_list_and_its_parent_up_to_date() {
    let mut database = apply_all([create("/p", b""), create("/p/c", b"1")]);
    let again = |op_is_create2| {
        Txn::Create(CreateTxn {
            kind: CreateKind::Plain {
                op_is_create2,
                ephemeral: false,
            },
            acl: Some(AclList::from([Acl::anyone(4)])),
            parent_cversion: 5,
            ..create_txn("/p/c", b"other")
        })
    };
    let mut events = Vec::new();
    let applied = database.apply(&record(3, again(true)), &mut events);
    assert_eq!(applied.outcome, Outcome::Refused(-110));
    let parent = database.tree.node("/p").unwrap().persisted();
    assert_eq!((parent.cversion, parent.pzxid), (1, 2));
    database.apply(&record(4, again(false)), &mut events);
    let parent = database.tree.node("/p").unwrap().persisted();
    assert_eq!((parent.cversion, parent.pzxid), (5, 4));
    let child = database.tree.node("/p/c").unwrap();
    assert_eq!(child.data(), Some(&b"1"[..]));
    assert_eq!(child.acl().unwrap()[0].perms, 4);
    assert!(events.is_empty());
    assert_eq!(database.tree.acl_count(), 3);
}

#[test]
fn the_parents_counters_only_rise() {
    let mut database = apply_all([create("/p", b""), create("/p/a", b"")]);
    let older = Txn::Create(CreateTxn {
        parent_cversion: 1,
        ..create_txn("/p/b", b"")
    });
    database.apply(&record(9, older), &mut Vec::new());
    let parent = database.tree.node("/p").unwrap().persisted();
    assert_eq!((parent.cversion, parent.pzxid), (1, 2));
    database.apply(&record(10, delete("/p/gone")), &mut Vec::new());
    assert_eq!(database.tree.node("/p").unwrap().persisted().pzxid, 10);
    database.apply(&record(4, delete("/p/a")), &mut Vec::new());
    assert_eq!(database.tree.node("/p").unwrap().persisted().pzxid, 10);
    assert_eq!(database.last_zxid(), Zxid(10));
}

#[test]
fn malformed_paths_of_damaged_logs_change_nothing() {
    let database = apply_all([
        create("", b""),
        create("a", b""),
        create("/x/y", b""),
        delete(""),
        delete("/"),
        delete("a"),
        set("//", b"", 1),
    ]);
    assert_eq!(database.tree.node_count(), 4);
    // Only `delete /` found something to raise: the root's pzxid.
    let root = database.tree.node("/").unwrap().persisted();
    assert_eq!((root.pzxid, root.cversion), (5, 0));
}

#[test]
fn deleting_a_parent_takes_what_a_later_snapshot_had_below_it() {
    let mut database = apply_all([
        create("/p", b""),
        create("/p/a", b""),
        create("/p/a/b", b""),
        ephemeral("/p/a/e"),
    ]);
    database.apply(&record(5, delete("/p")), &mut Vec::new());
    assert_eq!(database.tree.node_count(), 4);
    assert_eq!(database.tree.ephemerals_count(), 0);
    assert!(database.tree.node("/p/a/b").is_none());
}

#[test]
fn owners_and_what_hides_them() {
    let options = TreeOptions {
        extended_types: true,
        ..TreeOptions::default()
    };
    let mut database = Database::new(options);
    let kinds = [
        ("/c", CreateKind::Container),
        ("/t", CreateKind::Ttl { ttl_ms: 100 }),
    ];
    for (zxid, (path, kind)) in (1..).zip(kinds) {
        let txn = Txn::Create(CreateTxn {
            kind,
            ..create_txn(path, b"")
        });
        database.apply(&record(zxid, txn), &mut Vec::new());
    }
    database.apply(&record(3, ephemeral("/e")), &mut Vec::new());
    let tree = &database.tree;
    let owner = |path| {
        let node = tree.node(path).unwrap();
        (node.owner(), node.stat().ephemeral_owner)
    };
    assert_eq!(owner("/c"), (Owner::Container, 0));
    assert_eq!(owner("/t"), (Owner::Ttl(100), 0));
    assert_eq!(owner("/e"), (Owner::Ephemeral(SESSION), SESSION.0));
    let candidates = |now, never_used| tree.deletion_candidates(WallMillis(now), never_used, 10);
    assert!(candidates(1102, 0).is_empty());
    assert_eq!(candidates(1103, 0), ["/t".into()]);
    assert_eq!(candidates(1103, 50), ["/c".into(), "/t".into()]);
    database.apply(&record(4, create("/c/x", b"")), &mut Vec::new());
    database.apply(&record(5, delete("/c/x")), &mut Vec::new());
    database.apply(&record(6, create("/t/x", b"")), &mut Vec::new());
    let due = database.tree.deletion_candidates(WallMillis(5000), 0, 1);
    assert_eq!(due, ["/c".into()]);
    assert_eq!(
        database.tree.deletion_candidates(WallMillis(5000), 0, 9),
        due
    );
}

#[test]
fn ttl_nodes_survive_extended_types_switched_off() {
    let ttl = Txn::Create(CreateTxn {
        kind: CreateKind::Ttl { ttl_ms: 100 },
        ..create_txn("/t", b"")
    });
    let database = apply_all([ttl]);
    assert_eq!(database.tree.node("/t").unwrap().owner(), Owner::Ttl(100));
    let mut loaded = load(&snapshot(&database, 1), Zxid(1));
    assert!(loaded.turned_on_extended_types);
    assert_eq!(loaded.database.remove_orphaned_ephemerals(), 0);
    let node = loaded.database.tree.node("/t").unwrap();
    assert_eq!(node.owner(), Owner::Ttl(100));
    assert_eq!(loaded.database.tree.digest(), database.tree.digest());
}

#[test]
fn sessions_and_their_ephemerals() {
    let mut database = apply_all([
        Txn::CreateSession { timeout_ms: 4000 },
        ephemeral("/e1"),
        ephemeral("/e2"),
        create("/p", b""),
    ]);
    assert_eq!(database.sessions.get(&SESSION), Some(&4000));
    let paths: Vec<_> = database.tree.ephemerals_of(SESSION).collect();
    assert_eq!(paths, ["/e1".into(), "/e2".into()]);
    // Listed ones go in the list's order, whatever they are; one left over goes too.
    let listed = vec!["/p".into(), "/e2".into(), "/gone".into()];
    let close = Txn::CloseSession {
        paths: Some(listed),
    };
    let mut events = Vec::new();
    let applied = database.apply(&record(5, close), &mut events);
    assert_eq!(applied.outcome, Outcome::SessionClosed);
    let deleted = events
        .iter()
        .filter(|event| event.event_type == EventType::NodeDeleted);
    let deleted: Vec<_> = deleted.map(|event| &*event.path).collect();
    assert_eq!(deleted, ["/p", "/e2", "/e1"]);
    assert!(database.sessions.is_empty());
    assert_eq!(database.tree.node_count(), 4);
}

#[test]
fn orphaned_ephemerals_go_when_serving_begins() {
    let mut database = apply_all([
        create("/p", b""),
        ephemeral("/p/e"),
        Txn::CreateSession { timeout_ms: 1 },
    ]);
    assert_eq!(database.remove_orphaned_ephemerals(), 0);
    database.sessions.clear();
    assert_eq!(database.remove_orphaned_ephemerals(), 1);
    let parent = database.tree.node("/p").unwrap().persisted();
    assert_eq!(parent.pzxid, 3);
    assert_eq!(database.tree.ephemerals_of(SessionId(1)).count(), 0);
}

#[test]
fn quota_usage_follows() {
    let numbers = |count, bytes| QuotaNumbers {
        count,
        bytes,
        count_hard: -1,
        bytes_hard: -1,
    };
    let mut database = apply_all([
        create("/q", b"12345"),
        create("/zookeeper/quota/q", b""),
        create(
            "/zookeeper/quota/q/zookeeper_limits",
            b"count=9,bytes=-1=;byteHardLimit=20",
        ),
        create("/zookeeper/quota/q/zookeeper_stats", b"ignored"),
        create("/q/a", b"123"),
        create("/qq", b"123"),
        set("/q", b"1", 1),
    ]);
    let stats = "/zookeeper/quota/q/zookeeper_stats";
    let text = |database: &Database| {
        let node = database.tree.node(stats).unwrap();
        String::from_utf8(node.data().unwrap().to_vec()).unwrap()
    };
    assert_eq!(text(&database), "count=2,bytes=4");
    let stat = database.tree.node(stats).unwrap().stat();
    assert_eq!((stat.version, stat.mzxid), (0, 4));
    let quota = database.tree.quota_for("/q/a/b").unwrap();
    let limits = QuotaNumbers {
        bytes_hard: 20,
        ..numbers(9, -1)
    };
    assert_eq!(
        (&*quota.at, quota.limits, quota.usage),
        ("/q", limits, numbers(2, 4))
    );
    assert_eq!(database.tree.quota_for("/qq"), None);

    let reloaded = load(&snapshot(&database, 100), Zxid(7)).database;
    assert_eq!(reloaded.tree.quota_for("/q"), database.tree.quota_for("/q"));

    let mut zxid = 7;
    let mut apply = |database: &mut Database, txn| {
        zxid += 1;
        database.apply(&record(zxid, txn), &mut Vec::new());
    };
    apply(&mut database, set(stats, b"garbage", 1));
    apply(&mut database, delete("/q/a"));
    assert_eq!(text(&database), "count=-1,bytes=-3");
    apply(&mut database, delete("/zookeeper/quota/q/zookeeper_limits"));
    assert_eq!(database.tree.quota_for("/q"), None);
    apply(&mut database, create("/q/b", b""));
    assert_eq!(text(&database), "count=-1,bytes=-3");
    // A quota on the root is a node like any other.
    apply(
        &mut database,
        create("/zookeeper/quota/zookeeper_limits", b"count=1"),
    );
    assert_eq!(database.tree.quota_for("/q"), None);
}

#[test]
fn loading_refuses_what_is_no_tree() {
    let options = TreeOptions::default();
    let stat = jute::data::StatPersisted::default();
    let mut loader = crate::tree::DatabaseLoader::new(options);
    loader.node("", None, -1, &stat).unwrap();
    assert_eq!(
        loader.node("/a/b", None, -1, &stat),
        Err(LoadError::NoParent("/a/b".into()))
    );
    let loader = crate::tree::DatabaseLoader::new(options);
    assert_eq!(loader.finish(Zxid(0)).unwrap_err(), LoadError::NoRoot);
}

#[test]
fn a_list_missing_from_the_snapshot_lets_nobody_until_replay() {
    let options = TreeOptions::default();
    let stat = jute::data::StatPersisted::default();
    let mut loader = crate::tree::DatabaseLoader::new(options);
    loader.acl(3, AclList::from([Acl::anyone(31)]));
    loader.node("", Some(b""), -1, &stat).unwrap();
    loader.node("/a", None, 7, &stat).unwrap();
    let mut loaded = loader.finish(Zxid(1)).unwrap();
    assert_eq!(loaded.missing_acls, [7]);
    let acl = loaded.database.tree.node("/a").unwrap().acl();
    assert_eq!(acl, Some(&AclList::from([Acl::anyone(0)])));
    assert_eq!(loaded.database.tree.acl_count(), 0);
    let set_acl = Txn::SetAcl {
        path: "/a".into(),
        acl: Some(AclList::from([Acl::anyone(31)])),
        version: 1,
    };
    loaded.database.apply(&record(2, set_acl), &mut Vec::new());
    let acl = loaded.database.tree.node("/a").unwrap().acl();
    assert_eq!(acl, Some(&AclList::from([Acl::anyone(31)])));
}
