//! How roles change in an ensemble, and what a leader and its learners make of each other. What goes wrong
//! is the simulator's.

use std::sync::Arc;

use bytes::Bytes;

use super::TICK;
use super::cluster::clients::create_body;
use super::cluster::{Cluster, FIELD_MAX, Settings};
use crate::base::{Epoch, SessionId, Xid, Zxid};
use crate::election::LinkState;
use crate::peer::{Input, Mode};
use crate::proto::{ErrorCode, Op, Txn, TxnRecord};
use crate::zab::{LearnerRequest, ToLeader, ToLearner};

#[test]
fn servers_that_start_together_elect_one_and_serve() {
    for (voters, observers) in [(1, 0), (3, 0), (5, 0), (3, 2)] {
        let cluster = Cluster::new(voters, observers);
        let leader = cluster.leader();
        for (at, mode) in cluster.modes().into_iter().enumerate() {
            let expected = match at {
                at if at == leader => Mode::Leader,
                at if at < voters => Mode::Follower,
                _ => Mode::Observer,
            };
            assert_eq!(mode, Some(expected), "server {at} of {voters}+{observers}");
        }
        assert_eq!(leader, voters - 1, "the greatest number wins");
    }
}

/// Of a tail that nobody else has there may be nothing but a snapshot: a leader that was never
/// established has sent it.
#[test]
fn a_server_whose_history_cannot_be_cut_takes_a_snapshot_instead() {
    let mut cluster = Cluster::new(3, 0);
    let leader = cluster.leader();
    let client = cluster.connect(leader, SessionId::NONE);
    cluster.create(client, "/before");
    for at in (0..3).filter(|at| *at != leader) {
        cluster.kill(at);
    }
    cluster.ask(client, Op::Create, &create_body("/tail", 0));
    cluster.settle();
    let node = &mut cluster.nodes[leader];
    let tail = node.log.last().expect("it is in the log").zxid;
    assert!(tail > node.db.last_zxid(), "and is not committed");
    node.snapshot = tail;
    cluster.kill(leader);
    for at in (0..3).filter(|at| *at != leader) {
        cluster.restart(at);
    }
    cluster.settle();
    cluster.pass(1000);
    let client = cluster.connect(0, SessionId::NONE);
    cluster.create(client, "/after");
    cluster.restart(leader);
    cluster.settle();
    cluster.pass(1000);
    assert_eq!(cluster.modes()[leader], Some(Mode::Follower));
    let node = &cluster.nodes[leader];
    assert!(node.db.tree.node("/tail").is_none());
    assert!(node.snapshot > tail, "it was sent all");
    cluster.create(client, "/more");
    cluster.assert_same_state();
}

#[test]
fn when_the_leader_is_lost_the_others_go_on_with_all_that_was_acknowledged() {
    let mut cluster = Cluster::new(3, 1);
    let client = cluster.connect(0, SessionId::NONE);
    cluster.create(client, "/before");
    let leader = cluster.leader();
    cluster.kill(leader);
    cluster.settle();
    cluster.pass(1000);
    let next = cluster.leader();
    assert_ne!(next, leader);
    let client = cluster.connect(0, client.session);
    cluster.create(client, "/between");
    cluster.restart(leader);
    cluster.settle();
    cluster.pass(1000);
    assert_eq!(
        cluster.modes()[leader],
        Some(Mode::Follower),
        "it follows the one there is"
    );
    let client = cluster.connect(leader, client.session);
    cluster.create(client, "/after");
    cluster.assert_same_state();
    let epochs: Vec<_> = cluster.nodes.iter().map(|node| node.epochs).collect();
    assert!(
        epochs.iter().all(|epochs| *epochs == (Epoch(2), Epoch(2))),
        "{epochs:?}"
    );
}

#[test]
fn what_a_lost_leader_did_not_get_acknowledged_is_taken_back() {
    let mut cluster = Cluster::new(3, 0);
    let leader = cluster.leader();
    let client = cluster.connect(leader, SessionId::NONE);
    cluster.create(client, "/kept");
    // Nobody hears of these.
    for other in (0..3).filter(|other| *other != leader) {
        cluster.kill(other);
    }
    for number in 0..3 {
        cluster.ask(
            client,
            Op::Create,
            &create_body(&format!("/lost{number}"), 0),
        );
    }
    assert_eq!(
        cluster.replies(client),
        [],
        "without a quorum nothing is answered"
    );
    cluster.kill(leader);
    for other in (0..3).filter(|other| *other != leader) {
        cluster.restart(other);
    }
    cluster.settle();
    cluster.pass(1000);
    let client = cluster.connect(cluster.leader(), client.session);
    cluster.create(client, "/new");
    cluster.restart(leader);
    cluster.settle();
    cluster.pass(1000);
    assert!(cluster.nodes[leader].db.tree.node("/lost0").is_none());
    assert!(cluster.nodes[leader].db.tree.node("/new").is_some());
    cluster.assert_same_state();
}

#[test]
fn a_leader_without_a_quorum_stops_within_a_tick_and_sessions_expire_only_with_one() {
    let mut cluster = Cluster::new(3, 0);
    let leader = cluster.leader();
    let client = cluster.connect(leader, SessionId::NONE);
    for other in (0..3).filter(|other| *other != leader) {
        cluster.kill(other);
    }
    cluster.settle();
    cluster.pass(2 * TICK);
    assert_eq!(cluster.modes()[leader], None, "it looks again");
    cluster.pass(30_000);
    assert!(
        cluster.nodes[leader]
            .db
            .sessions
            .contains_key(&client.session)
    );
    for other in (0..3).filter(|other| *other != leader) {
        cluster.restart(other);
    }
    cluster.settle();
    cluster.pass(1000);
    assert!(
        cluster.nodes[0].db.sessions.contains_key(&client.session),
        "its timeout starts anew"
    );
    cluster.pass(15_000);
    assert!(
        cluster.nodes[0].db.sessions.is_empty(),
        "nobody came back to it"
    );
    cluster.assert_same_state();
}

/// A leader that sends what is no transaction, or one under another's number, costs its learner the
/// term and nothing else.
#[test]
fn a_transaction_that_cannot_be_understood_ends_the_term_and_not_the_server() {
    let garbage = Bytes::from_static(b"no transaction");
    for is_misnumbered in [false, true] {
        let mut cluster = Cluster::new(3, 0);
        let client = cluster.connect(cluster.leader(), SessionId::NONE);
        cluster.create(client, "/before");
        let known = cluster.nodes[0].log.last().unwrap().clone();
        let (&link, _) = cluster
            .links
            .iter()
            .find(|(_, (_, learner))| *learner == 0)
            .unwrap();
        let packet = ToLearner::Proposal {
            zxid: known.zxid.next(),
            payload: if is_misnumbered {
                known.payload.clone()
            } else {
                garbage.clone()
            },
        };
        cluster
            .events
            .push_back((0, Input::FromLeader { link, packet }));
        cluster.settle();
        assert_eq!(
            cluster.nodes[0].log.last(),
            Some(&known),
            "it is not logged"
        );
        cluster.pass(1000);
        assert_eq!(cluster.modes()[0], Some(Mode::Follower), "it comes back");
        let client = cluster.connect(0, client.session);
        cluster.create(client, "/after");
        cluster.assert_same_state();
    }
}

/// A server whose data is gone, and that was not told that this is as it should be.
#[test]
fn a_server_without_data_follows_a_leader_and_is_whole_again() {
    let mut cluster = Cluster::new(3, 0);
    let client = cluster.connect(cluster.leader(), SessionId::NONE);
    cluster.create(client, "/kept");
    cluster.kill(0);
    let nothing = (Vec::new(), Zxid(-1));
    cluster.nodes[0] = cluster.start(0, nothing, (Epoch(-1), Epoch(-1)));
    cluster.reach(0, LinkState::Up);
    cluster.settle();
    cluster.pass(1000);
    assert_eq!(cluster.modes()[0], Some(Mode::Follower));
    let client = cluster.connect(0, client.session);
    cluster.create(client, "/after");
    cluster.assert_same_state();
    assert_eq!(cluster.nodes[0].epochs, (Epoch(1), Epoch(1)));
}

/// It takes snapshots like any other: its state is known to be committed (QP-124).
#[test]
fn a_leader_without_clients_is_in_its_term() {
    let settings = Settings {
        leader_serves: false,
        ..Settings::default()
    };
    let mut cluster = Cluster::with(3, 0, settings);
    let follower = Some(Mode::Follower);
    assert_eq!(cluster.modes(), [follower, follower, None]);
    assert!(cluster.nodes.iter().all(|node| node.peer.is_in_term()));
    let client = cluster.connect(0, SessionId::NONE);
    cluster.create(client, "/written");
    cluster.assert_same_state();
    cluster.kill(0);
    cluster.kill(1);
    cluster.settle();
    cluster.pass(2 * TICK);
    assert!(!cluster.nodes[2].peer.is_in_term());
}

/// An older release's learner passes on what only the server may ask for. Its client would wait for
/// ever, and its next requests with it.
#[test]
fn a_learner_is_answered_whatever_it_passes_on() {
    let mut cluster = Cluster::new(3, 0);
    let client = cluster.connect(0, SessionId::NONE);
    cluster.create(client, "/there");
    let before = cluster.nodes[0].log.len();
    let (&link, _) = cluster
        .links
        .iter()
        .find(|(_, (_, learner))| *learner == 0)
        .unwrap();
    for (xid, op) in [(100, 13), (101, 20), (102, 4), (103, 77)] {
        let packet = ToLeader::Request(LearnerRequest {
            session: client.session,
            xid: Xid(xid),
            op,
            body: Bytes::from_static(b"what"),
            ids: Arc::from([]),
        });
        let at = cluster.leader();
        cluster
            .events
            .push_back((at, Input::FromLearner { link, packet }));
    }
    cluster.settle();
    let answered: Vec<_> = cluster.nodes[0].log[before..]
        .iter()
        .map(|logged| {
            let record = TxnRecord::decode(&logged.payload, FIELD_MAX).unwrap();
            (record.session, record.cxid.0, record.txn)
        })
        .collect();
    let refused = |xid| {
        let code = ErrorCode::Unimplemented.number();
        (client.session, xid, Txn::Error { code })
    };
    assert_eq!(answered, [100, 101, 102, 103].map(refused));
    cluster.create(client, "/next");
    cluster.assert_same_state();
}

/// Terms that bring no transaction, and servers whose history ends with the start of one.
#[test]
fn leaders_without_a_transaction_bring_others_up_to_date() {
    let mut cluster = Cluster::new(3, 1);
    let client = cluster.connect(0, SessionId::NONE);
    cluster.create(client, "/kept");
    let all = |cluster: &mut Cluster, then: fn(&mut Cluster, usize)| {
        (0..4).for_each(|at| then(cluster, at));
        cluster.settle();
        cluster.pass(3000);
    };
    for wiped in [2, 1, 0, 2, 3, 0] {
        all(&mut cluster, Cluster::kill);
        for at in (0..4).filter(|at| *at != wiped) {
            cluster.restart(at);
        }
        cluster.settle();
        cluster.pass(3000);
        // It takes the state over from a leader that stands at the start of its epoch.
        let nothing = (Vec::new(), Zxid::ZERO);
        cluster.nodes[wiped] = cluster.start(wiped, nothing, (Epoch(0), Epoch(0)));
        cluster.reach(wiped, LinkState::Up);
        cluster.settle();
        cluster.pass(3000);
        assert_eq!(cluster.nodes[wiped].snapshot.counter(), 0);
        assert!(cluster.modes().iter().all(Option::is_some));
        all(&mut cluster, Cluster::kill);
        all(&mut cluster, Cluster::restart);
        assert!(cluster.modes().iter().all(Option::is_some));
        if wiped < 3 {
            assert_eq!(cluster.leader(), wiped, "it knows of the newest term");
        }
    }
    let client = cluster.connect(1, client.session);
    cluster.create(client, "/after");
    cluster.assert_same_state();
}
