//! Old snapshots and logs are removed, at intervals.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::PurgeOptions;
use crate::store::disk::Disk;
use crate::store::layout::DataDirs;
use crate::store::purge::purge;

/// Never ends. What fails is logged and tried again at the next interval; the lock is held meanwhile.
pub(super) async fn purge_at_intervals(
    disk: Arc<dyn Disk>,
    dirs: DataDirs,
    old_files: Arc<Mutex<()>>,
    options: PurgeOptions,
) {
    let mut interval = tokio::time::interval(Duration::from_millis(options.interval_ms.max(1)));
    loop {
        interval.tick().await;
        let (disk, dirs, old_files) = (disk.clone(), dirs.clone(), old_files.clone());
        let keep = options.snapshots_kept as usize;
        let purge = move || {
            let _alone = old_files.lock();
            purge(&*disk, &dirs, keep)
        };
        let purged = tokio::task::spawn_blocking(purge).await;
        match purged {
            Ok(Ok(removed)) => log_purged(&removed),
            Ok(Err(error)) => tracing::error!("old files were not removed: {error}"),
            Err(error) => tracing::error!("old files were not removed: {error}"),
        }
    }
}

fn log_purged(removed: &[PathBuf]) {
    if !removed.is_empty() {
        tracing::info!(files = removed.len(), "removed old snapshots and logs");
    }
}
