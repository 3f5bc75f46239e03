//! Requests about watches themselves: set, set again after a reconnect, check, remove.

use std::borrow::Cow;

use bytes::BytesMut;

use jute::proto as wire;
use jute::{Ustring, Vector};

use crate::base::{Xid, Zxid};
use crate::exec::{ReadResult, Reader, decode, required};
use crate::proto::event::SYNC_CONNECTED;
use crate::proto::{ErrorCode, EventType, reply};
use crate::watch::{Registry, TooManyWatches, WatchKind, WatchMode, WatchTable};

/// A null path can be watched, to no effect. This stands for it in the table: no node has it.
const NULL_PATH: &str = "\0";

impl Reader<'_> {
    /// Any path can be watched, whether there is such a node or may be.
    pub(super) fn add_watch(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        let request: wire::AddWatchRequest<'_> = decode(body)?;
        let mode = match request.mode {
            0 => WatchMode::Persistent,
            1 => WatchMode::Recursive,
            _ => return Err(ErrorCode::MarshallingError),
        };
        let path = request.path.as_deref().unwrap_or(NULL_PATH);
        self.add_lasting(&mut self.watches.lock(), path, mode)?;
        let response = wire::ErrorResponse { err: 0 };
        reply::encode_frame(xid, self.db.last_zxid(), &response, out);
        Ok(())
    }

    pub(super) fn check_watches(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        let request: wire::CheckWatchesRequest<'_> = decode(body)?;
        let kind = kind(request.watcher_type)?;
        let path = request.path.as_deref().unwrap_or(NULL_PATH);
        let is_there = self.watches.lock().check(path, self.conn, kind);
        self.answer_found(is_there, xid, out)
    }

    pub(super) fn remove_watches(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        let request: wire::RemoveWatchesRequest<'_> = decode(body)?;
        let kind = kind(request.watcher_type)?;
        let path = request.path.as_deref().unwrap_or(NULL_PATH);
        let was_there = self.watches.lock().remove(path, self.conn, kind);
        self.answer_found(was_there, xid, out)
    }

    pub(super) fn set_watches(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        let wire::SetWatches {
            relative_zxid,
            data_watches,
            exist_watches,
            child_watches,
        } = decode(body)?;
        let request = wire::SetWatches2 {
            relative_zxid,
            data_watches,
            exist_watches,
            child_watches,
            persistent_watches: Some(Vec::new()),
            persistent_recursive_watches: Some(Vec::new()),
        };
        self.set_all(&request, out)?;
        reply::encode_header_frame(xid, self.db.last_zxid(), 0, out);
        Ok(())
    }

    pub(super) fn set_watches2(&self, xid: Xid, body: &[u8], out: &mut BytesMut) -> ReadResult {
        self.set_all(&decode(body)?, out)?;
        reply::encode_header_frame(xid, self.db.last_zxid(), 0, out);
        Ok(())
    }

    fn answer_found(&self, is_found: bool, xid: Xid, out: &mut BytesMut) -> ReadResult {
        if !is_found {
            return Err(ErrorCode::NoWatcher);
        }
        reply::encode_header_frame(xid, self.db.last_zxid(), 0, out);
        Ok(())
    }

    /// Works off the lists in order: what changed since the client last looked is told at once,
    /// the rest is watched. A null list ends it, with what was done before it done.
    fn set_all(&self, request: &wire::SetWatches2<'_>, out: &mut BytesMut) -> ReadResult {
        let seen = request.relative_zxid;
        let tree = &self.db.tree;
        let mut watches = self.watches.lock();
        for path in list(&request.data_watches)? {
            let path = required(path)?;
            match tree.node(path) {
                None => encode_catch_up(EventType::NodeDeleted, path, out),
                Some(node) if node.persisted().mzxid > seen => {
                    encode_catch_up(EventType::NodeDataChanged, path, out);
                }
                Some(_) => self.add_once(&mut watches, path, Registry::Data)?,
            }
        }
        for path in list(&request.exist_watches)? {
            let path = required(path)?;
            match tree.node(path) {
                Some(_) => encode_catch_up(EventType::NodeCreated, path, out),
                None => self.add_once(&mut watches, path, Registry::Data)?,
            }
        }
        for path in list(&request.child_watches)? {
            let path = required(path)?;
            match tree.node(path) {
                None => encode_catch_up(EventType::NodeDeleted, path, out),
                Some(node) if node.persisted().pzxid > seen => {
                    encode_catch_up(EventType::NodeChildrenChanged, path, out);
                }
                Some(_) => self.add_once(&mut watches, path, Registry::Child)?,
            }
        }
        for path in list(&request.persistent_watches)? {
            let path = path.as_deref().unwrap_or(NULL_PATH);
            self.add_lasting(&mut watches, path, WatchMode::Persistent)?;
        }
        for path in list(&request.persistent_recursive_watches)? {
            let path = path.as_deref().unwrap_or(NULL_PATH);
            self.add_lasting(&mut watches, path, WatchMode::Recursive)?;
        }
        Ok(())
    }

    fn add_once(&self, watches: &mut WatchTable, path: &str, registry: Registry) -> ReadResult {
        watches
            .add(path, self.conn, registry, WatchMode::Standard)
            .map_err(too_many)
    }

    fn add_lasting(&self, watches: &mut WatchTable, path: &str, mode: WatchMode) -> ReadResult {
        watches
            .add(path, self.conn, Registry::Data, mode)
            .map_err(too_many)?;
        if mode == WatchMode::Persistent {
            watches
                .add(path, self.conn, Registry::Child, mode)
                .map_err(too_many)?;
        }
        Ok(())
    }
}

fn list<'l, 'a>(paths: &'l Vector<Ustring<'a>>) -> Result<&'l [Ustring<'a>], ErrorCode> {
    paths.as_deref().ok_or(ErrorCode::MarshallingError)
}

fn kind(number: i32) -> Result<WatchKind, ErrorCode> {
    WatchKind::from_number(number).ok_or(ErrorCode::MarshallingError)
}

fn too_many(_: TooManyWatches) -> ErrorCode {
    ErrorCode::MarshallingError
}

/// Appends an event that no transaction fired just now: it has no zxid, and nobody's list is asked.
fn encode_catch_up(event_type: EventType, path: &str, out: &mut BytesMut) {
    let event = wire::WatcherEvent {
        event_type: event_type.number(),
        state: SYNC_CONNECTED,
        path: Some(Cow::Borrowed(path)),
    };
    reply::encode_frame(Xid::EVENT, Zxid(-1), &event, out);
}
