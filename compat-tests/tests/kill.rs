//! `kill -9` under load, over and over on one data directory: after each restart every acknowledged
//! write is there, and nothing else but a prefix of what each connection had sent.
//!
//! Each connection numbers its requests. Even numbers set the data of its own node, odd ones create a
//! child named by the number, all pipelined. So one number `p` describes all that may be found of a
//! connection: the children below `p`, the newest even number up to `p` as data, as many versions as
//! there were even numbers. `p` lies between the last acknowledged and the last sent.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
};

use compat_tests::{
    calls::{
        CREATE, PERSISTENT, SET_DATA, call, children, create, create_body, data_and_version, header,
    },
    eventually::PATIENCE,
    maven::apache_or_skip,
    server::{Kind, Server, ServerOptions},
    wire::{Body, Client, Inbound, Reader},
};

const CONNECTIONS: u64 = 4;
const IN_FLIGHT_MAX: u64 = 32;
/// Bounds the size of the tree after many rounds.
const REQUESTS_MAX: u64 = 120;
const SESSION_TIMEOUT_MS: i32 = 4_000;

/// What one connection can say about its requests when it ended. Numbers start at 1; 0 is none.
#[derive(Debug, Clone, Copy)]
struct History {
    sent: u64,
    acknowledged: u64,
    last_zxid: i64,
}

#[test]
fn apache() {
    if apache_or_skip("kill::apache").is_some() {
        kill_repeatedly(Kind::Apache, 2);
    }
}

#[test]
fn ours() {
    kill_repeatedly(Kind::Ours, 100);
}

fn kill_repeatedly(kind: Kind, rounds: u64) {
    let data = tempfile::tempdir().expect("a temporary directory");
    // Snapshots are to be under way in some of the rounds when the end comes.
    let options = ServerOptions::new()
        .data_dir(data.path())
        .config("snapCount", 300)
        .config("preAllocSize", 256)
        .config("maxClientCnxns", 0);
    let mut found = Vec::new();
    let mut server = Server::start(kind, &options);
    for round in 0..rounds {
        let histories = load_then_kill(&mut server, round);
        server = Server::start(kind, &options);
        found.push(check_round(server.address(), round, &histories));
    }
    let mut client = Client::open_session(server.address(), SESSION_TIMEOUT_MS).0;
    for (round, counts) in found.iter().enumerate() {
        for (connection, count) in counts.iter().enumerate() {
            let path = format!("/r{round}/c{connection}");
            assert_eq!(
                children(&mut client, &path).len() as u64,
                *count,
                "{path} at the end"
            );
        }
    }
}

/// Loads the server from all connections and kills it when a number of writes, another in each round,
/// has been acknowledged.
fn load_then_kill(server: &mut Server, round: u64) -> Vec<History> {
    let address = server.address();
    let mut client = Client::open_session(address, SESSION_TIMEOUT_MS).0;
    create(&mut client, &format!("/r{round}"), b"", PERSISTENT);
    for connection in 0..CONNECTIONS {
        create(
            &mut client,
            &format!("/r{round}/c{connection}"),
            b"",
            PERSISTENT,
        );
    }
    let acknowledged = Arc::new(AtomicU64::new(0));
    // Spread over the whole of a round's load, in an order without a pattern.
    let enough = 1 + (round * 7919) % (CONNECTIONS * REQUESTS_MAX);
    let (tell, told) = channel();
    let all_connected = Arc::new(Barrier::new(usize::try_from(CONNECTIONS).expect("a few")));
    let mut loads = Vec::new();
    for connection in 0..CONNECTIONS {
        let path = format!("/r{round}/c{connection}");
        let acknowledged = Arc::clone(&acknowledged);
        let all_connected = Arc::clone(&all_connected);
        let tell = tell.clone();
        loads.push(thread::spawn(move || {
            let client = Client::open_session(address, SESSION_TIMEOUT_MS).0;
            all_connected.wait();
            load(client, &path, &acknowledged, enough, &tell)
        }));
    }
    told.recv_timeout(PATIENCE)
        .expect("enough writes are acknowledged in time");
    server.kill();
    loads
        .into_iter()
        .map(|load| load.join().expect("a load ends without a panic"))
        .collect()
}

/// Sends numbered requests until the connection ends.
fn load(
    mut client: Client,
    path: &str,
    acknowledged: &AtomicU64,
    enough: u64,
    tell: &Sender<()>,
) -> History {
    let mut history = History {
        sent: 0,
        acknowledged: 0,
        last_zxid: 0,
    };
    loop {
        while history.sent < REQUESTS_MAX && history.sent - history.acknowledged < IN_FLIGHT_MAX {
            history.sent += 1;
            if !send(&mut client, path, history.sent) {
                break;
            }
        }
        let Inbound::Frame(reply) = client.read_frame_within(PATIENCE) else {
            return history;
        };
        let (xid, zxid, error) = header(&mut Reader::new(&reply));
        assert_eq!(
            (u64::try_from(xid), error),
            (Ok(history.acknowledged + 1), 0)
        );
        assert!(zxid > history.last_zxid, "transaction ids grow");
        history.acknowledged += 1;
        history.last_zxid = zxid;
        if acknowledged.fetch_add(1, Ordering::Relaxed) + 1 == enough {
            // The one who waits may have given up.
            let _ = tell.send(());
        }
    }
}

fn send(client: &mut Client, path: &str, number: u64) -> bool {
    let xid = i32::try_from(number).expect("numbers are small");
    let data = number.to_string();
    if number.is_multiple_of(2) {
        let body = Body::new().string(path).string(&data).int(-1);
        client.request(xid, SET_DATA, &body)
    } else {
        client.request(
            xid,
            CREATE,
            &create_body(&format!("{path}/{number}"), data.as_bytes(), PERSISTENT),
        )
    }
}

/// Checks what is there against what each connection knows, and gives the number of children of each.
fn check_round(address: SocketAddr, round: u64, histories: &[History]) -> Vec<u64> {
    let mut client = Client::open_session(address, SESSION_TIMEOUT_MS).0;
    let expected: BTreeSet<String> = (0..CONNECTIONS)
        .map(|number| format!("c{number}"))
        .collect();
    assert_eq!(children(&mut client, &format!("/r{round}")), expected);
    let zxid = call(
        &mut client,
        CREATE,
        &create_body(&format!("/r{round}/after"), b"", PERSISTENT),
    )
    .zxid;
    let mut counts = Vec::new();
    for (connection, history) in histories.iter().enumerate() {
        let path = format!("/r{round}/c{connection}");
        assert!(
            zxid > history.last_zxid,
            "{path}: an acknowledged transaction id is given again"
        );
        let created: BTreeSet<u64> = children(&mut client, &path)
            .iter()
            .map(|name| name.parse().unwrap())
            .collect();
        let (data, version) = data_and_version(&mut client, &path);
        let set: u64 = if data.is_empty() {
            0
        } else {
            data.parse().unwrap()
        };
        let last = set.max(created.last().copied().unwrap_or(0));
        let prefix: BTreeSet<u64> = (1..=last).filter(|number| number % 2 == 1).collect();
        assert_eq!(
            created, prefix,
            "{path}: children up to {last}; {history:?}"
        );
        assert_eq!(
            set,
            last - last % 2,
            "{path}: data of a prefix up to {last}; {history:?}"
        );
        assert_eq!(
            version,
            last / 2,
            "{path}: versions of a prefix up to {last}"
        );
        assert!(
            (history.acknowledged..=history.sent).contains(&last),
            "{path}: {last} of {history:?}"
        );
        for number in created.iter().rev().take(3) {
            let child = format!("{path}/{number}");
            assert_eq!(
                data_and_version(&mut client, &child),
                (number.to_string(), 0),
                "{child}"
            );
        }
        counts.push(created.len() as u64);
    }
    counts
}
