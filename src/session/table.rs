//! All sessions this server knows, and the buckets in which they expire.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::base::{Monotonic, SessionId};
use crate::proto::ErrorCode;
use crate::session::SessionHandle;

/// The server a session is attached to, by its id. A write that comes through another one is
/// refused, since the session has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub i64);

/// Which servers know a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All: a transaction opens it and one closes it.
    Global,
    /// Only this one, which also says when it expires.
    Local,
    /// It was local, and the transaction that makes it global is on its way.
    Upgrading,
}

/// The book of sessions. See the module for their states.
#[derive(Debug)]
pub struct SessionTable {
    /// Width of a bucket: the tick.
    bucket_ms: u64,
    /// Whether this server says when global sessions expire.
    expires_global: bool,
    entries: HashMap<SessionId, Entry>,
    /// Every open session that expires here, under the time its bucket comes due.
    due: BTreeSet<(Monotonic, SessionId)>,
}

#[derive(Debug)]
struct Entry {
    handle: Arc<SessionHandle>,
    /// Where `due` has it; `None` when closing, and when it expires elsewhere.
    bucket: Option<Monotonic>,
    owner: Option<Owner>,
    scope: Scope,
    /// What it was opened with, which a later connection may not change.
    opened_with_ms: i32,
}

/// A session as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionView {
    pub id: SessionId,
    pub timeout_ms: i32,
    pub scope: Scope,
    /// When its bucket comes due if it is not touched again; `None` when closing, and when it
    /// expires elsewhere.
    pub expires: Option<Monotonic>,
}

impl SessionTable {
    /// The book of a server that says when sessions expire: it leads, or is alone.
    ///
    /// # Panics
    /// When the tick is zero, which the configuration does not let through.
    pub fn new(tick_ms: u64) -> Self {
        assert!(tick_ms > 0, "buckets need a width");
        Self {
            bucket_ms: tick_ms,
            expires_global: true,
            entries: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// The book of a server where only local sessions expire: it learns, or has no leader.
    ///
    /// # Panics
    /// As [`SessionTable::new`].
    pub fn of_local_expiry(tick_ms: u64) -> Self {
        Self {
            expires_global: false,
            ..Self::new(tick_ms)
        }
    }

    /// How many there are, in whatever state.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many only this server knows.
    pub fn local_count(&self) -> usize {
        let scopes = self.entries.values().map(|entry| entry.scope);
        scopes.filter(|scope| *scope == Scope::Local).count()
    }

    /// Starts to watch over a global session, with its full timeout from now; a known one is touched.
    pub fn track(&mut self, id: SessionId, timeout_ms: i32, now: Monotonic) -> Arc<SessionHandle> {
        self.add(id, Scope::Global, timeout_ms, now)
    }

    /// Opens a session that only this server knows. `id` is not in use.
    pub fn open_local(
        &mut self,
        id: SessionId,
        timeout_ms: i32,
        owner: Owner,
        now: Monotonic,
    ) -> Arc<SessionHandle> {
        assert!(!self.contains(id), "a new session has an id of its own");
        let handle = self.add(id, Scope::Local, timeout_ms, now);
        self.set_owner(id, owner);
        handle
    }

    fn add(
        &mut self,
        id: SessionId,
        scope: Scope,
        timeout_ms: i32,
        now: Monotonic,
    ) -> Arc<SessionHandle> {
        let entry = self.entries.entry(id).or_insert_with(|| Entry {
            handle: Arc::new(SessionHandle::new(id, timeout_ms, now)),
            bucket: None,
            owner: None,
            scope,
            opened_with_ms: timeout_ms,
        });
        if scope == Scope::Global {
            entry.scope = scope;
        }
        let handle = entry.handle.clone();
        if handle.is_open() {
            self.touch(id, timeout_ms, now);
        }
        handle
    }

    /// A local session is to become global, and has its full timeout from now. What it was opened
    /// with, which the transaction says; `None` when it is no open local session.
    pub fn start_upgrade(&mut self, id: SessionId, now: Monotonic) -> Option<i32> {
        let expires_global = self.expires_global;
        let entry = self.entries.get_mut(&id)?;
        if entry.scope != Scope::Local || !entry.handle.is_open() {
            return None;
        }
        entry.scope = Scope::Upgrading;
        if !expires_global && let Some(bucket) = entry.bucket.take() {
            self.due.remove(&(bucket, id));
        }
        let (opened_with_ms, timeout_ms) = (entry.opened_with_ms, entry.handle.timeout_ms());
        self.touch(id, timeout_ms, now);
        Some(opened_with_ms)
    }

    /// Notes that the transaction which opens the session is applied, or that another server says
    /// so; it is global from here on.
    pub fn commit(&mut self, id: SessionId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.scope = Scope::Global;
        if !self.expires_global
            && let Some(bucket) = entry.bucket.take()
        {
            self.due.remove(&(bucket, id));
        }
    }

    /// Who knows the session; `None` when this server does not.
    pub fn scope(&self, id: SessionId) -> Option<Scope> {
        self.entries.get(&id).map(|entry| entry.scope)
    }

    /// Whether the session is known, in whatever state.
    pub fn contains(&self, id: SessionId) -> bool {
        self.entries.contains_key(&id)
    }

    /// The session in whatever state.
    pub fn handle(&self, id: SessionId) -> Option<&Arc<SessionHandle>> {
        self.entries.get(&id).map(|entry| &entry.handle)
    }

    /// The session, unless it is unknown or closing.
    pub fn open(&self, id: SessionId) -> Option<&Arc<SessionHandle>> {
        self.entries
            .get(&id)
            .map(|entry| &entry.handle)
            .filter(|handle| handle.is_open())
    }

    /// Gives an open session its full timeout from now, as a connection that takes it over
    /// negotiated it. Returns whether it is open.
    pub fn touch(&mut self, id: SessionId, timeout_ms: i32, now: Monotonic) -> bool {
        let bucket_ms = self.bucket_ms;
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        if !entry.handle.is_open() {
            return false;
        }
        entry.handle.set_timeout(timeout_ms);
        entry.handle.touch(now);
        if !self.expires_global && entry.scope != Scope::Local {
            return true;
        }
        let bucket = bucket_of(&entry.handle, bucket_ms);
        if let Some(old) = entry.bucket.replace(bucket) {
            self.due.remove(&(old, id));
        }
        self.due.insert((bucket, id));
        true
    }

    /// Whether a write of the session may go ahead: it is open, and came through the server it is
    /// attached to. One that is attached nowhere takes the first that asks. An unknown one has
    /// expired, unless it is another server's own, see [`SessionTable::contains`].
    pub fn check(&mut self, id: SessionId, asking: Owner) -> Result<(), ErrorCode> {
        let entry = self
            .entries
            .get_mut(&id)
            .filter(|entry| entry.handle.is_open())
            .ok_or(ErrorCode::SessionExpired)?;
        if *entry.owner.get_or_insert(asking) == asking {
            Ok(())
        } else {
            Err(ErrorCode::SessionMoved)
        }
    }

    /// Attaches the session to a server.
    pub fn set_owner(&mut self, id: SessionId, owner: Owner) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.owner = Some(owner);
        }
    }

    /// The session's end is decided: from now on its requests are dropped and it cannot expire.
    pub fn start_closing(&mut self, id: SessionId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.handle.close();
        if let Some(bucket) = entry.bucket.take() {
            self.due.remove(&(bucket, id));
        }
    }

    /// The session's end is applied.
    pub fn remove(&mut self, id: SessionId) {
        self.start_closing(id);
        self.entries.remove(&id);
    }

    /// When the next bucket comes due; whether anything in it has expired is seen then.
    pub fn next_due(&self) -> Option<Monotonic> {
        self.due.first().map(|(bucket, _)| *bucket)
    }

    /// The next session that has expired by now, which is closing from here on.
    pub fn next_expired(&mut self, now: Monotonic) -> Option<SessionId> {
        while let Some(&(bucket, id)) = self.due.first().filter(|(bucket, _)| *bucket <= now) {
            let entry = self
                .entries
                .get_mut(&id)
                .expect("every session in a bucket is in the table");
            assert_eq!(entry.bucket, Some(bucket), "a session is in one bucket");
            let earned = bucket_of(&entry.handle, self.bucket_ms);
            if earned <= now {
                self.start_closing(id);
                return Some(id);
            }
            // It was touched since it was put here.
            entry.bucket = Some(earned);
            self.due.remove(&(bucket, id));
            self.due.insert((earned, id));
        }
        None
    }

    /// The open sessions that were touched at `since` or later, with their timeouts, by id; not
    /// those that only this server knows.
    pub fn touched_since(&self, since: Monotonic) -> Vec<(SessionId, i32)> {
        let shared = self.entries.values();
        let shared = shared.filter(|entry| entry.scope != Scope::Local);
        let handles = shared.map(|entry| &entry.handle);
        let touched = handles.filter(|handle| handle.is_open() && handle.touched() >= since);
        let mut touched: Vec<_> = touched
            .map(|handle| (handle.id(), handle.timeout_ms()))
            .collect();
        touched.sort_unstable();
        touched
    }

    /// All sessions, by id.
    pub fn views(&self) -> Vec<SessionView> {
        let view = |entry: &Entry| SessionView {
            id: entry.handle.id(),
            timeout_ms: entry.handle.timeout_ms(),
            scope: entry.scope,
            expires: entry
                .bucket
                .map(|_| bucket_of(&entry.handle, self.bucket_ms)),
        };
        let mut views: Vec<_> = self.entries.values().map(view).collect();
        views.sort_unstable_by_key(|view| view.id);
        views
    }
}

/// The bucket the last touch earns: the first multiple of the width after the timeout runs out,
/// as `ExpiryQueue.roundToNextInterval`.
fn bucket_of(handle: &SessionHandle, bucket_ms: u64) -> Monotonic {
    let timeout = u64::try_from(handle.timeout_ms()).unwrap_or(0);
    let out = handle.touched().after(timeout);
    Monotonic(
        (out.0 / bucket_ms)
            .saturating_add(1)
            .saturating_mul(bucket_ms),
    )
}
