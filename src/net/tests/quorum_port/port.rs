//! When the port is open, where, and for whom.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::{DIAL_BUDGET_MS, Fixture, LEADER, STALL_LIMIT_MS};
use crate::base::QuorumLink;
use crate::config::{ListenAddress, ListenHost};
use crate::net::SystemResolver;
use crate::net::tests::{PATIENCE, eventually, free_address, to_address};
use crate::peer::{Door, Input};

#[test]
fn qp_017_the_port_is_open_only_while_leading() {
    let mut fixture = Fixture::new();
    assert!(TcpStream::connect(fixture.at).is_err());
    for _ in 0..3 {
        fixture.port.open(Door::Leader);
        let (mut wire, _) = fixture.learner();
        fixture.port.close();
        wire.expect_closed();
        eventually(|| TcpStream::connect(fixture.at).err());
    }
}

#[test]
fn a_port_that_cannot_be_opened_says_so() {
    let mut fixture = Fixture::new();
    let _taken = TcpListener::bind(fixture.at).unwrap();
    fixture.port.open(Door::Leader);
    let reason = fixture.next_wanted(|input| match input {
        Input::QuorumPortFailed { reason } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.contains("cannot listen"), "{reason}");
}

#[test]
fn a_port_on_all_addresses_serves_each_of_them() {
    let at = free_address();
    let all = ListenAddress {
        host: ListenHost::All,
        port: at.port(),
    };
    let mut fixture = Fixture::build(
        Arc::new(SystemResolver),
        20_000,
        at,
        all,
        None,
        STALL_LIMIT_MS,
    );
    fixture.port.open(Door::Leader);
    let (_wire, link) = fixture.learner();
    assert_eq!(link, QuorumLink(1));
}

#[test]
fn a_follower_whose_port_for_observers_is_taken_opens_it_later() {
    let mut fixture = Fixture::new();
    let taken = TcpListener::bind(fixture.at).unwrap();
    fixture.port.open(Door::Follower);
    drop(taken);
    let at = fixture.at;
    eventually(|| TcpStream::connect(at).ok());
}

#[test]
fn a_follower_that_does_not_serve_observers_is_given_up_soon() {
    let mut fixture = Fixture::new();
    let at = to_address(free_address());
    // Sooner than a leader would be: nothing is waited for so long here.
    assert!(DIAL_BUDGET_MS > 2 * u64::try_from(PATIENCE.as_millis()).unwrap());
    let link = fixture.port.dial(LEADER, Door::Follower, vec![at]);
    let (gone, _) = fixture.leader_gone();
    assert_eq!(gone, link);
}

#[test]
fn dropping_the_port_closes_everything() {
    let mut fixture = Fixture::leading();
    let (mut wire, _) = fixture.learner();
    let at = fixture.at;
    drop(fixture.port);
    wire.expect_closed();
    eventually(|| TcpStream::connect(at).err());
}
