//! What operators are told of watches. As in Apache's reports, only of those of existence and data.

use crate::base::ConnId;
use crate::watch::modes::{Modes, Registry};
use crate::watch::table::{ConnWatches, WatchTable};

/// How much is watched by how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchSummary {
    pub connections: usize,
    pub paths: usize,
    /// Pairs of a connection and a path.
    pub watches: usize,
}

impl WatchTable {
    /// For `wchs`.
    pub fn summary(&self) -> WatchSummary {
        let watches_any = |watching: &&ConnWatches| {
            let mut watches = watching.watches.values();
            watches.any(|watch| watch.modes.has_any(Modes::all(Registry::Data)))
        };
        WatchSummary {
            connections: self.conns.values().filter(watches_any).count(),
            paths: self.data_watchers().count(),
            watches: self.data_watch_count(),
        }
    }

    /// For `wchc`: connections in the order they came, with the paths of each.
    pub fn by_connection(&self) -> Vec<(ConnId, Vec<&str>)> {
        let mut report = Vec::new();
        for (conn, watching) in &self.conns {
            let watches = watching.watches.iter();
            let mut paths: Vec<_> = watches
                .filter(|(_, watch)| watch.modes.has_any(Modes::all(Registry::Data)))
                .map(|(id, _)| self.path(*id))
                .collect();
            if !paths.is_empty() {
                paths.sort_unstable();
                report.push((*conn, paths));
            }
        }
        report.sort_unstable();
        report
    }

    /// For `wchp`: paths in order, with the connections of each.
    pub fn by_path(&self) -> Vec<(&str, Vec<ConnId>)> {
        let mut report: Vec<_> = self.data_watchers().collect();
        for (_, conns) in &mut report {
            conns.sort_unstable();
        }
        report.sort_unstable();
        report
    }

    fn data_watchers(&self) -> impl Iterator<Item = (&str, Vec<ConnId>)> {
        self.paths.iter().flatten().filter_map(|watched| {
            let watchers = watched.watchers.iter().copied();
            let conns: Vec<_> = watchers
                .filter(|conn| self.watches_data(&watched.path, *conn))
                .collect();
            (!conns.is_empty()).then_some((&*watched.path, conns))
        })
    }

    fn watches_data(&self, path: &str, conn: ConnId) -> bool {
        let modes = self.modes(path, conn);
        modes.has_any(Modes::all(Registry::Data))
    }
}
