//! HTTPS of the AdminServer: beside HTTP, alone, and with a client's certificate.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use compat_tests::{
    http,
    keys::{Keys, PASSWORD},
    server::{Kind, Server, ServerOptions},
};

/// Those of a server, whose password is in a file; or `None` after saying on the terminal why `test` is skipped.
fn keys_or_skip(test: &str) -> Option<Keys> {
    if !http::https_or_skip(test) {
        return None;
    }
    let keys = Keys::or_skip(test)?;
    keys.signed("server", "CN=server", "dns:localhost,ip:127.0.0.1");
    std::fs::write(keys.path("password"), PASSWORD).unwrap();
    Some(keys)
}

fn options(keys: &Keys, settings: &[(&str, bool)]) -> ServerOptions {
    let (key, password) = (keys.path("server.p12"), keys.path("password"));
    let options = ServerOptions::new()
        .admin()
        .config("4lw.commands.whitelist", "*")
        .config("admin.idleTimeout", 3_000)
        .config("ssl.quorum.keyStore.location", key.display())
        .config("ssl.quorum.keyStore.passwordPath", password.display())
        .config(
            "ssl.quorum.trustStore.location",
            keys.path("trust.p12").display(),
        )
        .config("ssl.quorum.trustStore.password", PASSWORD);
    settings
        .iter()
        .fold(options, |options, (key, value)| options.config(key, value))
}

/// The status over HTTPS, where it is answered at all.
fn status(admin: SocketAddr, keys: &Keys, owner: Option<&str>) -> Option<u16> {
    let response = http::get_over_tls(admin, "/commands/ruok", keys, owner)?;
    assert_eq!(
        response.header("strict-transport-security"),
        Some("max-age=86400; includeSubDomains")
    );
    Some(response.status)
}

fn connect(admin: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(admin).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
}

/// What comes back of bytes that are no TLS.
fn send(admin: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(admin);
    stream.write_all(bytes).unwrap();
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    // It may be reset as well.
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Both on one port; those who come without TLS are counted.
fn unified(kind: Kind) {
    let Some(keys) = keys_or_skip("admin::https::unified") else {
        return;
    };
    let server = Server::start(kind, &options(&keys, &[("admin.portUnification", true)]));
    let admin = server.admin_address();
    assert_eq!(status(admin, &keys, None), Some(200));
    let snapshot = http::get_over_tls(admin, "/commands/snapshot", &keys, None).unwrap();
    assert_eq!(snapshot.status, 401);
    let plain = http::get(admin, "/commands/ruok");
    assert_eq!(plain.status, 200);
    assert_eq!(plain.header("strict-transport-security"), None);
    let monitor = server.four_letter_word("mntr");
    assert!(
        monitor.contains("zk_insecure_admin_count\t1\n"),
        "{monitor}"
    );
    // What is no handshake although it begins as one, and what ends.
    for bytes in [&b"\x16\x03\x01\x00\x05hello"[..], b"\x16", b""] {
        let answer = send(admin, bytes);
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
}

/// Whoever says nothing, or begins a handshake and does not go on, keeps nobody waiting and is closed. Of
/// ours alone.
#[test]
fn silence() {
    let Some(keys) = keys_or_skip("admin::https::silence") else {
        return;
    };
    let options = options(&keys, &[("admin.portUnification", true)]);
    let server = Server::start(Kind::Ours, &options);
    let admin = server.admin_address();
    let (mut silent, mut half) = (connect(admin), connect(admin));
    half.write_all(b"\x16\x03\x01").unwrap();
    assert_eq!(status(admin, &keys, None), Some(200));
    for stream in [&mut silent, &mut half] {
        let mut answer = Vec::new();
        // A reset is an end as well; the deadline is none.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock);
        }
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
}

/// HTTP gets nothing.
fn forced(kind: Kind) {
    for is_unified in [false, true] {
        let Some(keys) = keys_or_skip("admin::https::forced") else {
            return;
        };
        let settings = [
            ("admin.forceHttps", true),
            ("admin.portUnification", is_unified),
        ];
        let server = Server::start(kind, &options(&keys, &settings));
        let admin = server.admin_address();
        assert_eq!(status(admin, &keys, None), Some(200));
        let answer = send(admin, b"GET /commands/ruok HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
        assert_eq!(status(admin, &keys, None), Some(200));
    }
}

/// Only a certificate of the authority gets an answer; HTTP goes on where it is spoken.
fn client_certificates(kind: Kind) {
    let Some(keys) = keys_or_skip("admin::https::client_certificates") else {
        return;
    };
    keys.signed("alice", "CN=alice", "");
    keys.unsigned("stranger", "CN=Test CA");
    for key in ["admin.portUnification", "admin.forceHttps"] {
        let settings = [(key, true), ("admin.needClientAuth", true)];
        let server = Server::start(kind, &options(&keys, &settings));
        let admin = server.admin_address();
        assert_eq!(status(admin, &keys, Some("alice")), Some(200), "{key}");
        assert_eq!(status(admin, &keys, None), None, "{key}");
        assert_eq!(status(admin, &keys, Some("stranger")), None, "{key}");
        if key == "admin.portUnification" {
            assert_eq!(http::get(admin, "/commands/ruok").status, 200);
        }
    }
}

/// Both stores are needed, and are read at the start. A deliberate difference: Apache's server starts
/// without its AdminServer.
#[test]
fn stores_that_cannot_be_read_stop_the_start() {
    let Some(keys) = keys_or_skip("admin::https::stores_that_cannot_be_read_stop_the_start") else {
        return;
    };
    let wrong = options(&keys, &[("admin.forceHttps", true)]);
    let wrong = wrong.config("ssl.quorum.trustStore.password", "wrong");
    let trust = keys.path("trust.p12").display().to_string();
    let missing = options(&keys, &[("admin.portUnification", true)]);
    let missing = missing.config("ssl.quorum.keyStore.location", "");
    for (options, complaint) in [
        (
            wrong,
            format!("ssl.quorum.trustStore.location: {trust}: the password is wrong"),
        ),
        (
            missing,
            "HTTPS of the AdminServer needs ssl.quorum.keyStore.location".to_owned(),
        ),
    ] {
        let mut server = Server::spawn(Kind::Ours, &options);
        assert_eq!(server.wait().code(), Some(2), "{}", server.log());
        assert!(server.log().contains(&complaint), "{}", server.log());
    }
}

compat_tests::pairs!(unified, forced, client_certificates);
