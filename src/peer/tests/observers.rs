//! Observers that learn from followers.

use super::cluster::Cluster;
use super::cluster::clients::{Client, create_body};
use crate::base::SessionId;
use crate::peer::{ClientOutput, Door, Input, Mode};
use crate::proto::{Op, WriteReply};

/// Servers 1 to 3 vote, 4 and 5 observe; who is led by whom is settled, and all serve.
fn served() -> Cluster {
    let mut cluster = Cluster::with_masters(3, 2);
    cluster.pass(3000);
    let observers = &cluster.modes()[3..];
    assert_eq!(observers, [Some(Mode::Observer), Some(Mode::Observer)]);
    cluster
}

/// Whom an observer learns from.
fn master(cluster: &Cluster, observer: usize) -> usize {
    let of_it = cluster.links.values().find(|(_, at)| *at == observer);
    of_it.expect("it has one").0
}

#[test]
fn observers_learn_from_followers_and_all_have_the_same_qp_141() {
    let mut cluster = served();
    let leader = cluster.leader();
    for observer in [3, 4] {
        assert_ne!(master(&cluster, observer), leader);
    }
    let clients: Vec<Client> = (0..5)
        .map(|at| cluster.connect(at, SessionId::NONE))
        .collect();
    for (number, client) in clients.iter().enumerate() {
        cluster.create(*client, &format!("/node-{number}"));
    }
    cluster.assert_same_state();
    // A sync at each is answered, in order with what else its client asked.
    let mut asked = Vec::new();
    for client in &clients {
        let sync = cluster.ask(*client, Op::Sync, b"\0\0\0\x01/");
        let path = format!("/behind-{}", client.at);
        asked.push((
            sync,
            cluster.ask(*client, Op::Create, &create_body(&path, 0)),
        ));
    }
    for (client, (sync, create)) in clients.iter().zip(asked) {
        let replies = cluster.replies(*client);
        let path = format!("/behind-{}", client.at);
        let expected = [
            (sync, WriteReply::Synced(Some("/".into()))),
            (create, WriteReply::Path(path.as_str().into())),
        ];
        assert_eq!(replies, expected, "at {}", client.at);
    }
    cluster.assert_same_state();
}

#[test]
fn a_session_moves_between_an_observer_its_follower_and_others_qp_141() {
    let mut cluster = served();
    let follower = master(&cluster, 3);
    let client = cluster.connect(3, SessionId::NONE);
    let at_follower = cluster.connect(follower, client.session);
    cluster.create(at_follower, "/at-the-follower");
    for at in [4, cluster.leader(), 3] {
        let moved = cluster.connect(at, client.session);
        cluster.create(moved, &format!("/moved-to-{at}"));
    }
    // A session that nobody has.
    let conn = cluster.knock(3, SessionId(77));
    cluster.settle();
    let refused = |output: &ClientOutput| matches!(output, ClientOutput::SessionInvalid { conn: of } if *of == conn);
    assert!(cluster.nodes[3].client.iter().any(refused));
}

/// To the leader a follower and all that learn from it are one.
#[test]
fn what_a_session_asked_before_it_moved_beside_its_observer_does_not_come_behind_qp_108() {
    let mut cluster = Cluster::with_masters(3, 4);
    cluster.pass(3000);
    let first = master(&cluster, 3);
    let beside = (4..7).find(|at| master(&cluster, *at) == first);
    // There are two followers for four observers.
    let (old, new) = match beside {
        Some(beside) => (3, beside),
        None => (4, 5),
    };
    let follower = master(&cluster, old);
    assert_eq!(follower, master(&cluster, new));
    for (old, new) in [(old, new), (follower, new), (new, follower)] {
        let before = cluster.connect(old, SessionId::NONE);
        cluster.create(before, &format!("/before-{old}-{new}"));
        let after = cluster.connect(new, before.session);
        assert_eq!(after.session, before.session);
        let late = format!("/late-{old}-{new}");
        cluster.ask(before, Op::Create, &create_body(&late, 0));
        cluster.settle();
        cluster.create(after, &format!("/after-{old}-{new}"));
        assert!(cluster.nodes[new].db.tree.node(&late).is_none());
        cluster.assert_same_state();
    }
}

#[test]
fn a_session_at_an_observer_lives_as_long_as_it_is_heard_of_qp_141() {
    let mut cluster = served();
    let kept = cluster.connect(3, SessionId::NONE);
    let silent = cluster.connect(4, SessionId::NONE);
    for _ in 0..40 {
        let handle = cluster.nodes[3].peer.sessions.handle(kept.session);
        handle.expect("it is open").touch(cluster.now.monotonic);
        cluster.pass(500);
    }
    let leader = cluster.leader();
    let open = &cluster.nodes[leader].db.sessions;
    assert!(open.contains_key(&kept.session));
    assert!(!open.contains_key(&silent.session), "it expired");
}

/// As Apache's observers miss it (ZOOKEEPER-5088): a follower gets proposals while it catches up, and
/// their commits when observers learn from it already.
#[test]
fn what_is_in_flight_when_a_follower_begins_to_serve_reaches_its_observers_qp_143() {
    let mut cluster = served();
    let leader = cluster.leader();
    let follower = master(&cluster, 3);
    let other = (0..3).find(|at| *at != leader && *at != follower).unwrap();
    let client = cluster.connect(leader, SessionId::NONE);
    cluster.kill(follower);
    // The other follower hears nothing of what is proposed, and serves no observers any more.
    cluster.nodes[other].held = Some(Vec::new());
    cluster.nodes[other].open_door = None;
    cluster.cut_links_of_learners(other);
    for number in 0..5 {
        let body = create_body(&format!("/in-flight-{number}"), 0);
        cluster.ask(client, Op::Create, &body);
    }
    cluster.settle();
    assert!(cluster.replies(client).is_empty(), "nothing is committed");
    cluster.restart(follower);
    for _ in 0..100_000 {
        if cluster.nodes[follower].open_door == Some(Door::Follower) {
            break;
        }
        if !cluster.step() {
            cluster.pass(10);
        }
    }
    // From here on nothing of the leader's arrives, commits among it.
    cluster.nodes[follower].held = Some(Vec::new());
    cluster.pass(4000);
    let has = |cluster: &Cluster, at: usize| {
        let tree = &cluster.nodes[at].db.tree;
        (0..5).all(|number| tree.node(&format!("/in-flight-{number}")).is_some())
    };
    for observer in [3, 4] {
        assert_eq!(cluster.nodes[observer].mode, Some(Mode::Observer));
        assert_eq!(master(&cluster, observer), follower);
        assert!(!has(&cluster, observer), "it is not committed");
    }
    cluster.release(follower);
    for at in [follower, 3, 4] {
        assert!(has(&cluster, at), "{at} missed something");
    }
    cluster.release(other);
    cluster.assert_same_state();
}

#[test]
fn observers_are_let_go_with_the_term_and_find_another_follower() {
    let mut cluster = served();
    let follower = master(&cluster, 3);
    cluster.kill(follower);
    cluster.pass(3000);
    assert_eq!(cluster.nodes[3].mode, Some(Mode::Observer));
    assert_ne!(master(&cluster, 3), follower);
    cluster.restart(follower);
    cluster.pass(3000);
    let leader = cluster.leader();
    cluster.kill(leader);
    cluster.pass(6000);
    let next = cluster.leader();
    for observer in [3, 4] {
        assert_eq!(cluster.nodes[observer].mode, Some(Mode::Observer));
        assert_ne!(master(&cluster, observer), next);
    }
    let client = cluster.connect(4, SessionId::NONE);
    cluster.create(client, "/in-the-new-term");
    cluster.assert_same_state();
}

#[test]
fn without_a_follower_that_serves_it_an_observer_learns_from_the_leader() {
    let mut cluster = served();
    for at in 0..3 {
        // A follower whose port cannot be bound.
        if cluster.nodes[at].open_door == Some(Door::Follower) {
            cluster.nodes[at].open_door = None;
            cluster.cut_links_of_learners(at);
        }
    }
    cluster.pass(6000);
    let leader = cluster.leader();
    for observer in [3, 4] {
        assert_eq!(cluster.nodes[observer].mode, Some(Mode::Observer));
        assert_eq!(master(&cluster, observer), leader);
    }
}

#[test]
fn an_observer_that_asks_out_of_turn_disturbs_nobody() {
    let mut cluster = served();
    let follower = master(&cluster, 3);
    let (&link, _) = cluster
        .links
        .iter()
        .find(|(_, ends)| **ends == (follower, 3))
        .unwrap();
    let packet = crate::zab::ToLeader::AckEpoch {
        last_zxid: crate::base::Zxid(-5),
        current_epoch: None,
    };
    let input = Input::FromLearner { link, packet };
    cluster.events.push_back((follower, input));
    let client = cluster.connect(follower, SessionId::NONE);
    cluster.create(client, "/all-is-well");
    cluster.assert_same_state();
}
