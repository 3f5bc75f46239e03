//! What clients of an ensemble may count on, whichever of its servers they talk to. The scenarios are
//! for the rows of the protocol's checklist that one server cannot show; each runs on three of Apache's
//! servers and on three of ours.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, iter, thread};

use compat_tests::{
    calls::{
        ADD_WATCH, CLOSE_SESSION, EPHEMERAL, EXISTS, MULTI, PERSISTENT, SET_DATA, call, create,
        data_and_version, exists, header, multi, owner, set_data_body, stat, sync,
    },
    ensemble::{Ensemble, EnsembleOptions, can_run_or_skip},
    eventually::{PATIENCE, eventually},
    server::Kind,
    wire::{Body, Client, Reader, Session},
};

struct Scenario {
    rows: &'static [u16],
    run: fn(&mut Ensemble),
}

const SCENARIOS: [Scenario; 6] = [
    Scenario {
        rows: &[56],
        run: a_session_is_good_on_every_server,
    },
    Scenario {
        rows: &[54, 55],
        run: a_session_moves_and_is_lost_where_it_was,
    },
    Scenario {
        rows: &[184],
        run: events_come_in_one_order_on_every_server,
    },
    Scenario {
        rows: &[188],
        run: a_closed_session_takes_its_nodes_with_it,
    },
    Scenario {
        rows: &[188],
        run: an_expired_session_takes_its_nodes_with_it,
    },
    // It takes a server's data away, so it is the last.
    Scenario {
        rows: &[102],
        run: times_are_the_same_on_every_server,
    },
];

const SERVERS: usize = 3;
const TIMEOUT_MS: i32 = 30_000;
/// Ticks are of 500 ms, and two of them are the least.
const SHORT_TIMEOUT_MS: i32 = 1000;

fn on(test: &str, kind: Kind) {
    let kinds = [kind; SERVERS];
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let mut ensemble = Ensemble::start(&kinds, &EnsembleOptions::new());
    for scenario in &SCENARIOS {
        (scenario.run)(&mut ensemble);
    }
}

compat_tests::cases! {
    of_apache: on(Kind::Apache);
    of_ours: on(Kind::Ours);
}

#[test]
fn the_list_of_rows_is_that_of_the_scenarios() {
    let list = include_str!("wire/on_ensembles.txt").lines();
    let listed: BTreeSet<u16> = list
        .filter_map(|line| line.strip_prefix("CP-"))
        .map(|row| row.parse().expect("a row number"))
        .collect();
    let covered: BTreeSet<u16> = SCENARIOS.iter().flat_map(|it| it.rows).copied().collect();
    assert_eq!(listed, covered);
}

fn a_session_is_good_on_every_server(ensemble: &mut Ensemble) {
    for issuer in 0..SERVERS {
        let path = format!("/issued-{issuer}");
        let (mut client, session) = open(ensemble, issuer);
        create(&mut client, &path, b"", EPHEMERAL);
        for server in (0..SERVERS).rev() {
            let mut client = come_back(ensemble, server, &session);
            sync(&mut client, &path);
            assert_eq!(owner(&mut client, &path), session.id, "it is still its own");
        }
        for server in 0..SERVERS {
            let at = ensemble.address(server);
            let (mut client, answer) = Client::come_back(at, &session, &[7; 16]);
            assert_eq!(
                (answer.id, answer.timeout_ms),
                (0, 0),
                "a wrong password is none"
            );
            client.expect_close();
        }
        // The refused ones have done it no harm.
        close(come_back(ensemble, issuer, &session));
    }
}

fn a_session_moves_and_is_lost_where_it_was(ensemble: &mut Ensemble) {
    let (mut witness, _) = open(ensemble, 0);
    for (from, to) in pairs() {
        let path = format!("/moves-{from}-{to}");
        let (mut stale, session) = open(ensemble, from);
        create(&mut stale, &path, b"0", EPHEMERAL);
        let mut moved = come_back(ensemble, to, &session);
        stale.request(2, SET_DATA, &set_data_body(&path, b"stale"));
        // In particular without an answer that says why.
        stale.expect_close();
        assert_eq!(set_data(&mut moved, &path, b"1"), 0, "it goes on");

        // Back where it was, and there again, with the other kind of write.
        let mut back = come_back(ensemble, from, &session);
        let part = set_data_body(&path, b"stale");
        moved.request(2, MULTI, &multi(&[(SET_DATA, part)]));
        moved.expect_close();
        assert_eq!(set_data(&mut back, &path, b"2"), 0, "it goes on");

        sync(&mut witness, &path);
        let found = data_and_version(&mut witness, &path);
        assert_eq!(found, ("2".into(), 2), "from {from} to {to}");
        assert_eq!(owner(&mut witness, &path), session.id);
        close(back);
    }
}

/// Each server has a client that watches the whole tree and one that watches each node by itself; each
/// has a client that writes.
fn events_come_in_one_order_on_every_server(ensemble: &mut Ensemble) {
    const NODES: usize = 50;
    let name = |server: usize, number: usize| format!("/order/{server}-{number}");
    let (mut client, _) = open(ensemble, 0);
    create(&mut client, "/order", b"", PERSISTENT);
    let mut watchers: Vec<Client> = (0..SERVERS)
        .map(|server| {
            let (mut client, _) = open(ensemble, server);
            sync(&mut client, "/order");
            let recursive = 1;
            let body = Body::new().string("/order").int(recursive);
            assert_eq!(call(&mut client, ADD_WATCH, &body).error, 0);
            client
        })
        .collect();
    let mut one_shot: Vec<Client> = (0..SERVERS)
        .map(|server| open(ensemble, server).0)
        .collect();
    for client in &mut one_shot {
        for (server, number) in (0..SERVERS).flat_map(|it| (0..NODES).map(move |n| (it, n))) {
            assert!(!watch(client, &name(server, number)), "it is made later");
        }
    }

    let writers: Vec<_> = (0..SERVERS)
        .map(|server| {
            let (mut client, _) = open(ensemble, server);
            thread::spawn(move || {
                for number in 0..NODES {
                    let path = name(server, number);
                    create(&mut client, &path, b"", PERSISTENT);
                    assert_eq!(set_data(&mut client, &path, b"more"), 0);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("it writes");
    }
    expect_equal(&mut watchers, 2 * SERVERS * NODES);
    expect_equal(&mut one_shot, SERVERS * NODES);
}

/// All these clients receive the same so many events, zxids and all.
fn expect_equal(clients: &mut [Client], count: usize) {
    let events: Vec<Vec<Vec<u8>>> = clients
        .iter_mut()
        .map(|client| {
            iter::repeat_with(|| client.frame("an event"))
                .take(count)
                .collect()
        })
        .collect();
    for (server, found) in events.iter().enumerate() {
        assert!(*found == events[0], "server {server} tells another story");
    }
    let zxids: Vec<i64> = events[0]
        .iter()
        .map(|event| header(&mut Reader::new(event)).1)
        .collect();
    assert!(zxids.is_sorted(), "the order of transactions");
}

fn a_closed_session_takes_its_nodes_with_it(ensemble: &mut Ensemble) {
    for (from, to) in pairs() {
        let path = format!("/closed-{from}-{to}");
        let (mut stale, session) = open(ensemble, from);
        create(&mut stale, &path, b"", EPHEMERAL);
        let mut watchers = watchers(ensemble, &path);
        close(come_back(ensemble, to, &session));
        expect_deleted(&mut watchers, &path);
        // Its other connection goes with it, and it is unknown everywhere.
        stale.expect_close();
        for server in 0..SERVERS {
            let at = ensemble.address(server);
            let (mut client, answer) = Client::come_back(at, &session, &session.password);
            assert_eq!(answer.id, 0, "it has ended");
            client.expect_close();
        }
    }
}

fn an_expired_session_takes_its_nodes_with_it(ensemble: &mut Ensemble) {
    for server in 0..SERVERS {
        let path = format!("/expired-{server}");
        let mut watchers = {
            let (mut client, _) = Client::open_session(ensemble.address(server), SHORT_TIMEOUT_MS);
            create(&mut client, &path, b"", EPHEMERAL);
            watchers(ensemble, &path)
        };
        expect_deleted(&mut watchers, &path);
    }
}

fn times_are_the_same_on_every_server(ensemble: &mut Ensemble) {
    let mut paths = Vec::new();
    for server in 0..SERVERS {
        let (mut client, _) = open(ensemble, server);
        for (kind, flags) in [("kept", PERSISTENT), ("changed", PERSISTENT)] {
            let path = format!("/times-{kind}-{server}");
            create(&mut client, &path, b"", flags);
            paths.push(path);
        }
        let path = paths.last().expect("it was just made");
        // In a later millisecond.
        eventually("it is changed after it was made", PATIENCE, || {
            assert_eq!(set_data(&mut client, path, b"more"), 0);
            let (ctime, mtime) = times(&stat(&mut client, path));
            (ctime != mtime).then_some(())
        });
        create(&mut client, &format!("{path}/child"), b"", PERSISTENT);
    }
    // One of them has only what the leader sends it.
    ensemble.kill(0);
    ensemble.wipe(0);
    ensemble.restart(0);
    ensemble.await_all();

    let mut clients: Vec<Client> = (0..SERVERS)
        .map(|server| open(ensemble, server).0)
        .collect();
    for path in &paths {
        let stats: Vec<Vec<u8>> = clients
            .iter_mut()
            .map(|client| {
                sync(client, path);
                stat(client, path)
            })
            .collect();
        assert!(stats.iter().all(|it| *it == stats[0]), "{path}: {stats:?}");
        let (ctime, mtime) = times(&stats[0]);
        assert!(ctime > 0, "it has a time");
        assert_eq!(ctime == mtime, path.contains("kept"), "{path}");
    }
}

fn open(ensemble: &Ensemble, server: usize) -> (Client, Session) {
    Client::open_session(ensemble.address(server), TIMEOUT_MS)
}

fn come_back(ensemble: &Ensemble, server: usize, session: &Session) -> Client {
    let at = ensemble.address(server);
    let (client, answer) = Client::come_back(at, session, &session.password);
    assert_eq!(&answer, session, "server {server} takes it");
    client
}

fn close(mut client: Client) {
    let reply = call(&mut client, CLOSE_SESSION, &Body::new());
    assert_eq!(reply.error, 0, "a session is closed");
    client.expect_close();
}

/// Two different servers.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    let all = (0..SERVERS).flat_map(|from| (0..SERVERS).map(move |to| (from, to)));
    all.filter(|(from, to)| from != to)
}

/// A client of each server that waits for the end of a node.
fn watchers(ensemble: &Ensemble, path: &str) -> Vec<Client> {
    let watcher = |server| {
        let (mut client, _) = open(ensemble, server);
        sync(&mut client, path);
        assert!(watch(&mut client, path), "{path} is there");
        client
    };
    (0..SERVERS).map(watcher).collect()
}

fn expect_deleted(watchers: &mut [Client], path: &str) {
    const NODE_DELETED: i32 = 2;
    for client in watchers {
        let frame = client.frame("an event");
        let mut event = Reader::new(&frame);
        header(&mut event);
        assert_eq!(event.int(), Some(NODE_DELETED));
        event.int().expect("a state");
        assert_eq!(event.string().flatten().as_deref(), Some(path));
        assert!(!exists(client, path), "{path} is gone");
    }
}

/// Leaves a watch, and tells whether the node is there.
fn watch(client: &mut Client, path: &str) -> bool {
    let reply = call(client, EXISTS, &Body::new().string(path).boolean(true));
    reply.error == 0
}

fn set_data(client: &mut Client, path: &str, data: &[u8]) -> i32 {
    call(client, SET_DATA, &set_data_body(path, data)).error
}

fn times(stat: &[u8]) -> (i64, i64) {
    let mut reader = Reader::new(stat);
    reader.raw(2 * 8).expect("czxid, mzxid");
    let mut time = || reader.long().expect("a time");
    (time(), time())
}
