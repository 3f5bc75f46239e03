//! Ensembles as operators configure them: several addresses per server, IPv6, weights and groups, a
//! leader that serves no clients. Each with Apache's servers, with ours, and mixed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    net::{Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use compat_tests::{
    calls::{PERSISTENT, create, exists, sync},
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, Mode, can_run_or_skip},
    eventually::{PATIENCE, eventually, within},
    history::Rules,
    load::{Load, LoadOptions},
    network::Network,
    server::{
        Kind,
        Kind::{Apache, Ours},
    },
    tree,
    wire::{Client, Inbound, connect_request},
};

const SESSION_TIMEOUT_MS: i32 = 20_000;

/// A node that is made through each member that runs and serves, and seen by all of them.
fn write_everywhere(ensemble: &Ensemble, name: &str) {
    let serving: Vec<usize> = (0..ensemble.len())
        .filter(|member| ensemble.mode(*member).is_some())
        .collect();
    for member in &serving {
        let mut client = Client::open_session(ensemble.address(*member), SESSION_TIMEOUT_MS).0;
        let path = format!("/{name}-by-{member}");
        create(&mut client, &path, b"", PERSISTENT);
        for other in &serving {
            let mut reader = Client::open_session(ensemble.address(*other), SESSION_TIMEOUT_MS).0;
            sync(&mut reader, "/");
            assert!(exists(&mut reader, &path), "{path} at {other}");
        }
    }
}

/// Each host has an address in each of two networks; the lines name both, and the first ones are dead,
/// `from_the_start` or from some moment on.
fn dead_addresses(test: &str, kinds: [Kind; 3], from_the_start: bool) {
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let Some(network) = Network::new_or_skip(test, kinds.len()) else {
        return;
    };
    network.add_second_addresses();
    network.enter();
    let mut options = EnsembleOptions::new()
        .network(&network)
        .property("zookeeper.multiAddress.enabled", true);
    for member in 0..kinds.len() {
        let (first, second) = (network.host(member), network.second_host(member));
        let line = format!(
            "{first}:{{quorum}}:{{election}}:participant|{second}:{{quorum}}:{{election}}:participant"
        );
        options = options.line(member, &line);
    }
    let die = || {
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            network.part(&[a], &[b]);
        }
    };
    if from_the_start {
        die();
    }
    let mut ensemble = Ensemble::start(&kinds, &options);
    write_everywhere(&ensemble, "before");
    if !from_the_start {
        // Who is connected over which address is a matter of luck.
        let load = Load::start(&ensemble.addresses(), LoadOptions::default());
        load.await_writes(100, ENSEMBLE_PATIENCE);
        die();
        load.await_writes(300, ENSEMBLE_PATIENCE);
        ensemble.await_leader();
        ensemble.await_all();
        load.await_writes(300, ENSEMBLE_PATIENCE);
        load.finish(&ensemble.addresses()).expect(Rules::STRICT);
    }
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    let started = Instant::now();
    ensemble.await_leader();
    let others: Vec<usize> = (0..3).filter(|member| *member != leader).collect();
    if others.iter().all(|member| ensemble.kind(*member) == Ours) {
        let took = started.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?} for an election");
    }
    ensemble.await_all();
    write_everywhere(&ensemble, "after");
    ensemble.restart(leader);
    ensemble.await_all();
    tree::await_same(&ensemble.addresses(), "/", ENSEMBLE_PATIENCE);
}

/// Ports for peers and for clients on IPv6.
fn ipv6(test: &str, kinds: [Kind; 3]) {
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let mut options = EnsembleOptions::new().config("clientPortAddress", "::");
    for member in 0..kinds.len() {
        options = options.line(member, "[::1]:{quorum}:{election}:participant");
    }
    let mut ensemble = Ensemble::start(&kinds, &options);
    write_everywhere(&ensemble, "by-ipv4");
    for member in 0..kinds.len() {
        let at = SocketAddr::from((Ipv6Addr::LOCALHOST, ensemble.address(member).port()));
        let mut client = Client::open_session(at, SESSION_TIMEOUT_MS).0;
        create(&mut client, &format!("/by-ipv6-{member}"), b"", PERSISTENT);
    }
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    ensemble.await_leader();
    ensemble.await_all();
    ensemble.restart(leader);
    ensemble.await_all();
    tree::await_same(&ensemble.addresses(), "/", ENSEMBLE_PATIENCE);
}

/// Servers 1 to 3 are a group, 4 and 5 are one each; in the first, server 1 alone outweighs the others,
/// and server 3 has no weight.
fn groups(test: &str, kinds: [Kind; 5]) {
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let options = EnsembleOptions::new()
        .config("group.1", "1:2:3")
        .config("group.2", "4")
        .config("group.3", "5")
        .config("weight.1", 2)
        .config("weight.2", 1)
        .config("weight.3", 0)
        .config("weight.4", 1)
        .config("weight.5", 1);
    let mut ensemble = Ensemble::start(&kinds, &options);
    write_everywhere(&ensemble, "all");
    // Two of five are enough if they are two groups.
    for member in [0, 1, 2] {
        ensemble.kill(member);
    }
    ensemble.await_leader();
    ensemble.await_all();
    write_everywhere(&ensemble, "groups-2-and-3");
    for member in [0, 1, 2] {
        ensemble.restart(member);
    }
    ensemble.await_all();
    // Three of five are too few if they are one group.
    for member in [3, 4] {
        ensemble.kill(member);
    }
    eventually("one group does not serve", ENSEMBLE_PATIENCE, || {
        (0..3).all(|it| ensemble.mode(it).is_none()).then_some(())
    });
    let serves = within(Duration::from_secs(5), || {
        (0..3).find(|member| ensemble.mode(*member).is_some())
    });
    assert_eq!(serves, None, "one group is no quorum");
    // With one more group, and of the first the one that outweighs the others.
    for member in [1, 2] {
        ensemble.kill(member);
    }
    ensemble.restart(3);
    ensemble.await_leader();
    ensemble.await_all();
    write_everywhere(&ensemble, "server-1-and-group-2");
    // Without it they are not one.
    ensemble.kill(0);
    for member in [1, 2] {
        ensemble.restart(member);
    }
    eventually("light servers do not serve", ENSEMBLE_PATIENCE, || {
        (1..4).all(|it| ensemble.mode(it).is_none()).then_some(())
    });
    let serves = within(Duration::from_secs(5), || {
        (1..4).find(|member| ensemble.mode(*member).is_some())
    });
    assert_eq!(serves, None, "half of a weight is no quorum");
    for member in [0, 4] {
        ensemble.restart(member);
    }
    ensemble.await_leader();
    ensemble.await_all();
    tree::await_same(&ensemble.addresses(), "/", ENSEMBLE_PATIENCE);
}

/// `leaderServes=no`: clients are served by followers only.
fn leader_serves_nobody(test: &str, kinds: [Kind; 3]) {
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let options = EnsembleOptions::new().config("leaderServes", "no");
    let mut ensemble = Ensemble::start_until_serving(&kinds, &options, 2);
    write_everywhere(&ensemble, "followers");
    let silent = |ensemble: &Ensemble| {
        eventually("all but the leader serve", ENSEMBLE_PATIENCE, || {
            let is_silent = |it: &usize| ensemble.is_running(*it) && ensemble.mode(*it).is_none();
            let silent: Vec<usize> = (0..3).filter(is_silent).collect();
            <[usize; 1]>::try_from(silent).ok().map(|[leader]| leader)
        })
    };
    let leader = silent(&ensemble);
    let mut client = Client::connect(ensemble.address(leader));
    let request = connect_request(0, SESSION_TIMEOUT_MS, 0, Some(&[0; 16]), Some(false));
    client.send_frame(request.bytes());
    assert_eq!(client.read_frame_within(PATIENCE), Inbound::Closed);
    // A session that was there goes on when its server is the one that leads, elsewhere.
    let follower = (0..3).find(|it| *it != leader).unwrap();
    let (_, session) = Client::open_session(ensemble.address(follower), SESSION_TIMEOUT_MS);
    ensemble.kill(leader);
    eventually("one of two serves", ENSEMBLE_PATIENCE, || {
        let modes: Vec<_> = (0..3).filter_map(|it| ensemble.mode(it)).collect();
        (modes == [Mode::Follower]).then_some(())
    });
    let next = silent(&ensemble);
    let serving = (0..3).find(|it| *it != leader && *it != next).unwrap();
    let (mut client, answer) =
        Client::come_back(ensemble.address(serving), &session, &session.password);
    assert_eq!(answer.id, session.id);
    create(&mut client, "/moved", b"", PERSISTENT);
    ensemble.restart(leader);
    ensemble.await_serving(leader);
    write_everywhere(&ensemble, "again");
    let followers = [ensemble.address(leader), ensemble.address(serving)];
    tree::await_same(&followers, "/", ENSEMBLE_PATIENCE);
}

compat_tests::cases! {
    first_addresses_dead_apache: dead_addresses([Apache; 3], true);
    first_addresses_dead_ours: dead_addresses([Ours; 3], true);
    first_addresses_dead_mixed: dead_addresses([Ours, Apache, Ours], true);
    first_addresses_die_apache: dead_addresses([Apache; 3], false);
    first_addresses_die_ours: dead_addresses([Ours; 3], false);
    first_addresses_die_mixed: dead_addresses([Ours, Apache, Ours], false);
    ipv6_apache: ipv6([Apache; 3]);
    ipv6_ours: ipv6([Ours; 3]);
    ipv6_mixed: ipv6([Ours, Apache, Ours]);
    groups_apache: groups([Apache; 5]);
    groups_ours: groups([Ours; 5]);
    groups_mixed: groups([Ours, Apache, Ours, Apache, Ours]);
    leader_serves_nobody_apache: leader_serves_nobody([Apache; 3]);
    leader_serves_nobody_ours: leader_serves_nobody([Ours; 3]);
    leader_serves_nobody_mixed: leader_serves_nobody([Ours, Apache, Ours]);
}
