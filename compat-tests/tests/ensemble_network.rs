//! Partitions under load: members in network namespaces, cut off from each other in both directions or
//! in one. Clients reach every member all the time, so that a stale one would be noticed.

use compat_tests::{
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip, rounds},
    eventually::eventually,
    history::Rules,
    load::{Load, LoadOptions},
    network::Network,
    scenarios::tell,
    server::{
        Kind,
        Kind::{Apache, Ours},
    },
};

const WRITES: u64 = 100;

/// Cuts between members, each with its direction, said from the point of view of who leads.
#[derive(Debug, Clone, Copy)]
enum Partition {
    /// The leader is alone.
    LeaderAlone,
    /// A follower is alone.
    FollowerAlone,
    /// The leader and one follower do not hear each other, all others do.
    LeaderAndFollower,
    /// One follower does not hear the leader.
    LeaderToFollower,
    /// The leader does not hear one follower.
    FollowerToLeader,
    /// Nobody hears the leader, and it hears all.
    LeaderToAll,
    /// The leader hears nobody, and all hear it.
    AllToLeader,
}

impl Partition {
    const ALL: [Self; 7] = [
        Self::LeaderAlone,
        Self::FollowerAlone,
        Self::LeaderAndFollower,
        Self::LeaderToFollower,
        Self::FollowerToLeader,
        Self::LeaderToAll,
        Self::AllToLeader,
    ];

    /// The member that can be of no use until the end of it.
    fn victim(self, leader: usize, size: usize) -> usize {
        match self {
            Self::LeaderAlone | Self::LeaderToAll | Self::AllToLeader => leader,
            _ => (leader + 1) % size,
        }
    }

    /// What is lost: from whom, to whom.
    fn cuts(self, leader: usize, size: usize) -> Vec<(usize, usize)> {
        let follower = (leader + 1) % size;
        let others = |alone: usize| (0..size).filter(move |other| *other != alone);
        let to_all = |from: usize| others(from).map(move |to| (from, to));
        let from_all = |to: usize| others(to).map(move |from| (from, to));
        match self {
            Self::LeaderAlone => to_all(leader).chain(from_all(leader)).collect(),
            Self::FollowerAlone => to_all(follower).chain(from_all(follower)).collect(),
            Self::LeaderAndFollower => vec![(leader, follower), (follower, leader)],
            Self::LeaderToFollower => vec![(leader, follower)],
            Self::FollowerToLeader => vec![(follower, leader)],
            Self::LeaderToAll => to_all(leader).collect(),
            Self::AllToLeader => from_all(leader).collect(),
        }
    }
}

fn partitions(test: &str, kinds: &[Kind]) {
    if !can_run_or_skip(test, kinds) {
        return;
    }
    let Some(network) = Network::new_or_skip(test, kinds.len()) else {
        return;
    };
    network.enter();
    let options = EnsembleOptions::new().network(&network);
    let mut ensemble = Ensemble::start(kinds, &options);
    let addresses = ensemble.addresses();
    let load = Load::start(&addresses, LoadOptions::default());
    for partition in Partition::ALL
        .into_iter()
        .cycle()
        .take(rounds(Partition::ALL.len()))
    {
        let leader = ensemble.await_leader();
        let cuts = partition.cuts(leader, kinds.len());
        for (from, to) in &cuts {
            network.cut(*from, *to);
        }
        let victim = partition.victim(leader, kinds.len());
        let what = format!("{partition:?}: {} serves no more", ensemble.name(victim));
        eventually(&what, ENSEMBLE_PATIENCE, || {
            ensemble.mode(victim).is_none().then_some(())
        });
        load.await_writes(WRITES, ENSEMBLE_PATIENCE);
        for (from, to) in &cuts {
            network.mend(*from, *to);
        }
        ensemble.await_all();
        load.await_writes(WRITES, ENSEMBLE_PATIENCE);
    }
    tell(test, &load.finish(&addresses).expect(Rules::LENIENT));
}

compat_tests::cases! {
    partitions_of_three_apache: partitions(&[Apache; 3]);
    partitions_of_three_ours: partitions(&[Ours; 3]);
}

#[test]
fn partitions_of_a_mixture_led_by_ours() {
    let test = "ensemble_network::partitions_of_a_mixture_led_by_ours";
    partitions(test, &[Apache, Apache, Ours]);
}

#[test]
fn partitions_of_a_mixture_led_by_apache() {
    let test = "ensemble_network::partitions_of_a_mixture_led_by_apache";
    partitions(test, &[Ours, Ours, Apache]);
}
