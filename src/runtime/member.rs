//! The threads of a member of an ensemble: the writer, and the disk it never waits for.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::base::Zxid;
use crate::config::{Config, EnsembleOptions};
use crate::net::{QuorumPort, QuorumPortParts, SystemResolver};
use crate::peer::MemberStart;
use crate::quorum::Role;
use crate::runtime::common::Common;
use crate::runtime::disk_thread::{DiskQueue, DiskThread};
use crate::runtime::link_storage::LinkStorage;
use crate::runtime::member_ports::MemberPorts;
use crate::runtime::member_writer::MemberWriter;
use crate::runtime::restore::RestoreDesk;
use crate::runtime::snapshots::{SnapshotGate, Snapshots};
use crate::runtime::{Failure, Threads, options};
use crate::store::disk::Disk;
use crate::store::epoch::Epochs;
use crate::store::trigger::SnapshotTrigger;
use crate::store::worker::{DiskWorker, WorkerError, WorkerOptions};
use crate::zab::Committed;

/// What the disk of a member holds besides its state, which ends with `last_zxid`.
pub(super) fn on_disk(
    disk: &dyn Disk,
    config: &Config,
    last_zxid: Zxid,
    recent: Vec<Committed>,
) -> Result<MemberStart, Failure> {
    let Epochs { accepted, current } = Epochs::load(disk, &options::dirs(config), last_zxid)?;
    tracing::info!(zxid = %last_zxid, accepted_epoch = %accepted, current_epoch = %current, "member");
    Ok(MemberStart {
        accepted_epoch: accepted,
        current_epoch: current,
        recent,
    })
}

/// Starts to look for a leader, with the state that was brought back.
pub(super) fn start(
    common: Common,
    config: &Config,
    ensemble: &EnsembleOptions,
    tokio: &Handle,
) -> Result<Threads, Failure> {
    if let Some(files) = options::member_files(ensemble) {
        files.check(&*common.disk).map_err(WorkerError::from)?;
        if ensemble.is_inline {
            files.back_up(&*common.disk).map_err(WorkerError::from)?;
        }
    }
    let gate = common.gate.clone();
    let queue = Arc::new(DiskQueue::default());
    let disk = disk_thread(&common, config, ensemble, &gate, &queue);
    let storage = LinkStorage {
        runtime: tokio.clone(),
        server: common.server.clone(),
        disk: common.disk.clone(),
        storage: options::storage(config),
        tree: options::tree(config),
        size_factor: ensemble.sync.snapshot_size_factor,
    };
    let resolver = Arc::new(SystemResolver);
    let parts = QuorumPortParts {
        server: common.server.clone(),
        resolver: resolver.clone(),
        snapshots: Arc::new(storage.clone()),
        logs: Arc::new(storage.clone()),
        security: common.security.clone(),
    };
    tokio.spawn(common.security.clone().watch());
    let quorum_options = options::quorum_port(config, ensemble);
    let quorum = QuorumPort::new(tokio.clone(), parts, quorum_options);
    common.facts.tell_of_links(quorum.reports());
    let ports = MemberPorts::open(&common, ensemble, tokio, resolver);
    let writer = MemberWriter {
        server: common.server.clone(),
        clock: common.clock.clone(),
        peer: common.peer.clone(),
        disk: queue,
        ports,
        quorum,
        storage,
        gate,
        restores: RestoreDesk(common.restores.clone()),
    };
    Ok(vec![
        common.spawn("writer", move || writer.run())?,
        common.spawn("disk", move || disk.run())?,
    ])
}

fn disk_thread(
    common: &Common,
    config: &Config,
    ensemble: &EnsembleOptions,
    gate: &Arc<SnapshotGate>,
    queue: &Arc<DiskQueue>,
) -> DiskThread {
    let clock = common.clock.clone();
    let trigger = options::trigger(config);
    let worker = WorkerOptions {
        storage: options::storage(config),
        tree: options::tree(config),
        log: options::log(config),
        trigger,
        // An observer without a log could not be made to vote.
        keeps_log: ensemble.role == Role::Participant
            || ensemble.observer.keeps_log
            || ensemble.reconfig_enabled,
        files: options::member_files(ensemble).map(|files| (files, ensemble.me)),
    };
    let last = common.recovered.last_zxid;
    let job = common.snapshots(config, gate.clone());
    // When one is due is the worker's to say.
    let snapshots = Snapshots::new(SnapshotTrigger::new(trigger, common.seed), job.clone());
    DiskThread {
        queue: queue.clone(),
        worker: DiskWorker::new(
            common.disk.clone(),
            worker,
            last,
            Box::new(move || clock.monotonic()),
            common.seed,
        ),
        server: common.server.clone(),
        snapshots,
        job,
        reports: common.reports.clone(),
        old_files: common.old_files.clone(),
    }
}
