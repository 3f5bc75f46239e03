//! The server as a process: it brings the state back, starts the threads, waits, and stops all in
//! order.
//!
//! ```text
//!   worker threads: one task per connection; reads are answered there
//!   "writer":       prepares, logs, syncs, applies; the only one that changes the state
//!   "snapshot":     while one is written
//! ```
//!
//! Stopping: connections are closed, the writer finishes what it has and the log with it, and a
//! snapshot that is being written gives up. All of it takes less than a second unless the disk
//! does not.
//!
//! A connection's task that panics costs its connection. The writer, the listener or a snapshot
//! that panics stops the process, as one that fails does: what is left would be a server that
//! takes requests and never answers.
//!
//! Clocks are read here and nowhere else.

mod admin;
mod clock;
mod disk_thread;
mod facts;
mod link_storage;
mod member;
mod member_ports;
mod member_writer;
mod options;
mod place;
mod reports;
mod restore;
mod snapshots;
mod standalone;
#[cfg(test)]
mod tests;
mod watches;
mod words;
mod writer;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::admin::RateLimiter;
use crate::base::{Now, Zxid};
use crate::config::{Config, ListenAddress, ListenHost, PurgeOptions};
use crate::net::{self, Clock, ElectionPortFailure, PeerSecurity, Server, TlsError};
use crate::peer::Peer;
use crate::runtime::admin::Admin;
use crate::runtime::clock::SystemClock;
use crate::runtime::facts::Facts;
use crate::runtime::reports::Reports;
use crate::runtime::restore::Restores;
use crate::runtime::snapshots::{SnapshotGate, SnapshotJob};
use crate::runtime::words::{FourLetterWords, TraceMask};
use crate::store::disk::{Disk, RealDisk};
use crate::store::epoch::EpochError;
use crate::store::layout::DataDirs;
use crate::store::log_writer::{LogWriteError, LogWriter};
use crate::store::purge::purge;
use crate::store::recover::{RecoverError, Recovered, recover};
use crate::store::snapshot_writer::SnapshotWriteError;
use crate::store::worker::WorkerError;

/// Why the server does not start or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Configuration(String),
    #[error("cannot bring the data back")]
    Recovery(#[from] RecoverError),
    #[error("there is no data, no file `initialize`, and zookeeper.db.autocreate is false")]
    NoData,
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("cannot listen for clients at {at}")]
    Listen { at: String, source: io::Error },
    #[error("problem starting AdminServer at {at} and command URL {url}")]
    Admin {
        at: String,
        url: String,
        source: io::Error,
    },
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    #[error("a write to the transaction log failed; nothing more is acknowledged")]
    Log(#[from] LogWriteError),
    #[error("a snapshot failed")]
    Snapshot(#[from] SnapshotWriteError),
    #[error("the {0}'s thread panicked")]
    Panicked(&'static str),
    #[error("the epochs on disk cannot be")]
    Epochs(#[from] EpochError),
    #[error("the disk of a member of an ensemble failed")]
    Disk(#[from] WorkerError),
    #[error("the election port failed")]
    ElectionPort(#[from] ElectionPortFailure),
    #[error("{reason}")]
    Protocol { code: u8, reason: String },
}

impl Failure {
    /// The process's exit code, as `ExitCode` has it for the same reason.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::Tls(_) => 2,
            Self::Admin { .. } => 4,
            Self::Recovery(error) => error.exit_code(),
            Self::Snapshot(_) => SnapshotWriteError::EXIT_CODE,
            Self::Disk(error) => error.exit_code(),
            Self::ElectionPort(error) => error.exit_code(),
            Self::Protocol { code, .. } => *code,
            _ => 1,
        }
    }

    /// What Apache's server says before it exits with that code.
    pub fn headline(&self) -> &'static str {
        match self.exit_code() {
            2 => "Invalid config, exiting abnormally",
            3 => "Unable to access datadir, exiting abnormally",
            4 => "Unable to start AdminServer, exiting abnormally",
            _ => "Unexpected exception, exiting abnormally",
        }
    }

    /// The failure and all its reasons in one line.
    pub fn explained(&self) -> String {
        let mut text = self.to_string();
        let mut reason: Option<&dyn Error> = self.source();
        while let Some(error) = reason {
            text = format!("{text}: {error}");
            reason = error.source();
        }
        text
    }
}

/// Runs a server until a signal stops it or it cannot go on.
pub fn run(config: &Config) -> Result<(), Failure> {
    let mut running = Running::start(config)?;
    let failure = running.wait();
    let stopped = running.stop();
    failure.map_or(stopped, Err)
}

/// A server that serves.
pub struct Running {
    tokio: Runtime,
    server: Arc<Server>,
    threads: Threads,
    client_address: Option<SocketAddr>,
    secure_address: Option<SocketAddr>,
    admin_address: Option<SocketAddr>,
    failures: mpsc::Receiver<Failure>,
}

impl Running {
    /// Brings the data back and starts to serve.
    pub fn start(config: &Config) -> Result<Self, Failure> {
        Self::start_on(Arc::new(RealDisk), config)
    }

    fn start_on(disk: Arc<dyn Disk>, config: &Config) -> Result<Self, Failure> {
        let tokio = runtime()?;
        let trace_mask = Arc::new(TraceMask::default());
        let admin = Admin::open(config, &tokio, &trace_mask)?;
        let (common, failures) = Common::build(disk.clone(), config, trace_mask)?;
        let ports = listen(&tokio, config)?;
        let (client_address, secure_address) = (address_of(&ports.0)?, address_of(&ports.1)?);
        let (server, clock, reports) = (
            common.server.clone(),
            common.clock.clone(),
            common.reports.clone(),
        );
        let admin_address = admin.as_ref().map(|(_, address)| *address);
        if let Some((admin, _)) = admin {
            admin.attach(common.for_admin(config, admin.rate_intervals()));
        }
        let old_files = common.old_files.clone();
        let started = common.started.monotonic;
        let threads = match &config.ensemble {
            None => standalone::start(common, config)?,
            Some(ensemble) => {
                let ensemble = options::with_canonical_hosts(ensemble)?;
                member::start(common, config, &ensemble, tokio.handle())?
            }
        };
        for listener in [ports.0, ports.1].into_iter().flatten() {
            watch_over(&tokio, "listener", &reports, listener.run(server.clone()));
        }
        watch_over(&tokio, "listener", &reports, net::sweep(server.clone()));
        if let Some(tls) = &server.options().tls {
            tokio.spawn(tls.tls.clone().watch());
        }
        if let Some(purging) = config.storage.purge {
            let dirs = options::dirs(config);
            tokio.spawn(purge_at_intervals(disk, dirs, old_files, purging));
        }
        let took_ms = clock.monotonic().since(started);
        for address in [client_address, secure_address].into_iter().flatten() {
            tracing::info!("binding to port {address}; ready {took_ms} ms after the start");
        }
        Ok(Self {
            tokio,
            server,
            threads,
            client_address,
            secure_address,
            admin_address,
            failures,
        })
    }

    /// Where commands are taken, unless that is switched off.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Where clients are served: with TLS only if that is the only port there is.
    pub fn client_address(&self) -> SocketAddr {
        let address = self.client_address.or(self.secure_address);
        address.expect("a configuration has a port for clients")
    }

    /// Where clients are served with TLS alone.
    pub fn secure_client_address(&self) -> Option<SocketAddr> {
        self.secure_address
    }

    /// Waits for a signal to stop, or the reason why the server cannot go on.
    pub fn wait(&mut self) -> Option<Failure> {
        let failures = &mut self.failures;
        self.tokio.block_on(async {
            let mut terminate = Stop::on(SignalKind::terminate());
            let mut interrupt = Stop::on(SignalKind::interrupt());
            tokio::select! {
                failure = failures.recv() => failure,
                () = terminate.come() => None,
                () = interrupt.come() => None,
            }
        })
    }

    /// Closes the connections, finishes the log, and ends all threads. What fails meanwhile is
    /// given, as a log that is not whole must not look like an orderly end.
    pub fn stop(mut self) -> Result<(), Failure> {
        tracing::info!("stopping");
        self.server.stop();
        self.server.submissions.close();
        let joined: Vec<_> = self
            .threads
            .into_iter()
            .map(|(name, thread)| (name, thread.join()))
            .collect();
        self.tokio.shutdown_timeout(STOP_TIMEOUT);
        for (name, ended) in joined {
            ended.map_err(|_| Failure::Panicked(name))?;
        }
        if let Ok(failure) = self.failures.try_recv() {
            return Err(failure);
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Threads that the server cannot be without, by name, in the order in which they end: each works for
/// the one before it.
type Threads = Vec<(&'static str, JoinHandle<()>)>;

/// A signal that asks the process to stop; one that cannot be listened for never comes.
struct Stop(Option<Signal>);

impl Stop {
    fn on(kind: SignalKind) -> Self {
        Self(signal(kind).ok())
    }

    async fn come(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// What a server has whether or not it is alone, before it runs.
struct Common {
    clock: Arc<SystemClock>,
    started: Now,
    disk: Arc<dyn Disk>,
    server: Arc<Server>,
    peer: Arc<Mutex<Peer>>,
    reports: Arc<Reports>,
    /// What connections to other servers are made with.
    security: PeerSecurity,
    /// Where what is random starts.
    seed: u64,
    recovered: Brought,
    /// Held while old files are removed, and while a history is replaced by another: what one finds
    /// there, the other must not take away.
    old_files: Arc<Mutex<()>>,
    facts: Arc<Facts>,
    gate: Arc<SnapshotGate>,
    restores: Arc<Restores>,
    /// See [`SnapshotJob::turn`].
    snapshot_turn: Arc<Mutex<()>>,
}

/// What the disk held, besides the state.
struct Brought {
    last_zxid: Zxid,
    replayed: u64,
    /// Ephemerals of unknown sessions were removed.
    has_orphans: bool,
}

impl Common {
    fn build(
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

    fn snapshots(&self, config: &Config, gate: Arc<SnapshotGate>) -> SnapshotJob {
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
    fn for_admin(&self, config: &Config, (snapshots_ms, restores_ms): (u64, u64)) -> admin::Live {
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
    fn spawn(
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

fn log_writer(
    config: &Config,
    disk: &Arc<dyn Disk>,
    clock: &Arc<SystemClock>,
    last: Zxid,
) -> LogWriter {
    let clock = clock.clone();
    LogWriter::new(
        disk.clone(),
        options::dirs(config).logs,
        options::log(config),
        last,
        Box::new(move || clock.monotonic()),
    )
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

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("worker")
        .build()
        .map_err(Failure::Thread)
}

type ClientPorts = (Option<net::Listener>, Option<net::Listener>);

/// Binds the port for clients without TLS and the one for those with it, as far as there are any.
fn listen(tokio: &Runtime, config: &Config) -> Result<ClientPorts, Failure> {
    let _inside = tokio.enter();
    let bind = |address: &Option<ListenAddress>, is_secure| {
        let Some(address) = address else {
            return Ok(None);
        };
        let bound = net::bind(address, &config.listen, is_secure);
        bound.map(Some).map_err(|source| Failure::Listen {
            at: name_of(address),
            source,
        })
    };
    Ok((
        bind(&config.listen.address, false)?,
        bind(&config.listen.secure_address, true)?,
    ))
}

fn address_of(listener: &Option<net::Listener>) -> Result<Option<SocketAddr>, Failure> {
    let address = listener.as_ref().map(net::Listener::local_addr);
    address.transpose().map_err(|source| Failure::Listen {
        at: "the client port".to_owned(),
        source,
    })
}

fn name_of(address: &ListenAddress) -> String {
    let port = address.port;
    match &address.host {
        ListenHost::All => format!("port {port} of all addresses"),
        ListenHost::Ip(ip) => format!("port {port} of {ip}"),
        ListenHost::Name(name) => format!("port {port} of {name}"),
    }
}

/// Runs a task the server cannot be without.
fn watch_over(
    tokio: &Runtime,
    name: &'static str,
    reports: &Arc<Reports>,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let (task, reports) = (tokio.spawn(task), reports.clone());
    tokio.spawn(async move {
        if task.await.is_err_and(|error| error.is_panic()) {
            reports.fail(Failure::Panicked(name));
        }
    });
}

async fn purge_at_intervals(
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

/// How long tasks may take to end once all that matters has ended.
const STOP_TIMEOUT: Duration = Duration::from_millis(300);
