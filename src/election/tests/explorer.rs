//! Seeded runs of whole ensembles: faults of every kind, then peace, in which everyone must soon
//! agree; and runs without faults, in which nobody may wait.
//!
//! A failure prints its seed and runs it again with every message in the trace.

use super::cluster::{Cluster, Random};
use crate::base::{Epoch, ServerId, Zxid};

/// From the end of all faults until everyone is in one term.
const PEACE_MS: u64 = 5000;

#[test]
fn after_faults_everyone_agrees_qp_050() {
    for seed in 0..1000 {
        if std::panic::catch_unwind(|| faulty_run(seed, false)).is_err() {
            faulty_run(seed, true);
            unreachable!("seed {seed} fails only once");
        }
    }
}

fn faulty_run(seed: u64, trace_messages: bool) {
    let mut cluster = cluster(seed);
    cluster.trace_messages = trace_messages;
    cluster.delay_ms = (1, 1 + cluster.random.below(30));
    let ids = cluster.ids();
    for &id in &ids {
        if cluster.random.below(4) > 0 {
            cluster.start(id);
        }
        let pause = cluster.random.below(150);
        cluster.run(pause);
    }
    for _ in 0..cluster.random.below(12) {
        fault(&mut cluster, &ids);
        let pause = cluster.random.below(600);
        cluster.run(pause);
    }
    cluster.heal();
    for &id in &ids {
        if cluster.servers[&id].process.is_none() {
            cluster.start(id);
        }
    }
    let peace_from = cluster.now;
    while cluster.settled_leader().is_none() {
        if cluster.now > peace_from + PEACE_MS {
            let trace = cluster.trace.join("\n");
            panic!("seed {seed}: no agreement\n{trace}\n{}", cluster.states());
        }
        cluster.run(50);
    }
    // And it lasts.
    let leader = cluster.settled_leader();
    cluster.run(3000);
    assert_eq!(cluster.settled_leader(), leader, "seed {seed}");
    check_leader(&cluster, seed);
    println!(
        "MADE {} {}",
        cluster.connections_made(),
        cluster.messages_sent()
    );
}

/// The elected leader has all history there is, and all agree on who it is.
fn check_leader(cluster: &Cluster, seed: u64) {
    let leader = cluster.settled_leader().expect("it was just there");
    let leading = cluster.servers[&leader].standing;
    for (id, server) in &cluster.servers {
        assert!(
            server.standing.zxid <= leading.zxid,
            "seed {seed}: {id} has more"
        );
        assert_eq!(server.standing.epoch, leading.epoch, "seed {seed}: {id}");
        let vote = server.process.as_ref().map(|p| p.election.settled_vote());
        let vote = vote.expect("everyone is up");
        assert_eq!(vote.candidate.leader, leader, "seed {seed}: {id}");
        assert_eq!(vote.candidate.epoch, leading.epoch, "seed {seed}: {id}");
    }
}

fn cluster(seed: u64) -> Cluster {
    let mut random = Random(seed ^ 0x5eed);
    let voters = [3, 5, 7][usize::try_from(random.below(3)).unwrap()];
    let observers = random.below(3);
    let mut config = String::new();
    for id in 1..=voters + observers {
        let role = if id > voters { ":observer" } else { "" };
        config += &format!("server.{id}=h{id}:1:2{role}\n");
    }
    let mut cluster = Cluster::new(seed, &config);
    for server in cluster.servers.values_mut() {
        let epoch = random.below(2).cast_signed();
        server.standing.epoch = Epoch(epoch);
        server.standing.zxid = Zxid((epoch << 32) + random.below(3).cast_signed());
    }
    cluster
}

fn fault(cluster: &mut Cluster, ids: &[ServerId]) {
    let mut pick = || {
        let index = cluster.random.below(u64::try_from(ids.len()).unwrap());
        ids[usize::try_from(index).unwrap()]
    };
    let (a, b) = (pick(), pick());
    let (kind, reset) = (cluster.random.below(10), cluster.random.below(2) == 0);
    match kind {
        0..3 if cluster.servers[&a].process.is_some() => cluster.crash(a, reset),
        0..5 if cluster.servers[&a].process.is_none() => cluster.start(a),
        5..8 if a != b => cluster.cut(a, b, reset),
        8 => partition(cluster, ids, reset),
        9 => cluster.heal(),
        _ => {}
    }
}

fn partition(cluster: &mut Cluster, ids: &[ServerId], reset: bool) {
    let sides = cluster.random.next();
    for &a in ids {
        for &b in ids {
            if a < b && (sides >> a.0) & 1 != (sides >> b.0) & 1 {
                cluster.cut(a, b, reset);
            }
        }
    }
}

/// With everyone up, and with the leader's process just gone, an election takes round trips and no
/// 200 ms; and who wins is who has most.
#[test]
fn nobody_waits_for_what_is_known_qp_026_qp_048() {
    for seed in 0..300 {
        let mut cluster = cluster(seed);
        cluster.trace_messages = false;
        cluster.delay_ms = (1, 4);
        let ids = cluster.ids();
        let best = best_voter(&cluster, &ids);
        for &id in &ids {
            cluster.start(id);
        }
        run_until_led(&mut cluster, best, seed);
        cluster.run(200);
        cluster.crash(best, false);
        let rest: Vec<ServerId> = ids.into_iter().filter(|&id| id != best).collect();
        let next_best = best_voter(&cluster, &rest);
        run_until_led(&mut cluster, next_best, seed);
        // One that comes back joins within a round trip.
        cluster.start(best);
        run_until_led(&mut cluster, next_best, seed);
        check_times(&cluster, seed);
        // Observers learn of it when they ask again.
        cluster.run(1500);
        assert_eq!(cluster.settled_leader(), Some(next_best), "seed {seed}");
    }
}

/// Until all voters that are up are in the term of this leader, which is soon.
fn run_until_led(cluster: &mut Cluster, leader: ServerId, seed: u64) {
    let begun_at = cluster.now;
    while cluster.voters_leader() != Some(leader) {
        if cluster.now > begun_at + 150 {
            let trace = cluster.trace.join("\n");
            panic!("seed {seed}\n{trace}\n{}", cluster.states());
        }
        cluster.run(5);
    }
}

fn check_times(cluster: &Cluster, seed: u64) {
    for (id, server) in &cluster.servers {
        let waits = server.election_ms.iter().any(|&ms| ms > 100);
        let took = &server.election_ms;
        assert!(
            !waits || cluster.is_observer(*id),
            "seed {seed}: {id} took {took:?}"
        );
    }
}

fn best_voter(cluster: &Cluster, ids: &[ServerId]) -> ServerId {
    let observer = |id: &ServerId| cluster.is_observer(*id);
    let voters = ids.iter().filter(|&id| !observer(id));
    let best = voters.max_by_key(|id| {
        let standing = cluster.servers[id].standing;
        (standing.epoch, standing.zxid, **id)
    });
    *best.expect("there are voters")
}
