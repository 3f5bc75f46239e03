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
mod client_ports;
mod clock;
mod common;
mod disk_thread;
mod facts;
mod failure;
mod link_storage;
mod member;
mod member_ports;
mod member_writer;
mod old_files;
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

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::net::{self, Server};
use crate::runtime::admin::Admin;
use crate::runtime::client_ports::{address_of, listen};
use crate::runtime::common::Common;
use crate::runtime::old_files::purge_at_intervals;
use crate::runtime::reports::Reports;
use crate::runtime::words::TraceMask;
use crate::store::disk::{Disk, RealDisk};

pub use crate::runtime::failure::Failure;

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

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("worker")
        .build()
        .map_err(Failure::Thread)
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

/// How long tasks may take to end once all that matters has ended.
const STOP_TIMEOUT: Duration = Duration::from_millis(300);
