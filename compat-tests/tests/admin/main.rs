//! The AdminServer: the same requests to Apache's server and to ours. What they answer is held against
//! one transcript for both, in which times, sizes, ports and numbers of sessions are only shapes.
//!
//! `REWRITE=1` writes the transcripts anew, by Apache's server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod ensemble;
mod https;
mod limits;
mod restore;
mod standalone;
mod transcript;

use std::net::SocketAddr;

use compat_tests::{
    calls::{EPHEMERAL, GET_DATA, PERSISTENT, call, create},
    http::{self, Response},
    wire::{Body, Client, Session},
};

const SESSION_TIMEOUT_MS: i32 = 40_000;

/// Credentials that a root with its usual list takes.
const AUTHORIZED: (&str, &str) = ("Authorization", "digest user:password");

/// A session with an ephemeral node and a watch.
fn busy_session(address: SocketAddr) -> (Client, Session) {
    let (mut client, session) = Client::open_session(address, SESSION_TIMEOUT_MS);
    create(&mut client, "/a", b"data", PERSISTENT);
    create(&mut client, "/a/e", b"", EPHEMERAL);
    let get = Body::new().string("/a").boolean(true);
    assert_eq!(call(&mut client, GET_DATA, &get).error, 0);
    (client, session)
}

fn take_snapshot(admin: SocketAddr) -> Response {
    let response = http::request(admin, "GET", "/commands/snapshot", &[AUTHORIZED], b"");
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(
        response.header("content-type"),
        Some("application/octet-stream")
    );
    let size = response.header("snapshot_size").unwrap();
    assert_eq!(size, response.body.len().to_string());
    assert!(response.body.starts_with(b"ZKSN"));
    response
}

fn restore(admin: SocketAddr, snapshot: &[u8]) -> Response {
    let headers = [AUTHORIZED, ("Content-Type", "application/octet-stream")];
    http::request(admin, "POST", "/commands/restore", &headers, snapshot)
}
