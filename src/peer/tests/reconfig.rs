//! Ensembles whose members change: what each server shows and keeps, who leads then, and what a
//! crash leaves.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::TICK;
use super::cluster::clients::Client;
use super::cluster::{Cluster, Settings};
use crate::base::{ServerId, SessionId};
use crate::peer::Mode;
use crate::proto::{ErrorCode, Op, WriteReply};
use crate::quorum::{QuorumView, ViewRules};

/// A server line for a client's request.
fn line(id: usize, role: &str) -> String {
    let (quorum, election) = (2000 + id, 3000 + id);
    format!(
        "server.{id}=127.0.0.1:{quorum}:{election}:{role};0.0.0.0:{}",
        4000 + id
    )
}

fn request(joining: &str, leaving: &str) -> BytesMut {
    let mut body = BytesMut::new();
    for text in [joining, leaving] {
        if text.is_empty() {
            body.put_i32(-1);
        } else {
            body.put_i32(i32::try_from(text.len()).unwrap());
            body.put_slice(text.as_bytes());
        }
    }
    body.put_i32(-1);
    body.put_i64(-1);
    body
}

impl Cluster {
    fn reconfigure(&mut self, client: Client, joining: &str, leaving: &str) -> Option<WriteReply> {
        let asked = self.ask(client, Op::Reconfig, &request(joining, leaving));
        let replies = self.replies(client);
        let mut replies = replies.into_iter().filter(|(xid, _)| *xid == asked);
        replies.next().map(|(_, reply)| reply)
    }

    /// What a server shows; it is what it holds and what it has on disk.
    fn config(&self, at: usize) -> String {
        let node = &self.nodes[at];
        let data = node.db.tree.node("/zookeeper/config").unwrap().data();
        let shown = String::from_utf8(data.unwrap().to_vec()).unwrap();
        let membership = node.peer.quorum().unwrap().membership;
        assert!(membership.proposed().is_none(), "nothing waits at {at}");
        assert_eq!(membership.committed().to_string(), shown, "at {at}");
        assert_eq!(node.views.committed().to_string(), shown, "on disk at {at}");
        shown
    }

    fn version(&self, at: usize) -> i64 {
        let membership = self.nodes[at].peer.quorum().unwrap().membership;
        membership.committed().version().0
    }

    fn expect_service(&mut self) {
        let up: Vec<usize> = (0..self.nodes.len())
            .filter(|at| self.nodes[*at].is_up)
            .collect();
        for at in up {
            let client = self.connect(at, SessionId::NONE);
            self.create(
                client,
                &format!("/at{at}-{}", self.nodes[at].db.last_zxid().0),
            );
        }
        self.assert_same_state();
    }
}

fn text_of(reply: Option<WriteReply>) -> String {
    match reply {
        Some(WriteReply::Data(Some(text), stat)) => {
            assert_eq!(stat.version, -1);
            String::from_utf8(text.to_vec()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_leader_gives_the_version_and_all_keep_it_qp_126() {
    for (voters, observers) in [(3, 0), (5, 0), (3, 2)] {
        let cluster = Cluster::changeable(voters, observers);
        for at in 0..voters + observers {
            let config = cluster.config(at);
            assert!(config.ends_with("\nversion=100000000"), "{config}");
        }
    }
    // Off, nothing is taken over and nothing is kept.
    let cluster = Cluster::new(3, 1);
    for at in 0..4 {
        assert!(cluster.config(at).ends_with("\nversion=0"));
    }
}

#[test]
fn a_change_is_answered_shown_and_kept_everywhere() {
    for at in 0..4 {
        let mut cluster = Cluster::changeable(3, 1);
        let client = cluster.connect(at, SessionId::NONE);
        let observer = line(1, "observer");
        let reply = cluster.reconfigure(client, &observer, "");
        if at != 0 {
            let text = text_of(reply);
            assert!(text.contains(&observer), "{text}");
        }
        cluster.pass(3 * TICK);
        let configs: Vec<String> = (0..4).map(|at| cluster.config(at)).collect();
        assert!(configs[0].contains(&observer), "{}", configs[0]);
        assert!(configs.iter().all(|config| *config == configs[0]));
        let modes = [
            Some(Mode::Observer),
            Some(Mode::Follower),
            Some(Mode::Leader),
            Some(Mode::Observer),
        ];
        assert_eq!(cluster.modes(), modes);
        cluster.expect_service();
    }
}

#[test]
fn an_observer_does_not_count_before_it_votes_qp_134() {
    let mut cluster = Cluster::changeable(3, 2);
    let client = cluster.connect(1, SessionId::NONE);
    // Three of five are needed, and only two of them hear proposals.
    cluster.kill(0);
    let both = format!("{},{}", line(4, "participant"), line(5, "participant"));
    let reply = cluster.reconfigure(client, &both, "");
    assert_eq!(reply, Some(WriteReply::Error(ErrorCode::NewConfigNoQuorum)));
    cluster.restart(0);
    cluster.pass(3 * TICK);
    text_of(cluster.reconfigure(client, &both, ""));
    cluster.pass(3 * TICK);
    let leader = cluster.leader();
    for (at, mode) in cluster.modes().into_iter().enumerate() {
        let expected = if at == leader {
            Mode::Leader
        } else {
            Mode::Follower
        };
        assert_eq!(mode, Some(expected), "at {at}");
    }
    cluster.expect_service();
}

/// Whom an observer learns from.
fn master(cluster: &Cluster, observer: usize) -> usize {
    let of_it = cluster.links.values().find(|(_, at)| *at == observer);
    of_it.expect("it has one").0
}

/// What observers of followers hear goes through these, and they stay with them: the leader has not
/// changed.
#[test]
fn observers_of_followers_hear_of_it_and_go_on_qp_131_qp_141() {
    let mut cluster = Cluster::with(
        3,
        2,
        Settings {
            reconfig_enabled: true,
            observer_master_port: Some(2191),
            ..Settings::default()
        },
    );
    cluster.pass(3000);
    let links = cluster.links.clone();
    let client = cluster.connect(4, SessionId::NONE);
    let reply = cluster.reconfigure(client, &line(6, "observer"), "");
    let text = text_of(reply);
    assert!(text.contains(&line(6, "observer")), "{text}");
    let configs: Vec<String> = (0..5).map(|at| cluster.config(at)).collect();
    assert!(configs.iter().all(|config| *config == text), "{configs:?}");
    assert_eq!(cluster.links, links, "nobody had to leave");
    cluster.expect_service();
    // The one they learn from votes no more, and learns as they do.
    let demoted = line(1, "observer");
    cluster.reconfigure(client, &demoted, "");
    cluster.pass(3 * TICK);
    let configs: Vec<String> = (0..5).map(|at| cluster.config(at)).collect();
    assert!(configs[0].contains(&demoted), "{}", configs[0]);
    assert!(configs.iter().all(|config| *config == configs[0]));
    let leader = cluster.leader();
    for at in [0, 3, 4] {
        assert_eq!(cluster.modes()[at], Some(Mode::Observer));
        assert_ne!(master(&cluster, at), leader, "there is a follower left");
    }
    cluster.expect_service();
}

/// Without an election: the round of the last one stays.
#[test]
fn a_leader_that_goes_names_the_next_one_qp_132() {
    for (joining, leaving, mode) in [
        ("", "3", Mode::Follower),
        (&*line(3, "observer"), "", Mode::Observer),
        (
            "server.3=127.0.0.1:2903:3003:participant;4003",
            "",
            Mode::Follower,
        ),
    ] {
        let mut cluster = Cluster::changeable(3, 0);
        assert_eq!(cluster.leader(), 2);
        let client = cluster.connect(2, SessionId::NONE);
        // It is answered, or cut off, as the leader goes.
        cluster.reconfigure(client, joining, leaving);
        cluster.pass(2 * TICK);
        let leader = cluster.leader();
        assert_ne!(leader, 2, "{joining} {leaving}");
        assert_eq!(cluster.modes()[2], Some(mode), "{joining} {leaving}");
        for at in 0..3 {
            assert_eq!(cluster.version(at) >> 32, 1, "made by the first term");
            cluster.config(at);
        }
        cluster.expect_service();
    }
}

impl Cluster {
    /// Server 3, which leads, is removed, and 1 or 2 is named; what it says to one of these from the
    /// commit on waits.
    fn remove_leader_holding(&mut self, slow: usize) {
        assert_eq!(self.leader(), 2);
        let client = self.connect(0, SessionId::NONE);
        let before = self.version(2);
        self.ask(client, Op::Reconfig, &request("", "3"));
        while self.version(2) == before {
            assert!(self.step(), "it is committed");
        }
        self.nodes[slow].held = Some(Vec::new());
        self.settle();
    }
}

/// It would look for a leader if the old one closed its link before it has read the last commit.
#[test]
fn who_is_slow_to_hear_of_a_change_goes_to_the_named_leader_too_qp_132() {
    for slow in 0..2 {
        let mut cluster = Cluster::changeable(3, 0);
        cluster.remove_leader_holding(slow);
        cluster.pass(20);
        cluster.release(slow);
        cluster.pass(TICK / 10);
        assert_ne!(cluster.leader(), 2, "{slow} is slow");
        assert_eq!(cluster.modes()[2], Some(Mode::Follower));
        cluster.expect_service();
    }
}

/// A leader that nobody has voted for is not found by who looks for one: it gives up.
#[test]
fn who_never_hears_of_a_change_holds_the_named_leader_up_for_a_moment_qp_132() {
    for deaf in 0..2 {
        let mut cluster = Cluster::changeable(3, 0);
        cluster.remove_leader_holding(deaf);
        cluster.nodes[deaf].held = None;
        cluster.cut_links_of_learners(2);
        cluster.settle();
        cluster.pass(3 * TICK);
        assert_ne!(cluster.leader(), 2, "{deaf} is deaf");
        cluster.expect_service();
    }
}

#[test]
fn who_is_removed_follows_and_does_not_count_qp_135() {
    let mut cluster = Cluster::changeable(5, 0);
    let client = cluster.connect(4, SessionId::NONE);
    text_of(cluster.reconfigure(client, "", "1,2"));
    cluster.pass(TICK);
    assert_eq!(cluster.modes()[0], Some(Mode::Follower));
    cluster.expect_service();
    // Two of three voters are a quorum, and those that were removed are none.
    cluster.kill(0);
    cluster.kill(1);
    cluster.kill(2);
    cluster.pass(2 * TICK);
    cluster.expect_service();
    cluster.restart(0);
    cluster.restart(1);
    cluster.kill(3);
    cluster.pass(12 * TICK);
    assert_eq!(cluster.modes()[4], None, "one of three voters");
    cluster.restart(3);
    cluster.pass(12 * TICK);
    cluster.expect_service();
}

#[test]
fn a_joiner_takes_over_the_configuration_and_waits_to_be_asked_qp_133() {
    for role in ["participant", "observer"] {
        let mut cluster = Cluster::changeable(3, 0);
        let lines: Vec<String> = (1..=3).map(|id| line(id, "participant")).collect();
        let own = format!("{}\n{}", lines.join("\n"), line(4, role));
        let joiner = cluster.add(&own);
        cluster.settle();
        cluster.pass(6 * TICK);
        assert_eq!(cluster.modes()[joiner], Some(Mode::Follower), "as {role}");
        assert_eq!(cluster.config(joiner), cluster.config(0));
        let client = cluster.connect(joiner, SessionId::NONE);
        let text = text_of(cluster.reconfigure(client, &line(4, "participant"), ""));
        assert!(text.contains(&line(4, "participant")), "{text}");
        cluster.pass(TICK);
        for at in 0..4 {
            assert_eq!(cluster.config(at), text, "at {at}");
        }
        cluster.expect_service();
        // Two of four are no quorum any more.
        let two: Vec<usize> = (0..3).filter(|at| *at != cluster.leader()).collect();
        cluster.kill(two[0]);
        cluster.expect_service();
        cluster.kill(two[1]);
        cluster.pass(8 * TICK);
        let mut up = (0..4).filter(|at| cluster.nodes[*at].is_up);
        assert!(up.all(|at| cluster.modes()[at].is_none()));
    }
}

/// The leader dies when all have the change and nobody knows that it is committed: the next one
/// completes it, with quorums of both.
#[test]
fn a_change_that_was_proposed_is_completed_by_the_next_leader_qp_138() {
    let mut cluster = Cluster::changeable(3, 0);
    let client = cluster.connect(2, SessionId::NONE);
    cluster.ask(client, Op::Reconfig, &request(&line(1, "observer"), ""));
    // Until a follower has it on disk and before the leader hears of it.
    while cluster.nodes[0].views.proposed().is_none() || cluster.nodes[1].views.proposed().is_none()
    {
        assert!(cluster.step(), "it is proposed");
    }
    let version = cluster.nodes[1].views.last_seen().version();
    cluster.kill(2);
    cluster.settle();
    for at in 0..2 {
        assert_ne!(cluster.version(at), version.0, "not committed yet at {at}");
        cluster.kill(at);
        cluster.restart(at);
    }
    cluster.settle();
    cluster.pass(12 * TICK);
    // Of the new voters, 2 and 3, one is away: nobody leads.
    assert_eq!(cluster.modes()[..2], [None, None]);
    cluster.restart(2);
    cluster.settle();
    cluster.pass(12 * TICK);
    for at in 0..3 {
        assert_eq!(cluster.version(at), version.0, "at {at}");
        cluster.config(at);
    }
    assert_eq!(cluster.modes()[0], Some(Mode::Observer));
    cluster.expect_service();
}

/// Servers that were in the middle of a change to these lines, its proposal on disk and nobody up.
fn interrupted(voters: usize, observers: usize, next: &[String]) -> Cluster {
    let mut cluster = Cluster::changeable(voters, observers);
    let next = format!("{}\nversion=200000000", next.join("\n"));
    let next = QuorumView::parse(&next, ViewRules::default()).unwrap();
    let next = Arc::new(next);
    for at in 0..voters + observers {
        cluster.kill(at);
        let node = &mut cluster.nodes[at];
        node.views = node.views.seeing(next.clone());
    }
    cluster.settle();
    cluster
}

impl Cluster {
    /// All of them come back, and a server joins for each line that is theirs and one of its own.
    fn complete_with(&mut self, joiners: &[String]) {
        let former = self.membership.committed().file_text(false);
        for at in 0..self.nodes.len() {
            self.restart(at);
        }
        for own in joiners {
            self.add(&format!("{former}\n{own}"));
        }
        self.settle();
        self.pass(2 * TICK);
    }
}

/// Of the new voters one observes under the old view: its word is needed for NEWLEADER.
#[test]
fn a_change_that_makes_an_observer_vote_is_completed_too_qp_138() {
    let next = [line(3, "participant"), line(4, "participant")];
    let mut cluster = interrupted(2, 1, &next);
    cluster.complete_with(&next[1..]);
    for at in 0..4 {
        assert_eq!(cluster.version(at), 2 << 32, "at {at}");
        cluster.config(at);
    }
    assert!([2, 3].contains(&cluster.leader()));
    cluster.expect_service();
}

/// None of the old voters votes in the new view.
#[test]
fn a_change_that_leaves_no_voter_is_completed_too_qp_138() {
    let observers = (1..=2).map(|id| line(id, "observer"));
    let voters = (3..=5).map(|id| line(id, "participant"));
    let next: Vec<String> = observers.chain(voters).collect();
    let mut cluster = interrupted(2, 0, &next);
    cluster.complete_with(&next[2..]);
    for at in 0..5 {
        assert_eq!(cluster.version(at), 2 << 32, "at {at}");
        cluster.config(at);
    }
    assert_eq!(cluster.modes()[..2], [Some(Mode::Observer); 2]);
    cluster.expect_service();
}

/// NEWLEADER brings the view that is proposed, and the proposal comes with it.
#[test]
fn who_joins_while_a_change_is_proposed_does_not_take_it_for_decided() {
    let mut cluster = Cluster::changeable(5, 1);
    let client = cluster.connect(4, SessionId::NONE);
    let before = cluster.config(4);
    let late = [0, 5];
    for at in late {
        cluster.kill(at);
    }
    cluster.settle();
    for at in 1..4 {
        cluster.nodes[at].held = Some(Vec::new());
    }
    cluster.ask(client, Op::Reconfig, &request("", "1"));
    cluster.settle();
    for at in late {
        cluster.restart(at);
    }
    cluster.pass(TICK);
    assert_eq!(cluster.modes()[0], Some(Mode::Follower));
    assert_eq!(cluster.modes()[5], Some(Mode::Observer));
    let proposed = cluster.nodes[4].views.proposed().cloned();
    let proposed = proposed.expect("it is not committed");
    for at in late {
        let views = &cluster.nodes[at].views;
        assert_eq!(views.committed().to_string(), before, "at {at}");
        let seen = views.proposed().map(|view| view.version());
        assert_eq!(seen, (at == 0).then(|| proposed.version()), "at {at}");
    }
    for at in 1..4 {
        cluster.release(at);
    }
    cluster.pass(TICK);
    let config = cluster.config(4);
    assert_eq!(config, proposed.to_string());
    for at in 0..6 {
        assert_eq!(cluster.config(at), config, "at {at}");
    }
    cluster.expect_service();
}

/// What only the leader that died had is gone, and so is what it wanted the ensemble to be.
#[test]
fn a_change_that_is_lost_leaves_no_trace() {
    let mut cluster = Cluster::changeable(3, 0);
    let client = cluster.connect(2, SessionId::NONE);
    let before = cluster.config(0);
    cluster.ask(client, Op::Reconfig, &request("", "1"));
    for at in 0..2 {
        cluster.nodes[at].held = Some(Vec::new());
    }
    cluster.settle();
    let proposed = cluster.nodes[2].views.proposed();
    assert!(proposed.is_some(), "it is proposed");
    for at in 0..2 {
        cluster.nodes[at].held = None;
    }
    cluster.kill(2);
    cluster.settle();
    cluster.pass(6 * TICK);
    for at in 0..2 {
        let seen = cluster.nodes[at].views.proposed();
        assert!(seen.is_none(), "it did not get to {at}");
    }
    assert_eq!(cluster.config(0), before);
    cluster.expect_service();
    cluster.restart(2);
    cluster.settle();
    cluster.pass(6 * TICK);
    assert_eq!(cluster.config(2), before);
    assert_eq!(cluster.nodes[2].id, ServerId(3));
    cluster.expect_service();
}
