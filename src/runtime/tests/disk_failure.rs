//! A disk that fails or fills up under load: nothing is acknowledged that a restart does not
//! bring back, and the process says why it stops.

use std::path::Path;
use std::sync::Arc;

use super::client::{Client, create, look};
use super::config;
use crate::proto::Op;
use crate::runtime::{Failure, Running};
use crate::store::sim_disk::{Fault, SimDisk};

/// Writes until the server dies of the fault; how many writes were acknowledged.
fn write_until_it_dies(disk: &SimDisk, fault: Fault) -> u32 {
    let config = config(Path::new("/data"), &[]);
    let mut server = Running::start_on(Arc::new(disk.clone()), &config).unwrap();
    let mut client = Client::open(server.client_address());
    assert_eq!(client.call(Op::Create, &create("/n", b"")).err, 0);
    disk.inject(fault);
    let mut acknowledged = 0;
    let mut died_of = None;
    while died_of.is_none() {
        client.send(
            Op::Create,
            &create(&format!("/n/{acknowledged}"), &[7; 500]),
        );
        let mut reply = None;
        while reply.is_none() && died_of.is_none() {
            died_of = server.failures.try_recv().ok();
            reply = client.try_reply();
        }
        if let Some(reply) = reply {
            assert_eq!(reply.err, 0);
            acknowledged += 1;
        }
    }
    let failure = died_of.expect("it was waited for");
    assert!(matches!(failure, Failure::Log(_)), "{failure:?}");
    assert_eq!(failure.exit_code(), 1);
    assert!(client.try_reply().is_none(), "nothing is said afterwards");
    server.stop().unwrap();
    acknowledged
}

fn assert_all_there(disk: &SimDisk, acknowledged: u32) {
    let config = config(Path::new("/data"), &[]);
    let server = Running::start_on(Arc::new(disk.clone()), &config).unwrap();
    let mut client = Client::open(server.client_address());
    for number in 0..acknowledged {
        let read = client.call(Op::Exists, &look(&format!("/n/{number}"), false));
        assert_eq!(read.err, 0, "/n/{number} was acknowledged");
    }
    server.stop().unwrap();
}

#[test]
fn a_failing_disk_loses_nothing_acknowledged() {
    for seed in 0..10 {
        let disk = SimDisk::new(seed);
        let acknowledged = write_until_it_dies(&disk, Fault::FailAt(5 + 3 * seed));
        disk.crash();
        assert_all_there(&disk, acknowledged);
    }
}

#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    let disk = SimDisk::new(1);
    let acknowledged = write_until_it_dies(&disk, Fault::Capacity(300_000));
    assert!(acknowledged > 10, "{acknowledged}");
    disk.inject(Fault::None);
    disk.crash();
    assert_all_there(&disk, acknowledged);
}
