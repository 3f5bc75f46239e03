//! A plain HTTP client: one request a connection, written by hand so that every byte of it is ours. HTTPS
//! is by curl.

use std::{
    env,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    keys::{Keys, PASSWORD},
    maven::{self, announce},
};

/// Whether there is what tests with HTTPS need: a JDK, which makes their keys, and curl. Says on the terminal
/// what is missing; with `GAMEKEEPER_REQUIRE_CURL=1` curl may not be.
pub fn https_or_skip(test: &str) -> bool {
    if maven::apache_or_skip(test).is_none() {
        return false;
    }
    let curl = Command::new("curl").arg("--version").output();
    let Err(why) = curl else {
        return true;
    };
    let is_required = env::var_os("GAMEKEEPER_REQUIRE_CURL").is_some_and(|value| value == "1");
    assert!(!is_required, "{test} needs curl: {why}");
    announce(&format!("SKIPPED: {test} needs curl: {why}"));
    false
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known == name)?;
        Some(value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A snapshot is written, or read, within this.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Sends a request and reads the answer to the end of the connection. `None` if it cannot be reached.
pub fn try_request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Response> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    // A server that refuses may not want the body.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    Some(parse(&bytes))
}

/// The same of a server that is there.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    try_request(address, method, path, headers, body)
        .unwrap_or_else(|| panic!("{method} {path}: no answer from {address}"))
}

pub fn get(address: SocketAddr, path: &str) -> Response {
    request(address, "GET", path, &[], b"")
}

/// The same over HTTPS, with the key of this owner if there is one. `None` where the handshake fails, or the
/// server is not one that `keys` trust.
pub fn get_over_tls(
    address: SocketAddr,
    path: &str,
    keys: &Keys,
    owner: Option<&str>,
) -> Option<Response> {
    let port = address.port();
    let mut client = Command::new("curl");
    client
        .args(["--silent", "--include", "--http1.1", "--max-time", "30"])
        .args(["--header", "Connection: close", "--cacert"])
        .arg(keys.path("ca.pem"))
        .arg("--resolve")
        .arg(format!("localhost:{port}:{}", address.ip()))
        .arg(format!("https://localhost:{port}{path}"));
    if let Some(owner) = owner {
        let store = keys.path(&format!("{owner}.p12"));
        client.args(["--cert-type", "P12", "--cert"]);
        client.arg(format!("{}:{PASSWORD}", store.display()));
    }
    let output = client.stdin(Stdio::null()).output().expect("curl starts");
    output.status.success().then(|| parse(&output.stdout))
}

fn parse(bytes: &[u8]) -> Response {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let body = bytes[end + 4..].to_vec();
    let mut lines = head.split("\r\n");
    let status = lines.next().expect("a status line");
    let status = status.split(' ').nth(1).expect("a status");
    let headers: Vec<(String, String)> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    let response = Response {
        status: status.parse().expect("a number"),
        headers,
        body,
    };
    assert_eq!(
        response.header("transfer-encoding"),
        None,
        "it has a length"
    );
    response
}
