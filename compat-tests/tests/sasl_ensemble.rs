//! SASL between servers, by DIGEST-MD5: ensembles of Apache's servers, of ours, and of both, that demand it,
//! that allow it, and that come to demand it step by step; and a server with a wrong password, which stays
//! out. Rows QP-144 and QP-145, OP-165, H-17.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;

use compat_tests::{
    calls::{PERSISTENT, create, exists, sync},
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, Mode, can_run_or_skip},
    eventually::eventually,
    server::{
        Kind,
        Kind::{Apache, Ours},
    },
    wire::Client,
};
use tempfile::TempDir;

const SESSION_TIMEOUT_MS: i32 = 40_000;

const ENABLE: &str = "quorum.auth.enableSasl";
const LEARNER: &str = "quorum.auth.learnerRequireSasl";
const SERVER: &str = "quorum.auth.serverRequireSasl";
const LEARNER_SECTION: &str = "quorum.auth.learner.saslLoginContext";

const JAAS: &str = r#"
QuorumServer {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_test="mypassword";
};
QuorumLearner {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    username="test"
    password="mypassword";
};
QuorumLearnerInvalid {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    username="test"
    password="invalid";
};
"#;

/// Members that know the passwords, whatever they do with them.
fn options(dir: &TempDir) -> EnsembleOptions {
    let file = dir.path().join("jaas.conf");
    fs::write(&file, JAAS).unwrap();
    EnsembleOptions::new()
        .property("java.security.auth.login.config", file.display())
        .config("fips-mode", false)
}

fn demanding(dir: &TempDir) -> EnsembleOptions {
    [ENABLE, LEARNER, SERVER]
        .iter()
        .fold(options(dir), |options, key| options.config(key, true))
}

/// What one member is told all members know.
fn works(ensemble: &mut Ensemble, path: &str) {
    ensemble.await_all();
    let running: Vec<_> = (0..ensemble.len())
        .filter(|member| ensemble.mode(*member).is_some())
        .collect();
    let client = |ensemble: &Ensemble, member: usize| {
        Client::open_session(ensemble.address(member), SESSION_TIMEOUT_MS).0
    };
    create(&mut client(ensemble, running[0]), path, b"", PERSISTENT);
    for member in running {
        let mut client = client(ensemble, member);
        sync(&mut client, "/");
        assert!(exists(&mut client, path), "{}", ensemble.name(member));
    }
}

/// Everyone logs in to everyone: in elections, to the leader, and observers to followers.
fn demanded(test: &str, kinds: &[Kind]) {
    if !can_run_or_skip(test, kinds) {
        return;
    }
    let dir = TempDir::new().unwrap();
    let options = demanding(&dir).observers(1).observer_masters();
    let mut ensemble = Ensemble::start(kinds, &options);
    works(&mut ensemble, "/first");
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    ensemble.await_leader();
    works(&mut ensemble, "/second");
    ensemble.restart(leader);
    works(&mut ensemble, "/third");
}

/// An observer whose number is the smallest, so that it only ever knocks where it dials (ZOOKEEPER-4886).
fn small_observer(test: &str, kinds: &[Kind]) {
    if !can_run_or_skip(test, kinds) {
        return;
    }
    let dir = TempDir::new().unwrap();
    let options = demanding(&dir)
        .line(0, "127.0.0.1:{quorum}:{election}:observer")
        .own_config(0, "peerType", "observer");
    let mut ensemble = Ensemble::start_at_once(kinds, &options);
    works(&mut ensemble, "/node");
    assert_eq!(ensemble.mode(0), Some(Mode::Observer));
}

/// One that cannot log in stays out for as long as it cannot; the others do not mind.
fn stranger(test: &str, kinds: &[Kind]) {
    if !can_run_or_skip(test, kinds) {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mut ensemble = Ensemble::start(kinds, &demanding(&dir));
    works(&mut ensemble, "/before");
    ensemble.stop(0);
    ensemble.configure(0, LEARNER_SECTION, "QuorumLearnerInvalid");
    ensemble.restart(0);
    let refusals = |ensemble: &Ensemble| {
        let of = |member: usize| {
            let log = ensemble.log(member);
            let apache = log.matches("Failed to authenticate using SASL").count();
            apache
                + log
                    .matches("the login by SASL failed: wrong password")
                    .count()
        };
        of(1) + of(2)
    };
    eventually("it was refused again and again", ENSEMBLE_PATIENCE, || {
        (refusals(&ensemble) >= 3).then_some(())
    });
    assert_eq!(ensemble.mode(0), None);
    let mut client = Client::open_session(ensemble.address(2), SESSION_TIMEOUT_MS).0;
    create(&mut client, "/meanwhile", b"", PERSISTENT);
    ensemble.kill(0);
    ensemble.configure(0, LEARNER_SECTION, "QuorumLearner");
    ensemble.restart(0);
    works(&mut ensemble, "/after");
}

/// Servers that allow SASL and one that knows nothing of it are an ensemble.
fn optional(test: &str, kinds: &[Kind]) {
    if !can_run_or_skip(test, kinds) {
        return;
    }
    let dir = TempDir::new().unwrap();
    for without in [0, 2] {
        let options = options(&dir)
            .config(ENABLE, true)
            .own_config(without, ENABLE, false);
        let mut ensemble = Ensemble::start(kinds, &options);
        works(&mut ensemble, "/node");
    }
}

/// As Apache's documents have it: allow it everywhere, log in everywhere, demand it everywhere.
fn upgrade(test: &str, kinds: &[Kind]) {
    if !can_run_or_skip(test, kinds) {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mut ensemble = Ensemble::start(kinds, &options(&dir));
    works(&mut ensemble, "/without");
    for (step, key) in [ENABLE, LEARNER, SERVER].iter().enumerate() {
        for member in 0..ensemble.len() {
            ensemble.stop(member);
            ensemble.configure(member, key, true);
            ensemble.restart(member);
            ensemble.await_leader();
            works(&mut ensemble, &format!("/step-{step}-{member}"));
        }
    }
}

compat_tests::ensembles! {
    demanded {
        apache: [Apache; 4];
        ours: [Ours; 4];
        led_by_ours: [Apache, Apache, Ours, Ours];
        led_by_apache: [Ours, Ours, Apache, Apache];
    }
    stranger {
        apache: [Apache; 3];
        ours: [Ours; 3];
        apache_among_ours: [Apache, Ours, Ours];
        ours_among_apache: [Ours, Apache, Apache];
    }
    small_observer {
        apache: [Apache; 4];
        ours: [Ours; 4];
        ours_among_apache: [Ours, Apache, Apache, Apache];
        apache_among_ours: [Apache, Ours, Ours, Ours];
    }
    optional {
        apache: [Apache; 3];
        ours: [Ours; 3];
        mixed: [Ours, Apache, Ours];
    }
    upgrade {
        apache: [Apache; 3];
        ours: [Ours; 3];
        mixed: [Ours, Apache, Ours];
    }
}
