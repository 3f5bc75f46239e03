//! The quorum port at either end, against peers made of bytes.

mod leader;
mod learners;
mod port;
mod streams;

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Stage, Wire, free_address, sasl, to_address, to_listen};
use crate::base::{QuorumLink, ServerId, Zxid};
use crate::config::{ListenAddress, PeerSaslOptions};
use crate::net::{
    LogRange, LogRanges, PeerSecurity, QuorumPort, QuorumPortOptions, QuorumPortParts, Resolver,
    SnapshotReceiver, SystemResolver,
};
use crate::peer::{Door, Input};
use crate::store::log_range::LogPlace;
use crate::tree::{Database, TreeOptions};
use crate::zab::{ToLeader, ToLearner};

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
