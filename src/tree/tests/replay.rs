//! Snapshots taken while transactions go on, mended by replay: the same state as the one that
//! lived through it, and no digest that does not match.

use std::collections::BTreeMap;

use jute::data::StatPersisted;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::{collection, prop_assert_eq, proptest};

use crate::base::{Acl, AclList, SessionId, Zxid};
use crate::proto::txn::{CreateKind, CreateTxn, SetDataTxn};
use crate::proto::{SubTxn, Txn, TxnRecord};
use crate::tree::tests::{create_txn, load, record, snapshot};
use crate::tree::{Database, Owner, SnapshotCursor, TreeOptions};

const PATHS: [&str; 9] = [
    "/a", "/a/b", "/a/b/c", "/a/c", "/b", "/b/a", "/b/b", "/b/b/a", "/c",
];

/// What a client may wish for; whether it is allowed is up to [`History::admit`].
#[derive(Debug, Clone)]
enum Wish {
    Create(&'static str, CreateKind, i32),
    Delete(&'static str),
    Set(&'static str, u8),
    SetAcl(&'static str, i32),
    /// Delete and create again with one zxid.
    Renew(&'static str),
    Open,
    Close,
}

fn wish() -> impl Strategy<Value = (i64, Wish)> {
    let path = || (0..PATHS.len()).prop_map(|position| PATHS[position]);
    let kind = || {
        prop_oneof![
            2 => any::<bool>().prop_map(|op_is_create2| CreateKind::Plain {
                op_is_create2,
                ephemeral: false,
            }),
            2 => any::<bool>().prop_map(|op_is_create2| CreateKind::Plain {
                op_is_create2,
                ephemeral: true,
            }),
            1 => proptest::prelude::Just(CreateKind::Container),
        ]
    };
    let wish = prop_oneof![
        6 => (path(), kind(), 1..4).prop_map(|(path, kind, perms)| Wish::Create(path, kind, perms)),
        4 => path().prop_map(Wish::Delete),
        2 => (path(), any::<u8>()).prop_map(|(path, byte)| Wish::Set(path, byte)),
        2 => (path(), 1..6).prop_map(|(path, perms)| Wish::SetAcl(path, perms)),
        1 => path().prop_map(Wish::Renew),
        1 => proptest::prelude::Just(Wish::Open),
        1 => proptest::prelude::Just(Wish::Close),
    ];
    (1_i64..4, wish)
}

/// A server's life: its state and all it was told.
struct History {
    live: Database,
    records: Vec<TxnRecord>,
}

impl History {
    fn new() -> Self {
        Self {
            live: Database::new(TreeOptions::default()),
            records: Vec::new(),
        }
    }

    /// Makes a wish come true if the rules for clients allow it.
    fn grant(&mut self, session: SessionId, wish: &Wish) {
        let Some(txn) = self.admit(session, wish) else {
            return;
        };
        let zxid = self.live.last_zxid().next();
        let mut record = TxnRecord {
            session,
            ..record(zxid.0, txn)
        };
        self.live.apply(&record, &mut Vec::new());
        record.digest = Some(self.live.tree.digest());
        self.records.push(record);
    }

    fn admit(&self, session: SessionId, wish: &Wish) -> Option<Txn> {
        let tree = &self.live.tree;
        let is_open = self.live.sessions.contains_key(&session);
        Some(match wish {
            Wish::Create(path, kind, perms) => {
                if tree.node(path).is_some() {
                    return None;
                }
                if matches!(
                    kind,
                    CreateKind::Plain {
                        ephemeral: true,
                        ..
                    }
                ) && !is_open
                {
                    return None;
                }
                Txn::Create(self.creation(path, *kind, *perms)?)
            }
            Wish::Delete(path) => {
                self.childless(path)?;
                Txn::Delete {
                    path: (*path).into(),
                }
            }
            Wish::Set(path, byte) => Txn::SetData(SetDataTxn {
                path: (*path).into(),
                data: Some(vec![*byte].into()),
                version: tree.node(path)?.stat().version + 1,
            }),
            Wish::SetAcl(path, perms) => Txn::SetAcl {
                path: (*path).into(),
                acl: Some(AclList::from([Acl::anyone(*perms)])),
                version: tree.node(path)?.stat().aversion + 1,
            },
            Wish::Renew(path) => {
                self.childless(path)?;
                let kind = CreateKind::Plain {
                    op_is_create2: false,
                    ephemeral: false,
                };
                let delete = SubTxn::Delete {
                    path: (*path).into(),
                };
                Txn::Multi(vec![delete, SubTxn::Create(self.creation(path, kind, 2)?)])
            }
            Wish::Open if !is_open => Txn::CreateSession { timeout_ms: 9 },
            Wish::Close if is_open => Txn::CloseSession {
                paths: Some(tree.ephemerals_of(session).collect()),
            },
            Wish::Open | Wish::Close => return None,
        })
    }

    fn creation(&self, path: &str, kind: CreateKind, perms: i32) -> Option<CreateTxn> {
        let parent = self.live.tree.node(crate::base::path::parent(path)?)?;
        if matches!(parent.owner(), Owner::Ephemeral(_)) {
            return None;
        }
        Some(CreateTxn {
            kind,
            acl: Some(AclList::from([Acl::anyone(perms)])),
            parent_cversion: parent.persisted().cversion + 1,
            ..create_txn(path, path.as_bytes())
        })
    }

    fn childless(&self, path: &str) -> Option<()> {
        (self.live.tree.node(path)?.child_count() == 0).then_some(())
    }
}

type NodeContents = (Option<Vec<u8>>, Option<AclList>, StatPersisted);

/// All of a state that clients and other servers can see.
#[derive(Debug, PartialEq, Eq)]
struct Contents {
    nodes: BTreeMap<Box<str>, NodeContents>,
    sessions: BTreeMap<SessionId, i32>,
    ephemerals: Vec<(SessionId, Vec<Box<str>>)>,
    digest: u64,
    last_zxid: Zxid,
}

fn contents(database: &Database) -> Contents {
    let tree = &database.tree;
    let mut nodes = BTreeMap::new();
    let mut paths = vec![Box::from("")];
    while let Some(path) = paths.pop() {
        let node = tree.node(&path).unwrap();
        paths.extend(node.children().map(|name| format!("{path}/{name}").into()));
        let data = node.data().map(<[u8]>::to_vec);
        nodes.insert(path, (data, node.acl().cloned(), node.persisted()));
    }
    assert_eq!(nodes.len(), tree.node_count());
    let paths_of = |session| {
        let mut paths: Vec<_> = tree.ephemerals_of(session).collect();
        paths.sort_unstable();
        (session, paths)
    };
    Contents {
        nodes,
        sessions: database.sessions.clone(),
        ephemerals: tree.sessions_with_ephemerals().map(paths_of).collect(),
        digest: tree.digest(),
        last_zxid: database.last_zxid(),
    }
}

/// Replays what comes after the state's zxid. Every digest that is compared must match.
fn replay(database: &mut Database, records: &[TxnRecord]) {
    let start = database.last_zxid();
    for record in records.iter().filter(|record| record.zxid > start) {
        let applied = database.apply(record, &mut Vec::new());
        assert_eq!(applied.digest_mismatch, None);
    }
}

proptest! {
    /// The snapshot is written one node at a time, with some transactions between.
    #[test]
    fn a_snapshot_taken_during_writes_and_the_log_give_the_state(
        before in collection::vec(wish(), 0..60),
        during in collection::vec(collection::vec(wish(), 0..8), 1..12),
        after in collection::vec(wish(), 0..20),
    ) {
        let mut history = History::new();
        for (session, wish) in &before {
            history.grant(SessionId(*session), wish);
        }
        let mut cursor = SnapshotCursor::new(&history.live);
        let mut bytes = Vec::new();
        let mut during = during.iter();
        while cursor.next_slice(&history.live, 1, &mut bytes) {
            for (session, wish) in during.next().into_iter().flatten() {
                history.grant(SessionId(*session), wish);
            }
        }
        let (end, digest) = (history.live.last_zxid(), history.live.tree.digest());
        for (session, wish) in &after {
            history.grant(SessionId(*session), wish);
        }
        let mut loaded = load(&bytes, cursor.zxid()).database;
        if end > cursor.zxid() {
            loaded.await_digest(end, digest);
        }
        replay(&mut loaded, &history.records);
        prop_assert_eq!(contents(&loaded), contents(&history.live));
        prop_assert_eq!(loaded.awaits_digest(), false);
    }

    /// A complete snapshot under the name of an earlier moment: all after that is applied twice.
    #[test]
    fn applying_twice_changes_nothing(
        first in collection::vec(wish(), 0..60),
        second in collection::vec(wish(), 0..60),
    ) {
        let mut history = History::new();
        for (session, wish) in &first {
            history.grant(SessionId(*session), wish);
        }
        let named = history.live.last_zxid();
        for (session, wish) in &second {
            history.grant(SessionId(*session), wish);
        }
        // Written for the later moment, so that it has every node there is then.
        let bytes = snapshot(&history.live, 1);
        let mut loaded = load(&bytes, named).database;
        if history.live.last_zxid() > named {
            loaded.await_digest(history.live.last_zxid(), history.live.tree.digest());
        }
        replay(&mut loaded, &history.records);
        prop_assert_eq!(contents(&loaded), contents(&history.live));
    }
}
