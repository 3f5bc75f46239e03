//! QP-079: every order in which packets and completions can meet, for DIFF, TRUNC and SNAP. What
//! [`World`] checks after each of them is what a crash at that point would leave.

use super::world::World;
use super::*;

/// Which of two things happens next, until all have been tried.
#[derive(Default)]
struct Choices {
    made: Vec<bool>,
    at: usize,
}

impl Choices {
    fn next(&mut self) -> bool {
        if self.at == self.made.len() {
            self.made.push(false);
        }
        self.at += 1;
        self.made[self.at - 1]
    }

    /// Turns to the next way, if there is one.
    fn turn(&mut self) -> bool {
        self.at = 0;
        while self.made.pop_if(|choice| *choice).is_some() {}
        match self.made.last_mut() {
            Some(choice) => {
                *choice = true;
                true
            }
            None => false,
        }
    }
}

fn explore(start: impl Fn() -> World, packets: &[ToLearner]) {
    let mut choices = Choices::default();
    let mut count = 0;
    loop {
        let mut world = start();
        world.drain();
        let mut rest = packets.iter();
        let mut next = rest.next();
        while next.is_some() || world.is_disk_busy() {
            let is_completion = world.is_disk_busy() && (next.is_none() || choices.next());
            if is_completion {
                world.complete(1);
            } else if let Some(packet) = next {
                world.packet(packet.clone());
                next = rest.next();
            }
        }
        world.check_end();
        count += 1;
        if !choices.turn() {
            break;
        }
    }
    assert!(count > 10, "too few to say anything: {count}");
}

/// What all modes have behind their history.
fn tail(kind: LearnerKind) -> Vec<ToLearner> {
    match kind {
        LearnerKind::Follower => vec![
            proposal(zxid(5, 1)),
            proposal(zxid(5, 2)),
            commit(zxid(5, 1)),
            new_leader(),
            commit(zxid(5, 2)),
            proposal(zxid(5, 3)),
            ToLearner::UpToDate,
            commit(zxid(5, 3)),
        ],
        LearnerKind::Observer => vec![
            inform(zxid(5, 1)),
            new_leader(),
            inform(zxid(5, 2)),
            ToLearner::UpToDate,
            inform(zxid(5, 3)),
        ],
    }
}

fn truth(last_old: i64) -> Vec<Zxid> {
    let old = (1..=last_old).map(|counter| zxid(4, counter));
    old.chain((1..=3).map(|counter| zxid(5, counter))).collect()
}

#[test]
fn behind_diff() {
    for kind in [LearnerKind::Follower, LearnerKind::Observer] {
        let mut packets = vec![ToLearner::Diff { zxid: zxid(4, 3) }];
        packets.extend(pair(zxid(4, 3)));
        packets.extend(tail(kind));
        let start = || World::new(kind, truth(3), zxid(4, 3), 2, Vec::new());
        explore(start, &packets);
    }
}

#[test]
fn behind_trunc() {
    for kind in [LearnerKind::Follower, LearnerKind::Observer] {
        let mut packets = vec![ToLearner::Trunc { zxid: zxid(4, 1) }];
        packets.extend(tail(kind));
        let start = || World::new(kind, truth(1), zxid(4, 1), 1, vec![zxid(4, 2), zxid(4, 3)]);
        explore(start, &packets);
    }
}

#[test]
fn behind_snap() {
    for kind in [LearnerKind::Follower, LearnerKind::Observer] {
        // The first pair is in the snapshot.
        let mut packets = vec![ToLearner::Snap { zxid: zxid(4, 3) }];
        packets.extend(pair(zxid(4, 3)));
        packets.extend(pair(zxid(4, 4)));
        packets.extend(tail(kind));
        let start = || World::new(kind, truth(4), zxid(4, 4), 0, vec![zxid(3, 7)]);
        explore(start, &packets);
    }
}

/// The learner had joined this epoch before, and the leader's proposals are still under way.
#[test]
fn again_in_one_epoch() {
    let packets = [
        ToLearner::Trunc { zxid: zxid(5, 1) },
        proposal(zxid(5, 2)),
        new_leader(),
        proposal(zxid(5, 3)),
        commit(zxid(5, 2)),
        ToLearner::UpToDate,
        commit(zxid(5, 3)),
    ];
    let kind = LearnerKind::Follower;
    let start = || World::new(kind, truth(2), zxid(4, 2), 3, vec![zxid(5, 2)]);
    explore(start, &packets);
}
