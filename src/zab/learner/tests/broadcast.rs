//! A learner that serves.

use std::sync::Arc;

use super::*;
use crate::base::{Identity, Xid};
use crate::zab::LearnerRequest;

const NONE: [&str; 0] = [];

/// QP-101.
#[test]
fn proposals_are_acknowledged_when_they_are_durable_and_in_one_go() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    assert_eq!(
        bench.packets((1..=4).map(|counter| proposal(zxid(5, counter)))),
        ["append 5.1", "append 5.2", "append 5.3", "append 5.4"]
    );
    assert_eq!(bench.appended(zxid(5, 3)), ["ACK 5.1, ACK 5.2, ACK 5.3"]);
    assert_eq!(bench.appended(zxid(5, 3)), NONE);
    assert_eq!(bench.appended(zxid(5, 4)), ["ACK 5.4"]);
}

/// QP-101: a quorum of others may be faster than this disk.
#[test]
fn a_commit_does_not_wait_for_this_disk() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    let said = bench.packets(pair(zxid(5, 1)));
    assert_eq!(said, ["append 5.1", "commit 5.1"]);
    assert_eq!(bench.appended(zxid(5, 1)), ["ACK 5.1"]);
}

/// QP-100.
#[test]
fn a_commit_of_another_than_the_oldest_proposal_is_fatal() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    bench.packets([1, 2].map(|counter| proposal(zxid(5, counter))));
    let said = bench.packet(commit(zxid(5, 2)));
    assert_eq!(
        said,
        ["exit 12: 0x500000002 is committed, and next here is 0x500000001"]
    );
    assert_eq!(bench.uncommitted(), ["5.1", "5.2"]);
}

/// QP-100.
#[test]
fn a_commit_of_nothing_is_passed_over() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    assert_eq!(bench.packet(commit(zxid(5, 1))), NONE);
    let said = bench.packets(pair(zxid(5, 1)));
    assert_eq!(said, ["append 5.1", "commit 5.1"]);
}

/// QP-096: Apache's leader gives one zxid twice when it cannot read a request, while the first is
/// under way or after it.
#[test]
fn a_repeated_zxid_is_passed_over_and_acknowledged_again() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    let again = ToLearner::Proposal {
        zxid: zxid(5, 1),
        payload: Bytes::from_static(b"\xffother"),
    };
    assert_eq!(bench.packet(proposal(zxid(5, 1))), ["append 5.1"]);
    assert_eq!(bench.packet(again.clone()), NONE, "the answer is to come");
    assert_eq!(bench.appended(zxid(5, 1)), ["ACK 5.1"]);
    assert_eq!(bench.packet(again.clone()), ["ACK 5.1"]);
    assert_eq!(bench.packet(commit(zxid(5, 1))), ["commit 5.1"]);
    assert_eq!(bench.packet(again), ["ACK 5.1"]);
    assert_eq!(bench.packet(commit(zxid(5, 1))), NONE);
    let said = bench.packets(pair(zxid(5, 2)));
    assert_eq!(said, ["append 5.2", "commit 5.2"]);
}

#[test]
fn a_commit_that_comes_again_is_passed_over_with_proposals_waiting() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    bench.packets(pair(zxid(5, 1)));
    bench.packet(proposal(zxid(5, 2)));
    assert_eq!(bench.packet(commit(zxid(5, 1))), NONE);
    assert_eq!(bench.packet(commit(zxid(5, 2))), ["commit 5.2"]);
}

#[test]
fn a_committed_reconfiguration_is_activated_once_qp_131() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    bench.packet(proposal(zxid(5, 1)));
    let activate = ToLearner::CommitAndActivate {
        zxid: zxid(5, 1),
        leader: ServerId(1),
    };
    let said = bench.packet(activate.clone());
    assert_eq!(said, ["commit 5.1, 1 leads"]);
    assert_eq!(bench.packet(activate), NONE);
}

#[test]
fn a_hole_in_what_is_proposed_ends_the_term() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    bench.packet(proposal(zxid(5, 1)));
    let said = bench.packet(proposal(zxid(5, 3)));
    assert_eq!(
        said,
        ["leave: transaction 0x500000003 came behind 0x500000001: one is missing"]
    );
    assert_eq!(bench.uncommitted(), ["5.1"]);
}

/// QP-103.
#[test]
fn an_observer_logs_and_commits_and_acknowledges_nothing() {
    let mut bench = Bench::serving(LearnerKind::Observer);
    let said = bench.packets([1, 2].map(|counter| inform(zxid(5, counter))));
    assert_eq!(
        said,
        ["append 5.1", "commit 5.1", "append 5.2", "commit 5.2"]
    );
    assert_eq!(bench.appended(zxid(5, 2)), NONE);
    assert_eq!(bench.packet(inform(zxid(5, 2))), NONE);
    let said = bench.packet(ToLearner::InformAndActivate {
        zxid: zxid(5, 3),
        leader: ServerId(1),
        payload: payload(zxid(5, 3)),
    });
    assert_eq!(said, ["append 5.3", "commit 5.3, 1 leads"]);
    assert_eq!(bench.uncommitted(), NONE);
}

#[test]
fn an_observer_that_serves_ignores_proposals_and_commits() {
    let mut bench = Bench::serving(LearnerKind::Observer);
    assert_eq!(bench.packets(pair(zxid(5, 1))), NONE);
    assert_eq!(
        bench.packet(inform(zxid(5, 1))),
        ["append 5.1", "commit 5.1"]
    );
}

#[test]
fn a_follower_is_not_informed() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    let said = bench.packet(inform(zxid(5, 1)));
    assert_eq!(
        said,
        ["leave: the leader sent INFORM, which has no place there"]
    );
}

/// QP-106.
#[test]
fn a_ping_is_answered_with_what_was_touched() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    let said = bench.packet(ToLearner::Ping { zxid: zxid(5, 1) });
    assert_eq!(said, ["ping 5.1"]);
    let mut out = Vec::new();
    let touched = vec![(SessionId(9), 4000)];
    bench.learner.answer_ping(zxid(5, 1), touched, &mut out);
    bench.learner.answer_ping(zxid(5, 1), Vec::new(), &mut out);
    let head = [0, 0, 0, 5, 0, 0, 0, 5, 0, 0, 0, 1];
    let full = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0x0f, 0xa0];
    let answers = [
        [&head[..], &full, &[0xff; 4]].concat(),
        [&head[..], &[0; 4], &[0xff; 4]].concat(),
    ];
    for (output, answer) in out.iter().zip(answers) {
        assert!(matches!(output, LearnerOutput::Send(sent) if sent[..] == answer));
    }
}

#[test]
fn the_leader_answers_for_sessions_and_syncs() {
    let mut bench = Bench::serving(LearnerKind::Observer);
    let said = bench.packets([
        ToLearner::Revalidate {
            session: SessionId(9),
            is_valid: true,
        },
        ToLearner::Sync,
        ToLearner::Unknown { number: 99 },
    ]);
    assert_eq!(said, ["session 0x9 true", "synced"]);
}

#[test]
fn requests_go_to_the_leader_while_there_is_one() {
    let request = LearnerRequest {
        session: SessionId(9),
        xid: Xid(1),
        op: 1,
        body: Bytes::from_static(b"body"),
        ids: Arc::from([Identity {
            scheme: "world".into(),
            id: "anyone".into(),
        }]),
    };
    let mut bench = Bench::serving(LearnerKind::Follower);
    let mut out = Vec::new();
    bench.learner.forward(request.clone(), &mut out);
    bench.learner.revalidate(SessionId(8), 4000, &mut out);
    let sent: Vec<_> = out
        .drain(..)
        .flat_map(|output| match output {
            LearnerOutput::Send(bytes) => unpack(&bytes),
            other => panic!("{other:?}"),
        })
        .collect();
    let revalidate = ToLeader::Revalidate {
        session: SessionId(8),
        timeout_ms: 4000,
    };
    assert_eq!(sent, [ToLeader::Request(request.clone()), revalidate]);
    bench.pass(6 * TICK_MS);
    bench.learner.forward(request, &mut out);
    bench.learner.revalidate(SessionId(8), 4000, &mut out);
    assert!(out.is_empty(), "the term is over");
}

/// QP-091.
#[test]
fn every_packet_is_a_sign_of_life() {
    let mut bench = Bench::serving(LearnerKind::Follower);
    for packet in [ToLearner::Ping { zxid: NEW_LEADER }, proposal(zxid(5, 1))] {
        assert_eq!(bench.pass(5 * TICK_MS - 1), NONE);
        bench.packet(packet);
    }
    assert_eq!(
        bench.appended(zxid(5, 1)),
        ["ACK 5.1"],
        "which the own disk is not"
    );
    let said = bench.pass(5 * TICK_MS);
    assert_eq!(said, ["leave: the leader has said nothing for too long"]);
    assert!(!bench.learner.is_serving());
    assert_eq!(bench.learner.epoch(), None);
}

#[test]
fn a_second_synchronisation_ends_the_term() {
    for packet in [
        leader_info(6),
        ToLearner::Diff { zxid: zxid(5, 1) },
        ToLearner::Trunc { zxid: zxid(5, 1) },
        ToLearner::Snap { zxid: zxid(5, 1) },
        new_leader(),
    ] {
        let mut bench = Bench::serving(LearnerKind::Follower);
        let said = bench.packet(packet);
        assert!(said[0].starts_with("leave"), "{said:?}");
    }
}
