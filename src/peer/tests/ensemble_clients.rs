//! How the requests and sessions of clients go through the servers of an ensemble.

use super::cluster::Cluster;
use super::cluster::clients::{Client, connected, create_body, write};
use crate::base::{SessionId, Xid, Zxid};
use crate::peer::{ClientOutput, Input, Role};
use crate::proto::{Op, WriteReply};
use crate::zab::ToLeader;

#[test]
fn a_write_is_answered_where_it_was_asked_for() {
    let mut cluster = Cluster::new(3, 1);
    for at in 0..4 {
        let client = cluster.connect(at, SessionId::NONE);
        cluster.create(client, &format!("/at{at}"));
        // Refused, unreadable and synced take their place in the order of the session.
        let asked = [
            cluster.ask(client, Op::Create, &create_body(&format!("/at{at}"), 0)),
            cluster.ask(client, Op::Create, b"no request"),
            cluster.ask(client, Op::Sync, b"\0\0\0\x01/"),
            cluster.ask(client, Op::Create, &create_body(&format!("/at{at}/x"), 1)),
        ];
        let replies = cluster.replies(client);
        let xids: Vec<_> = replies.iter().map(|(xid, _)| *xid).collect();
        assert_eq!(xids, asked, "in order at {at}: {replies:?}");
        assert!(matches!(replies[0].1, WriteReply::Error(_)));
        assert!(matches!(replies[1].1, WriteReply::Error(_)));
        assert_eq!(replies[2].1, WriteReply::Synced(Some("/".into())));
        assert_eq!(replies[3].1, WriteReply::Path(format!("/at{at}/x").into()));
        let closed = cluster.ask(client, Op::CloseSession, b"");
        assert_eq!(cluster.replies(client), [(closed, WriteReply::Done)]);
    }
    cluster.assert_same_state();
    assert!(
        cluster.nodes[0].db.sessions.is_empty(),
        "all sessions were closed"
    );
}

/// The leader commits several transactions at once when an acknowledgement comes late; a sync that
/// was asked for between them is answered between them (QP-119).
#[test]
fn syncs_between_writes_that_are_committed_together_keep_their_places() {
    for at in 0..4 {
        let mut cluster = Cluster::new(3, 1);
        let client = cluster.connect(at, SessionId::NONE);
        let mut asked = Vec::new();
        for number in 0..20 {
            let path = format!("/n{number}");
            asked.push(cluster.ask(client, Op::Create, &create_body(&path, 0)));
            asked.push(cluster.ask(client, Op::Sync, b"\0\0\0\x01/"));
        }
        let replies = cluster.replies(client);
        let xids: Vec<_> = replies.iter().map(|(xid, _)| *xid).collect();
        assert_eq!(xids, asked, "in order at {at}");
        let is_right = |(at, (_, reply)): (usize, &(Xid, WriteReply))| match reply {
            WriteReply::Path(_) => at % 2 == 0,
            WriteReply::Synced(_) => at % 2 == 1,
            _ => false,
        };
        assert!(replies.iter().enumerate().all(is_right), "{replies:?}");
    }
}

/// A read behind the reply finds what was written, and so does one behind the reply to a sync that
/// was asked for after a write elsewhere was answered.
#[test]
fn a_reply_is_given_when_the_state_shows_what_it_tells_of() {
    let mut cluster = Cluster::new(3, 1);
    let clients = [0, 1, 2, 3].map(|at| cluster.connect(at, SessionId::NONE));
    for (number, &writer) in clients.iter().enumerate() {
        let path = format!("/n{number}");
        let xid = cluster.ask(writer, Op::Create, &create_body(&path, 0));
        let has_reply = |cluster: &Cluster, client: Client, xid: Xid| {
            let heard = cluster.nodes[client.at].client.iter();
            let mut replies = heard.filter(|output| {
                matches!(output, ClientOutput::Reply { conn, xid: to, .. }
                    if *conn == client.conn && *to == xid)
            });
            replies.next().is_some()
        };
        while !has_reply(&cluster, writer, xid) {
            assert!(cluster.step(), "it is answered");
        }
        assert!(cluster.nodes[writer.at].db.tree.node(&path).is_some());
        for &reader in &clients {
            let xid = cluster.ask(reader, Op::Sync, b"\0\0\0\x01/");
            while !has_reply(&cluster, reader, xid) {
                assert!(cluster.step(), "it is answered");
            }
            assert!(cluster.nodes[reader.at].db.tree.node(&path).is_some());
        }
    }
}

/// Some clients number their requests anew with each connection. What was asked for through the
/// connection before is no answer then.
#[test]
fn a_request_is_not_answered_by_an_earlier_one_with_its_number_qp_118() {
    for (from, to) in [(0, 1), (1, 1), (2, 0)] {
        let mut cluster = Cluster::new(3, 0);
        assert_eq!(cluster.leader(), 2);
        let old = cluster.connect(from, SessionId::NONE);
        let xid = cluster.ask(old, Op::Create, &create_body("/first", 0));
        let conn = cluster.knock(to, old.session);
        let is_connected = |cluster: &Cluster| {
            let heard = cluster.nodes[to].client.iter();
            heard
                .into_iter()
                .any(|output| connected(output, conn).is_some())
        };
        while !is_connected(&cluster) {
            assert!(cluster.step(), "the session moves");
        }
        assert!(cluster.nodes[to].db.tree.node("/first").is_none());
        let new = Client {
            at: to,
            conn,
            ..old
        };
        let write = write(new, xid, Op::Create, &create_body("/second", 0));
        cluster.events.push_front((to, Input::Write(write)));
        let replies = cluster.replies(new);
        assert_eq!(replies, [(xid, WriteReply::Path("/second".into()))]);
        cluster.assert_same_state();
    }
}

/// Apache's leader loses a request that it cannot read. Its session ends all the same, and then
/// nothing of it is left.
#[test]
fn requests_that_the_leader_never_answers_end_with_their_session() {
    let mut cluster = Cluster::new(3, 0);
    let client = cluster.connect(0, SessionId::NONE);
    for path in ["/lost", "/behind"] {
        cluster.ask(client, Op::Create, &create_body(path, 0));
    }
    cluster.step();
    cluster.step();
    let is_request = |(_, input): &(usize, Input)| {
        let packet = ToLeader::Ack { zxid: Zxid::ZERO };
        let Input::FromLearner { packet: sent, .. } = input else {
            return false;
        };
        std::mem::discriminant(sent) != std::mem::discriminant(&packet)
    };
    assert_eq!(
        cluster
            .events
            .iter()
            .filter(|event| is_request(event))
            .count(),
        2
    );
    cluster.events.retain(|event| !is_request(event));
    cluster.settle();
    cluster.pass(30_000);
    assert!(cluster.nodes[0].db.sessions.is_empty(), "it has expired");
    let closed = cluster.nodes[0].client.last();
    assert!(matches!(closed, Some(ClientOutput::Close { conn }) if *conn == client.conn));
    let Role::Learning(role) = &cluster.nodes[0].peer.role else {
        panic!("it follows");
    };
    assert_eq!(role.requests.len(), 0);
}

/// QP-108.
#[test]
fn a_session_moves_to_another_server_and_its_old_one_is_refused() {
    let mut cluster = Cluster::new(3, 0);
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        let old = cluster.connect(from, SessionId::NONE);
        let new = cluster.connect(to, old.session);
        assert_eq!(new.session, old.session);
        cluster.create(new, &format!("/moved{from}"));
        cluster.ask(old, Op::Create, &create_body("/stale", 0));
        assert_eq!(cluster.replies(old), [], "it is closed, not answered");
        assert!(cluster.nodes[0].db.tree.node("/stale").is_none());
    }
}

/// A multi carries what is wrong in its parts, so it would be answered where others are not.
#[test]
fn a_connection_whose_session_moved_on_hears_nothing_more() {
    let mut cluster = Cluster::new(3, 0);
    for (from, to, multi_first) in [(0, 1, false), (0, 1, true), (2, 0, false), (2, 0, true)] {
        let old = cluster.connect(from, SessionId::NONE);
        cluster.connect(to, old.session);
        let end_of_parts = b"\xff\xff\xff\xff\x01\xff\xff\xff\xff";
        let mut multi = b"\0\0\0\x02\0\xff\xff\xff\xff\0\0\0\x01/\xff\xff\xff\xff".to_vec();
        multi.extend_from_slice(end_of_parts);
        let mut asked = [(Op::Create, create_body("/stale", 0)), (Op::Multi, multi)];
        if multi_first {
            asked.reverse();
        }
        for (op, body) in &asked {
            cluster.ask(old, *op, body);
        }
        assert_eq!(cluster.replies(old), []);
    }
}

#[test]
fn a_learner_keeps_the_sessions_of_its_clients_alive() {
    let mut cluster = Cluster::new(3, 1);
    let clients: Vec<_> = (0..4)
        .map(|at| cluster.connect(at, SessionId::NONE))
        .collect();
    for _ in 0..30 {
        cluster.pass(1000);
        for client in &clients {
            let handle = cluster.nodes[client.at]
                .peer
                .sessions
                .handle(client.session);
            handle.expect("it is open").touch(cluster.now.monotonic);
        }
    }
    assert_eq!(cluster.nodes[0].db.sessions.len(), 4);
    cluster.pass(20_000);
    assert_eq!(cluster.nodes[0].db.sessions.len(), 0);
}

#[test]
fn sessions_outlive_their_leader_and_expire_with_the_next() {
    let mut cluster = Cluster::new(3, 1);
    let leader = cluster.leader();
    let clients: Vec<_> = (0..4)
        .map(|at| {
            let client = cluster.connect(at, SessionId::NONE);
            let path = format!("/of{at}");
            cluster.ask(client, Op::Create, &create_body(&path, 1));
            assert_eq!(cluster.replies(client).len(), 1);
            client
        })
        .collect();
    // Half of its time is over; the next leader gives it all of it anew.
    cluster.pass(5000);
    cluster.kill(leader);
    cluster.settle();
    cluster.pass(2000);
    let next = cluster.leader();
    cluster.pass(8000);
    assert_eq!(cluster.nodes[next].db.sessions.len(), 4);
    let back: Vec<_> = [(0, next), (1, 3), (2, 1)]
        .map(|(of, to)| cluster.connect(to, clients[of].session))
        .into();
    for _ in 0..20 {
        cluster.pass(1000);
        for client in &back {
            let sessions = &cluster.nodes[client.at].peer.sessions;
            let handle = sessions.handle(client.session).expect("it is open");
            handle.touch(cluster.now.monotonic);
        }
    }
    for at in (0..4).filter(|at| *at != leader) {
        let tree = &cluster.nodes[at].db.tree;
        let there = [0, 1, 2, 3].map(|of| tree.node(&format!("/of{of}")).is_some());
        assert_eq!(there, [true, true, true, false], "at {at}");
    }
    for client in back {
        cluster.create(client, &format!("/by{}", client.session.0));
    }
    cluster.assert_same_state();
}

#[test]
fn a_client_that_leaves_leaves_nothing_with_its_learner() {
    for (steps, op) in [(1, None), (2, None), (4, None), (2, Some(Op::CloseSession))] {
        let mut cluster = Cluster::new(3, 1);
        for at in [0, 3] {
            let conn = match op {
                None => cluster.knock(at, SessionId::NONE),
                Some(op) => {
                    let client = cluster.connect(at, SessionId::NONE);
                    cluster.ask(client, Op::Create, &create_body("/left", 1));
                    cluster.ask(client, op, b"");
                    client.conn
                }
            };
            (0..steps).for_each(|_| assert!(cluster.step()));
            let left = Input::Disconnected { conn };
            cluster.events.push_front((at, left));
            cluster.settle();
            let peer = &cluster.nodes[at].peer;
            assert!(peer.sessions.is_empty() && !peer.connections.contains(conn));
            let Role::Learning(role) = &peer.role else {
                panic!("it learns");
            };
            assert_eq!(role.requests.len(), 0);
            cluster.pass(30_000);
            let node = &cluster.nodes[at];
            assert!(node.db.sessions.is_empty(), "closed or expired");
            assert!(node.db.tree.node("/left").is_none());
        }
        cluster.assert_same_state();
    }
}
