//! From the link to DIFF, TRUNC or SNAP.

use super::*;

/// QP-051.
#[test]
fn the_first_packet_says_who_and_what_was_promised() {
    for (kind, number) in [(LearnerKind::Follower, 11), (LearnerKind::Observer, 16)] {
        let standing = Standing {
            accepted_epoch: Epoch(7),
            ..STANDING
        };
        let now = Monotonic(0);
        let mut learner = Learner::new(ServerId(3), kind, OPTIONS, standing, 0x1_0000_0002, now);
        let mut out = Vec::new();
        learner.handle(now, LearnerInput::Connected, &mut out);
        let [LearnerOutput::Send(sent)] = &out[..] else {
            panic!("one packet: {out:?}");
        };
        let info = [
            [0, 0, 0, number].as_slice(),
            &[0, 0, 0, 7, 0, 0, 0, 0],
            &[0, 0, 0, 20],
            &[0, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 0],
            &[0, 0, 0, 1, 0, 0, 0, 2],
            &[0xff; 4],
        ]
        .concat();
        assert_eq!(sent[..], info);
    }
}

/// It is for a snapshot alone.
#[test]
fn a_server_without_data_takes_no_diff() {
    let standing = Standing {
        last_zxid: NO_DATA,
        ..STANDING
    };
    for packet in [
        ToLearner::Diff { zxid: zxid(4, 3) },
        ToLearner::Trunc { zxid: zxid(4, 3) },
    ] {
        let mut bench = Bench::with(LearnerKind::Follower, standing);
        bench.feed(LearnerInput::Connected);
        bench.packet(leader_info(5));
        let said = bench.feed(LearnerInput::AcceptedEpochSaved(Epoch(5)));
        assert_eq!(said, ["ACKEPOCH -1.4294967295 4"]);
        let said = bench.packet(packet);
        assert!(said[0].starts_with("leave"), "{said:?}");
    }
}

/// QP-053.
#[test]
fn leaderinfo_is_read_as_apache_writes_it() {
    let packet = [
        [0, 0, 0, 17].as_slice(),
        &[0, 0, 0, 5, 0, 0, 0, 0],
        &[0, 0, 0, 4, 0, 1, 0, 0],
        &[0xff; 4],
    ];
    let packet = ToLearner::decode(&packet.concat().into()).unwrap();
    let mut bench = Bench::new(LearnerKind::Follower);
    bench.feed(LearnerInput::Connected);
    assert_eq!(bench.packet(packet), ["save accepted 5"]);
}

/// QP-054.
#[test]
fn an_epoch_is_promised_when_it_is_saved() {
    let mut bench = Bench::new(LearnerKind::Follower);
    bench.feed(LearnerInput::Connected);
    assert_eq!(bench.learner.epoch(), None);
    assert_eq!(bench.packet(leader_info(5)), ["save accepted 5"]);
    assert_eq!(bench.learner.epoch(), Some(Epoch(5)));
    let said = bench.feed(LearnerInput::AcceptedEpochSaved(Epoch(5)));
    assert_eq!(said, ["ACKEPOCH 4.3 4"]);
}

/// QP-055.
#[test]
fn an_epoch_that_was_promised_before_does_not_count_again() {
    let standing = Standing {
        accepted_epoch: Epoch(5),
        ..STANDING
    };
    let mut bench = Bench::with(LearnerKind::Follower, standing);
    bench.feed(LearnerInput::Connected);
    assert_eq!(bench.packet(leader_info(5)), ["ACKEPOCH 4.3 -"]);
}

/// QP-055.
#[test]
fn an_epoch_below_the_promised_one_is_refused() {
    let mut bench = Bench::new(LearnerKind::Follower);
    bench.feed(LearnerInput::Connected);
    let said = bench.packet(leader_info(3));
    assert_eq!(
        said,
        ["leave: the leader proposes epoch 0x3, 0x4 was promised"]
    );
    assert_eq!(bench.learner.next_deadline(), None);
    assert_eq!(bench.packet(leader_info(5)), [""; 0]);
}

#[test]
fn a_leader_that_begins_with_newleader_is_too_old() {
    let mut bench = Bench::new(LearnerKind::Follower);
    bench.feed(LearnerInput::Connected);
    let said = bench.packet(new_leader());
    assert_eq!(
        said,
        ["leave: the leader sent NEWLEADER, which has no place there"]
    );
}

#[test]
fn nothing_but_the_choice_follows_ackepoch() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    assert_eq!(bench.packet(ToLearner::Ping { zxid: NEW_LEADER }), [""; 0]);
    let said = bench.packet(proposal(zxid(4, 4)));
    assert_eq!(
        said,
        ["leave: the leader sent PROPOSAL, which has no place there"]
    );
    assert!(!bench.learner.memory_is_ahead());
}

/// QP-060: in each wait before the ACK of NEWLEADER, from the leader's last sign of life on. A state
/// or a log of any length takes as long as it takes.
#[test]
fn a_learner_waits_init_limit_for_more_of_its_history() {
    let steps = [
        LearnerInput::Connected,
        LearnerInput::Received(leader_info(5)),
        LearnerInput::AcceptedEpochSaved(Epoch(5)),
        LearnerInput::Received(ToLearner::Trunc { zxid: zxid(4, 2) }),
        LearnerInput::Truncated(zxid(4, 2)),
        LearnerInput::Received(new_leader()),
    ];
    for count in 0..=steps.len() {
        let mut bench = Bench::new(LearnerKind::Follower);
        let mut heard = bench.now;
        for step in &steps[..count] {
            bench.now = bench.now.after(TICK_MS);
            bench.feed(step.clone());
            if let LearnerInput::Received(_) = step {
                heard = bench.now;
            }
        }
        let end = heard.after(10 * TICK_MS);
        assert_eq!(
            bench.learner.next_deadline(),
            Some(end),
            "after {count} steps"
        );
        let millis = end.since(bench.now);
        assert_eq!(bench.pass(millis - 1), [""; 0]);
        let said = bench.pass(1);
        assert_eq!(
            said,
            ["leave: the leader has stopped bringing this server up to date"],
            "after {count} steps"
        );
        assert_eq!(bench.learner.next_deadline(), None);
    }
}

/// A snapshot may take longer than initLimit, as long as more of it comes.
#[test]
fn a_learner_waits_for_a_snapshot_while_it_comes() {
    let mut bench = Bench::promised(LearnerKind::Follower);
    for _ in 0..5 {
        assert_eq!(bench.pass(9 * TICK_MS), [""; 0]);
        assert_eq!(bench.feed(LearnerInput::Receiving), [""; 0]);
    }
    assert_eq!(
        bench.pass(10 * TICK_MS),
        ["leave: the leader has stopped bringing this server up to date"]
    );
}

#[test]
fn a_log_is_not_cut_where_it_does_not_reach() {
    for target in [zxid(4, 4), Zxid(-1)] {
        let mut bench = Bench::promised(LearnerKind::Follower);
        let said = bench.packet(ToLearner::Trunc { zxid: target });
        let reason = "the leader sent TRUNC to what is not there, which has no place there";
        assert_eq!(said, [format!("leave: {reason}")]);
    }
}

#[test]
fn a_snapshot_of_a_later_term_is_refused() {
    for target in [zxid(6, 1), Zxid(i64::MAX), Zxid(-1)] {
        let mut bench = Bench::promised(LearnerKind::Follower);
        let said = bench.packet(ToLearner::Snap { zxid: target });
        let reason = "the leader sent SNAP of another term, which has no place there";
        assert_eq!(said, [format!("leave: {reason}")]);
        assert!(!bench.learner.memory_is_ahead(), "it was not installed");
    }
}
