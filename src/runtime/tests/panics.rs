//! A bug that panics where the server cannot be without the thread: the process stops.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::client::{Client, create};
use super::config;
use crate::proto::Op;
use crate::runtime::{Failure, Running};
use crate::store::sim_disk::{Fault, Panic, SimDisk};

/// A server that is busy until it dies of a panic.
fn die_of(panic: Panic) -> Failure {
    let disk = SimDisk::new(1);
    let config = config(Path::new("/data"), &[("zookeeper.snapCount", "20")]);
    let mut server = Running::start_on(Arc::new(disk.clone()), &config).unwrap();
    let mut client = Client::open(server.client_address());
    disk.inject(Fault::Panic(panic));
    let writing = thread::spawn(move || {
        for number in 0..100 {
            client.send(Op::Create, &create(&format!("/n{number}"), b""));
            if client.frame().is_err() {
                return number;
            }
        }
        100
    });
    let failure = server.wait().unwrap();
    let stopped = server.stop();
    assert!(stopped.is_ok(), "{stopped:?}");
    writing.join().unwrap();
    failure
}

#[test]
fn a_panic_of_the_writer_stops_the_process() {
    let failure = die_of(Panic::AtSync);
    assert_eq!(failure.explained(), "the writer's thread panicked");
    assert_eq!(failure.exit_code(), 1);
}

#[test]
fn a_panic_of_a_snapshot_stops_the_process() {
    let failure = die_of(Panic::AtCreation("writing-snapshot"));
    assert_eq!(failure.explained(), "the snapshot's thread panicked");
    assert_eq!(failure.exit_code(), 1);
}
