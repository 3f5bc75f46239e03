//! What all actors of a run act on: time, the network, and the record of what happens.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use crate::base::{ServerId, Zxid};
use crate::sim::client::ClientEvent;
use crate::sim::facts::{ClientFact, ClientId, Fact, FaultFact, ServerFact};
use crate::sim::faults::FaultEvent;
use crate::sim::network::{Arrival, End, Ending, Host, NetEvent, Network, Port};
use crate::sim::node::NodeEvent;
use crate::sim::world::{Micros, Timeline};

/// Everything that can happen.
#[derive(Debug)]
pub enum Event {
    Net(NetEvent),
    Client(ClientId, ClientEvent),
    /// For one process of a server, by its number.
    Node(ServerId, u32, NodeEvent),
    Fault(FaultEvent),
}

/// See the module.
#[derive(Debug)]
pub struct Stage {
    pub timeline: Timeline<Event>,
    network: Network,
    /// What happened and was not looked at yet.
    pub facts: VecDeque<Fact>,
    /// Every transaction that was ever made.
    made: BTreeSet<Zxid>,
}

impl Stage {
    pub fn new(network: Network) -> Self {
        Self {
            timeline: Timeline::default(),
            network,
            facts: VecDeque::new(),
            made: BTreeSet::new(),
        }
    }

    /// Whether a transaction is there for the first time.
    pub fn is_new(&mut self, zxid: Zxid) -> bool {
        self.made.insert(zxid)
    }

    pub fn now(&self) -> Micros {
        self.timeline.now()
    }

    pub fn server(&mut self, node: ServerId, what: ServerFact) {
        self.facts.push_back(Fact::Server { node, what });
    }

    pub fn client(&mut self, client: ClientId, what: ClientFact) {
        self.facts.push_back(Fact::Client { client, what });
    }

    pub fn fault(&mut self, fault: FaultFact) {
        self.facts.push_back(Fact::Fault(fault));
    }

    pub fn on_net(&mut self, event: NetEvent) -> Option<(Host, End, Arrival)> {
        self.network.on_event(&mut self.timeline, event)
    }

    pub fn listen(&mut self, host: Host, port: Port) {
        self.network.listen(host, port);
    }

    pub fn stop_listening(&mut self, host: Host, port: Port) {
        self.network.stop_listening(host, port);
    }

    pub fn dial(&mut self, from: Host, to: Host, port: Port) -> End {
        self.network.dial(&mut self.timeline, from, to, port)
    }

    pub fn send(&mut self, from: End, bytes: Bytes) {
        self.network.send(&mut self.timeline, from, bytes);
    }

    pub fn close(&mut self, end: End) {
        self.network.close(&mut self.timeline, end);
    }

    pub fn reset(&mut self, end: End) {
        self.network.reset(&mut self.timeline, end);
    }

    pub fn end_process(&mut self, host: Host, ending: Ending) {
        self.network.end_process(&mut self.timeline, host, ending);
    }

    pub fn heal_network(&mut self) {
        self.network.unblock_all(&mut self.timeline);
    }

    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }
}

impl From<NetEvent> for Event {
    fn from(event: NetEvent) -> Self {
        Self::Net(event)
    }
}

/// The host of a server.
pub(super) fn host_of(server: ServerId) -> Host {
    Host(u32::try_from(server.0).expect("servers are few"))
}

/// The server on a host, if one is there.
pub(super) fn server_on(host: Host) -> Option<ServerId> {
    (host.0 < FIRST_CLIENT_HOST).then_some(ServerId(host.0.into()))
}

/// The host of a client.
pub(super) fn host_of_client(client: ClientId) -> Host {
    Host(FIRST_CLIENT_HOST + client.0)
}

/// The client on a host, if one is there.
pub(super) fn client_on(host: Host) -> Option<ClientId> {
    host.0.checked_sub(FIRST_CLIENT_HOST).map(ClientId)
}

const FIRST_CLIENT_HOST: u32 = 1000;
