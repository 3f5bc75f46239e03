//! Watches: set, set again after a reconnect, checked, removed, fired.

use crate::record_macro::record;
use crate::{Ustring, Vector};

record! {
    /// Operation 101: what a client was watching when it lost its server.
    pub struct SetWatches<'a> {
        /// The last zxid the client has seen; newer changes fire at once.
        relative_zxid: i64,
        data_watches: Vector<Ustring<'a>>,
        exist_watches: Vector<Ustring<'a>>,
        child_watches: Vector<Ustring<'a>>,
    }
}

record! {
    /// Operation 105: the same with the lasting kinds.
    pub struct SetWatches2<'a> {
        relative_zxid: i64,
        data_watches: Vector<Ustring<'a>>,
        exist_watches: Vector<Ustring<'a>>,
        child_watches: Vector<Ustring<'a>>,
        persistent_watches: Vector<Ustring<'a>>,
        persistent_recursive_watches: Vector<Ustring<'a>>,
    }
}

record! {
    /// Operation 106.
    pub struct AddWatchRequest<'a> {
        path: Ustring<'a>,
        /// 0 persistent, 1 persistent and recursive.
        mode: i32,
    }
}

record! {
    /// Operation 17.
    pub struct CheckWatchesRequest<'a> {
        path: Ustring<'a>,
        /// 1 children, 2 data, 3 any, 4 persistent, 5 persistent recursive.
        watcher_type: i32,
    }
}

record! {
    /// Operation 18.
    pub struct RemoveWatchesRequest<'a> {
        path: Ustring<'a>,
        /// As in [`CheckWatchesRequest`].
        watcher_type: i32,
    }
}

record! {
    /// An event, behind a reply header with xid -1.
    pub struct WatcherEvent<'a> {
        /// 1 created, 2 deleted, 3 data changed, 4 children changed.
        event_type: i32,
        /// 3, connected.
        state: i32,
        path: Ustring<'a>,
    }
}
