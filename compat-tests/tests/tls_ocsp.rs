//! OCSP: what a responder says of clients and of servers, by whom it is signed, and what becomes of those of
//! whom nothing is known; of Apache's servers, of ours and of both.

use std::{net::SocketAddr, path::Path};

use compat_tests::{
    calls::{PERSISTENT, create},
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip},
    eventually::eventually,
    java::{Java, java_or_skip},
    keys::{Keys, PASSWORD},
    ocsp::{Responder, Status},
    ports::Ports,
    server::{
        Kind,
        Kind::{Apache, Ours},
        Server, ServerOptions,
    },
    wire::Client,
};

/// A server that asks for its clients, and their keys.
struct World {
    java: &'static Java,
    keys: Keys,
    secure: SocketAddr,
    _server: Server,
    _ports: Ports,
}

impl World {
    fn start(kind: Kind, java: &'static Java, keys: Keys) -> Self {
        let server = keys.signed("server", "CN=server", "dns:localhost,ip:127.0.0.1");
        let ports = Ports::reserve(1);
        let secure = SocketAddr::from(([127, 0, 0, 1], ports.port(0)));
        let options = ServerOptions::new()
            .config("serverCnxnFactory", NETTY)
            .config("4lw.commands.whitelist", "*")
            .config("secureClientPort", secure.port())
            .config("secureClientPortAddress", secure.ip())
            .config("ssl.keyStore.location", server.display())
            .config("ssl.keyStore.password", PASSWORD)
            .config("ssl.trustStore.location", keys.path("trust.p12").display())
            .config("ssl.trustStore.password", PASSWORD)
            .config("ssl.ocsp", "true")
            .property("com.sun.security.ocsp.timeout", "8");
        Self {
            java,
            secure,
            _server: Server::start(kind, &options),
            keys,
            _ports: ports,
        }
    }

    /// What the owner of `name` gets for a four-letter word.
    fn gets(&self, name: &str) -> String {
        let trust = self.keys.path("trust.p12").display().to_string();
        let key = self.keys.path(&format!("{name}.p12")).display().to_string();
        let properties = [
            ("javax.net.ssl.trustStore", trust.as_str()),
            ("javax.net.ssl.trustStorePassword", PASSWORD),
            ("javax.net.ssl.keyStore", &key),
            ("javax.net.ssl.keyStorePassword", PASSWORD),
        ];
        let port = self.secure.port().to_string();
        let arguments = ["127.0.0.1", &port, "word", "ruok"];
        let program = self
            .java
            .start("gamekeeper.compat.Secure", &properties, &arguments);
        program.finish().pop().expect("it prints a line")
    }
}

/// Clients get in if the responder that their certificate names says that it is good, and says so in a way
/// that can be relied on; or if it cannot tell, and a list can.
fn clients(test: &str, kind: Kind) {
    let Some(java) = java_or_skip(test) else {
        return;
    };
    let Some(keys) = Keys::or_skip(test) else {
        return;
    };
    let responder = Responder::start(&keys);
    let named = responder.extension();
    let (empty, full) = (keys.path("empty.crl"), keys.path("full.crl"));
    let points = |list: &Path| format!("crl=uri:file://{}", list.display());
    keys.signed_with("alice", "CN=alice", &["-ext", &named]);
    keys.signed_with("bob", "CN=bob", &["-ext", &named, "-ext", &points(&empty)]);
    let both = ["-ext", &named, "-ext", &points(&full)];
    keys.signed_with("carol", "CN=carol", &both);
    keys.signed("dave", "CN=dave", "");
    keys.signed_with("delegate", "CN=delegate", &["-ext", "eku=OCSPSigning"]);
    keys.revoke(&[], &empty);
    keys.revoke(&["carol"], &full);
    let world = World::start(kind, java, keys);
    let keys = &world.keys;
    let gets = |name: &str| world.gets(name);
    // Apache's server asks twice for each client: in the handshake, and behind it to know who it is.
    let mut asked = 0;
    let mut is_asked = || {
        let all = responder.asked_about(keys, "alice");
        assert!(all.iter().all(|method| method == "GET"), "{all:?}");
        let has_grown = all.len() > asked;
        asked = all.len();
        has_grown
    };
    responder.says(keys, "alice", Status::Good);
    assert_eq!(gets("alice"), "imok");
    assert!(is_asked());
    responder.says(keys, "alice", Status::Revoked);
    assert_eq!(gets("alice"), "refused");
    assert!(is_asked());
    responder.says(keys, "alice", Status::Unknown);
    assert_eq!(gets("alice"), "refused");
    assert!(is_asked());

    // Of these the responder knows nothing, and of the last one nobody.
    assert_eq!(gets("bob"), "imok");
    assert_eq!(gets("carol"), "refused");
    assert_eq!(gets("dave"), "refused");

    responder.says(keys, "alice", Status::Good);
    responder.is_signed_by(keys, "delegate");
    assert_eq!(gets("alice"), "imok");
    responder.is_signed_by(keys, "dave");
    assert_eq!(gets("alice"), "refused");
    responder.is_signed_by(keys, "delegate");
    responder.is_silent(true);
    assert_eq!(gets("alice"), "refused");
    assert!(is_asked());
    assert_eq!(gets("bob"), "imok");
    responder.is_silent(false);
    assert_eq!(gets("alice"), "imok");
    drop(responder);
    assert_eq!(gets("alice"), "refused");
}

compat_tests::cases! {
    clients_apache: clients(Apache);
    clients_ours: clients(Ours);
}

/// Servers ask for each other, and one whose certificate is revoked stays out until it is good again.
fn between(test: &str, kinds: [Kind; 3]) {
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let Some(keys) = Keys::or_skip(test) else {
        return;
    };
    let responder = Responder::start(&keys);
    let named = responder.extension();
    let own = keys.signed_with("server", "CN=server", &["-ext", &named]);
    let odd = keys.signed_with("odd", "CN=odd", &["-ext", &named]);
    responder.says(&keys, "server", Status::Good);
    responder.says(&keys, "odd", Status::Good);
    let options = EnsembleOptions::new()
        .config("ssl.quorum.keyStore.location", own.display())
        .config("ssl.quorum.keyStore.password", PASSWORD)
        .config(
            "ssl.quorum.trustStore.location",
            keys.path("trust.p12").display(),
        )
        .config("ssl.quorum.trustStore.password", PASSWORD)
        .config("sslQuorum", "true")
        .config("ssl.quorum.ocsp", "true")
        .own_config(ODD, "ssl.quorum.keyStore.location", odd.display());
    let mut ensemble = Ensemble::start(&kinds, &options);
    let asked = |name: &str| responder.asked_about(&keys, name).len();
    assert!(
        asked("server") > 0 && asked("odd") > 0,
        "they were asked for"
    );

    ensemble.stop(ODD);
    responder.says(&keys, "odd", Status::Revoked);
    let before = asked("odd");
    ensemble.restart(ODD);
    eventually("it comes again and again", ENSEMBLE_PATIENCE, || {
        (asked("odd") >= before + 4).then_some(())
    });
    assert_eq!(ensemble.mode(ODD), None, "it does not serve");
    responder.says(&keys, "odd", Status::Good);
    ensemble.await_serving(ODD);
    let (mut client, _) = Client::open_session(ensemble.address(ODD), SESSION_TIMEOUT_MS);
    create(&mut client, "/back", b"", PERSISTENT);
    ensemble.await_same_zxid();
}

compat_tests::cases! {
    between_servers_of_apache: between([Apache; 3]);
    between_servers_of_ours: between([Ours; 3]);
}

#[test]
fn between_servers_of_both() {
    between("tls_ocsp::between_servers_of_both", [Ours, Apache, Ours]);
    between("tls_ocsp::between_servers_of_both", [Apache, Ours, Apache]);
}

/// Of the three; not the one that leads at first.
const ODD: usize = 0;

const SESSION_TIMEOUT_MS: i32 = 40_000;

const NETTY: &str = "org.apache.zookeeper.server.NettyServerCnxnFactory";
