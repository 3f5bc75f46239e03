//! A simulated ensemble: election cores and link cores of several servers over simulated
//! connections, in virtual time, with a small stand-in for what follows an election.
//!
//! Connections are first in, first out, with random delays; a cut stalls or resets them; a crashed
//! process refuses dials, a lost machine stays silent. The stand-in for discovery: a follower must
//! reach a leading leader in time and is refused if it has more history, a leader must get a
//! quorum in time and keep it, and a term gives everyone in it the leader's history and an epoch
//! never used before.

mod network;
mod term;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    base::{Epoch, Monotonic, ServerId, Zxid},
    election::{
        Candidate, Elected, Election, ElectionOptions, Input, LinkId, LinkInput, LinkOutput, Links,
        Notification, Output, PeerState, Standing, Vote,
    },
    quorum::{Membership, QuorumView, ViewRules},
};

pub(super) struct Cluster {
    pub(super) now: u64,
    pub(super) random: Random,
    pub(super) servers: BTreeMap<ServerId, Server>,
    /// One line per message sent, election and term.
    pub(super) trace: Vec<String>,
    pub(super) delay_ms: (u64, u64),
    /// Whether what is sent is traced too.
    pub(super) trace_messages: bool,
    membership: Arc<Membership>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    events_made: u64,
    connections: Vec<Connection>,
    cuts: BTreeSet<(ServerId, ServerId)>,
    /// Messages by the number that stands for their bytes.
    messages: Vec<Notification>,
}

pub(super) struct Server {
    pub(super) standing: Standing,
    pub(super) role: Role,
    pub(super) looks_since: u64,
    /// How long elections took that ended.
    pub(super) election_ms: Vec<u64>,
    pub(super) process: Option<Process>,
    incarnation: u64,
    /// The event that will wake it.
    armed_at: Option<u64>,
}

pub(super) struct Process {
    pub(super) election: Election,
    pub(super) links: Links,
}

/// What a server does outside of elections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    Down,
    Looking,
    Leading {
        epoch: Option<Epoch>,
        since: u64,
    },
    Learning {
        leader: ServerId,
        /// The leader's incarnation and epoch.
        term: Option<(u64, Epoch)>,
        since: u64,
    },
    /// Before looking again.
    Resting,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Tick,
    Wake(ServerId, u64),
    Arrive(End, Arrival),
    DialFails(ServerId, ServerId, u64),
    Look(ServerId, u64),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Arrival {
    Established,
    Greeting,
    Frame(usize),
    Written,
    Closed,
}

/// One end of a connection: its number, and whether it is the end that was dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End(usize, bool);

struct Connection {
    /// The one that dialled, then the one that was dialled, each with its incarnation.
    servers: [(ServerId, u64); 2],
    is_open: [bool; 2],
    /// When the last thing sent to each end arrives.
    last_arrival: [u64; 2],
    stalled: Vec<(End, Arrival)>,
}

pub(super) const DIAL_TIMEOUT_MS: u64 = 1000;
const INIT_LIMIT_MS: u64 = 2000;
const JOIN_LIMIT_MS: u64 = 500;
const TICK_MS: u64 = 25;

impl Cluster {
    pub(super) fn new(seed: u64, config: &str) -> Self {
        let view = Arc::new(QuorumView::parse(config, ViewRules::default()).unwrap());
        let servers = view.members().keys().map(|&id| (id, Server::new()));
        let mut cluster = Self {
            now: 0,
            random: Random(seed),
            servers: servers.collect(),
            trace: Vec::new(),
            delay_ms: (1, 1),
            trace_messages: true,
            membership: Arc::new(Membership::new(view)),
            events: BinaryHeap::new(),
            events_made: 0,
            connections: Vec::new(),
            cuts: BTreeSet::new(),
            messages: Vec::new(),
        };
        cluster.after(TICK_MS, Event::Tick);
        cluster
    }

    pub(super) fn start(&mut self, id: ServerId) {
        let mut out = Vec::new();
        let (now, membership) = (Monotonic(self.now), Arc::clone(&self.membership));
        let server = self.servers.get_mut(&id).unwrap();
        assert!(server.process.is_none(), "{id} is up");
        server.incarnation += 1;
        server.armed_at = None;
        server.role = Role::Looking;
        server.looks_since = self.now;
        let options = ElectionOptions::default();
        let election = Election::start(id, options, membership, server.standing, now, &mut out);
        let mut links = Links::new(id);
        links.handle(now, LinkInput::Eager(true), &mut Vec::new());
        server.process = Some(Process { election, links });
        self.carry_out(id, out);
    }

    /// Ends a process. A `silent` end is that of a machine: nobody is told.
    pub(super) fn crash(&mut self, id: ServerId, silent: bool) {
        let server = self.servers.get_mut(&id).unwrap();
        server.process = None;
        server.role = Role::Down;
        for number in 0..self.connections.len() {
            for dialled in [false, true] {
                let end = End(number, dialled);
                if self.server_of(end) == id && !silent {
                    self.close(end);
                }
                if self.server_of(end) == id {
                    self.connections[number].is_open[usize::from(dialled)] = false;
                }
            }
        }
    }

    pub(super) fn cut(&mut self, a: ServerId, b: ServerId, reset: bool) {
        self.cuts.insert((a.min(b), a.max(b)));
        for number in 0..self.connections.len() {
            let [(x, _), (y, _)] = self.connections[number].servers;
            if reset && (x.min(y), x.max(y)) == (a.min(b), a.max(b)) {
                for dialled in [false, true] {
                    let end = End(number, dialled);
                    let delay = self.delay();
                    self.after(delay, Event::Arrive(end, Arrival::Closed));
                }
            }
        }
    }

    /// Mends all cuts; what was stalled arrives.
    pub(super) fn heal(&mut self) {
        self.cuts.clear();
        for number in 0..self.connections.len() {
            for (end, arrival) in std::mem::take(&mut self.connections[number].stalled) {
                self.send(end, arrival);
            }
        }
    }

    pub(super) fn is_cut(&self, a: ServerId, b: ServerId) -> bool {
        self.cuts.contains(&(a.min(b), a.max(b)))
    }

    /// Lets virtual time pass.
    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        while let Some(Reverse((at, ..))) = self.events.peek()
            && *at <= end
        {
            let Some(Reverse((at, _, event))) = self.events.pop() else {
                break;
            };
            assert!(at >= self.now);
            self.now = at;
            self.on_event(event);
        }
        self.now = end;
    }

    /// How many connections there ever were.
    pub(super) fn connections_made(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn messages_sent(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_observer(&self, id: ServerId) -> bool {
        !self.membership.is_voter(id)
    }

    /// The leader whose term every voter alive is in, if there is one.
    pub(super) fn voters_leader(&self) -> Option<ServerId> {
        self.leader_of(|id| !self.is_observer(id))
    }

    /// The leader whose term everyone alive is in, if there is one.
    pub(super) fn settled_leader(&self) -> Option<ServerId> {
        self.leader_of(|_| true)
    }

    fn leader_of(&self, whom: impl Fn(ServerId) -> bool) -> Option<ServerId> {
        let mut servers = self.servers.iter();
        let leads = |role: &Role| matches!(role, Role::Leading { epoch: Some(_), .. });
        let (&leader, _) = servers.find(|(_, server)| leads(&server.role))?;
        let term = self.term_of(leader);
        let follows = |role: &Role| matches!(role, Role::Learning { term: t, .. } if *t == term);
        let mut others = self
            .servers
            .iter()
            .filter(|&(&id, server)| server.process.is_some() && id != leader && whom(id));
        others
            .all(|(_, server)| follows(&server.role))
            .then_some(leader)
    }

    /// One line on each server.
    pub(super) fn states(&self) -> String {
        let lines = self
            .servers
            .iter()
            .map(|(id, server)| match &server.process {
                None => format!("{id} is down"),
                Some(process) => {
                    let (vote, state) = (process.election.vote(), process.election.state());
                    format!(
                        "{id} {state}: votes {} in round {}",
                        vote.candidate, vote.round
                    )
                }
            });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Tick => {
                for id in self.ids() {
                    self.supervise(id);
                }
                self.after(TICK_MS, Event::Tick);
            }
            Event::Wake(id, incarnation) if self.is_current(id, incarnation) => {
                let server = self.servers.get_mut(&id).unwrap();
                if server.armed_at != Some(self.now) {
                    return;
                }
                server.armed_at = None;
                self.feed_links(id, LinkInput::Wake);
                self.feed(id, Input::Wake);
            }
            Event::DialFails(from, to, incarnation) if self.is_current(from, incarnation) => {
                self.feed_links(from, LinkInput::DialFailed { to });
            }
            Event::Look(id, incarnation) if self.is_current(id, incarnation) => self.look(id),
            Event::Arrive(end, arrival) => self.on_arrival(end, arrival),
            Event::Wake(..) | Event::DialFails(..) | Event::Look(..) => {}
        }
    }

    fn feed(&mut self, id: ServerId, input: Input) {
        let mut out = Vec::new();
        let now = Monotonic(self.now);
        if let Some(process) = self.servers.get_mut(&id).and_then(|s| s.process.as_mut()) {
            process.election.handle(now, input, &mut out);
        }
        self.carry_out(id, out);
    }

    fn carry_out(&mut self, id: ServerId, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send { to, notification } => self.queue(id, to, notification),
                Output::Elected(elected) => self.on_elected(id, &elected),
                Output::NewerView(_) => panic!("one configuration for all"),
                Output::VoterLooks { .. } => {}
                Output::LeaderLooks => {
                    let role = &self.servers[&id].role;
                    if matches!(role, Role::Learning { term: None, .. }) {
                        self.say(format!("{id} sees its leader look for another"));
                        self.rest(id);
                    }
                }
            }
        }
        self.arm(id);
    }

    /// Every vote that leaves is for someone with at least the own history.
    fn queue(&mut self, from: ServerId, to: ServerId, notification: Notification) {
        let Vote { candidate, round } = notification.vote;
        let own = self.servers[&from].standing;
        if notification.state == PeerState::Looking && self.membership.is_voter(to) {
            let least = Candidate {
                epoch: own.epoch,
                zxid: own.zxid,
                leader: ServerId(i64::MIN),
            };
            let is_observer = !self.membership.is_voter(from);
            assert!(
                is_observer || candidate >= least,
                "{from} votes for less than itself"
            );
        }
        if self.trace_messages {
            let state = notification.state;
            self.say(format!(
                "{from} -> {to} {state}: {candidate} in round {round}"
            ));
        }
        let message = Bytes::copy_from_slice(&self.messages.len().to_be_bytes());
        self.messages.push(notification);
        self.feed_links(from, LinkInput::Queue { to, message });
    }

    fn on_elected(&mut self, id: ServerId, elected: &Elected) {
        let Elected {
            state,
            vote,
            supporters,
        } = elected;
        let list: Vec<String> = supporters.iter().map(ServerId::to_string).collect();
        let (leader, round) = (vote.candidate.leader, vote.round);
        let list = list.join(",");
        self.say(format!(
            "{id} is {state}: {leader} in round {round}, by {list}"
        ));
        let quorum = self
            .membership
            .has_quorum(|server| supporters.contains(&server));
        assert!(quorum, "elected by a quorum");
        let now = self.now;
        let server = self.servers.get_mut(&id).unwrap();
        server.election_ms.push(now - server.looks_since);
        server.role = match state {
            PeerState::Leading => Role::Leading {
                epoch: None,
                since: now,
            },
            _ => Role::Learning {
                leader,
                term: None,
                since: now,
            },
        };
        self.feed_links(id, LinkInput::Eager(false));
        self.supervise(id);
    }

    fn feed_links(&mut self, id: ServerId, input: LinkInput) {
        let mut out = Vec::new();
        let now = Monotonic(self.now);
        if let Some(process) = self.servers.get_mut(&id).and_then(|s| s.process.as_mut()) {
            process.links.handle(now, input, &mut out);
        }
        for output in out {
            match output {
                LinkOutput::Dial { to, .. } => self.dial(id, to),
                LinkOutput::Keep { .. } => {}
                LinkOutput::Write { link, message } => {
                    let end = end_of(link);
                    let number = usize::from_be_bytes(message[..].try_into().unwrap());
                    self.send(End(end.0, !end.1), Arrival::Frame(number));
                    let delay = self.random.below(3);
                    self.after(delay, Event::Arrive(end, Arrival::Written));
                }
                LinkOutput::Close { link } => self.close(end_of(link)),
                LinkOutput::Reach { peer, state } => {
                    self.feed(id, Input::Link { peer, state });
                }
            }
        }
        self.arm(id);
    }

    /// Sees to it that the server is woken in time.
    fn arm(&mut self, id: ServerId) {
        let server = self.servers.get_mut(&id).unwrap();
        let Some(process) = &server.process else {
            return;
        };
        let deadlines = [
            process.election.next_deadline(),
            process.links.next_deadline(),
        ];
        let Some(at) = deadlines.into_iter().flatten().min() else {
            return;
        };
        let at = at.0.max(self.now);
        if server.armed_at.is_none_or(|armed| at < armed) {
            server.armed_at = Some(at);
            let event = Event::Wake(id, server.incarnation);
            self.after(at - self.now, event);
        }
    }

    fn is_current(&self, id: ServerId, incarnation: u64) -> bool {
        let server = &self.servers[&id];
        server.process.is_some() && server.incarnation == incarnation
    }

    pub(super) fn ids(&self) -> Vec<ServerId> {
        self.servers.keys().copied().collect()
    }

    fn server_of(&self, end: End) -> ServerId {
        self.connections[end.0].servers[usize::from(end.1)].0
    }

    fn delay(&mut self) -> u64 {
        let (least, most) = self.delay_ms;
        least + self.random.below(most - least + 1)
    }

    fn after(&mut self, wait: u64, event: Event) {
        self.events_made += 1;
        let entry = (self.now + wait, self.events_made, event);
        self.events.push(Reverse(entry));
    }

    fn say(&mut self, line: String) {
        self.trace.push(format!("{:>5} {line}", self.now));
    }
}

impl Server {
    fn new() -> Self {
        Self {
            standing: Standing {
                zxid: Zxid::ZERO,
                epoch: Epoch(0),
            },
            role: Role::Down,
            looks_since: 0,
            election_ms: Vec::new(),
            process: None,
            incarnation: 0,
            armed_at: None,
        }
    }
}

fn link_id(end: End) -> LinkId {
    LinkId(u64::try_from(end.0 * 2 + usize::from(end.1)).unwrap())
}

fn end_of(link: LinkId) -> End {
    let number = usize::try_from(link.0).unwrap();
    End(number / 2, number % 2 == 1)
}

/// SplitMix64: one seed, one run.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
