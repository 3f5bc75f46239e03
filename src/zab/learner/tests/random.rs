//! Random terms: a leader that does what a leader may, a disk that lags and batches.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::world::World;
use super::*;

/// What the leader does next, as far as it can.
#[derive(Debug, Clone, Copy)]
enum Step {
    Propose,
    /// The same zxid once more.
    Repeat,
    Commit,
    Ping,
    NewLeader,
    /// After the ACK of NEWLEADER.
    UpToDate,
    /// The disk does this much in one go.
    Complete(u8),
}

#[derive(Debug, Clone)]
struct Plan {
    is_observer: bool,
    /// Transactions before the epoch, and in it.
    old: usize,
    new: usize,
    /// How many of them the learner has, how many it has that the leader has not.
    has: usize,
    surplus: usize,
    /// How many are committed when the leader decides how to synchronise, and how many more by the
    /// time the snapshot is taken.
    decided: usize,
    snapped: usize,
    wants_snap: bool,
    steps: Vec<Step>,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Propose),
        1 => Just(Step::Repeat),
        6 => Just(Step::Commit),
        1 => Just(Step::Ping),
        1 => Just(Step::NewLeader),
        1 => Just(Step::UpToDate),
        8 => (1..5_u8).prop_map(Step::Complete),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let counts = (1..5_usize, 1..12_usize, 0..8_usize, 0..3_usize);
    let sync = (0..6_usize, 0..4_usize, any::<bool>(), any::<bool>());
    let steps = prop::collection::vec(step(), 0..60);
    (counts, sync, steps).prop_map(
        |((old, new, has, surplus), (decided, snapped, wants_snap, is_observer), steps)| {
            // A server has the surplus of an epoch's end, or what this leader has proposed.
            let has = if surplus > 0 { has.max(old) } else { has };
            let has = has.min(old + new);
            Plan {
                is_observer,
                old,
                new,
                has,
                surplus: if has == 0 { 0 } else { surplus },
                decided: (has.max(old) + decided).min(old + new),
                snapped,
                wants_snap,
                steps,
            }
        },
    )
}

/// A leader, as one of its learners sees it.
struct LeaderModel<'a> {
    kind: LearnerKind,
    truth: &'a [Zxid],
    proposed: usize,
    committed: usize,
    has_said_new_leader: bool,
    has_said_up_to_date: bool,
}

impl LeaderModel<'_> {
    fn take(&mut self, step: Step, world: &mut World) {
        match step {
            Step::Propose => self.propose(world),
            Step::Repeat => {
                if self.kind == LearnerKind::Follower && self.proposed > 0 {
                    world.packet(proposal(self.truth[self.proposed - 1]));
                }
            }
            Step::Commit => self.commit(world),
            Step::Ping => world.packet(ToLearner::Ping { zxid: NEW_LEADER }),
            Step::NewLeader => {
                if !self.has_said_new_leader {
                    self.has_said_new_leader = true;
                    world.packet(new_leader());
                }
            }
            Step::UpToDate => {
                if world.has_acknowledged() && !self.has_said_up_to_date {
                    self.has_said_up_to_date = true;
                    world.packet(ToLearner::UpToDate);
                }
            }
            Step::Complete(batch) => {
                if world.is_disk_busy() {
                    world.complete(batch.into());
                }
            }
        }
    }

    fn propose(&mut self, world: &mut World) {
        if let Some(zxid) = self.truth.get(self.proposed) {
            self.proposed += 1;
            if self.kind == LearnerKind::Follower {
                world.packet(proposal(*zxid));
            }
        }
    }

    fn commit(&mut self, world: &mut World) {
        if self.committed < self.proposed {
            let zxid = self.truth[self.committed];
            self.committed += 1;
            world.packet(match self.kind {
                LearnerKind::Follower => commit(zxid),
                LearnerKind::Observer => inform(zxid),
            });
        }
    }
}

fn run(plan: &Plan) {
    let kind = if plan.is_observer {
        LearnerKind::Observer
    } else {
        LearnerKind::Follower
    };
    let old = (1..).map(|counter| zxid(4, counter)).take(plan.old);
    let new = (1..).map(|counter| zxid(5, counter)).take(plan.new);
    let truth: Vec<_> = old.chain(new).collect();
    let initial = truth[plan.old - 1];
    let mut surplus = Vec::new();
    for _ in 0..plan.surplus {
        let last = surplus.last().copied().unwrap_or(truth[plan.has - 1]);
        surplus.push(last.next());
    }
    // What it has too much of this very epoch is still under way at the leader.
    let decided = if plan.surplus > 0 && plan.has > plan.old {
        plan.has
    } else {
        plan.decided
    };
    let mut world = World::new(kind, truth.clone(), initial, plan.has, surplus);
    world.drain();
    let snapped = (decided + plan.snapped).min(truth.len());
    let from = if plan.wants_snap {
        let zxid = truth[snapped - 1];
        world.packet(ToLearner::Snap { zxid });
        decided
    } else if plan.surplus > 0 {
        let zxid = truth[plan.has - 1];
        world.packet(ToLearner::Trunc { zxid });
        plan.has
    } else {
        let zxid = truth[decided - 1];
        world.packet(ToLearner::Diff { zxid });
        plan.has
    };
    for zxid in &truth[from..decided] {
        pair(*zxid)
            .into_iter()
            .for_each(|packet| world.packet(packet));
    }
    let mut leader = LeaderModel {
        kind,
        truth: &truth,
        proposed: decided,
        committed: decided,
        has_said_new_leader: false,
        has_said_up_to_date: false,
    };
    for step in &plan.steps {
        leader.take(*step, &mut world);
    }
    leader.take(Step::NewLeader, &mut world);
    world.drain();
    leader.take(Step::UpToDate, &mut world);
    for _ in 0..truth.len() {
        leader.take(Step::Propose, &mut world);
        leader.take(Step::Commit, &mut world);
    }
    leader.take(Step::Ping, &mut world);
    world.drain();
    world.check_end();
}

proptest! {
    // Always the same cases, so that a run says something about the code and nothing else.
    #![proptest_config(ProptestConfig {
        cases: 1000,
        rng_seed: RngSeed::Fixed(0x7a61_626c),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_term_of_any_leader(plan in plan()) {
        run(&plan);
    }
}
