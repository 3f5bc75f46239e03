//! What was asked and answered, without what differs from run to run.

use std::{env, fmt::Write as _, fs, net::SocketAddr, path::Path};

use compat_tests::{
    http::{self, Response},
    server::Kind,
};

/// Requests and answers, in order.
pub(crate) struct Transcript {
    kind: Kind,
    text: String,
}

impl Transcript {
    pub(crate) fn new(kind: Kind) -> Self {
        let text = String::new();
        Self { kind, text }
    }

    pub(crate) fn title(&mut self, title: &str) {
        writeln!(self.text, "=== {title}").unwrap();
    }

    pub(crate) fn get(&mut self, admin: SocketAddr, command: &str) {
        self.ask(admin, "GET", &format!("/commands/{command}"), &[]);
    }

    pub(crate) fn ask(
        &mut self,
        admin: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response {
        let response = http::request(admin, method, path, headers, b"");
        let mut line = format!("{method} {path}");
        for (name, value) in headers {
            write!(line, " {name}: {value}").unwrap();
        }
        writeln!(self.text, "{line}\n{}", response.status).unwrap();
        for name in ["content-type", "allow"] {
            if let Some(value) = response.header(name) {
                writeln!(self.text, "{name}: {value}").unwrap();
            }
        }
        let is_page = response
            .header("content-type")
            .is_some_and(|it| it.starts_with("text/html"));
        // Of a page for people only the fact counts.
        if !is_page {
            let is_json = response.header("content-type") == Some("application/json");
            if is_json && !response.body.is_empty() {
                serde_json::from_slice::<serde_json::Value>(&response.body).unwrap();
            }
            for line in shapes(&response.text()) {
                writeln!(self.text, "{line}").unwrap();
            }
        }
        self.text.push('\n');
        response
    }

    /// Holds it against the file, which Apache's server has written.
    pub(crate) fn assert_is(&self, name: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/admin/testdata")
            .join(name);
        if env::var_os("REWRITE").is_some() && self.kind == Kind::Apache {
            fs::write(&file, &self.text).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap();
        if self.text != expected {
            let pairs = expected.lines().zip(self.text.lines());
            let same = pairs
                .take_while(|(expected, found)| expected == found)
                .count();
            let from = same.saturating_sub(12);
            let part = |text: &str| {
                let lines = text.lines().skip(from).take(24);
                lines.collect::<Vec<_>>().join("\n")
            };
            panic!(
                "{} answers otherwise than {name} from line {}:\n{}\n--- expected:\n{}",
                self.kind,
                same + 1,
                part(&self.text),
                part(&expected)
            );
        }
    }
}

/// The lines of an answer without what differs. Java gives the fields of `server_stats` and the members
/// of sets in no certain order, so those are sorted, and commas at the ends of lines left out.
fn shapes(body: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut unordered_from = None;
    for line in body.lines() {
        let line = shape(line);
        if line.starts_with("    \"<id>\" : [ ]") {
            // A set of sessions that Apache's server has not yet cleared away.
            continue;
        }
        if line.starts_with("  }")
            && let Some(from) = unordered_from.take()
        {
            let block: &mut [String] = &mut lines[from..];
            block.sort();
        }
        let begins = line == "  \"server_stats\" : {";
        lines.push(line);
        if begins {
            unordered_from = Some(lines.len());
        }
    }
    lines
}

fn shape(line: &str) -> String {
    let line = line.strip_suffix(',').unwrap_or(line);
    let Some((key, value)) = line.split_once(" : ") else {
        return without_numbers(line);
    };
    let name = key.trim().trim_matches('"');
    let is_id = name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_digit());
    let key = if is_id { "    \"<id>\"" } else { key };
    let value = if VARIES.contains(&name) {
        kind_of(value).to_owned()
    } else {
        without_numbers(value)
    };
    format!("{key} : {value}")
}

fn kind_of(value: &str) -> &'static str {
    match value.as_bytes() {
        [b'"', ..] => "<text>",
        [b'[', ..] => "<list>",
        _ if value.contains('.') => "<real>",
        _ if value.parse::<i64>().is_ok() => "<whole>",
        _ => "<other>",
    }
}

/// Ports behind a colon, and numbers of sessions.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(from.len());
        let (number, after) = from.split_at(end);
        out.push_str(before);
        match number.len() {
            4..=5 if before.ends_with(':') => out.push_str("<port>"),
            15.. => out.push_str("<id>"),
            _ => out.push_str(number),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Fields whose values are times, sizes, places or the server's own name.
const VARIES: [&str; 38] = [
    "all_ports",
    "avg_latency",
    "client_port",
    "data_dir",
    "data_dir_size",
    "data_log_dir",
    "datadir_size",
    "established",
    "initial_configuration",
    "last_buffer_size",
    "last_latency",
    "last_response_time",
    "last_zxid",
    "leader_id",
    "log_dir_size",
    "logdir_size",
    "max_buffer_size",
    "max_latency",
    "min_buffer_size",
    "min_latency",
    "myid",
    "num_alive_client_connections",
    "os.arch",
    "outstanding_requests",
    "packets_received",
    "packets_sent",
    "queued_packets",
    "queued_packets_size",
    "requests",
    "server_id",
    "session_timeout",
    "sid",
    "snapshot_size",
    "timestamp",
    "uptime",
    "version",
    "zab_counter",
    "zab_epoch",
];
