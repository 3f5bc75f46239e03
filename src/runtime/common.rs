//! What a server is made of whether or not it is alone: the state as the disk had it, and all that its
//! threads share.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::admin::RateLimiter;
use crate::base::{Now, Zxid};
use crate::config::Config;
use crate::net::{Clock, PeerSecurity, Server};
use crate::peer::Peer;
use crate::runtime::clock::SystemClock;
use crate::runtime::facts::Facts;
use crate::runtime::reports::Reports;
use crate::runtime::restore::Restores;
use crate::runtime::snapshots::{SnapshotGate, SnapshotJob};
use crate::runtime::words::{FourLetterWords, TraceMask};
use crate::runtime::{Failure, admin, member, options};
use crate::store::disk::Disk;
use crate::store::recover::{Recovered, recover};

/// What a server has whether or not it is alone, before it runs.
pub(super) struct Common {
    pub(super) clock: Arc<SystemClock>,
    pub(super) started: Now,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) server: Arc<Server>,
    pub(super) peer: Arc<Mutex<Peer>>,
    pub(super) reports: Arc<Reports>,
    /// What connections to other servers are made with.
    pub(super) security: PeerSecurity,
    /// Where what is random starts.
    pub(super) seed: u64,
    pub(super) recovered: Brought,
    /// Held while old files are removed, and while a history is replaced by another: what one finds
    /// there, the other must not take away.
    pub(super) old_files: Arc<Mutex<()>>,
    pub(super) facts: Arc<Facts>,
    pub(super) gate: Arc<SnapshotGate>,
    pub(super) restores: Arc<Restores>,
    /// See [`SnapshotJob::turn`].
    pub(super) snapshot_turn: Arc<Mutex<()>>,
}

/// What the disk held, besides the state.
pub(super) struct Brought {
    pub(super) last_zxid: Zxid,
    pub(super) replayed: u64,
    /// Ephemerals of unknown sessions were removed.
    pub(super) has_orphans: bool,
}

impl Common {
    pub(super) fn build(
        disk: Arc<dyn Disk>,
        config: &Config,
        trace_mask: Arc<TraceMask>,
    ) -> Result<(Self, mpsc::Receiver<Failure>), Failure> {
        log_settings(config);
        let clock = Arc::new(SystemClock::start());
        let started = clock.now();
        let seed = started.monotonic.0 ^ (u64::from(std::process::id()) << 32);
        let net_options = options::net(config, seed)?;
        let security = options::peer_security(config)?;
        let policy = Arc::new(options::policy(config)?);
        let mut recovered = bring_back(&*disk, config, &clock)?;
        let last_zxid = recovered.database.last_zxid();
        let ephemerals = recovered.database.tree.ephemerals_count();
        let peer = match &config.ensemble {
            None => {
                let database = &mut recovered.database;
                Peer::new(options::peer(config), policy.clone(), database, started)
            }
            Some(ensemble) => {
                let options = options::member(config, ensemble, seed);
                let recent = std::mem::take(&mut recovered.recent);
                let start = member::on_disk(&*disk, config, last_zxid, recent)?;
                Peer::member(
                    options::peer(config),
                    options,
                    policy.clone(),
                    start,
                    started,
                )
            }
        };
        let Recovered {
            database, replayed, ..
        } = recovered;
        let has_orphans = database.tree.ephemerals_count() < ephemerals;
        let peer = Arc::new(Mutex::new(peer));
        let (reports, failures) = Reports::new(config.storage.fsync_warning_ms);
        let reports = Arc::new(reports);
        reports.count_start(clock.monotonic().since(started.monotonic), replayed);
        let facts = Arc::new(Facts::new(config, &clock, &disk, &peer, &reports));
        let whitelist = config.four_letter.clone();
        let words = Arc::new(FourLetterWords::new(whitelist, facts.clone(), trace_mask));
        let server = Server::new(database, policy, net_options, clock.clone(), words);
        let common = Self {
            clock,
            started,
            disk,
            server: Arc::new(server),
            peer,
            reports,
            security,
            seed,
            recovered: Brought {
                last_zxid,
                replayed,
                has_orphans,
            },
            old_files: Arc::default(),
            facts,
            gate: match config.ensemble {
                Some(_) => SnapshotGate::closed(),
                None => SnapshotGate::always_open(),
            },
            restores: Arc::default(),
            snapshot_turn: Arc::default(),
        };
        Ok((common, failures))
    }

    pub(super) fn snapshots(&self, config: &Config, gate: Arc<SnapshotGate>) -> SnapshotJob {
        SnapshotJob {
            gate,
            server: self.server.clone(),
            clock: self.clock.clone(),
            disk: self.disk.clone(),
            dirs: options::dirs(config),
            compression: options::compression(config),
            has_digest: config.tree.digest,
            writes_last_processed: config.storage.serialize_last_zxid,
            reports: self.reports.clone(),
            turn: self.snapshot_turn.clone(),
        }
    }

    /// What commands work on. The intervals, in milliseconds, are those between snapshots and between
    /// restores.
    pub(super) fn for_admin(
        &self,
        config: &Config,
        (snapshots_ms, restores_ms): (u64, u64),
    ) -> admin::Live {
        let now = self.started.monotonic;
        admin::Live {
            facts: self.facts.clone(),
            server: self.server.clone(),
            clock: self.clock.clone(),
            reports: self.reports.clone(),
            snapshots: self.snapshots(config, self.gate.clone()),
            restores: self.restores.clone(),
            is_member: config.ensemble.is_some(),
            tree: options::tree(config),
            field_bytes_max: options::field_bytes_max(config),
            snapshot_limiter: Mutex::new(RateLimiter::new(snapshots_ms, now)),
            restore_limiter: Mutex::new(RateLimiter::new(restores_ms, now)),
            restoring: Mutex::default(),
        }
    }

    /// Starts a thread that the server cannot be without.
    pub(super) fn spawn(
        &self,
        name: &'static str,
        run: impl FnOnce() -> Result<(), Failure> + Send + 'static,
    ) -> Result<(&'static str, JoinHandle<()>), Failure> {
        let reports = self.reports.clone();
        let thread = thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || reports.guard(name, run));
        Ok((name, thread.map_err(Failure::Thread)?))
    }
}

/// What a person asks first about a server whose log is all there is.
fn log_settings(config: &Config) {
    let dirs = options::dirs(config);
    let (listen, session) = (&config.listen, &config.session);
    tracing::info!(
        snapshots = %dirs.snapshots.display(),
        logs = %dirs.logs.display(),
        tick_ms = session.tick_time_ms,
        session_timeout_ms = %format_args!("{}-{}", session.timeout_min_ms, session.timeout_max_ms),
        connections_per_address_max = listen.connections_per_address_max.unwrap_or(0),
        jute_max_buffer = config.wire.jute_max_buffer,
        "{}",
        match &config.ensemble {
            None => "standalone".to_owned(),
            Some(ensemble) => format!("server {} of an ensemble", ensemble.me),
        }
    );
    if !config.storage.force_sync {
        tracing::warn!(
            "forceSync is no: writes are acknowledged before the disk has them and may be lost"
        );
    }
}

fn bring_back(disk: &dyn Disk, config: &Config, clock: &SystemClock) -> Result<Recovered, Failure> {
    let started = clock.monotonic();
    let recovered = recover(disk, &options::storage(config), options::tree(config))?;
    // In an ensemble it waits for a leader's state instead.
    if !recovered.may_vote && config.ensemble.is_none() {
        return Err(Failure::NoData);
    }
    for remark in &recovered.remarks {
        tracing::warn!("{remark}");
    }
    let database = &recovered.database;
    tracing::info!(
        zxid = %database.last_zxid(),
        nodes = database.tree.node_count(),
        sessions = database.sessions.len(),
        replayed = recovered.replayed,
        "data brought back in {} ms",
        clock.monotonic().since(started)
    );
    Ok(recovered)
}
