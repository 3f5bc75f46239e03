//! The end of a session, whether the client asked for it or it expired.

use crate::base::{limits, path};
use crate::prep::step::Step;
use crate::proto::Txn;

impl Step<'_> {
    /// Takes the session's ephemerals away, those committed and those in flight, in the order of
    /// their paths. There is no check: this is the last request of the session.
    pub(super) fn close_session(&mut self) -> Txn {
        let paths = self.overlay.ephemerals_of(self.tree, self.caller.session);
        for path in &paths {
            let node = self.node(path).expect("a session's ephemerals are nodes");
            let parent_path = path::parent(path).expect("the root is no ephemeral");
            let parent = self.node(parent_path).expect("every node has its parent");
            self.remove(path, &node, parent_path, parent);
        }
        let bytes_max = self.room.min(limits::CLOSED_PATH_BYTES);
        let mut bytes = 0;
        let listed = paths.into_iter().take_while(|path| {
            bytes += PATH_HEAD_BYTES + path.len();
            bytes <= bytes_max
        });
        let lists = self.options.close_session_txn;
        Txn::CloseSession {
            paths: lists.then(|| listed.collect()),
        }
    }
}

/// The length of a path.
const PATH_HEAD_BYTES: usize = 4;
