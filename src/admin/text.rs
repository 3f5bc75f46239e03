//! Answers of the four-letter words, each as Apache's class of the same name prints it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

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
    let mut out = String::new();
    for (path, sessions) in by_path {
        let _ = writeln!(out, "{path}");
        for session in sessions {
            let _ = writeln!(out, "\t{session}");
        }
    }
    out.push('\n');
    out
}

/// `wchc`: sessions with the paths they watch.
pub fn wchc(by_session: &[(SessionId, Vec<String>)]) -> String {
    let mut out = String::new();
    for (session, paths) in by_session {
        let _ = writeln!(out, "{session}");
        for path in paths {
            let _ = writeln!(out, "\t{path}");
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
mod tests {
    use crate::admin::facts::{Latency, Sizes};

    use super::*;

    fn connection() -> ConnFacts {
        ConnFacts {
            peer: "10.0.0.9:40100".parse().unwrap(),
            is_secure: false,
            reads: false,
            queued: 0,
            received: 1,
            sent: 0,
            established: WallMillis(1_773_480_413_000),
            session: None,
            idle_deadline: WallMillis(1_773_480_440_000),
        }
    }

    fn connection_with_session() -> ConnFacts {
        let latency = Latency {
            min_ms: 0,
            max_ms: 8,
            total_ms: 20,
            count: 41,
        };
        ConnFacts {
            peer: "10.0.0.7:50122".parse().unwrap(),
            reads: true,
            received: 41,
            sent: 41,
            session: Some(ConnSession {
                id: SessionId(0x0100_00a1_b2c3_0000),
                timeout_ms: 30_000,
                last_op: Some(Op::Ping.number()),
                established: WallMillis(1_773_480_413_000),
                last_cxid: 0x27,
                last_zxid: -1,
                last_response: 123_456,
                last_latency_ms: 0,
                latency,
            }),
            ..connection()
        }
    }

    fn server_facts() -> ServerFacts {
        ServerFacts {
            mode: "standalone",
            latency: Latency {
                min_ms: 0,
                max_ms: 8,
                total_ms: 24,
                count: 42,
            },
            received: 42,
            sent: 41,
            connections: 2,
            outstanding: 0,
            zxid: Zxid(0x2_0000_0002),
            node_count: 6,
            proposals: None,
            is_read_only: false,
        }
    }

    const SERVER_LINES: &str = "Latency min/avg/max: 0/0.5714/8\nReceived: 42\nSent: 41\n\
        Connections: 2\nOutstanding: 0\nZxid: 0x200000002\nMode: standalone\nNode count: 6\n";

    #[test]
    fn the_server_in_brief() {
        let version = format!("Zookeeper version: {VERSION}\n");
        assert_eq!(srvr(&server_facts()), format!("{version}{SERVER_LINES}"));
        let clients = "Clients:\n /10.0.0.7:50122[1](queued=0,recved=41,sent=41)\n \
            /10.0.0.9:40100[0](queued=0,recved=1,sent=0)\n\n";
        let connections = [connection_with_session(), connection()];
        assert_eq!(
            stat(&server_facts(), &connections),
            format!("{version}{clients}{SERVER_LINES}")
        );
    }

    #[test]
    fn a_leader_tells_the_sizes_of_its_proposals() {
        let leader = |proposals| ServerFacts {
            mode: "leader",
            proposals: Some(proposals),
            ..server_facts()
        };
        let lines = SERVER_LINES.replace("standalone", "leader");
        let ends = |text: String, last_line: &str| text.ends_with(&format!("{lines}{last_line}\n"));
        let none = leader(Sizes::default());
        assert!(ends(srvr(&none), "Proposal sizes last/min/max: -1/-1/-1"));
        let some = leader(Sizes {
            last: 36,
            min: 30,
            max: 48,
        });
        assert!(ends(srvr(&some), "Proposal sizes last/min/max: 36/30/48"));
        assert!(ends(
            stat(&some, &[]),
            "Proposal sizes last/min/max: 36/30/48"
        ));
    }

    #[test]
    fn connections_in_detail() {
        let expected = " /10.0.0.7:50122[1](queued=0,recved=41,sent=41,sid=0x10000a1b2c30000,\
            lop=PING,est=1773480413000,to=30000,lcxid=0x27,lzxid=0xffffffffffffffff,\
            lresp=123456,llat=0,minlat=0,avglat=0,maxlat=8)\n \
            /10.0.0.9:40100[0](queued=0,recved=1,sent=0)\n\n";
        assert_eq!(cons(&[connection_with_session(), connection()]), expected);
    }

    #[test]
    fn sessions_and_connections_by_expiry() {
        let session = SessionId(0x0100_00a1_b2c3_0000);
        let expiring = SessionFacts::Expiring(vec![ExpiryFacts {
            at: WallMillis(1_773_480_446_000),
            due: crate::base::Monotonic(0),
            sessions: vec![session],
        }]);
        let facts = |sessions| SessionDump {
            local: None,
            sessions,
            ephemerals: vec![(session, vec!["/app/lock-0000000001".to_owned()])],
            connections: vec![connection_with_session(), connection()],
        };
        let rest = "ephemeral nodes dump:\nSessions with Ephemerals (1):\n0x10000a1b2c30000:\n\
            \t/app/lock-0000000001\nConnections dump:\nConnections Sets (1)/(2):\n\
            2 expire at Sat Mar 14 09:27:20 UTC 2026:\n\
            \tip: /10.0.0.7:50122 sessionId: 0x10000a1b2c30000\n\
            \tip: /10.0.0.9:40100 sessionId: 0x0\n";
        let sets = "SessionTracker dump:\nSession Sets (1)/(1):\n\
            1 expire at Sat Mar 14 09:27:26 UTC 2026:\n\t0x10000a1b2c30000\n";
        assert_eq!(dump(&facts(expiring)), format!("{sets}{rest}"));
        let known = SessionFacts::Known(vec![
            (session, 30_000),
            (SessionId(0x0400_0000_0000_0000), 6000),
        ]);
        let sessions = "SessionTracker dump:\nGlobal Sessions(2):\n\
            0x10000a1b2c30000\t30000ms\n0x400000000000000\t6000ms\n";
        assert_eq!(dump(&facts(known)), format!("{sessions}{rest}"));
    }

    /// As running Apache servers answer that have local sessions.
    #[test]
    fn sessions_of_this_server_only_come_first() {
        let (local, global) = (SessionId(0x0100_00a1_b2c3_0000), SessionId(0x1a));
        let expiring = |sessions: &[SessionId]| ExpiryFacts {
            at: WallMillis(1_773_480_446_000),
            due: crate::base::Monotonic(0),
            sessions: sessions.to_vec(),
        };
        let head = |sessions| {
            let facts = SessionDump {
                local: Some(vec![expiring(&[local])]),
                sessions,
                ephemerals: Vec::new(),
                connections: Vec::new(),
            };
            let text = dump(&facts);
            let (head, _) = text.split_once("ephemeral nodes dump:").unwrap();
            head.to_owned()
        };
        let of_local = "SessionTracker dump:\nLocal Session Sets (1)/(1):\n\
            1 expire at Sat Mar 14 09:27:26 UTC 2026:\n\t0x10000a1b2c30000\n";
        assert_eq!(
            head(SessionFacts::Expiring(vec![expiring(&[global])])),
            format!(
                "{of_local}Global Session Sets (1)/(1):\n\
                 1 expire at Sat Mar 14 09:27:26 UTC 2026:\n\t0x1a\n"
            )
        );
        assert_eq!(
            head(SessionFacts::Known(vec![(global, 6000)])),
            format!("{of_local}Global Sessions(1):\n0x1a\t6000ms\n")
        );
    }

    #[test]
    fn a_server_without_a_leader_says_so() {
        let facts = ServerFacts {
            mode: "read-only",
            is_read_only: true,
            ..server_facts()
        };
        let head = format!(
            "Zookeeper version: {VERSION}\nREAD-ONLY mode; serving only read-only clients\n"
        );
        let lines = SERVER_LINES.replace("standalone", "read-only");
        assert_eq!(srvr(&facts), format!("{head}{lines}"));
        assert_eq!(stat(&facts, &[]), format!("{head}Clients:\n\n{lines}"));
    }

    #[test]
    fn watches() {
        let session = SessionId(0x1a);
        assert_eq!(
            wchs(1, 2, 3),
            "1 connections watching 2 paths\nTotal watches:3\n"
        );
        assert_eq!(wchp(&[("/a".to_owned(), vec![session])]), "/a\n\t0x1a\n\n");
        assert_eq!(wchc(&[(session, vec!["/a".to_owned()])]), "0x1a\n\t/a\n\n");
        assert_eq!((wchp(&[]), wchc(&[])), ("\n".to_owned(), "\n".to_owned()));
    }

    #[test]
    fn small_answers() {
        assert_eq!(
            dirs(1325, 67_108_880),
            "datadir_size: 1325\nlogdir_size: 67108880\n"
        );
        assert_eq!(hash(&[(Zxid(0x80), 7)]), "80: 7\n");
        assert_eq!(
            envi(&[("os.name", "Linux".to_owned())]),
            "Environment:\nos.name=Linux\n"
        );
    }

    fn conf_facts() -> ConfFacts {
        ConfFacts {
            client_port: Some(2181),
            secure_client_port: None,
            snapshot_dir: "/data/version-2".into(),
            snapshot_dir_bytes: 1325,
            log_dir: "/datalog/version-2".into(),
            log_dir_bytes: 67_108_880,
            tick_time_ms: 2000,
            connections_per_address_max: 60,
            session_timeout_min_ms: 4000,
            session_timeout_max_ms: 40_000,
            backlog: None,
            server_id: 0,
            ensemble: None,
        }
    }

    const CONF_LINES: &str = "clientPort=2181\nsecureClientPort=-1\ndataDir=/data/version-2\n\
        dataDirSize=1325\ndataLogDir=/datalog/version-2\ndataLogSize=67108880\n\
        tickTime=2000\nmaxClientCnxns=60\nminSessionTimeout=4000\nmaxSessionTimeout=40000\n\
        clientPortListenBacklog=-1\n";

    #[test]
    fn settings() {
        assert_eq!(conf(&conf_facts()), format!("{CONF_LINES}serverId=0\n"));
    }

    #[test]
    fn settings_of_a_member() {
        let membership = "server.1=zk1:2888:3888:participant;0.0.0.0:2181\n\
            server.2=zk2:2888:3888:observer;0.0.0.0:2181\nversion=0";
        let member = |is_observer, election_ports: &[u16], quorum_ports: &[u16]| ConfFacts {
            server_id: 1,
            ensemble: Some(EnsembleFacts {
                init_limit: 5,
                sync_limit: 2,
                election_ports: election_ports.to_vec(),
                quorum_ports: quorum_ports.to_vec(),
                is_observer,
                membership: Some(membership.to_owned()),
            }),
            ..conf_facts()
        };
        let expected = |ports: &str, peer_type| {
            format!(
                "{CONF_LINES}serverId=1\ninitLimit=5\nsyncLimit=2\nelectionAlg=3\n{ports}\n\
                 peerType={peer_type}\nmembership: \n{membership}"
            )
        };
        assert_eq!(
            conf(&member(false, &[3888], &[2888])),
            expected("electionPort=3888\nquorumPort=2888", 0)
        );
        assert_eq!(
            conf(&member(true, &[3888, 3889], &[2888, 2888])),
            expected("electionPort=3888|3889\nquorumPort=2888", 1)
        );
        let mut without_leader = member(false, &[3888], &[2888]);
        without_leader.ensemble.as_mut().unwrap().membership = None;
        let text = conf(&without_leader);
        assert!(text.ends_with("quorumPort=2888\npeerType=0\n"), "{text}");
    }
}
