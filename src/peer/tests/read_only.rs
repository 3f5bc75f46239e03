//! A server without a leader that serves reads: when it begins, whom it takes, what it refuses, and
//! that it leaves alone what is everybody's.

use super::cluster::clients::{Client, connected, create_body};
use super::cluster::{Cluster, Settings};
use crate::base::{ConnId, SessionId, Zxid};
use crate::peer::{ClientOutput, Input, LocalSessions, Mode};
use crate::proto::{ErrorCode, Op, WriteReply};

const AFTER_MS: u64 = 2000;
const READ_ONLY: Option<Mode> = Some(Mode::ReadOnly);

fn cluster(local_sessions: LocalSessions) -> Cluster {
    let settings = Settings {
        local_sessions,
        read_only_after_ms: Some(AFTER_MS),
        ..Settings::default()
    };
    Cluster::with(3, 0, settings)
}

/// Server 0 is alone, and has written `/before`, with an ephemeral of a session that is global.
fn left_alone(local_sessions: LocalSessions) -> (Cluster, Client) {
    let mut cluster = cluster(local_sessions);
    let client = cluster.connect(0, SessionId::NONE);
    cluster.create(client, "/before");
    cluster.ask(client, Op::Create, &create_body("/ephemeral", 1));
    assert_eq!(cluster.replies(client).len(), 1);
    for other in [1, 2] {
        cluster.kill(other);
    }
    cluster.settle();
    (cluster, client)
}

/// What a connection hears.
fn heard(cluster: &mut Cluster, conn: ConnId) -> Vec<ClientOutput> {
    cluster.settle();
    let heard = std::mem::take(&mut cluster.nodes[0].client);
    let is_for = |output: &ClientOutput| match output {
        ClientOutput::Connected { conn: to, .. }
        | ClientOutput::SessionInvalid { conn: to }
        | ClientOutput::Reply { conn: to, .. }
        | ClientOutput::Event { conn: to, .. }
        | ClientOutput::Close { conn: to } => *to == conn,
    };
    heard.into_iter().filter(is_for).collect()
}

#[test]
fn it_begins_after_a_while_of_looking_and_ends_with_the_election_qp_123() {
    let mut cluster = cluster(LocalSessions::Fixed);
    assert!(
        !cluster.modes().contains(&READ_ONLY),
        "one was elected in time"
    );
    cluster.kill(1);
    cluster.kill(2);
    cluster.settle();
    assert_eq!(cluster.nodes[0].mode, None);
    cluster.pass(AFTER_MS - 100);
    assert_eq!(
        cluster.nodes[0].mode, None,
        "it may be a matter of an election"
    );
    cluster.pass(200);
    assert_eq!(cluster.nodes[0].mode, READ_ONLY);
    assert!(!cluster.nodes[0].peer.is_in_term());
    let client = cluster.connect(0, SessionId::NONE);
    cluster.restart(1);
    cluster.settle();
    cluster.pass(1000);
    assert_eq!(
        cluster.modes()[..2],
        [Some(Mode::Follower), Some(Mode::Leader)]
    );
    assert!(!cluster.nodes[0].peer.connections.contains(client.conn));
    assert!(
        cluster.nodes[0].peer.sessions.is_empty(),
        "its sessions went with it"
    );
    let new = cluster.connect(0, SessionId::NONE);
    cluster.create(new, "/after");
}

#[test]
fn whom_it_takes_and_what_it_refuses_qp_123() {
    let (mut cluster, global) = left_alone(LocalSessions::Upgradable);
    cluster.pass(AFTER_MS + 100);
    let (log, last) = (
        cluster.nodes[0].log.clone(),
        cluster.nodes[0].db.last_zxid(),
    );
    let sessions = cluster.nodes[0].db.sessions.clone();
    let client = cluster.connect(0, SessionId::NONE);
    let bodies: [(Op, Vec<u8>); 5] = [
        (Op::Create, create_body("/x", 0)),
        (Op::Create2, create_body("/x", 1)),
        (Op::Sync, b"\0\0\0\x01/".to_vec()),
        (Op::Multi, b"\xff\xff\xff\xff\x01\xff\xff\xff\xff".to_vec()),
        (Op::SetData, b"no request".to_vec()),
    ];
    for (op, body) in bodies {
        let xid = cluster.ask(client, op, &body);
        let [reply] = <[_; 1]>::try_from(heard(&mut cluster, client.conn)).unwrap();
        assert!(
            matches!(reply, ClientOutput::Reply { xid: to, zxid, reply, .. }
            if to == xid && zxid == last && reply == WriteReply::Error(ErrorCode::NotReadOnly))
        );
    }
    // The ensemble may have ended it, or have it elsewhere.
    let conn = cluster.knock(0, global.session);
    let answer = heard(&mut cluster, conn);
    assert!(
        matches!(answer[..], [ClientOutput::Close { .. }]),
        "{answer:?}"
    );
    // One that it would have opened itself and does not know has ended.
    let conn = cluster.knock(0, SessionId(0x0100_0000_0000_0001));
    let answer = heard(&mut cluster, conn);
    assert!(
        matches!(answer[..], [ClientOutput::SessionInvalid { .. }]),
        "{answer:?}"
    );
    let again = cluster.connect(0, client.session);
    let xid = cluster.ask(again, Op::CloseSession, b"");
    let answer = heard(&mut cluster, again.conn);
    assert!(
        matches!(&answer[..], [
        ClientOutput::Reply { xid: to, reply: WriteReply::Done, .. }, ClientOutput::Close { .. }
    ] if *to == xid),
        "{answer:?}"
    );
    let node = &cluster.nodes[0];
    assert_eq!((&node.log, &node.db.sessions), (&log, &sessions));
    assert_eq!(node.db.last_zxid(), last);
    assert!(
        node.db.tree.node("/ephemeral").is_some(),
        "its session is not ours to end"
    );
}

/// Its local sessions expire, and those of the ensemble do not.
#[test]
fn sessions_of_a_read_only_server_expire_there() {
    let (mut cluster, global) = left_alone(LocalSessions::Upgradable);
    cluster.pass(AFTER_MS + 100);
    let client = cluster.connect(0, SessionId::NONE);
    cluster.pass(15_000);
    let answer = heard(&mut cluster, client.conn);
    assert!(
        matches!(answer[..], [ClientOutput::Close { .. }]),
        "{answer:?}"
    );
    assert!(cluster.nodes[0].db.sessions.contains_key(&global.session));
}

#[test]
fn who_is_not_served_is_let_go() {
    let (mut cluster, _) = left_alone(LocalSessions::Fixed);
    cluster.pass(AFTER_MS + 100);
    for (read_only, last_zxid_seen) in [(false, Zxid::ZERO), (true, Zxid(i64::MAX))] {
        let conn = ConnId(1000 + u64::from(read_only));
        let request = crate::peer::ConnectAsk {
            last_zxid_seen,
            timeout_ms: 10_000,
            session: SessionId::NONE,
            password: None,
            read_only,
        };
        cluster
            .events
            .push_back((0, Input::Connect { conn, request }));
        let answer = heard(&mut cluster, conn);
        assert!(
            matches!(answer[..], [ClientOutput::Close { .. }]),
            "{answer:?}"
        );
    }
}

/// Apache's server then answers a new client with what no client can read, and takes every session
/// that it does not know of for one.
#[test]
fn without_local_sessions_nobody_new_is_served() {
    let (mut cluster, global) = left_alone(LocalSessions::Off);
    cluster.pass(AFTER_MS + 100);
    assert_eq!(cluster.nodes[0].mode, READ_ONLY);
    for session in [SessionId::NONE, global.session] {
        let conn = cluster.knock(0, session);
        let answer = heard(&mut cluster, conn);
        assert!(
            matches!(answer[..], [ClientOutput::Close { .. }]),
            "{answer:?}"
        );
    }
    let session = SessionId(0x0200_0000_0000_0001);
    let conn = cluster.knock(0, session);
    let answer = heard(&mut cluster, conn);
    assert!(
        answer
            .iter()
            .any(|output| connected(output, conn) == Some(session))
    );
    let client = Client {
        at: 0,
        conn,
        session,
    };
    let xid = cluster.ask(client, Op::CloseSession, b"");
    let answer = heard(&mut cluster, conn);
    assert!(
        matches!(&answer[..], [ClientOutput::Reply { xid: to, reply, .. }]
        if *to == xid && *reply == WriteReply::Error(ErrorCode::NotReadOnly)),
        "{answer:?}"
    );
    let left = Input::Disconnected { conn };
    cluster.events.push_back((0, left));
    cluster.settle();
    assert!(cluster.nodes[0].peer.sessions.is_empty());
}
