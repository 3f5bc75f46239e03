//! One run: an ensemble and its clients, from their start over all that breaks to the end, with the
//! checkers looking on.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::base::{ServerId, Zxid};
use crate::peer::Mode;
use crate::quorum::{Membership, QuorumView, ViewRules};
use crate::sim::check::{Checkers, Violation};
use crate::sim::client::Client;
use crate::sim::facts::{ClientId, Fact, ServerFact, StopReason};
use crate::sim::faults::{Faults, hosts_of};
use crate::sim::mutation::Mutation;
use crate::sim::network::Network;
use crate::sim::node::{Node, NodeCounts};
use crate::sim::options::Options;
use crate::sim::prng::Prng;
use crate::sim::stage::{Event, Stage, client_on, host_of_client, server_on};
use crate::sim::trace::Trace;
use crate::sim::world::Micros;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub seed: u64,
    pub violation: Option<Violation>,
    pub summary: Summary,
    /// Stands for all that happened.
    pub fingerprint: u64,
    /// The last of what happened, one line each.
    pub trace: String,
}

/// Figures of one run, or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub runs: u64,
    pub virtual_ms: u64,
    pub facts: u64,
    pub steps: u64,
    pub commits: u64,
    pub replies: u64,
    pub events: u64,
    pub servers: Totals,
    pub faults: BTreeMap<&'static str, u64>,
}

/// What all servers did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub terms: u64,
    pub truncations: u64,
    pub installs: u64,
    pub reloads: u64,
    pub snapshots_sent: u64,
    pub ranges_sent: u64,
    /// Those that went on with what was written during another stream.
    pub ranges_fed: u64,
    pub snapshots_taken: u64,
}

/// See the module.
struct Run {
    options: Options,
    stage: Stage,
    nodes: BTreeMap<ServerId, Node>,
    clients: BTreeMap<ClientId, Client>,
    faults: Faults,
    checkers: Checkers,
    trace: Trace<Fact>,
    steps: u64,
}

/// Runs one seed.
pub fn run(seed: u64, mutation: Option<Mutation>, trace_lines: usize) -> Outcome {
    run_with(Options::new(seed), mutation, trace_lines)
}

/// Runs what is described.
pub fn run_with(options: Options, mutation: Option<Mutation>, trace_lines: usize) -> Outcome {
    let seed = options.seed;
    let mut run = Run::new(options, mutation, trace_lines);
    let outcome = catch_unwind(AssertUnwindSafe(|| run.go_through()));
    let violation = match outcome {
        Ok(verdict) => verdict.err(),
        Err(panic) => Some(Violation {
            checker: "panic",
            text: message_of(&*panic),
        }),
    };
    Outcome {
        seed,
        violation,
        summary: run.summary(),
        fingerprint: run.trace.fingerprint(),
        trace: run.trace.text(),
    }
}

impl Run {
    fn new(options: Options, mutation: Option<Mutation>, trace_lines: usize) -> Self {
        let mut prng = Prng::new(options.seed);
        let membership = membership_of(&options);
        let servers: Vec<ServerId> = (1..=options.servers())
            .map(|number| ServerId(number.into()))
            .collect();
        let nodes = servers.iter().map(|server| {
            let node = prng.fork(1);
            let node = Node::new(*server, &options, membership.clone(), node, mutation);
            (*server, node)
        });
        let nodes = nodes.collect();
        let clients = (1..=options.clients.count).map(|number| {
            let id = ClientId(number);
            let own = prng.fork(2);
            let client = Client::new(id, options.clients.clone(), servers.clone(), own);
            (id, client)
        });
        let clients: BTreeMap<ClientId, Client> = clients.collect();
        let mut hosts = hosts_of(servers.iter());
        if options.faults.cuts_clients {
            hosts.extend(clients.keys().map(|client| host_of_client(*client)));
        }
        let voters = usize::try_from(options.voters).unwrap();
        let faults = Faults::new(options.faults.clone(), voters, hosts, prng.fork(3));
        Self {
            stage: Stage::new(Network::new(options.network, prng.fork(4))),
            nodes,
            clients,
            faults,
            checkers: Checkers::default(),
            trace: Trace::new(trace_lines),
            steps: 0,
            options,
        }
    }

    fn go_through(&mut self) -> Result<(), Violation> {
        for node in self.nodes.values_mut() {
            node.start(&mut self.stage);
        }
        for client in self.clients.values_mut() {
            client.start(&mut self.stage);
        }
        self.faults.start(&mut self.stage);
        let end = Micros::from_millis(self.options.safety_ms);
        self.until(end, |_| false)?;
        self.faults.heal(&mut self.stage, &mut self.nodes);
        for client in self.clients.values_mut() {
            client.be_steady();
        }
        self.must("serve all clients", Self::serves_all)?;
        for client in self.clients.values_mut() {
            client.be_quiet();
        }
        // Sessions that nobody has any more end meanwhile.
        let timeout_ms = u64::try_from(self.options.clients.session_timeout_ms).unwrap();
        let rest = 2 * timeout_ms + 4 * self.options.server.tick_ms;
        let end = self.stage.now().after(Micros::from_millis(rest));
        self.until(end, |_| false)?;
        self.must("become equal", Self::is_settled)?;
        for (id, node) in &self.nodes {
            let state = node.final_state().expect("all are up");
            self.stage.server(*id, ServerFact::Final(state));
        }
        self.look()?;
        self.checkers.finish()
    }

    /// Lets time pass until `end`, or until something is so.
    fn until(&mut self, end: Micros, is_so: impl Fn(&Self) -> bool) -> Result<bool, Violation> {
        loop {
            self.look()?;
            if is_so(self) {
                return Ok(true);
            }
            let Some(event) = self.stage.timeline.next_until(end) else {
                return Ok(false);
            };
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(self.stuck("come to an end"));
            }
            self.step(event);
        }
    }

    /// What must be so within the time for it.
    fn must(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), Violation> {
        let span = Micros::from_millis(self.options.liveness_ms);
        let end = self.stage.now().after(span);
        if self.until(end, is_so)? {
            Ok(())
        } else {
            Err(self.stuck(what))
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Net(event) => {
                let Some((host, end, arrival)) = self.stage.on_net(event) else {
                    return;
                };
                if let Some(server) = server_on(host) {
                    let node = self.nodes.get_mut(&server).unwrap();
                    node.on_arrival(&mut self.stage, end, arrival);
                } else if let Some(client) = client_on(host) {
                    let client = self.clients.get_mut(&client).unwrap();
                    client.on_arrival(&mut self.stage, end, arrival);
                }
            }
            Event::Client(client, event) => {
                let client = self.clients.get_mut(&client).unwrap();
                client.on_event(&mut self.stage, event);
            }
            Event::Node(server, process, event) => {
                let node = self.nodes.get_mut(&server).unwrap();
                node.on_event(&mut self.stage, process, event);
            }
            Event::Fault(event) => {
                self.faults
                    .on_event(&mut self.stage, &mut self.nodes, event);
            }
        }
    }

    /// Shows the checkers what has happened.
    fn look(&mut self) -> Result<(), Violation> {
        let now = self.stage.now();
        while let Some(fact) = self.stage.facts.pop_front() {
            self.trace.record(now, fact.clone());
            if let Fact::Server { node, what } = &fact
                && matches!(what, ServerFact::Stopped(StopReason::DiskFailed))
            {
                self.faults.revive(&mut self.stage, *node);
            }
            self.checkers.observe(now, &fact)?;
        }
        Ok(())
    }

    fn serves_all(&self) -> bool {
        let leads = |mode| matches!(mode, Mode::Leader | Mode::Standalone);
        let modes: Vec<Option<Mode>> = self.nodes.values().map(Node::serving).collect();
        let leaders = modes.iter().flatten().filter(|mode| leads(**mode)).count();
        leaders == 1
            && modes.iter().all(Option::is_some)
            && self
                .clients
                .values()
                .all(|client| client.written() >= WRITES_EACH)
    }

    fn is_settled(&self) -> bool {
        let last = self.checkers.committed();
        let is_there = |zxid: Zxid| zxid == last || (zxid > last && zxid.counter() == 0);
        let mut zxids = self.nodes.values().map(Node::last_zxid);
        let live = self.clients.values().filter_map(Client::session);
        let global = live.filter(|session| self.checkers.is_open(*session));
        let count = global.count();
        let sessions = self
            .nodes
            .values()
            .all(|node| node.session_count() == count);
        zxids.all(|zxid| zxid.is_some_and(is_there))
            && sessions
            && self.clients.values().all(Client::is_settled)
            && self.nodes.values().all(|node| node.serving().is_some())
    }

    fn stuck(&self, what: &str) -> Violation {
        let nodes = self.nodes.values().map(Node::describe);
        let clients = self.clients.values().map(Client::describe);
        let lines: Vec<String> = nodes.chain(clients).collect();
        let text = format!("they do not {what} in time:\n  {}", lines.join("\n  "));
        Violation {
            checker: "liveness",
            text,
        }
    }

    fn summary(&self) -> Summary {
        let mut servers = Totals::default();
        for node in self.nodes.values() {
            servers.add(node.counts());
        }
        Summary {
            runs: 1,
            virtual_ms: self.stage.now().as_millis(),
            facts: self.trace.count(),
            steps: self.steps,
            commits: self.checkers.committed_count() as u64,
            replies: self.checkers.replies(),
            events: self.checkers.events(),
            servers,
            faults: self.faults.counts.clone(),
        }
    }
}

impl Summary {
    /// Adds another run, or others.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.virtual_ms += other.virtual_ms;
        self.facts += other.facts;
        self.steps += other.steps;
        self.commits += other.commits;
        self.replies += other.replies;
        self.events += other.events;
        self.servers.sum(other.servers);
        for (what, count) in &other.faults {
            *self.faults.entry(what).or_default() += count;
        }
    }
}

impl Totals {
    fn add(&mut self, counts: NodeCounts) {
        self.sum(Self {
            terms: counts.process.terms_led,
            truncations: counts.process.truncations,
            installs: counts.process.installs,
            reloads: counts.process.reloads,
            snapshots_sent: counts.snapshots_sent,
            ranges_sent: counts.ranges_sent,
            ranges_fed: counts.ranges_fed,
            snapshots_taken: counts.snapshots_taken,
        });
    }

    fn sum(&mut self, other: Self) {
        self.terms += other.terms;
        self.truncations += other.truncations;
        self.installs += other.installs;
        self.reloads += other.reloads;
        self.snapshots_sent += other.snapshots_sent;
        self.ranges_sent += other.ranges_sent;
        self.ranges_fed += other.ranges_fed;
        self.snapshots_taken += other.snapshots_taken;
    }
}

/// Steps beyond which a run is taken to go in circles.
const STEPS_MAX: u64 = 30_000_000;
/// Writes that each client must get through once all is healed.
const WRITES_EACH: u64 = 3;

fn membership_of(options: &Options) -> Arc<Membership> {
    let lines = (1..=options.servers()).map(|number| {
        let role = if number <= options.voters {
            "participant"
        } else {
            "observer"
        };
        let client = if options.changes_members { ";2181" } else { "" };
        format!("server.{number}=10.0.0.{number}:2888:3888:{role}{client}\n")
    });
    let text: String = lines.collect();
    let view = QuorumView::parse(&text, ViewRules::default());
    let view = view.expect("the lines are well formed");
    Arc::new(Membership::new(Arc::new(view)))
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "of an unknown kind".to_owned())
}
