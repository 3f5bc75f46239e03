//! What happens to a node, as watches tell it.

use std::sync::Arc;

use crate::base::AclList;

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    NodeCreated,
    NodeDeleted,
    NodeDataChanged,
    NodeChildrenChanged,
}

impl EventType {
    /// The number in a watcher event.
    pub fn number(self) -> i32 {
        match self {
            Self::NodeCreated => 1,
            Self::NodeDeleted => 2,
            Self::NodeDataChanged => 3,
            Self::NodeChildrenChanged => 4,
        }
    }
}

/// `KeeperState.SyncConnected`, the only state a server ever sends.
pub const SYNC_CONNECTED: i32 = 3;

/// One trigger of an applied transaction, in the order in which they fire.
///
/// A deletion is a single `NodeDeleted` here: it triggers the data watches and then the child
/// watches of its path, each connection once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEvent {
    pub event_type: EventType,
    /// The node that changed; of `NodeChildrenChanged` the parent, `/` for the root.
    pub path: Arc<str>,
    /// The list that decides who may see the event: of the node itself (as it was before a
    /// deletion), of the parent for `NodeChildrenChanged`. `None` is open to all.
    pub acl: Option<AclList>,
}
