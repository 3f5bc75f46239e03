//! From DIFF, TRUNC or SNAP to service.

use super::*;
use crate::proto::{SubTxn, Txn, TxnRecord};

const NONE: [&str; 0] = [];

#[test]
fn behind_diff_history_is_logged_and_committed_as_it_comes() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    // QP-086: DIFF alone does nothing.
    assert_eq!(bench.packet(ToLearner::Diff { zxid: zxid(4, 5) }), NONE);
    assert_eq!(
        bench.packets(
            [4, 5]
                .into_iter()
                .flat_map(|counter| pair(zxid(4, counter)))
        ),
        ["append 4.4", "commit 4.4", "append 4.5", "commit 4.5"]
    );
    assert_eq!(bench.packet(new_leader()), ["save current 5"]);
    assert_eq!(bench.appended(zxid(4, 5)), NONE);
    let said = bench.feed(LearnerInput::CurrentEpochSaved(Epoch(5)));
    assert_eq!(said, ["ACK 5.0"], "history is not acknowledged by itself");
    // QP-083, QP-092.
    assert!(!bench.learner.is_serving());
    assert_eq!(bench.packet(ToLearner::UpToDate), ["ACK 5.0", "serve 5"]);
    assert!(bench.learner.is_serving());
    assert_eq!(bench.packet(ToLearner::UpToDate), NONE);
}

/// QP-086: what a failure between DIFF and its transactions leaves is what was there.
#[test]
fn a_term_that_ends_behind_diff_leaves_what_was_there() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 9) });
    // The first transaction has to follow what this server has, not what DIFF named.
    let said = bench.packet(proposal(zxid(4, 10)));
    assert_eq!(
        said,
        ["leave: transaction 0x40000000a came behind 0x400000003: one is missing"]
    );
    assert!(!bench.learner.memory_is_ahead());
    assert_eq!(bench.uncommitted(), NONE);
}

#[test]
fn the_epoch_is_saved_before_its_first_transaction_is_logged() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    bench.packet(ToLearner::Diff { zxid: zxid(5, 1) });
    assert_eq!(
        bench.packets(pair(zxid(4, 4))),
        ["append 4.4", "commit 4.4"]
    );
    assert_eq!(
        bench.packets(pair(zxid(5, 1))),
        ["save current 5", "append 5.1", "commit 5.1"]
    );
    assert_eq!(bench.packet(new_leader()), NONE, "once");
}

#[test]
fn behind_trunc_all_waits_until_the_log_is_cut() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    let said = bench.packet(ToLearner::Trunc { zxid: zxid(4, 1) });
    assert_eq!(said, ["truncate 4.1"]);
    assert_eq!(bench.packets(pair(zxid(4, 2))), NONE);
    assert_eq!(bench.packet(ToLearner::Ping { zxid: NEW_LEADER }), NONE);
    assert_eq!(bench.packet(new_leader()), NONE);
    assert!(bench.learner.memory_is_ahead());
    let said = bench.feed(LearnerInput::Truncated(zxid(4, 1)));
    assert_eq!(said, ["append 4.2", "commit 4.2", "save current 5"]);
    assert!(!bench.learner.memory_is_ahead());
    bench.appended(zxid(4, 2));
    let said = bench.feed(LearnerInput::CurrentEpochSaved(Epoch(5)));
    assert_eq!(said, ["ACK 5.0"]);
}

/// QP-074: the stream behind SNAP is the driver's; with the packet it is whole.
#[test]
fn behind_snap_history_is_in_memory_until_it_is_stored() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    let said = bench.packet(ToLearner::Snap { zxid: zxid(4, 8) });
    assert_eq!(said, ["install 4.8"]);
    assert_eq!(bench.packets(pair(zxid(4, 9))), ["commit 4.9"]);
    assert_eq!(bench.packet(proposal(zxid(5, 1))), NONE);
    assert_eq!(
        bench.packet(new_leader()),
        ["store snapshot", "save current 5", "append 5.1"]
    );
    assert_eq!(
        bench.packets([proposal(zxid(5, 2)), commit(zxid(5, 1))]),
        ["append 5.2", "commit 5.1"]
    );
    assert_eq!(bench.feed(LearnerInput::SnapshotStored(zxid(4, 9))), NONE);
    assert_eq!(bench.feed(LearnerInput::CurrentEpochSaved(Epoch(5))), NONE);
    assert_eq!(bench.appended(zxid(5, 2)), ["ACK 5.0", "ACK 5.1, ACK 5.2"]);
    assert_eq!(bench.packet(ToLearner::UpToDate), ["ACK 5.0", "serve 5"]);
}

/// QP-075, QP-076: what the snapshot has comes again, and is taken in once.
#[test]
fn what_a_snapshot_has_is_not_taken_in_again() {
    for kind in [LearnerKind::Follower, LearnerKind::Observer] {
        let mut bench = Bench::promised(kind);
        bench.packet(ToLearner::Snap { zxid: zxid(4, 8) });
        for counter in 6..=8 {
            assert_eq!(bench.packets(pair(zxid(4, counter))), NONE);
        }
        assert_eq!(bench.packets(pair(zxid(4, 9))), ["commit 4.9"]);
        assert_eq!(bench.packets(pair(zxid(4, 9))), NONE);
    }
}

/// QP-075: NEWLEADER may come in the middle of it.
#[test]
fn what_a_snapshot_has_is_passed_over_behind_newleader_too() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    bench.packet(ToLearner::Snap { zxid: zxid(5, 3) });
    assert_eq!(
        bench.packets([1, 2].map(|counter| proposal(zxid(5, counter)))),
        NONE
    );
    assert_eq!(
        bench.packet(new_leader()),
        ["store snapshot", "save current 5"]
    );
    assert_eq!(
        bench.packets([1, 2].map(|counter| commit(zxid(5, counter)))),
        NONE
    );
    assert_eq!(bench.packets(pair(zxid(5, 3))), NONE);
    assert_eq!(
        bench.packets(pair(zxid(5, 4))),
        ["append 5.4", "commit 5.4"]
    );
}

/// QP-079: one of the three is missing each time.
#[test]
fn newleader_is_acknowledged_when_snapshot_log_and_epoch_are_on_disk() {
    let done = [
        LearnerInput::SnapshotStored(zxid(4, 8)),
        LearnerInput::CurrentEpochSaved(Epoch(5)),
        LearnerInput::Appended(zxid(5, 1)),
    ];
    for missing in 0..done.len() {
        let mut bench = Bench::promised(LearnerKind::Follower);
        bench.packet(ToLearner::Snap { zxid: zxid(4, 8) });
        bench.packets([proposal(zxid(5, 1)), new_leader(), ToLearner::UpToDate]);
        for (at, input) in done.iter().enumerate() {
            if at != missing {
                assert_eq!(bench.feed(input.clone()), NONE, "without {missing}");
            }
        }
        assert_eq!(
            bench.feed(done[missing].clone()),
            ["ACK 5.0", "ACK 5.1", "ACK 5.0", "serve 5"]
        );
    }
}

/// QP-080: they are acknowledged by themselves, and behind NEWLEADER.
#[test]
fn proposals_that_are_not_committed_are_logged_and_acknowledged_behind_newleader() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
    bench.packets(pair(zxid(5, 1)));
    bench.packets([2, 3].map(|counter| proposal(zxid(5, counter))));
    assert_eq!(bench.appended(zxid(5, 2)), NONE);
    assert_eq!(bench.packet(new_leader()), NONE);
    assert_eq!(bench.feed(LearnerInput::CurrentEpochSaved(Epoch(5))), NONE);
    assert_eq!(bench.packet(proposal(zxid(5, 4))), ["append 5.4"]);
    assert_eq!(
        bench.appended(zxid(5, 3)),
        ["ACK 5.0", "ACK 5.2, ACK 5.3"],
        "5.1 was committed"
    );
    assert_eq!(bench.appended(zxid(5, 4)), ["ACK 5.4"]);
    assert_eq!(bench.uncommitted(), ["5.2", "5.3", "5.4"]);
}

/// ZOOKEEPER-1784: an activation commits the oldest proposal, which has to be the one it names.
#[test]
fn an_activation_before_service_commits_its_own_proposal() {
    let activate = |counter| ToLearner::CommitAndActivate {
        zxid: zxid(5, counter),
        leader: ServerId(1),
    };
    for start in [
        ToLearner::Diff { zxid: zxid(4, 3) },
        ToLearner::Snap { zxid: zxid(4, 3) },
    ] {
        for (counter, outcome) in [(1, "commit 5.1"), (2, "exit 12: ")] {
            let mut bench = Bench::promised(LearnerKind::Follower);
            bench.packet(start.clone());
            bench.packets([1, 2].map(|counter| proposal(zxid(5, counter))));
            let said = bench.packet(activate(counter));
            assert!(
                said.iter().any(|said| said.starts_with(outcome)),
                "{counter}: {said:?}"
            );
        }
    }
}

/// QP-081.
#[test]
fn commits_between_newleader_and_uptodate_come_before_service() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
    bench.packets([1, 2].map(|counter| proposal(zxid(5, counter))));
    bench.packet(new_leader());
    assert_eq!(bench.packet(commit(zxid(5, 1))), ["commit 5.1"]);
    bench.feed(LearnerInput::CurrentEpochSaved(Epoch(5)));
    assert_eq!(
        bench.appended(zxid(5, 2)),
        ["ACK 5.0", "ACK 5.1, ACK 5.2"],
        "5.1 was not committed at NEWLEADER"
    );
    assert_eq!(
        bench.packets([commit(zxid(5, 2)), ToLearner::UpToDate]),
        ["commit 5.2", "ACK 5.0", "serve 5"]
    );
}

/// QP-082.
#[test]
fn pings_before_service_are_not_answered() {
    let ping = ToLearner::Ping { zxid: NEW_LEADER };
    let mut bench = Bench::promised(LearnerKind::Follower);
    assert_eq!(bench.packet(ping.clone()), NONE);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
    assert_eq!(bench.packet(ping.clone()), NONE);
    bench.packet(new_leader());
    assert_eq!(bench.packet(ping.clone()), NONE);
    bench.feed(LearnerInput::CurrentEpochSaved(Epoch(5)));
    assert_eq!(bench.packet(ping.clone()), NONE);
    let mut out = Vec::new();
    bench.learner.answer_ping(NEW_LEADER, Vec::new(), &mut out);
    assert!(out.is_empty(), "nor when the peer would answer");
    bench.packet(ToLearner::UpToDate);
    assert_eq!(bench.packet(ping), ["ping 5.0"]);
}

/// QP-085.
#[test]
fn a_hole_ends_the_term_and_a_new_epoch_is_none() {
    let cases = [
        (vec![zxid(4, 5)], Some(("4.3", "4.5"))),
        (vec![zxid(4, 4), zxid(4, 6)], Some(("4.4", "4.6"))),
        (vec![zxid(4, 4), zxid(5, 1), zxid(5, 2)], None),
        (vec![zxid(5, 1)], None),
        (vec![zxid(5, 2)], Some(("4.3", "5.2"))),
        (vec![zxid(5, 1), zxid(5, 3)], Some(("5.1", "5.3"))),
    ];
    for (zxids, hole) in cases {
        let mut bench = Bench::promised(LearnerKind::Follower);
        bench.packet(ToLearner::Diff { zxid: zxid(5, 9) });
        let said = bench.packets(zxids.iter().copied().flat_map(pair));
        let leaves = said
            .iter()
            .any(|said| said.starts_with("leave: transaction"));
        assert_eq!(leaves, hole.is_some(), "{zxids:?} {said:?}");
        assert_eq!(bench.learner.next_deadline().is_none(), leaves);
    }
}

/// QP-085: the cursor of an observer moves with INFORMANDACTIVATE too.
#[test]
fn an_activation_is_followed_by_the_next_transaction() {
    let mut bench = Bench::promised(LearnerKind::Observer);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
    let activation = ToLearner::InformAndActivate {
        zxid: zxid(4, 4),
        leader: ServerId(1),
        payload: payload(zxid(4, 4)),
    };
    assert_eq!(
        bench.packet(activation),
        ["append 4.4", "commit 4.4, 1 leads"]
    );
    assert_eq!(
        bench.packet(inform(zxid(4, 5))),
        ["append 4.5", "commit 4.5"]
    );
}

#[test]
fn a_transaction_of_a_later_term_ends_this_one() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
    let said = bench.packet(proposal(zxid(6, 1)));
    let reason = "the leader sent a transaction of a later term, which has no place there";
    assert_eq!(said, [format!("leave: {reason}")]);
}

/// QP-087.
#[test]
fn memory_is_ahead_until_the_snapshot_is_stored() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    assert!(!bench.learner.memory_is_ahead());
    bench.packet(ToLearner::Snap { zxid: zxid(4, 8) });
    assert!(bench.learner.memory_is_ahead());
    bench.packets([proposal(zxid(5, 1)), new_leader()]);
    assert!(bench.learner.memory_is_ahead());
    bench.feed(LearnerInput::SnapshotStored(zxid(4, 8)));
    assert!(!bench.learner.memory_is_ahead());
    assert_eq!(bench.uncommitted(), ["5.1"]);
}

/// QP-087: what a term leaves can be asked for when it is over.
#[test]
fn a_term_that_is_over_tells_what_it_leaves() {
    for is_stored in [false, true] {
        let mut bench = Bench::promised(LearnerKind::Follower);
        bench.packet(ToLearner::Snap { zxid: zxid(4, 8) });
        bench.packets([proposal(zxid(5, 1)), new_leader()]);
        if is_stored {
            bench.feed(LearnerInput::SnapshotStored(zxid(4, 8)));
        }
        bench.packet(proposal(zxid(5, 3)));
        assert_eq!(bench.learner.next_deadline(), None, "it is over");
        // What the disk still does is nobody's business.
        assert_eq!(bench.appended(zxid(5, 1)), NONE);
        assert_eq!(bench.learner.memory_is_ahead(), !is_stored);
        let left = bench.uncommitted();
        let expected: &[&str] = if is_stored { &["5.1"] } else { &[] };
        assert_eq!(left, expected, "reading the state back brings the rest");
    }
}

/// QP-087: a log that is being cut.
#[test]
fn memory_is_ahead_while_the_log_is_cut() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    bench.packet(ToLearner::Trunc { zxid: zxid(4, 1) });
    bench.pass(11 * TICK_MS);
    assert_eq!(bench.learner.next_deadline(), None, "it is over");
    assert!(bench.learner.memory_is_ahead());
    assert_eq!(bench.feed(LearnerInput::Truncated(zxid(4, 1))), NONE);
    assert_eq!(bench.uncommitted(), NONE);
}

/// QP-091.
#[test]
fn from_the_ack_of_newleader_on_the_leader_may_not_be_silent() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
    bench.packet(new_leader());
    let start = Monotonic(1000);
    assert_eq!(
        bench.learner.next_deadline(),
        Some(start.after(10 * TICK_MS))
    );
    bench.now = bench.now.after(7);
    bench.feed(LearnerInput::CurrentEpochSaved(Epoch(5)));
    assert_eq!(
        bench.learner.next_deadline(),
        Some(bench.now.after(5 * TICK_MS))
    );
    // Whatever comes is a sign of life.
    bench.now = bench.now.after(5 * TICK_MS - 1);
    bench.packet(ToLearner::Ping { zxid: NEW_LEADER });
    assert_eq!(bench.pass(5 * TICK_MS - 1), NONE);
    assert_eq!(
        bench.pass(1),
        ["leave: the leader has said nothing for too long"]
    );
}

/// QP-092.
#[test]
fn service_does_not_begin_without_newleader() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
    let said = bench.packet(ToLearner::UpToDate);
    let reason = "the leader sent UPTODATE before NEWLEADER, which has no place there";
    assert_eq!(said, [format!("leave: {reason}")]);
}

#[test]
fn newleader_comes_once_and_for_this_epoch() {
    for (epoch, count) in [(5, 2), (6, 1)] {
        let mut bench = Bench::promised(LearnerKind::Follower);
        bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
        let packet = ToLearner::NewLeader {
            zxid: zxid(epoch, 0),
            config: None,
        };
        let said = bench.packets(vec![packet; count]);
        let reason = "the leader sent another NEWLEADER, which has no place there";
        assert_eq!(said.last(), Some(&format!("leave: {reason}")));
    }
}

#[test]
fn a_second_choice_ends_the_term() {
    let choices = [
        (ToLearner::Diff { zxid: zxid(4, 3) }, "DIFF"),
        (ToLearner::Trunc { zxid: zxid(4, 3) }, "TRUNC"),
        (ToLearner::Snap { zxid: zxid(4, 3) }, "SNAP"),
        (leader_info(5), "LEADERINFO"),
    ];
    for (choice, name) in choices {
        let mut bench = Bench::promised(LearnerKind::Follower);
        bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
        let said = bench.packet(choice);
        let reason = format!("the leader sent {name}, which has no place there");
        assert_eq!(said, [format!("leave: {reason}")]);
    }
}

#[test]
fn the_configuration_of_newleader_is_handed_up() {
    let cases: [(Option<&'static str>, &[&str]); 4] = [
        (None, &["save current 5"]),
        (Some(""), &["save current 5"]),
        (Some("x"), &["save current 5"]),
        (Some("version=0"), &["config version=0", "save current 5"]),
    ];
    for (text, said) in cases {
        let mut bench = Bench::promised(LearnerKind::Follower);
        bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
        let packet = ToLearner::NewLeader {
            zxid: NEW_LEADER,
            config: text.map(|text| Bytes::from_static(text.as_bytes())),
        };
        assert_eq!(bench.packet(packet), said);
    }
}

#[test]
fn an_observer_logs_what_is_committed() {
    let mut bench = Bench::promised(LearnerKind::Observer);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 4) });
    assert_eq!(bench.packet(proposal(zxid(4, 4))), NONE);
    assert_eq!(
        bench.packet(commit(zxid(4, 4))),
        ["append 4.4", "commit 4.4"]
    );
    assert_eq!(
        bench.packets([inform(zxid(5, 1)), new_leader(), inform(zxid(5, 2))]),
        [
            "save current 5",
            "append 5.1",
            "commit 5.1",
            "append 5.2",
            "commit 5.2"
        ]
    );
    bench.feed(LearnerInput::CurrentEpochSaved(Epoch(5)));
    assert_eq!(bench.appended(zxid(5, 2)), ["ACK 5.0"]);
    assert_eq!(bench.packet(ToLearner::UpToDate), ["ACK 5.0", "serve 5"]);
}

#[test]
fn an_observer_behind_snap_logs_from_newleader_on() {
    let mut bench = Bench::promised(LearnerKind::Observer);
    bench.packet(ToLearner::Snap { zxid: zxid(4, 8) });
    assert_eq!(bench.packet(inform(zxid(5, 1))), ["commit 5.1"]);
    assert_eq!(
        bench.packet(new_leader()),
        ["store snapshot", "save current 5"]
    );
    assert_eq!(
        bench.packet(inform(zxid(5, 2))),
        ["append 5.2", "commit 5.2"]
    );
    bench.feed(LearnerInput::SnapshotStored(zxid(5, 1)));
    let said = bench.feed(LearnerInput::CurrentEpochSaved(Epoch(5)));
    assert_eq!(said, ["ACK 5.0"], "5.2 is no part of that promise");
    assert_eq!(bench.appended(zxid(5, 2)), NONE);
}

#[test]
fn an_observer_forgets_a_proposal_that_was_never_committed() {
    let mut bench = Bench::promised(LearnerKind::Observer);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 4) });
    assert_eq!(bench.packet(proposal(zxid(4, 4))), NONE);
    assert_eq!(
        bench.packet(inform(zxid(4, 4))),
        ["append 4.4", "commit 4.4"]
    );
    bench.packet(proposal(zxid(4, 5)));
    assert_eq!(bench.uncommitted(), NONE, "it is in no log");
}

#[test]
fn proposals_are_not_held_without_bound() {
    let payload = Bytes::from(vec![0x80; 1 << 20]);
    let offer = |counter: i64| ToLearner::Proposal {
        zxid: zxid(5, counter),
        payload: payload.clone(),
    };
    for start in [
        ToLearner::Diff { zxid: zxid(4, 3) },
        ToLearner::Trunc { zxid: zxid(4, 3) },
        ToLearner::Snap { zxid: zxid(4, 3) },
    ] {
        let mut bench = Bench::promised(LearnerKind::Follower);
        bench.packet(start);
        let said = (1..300).find_map(|counter| {
            let said = bench.packet(offer(counter)).pop()?;
            said.starts_with("leave").then_some((counter, said))
        });
        let (count, reason) = said.expect("there is a bound");
        assert_eq!(count, 256);
        assert!(reason.contains("can be held"), "{reason}");
    }
}

/// An observer hears of every commit, whether or not its disk keeps up.
#[test]
fn transactions_do_not_wait_for_the_disk_without_bound() {
    let payload = Bytes::from(vec![0x80; 1 << 20]);
    let tell = |counter: i64| ToLearner::Inform {
        zxid: zxid(5, counter),
        payload: payload.clone(),
    };
    let mut bench = Bench::promised(LearnerKind::Observer);
    bench.packet(ToLearner::Diff { zxid: zxid(4, 3) });
    for counter in 1..=1000 {
        bench.packet(tell(counter));
        bench.appended(zxid(5, counter));
    }
    let said = (1001..1300).find_map(|counter| {
        let said = bench.packet(tell(counter)).pop()?;
        said.starts_with("leave").then_some((counter, said))
    });
    let (count, reason) = said.expect("there is a bound");
    assert_eq!(count, 1256);
    assert!(reason.contains("the disk of this server"), "{reason}");
}

/// QP-151: what came out of a leader's memory after a failed multi. The bodies of its parts are
/// those of what was asked, under the type of an error.
#[test]
fn a_failed_multi_with_stale_bodies_goes_through_as_it_came() {
    let zxid = zxid(4, 4);
    let payload = [
        0x0100_0000_0000_0001_i64.to_be_bytes().as_slice(),
        &7_i32.to_be_bytes(),
        &zxid.0.to_be_bytes(),
        &1_700_000_000_000_i64.to_be_bytes(),
        &14_i32.to_be_bytes(),
        &1_i32.to_be_bytes(),
        &(-1_i32).to_be_bytes(),
        &10_i32.to_be_bytes(),
        &[0, 0, 0, 2, b'/', b'\xc3', 0, 0, 0, 9],
    ]
    .concat();
    let payload = Bytes::from(payload);
    let record = TxnRecord::decode(&payload, jute::MAX_BUFFER_DEFAULT).unwrap();
    assert!(
        matches!(&record.txn, Txn::Multi(parts) if matches!(parts[..], [SubTxn::Error { .. }]))
    );
    let mut bench = Bench::promised(LearnerKind::Follower);
    bench.packet(ToLearner::Diff { zxid });
    let mut out = Vec::new();
    for packet in [
        ToLearner::Proposal {
            zxid,
            payload: payload.clone(),
        },
        commit(zxid),
    ] {
        let input = LearnerInput::Received(packet);
        bench.learner.handle(bench.now, input, &mut out);
    }
    let same = out.iter().filter(|output| match output {
        LearnerOutput::Append { payload: given, .. }
        | LearnerOutput::Commit { payload: given, .. } => *given == payload,
        _ => false,
    });
    assert_eq!((same.count(), out.len()), (2, 2));
}
