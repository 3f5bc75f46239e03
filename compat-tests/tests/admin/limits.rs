//! What a server does not let itself be asked for: too soon, without the right, switched off, or by a
//! connection that says nothing.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use compat_tests::{
    calls::{call, exists},
    http,
    server::{Kind, Server, ServerOptions},
    wire::{Body, Client},
};

use super::{AUTHORIZED, SESSION_TIMEOUT_MS, busy_session, restore, take_snapshot};

const SET_ACL: i32 = 7;

fn options() -> ServerOptions {
    ServerOptions::new().admin()
}

fn status(admin: SocketAddr, method: &str, command: &str, authorization: &str) -> u16 {
    let headers = [("Authorization", authorization)];
    let path = format!("/commands/{command}");
    http::request(admin, method, &path, &headers, b"").status
}

/// OP-105: one snapshot and one restore for each interval, and a call that fails counts.
fn too_soon(kind: Kind) {
    // A thousandth of it is the interval of snapshots.
    let options = options().config("admin.rateLimiterIntervalInMS", 2_000_000_000);
    let server = Server::start(kind, &options);
    let admin = server.admin_address();
    let snapshot = take_snapshot(admin).body;
    assert_eq!(status(admin, "GET", "snapshot", AUTHORIZED.1), 429);
    assert_eq!(restore(admin, b"garbage").status, 500);
    let refused = restore(admin, &snapshot);
    assert_eq!(refused.status, 429);
    let monitor = http::get(admin, "/commands/monitor");
    let monitor: serde_json::Value = serde_json::from_slice(&monitor.body).unwrap();
    for counter in [
        "snapshot_rate_limited_count",
        "restore_error_count",
        "restore_rate_limited_count",
    ] {
        assert_eq!(monitor[counter], 1, "{counter}");
    }
    assert_eq!(monitor["snapshot_error_count"], 0);
    assert_eq!(
        refused.text(),
        "{\n  \"command\" : \"restore\",\n  \"error\" : null\n}"
    );
}

/// OP-108, and what needs the last zxid in snapshots.
fn switched_off(kind: Kind) {
    let off = options()
        .config("admin.snapshot.enabled", false)
        .config("admin.restore.enabled", false);
    let server = Server::start(kind, &off);
    let admin = server.admin_address();
    assert_eq!(status(admin, "GET", "snapshot", AUTHORIZED.1), 503);
    assert_eq!(status(admin, "POST", "restore", AUTHORIZED.1), 503);
    // Who may not is told that first.
    assert_eq!(status(admin, "POST", "restore", "nobody"), 401);
    let without_zxid = options().config("serializeLastProcessedZxid.enabled", false);
    let server = Server::start(kind, &without_zxid);
    let admin = server.admin_address();
    assert_eq!(status(admin, "GET", "snapshot", AUTHORIZED.1), 500);
    assert_eq!(status(admin, "POST", "restore", AUTHORIZED.1), 500);
}

/// OP-103: all permissions on the root, one by one.
fn rights(kind: Kind) {
    // Of super:test.
    let super_digest = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";
    let options = options()
        .config("admin.rateLimiterIntervalInMS", 0)
        .config("IPAuthenticationProvider.usexforwardedfor", true)
        .config("DigestAuthenticationProvider.superDigest", super_digest);
    let server = Server::start(kind, &options);
    let admin = server.admin_address();
    let (mut client, _) = Client::open_session(server.address(), SESSION_TIMEOUT_MS);
    let mut set_acl = |entries: &[(i32, &str, &str)]| {
        let count = i32::try_from(entries.len()).unwrap();
        let mut body = Body::new().string("/").int(count);
        for (perms, scheme, id) in entries {
            body = body.int(*perms).string(scheme).string(id);
        }
        assert_eq!(call(&mut client, SET_ACL, &body.int(-1)).error, 0);
    };
    let snapshot =
        |authorization: &str| status(admin, "GET", "snapshot?streaming=false", authorization);
    // Of u:p; the permission to change the list is left to everyone.
    let user = "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=";
    set_acl(&[(31, "digest", user), (16, "world", "anyone")]);
    assert_eq!(snapshot("digest u:p"), 200);
    assert_eq!(snapshot("digest u:wrong"), 403);
    assert_eq!(snapshot("ip"), 403);
    assert_eq!(snapshot("digest super:test"), 200);
    // Permissions may come from several entries.
    set_acl(&[(15, "digest", user), (16, "world", "anyone")]);
    assert_eq!(snapshot("digest u:p"), 200);
    set_acl(&[(7, "digest", user), (16, "world", "anyone")]);
    assert_eq!(snapshot("digest u:p"), 403, "nobody may delete");
    set_acl(&[(31, "ip", "10.1.2.0/24"), (16, "world", "anyone")]);
    let forwarded = |client: &str| {
        let headers = [("Authorization", "ip"), ("X-Forwarded-For", client)];
        let path = "/commands/snapshot?streaming=false";
        http::request(admin, "GET", path, &headers, b"").status
    };
    assert_eq!(snapshot("ip"), 403);
    assert_eq!(forwarded("10.1.2.3, 192.168.0.1"), 200);
    assert_eq!(forwarded("192.168.0.1, 10.1.2.3"), 403);
}

/// OP-107: the old state stays.
fn garbage(kind: Kind) {
    let options = options().config("admin.rateLimiterIntervalInMS", 0);
    let server = Server::start(kind, &options);
    let admin = server.admin_address();
    let (mut client, _) = busy_session(server.address());
    let snapshot = take_snapshot(admin).body;
    let half = &snapshot[..snapshot.len() / 2];
    let mut damaged = snapshot.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x40;
    for bytes in [&b""[..], b"Invalid snapshot data", half, &damaged] {
        let response = restore(admin, bytes);
        assert_eq!(response.status, 500);
        assert_eq!(response.header("content-type"), Some("application/json"));
    }
    assert!(exists(&mut client, "/a/e"));
    assert_eq!(
        restore(admin, &snapshot).status,
        200,
        "and it may be tried again"
    );
}

/// A snapshot is sent as it is stored; only a plain one can be restored.
fn compressed(kind: Kind) {
    let options = options()
        .config("admin.rateLimiterIntervalInMS", 0)
        .config("snapshot.compression.method", "gz");
    let server = Server::start(kind, &options);
    let admin = server.admin_address();
    let response = http::request(admin, "GET", "/commands/snapshot", &[AUTHORIZED], b"");
    assert_eq!(response.status, 200);
    assert!(response.body.starts_with(&[0x1f, 0x8b]), "gzip");
    assert_eq!(restore(admin, &response.body).status, 500);
}

/// OP-040.
fn port_is_taken(kind: Kind) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = ServerOptions::new()
        .config("admin.enableServer", true)
        .config("admin.serverAddress", "127.0.0.1")
        .config("admin.serverPort", taken.local_addr().unwrap().port());
    let mut server = Server::spawn(kind, &options);
    assert_eq!(server.wait().code(), Some(4), "{}", server.log());
    assert!(
        server
            .log()
            .contains("Unable to start AdminServer, exiting abnormally"),
        "{}",
        server.log()
    );
}

/// A connection that is silent, before or within a request, is closed.
fn silence(kind: Kind) {
    let options = options()
        .config("admin.idleTimeout", 300)
        .config("admin.rateLimiterIntervalInMS", 0);
    let server = Server::start(kind, &options);
    let admin = server.admin_address();
    let post = format!(
        "POST /commands/restore HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         Content-Length: 1000\r\n\r\nZKSN",
        AUTHORIZED.1
    );
    for sent in ["", "GET /commands/ruok HTTP/1.1\r\n", &post] {
        let mut stream = TcpStream::connect(admin).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A reset is an end as well; the deadline is none.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_ne!(
                error.kind(),
                std::io::ErrorKind::WouldBlock,
                "after {sent:?}"
            );
        }
    }
    // More than are served at once: some wait until others are closed.
    let crowd: Vec<_> = (0..250)
        .map(|_| TcpStream::connect(admin).unwrap())
        .collect();
    assert_eq!(http::get(admin, "/commands/ruok").status, 200);
    drop(crowd);
}

/// A head has its bound.
fn long_head(kind: Kind) {
    let server = Server::start(kind, &options());
    let admin = server.admin_address();
    let long = "x".repeat(20_000);
    let response = http::request(admin, "GET", "/commands/ruok", &[("X-Long", &long)], b"");
    assert_eq!(response.status, 431);
    assert_eq!(http::get(admin, "/commands/ruok").status, 200);
}

/// One connection may ask many times.
fn one_after_the_other(kind: Kind) {
    let server = Server::start(kind, &options().config("admin.commandURL", "/a/b"));
    let mut stream = TcpStream::connect(server.admin_address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    for last in [false, false, true] {
        let close = if last { "Connection: close\r\n" } else { "" };
        let request = format!("GET /a/b/ruok HTTP/1.1\r\nHost: x\r\n{close}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let end = b"\"error\" : null\n}";
        let mut answer = Vec::new();
        while !answer.ends_with(end) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

compat_tests::pairs!(
    too_soon,
    switched_off,
    rights,
    garbage,
    compressed,
    port_is_taken,
    silence,
    long_head,
    one_after_the_other
);
