//! The threads of a server on its own: the writer, which also syncs the log.

use crate::base::limits;
use crate::config::{Config, StorageOptions};
use crate::peer::Mode;
use crate::runtime::common::Common;
use crate::runtime::restore::RestoreDesk;
use crate::runtime::snapshots::Snapshots;
use crate::runtime::writer::{BatchLimits, Writer};
use crate::runtime::{Failure, Threads, options};
use crate::store::log_writer::LogWriter;
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
    let writer = Writer {
        server: common.server.clone(),
        clock: common.clock.clone(),
        peer: common.peer.clone(),
        log: log_writer(&common, config),
        snapshots,
        reports: common.reports.clone(),
        batch: batch_limits(&config.storage),
        restores: RestoreDesk(common.restores.clone()),
    };
    common.server.serve(Mode::Standalone);
    Ok(vec![common.spawn("writer", move || writer.run())?])
}

fn log_writer(common: &Common, config: &Config) -> LogWriter {
    let clock = common.clock.clone();
    LogWriter::new(
        common.disk.clone(),
        options::dirs(config).logs,
        options::log(config),
        common.recovered.last_zxid,
        Box::new(move || clock.monotonic()),
    )
}

fn batch_limits(storage: &StorageOptions) -> BatchLimits {
    let configured = storage.batch_max.map_or(usize::MAX, |max| max as usize);
    BatchLimits {
        delay_ms: storage.flush_delay_ms,
        writes_max: configured.clamp(1, limits::WRITES_PER_BATCH),
    }
}
