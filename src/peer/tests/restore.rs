//! A state from elsewhere in the place of the own: when, what becomes of sessions, and how it goes on.

use super::cluster::Cluster;
use super::cluster::clients::{Client, create_body};
use super::{Bench, options};
use crate::base::{SessionId, Zxid};
use crate::peer::Restorable;
use crate::proto::{Op, WriteReply};
use crate::tree::Database;

impl Bench {
    fn restore(&mut self, state: Database) -> Vec<String> {
        self.peer
            .restore(self.now, &mut self.db, state, &mut self.client);
        self.heard()
    }
}

#[test]
fn a_server_on_its_own_goes_on_behind_the_newer_of_both() {
    let mut bench = Bench::new();
    let stays = bench.client();
    bench.create(&stays, "/in-snapshot");
    bench.settle();
    let (earlier, mut later) = (bench.recovered(), bench.recovered());
    let goes = bench.client();
    bench.ephemeral(&goes, "/too-late");
    bench.settle();
    let before = bench.db.last_zxid();
    assert_eq!(
        bench.restore(earlier),
        [format!("{}: close", goes.conn.0)],
        "its session is over"
    );
    assert_eq!(bench.db.last_zxid(), before, "zxids go on");
    assert!(bench.exists("/in-snapshot") && !bench.exists("/too-late"));
    bench.come_back(goes.id(), 4000);
    assert!(bench.settle()[0].ends_with("invalid"));
    let xid = bench.create(&stays, "/behind");
    let zxid = before.next().0;
    let reply = format!("{}: reply {xid} at {zxid}: /behind", stays.conn.0);
    assert_eq!(bench.settle(), [reply]);

    later.set_last_zxid(Zxid(5000));
    bench.restore(later);
    let xid = bench.create(&stays, "/further");
    let reply = format!("{}: reply {xid} at 5001: /further", stays.conn.0);
    assert_eq!(bench.settle(), [reply]);
}

#[test]
fn sessions_of_the_snapshot_expire_if_nobody_comes_for_them() {
    let mut other = Bench::new();
    let client = other.client();
    other.ephemeral(&client, "/theirs");
    other.settle();
    let mut bench = Bench::new();
    bench.restore(other.recovered());
    assert!(bench.exists("/theirs"));
    bench.pass(2 * 4000 + super::TICK);
    bench.settle();
    assert!(!bench.exists("/theirs"));
    assert!(bench.db.sessions.is_empty());
}

#[test]
fn ephemerals_of_unknown_sessions_do_not_come_back() {
    let mut other = Bench::new();
    let client = other.client();
    other.ephemeral(&client, "/orphan");
    other.settle();
    let mut state = other.recovered();
    state.sessions.clear();
    let mut bench = Bench::new();
    bench.restore(state);
    assert!(!bench.exists("/orphan"));
}

#[test]
fn what_is_in_flight_comes_first() {
    let mut bench = Bench::new();
    let client = bench.client();
    assert_eq!(bench.peer.restorable(), Restorable::Now);
    bench.create(&client, "/in-flight");
    assert_eq!(bench.peer.restorable(), Restorable::Later);
    bench.peer.hold();
    assert!(!bench.peer.has_room());
    // Nothing of the server's own either, however much time passes.
    bench.pass(100_000);
    let log = bench.log.len();
    assert_eq!(bench.peer.next_deadline(), None);
    bench.settle();
    assert_eq!(bench.log.len(), log);
    assert_eq!(bench.peer.restorable(), Restorable::Now);
    bench.restore(Database::new(options().prep.tree));
    bench.peer.release(bench.now, &bench.db, &mut Vec::new());
    assert!(bench.peer.has_room());
    assert!(!bench.exists("/in-flight"));
}

fn restore(cluster: &mut Cluster, at: usize, state: Database) {
    let now = cluster.now;
    let node = &mut cluster.nodes[at];
    assert_eq!(node.peer.restorable(), Restorable::Now);
    node.peer
        .restore(now, &mut node.db, state, &mut node.client);
    release(cluster, at);
}

fn release(cluster: &mut Cluster, at: usize) {
    let node = &mut cluster.nodes[at];
    let mut out = Vec::new();
    node.peer.release(cluster.now, &node.db, &mut out);
    cluster.carry_out(at, out);
    cluster.settle();
}

/// The state as it would be read back from the disk.
fn copy_of(cluster: &Cluster, at: usize) -> Database {
    super::cluster::replayed(&cluster.nodes[at].log, cluster.nodes[at].snapshot)
}

fn exists(cluster: &Cluster, at: usize, path: &str) -> bool {
    cluster.nodes[at].db.tree.node(path).is_some()
}

#[test]
fn all_members_one_after_the_other_are_one_ensemble_again() {
    let mut cluster = Cluster::new(3, 1);
    let first = cluster.connect(0, SessionId::NONE);
    cluster.create(first, "/kept");
    let copies: Vec<_> = (0..4).map(|at| copy_of(&cluster, at)).collect();
    let late = cluster.connect(1, SessionId::NONE);
    cluster.create(late, "/lost");
    for (at, state) in copies.into_iter().enumerate() {
        let last = cluster.nodes[at].db.last_zxid();
        restore(&mut cluster, at, state);
        assert_eq!(
            cluster.nodes[at].db.last_zxid(),
            last,
            "zxids are the leader's"
        );
    }
    cluster.create(first, "/behind");
    for at in 0..4 {
        assert!(exists(&cluster, at, "/kept") && exists(&cluster, at, "/behind"));
        assert!(!exists(&cluster, at, "/lost"));
        // Its own view is there, whatever the snapshot had.
        let config = cluster.nodes[at].db.tree.node("/zookeeper/config");
        assert!(config.is_some_and(|node| node.data().is_some_and(|data| !data.is_empty())));
    }
    cluster.assert_same_state();
    let asked = cluster.ask(late, Op::Create, &create_body("/nobody", 0));
    assert!(
        cluster.replies(late).iter().all(|(xid, _)| *xid != asked),
        "its session is over"
    );
    assert!(!exists(&cluster, 0, "/nobody"));
}

#[test]
fn what_learners_ask_meanwhile_waits_and_keeps_its_order() {
    let mut cluster = Cluster::new(3, 0);
    let leader = cluster.leader();
    let client: Client = cluster.connect(0, SessionId::NONE);
    cluster.create(client, "/kept");
    let state = copy_of(&cluster, leader);
    cluster.nodes[leader].peer.hold();
    let asked: Vec<_> = (0..3)
        .map(|number| cluster.ask(client, Op::Create, &create_body(&format!("/{number}"), 0)))
        .collect();
    assert_eq!(cluster.replies(client), [], "nothing is prepared");
    restore(&mut cluster, leader, state);
    let replies = cluster.replies(client);
    let expected = asked.iter().enumerate();
    let expected: Vec<_> = expected
        .map(|(number, xid)| (*xid, WriteReply::Path(format!("/{number}").into())))
        .collect();
    assert_eq!(replies, expected);
    cluster.assert_same_state();
}

#[test]
fn a_server_without_a_leader_takes_none() {
    let mut cluster = Cluster::new(3, 0);
    let leader = cluster.leader();
    for at in (0..3).filter(|at| *at != leader) {
        cluster.kill(at);
    }
    cluster.pass(100_000);
    assert_eq!(cluster.nodes[leader].peer.restorable(), Restorable::No);
    release(&mut cluster, leader);
}
