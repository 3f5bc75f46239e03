//! Sessions that only the server knows which opened them, on a leader, on followers and on an
//! observer; and how they become global.

use bytes::Bytes;
use jute::Encode as _;

use super::cluster::clients::{Client, connected, create_body, write};
use super::cluster::{Cluster, FIELD_MAX, Settings};
use crate::base::{ConnId, QuorumLink, SessionId, Xid};
use crate::peer::{ClientOutput, Input, LocalSessions, Role};
use crate::proto::{ErrorCode, MultiResult, Op, Txn, TxnRecord, WriteReply};
use crate::session::Scope;

const EPHEMERAL: i32 = 1;
const SERVERS: usize = 4;

/// Three voters, of which the last leads, and an observer.
fn cluster(local_sessions: LocalSessions) -> Cluster {
    let settings = Settings {
        local_sessions,
        ..Settings::default()
    };
    let cluster = Cluster::with(3, 1, settings);
    assert_eq!(cluster.leader(), 2);
    cluster
}

/// What the log has, without the times.
fn logged(cluster: &Cluster) -> Vec<(SessionId, Txn)> {
    let records = cluster.nodes[0].log.iter().map(|record| {
        let record = TxnRecord::decode(&record.payload, FIELD_MAX).unwrap();
        (record.session, record.txn)
    });
    records.collect()
}

fn ask_and_hear(cluster: &mut Cluster, client: Client, op: Op, body: &[u8]) -> WriteReply {
    let xid = cluster.ask(client, op, body);
    let [(to, reply)] = <[_; 1]>::try_from(cluster.replies(client)).unwrap();
    assert_eq!(to, xid);
    reply
}

fn path(path: &str) -> WriteReply {
    WriteReply::Path(path.into())
}

/// What a client hears that comes with a session, or `None` when it is not valid.
fn come_back(cluster: &mut Cluster, at: usize, session: SessionId) -> Option<Client> {
    let conn = cluster.knock(at, session);
    cluster.settle();
    let heard = std::mem::take(&mut cluster.nodes[at].client);
    if let Some(session) = heard.iter().find_map(|output| connected(output, conn)) {
        return Some(Client { at, conn, session });
    }
    let invalid = |output: &ClientOutput| matches!(output, ClientOutput::SessionInvalid { conn: to } if *to == conn);
    assert!(heard.iter().any(invalid), "{heard:?}");
    None
}

fn closed(cluster: &mut Cluster, at: usize, conn: ConnId) -> bool {
    let heard = std::mem::take(&mut cluster.nodes[at].client);
    let closes =
        |output: &ClientOutput| matches!(output, ClientOutput::Close { conn: to } if *to == conn);
    heard.iter().any(closes)
}

fn multi(ops: &[(Op, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (op, part) in ops {
        body.extend_from_slice(&op.number().to_be_bytes());
        body.extend_from_slice(b"\0\xff\xff\xff\xff");
        body.extend_from_slice(part);
    }
    body.extend_from_slice(b"\xff\xff\xff\xff\x01\xff\xff\xff\xff");
    body
}

fn touch(cluster: &Cluster, client: Client) {
    let sessions = &cluster.nodes[client.at].peer.sessions;
    let handle = sessions.handle(client.session).expect("it is known");
    handle.touch(cluster.now.monotonic);
}

/// The link between a learner and the leader.
fn link_of(cluster: &Cluster, learner: usize) -> QuorumLink {
    let mut links = cluster.links.iter();
    let found = links.find(|(_, ends)| ends.1 == learner);
    *found.expect("it is linked").0
}

#[test]
fn a_local_session_writes_and_is_in_no_transaction_qp_121() {
    let mut cluster = cluster(LocalSessions::Fixed);
    for at in 0..SERVERS {
        let client = cluster.connect(at, SessionId::NONE);
        let node = format!("/at{at}");
        cluster.create(client, &node);
        let deleted = jute::proto::DeleteRequest {
            path: Some(node.as_str().into()),
            version: -1,
        };
        let asked = [
            cluster.ask(client, Op::Delete, &deleted.to_vec()),
            cluster.ask(client, Op::Sync, b"\0\0\0\x01/"),
            cluster.ask(client, Op::CloseSession, b""),
            cluster.ask(client, Op::Create, &create_body("/late", 0)),
        ];
        let replies = cluster.replies(client);
        let xids: Vec<_> = replies.iter().map(|(xid, _)| *xid).collect();
        assert_eq!(xids, asked[..3], "in order, and nothing behind the end");
        assert_eq!(replies[2].1, WriteReply::Done);
        let peer = &cluster.nodes[at].peer;
        assert!(peer.sessions.is_empty() && !peer.connections.contains(client.conn));
    }
    let of_sessions = |(_, txn): &(SessionId, Txn)| {
        matches!(txn, Txn::CreateSession { .. } | Txn::CloseSession { .. })
    };
    let logged = logged(&cluster);
    assert_eq!(logged.len(), 2 * SERVERS, "nothing but what was written");
    assert!(!logged.iter().any(of_sessions));
    cluster.assert_same_state();
}

/// A follower's client hears of its own limits, whatever the leader calls it; a multi says what the
/// transaction has.
#[test]
fn without_upgrading_an_ephemeral_node_is_refused_qp_121() {
    let mut cluster = cluster(LocalSessions::Fixed);
    let refused = ErrorCode::EphemeralOnLocalSession;
    for at in 0..SERVERS {
        let client = cluster.connect(at, SessionId::NONE);
        for op in [Op::Create, Op::Create2] {
            let body = create_body("/ephemeral", EPHEMERAL);
            let reply = ask_and_hear(&mut cluster, client, op, &body);
            assert_eq!(reply, WriteReply::Error(refused), "at {at}");
        }
        // Only these two decide; by others the leader asks for a session that all know.
        let body = create_body("/container", EPHEMERAL);
        let reply = ask_and_hear(&mut cluster, client, Op::CreateContainer, &body);
        assert_eq!(reply, WriteReply::Error(ErrorCode::SessionExpired));
        let (first, second) = (create_body("/a", 0), create_body("/b", EPHEMERAL));
        let body = multi(&[(Op::Create, &first), (Op::Create, &second)]);
        let reply = ask_and_hear(&mut cluster, client, Op::Multi, &body);
        let code = if at == 2 {
            refused
        } else {
            ErrorCode::SessionExpired
        };
        let codes = [0, code.number()];
        assert_eq!(
            reply,
            WriteReply::Multi(codes.map(MultiResult::Error).into())
        );
        let scope = cluster.nodes[at].peer.sessions.scope(client.session);
        assert_eq!(scope, Some(Scope::Local), "it goes on as it was");
        cluster.create(client, &format!("/persistent{at}"));
    }
    cluster.assert_same_state();
}

#[test]
fn the_first_ephemeral_node_makes_a_session_global_qp_121() {
    for at in 0..SERVERS {
        let mut cluster = cluster(LocalSessions::Upgradable);
        let client = cluster.connect(at, SessionId::NONE);
        cluster.create(client, "/persistent");
        let reply = ask_and_hear(
            &mut cluster,
            client,
            Op::Create,
            &create_body("/ephemeral", EPHEMERAL),
        );
        assert_eq!(reply, path("/ephemeral"), "at {at}");
        let logged = logged(&cluster);
        let opened = Txn::CreateSession { timeout_ms: 10_000 };
        assert_eq!(logged[1], (client.session, opened), "ahead of the node");
        assert!(matches!(&logged[2], (session, Txn::Create(_)) if *session == client.session));
        let scope = cluster.nodes[at].peer.sessions.scope(client.session);
        assert_eq!(scope, Some(Scope::Global));
        for node in &cluster.nodes {
            assert!(node.db.sessions.contains_key(&client.session));
        }
        // Once is enough.
        let second = ask_and_hear(
            &mut cluster,
            client,
            Op::Create,
            &create_body("/second", EPHEMERAL),
        );
        assert_eq!((second, self::logged(&cluster).len()), (path("/second"), 4));
        // It moves, and ends everywhere.
        let there = (at + 1) % SERVERS;
        let moved = come_back(&mut cluster, there, client.session).expect("it is every server's");
        let end = ask_and_hear(&mut cluster, moved, Op::CloseSession, b"");
        assert_eq!(end, WriteReply::Done);
        assert!(cluster.nodes.iter().all(|node| {
            node.db.sessions.is_empty() && node.db.tree.node("/ephemeral").is_none()
        }));
        cluster.assert_same_state();
    }
}

/// The transaction that opens a session has the number 0 too.
#[test]
fn a_request_with_the_number_0_makes_a_session_global() {
    for at in 0..SERVERS {
        let mut cluster = cluster(LocalSessions::Upgradable);
        let client = cluster.connect(at, SessionId::NONE);
        for (number, node) in [(0, "/first"), (0, "/second")] {
            let body = create_body(node, EPHEMERAL);
            let write = write(client, Xid(number), Op::Create, &body);
            cluster.events.push_back((at, Input::Write(write)));
            assert_eq!(cluster.replies(client), [(Xid(number), path(node))]);
        }
    }
}

#[test]
fn a_multi_with_an_ephemeral_node_makes_a_session_global_qp_121() {
    for at in 0..SERVERS {
        let mut cluster = cluster(LocalSessions::Upgradable);
        let client = cluster.connect(at, SessionId::NONE);
        let (first, second) = (create_body("/a", 0), create_body("/b", EPHEMERAL));
        let plain = multi(&[(Op::Create, &first)]);
        ask_and_hear(&mut cluster, client, Op::Multi, &plain);
        assert_eq!(logged(&cluster).len(), 1, "no need yet");
        let body = multi(&[(Op::Delete, &delete("/a")), (Op::Create2, &second)]);
        let reply = ask_and_hear(&mut cluster, client, Op::Multi, &body);
        assert!(matches!(&reply, WriteReply::Multi(parts)
            if matches!(parts[..], [MultiResult::Deleted, MultiResult::CreatedWithStat(..)])));
        let opened = Txn::CreateSession { timeout_ms: 10_000 };
        assert_eq!(logged(&cluster)[1], (client.session, opened));
        // A part that no server could do hides what comes behind it.
        let other = cluster.connect(at, SessionId::NONE);
        let unknown = create_body("/c", 99);
        let body = multi(&[(Op::Create, &unknown), (Op::Create, &second)]);
        ask_and_hear(&mut cluster, other, Op::Multi, &body);
        let scope = cluster.nodes[at].peer.sessions.scope(other.session);
        assert_eq!(scope, Some(Scope::Local));
    }
}

fn delete(path: &str) -> Vec<u8> {
    jute::proto::DeleteRequest {
        path: Some(path.into()),
        version: -1,
    }
    .to_vec()
}

#[test]
fn a_local_session_comes_back_to_its_server_only_cp_191() {
    let mut cluster = cluster(LocalSessions::Upgradable);
    for at in 0..SERVERS {
        let client = cluster.connect(at, SessionId::NONE);
        for other in (0..SERVERS).filter(|other| *other != at) {
            assert!(
                come_back(&mut cluster, other, client.session).is_none(),
                "{at} {other}"
            );
        }
        let back = come_back(&mut cluster, at, client.session).expect("it is known here");
        assert_eq!(cluster.replies(client), [], "the old connection is cut");
        cluster.create(back, &format!("/back{at}"));
        let left = Input::Disconnected { conn: back.conn };
        cluster.events.push_back((at, left));
        cluster.settle();
        let again = come_back(&mut cluster, at, client.session).expect("it waits for its client");
        cluster.create(again, &format!("/again{at}"));
    }
    cluster.assert_same_state();
}

#[test]
fn a_local_session_ends_with_the_term_of_its_server() {
    let mut cluster = cluster(LocalSessions::Fixed);
    let clients: Vec<_> = (0..SERVERS)
        .map(|at| cluster.connect(at, SessionId::NONE))
        .collect();
    cluster.kill(2);
    cluster.settle();
    cluster.pass(3000);
    assert_eq!(cluster.leader(), 1);
    for client in clients.iter().filter(|client| client.at != 2) {
        assert!(come_back(&mut cluster, client.at, client.session).is_none());
        let new = cluster.connect(client.at, SessionId::NONE);
        cluster.create(new, &format!("/new{}", client.at));
    }
    cluster.restart(2);
    cluster.settle();
    cluster.pass(2000);
    assert!(come_back(&mut cluster, 2, clients[2].session).is_none());
    cluster.assert_same_state();
}

/// What was global when the leader was lost outlives it; what was on its way is gone.
#[test]
fn an_upgraded_session_outlives_its_leader() {
    let mut cluster = cluster(LocalSessions::Upgradable);
    let client = cluster.connect(0, SessionId::NONE);
    let body = create_body("/ephemeral", EPHEMERAL);
    assert_eq!(
        ask_and_hear(&mut cluster, client, Op::Create, &body),
        path("/ephemeral")
    );
    cluster.kill(2);
    cluster.settle();
    cluster.pass(3000);
    let back = come_back(&mut cluster, 1, client.session).expect("it is every server's");
    cluster.create(back, "/after");
    cluster.pass(20_000);
    for at in [0, 1, 3] {
        let node = &cluster.nodes[at];
        assert!(
            node.db.tree.node("/ephemeral").is_none(),
            "the new leader has ended it"
        );
        assert!(node.db.sessions.is_empty());
    }
}

#[test]
fn the_server_that_opened_it_says_when_a_local_session_expires() {
    let mut cluster = cluster(LocalSessions::Fixed);
    for at in 0..SERVERS {
        let silent = cluster.connect(at, SessionId::NONE);
        let alive = cluster.connect(at, SessionId::NONE);
        for _ in 0..9 {
            cluster.pass(1000);
            touch(&cluster, alive);
            assert!(!closed(&mut cluster, at, silent.conn), "it has its time");
        }
        for _ in 0..4 {
            cluster.pass(1000);
            touch(&cluster, alive);
        }
        assert!(closed(&mut cluster, at, silent.conn));
        let counters = cluster.nodes[at].peer.counters();
        assert_eq!(counters.sessions_expired, 1);
        assert!(come_back(&mut cluster, at, silent.session).is_none());
        cluster.create(alive, &format!("/alive{at}"));
        ask_and_hear(&mut cluster, alive, Op::CloseSession, b"");
    }
    assert_eq!(logged(&cluster).len(), SERVERS, "no transaction says so");
}

/// The leader hears of what has become global, and of nothing else.
#[test]
fn a_learner_keeps_an_upgraded_session_alive_with_the_leader() {
    let mut cluster = cluster(LocalSessions::Upgradable);
    let local = cluster.connect(0, SessionId::NONE);
    let global = cluster.connect(0, SessionId::NONE);
    let body = create_body("/ephemeral", EPHEMERAL);
    assert_eq!(
        ask_and_hear(&mut cluster, global, Op::Create, &body),
        path("/ephemeral")
    );
    for _ in 0..30 {
        cluster.pass(1000);
        touch(&cluster, local);
        touch(&cluster, global);
    }
    assert_eq!(cluster.nodes[2].peer.session_count(), 1);
    assert!(cluster.nodes[2].db.tree.node("/ephemeral").is_some());
    cluster.pass(20_000);
    assert!(cluster.nodes[2].db.tree.node("/ephemeral").is_none());
    assert!(
        cluster.nodes[0].peer.sessions.is_empty(),
        "either has expired"
    );
}

/// Whatever of an upgrade has happened when the client comes back, the session is its own.
#[test]
fn a_client_comes_back_while_its_session_is_upgraded() {
    for at in 0..SERVERS {
        for steps in (0..16).chain([20, 30]) {
            let mut cluster = cluster(LocalSessions::Upgradable);
            let client = cluster.connect(at, SessionId::NONE);
            cluster.ask(client, Op::Create, &create_body("/ephemeral", EPHEMERAL));
            for _ in 0..steps {
                cluster.step();
            }
            let left = Input::Disconnected { conn: client.conn };
            cluster.events.push_back((at, left));
            let back = come_back(&mut cluster, at, client.session);
            let back = back.unwrap_or_else(|| panic!("at {at} after {steps} steps"));
            cluster.create(back, "/back");
            for node in &cluster.nodes {
                assert!(node.db.tree.node("/ephemeral").is_some());
                assert!(node.db.sessions.contains_key(&client.session));
            }
            ask_and_hear(&mut cluster, back, Op::CloseSession, b"");
            let learners = cluster.nodes.iter().filter(|node| node.id.0 != 3);
            assert!(cluster.nodes[2].peer.sessions.is_empty());
            assert!(learners.clone().all(|node| node.peer.sessions.is_empty()));
            cluster.assert_same_state();
        }
    }
}

/// The leader knows of the session from the proposal on, as it does when a learner asks.
#[test]
fn a_client_moves_to_the_leader_while_its_session_is_upgraded() {
    let mut cluster = cluster(LocalSessions::Upgradable);
    let client = cluster.connect(0, SessionId::NONE);
    cluster.ask(client, Op::Create, &create_body("/ephemeral", EPHEMERAL));
    while cluster.nodes[2]
        .peer
        .sessions
        .open(client.session)
        .is_none()
    {
        assert!(cluster.step(), "the leader hears of it");
    }
    assert!(!cluster.nodes[2].db.sessions.contains_key(&client.session));
    let back = come_back(&mut cluster, 2, client.session).expect("it is the client's own");
    cluster.create(back, "/back");
    cluster.assert_same_state();
}

/// One that left while its session was upgraded leaves the session to the leader.
#[test]
fn a_client_that_leaves_leaves_nothing_with_its_server() {
    for at in 0..SERVERS {
        for steps in (0..16).chain([20, 30]) {
            let mut cluster = cluster(LocalSessions::Upgradable);
            let upgrading = cluster.connect(at, SessionId::NONE);
            let closing = cluster.connect(at, SessionId::NONE);
            cluster.ask(closing, Op::Create, &create_body("/persistent", 0));
            cluster.ask(closing, Op::CloseSession, b"");
            cluster.ask(upgrading, Op::Create, &create_body("/ephemeral", EPHEMERAL));
            for _ in 0..steps {
                cluster.step();
            }
            for client in [upgrading, closing] {
                let left = Input::Disconnected { conn: client.conn };
                cluster.events.push_front((at, left));
            }
            cluster.settle();
            if let Role::Learning(role) = &cluster.nodes[at].peer.role {
                assert_eq!(role.requests.len(), 0);
            }
            let sessions = &cluster.nodes[at].peer.sessions;
            let stays = sessions.contains(closing.session);
            assert!(
                !stays || sessions.open(closing.session).is_some(),
                "nothing is half closed"
            );
            cluster.pass(14_000);
            for node in &cluster.nodes {
                assert!(node.peer.sessions.is_empty(), "at {at} after {steps} steps");
                assert!(node.db.tree.node("/ephemeral").is_none());
                assert!(node.db.sessions.is_empty());
            }
            cluster.assert_same_state();
        }
    }
}

/// Leader and learners need not be told the same, as while an ensemble is reconfigured one by one.
#[test]
fn a_leader_without_local_sessions_knows_none_of_others_qp_122() {
    let mut cluster = cluster(LocalSessions::Upgradable);
    let mut plain = Cluster::new(3, 0);
    let unknown = SessionId(0x0100_0000_0000_0007);
    let own = SessionId(0x0300_0000_0000_0007);
    for (of_local, cluster) in [(true, &mut cluster), (false, &mut plain)] {
        for (session, is_let) in [(unknown, of_local), (own, false)] {
            let body = create_body(&format!("/{}", session.0), 0);
            let request = crate::zab::LearnerRequest {
                session,
                xid: Xid(1),
                op: Op::Create.number(),
                body: Bytes::from(body),
                ids: std::sync::Arc::from([]),
            };
            let link = link_of(cluster, 0);
            let packet = crate::zab::ToLeader::Request(request);
            cluster
                .events
                .push_back((2, Input::FromLearner { link, packet }));
            cluster.settle();
            let (session_of, txn) = logged(cluster).pop().expect("it is logged");
            assert_eq!(session_of, session);
            let expired = ErrorCode::SessionExpired.number();
            assert_eq!(matches!(txn, Txn::Create(_)), is_let);
            assert!(is_let || txn == Txn::Error { code: expired });
        }
    }
}

/// The leader does not know the session any more, but does not take it for a local one either. Apache's
/// does, and the write happens behind the session's end.
#[test]
fn what_a_closed_session_had_under_way_elsewhere_does_not_happen() {
    let mut cluster = cluster(LocalSessions::Upgradable);
    let client = cluster.connect(0, SessionId::NONE);
    cluster.ask(client, Op::Create, &create_body("/ephemeral", EPHEMERAL));
    let former = link_of(&cluster, 0);
    let moved = come_back(&mut cluster, 1, client.session).expect("it is global by now");
    let closed = ask_and_hear(&mut cluster, moved, Op::CloseSession, b"");
    assert_eq!(closed, WriteReply::Done);
    let late = crate::zab::LearnerRequest {
        session: client.session,
        xid: Xid(7),
        op: Op::Create.number(),
        body: Bytes::from(create_body("/late", 0)),
        ids: std::sync::Arc::from([]),
    };
    let late = Input::FromLearner {
        link: former,
        packet: crate::zab::ToLeader::Request(late),
    };
    cluster.events.push_back((2, late));
    cluster.settle();
    let expired = Txn::Error {
        code: ErrorCode::SessionExpired.number(),
    };
    assert_eq!(logged(&cluster).pop(), Some((client.session, expired)));
    cluster.assert_same_state();
}
