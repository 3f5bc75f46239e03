//! Every command that tells of an ensemble, asked of each role, and of a server that has no leader.

use compat_tests::{
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions},
    eventually::eventually,
    http,
    server::Kind,
    wire::Client,
};

use super::{SESSION_TIMEOUT_MS, busy_session, transcript::Transcript};

fn field(ensemble: &Ensemble, member: usize, command: &str, name: &str) -> serde_json::Value {
    let response = http::get(
        ensemble.admin_address(member),
        &format!("/commands/{command}"),
    );
    let object: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    object[name].clone()
}

fn roles(kind: Kind) {
    let options = EnsembleOptions::new().observers(1).admin();
    let mut ensemble = Ensemble::start(&[kind; 3], &options);
    let leader = ensemble.await_leader();
    ensemble.await_all();
    let follower = 1 - leader;
    eventually("the observer is known", ENSEMBLE_PATIENCE, || {
        (field(&ensemble, leader, "observers", "synced_observers") == 1).then_some(())
    });
    let (_client, _) = busy_session(ensemble.address(follower));
    ensemble.await_same_zxid();
    let mut transcript = Transcript::new(kind);
    for (role, member) in [("leader", leader), ("follower", follower), ("observer", 2)] {
        let admin = ensemble.admin_address(member);
        transcript.title(role);
        for command in [
            "configuration",
            "is_read_only",
            "leader",
            "observers",
            "ruok",
            "zabstate",
        ] {
            transcript.get(admin, command);
        }
        assert_numbers(&ensemble, member, leader, role);
    }
    transcript.title("sessions");
    transcript.get(ensemble.admin_address(follower), "dump");
    transcript.get(ensemble.admin_address(follower), "connections");
    transcript.get(ensemble.admin_address(leader), "server_stats");
    transcript.title("who votes");
    transcript.get(ensemble.admin_address(2), "voting_view");
    let observers = field(&ensemble, leader, "observers", "observers");
    assert_eq!(observers[0]["sid"], 3);
    let reset = http::get(
        ensemble.admin_address(leader),
        "/commands/observer_connection_stat_reset",
    );
    assert_eq!(reset.status, 200);

    nobody_leads(&mut ensemble, leader, &mut transcript);
    transcript.assert_is("ensemble.txt");
}

/// What differs from run to run agrees with what else the server says.
fn assert_numbers(ensemble: &Ensemble, member: usize, leader: usize, role: &str) {
    assert_eq!(field(ensemble, member, "leader", "leader_id"), leader + 1);
    assert_eq!(field(ensemble, member, "zabstate", "myid"), member + 1);
    assert_eq!(
        field(ensemble, member, "configuration", "server_id"),
        member + 1
    );
    assert_eq!(field(ensemble, member, "monitor", "server_state"), role);
    let zxid = field(ensemble, member, "server_stats", "server_stats");
    let zxid = zxid["last_processed_zxid"].as_i64().unwrap();
    let expected = format!("{zxid:#x}");
    assert_eq!(field(ensemble, member, "zabstate", "last_zxid"), expected);
    assert_eq!(field(ensemble, member, "zabstate", "zab_epoch"), zxid >> 32);
}

/// Without the others.
fn nobody_leads(ensemble: &mut Ensemble, leader: usize, transcript: &mut Transcript) {
    let follower = 1 - leader;
    ensemble.kill(leader);
    eventually("the follower has no leader", ENSEMBLE_PATIENCE, || {
        let error = field(ensemble, follower, "ruok", "error");
        (!error.is_null()).then_some(())
    });
    transcript.title("nobody leads");
    let admin = ensemble.admin_address(follower);
    for command in [
        "",
        "ruok",
        "srvr",
        "leader",
        "voting_view",
        "snap",
        "gtmk",
        "zabstate",
        "monitor",
        "foo",
    ] {
        transcript.get(admin, command);
    }
    for command in ["rest", "ruok", "foo", "zabstate"] {
        let path = format!("/commands/{command}");
        transcript.ask(admin, "POST", &path, &[]);
    }
    ensemble.restart(leader);
    ensemble.await_leader();
    eventually("it serves again", ENSEMBLE_PATIENCE, || {
        field(ensemble, follower, "ruok", "error")
            .is_null()
            .then_some(())
    });
}

compat_tests::pairs!(roles);

/// Observers of a follower are its own to tell of.
fn observers_of_followers(kind: Kind) {
    let options = EnsembleOptions::new().observers(1).observer_masters();
    // On one host each, since all members use one port for observers.
    let mut ensemble = Ensemble::start(&[kind; 4], &options.admin());
    let leader = ensemble.await_leader();
    ensemble.await_serving(3);
    let (mut client, _) = Client::open_session(ensemble.address(3), SESSION_TIMEOUT_MS);
    compat_tests::calls::create(&mut client, "/o", b"", 0);
    let master = eventually("a follower serves the observer", ENSEMBLE_PATIENCE, || {
        let mut followers = (0..3).filter(|voter| *voter != leader);
        followers.find(|it| field(&ensemble, *it, "observers", "synced_observers") == 1)
    });
    let observers = field(&ensemble, master, "observers", "observers");
    assert_eq!(observers[0]["sid"], 4);
    assert!(observers[0]["requests"].as_u64().unwrap() > 0);
    assert_eq!(field(&ensemble, leader, "observers", "synced_observers"), 0);
    // Whom it learns from passes for its leader.
    assert_eq!(field(&ensemble, 3, "leader", "leader_id"), master + 1);
    assert_eq!(
        field(&ensemble, 3, "leader", "leader_ip"),
        format!("127.0.0.{}", master + 1)
    );
}

compat_tests::pairs!(observers_of_followers);
