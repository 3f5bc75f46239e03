//! A leader that is dialled: how it is reached, what it sends, and hanging up.

use std::io::{self};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Fixture, LEADER, Reception, ack, ping};
use crate::base::{QuorumLink, Zxid};
use crate::net::tests::{PATIENCE, SilentAddress, Wire, free_address, to_address};
use crate::net::{Resolver, SystemResolver};
use crate::peer::{Door, Input};
use crate::quorum::{Address, Host};
use crate::zab::ToLearner;

#[test]
fn a_leader_whose_port_opens_late_is_reached() {
    let mut fixture = Fixture::new();
    let at = free_address();
    let link = fixture
        .port
        .dial(LEADER, Door::Leader, vec![to_address(at)]);
    // It is not there yet, for some attempts.
    let leader = TcpListener::bind(at).unwrap();
    let mut wire = Wire::accept(&leader);
    fixture.expect_connected(link);
    fixture.port.send(link, ack(1).to_bytes());
    fixture.port.flush();
    assert_eq!(wire.receive(20), ack(1).to_bytes());
    wire.send(&ping(5).to_bytes());
    assert_eq!(fixture.leader_said(), ping(5));
    drop(wire);
    assert_eq!(fixture.leader_gone().0, link);
}

/// A leader whose name has a right address from the third look-up on.
struct Late {
    right: SocketAddr,
    wrong: SocketAddr,
    asked: Mutex<u32>,
}

impl Resolver for Late {
    fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!((name, port), ("leader.example", 2888));
        let mut asked = self.asked.lock();
        *asked += 1;
        match *asked {
            1 => Err(io::ErrorKind::NotFound.into()),
            2 => Ok(vec![self.wrong]),
            _ => Ok(vec![self.wrong, self.right]),
        }
    }
}

#[test]
fn qp_019_a_leader_is_looked_up_at_each_attempt() {
    let leader = TcpListener::bind(free_address()).unwrap();
    let resolver = Late {
        right: leader.local_addr().unwrap(),
        wrong: free_address(),
        asked: Mutex::new(0),
    };
    let mut fixture = Fixture::with(Arc::new(resolver), 20_000);
    let name = Address {
        host: Host::Name("leader.example".into()),
        port: 2888,
    };
    let link = fixture.port.dial(LEADER, Door::Leader, vec![name]);
    let _wire = Wire::accept(&leader);
    fixture.expect_connected(link);
}

#[test]
fn a_leader_that_does_not_answer_is_given_up() {
    let mut fixture = Fixture::with(Arc::new(SystemResolver), 30);
    let link = fixture
        .port
        .dial(LEADER, Door::Leader, vec![to_address(free_address())]);
    let (gone, reason) = fixture.leader_gone();
    assert_eq!(gone, link);
    assert!(reason.contains("refused"), "{reason}");
}

#[test]
fn of_several_addresses_of_a_leader_one_is_enough() {
    let mut fixture = Fixture::new();
    let leader = TcpListener::bind(free_address()).unwrap();
    let addresses = [free_address(), leader.local_addr().unwrap(), free_address()];
    let link = fixture
        .port
        .dial(LEADER, Door::Leader, addresses.map(to_address).to_vec());
    let _wire = Wire::accept(&leader);
    fixture.expect_connected(link);
}

#[test]
fn a_silent_address_of_a_leader_holds_up_no_other() {
    let silent = SilentAddress::new();
    let mut fixture = Fixture::new();
    let leader = TcpListener::bind(free_address()).unwrap();
    let addresses = [silent.at, leader.local_addr().unwrap()];
    let addresses = addresses.map(to_address).to_vec();
    let link = fixture.port.dial(LEADER, Door::Leader, addresses);
    let _wire = Wire::accept(&leader);
    fixture.expect_connected(link);
}

#[test]
fn nothing_is_heard_of_a_leader_after_hanging_up() {
    let mut fixture = Fixture::new();
    let leader = TcpListener::bind(free_address()).unwrap();
    let at = to_address(leader.local_addr().unwrap());
    let mut last = QuorumLink(0);
    for _ in 0..20 {
        last = fixture.port.dial(LEADER, Door::Leader, vec![at.clone()]);
        // At any moment of the dial.
        fixture.port.hang_up();
    }
    let link = fixture.port.dial(LEADER, Door::Leader, vec![at]);
    assert!(link > last);
    // Some of them may have come through, and were on their way when it was hung up.
    let connected = loop {
        let input = fixture.stage.next();
        if fixture.port.wants(&input) {
            break input;
        }
    };
    assert!(matches!(connected, Input::LeaderConnected { link: l } if l == link));
}

#[test]
fn hanging_up_closes_the_link() {
    let (mut fixture, mut wire, _) = Fixture::learning();
    fixture.port.hang_up();
    wire.expect_closed();
}

#[test]
fn a_state_is_received_whole_and_what_follows_is_read_as_packets() {
    let (mut fixture, mut wire, link) = Fixture::learning();
    let snap = ToLearner::Snap { zxid: Zxid(77) };
    let state = [&[5; 300_000][..], b"\x00\x00\x00\x0aBenWasHere"].concat();
    let all = [
        &ping(1).to_bytes(),
        &snap.to_bytes(),
        &state[..],
        &ping(2).to_bytes(),
        &ping(3).to_bytes(),
    ];
    wire.send(&all.concat());
    assert_eq!(fixture.leader_said(), ping(1));
    assert_eq!(fixture.leader_said(), snap);
    let received = fixture.stage.server.submissions.next_state();
    assert_eq!(received.last_zxid(), Zxid(77));
    assert_eq!(fixture.received.recv(), Ok(Reception::Begins));
    let ends = Reception::Ends(Some(state.len()));
    assert_eq!(fixture.received.recv(), Ok(ends));
    assert_eq!(fixture.leader_said(), ping(2));
    assert_eq!(fixture.leader_said(), ping(3));
    // A second one has no place there.
    wire.send(&snap.to_bytes());
    assert_eq!(fixture.leader_gone().0, link);
}

#[test]
fn a_state_that_is_cut_off_ends_the_link() {
    let (mut fixture, mut wire, link) = Fixture::learning();
    wire.send(&ToLearner::Snap { zxid: Zxid(77) }.to_bytes());
    wire.send(&[5; 100_000]);
    drop(wire);
    let (gone, reason) = fixture.leader_gone();
    assert_eq!(gone, link);
    assert!(reason.contains("snapshot"), "{reason}");
}

#[test]
fn hanging_up_ends_the_reception_of_a_state() {
    let (mut fixture, mut wire, _) = Fixture::learning();
    wire.send(&ToLearner::Snap { zxid: Zxid(77) }.to_bytes());
    wire.send(&[5; 100_000]);
    let received = |fixture: &Fixture| fixture.received.recv_timeout(PATIENCE);
    assert_eq!(received(&fixture), Ok(Reception::Begins));
    fixture.port.hang_up();
    wire.expect_closed();
    assert_eq!(received(&fixture), Ok(Reception::Ends(None)));
}
