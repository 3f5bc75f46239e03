//! Reads of one node: `exists`, `getData`, `getChildren`, `getChildren2`, `getACL`,
//! `getAllChildrenNumber`.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use jute::Encode;
use jute::data::Stat;
use jute::proto as wire;

use crate::base::{Acl, Xid, perms};
use crate::exec::{ReadResult, Reader, decode, required};
use crate::proto::{ErrorCode, reply};
use crate::tree::Node;
use crate::watch::{Registry, WatchMode};

impl Reader<'_> {
    /// The watch is set also when there is no node: it tells when there is one.
    pub(super) fn exists(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        let request: wire::ExistsRequest<'_> = decode(body)?;
        let path = required(&request.path)?;
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let node = self.db.tree.node(path);
        if let Some(node) = node {
            self.demand(node, perms::READ)?;
        }
        self.watch_once(request.watch, path, Registry::Data)?;
        let stat = node.ok_or(ErrorCode::NoNode)?.stat();
        let response = wire::ExistsResponse { stat };
        reply::encode_frame(xid, self.db.last_zxid(), &response, out);
        Ok(())
    }

    pub(super) fn data(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        let request: wire::GetDataRequest<'_> = decode(body)?;
        let path = required(&request.path)?;
        let node = self.readable(path)?;
        self.watch_once(request.watch, path, Registry::Data)?;
        let response = wire::GetDataResponse {
            data: node.data(),
            stat: node.stat(),
        };
        reply::encode_frame(xid, self.db.last_zxid(), &response, out);
        Ok(())
    }

    pub(super) fn children(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        let request: wire::GetChildrenRequest<'_> = decode(body)?;
        let path = required(&request.path)?;
        let node = self.readable(path)?;
        self.watch_once(request.watch, path, Registry::Child)?;
        let response = ChildrenResponse { node, stat: None };
        reply::encode_frame(xid, self.db.last_zxid(), &response, out);
        Ok(())
    }

    pub(super) fn children_and_stat(
        &self,
        xid: Xid,
        body: &[u8],
        out: &mut BytesMut,
    ) -> ReadResult {
        let request: wire::GetChildren2Request<'_> = decode(body)?;
        let path = required(&request.path)?;
        let node = self.readable(path)?;
        self.watch_once(request.watch, path, Registry::Child)?;
        let response = ChildrenResponse {
            node,
            stat: Some(node.stat()),
        };
        reply::encode_frame(xid, self.db.last_zxid(), &response, out);
        Ok(())
    }

    /// Those who may not change the list see no digests of others' passwords.
    pub(super) fn acl(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        let request: wire::GetAclRequest<'_> = decode(body)?;
        let path = required(&request.path)?;
        let node = self.db.tree.node(path).ok_or(ErrorCode::NoNode)?;
        self.demand(node, perms::READ | perms::ADMIN)?;
        let masks = self.demand(node, perms::ADMIN).is_err();
        let anyone = [Acl::anyone(perms::ALL)];
        let list = node.acl().map_or(&anyone[..], AsRef::as_ref);
        let shown = |entry| if masks { masked(entry) } else { entry };
        let response = wire::GetAclResponse {
            acl: Some(list.iter().map(Acl::as_record).map(shown).collect()),
            stat: node.stat(),
        };
        reply::encode_frame(xid, self.db.last_zxid(), &response, out);
        Ok(())
    }

    pub(super) fn descendants_count(
        &self,
        xid: Xid,
        body: &[u8],
        out: &mut BytesMut,
    ) -> ReadResult {
        let request: wire::GetAllChildrenNumberRequest<'_> = decode(body)?;
        let path = required(&request.path)?;
        self.readable(path)?;
        let below = self.db.tree.descendants_count(path);
        // As DataTree.getAllChildrenNumber: asked by its other name, the root counts as its child.
        let count = below.ok_or(ErrorCode::NoNode)? + usize::from(path.is_empty());
        let response = wire::GetAllChildrenNumberResponse {
            total_number: i32::try_from(count).unwrap_or(i32::MAX),
        };
        reply::encode_frame(xid, self.db.last_zxid(), &response, out);
        Ok(())
    }

    fn watch_once(&self, is_wanted: bool, path: &str, registry: Registry) -> ReadResult {
        if is_wanted {
            let mut watches = self.watches.lock();
            watches
                .add(path, self.conn, registry, WatchMode::Standard)
                .map_err(|_| ErrorCode::MarshallingError)?;
        }
        Ok(())
    }
}

/// Names of children, and the stat for `getChildren2`, encoded from the node as it is.
pub(super) struct ChildrenResponse<'a> {
    pub(super) node: Node<'a>,
    pub(super) stat: Option<Stat>,
}

impl Encode for ChildrenResponse<'_> {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_u32(u32::try_from(self.node.child_count()).expect("indexes of nodes are 32-bit"));
        for name in self.node.child_names() {
            Some(name).encode(out);
        }
        if let Some(stat) = &self.stat {
            stat.encode(out);
        }
    }

    fn encoded_len(&self) -> usize {
        let names = self.node.child_names().map(|name| 4 + name.len());
        let stat = self.stat.as_ref().map_or(0, Encode::encoded_len);
        4 + names.sum::<usize>() + stat
    }
}

/// The entry with what follows the first colon of a digest's id replaced.
fn masked(mut entry: jute::data::Acl<'_>) -> jute::data::Acl<'_> {
    if entry.id.scheme.as_deref() == Some("digest") {
        entry.id.id = entry.id.id.map(|id| masked_id(&id));
    }
    entry
}

fn masked_id<'m>(id: &str) -> Cow<'m, str> {
    let user = id.split_once(':').map(|(user, _)| format!("{user}:x"));
    Cow::Owned(user.unwrap_or_else(|| id.to_owned()))
}
