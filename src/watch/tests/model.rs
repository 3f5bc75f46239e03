//! Random operations against the rules written down as plainly as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::{collection, proptest};

use crate::base::{ConnId, path};
use crate::proto::{EventType, NodeEvent};
use crate::watch::{Registry, WatchKind, WatchMode, WatchTable};

#[derive(Debug, Clone)]
enum Operation {
    Add(ConnId, &'static str, bool, u8),
    Check(ConnId, &'static str, i32),
    Remove(ConnId, &'static str, i32),
    Close(ConnId),
    Trigger(&'static str, u8),
}

const PATHS: [&str; 7] = ["/", "/a", "/a/b", "/a/b/c", "/a/c", "/b", "/ab"];

fn operation() -> impl Strategy<Value = Operation> {
    let conn = || (0_u64..4).prop_map(ConnId);
    let path = || (0..PATHS.len()).prop_map(|position| PATHS[position]);
    prop_oneof![
        4 => (conn(), path(), any::<bool>(), 0_u8..3)
            .prop_map(|(conn, path, is_child, mode)| Operation::Add(conn, path, is_child, mode)),
        1 => (conn(), path(), 1..6).prop_map(|(conn, path, kind)| Operation::Check(conn, path, kind)),
        1 => (conn(), path(), 1..6).prop_map(|(conn, path, kind)| Operation::Remove(conn, path, kind)),
        1 => conn().prop_map(Operation::Close),
        4 => (path(), 0_u8..4).prop_map(|(path, event)| Operation::Trigger(path, event)),
    ]
}

/// Registry (child or not), path and connection; the modes are numbers.
type Key = (bool, &'static str, ConnId);

#[derive(Debug, Default)]
struct Model(BTreeMap<Key, BTreeSet<u8>>);

impl Model {
    fn add(&mut self, key: Key, mode: u8) {
        self.0.entry(key).or_default().insert(mode);
    }

    fn find(&self, conn: ConnId, path: &'static str, kind: i32) -> bool {
        let has = |is_child, mode: Option<u8>| {
            let modes = self.0.get(&(is_child, path, conn));
            modes.is_some_and(|modes| mode.is_none_or(|mode| modes.contains(&mode)))
        };
        match kind {
            1 => has(true, Some(0)),
            2 => has(false, Some(0)),
            3 => has(true, None) || has(false, None),
            4 => has(false, Some(1)),
            _ => has(false, Some(2)),
        }
    }

    fn remove(&mut self, conn: ConnId, path: &'static str, kind: i32) -> bool {
        let mut found = false;
        let mut take = |is_child, modes: &[u8]| {
            if let Some(there) = self.0.get_mut(&(is_child, path, conn)) {
                for mode in modes {
                    found |= there.remove(mode);
                }
            }
        };
        match kind {
            1 => take(true, &[0]),
            2 => take(false, &[0]),
            3 => {
                take(true, &[0, 1, 2]);
                take(false, &[0, 1, 2]);
            }
            4 => {
                take(true, &[1]);
                take(false, &[1]);
            }
            _ => take(false, &[2]),
        }
        self.0.retain(|_, modes| !modes.is_empty());
        found
    }

    fn trigger(&mut self, is_child: bool, changed: &str) -> BTreeSet<ConnId> {
        let mut told = BTreeSet::new();
        for ((in_child, path, conn), modes) in &mut self.0 {
            let covers = modes.contains(&2) && path::is_at_or_below(changed, path);
            if *in_child == is_child && (*path == changed || covers) {
                told.insert(*conn);
            }
            if *in_child == is_child && *path == changed {
                modes.remove(&0);
            }
        }
        self.0.retain(|_, modes| !modes.is_empty());
        told
    }
}

fn step(table: &mut WatchTable, model: &mut Model, operation: Operation) {
    match operation {
        Operation::Add(conn, path, is_child, mode) => {
            let is_child = is_child && mode != 2;
            let registry = if is_child {
                Registry::Child
            } else {
                Registry::Data
            };
            let modes = [
                WatchMode::Standard,
                WatchMode::Persistent,
                WatchMode::Recursive,
            ];
            model.add((is_child, path, conn), mode);
            let added = table.add(path, conn, registry, modes[usize::from(mode)]);
            assert_eq!(added, Ok(()));
        }
        Operation::Check(conn, path, number) => {
            let kind = WatchKind::from_number(number).unwrap();
            assert_eq!(
                table.check(path, conn, kind),
                model.find(conn, path, number)
            );
        }
        Operation::Remove(conn, path, number) => {
            let kind = WatchKind::from_number(number).unwrap();
            assert_eq!(
                table.remove(path, conn, kind),
                model.remove(conn, path, number)
            );
        }
        Operation::Close(conn) => {
            table.remove_conn(conn);
            model.0.retain(|(_, _, of), _| *of != conn);
        }
        Operation::Trigger(path, event) => trigger(table, model, path, event),
    }
    let count = |is_child| model.0.keys().filter(|key| key.0 == is_child).count();
    assert_eq!(table.data_watch_count(), count(false));
    assert_eq!(table.child_watch_count(), count(true));
}

fn trigger(table: &mut WatchTable, model: &mut Model, path: &'static str, event: u8) {
    let event_type = [
        EventType::NodeCreated,
        EventType::NodeDeleted,
        EventType::NodeDataChanged,
        EventType::NodeChildrenChanged,
    ][usize::from(event)];
    let mut expected = BTreeSet::new();
    if event_type != EventType::NodeChildrenChanged {
        expected.extend(model.trigger(false, path));
    }
    if matches!(event, 1 | 3) {
        expected.extend(model.trigger(true, path));
    }
    let event = NodeEvent {
        event_type,
        path: Arc::from(path),
        acl: None,
    };
    let mut told = Vec::new();
    table.trigger(&event, &mut told);
    assert_eq!(told.len(), expected.len(), "each connection is told once");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), expected);
}

proptest! {
    #[test]
    fn the_table_is_the_rules(operations in collection::vec(operation(), 0..200)) {
        let mut table = WatchTable::default();
        let mut model = Model::default();
        for operation in operations {
            step(&mut table, &mut model, operation);
        }
        for conn in 0..4 {
            table.remove_conn(ConnId(conn));
        }
        assert_eq!((table.data_watch_count(), table.child_watch_count()), (0, 0));
        assert!(table.by_path().is_empty() && table.by_connection().is_empty());
    }
}
