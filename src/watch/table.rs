//! The table of watches.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::base::{ConnId, limits, path};
use crate::proto::{EventType, NodeEvent};
use crate::watch::modes::{Modes, Registry, WatchKind, WatchMode};

/// A path that someone watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PathId(u32);

#[derive(Debug)]
pub(super) struct WatchedPath {
    pub(super) path: Box<str>,
    pub(super) watchers: Vec<ConnId>,
}

/// One connection's watch of one path, all modes together.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) modes: Modes,
    /// Where the connection stands among the path's watchers.
    position: u32,
}

#[derive(Debug, Default)]
pub(super) struct ConnWatches {
    pub(super) watches: HashMap<PathId, Watch>,
    /// The last trigger that selected this connection: each selects it once.
    selected_by: u64,
}

/// All watches of this server's connections. Its maps are never iterated where order would show.
#[derive(Debug)]
pub struct WatchTable {
    pub(super) paths: Vec<Option<WatchedPath>>,
    vacant: Vec<PathId>,
    index: HashTable<PathId>,
    hash_builder: DefaultHashBuilder,
    pub(super) conns: HashMap<ConnId, ConnWatches>,
    triggers: u64,
    data_watches: usize,
    child_watches: usize,
    recursive_watches: usize,
    watches_per_connection: usize,
}

/// The connection has as many watches as one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a connection's watches are at their limit")]
pub struct TooManyWatches;

impl Default for WatchTable {
    fn default() -> Self {
        Self::new(limits::WATCHES_PER_CONNECTION)
    }
}

impl WatchTable {
    /// A table that lets each connection watch this many paths.
    pub fn new(watches_per_connection: usize) -> Self {
        Self {
            paths: Vec::new(),
            vacant: Vec::new(),
            index: HashTable::new(),
            hash_builder: DefaultHashBuilder::default(),
            conns: HashMap::new(),
            triggers: 0,
            data_watches: 0,
            child_watches: 0,
            recursive_watches: 0,
            watches_per_connection,
        }
    }

    /// Sets a watch. One that is there already stays as it is.
    pub fn add(
        &mut self,
        path: &str,
        conn: ConnId,
        registry: Registry,
        mode: WatchMode,
    ) -> Result<(), TooManyWatches> {
        assert!(
            mode != WatchMode::Recursive || registry == Registry::Data,
            "the child registry has no recursive watches"
        );
        let modes = Modes::one(registry, mode);
        let known = self.find(path);
        let is_full = self.conns.get(&conn).is_some_and(|watching| {
            watching.watches.len() >= self.watches_per_connection
                && known.is_none_or(|id| !watching.watches.contains_key(&id))
        });
        if is_full {
            return Err(TooManyWatches);
        }
        let id = known.unwrap_or_else(|| self.intern(path));
        let watchers = &mut path_mut(&mut self.paths, id).watchers;
        let watching = self.conns.entry(conn).or_default();
        let watch = watching.watches.entry(id).or_insert_with(|| {
            let position = u32::try_from(watchers.len()).expect("connections are fewer");
            watchers.push(conn);
            Watch {
                modes: Modes::default(),
                position,
            }
        });
        let before = watch.modes;
        watch.modes = before.with(modes);
        let after = watch.modes;
        self.count(before, after);
        Ok(())
    }

    /// Whether the connection has a watch of this kind on exactly this path.
    pub fn check(&self, path: &str, conn: ConnId, kind: WatchKind) -> bool {
        self.modes(path, conn).has_any(kind.checked())
    }

    /// Removes the connection's watches of this kind on exactly this path. Gives whether there
    /// were any.
    pub fn remove(&mut self, path: &str, conn: ConnId, kind: WatchKind) -> bool {
        let Some(id) = self.find(path) else {
            return false;
        };
        let watching = self.conns.get_mut(&conn);
        let Some(watch) = watching.and_then(|watching| watching.watches.get_mut(&id)) else {
            return false;
        };
        let before = watch.modes;
        watch.modes = before.without(kind.removed());
        let after = watch.modes;
        self.count(before, after);
        if after.is_empty() {
            self.forget_watch(conn, id);
        }
        before != after
    }

    /// Forgets a connection.
    pub fn remove_conn(&mut self, conn: ConnId) {
        let Some(watching) = self.conns.remove(&conn) else {
            return;
        };
        for (id, watch) in watching.watches {
            self.count(watch.modes, Modes::default());
            self.remove_watcher(id, watch.position);
        }
    }

    /// Appends the connections that `event` goes to, each once.
    ///
    /// Those that watch the path itself, and for data those that watch something above it
    /// recursively. Watches that fire once are used up. A deletion goes to the watchers of the data
    /// and then to those of the children who have not got it yet.
    pub fn trigger(&mut self, event: &NodeEvent, selected: &mut Vec<ConnId>) {
        if self.conns.is_empty() {
            return;
        }
        self.triggers += 1;
        if event.event_type != EventType::NodeChildrenChanged {
            self.select_at(&event.path, Registry::Data, selected);
            self.select_above(&event.path, selected);
        }
        if matches!(
            event.event_type,
            EventType::NodeChildrenChanged | EventType::NodeDeleted
        ) {
            self.select_at(&event.path, Registry::Child, selected);
        }
    }

    /// Watches of existence and data.
    pub fn data_watch_count(&self) -> usize {
        self.data_watches
    }

    /// Watches of children.
    pub fn child_watch_count(&self) -> usize {
        self.child_watches
    }

    fn select_at(&mut self, path: &str, registry: Registry, selected: &mut Vec<ConnId>) {
        let Some(id) = self.find(path) else {
            return;
        };
        let once = Modes::one(registry, WatchMode::Standard);
        let mut position = 0;
        while let Some(conn) = path_mut(&mut self.paths, id)
            .watchers
            .get(position)
            .copied()
        {
            let (before, after) = {
                let watching = self.conns.get_mut(&conn).expect(WATCHERS_WATCH);
                let watch = watching.watches.get_mut(&id).expect(WATCHERS_WATCH);
                let before = watch.modes;
                if before.has_any(Modes::all(registry)) {
                    watch.modes = before.without(once);
                    watching.select(conn, self.triggers, selected);
                }
                let watch = watching.watches.get(&id).expect(WATCHERS_WATCH);
                (before, watch.modes)
            };
            self.count(before, after);
            if after.is_empty() {
                // Another watcher takes this position, or the path is gone.
                if self.forget_watch(conn, id) == PathIs::Gone {
                    return;
                }
            } else {
                position += 1;
            }
        }
    }

    fn select_above(&mut self, path: &str, selected: &mut Vec<ConnId>) {
        if self.recursive_watches == 0 {
            return;
        }
        let recursive = Modes::one(Registry::Data, WatchMode::Recursive);
        let mut below = path;
        while below != "/" {
            let Some(above) = path::parent(below) else {
                return;
            };
            let above = if above.is_empty() { "/" } else { above };
            if let Some(id) = self.find(above) {
                for conn in &path_mut(&mut self.paths, id).watchers {
                    let watching = self.conns.get_mut(conn).expect(WATCHERS_WATCH);
                    let watch = watching.watches.get(&id).expect(WATCHERS_WATCH);
                    if watch.modes.has_any(recursive) {
                        watching.select(*conn, self.triggers, selected);
                    }
                }
            }
            below = above;
        }
    }

    /// How the connection watches exactly this path.
    pub(super) fn modes(&self, path: &str, conn: ConnId) -> Modes {
        let watch = || {
            let id = self.find(path)?;
            self.conns.get(&conn)?.watches.get(&id)
        };
        watch().map_or_else(Modes::default, |watch| watch.modes)
    }

    fn find(&self, path: &str) -> Option<PathId> {
        let hash = self.hash_builder.hash_one(path);
        let is_it = |id: &PathId| self.path(*id) == path;
        self.index.find(hash, is_it).copied()
    }

    fn intern(&mut self, path: &str) -> PathId {
        let id = self.vacant.pop().unwrap_or_else(|| {
            self.paths.push(None);
            PathId(u32::try_from(self.paths.len() - 1).expect("watched paths are fewer"))
        });
        *self
            .paths
            .get_mut(id.0 as usize)
            .expect("just made or vacant") = Some(WatchedPath {
            path: path.into(),
            watchers: Vec::with_capacity(1),
        });
        let hash_builder = &self.hash_builder;
        let paths = &self.paths;
        let hash_of = |id: &PathId| hash_builder.hash_one(path_of(paths, *id));
        self.index
            .insert_unique(hash_builder.hash_one(path), id, hash_of);
        id
    }

    pub(super) fn path(&self, id: PathId) -> &str {
        path_of(&self.paths, id)
    }

    fn forget_watch(&mut self, conn: ConnId, id: PathId) -> PathIs {
        let watching = self.conns.get_mut(&conn).expect(WATCHERS_WATCH);
        let watch = watching.watches.remove(&id).expect(WATCHERS_WATCH);
        if watching.watches.is_empty() {
            self.conns.remove(&conn);
        }
        self.remove_watcher(id, watch.position)
    }

    /// Takes a connection off a path's watchers; the last one takes its position.
    fn remove_watcher(&mut self, id: PathId, position: u32) -> PathIs {
        let watchers = &mut path_mut(&mut self.paths, id).watchers;
        watchers.swap_remove(position as usize);
        if let Some(moved) = watchers.get(position as usize) {
            let watching = self.conns.get_mut(moved).expect(WATCHERS_WATCH);
            let watch = watching.watches.get_mut(&id).expect(WATCHERS_WATCH);
            watch.position = position;
        }
        if !watchers.is_empty() {
            return PathIs::Watched;
        }
        let hash = self.hash_builder.hash_one(self.path(id));
        self.index
            .find_entry(hash, |entry| *entry == id)
            .expect("a watched path is in the index")
            .remove();
        if let Some(place) = self.paths.get_mut(id.0 as usize) {
            *place = None;
        }
        self.vacant.push(id);
        PathIs::Gone
    }

    fn count(&mut self, before: Modes, after: Modes) {
        let step = |count: &mut usize, modes: Modes| {
            let (was, is) = (before.has_any(modes), after.has_any(modes));
            *count = *count + usize::from(is) - usize::from(was);
        };
        step(&mut self.data_watches, Modes::all(Registry::Data));
        step(&mut self.child_watches, Modes::all(Registry::Child));
        let recursive = Modes::one(Registry::Data, WatchMode::Recursive);
        step(&mut self.recursive_watches, recursive);
    }
}

impl ConnWatches {
    fn select(&mut self, conn: ConnId, trigger: u64, selected: &mut Vec<ConnId>) {
        if self.selected_by != trigger {
            self.selected_by = trigger;
            selected.push(conn);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PathIs {
    Watched,
    Gone,
}

const WATCHERS_WATCH: &str = "a path's watchers have a watch of it";

fn path_of(paths: &[Option<WatchedPath>], id: PathId) -> &str {
    let watched = paths.get(id.0 as usize).and_then(Option::as_ref);
    &watched.expect("ids are of watched paths").path
}

fn path_mut(paths: &mut [Option<WatchedPath>], id: PathId) -> &mut WatchedPath {
    paths
        .get_mut(id.0 as usize)
        .and_then(Option::as_mut)
        .expect("ids are of watched paths")
}
