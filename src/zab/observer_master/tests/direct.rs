//! What a follower says to observers, packet by packet.

use super::{Bench, describe, info};
use crate::base::{QuorumLink, SessionId, Xid};
use crate::zab::leader::tests::bench::zxid;
use crate::zab::observer_master::{ObserverMasterInput, ObserverMasterOutput};
use crate::zab::{LearnerKind, LearnerRequest, LogProbe, ToLeader};

#[test]
fn an_observer_is_brought_up_to_date_and_hears_of_commits_qp_141() {
    let mut bench = Bench::new("2.8 2.9 3.1 3.2");
    assert_eq!(bench.join(7, 9), "7: LEADERINFO 3");
    assert_eq!(
        bench.has(7, "2.9"),
        "7: DIFF 3.2\n7: PROPOSAL 3.1\n7: COMMIT 3.1\n7: PROPOSAL 3.2\n7: COMMIT 3.2\n7: NEWLEADER 3.0"
    );
    // What is committed meanwhile comes behind it.
    assert_eq!(describe(&bench.commit("3.3")), "7: INFORM 3.3");
    assert_eq!(bench.ack(7, "3.0"), "7: UPTODATE");
    assert_eq!(bench.ack(7, "3.0"), "");
    assert_eq!(describe(&bench.commit("3.4")), "7: INFORM 3.4");
    assert_eq!(bench.pass(1000), "7: PING 3.4");
}

/// Who is brought up to date behind it hears of it with NEWLEADER, and who has a newer one is let go
/// as by a leader.
#[test]
fn a_change_of_the_members_is_passed_on_qp_131_qp_141() {
    let mut bench = Bench::new("3.1");
    bench.observer(7, 9);
    bench.join(8, 10);
    let view = "server.1=h1:1:2\nserver.2=h2:1:2\nserver.9=h9:1:2:observer\nversion=300000002";
    assert_eq!(
        describe(&bench.activate("3.2", view)),
        "7: INFORMANDACTIVATE 3.2 (1)"
    );
    assert_eq!(
        bench.has(8, "3.1"),
        "8: DIFF 3.2\n8: PROPOSAL 3.2\n8: COMMIT 3.2\n8: NEWLEADER 3.0 of 300000002"
    );
}

/// The peer of a follower sees a view when it is proposed. Observers that got it then would keep it
/// although it may come to nothing.
#[test]
fn observers_do_not_hear_of_a_view_that_is_only_proposed_qp_141() {
    let committed = "server.1=h1:1:2\nserver.2=h2:1:2\nserver.3=h3:1:2\nversion=200000001";
    let proposed = "server.1=h1:1:2\nserver.2=h2:1:2\nserver.9=h9:1:2:observer\nversion=300000002";
    let mut bench = Bench::of_view(&format!("{committed}\n--\n{proposed}"), "3.1", |_| {});
    bench.join(7, 9);
    assert_eq!(
        bench.has(7, "3.1"),
        "7: DIFF 3.1\n7: NEWLEADER 3.0 of 200000001"
    );
}

#[test]
fn what_an_observer_lacks_is_decided_as_by_a_leader() {
    // Window, what the observer has, what it gets.
    let table = [
        ("2.8 2.9 3.1", "3.1", "7: DIFF 3.1\n7: NEWLEADER 3.0"),
        (
            "2.8 2.9 3.1",
            "2.12",
            // Nothing is known of where it left the history.
            "7: the state",
        ),
        ("2.8 2.9", "2.12", "7: TRUNC 2.9\n7: NEWLEADER 3.0"),
        ("2.8 2.9 3.1", "2.5", "probe 7: 2.5 to 2.8"),
        ("2.8 2.9 3.1", "0.0", "7: the state"),
        ("2.8 2.9 3.1", "=-1", "7: the state"),
        (
            "2.8 2.9 3.1",
            "3.0",
            "7: DIFF 3.1\n7: PROPOSAL 3.1\n7: COMMIT 3.1\n7: NEWLEADER 3.0",
        ),
        // It has the initial history under another name.
        ("2.8 2.9", "3.0", "7: DIFF 2.9\n7: NEWLEADER 3.0"),
    ];
    for (window, has, expected) in table {
        let mut bench = Bench::new(window);
        bench.join(7, 9);
        assert_eq!(bench.has(7, has), expected, "{window}, {has}");
    }
}

#[test]
fn a_commit_behind_the_initial_history_goes_to_who_has_that() {
    let mut bench = Bench::new("2.8 2.9");
    bench.join(7, 9);
    bench.has(7, "3.0");
    assert_eq!(describe(&bench.commit("3.1")), "7: INFORM 3.1");
    // And to who comes later with it.
    bench.join(8, 10);
    assert_eq!(
        bench.has(8, "3.0"),
        "8: DIFF 3.1\n8: PROPOSAL 3.1\n8: COMMIT 3.1\n8: NEWLEADER 3.0"
    );
}

#[test]
fn newleader_waits_for_the_end_of_a_snapshot() {
    let mut bench = Bench::new("2.8 2.9 3.1");
    bench.join(7, 9);
    assert_eq!(bench.has(7, "1.1"), "probe 7: 1.1 to 2.8");
    let link = QuorumLink(7);
    let found = None;
    let out = bench.handle(ObserverMasterInput::LogProbed { link, found });
    assert_eq!(describe(&out), "7: the state");
    // What happens meanwhile is not queued behind it.
    assert_eq!(describe(&bench.commit("3.2")), "");
    assert_eq!(bench.pass(1000), "");
    let out = bench.handle(ObserverMasterInput::Streamed { link });
    assert_eq!(
        describe(&out),
        "7: PROPOSAL 3.2\n7: COMMIT 3.2\n7: NEWLEADER 3.0"
    );
    assert_eq!(describe(&bench.commit("3.3")), "7: INFORM 3.3");
    assert_eq!(bench.ack(7, "3.0"), "7: UPTODATE");
}

#[test]
fn the_log_goes_before_the_window() {
    let mut bench = Bench::new("2.8 2.9 3.1");
    bench.join(7, 9);
    assert_eq!(bench.has(7, "2.5"), "probe 7: 2.5 to 2.8");
    // The window grows while the log is looked into.
    assert_eq!(describe(&bench.commit("3.2")), "");
    let link = QuorumLink(7);
    let found = Some(LogProbe {
        floor: zxid("2.5"),
        next: zxid("2.6"),
    });
    let out = bench.handle(ObserverMasterInput::LogProbed { link, found });
    assert_eq!(
        describe(&out),
        "7: DIFF 3.2\n7: the log behind 2.5 up to 2.8"
    );
    let out = bench.handle(ObserverMasterInput::Streamed { link });
    assert_eq!(
        describe(&out),
        "7: PROPOSAL 2.9\n7: COMMIT 2.9\n7: PROPOSAL 3.1\n7: COMMIT 3.1\n\
         7: PROPOSAL 3.2\n7: COMMIT 3.2\n7: NEWLEADER 3.0"
    );
}

/// As long as more is missing than may be given at once, it comes from the log, as far as that has it on
/// disk.
#[test]
fn an_observer_is_fed_from_the_log_until_the_rest_fits_qp_142() {
    // Room for two transactions at once, and one to choose where the log ends.
    let mut bench = Bench::with("3.1", |options| options.queue_bytes_max = 200);
    let link = QuorumLink(7);
    bench.join(7, 9);
    assert_eq!(bench.has(7, "0.0"), "7: the state");
    for counter in 2..=6 {
        assert_eq!(describe(&bench.commit(&format!("3.{counter}"))), "");
    }
    let out = bench.handle(ObserverMasterInput::Streamed { link });
    assert_eq!(describe(&out), "", "the disk has not got it");
    assert_eq!(
        describe(&bench.appended("3.4")),
        "7: the log behind 3.1 up to 3.4"
    );
    bench.commit("3.7");
    assert_eq!(describe(&bench.appended("3.7")), "", "one at a time");
    let out = bench.handle(ObserverMasterInput::Streamed { link });
    assert_eq!(describe(&out), "7: the log behind 3.4 up to 3.7");
    bench.commit("3.8");
    // What comes behind a stream that is not awaited means nothing.
    let out = bench.handle(ObserverMasterInput::Streamed { link });
    assert_eq!(
        describe(&out),
        "7: PROPOSAL 3.8\n7: COMMIT 3.8\n7: NEWLEADER 3.0"
    );
    let out = bench.handle(ObserverMasterInput::Streamed { link });
    assert_eq!(describe(&out), "");
    assert_eq!(bench.ack(7, "3.0"), "7: UPTODATE");
}

#[test]
fn no_more_than_may_wait_comes_from_memory_qp_142() {
    // Room for one transaction.
    let mut bench = Bench::with("3.1 3.2 3.3 3.4", |options| options.queue_bytes_max = 100);
    bench.join(7, 9);
    assert_eq!(bench.has(7, "3.1"), "probe 7: 3.1 to 3.4");
    bench.join(8, 10);
    assert_eq!(
        bench.has(8, "3.3"),
        "8: DIFF 3.4\n8: PROPOSAL 3.4\n8: COMMIT 3.4\n8: NEWLEADER 3.0"
    );
}

#[test]
fn an_observer_that_is_ahead_waits_for_this_server() {
    let mut bench = Bench::new("3.1 3.2");
    bench.join(7, 9);
    assert_eq!(bench.has(7, "3.4"), "");
    assert_eq!(describe(&bench.commit("3.3")), "");
    assert!(bench.master.has_waiting());
    assert_eq!(describe(&bench.commit("3.4")), "");
    let out = bench.handle(ObserverMasterInput::Wake);
    assert_eq!(describe(&out), "7: DIFF 3.4\n7: NEWLEADER 3.0");
    assert!(!bench.master.has_waiting());
    // Not for ever.
    bench.join(8, 10);
    assert_eq!(bench.has(8, "3.9"), "");
    let passed = bench.pass(23_000);
    let expected = "close 8: it has more of this term than has come here in time";
    assert!(passed.contains(expected), "{passed}");
}

#[test]
fn an_observer_waits_for_the_state_that_a_snapshot_would_be_made_of() {
    let mut bench = Bench::new("3.1");
    bench.recent = crate::zab::Recent::new(1);
    bench.recent.push(zxid("3.1"), "3.1".into());
    bench.applies = false;
    bench.commit("3.2");
    bench.commit("3.3");
    bench.join(7, 9);
    assert_eq!(bench.has(7, "0.0"), "");
    bench.applied = zxid("3.2");
    let out = bench.handle(ObserverMasterInput::Wake);
    assert_eq!(describe(&out), "7: the state");
    // What is committed and not applied comes behind the snapshot.
    let link = QuorumLink(7);
    let out = bench.handle(ObserverMasterInput::Streamed { link });
    assert_eq!(
        describe(&out),
        "7: PROPOSAL 3.3\n7: COMMIT 3.3\n7: NEWLEADER 3.0"
    );
}

#[test]
fn only_observers_of_this_ensemble_are_taken() {
    let mut bench = Bench::new("3.1");
    let table = [
        (
            info(LearnerKind::Follower, 9, 2),
            "close 7: its first packet is not OBSERVERINFO",
        ),
        (
            ToLeader::Ack { zxid: zxid("3.0") },
            "close 7: its first packet is not OBSERVERINFO",
        ),
        (
            info(LearnerKind::Observer, 2, 2),
            "close 7: it has the id of this server",
        ),
        (
            info(LearnerKind::Observer, 9, 4),
            "close 7: it has promised epoch 0x4, which is later than this one",
        ),
    ];
    for (packet, expected) in table {
        bench.handle(ObserverMasterInput::Connected {
            link: QuorumLink(7),
        });
        assert_eq!(describe(&bench.receive(7, packet)), expected);
    }
    let mut newer = info(LearnerKind::Observer, 9, 2);
    if let ToLeader::Info {
        info: Some(info), ..
    } = &mut newer
    {
        info.config_version = 1;
    }
    bench.handle(ObserverMasterInput::Connected {
        link: QuorumLink(7),
    });
    assert_eq!(
        describe(&bench.receive(7, newer)),
        "close 7: it knows a configuration that is newer than ours"
    );
}

#[test]
fn a_packet_out_of_turn_closes_its_link_and_no_other() {
    let request = || {
        ToLeader::Request(LearnerRequest {
            session: SessionId(5),
            xid: Xid(1),
            op: 1,
            body: "body".into(),
            ids: std::sync::Arc::from([]),
        })
    };
    let mut bench = Bench::new("3.1");
    bench.observer(1, 20);
    bench.join(7, 9);
    assert_eq!(
        describe(&bench.receive(7, request())),
        "close 7: it answered LEADERINFO with something other than ACKEPOCH"
    );
    bench.join(7, 9);
    bench.has(7, "3.1");
    assert_eq!(
        describe(&bench.receive(7, request())),
        "close 7: it sent REQUEST, which has no place there"
    );
    bench.join(7, 9);
    bench.has(7, "0.0");
    assert_eq!(
        bench.ack(7, "3.0"),
        "close 7: it sent ACK, which has no place there"
    );
    // What comes of a closed link is passed over.
    assert_eq!(bench.ack(7, "3.0"), "");
    assert_eq!(describe(&bench.receive(1, request())), "request 1: 1 op 1");
}

#[test]
fn what_clients_of_observers_ask_is_passed_on_and_answered() {
    let mut bench = Bench::new("3.1");
    bench.observer(1, 20);
    bench.observer(2, 21);
    let (session, timeout_ms) = (SessionId(5), 4000);
    let ask = ToLeader::Revalidate {
        session,
        timeout_ms,
    };
    let out = bench.receive(1, ask);
    let link = QuorumLink(1);
    let expected = ObserverMasterOutput::Revalidate {
        link,
        session,
        timeout_ms,
    };
    assert_eq!(out, [expected]);
    let touched = vec![(SessionId(5), 4000), (SessionId(6), 4000)];
    let ping = ToLeader::Ping {
        zxid: zxid("3.1"),
        touched,
    };
    assert_eq!(describe(&bench.receive(2, ping)), "touched 2");
    let mut out = Vec::new();
    bench
        .master
        .answer_revalidate(link, session, false, &mut out);
    bench.master.answer_sync(QuorumLink(2), &mut out);
    bench.master.answer_sync(QuorumLink(3), &mut out);
    assert_eq!(describe(&out), "1: REVALIDATE 5 false\n2: SYNC");
    assert_eq!(bench.master.synced().len(), 2);
    assert!(bench.master.refuse(link) && !bench.master.refuse(link));
}

#[test]
fn who_dials_in_again_takes_the_place_of_the_former_link() {
    let mut bench = Bench::new("3.1");
    bench.observer(1, 9);
    assert_eq!(
        bench.join(2, 9),
        "close 1: the same server has dialled in again\n2: LEADERINFO 3"
    );
    // Those without a number are many.
    bench.join(3, i64::MAX);
    assert_eq!(bench.join(4, i64::MAX), "4: LEADERINFO 3");
}

#[test]
fn the_silent_are_let_go() {
    let mut bench = Bench::new("3.1");
    bench.observer(1, 9);
    bench.observer(2, 10);
    bench.handle(ObserverMasterInput::Connected {
        link: QuorumLink(3),
    });
    for _ in 0..6 {
        let ping = ToLeader::Ping {
            zxid: zxid("3.1"),
            touched: Vec::new(),
        };
        bench.receive(2, ping);
        bench.pass(2000);
    }
    assert!(!bench.master.refuse(QuorumLink(1)), "it was let go");
    let passed = bench.pass(10_000);
    assert!(
        passed.contains("close 3: it has said nothing for too long"),
        "{passed}"
    );
}

#[test]
fn observers_beyond_the_bounds_have_to_come_again() {
    let mut bench = Bench::with("3.1", |options| options.zab.snap_syncs_max = 1);
    bench.join(1, 9);
    assert_eq!(bench.has(1, "0.0"), "1: the state");
    bench.join(2, 10);
    assert_eq!(
        bench.has(2, "0.0"),
        "close 2: too many observers are catching up"
    );
    // A few transactions are another thing.
    bench.join(3, 10);
    assert_eq!(bench.has(3, "3.1"), "3: DIFF 3.1\n3: NEWLEADER 3.0");
}
