//! Snapshots and ranges of the log among the packets to a learner.

use std::io::Read;

use jute::Encode;
use rustix::net::sockopt;

use super::{Fixture, ping, transaction};
use crate::base::{SessionId, WallMillis, Xid, Zxid, limits};
use crate::peer::Door;
use crate::proto::txn::{CreateKind, CreateTxn};
use crate::proto::{Txn, TxnRecord};
use crate::tree::SnapshotCursor;
use crate::zab::{StreamItem, ToLearner};

fn fill(fixture: &Fixture, nodes: i64) {
    let mut state = fixture.stage.server.state.write();
    for number in 1..=nodes {
        let record = TxnRecord {
            session: SessionId(1),
            cxid: Xid(1),
            zxid: Zxid(number),
            time: WallMillis(0),
            txn: Txn::Create(CreateTxn {
                kind: CreateKind::Plain {
                    op_is_create2: false,
                    ephemeral: false,
                },
                path: format!("/{number}").into(),
                data: Some(vec![b'x'; 1000].into()),
                acl: None,
                parent_cversion: -1,
            }),
            digest: None,
        };
        state.apply(&record, &mut Vec::new());
    }
}

/// The SNAP packet and the state, as they go over the wire.
fn state_packets(fixture: &Fixture) -> Vec<u8> {
    let database = fixture.stage.server.state.read();
    let zxid = database.last_zxid();
    let mut bytes = ToLearner::Snap { zxid }.to_bytes().to_vec();
    let mut cursor = SnapshotCursor::new(&database);
    while cursor.next_slice(&database, 1000, &mut bytes) {}
    Some(&b"BenWasHere"[..]).encode(&mut bytes);
    bytes
}

#[test]
fn a_snapshot_goes_in_its_place_among_the_packets() {
    let mut fixture = Fixture::leading();
    fill(&fixture, 1000);
    let (mut wire, link) = fixture.learner();
    let state = state_packets(&fixture);
    assert!(state.len() > 2 * limits::SNAPSHOT_SLICE_BYTES);
    fixture.port.send(link, ping(1).to_bytes());
    fixture.port.stream(link, StreamItem::Snapshot);
    fixture.port.send(link, ping(2).to_bytes());
    fixture.port.flush();
    fixture.port.send(link, ping(3).to_bytes());
    fixture.port.flush();
    let expected = [
        &ping(1).to_bytes(),
        &state[..],
        &ping(2).to_bytes(),
        &ping(3).to_bytes(),
    ];
    let expected = expected.concat();
    assert!(wire.receive(expected.len()) == expected);
}

#[test]
fn a_range_of_the_log_goes_in_its_place_among_the_packets() {
    let mut fixture = Fixture::leading();
    let (mut wire, link) = fixture.learner();
    let item = StreamItem::LogRange {
        after: Zxid(1000),
        upto: Zxid(9000),
    };
    fixture.port.send(link, ping(1).to_bytes());
    fixture.port.stream(link, item);
    fixture.port.send(link, ping(2).to_bytes());
    fixture.port.flush();
    let mut expected = ping(1).to_bytes().to_vec();
    for number in 1001..=9000 {
        let (zxid, payload) = (Zxid(number), transaction(number));
        expected.extend_from_slice(&ToLearner::Proposal { zxid, payload }.to_bytes());
        expected.extend_from_slice(&ToLearner::Commit { zxid }.to_bytes());
    }
    expected.extend_from_slice(&ping(2).to_bytes());
    assert!(wire.receive(expected.len()) == expected);
}

#[test]
fn a_log_that_cannot_be_read_closes_the_link_that_needs_it() {
    let mut fixture = Fixture::leading();
    let (mut other, other_link) = fixture.learner();
    let (_wire, link) = fixture.learner();
    let item = StreamItem::LogRange {
        after: Zxid(10),
        upto: Zxid(20),
    };
    fixture.port.stream(link, item);
    fixture.port.flush();
    fixture.expect_learner_gone(link);
    fixture.port.send(other_link, ping(1).to_bytes());
    fixture.port.flush();
    assert_eq!(other.receive(20), ping(1).to_bytes());
}

/// Nothing waits behind what is streamed, so no queue tells that it stands still.
#[test]
fn a_learner_that_takes_nothing_of_a_stream_is_closed() {
    let mut fixture = Fixture::with_stall_limit(100);
    fixture.port.open(Door::Leader);
    // More than the kernel takes.
    fill(&fixture, 40_000);
    let (mut wire, link) = fixture.learner();
    sockopt::set_socket_recv_buffer_size(&wire.0, 1 << 17).unwrap();
    let state_bytes = state_packets(&fixture).len();
    fixture.port.stream(link, StreamItem::Snapshot);
    fixture.port.flush();
    fixture.expect_learner_gone(link);
    let mut rest = Vec::new();
    let _ = wire.0.read_to_end(&mut rest);
    assert!(rest.len() < state_bytes);
}

#[test]
fn a_learner_that_goes_ends_the_stream_to_it() {
    let mut fixture = Fixture::leading();
    let (wire, link) = fixture.learner();
    let endless = StreamItem::LogRange {
        after: Zxid(1000),
        upto: Zxid(i64::MAX - 1),
    };
    fixture.port.stream(link, endless);
    fixture.port.flush();
    drop(wire);
    fixture.expect_learner_gone(link);
}
