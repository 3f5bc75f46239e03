//! Answers of the four-letter words, each as Apache's class of the same name prints it.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use crate::admin::VERSION;
use crate::admin::facts::{
    ConfFacts, ConnFacts, ConnSession, EnsembleFacts, ExpiryFacts, ServerFacts, SessionDump,
    SessionFacts,
};
use crate::admin::java;
use crate::base::{SessionId, WallMillis, Zxid};
use crate::proto::Op;

// Writing to a String cannot fail, so the results of `write!` are let go.

/// `srvr`.
pub fn srvr(facts: &ServerFacts) -> String {
    let mut out = head(facts);
    server(facts, &mut out);
    out
}

/// `stat`.
pub fn stat(facts: &ServerFacts, connections: &[ConnFacts]) -> String {
    let mut out = head(facts);
    out.push_str("Clients:\n");
    for connection in connections {
        conn_head(connection, &mut out);
        out.push_str(")\n");
    }
    out.push('\n');
    server(facts, &mut out);
    out
}

fn head(facts: &ServerFacts) -> String {
    let mut out = format!("Zookeeper version: {VERSION}\n");
    if facts.is_read_only {
        out.push_str("READ-ONLY mode; serving only read-only clients\n");
    }
    out
}

fn server(facts: &ServerFacts, out: &mut String) {
    let latency = facts.latency;
    let average = java::average(latency.total_ms, latency.count);
    let _ = writeln!(
        out,
        "Latency min/avg/max: {}/{average}/{}\nReceived: {}\nSent: {}\nConnections: {}\n\
         Outstanding: {}\nZxid: {}\nMode: {}\nNode count: {}",
        latency.min_ms,
        latency.max_ms,
        facts.received,
        facts.sent,
        facts.connections,
        facts.outstanding,
        facts.zxid,
        facts.mode,
        facts.node_count,
    );
    if let Some(sizes) = facts.proposals {
        let (last, min, max) = (sizes.last, sizes.min, sizes.max);
        let _ = writeln!(out, "Proposal sizes last/min/max: {last}/{min}/{max}");
    }
}

/// `cons`.
pub fn cons(connections: &[ConnFacts]) -> String {
    let mut out = String::new();
    for connection in connections {
        conn_head(connection, &mut out);
        if let Some(session) = &connection.session {
            conn_session(session, &mut out);
        }
        out.push_str(")\n");
    }
    out.push('\n');
    out
}

fn conn_head(facts: &ConnFacts, out: &mut String) {
    let _ = write!(
        out,
        " /{}[{}](queued={},recved={},sent={}",
        facts.peer,
        u8::from(facts.reads),
        facts.queued,
        facts.received,
        facts.sent,
    );
}

fn conn_session(facts: &ConnSession, out: &mut String) {
    let _ = write!(
        out,
        ",sid={},lop={},est={},to={}",
        facts.id,
        op_code(facts.last_op),
        facts.established.0,
        facts.timeout_ms,
    );
    if facts.last_cxid >= 0 {
        let _ = write!(out, ",lcxid={:#x}", facts.last_cxid);
    }
    let latency = facts.latency;
    let _ = write!(
        out,
        ",lzxid={:#x},lresp={},llat={},minlat={},avglat={},maxlat={}",
        facts.last_zxid,
        facts.last_response,
        facts.last_latency_ms,
        latency.min_ms,
        latency.total_ms.checked_div(latency.count).unwrap_or(0),
        latency.max_ms,
    );
}

/// The names `FinalRequestProcessor` gives to the last operation of a connection.
pub(super) fn op_code(op: Option<i32>) -> &'static str {
    let Some(number) = op else {
        return "NA";
    };
    match Op::from_number(number) {
        Some(Op::Ping) => "PING",
        Some(Op::CreateSession) => "SESS",
        Some(Op::Multi) => "MULT",
        Some(Op::MultiRead) => "MLTR",
        Some(Op::Create | Op::Create2 | Op::CreateContainer | Op::CreateTtl) => "CREA",
        Some(Op::Delete | Op::DeleteContainer) => "DELE",
        Some(Op::SetData) => "SETD",
        Some(Op::Reconfig) => "RECO",
        Some(Op::SetAcl) => "SETA",
        Some(Op::CloseSession) => "CLOS",
        Some(Op::Sync) => "SYNC",
        Some(Op::Check) => "CHEC",
        Some(Op::Exists) => "EXIS",
        Some(Op::GetData) => "GETD",
        Some(Op::SetWatches) => "SETW",
        Some(Op::SetWatches2) => "STW2",
        Some(Op::AddWatch) => "ADDW",
        Some(Op::GetAcl) => "GETA",
        Some(Op::GetChildren | Op::GetChildren2) => "GETC",
        Some(Op::GetAllChildrenNumber) => "GETACN",
        Some(Op::CheckWatches) => "CHKW",
        Some(Op::RemoveWatches) => "REMW",
        Some(Op::WhoAmI) => "HOMI",
        Some(Op::GetEphemerals) => "GETE",
        Some(Op::Auth | Op::Sasl | Op::Error) | None => "NA",
    }
}

/// `conf`.
pub fn conf(facts: &ConfFacts) -> String {
    let mut out = format!(
        "clientPort={}\nsecureClientPort={}\ndataDir={}\ndataDirSize={}\ndataLogDir={}\n\
         dataLogSize={}\ntickTime={}\nmaxClientCnxns={}\nminSessionTimeout={}\n\
         maxSessionTimeout={}\nclientPortListenBacklog={}\nserverId={}\n",
        facts.client_port.map_or(-1, i32::from),
        facts.secure_client_port.map_or(-1, i32::from),
        facts.snapshot_dir.display(),
        facts.snapshot_dir_bytes,
        facts.log_dir.display(),
        facts.log_dir_bytes,
        facts.tick_time_ms,
        facts.connections_per_address_max,
        facts.session_timeout_min_ms,
        facts.session_timeout_max_ms,
        facts.backlog.map_or(-1, i64::from),
        facts.server_id,
    );
    if let Some(ensemble) = &facts.ensemble {
        conf_of_member(ensemble, &mut out);
    }
    out
}

/// What a member of an ensemble adds; without a newline behind the membership.
fn conf_of_member(facts: &EnsembleFacts, out: &mut String) {
    let _ = write!(
        out,
        "initLimit={}\nsyncLimit={}\nelectionAlg=3\nelectionPort={}\nquorumPort={}\npeerType={}\n",
        facts.init_limit,
        facts.sync_limit,
        ports(&facts.election_ports),
        ports(&facts.quorum_ports),
        u8::from(facts.is_observer),
    );
    if let Some(membership) = &facts.membership {
        let _ = write!(out, "membership: \n{membership}");
    }
}

/// Each port once.
fn ports(ports: &[u16]) -> String {
    let mut seen: Vec<String> = Vec::new();
    for port in ports.iter().map(u16::to_string) {
        if !seen.contains(&port) {
            seen.push(port);
        }
    }
    seen.join("|")
}

/// `dirs`.
pub fn dirs(snapshot_bytes: u64, log_bytes: u64) -> String {
    format!("datadir_size: {snapshot_bytes}\nlogdir_size: {log_bytes}\n")
}

/// `dump`.
pub fn dump(facts: &SessionDump) -> String {
    let mut out = String::from("SessionTracker dump:\n");
    if let Some(local) = &facts.local {
        out.push_str("Local ");
        session_sets(local, &mut out);
    }
    sessions(&facts.sessions, facts.local.is_some(), &mut out);
    let _ = writeln!(
        out,
        "ephemeral nodes dump:\nSessions with Ephemerals ({}):",
        facts.ephemerals.len()
    );
    for (session, paths) in &facts.ephemerals {
        let _ = writeln!(out, "{session}:");
        for path in paths {
            let _ = writeln!(out, "\t{path}");
        }
    }
    out.push_str("Connections dump:\nConnections ");
    let mut by_time = BTreeMap::<WallMillis, Vec<String>>::new();
    for connection in &facts.connections {
        let session = connection.session.as_ref();
        let session = session.map_or(SessionId::NONE, |session| session.id);
        let line = format!("ip: /{} sessionId: {session}", connection.peer);
        by_time
            .entry(connection.idle_deadline)
            .or_default()
            .push(line);
    }
    expiry_sets(by_time.into_iter().collect(), &mut out);
    out
}

/// As `SessionTrackerImpl.dumpSessions`.
fn session_sets(sets: &[ExpiryFacts], out: &mut String) {
    let texts = |sessions: &[SessionId]| sessions.iter().map(SessionId::to_string).collect();
    let sets = sets.iter().map(|set| (set.at, texts(&set.sessions)));
    out.push_str("Session ");
    expiry_sets(sets.collect(), out);
}

/// As `LeaderSessionTracker.dumpSessions`, and that of `LearnerSessionTracker`.
fn sessions(facts: &SessionFacts, beside_local: bool, out: &mut String) {
    match facts {
        SessionFacts::Expiring(sets) => {
            if beside_local {
                out.push_str("Global ");
            }
            session_sets(sets, out);
        }
        SessionFacts::Known(sessions) => {
            let _ = writeln!(out, "Global Sessions({}):", sessions.len());
            for (session, timeout_ms) in sessions {
                let _ = writeln!(out, "{session}\t{timeout_ms}ms");
            }
        }
    }
}

/// As `ExpiryQueue.dump`.
fn expiry_sets(sets: Vec<(WallMillis, Vec<String>)>, out: &mut String) {
    let members: usize = sets.iter().map(|(_, lines)| lines.len()).sum();
    let _ = writeln!(out, "Sets ({})/({members}):", sets.len());
    for (at, lines) in sets {
        let _ = writeln!(out, "{} expire at {}:", lines.len(), java::date(at));
        for line in lines {
            let _ = writeln!(out, "\t{line}");
        }
    }
}

/// `wchs`.
pub fn wchs(connections: usize, paths: usize, watches: usize) -> String {
    format!("{connections} connections watching {paths} paths\nTotal watches:{watches}\n")
}

/// `wchp`: paths with the sessions that watch them.
pub fn wchp(by_path: &[(String, Vec<SessionId>)]) -> String {
    watches(by_path)
}

/// `wchc`: sessions with the paths they watch.
pub fn wchc(by_session: &[(SessionId, Vec<String>)]) -> String {
    watches(by_session)
}

fn watches<By: Display, Of: Display>(groups: &[(By, Vec<Of>)]) -> String {
    let mut out = String::new();
    for (by, group) in groups {
        let _ = writeln!(out, "{by}");
        for of in group {
            let _ = writeln!(out, "\t{of}");
        }
    }
    out.push('\n');
    out
}

/// `envi`.
pub fn envi(facts: &[(&'static str, String)]) -> String {
    let mut out = String::from("Environment:\n");
    for (key, value) in facts {
        let _ = writeln!(out, "{key}={value}");
    }
    out
}

/// `hash`: digests of the tree, oldest first.
pub fn hash(digests: &[(Zxid, u64)]) -> String {
    let mut out = String::new();
    for (zxid, digest) in digests {
        let _ = writeln!(out, "{:x}: {digest}", zxid.0);
    }
    out
}

#[cfg(test)]
mod tests;
