//! Observers that learn from followers, Apache's and ours at either end: they find one, hear of every
//! transaction, pass on what their clients ask, and find another one when it is gone. The same with
//! Apache's servers alone shows that the tests hold.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use compat_tests::{
    calls::{
        CREATE, EPHEMERAL, GET_DATA, PERSISTENT, PING, SET_DATA, SYNC, call, create, create_body,
        exists, header, set_data_body, sync,
    },
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, Mode, can_run_or_skip, rounds},
    eventually::{PATIENCE, eventually},
    history::Rules,
    keys::{Keys, PASSWORD},
    load::{Load, LoadOptions},
    scenarios::tell,
    server::{
        Kind,
        Kind::{Apache, Ours},
    },
    tree,
    wire::{Body, Client, Inbound, Reader, Session, connect_request},
};

const SESSION_TIMEOUT_MS: i32 = 40_000;

/// Three voters of one kind, the last of which leads at first, and two observers.
fn start(voters: Kind, observers: Kind) -> Ensemble {
    let kinds = [voters, voters, voters, observers, observers];
    let mut ensemble = Ensemble::start(&kinds, &options());
    await_masters(&mut ensemble);
    ensemble
}

fn options() -> EnsembleOptions {
    EnsembleOptions::new().observers(2).observer_masters()
}

/// Waits until the observers learn from followers.
fn await_masters(ensemble: &mut Ensemble) {
    let leader = ensemble.await_leader();
    for observer in ensemble.voters()..ensemble.len() {
        ensemble.await_serving(observer);
        let master = eventually("the observer tells its master", PATIENCE, || {
            ensemble.figure(observer, "zk_observer_master_id")
        });
        let master: usize = master.parse().unwrap();
        assert_ne!(master, leader + 1, "observers learn from followers");
    }
    let of_leader = ensemble.figure(leader, "zk_synced_observers").unwrap();
    assert_eq!(of_leader, "0");
    await_served(ensemble, ensemble.len() - ensemble.voters());
}

/// Waits until followers serve so many observers.
fn await_served(ensemble: &Ensemble, count: usize) {
    let what = format!("followers serve {count} observers");
    eventually(&what, ENSEMBLE_PATIENCE, || {
        let leader = ensemble.leader()?;
        let followers = (0..ensemble.voters()).filter(|voter| *voter != leader);
        let counts = followers.filter_map(|it| ensemble.figure(it, "zk_synced_observers"));
        let sum: usize = counts.map(|count| count.parse::<usize>().unwrap()).sum();
        (sum == count).then_some(())
    });
}

fn session(ensemble: &Ensemble, member: usize) -> Client {
    Client::open_session(ensemble.address(member), SESSION_TIMEOUT_MS).0
}

/// With TLS between servers observers learn from followers as without.
fn over_tls(test: &str, voters: Kind, observers: Kind) {
    if !can_run_or_skip(test, &[voters, observers]) {
        return;
    }
    let Some(keys) = Keys::or_skip(test) else {
        return;
    };
    let key = keys.signed("server", "CN=server", "");
    let trust = keys.path("trust.p12");
    let options = options()
        .config("sslQuorum", "true")
        .config("ssl.quorum.keyStore.location", key.display())
        .config("ssl.quorum.keyStore.password", PASSWORD)
        .config("ssl.quorum.trustStore.location", trust.display())
        .config("ssl.quorum.trustStore.password", PASSWORD);
    let kinds = [voters, voters, voters, observers, observers];
    let mut ensemble = Ensemble::start(&kinds, &options);
    await_masters(&mut ensemble);
    let mut at_observer = session(&ensemble, 3);
    create(&mut at_observer, "/by-observer", b"", PERSISTENT);
    let leader = ensemble.await_leader();
    let mut at_leader = session(&ensemble, leader);
    create(&mut at_leader, "/by-leader", b"", PERSISTENT);
    sync(&mut at_observer, "/");
    assert!(exists(&mut at_observer, "/by-leader"));
    ensemble.await_same_zxid();
    // A follower that knows nothing of TLS any more serves no observer, and is no follower.
    let plain = (0..3).find(|voter| ensemble.mode(*voter) == Some(Mode::Follower));
    let plain = plain.unwrap();
    ensemble.stop(plain);
    ensemble.configure(plain, "sslQuorum", "false");
    ensemble.restart(plain);
    await_masters(&mut ensemble);
    assert_eq!(ensemble.mode(plain), None);
}

compat_tests::cases! {
    over_tls_with_apache: over_tls(Apache, Apache);
    over_tls_with_ours: over_tls(Ours, Ours);
}

#[test]
fn over_tls_with_both() {
    over_tls("observer_masters::over_tls_with_both", Ours, Apache);
    over_tls("observer_masters::over_tls_with_both", Apache, Ours);
}

/// QP-141: what is asked at an observer is answered in order, what is written anywhere is seen there,
/// and sessions are kept alive, move and end.
fn serve(test: &str, voters: Kind, observers: Kind) {
    if !can_run_or_skip(test, &[voters, observers]) {
        return;
    }
    let ensemble = start(voters, observers);
    let mut at_observer = session(&ensemble, 3);
    create(&mut at_observer, "/by-observer", b"", PERSISTENT);
    for member in 0..ensemble.len() {
        let mut client = session(&ensemble, member);
        create(&mut client, &format!("/by-{member}"), b"", PERSISTENT);
        sync(&mut at_observer, "/");
        assert!(exists(&mut at_observer, &format!("/by-{member}")));
    }
    // Writes, syncs and reads of one client, none waited for.
    for number in 0..50 {
        let data = number.to_string();
        at_observer.request(1, SET_DATA, &set_data_body("/by-observer", data.as_bytes()));
        at_observer.request(2, SYNC, &Body::new().string("/"));
        let get = Body::new().string("/by-observer").boolean(false);
        at_observer.request(3, GET_DATA, &get);
    }
    for number in 0..50 {
        for xid in 1..=3 {
            let frame = at_observer.frame("an answer");
            let mut reader = Reader::new(&frame);
            let (found, _, error) = header(&mut reader);
            assert_eq!((found, error), (xid, 0));
            if xid == 3 {
                let data = reader.string().flatten().unwrap();
                assert_eq!(
                    data,
                    number.to_string(),
                    "a read sees what was written before"
                );
            }
        }
    }
    tree::await_same(&ensemble.addresses(), "/", ENSEMBLE_PATIENCE);
}

/// QP-141: an ephemeral of an observer's client lives while the client is heard of, wherever it goes,
/// and not much longer.
fn sessions(test: &str, voters: Kind, observers: Kind) {
    if !can_run_or_skip(test, &[voters, observers]) {
        return;
    }
    const SHORT_MS: i32 = 2000;
    let ensemble = start(voters, observers);
    let (mut client, id) = Client::open_session(ensemble.address(3), SHORT_MS);
    create(&mut client, "/alive", b"", EPHEMERAL);
    let mut watcher = session(&ensemble, 2);
    let mut pinged = 0;
    let started = std::time::Instant::now();
    eventually("three timeouts have passed", PATIENCE, || {
        client.request(-2, PING, &Body::new());
        client.frame("an answer to a ping");
        pinged += 1;
        (started.elapsed() > 3 * Duration::from_millis(2000)).then_some(())
    });
    assert!(exists(&mut watcher, "/alive"), "pinged {pinged} times");
    // To the other observer, to each voter, and back: each knows the session from the leader.
    for member in [4, 0, 1, 2, 3] {
        let (moved, answer) = Client::come_back(ensemble.address(member), &id, &id.password);
        assert_eq!(answer.id, id.id);
        client = moved;
        create(&mut client, &format!("/moved-to-{member}"), b"", PERSISTENT);
        assert!(exists(&mut watcher, "/alive"));
    }
    drop(client);
    eventually("the session ends", PATIENCE, || {
        sync(&mut watcher, "/");
        (!exists(&mut watcher, "/alive")).then_some(())
    });
    // An observer hears from the leader that it is gone.
    let mut client = Client::connect(ensemble.address(3));
    let request = connect_request(0, SHORT_MS, id.id, Some(&id.password), Some(false));
    client.send_frame(request.bytes());
    // Apache's server may close before it has said so.
    if let Inbound::Frame(frame) = client.read_frame() {
        assert_eq!(Session::decode(&frame).unwrap().timeout_ms, 0);
    }
    tree::await_same(&ensemble.addresses(), "/", ENSEMBLE_PATIENCE);
}

/// How an observer that was away is brought up to date by a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Diff,
    DiffFromLog,
    Snap,
}

fn come_back(test: &str, way: Way, voters: Kind, observers: Kind) {
    if !can_run_or_skip(test, &[voters, observers]) {
        return;
    }
    let kinds = [voters, voters, voters, observers, observers];
    // The log may be read instead of a snapshot, if it is not larger than one.
    let options = options().config("snapshotSizeFactor", 1);
    let mut ensemble = Ensemble::start(&kinds, &options);
    fill(&ensemble, 0, 20);
    ensemble.stop(3);
    if way == Way::Snap {
        ensemble.wipe(3);
    }
    fill(&ensemble, 1, if way == Way::DiffFromLog { 600 } else { 5 });
    ensemble.await_leader();
    let before = ensemble.log(3).len();
    ensemble.restart(3);
    await_masters(&mut ensemble);
    let log = ensemble.log(3)[before..].to_owned();
    if observers == Apache {
        let expected = match way {
            Way::Diff | Way::DiffFromLog => "Getting a diff from the leader",
            Way::Snap => "Getting a snapshot from leader",
        };
        assert!(log.contains(expected), "{way:?}:\n{log}");
    }
    fill(&ensemble, 3, 300);
    tree::await_same(&ensemble.addresses(), "/", ENSEMBLE_PATIENCE);
}

/// Sets a node again and again through a member.
fn fill(ensemble: &Ensemble, member: usize, count: usize) {
    let mut client = session(ensemble, member);
    let path = format!("/fill-{}", tree::dump(ensemble.address(member), "/").len());
    create(&mut client, &path, b"", PERSISTENT);
    for number in 0..count {
        let body = set_data_body(&path, number.to_string().as_bytes());
        client.request(1, SET_DATA, &body);
    }
    for _ in 0..count {
        client.frame("an answer");
    }
}

/// QP-142: an observer that takes nothing is let go, and has all again when it is back.
fn slow(test: &str, voters: Kind, observers: Kind) {
    if !can_run_or_skip(test, &[voters, observers]) {
        return;
    }
    let kinds = [voters, voters, voters, observers, observers];
    let options = options().property("zookeeper.observerMaster.sizeLimit", 1_000_000);
    let mut ensemble = Ensemble::start(&kinds, &options);
    await_masters(&mut ensemble);
    ensemble.pause(3);
    let mut client = session(&ensemble, 0);
    create(&mut client, "/large", b"", PERSISTENT);
    let data = vec![b'x'; 500_000];
    for _ in 0..40 {
        let reply = call(&mut client, SET_DATA, &set_data_body("/large", &data));
        assert_eq!(reply.error, 0);
    }
    // It is let go while it stands still, and only it.
    await_served(&ensemble, 1);
    assert_eq!(ensemble.mode(4), Some(Mode::Observer));
    ensemble.resume(3);
    await_served(&ensemble, 2);
    ensemble.await_serving(3);
    tree::await_same(&ensemble.addresses(), "/", ENSEMBLE_PATIENCE);
}

/// Under load, again and again: a follower that serves observers is killed, another time the leader.
/// All observers go on, and miss nothing: also what was in flight while a follower came back (QP-143).
fn survive(test: &str, voters: [Kind; 3], observers: [Kind; 2]) {
    let kinds = [&voters[..], &observers[..]].concat();
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let mut ensemble = Ensemble::start(&kinds, &options());
    let addresses = ensemble.addresses();
    let load = Load::start(&addresses, LoadOptions::default());
    for round in 0..rounds(4) {
        let leader = ensemble.await_leader();
        let of_observer = ensemble.figure(3 + round % 2, "zk_observer_master_id");
        let follower = of_observer.map(|id| id.parse::<usize>().unwrap() - 1);
        let victim = if round % 2 == 0 { follower } else { None };
        let victim = victim.unwrap_or(leader);
        ensemble.kill(victim);
        load.await_writes(100, ENSEMBLE_PATIENCE);
        ensemble.restart(victim);
        ensemble.await_all();
        load.await_writes(100, ENSEMBLE_PATIENCE);
    }
    tell(test, &load.finish(&addresses).expect(Rules::STRICT));
    tree::await_same(&addresses, "/", ENSEMBLE_PATIENCE);
    // An observer's log is whole too.
    for observer in [3, 4] {
        ensemble.stop(observer);
        ensemble.restart(observer);
        ensemble.await_serving(observer);
    }
    let mut client = session(&ensemble, 3);
    let reply = call(&mut client, CREATE, &create_body("/end", b"", PERSISTENT));
    assert_eq!(reply.error, 0);
    tree::await_same(&addresses, "/", ENSEMBLE_PATIENCE);
}

compat_tests::cases! {
    serve_apache_at_apache: serve(Apache, Apache);
    serve_apache_at_ours: serve(Ours, Apache);
    serve_ours_at_apache: serve(Apache, Ours);
    serve_ours_at_ours: serve(Ours, Ours);
    sessions_apache_at_apache: sessions(Apache, Apache);
    sessions_apache_at_ours: sessions(Ours, Apache);
    sessions_ours_at_apache: sessions(Apache, Ours);
    sessions_ours_at_ours: sessions(Ours, Ours);
    diff_apache_at_apache: come_back(Way::Diff, Apache, Apache);
    diff_apache_at_ours: come_back(Way::Diff, Ours, Apache);
    diff_ours_at_apache: come_back(Way::Diff, Apache, Ours);
    diff_ours_at_ours: come_back(Way::Diff, Ours, Ours);
    diff_from_log_apache_at_apache: come_back(Way::DiffFromLog, Apache, Apache);
    diff_from_log_apache_at_ours: come_back(Way::DiffFromLog, Ours, Apache);
    diff_from_log_ours_at_apache: come_back(Way::DiffFromLog, Apache, Ours);
    diff_from_log_ours_at_ours: come_back(Way::DiffFromLog, Ours, Ours);
    snap_apache_at_apache: come_back(Way::Snap, Apache, Apache);
    snap_apache_at_ours: come_back(Way::Snap, Ours, Apache);
    snap_ours_at_apache: come_back(Way::Snap, Apache, Ours);
    snap_ours_at_ours: come_back(Way::Snap, Ours, Ours);
    slow_apache_at_apache: slow(Apache, Apache);
    slow_apache_at_ours: slow(Ours, Apache);
    slow_ours_at_apache: slow(Apache, Ours);
    slow_ours_at_ours: slow(Ours, Ours);
    survive_apache_at_ours: survive([Ours; 3], [Apache; 2]);
    survive_ours_at_ours: survive([Ours; 3], [Ours; 2]);
    survive_both_at_ours_led_by_apache: survive([Ours, Ours, Apache], [Ours, Apache]);
}
