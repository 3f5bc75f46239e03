//! SASL by DIGEST-MD5, of clients: who Apache's own client is when it has logged in and what that opens,
//! what a wrong password comes to, and the bytes of it all. Rows CP-208 and CP-209, HAZARD-10.

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
    python::python_or_skip,
    server::{Kind, Kind::Ours, Server, ServerOptions},
    wire::{Body, Client, Reader},
};
use tempfile::TempDir;

const SASL: i32 = 102;
const SESSION_TIMEOUT_MS: i32 = 40_000;
const AUTH_FAILED: i32 = -115;
const SASL_REQUIRED: i32 = -124;

const MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";
const PROVIDER: (&str, &str) = (
    "authProvider.1",
    "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
);

/// Writes what is to be found under `java.security.auth.login.config`.
fn jaas(dir: &Path, name: &str, sections: &str) -> PathBuf {
    let file = dir.join(name);
    fs::write(&file, sections.replace("{module}", MODULE)).unwrap();
    file
}

/// A server with five users, and what tells a client that it is one of them.
struct Site {
    server: Server,
    dir: TempDir,
}

impl Site {
    fn start(kind: Kind, lines: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let users = "Server { {module} required user_bob=\"bob's\" user_ann=\"ann \\\"s\" \
            user_super=\"in the file\" user_admin=\"p\u{e4}ss\" user_omega=\"\u{3a9}\"; };";
        let file = jaas(dir.path(), "server.conf", users);
        let mut options =
            ServerOptions::new().property("java.security.auth.login.config", file.display());
        for (key, value) in lines {
            options = options.config(key, value);
        }
        let server = Server::start(kind, &options);
        Self { server, dir }
    }

    /// What a client that logs in says about itself and its commands.
    fn log_in(&self, java: &Java, user: &str, password: &str, commands: &[&str]) -> Vec<String> {
        let client = format!(
            "Client {{ {{module}} required username=\"{user}\" password=\"{password}\"; }};"
        );
        let file = jaas(self.dir.path(), &format!("{user}.conf"), &client);
        let file = file.display().to_string();
        let properties = [
            ("java.security.auth.login.config", file.as_str()),
            ("zookeeper.fips-mode", "false"),
        ];
        self.run(java, &properties, commands)
    }

    fn nobody(&self, java: &Java, commands: &[&str]) -> Vec<String> {
        self.run(java, &[], commands)
    }

    fn run(&self, java: &Java, properties: &[(&str, &str)], commands: &[&str]) -> Vec<String> {
        let connect = self.server.connect_string();
        let mut arguments = vec![connect.as_str()];
        arguments.extend(commands);
        let program = java.start("gamekeeper.compat.Login", properties, &arguments);
        program.finish()
    }

    fn client(&self) -> Client {
        Client::open_session(self.server.address(), SESSION_TIMEOUT_MS).0
    }
}

fn said(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// Who has logged in has what is theirs, and a super user has all.
fn users(kind: Kind, java: &Java) {
    let lines = [
        PROVIDER,
        ("SASLAuthenticationProvider.superPassword", "other"),
        ("superUser", "nobody"),
        ("superUser.1", "admin"),
        ("letAnySaslUserDoX", "everybody"),
    ];
    let site = Site::start(kind, &lines);
    let commands = [
        "whoAmI",
        "create:/bob:bob",
        "create:/all:everybody",
        "create:/host:bob/host@REALM",
        "create:/wrong:bob@one@two",
        "get:/bob",
    ];
    assert_eq!(
        site.log_in(java, "bob", "bob's", &commands),
        said(&[
            "SaslAuthenticated",
            "whoAmI ip=127.0.0.1 sasl=bob",
            "create:/bob:bob /bob",
            "create:/all:everybody /all",
            "create:/host:bob/host@REALM /host",
            "create:/wrong:bob@one@two INVALIDACL",
            "get:/bob has 0 bytes",
        ])
    );
    let reads = ["whoAmI", "get:/bob", "get:/all", "get:/host"];
    let sees = |who: &str, bob: &str, all: &str, host: &str| {
        said(&[
            &format!("whoAmI ip=127.0.0.1{who}"),
            &format!("get:/bob {bob}"),
            &format!("get:/all {all}"),
            &format!("get:/host {host}"),
        ])
    };
    let (yes, no) = ("has 0 bytes", "NOAUTH");
    for (user, password, expected) in [
        // The quotation mark is escaped in the file.
        ("ann", "ann \\\"s", sees(" sasl=ann", no, yes, no)),
        // Characters within ISO-8859-1, and beyond.
        (
            "admin",
            "p\u{e4}ss",
            sees(" sasl=admin super=", yes, yes, yes),
        ),
        ("omega", "\u{3a9}", sees(" sasl=omega", no, yes, no)),
        // To lists of SASL users it fits always.
        ("super", "other", sees(" sasl=super", yes, yes, yes)),
    ] {
        let seen = site.log_in(java, user, password, &reads);
        assert_eq!(seen[0], "SaslAuthenticated", "{user}");
        assert_eq!(seen[1..], expected, "{user}");
    }
    let seen = site.nobody(java, &reads);
    assert_eq!(seen[0], "SyncConnected");
    assert_eq!(seen[1..], sees("", no, no, no));
    for (user, password) in [("super", "in the file"), ("bob", "x"), ("eve", "x")] {
        let seen = site.log_in(java, user, password, &["get:/bob"]);
        assert_eq!(seen, said(&["AuthFailed", "get:/bob AUTHFAILED"]), "{user}");
    }
}

/// Only who has logged in may do anything.
fn enforcement(kind: Kind, java: &Java) {
    let demands: [&[(&str, &str)]; 2] = [
        &[PROVIDER, ("sessionRequireClientSASLAuth", "true")],
        &[
            PROVIDER,
            ("enforce.auth.enabled", "true"),
            ("enforce.auth.schemes", "digest, sasl"),
            ("allowSaslFailedClients", "true"),
        ],
    ];
    for lines in demands {
        let site = Site::start(kind, lines);
        let seen = site.log_in(java, "bob", "bob's", &["create:/bob:bob"]);
        assert_eq!(seen, said(&["SaslAuthenticated", "create:/bob:bob /bob"]));
        let mut nobody = site.client();
        let look = Body::new().string("/").boolean(false);
        let refused = call(&mut nobody, GET_DATA, &look);
        assert_eq!((refused.zxid, refused.error), (0, SASL_REQUIRED));
        nobody.expect_close();
        let mut wrong = site.client();
        challenge(&mut wrong, b"");
        let refused = token(&mut wrong, Some(b"nonsense"));
        assert_eq!(refused.map(bytes_of), Some((SASL_REQUIRED, null())));
        wrong.expect_close();
    }
}

/// Sends a token, or the null one.
fn token(client: &mut Client, token: Option<&[u8]>) -> Option<Reply> {
    let body = match token {
        Some(token) => Body::new().buffer(token),
        None => Body::new().null(),
    };
    try_call(client, SASL, &body)
}

fn bytes_of(reply: Reply) -> (i32, Vec<u8>) {
    assert_eq!(reply.zxid, 0);
    (reply.error, reply.body)
}

fn null() -> Vec<u8> {
    Body::new().null().into_bytes()
}

/// Opens an exchange; the challenge with the nonce taken out, which has 40 letters.
fn challenge(client: &mut Client, first: &[u8]) -> String {
    let reply = token(client, Some(first)).expect("a challenge");
    assert_eq!((reply.zxid, reply.error), (0, 0));
    let mut reader = Reader::new(&reply.body);
    let text = reader.string().flatten().expect("a token");
    assert!(reader.remaining().is_empty());
    let (before, rest) = text.split_once("nonce=\"").expect("a nonce");
    let (nonce, after) = rest.split_once('"').expect("the end of the nonce");
    assert_eq!(nonce.len(), 40, "{nonce}");
    format!("{before}{after}")
}

/// What the bytes are, and what a failure comes to.
fn bytes(kind: Kind) {
    let site = Site::start(kind, &[PROVIDER]);
    // What a client says first does not matter.
    for first in [b"".as_slice(), b"digest-uri"] {
        let challenge = challenge(&mut site.client(), first);
        assert_eq!(
            challenge,
            "realm=\"zk-sasl-md5\",,charset=utf-8,algorithm=md5-sess"
        );
    }
    let long = vec![b' '; 4097];
    for wrong in [b"".as_slice(), b"username=\"bob\"", b"\xff\xfe=\"", &long] {
        let mut client = site.client();
        challenge(&mut client, b"");
        let refused = token(&mut client, Some(wrong)).map(bytes_of);
        assert_eq!(refused, Some((AUTH_FAILED, null())), "{wrong:?}");
        client.expect_close();
    }
    let mut client = site.client();
    assert!(token(&mut client, None).is_none(), "a null token ends it");

    let kept = Site::start(kind, &[("allowSaslFailedClients", "true")]);
    let mut client = kept.client();
    challenge(&mut client, b"");
    for _ in 0..2 {
        let answer = token(&mut client, Some(b"nonsense")).map(bytes_of);
        assert_eq!(answer, Some((0, null())));
    }
    let look = Body::new().string("/").boolean(false);
    assert_eq!(call(&mut client, GET_DATA, &look).error, 0);
}

fn with_java(test: &str, kind: Kind, scenario: fn(Kind, &Java)) {
    if !can_run_or_skip(test, &[kind]) {
        return;
    }
    if let Some(java) = java_or_skip(test) {
        scenario(kind, java);
    }
}

fn kazoo(test: &str, kind: Kind) {
    if !can_run_or_skip(test, &[kind]) {
        return;
    }
    let Some(python) = python_or_skip(test) else {
        return;
    };
    let site = Site::start(kind, &[PROVIDER]);
    let connect = site.server.connect_string();
    let run = |password: &str| {
        let program = python.start("kazoo_sasl.py", &[&connect, "bob", password]);
        program.finish()
    };
    assert_eq!(run("bob's"), ["data sasl:bob"]);
    assert_eq!(run("x"), ["not let in"]);
}

/// What no server starts with: a JAAS file that is none, or is not there.
fn wrong_file(test: &str, kind: Kind) {
    if !can_run_or_skip(test, &[kind]) {
        return;
    }
    let dir = TempDir::new().unwrap();
    let wrong = jaas(dir.path(), "wrong.conf", "Server {\n {module} needed; };");
    for file in [wrong, dir.path().join("lost.conf")] {
        let options =
            ServerOptions::new().property("java.security.auth.login.config", file.display());
        let mut server = Server::spawn(kind, &options);
        assert!(!server.becomes_serving(), "{}", file.display());
        assert!(!server.wait().success());
        if kind == Ours && file.ends_with("wrong.conf") {
            let said = format!("{}:2: expected required, requisite,", file.display());
            assert!(server.log().contains(&said), "{}", server.log());
        }
    }
}

compat_tests::pairs! {
    who_logs_in: |test, kind| with_java(test, kind, users);
    enforced: |test, kind| with_java(test, kind, enforcement);
    on_the_wire: |test, kind| if can_run_or_skip(test, &[kind]) { bytes(kind) };
    with_kazoo: kazoo;
    with_a_wrong_file: wrong_file;
}
