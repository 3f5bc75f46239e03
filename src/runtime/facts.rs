//! Gathers what answers to operators are made of.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;

use crate::admin::{
    ConfFacts, ConnFacts, ConnSession, EnsembleFacts, ExpiryFacts, Latency, LeaderFacts,
    MemberFacts, MonitorFacts, QuorumFacts, RoleFacts, ServerFacts, SessionDump, SessionFacts,
    SnapshotFacts, StatFacts, VERSION,
};
use crate::base::{Monotonic, ServerId, SessionId};
use crate::config::{Config, EnsembleOptions};
use crate::net::{ConnReport, LatencySpread, LinkReports, Server, ServerFigures};
use crate::peer::{Counters, LeadingReport, Mode, Peer, RoleReport};
use crate::quorum::Role;
use crate::runtime::clock::SystemClock;
use crate::runtime::options;
use crate::runtime::reports::{Figures, Reports};
use crate::store::disk::Disk;
use crate::store::layout::DataDirs;
use crate::zab::{LearnerKind, LearnerReport};

/// Where facts come from.
pub(super) struct Facts {
    pub(super) clock: Arc<SystemClock>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dirs: DataDirs,
    pub(super) peer: Arc<Mutex<Peer>>,
    /// Of a member of an ensemble, once it has its ports.
    pub(super) links: OnceLock<LinkReports>,
    reports: Arc<Reports>,
    started: Monotonic,
    /// All of `conf` but the sizes of the directories.
    pub(super) conf: ConfFacts,
}

impl Facts {
    pub(super) fn new(
        config: &Config,
        clock: &Arc<SystemClock>,
        disk: &Arc<dyn Disk>,
        peer: &Arc<Mutex<Peer>>,
        reports: &Arc<Reports>,
    ) -> Self {
        let dirs = options::dirs(config);
        let conf = conf_facts(config, &dirs);
        Self {
            clock: clock.clone(),
            disk: disk.clone(),
            dirs,
            peer: peer.clone(),
            links: OnceLock::new(),
            reports: reports.clone(),
            started: clock.monotonic(),
            conf,
        }
    }

    /// What the server is in its ensemble.
    pub(super) fn quorum(&self, server: &Server) -> QuorumFacts {
        match server.mode() {
            None => return QuorumFacts::NotServing,
            Some(Mode::ReadOnly) => return QuorumFacts::ReadOnly,
            Some(_) => {}
        }
        let Some(report) = self.peer.lock().quorum() else {
            return QuorumFacts::Standalone;
        };
        let role = match (report.role, server.mode()) {
            // The term ended a moment ago.
            (RoleReport::Looking, _) => return QuorumFacts::NotServing,
            (RoleReport::Leading(leading), _) => RoleFacts::Leader(self.leader(&leading)),
            (RoleReport::Learning { leader, .. }, Some(Mode::Observer)) => {
                RoleFacts::Observer { leader }
            }
            (
                RoleReport::Learning {
                    synced_observers, ..
                },
                _,
            ) => RoleFacts::Follower {
                synced_observers: synced_observers.map(|observers| observers.len()),
            },
        };
        QuorumFacts::Serving(MemberFacts {
            role,
            quorum_size: report.voters,
        })
    }

    fn leader(&self, leading: &LeadingReport) -> LeaderFacts {
        let synced = |is_counted: &dyn Fn(&LearnerReport) -> bool| {
            let synced = leading.learners.iter().filter(|learner| learner.is_synced);
            synced.filter(|learner| is_counted(learner)).count()
        };
        let is_follower = |learner: &LearnerReport| learner.kind == LearnerKind::Follower;
        let now = self.clock.monotonic();
        LeaderFacts {
            uptime_ms: leading.since.map_or(0, |since| now.since(since)),
            learners: leading.learners.len(),
            synced_followers: synced(&|learner| is_follower(learner) && learner.is_voter),
            synced_non_voting_followers: synced(&|learner| {
                is_follower(learner) && !learner.is_voter
            }),
            synced_observers: synced(&|learner| !is_follower(learner)),
            pending_syncs: leading.pending_syncs,
            proposals: leading.proposals.into(),
        }
    }

    pub(super) fn server(&self, server: &Server, quorum: &QuorumFacts) -> ServerFacts {
        let figures = server.figures();
        let (zxid, node_count) = {
            let state = server.state.read();
            // `DataTree.getNodeCount` counts the root twice, under both of its names.
            (state.last_zxid(), state.tree.node_count() + 1)
        };
        ServerFacts {
            mode: quorum.mode(),
            latency: latency(figures.latency),
            received: figures.received,
            sent: figures.sent,
            connections: server.connection_count(),
            outstanding: server.submissions.in_flight(),
            zxid,
            node_count,
            proposals: quorum.proposals(),
            is_read_only: quorum.is_read_only(),
        }
    }

    pub(super) fn connections(&self, server: &Server) -> Vec<ConnFacts> {
        let reports = server.connections();
        reports
            .iter()
            .map(|report| self.connection(report))
            .collect()
    }

    fn connection(&self, report: &ConnReport) -> ConnFacts {
        let figures = &report.figures;
        let session = report.session.map(|(id, timeout_ms)| ConnSession {
            id,
            timeout_ms,
            last_op: figures.last_op,
            established: report.established,
            last_cxid: figures.last_cxid,
            last_zxid: figures.last_zxid,
            last_response: figures.last_response,
            last_latency_ms: figures.last_latency_ms,
            latency: latency(figures.latency),
        });
        ConnFacts {
            peer: report.peer,
            is_secure: report.is_secure,
            reads: report.reads,
            queued: figures.queued,
            received: figures.received,
            sent: figures.sent,
            established: report.established,
            session,
            idle_deadline: self.clock.wall_at(report.idle_deadline),
        }
    }

    pub(super) fn conf(&self, quorum: &QuorumFacts) -> ConfFacts {
        let (snapshot_dir_bytes, log_dir_bytes) = self.dir_bytes();
        let mut conf = ConfFacts {
            snapshot_dir_bytes,
            log_dir_bytes,
            ..self.conf.clone()
        };
        let report = self.peer.lock().quorum();
        if let (Some(ensemble), Some(report)) = (&mut conf.ensemble, report) {
            let view = report.membership.committed();
            // As far as a read-only server tells.
            ensemble.membership = (!quorum.is_read_only()).then(|| view.to_string());
            ensemble.is_observer =
                report.membership.role(ServerId(conf.server_id)) == Role::Observer;
            // A server that was removed stays where it was.
            if let Some(own) = view.members().get(&ServerId(conf.server_id)) {
                let parts = own.addresses();
                ensemble.election_ports = parts.iter().map(|part| part.election_port).collect();
                ensemble.quorum_ports = parts.iter().map(|part| part.quorum_port).collect();
                if let Some(client) = options::client_address(own) {
                    conf.client_port = Some(client.port);
                }
            }
        }
        conf
    }

    /// Bytes of all files in the snapshots' and in the logs' directory.
    pub(super) fn dir_bytes(&self) -> (u64, u64) {
        let bytes_in = |dir: &std::path::Path| {
            let names = self.disk.list(dir).unwrap_or_default();
            let sizes = names.iter().filter_map(|name| {
                let file = self.disk.open(&dir.join(name)).ok()?;
                Some(file.size())
            });
            sizes.sum()
        };
        (bytes_in(&self.dirs.snapshots), bytes_in(&self.dirs.logs))
    }

    pub(super) fn sessions(&self, server: &Server, quorum: &QuorumFacts) -> SessionDump {
        let state = server.state.read();
        let with_nodes = |session: SessionId| {
            let paths = state.tree.ephemerals_of(session);
            (session, paths.map(String::from).collect())
        };
        let owners = state.tree.sessions_with_ephemerals();
        let ephemerals = owners.map(with_nodes).collect();
        drop(state);
        let local = {
            let peer = self.peer.lock();
            let is_on = peer.local_sessions_are_on();
            is_on.then(|| peer.expiry_buckets(true))
        };
        SessionDump {
            local: local.map(|buckets| self.expiry(buckets)),
            sessions: self.known_sessions(server, quorum),
            ephemerals,
            connections: self.connections(server),
        }
    }

    fn known_sessions(&self, server: &Server, quorum: &QuorumFacts) -> SessionFacts {
        if quorum.is_learner() {
            let state = server.state.read();
            let sessions = state.sessions.iter().map(|(id, timeout)| (*id, *timeout));
            return SessionFacts::Known(sessions.collect());
        }
        let buckets = self.peer.lock().expiry_buckets(false);
        SessionFacts::Expiring(self.expiry(buckets))
    }

    fn expiry(&self, buckets: BTreeMap<Monotonic, Vec<SessionId>>) -> Vec<ExpiryFacts> {
        let expiry = buckets.into_iter().map(|(at, sessions)| ExpiryFacts {
            at: self.clock.wall_at(at),
            due: at,
            sessions,
        });
        expiry.collect()
    }

    pub(super) fn monitor(&self, server: &Server, quorum: &QuorumFacts) -> MonitorFacts {
        let figures = self.reports.figures();
        let clients = server.figures();
        let (counters, sessions, local_sessions) = {
            let peer = self.peer.lock();
            let local = peer.local_session_count();
            (peer.counters(), peer.session_count() - local, local)
        };
        let global_sessions = match quorum.is_learner() {
            true => server.state.read().sessions.len(),
            false => sessions,
        };
        let server_facts = self.server(server, quorum);
        let watch_count = {
            let watches = server.watches.lock();
            watches.data_watch_count() + watches.child_watch_count()
        };
        let (open_files, open_files_max) = open_files();
        let (ephemerals_count, approximate_data_size) = {
            let state = server.state.read();
            let tree = &state.tree;
            (tree.ephemerals_count(), tree.approximate_data_size())
        };
        MonitorFacts {
            server: server_facts,
            member: quorum.member().cloned(),
            uptime_ms: self.clock.monotonic().since(self.started),
            watch_count,
            ephemerals_count,
            approximate_data_size,
            global_sessions,
            local_sessions,
            open_files,
            open_files_max,
            tls_handshakes: server.handshake_count(),
            authentications_failed: clients.events.authentications_failed,
            responses: clients.responses.into(),
            connection_drop_chance: server.connection_drop_chance(),
            counters: counters_of(&clients, &counters, &figures),
            spreads: vec![
                ("fsynctime", figures.syncs),
                ("sync_processor_batch_size", figures.batches),
                ("snapshottime", figures.snapshots),
                ("restore_time", figures.restores),
                ("dbinittime", figures.start),
                ("startup_txns_loaded", figures.replayed),
            ],
        }
    }

    /// The server in numbers.
    pub(super) fn stat(&self, server: &Server, quorum: &QuorumFacts) -> StatFacts {
        let (snapshot_dir_bytes, log_dir_bytes) = self.dir_bytes();
        let clients = server.figures();
        StatFacts {
            server: self.server(server, quorum),
            uptime_ms: self.clock.monotonic().since(self.started),
            snapshot_dir_bytes,
            log_dir_bytes,
            slow_syncs: self.reports.figures().slow_syncs,
            authentications_failed: clients.events.authentications_failed,
            responses: clients.responses.into(),
        }
    }

    /// The newest snapshot on disk.
    pub(super) fn last_snapshot(&self) -> Option<SnapshotFacts> {
        let snapshots = self.dirs.list_snapshots(&*self.disk).ok()?;
        let newest = snapshots.first()?;
        let metadata = fs::metadata(self.dirs.snapshots.join(&newest.name)).ok()?;
        let written = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(SnapshotFacts {
            zxid: newest.zxid,
            written: i64::try_from(written.as_secs()).ok()?,
        })
    }

    pub(super) fn reset(&self, server: &Server) {
        server.reset_figures();
        self.reports.reset();
        self.peer.lock().reset_proposal_sizes();
    }
}

/// All of `conf` but the sizes of the directories.
fn conf_facts(config: &Config, dirs: &DataDirs) -> ConfFacts {
    let ensemble = config.ensemble.as_ref();
    ConfFacts {
        client_port: config.listen.address.as_ref().map(|address| address.port),
        secure_client_port: config
            .listen
            .secure_address
            .as_ref()
            .map(|address| address.port),
        snapshot_dir: dirs.snapshots.clone(),
        snapshot_dir_bytes: 0,
        log_dir: dirs.logs.clone(),
        log_dir_bytes: 0,
        tick_time_ms: config.session.tick_time_ms,
        connections_per_address_max: config.listen.connections_per_address_max.unwrap_or(0),
        session_timeout_min_ms: config.session.timeout_min_ms,
        session_timeout_max_ms: config.session.timeout_max_ms,
        backlog: config.listen.backlog,
        server_id: ensemble.map_or(0, |ensemble| ensemble.me.0),
        ensemble: ensemble.map(ensemble_facts),
    }
}

fn ensemble_facts(ensemble: &EnsembleOptions) -> EnsembleFacts {
    let member = ensemble.view.members().get(&ensemble.me);
    let addresses = member.map_or(&[][..], |member| member.addresses());
    EnsembleFacts {
        init_limit: ensemble.init_limit,
        sync_limit: ensemble.sync_limit,
        election_ports: addresses.iter().map(|part| part.election_port).collect(),
        quorum_ports: addresses.iter().map(|part| part.quorum_port).collect(),
        is_observer: ensemble.role == Role::Observer,
        membership: Some(ensemble.view.to_string()),
    }
}

fn latency(spread: LatencySpread) -> Latency {
    Latency {
        min_ms: spread.min_ms,
        max_ms: spread.max_ms,
        total_ms: spread.total_ms,
        count: spread.count,
    }
}

/// Open file descriptors and how many there may be; -1 where the system does not tell.
fn open_files() -> (i64, i64) {
    let open = fs::read_dir("/proc/self/fd").map_or(-1, |entries| {
        // Reading the directory takes one itself.
        i64::try_from(entries.count()).map_or(-1, |count| count - 1)
    });
    let max = fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|limits| {
            let line = limits
                .lines()
                .find(|line| line.starts_with("Max open files"))?;
            line.split_whitespace().nth(3)?.parse().ok()
        });
    (open, max.unwrap_or(-1))
}

/// The environment, under the keys Apache's server has for it.
pub(super) fn environment() -> Vec<(&'static str, String)> {
    const UNKNOWN: &str = "<NA>";
    let read = |path: &str| {
        fs::read_to_string(path).map_or_else(|_| UNKNOWN.to_owned(), |text| text.trim().to_owned())
    };
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| UNKNOWN.to_owned());
    let dir = std::env::current_dir();
    let dir = dir.map_or_else(|_| UNKNOWN.to_owned(), |dir| dir.display().to_string());
    let (free, total) = memory_mb();
    vec![
        ("zookeeper.version", VERSION.to_owned()),
        ("host.name", read("/proc/sys/kernel/hostname")),
        ("java.version", UNKNOWN.to_owned()),
        ("java.vendor", "Gamekeeper".to_owned()),
        ("java.home", UNKNOWN.to_owned()),
        ("java.class.path", UNKNOWN.to_owned()),
        ("java.library.path", UNKNOWN.to_owned()),
        ("java.io.tmpdir", std::env::temp_dir().display().to_string()),
        ("java.compiler", UNKNOWN.to_owned()),
        ("os.name", "Linux".to_owned()),
        ("os.arch", std::env::consts::ARCH.to_owned()),
        ("os.version", read("/proc/sys/kernel/osrelease")),
        ("user.name", variable("USER")),
        ("user.home", variable("HOME")),
        ("user.dir", dir),
        ("os.memory.free", format!("{free}MB")),
        ("os.memory.max", format!("{total}MB")),
        ("os.memory.total", format!("{total}MB")),
    ]
}

/// Memory that is free and memory in all, in MB.
fn memory_mb() -> (u64, u64) {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or(0) / 1024
    };
    (field("MemFree:"), field("MemTotal:"))
}

/// What is only ever counted up, by its name in `mntr`.
fn counters_of(
    clients: &ServerFigures,
    counters: &Counters,
    figures: &Figures,
) -> Vec<(&'static str, u64)> {
    let events = &clients.events;
    vec![
        ("connection_request_count", events.sessions_requested),
        ("connection_revalidate_count", events.sessions_renewed),
        ("connection_drop_count", events.connections_ended),
        ("connection_rejected", events.connections_rejected),
        (
            "sessionless_connections_expired",
            events.sessionless_expired,
        ),
        ("stale_sessions_expired", counters.sessions_expired),
        ("unsuccessful_handshake", events.handshakes_failed),
        ("tls_handshake_exceeded", events.handshakes_exceeded),
        ("large_requests_rejected", events.large_requests_rejected),
        ("throttled_ops", events.requests_throttled),
        ("bytes_received_count", clients.received_bytes),
        (
            "response_bytes",
            clients.sent_bytes.saturating_sub(clients.event_bytes),
        ),
        ("watch_bytes", clients.event_bytes),
        ("digest_mismatches_count", counters.digest_mismatches),
        ("snapshot_error_count", figures.snapshot_errors),
        ("snapshot_rate_limited_count", figures.snapshots_limited),
        ("restore_error_count", figures.restore_errors),
        ("restore_rate_limited_count", figures.restores_limited),
        ("insecure_admin_count", figures.plain_admin),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::admin;
    use crate::config::CommandLine;

    use super::*;

    /// As a running Apache server answers with this file.
    #[test]
    fn what_conf_says_of_an_ensemble() {
        let text = "dataDir=/data\ninitLimit=5\nsyncLimit=2\nclientPort=21903\n\
            server.1=127.0.0.1:22901:23901;127.0.0.1:21901\n\
            server.2=127.0.0.1:22902:23902:participant;21902\n\
            server.3=127.0.0.1:22903:23903\n\
            server.4=127.0.0.1:22904:23904:observer;21904\n";
        let files = |_: &Path| Ok(b"3\n".to_vec());
        let command_line = CommandLine::default();
        let path = Path::new("zoo.cfg");
        let (config, _) = Config::read_with(path, text.as_bytes(), &command_line, &files).unwrap();
        let conf = conf_facts(&config, &options::dirs(&config));
        let text = admin::conf(&conf);
        let (_, of_member) = text.split_once("clientPortListenBacklog=-1\n").unwrap();
        assert_eq!(
            of_member,
            "serverId=3\ninitLimit=5\nsyncLimit=2\nelectionAlg=3\nelectionPort=23903\n\
             quorumPort=22903\npeerType=0\nmembership: \n\
             server.1=127.0.0.1:22901:23901:participant;127.0.0.1:21901\n\
             server.2=127.0.0.1:22902:23902:participant;0.0.0.0:21902\n\
             server.3=127.0.0.1:22903:23903:participant\n\
             server.4=127.0.0.1:22904:23904:observer;0.0.0.0:21904\nversion=0"
        );
    }
}
