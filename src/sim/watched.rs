//! The watches that a client knows it has, as Apache's library keeps them to set them again on a new
//! connection.

use std::collections::BTreeSet;

use crate::proto::{ErrorCode, EventType};
use crate::sim::asked::{Asked, WatchSet};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watched {
    data: BTreeSet<Box<str>>,
    exists: BTreeSet<Box<str>>,
    children: BTreeSet<Box<str>>,
    persistent: BTreeSet<Box<str>>,
    recursive: BTreeSet<Box<str>>,
}

impl Watched {
    pub(super) fn learn(&mut self, asked: &Asked, err: i32) {
        let is_missing = err == ErrorCode::NoNode.number();
        match asked {
            Asked::GetData { path, watch: true } if err == 0 => {
                self.data.insert(path.clone());
            }
            Asked::Exists { path, watch: true } if err == 0 => {
                self.data.insert(path.clone());
            }
            Asked::Exists { path, watch: true } if is_missing => {
                self.exists.insert(path.clone());
            }
            Asked::Children { path, watch: true } if err == 0 => {
                self.children.insert(path.clone());
            }
            Asked::AddWatch { path, recursive } if err == 0 => {
                let watches = if *recursive {
                    &mut self.recursive
                } else {
                    &mut self.persistent
                };
                watches.insert(path.clone());
            }
            _ => {}
        }
    }

    /// What fires once has fired. As in Apache's library, an event that a lasting watch gets takes
    /// the others of its path along.
    pub(super) fn on_event(&mut self, event_type: i32, path: &str) {
        if event_type != EventType::NodeChildrenChanged.number() {
            self.data.remove(path);
            self.exists.remove(path);
        }
        let of_children = [EventType::NodeChildrenChanged, EventType::NodeDeleted];
        if of_children.iter().any(|kind| kind.number() == event_type) {
            self.children.remove(path);
        }
    }

    pub(super) fn as_set(&self) -> WatchSet {
        let list = |paths: &BTreeSet<Box<str>>| paths.iter().cloned().collect();
        WatchSet {
            data: list(&self.data),
            exists: list(&self.exists),
            children: list(&self.children),
            persistent: list(&self.persistent),
            recursive: list(&self.recursive),
        }
    }
}
