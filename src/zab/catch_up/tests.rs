//! The plan: a row for each branch, and random histories. What a learner is fed: likewise, and how that
//! ends.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::base::{Epoch, Zxid};
use crate::zab::Recent;
use crate::zab::catch_up::feed::{Feed, Next, Supply};
use crate::zab::catch_up::plan::{Circumstances, Decision, Opening, SyncPlan};
use crate::zab::catch_up::{LastZxid, LogProbe};
use crate::zab::leader::tests::bench::{show, zxid};

fn window(ranges: &str) -> Recent {
    let mut recent = Recent::new(500);
    for range in ranges.split_whitespace() {
        let (first, last) = range.split_once('-').unwrap();
        for raw in zxid(first).0..=zxid(last).0 {
            recent.push(Zxid(raw), Bytes::new());
        }
    }
    recent
}

fn describe(decision: Decision) -> String {
    match decision {
        Decision::Probe { upto } => format!("log? to {}", show(upto)),
        Decision::Plan(SyncPlan {
            opening,
            log,
            after,
        }) => {
            let opening = match opening {
                Opening::Diff(zxid) => format!("DIFF {}", show(zxid)),
                Opening::Trunc(zxid) => format!("TRUNC {}", show(zxid)),
                Opening::Snap => "SNAP".to_owned(),
            };
            let log = log.map_or(String::new(), |(after, upto)| {
                format!(" log {}-{}", show(after), show(upto))
            });
            format!("{opening}{log} window {}", show(after))
        }
    }
}

/// The window, what is applied, the learner's last, the decision.
const TABLE: &[(&str, &str, &str, &str)] = &[
    // Equal: DIFF with that zxid, also while the window is ahead of the state (QP-063).
    ("5.1-5.9", "5.9", "5.9", "DIFF 5.9 window 5.9"),
    ("5.1-5.9", "5.7", "5.7", "DIFF 5.7 window 5.7"),
    ("", "0.0", "0.0", "DIFF 0.0 window 0.0"),
    ("", "5.0", "5.0", "DIFF 5.0 window 5.0"),
    // Ahead, in the same epoch (QP-065).
    ("5.1-5.9", "5.9", "5.12", "TRUNC 5.9 window 5.9"),
    ("5.1-5.9", "5.7", "5.12", "TRUNC 5.9 window 5.9"),
    ("", "5.9", "5.12", "TRUNC 5.9 window 5.9"),
    // Ahead in a later epoch, or of a history without a transaction of the epoch: Apache truncates.
    ("5.1-5.9", "5.9", "6.1", "SNAP window 5.9"),
    ("", "5.0", "5.3", "SNAP window 5.0"),
    ("", "0.0", "0.3", "SNAP window 0.0"),
    // Ahead at the start of an epoch: never TRUNC (QP-068).
    ("5.1-5.9", "5.9", "6.0", "SNAP window 5.9"),
    // Within the window (QP-064).
    ("5.1-5.9", "5.9", "5.1", "DIFF 5.9 window 5.1"),
    ("5.1-5.9", "5.9", "5.5", "DIFF 5.9 window 5.5"),
    ("3.8-3.9 5.1-5.9", "5.9", "3.9", "DIFF 5.9 window 3.9"),
    // At the start of an epoch within it (QP-068).
    ("3.8-3.9 5.1-5.9", "5.9", "5.0", "DIFF 5.9 window 5.0"),
    ("3.8-3.9 5.1-5.9", "5.9", "4.0", "DIFF 5.9 window 4.0"),
    // Diverged from an earlier epoch, or of one that did not go on (QP-067).
    ("3.8-3.9 5.1-5.9", "5.9", "3.10", "SNAP window 5.9"),
    ("3.8-3.9 5.1-5.9", "5.9", "4.2", "SNAP window 5.9"),
    // Right before the window: its number says so.
    ("5.4-5.9", "5.9", "5.3", "DIFF 5.9 window 5.3"),
    ("5.1-5.9", "5.9", "5.0", "DIFF 5.9 window 5.0"),
    ("0.1-0.9", "0.9", "0.0", "DIFF 0.9 window 0.0"),
    // Before it: the log (QP-069), with an empty window up to the state (QP-072).
    ("5.4-5.9", "5.9", "5.2", "log? to 5.4"),
    ("5.4-5.9", "5.9", "3.2", "log? to 5.4"),
    ("5.4-5.9", "5.9", "3.0", "log? to 5.4"),
    ("", "5.9", "5.2", "log? to 5.9"),
    // The state at the start of an epoch is no transaction of the log.
    ("", "5.0", "4.2", "SNAP window 5.0"),
    // Without a history, or with nonsense (H-15).
    ("5.1-5.9", "5.9", "0.0", "SNAP window 5.9"),
    ("0.2-0.9", "0.9", "0.0", "SNAP window 0.9"),
    ("", "5.9", "0.0", "SNAP window 5.9"),
    ("5.1-5.9", "5.9", "=-1", "SNAP window 5.9"),
    ("5.1-5.9", "5.9", "=-9223372036854775808", "SNAP window 5.9"),
    ("5.1-5.9", "5.9", "=9223372036854775806", "SNAP window 5.9"),
    // A snapshot is followed by what may not be in it.
    ("5.1-5.9", "5.7", "4.1", "log? to 5.1"),
    ("5.1-5.9", "5.7", "0.0", "SNAP window 5.7"),
];

#[test]
fn each_branch_qp_063_to_qp_069_qp_072() {
    for (ranges, applied, last, expected) in TABLE {
        let recent = window(ranges);
        let circumstances = Circumstances {
            recent: &recent,
            first: recent.first(),
            applied: zxid(applied),
            force_snapshot: false,
            may_read_log: true,
        };
        let decision = circumstances.decide(LastZxid::Known(zxid(last)));
        let row = format!("window {ranges}, applied {applied}, learner {last}");
        assert_eq!(describe(decision), *expected, "{row}");
    }
}

#[test]
fn switches_qp_070_qp_073() {
    let recent = window("5.4-5.9");
    let decide = |force_snapshot, may_read_log, last| {
        let applied = zxid("5.9");
        let circumstances = Circumstances {
            recent: &recent,
            first: recent.first(),
            applied,
            force_snapshot,
            may_read_log,
        };
        describe(circumstances.decide(last))
    };
    let known = |text| LastZxid::Known(zxid(text));
    assert_eq!(decide(true, true, known("5.9")), "SNAP window 5.9");
    assert_eq!(decide(false, false, known("5.2")), "SNAP window 5.9");
    assert_eq!(decide(false, true, LastZxid::Unknown), "SNAP window 5.9");
}

/// The learner's last, what is around it in the log, the plan. The window is 5.4 to 5.9.
const LOG_TABLE: &[(&str, &str, &str, &str)] = &[
    ("5.2", "5.2", "5.3", "DIFF 5.9 log 5.2-5.4 window 5.4"),
    ("3.7", "3.7", "5.1", "DIFF 5.9 log 3.7-5.4 window 5.4"),
    ("5.0", "3.7", "5.1", "DIFF 5.9 log 5.0-5.4 window 5.4"),
    // Diverged in the same epoch, which a log without holes does not show (QP-066).
    ("3.7", "3.6", "3.8", "TRUNC 3.6 log 3.6-5.4 window 5.4"),
    // Diverged across epochs, on either side (QP-067).
    ("3.9", "3.7", "5.1", "SNAP window 5.9"),
    ("4.9", "3.7", "5.1", "SNAP window 5.9"),
];

#[test]
fn with_the_log_qp_066_qp_067_qp_069() {
    let recent = window("5.4-5.9");
    for (last, floor, next, expected) in LOG_TABLE {
        let circumstances = Circumstances {
            recent: &recent,
            first: recent.first(),
            applied: zxid("5.9"),
            force_snapshot: false,
            may_read_log: true,
        };
        let found = LogProbe {
            floor: zxid(floor),
            next: zxid(next),
        };
        let plan = circumstances.decide_with_log(zxid(last), zxid("5.4"), found);
        let row = format!("learner {last} between {floor} and {next}");
        assert_eq!(describe(Decision::Plan(plan)), *expected, "{row}");
    }
}

/// Bytes that a transaction without any counts for.
const COST: usize = size_of::<crate::zab::Committed>();

/// The window, what the learner has, what the own disk has, how many transactions it may be given at once,
/// what comes next. The term is the fifth, on top of 4.3.
const FEED_TABLE: &[(&str, &str, &str, usize, &str)] = &[
    ("5.4-5.9", "5.6", "5.9", 6, "window"),
    ("5.4-5.9", "5.3", "5.9", 6, "window"),
    ("5.1-5.9", "4.3", "5.9", 9, "window"),
    ("", "5.9", "5.9", 6, "window"),
    ("5.4-5.9", "5.9", "5.9", 0, "window"),
    // What memory has need not be on the own disk.
    ("5.4-5.9", "5.3", "5.0", 6, "window"),
    // Not in the window: the log, up to where half of what may be given is left.
    ("5.4-5.9", "5.1", "5.9", 6, "log 5.1-5.7"),
    ("5.4-5.9", "5.0", "5.9", 6, "log 5.0-5.7"),
    ("5.4-5.9", "4.3", "5.9", 6, "log 4.3-5.7"),
    // In the window, and too much.
    ("5.4-5.9", "5.6", "5.9", 2, "log 5.6-5.9"),
    ("5.4-5.9", "5.8", "5.9", 0, "log 5.8-5.9"),
    // No further than the own disk is.
    ("5.4-5.9", "5.1", "5.2", 6, "log 5.1-5.2"),
    ("5.4-5.9", "5.1", "5.1", 6, "the disk"),
    ("5.4-5.9", "5.2", "5.1", 6, "the disk"),
    ("5.4-5.9", "4.3", "5.0", 6, "the disk"),
];

fn supply<'a>(recent: &'a Recent, durable: Zxid, at_once: usize) -> Supply<'a> {
    Supply {
        recent,
        durable,
        initial: zxid("4.3"),
        epoch: Some(Epoch(5)),
        at_once_max: at_once * COST,
    }
}

#[test]
fn what_a_learner_is_fed_next_qp_071_qp_075() {
    for (ranges, at, durable, at_once, expected) in FEED_TABLE {
        let recent = window(ranges);
        let supply = supply(&recent, zxid(durable), *at_once);
        let mut feed = Feed::new(zxid(at));
        assert_eq!(feed.next(&supply), None, "it is being sent");
        feed.on_streamed();
        let next = match feed.next(&supply).unwrap() {
            Next::Window => "window".to_owned(),
            Next::Log { after, upto } => format!("log {}-{}", show(after), show(upto)),
            Next::AwaitDisk => "the disk".to_owned(),
        };
        let row = format!("window {ranges}, at {at}, on disk {durable}, at once {at_once}");
        assert_eq!(next, *expected, "{row}");
    }
}

/// Feeds a learner for which so many transactions of a hundred are written while it takes a hundred, and
/// tells how many ranges of the log it took, up to a bound. The window never has more than twice what
/// fifty transactions take.
fn feed(written_percent: i64, ranges_max: usize) -> Option<usize> {
    let mut recent = Recent::bounded(500, 50 * COST);
    let mut last = zxid("5.0");
    let mut write = |recent: &mut Recent, count: i64| {
        for _ in 0..count {
            last = last.next();
            recent.push(last, Bytes::new());
        }
        assert!(recent.iter().count() <= 100);
        last
    };
    recent.pin(zxid("5.0"));
    let mut durable = write(&mut recent, 10_000);
    let mut feed = Feed::new(zxid("5.0"));
    for range in 0..ranges_max {
        feed.on_streamed();
        match feed.next(&supply(&recent, durable, 100)).unwrap() {
            Next::Window => return Some(range),
            Next::AwaitDisk => panic!("all is on disk"),
            Next::Log { after, upto } => {
                assert_eq!(after, feed.at(), "nothing is left out or repeated");
                feed.stream(upto);
                recent.pin(upto);
                durable = write(&mut recent, (upto.0 - after.0) * written_percent / 100);
            }
        }
    }
    None
}

#[test]
fn who_takes_more_than_is_written_gets_there_and_who_does_not_goes_on() {
    assert_eq!(feed(0, 100), Some(1));
    assert_eq!(feed(50, 100), Some(8));
    assert!(feed(95, 1000).is_some());
    assert_eq!(feed(110, 30), None);
}

/// Every term there was: which history it began with, and how many transactions it proposed. A term
/// need not have had a quorum.
#[derive(Debug)]
struct Terms(Vec<Term>);

#[derive(Debug)]
struct Term {
    /// Which of the terms before, and how many of its transactions.
    begins: Option<(usize, usize)>,
    length: usize,
}

impl Terms {
    /// What a server has that was in this term for so many transactions.
    fn history(&self, term: usize, length: usize) -> Vec<Zxid> {
        let mut history = self.initial(term);
        let epoch = Epoch(i64::try_from(term).unwrap() + 1);
        let start = Zxid::start_of(epoch).0;
        let length = i64::try_from(length.min(self.0[term].length)).unwrap();
        history.extend((1..=length).map(|counter| Zxid(start + counter)));
        history
    }

    fn initial(&self, term: usize) -> Vec<Zxid> {
        let begins = self.0[term].begins;
        begins.map_or(Vec::new(), |(term, length)| self.history(term, length))
    }

    fn ancestors(&self, term: usize) -> Vec<usize> {
        let mut ancestors = vec![term];
        while let Some((before, _)) = self.0[*ancestors.last().unwrap()].begins {
            ancestors.push(before);
        }
        ancestors
    }
}

fn terms() -> impl Strategy<Value = Terms> {
    let term = (any::<prop::sample::Index>(), 0..6_usize, 0..6_usize);
    prop::collection::vec(term, 1..6).prop_map(|terms| {
        let terms = terms.into_iter().enumerate().map(|(at, term)| {
            let (before, kept, length) = term;
            let begins = (at > 0).then(|| (before.index(at), kept));
            Term { begins, length }
        });
        Terms(terms.collect())
    })
}

/// Applies the plan to the learner's history; `None`: a snapshot.
fn apply(plan: SyncPlan, learner: &[Zxid], own: &[Zxid], recent: &Recent) -> Option<Vec<Zxid>> {
    let mut learner = learner.to_vec();
    match plan.opening {
        Opening::Diff(_) => {}
        Opening::Trunc(to) => {
            assert!(learner.contains(&to), "TRUNC to {to}, of {learner:?}");
            learner.retain(|zxid| *zxid <= to);
        }
        Opening::Snap => return None,
    }
    if let Some((after, upto)) = plan.log {
        let range = own.iter().filter(|zxid| **zxid > after && **zxid <= upto);
        learner.extend(range);
    }
    learner.extend(recent.after(plan.after).map(|committed| committed.zxid));
    Some(learner)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        rng_seed: RngSeed::Fixed(0x6b65_6570),
        ..ProptestConfig::default()
    })]

    /// Whatever a learner has, the plan makes it the leader's history.
    #[test]
    fn the_plan_gives_exactly_the_own_history(
        terms in terms(),
        leader in (any::<prop::sample::Index>(), 0..6_usize),
        learner in (any::<prop::sample::Index>(), 0..6_usize),
        is_at_start in any::<bool>(),
        window in 0..10_usize,
        log in 0..20_usize,
    ) {
        let leader_term = leader.0.index(terms.0.len());
        let own = terms.history(leader_term, leader.1);
        let learner_term = learner.0.index(terms.0.len());
        // One that reports the start of an epoch was told by a leader that a quorum followed, and
        // then all later ones have its history.
        let is_at_start = is_at_start && terms.ancestors(leader_term).contains(&learner_term);
        let (theirs, last) = if is_at_start {
            let epoch = Epoch(i64::try_from(learner_term).unwrap() + 1);
            (terms.initial(learner_term), Zxid::start_of(epoch))
        } else {
            let history = terms.history(learner_term, learner.1);
            let last = history.last().copied().unwrap_or_default();
            (history, last)
        };
        let mut recent = Recent::new(500);
        for zxid in &own[own.len().saturating_sub(window)..] {
            recent.push(*zxid, Bytes::new());
        }
        let circumstances = Circumstances {
            recent: &recent,
            first: recent.first(),
            applied: own.last().copied().unwrap_or_default(),
            force_snapshot: false,
            may_read_log: true,
        };
        let plan = match circumstances.decide(LastZxid::Known(last)) {
            Decision::Plan(plan) => plan,
            Decision::Probe { upto } => {
                let log = &own[own.len().saturating_sub(log)..];
                let floor = log.iter().rev().find(|zxid| **zxid <= last);
                let next = log.iter().find(|zxid| **zxid > last);
                match (floor, next) {
                    (Some(&floor), Some(&next)) => {
                        let found = LogProbe { floor, next };
                        circumstances.decide_with_log(last, upto, found)
                    }
                    _ => circumstances.snapshot(),
                }
            }
        };
        let synced = apply(plan, &theirs, &own, &recent);
        prop_assert!(synced.is_none_or(|synced| synced == own));
    }
}
