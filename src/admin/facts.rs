//! What answers are made of: plain data.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::{SessionId, WallMillis, Zxid};

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
    /// Whether requests are taken from its socket.
    pub reads: bool,
    pub queued: u64,
    pub received: u64,
    pub sent: u64,
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
    pub client_port: u16,
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
}

/// Sessions by the time at which they expire, and the ephemeral nodes.
#[derive(Debug, Clone, Default)]
pub struct SessionDump {
    /// In order of time.
    pub expiry: Vec<ExpiryFacts>,
    /// Sessions that own nodes, with those.
    pub ephemerals: Vec<(SessionId, Vec<String>)>,
    pub connections: Vec<ConnFacts>,
}

/// Sessions that expire together.
#[derive(Debug, Clone)]
pub struct ExpiryFacts {
    pub at: WallMillis,
    pub sessions: Vec<SessionId>,
}

/// What is measured, for `mntr`.
#[derive(Debug, Clone, Default)]
pub struct MonitorFacts {
    pub server: ServerFacts,
    pub uptime_ms: u64,
    pub watch_count: usize,
    pub ephemerals_count: usize,
    pub approximate_data_size: u64,
    pub sessions: usize,
    pub open_files: i64,
    pub open_files_max: i64,
    pub connection_drop_chance: f64,
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
