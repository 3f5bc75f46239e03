//! Random transactions, sensible or not, against the rules written down plainly over full paths.

use std::collections::{BTreeMap, BTreeSet};

use jute::data::StatPersisted;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection, proptest};

use crate::base::{Acl, AclList, SessionId, Zxid, path};
use crate::proto::txn::{CreateKind, CreateTxn, SetDataTxn};
use crate::proto::{SubTxn, Txn, TxnRecord};
use crate::tree::slab::NodeIndex;
use crate::tree::tests::{load, record, snapshot};
use crate::tree::{CONTAINER_OWNER, Database, TreeOptions, digest, ttl_owner};

const PATHS: [&str; 14] = [
    "/a",
    "/a/b",
    "/a/b/c",
    "/a/c",
    "/a/c/d",
    "/b",
    "/b/a",
    "/b/a/long-name-that-is-not-short",
    "/zookeeper/x",
    "/",
    "odd",
    "//",
    "//a",
    "/a/",
];

fn some_path() -> impl Strategy<Value = Box<str>> {
    (0..PATHS.len()).prop_map(|position| PATHS[position].into())
}

fn some_data() -> impl Strategy<Value = Option<bytes::Bytes>> {
    let bytes = collection::vec(any::<u8>(), 0..20);
    prop_oneof![Just(None), bytes.prop_map(|bytes| Some(bytes.into()))]
}

fn some_acl() -> impl Strategy<Value = Option<AclList>> {
    let list = |perms| AclList::from([Acl::anyone(perms)]);
    prop_oneof![Just(None), (0..4).prop_map(move |perms| Some(list(perms)))]
}

fn some_create() -> impl Strategy<Value = CreateTxn> {
    let kind = prop_oneof![
        3 => (any::<bool>(), any::<bool>()).prop_map(|(op_is_create2, ephemeral)| {
            CreateKind::Plain { op_is_create2, ephemeral }
        }),
        1 => Just(CreateKind::Container),
        1 => (1_i64..1000).prop_map(|ttl_ms| CreateKind::Ttl { ttl_ms }),
    ];
    let fields = (kind, some_path(), some_data(), some_acl(), -1..6);
    fields.prop_map(|(kind, path, data, acl, parent_cversion)| CreateTxn {
        kind,
        path,
        data,
        acl,
        parent_cversion,
    })
}

fn some_set() -> impl Strategy<Value = SetDataTxn> {
    (some_path(), some_data(), any::<i32>()).prop_map(|(path, data, version)| SetDataTxn {
        path,
        data,
        version,
    })
}

fn some_part() -> impl Strategy<Value = SubTxn> {
    prop_oneof![
        4 => some_create().prop_map(SubTxn::Create),
        3 => some_path().prop_map(|path| SubTxn::Delete { path }),
        3 => some_set().prop_map(SubTxn::SetData),
        1 => some_path().prop_map(|path| SubTxn::Check { path, version: 1 }),
        1 => Just(SubTxn::error(-101)),
    ]
}

fn some_txn() -> impl Strategy<Value = Txn> {
    let listed = collection::vec(some_path(), 0..4);
    prop_oneof![
        6 => some_create().prop_map(Txn::Create),
        4 => some_path().prop_map(|path| Txn::Delete { path }),
        1 => some_path().prop_map(|path| Txn::DeleteContainer { path }),
        3 => some_set().prop_map(Txn::SetData),
        2 => (some_path(), some_acl(), any::<i32>())
            .prop_map(|(path, acl, version)| Txn::SetAcl { path, acl, version }),
        2 => collection::vec(some_part(), 0..5).prop_map(Txn::Multi),
        1 => (1..100).prop_map(|timeout_ms| Txn::CreateSession { timeout_ms }),
        1 => Just(Txn::CloseSession { paths: None }),
        1 => listed.prop_map(|paths| Txn::CloseSession { paths: Some(paths) }),
        1 => Just(Txn::Error { code: -101 }),
    ]
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelNode {
    stat: StatPersisted,
    data: Option<Vec<u8>>,
    acl: Option<AclList>,
    /// How many nodes had been made before.
    turn: usize,
}

/// Nodes by full path, the root's empty.
#[derive(Debug)]
struct Model {
    nodes: BTreeMap<String, ModelNode>,
    sessions: BTreeMap<SessionId, i32>,
    made: usize,
}

impl Model {
    fn new() -> Self {
        let node = |turn| ModelNode {
            stat: StatPersisted::default(),
            data: Some(Vec::new()),
            acl: None,
            turn,
        };
        let paths = ["", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"];
        let made = paths.len();
        let nodes = paths.into_iter().zip(0..);
        let mut nodes: BTreeMap<_, _> = nodes
            .map(|(path, turn)| (path.to_owned(), node(turn)))
            .collect();
        let config = nodes.get_mut("/zookeeper/config").unwrap();
        config.stat.aversion = -1;
        config.acl = Some(AclList::from([Acl::anyone(1)]));
        Self {
            nodes,
            sessions: BTreeMap::new(),
            made,
        }
    }

    fn apply(&mut self, record: &TxnRecord) {
        let zxid = record.zxid;
        match &record.txn {
            Txn::CreateSession { timeout_ms } => {
                self.sessions.insert(record.session, *timeout_ms);
            }
            Txn::CloseSession { paths } => {
                self.sessions.remove(&record.session);
                for path in paths.iter().flatten() {
                    self.delete(path, zxid);
                }
                for path in self.owned_by(record.session.0) {
                    self.delete(&path, zxid);
                }
            }
            Txn::Error { .. } => {}
            Txn::Create(create) => self.create(create, record),
            Txn::Delete { path } | Txn::DeleteContainer { path } => self.delete(path, zxid),
            Txn::SetData(set) | Txn::Reconfig(set) => self.set(set, record),
            Txn::SetAcl { path, acl, version } => {
                if let Some(node) = self.node(path) {
                    node.acl.clone_from(acl);
                    node.stat.aversion = *version;
                }
            }
            Txn::Multi(parts) => {
                let has_failed = |part: &SubTxn| matches!(part, SubTxn::Error { .. });
                if !parts.iter().any(has_failed) {
                    for part in parts {
                        self.apply_part(part, record);
                    }
                }
            }
        }
    }

    fn apply_part(&mut self, part: &SubTxn, record: &TxnRecord) {
        match part {
            SubTxn::Create(create) => self.create(create, record),
            SubTxn::Delete { path } | SubTxn::DeleteContainer { path } => {
                self.delete(path, record.zxid);
            }
            SubTxn::SetData(set) => self.set(set, record),
            SubTxn::Check { .. } | SubTxn::Error { .. } => {}
        }
    }

    fn create(&mut self, create: &CreateTxn, record: &TxnRecord) {
        let parent_path = parent(&create.path).map(str::to_owned);
        let Some(parent) =
            parent_path.and_then(|path| self.nodes.get(&path).cloned().zip(Some(path)))
        else {
            return;
        };
        let (mut parent, parent_path) = parent;
        let cversion = match create.parent_cversion {
            -1 => parent.stat.cversion + 1,
            given => given,
        };
        if cversion > parent.stat.cversion {
            parent.stat.cversion = cversion;
            parent.stat.pzxid = record.zxid.0;
        }
        if let Some(existing) = self.node(&create.path) {
            existing.acl.clone_from(&create.acl);
            let is_plain_create = CreateKind::op(create.kind) == crate::proto::Op::Create;
            if is_plain_create {
                let stat = parent.stat;
                self.node(&parent_path).unwrap().stat.cversion = stat.cversion;
                self.node(&parent_path).unwrap().stat.pzxid = stat.pzxid;
            }
            return;
        }
        self.nodes.insert(parent_path, parent);
        let stat = StatPersisted {
            czxid: record.zxid.0,
            mzxid: record.zxid.0,
            pzxid: record.zxid.0,
            ctime: record.time.0,
            mtime: record.time.0,
            ephemeral_owner: match create.kind {
                CreateKind::Plain { ephemeral, .. } if ephemeral => record.session.0,
                CreateKind::Plain { .. } => 0,
                CreateKind::Container => CONTAINER_OWNER,
                CreateKind::Ttl { ttl_ms } => ttl_owner(ttl_ms),
            },
            ..StatPersisted::default()
        };
        let node = ModelNode {
            stat,
            data: create.data.as_deref().map(<[u8]>::to_vec),
            acl: create.acl.clone(),
            turn: self.made,
        };
        self.made += 1;
        self.nodes.insert(create.path.to_string(), node);
    }

    fn delete(&mut self, path: &str, zxid: Zxid) {
        let Some(parent) = parent(path).and_then(|parent| self.nodes.get_mut(parent)) else {
            return;
        };
        parent.stat.pzxid = parent.stat.pzxid.max(zxid.0);
        if path != "/" {
            let is_below = |below: &str| path::is_at_or_below(below, path);
            self.nodes.retain(|node, _| !is_below(node));
        }
    }

    fn set(&mut self, set: &SetDataTxn, record: &TxnRecord) {
        if let Some(node) = self.node(&set.path) {
            node.data = set.data.as_deref().map(<[u8]>::to_vec);
            node.stat.version = set.version;
            node.stat.mzxid = record.zxid.0;
            node.stat.mtime = record.time.0;
        }
    }

    fn node(&mut self, path: &str) -> Option<&mut ModelNode> {
        self.nodes.get_mut(if path == "/" { "" } else { path })
    }

    /// Names of the children, first made first.
    fn children(&self, of: &str) -> Vec<&str> {
        let nodes = self.nodes.iter().filter(|(path, _)| !path.is_empty());
        let mut children: Vec<_> = nodes
            .filter(|(path, _)| path::parent(path) == Some(of))
            .map(|(path, node)| (node.turn, path::name(path)))
            .collect();
        children.sort_unstable();
        children.into_iter().map(|(_, name)| name).collect()
    }

    fn owned_by(&self, owner: i64) -> Vec<String> {
        let nodes = self.nodes.iter();
        let owned = nodes.filter(|(_, node)| node.stat.ephemeral_owner == owner);
        owned.map(|(path, _)| path.clone()).collect()
    }
}

/// Paths that end in a slash name nothing, other than the root.
fn parent(path: &str) -> Option<&str> {
    path::parent(path).filter(|_| path == "/" || !path.ends_with('/'))
}

/// The order of a node's children.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    AsMade,
    AsInSnapshot,
}

/// Everything that is known of the nodes, by every way there is to it.
fn check(database: &Database, model: &Model, order: Order) {
    let tree = &database.tree;
    assert_eq!(database.sessions, model.sessions);
    assert_eq!(tree.node_count(), model.nodes.len());
    let mut digest_sum = 0_u64;
    let mut data_size = 1;
    for (path, expected) in &model.nodes {
        let node = tree
            .node(path)
            .unwrap_or_else(|| panic!("{path:?} is missing"));
        assert_eq!(node.data(), expected.data.as_deref(), "{path:?}");
        assert_eq!(node.persisted(), expected.stat, "{path:?}");
        assert_eq!(node.acl(), expected.acl.as_ref(), "{path:?}");
        assert_eq!(*node.path(), **path);
        let crc = digest::prefix_crc(path, node.data());
        assert_eq!(node.prefix_crc(), crc);
        if digest::counts(path) {
            digest_sum = digest_sum.wrapping_add(digest::node_digest(crc, &expected.stat));
        }
        data_size += path.len() + expected.data.as_ref().map_or(0, Vec::len);
        let mut children: Vec<_> = node.children().collect();
        let mut expected = model.children(path);
        if order == Order::AsInSnapshot {
            children.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!((&children, node.child_count()), (&expected, children.len()));
        let below = model.nodes.keys();
        let below = below.filter(|other| path::is_at_or_below(other, path) || path.is_empty());
        assert_eq!(tree.descendants_count(path), Some(below.count() - 1));
    }
    assert_eq!(tree.digest(), digest_sum);
    assert_eq!(tree.approximate_data_size(), data_size as u64);
    check_indexes(database, model);
}

fn check_indexes(database: &Database, model: &Model) {
    let tree = &database.tree;
    for path in PATHS {
        let in_model = model
            .nodes
            .contains_key(if path == "/" { "" } else { path });
        assert_eq!(tree.node(path).is_some(), in_model, "{path:?}");
    }
    let sessions = model.nodes.values().map(|node| node.stat.ephemeral_owner);
    let sessions: BTreeSet<_> = sessions.filter(|owner| *owner > 0).map(SessionId).collect();
    assert!(tree.sessions_with_ephemerals().eq(sessions.iter().copied()));
    let mut ephemerals = 0;
    for session in sessions {
        let paths: BTreeSet<String> = tree.ephemerals_of(session).map(String::from).collect();
        assert!(paths.iter().eq(&model.owned_by(session.0)));
        ephemerals += paths.len();
    }
    assert_eq!(tree.ephemerals_count(), ephemerals);
    let paths = |indexes: &BTreeSet<NodeIndex>| {
        let paths = indexes.iter().map(|index| tree.path_of(*index).into());
        paths.collect::<BTreeSet<String>>()
    };
    let containers = model.owned_by(CONTAINER_OWNER);
    assert_eq!(paths(&tree.containers), containers.into_iter().collect());
    let ttl = model.nodes.iter();
    let ttl = ttl.filter(|(_, node)| (CONTAINER_OWNER + 1..0).contains(&node.stat.ephemeral_owner));
    assert_eq!(
        paths(&tree.ttl_nodes),
        ttl.map(|(path, _)| path.clone()).collect()
    );
    let lists: BTreeSet<_> = model
        .nodes
        .values()
        .filter_map(|node| node.acl.as_ref())
        .collect();
    assert_eq!(tree.acl_count(), lists.len());
}

proptest! {
    #[test]
    fn the_tree_is_the_rules(
        txns in collection::vec((some_txn(), 1_i64..4), 0..60),
        backwards in 0_i64..3,
    ) {
        let options = TreeOptions { extended_types: true, ..TreeOptions::default() };
        let mut database = Database::new(options);
        let mut model = Model::new();
        let mut events = Vec::new();
        for (zxid, (txn, session)) in (1..).zip(txns) {
            // Replay meets zxids that fall back behind those the nodes have.
            let zxid = if zxid % 7 == 0 { zxid - backwards } else { zxid };
            let record = TxnRecord { session: SessionId(session), ..record(zxid, txn) };
            database.apply(&record, &mut events);
            model.apply(&record);
            check(&database, &model, Order::AsMade);
        }
        let loaded = load(&snapshot(&database, 50), database.last_zxid());
        assert!(loaded.missing_acls.is_empty());
        check(&loaded.database, &model, Order::AsInSnapshot);
    }
}
