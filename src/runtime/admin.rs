//! The commands of the AdminServer: who may run them, the facts each answer takes, and what they do.
//!
//! It is there before the server has its state, and stays while one without a leader serves nobody.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::admin::answers;
use crate::admin::{Ask, Command, Commands, HttpServer, Method, QuorumFacts, RateLimiter, Reply};
use crate::auth::{AuthIds, Shown};
use crate::base::{AclList, Identity, Zxid, perms};
use crate::config::{AdminOptions, Config};
use crate::net::Server;
use crate::runtime::Failure;
use crate::runtime::client_ports::name_of;
use crate::runtime::clock::SystemClock;
use crate::runtime::facts::{self, Facts};
use crate::runtime::options;
use crate::runtime::reports::Reports;
use crate::runtime::restore::Restores;
use crate::runtime::snapshots::SnapshotJob;
use crate::runtime::watches;
use crate::runtime::words::TraceMask;
use crate::store::disk::ReadFile;
use crate::store::restore::read_state;
use crate::tree::TreeOptions;

/// See the module.
pub(super) struct Admin {
    options: AdminOptions,
    file: String,
    properties: BTreeMap<String, String>,
    trace_mask: Arc<TraceMask>,
    /// Once the server has its state.
    live: OnceLock<Live>,
}

/// What commands work on.
pub(super) struct Live {
    pub(super) facts: Arc<Facts>,
    pub(super) server: Arc<Server>,
    pub(super) clock: Arc<SystemClock>,
    pub(super) reports: Arc<Reports>,
    pub(super) snapshots: SnapshotJob,
    pub(super) restores: Arc<Restores>,
    pub(super) is_member: bool,
    pub(super) tree: TreeOptions,
    pub(super) field_bytes_max: usize,
    pub(super) snapshot_limiter: Mutex<RateLimiter>,
    pub(super) restore_limiter: Mutex<RateLimiter>,
    /// One restore at a time: each holds a second state.
    pub(super) restoring: Mutex<()>,
}

impl Admin {
    /// Opens the port, if there is to be one. Where it listens is told for tests.
    pub(super) fn open(
        config: &Config,
        tokio: &Runtime,
        trace_mask: &Arc<TraceMask>,
    ) -> Result<Option<(Arc<Self>, SocketAddr)>, Failure> {
        let Some(options) = &config.admin else {
            return Ok(None);
        };
        let admin = Arc::new(Self {
            options: options.clone(),
            file: config.as_written.file.clone(),
            properties: properties(config),
            trace_mask: trace_mask.clone(),
            live: OnceLock::new(),
        });
        let https = options::https(options)?;
        let _inside = tokio.enter();
        let failure = |source| Failure::Admin {
            at: name_of(&options.address),
            url: options.command_url.clone(),
            source,
        };
        let http = HttpServer::bind(options, https, admin.clone()).map_err(failure)?;
        let address = http.address().map_err(failure)?;
        tracing::info!(
            "Started AdminServer on address {address} and command URL {}",
            options.command_url
        );
        tokio.spawn(http.run());
        Ok(Some((admin, address)))
    }

    /// The server has its state.
    pub(super) fn attach(&self, live: Live) {
        if self.live.set(live).is_err() {
            unreachable!("a server starts once");
        }
    }

    /// Options for [`Live`], in milliseconds: for snapshots, and for restores. Apache's server takes the
    /// setting for microseconds in the case of snapshots.
    pub(super) fn rate_intervals(&self) -> (u64, u64) {
        let interval_ms = self.options.rate_interval_ms;
        (interval_ms / 1000, interval_ms)
    }

    /// What a command finds out that needs no server.
    fn answer_anyway(&self, command: Command, ask: &Ask, quorum: &QuorumFacts) -> Option<Reply> {
        let live = self.live.get().filter(|_| quorum.is_serving());
        Some(match command {
            Command::Environment => answers::environment(&facts::environment()),
            Command::GetTraceMask => {
                answers::trace_mask(command, self.trace_mask.0.load(Ordering::Relaxed))
            }
            Command::SetTraceMask => match answers::new_trace_mask(ask.argument("traceMask")) {
                Ok(mask) => {
                    self.trace_mask.0.store(mask, Ordering::Relaxed);
                    answers::trace_mask(command, mask)
                }
                Err(complaint) => complaint,
            },
            Command::SystemProperties => answers::system_properties(&self.properties),
            Command::ZabState => {
                let place = live.and_then(|live| live.facts.place(&live.server));
                answers::zab_state(place.as_ref())
            }
            Command::Monitor => match live {
                Some(live) => answers::monitor(&live.facts.monitor(&live.server, quorum)),
                None => self.page_of_error(ask),
            },
            _ => return None,
        })
    }

    fn page_of_error(&self, ask: &Ask) -> Reply {
        Reply::page(500, &format!("{}/{}", self.options.command_url, ask.name))
    }

    fn run(&self, live: &Live, command: Command, quorum: &QuorumFacts) -> Reply {
        let (facts, server) = (&live.facts, &*live.server);
        match command {
            Command::Configuration => answers::configuration(&facts.conf(quorum)),
            Command::ConnectionStatReset => {
                server.reset_connection_figures();
                answers::done(command)
            }
            Command::Connections => answers::connections(&facts.connections(server)),
            Command::Dirs => {
                let (snapshot_bytes, log_bytes) = facts.dir_bytes();
                answers::dirs(snapshot_bytes, log_bytes)
            }
            Command::Dump => answers::dump(&facts.sessions(server, quorum)),
            Command::Hash => {
                let digests: Vec<_> = server.state.read().digest_history().collect();
                answers::hash(&digests)
            }
            Command::InitialConfiguration => answers::initial_configuration(&self.file),
            Command::IsReadOnly => answers::is_read_only(quorum.is_read_only()),
            Command::LastSnapshot => answers::last_snapshot(facts.last_snapshot()),
            Command::Leader => answers::leader(facts.place(server).as_ref()),
            Command::ObserverConnectionStatReset => {
                facts.reset_observers();
                answers::done(command)
            }
            Command::Observers => answers::observers(&facts.observers()),
            Command::ServerStats => answers::server_stats(&facts.stat(server, quorum)),
            Command::StatReset => {
                facts.reset(server);
                answers::done(command)
            }
            Command::Stats => {
                answers::stats(&facts.stat(server, quorum), &facts.connections(server))
            }
            Command::VotingView => answers::voting_view(facts.place(server).as_ref()),
            Command::WatchSummary => {
                let summary = server.watches.lock().summary();
                answers::watch_summary(summary.connections, summary.paths, summary.watches)
            }
            Command::Watches => answers::watches(watches::by_session(server)),
            Command::WatchesByPath => answers::watches_by_path(watches::by_path(server)),
            // The others have been answered.
            _ => answers::done(command),
        }
    }

    /// A fresh snapshot, and its bytes unless they are not wanted.
    fn snapshot(&self, live: &Live, ask: &Ask) -> Reply {
        let failed = |status| Reply::failed(status, Command::Snapshot);
        if !self.options.snapshot_enabled {
            tracing::warn!("Snapshot command is disabled");
            return failed(503);
        }
        if !live.snapshots.writes_last_processed {
            tracing::warn!("snapshot needs serializeLastProcessedZxid.enabled");
            return failed(500);
        }
        if !live.snapshot_limiter.lock().allows(live.clock.monotonic()) {
            tracing::warn!("a snapshot command came too soon after the one before");
            live.reports.count(|figures| &mut figures.snapshots_limited);
            return failed(429);
        }
        // `Boolean.parseBoolean`.
        let streams = ask.argument("streaming");
        let streams = streams.is_none_or(|streams| streams.eq_ignore_ascii_case("true"));
        match live.take_snapshot(streams) {
            Ok(reply) => reply,
            Err(reason) => {
                tracing::warn!("no snapshot for the AdminServer: {reason}");
                live.reports.count(|figures| &mut figures.snapshot_errors);
                failed(500)
            }
        }
    }

    /// The state of the snapshot in `body` in the place of the server's.
    fn restore(&self, live: &Live, body: &mut (dyn Read + Send)) -> Reply {
        let failed = |status| Reply::failed(status, Command::Restore);
        if !self.options.restore_enabled {
            tracing::warn!("Restore command is disabled");
            return failed(503);
        }
        if !live.snapshots.writes_last_processed {
            tracing::warn!("restore needs serializeLastProcessedZxid.enabled");
            return failed(500);
        }
        if !live.restore_limiter.lock().allows(live.clock.monotonic()) {
            tracing::warn!("a restore command came too soon after the one before");
            live.reports.count(|figures| &mut figures.restores_limited);
            return failed(429);
        }
        match live.restore(body) {
            Ok(zxid) => Reply::restored(zxid),
            Err(reason) => {
                tracing::warn!("no restore by the AdminServer: {reason}");
                live.reports.count(|figures| &mut figures.restore_errors);
                failed(500)
            }
        }
    }

    /// Whether who asks may do anything to the root, else what is answered.
    fn check_rights(&self, live: &Live, ask: &Ask) -> Result<(), Reply> {
        let refused = |status, error| Err(Reply::refused(status, &ask.name, error));
        let Some(authorization) = &ask.authorization else {
            return refused(401, "Auth info is missing for the command");
        };
        let Some(ids) = self.identities(live, authorization, ask) else {
            return refused(401, "Not authenticated");
        };
        let root = {
            let state = live.server.state.read();
            state.tree.node("/").and_then(|node| node.acl().cloned())
        };
        let root = root.as_ref().map(AclList::as_ref);
        let policy = &live.server.policy;
        let each = [
            perms::READ,
            perms::WRITE,
            perms::CREATE,
            perms::DELETE,
            perms::ADMIN,
        ];
        match each
            .into_iter()
            .all(|perm| policy.permits(&ids, root, perm))
        {
            true => Ok(()),
            false => refused(403, "Not authorized"),
        }
    }

    /// Who asks, by the header; `None` if that shows nobody.
    fn identities(&self, live: &Live, authorization: &str, ask: &Ask) -> Option<AuthIds> {
        let parts: Vec<&str> = authorization.trim_end_matches(' ').split(' ').collect();
        let (scheme, token) = match parts[..] {
            [scheme] => (scheme, None),
            [scheme, token] => (scheme, Some(token.as_bytes())),
            _ => return None,
        };
        let forwarded = ask.forwarded_for.as_deref();
        let forwarded = forwarded.filter(|_| self.options.trusts_forwarded_for);
        if let (Some(forwarded), "ip") = (forwarded, scheme) {
            // A proxy adds to the right.
            let client = forwarded.split(',').find(|part| !part.is_empty())?;
            return Some(AuthIds::from([Identity::new("ip", client.trim())]));
        }
        // The others have nothing to say of an HTTP request.
        if !matches!(scheme, "ip" | "digest") {
            return None;
        }
        let nobody = AuthIds::from([]);
        let policy = &live.server.policy;
        let ids = policy.authenticate(&nobody, scheme, &Shown::new(token, ask.peer));
        ids.ok()
    }
}

impl Commands for Admin {
    fn answer(&self, ask: &Ask, body: &mut (dyn Read + Send)) -> Reply {
        let Some(command) = Command::from_name(&ask.name) else {
            return Reply::unknown(&ask.name);
        };
        let live = self.live.get();
        let quorum = live.map_or(QuorumFacts::NotServing, |live| {
            live.facts.quorum(&live.server)
        });
        let serving = live.filter(|_| quorum.is_serving());
        if command.needs_serving() && serving.is_none() {
            return Reply::not_serving(&ask.name);
        }
        if let (true, Some(live)) = (command.needs_rights(), live)
            && let Err(refusal) = self.check_rights(live, ask)
        {
            return refusal;
        }
        if command.is_posted() != (ask.method == Method::Post) {
            return self.page_of_error(ask);
        }
        if let Some(reply) = self.answer_anyway(command, ask, &quorum) {
            return reply;
        }
        match (command, serving) {
            (_, None) => Reply::not_serving(&ask.name),
            (Command::Snapshot, Some(live)) => self.snapshot(live, ask),
            (Command::Restore, Some(live)) => self.restore(live, body),
            (_, Some(live)) => self.run(live, command, &quorum),
        }
    }

    /// Those from before the server has its state are not told of.
    fn count_plain(&self) {
        if let Some(live) = self.live.get() {
            live.reports.count(|figures| &mut figures.plain_admin);
        }
    }
}

impl Live {
    fn take_snapshot(&self, streams: bool) -> Result<Reply, String> {
        let written = self.snapshots.write_on_demand();
        let written = written.ok_or("the server's term is over")?;
        let written = written.map_err(|failure| failure.explained())?;
        let file = self.snapshots.disk.open(&written.path);
        let file = file.map_err(|error| error.to_string())?;
        let size = file.size();
        let bytes = Box::new(FileBytes { file, offset: 0 });
        let bytes = streams.then_some(bytes as Box<dyn Read + Send>);
        Ok(Reply::snapshot(written.zxid, size, bytes))
    }

    /// The last transaction that the restored state had.
    fn restore(&self, body: &mut (dyn Read + Send)) -> Result<Zxid, String> {
        let _alone = self.restoring.lock();
        let started = self.clock.monotonic();
        let state = read_state(body, self.field_bytes_max, self.tree);
        let state = state.map_err(|error| explained(&error))?;
        let (zxid, nodes) = (state.last_zxid(), state.tree.node_count());
        let sessions = state.sessions.len();
        let submissions = &self.server.submissions;
        let position = self.restores.ask(submissions, Box::new(state));
        let position = position.map_err(|error| error.to_string())?;
        if self.is_member {
            let written = self.snapshots.write_on_demand();
            let written = written.ok_or("the server's term is over; the old state is on disk")?;
            let written = written.map_err(|failure| failure.explained())?;
            self.snapshots.remove_others(&written);
        }
        let took_ms = self.clock.monotonic().since(started);
        self.reports.count_restore(took_ms);
        tracing::info!(%zxid, nodes, sessions, %position, "restored in {took_ms} ms");
        Ok(zxid)
    }
}

/// An error with all its reasons.
fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut reason = error.source();
    while let Some(error) = reason {
        text = format!("{text}: {error}");
        reason = error.source();
    }
    text
}

/// A file from its start on.
struct FileBytes {
    file: Box<dyn ReadFile>,
    offset: u64,
}

impl Read for FileBytes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.offset, into)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// What an Apache server would have as properties of its own, beside those of its JVM.
fn properties(config: &Config) -> BTreeMap<String, String> {
    let environment = facts::environment();
    let of_system = environment.into_iter().filter(|(name, _)| {
        ["java.", "os.", "user."]
            .iter()
            .any(|part| name.starts_with(part))
            && !name.starts_with("os.memory.")
    });
    let separators = [
        ("file.separator", "/"),
        ("line.separator", "\n"),
        ("path.separator", ":"),
    ];
    let separators = separators.map(|(name, value)| (name.to_owned(), value.to_owned()));
    of_system
        .map(|(name, value)| (name.to_owned(), value))
        .chain(separators)
        .chain(config.as_written.properties.iter().cloned())
        .collect()
}
