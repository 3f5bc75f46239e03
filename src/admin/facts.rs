//! What answers are made of: plain data.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::{Monotonic, ServerId, SessionId, SizeSpread, WallMillis, Zxid};

/// The server in brief.
#[derive(Debug, Clone, Default)]
pub struct ServerFacts {
    /// `standalone`, `leader` and so on.
    pub mode: &'static str,
    pub latency: Latency,
    pub received: u64,
    pub sent: u64,
    pub connections: usize,
    /// Requests that are not answered.
    pub outstanding: usize,
    pub zxid: Zxid,
    pub node_count: usize,
    /// Of a leader.
    pub proposals: Option<Sizes>,
    /// It has no leader, and lets clients read.
    pub is_read_only: bool,
}

/// What a server is in its ensemble at the moment.
#[derive(Debug, Clone, Default)]
pub enum QuorumFacts {
    /// It is in none.
    #[default]
    Standalone,
    /// It takes no clients: it looks for a leader, or catches up with one, or leads and leaves them
    /// to others.
    NotServing,
    /// It has no leader, and lets clients read.
    ReadOnly,
    Serving(MemberFacts),
}

/// A member of an ensemble that takes clients.
#[derive(Debug, Clone)]
pub struct MemberFacts {
    pub role: RoleFacts,
    /// Voters in the configuration.
    pub quorum_size: usize,
}

/// What it does there.
#[derive(Debug, Clone)]
pub enum RoleFacts {
    Leader(LeaderFacts),
    Follower {
        /// Observers that have got all from it; `None` without `observerMasterPort`.
        synced_observers: Option<usize>,
    },
    Observer {
        leader: ServerId,
    },
}

/// What only a leader knows.
#[derive(Debug, Clone, Default)]
pub struct LeaderFacts {
    /// Since its term began.
    pub uptime_ms: u64,
    /// Servers connected to it, caught up or not.
    pub learners: usize,
    /// Voters that have caught up, without itself.
    pub synced_followers: usize,
    /// Followers that have caught up and are in no configuration.
    pub synced_non_voting_followers: usize,
    pub synced_observers: usize,
    /// `sync`s that wait for what was proposed before them.
    pub pending_syncs: usize,
    pub proposals: Sizes,
}

/// Bytes of things that went by; -1 before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub last: i64,
    pub min: i64,
    pub max: i64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            last: -1,
            min: -1,
            max: -1,
        }
    }
}

impl From<Option<SizeSpread>> for Sizes {
    fn from(spread: Option<SizeSpread>) -> Self {
        let Some(SizeSpread { last, min, max }) = spread else {
            return Self::default();
        };
        let bytes = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        Self {
            last: bytes(last),
            min: bytes(min),
            max: bytes(max),
        }
    }
}

impl QuorumFacts {
    /// As `srvr` names it.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            // Nobody is told.
            Self::NotServing => "",
            Self::ReadOnly => "read-only",
            Self::Serving(member) => match member.role {
                RoleFacts::Leader(_) => "leader",
                RoleFacts::Follower { .. } => "follower",
                RoleFacts::Observer { .. } => "observer",
            },
        }
    }

    pub fn is_serving(&self) -> bool {
        !matches!(self, Self::NotServing)
    }

    pub fn member(&self) -> Option<&MemberFacts> {
        match self {
            Self::Serving(member) => Some(member),
            Self::Standalone | Self::NotServing | Self::ReadOnly => None,
        }
    }

    /// Whether another server decides when sessions expire.
    pub fn is_learner(&self) -> bool {
        self.is_read_only()
            || self
                .member()
                .is_some_and(|member| !matches!(member.role, RoleFacts::Leader(_)))
    }

    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::ReadOnly)
    }

    pub fn proposals(&self) -> Option<Sizes> {
        match &self.member()?.role {
            RoleFacts::Leader(leader) => Some(leader.proposals),
            RoleFacts::Follower { .. } | RoleFacts::Observer { .. } => None,
        }
    }
}

/// Whole milliseconds from request to reply.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latency {
    pub min_ms: u64,
    pub max_ms: u64,
    pub total_ms: u64,
    pub count: u64,
}

/// One connection.
#[derive(Debug, Clone)]
pub struct ConnFacts {
    pub peer: SocketAddr,
    /// Whether it came by the port for clients with TLS.
    pub is_secure: bool,
    /// Whether requests are taken from its socket.
    pub reads: bool,
    pub queued: u64,
    pub received: u64,
    pub sent: u64,
    pub established: WallMillis,
    /// Once it has a session.
    pub session: Option<ConnSession>,
    /// When it is closed if nothing comes or goes.
    pub idle_deadline: WallMillis,
}

/// What a connection has besides, once it has a session.
#[derive(Debug, Clone)]
pub struct ConnSession {
    pub id: SessionId,
    pub timeout_ms: i32,
    /// Number of the last operation; `None` before the first.
    pub last_op: Option<i32>,
    pub established: WallMillis,
    pub last_cxid: i64,
    pub last_zxid: i64,
    /// Milliseconds of a clock that only goes forward.
    pub last_response: u64,
    pub last_latency_ms: u64,
    pub latency: Latency,
}

/// The settings that matter to clients.
#[derive(Debug, Clone)]
pub struct ConfFacts {
    /// `None` without such a port.
    pub client_port: Option<u16>,
    pub secure_client_port: Option<u16>,
    pub snapshot_dir: PathBuf,
    pub snapshot_dir_bytes: u64,
    pub log_dir: PathBuf,
    pub log_dir_bytes: u64,
    pub tick_time_ms: u32,
    /// 0 for no limit.
    pub connections_per_address_max: u32,
    pub session_timeout_min_ms: u32,
    pub session_timeout_max_ms: u32,
    /// `None` when it is the system's.
    pub backlog: Option<u32>,
    pub server_id: i64,
    /// Of a member of an ensemble.
    pub ensemble: Option<EnsembleFacts>,
}

/// The settings that matter to other servers.
#[derive(Debug, Clone)]
pub struct EnsembleFacts {
    /// In ticks, as the next one.
    pub init_limit: u32,
    pub sync_limit: u32,
    /// One for each of its addresses, as the next one.
    pub election_ports: Vec<u16>,
    pub quorum_ports: Vec<u16>,
    pub is_observer: bool,
    /// The text of the configuration, which a server without a leader keeps to itself.
    pub membership: Option<String>,
}

/// Sessions, and the ephemeral nodes.
#[derive(Debug, Clone)]
pub struct SessionDump {
    /// When sessions expire that only this server knows; `None` where there are none by
    /// configuration.
    pub local: Option<Vec<ExpiryFacts>>,
    pub sessions: SessionFacts,
    /// Sessions that own nodes, with those.
    pub ephemerals: Vec<(SessionId, Vec<String>)>,
    pub connections: Vec<ConnFacts>,
}

/// What a server knows of sessions.
#[derive(Debug, Clone)]
pub enum SessionFacts {
    /// When they expire, in order of time: the server that leads, or is alone, decides that.
    Expiring(Vec<ExpiryFacts>),
    /// Their timeouts in milliseconds, in order.
    Known(Vec<(SessionId, i32)>),
}

/// Sessions that expire together.
#[derive(Debug, Clone)]
pub struct ExpiryFacts {
    pub at: WallMillis,
    /// The same on the clock that only goes forward.
    pub due: Monotonic,
    pub sessions: Vec<SessionId>,
}

/// What is measured, for `mntr`.
#[derive(Debug, Clone, Default)]
pub struct MonitorFacts {
    pub server: ServerFacts,
    /// Of a member of an ensemble.
    pub member: Option<MemberFacts>,
    pub uptime_ms: u64,
    pub watch_count: usize,
    pub ephemerals_count: usize,
    pub approximate_data_size: u64,
    pub global_sessions: usize,
    pub local_sessions: usize,
    pub open_files: i64,
    pub open_files_max: i64,
    pub connection_drop_chance: f64,
    /// Of clients, under way.
    pub tls_handshakes: u32,
    /// Failed TLS handshakes of clients and refused certificates.
    pub authentications_failed: u64,
    /// Of replies and events, without their length fields.
    pub responses: Sizes,
    /// Counters by Apache's names.
    pub counters: Vec<(&'static str, u64)>,
    /// Spreads by Apache's names.
    pub spreads: Vec<(&'static str, Spread)>,
}

/// Measured values in brief.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread {
    pub min: u64,
    pub max: u64,
    pub sum: u64,
    pub count: u64,
}

/// The server in numbers, beside [`ServerFacts`].
#[derive(Debug, Clone, Default)]
pub struct StatFacts {
    pub server: ServerFacts,
    pub uptime_ms: u64,
    pub snapshot_dir_bytes: u64,
    pub log_dir_bytes: u64,
    /// Syncs that took longer than `fsync.warningthresholdms`.
    pub slow_syncs: u64,
    /// Failed TLS handshakes of clients and refused certificates.
    pub authentications_failed: u64,
    pub responses: Sizes,
}

/// The newest snapshot on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotFacts {
    pub zxid: Zxid,
    /// When it was written, in seconds since 1970.
    pub written: i64,
}

/// A member of an ensemble among the others.
#[derive(Debug, Clone)]
pub struct PlaceFacts {
    pub me: ServerId,
    pub is_leader: bool,
    /// Who leads, and at which address; empty if that is not known.
    pub leader: (ServerId, String),
    /// Its own addresses, as host and port.
    pub quorum: Vec<HostPort>,
    pub election: Vec<HostPort>,
    pub client: Option<String>,
    /// Whether its vote counts.
    pub is_voting: bool,
    pub zxid: Zxid,
    pub voters: Vec<VoterFacts>,
}

/// A place to reach a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// As it was configured, without brackets.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A voter of the ensemble; addresses as `host:port`.
#[derive(Debug, Clone)]
pub struct VoterFacts {
    pub id: ServerId,
    pub quorum: Vec<String>,
    pub election: Vec<String>,
    /// Empty if it is not known here.
    pub client: String,
}

/// An observer that learns from this server.
#[derive(Debug, Clone)]
pub struct ObserverFacts {
    pub id: ServerId,
    pub peer: SocketAddr,
    pub established: WallMillis,
    /// What waits to be sent.
    pub queued: u64,
    pub queued_bytes: u64,
    pub received: u64,
    pub sent: u64,
    /// Requests of its clients.
    pub requests: u64,
    /// Of what was sent last; -1 before the first.
    pub last_zxid: i64,
}
