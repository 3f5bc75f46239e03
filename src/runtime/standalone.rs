//! The threads of a server on its own: the writer, which also syncs the log.

use crate::base::limits;
use crate::config::{Config, StorageOptions};
use crate::peer::Mode;
use crate::runtime::restore::RestoreDesk;
use crate::runtime::snapshots::Snapshots;
use crate::runtime::writer::{BatchLimits, Writer};
use crate::runtime::{Common, Failure, Threads, log_writer, options};
use crate::store::trigger::SnapshotTrigger;

/// Starts to serve on the state that was brought back.
pub(super) fn start(common: Common, config: &Config) -> Result<Threads, Failure> {
    let job = common.snapshots(config, common.gate.clone());
    let (replayed, has_orphans) = (common.recovered.replayed, common.recovered.has_orphans);
    if has_orphans {
        // Their removal is in no log, so it must be in a snapshot before anything follows it.
        job.write(None)?;
    }
    let trigger = SnapshotTrigger::new(options::trigger(config), common.seed);
    let mut snapshots = Snapshots::new(trigger, job);
    if replayed > u64::from(config.storage.snap_count) / 2 && !has_orphans {
        snapshots.start().map_err(Failure::Thread)?;
    }
    let last = common.recovered.last_zxid;
    let writer = Writer {
        server: common.server.clone(),
        clock: common.clock.clone(),
        peer: common.peer.clone(),
        log: log_writer(config, &common.disk, &common.clock, last),
        snapshots,
        reports: common.reports.clone(),
        batch: batch_limits(&config.storage),
        restores: RestoreDesk(common.restores.clone()),
    };
    common.server.serve(Mode::Standalone);
    Ok(vec![common.spawn("writer", move || writer.run())?])
}

fn batch_limits(storage: &StorageOptions) -> BatchLimits {
    let configured = storage.batch_max.map_or(usize::MAX, |max| max as usize);
    BatchLimits {
        delay_ms: storage.flush_delay_ms,
        writes_max: configured.clamp(1, limits::WRITES_PER_BATCH),
    }
}
