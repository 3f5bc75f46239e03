//! SASL between servers by GSSAPI: ensembles of Apache's servers, of ours, and of both, that demand it, whose
//! tickets end, whose KDC is silent, whose hosts have other names in the DNS; and a server whose name is of no
//! member's host, which stays out. Rows QP-144 and QP-145.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    fs,
    time::{Duration, Instant},
};

use compat_tests::{
    calls::{PERSISTENT, create, exists, sync},
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip},
    eventually::eventually,
    kerberos::{Realm, kerberos_or_skip},
    server::{
        Kind,
        Kind::{Apache, Ours},
    },
    wire::Client,
};

const SESSION_TIMEOUT_MS: i32 = 40_000;

const TICKET_SECONDS: u64 = 6;

const LEARNER_SECTION: &str = "quorum.auth.learner.saslLoginContext";

/// Members of `localhost` that demand to be shown tickets, with sections for three kinds of learners.
fn demanding(realm: &Realm, count: usize) -> EnsembleOptions {
    let names = [
        "zkquorum/localhost",
        "learner/localhost",
        "learner/elsewhere",
        "learner",
    ];
    let keytab = realm.keytab("servers.keytab", &names);
    let sections = ["QuorumServer", "QuorumLearner", "Elsewhere", "Hostless"];
    let jaas: String = sections
        .iter()
        .zip(names)
        .map(|(section, name)| {
            let principal = format!("{name}@{}", Realm::NAME);
            Realm::section(section, &keytab, &principal)
        })
        .collect();
    let file = realm.dir().join("jaas.conf");
    fs::write(&file, jaas).unwrap();
    let options = EnsembleOptions::new()
        .property("java.security.auth.login.config", file.display())
        .property("java.security.krb5.conf", realm.configuration().display())
        .config("quorum.auth.enableSasl", true)
        .config("quorum.auth.learnerRequireSasl", true)
        .config("quorum.auth.serverRequireSasl", true)
        .config("quorum.auth.kerberos.servicePrincipal", "zkquorum/_HOST");
    (0..count).fold(options, |options, member| {
        options.line(member, "localhost:{quorum}:{election}")
    })
}

/// What one member is told all members that run know.
fn works(ensemble: &mut Ensemble, path: &str) {
    ensemble.await_all();
    works_without(ensemble, usize::MAX, path);
}

/// The same of all but this one.
fn works_without(ensemble: &mut Ensemble, without: usize, path: &str) {
    let running: Vec<_> = (0..ensemble.len())
        .filter(|member| *member != without && ensemble.mode(*member).is_some())
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

fn can_run(test: &str, kinds: &[Kind]) -> bool {
    kerberos_or_skip(test) && can_run_or_skip(test, kinds)
}

/// Everyone logs in to everyone, in elections and to the leader.
fn demanded(test: &str, kinds: &[Kind]) {
    if !can_run(test, kinds) {
        return;
    }
    let realm = Realm::start();
    let mut ensemble = Ensemble::start(kinds, &demanding(&realm, kinds.len()));
    works(&mut ensemble, "/first");
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    ensemble.await_leader();
    works(&mut ensemble, "/second");
    ensemble.restart(leader);
    works(&mut ensemble, "/third");
}

/// Who has its tickets needs no KDC, and who needs one and gets no answer keeps nobody else waiting.
fn silent_kdc(test: &str, kinds: &[Kind]) {
    if !can_run(test, kinds) {
        return;
    }
    let mut realm = Realm::start();
    let mut ensemble = Ensemble::start(kinds, &demanding(&realm, kinds.len()));
    works(&mut ensemble, "/before");
    realm.fall_silent();
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    if kinds[leader] == Ours {
        // Apache's server does not start without the KDC; ours waits for it at each dial.
        ensemble.restart(leader);
    }
    eventually("the others have a leader", ENSEMBLE_PATIENCE, || {
        let mut others = (0..kinds.len()).filter(|member| *member != leader);
        others
            .all(|member| ensemble.mode(member).is_some())
            .then_some(())
    });
    works_without(&mut ensemble, leader, "/meanwhile");
    realm.speak();
    if kinds[leader] != Ours {
        ensemble.restart(leader);
    }
    works(&mut ensemble, "/after");
}

/// Tickets end, and servers get others in time.
fn short_tickets(test: &str, kinds: &[Kind]) {
    if !can_run(test, kinds) {
        return;
    }
    let realm = Realm::start();
    let options = demanding(&realm, kinds.len());
    realm.limit_tickets("learner/localhost", TICKET_SECONDS);
    let options = options.property("zookeeper.kerberos.minReLoginTimeMs", 500);
    let mut ensemble = Ensemble::start(kinds, &options);
    works(&mut ensemble, "/first");
    let got = Instant::now();
    eventually("the first tickets have ended", ENSEMBLE_PATIENCE, || {
        (got.elapsed() > Duration::from_secs(TICKET_SECONDS)).then_some(())
    });
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    ensemble.await_leader();
    works(&mut ensemble, "/second");
    ensemble.restart(leader);
    works(&mut ensemble, "/third");
}

/// One whose host the DNS calls otherwise than the server lines do: for those who look it up it has that name.
fn canonical(test: &str, kinds: &[Kind]) {
    if !can_run(test, kinds) {
        return;
    }
    let realm = Realm::start();
    let options = demanding(&realm, 0).property("zookeeper.kerberos.canonicalizeHostNames", true);
    let options = (0..kinds.len()).fold(options, |options, member| {
        options.line(member, "127.0.0.1:{quorum}:{election}")
    });
    let mut ensemble = Ensemble::start(kinds, &options);
    works(&mut ensemble, "/node");
}

/// One whose name has another host, or none, stays out, whatever ticket it has.
fn stranger(test: &str, kinds: &[Kind]) {
    if !can_run(test, kinds) {
        return;
    }
    let realm = Realm::start();
    let mut ensemble = Ensemble::start(kinds, &demanding(&realm, kinds.len()));
    works(&mut ensemble, "/before");
    let refusals = |ensemble: &Ensemble| {
        let of = |member: usize| {
            let log = ensemble.log(member);
            let apache = log.matches("Failed to authenticate using SASL").count();
            apache + log.matches("has no host of a member in its name").count()
        };
        of(1) + of(2)
    };
    for section in ["Elsewhere", "Hostless"] {
        ensemble.stop(0);
        ensemble.configure(0, LEARNER_SECTION, section);
        let before = refusals(&ensemble);
        ensemble.restart(0);
        eventually("it is refused again and again", ENSEMBLE_PATIENCE, || {
            (refusals(&ensemble) >= before + 3).then_some(())
        });
        assert_eq!(ensemble.mode(0), None);
        let mut client = Client::open_session(ensemble.address(2), SESSION_TIMEOUT_MS).0;
        create(&mut client, &format!("/{section}"), b"", PERSISTENT);
    }
    ensemble.kill(0);
    ensemble.configure(0, LEARNER_SECTION, "QuorumLearner");
    ensemble.restart(0);
    works(&mut ensemble, "/after");
}

compat_tests::ensembles! {
    demanded {
        apache: [Apache; 3];
        ours: [Ours; 3];
        led_by_ours: [Apache, Apache, Ours];
        led_by_apache: [Ours, Ours, Apache];
    }
    silent_kdc {
        apache: [Apache; 3];
        ours: [Ours; 3];
        ours_among_apache: [Apache, Apache, Ours];
    }
    short_tickets {
        apache: [Apache; 3];
        ours: [Ours; 3];
    }
    canonical {
        apache: [Apache; 3];
        ours: [Ours; 3];
        mixed: [Ours, Apache, Ours];
    }
    stranger {
        apache: [Apache; 3];
        ours: [Ours; 3];
        apache_among_ours: [Apache, Ours, Ours];
        ours_among_apache: [Ours, Apache, Apache];
    }
}
