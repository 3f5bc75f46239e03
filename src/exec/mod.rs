//! Reads: one request in, its reply frame out, straight from the shared state.
//!
//! [`read`] answers every operation of class [`Read`](crate::proto::OpClass::Read) on the task of
//! its connection, under the shared lock. The order of checks and the bytes are those of
//! `FinalRequestProcessor`. Watches are added while the lock is held, so that no change falls
//! between what was read and what is watched.
//!
//! Nothing is allocated on the way of `exists`, `getData` and `getChildren`: paths borrow from the
//! request, values are copied from the node into the output buffer. Whether the session lives and
//! whether the connection had to authenticate first is decided before this.

mod multi_read;
mod nodes;
mod session;
#[cfg(test)]
mod tests;
mod watches;

use bytes::BytesMut;
use parking_lot::Mutex;

use jute::{Decode, Ustring};

use crate::auth::Policy;
use crate::base::{AclList, ConnId, Identity, SessionId, Xid, perms};
use crate::proto::{ErrorCode, Op, reply};
use crate::tree::{Database, Node};
use crate::watch::WatchTable;

/// Who reads, and what there is to read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    pub db: &'a Database,
    /// Guards the watches of all connections; taken last, and only to add, check or remove.
    pub watches: &'a Mutex<WatchTable>,
    pub policy: &'a Policy,
    /// Who the connection was when the request was read from its socket.
    pub ids: &'a [Identity],
    pub conn: ConnId,
    pub session: SessionId,
}

/// Appends the reply to a request of class [`Read`](crate::proto::OpClass::Read); for `setWatches`
/// the events that catch up come before it.
pub fn read(reader: &Reader<'_>, op: Op, xid: Xid, body: &[u8], out: &mut BytesMut) {
    let result = match op {
        Op::Exists => reader.exists(xid, body, out),
        Op::GetData => reader.data(xid, body, out),
        Op::GetChildren => reader.children(xid, body, out),
        Op::GetChildren2 => reader.children_and_stat(xid, body, out),
        Op::GetAcl => reader.acl(xid, body, out),
        Op::GetAllChildrenNumber => reader.descendants_count(xid, body, out),
        Op::GetEphemerals => reader.ephemerals(xid, body, out),
        Op::WhoAmI => reader.who_am_i(xid, out),
        Op::AddWatch => reader.add_watch(xid, body, out),
        Op::CheckWatches => reader.check_watches(xid, body, out),
        Op::RemoveWatches => reader.remove_watches(xid, body, out),
        Op::SetWatches => reader.set_watches(xid, body, out),
        Op::SetWatches2 => reader.set_watches2(xid, body, out),
        Op::MultiRead => reader.multi_read(xid, body, out),
        _ => Err(ErrorCode::Unimplemented),
    };
    if let Err(code) = result {
        reply::encode_header_frame(xid, reader.db.last_zxid(), code.number(), out);
    }
}

/// Either the reply is in the output, or the code to put there is given.
type ReadResult = Result<(), ErrorCode>;

impl<'a> Reader<'a> {
    /// The node at `path`, if the connection may read it.
    fn readable(&self, path: &str) -> Result<Node<'a>, ErrorCode> {
        let node = self.db.tree.node(path).ok_or(ErrorCode::NoNode)?;
        self.demand(node, perms::READ)?;
        Ok(node)
    }

    /// Refuses unless the connection has any of the permissions in `wanted`.
    fn demand(&self, node: Node<'_>, wanted: i32) -> ReadResult {
        let acl = node.acl().map(AclList::as_ref);
        if !self.policy.permits(self.ids, acl, wanted) {
            return Err(ErrorCode::NoAuth);
        }
        Ok(())
    }
}

fn decode<'a, T: Decode<'a>>(body: &'a [u8]) -> Result<T, ErrorCode> {
    T::from_slice(body).map_err(|_| ErrorCode::MarshallingError)
}

/// Reads demand a path that is not null; what it says is not checked, it is only looked up.
fn required<'p>(path: &'p Ustring<'_>) -> Result<&'p str, ErrorCode> {
    path.as_deref().ok_or(ErrorCode::MarshallingError)
}
