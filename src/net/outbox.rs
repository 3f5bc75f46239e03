//! What the writer has for one connection: replies to writes and events, already bytes, in the
//! order in which they must leave.
//!
//! The writer fills it while it holds the state exclusively, and wakes the connection's task once
//! per batch after it has let go. The task empties it under the shared lock before it answers a
//! read, so that an event always leaves before a reply that shows the change.
//!
//! Bounded: a connection whose client leaves more than `bytes_max` unread is closed. Its task has
//! long stopped reading requests then, so only events and replies to earlier writes get it there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use bytes::BytesMut;
use parking_lot::Mutex;

use jute::Encode;
use jute::proto::ConnectResponse;

use crate::auth::AuthIds;
use crate::base::{Identity, Xid, Zxid};
use crate::proto::{WriteReply, reply};
use crate::session::SessionHandle;

/// Bytes and news from the writer to one connection's task.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Whether there is anything in `inner` that the task has not seen.
    dirty: AtomicBool,
    inner: Mutex<Inner>,
    bytes_max: usize,
}

#[derive(Debug)]
struct Inner {
    bytes: BytesMut,
    news: News,
    /// Who the client is: decides which events it may see.
    ids: AuthIds,
    /// Whether the client's handshake had the field that says so, which the answer mirrors.
    knows_read_only: bool,
    waker: Option<Waker>,
}

/// What came besides bytes.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The first frame is the answer to the handshake.
    pub(super) greets: bool,
    /// The session is open.
    pub(super) session: Option<Arc<SessionHandle>>,
    /// Replies to writes among the bytes.
    pub(super) replies: usize,
    pub(super) events: usize,
    /// Bytes of those.
    pub(super) event_bytes: usize,
    /// Of the last reply.
    pub(super) last_zxid: Zxid,
    pub(super) close: Option<Closing>,
}

/// Why a connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// All that is queued is to be flushed first.
    AfterFlush(&'static str),
    /// What is queued is not waited for.
    AtOnce(&'static str),
}

impl Outbox {
    pub(super) fn new(ids: AuthIds, bytes_max: usize) -> Self {
        Self {
            dirty: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                bytes: BytesMut::new(),
                news: News::default(),
                ids,
                knows_read_only: false,
                waker: None,
            }),
            bytes_max,
        }
    }

    /// Whom to wake when something is put in. The task calls this when its waker changes.
    pub(super) fn register(&self, waker: &Waker) {
        self.inner.lock().waker = Some(waker.clone());
    }

    pub(super) fn set_ids(&self, ids: AuthIds) {
        self.inner.lock().ids = ids;
    }

    pub(super) fn set_knows_read_only(&self, knows: bool) {
        self.inner.lock().knows_read_only = knows;
    }

    /// Whether [`Outbox::drain`] would find something.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Moves all bytes to the end of `out` and hands over the news.
    pub(super) fn drain(&self, out: &mut BytesMut) -> News {
        let mut inner = self.inner.lock();
        self.dirty.store(false, Ordering::Relaxed);
        if out.is_empty() && inner.bytes.len() > out.capacity() {
            std::mem::swap(out, &mut inner.bytes);
        } else {
            out.extend_from_slice(&inner.bytes);
            inner.bytes.clear();
        }
        if inner.bytes.capacity() > CAPACITY_KEPT {
            inner.bytes = BytesMut::new();
        }
        std::mem::take(&mut inner.news)
    }

    /// Whether the connection must be closed without waiting for its client to read.
    pub(super) fn closes_at_once(&self) -> Option<&'static str> {
        if !self.is_dirty() {
            return None;
        }
        match self.inner.lock().news.close {
            Some(Closing::AtOnce(reason)) => Some(reason),
            _ => None,
        }
    }

    /// Here and below: whether the outbox was clean, so that its task must be woken.
    pub(super) fn put_reply(&self, xid: Xid, zxid: Zxid, reply: &WriteReply) -> bool {
        self.put(|inner| {
            reply.encode_frame(xid, zxid, &mut inner.bytes);
            inner.news.replies += 1;
            inner.news.last_zxid = zxid;
        })
    }

    /// Puts in an event whose bytes are `frame`, if the client, who is what `may_see` is asked
    /// about, may see it.
    pub(super) fn put_event(
        &self,
        frame: &[u8],
        may_see: impl FnOnce(&[Identity]) -> bool,
    ) -> bool {
        self.put(|inner| {
            if may_see(&inner.ids) {
                inner.bytes.extend_from_slice(frame);
                inner.news.events += 1;
                inner.news.event_bytes += frame.len();
            }
        })
    }

    pub(super) fn put_connected(
        &self,
        session: Arc<SessionHandle>,
        timeout_ms: i32,
        password: &[u8],
        is_read_only: bool,
    ) -> bool {
        self.put(|inner| {
            let response = ConnectResponse {
                protocol_version: 0,
                time_out: timeout_ms,
                session_id: session.id().0,
                passwd: Some(password),
                read_only: inner.knows_read_only.then_some(is_read_only),
            };
            reply::frame_length(response.encoded_len(), &mut inner.bytes);
            response.encode(&mut inner.bytes);
            inner.news.greets = true;
            inner.news.session = Some(session);
        })
    }

    pub(super) fn put_session_invalid(&self, is_read_only: bool) -> bool {
        self.put(|inner| {
            let response = ConnectResponse {
                passwd: Some(&[0; 16]),
                read_only: inner.knows_read_only.then_some(is_read_only),
                ..ConnectResponse::default()
            };
            reply::frame_length(response.encoded_len(), &mut inner.bytes);
            response.encode(&mut inner.bytes);
            inner.news.greets = true;
            inner.news.close = Some(Closing::AfterFlush("the session is not valid"));
        })
    }

    pub(super) fn put_close(&self, closing: Closing) -> bool {
        self.put(|inner| {
            if !matches!(inner.news.close, Some(Closing::AtOnce(_))) {
                inner.news.close = Some(closing);
            }
        })
    }

    /// Wakes the task. Not to be called while the state is locked.
    pub(super) fn wake(&self) {
        let waker = self.inner.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn put(&self, put: impl FnOnce(&mut Inner)) -> bool {
        let mut inner = self.inner.lock();
        put(&mut inner);
        let overflows = inner.bytes.len() > self.bytes_max;
        if overflows {
            inner.bytes = BytesMut::new();
            inner.news.close = Some(Closing::AtOnce(SLOW_READER));
        }
        let was_dirty = self.dirty.swap(true, Ordering::Release);
        overflows || !was_dirty
    }
}

/// Room for bytes that an idle connection keeps.
const CAPACITY_KEPT: usize = 16 * 1024;

/// Said of a client that does not read what it is sent.
pub(super) const SLOW_READER: &str = "the client leaves too much unread";
