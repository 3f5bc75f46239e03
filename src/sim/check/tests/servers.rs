//! What servers may not do.

use super::*;

#[test]
fn a_good_story_passes() {
    let mut story = Story::with_watch("/a").with_set("/a");
    story.event(1, zxid(1, 3), EventType::NodeDataChanged, "/a");
    story.answer_set();
    let digest = 7;
    for node in [N1, N2] {
        let at = zxid(1, 3);
        story.server(node, ServerFact::Digest { zxid: at, digest });
        let state = FinalState {
            config: "".into(),
            zxid: at,
            digest,
            sessions: vec![S],
            nodes: vec![("/a".into(), b"1".to_vec(), 1)],
        };
        story.server(node, ServerFact::Final(state));
    }
    story.passes();
    assert_eq!(story.checkers.finish(), Ok(()));
    assert_eq!(story.checkers.committed_count(), 3);
}

#[test]
fn two_contents_of_one_transaction() {
    let mut story = Story::with_node("/a");
    story.propose(N1, zxid(1, 3), 0, set("/a", "1", 1));
    let other = ServerFact::Applied {
        zxid: zxid(1, 3),
        hash: 1,
    };
    story.server(N2, other);
    story.fails("logs", "another 0x100000003");
}

#[test]
fn a_transaction_that_nobody_made() {
    let mut story = Story::running();
    let stray = ServerFact::Appended {
        zxid: zxid(1, 2),
        hash: 1,
    };
    story.server(N2, stray);
    story.fails("logs", "nobody proposed 0x100000002");
}

#[test]
fn two_authors_of_one_epoch() {
    let mut story = Story::running();
    story.propose(N2, zxid(1, 2), 0, create("/a", false));
    story.fails("logs", "both propose in epoch 0x1");
}

#[test]
fn two_leaders_of_one_epoch() {
    let mut story = Story::running();
    story.serve(N2, Mode::Leader, 1);
    story.fails("logs", "both lead epoch 0x1");
}

#[test]
fn a_hole_and_a_swap() {
    let mut story = Story::running();
    story.propose(N1, zxid(1, 2), 0, create("/a", false));
    story.propose(N1, zxid(1, 3), 0, create("/b", false));
    story.apply(N2, zxid(1, 3));
    story.fails("logs", "has 0x100000003 behind 0x100000001");
}

#[test]
fn a_leader_without_what_was_committed() {
    let mut story = Story::running();
    story.server(N1, ServerFact::Durable(zxid(1, 1)));
    story.server(N1, ServerFact::Retired);
    // Its disk had nothing of it, and the other one never said it had.
    story.start(N2, 2, &[]);
    story.serve(N2, Mode::Leader, 2);
    story.fails("logs", "0x100000001 is committed");
}

#[test]
fn a_leader_of_an_epoch_that_is_past_has_what_was_committed_before_its_own() {
    let mut story = Story::running();
    story.start(N2, 3, &[zxid(1, 1)]);
    story.serve(N2, Mode::Leader, 3);
    story.propose(N2, zxid(3, 1), 0, create("/a", false));
    story.apply(N2, zxid(3, 1));
    story.start(N1, 2, &[zxid(1, 1)]);
    story.serve(N1, Mode::Leader, 2);
    story.passes();
}

#[test]
fn histories_that_part() {
    let mut story = Story::running();
    story.propose(N1, zxid(1, 2), 0, create("/a", false));
    story.apply(N1, zxid(1, 2));
    story.start(N2, 2, &[zxid(1, 1)]);
    story.propose(N2, zxid(2, 1), 0, create("/b", false));
    story.apply(N2, zxid(2, 1));
    story.serve(N2, Mode::Follower, 2);
    story.fails("logs", "not in line");
}

#[test]
fn a_durable_transaction_that_is_gone_after_a_restart() {
    let mut story = Story::running();
    story.server(N2, ServerFact::Durable(zxid(1, 1)));
    story.start(N2, 1, &[]);
    story.fails("logs", "2 had 0x100000001 on disk");
}

#[test]
fn what_was_cut_on_purpose_may_be_gone() {
    let mut story = Story::running();
    story.server(N2, ServerFact::Durable(zxid(1, 1)));
    story.server(N2, ServerFact::Truncating { zxid: Zxid::ZERO });
    story.start(N2, 1, &[]);
    story.passes();
}

#[test]
fn a_cut_that_was_forgotten() {
    let mut story = Story::running();
    let history = story.history(Zxid::ZERO, &[zxid(1, 1)]);
    let zxid = Zxid::ZERO;
    story.server(N2, ServerFact::Truncating { zxid });
    story.server(N2, ServerFact::Truncated { zxid, history });
    story.fails("logs", "after a cut to 0x0");
}

#[test]
fn epochs_that_fall() {
    let mut story = Story::running();
    story.server(N2, ServerFact::EpochSaved(EpochKind::Accepted, Epoch(3)));
    story.start(N2, 2, &[zxid(1, 1)]);
    story.fails("logs", "had 0x3 and 0x0");
    let mut story = Story::running();
    story.server(N2, ServerFact::EpochSaved(EpochKind::Current, Epoch(3)));
    story.server(N2, ServerFact::EpochSaved(EpochKind::Current, Epoch(2)));
    story.fails("logs", "saves Current 0x2 over 0x3");
}

#[test]
fn different_digests_at_one_zxid() {
    let mut story = Story::running();
    let zxid = zxid(1, 1);
    story.server(N1, ServerFact::Digest { zxid, digest: 1 });
    story.server(N2, ServerFact::Digest { zxid, digest: 2 });
    story.fails("digests", "2 2");
}

#[test]
fn an_end_that_differs() {
    let mut story = Story::with_node("/a");
    let state = FinalState {
        config: "".into(),
        zxid: zxid(1, 2),
        digest: 1,
        sessions: vec![S],
        nodes: vec![("/a".into(), b"0".to_vec(), 0)],
    };
    story.server(N1, ServerFact::Final(state.clone()));
    let digest = 2;
    story.server(
        N2,
        ServerFact::Final(FinalState {
            digest,
            ..state.clone()
        }),
    );
    story.passes();
    story.outcome = story.checkers.finish();
    story.fails("digests", "ends with");
    let mut story = Story::with_node("/a");
    let nodes = Vec::new();
    story.server(N1, ServerFact::Final(FinalState { nodes, ..state }));
    story.fails("digests", "lacks /a");
}

#[test]
fn a_server_that_stops_itself() {
    let mut story = Story::running();
    let exit = crate::sim::facts::StopReason::Exit {
        code: 12,
        reason: "a commit of what was not proposed".to_owned(),
    };
    story.server(N2, ServerFact::Stopped(exit));
    story.fails("logs", "2 stopped with 12");
}

#[test]
fn a_session_that_ends_too_early_or_acts_when_it_has_ended() {
    let mut story = Story::running();
    story.server(N1, ServerFact::Heard(S));
    story.now += 3_000_000;
    let close = || Txn::CloseSession {
        paths: Some(vec![]),
    };
    story.propose(N1, zxid(1, 2), 0, close());
    story.fails("sessions", "of 4000 ms after 3001 ms of silence");
    let mut story = Story::running();
    story.now += 4_000_000;
    story.write(zxid(1, 2), 0, close());
    story.write(zxid(1, 3), 0, close());
    story.passes();
    story.ask(1, 1, asks_to_create("/a"));
    story.write(zxid(1, 4), 1, create("/a", false));
    story.fails("sessions", "which is closed");
}

#[test]
fn an_ephemeral_that_outlives_its_session() {
    let mut story = Story::running();
    story.ask(
        1,
        1,
        Asked::Create {
            path: "/e".into(),
            data: Bytes::from_static(b"0"),
            mode: CreateMode::Ephemeral,
            wants_stat: false,
        },
    );
    story.write(zxid(1, 2), 1, create("/e", true));
    story.now += 4_000_000;
    let paths = Some(vec![]);
    story.write(zxid(1, 3), 0, Txn::CloseSession { paths });
    story.fails("model", "ends with {} and owns {\"/e\"}");
}
