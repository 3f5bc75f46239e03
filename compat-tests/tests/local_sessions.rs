//! Sessions that only the server knows which opened them: on a leader, a follower and an observer, of
//! Apache's, of ours, and mixed. Each ensemble goes through all scenarios of its setting.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use compat_tests::{
    calls::{
        CLOSE_SESSION, CREATE, CREATE_CONTAINER, DELETE, EPHEMERAL, MULTI, PERSISTENT, PING, Reply,
        SET_DATA, call, create, create_body, delete, exists, multi, owner, set_data_body, sync,
    },
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip},
    eventually::eventually,
    server::{
        Kind,
        Kind::{Apache, Ours},
        four_letter_word,
    },
    wire::{Body, Client, Reader, Session},
};

const CREATE2: i32 = 15;
const SESSION_EXPIRED: i32 = -112;
const EPHEMERAL_ON_LOCAL_SESSION: i32 = -120;

const FOLLOWER: usize = 0;
const LEADER: usize = 1;
const OBSERVER: usize = 2;
const SERVERS: [usize; 3] = [FOLLOWER, LEADER, OBSERVER];
const TIMEOUT_MS: i32 = 40_000;
/// Ticks are of 500 ms, and two of them are the least.
const SHORT_TIMEOUT_MS: i32 = 1000;

/// A follower, the leader, an observer.
fn start(test: &str, kinds: [Kind; 3], upgrading: bool) -> Option<Ensemble> {
    if !can_run_or_skip(test, &kinds) {
        return None;
    }
    let options = EnsembleOptions::new()
        .observers(1)
        .config("localSessionsEnabled", true)
        .config("localSessionsUpgradingEnabled", upgrading);
    let mut ensemble = Ensemble::start(&kinds, &options);
    assert_eq!(ensemble.await_leader(), LEADER);
    // Before the first transaction of a term not all count alike.
    let (mut client, _) = open(&ensemble, LEADER);
    create(&mut client, "/first", b"", PERSISTENT);
    ensemble.await_same_zxid();
    Some(ensemble)
}

/// Sessions stay local.
fn fixed(test: &str, kinds: [Kind; 3]) {
    let Some(mut ensemble) = start(test, kinds, false) else {
        return;
    };
    a_local_session_writes_and_is_in_no_transaction(&ensemble);
    an_ephemeral_node_is_refused(&ensemble);
    a_local_session_comes_back_to_its_server_only(&ensemble);
    a_local_session_expires_where_it_is(&ensemble);
    what_operators_see(&ensemble);
    a_local_session_ends_with_the_term(&mut ensemble);
}

/// Sessions become global when they must.
fn upgradable(test: &str, kinds: [Kind; 3]) {
    let Some(mut ensemble) = start(test, kinds, true) else {
        return;
    };
    an_ephemeral_node_makes_a_session_global(&ensemble);
    a_multi_makes_a_session_global(&ensemble);
    an_upgraded_session_expires_everywhere(&ensemble);
    an_upgraded_session_outlives_the_term(&mut ensemble);
}

compat_tests::cases! {
    fixed_of_apache: fixed([Apache; 3]);
    fixed_of_ours: fixed([Ours; 3]);
    fixed_led_by_ours: fixed([Apache, Ours, Apache]);
    fixed_led_by_apache: fixed([Ours, Apache, Ours]);
    upgradable_of_apache: upgradable([Apache; 3]);
    upgradable_of_ours: upgradable([Ours; 3]);
    upgradable_led_by_ours: upgradable([Apache, Ours, Apache]);
    upgradable_led_by_apache: upgradable([Ours, Apache, Ours]);
}

fn a_local_session_writes_and_is_in_no_transaction(ensemble: &Ensemble) {
    for server in SERVERS {
        let path = format!("/written-{server}");
        let before = settled_zxid(ensemble, server);
        let (mut client, _) = open(ensemble, server);
        assert_eq!(zxid(ensemble, server), before, "nobody else hears of it");
        create(&mut client, &path, b"", PERSISTENT);
        let set = call(&mut client, SET_DATA, &set_data_body(&path, b"more"));
        assert_eq!((set.error, set.zxid), (0, before + 2), "its second write");
        delete(&mut client, &path);
        sync(&mut client, "/");
        let closed = call(&mut client, CLOSE_SESSION, &Body::new());
        assert_eq!(
            (closed.error, closed.zxid),
            (0, before + 3),
            "no transaction of its own"
        );
        client.expect_close();
        assert_eq!(zxid(ensemble, server), before + 3);
        await_zxid(ensemble, before + 3);
    }
}

fn an_ephemeral_node_is_refused(ensemble: &Ensemble) {
    for server in SERVERS {
        let (mut client, _) = open(ensemble, server);
        let body = create_body("/ephemeral", b"", EPHEMERAL);
        for op in [CREATE, CREATE2] {
            let before = settled_zxid(ensemble, server);
            let reply = call(&mut client, op, &body);
            let answer = (reply.error, reply.zxid, reply.body);
            assert_eq!(answer, (EPHEMERAL_ON_LOCAL_SESSION, before + 1, vec![]));
        }
        // Only these two decide. By others the leader asks for a session that all know.
        let reply = call(&mut client, CREATE_CONTAINER, &body);
        assert_eq!(reply.error, SESSION_EXPIRED);
        // What came of it is in the transaction, as its author calls it.
        let parts = [
            (CREATE, create_body("/part", b"", PERSISTENT)),
            (CREATE, body.clone()),
        ];
        let reply = call(&mut client, MULTI, &multi(&parts));
        let refused = if server == LEADER {
            EPHEMERAL_ON_LOCAL_SESSION
        } else {
            SESSION_EXPIRED
        };
        assert_eq!(reply.error, 0);
        assert_eq!(errors(&reply), [0, refused], "at {server}");
        assert!(!exists(&mut client, "/part"));
        // The session goes on.
        let path = format!("/after-refusal-{server}");
        create(&mut client, &path, b"", PERSISTENT);
        await_zxid(ensemble, zxid(ensemble, server));
    }
}

fn a_local_session_comes_back_to_its_server_only(ensemble: &Ensemble) {
    for server in SERVERS {
        let (mut client, session) = open(ensemble, server);
        for other in SERVERS.into_iter().filter(|other| *other != server) {
            assert!(
                come_back(ensemble, other, &session).is_none(),
                "{server} {other}"
            );
        }
        assert_eq!(
            call(&mut client, PING, &Body::new()).error,
            0,
            "no harm is done"
        );
        let mut back = come_back(ensemble, server, &session).expect("it is known here");
        client.expect_close();
        create(&mut back, &format!("/back-{server}"), b"", PERSISTENT);
        drop(back);
        let again = come_back(ensemble, server, &session).expect("it waits for its client");
        let (wrong, answer) = Client::come_back(ensemble.address(server), &session, &[7; 16]);
        assert_eq!((answer.id, answer.timeout_ms), (0, 0));
        drop((again, wrong));
    }
}

fn a_local_session_expires_where_it_is(ensemble: &Ensemble) {
    for server in SERVERS {
        let before = settled_zxid(ensemble, server);
        let (mut client, session) =
            Client::open_session(ensemble.address(server), SHORT_TIMEOUT_MS);
        client.expect_close();
        ensemble.await_forgotten(server, &session);
        assert!(come_back(ensemble, server, &session).is_none());
        assert_eq!(zxid(ensemble, server), before, "no transaction says so");
    }
}

/// Earlier sessions may still be there.
fn what_operators_see(ensemble: &Ensemble) {
    for server in SERVERS {
        let (_client, session) = open(ensemble, server);
        let at = ensemble.address(server);
        let dump = four_letter_word(at, "dump").expect("dump is answered");
        let lines: Vec<&str> = dump.lines().collect();
        assert!(lines[1].starts_with("Local Session Sets ("), "{dump}");
        let global = if server == LEADER {
            "Global Session Sets (0)/(0):"
        } else {
            "Global Sessions(0):"
        };
        let end = lines.iter().position(|line| *line == global);
        let end = end.unwrap_or_else(|| panic!("no {global} in {dump}"));
        let id = format!("\t0x{:x}", session.id);
        assert!(lines[..end].contains(&id.as_str()), "{dump}");
        let mntr = four_letter_word(at, "mntr").expect("mntr is answered");
        let figure = |name: &str| {
            let mut lines = mntr.lines().filter_map(|line| line.split_once('\t'));
            let (_, value) = lines.find(|(key, _)| *key == name).expect(name);
            value.parse::<u64>().expect("a number")
        };
        assert!(figure("zk_local_sessions") >= 1);
        assert_eq!(figure("zk_global_sessions"), 0);
    }
}

fn a_local_session_ends_with_the_term(ensemble: &mut Ensemble) {
    let sessions = SERVERS.map(|server| open(ensemble, server).1);
    restart_leader(ensemble);
    for (server, session) in SERVERS.into_iter().zip(&sessions) {
        assert!(
            come_back(ensemble, server, session).is_none(),
            "at {server}"
        );
        let (mut client, _) = open(ensemble, server);
        create(
            &mut client,
            &format!("/next-term-{server}"),
            b"",
            PERSISTENT,
        );
    }
}

fn an_ephemeral_node_makes_a_session_global(ensemble: &Ensemble) {
    for server in SERVERS {
        for op in [CREATE, CREATE2] {
            let path = format!("/ephemeral-{server}-{op}");
            let before = settled_zxid(ensemble, server);
            let (mut client, session) = open(ensemble, server);
            let body = create_body(&path, b"", EPHEMERAL);
            let reply = call(&mut client, op, &body);
            assert_eq!(
                (reply.error, reply.zxid),
                (0, before + 2),
                "the session's goes first"
            );
            let second = create_body(&format!("{path}-second"), b"", EPHEMERAL);
            let reply = call(&mut client, op, &second);
            assert_eq!((reply.error, reply.zxid), (0, before + 3), "once is enough");
            // It is as good as any other now.
            let other = SERVERS[(server + 1) % SERVERS.len()];
            // All requests here have one number: Apache's would take a commit that comes late for that
            // of what is asked next.
            await_zxid(ensemble, before + 3);
            let mut moved = come_back(ensemble, other, &session).expect("all servers know it");
            sync(&mut moved, "/");
            assert_eq!(owner(&mut moved, &path), session.id);
            let closed = call(&mut moved, CLOSE_SESSION, &Body::new());
            assert_eq!((closed.error, closed.zxid), (0, before + 4));
            moved.expect_close();
            for server in SERVERS {
                let (mut witness, _) = open(ensemble, server);
                sync(&mut witness, "/");
                assert!(!exists(&mut witness, &path), "it went with its session");
            }
        }
    }
}

fn a_multi_makes_a_session_global(ensemble: &Ensemble) {
    for server in SERVERS {
        let name = |part: &str| format!("/multi-{server}-{part}");
        let (mut client, session) = open(ensemble, server);
        let plain = [(CREATE, create_body(&name("a"), b"", PERSISTENT))];
        let before = settled_zxid(ensemble, server);
        let reply = call(&mut client, MULTI, &multi(&plain));
        assert_eq!((reply.error, reply.zxid), (0, before + 1), "no need yet");
        let parts = [
            (DELETE, Body::new().string(&name("a")).int(-1)),
            (CREATE, create_body(&name("b"), b"", EPHEMERAL)),
        ];
        let reply = call(&mut client, MULTI, &multi(&parts));
        assert_eq!((reply.error, reply.zxid), (0, before + 3));
        assert_eq!(owner(&mut client, &name("b")), session.id);
        call(&mut client, CLOSE_SESSION, &Body::new());
    }
}

fn an_upgraded_session_expires_everywhere(ensemble: &Ensemble) {
    for server in SERVERS {
        let path = format!("/expires-{server}");
        let (mut client, session) =
            Client::open_session(ensemble.address(server), SHORT_TIMEOUT_MS);
        create(&mut client, &path, b"", EPHEMERAL);
        client.expect_close();
        let mut witnesses = SERVERS.map(|server| open(ensemble, server).0);
        eventually("its node is gone", ENSEMBLE_PATIENCE, || {
            let mut is_gone = |client: &mut Client| !exists(client, &path);
            witnesses.iter_mut().all(&mut is_gone).then_some(())
        });
        assert!(come_back(ensemble, server, &session).is_none());
    }
}

fn an_upgraded_session_outlives_the_term(ensemble: &mut Ensemble) {
    let (mut client, session) = open(ensemble, FOLLOWER);
    create(&mut client, "/outlives", b"", EPHEMERAL);
    let (_, local) = open(ensemble, FOLLOWER);
    restart_leader(ensemble);
    assert!(come_back(ensemble, FOLLOWER, &local).is_none());
    let mut back = come_back(ensemble, OBSERVER, &session).expect("all servers know it");
    assert_eq!(owner(&mut back, "/outlives"), session.id);
}

/// The same server leads again, in a new term.
fn restart_leader(ensemble: &mut Ensemble) {
    ensemble.kill(LEADER);
    eventually("nobody serves", ENSEMBLE_PATIENCE, || {
        let serves = |server: &usize| ensemble.mode(*server).is_some();
        (!SERVERS.iter().any(serves)).then_some(())
    });
    ensemble.restart(LEADER);
    ensemble.await_leader();
    ensemble.await_all();
}

fn open(ensemble: &Ensemble, server: usize) -> (Client, Session) {
    Client::open_session(ensemble.address(server), TIMEOUT_MS)
}

/// `None` when the session is not valid there, of which the client is told.
fn come_back(ensemble: &Ensemble, server: usize, session: &Session) -> Option<Client> {
    let at = ensemble.address(server);
    let (mut client, answer) = Client::come_back(at, session, &session.password);
    if answer.id == 0 {
        assert_eq!(answer.timeout_ms, 0);
        client.expect_close();
        return None;
    }
    assert_eq!(&answer, session);
    Some(client)
}

/// What a server has applied once none is behind another.
fn settled_zxid(ensemble: &Ensemble, server: usize) -> i64 {
    ensemble.await_same_zxid();
    zxid(ensemble, server)
}

fn zxid(ensemble: &Ensemble, server: usize) -> i64 {
    let answer = four_letter_word(ensemble.address(server), "srvr").expect("srvr is answered");
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix("Zxid: 0x"));
    i64::from_str_radix(line.expect("a zxid"), 16).expect("a number")
}

fn await_zxid(ensemble: &Ensemble, expected: i64) {
    eventually("all servers have applied it", ENSEMBLE_PATIENCE, || {
        let has = |server: usize| zxid(ensemble, server) == expected;
        SERVERS.into_iter().all(has).then_some(())
    });
}

/// The codes of a multi that failed.
fn errors(reply: &Reply) -> Vec<i32> {
    let mut body = Reader::new(&reply.body);
    let mut errors = Vec::new();
    loop {
        let op = body.int().expect("a type");
        let is_end = body.byte().expect("whether it is the end") == 1;
        body.int().expect("an error");
        if is_end {
            return errors;
        }
        assert_eq!(op, -1, "an error");
        errors.push(body.int().expect("a code"));
    }
}
