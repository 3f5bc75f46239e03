//! The quorum port at either end, against peers made of bytes.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use jute::Encode;
use parking_lot::Mutex;
use rustix::net::sockopt;

use super::{
    PATIENCE, SASL_IN_PROGRESS, SilentAddress, Stage, Wire, eventually, free_address, sasl,
    to_address, to_listen,
};
use crate::base::{Epoch, QuorumLink, ServerId, SessionId, WallMillis, Xid, Zxid, limits};
use crate::config::{ListenAddress, ListenHost, PeerSaslOptions};
use crate::net::{
    LogRange, LogRanges, PeerSecurity, QuorumPort, QuorumPortOptions, QuorumPortParts, Resolver,
    SnapshotReceiver, SystemResolver,
};
use crate::peer::{Door, Input};
use crate::proto::txn::{CreateKind, CreateTxn};
use crate::proto::{Txn, TxnRecord};
use crate::quorum::{Address, Host};
use crate::store::log_range::LogPlace;
use crate::tree::{Database, SnapshotCursor, TreeOptions};
use crate::zab::{LearnerIdentity, LearnerKind, StreamItem, ToLeader, ToLearner};

struct Fixture {
    stage: Stage,
    port: QuorumPort,
    at: SocketAddr,
    received: mpsc::Receiver<Reception>,
}

const LEADER: ServerId = ServerId(1);

const DIAL_BUDGET_MS: u64 = 300_000;

const OBSERVER_QUEUE_BYTES: usize = 1024 * 1024;

/// Longer than any test stands still.
const STALL_LIMIT_MS: u64 = 60_000;

impl Fixture {
    fn new() -> Self {
        Self::with(Arc::new(SystemResolver), DIAL_BUDGET_MS)
    }

    fn with(resolver: Arc<dyn Resolver>, dial_budget_ms: u64) -> Self {
        let at = free_address();
        Self::build(
            resolver,
            dial_budget_ms,
            at,
            to_listen(at),
            None,
            STALL_LIMIT_MS,
        )
    }

    fn build(
        resolver: Arc<dyn Resolver>,
        dial_budget_ms: u64,
        at: SocketAddr,
        listen: ListenAddress,
        sasl: Option<PeerSaslOptions>,
        stall_limit_ms: u64,
    ) -> Self {
        let stage = Stage::new();
        let (sender, received) = mpsc::channel();
        let parts = QuorumPortParts {
            server: stage.server.clone(),
            resolver,
            snapshots: Arc::new(ByteCounter(Mutex::new(sender))),
            logs: Arc::new(Numbered),
            security: PeerSecurity::default(),
        };
        let options = QuorumPortOptions {
            listen: vec![listen.clone()],
            listen_for_observers: vec![listen],
            observer_queue_bytes_max: OBSERVER_QUEUE_BYTES,
            field_bytes_max: 1000,
            dial_budget_ms,
            dial_pause_max_ms: 100,
            keep_alive: true,
            sasl,
            login_limit_ms: 20_000,
            stall_limit_ms,
        };
        let port = QuorumPort::new(stage.runtime.handle().clone(), parts, options);
        Self {
            stage,
            port,
            at,
            received,
        }
    }

    /// One where servers log in to each other.
    fn with_sasl(is_demanded: bool) -> Self {
        let at = free_address();
        let resolver = Arc::new(SystemResolver);
        let sasl = Some(sasl(is_demanded));
        Self::build(
            resolver,
            DIAL_BUDGET_MS,
            at,
            to_listen(at),
            sasl,
            STALL_LIMIT_MS,
        )
    }

    /// One whose learners may take nothing of a stream for so long.
    fn with_stall_limit(stall_limit_ms: u64) -> Self {
        let at = free_address();
        let resolver = Arc::new(SystemResolver);
        let listen = to_listen(at);
        Self::build(resolver, DIAL_BUDGET_MS, at, listen, None, stall_limit_ms)
    }

    /// One that follows, and serves observers.
    fn following() -> Self {
        let mut fixture = Self::new();
        fixture.port.open(Door::Follower);
        fixture
    }

    /// One that leads.
    fn leading() -> Self {
        let mut fixture = Self::new();
        fixture.port.open(Door::Leader);
        fixture
    }

    /// A learner dials in.
    fn learner(&mut self) -> (Wire, QuorumLink) {
        let wire = Wire::dial(self.at);
        let link = self.next_wanted(|input| match input {
            Input::LearnerConnected { link } => Some(*link),
            _ => None,
        });
        (wire, link)
    }

    /// One that learns from a leader, with the leader's end.
    fn learning() -> (Self, Wire, QuorumLink) {
        let mut fixture = Self::new();
        let leader = TcpListener::bind(free_address()).unwrap();
        let at = to_address(leader.local_addr().unwrap());
        let link = fixture.port.dial(LEADER, Door::Leader, vec![at]);
        let wire = Wire::accept(&leader);
        fixture.expect_connected(link);
        (fixture, wire, link)
    }

    fn expect_connected(&mut self, expected: QuorumLink) {
        let link = self.next_wanted(|input| match input {
            Input::LeaderConnected { link } => Some(*link),
            _ => None,
        });
        assert_eq!(link, expected);
    }

    /// The next input, which is one that `wanted` makes something of.
    fn next_wanted<T>(&mut self, wanted: impl Fn(&Input) -> Option<T>) -> T {
        loop {
            let input = self.stage.next();
            assert!(self.port.wants(&input), "{input:?}");
            // How often it comes is a matter of time.
            if !matches!(input, Input::LeaderSends { .. }) {
                return wanted(&input).unwrap_or_else(|| panic!("{input:?}"));
            }
        }
    }

    fn learner_said(&mut self) -> (QuorumLink, ToLeader) {
        self.next_wanted(|input| match input {
            Input::FromLearner { link, packet } => Some((*link, packet.clone())),
            _ => None,
        })
    }

    fn leader_said(&mut self) -> ToLearner {
        self.next_wanted(|input| match input {
            Input::FromLeader { packet, .. } => Some(packet.clone()),
            _ => None,
        })
    }

    fn expect_learner_gone(&mut self, expected: QuorumLink) {
        let gone = self.next_wanted(|input| match input {
            Input::LearnerGone { link } => Some(*link),
            _ => None,
        });
        assert_eq!(gone, expected);
    }

    fn leader_gone(&mut self) -> (QuorumLink, String) {
        self.next_wanted(|input| match input {
            Input::LeaderGone { link, reason } => Some((*link, reason.clone())),
            _ => None,
        })
    }
}

/// What a [`ByteCounter`] does.
#[derive(Debug, PartialEq, Eq)]
enum Reception {
    Begins,
    /// With how many bytes, if it got all.
    Ends(Option<usize>),
}

/// Reads a state without looking at it.
struct ByteCounter(Mutex<mpsc::Sender<Reception>>);

impl SnapshotReceiver for ByteCounter {
    fn receive(&self, zxid: Zxid, input: &mut dyn Read) -> io::Result<Box<Database>> {
        self.0.lock().send(Reception::Begins).unwrap();
        let mut bytes = Vec::new();
        let mut byte = [0];
        let outcome = loop {
            match input.read_exact(&mut byte) {
                Ok(()) => bytes.push(byte[0]),
                Err(error) => break Err(error),
            }
            if bytes.ends_with(b"BenWasHere") {
                break Ok(bytes.len());
            }
        };
        let told = Reception::Ends(outcome.as_ref().ok().copied());
        // The test may be over.
        let _ = self.0.lock().send(told);
        outcome?;
        let mut database = Database::new(TreeOptions::default());
        database.set_last_zxid(zxid);
        Ok(Box::new(database))
    }
}

/// A log that has each number as a transaction, and fails where it says 13.
struct Numbered;

impl LogRanges for Numbered {
    fn open(&self, after: Zxid, upto: Zxid, _: Option<&LogPlace>) -> io::Result<Box<dyn LogRange>> {
        Ok(Box::new(Numbers(after.0 + 1..=upto.0)))
    }
}

struct Numbers(RangeInclusive<i64>);

impl LogRange for Numbers {
    fn next(&mut self) -> io::Result<Option<(Zxid, Bytes)>> {
        match self.0.next() {
            Some(13) => Err(io::Error::other("unlucky")),
            number => Ok(number.map(|number| (Zxid(number), transaction(number)))),
        }
    }

    fn place(&self) -> Option<LogPlace> {
        None
    }
}

fn transaction(number: i64) -> Bytes {
    Bytes::from(number.to_string().repeat(50))
}

fn ack(number: i64) -> ToLeader {
    ToLeader::Ack { zxid: Zxid(number) }
}

fn ping(number: i64) -> ToLearner {
    ToLearner::Ping { zxid: Zxid(number) }
}

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

#[test]
fn dropping_the_port_closes_everything() {
    let mut fixture = Fixture::leading();
    let (mut wire, _) = fixture.learner();
    let at = fixture.at;
    drop(fixture.port);
    wire.expect_closed();
    eventually(|| TcpStream::connect(at).err());
}
