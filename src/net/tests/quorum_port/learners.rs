//! What learners that dial in say and are told, and when they are closed.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;

use bytes::Bytes;

use super::{Fixture, LEADER, OBSERVER_QUEUE_BYTES, ack, ping};
use crate::base::{Epoch, QuorumLink, ServerId, SessionId, Xid, limits};
use crate::net::tests::{SASL_IN_PROGRESS, Wire, free_address, to_address};
use crate::peer::{Door, Input};
use crate::zab::{LearnerIdentity, LearnerKind, ToLeader};

#[test]
fn a_learner_comes_speaks_and_goes() {
    let mut fixture = Fixture::leading();
    let (mut wire, link) = fixture.learner();
    // FOLLOWERINFO, as Apache writes it.
    let mut info = vec![0, 0, 0, 11, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 20];
    info.extend([0, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0]);
    info.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    wire.send(&info);
    let expected = ToLeader::Info {
        kind: LearnerKind::Follower,
        accepted_epoch: Epoch(7),
        info: Some(LearnerIdentity {
            sid: ServerId(5),
            protocol_version: 0x10000,
            config_version: 0,
        }),
    };
    assert_eq!(fixture.learner_said(), (link, expected));
    drop(wire);
    fixture.expect_learner_gone(link);
}

#[test]
fn a_learner_that_has_to_log_in_and_does_not_is_closed_qp_144() {
    for door in [Door::Leader, Door::Follower] {
        let mut fixture = Fixture::with_sasl(true);
        fixture.port.open(door);
        let mut wire = Wire::dial(fixture.at);
        wire.send(&ack(1).to_bytes());
        wire.expect_closed();
    }
    // Where it is not demanded it goes on with that.
    let mut fixture = Fixture::with_sasl(false);
    fixture.port.open(Door::Leader);
    let mut wire = Wire::dial(fixture.at);
    wire.send(&ack(1).to_bytes());
    let link = fixture.next_wanted(|input| match input {
        Input::LearnerConnected { link } => Some(*link),
        _ => None,
    });
    assert_eq!(fixture.learner_said(), (link, ack(1)));
}

#[test]
fn silent_learners_lock_nobody_out_before_they_have_logged_in() {
    let mut fixture = Fixture::with_sasl(false);
    fixture.port.open(Door::Leader);
    let mut first = Wire::dial(fixture.at);
    let silent: Vec<_> = (0..limits::LEARNER_LOGINS)
        .map(|_| Wire::dial(fixture.at))
        .collect();
    first.expect_closed();
    let mut wire = Wire::dial(fixture.at);
    wire.send(&ack(1).to_bytes());
    let connected = fixture.next_wanted(|input| match input {
        Input::LearnerConnected { link } => Some(*link),
        _ => None,
    });
    assert_eq!(connected, QuorumLink(1));
    drop(silent);
}

#[test]
fn a_learner_logs_in_before_anything_else() {
    let mut fixture = Fixture::with_sasl(true);
    let leader = TcpListener::bind(free_address()).unwrap();
    let at = to_address(leader.local_addr().unwrap());
    let link = fixture.port.dial(LEADER, Door::Leader, vec![at]);
    let mut wire = Wire::accept(&leader);
    let expected = [SASL_IN_PROGRESS, &[0; 4]].concat();
    assert_eq!(wire.receive(expected.len()), expected);
    drop(wire);
    let gone = fixture.next_wanted(|input| match input {
        Input::LeaderGone { link, reason } => Some((*link, reason.clone())),
        _ => None,
    });
    assert_eq!(gone.0, link);
    assert!(
        gone.1.starts_with("the login by SASL ended early"),
        "{}",
        gone.1
    );
}

#[test]
fn packets_come_whole_however_they_are_cut() {
    let mut fixture = Fixture::leading();
    let (mut wire, link) = fixture.learner();
    let mut bytes = Vec::new();
    for number in 0..50 {
        bytes.extend_from_slice(&ack(number).to_bytes());
    }
    for piece in bytes.chunks(7) {
        wire.send(piece);
    }
    for number in 0..50 {
        assert_eq!(fixture.learner_said(), (link, ack(number)));
    }
}

#[test]
fn a_packet_of_an_unknown_type_is_passed_on_as_such() {
    let mut fixture = Fixture::leading();
    let (mut wire, link) = fixture.learner();
    let mut packet = ack(1).to_bytes().to_vec();
    packet[3] = 77;
    wire.send(&packet);
    let unknown = ToLeader::Unknown { number: 77 };
    assert_eq!(fixture.learner_said(), (link, unknown));
}

#[test]
fn garbage_closes_its_link_and_no_other() {
    let mut fixture = Fixture::leading();
    let (mut fine, fine_link) = fixture.learner();
    let too_long = ToLeader::Request(crate::zab::LearnerRequest {
        session: SessionId(1),
        xid: Xid(1),
        op: 1,
        body: Bytes::from(vec![0; 1001]),
        ids: Arc::new([]),
    });
    let mut short_revalidate = ack(1).to_bytes().to_vec();
    short_revalidate[3] = 6;
    for garbage in [
        too_long.to_bytes().to_vec(),
        vec![0xee; 64],
        short_revalidate,
    ] {
        let (mut wire, link) = fixture.learner();
        wire.send(&garbage);
        wire.expect_closed();
        fixture.expect_learner_gone(link);
    }
    fine.send(&ack(9).to_bytes());
    assert_eq!(fixture.learner_said(), (fine_link, ack(9)));
}

#[test]
fn a_packet_without_an_end_is_not_waited_for() {
    let mut fixture = Fixture::leading();
    let (mut wire, link) = fixture.learner();
    // 4096 identities of 2000 bytes would pass field by field.
    let mut packet = ack(1).to_bytes().to_vec();
    packet.truncate(16);
    packet.extend(4096_i32.to_be_bytes());
    let field = [&1000_i32.to_be_bytes()[..], &[b'x'; 1000]].concat();
    packet.extend(field.repeat(100));
    wire.send(&packet);
    wire.expect_closed();
    fixture.expect_learner_gone(link);
}

#[test]
fn many_packets_leave_with_one_write() {
    let mut fixture = Fixture::leading();
    let (mut wire, link) = fixture.learner();
    let mut expected = Vec::new();
    for number in 0..200 {
        let packet = ping(number).to_bytes();
        expected.extend_from_slice(&packet);
        fixture.port.send(link, packet);
    }
    fixture.port.flush();
    assert_eq!(wire.receive_once(), expected);
    fixture.port.send(link, ping(7).to_bytes());
    fixture.port.flush();
    assert_eq!(wire.receive_once(), ping(7).to_bytes());
}

#[test]
fn qp_115_a_slow_reader_holds_nobody_up_and_is_closed_at_the_bound() {
    let mut fixture = Fixture::leading();
    let (mut slow, slow_link) = fixture.learner();
    let (mut quick, quick_link) = fixture.learner();
    let large = Bytes::from(vec![7; 1024 * 1024]);
    // The sockets take some, the queue the rest.
    for round in 0..limits::QUORUM_LINK_BYTES / large.len() {
        fixture.port.send(slow_link, large.clone());
        fixture.port.send(quick_link, ping(1).to_bytes());
        fixture.port.flush();
        assert_eq!(quick.receive(20), ping(1).to_bytes(), "{round}");
    }
    // Whatever the sockets took, this is too much.
    for _ in 0..64 {
        fixture.port.send(slow_link, large.clone());
        fixture.port.flush();
    }
    fixture.expect_learner_gone(slow_link);
    fixture.port.send(quick_link, ping(2).to_bytes());
    fixture.port.flush();
    assert_eq!(quick.receive(20), ping(2).to_bytes());
    let mut rest = Vec::new();
    // It ends, in whichever way.
    let _ = slow.0.read_to_end(&mut rest);
    assert!(rest.len() < limits::QUORUM_LINK_BYTES);
}

#[test]
fn qp_142_an_observer_that_takes_nothing_is_closed_at_its_own_bound() {
    let mut fixture = Fixture::following();
    let (slow, slow_link) = fixture.learner();
    let (mut quick, quick_link) = fixture.learner();
    let large = Bytes::from(vec![7; 64 * 1024]);
    let mut sent = 0;
    // Sockets of this machine take a few MiB.
    while sent < 64 * 1024 * 1024 {
        fixture.port.send(slow_link, large.clone());
        fixture.port.flush();
        sent += large.len();
    }
    fixture.expect_learner_gone(slow_link);
    // One packet may be larger than that.
    let larger = Bytes::from(vec![8; 2 * OBSERVER_QUEUE_BYTES]);
    fixture.port.send(quick_link, larger.clone());
    fixture.port.flush();
    assert!(quick.receive(larger.len()) == larger);
    drop(slow);
}

#[test]
fn what_a_socket_did_not_take_at_once_follows_in_order() {
    let mut fixture = Fixture::leading();
    let (mut wire, link) = fixture.learner();
    let mut expected = Vec::new();
    for number in 0..64_u8 {
        let packets = Bytes::from(vec![number; 1_000_000]);
        expected.extend_from_slice(&packets);
        fixture.port.send(link, packets);
        fixture.port.send(link, Bytes::from_static(b"small"));
        expected.extend_from_slice(b"small");
        fixture.port.flush();
    }
    assert!(wire.receive(expected.len()) == expected);
    // With nothing left, the caller's thread writes again.
    fixture.port.send(link, ping(1).to_bytes());
    fixture.port.flush();
    assert_eq!(wire.receive(20), ping(1).to_bytes());
}

#[test]
fn a_link_is_closed_behind_what_is_queued() {
    let mut fixture = Fixture::leading();
    let (mut wire, link) = fixture.learner();
    let large = Bytes::from(vec![7; 10_000_000]);
    fixture.port.send(link, large.clone());
    fixture.port.close_link(link);
    // What comes from a link that was closed is not heard, nor that it ends.
    wire.send(&ack(1).to_bytes());
    fixture.port.send(link, ping(1).to_bytes());
    fixture.port.flush();
    assert!(wire.receive(large.len()) == large);
    wire.expect_closed();
    let (_other, other_link) = fixture.learner();
    assert!(other_link > link);
}
