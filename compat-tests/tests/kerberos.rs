//! SASL by GSSAPI, of clients: who Apache's own client is when it shows a ticket and what that opens, how names
//! become those in access lists, and what becomes of tickets and tokens that are none. The KDC is MIT's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use compat_tests::{
    calls::{GET_DATA, Reply, call, try_call},
    ensemble::can_run_or_skip,
    java::{Java, java_or_skip},
    kerberos::{Realm, kerberos_or_skip},
    server::{Kind, Kind::Ours, Server, ServerOptions},
    wire::{Body, Client, Reader},
};

const SASL: i32 = 102;
const SESSION_TIMEOUT_MS: i32 = 40_000;
const AUTH_FAILED: i32 = -115;
const SASL_REQUIRED: i32 = -124;

const SERVICE: &str = "zookeeper/localhost";
const PROVIDER: (&str, &str) = (
    "authProvider.1",
    "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
);

/// A realm with a server that is a service of it.
struct Site {
    realm: Realm,
    server: Server,
}

impl Site {
    fn start(kind: Kind, lines: &[(&str, &str)]) -> Self {
        let realm = Realm::start();
        let keytab = realm.keytab("server.keytab", &[SERVICE]);
        let jaas = jaas(&realm, "server.conf", &keytab, SERVICE, "Server");
        let server = Server::start(kind, &options(&realm, &jaas, lines));
        Self { realm, server }
    }

    /// What a client that logs in as `user` says about itself and its commands.
    fn log_in(&self, java: &Java, user: &str, commands: &[&str]) -> Vec<String> {
        let keytab = self.realm.keytab(&file_name(user), &[user]);
        self.log_in_with(java, &keytab, user, SERVICE, commands)
    }

    fn log_in_with(
        &self,
        java: &Java,
        keytab: &Path,
        user: &str,
        service: &str,
        commands: &[&str],
    ) -> Vec<String> {
        let file = jaas(&self.realm, "client.conf", keytab, user, "Client");
        let (file, configuration) = (file.display(), self.realm.configuration());
        let properties = [
            ("java.security.auth.login.config", &*file.to_string()),
            (
                "java.security.krb5.conf",
                &configuration.display().to_string(),
            ),
            ("zookeeper.server.principal", service),
        ];
        let connect = self.server.connect_string();
        let mut arguments = vec![connect.as_str()];
        arguments.extend(commands);
        let program = java.start("gamekeeper.compat.Login", &properties, &arguments);
        program.finish()
    }

    fn client(&self) -> Client {
        Client::open_session(self.server.address(), SESSION_TIMEOUT_MS).0
    }
}

fn jaas(realm: &Realm, file: &str, keytab: &Path, principal: &str, section: &str) -> PathBuf {
    let file = realm.dir().join(file);
    let principal = format!("{principal}@{}", Realm::NAME);
    fs::write(&file, Realm::section(section, keytab, &principal)).unwrap();
    file
}

fn options(realm: &Realm, jaas: &Path, lines: &[(&str, &str)]) -> ServerOptions {
    let configuration = realm.configuration();
    let options = ServerOptions::new()
        .property("java.security.auth.login.config", jaas.display())
        .property("java.security.krb5.conf", configuration.display());
    lines
        .iter()
        .fold(options, |options, (key, value)| options.config(key, value))
}

fn file_name(principal: &str) -> String {
    format!("{}.keytab", principal.replace('/', "-"))
}

fn said(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// Who has logged in has what is theirs, and a super user has all.
fn users(kind: Kind, java: &Java) {
    let lines = [PROVIDER, ("superUser", "admin@EXAMPLE.COM")];
    let site = Site::start(kind, &lines);
    let commands = [
        "whoAmI",
        "create:/bob:bob@EXAMPLE.COM",
        "create:/host:ann/host.example.com@EXAMPLE.COM",
        "get:/bob",
        "get:/host",
    ];
    assert_eq!(
        site.log_in(java, "bob", &commands),
        said(&[
            "SaslAuthenticated",
            "whoAmI ip=127.0.0.1 sasl=bob@EXAMPLE.COM",
            "create:/bob:bob@EXAMPLE.COM /bob",
            "create:/host:ann/host.example.com@EXAMPLE.COM /host",
            "get:/bob has 0 bytes",
            "get:/host NOAUTH",
        ])
    );
    let reads = ["whoAmI", "get:/bob", "get:/host"];
    assert_eq!(
        site.log_in(java, "ann/host.example.com", &reads),
        said(&[
            "SaslAuthenticated",
            "whoAmI ip=127.0.0.1 sasl=ann/host.example.com@EXAMPLE.COM",
            "get:/bob NOAUTH",
            "get:/host has 0 bytes",
        ])
    );
    assert_eq!(
        site.log_in(java, "admin", &reads),
        said(&[
            "SaslAuthenticated",
            "whoAmI ip=127.0.0.1 sasl=admin@EXAMPLE.COM super=",
            "get:/bob has 0 bytes",
            "get:/host has 0 bytes",
        ])
    );
    let mut nobody = site.client();
    let look = |path: &str| Body::new().string(path).boolean(false);
    assert_eq!(call(&mut nobody, GET_DATA, &look("/bob")).error, -102);
}

/// Names lose parts and are mapped, as the settings say.
fn names(kind: Kind, java: &Java) {
    let short = [
        ("kerberos.removeHostFromPrincipal", "true"),
        ("kerberos.removeRealmFromPrincipal", "true"),
    ];
    let rules = "RULE:[2:$1;$2](ann;.*)s/;.*/s/ RULE:[1:$1](bob)s/b/p/g DEFAULT";
    let mapped = [("security.auth_to_local", rules)];
    let of_ann = |name| ("ann/host", name);
    for (lines, users) in [
        (&short[..], vec![of_ann("ann")]),
        (&short[1..], vec![of_ann("ann/host")]),
        (
            &mapped,
            vec![of_ann("anns/host@EXAMPLE.COM"), ("bob", "pop@EXAMPLE.COM")],
        ),
    ] {
        // These Apache's server has from properties alone.
        let realm = Realm::start();
        let keytab = realm.keytab("server.keytab", &[SERVICE]);
        let file = jaas(&realm, "server.conf", &keytab, SERVICE, "Server");
        let mut options = options(&realm, &file, &[PROVIDER]);
        for (key, value) in lines {
            options = options.property(&format!("zookeeper.{key}"), value);
        }
        let server = Server::start(kind, &options);
        let site = Site { realm, server };
        for (user, expected) in users {
            let who = format!("whoAmI ip=127.0.0.1 sasl={expected}");
            let seen = site.log_in(java, user, &["whoAmI"]);
            assert_eq!(seen, said(&["SaslAuthenticated", &who]), "{lines:?} {user}");
        }
    }
}

/// A ticket for another service, or for a key that the server does not have, opens nothing.
fn strangers(kind: Kind, java: &Java) {
    let site = Site::start(kind, &[PROVIDER]);
    let failed = said(&["AuthFailed", "get:/ AUTHFAILED"]);
    let bob = site.realm.keytab("bob.keytab", &["bob"]);
    let other = "zookeeper/elsewhere";
    site.realm.keytab("other.keytab", &[other]);
    let seen = site.log_in_with(java, &bob, "bob", other, &["get:/"]);
    assert_eq!(seen, failed, "a ticket for another service");
    let seen = site.log_in_with(java, &bob, "bob", SERVICE, &["get:/"]);
    assert_eq!(seen, said(&["SaslAuthenticated", "get:/ has 0 bytes"]));
    // Its key changes where the server does not see it.
    site.realm.keytab("lost.keytab", &[SERVICE]);
    let seen = site.log_in_with(java, &bob, "bob", SERVICE, &["get:/"]);
    assert_eq!(seen, failed, "a ticket for another key");
    // The server looks into its keytab at each login.
    site.realm.keytab("server.keytab", &[SERVICE]);
    let seen = site.log_in_with(java, &bob, "bob", SERVICE, &["get:/"]);
    assert_eq!(seen, said(&["SaslAuthenticated", "get:/ has 0 bytes"]));
}

/// Only who has logged in may do anything.
fn enforcement(kind: Kind, java: &Java) {
    let lines = [PROVIDER, ("sessionRequireClientSASLAuth", "true")];
    let site = Site::start(kind, &lines);
    let seen = site.log_in(java, "bob", &["create:/bob:bob@EXAMPLE.COM"]);
    let path = "create:/bob:bob@EXAMPLE.COM /bob";
    assert_eq!(seen, said(&["SaslAuthenticated", path]));
    let mut wrong = site.client();
    let refused = token(&mut wrong, Some(b"nonsense"));
    assert_eq!(refused.map(bytes_of), Some((SASL_REQUIRED, null())));
    wrong.expect_close();
}

/// Sends a token, or the null one.
fn token(client: &mut Client, token: Option<&[u8]>) -> Option<Reply> {
    try_call(client, SASL, &body(token))
}

fn body(token: Option<&[u8]>) -> Body {
    match token {
        Some(token) => Body::new().buffer(token),
        None => Body::new().null(),
    }
}

fn bytes_of(reply: Reply) -> (i32, Vec<u8>) {
    assert_eq!(reply.zxid, 0);
    (reply.error, reply.body)
}

fn null() -> Vec<u8> {
    Body::new().null().into_bytes()
}

/// Tokens that are none, and what is sent behind them.
fn bytes(kind: Kind) {
    let site = Site::start(kind, &[PROVIDER]);
    let long = vec![0x60; 100_000];
    // What opens an exchange of DIGEST-MD5 is empty.
    for wrong in [b"".as_slice(), b"nonsense", b"\x60\x82\xff\xff", &long] {
        let mut client = site.client();
        let refused = token(&mut client, Some(wrong)).map(bytes_of);
        assert_eq!(refused, Some((AUTH_FAILED, null())));
        client.expect_close();
    }
    let mut client = site.client();
    assert!(token(&mut client, None).is_none(), "a null token ends it");

    let kept = Site::start(kind, &[("allowSaslFailedClients", "true")]);
    let mut client = kept.client();
    for _ in 0..2 {
        let answer = token(&mut client, Some(b"nonsense")).map(bytes_of);
        assert_eq!(answer, Some((0, null())));
    }
    // What follows a token is answered after it, however long that takes.
    let look = Body::new().string("/").boolean(false);
    for (xid, op) in [(11, SASL), (12, GET_DATA), (13, SASL), (14, GET_DATA)] {
        let body = match op {
            SASL => &body(Some(b"more nonsense")),
            _ => &look,
        };
        assert!(client.request(xid, op, body));
    }
    let answered = [(); 4].map(|()| {
        let frame = client.frame("a reply");
        Reader::new(&frame).int().unwrap()
    });
    // Of the first read and the second token Apache's server may answer either first.
    let place = |xid: i32| answered.iter().position(|&it| it == xid).unwrap();
    assert!(
        place(11) < place(12) && place(12) < place(14),
        "{answered:?}"
    );
    assert!(
        place(11) < place(13) && place(13) < place(14),
        "{answered:?}"
    );
}

/// A server whose keytab lacks its key does not start.
fn no_key(kind: Kind) {
    let realm = Realm::start();
    let keytab = realm.keytab("other.keytab", &["zookeeper/other"]);
    let file = jaas(&realm, "server.conf", &keytab, SERVICE, "Server");
    let mut server = Server::spawn(kind, &options(&realm, &file, &[]));
    assert!(!server.becomes_serving());
    assert!(!server.wait().success());
    if kind == Ours {
        let said = "cannot be the service zookeeper/localhost@EXAMPLE.COM: ";
        assert!(server.log().contains(said), "{}", server.log());
    }
}

fn with_java(test: &str, kind: Kind, scenario: fn(Kind, &Java)) {
    if kerberos_or_skip(test)
        && let Some(java) = java_or_skip(test)
    {
        scenario(kind, java);
    }
}

fn without_java(test: &str, kind: Kind, scenario: fn(Kind)) {
    if kerberos_or_skip(test) && can_run_or_skip(test, &[kind]) {
        scenario(kind);
    }
}

compat_tests::pairs! {
    who_logs_in: |test, kind| with_java(test, kind, users);
    what_they_are_called: |test, kind| with_java(test, kind, names);
    who_does_not: |test, kind| with_java(test, kind, strangers);
    enforced: |test, kind| with_java(test, kind, enforcement);
    on_the_wire: |test, kind| without_java(test, kind, bytes);
    without_a_key: |test, kind| without_java(test, kind, no_key);
}
