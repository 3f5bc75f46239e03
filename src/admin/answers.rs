//! What commands answer, each a function of facts; fields, and their order, as Apache's server has them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::admin::facts::{
    ConfFacts, ConnFacts, ExpiryFacts, HostPort, MonitorFacts, ObserverFacts, PlaceFacts,
    SessionDump, SessionFacts, Sizes, SnapshotFacts, StatFacts,
};
use crate::admin::json::Object;
use crate::admin::reply::Reply;
use crate::admin::{Command, VERSION, java, monitor, text};
use crate::base::{ServerId, SessionId, Zxid};
use crate::proto::txn::DIGEST_VERSION;

/// Fields by a JSON literal.
macro_rules! object {
    ($($body:tt)*) => {
        match json!({ $($body)* }) {
            Value::Object(object) => object,
            _ => Object::new(),
        }
    };
}

/// A command that has nothing to tell but that it was run.
pub fn done(command: Command) -> Reply {
    Reply::of(command, Object::new())
}

/// `configuration`.
pub fn configuration(facts: &ConfFacts) -> Reply {
    let data = object! {
        "client_port" : facts.client_port,
        "data_dir" : facts.snapshot_dir.display().to_string(),
        "data_log_dir" : facts.log_dir.display().to_string(),
        "tick_time" : facts.tick_time_ms,
        "max_client_cnxns" : facts.connections_per_address_max,
        "min_session_timeout" : facts.session_timeout_min_ms,
        "max_session_timeout" : facts.session_timeout_max_ms,
        "server_id" : facts.server_id,
        "client_port_listen_backlog" : facts.backlog.map_or(-1, i64::from),
    };
    Reply::of(Command::Configuration, data)
}

/// `connections`.
pub fn connections(facts: &[ConnFacts]) -> Reply {
    Reply::of(Command::Connections, by_port(facts, connection))
}

/// The connections of each client port, as `Commands` of Apache has them.
fn by_port<T: Into<Value>>(facts: &[ConnFacts], show: fn(&ConnFacts) -> T) -> Object {
    let of = |is_secure| {
        let of_port = facts
            .iter()
            .filter(move |facts| facts.is_secure == is_secure);
        of_port.map(show).collect::<Value>()
    };
    object! {
        "connections" : of(false),
        "secure_connections" : of(true),
    }
}

fn connection(facts: &ConnFacts) -> Value {
    let mut data = connection_in_brief(facts);
    let session = facts.session.as_ref();
    let latency = session.map(|session| session.latency).unwrap_or_default();
    let average = latency.total_ms.checked_div(latency.count).unwrap_or(0);
    data.extend(object! {
        "session_id" : session.map_or(0, |session| session.id.0),
        "last_operation" : text::op_code(session.and_then(|session| session.last_op)),
        "established" : facts.established.0,
        "session_timeout" : session.map_or(0, |session| session.timeout_ms),
        "last_cxid" : session.map_or(-1, |session| session.last_cxid),
        "last_zxid" : session.map_or(-1, |session| session.last_zxid),
        "last_response_time" : session.map_or(0, |session| session.last_response),
        "last_latency" : session.map_or(0, |session| session.last_latency_ms),
        "min_latency" : latency.min_ms,
        "avg_latency" : average,
        "max_latency" : latency.max_ms,
    });
    data.into()
}

fn connection_in_brief(facts: &ConnFacts) -> Object {
    object! {
        "remote_socket_address" : facts.peer.to_string(),
        "interest_ops" : u8::from(facts.reads),
        "outstanding_requests" : facts.queued,
        "packets_received" : facts.received,
        "packets_sent" : facts.sent,
    }
}

/// `dirs`.
pub fn dirs(snapshot_bytes: u64, log_bytes: u64) -> Reply {
    let data = object! { "datadir_size" : snapshot_bytes, "logdir_size" : log_bytes };
    Reply::of(Command::Dirs, data)
}

/// `dump`. Of global sessions only who decides on it tells when they expire.
pub fn dump(facts: &SessionDump) -> Reply {
    let mut expiry = BTreeMap::<u64, Vec<i64>>::new();
    let mut add = |sets: &[ExpiryFacts]| {
        for set in sets {
            let ids = set.sessions.iter().map(|session| session.0);
            expiry.entry(set.due.0).or_default().extend(ids);
        }
    };
    if let SessionFacts::Expiring(sets) = &facts.sessions {
        add(sets);
    }
    add(facts.local.as_deref().unwrap_or_default());
    let ephemerals = facts.ephemerals.iter();
    let data = object! {
        "expiry_time_to_session_ids" : map(expiry),
        "session_id_to_ephemeral_paths" :
            map(ephemerals.map(|(session, paths)| (session.0, paths.clone()))),
    };
    Reply::of(Command::Dump, data)
}

fn map<K: ToString, V: Into<Value>>(entries: impl IntoIterator<Item = (K, V)>) -> Value {
    let entries = entries.into_iter();
    let entries = entries.map(|(key, value)| (key.to_string(), value.into()));
    Value::Object(entries.collect())
}

/// `environment`.
pub fn environment(facts: &[(&'static str, String)]) -> Reply {
    let data = facts.iter();
    let data = data.map(|(key, value)| ((*key).to_owned(), value.as_str().into()));
    Reply::of(Command::Environment, data.collect())
}

/// `hash`: digests of the tree, oldest first.
pub fn hash(digests: &[(Zxid, u64)]) -> Reply {
    let digest = |(zxid, digest): &(Zxid, u64)| {
        json!({
            "zxid" : zxid.0,
            "digest_version" : DIGEST_VERSION,
            "digest" : digest.cast_signed(),
        })
    };
    let data = object! { "digests" : digests.iter().map(digest).collect::<Value>() };
    Reply::of(Command::Hash, data)
}

/// `initial_configuration`.
pub fn initial_configuration(file: &str) -> Reply {
    let data = object! { "initial_configuration" : file };
    Reply::of(Command::InitialConfiguration, data)
}

/// `is_read_only`.
pub fn is_read_only(is_read_only: bool) -> Reply {
    Reply::of(Command::IsReadOnly, object! { "read_only" : is_read_only })
}

/// `last_snapshot`; `None` when there is none.
pub fn last_snapshot(facts: Option<SnapshotFacts>) -> Reply {
    let data = object! {
        "zxid" : format!("{:x}", facts.map_or(-1, |facts| facts.zxid.0)),
        "timestamp" : facts.map_or(-1, |facts| facts.written),
    };
    Reply::of(Command::LastSnapshot, data)
}

/// `leader`; `None` of a server that is in no ensemble at the moment.
pub fn leader(facts: Option<&PlaceFacts>) -> Reply {
    let Some(facts) = facts else {
        return Reply::complaint(Command::Leader, "server is not initialized");
    };
    let data = object! {
        "is_leader" : facts.is_leader,
        "leader_id" : facts.leader.0.0,
        "leader_ip" : facts.leader.1,
    };
    Reply::of(Command::Leader, data)
}

/// `monitor`: what `mntr` tells.
pub fn monitor(facts: &MonitorFacts) -> Reply {
    let value = |text: &str| match text.parse::<serde_json::Number>() {
        Ok(number) => Value::Number(number),
        Err(_) => text.into(),
    };
    let text = monitor::mntr(facts);
    let lines = text.lines().filter_map(|line| {
        let (key, text) = line.strip_prefix("zk_")?.split_once('\t')?;
        Some((key.to_owned(), value(text)))
    });
    Reply::of(Command::Monitor, lines.collect())
}

/// `observers`.
pub fn observers(facts: &[ObserverFacts]) -> Reply {
    let observer = |facts: &ObserverFacts| {
        json!({
            "remote_socket_address" : format!("/{}", facts.peer),
            "sid" : facts.id.0,
            "established" : facts.established.0,
            "queued_packets" : facts.queued,
            "queued_packets_size" : facts.queued_bytes,
            "packets_received" : facts.received,
            "packets_sent" : facts.sent,
            "requests" : facts.requests,
            "last_zxid" : facts.last_zxid,
        })
    };
    let data = object! {
        "synced_observers" : facts.len(),
        "observers" : facts.iter().map(observer).collect::<Value>(),
    };
    Reply::of(Command::Observers, data)
}

/// `server_stats`.
pub fn server_stats(facts: &StatFacts) -> Reply {
    Reply::of(Command::ServerStats, stats_of(facts))
}

/// `stats`.
pub fn stats(facts: &StatFacts, connections: &[ConnFacts]) -> Reply {
    let mut data = stats_of(facts);
    data.extend(by_port(connections, connection_in_brief));
    Reply::of(Command::Stats, data)
}

/// The order within `server_stats` is one of those in which Java may give it.
fn stats_of(facts: &StatFacts) -> Object {
    let server = &facts.server;
    let latency = server.latency;
    let responses = sizes(facts.responses);
    let mut data = object! {
        "version" : VERSION,
        "read_only" : server.is_read_only,
        "server_stats" : {
            "packets_sent" : server.sent,
            "packets_received" : server.received,
            "fsync_threshold_exceed_count" : facts.slow_syncs,
            "client_response_stats" : responses,
            "provider_null" : false,
            "server_state" : server.mode,
            "outstanding_requests" : server.outstanding,
            "min_latency" : latency.min_ms,
            "avg_latency" : java::mean(latency.total_ms, latency.count),
            "max_latency" : latency.max_ms,
            "data_dir_size" : facts.snapshot_dir_bytes,
            "log_dir_size" : facts.log_dir_bytes,
            "last_processed_zxid" : server.zxid.0,
            "num_alive_client_connections" : server.connections,
            "uptime" : facts.uptime_ms,
            "auth_failed_count" : facts.authentications_failed,
            // Only Apache's Netty counts plain connections.
            "non_mtlsremote_conn_count" : 0,
            "non_mtlslocal_conn_count" : 0,
        },
        "client_response" : responses,
    };
    if let Some(proposals) = server.proposals {
        data.insert("proposal_stats".to_owned(), sizes(proposals));
    }
    data.insert("node_count".to_owned(), server.node_count.into());
    data
}

fn sizes(sizes: Sizes) -> Value {
    json!({
        "last_buffer_size" : sizes.last,
        "min_buffer_size" : sizes.min,
        "max_buffer_size" : sizes.max,
    })
}

/// `system_properties`, sorted by name.
pub fn system_properties(properties: &BTreeMap<String, String>) -> Reply {
    let data = properties.iter();
    let data = data.map(|(name, value)| (name.clone(), value.as_str().into()));
    Reply::of(Command::SystemProperties, data.collect())
}

/// `get_trace_mask`, and `set_trace_mask` when it could.
pub fn trace_mask(command: Command, mask: i64) -> Reply {
    Reply::of(command, object! { "tracemask" : mask })
}

/// `set_trace_mask` with this argument: the mask to set.
pub fn new_trace_mask(argument: Option<&str>) -> Result<i64, Reply> {
    let wanted = "setTraceMask requires long traceMask argument";
    let complaint = |text: &str| Reply::complaint(Command::SetTraceMask, text);
    let text = argument.ok_or_else(|| complaint(wanted))?;
    text.parse()
        .map_err(|_| complaint(&format!("{wanted}, got {text}")))
}

/// `voting_view`; `None` of a server that is in no ensemble at the moment.
pub fn voting_view(facts: Option<&PlaceFacts>) -> Reply {
    let voters = facts.map_or(&[][..], |facts| &facts.voters);
    let voters = voters.iter().map(|voter| {
        let data = json!({
            "server_addresses" : voter.quorum,
            "election_addresses" : voter.election,
            "client_address" : voter.client,
            "learner_type" : "participant",
        });
        (voter.id, data)
    });
    let data = object! { "current_config" : map::<ServerId, Value>(voters) };
    Reply::of(Command::VotingView, data)
}

/// `watch_summary`.
pub fn watch_summary(connections: usize, paths: usize, watches: usize) -> Reply {
    let data = object! {
        "num_connections" : connections,
        "num_paths" : paths,
        "num_total_watches" : watches,
    };
    Reply::of(Command::WatchSummary, data)
}

/// `watches`: sessions with the paths they watch.
pub fn watches(by_session: Vec<(SessionId, Vec<String>)>) -> Reply {
    let sessions = by_session.into_iter();
    let sessions = map(sessions.map(|(session, paths)| (session.0, paths)));
    let data = object! { "session_id_to_watched_paths" : sessions };
    Reply::of(Command::Watches, data)
}

/// `watches_by_path`: paths with the sessions that watch them.
pub fn watches_by_path(by_path: Vec<(String, Vec<SessionId>)>) -> Reply {
    let ids =
        |sessions: Vec<SessionId>| sessions.iter().map(|session| session.0).collect::<Value>();
    let paths = map(by_path
        .into_iter()
        .map(|(path, sessions)| (path, ids(sessions))));
    let data = object! { "path_to_session_ids" : paths };
    Reply::of(Command::WatchesByPath, data)
}

/// `zabstate`; `None` of a server that is in no ensemble at the moment.
pub fn zab_state(facts: Option<&PlaceFacts>) -> Reply {
    let Some(facts) = facts else {
        let data = object! { "voting" : false, "zabstate" : "" };
        return Reply::of(Command::ZabState, data);
    };
    let data = object! {
        "myid" : facts.me.0,
        "is_leader" : facts.is_leader,
        "quorum_address" : addresses(&facts.quorum),
        "election_address" : addresses(&facts.election),
        "client_address" : facts.client,
        "voting" : facts.is_voting,
        "last_zxid" : facts.zxid.to_string(),
        "zab_epoch" : facts.zxid.epoch().0,
        "zab_counter" : facts.zxid.counter(),
        // One that serves has left the other phases behind.
        "zabstate" : "broadcast",
    };
    Reply::of(Command::ZabState, data)
}

/// As Jackson sees `MultipleAddresses`. None is probed: all count as within reach.
fn addresses(addresses: &[HostPort]) -> Value {
    let all: Vec<String> = addresses.iter().map(HostPort::to_string).collect();
    let first = all.first();
    let wildcards = addresses.iter().map(|it| format!("0.0.0.0:{}", it.port));
    json!({
        "empty" : all.is_empty(),
        "all_addresses" : all,
        "wildcard_addresses" : wildcards.collect::<Vec<_>>(),
        "all_ports" : addresses.iter().map(|it| it.port).collect::<Vec<_>>(),
        "all_host_strings" : addresses.iter().map(|it| &*it.host).collect::<Vec<_>>(),
        "reachable_address" : first,
        "all_reachable_addresses" : all,
        "all_reachable_addresses_or_all" : all,
        "reachable_or_one" : first,
        "one" : first,
    })
}

#[cfg(test)]
mod tests {
    use crate::base::WallMillis;

    use super::*;

    #[test]
    fn connections_are_told_by_the_port_they_came_by() {
        let connection = |port, is_secure| ConnFacts {
            peer: ([10, 0, 0, 9], port).into(),
            is_secure,
            reads: true,
            queued: 0,
            received: 0,
            sent: 0,
            established: WallMillis(0),
            session: None,
            idle_deadline: WallMillis(0),
        };
        let facts = [
            connection(1, true),
            connection(2, false),
            connection(3, true),
        ];
        let told = by_port(&facts, |facts| facts.peer.port());
        let expected = object! { "connections" : [2], "secure_connections" : [1, 3] };
        assert_eq!(told, expected);
    }
}
