//! The election port against peers made of bytes. This server is number 2.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    PATIENCE, SASL_IN_PROGRESS, SilentAddress, Stage, Wire, eventually, free_address, sasl,
    to_address, to_listen,
};
use crate::base::{Epoch, ServerId, Zxid, limits};
use crate::election::{Candidate, LinkState, PeerState, Round};
use crate::net::{
    ElectionPort, ElectionPortFailure, ElectionPortOptions, PeerSecurity, Resolver, SystemResolver,
};
use crate::peer::Input;
use crate::quorum::{Address, Host};

struct Fixture {
    stage: Stage,
    port: ElectionPort,
    at: SocketAddr,
    /// Where server 1 and server 3 are.
    smaller: TcpListener,
    greater: TcpListener,
    failures: mpsc::Receiver<ElectionPortFailure>,
}

const ME: ServerId = ServerId(2);
const SMALLER: ServerId = ServerId(1);
const GREATER: ServerId = ServerId(3);

impl Fixture {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    fn start_with(change: impl FnOnce(&mut ElectionPortOptions)) -> Self {
        Self::start_on(Arc::new(SystemResolver), change)
    }

    fn start_on(
        resolver: Arc<dyn Resolver>,
        change: impl FnOnce(&mut ElectionPortOptions),
    ) -> Self {
        let stage = Stage::new();
        let at = free_address();
        let smaller = TcpListener::bind(free_address()).unwrap();
        let greater = TcpListener::bind(free_address()).unwrap();
        let address_of = |peer: &TcpListener| vec![to_address(peer.local_addr().unwrap())];
        let mut options = ElectionPortOptions {
            me: ME,
            listen: vec![to_listen(at)],
            advertised: vec![to_address(at)],
            peers: BTreeMap::from([
                (SMALLER, address_of(&smaller)),
                (GREATER, address_of(&greater)),
            ]),
            multi_address_enabled: false,
            unacknowledged_max_ms: None,
            connect_timeout_ms: 5000,
            handshake_timeout_ms: 20_000,
            bind_attempts_max: Some(3),
            keep_alive: true,
            sasl: None,
        };
        change(&mut options);
        let (failed, failures) = mpsc::channel();
        let port = ElectionPort::start(
            stage.runtime.handle(),
            stage.server.clone(),
            options,
            (resolver, PeerSecurity::default()),
            move |failure| failed.send(failure).unwrap(),
        );
        Self {
            stage,
            port,
            at,
            smaller,
            greater,
            failures,
        }
    }

    /// What this server says first.
    fn initial_message(&self) -> Vec<u8> {
        initial_message(ME, &self.at.to_string())
    }

    /// Dials in as this server, with an address nobody listens at.
    fn dial_in(&self, sid: ServerId) -> Wire {
        let mut wire = Wire::dial(self.at);
        wire.send(&initial_message(sid, "0.0.0.0:1"));
        wire
    }

    fn wait_for(&mut self, wanted: ServerId, wanted_state: LinkState) {
        self.stage.until(|input| match input {
            Input::Reach { peer, state } if (*peer, *state) == (wanted, wanted_state) => Some(()),
            _ => None,
        });
    }

    fn notification(&mut self) -> (ServerId, ServerId) {
        self.stage.until(|input| match input {
            Input::Notification { from, message } => {
                Some((*from, message.ballot.vote.candidate.leader))
            }
            _ => None,
        })
    }
}

fn initial_message(sid: ServerId, addresses: &str) -> Vec<u8> {
    initial_message_of(-65536, sid, addresses)
}

fn initial_message_of(version: i64, sid: ServerId, addresses: &str) -> Vec<u8> {
    let length = i32::try_from(addresses.len()).unwrap();
    let mut bytes = version.to_be_bytes().to_vec();
    bytes.extend(sid.0.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(addresses.as_bytes());
    bytes
}

/// A notification as servers before 3.4.6 send it, which has everything but a configuration.
fn vote_for(leader: ServerId) -> Vec<u8> {
    let candidate = Candidate {
        epoch: Epoch(1),
        zxid: Zxid(5),
        leader,
    };
    let mut bytes = PeerState::Looking.to_wire().to_be_bytes().to_vec();
    for long in [candidate.leader.0, candidate.zxid.0, Round(1).0, 1] {
        bytes.extend(long.to_be_bytes());
    }
    bytes.extend(0_i32.to_be_bytes());
    bytes
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = i32::try_from(message.len()).unwrap();
    [&length.to_be_bytes()[..], message].concat()
}

#[test]
fn qp_001_a_dial_begins_with_the_initial_message_in_one_write() {
    let fixture = Fixture::start();
    fixture.port.notify(SMALLER, Bytes::from_static(b"vote"));
    let mut wire = Wire::accept(&fixture.smaller);
    assert!(wire.receive_once().starts_with(&fixture.initial_message()));
}

#[test]
fn qp_002_several_addresses_are_told_only_with_multi_address() {
    for (is_enabled, version, told) in [
        (true, -65535, "10.0.0.1:3888|[2001:db8:0:0:0:0:0:1]:3889"),
        (false, -65536, "10.0.0.1:3888"),
    ] {
        let fixture = Fixture::start_with(|options| {
            options.multi_address_enabled = is_enabled;
            let both = ["10.0.0.1:3888", "[2001:db8::1]:3889"];
            options.advertised = both.map(|text| Address::parse(text).unwrap()).to_vec();
        });
        fixture.port.notify(GREATER, Bytes::from_static(b"vote"));
        let mut wire = Wire::accept(&fixture.greater);
        let expected = initial_message_of(version, ME, told);
        assert_eq!(wire.receive(expected.len()), expected);
        wire.expect_closed();
    }
}

#[test]
fn qp_003_every_form_of_initial_message_is_understood() {
    let mut fixture = Fixture::start();
    for (sid, message) in [
        (7, initial_message(ServerId(7), "host:3888")),
        (8, initial_message_of(-65535, ServerId(8), "a:1|[::1]:2")),
        (9, 9_i64.to_be_bytes().to_vec()),
    ] {
        let mut wire = Wire::dial(fixture.at);
        // In pieces, which come as they come.
        for piece in message.chunks(5) {
            wire.send(piece);
        }
        fixture.wait_for(ServerId(sid), LinkState::Up);
    }
}

#[test]
fn qp_003_a_wrong_initial_message_closes_its_connection_only() {
    let mut fixture = Fixture::start();
    let mut kept = fixture.dial_in(GREATER);
    let header = |length: i32| {
        let mut bytes = initial_message(ServerId(7), "");
        bytes.truncate(16);
        bytes.extend(length.to_be_bytes());
        bytes
    };
    for wrong in [
        initial_message_of(-1, ServerId(7), "a:1"),
        header(0),
        header(-5),
        header(2049),
        initial_message(ServerId(7), "no port"),
        initial_message(ServerId(7), "a:70000"),
    ] {
        let mut wire = Wire::dial(fixture.at);
        wire.send(&wrong);
        wire.expect_closed();
    }
    kept.send(&frame(&vote_for(GREATER)));
    assert_eq!(fixture.notification(), (GREATER, GREATER));
}

#[test]
fn qp_004_a_dial_to_a_greater_id_is_a_knock_and_its_answer_is_kept() {
    let mut fixture = Fixture::start();
    fixture.port.notify(GREATER, Bytes::from_static(b"vote"));
    let mut knock = Wire::accept(&fixture.greater);
    let expected = fixture.initial_message();
    assert_eq!(knock.receive(expected.len()), expected);
    knock.expect_closed();

    let mut wire = fixture.dial_in(GREATER);
    assert_eq!(wire.receive(8), frame(b"vote"));
    fixture.wait_for(GREATER, LinkState::Up);
}

#[test]
fn qp_004_the_knock_of_a_smaller_id_is_closed_and_dialled_back() {
    let mut fixture = Fixture::start();
    let elsewhere = TcpListener::bind(free_address()).unwrap();
    let told = elsewhere.local_addr().unwrap().to_string();
    let mut knock = Wire::dial(fixture.at);
    knock.send(&initial_message(SMALLER, &told));
    knock.expect_closed();

    // QP-005: where the knock says, not where the configuration does.
    let mut wire = Wire::accept(&elsewhere);
    let expected = fixture.initial_message();
    assert_eq!(wire.receive(expected.len()), expected);
    fixture.port.notify(SMALLER, Bytes::from_static(b"vote"));
    assert_eq!(wire.receive(8), frame(b"vote"));
    wire.send(&frame(&vote_for(ME)));
    assert_eq!(fixture.notification(), (SMALLER, ME));
}

/// In the view or not.
#[test]
fn h_17_who_logs_in_does_so_wherever_it_dials() {
    let fixture = Fixture::start_with(|options| {
        options.peers.remove(&SMALLER);
        options.sasl = Some(sasl(false));
    });
    let mut knock = Wire::dial(fixture.at);
    let told = fixture.smaller.local_addr().unwrap().to_string();
    knock.send(&initial_message(SMALLER, &told));
    // It need not log in, and has nothing else to say.
    drop(knock);
    let mut wire = Wire::accept(&fixture.smaller);
    let expected = [&fixture.initial_message(), SASL_IN_PROGRESS, &[0; 4]].concat();
    assert_eq!(wire.receive(expected.len()), expected);
}

#[test]
fn who_has_to_log_in_and_does_not_is_closed_qp_144() {
    let mut fixture = Fixture::start_with(|options| options.sasl = Some(sasl(true)));
    let mut wire = fixture.dial_in(GREATER);
    wire.send(&frame(&vote_for(GREATER)));
    wire.expect_closed();
    // Where it is not demanded it goes on with that.
    fixture = Fixture::start_with(|options| options.sasl = Some(sasl(false)));
    let mut wire = fixture.dial_in(GREATER);
    wire.send(&frame(&vote_for(GREATER)));
    fixture.wait_for(GREATER, LinkState::Up);
    assert_eq!(fixture.notification(), (GREATER, GREATER));
}

#[test]
fn qp_005_a_knock_that_tells_only_wildcards_is_dialled_back_by_configuration() {
    let fixture = Fixture::start();
    let mut knock = fixture.dial_in(SMALLER);
    knock.expect_closed();
    let mut wire = Wire::accept(&fixture.smaller);
    let expected = fixture.initial_message();
    assert_eq!(wire.receive(expected.len()), expected);
}

#[test]
fn qp_006_a_second_connection_of_a_greater_id_replaces_the_first() {
    let mut fixture = Fixture::start();
    let mut first = fixture.dial_in(GREATER);
    fixture.wait_for(GREATER, LinkState::Up);
    fixture.port.notify(GREATER, Bytes::from_static(b"vote"));
    assert_eq!(first.receive(8), frame(b"vote"));

    let mut second = fixture.dial_in(GREATER);
    first.expect_closed();
    // QP-013: what was said last is said again.
    assert_eq!(second.receive(8), frame(b"vote"));
    second.send(&frame(&vote_for(SMALLER)));
    assert_eq!(fixture.notification(), (GREATER, SMALLER));
}

#[test]
fn qp_007_a_knock_ends_the_link_there_was() {
    let mut fixture = Fixture::start();
    fixture.port.notify(SMALLER, Bytes::from_static(b"vote"));
    let greeting = fixture.initial_message();
    let mut link = Wire::accept(&fixture.smaller);
    link.receive(greeting.len() + 8);
    fixture.wait_for(SMALLER, LinkState::Up);

    fixture.dial_in(SMALLER).expect_closed();
    link.expect_closed();
    let mut again = Wire::accept(&fixture.smaller);
    let expected = [greeting, frame(b"vote")].concat();
    assert_eq!(again.receive(expected.len()), expected);
}

#[test]
fn qp_008_the_own_id_is_harmless() {
    let mut fixture = Fixture::start();
    fixture.dial_in(ME).expect_closed();
    let mut wire = fixture.dial_in(GREATER);
    wire.send(&frame(&vote_for(GREATER)));
    assert_eq!(fixture.notification(), (GREATER, GREATER));
}

#[test]
fn qp_010_a_frame_of_a_wrong_length_closes_its_link() {
    let mut fixture = Fixture::start();
    for length in [0, -1, 524_289, i32::MAX] {
        let mut wire = fixture.dial_in(GREATER);
        fixture.wait_for(GREATER, LinkState::Up);
        wire.send(&length.to_be_bytes());
        wire.expect_closed();
        fixture.wait_for(GREATER, LinkState::Down);
    }
    // The longest is fine; what is behind the fields is not looked at.
    let mut wire = fixture.dial_in(GREATER);
    let mut message = vote_for(GREATER);
    message[32..36].copy_from_slice(&1_i32.to_be_bytes());
    message.resize(524_288, 0);
    wire.send(&frame(&message));
    assert_eq!(fixture.notification(), (GREATER, GREATER));
}

#[test]
fn a_notification_that_cannot_be_read_is_dropped_and_the_link_stays() {
    let mut fixture = Fixture::start();
    let mut wire = fixture.dial_in(GREATER);
    let all = [frame(b"?"), frame(&[0xff; 60]), frame(&vote_for(SMALLER))].concat();
    wire.send(&all);
    assert_eq!(fixture.notification(), (GREATER, SMALLER));
}

#[test]
fn frames_right_behind_the_initial_message_are_read() {
    let mut fixture = Fixture::start();
    let mut wire = Wire::dial(fixture.at);
    let greeting = initial_message(GREATER, "a:1");
    wire.send(&[greeting, frame(&vote_for(GREATER)), frame(&vote_for(ME))].concat());
    assert_eq!(fixture.notification(), (GREATER, GREATER));
    assert_eq!(fixture.notification(), (GREATER, ME));
}

#[test]
fn qp_015_silent_callers_lock_nobody_out() {
    let mut fixture = Fixture::start();
    let mut silent = Vec::new();
    silent.resize_with(limits::ELECTION_CALLERS + 3, || Wire::dial(fixture.at));
    let _wire = fixture.dial_in(GREATER);
    fixture.wait_for(GREATER, LinkState::Up);
    // The oldest had to go.
    for wire in silent.iter_mut().take(3) {
        wire.expect_closed();
    }
}

#[test]
fn qp_015_a_silent_caller_is_closed_in_time() {
    let fixture = Fixture::start_with(|options| options.handshake_timeout_ms = 50);
    let mut wire = Wire::dial(fixture.at);
    wire.send(&initial_message(GREATER, "a:1")[..15]);
    wire.expect_closed();
}

#[test]
fn qp_016_a_port_that_cannot_be_bound_ends_the_server() {
    let taken = TcpListener::bind(free_address()).unwrap();
    let at = taken.local_addr().unwrap();
    let fixture = Fixture::start_with(|options| {
        options.listen = vec![to_listen(at)];
        options.bind_attempts_max = Some(2);
    });
    let failure = fixture.failures.recv_timeout(PATIENCE).unwrap();
    assert_eq!(failure.exit_code(), 14);
    assert!(matches!(failure, ElectionPortFailure::Bind { .. }));
}

#[test]
fn qp_016_binding_is_tried_again() {
    let taken = TcpListener::bind(free_address()).unwrap();
    let at = taken.local_addr().unwrap();
    let mut fixture = Fixture::start_with(|options| {
        options.listen = vec![to_listen(at)];
        options.bind_attempts_max = None;
    });
    drop(taken);
    fixture.at = at;
    let mut wire = fixture.dial_in(GREATER);
    wire.send(&frame(&vote_for(GREATER)));
    assert_eq!(fixture.notification(), (GREATER, GREATER));
}

/// A resolver whose one name moves.
struct Moving(Mutex<SocketAddr>);

impl Resolver for Moving {
    fn resolve(&self, name: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(name, "peer.example");
        Ok(vec![*self.0.lock()])
    }
}

#[test]
fn qp_019_a_name_is_looked_up_at_each_dial() {
    let resolver = Arc::new(Moving(Mutex::new(free_address())));
    let mut fixture = Fixture::start_on(resolver.clone(), |options| {
        let name = Address {
            host: Host::Name("peer.example".into()),
            port: 3888,
        };
        options.peers.insert(SMALLER, vec![name]);
    });
    fixture.port.eager(true);
    fixture.port.notify(SMALLER, Bytes::from_static(b"vote"));
    fixture.wait_for(SMALLER, LinkState::Gone);
    *resolver.0.lock() = fixture.smaller.local_addr().unwrap();
    let mut wire = Wire::accept(&fixture.smaller);
    let expected = [fixture.initial_message(), frame(b"vote")].concat();
    assert_eq!(wire.receive(expected.len()), expected);
    fixture.wait_for(SMALLER, LinkState::Up);
}

#[test]
fn of_several_addresses_the_one_that_answers_is_taken() {
    let mut fixture = Fixture::start_with(|options| {
        let addresses = options.peers.get_mut(&SMALLER).unwrap();
        addresses.insert(0, to_address(free_address()));
    });
    fixture.port.notify(SMALLER, Bytes::from_static(b"vote"));
    let mut wire = Wire::accept(&fixture.smaller);
    wire.receive(fixture.initial_message().len() + 8);
    fixture.wait_for(SMALLER, LinkState::Up);
}

#[test]
fn a_silent_address_holds_up_no_other() {
    let silent = SilentAddress::new();
    let mut fixture = Fixture::start_with(|options| {
        let addresses = options.peers.get_mut(&SMALLER).unwrap();
        addresses.insert(0, to_address(silent.at));
        options.unacknowledged_max_ms = Some(1000);
        // Nothing is waited for so long here.
        options.connect_timeout_ms = 10 * u64::try_from(PATIENCE.as_millis()).unwrap();
    });
    fixture.port.notify(SMALLER, Bytes::from_static(b"vote"));
    let mut wire = Wire::accept(&fixture.smaller);
    let expected = [fixture.initial_message(), frame(b"vote")].concat();
    assert_eq!(wire.receive(expected.len()), expected);
    fixture.wait_for(SMALLER, LinkState::Up);
}

#[test]
fn stopping_closes_the_port_and_every_link() {
    let mut fixture = Fixture::start();
    let mut wire = fixture.dial_in(GREATER);
    fixture.wait_for(GREATER, LinkState::Up);
    fixture.port.stop();
    wire.expect_closed();
    eventually(|| TcpStream::connect(fixture.at).err());
}
