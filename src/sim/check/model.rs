//! What the tree is after each committed transaction, worked out anew from the transactions, and the
//! events that each fires.
//!
//! It knows just enough of ZooKeeper for what the workload does, is written without the tree's code,
//! and keeps every version of every node, so that any reply can be held against the state it speaks
//! of.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;

use crate::base::{SessionId, Zxid, path};
use crate::proto::txn::{CreateKind, CreateTxn, SetDataTxn};
use crate::proto::{EventType, SubTxn, Txn};
use crate::sim::asked::Facts;
use crate::sim::check::{Verdict, Violation};
use crate::sim::facts::Entry;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Model {
    nodes: BTreeMap<Box<str>, Vec<(Zxid, Option<Node>)>>,
    sessions: BTreeMap<SessionId, SessionLife>,
    ephemerals: BTreeMap<SessionId, BTreeSet<Box<str>>>,
    events: BTreeMap<Zxid, Vec<Event>>,
    last: Zxid,
}

/// A node at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) data: Bytes,
    pub(super) facts: Facts,
    /// How many children were ever created.
    pub(super) created: i32,
}

/// Something watches tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) event_type: EventType,
    pub(super) path: Box<str>,
}

#[derive(Debug, Clone, Copy)]
struct SessionLife {
    opened: Zxid,
    closed: Option<Zxid>,
}

impl Model {
    /// Applies the next committed transaction.
    pub(super) fn apply(&mut self, entry: &Entry) -> Verdict {
        let zxid = entry.zxid;
        assert!(zxid > self.last, "the committed line goes up");
        self.last = zxid;
        let session = entry.txn.session;
        match &entry.txn.txn {
            Txn::CreateSession { .. } => self.open(session, zxid),
            Txn::CloseSession { paths } => self.close(session, paths.as_deref(), zxid),
            Txn::Error { .. } => Ok(()),
            Txn::Create(create) => self.create(create, session, zxid),
            Txn::Delete { path } | Txn::DeleteContainer { path } => self.delete(path, zxid),
            Txn::SetData(set) => self.set(set, zxid),
            Txn::Multi(parts) => self.multi(parts, session, zxid),
            // It changes a node that no client here looks at.
            Txn::Reconfig(_) => Ok(()),
            Txn::SetAcl { .. } => Err(violation(zxid, "the workload asks for no such thing")),
        }
    }

    /// The last transaction.
    pub(super) fn last(&self) -> Zxid {
        self.last
    }

    /// A node as it was after `zxid`.
    pub(super) fn node(&self, path: &str, zxid: Zxid) -> Option<&Node> {
        let versions = self.nodes.get(path)?;
        let count = versions.partition_point(|(at, _)| *at <= zxid);
        versions.get(count.checked_sub(1)?)?.1.as_ref()
    }

    /// The names of a node's children after `zxid`, in order; `None` if it was not there.
    pub(super) fn children(&self, parent: &str, zxid: Zxid) -> Option<Vec<Box<str>>> {
        if parent != "/" {
            self.node(parent, zxid)?;
        }
        let prefix = if parent == "/" {
            "/"
        } else {
            &format!("{parent}/")
        };
        let mut names = Vec::new();
        let from = (Bound::Included(prefix), Bound::Unbounded);
        for (node_path, _) in self.nodes.range::<str, _>(from) {
            let Some(name) = node_path.strip_prefix(prefix) else {
                break;
            };
            let is_child = !name.is_empty() && !name.contains('/');
            if is_child && self.node(node_path, zxid).is_some() {
                names.push(name.into());
            }
        }
        Some(names)
    }

    /// All nodes as they are now, by path.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().filter_map(|(path, versions)| {
            let node = versions.last()?.1.as_ref()?;
            Some((&**path, node))
        })
    }

    /// What fired behind `after` up to `upto`.
    pub(super) fn events(&self, after: Zxid, upto: Zxid) -> impl Iterator<Item = (Zxid, &Event)> {
        let range = self.events.range(after.next()..=upto.max(after.next()));
        range
            .filter(move |(zxid, _)| **zxid <= upto)
            .flat_map(|(zxid, events)| events.iter().map(|event| (*zxid, event)))
    }

    /// Whether the session is open now.
    pub(super) fn is_open(&self, session: SessionId) -> bool {
        let life = self.sessions.get(&session);
        life.is_some_and(|life| life.closed.is_none())
    }

    /// Whether a transaction has opened the session.
    pub(super) fn is_known(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    pub(super) fn open_sessions(&self) -> impl Iterator<Item = SessionId> {
        let open = self
            .sessions
            .iter()
            .filter(|(_, life)| life.closed.is_none());
        open.map(|(session, _)| *session)
    }

    fn open(&mut self, session: SessionId, zxid: Zxid) -> Verdict {
        let life = SessionLife {
            opened: zxid,
            closed: None,
        };
        match self.sessions.insert(session, life) {
            None => Ok(()),
            Some(SessionLife { opened, .. }) => {
                let text = format!("{session} is opened again, it was at {opened}");
                Err(violation(zxid, &text))
            }
        }
    }

    fn close(&mut self, session: SessionId, listed: Option<&[Box<str>]>, zxid: Zxid) -> Verdict {
        let Some(life) = self.sessions.get_mut(&session) else {
            return Err(violation(zxid, &format!("{session} ends and never was")));
        };
        life.closed.get_or_insert(zxid);
        let owned = self.ephemerals.remove(&session).unwrap_or_default();
        let listed: BTreeSet<Box<str>> = listed.unwrap_or_default().iter().cloned().collect();
        if listed != owned {
            let text = format!("{session} ends with {listed:?} and owns {owned:?}");
            return Err(violation(zxid, &text));
        }
        owned.iter().try_for_each(|path| self.delete(path, zxid))
    }

    fn multi(&mut self, parts: &[SubTxn], session: SessionId, zxid: Zxid) -> Verdict {
        if parts
            .iter()
            .any(|part| matches!(part, SubTxn::Error { .. }))
        {
            return Ok(());
        }
        parts.iter().try_for_each(|part| match part {
            SubTxn::Create(create) => self.create(create, session, zxid),
            SubTxn::Delete { path } | SubTxn::DeleteContainer { path } => self.delete(path, zxid),
            SubTxn::SetData(set) => self.set(set, zxid),
            SubTxn::Check { path, version } => match self.node(path, zxid) {
                // As Apache does, the transaction names the version after the one that was asked.
                Some(node) if node.facts.version + 1 == *version => Ok(()),
                node => {
                    let text = format!("the check of {path} gave {version}: {node:?}");
                    Err(violation(zxid, &text))
                }
            },
            SubTxn::Error { .. } => Ok(()),
        })
    }

    fn create(&mut self, create: &CreateTxn, session: SessionId, zxid: Zxid) -> Verdict {
        let node_path = &*create.path;
        if self.node(node_path, zxid).is_some() {
            return Err(violation(zxid, &format!("{node_path} is created again")));
        }
        let is_ephemeral = matches!(
            create.kind,
            CreateKind::Plain {
                ephemeral: true,
                ..
            }
        );
        if is_ephemeral && !self.is_open(session) {
            let text = format!("{node_path} is made for {session}, which is not open");
            return Err(violation(zxid, &text));
        }
        self.touch_parent(node_path, 1, zxid)?;
        let facts = Facts {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            version: 0,
            owner: if is_ephemeral {
                session
            } else {
                SessionId::NONE
            },
        };
        let node = Node {
            data: create.data.clone().unwrap_or_default(),
            facts,
            created: 0,
        };
        self.put(node_path, zxid, Some(node));
        if is_ephemeral {
            let owned = self.ephemerals.entry(session).or_default();
            owned.insert(node_path.into());
        }
        self.fire(zxid, EventType::NodeCreated, node_path);
        self.fire(zxid, EventType::NodeChildrenChanged, parent_of(node_path));
        Ok(())
    }

    fn delete(&mut self, node_path: &str, zxid: Zxid) -> Verdict {
        let Some(owner) = self.node(node_path, zxid).map(|node| node.facts.owner) else {
            let text = format!("{node_path} is deleted and is not there");
            return Err(violation(zxid, &text));
        };
        if let Some(owned) = self.ephemerals.get_mut(&owner) {
            owned.remove(node_path);
        }
        if self
            .children(node_path, zxid)
            .is_some_and(|names| !names.is_empty())
        {
            let text = format!("{node_path} is deleted and has children");
            return Err(violation(zxid, &text));
        }
        self.put(node_path, zxid, None);
        self.touch_parent(node_path, 0, zxid)?;
        self.fire(zxid, EventType::NodeDeleted, node_path);
        self.fire(zxid, EventType::NodeChildrenChanged, parent_of(node_path));
        Ok(())
    }

    fn set(&mut self, set: &SetDataTxn, zxid: Zxid) -> Verdict {
        let Some(node) = self.node(&set.path, zxid).cloned() else {
            let text = format!("{} is set and is not there", set.path);
            return Err(violation(zxid, &text));
        };
        if set.version != node.facts.version + 1 {
            let text = format!(
                "{} goes from version {} to {}",
                set.path, node.facts.version, set.version
            );
            return Err(violation(zxid, &text));
        }
        let facts = Facts {
            mzxid: zxid,
            version: set.version,
            ..node.facts
        };
        let data = set.data.clone().unwrap_or_default();
        self.put(
            &set.path,
            zxid,
            Some(Node {
                data,
                facts,
                ..node
            }),
        );
        self.fire(zxid, EventType::NodeDataChanged, &set.path);
        Ok(())
    }

    fn touch_parent(&mut self, node_path: &str, created: i32, zxid: Zxid) -> Verdict {
        let parent_path = parent_of(node_path);
        // The root and the system's nodes were never created, and nobody reads their stat.
        if parent_path == "/" || path::is_at_or_below(parent_path, path::ZOOKEEPER) {
            return Ok(());
        }
        let Some(mut parent) = self.node(parent_path, zxid).cloned() else {
            return Err(violation(zxid, &format!("{node_path} has no parent")));
        };
        parent.facts.pzxid = zxid;
        parent.created += created;
        self.put(parent_path, zxid, Some(parent));
        Ok(())
    }

    fn put(&mut self, node_path: &str, zxid: Zxid, node: Option<Node>) {
        let versions = self.nodes.entry(node_path.into()).or_default();
        match versions.last_mut() {
            Some((at, last)) if *at == zxid => *last = node,
            _ => versions.push((zxid, node)),
        }
    }

    fn fire(&mut self, zxid: Zxid, event_type: EventType, node_path: &str) {
        self.events.entry(zxid).or_default().push(Event {
            event_type,
            path: node_path.into(),
        });
    }
}

fn parent_of(node_path: &str) -> &str {
    match path::parent(node_path) {
        None | Some("") => "/",
        Some(parent) => parent,
    }
}

fn violation(zxid: Zxid, text: &str) -> Violation {
    Violation {
        checker: "model",
        text: format!("at {zxid}: {text}"),
    }
}
