//! Each answer, as Apache's server words it.

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
    let head =
        format!("Zookeeper version: {VERSION}\nREAD-ONLY mode; serving only read-only clients\n");
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
