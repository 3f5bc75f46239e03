//! A server without data comes back to a leader of the same or the other kind while much is written: it
//! stands still in the middle of the snapshot, hundreds of megabytes are committed meanwhile, and when it
//! goes on it gets there by that one snapshot. Load goes on all the time, its history checked strictly.
//! Row QP-075; the same with Apache's servers alone shows that the test holds. Apache's leader keeps all
//! that is written in its heap, which is small here, so less is written there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use compat_tests::{
    calls::{CREATE, PERSISTENT, SET_DATA, create, create_body},
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip},
    eventually::{PATIENCE, eventually},
    history::Rules,
    load::{Load, LoadOptions},
    scenarios::tell,
    server::{
        Kind,
        Kind::{Apache, Ours},
    },
    tree,
    wire::{Body, Client},
};

const SESSION_TIMEOUT_MS: i32 = 40_000;

/// Far more than sockets take of a snapshot.
const TREE_NODES: usize = 80;
const NODE_BYTES: usize = 500_000;

const VALUE_BYTES: usize = 100_000;

/// Requests of one client on their way.
const IN_FLIGHT: usize = 32;

/// Transactions of the load before and after.
const WRITES: u64 = 100;

fn comes_back(test: &str, learner: Kind, leader: Kind, observer: bool) {
    if !can_run_or_skip(test, &[learner, leader]) {
        return;
    }
    let options = EnsembleOptions::new()
        // It may stand still for a minute.
        .config("initLimit", 120)
        .observers(usize::from(observer));
    let (kinds, back) = if observer {
        (vec![leader, leader, leader, learner], 3)
    } else {
        (vec![learner, leader, leader], 0)
    };
    let mut ensemble = Ensemble::start(&kinds, &options);
    let leads = ensemble.await_leader();
    let mut client = Client::open_session(ensemble.address(leads), SESSION_TIMEOUT_MS).0;
    grow(&mut client);
    ensemble.stop(back);
    ensemble.wipe(back);
    let others: Vec<_> = (0..ensemble.len())
        .filter(|member| *member != back)
        .collect();
    let addresses: Vec<_> = others.iter().map(|at| ensemble.address(*at)).collect();
    let load = Load::start(&addresses, LoadOptions::default());
    load.await_writes(WRITES, ENSEMBLE_PATIENCE);

    let (of_leader, of_learner) = (ensemble.log(leads).len(), ensemble.log(back).len());
    ensemble.restart(back);
    let begins = sending(leader);
    eventually("the leader sends a snapshot", PATIENCE, || {
        ensemble.log(leads)[of_leader..]
            .contains(begins)
            .then_some(())
    });
    ensemble.pause(back);
    write(&mut client, megabytes_written(leader));
    ensemble.resume(back);
    // It goes on while it is brought up to date.
    write(&mut client, 10);
    ensemble.await_serving(back);
    // Apache's learner holds a state that is not of one moment against the digests of transactions, and
    // says so, whoever leads. From here on there may be no more.
    let mismatches = || ensemble.figure(back, "zk_digest_mismatches_count");
    let before = mismatches();
    assert!(before.is_some(), "it is told");
    let log = ensemble.log(back)[of_learner..].to_owned();
    let count = log.matches(receiving(learner)).count();
    assert_eq!(count, 1, "one snapshot over one link:\n{log}");

    write(&mut client, 2);
    load.await_writes(WRITES, ENSEMBLE_PATIENCE);
    let summary = load.finish(&ensemble.addresses()).expect(Rules::STRICT);
    tree::await_same(&ensemble.addresses(), "/written", ENSEMBLE_PATIENCE);
    expect_whole_tree(&ensemble, back);
    assert_eq!(mismatches(), before);
    tell(test, &summary);
}

/// A queue of 256 MiB would not do for a leader of ours; one of Apache's has a heap of that.
fn megabytes_written(leader: Kind) -> usize {
    if leader == Apache { 30 } else { 300 }
}

fn sending(leader: Kind) -> &'static str {
    match leader {
        Apache => "Sending snapshot last zxid of peer",
        _ => "sending the whole state to a learner",
    }
}

fn receiving(learner: Kind) -> &'static str {
    match learner {
        Apache => "Getting a snapshot from leader",
        _ => "the leader sends its whole state",
    }
}

/// Makes a tree that takes a while to send.
fn grow(client: &mut Client) {
    create(client, "/tree", b"", PERSISTENT);
    create(client, "/written", b"", PERSISTENT);
    let value = vec![b't'; NODE_BYTES];
    pipeline(client, TREE_NODES, |client, number| {
        let body = create_body(&format!("/tree/{number}"), &value, PERSISTENT);
        client.request(1, CREATE, &body);
    });
}

/// Sets one node again and again.
fn write(client: &mut Client, megabytes: usize) {
    let value = "w".repeat(VALUE_BYTES);
    let body = Body::new().string("/written").string(&value).int(-1);
    pipeline(client, megabytes * 1_000_000 / VALUE_BYTES, |client, _| {
        client.request(1, SET_DATA, &body);
    });
}

/// Asks again and again, without waiting for each answer.
fn pipeline(client: &mut Client, count: usize, ask: impl Fn(&mut Client, usize)) {
    for number in 0..count {
        ask(client, number);
        if number >= IN_FLIGHT {
            client.frame("an answer");
        }
    }
    for _ in 0..count.min(IN_FLIGHT) {
        client.frame("an answer");
    }
}

/// What came with the snapshot, and as many nodes as the others have.
fn expect_whole_tree(ensemble: &Ensemble, member: usize) {
    let other = usize::from(member == 0);
    let count = |member| {
        let count = ensemble.figure(member, "zk_znode_count");
        count.expect("it is told")
    };
    assert_eq!(count(member), count(other));
    assert_eq!(
        tree::dump(ensemble.address(member), "/tree"),
        tree::dump(ensemble.address(other), "/tree"),
        "the tree of the snapshot"
    );
}

compat_tests::cases! {
    apache_to_apache: comes_back(Apache, Apache, false);
    apache_to_ours: comes_back(Apache, Ours, false);
    ours_to_apache: comes_back(Ours, Apache, false);
    ours_to_ours: comes_back(Ours, Ours, false);
    observer_of_apache_to_ours: comes_back(Apache, Ours, true);
    observer_of_ours_to_ours: comes_back(Ours, Ours, true);
}
