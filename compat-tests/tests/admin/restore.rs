//! OP-104, OP-106: snapshots that one server sends and another takes over, with all that a client can see
//! and the sessions; on servers on their own and on members of an ensemble.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use compat_tests::{
    calls::{CREATE, PERSISTENT, call, children, create, create_body, exists, sync},
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip},
    eventually::{PATIENCE, eventually},
    maven::apache_or_skip,
    server::{
        Kind,
        Kind::{Apache, Ours},
        Server, ServerOptions,
    },
    tree,
    wire::{Body, Client},
};
use tempfile::TempDir;

use super::{SESSION_TIMEOUT_MS, busy_session, restore, take_snapshot};

const GET_CHILDREN_NUMBER: i32 = 104;

fn options() -> ServerOptions {
    ServerOptions::new()
        .admin()
        .config("4lw.commands.whitelist", "*")
        .config("admin.rateLimiterIntervalInMS", 0)
}

/// A server's state gets to a server of its own or the other kind that has another one.
fn moves(test: &str, from: Kind, to: Kind) {
    if !can_run_or_skip(test, &[from, to]) {
        return;
    }
    let source = Server::start(from, &options());
    let (mut client, session) = busy_session(source.address());
    for number in 0..300 {
        create(
            &mut client,
            &format!("/a/{number}"),
            &[b'x'; 100],
            PERSISTENT,
        );
    }
    let expected = tree::dump(source.address(), "/");
    let snapshot = take_snapshot(source.admin_address());
    let zxid = snapshot.header("last_zxid").unwrap();
    let zxid = i64::from_str_radix(zxid.strip_prefix("0x").unwrap(), 16).unwrap();

    let target = Server::start(to, &options());
    let (mut before, gone) = Client::open_session(target.address(), SESSION_TIMEOUT_MS);
    create(&mut before, "/before", b"", PERSISTENT);
    let restored = restore(target.admin_address(), &snapshot.body);
    assert_eq!(restored.status, 200, "{}", target.log());
    assert_eq!(
        restored.text(),
        format!(
            "{{\n  \"last_zxid\" : {zxid},\n  \"command\" : \"restore\",\n  \"error\" : null\n}}"
        )
    );
    assert_eq!(tree::dump(target.address(), "/"), expected);
    // The session of the snapshot is alive, one that is not in it has ended.
    let (mut back, again) = Client::come_back(target.address(), &session, &session.password);
    assert_eq!(again.id, session.id);
    assert!(exists(&mut back, "/a/e"));
    let (_, ended) = Client::come_back(target.address(), &gone, &gone.password);
    assert_eq!(ended.id, 0, "its session is not known any more");
    create(&mut back, "/a/behind", b"", PERSISTENT);
    assert_eq!(children(&mut back, "/a").len(), 302);
}

mod moves {
    use super::{Apache, Ours};

    #[test]
    fn apache() {
        super::moves("admin::restore::moves::apache", Apache, Apache);
    }

    #[test]
    fn apache_to_ours() {
        super::moves("admin::restore::moves::apache_to_ours", Apache, Ours);
    }

    #[test]
    fn ours_to_apache() {
        super::moves("admin::restore::moves::ours_to_apache", Ours, Apache);
    }

    #[test]
    fn ours() {
        super::moves("admin::restore::moves::ours", Ours, Ours);
    }
}

/// Ours alone: what was restored, and what was written behind it, is there after a crash. Apache's server
/// comes back with the state before. Backwards to an earlier state, and forwards to one with later zxids.
#[test]
fn a_restore_outlives_its_server() {
    let source = Server::start(Ours, &options());
    let (mut client, _) = busy_session(source.address());
    let early = take_snapshot(source.admin_address()).body;
    for number in 0..50 {
        create(&mut client, &format!("/a/{number}"), b"", PERSISTENT);
    }
    let late = take_snapshot(source.admin_address()).body;
    for (snapshot, children_of_a) in [(early, 1), (late, 51)] {
        let dir = TempDir::new().unwrap();
        let options = options().data_dir(dir.path());
        let mut target = Server::start(Ours, &options);
        let (mut client, _) = Client::open_session(target.address(), SESSION_TIMEOUT_MS);
        for number in 0..10 {
            create(&mut client, &format!("/own-{number}"), b"", PERSISTENT);
        }
        assert_eq!(restore(target.admin_address(), &snapshot).status, 200);
        let (mut client, _) = Client::open_session(target.address(), SESSION_TIMEOUT_MS);
        create(&mut client, "/behind", b"", PERSISTENT);
        let expected = tree::dump(target.address(), "/");
        let mut next = vec![Ours, Ours];
        // It is an Apache server's directory as well.
        next.extend(
            apache_or_skip("admin::restore::a_restore_outlives_its_server").map(|_| Apache),
        );
        for kind in next {
            target.kill();
            target = Server::start(kind, &options);
            let (mut client, _) = Client::open_session(target.address(), SESSION_TIMEOUT_MS);
            assert_eq!(tree::dump(target.address(), "/"), expected);
            assert!(exists(&mut client, "/behind"));
            assert!(!exists(&mut client, "/own-0"));
            assert_eq!(children(&mut client, "/a").len(), children_of_a);
        }
        assert!(fs::read_dir(dir.path().join("version-2")).unwrap().count() > 2);
    }
}

/// Ours alone: clients of the leader and of a follower write all the time, while either takes over what
/// it has just sent, again and again. Nobody is lost, and what is written behind it is there.
#[test]
fn restores_under_load() {
    const ROUNDS: usize = 5;
    let options = EnsembleOptions::new()
        .admin()
        .config("admin.rateLimiterIntervalInMS", 0);
    let mut ensemble = Ensemble::start(&[Ours; 3], &options);
    let leader = ensemble.await_leader();
    ensemble.await_all();
    let follower = (leader + 1) % 3;
    let members = [leader, follower];
    let clients =
        members.map(|member| Client::open_session(ensemble.address(member), SESSION_TIMEOUT_MS).0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(writer, mut client)| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut number = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let body = create_body(&format!("/{writer}-{number}"), b"", PERSISTENT);
                        // It may be there already by the state that was brought back.
                        call(&mut client, CREATE, &body);
                        number += 1;
                    }
                    number
                })
            })
            .collect();
        for _ in 0..ROUNDS {
            for member in members {
                let admin = ensemble.admin_address(member);
                let snapshot = take_snapshot(admin).body;
                let restored = restore(admin, &snapshot);
                assert_eq!(restored.status, 200, "{}", ensemble.log(member));
            }
        }
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            let written = writer.join().unwrap();
            assert!(written > 0, "its client was served all the time");
        }
    });
    for member in 0..3 {
        let (mut client, _) = Client::open_session(ensemble.address(member), SESSION_TIMEOUT_MS);
        create(&mut client, &format!("/end-{member}"), b"", PERSISTENT);
        assert!(!ensemble.server_mut(member).has_ended());
    }
}

/// Every member takes the state over, one after the other, and the ensemble goes on: as the guide to
/// snapshots and restores has it.
fn members(kind: Kind) {
    let options = EnsembleOptions::new()
        .observers(1)
        .admin()
        .config("admin.rateLimiterIntervalInMS", 0);
    let mut ensemble = Ensemble::start(&[kind; 4], &options);
    let leader = ensemble.await_leader();
    ensemble.await_all();
    let (mut client, _) = Client::open_session(ensemble.address(leader), SESSION_TIMEOUT_MS);
    create(&mut client, "/r", b"", PERSISTENT);
    for number in 0..10 {
        create(&mut client, &format!("/r/{number}"), b"", PERSISTENT);
    }
    let snapshot = take_snapshot(ensemble.admin_address(leader)).body;
    for number in 10..20 {
        create(&mut client, &format!("/r/{number}"), b"", PERSISTENT);
    }
    drop(client);
    ensemble.await_same_zxid();
    for member in 0..ensemble.len() {
        let restored = restore(ensemble.admin_address(member), &snapshot);
        assert_eq!(restored.status, 200, "{}", ensemble.log(member));
    }
    // A session that all know, and what follows.
    let mut client = eventually("a session opens", PATIENCE, || {
        Client::try_open_session(ensemble.address(leader), SESSION_TIMEOUT_MS)
    })
    .0;
    assert_eq!(children(&mut client, "/r").len(), 10);
    for number in 20..30 {
        create(&mut client, &format!("/r/{number}"), b"", PERSISTENT);
    }
    drop(client);
    for member in 0..ensemble.len() {
        let (mut client, _) = Client::open_session(ensemble.address(member), SESSION_TIMEOUT_MS);
        sync(&mut client, "/r");
        let body = Body::new().string("/r");
        let count = call(&mut client, GET_CHILDREN_NUMBER, &body);
        assert_eq!(count.body, 20_i32.to_be_bytes());
    }
    if kind == Ours {
        // On disk with each: a new leader and all that was lost and comes back agree.
        let expected = tree::dump(ensemble.address(leader), "/r");
        for member in 0..ensemble.len() {
            ensemble.kill(member);
        }
        for member in 0..ensemble.len() {
            ensemble.restart(member);
        }
        ensemble.await_leader();
        ensemble.await_all();
        for member in 0..ensemble.len() {
            let address = [ensemble.address(member)];
            let found = tree::await_same(&address, "/r", ENSEMBLE_PATIENCE);
            assert_eq!(found, expected);
        }
    }
}

compat_tests::pairs!(members);
