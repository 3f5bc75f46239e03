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
    java::java_or_skip,
    program::Program,
    server::{Kind, Server, ServerOptions},
    wire::{Body, Client, Reader, Session, connect_request},
};

const TREE: &str = "gamekeeper.compat.Tree";
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
        let first_dump = dump(&mut tree, &server);
        assert!(first_dump.len() > 100, "only {} nodes", first_dump.len());
        let first_digests = digests(&server);
        assert!(!first_digests.is_empty(), "no digests");
        self.end(server);
        self.expect_files(data.path());

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
            .data_dir(data)
            .config("4lw.commands.whitelist", "*")
            .config("extendedTypesEnabled", true)
            .config("snapCount", 100)
            .config("preAllocSize", 4096)
            // Containers and times to live are not to end while dumps are compared.
            .property("znode.container.checkIntervalMs", 3_600_000);
        if let Some(method) = self.compression {
            options = options.config("snapshot.compression.method", method);
        }
        Server::start(kind, &options)
    }

    fn end(&self, mut server: Server) {
        match self.end {
            End::Stop => server.stop(),
            End::Kill => server.kill(),
        };
    }

    /// The directory has what the test is about: several snapshots of the right sort, several logs.
    fn expect_files(&self, data: &Path) {
        let names: Vec<String> = fs::read_dir(data.join("version-2"))
            .expect("a server makes version-2")
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let suffix = self
            .compression
            .map(|method| format!(".{method}"))
            .unwrap_or_default();
        let snapshots = names
            .iter()
            .filter(|name| name.starts_with("snapshot.") && name.ends_with(&suffix))
            .count();
        let logs = names.iter().filter(|name| name.starts_with("log.")).count();
        assert!(snapshots > 2 && logs > 2, "{names:?}");
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

macro_rules! relays {
    ($($name:ident: $first:ident, $second:ident, $compression:expr, $end:ident;)*) => {
        $(#[test]
        fn $name() {
            Relay {
                first: Kind::$first,
                second: Kind::$second,
                compression: $compression,
                end: End::$end,
            }
            .run(concat!("disk_format::", stringify!($name)));
        })*
    };
}

relays! {
    apache_to_apache_plain_stopped: Apache, Apache, None, Stop;
    apache_to_apache_snappy_killed: Apache, Apache, Some("snappy"), Kill;
    apache_to_ours_plain_stopped: Apache, Ours, None, Stop;
    apache_to_ours_plain_killed: Apache, Ours, None, Kill;
    apache_to_ours_gz_stopped: Apache, Ours, Some("gz"), Stop;
    apache_to_ours_gz_killed: Apache, Ours, Some("gz"), Kill;
    apache_to_ours_snappy_stopped: Apache, Ours, Some("snappy"), Stop;
    apache_to_ours_snappy_killed: Apache, Ours, Some("snappy"), Kill;
    ours_to_apache_plain_stopped: Ours, Apache, None, Stop;
    ours_to_apache_snappy_killed: Ours, Apache, Some("snappy"), Kill;
    ours_to_ours_gz_killed: Ours, Ours, Some("gz"), Kill;
}
