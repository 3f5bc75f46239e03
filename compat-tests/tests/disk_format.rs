//! One data directory that two kinds of server take turns to own: what one has written, the other
//! reads back whole, whether its predecessor was stopped or killed.
//!
//! A Java client fills the first server with nodes of every kind (`Tree.java`), small `snapCount`s make
//! many snapshots and log files, and a dump of everything a client can read is held against the dump
//! after each change of hands. Sessions that stayed open must be found, with their passwords and their
//! ephemeral nodes; digests of the tree that both servers know must agree.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{collections::BTreeMap, fs, path::Path};

use compat_tests::{
    calls::{
        CONTAINER, CREATE_CONTAINER, CREATE_TTL, EPHEMERAL, PERSISTENT, PERSISTENT_WITH_TTL,
        SET_DATA, call, create, create_body, delete, exists, set_data_body,
    },
    eventually::{PATIENCE, eventually},
    java::java_or_skip,
    maven::apache_or_skip,
    program::Program,
    server::{
        Kind,
        Kind::{Apache, Ours},
        Server, ServerOptions,
    },
    wire::{Body, Client, Reader, Session, connect_request},
};

const TREE: &str = "gamekeeper.compat.Tree";
const TXN_LOG_TOOL: &str = "org.apache.zookeeper.server.persistence.TxnLogToolkit";
const SNAPSHOT_TOOL: &str = "org.apache.zookeeper.server.SnapshotFormatter";
const GET_EPHEMERALS: i32 = 103;
const SESSION_TIMEOUT_MS: i32 = 40_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stop,
    Kill,
}

/// The owners of the directory, one after the other.
struct Relay {
    first: Kind,
    second: Kind,
    compression: Option<&'static str>,
    /// Whether transaction logs have a directory of their own (`dataLogDir`).
    split: bool,
    end: End,
}

/// A session its client left open.
#[derive(Debug)]
struct Kept {
    id: i64,
    password: Vec<u8>,
    ephemerals: i32,
}

impl Relay {
    fn run(&self, test: &str) {
        let Some(java) = java_or_skip(test) else {
            return;
        };
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut tree = java.start(TREE, &[], &[]);

        let server = self.start(self.first, data.path());
        let mut kept = write(&mut tree, &server, 1);
        self.await_files(&server, data.path());
        let first_dump = dump(&mut tree, &server);
        assert!(first_dump.len() > 100, "only {} nodes", first_dump.len());
        let first_digests = digests(&server);
        assert!(!first_digests.is_empty(), "no digests");
        self.end(server);

        let mut server = self.start(self.second, data.path());
        assert_same(&first_dump, &dump(&mut tree, &server));
        assert_agree(&first_digests, &digests(&server));
        expect_sessions(&server, &kept);
        kept.extend(write(&mut tree, &server, 2));
        let second_dump = dump(&mut tree, &server);
        assert!(
            second_dump.len() > first_dump.len() + 80,
            "the second write adds nodes"
        );
        let second_digests = digests(&server);
        expect_no_complaints(&mut server);
        self.end(server);

        let mut server = self.start(self.first, data.path());
        assert_same(&second_dump, &dump(&mut tree, &server));
        assert_agree(&second_digests, &digests(&server));
        expect_sessions(&server, &kept);
        expect_no_complaints(&mut server);
    }

    fn start(&self, kind: Kind, data: &Path) -> Server {
        let mut options = ServerOptions::new()
            .data_dir(&data.join("data"))
            .config("4lw.commands.whitelist", "*")
            .config("extendedTypesEnabled", true)
            .config("snapCount", 100)
            .config("preAllocSize", 4096)
            // Containers and times to live are not to end while dumps are compared.
            .property("znode.container.checkIntervalMs", 3_600_000);
        if let Some(method) = self.compression {
            options = options.config("snapshot.compression.method", method);
        }
        if self.split {
            options = options.config("dataLogDir", data.join("log").display());
        }
        Server::start(kind, &options)
    }

    fn end(&self, mut server: Server) {
        match self.end {
            End::Stop => server.stop(),
            End::Kill => server.kill(),
        };
    }

    /// Sees to it that the directory has what the test is about: several snapshots of the right sort,
    /// several logs. A server that is still writing one snapshot leaves out the next, so a slow disk
    /// takes more changes.
    fn await_files(&self, server: &Server, data: &Path) {
        let log_dir = if self.split { "log" } else { "data" };
        let count = |directory: &str, is_wanted: &dyn Fn(&str) -> bool| {
            fs::read_dir(data.join(directory).join("version-2"))
                .expect("a server makes version-2")
                .filter(|entry| is_wanted(entry.as_ref().unwrap().file_name().to_str().unwrap()))
                .count()
        };
        let suffix = self
            .compression
            .map(|method| format!(".{method}"))
            .unwrap_or_default();
        let is_snapshot = |name: &str| name.starts_with("snapshot.") && name.ends_with(&suffix);
        let is_log = |name: &str| name.starts_with("log.");
        let (mut client, _) = Client::open_session(server.address(), SESSION_TIMEOUT_MS);
        eventually("three snapshots and three logs", PATIENCE, || {
            let enough = count("data", &is_snapshot) > 2 && count(log_dir, &is_log) > 2;
            if !enough {
                for _ in 0..20 {
                    let reply = call(&mut client, SET_DATA, &set_data_body("/", b""));
                    assert_eq!(reply.error, 0);
                }
            }
            enough.then_some(())
        });
    }
}

fn write(tree: &mut Program, server: &Server, seed: u32) -> Vec<Kept> {
    answer(tree, &format!("write {} {seed}", server.connect_string()))
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[0], "session", "{line}");
            Kept {
                id: words[1].parse().unwrap(),
                password: unhex(words[2]),
                ephemerals: words[3].parse().unwrap(),
            }
        })
        .collect()
}

fn dump(tree: &mut Program, server: &Server) -> Vec<String> {
    answer(tree, &format!("dump {}", server.connect_string()))
}

fn answer(tree: &mut Program, command: &str) -> Vec<String> {
    tree.say(command);
    let mut lines = Vec::new();
    loop {
        match tree.line() {
            Some(line) if line == "." => return lines,
            Some(line) => lines.push(line),
            None => panic!("the program ended at {command:?}:\n{}", tree.stderr()),
        }
    }
}

/// What `hash` says: the digest of the tree at some of the latest transactions.
fn digests(server: &Server) -> BTreeMap<String, String> {
    let answer = server.four_letter_word("hash");
    answer
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(zxid, digest)| (zxid.to_owned(), digest.to_owned()))
        .collect()
}

/// A server that starts knows the digests of what it replayed, which may be none.
fn assert_agree(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    for (zxid, digest) in after {
        if let Some(known) = before.get(zxid) {
            assert_eq!(digest, known, "digest at {zxid}");
        }
    }
}

fn assert_same(expected: &[String], found: &[String]) {
    let wrong: Vec<String> = expected
        .iter()
        .filter(|line| !found.contains(line))
        .map(|line| format!("- {line}"))
        .chain(
            found
                .iter()
                .filter(|line| !expected.contains(line))
                .map(|line| format!("+ {line}")),
        )
        .collect();
    assert!(
        wrong.is_empty(),
        "{} lines differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn expect_sessions(server: &Server, kept: &[Kept]) {
    for session in kept {
        let request = |password: &[u8]| {
            connect_request(
                0,
                SESSION_TIMEOUT_MS,
                session.id,
                Some(password),
                Some(false),
            )
        };
        let mut thief = Client::connect(server.address());
        thief.send_frame(request(&[0; 16]).bytes());
        let answer = Session::decode(&thief.frame("ConnectResponse")).unwrap();
        assert_eq!(
            (answer.timeout_ms, answer.id),
            (0, 0),
            "a wrong password is refused"
        );

        let mut client = Client::connect(server.address());
        client.send_frame(request(&session.password).bytes());
        let answer = Session::decode(&client.frame("ConnectResponse")).unwrap();
        assert_eq!(
            (answer.timeout_ms, answer.id),
            (SESSION_TIMEOUT_MS, session.id)
        );
        assert_eq!(answer.password, session.password);
        client.request(1, GET_EPHEMERALS, &Body::new().string("/"));
        let reply = client.frame("the list of ephemeral nodes");
        let mut reply = Reader::new(&reply);
        assert_eq!(
            (reply.int(), reply.long().is_some(), reply.int()),
            (Some(1), true, Some(0))
        );
        assert_eq!(
            reply.int(),
            Some(session.ephemerals),
            "ephemeral nodes of {session:?}"
        );
    }
}

fn expect_no_complaints(server: &mut Server) {
    assert!(!server.has_ended());
    let metrics = server.four_letter_word("mntr");
    let mismatches: Vec<&str> = metrics
        .lines()
        .filter(|line| line.contains("digest_mismatches_count"))
        .collect();
    assert_eq!(mismatches, ["zk_digest_mismatches_count\t0"]);
    let log = server.log();
    let complaints: Vec<&str> = log
        .lines()
        // Apache's answer to a four-letter word races with our end of the connection.
        .filter(|line| !line.contains("Error closing a command socket"))
        .filter(|line| line.contains("ERROR") || line.to_lowercase().contains("digest mismatch"))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// Apache's own tools for a stopped server's files read those of `kind`: every transaction passes its
/// checksum, and a snapshot shows nodes and sessions.
fn apaches_tools_read(test: &str, kind: Kind) {
    let Some(java) = java_or_skip(test) else {
        return;
    };
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = ServerOptions::new()
        .data_dir(data.path())
        .config("extendedTypesEnabled", true)
        .config("snapCount", 300)
        .config("preAllocSize", 4096);
    let mut tree = java.start(TREE, &[], &[]);
    let mut server = Server::start(kind, &options);
    let kept = write(&mut tree, &server, 1);
    let status = server.four_letter_word("srvr");
    let zxid = status
        .lines()
        .find_map(|line| line.strip_prefix("Zxid: 0x"));
    let last = u64::from_str_radix(zxid.expect("srvr tells the zxid"), 16).unwrap();
    server.stop();

    let mut transactions = 0;
    for log in files(data.path(), "log.") {
        let lines = java.start_tool(TXN_LOG_TOOL, &[log.as_str()]).finish();
        assert!(
            !lines.iter().any(|line| line.contains("CRC ERROR")),
            "{lines:#?}"
        );
        let count = lines.iter().find_map(|line| {
            line.strip_prefix("EOF reached after ")?
                .strip_suffix(" txns.")?
                .parse::<u64>()
                .ok()
        });
        transactions += count.unwrap_or_else(|| panic!("{log} has no end: {lines:#?}"));
    }
    assert_eq!(
        transactions, last,
        "each transaction from the first is in one log"
    );

    let snapshots = files(data.path(), "snapshot.");
    assert!(snapshots.len() > 1, "{snapshots:?}");
    let lines = java
        .start_tool(SNAPSHOT_TOOL, &["-d", snapshots.last().unwrap()])
        .finish();
    for wanted in [
        "/zookeeper/quota",
        "/tree-1",
        "/tree-1/container/child",
        "/tree-1/ключ-鍵",
    ] {
        assert!(
            lines.iter().any(|line| line == wanted),
            "{wanted} is in the snapshot: {lines:#?}"
        );
    }
    let sessions = lines
        .iter()
        .position(|line| line.starts_with("Session Details"));
    let sessions = &lines[sessions.expect("a table of sessions")..];
    for session in kept {
        let start = format!(
            "{:#016x}, {SESSION_TIMEOUT_MS}, {}",
            session.id, session.ephemerals
        );
        assert!(sessions.contains(&start), "{start}: {sessions:#?}");
    }
}

/// Files whose names start so, by the transaction id in their names.
fn files(data: &Path, prefix: &str) -> Vec<String> {
    let mut files: Vec<(u64, String)> = fs::read_dir(data.join("version-2"))
        .expect("a server makes version-2")
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let zxid = path.file_name()?.to_str()?.strip_prefix(prefix)?;
            Some((
                u64::from_str_radix(zxid, 16).ok()?,
                path.to_str()?.to_owned(),
            ))
        })
        .collect();
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}

compat_tests::cases! {
    apaches_tools_read_apache: apaches_tools_read(Apache);
    apaches_tools_read_ours: apaches_tools_read(Ours);
}

/// What time would have done while no server was there, it does after the restart: a session nobody
/// takes up expires, a container without children and a node past its time to live go.
fn restart_resumes(test: &str, first: Kind, second: Kind) {
    if (first, second) != (Ours, Ours) && apache_or_skip(test).is_none() {
        return;
    }
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = |interval_ms: u32| {
        ServerOptions::new()
            .data_dir(data.path())
            .config("tickTime", 500)
            .config("extendedTypesEnabled", true)
            .property("znode.container.checkIntervalMs", interval_ms)
    };
    let mut server = Server::start(first, &options(3_600_000));
    let (mut client, session) = Client::open_session(server.address(), 1_000);
    create(&mut client, "/ephemeral", b"", EPHEMERAL);
    create(&mut client, "/persistent", b"", PERSISTENT);
    for (path, kind) in [("/container", CONTAINER), ("/container-kept", CONTAINER)] {
        let reply = call(&mut client, CREATE_CONTAINER, &create_body(path, b"", kind));
        assert_eq!(reply.error, 0);
        create(&mut client, &format!("{path}/child"), b"", PERSISTENT);
    }
    delete(&mut client, "/container/child");
    for (path, ttl_ms) in [("/ttl", 1), ("/ttl-kept", 3_600_000)] {
        let body = create_body(path, b"", PERSISTENT_WITH_TTL).long(ttl_ms);
        assert_eq!(call(&mut client, CREATE_TTL, &body).error, 0);
    }
    server.kill();

    let server = Server::start(second, &options(100));
    let mut client = Client::open_session(server.address(), 10_000).0;
    for path in ["/ephemeral", "/container", "/ttl"] {
        eventually(&format!("{path} goes"), PATIENCE, || {
            (!exists(&mut client, path)).then_some(())
        });
    }
    for path in [
        "/persistent",
        "/container-kept",
        "/container-kept/child",
        "/ttl-kept",
    ] {
        assert!(exists(&mut client, path), "{path} stays");
    }
    let mut late = Client::connect(server.address());
    late.send_frame(connect_request(0, 1_000, session.id, Some(&session.password), None).bytes());
    let answer = Session::decode(&late.frame("ConnectResponse")).unwrap();
    assert_eq!(
        (answer.timeout_ms, answer.id),
        (0, 0),
        "an expired session is refused"
    );
}

compat_tests::cases! {
    apache_resumes_its_own: restart_resumes(Apache, Apache);
    ours_resumes_its_own: restart_resumes(Ours, Ours);
    ours_resumes_apaches: restart_resumes(Apache, Ours);
    apache_resumes_ours: restart_resumes(Ours, Apache);
}

/// A log whose last record a crash left unfinished: that transaction never was, all before it is there,
/// and the log goes on.
fn torn_record(test: &str, first: Kind, second: Kind, cuts: &[u64]) {
    if (first, second) != (Ours, Ours) && apache_or_skip(test).is_none() {
        return;
    }
    for cut in cuts {
        let data = tempfile::tempdir().expect("a temporary directory");
        let options = ServerOptions::new().data_dir(data.path());
        let mut server = Server::start(first, &options);
        let mut client = Client::open_session(server.address(), SESSION_TIMEOUT_MS).0;
        for path in ["/first", "/second", "/torn"] {
            create(&mut client, path, &[7; 64], PERSISTENT);
        }
        server.kill();
        let log = files(data.path(), "log.").pop().expect("a log");
        let bytes = fs::read(&log).unwrap();
        let written = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .expect("a log is not empty")
            + 1;
        let log = fs::OpenOptions::new().write(true).open(log).unwrap();
        log.set_len(u64::try_from(written).unwrap() - cut).unwrap();

        for attempt in ["/after", "/after-again"] {
            let mut server = Server::start(second, &options);
            let mut client = Client::open_session(server.address(), SESSION_TIMEOUT_MS).0;
            create(&mut client, attempt, b"", PERSISTENT);
            for path in ["/first", "/second", "/after"] {
                assert!(
                    exists(&mut client, path),
                    "{path} with {cut} bytes cut off: {}",
                    server.log()
                );
            }
            assert!(!exists(&mut client, "/torn"), "{cut} bytes cut off");
            server.kill();
        }
    }
}

compat_tests::cases! {
    torn_record_apache_to_apache: torn_record(Apache, Apache, &[1]);
    torn_record_apache_to_ours: torn_record(Apache, Ours, &[1, 30]);
    torn_record_ours_to_apache: torn_record(Ours, Apache, &[1]);
    torn_record_ours_to_ours: torn_record(Ours, Ours, &[1, 2, 12, 13, 14, 30, 100, 150, 160]);
}

fn relay(
    test: &str,
    first: Kind,
    second: Kind,
    compression: Option<&'static str>,
    split: bool,
    end: End,
) {
    let case = Relay {
        first,
        second,
        compression,
        split,
        end,
    };
    case.run(test);
}

// Each compression and each end with both kinds as the first writer, and not all combinations: most of
// a case is the time JVMs take to start.
compat_tests::cases! {
    apache_to_apache_gz_killed: relay(Apache, Apache, Some("gz"), true, End::Kill);
    apache_to_ours_plain_stopped: relay(Apache, Ours, None, false, End::Stop);
    apache_to_ours_plain_killed: relay(Apache, Ours, None, false, End::Kill);
    apache_to_ours_gz_killed: relay(Apache, Ours, Some("gz"), true, End::Kill);
    apache_to_ours_snappy_stopped: relay(Apache, Ours, Some("snappy"), false, End::Stop);
    ours_to_apache_plain_stopped: relay(Ours, Apache, None, false, End::Stop);
    ours_to_apache_gz_stopped: relay(Ours, Apache, Some("gz"), true, End::Stop);
    ours_to_apache_snappy_killed: relay(Ours, Apache, Some("snappy"), false, End::Kill);
    ours_to_ours_gz_killed: relay(Ours, Ours, Some("gz"), true, End::Kill);
}
