//! Ensembles of different servers: every mixture elects, serves and survives; each kind brings the other
//! up to date in every way there is; and an ensemble of one kind becomes one of the other, server by
//! server, without its clients noticing. The same with Apache's servers alone shows that the tests hold.
//! Rows QP-047 and QP-147 to QP-149; releases before 3.9 are in `old_ensemble.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{fs, path::Path};

use compat_tests::{
    calls::{CREATE, PERSISTENT, SET_DATA, create, create_body},
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip, rounds},
    eventually::{PATIENCE, eventually},
    scenarios::{roll_there_and_back, survive_minorities, tell},
    server::{
        Kind,
        Kind::{Apache, Ours},
    },
    tree,
    wire::{Body, Client},
};

const SESSION_TIMEOUT_MS: i32 = 40_000;

/// The last `observers` of the members are observers; the last voter leads at first.
fn mixture(test: &str, kinds: &[Kind], observers: usize) {
    if !can_run_or_skip(test, kinds) {
        return;
    }
    let options = EnsembleOptions::new().observers(observers);
    let mut ensemble = Ensemble::start(kinds, &options);
    tell(test, &survive_minorities(&mut ensemble, rounds(2)));
}

compat_tests::cases! {
    three_of_apache: mixture(&[Apache; 3], 0);
    two_apache_led_by_ours: mixture(&[Apache, Apache, Ours], 0);
    two_apache_and_ours_led_by_apache: mixture(&[Ours, Apache, Apache], 0);
    two_ours_led_by_apache: mixture(&[Ours, Ours, Apache], 0);
    two_ours_and_apache_led_by_ours: mixture(&[Apache, Ours, Ours], 0);
    three_apache_and_two_ours_led_by_apache: mixture(&[Ours, Apache, Ours, Apache, Apache], 0);
    three_apache_and_two_ours_led_by_ours: mixture(&[Apache, Ours, Apache, Apache, Ours], 0);
    three_ours_and_two_apache_led_by_ours: mixture(&[Ours, Apache, Ours, Apache, Ours], 0);
    observers_of_apache: mixture(&[Apache; 5], 2);
    observer_of_ours_with_apache: mixture(&[Apache, Apache, Apache, Ours], 1);
    observer_of_apache_with_ours: mixture(&[Ours, Ours, Ours, Apache], 1);
    observers_of_both_with_both: mixture(&[Apache, Ours, Apache, Ours, Apache], 2);
}

fn rolling(test: &str, from: Kind, to: Kind) {
    if !can_run_or_skip(test, &[from, to]) {
        return;
    }
    tell(
        test,
        &roll_there_and_back(&[from; 3], to, &EnsembleOptions::new()),
    );
}

compat_tests::cases! {
    rolling_apache_to_apache: rolling(Apache, Apache);
    rolling_apache_to_ours_and_back: rolling(Apache, Ours);
    rolling_ours_to_apache_and_back: rolling(Ours, Apache);
    rolling_ours_to_ours: rolling(Ours, Ours);
}

/// How a server that was away is brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It missed a few transactions.
    Diff,
    /// It missed more than the leader remembers, and less than the leader's log has.
    DiffFromLog,
    /// It has transactions that nobody else knows of.
    Trunc,
    /// It has such transactions, and others have come in their place.
    TruncAndMore,
    /// It has nothing.
    Snap,
}

/// A server comes back to a leader. Every test has writes in several terms, so that zxids tell epochs.
struct Return {
    way: Way,
    leader: Kind,
    learner: Kind,
    observer: bool,
}

impl Return {
    fn run(&self, test: &str) {
        if !can_run_or_skip(test, &[self.leader, self.learner]) {
            return;
        }
        match self.way {
            Way::Trunc | Way::TruncAndMore => self.after_leading(),
            _ => self.after_absence(),
        }
    }

    fn after_absence(&self) {
        let (kinds, learner) = if self.observer {
            (vec![self.leader, self.leader, self.leader, self.learner], 3)
        } else {
            (vec![self.learner, self.leader, self.leader], 0)
        };
        let mut ensemble = Ensemble::start(&kinds, &self.options());
        fill(&ensemble, 1, 10);
        ensemble.stop(learner);
        if self.way == Way::Snap {
            ensemble.wipe(learner);
        }
        let missed = if self.way == Way::DiffFromLog { 600 } else { 5 };
        fill(&ensemble, 1, missed);
        self.come_back(&mut ensemble, learner);
    }

    /// The leader writes what it cannot tell anybody, dies, and comes back to those that never heard of it.
    fn after_leading(&self) {
        let kinds = [self.leader, self.leader, self.learner];
        let mut ensemble = Ensemble::start(&kinds, &self.options());
        fill(&ensemble, 1, 10);
        let mut client = Client::open_session(ensemble.address(2), SESSION_TIMEOUT_MS).0;
        // Else the one that has more would be elected.
        ensemble.await_same_zxid();
        ensemble.pause(0);
        ensemble.pause(1);
        let marker = "a tail that nobody else knows of";
        for number in 0..20 {
            let body = create_body(&format!("/tail-{number}"), marker.as_bytes(), PERSISTENT);
            client.request(1, CREATE, &body);
        }
        eventually("the leader has its tail on disk", PATIENCE, || {
            (log_count(ensemble.data_dir(2), marker) == 20).then_some(())
        });
        ensemble.kill(2);
        // What waits for the others in their sockets must not reach them.
        for member in [0, 1] {
            ensemble.kill(member);
            ensemble.restart(member);
        }
        assert_eq!(ensemble.await_leader(), 1);
        if self.way == Way::TruncAndMore {
            fill(&ensemble, 1, 10);
        }
        self.come_back(&mut ensemble, 2);
        let tree = tree::dump(ensemble.address(2), "/");
        let tail = tree.keys().find(|path| path.starts_with("/tail"));
        assert_eq!(tail, None, "what nobody acknowledged is gone");
    }

    fn options(&self) -> EnsembleOptions {
        EnsembleOptions::new()
            .observers(usize::from(self.observer))
            // The log may be read instead of a snapshot, if it is not larger than one.
            .config("snapshotSizeFactor", 1)
    }

    fn come_back(&self, ensemble: &mut Ensemble, learner: usize) {
        let before: Vec<usize> = (0..3).map(|member| ensemble.log(member).len()).collect();
        let leader = ensemble.leader().expect("there is a leader");
        let of_learner = ensemble.log(learner).len();
        ensemble.restart(learner);
        ensemble.await_serving(learner);
        let leaders = ensemble.log(leader)[before[leader]..].to_owned();
        let learners = ensemble.log(learner)[of_learner..].to_owned();
        self.expect_way(&leaders, &learners);
        // It must take part from then on, and hold the same.
        fill(ensemble, learner, 300);
        tree::await_same(&ensemble.addresses(), "/", ENSEMBLE_PATIENCE);
        expect_same_digests(ensemble);
    }

    /// Apache's log tells what it does; ours is taken at the word of the other side.
    fn expect_way(&self, leaders_log: &str, learners_log: &str) {
        let (of_leader, of_learner) = match self.way {
            Way::Diff => (
                "Using committedLog for peer",
                "Getting a diff from the leader",
            ),
            Way::DiffFromLog => (
                "Use txnlog and committedLog for peer",
                "Getting a diff from the leader",
            ),
            Way::Trunc => ("Sending TRUNC", "Truncating log to get in sync"),
            // Apache cuts no learner's log back into an earlier epoch, it sends all.
            Way::Snap | Way::TruncAndMore => (
                "Sending snapshot last zxid of peer",
                "Getting a snapshot from leader",
            ),
        };
        if self.leader == Apache {
            assert!(
                leaders_log.contains(of_leader),
                "{:?}:\n{leaders_log}",
                self.way
            );
        }
        if self.learner == Apache {
            assert!(
                learners_log.contains(of_learner),
                "{:?}:\n{learners_log}",
                self.way
            );
        }
    }
}

/// Sets a node again and again through a member, until it has had `count` transactions more.
fn fill(ensemble: &Ensemble, member: usize, count: usize) {
    let mut client = Client::open_session(ensemble.address(member), SESSION_TIMEOUT_MS).0;
    let path = format!("/fill-{}", tree::dump(ensemble.address(member), "/").len());
    create(&mut client, &path, b"", PERSISTENT);
    for number in 0..count {
        let body = Body::new()
            .string(&path)
            .string(&number.to_string())
            .int(-1);
        client.request(1, SET_DATA, &body);
    }
    for _ in 0..count {
        client.frame("an answer");
    }
}

/// How often the logs in a data directory hold a text.
fn log_count(data: &Path, text: &str) -> usize {
    let files = fs::read_dir(data.join("version-2")).expect("a server makes version-2");
    files
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("log.")
        })
        .map(|path| {
            let bytes = fs::read(path).unwrap();
            let found = bytes
                .windows(text.len())
                .filter(|it| *it == text.as_bytes());
            found.count()
        })
        .sum()
}

/// QP-149: what `hash` says for the same transaction must be the same; each pair of servers must have
/// some. And no server has found that a transaction's digest is not its own.
fn expect_same_digests(ensemble: &Ensemble) {
    for member in 0..ensemble.len() {
        let answer = compat_tests::server::four_letter_word(ensemble.address(member), "mntr");
        let answer = answer.expect("an answer to mntr");
        let counts = answer.lines();
        let mismatches: Vec<&str> = counts
            .filter(|line| line.contains("digest_mismatches_count"))
            .collect();
        let name = ensemble.name(member);
        assert_eq!(mismatches, ["zk_digest_mismatches_count\t0"], "{name}");
    }
    let digests = |member: usize| -> Vec<(String, String)> {
        let answer = compat_tests::server::four_letter_word(ensemble.address(member), "hash");
        let lines = answer.expect("an answer to hash");
        lines
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(zxid, digest)| (zxid.to_owned(), digest.to_owned()))
            .collect()
    };
    let first = digests(0);
    for member in 1..ensemble.len() {
        let mut shared = 0;
        for (zxid, digest) in digests(member) {
            if let Some((_, known)) = first.iter().find(|(of, _)| *of == zxid) {
                assert_eq!(
                    &digest,
                    known,
                    "digest of {} at {zxid}",
                    ensemble.name(member)
                );
                shared += 1;
            }
        }
        assert!(
            shared > 0,
            "{} and the first share no digest",
            ensemble.name(member)
        );
    }
}

fn comes_back(test: &str, way: Way, learner: Kind, leader: Kind, observer: bool) {
    let case = Return {
        way,
        leader,
        learner,
        observer,
    };
    case.run(test);
}

compat_tests::cases! {
    diff_apache_to_apache: comes_back(Way::Diff, Apache, Apache, false);
    diff_from_log_apache_to_apache: comes_back(Way::DiffFromLog, Apache, Apache, false);
    trunc_apache_to_apache: comes_back(Way::Trunc, Apache, Apache, false);
    trunc_and_more_apache_to_apache: comes_back(Way::TruncAndMore, Apache, Apache, false);
    snap_apache_to_apache: comes_back(Way::Snap, Apache, Apache, false);
    snap_apache_observer_to_apache: comes_back(Way::Snap, Apache, Apache, true);
    diff_ours_to_apache: comes_back(Way::Diff, Ours, Apache, false);
    diff_apache_to_ours: comes_back(Way::Diff, Apache, Ours, false);
    diff_ours_to_ours: comes_back(Way::Diff, Ours, Ours, false);
    diff_from_log_ours_to_apache: comes_back(Way::DiffFromLog, Ours, Apache, false);
    diff_from_log_apache_to_ours: comes_back(Way::DiffFromLog, Apache, Ours, false);
    diff_from_log_ours_to_ours: comes_back(Way::DiffFromLog, Ours, Ours, false);
    trunc_ours_to_apache: comes_back(Way::Trunc, Ours, Apache, false);
    trunc_apache_to_ours: comes_back(Way::Trunc, Apache, Ours, false);
    trunc_ours_to_ours: comes_back(Way::Trunc, Ours, Ours, false);
    trunc_and_more_ours_to_apache: comes_back(Way::TruncAndMore, Ours, Apache, false);
    trunc_and_more_apache_to_ours: comes_back(Way::TruncAndMore, Apache, Ours, false);
    trunc_and_more_ours_to_ours: comes_back(Way::TruncAndMore, Ours, Ours, false);
    snap_ours_to_apache: comes_back(Way::Snap, Ours, Apache, false);
    snap_apache_to_ours: comes_back(Way::Snap, Apache, Ours, false);
    snap_ours_to_ours: comes_back(Way::Snap, Ours, Ours, false);
    diff_ours_observer_to_apache: comes_back(Way::Diff, Ours, Apache, true);
    diff_apache_observer_to_ours: comes_back(Way::Diff, Apache, Ours, true);
    snap_ours_observer_to_apache: comes_back(Way::Snap, Ours, Apache, true);
    snap_apache_observer_to_ours: comes_back(Way::Snap, Apache, Ours, true);
}
