//! TLS: clients on a port of their own and on a unified one, who they are by their certificates, what is
//! refused, stores of every kind, new certificates at run time; and between servers, of Apache's, of
//! ours and of both, with the change from plain text to TLS while clients go on.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use compat_tests::{
    ensemble::{ENSEMBLE_PATIENCE, Ensemble, EnsembleOptions, can_run_or_skip},
    eventually::eventually,
    history::Rules,
    java::{Java, java_or_skip},
    keys::{Keys, PASSWORD},
    load::{Load, LoadOptions},
    ports::Ports,
    server::{
        Kind,
        Kind::{Apache, Ours},
        Server, ServerOptions, four_letter_word,
    },
};

const NETTY: &str = "org.apache.zookeeper.server.NettyServerCnxnFactory";
const X509: &str = "org.apache.zookeeper.server.auth.X509AuthenticationProvider";
const PATIENCE: Duration = Duration::from_secs(60);

/// A standalone server with a port for plain text and one for TLS, and the keys of a test.
struct World {
    java: &'static Java,
    keys: Keys,
    server: Server,
    secure: SocketAddr,
    _ports: Ports,
}

impl World {
    fn start(kind: Kind, test: &str, settings: &[(&str, &str)]) -> Option<Self> {
        Self::start_with(kind, test, settings, |keys| {
            let key = keys.signed("server", "CN=server", "dns:localhost,ip:127.0.0.1");
            [key, keys.path("trust.p12")]
        })
    }

    fn start_with(
        kind: Kind,
        test: &str,
        settings: &[(&str, &str)],
        stores: impl FnOnce(&Keys) -> [std::path::PathBuf; 2],
    ) -> Option<Self> {
        let java = java_or_skip(test)?;
        let keys = Keys::or_skip(test)?;
        let [key, trust] = stores(&keys);
        let ports = Ports::reserve(1);
        let secure = SocketAddr::from(([127, 0, 0, 1], ports.port(0)));
        let mut options = ServerOptions::new()
            .config("serverCnxnFactory", NETTY)
            .config("4lw.commands.whitelist", "*")
            .config("ssl.keyStore.location", key.display())
            .config("ssl.keyStore.password", PASSWORD)
            .config("ssl.trustStore.location", trust.display())
            .config("ssl.trustStore.password", PASSWORD);
        if !settings
            .iter()
            .any(|(key, _)| *key == "client.portUnification")
        {
            options = options
                .config("secureClientPort", secure.port())
                .config("secureClientPortAddress", secure.ip());
        }
        for (key, value) in settings {
            options = options.config(key, value);
        }
        let server = Server::start(kind, &options);
        Some(Self {
            java,
            keys,
            server,
            secure,
            _ports: ports,
        })
    }

    /// What a bare socket with these keys and properties gets for a four-letter word.
    fn word(
        &self,
        at: SocketAddr,
        word: &str,
        key: Option<&Path>,
        more: &[(&str, &str)],
    ) -> String {
        let trust = self.keys.path("trust.p12").display().to_string();
        let key = key.map(|key| key.display().to_string());
        let mut properties = vec![
            ("javax.net.ssl.trustStore", trust.as_str()),
            ("javax.net.ssl.trustStorePassword", PASSWORD),
        ];
        if let Some(key) = &key {
            properties.push(("javax.net.ssl.keyStore", key));
            properties.push(("javax.net.ssl.keyStorePassword", PASSWORD));
        }
        properties.extend(more);
        let (host, port) = (at.ip().to_string(), at.port().to_string());
        let arguments = [host.as_str(), &port, "word", word];
        let lines = self
            .java
            .start("gamekeeper.compat.Secure", &properties, &arguments)
            .finish();
        last(lines)
    }

    /// What a session of Apache's client prints; without a key one over plain text.
    fn session(&self, key: Option<&Path>, arguments: &[&str]) -> Vec<String> {
        let trust = self.keys.path("trust.p12").display().to_string();
        let key = key.map(|key| key.display().to_string());
        let mut properties = Vec::new();
        let at = match &key {
            Some(key) => {
                properties = client_properties(key, &trust);
                self.secure
            }
            None => self.server.address(),
        };
        let (host, port) = (at.ip().to_string(), at.port().to_string());
        let all = [&[host.as_str(), port.as_str()], arguments].concat();
        self.java
            .start("gamekeeper.compat.Secure", &properties, &all)
            .finish()
    }
}

fn client_properties<'a>(key: &'a str, trust: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("zookeeper.client.secure", "true"),
        (
            "zookeeper.clientCnxnSocket",
            "org.apache.zookeeper.ClientCnxnSocketNetty",
        ),
        ("zookeeper.ssl.keyStore.location", key),
        ("zookeeper.ssl.keyStore.password", PASSWORD),
        ("zookeeper.ssl.trustStore.location", trust),
        ("zookeeper.ssl.trustStore.password", PASSWORD),
    ]
}

fn last(lines: Vec<String>) -> String {
    lines.into_iter().next_back().expect("it prints a line")
}

/// Those who are let in get the words, also in plain text on the other port; those who are not get
/// nothing.
fn ports(test: &str, kind: Kind) {
    let Some(world) = World::start(kind, test, &[]) else {
        return;
    };
    let alice = world.keys.signed("alice", "CN=alice", "");
    let stranger = world.keys.unsigned("stranger", "CN=Test CA");
    let (plain, secure) = (world.server.address(), world.secure);
    assert_eq!(world.word(secure, "ruok", Some(&alice), &[]), "imok");
    assert_eq!(world.word(secure, "ruok", None, &[]), "refused");
    assert_eq!(world.word(secure, "ruok", Some(&stranger), &[]), "refused");
    assert_eq!(
        world.word(plain, "ruok", Some(&alice), &[]),
        "refused",
        "that port has no TLS"
    );
    assert_eq!(four_letter_word(plain, "ruok").expect("an answer"), "imok");
    // The version that is there by default is the newest alone.
    let old = [("secure.protocol", "TLSv1.2")];
    assert_eq!(world.word(secure, "ruok", Some(&alice), &old), "refused");
    let suite = [("secure.suite", "TLS_CHACHA20_POLY1305_SHA256")];
    assert_eq!(world.word(secure, "ruok", Some(&alice), &suite), "imok");
    // An alert may come for plain text, and nothing else.
    let mut stream = TcpStream::connect(secure).expect("the port is open");
    stream.write_all(b"ruok").expect("four bytes go");
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("a half-close");
    let mut answer = Vec::new();
    // It may be reset as well.
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"imok"), "{answer:?}");
    let conf = four_letter_word(plain, "conf").expect("an answer");
    assert!(
        conf.contains(&format!(
            "clientPort={}\nsecureClientPort={}\n",
            plain.port(),
            secure.port()
        )),
        "{conf}"
    );
    // A connection is closed before it is counted.
    eventually("the four that failed are counted", PATIENCE, || {
        let failed = figure(&world.server, "zk_unsuccessful_handshake");
        let outstanding = figure(&world.server, "zk_outstanding_tls_handshake");
        (failed >= 4 && outstanding == 0).then_some(())
    });
}

fn figure(server: &Server, key: &str) -> u64 {
    let answer = server.four_letter_word("mntr");
    let line = answer.lines().find_map(|line| line.strip_prefix(key));
    let text = line
        .unwrap_or_else(|| panic!("{key} is not in {answer}"))
        .trim();
    text.parse().expect("a number")
}

compat_tests::cases! {
    ports_apache: ports(Apache);
    ports_ours: ports(Ours);
}

/// Who a client is by its certificate, what belongs to it, and who is super.
fn identities(test: &str, kind: Kind) {
    let super_user = ("X509AuthenticationProvider.superUser", "CN=boss,O=Acme");
    let Some(world) = World::start(kind, test, &[super_user]) else {
        return;
    };
    let alice = world.keys.signed(
        "alice",
        "CN=alice, OU=x, O=\"Acme, Inc.\", EMAILADDRESS=a@b",
        "",
    );
    let bob = world.keys.signed("bob", "CN=bob", "");
    let boss = world.keys.signed("boss", "CN=boss, O=Acme", "");
    let name = "CN=alice,OU=x,O=Acme\\, Inc.,1.2.840.113549.1.9.1=#1603614062";
    let identity = format!("x509:{name}");
    let who = ["ip:127.0.0.1".to_owned(), identity.clone()];
    assert_eq!(world.session(Some(&alice), &["who"]), who);
    assert_eq!(
        world.session(Some(&alice), &["again"]),
        who,
        "asked to show it again"
    );
    assert_eq!(
        world.session(Some(&alice), &["make", "/alices"]),
        [identity]
    );
    assert_eq!(
        world.session(Some(&alice), &["read", "/alices"]),
        ["secret"]
    );
    assert_eq!(world.session(Some(&bob), &["read", "/alices"]), ["NOAUTH"]);
    assert_eq!(world.session(None, &["read", "/alices"]), ["NOAUTH"]);
    assert_eq!(world.session(Some(&boss), &["read", "/alices"]), ["secret"]);
    // What a scheme without a provider has for a user is Apache's whim.
    let mut shown = world.session(Some(&boss), &["who"]);
    shown.retain(|identity| !identity.starts_with("super:"));
    assert_eq!(shown, ["ip:127.0.0.1", "x509:CN=boss,O=Acme"]);
}

compat_tests::cases! {
    identities_apache: identities(Apache);
    identities_ours: identities(Ours);
}

/// One port for both, and clients that need no certificate.
fn unified(test: &str, kind: Kind) {
    let settings = [
        ("client.portUnification", "true"),
        // Apache's server makes this of the line above, but may have read its schemes before.
        ("authProvider.x509", X509),
        ("ssl.clientAuth", "want"),
        ("ssl.enabledProtocols", "TLSv1.2,TLSv1.3"),
    ];
    let Some(world) = World::start(kind, test, &settings) else {
        return;
    };
    let alice = world.keys.signed("alice", "CN=alice", "");
    let stranger = world.keys.unsigned("stranger", "CN=Test CA");
    let at = world.server.address();
    assert_eq!(four_letter_word(at, "ruok").expect("an answer"), "imok");
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let more = [("secure.protocol", protocol)];
        assert_eq!(world.word(at, "ruok", Some(&alice), &more), "imok");
        assert_eq!(world.word(at, "ruok", None, &more), "imok");
        assert_eq!(world.word(at, "ruok", Some(&stranger), &more), "refused");
    }
}

compat_tests::cases! {
    unified_apache: unified(Apache);
    unified_ours: unified(Ours);
}

/// Stores of every kind, and a client whose address its certificate must name.
fn stores(test: &str, kind: Kind) {
    for format in ["jks", "pem"] {
        let settings = [
            ("fips-mode", "false"),
            ("ssl.clientHostnameVerification", "true"),
        ];
        let world = World::start_with(kind, test, &settings, |keys| {
            keys.signed("server", "CN=server", "dns:localhost,ip:127.0.0.1");
            match format {
                "jks" => [keys.as_jks("server"), keys.path("trust.jks")],
                _ => [keys.as_pem("server"), keys.path("ca.pem")],
            }
        });
        let Some(world) = world else {
            return;
        };
        let here = world.keys.signed("here", "CN=here", "ip:127.0.0.1");
        let named = world.keys.signed("named", "CN=named", "dns:localhost");
        let elsewhere = world
            .keys
            .signed("elsewhere", "CN=elsewhere", "ip:10.9.8.7,dns:other");
        let at = world.secure;
        assert_eq!(world.word(at, "ruok", Some(&here), &[]), "imok", "{format}");
        assert_eq!(
            world.word(at, "ruok", Some(&named), &[]),
            "imok",
            "{format}"
        );
        assert_eq!(
            world.word(at, "ruok", Some(&elsewhere), &[]),
            "refused",
            "{format}"
        );
    }
}

compat_tests::cases! {
    stores_apache: stores(Apache);
    stores_ours: stores(Ours);
}

/// With `ssl.crl` a certificate must name a list, and must not be on it.
fn revocation(test: &str, kind: Kind) {
    let Some(world) = World::start(kind, test, &[("ssl.crl", "true")]) else {
        return;
    };
    // The JDK keeps what it has read of a place for a while.
    let (empty, full) = (world.keys.path("empty.crl"), world.keys.path("full.crl"));
    let good = world.keys.listed("good", "CN=good", &empty);
    let revoked = world.keys.listed("revoked", "CN=revoked", &full);
    let unlisted = world.keys.signed("unlisted", "CN=unlisted", "");
    let lost = world
        .keys
        .listed("lost", "CN=lost", &world.keys.path("lost.crl"));
    world.keys.revoke(&[], &empty);
    world.keys.revoke(&["revoked"], &full);
    assert_eq!(world.word(world.secure, "ruok", Some(&good), &[]), "imok");
    for key in [&revoked, &unlisted, &lost] {
        let answer = world.word(world.secure, "ruok", Some(key), &[]);
        assert_eq!(answer, "refused", "{}", key.display());
    }
}

compat_tests::cases! {
    revocation_apache: revocation(Apache);
    revocation_ours: revocation(Ours);
}

/// A new certificate is for new connections, and who is connected stays.
fn reload(test: &str, kind: Kind) {
    let Some(world) = World::start(kind, test, &[("client.certReload", "true")]) else {
        return;
    };
    let key = world
        .keys
        .signed("alice", "CN=alice", "")
        .display()
        .to_string();
    let trust = world.keys.path("trust.p12").display().to_string();
    let (host, port) = (
        world.secure.ip().to_string(),
        world.secure.port().to_string(),
    );
    let properties = client_properties(&key, &trust);
    let hold = [host.as_str(), &port, "hold"];
    let mut held = world
        .java
        .start("gamekeeper.compat.Secure", &properties, &hold);
    held.expect_line("connected");
    let subject = || {
        let properties = [
            ("javax.net.ssl.trustStore", trust.as_str()),
            ("javax.net.ssl.trustStorePassword", PASSWORD),
            ("javax.net.ssl.keyStore", &key),
            ("javax.net.ssl.keyStorePassword", PASSWORD),
        ];
        let arguments = [host.as_str(), &port, "subject"];
        last(
            world
                .java
                .start("gamekeeper.compat.Secure", &properties, &arguments)
                .finish(),
        )
    };
    assert_eq!(subject(), "CN=server");
    let next = world
        .keys
        .signed("next", "CN=next server", "dns:localhost,ip:127.0.0.1");
    let place = world.keys.path("server.p12");
    fs::copy(next, &place).expect("the store is replaced");
    eventually("the new certificate is shown", PATIENCE, || {
        (subject() == "CN=next server").then_some(())
    });
    held.say("");
    held.expect_line("still CONNECTED");
    held.finish();
}

compat_tests::cases! {
    reload_apache: reload(Apache);
    reload_ours: reload(Ours);
}

/// What each member of an ensemble with TLS has.
fn peer_options(keys: &Keys) -> EnsembleOptions {
    let key = keys.signed("server", "CN=server", "ip:127.0.0.1");
    EnsembleOptions::new()
        .config("ssl.quorum.keyStore.location", key.display())
        .config("ssl.quorum.keyStore.password", PASSWORD)
        .config(
            "ssl.quorum.trustStore.location",
            keys.path("trust.p12").display(),
        )
        .config("ssl.quorum.trustStore.password", PASSWORD)
        .config("fips-mode", "false")
}

/// Servers that know each other by certificates elect, follow, catch up, and go on when the leader
/// dies; neither plain text nor a certificate for another address comes in.
fn between(test: &str, kinds: [Kind; 3]) {
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let Some(keys) = Keys::or_skip(test) else {
        return;
    };
    let elsewhere = keys.signed("elsewhere", "CN=elsewhere", "ip:10.9.8.7");
    let options = peer_options(&keys).config("sslQuorum", "true");
    let mut ensemble = Ensemble::start(&kinds, &options);
    let load = Load::start(&ensemble.addresses(), LoadOptions::default());
    load.await_writes(100, ENSEMBLE_PATIENCE);
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    load.await_writes(100, ENSEMBLE_PATIENCE);
    ensemble.restart(leader);
    ensemble.await_all();
    load.await_writes(100, ENSEMBLE_PATIENCE);
    load.finish(&ensemble.addresses()).expect(Rules::STRICT);
    ensemble.await_same_zxid();

    let follower = (ensemble.await_leader() + 1) % ensemble.len();
    for (key, value, back) in [
        ("sslQuorum", "false".to_owned(), "true".to_owned()),
        (
            "ssl.quorum.keyStore.location",
            elsewhere.display().to_string(),
            keys.path("server.p12").display().to_string(),
        ),
    ] {
        ensemble.stop(follower);
        ensemble.configure(follower, key, value);
        let before = refusals(&ensemble);
        ensemble.restart(follower);
        eventually("it is turned away", ENSEMBLE_PATIENCE, || {
            (refusals(&ensemble) > before).then_some(())
        });
        assert_eq!(ensemble.mode(follower), None, "it does not serve");
        ensemble.stop(follower);
        ensemble.configure(follower, key, back);
        ensemble.restart(follower);
        ensemble.await_serving(follower);
    }
}

/// How often the logs say that a server was not let in, by those who did not and by those who dialled.
fn refusals(ensemble: &Ensemble) -> usize {
    let words = [
        "Blocked insecure connection attempt",
        "Failed to verify host",
        "it has no TLS",
        "is not that of",
    ];
    let is_refusal = |line: &&str| words.iter().any(|word| line.contains(word));
    let logs = (0..ensemble.len()).map(|member| ensemble.log(member));
    logs.map(|log| log.lines().filter(is_refusal).count()).sum()
}

compat_tests::cases! {
    between_servers_of_apache: between([Apache; 3]);
    between_servers_of_ours: between([Ours; 3]);
}

#[test]
fn between_servers_of_both() {
    between("tls::between_servers_of_both", [Ours, Apache, Ours]);
    between("tls::between_servers_of_both", [Apache, Ours, Apache]);
}

/// From plain text to TLS one server after the other, in the three steps that Apache's guide has, while
/// clients go on.
fn rolling_change(test: &str, kinds: [Kind; 3]) {
    if !can_run_or_skip(test, &kinds) {
        return;
    }
    let Some(keys) = Keys::or_skip(test) else {
        return;
    };
    let options = peer_options(&keys)
        .config("sslQuorum", "false")
        .config("portUnification", "false");
    let mut ensemble = Ensemble::start(&kinds, &options);
    let load = Load::start(&ensemble.addresses(), LoadOptions::default());
    for (key, value) in [
        ("portUnification", "true"),
        ("sslQuorum", "true"),
        ("portUnification", "false"),
    ] {
        for member in 0..kinds.len() {
            ensemble.stop(member);
            ensemble.configure(member, key, value);
            ensemble.restart(member);
            ensemble.await_serving(member);
            load.await_writes(50, ENSEMBLE_PATIENCE);
        }
    }
    load.finish(&ensemble.addresses()).expect(Rules::STRICT);
    ensemble.await_same_zxid();
}

compat_tests::cases! {
    rolling_change_of_apache: rolling_change([Apache; 3]);
    rolling_change_of_ours: rolling_change([Ours; 3]);
    rolling_change_of_both: rolling_change([Ours, Apache, Ours]);
}
