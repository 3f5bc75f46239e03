//! What a script cannot say: bounds, a stopped process, a window that gives way, broken invariants.

use bytes::Bytes;

use super::bench::{Bench, OPTIONS, describe, packets, payload, zxid};
use crate::base::{Epoch, Monotonic, QuorumLink, ServerId, Zxid};
use crate::zab::{
    LeaderInput, LeaderOutput, LearnerIdentity, LearnerKind, LogProbe, PROTOCOL_VERSION, Recent,
    Standing, ToLeader, ToLearner,
};

/// A leader alone, established in epoch 2; the history before is 1.1 to `last`, of which the
/// window has `window`.
fn alone(last: &str, window: &[&str], count_max: usize, bytes: &Bytes) -> Bench {
    let standing = Standing {
        accepted_epoch: Epoch(1),
        current_epoch: Epoch(1),
        last_zxid: zxid(last),
    };
    let mut recent = Recent::new(count_max);
    for text in window {
        recent.push(zxid(text), bytes.clone());
    }
    let view = "server.1=h1:1:2\n";
    let mut out = Vec::new();
    let mut bench = Bench::new(ServerId(1), OPTIONS, view, standing, recent, &mut out);
    bench.handle(LeaderInput::AcceptedEpochSaved(Epoch(2)));
    let out = bench.handle(LeaderInput::CurrentEpochSaved(Epoch(2)));
    assert_eq!(describe(&out), "epoch 2 begins");
    bench
}

fn join(bench: &mut Bench, link: u64, sid: i64, last: &str) -> Vec<LeaderOutput> {
    let link = QuorumLink(link);
    bench.handle(LeaderInput::Connected { link });
    let packet = ToLeader::Info {
        kind: LearnerKind::Follower,
        accepted_epoch: Epoch(1),
        info: Some(LearnerIdentity {
            sid: ServerId(sid),
            protocol_version: PROTOCOL_VERSION,
            config_version: 0,
        }),
    };
    bench.handle(LeaderInput::Received { link, packet });
    let packet = ToLeader::AckEpoch {
        last_zxid: zxid(last),
        current_epoch: Some(Epoch(1)),
    };
    bench.handle(LeaderInput::Received { link, packet })
}

#[test]
fn a_window_that_gave_way_during_a_probe_means_a_snapshot_qp_071() {
    let mut bench = alone("1.4", &["1.3", "1.4"], 2, &Bytes::new());
    let out = join(&mut bench, 1, 2, "1.1");
    assert_eq!(describe(&out), "probe the log for 1: behind 1.1 to 1.3");
    // As if there had been too much to keep.
    bench.recent.unpin();
    for text in ["2.1", "2.2", "2.3"] {
        bench.propose(zxid(text), payload(zxid(text)));
    }
    bench.handle(LeaderInput::Appended(zxid("2.3")));
    let found = Some(LogProbe {
        floor: zxid("1.1"),
        next: zxid("1.2"),
    });
    let link = QuorumLink(1);
    let out = bench.handle(LeaderInput::LogProbed { link, found });
    assert_eq!(describe(&out), "to 1: [snapshot]");
    let out = bench.handle(LeaderInput::Streamed { link });
    assert_eq!(describe(&out), "to 1: NEWLEADER 2.0 (config 0)");
}

#[test]
fn the_window_is_held_as_long_as_somebody_reads_up_to_it() {
    let mut bench = alone("1.4", &["1.3", "1.4"], 2, &Bytes::new());
    join(&mut bench, 1, 2, "1.1");
    join(&mut bench, 2, 3, "1.1");
    bench.propose(zxid("2.1"), payload(zxid("2.1")));
    bench.handle(LeaderInput::Appended(zxid("2.1")));
    let (link, found) = (QuorumLink(1), None);
    bench.handle(LeaderInput::LogProbed { link, found });
    assert_eq!(bench.recent.first(), Some(zxid("1.3")));
    // One gets a snapshot then, and what follows it.
    let link = QuorumLink(2);
    bench.handle(LeaderInput::Gone { link });
    assert_eq!(bench.recent.first(), Some(zxid("1.3")));
    let link = QuorumLink(1);
    bench.handle(LeaderInput::Streamed { link });
    assert_eq!(bench.recent.first(), Some(zxid("1.4")));
}

/// Far more is written while a learner is sent the state than is kept in memory, and than would be queued
/// for it: it goes on from the log, over the same link, and nothing waits behind a stream.
#[test]
fn a_learner_behind_a_long_stream_is_fed_from_the_log_until_memory_has_the_rest_qp_075() {
    let mut bench = alone("1.2", &["1.1", "1.2"], 5, &Bytes::new());
    let cost = bench.recent.bytes_after(zxid("1.1")) + 3;
    // Ten of them, and twice that for a learner.
    bench.recent = Recent::bounded(5, 10 * cost);
    bench.recent.push(zxid("1.2"), Bytes::from_static(b"1.2"));
    let link = QuorumLink(1);
    let out = join(&mut bench, 1, 2, "0.0");
    assert!(describe(&out).ends_with("[snapshot]"), "{out:?}");
    let mut last = Zxid::start_of(Epoch(2));
    // Whoever is fed hears of nothing else, whatever is written.
    let mut write = |bench: &mut Bench, count: usize| {
        for _ in 0..count {
            last = last.next();
            assert_eq!(describe(&bench.propose(last, payload(last))), "");
        }
        let out = bench.handle(LeaderInput::Appended(last));
        assert_eq!(out.len(), count, "all is committed, and nothing is sent");
        assert!(bench.recent.bytes_after(zxid("1.2")) <= 20 * (cost + 2));
    };
    let streamed = |bench: &mut Bench| describe(&bench.handle(LeaderInput::Streamed { link }));
    write(&mut bench, 1000);
    assert_eq!(streamed(&mut bench), "to 1: [log behind 1.2 to 2.992]");
    write(&mut bench, 500);
    assert_eq!(streamed(&mut bench), "to 1: [log behind 2.992 to 2.1492]");
    write(&mut bench, 5);
    assert!(bench.pass(1000).is_empty(), "no ping waits there either");
    let out = streamed(&mut bench);
    let expected = "to 1: PROPOSAL 2.1493, COMMIT 2.1493, PROPOSAL 2.1494, COMMIT 2.1494, ";
    assert!(out.starts_with(expected), "{out}");
    let expected = "PROPOSAL 2.1505, COMMIT 2.1505, NEWLEADER 2.0 (config 0)";
    assert!(out.ends_with(expected), "{out}");
    assert_eq!(bench.recent.iter().count(), 5, "the window is let go");
    let out = bench.propose(zxid("2.1506"), payload(zxid("2.1506")));
    assert_eq!(describe(&out), "to 1: PROPOSAL 2.1506");
}

#[test]
fn history_is_sent_in_pieces() {
    let kilobytes = Bytes::from(vec![7; 100 * 1024]);
    let window = ["1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7"];
    let mut bench = alone("1.7", &window, 500, &kilobytes);
    let out = join(&mut bench, 1, 2, "1.1");
    let mut zxids = Vec::new();
    for output in &out {
        let LeaderOutput::Send { packets: sent, .. } = output else {
            panic!("{output:?}");
        };
        assert!(sent.len() < 400 * 1024, "{} bytes in one piece", sent.len());
        zxids.extend(packets(sent).into_iter().filter_map(|packet| match packet {
            ToLearner::Proposal { zxid, .. } => Some(zxid),
            _ => None,
        }));
    }
    assert_eq!(out.len(), 3);
    assert_eq!(
        zxids,
        window[1..]
            .iter()
            .map(|text| zxid(text))
            .collect::<Vec<Zxid>>()
    );
}

/// Learners have gone on sending while this process was stopped; their packets are still to be read.
#[test]
fn a_stopped_process_does_not_take_its_learners_for_silent() {
    let mut bench = alone("1.1", &["1.1"], 500, &Bytes::new());
    join(&mut bench, 1, 2, "1.1");
    let link = QuorumLink(1);
    let packet = ToLeader::Ack { zxid: zxid("2.0") };
    bench.handle(LeaderInput::Received { link, packet });
    bench.propose(zxid("2.1"), payload(zxid("2.1")));
    bench.pass(5000);
    bench.now = Monotonic(1_000_000);
    for _ in 0..3 {
        let out = bench.handle(LeaderInput::Wake);
        assert!(!describe(&out).contains("close"), "{out:?}");
    }
    // One beat, and the next in its time.
    assert_eq!(bench.leader.next_deadline(), Some(Monotonic(1_001_000)));
}

#[test]
fn links_are_bounded() {
    let mut bench = alone("1.1", &["1.1"], 500, &Bytes::new());
    join(&mut bench, 1, 2, "1.1");
    for link in 2..=4096 {
        let link = QuorumLink(link);
        let out = bench.handle(LeaderInput::Connected { link });
        assert!(out.is_empty());
    }
    let link = QuorumLink(4097);
    let out = bench.handle(LeaderInput::Connected { link });
    assert_eq!(
        describe(&out),
        "close 4097: too many learners are connected"
    );
    bench.handle(LeaderInput::Gone {
        link: QuorumLink(7),
    });
    let link = QuorumLink(4098);
    assert!(bench.handle(LeaderInput::Connected { link }).is_empty());
}

/// Packets are encoded once for all.
#[test]
fn followers_share_the_bytes_of_a_proposal() {
    let mut bench = alone("1.1", &["1.1"], 500, &Bytes::new());
    join(&mut bench, 1, 2, "1.1");
    join(&mut bench, 2, 3, "1.1");
    let out = bench.propose(zxid("2.1"), payload(zxid("2.1")));
    let sent = out.iter().map(|output| match output {
        LeaderOutput::Send { packets, .. } => packets.as_ptr(),
        other => panic!("{other:?}"),
    });
    let sent: Vec<*const u8> = sent.collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
}

#[test]
#[should_panic(expected = "the window ends with")]
fn a_commit_that_is_not_in_the_window_is_a_broken_invariant() {
    let mut bench = alone("1.1", &["1.1"], 500, &Bytes::new());
    bench.propose(zxid("2.1"), payload(zxid("2.1")));
    bench.handle(LeaderInput::Appended(zxid("2.1")));
    bench.recent.clear();
    bench.applied = zxid("1.1");
    join(&mut bench, 1, 2, "1.1");
}

#[test]
#[should_panic(expected = "is applied and not committed")]
fn a_state_ahead_of_the_commits_is_a_broken_invariant() {
    let mut bench = alone("1.1", &["1.1"], 500, &Bytes::new());
    bench.applied = zxid("2.1");
    join(&mut bench, 1, 2, "1.1");
}

#[test]
#[should_panic(expected = "before the term begins")]
fn nothing_is_proposed_before_the_term() {
    let standing = Standing {
        accepted_epoch: Epoch(0),
        current_epoch: Epoch(0),
        last_zxid: Zxid::ZERO,
    };
    let (view, recent, mut out) = ("server.1=h1:1:2\n", Recent::new(500), Vec::new());
    let mut bench = Bench::new(ServerId(1), OPTIONS, view, standing, recent, &mut out);
    bench.propose(zxid("1.1"), payload(zxid("1.1")));
}

#[test]
fn a_leader_that_promised_the_last_epoch_cannot_begin_another() {
    let standing = Standing {
        accepted_epoch: Epoch(0x7fff_ffff),
        current_epoch: Epoch(3),
        last_zxid: zxid("3.1"),
    };
    let (view, recent, mut out) = ("server.1=h1:1:2\n", Recent::new(500), Vec::new());
    Bench::new(ServerId(1), OPTIONS, view, standing, recent, &mut out);
    let expected = "step down: no quorum has joined in time: the epochs are used up";
    assert_eq!(describe(&out), expected);
}

/// One that has joined with 2 and 3, which lack nothing, and waits for their ACKs of NEWLEADER.
fn synchronising(view: &str) -> Bench {
    let standing = Standing {
        accepted_epoch: Epoch(1),
        current_epoch: Epoch(1),
        last_zxid: zxid("1.1"),
    };
    let mut recent = Recent::new(500);
    recent.push(zxid("1.1"), payload(zxid("1.1")));
    let mut out = Vec::new();
    let mut bench = Bench::new(ServerId(1), OPTIONS, view, standing, recent, &mut out);
    let info = |sid| ToLeader::Info {
        kind: LearnerKind::Follower,
        accepted_epoch: Epoch(1),
        info: Some(LearnerIdentity {
            sid: ServerId(sid),
            protocol_version: PROTOCOL_VERSION,
            config_version: 0,
        }),
    };
    let links = [(QuorumLink(1), 2), (QuorumLink(2), 3)];
    for (link, sid) in links {
        bench.handle(LeaderInput::Connected { link });
        let packet = info(sid);
        bench.handle(LeaderInput::Received { link, packet });
    }
    bench.handle(LeaderInput::AcceptedEpochSaved(Epoch(2)));
    for (link, _) in links {
        let packet = ToLeader::AckEpoch {
            last_zxid: zxid("1.1"),
            current_epoch: Some(Epoch(1)),
        };
        bench.handle(LeaderInput::Received { link, packet });
    }
    bench.handle(LeaderInput::CurrentEpochSaved(Epoch(2)));
    bench
}

/// Others commit without it, and what its disk has not taken would pile up for ever.
#[test]
fn a_leader_whose_disk_hangs_gives_way_if_the_others_can_go_on() {
    for others in [1, 2] {
        let mut bench = synchronising("server.1=h1:1:2\nserver.2=h2:1:2\nserver.3=h3:1:2\n");
        for link in (1..=others).map(QuorumLink) {
            let packet = ToLeader::Ack { zxid: zxid("2.0") };
            bench.handle(LeaderInput::Received { link, packet });
        }
        if others == 1 {
            let link = QuorumLink(2);
            bench.handle(LeaderInput::Gone { link });
        }
        bench.propose(zxid("2.1"), payload(zxid("2.1")));
        let mut last = String::new();
        for _ in 0..=OPTIONS.sync_limit {
            assert_eq!(last, "", "not before syncLimit");
            for link in (1..=others).map(QuorumLink) {
                let packet = ToLeader::Ack { zxid: zxid("2.1") };
                bench.handle(LeaderInput::Received { link, packet });
            }
            let out = bench.pass(OPTIONS.tick_ms);
            let ends = out.iter().map(|(_, output)| describe([output]));
            last = ends.filter(|text| text.contains("step down")).collect();
        }
        let lags = "step down: its disk has not taken a proposal for too long, and the others can \
                    go on without it";
        assert_eq!(last, if others == 2 { lags } else { "" });
    }
}

/// It answers no ping before UPTODATE, which waits for others.
#[test]
fn a_learner_that_waits_for_the_term_to_begin_is_neither_silent_nor_gone() {
    let view =
        "server.1=h1:1:2\nserver.2=h2:1:2\nserver.3=h3:1:2\nserver.4=h4:1:2\nserver.5=h5:1:2\n";
    let mut bench = synchronising(view);
    let ack = || ToLeader::Ack { zxid: zxid("2.0") };
    let (link, packet) = (QuorumLink(1), ack());
    bench.handle(LeaderInput::Received { link, packet });
    // The other one takes nearly all the time it may.
    let wait = (OPTIONS.init_limit - 1) * OPTIONS.tick_ms;
    let out = bench.pass(wait);
    let is_ping = |output: &LeaderOutput| describe([output]).contains("PING");
    assert!(out.iter().all(|(_, output)| is_ping(output)), "{out:?}");
    let (link, packet) = (QuorumLink(2), ack());
    let out = bench.handle(LeaderInput::Received { link, packet });
    assert!(describe(&out).contains("epoch 2 begins"), "{out:?}");
    let out = bench.pass(OPTIONS.sync_limit * OPTIONS.tick_ms);
    assert!(out.iter().all(|(_, output)| is_ping(output)), "{out:?}");
}
