//! What survives a stop, and what a stop does.

use std::path::Path;
use std::sync::Arc;

use jute::Decode;
use jute::proto::{ConnectResponse, GetDataResponse};

use super::client::{Client, create, look, set};
use super::{Fixture, config, start_in};
use crate::proto::Op;
use crate::runtime::{Failure, Running};
use crate::store::disk::Disk;
use crate::store::sim_disk::{Fault, SimDisk};

#[test]
fn data_and_sessions_survive() {
    let fixture = Fixture::start(&[]);
    let mut client = Client::open(fixture.server.client_address());
    client.call(Op::Create, &create("/kept", b"one"));
    let last = client.call(Op::SetData, &set("/kept", b"two")).zxid;
    fixture.server.stop().unwrap();
    let (session, password) = (client.session, client.password.clone());
    client.assert_closed();

    let server = start_in(fixture.dir.path(), &[]);
    let mut again = Client::connect(server.client_address());
    let response = again.hello(session, &password).unwrap();
    let response = ConnectResponse::from_slice(&response).unwrap();
    assert_eq!(response.session_id, session);
    let read = again.call(Op::GetData, &look("/kept", false));
    let data = GetDataResponse::from_slice(&read.body).unwrap();
    assert_eq!((data.data, read.zxid), (Some(&b"two"[..]), last));
    server.stop().unwrap();
}

#[test]
fn snapshots_are_taken_while_writes_go_on() {
    let properties = [("zookeeper.snapCount", "100")];
    let fixture = Fixture::start(&properties);
    let mut client = Client::open(fixture.server.client_address());
    for number in 0..1000 {
        client.send(Op::Create, &create(&format!("/n{number}"), b"value"));
    }
    for _ in 0..1000 {
        assert_eq!(client.reply().err, 0);
    }
    let count = |prefix: &str| {
        let files = std::fs::read_dir(fixture.dir.path().join("version-2")).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(prefix))
            .count()
    };
    // A stop does not wait for one.
    let mut looks = 0..1_000_000;
    assert!(looks.any(|_| count("snapshot.") > 1), "one is finished");
    assert!(count("log.") > 1);
    fixture.server.stop().unwrap();

    let server = start_in(fixture.dir.path(), &properties);
    let mut client = Client::open(server.client_address());
    for number in 0..1000 {
        let read = client.call(Op::GetData, &look(&format!("/n{number}"), false));
        assert_eq!(read.err, 0, "{number}");
    }
    server.stop().unwrap();
}

/// A server that is in the middle of a snapshot, on a disk that does not go on with it.
fn in_a_snapshot(disk: &SimDisk) -> (Running, Client) {
    let config = config(Path::new("/data"), &[("zookeeper.snapCount", "20")]);
    let server = Running::start_on(Arc::new(disk.clone()), &config).unwrap();
    let mut client = Client::open(server.client_address());
    disk.hold_appends(true);
    for number in 0..30 {
        let created = client.call(Op::Create, &create(&format!("/n{number}"), b""));
        assert_eq!(created.err, 0);
    }
    disk.await_held_append();
    (server, client)
}

fn files(disk: &SimDisk) -> Vec<String> {
    disk.list(Path::new("/data/version-2")).unwrap()
}

#[test]
fn a_stop_does_not_wait_for_a_snapshot_on_a_stalled_disk() {
    let disk = SimDisk::new(1);
    let (server, client) = in_a_snapshot(&disk);
    server.stop().unwrap();
    client.assert_closed();
    assert!(files(&disk).iter().any(|name| name.starts_with("writing-")));
    disk.hold_appends(false);
}

#[test]
fn a_snapshot_gives_up_when_the_server_stops() {
    let disk = SimDisk::new(1);
    let (server, client) = in_a_snapshot(&disk);
    let shared = server.server.clone();
    let releasing = {
        let disk = disk.clone();
        std::thread::spawn(move || {
            while shared.is_running() {
                std::thread::yield_now();
            }
            disk.hold_appends(false);
        })
    };
    server.stop().unwrap();
    releasing.join().unwrap();
    client.assert_closed();
    let is_snapshot = |name: &&String| name.contains("snapshot");
    let snapshots: Vec<_> = files(&disk).into_iter().collect();
    let snapshots: Vec<_> = snapshots.iter().filter(is_snapshot).collect();
    assert_eq!(snapshots, ["snapshot.0"]);
}

#[test]
fn a_log_that_fails_while_the_server_stops_is_told() {
    let disk = SimDisk::new(1);
    let config = config(Path::new("/data"), &[]);
    let server = Running::start_on(Arc::new(disk.clone()), &config).unwrap();
    let mut client = Client::open(server.client_address());
    disk.inject(Fault::FailAt(0));
    client.send(Op::Create, &create("/n", b""));
    // The writer has ended, and nobody has asked why.
    while server
        .threads
        .iter()
        .any(|(_, thread)| !thread.is_finished())
    {
        std::thread::yield_now();
    }
    let failure = server.stop().unwrap_err();
    assert!(matches!(failure, Failure::Log(_)), "{failure:?}");
}
