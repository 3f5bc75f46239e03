//! What a term that ends, or never begins, leaves in a server's state, and what the next one finds
//! there: the places where Apache's server has lost data (`known_bugs.txt`).

use bytes::Bytes;

use super::cluster::clients::{Client, create_body};
use super::cluster::{Cluster, replayed};
use crate::base::{Epoch, SessionId, Zxid};
use crate::election::LinkState;
use crate::peer::{Input, Mode, Output, Role};
use crate::proto::{Op, Txn, TxnRecord, WriteReply};
use crate::zab::{ToLeader, ToLearner};

/// Lets time pass as [`Cluster::pass`], but loses what `is_lost` says of inputs on their way.
fn pass_without(cluster: &mut Cluster, millis: u64, is_lost: impl Fn(usize, &Input) -> bool) {
    for _ in 0..=millis / 10 {
        for at in 0..cluster.nodes.len() {
            let node = &cluster.nodes[at];
            let deadline = node.peer.next_deadline();
            if node.is_up && deadline.is_some_and(|due| due <= cluster.now.monotonic) {
                cluster.events.push_back((at, Input::Wake));
            }
        }
        loop {
            cluster.events.retain(|(to, input)| !is_lost(*to, input));
            if !cluster.step() {
                break;
            }
        }
        cluster.now.monotonic = cluster.now.monotonic.after(10);
    }
}

fn is_ack(input: &Input) -> bool {
    let Input::FromLearner { packet, .. } = input else {
        return false;
    };
    matches!(packet, ToLeader::Ack { .. })
}

/// ZOOKEEPER-790: a state that is said to stand at the start of an epoch speaks for a history that a
/// quorum has.
#[test]
fn a_leader_stands_where_its_history_ends_until_a_quorum_has_it() {
    let mut cluster = Cluster::new(3, 0);
    let client = cluster.connect(0, SessionId::NONE);
    cluster.create(client, "/before");
    let last = cluster.nodes[2].log.last().unwrap().zxid;
    (0..3).for_each(|at| cluster.kill(at));
    (0..3).for_each(|at| cluster.restart(at));
    pass_without(&mut cluster, 3000, |_, input| is_ack(input));
    let leader = &cluster.nodes[2];
    assert!(matches!(leader.peer.role, Role::Leading(_)));
    assert_eq!(leader.epochs, (Epoch(2), Epoch(2)), "all but the ACKs came");
    assert_eq!((leader.mode, leader.db.last_zxid()), (None, last));
    pass_without(&mut cluster, 25_000, |_, input| is_ack(input));
    assert!(cluster.nodes[2].epochs.0 > Epoch(2), "it has tried again");
    assert_eq!(cluster.nodes[2].db.last_zxid(), last);
    cluster.pass(30_000);
    let client = cluster.connect(1, SessionId::NONE);
    cluster.create(client, "/after");
    cluster.assert_same_state();
}

/// What tells a server that its term is over.
fn end_of_term(cluster: &Cluster, at: usize) -> Input {
    let reason = "closed".to_owned();
    if let Role::Leading(_) = &cluster.nodes[at].peer.role {
        return Input::QuorumPortFailed { reason };
    }
    let mut links = cluster.links.iter();
    let (&link, _) = links.find(|(_, (_, learner))| *learner == at).unwrap();
    Input::LeaderGone { link, reason }
}

/// ZOOKEEPER-2845, 4541 and 4712: what is in a server's log is in its state before it looks for
/// another leader, and its vote speaks for all of it; also what was on its way to the disk.
#[test]
fn a_server_looks_with_all_that_its_log_holds() {
    for at in [2, 0] {
        let mut cluster = Cluster::new(3, 0);
        assert_eq!(cluster.leader(), 2);
        let client = cluster.connect(2, SessionId::NONE);
        cluster.create(client, "/before");
        let committed = cluster.nodes[at].db.last_zxid();
        for number in 0..3 {
            cluster.ask(
                client,
                Op::Create,
                &create_body(&format!("/tail{number}"), 0),
            );
        }
        // It is proposed, logged here and there, and nobody hears that it is.
        pass_without(&mut cluster, 0, |_, input| is_ack(input));
        let tail = cluster.nodes[at].log.last().unwrap().zxid;
        assert_eq!(
            (tail.0, cluster.nodes[at].db.last_zxid()),
            (committed.0 + 3, committed)
        );
        // The term ends while the disk still works.
        let ends = end_of_term(&cluster, at);
        let node = &mut cluster.nodes[at];
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        node.peer
            .handle(cluster.now, &node.db, ends, &mut out, &mut heard);
        let is_drain = |output: &Output| matches!(output, Output::Drain);
        assert!(out.iter().any(is_drain), "the disk is to finish first");
        node.peer.apply_committed(
            cluster.now,
            &mut node.db,
            &mut node.watches,
            &mut out,
            &mut heard,
        );
        assert_eq!(node.db.last_zxid(), committed, "not before it has");
        let says = |out: &[Output]| out.iter().any(|it| matches!(it, Output::Notify { .. }));
        assert!(!says(&out), "and nobody is told of a vote");
        let mut out = Vec::new();
        for input in [Input::Drained, Input::Wake] {
            node.peer
                .handle(cluster.now, &node.db, input, &mut out, &mut heard);
            node.peer.apply_committed(
                cluster.now,
                &mut node.db,
                &mut node.watches,
                &mut out,
                &mut heard,
            );
        }
        assert_eq!(node.db.last_zxid(), tail);
        assert_eq!(
            node.db.tree.digest(),
            replayed(&node.log, node.snapshot).tree.digest()
        );
        let votes: Vec<_> = out
            .iter()
            .filter_map(|output| match output {
                Output::Notify { message, .. } => Some(message.clone()),
                _ => None,
            })
            .collect();
        assert!(!votes.is_empty());
        for vote in votes {
            let vote = crate::election::Received::decode(&vote, false).unwrap();
            assert_eq!(vote.ballot.vote.candidate.zxid, tail);
        }
    }
}

/// ZOOKEEPER-3642: a state that was sent and is in no snapshot yet is not built upon.
#[test]
fn a_learner_that_leaves_during_snap_has_what_its_disk_has() {
    let mut cluster = Cluster::new(3, 0);
    let client = cluster.connect(cluster.leader(), SessionId::NONE);
    cluster.create(client, "/kept");
    cluster.kill(0);
    let nothing = (Vec::new(), Zxid::ZERO);
    cluster.nodes[0] = cluster.start(0, nothing, (Epoch(0), Epoch(0)));
    cluster.reach(0, LinkState::Up);
    let is_new_leader = |input: &Input| {
        matches!(
            input,
            Input::FromLeader {
                packet: ToLearner::NewLeader { .. },
                ..
            }
        )
    };
    let installed = |cluster: &Cluster| cluster.nodes[0].db.tree.node("/kept").is_some();
    pass_without(&mut cluster, 2000, |to, input| {
        to == 0 && is_new_leader(input)
    });
    assert!(installed(&cluster), "the snapshot has come");
    let node = &cluster.nodes[0];
    assert_eq!((node.log.len(), node.snapshot), (0, Zxid::ZERO));
    let ends = end_of_term(&cluster, 0);
    cluster.cut_links_of(0);
    cluster.events.push_front((0, ends));
    let is_read_back = |cluster: &Cluster| {
        let mut events = cluster.events.iter();
        !events.any(|(_, input)| matches!(input, Input::Reloaded { .. }))
    };
    while matches!(cluster.nodes[0].peer.role, Role::Learning(_)) || !is_read_back(&cluster) {
        assert!(cluster.step());
    }
    assert!(!installed(&cluster), "it is what the disk has");
    assert_eq!(cluster.nodes[0].db.last_zxid(), Zxid::ZERO);
    cluster.settle();
    cluster.pass(2000);
    cluster.create(client, "/after");
    cluster.assert_same_state();
}

/// ZOOKEEPER-3144: what a snapshot of that moment would hold.
#[test]
fn a_session_is_in_no_state_before_it_is_committed() {
    for at in 0..3 {
        let mut cluster = Cluster::new(3, 0);
        cluster.knock(at, SessionId::NONE);
        pass_without(&mut cluster, 0, |_, input| is_ack(input));
        let logged = cluster.nodes.iter().all(|node| node.log.len() == 1);
        assert!(logged, "it is proposed");
        assert!(cluster.nodes.iter().all(|node| node.db.sessions.is_empty()));
        assert!(
            cluster.nodes[at].client.is_empty(),
            "nor does the client hear of it"
        );
    }
}

/// ZOOKEEPER-1367 and 2926: sessions that were opened and closed while a server was away are those of
/// the tree it is brought up to date with, by transactions or by a snapshot; and when it leads, they
/// expire.
#[test]
fn sessions_come_with_the_history() {
    for takes_snapshot in [false, true] {
        let mut cluster = Cluster::new(3, 0);
        let first = cluster.connect(1, SessionId::NONE);
        ephemeral(&mut cluster, first, "/first");
        cluster.kill(2);
        cluster.settle();
        cluster.pass(2000);
        let next = cluster.leader();
        let open = cluster.connect(next, SessionId::NONE);
        ephemeral(&mut cluster, open, "/open");
        let first = cluster.connect(next, first.session);
        cluster.ask(first, Op::CloseSession, b"");
        cluster.settle();
        if takes_snapshot {
            let nothing = (Vec::new(), Zxid::ZERO);
            cluster.nodes[2] = cluster.start(2, nothing, (Epoch(0), Epoch(0)));
            cluster.reach(2, LinkState::Up);
        } else {
            cluster.restart(2);
        }
        cluster.settle();
        cluster.pass(2000);
        assert_eq!(cluster.modes()[2], Some(Mode::Follower));
        let has = |cluster: &Cluster, path: &str| cluster.nodes[2].db.tree.node(path).is_some();
        let sessions = |cluster: &Cluster, at: usize| cluster.nodes[at].db.sessions.clone();
        assert_eq!(sessions(&cluster, 2), sessions(&cluster, next));
        assert_eq!(
            sessions(&cluster, 2).into_keys().collect::<Vec<_>>(),
            [open.session]
        );
        assert!(has(&cluster, "/open") && !has(&cluster, "/first"));
        cluster.kill(next);
        cluster.settle();
        cluster.pass(2000);
        assert_eq!(cluster.leader(), 2);
        cluster.pass(15_000);
        assert!(sessions(&cluster, 2).is_empty() && !has(&cluster, "/open"));
        cluster.assert_same_state();
    }
}

fn ephemeral(cluster: &mut Cluster, client: Client, path: &str) {
    let xid = cluster.ask(client, Op::Create, &create_body(path, 1));
    assert_eq!(
        cluster.replies(client),
        [(xid, WriteReply::Path(path.into()))]
    );
}

/// ZOOKEEPER-4925: what a server was brought up to date with is what it brings others up to date
/// with, without a hole, whichever way it came.
#[test]
fn what_came_in_a_synchronisation_is_served_to_others() {
    let mut cluster = Cluster::new(3, 0);
    let client = cluster.connect(1, SessionId::NONE);
    cluster.create(client, "/a");
    cluster.kill(2);
    cluster.settle();
    cluster.pass(2000);
    let client = cluster.connect(1, client.session);
    for path in ["/b", "/c", "/d"] {
        cluster.create(client, path);
    }
    // 0 lacks what comes next; 2 gets it by DIFF.
    cluster.kill(0);
    cluster.restart(2);
    cluster.settle();
    cluster.pass(5000);
    let client = cluster.connect(1, SessionId::NONE);
    for path in ["/e", "/f"] {
        cluster.create(client, path);
    }
    let recent = |cluster: &Cluster, at: usize| -> Vec<Zxid> {
        let member = cluster.nodes[at].peer.member.as_ref().unwrap();
        member
            .recent
            .after(Zxid(-1))
            .map(|committed| committed.zxid)
            .collect()
    };
    let log: Vec<_> = cluster.nodes[2]
        .log
        .iter()
        .map(|record| record.zxid)
        .collect();
    assert_eq!(recent(&cluster, 2), log, "all of it, in order");
    cluster.kill(1);
    cluster.restart(0);
    cluster.settle();
    cluster.pass(2000);
    assert_eq!(cluster.leader(), 2);
    assert_eq!(
        cluster.nodes[0].snapshot,
        Zxid::ZERO,
        "by transactions alone"
    );
    assert_eq!(recent(&cluster, 0), recent(&cluster, 2));
    cluster.assert_same_state();
}

/// ZOOKEEPER-2819 and 3829: without reconfiguration a server's membership is what its own file says,
/// whatever its leader's is and whichever way the leader's state came.
#[test]
fn a_membership_is_that_of_the_own_configuration() {
    let mut cluster = Cluster::new(3, 0);
    let client = cluster.connect(cluster.leader(), SessionId::NONE);
    cluster.create(client, "/kept");
    let old = cluster.membership.clone();
    let text = old.committed().to_string();
    let line = "server.9=127.0.0.1:2009:3009:observer\n";
    let view = crate::quorum::QuorumView::parse(
        &format!("{line}{text}"),
        crate::quorum::ViewRules::default(),
    );
    cluster.membership = std::sync::Arc::new(crate::quorum::Membership::new(view.unwrap().into()));
    let own = cluster.membership.committed().to_string();
    assert_ne!(own, text);
    let config = |cluster: &Cluster, at: usize| {
        let node = cluster.nodes[at].db.tree.node("/zookeeper/config");
        String::from_utf8(node.unwrap().data().unwrap().to_vec()).unwrap()
    };
    for takes_snapshot in [false, true] {
        cluster.kill(0);
        if takes_snapshot {
            let nothing = (Vec::new(), Zxid::ZERO);
            cluster.nodes[0] = cluster.start(0, nothing, (Epoch(0), Epoch(0)));
            cluster.reach(0, LinkState::Up);
        } else {
            cluster.restart(0);
        }
        cluster.settle();
        cluster.pass(2000);
        assert_eq!(cluster.modes()[0], Some(Mode::Follower));
        cluster.create(client, &format!("/{takes_snapshot}"));
        assert_eq!(config(&cluster, 0), own);
        assert_eq!(config(&cluster, 1), text);
    }
    cluster.assert_same_state();
}

/// A request that cannot be read is refused where it came in: Apache's leader would propose a zxid
/// twice for it, and nobody in the ensemble could write any more (H-01).
#[test]
fn a_learner_forwards_nothing_that_cannot_be_read() {
    for at in [0, 3] {
        let mut cluster = Cluster::new(3, 1);
        let client = cluster.connect(at, SessionId::NONE);
        let before = cluster.nodes[2].log.len();
        for op in [
            Op::Create,
            Op::Create2,
            Op::CreateContainer,
            Op::CreateTtl,
            Op::Delete,
            Op::SetData,
            Op::SetAcl,
        ] {
            let whole = create_body("/short", 0);
            let xid = cluster.ask(client, op, &whole[..3]);
            assert!(matches!(
                cluster.replies(client)[..],
                [(to, WriteReply::Error(_))] if to == xid
            ));
        }
        assert_eq!(
            cluster.nodes[2].log.len(),
            before,
            "the leader heard nothing"
        );
        cluster.create(client, "/next");
        cluster.assert_same_state();
    }
}

/// A failed multi keeps its bytes in the window of recent commits, where Apache's has other ones when
/// it was applied (H-18).
#[test]
fn a_failed_multi_is_served_as_it_was_logged() {
    let mut cluster = Cluster::new(3, 0);
    let client = cluster.connect(2, SessionId::NONE);
    cluster.kill(0);
    cluster.settle();
    // A check that passes, and one that does not.
    let check = |path: &[u8], last: &[u8]| {
        let head = b"\0\0\0\x0d\0\xff\xff\xff\xff\0\0\0\x02";
        [&head[..], path, last].concat()
    };
    let end = b"\xff\xff\xff\xff\x01\xff\xff\xff\xff";
    cluster.create(client, "/a");
    let body = [check(b"/a", &[0; 4]), check(b"/b", &[0; 4]), end.to_vec()].concat();
    cluster.ask(client, Op::Multi, &body);
    assert!(matches!(
        cluster.replies(client)[..],
        [(_, WriteReply::Multi(_))]
    ));
    let logged = cluster.nodes[2].log.last().unwrap().payload.clone();
    let record = TxnRecord::decode(&logged, usize::MAX).unwrap();
    assert!(matches!(record.txn, Txn::Multi(parts) if parts.len() == 2));
    cluster.restart(0);
    cluster.settle();
    cluster.pass(2000);
    let given: Bytes = cluster.nodes[0].log.last().unwrap().payload.clone();
    assert_eq!(given, logged);
    cluster.assert_same_state();
}

/// QP-152: whoever leads recognises nodes with a time to live, and deletes them in time and by a
/// transaction; Apache's server without extended types removes them from its own tree when it begins.
#[test]
fn nodes_with_a_time_to_live_survive_leaders_of_other_settings_qp_152() {
    let mut cluster = Cluster::new(3, 0);
    cluster.extended_types = vec![2];
    cluster.kill(2);
    cluster.settle();
    cluster.pass(2000);
    cluster.restart(2);
    cluster.settle();
    cluster.pass(2000);
    let other = cluster.leader();
    cluster.kill(other);
    cluster.settle();
    cluster.pass(2000);
    assert_eq!(cluster.leader(), 2);
    cluster.restart(other);
    cluster.settle();
    cluster.pass(2000);
    let client = cluster.connect(2, SessionId::NONE);
    let mut body = create_body("/t", 5);
    body.extend_from_slice(&3_600_000_i64.to_be_bytes());
    let xid = cluster.ask(client, Op::CreateTtl, &body);
    let replies = cluster.replies(client);
    assert!(
        matches!(replies[..], [(to, WriteReply::PathAndStat(..))] if to == xid),
        "{replies:?}"
    );
    for away in [2, 1] {
        cluster.kill(away);
        cluster.settle();
        cluster.pass(3000);
        let leader = cluster.leader();
        let client = cluster.connect(leader, SessionId::NONE);
        cluster.create(client, &format!("/without{away}"));
        cluster.restart(away);
        cluster.settle();
        cluster.pass(3000);
        for node in &cluster.nodes {
            assert!(node.db.tree.node("/t").is_some(), "{} has it", node.id);
        }
        cluster.assert_same_state();
    }
}

/// Two servers of three start; one counts the third as gone and leads, the other does not know yet, and
/// turns to the third when that comes. The lone leader gives up then, rather than wait for followers
/// while it is no part of what the others have.
#[test]
fn a_leader_whose_voters_turn_to_a_better_one_goes_with_them() {
    let mut cluster = Cluster::new(3, 0);
    (0..3).for_each(|at| cluster.kill(at));
    cluster.restart(0);
    cluster.restart(1);
    let third_is_gone = Input::Reach {
        peer: cluster.nodes[2].id,
        state: LinkState::Gone,
    };
    cluster.pass(20);
    cluster.feed(1, third_is_gone);
    assert!(matches!(cluster.nodes[1].peer.role, Role::Leading(_)));
    assert!(matches!(cluster.nodes[0].peer.role, Role::Looking(_)));
    cluster.restart(2);
    cluster.settle();
    cluster.pass(1000);
    let (following, leading) = (Some(Mode::Follower), Some(Mode::Leader));
    assert_eq!(cluster.modes(), [following, following, leading]);
}
