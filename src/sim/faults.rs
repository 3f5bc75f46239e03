//! What breaks, and when: drawn from the seed, each kind on a clock of its own. At the end of the
//! safety phase all heals at once.

use std::collections::BTreeMap;

use crate::base::ServerId;
use crate::sim::facts::FaultFact;
use crate::sim::network::{Ending, Host};
use crate::sim::node::Node;
use crate::sim::options::FaultOptions;
use crate::sim::prng::Prng;
use crate::sim::stage::{Event, Stage, host_of};
use crate::sim::world::Micros;

/// Something breaks or heals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultEvent {
    Crash,
    Blackout,
    Partition,
    Clog,
    Reset,
    Pause,
    SlowDisk,
    BreakDisk,
    WallJump,
    /// A server that was down is started.
    Restart(ServerId),
    Resume(ServerId),
    /// The partitions are over.
    Rejoin,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Faults {
    options: FaultOptions,
    prng: Prng,
    /// All hosts, servers first.
    hosts: Vec<Host>,
    voters: usize,
    is_over: bool,
    /// How often what happened.
    pub counts: BTreeMap<&'static str, u64>,
}

type Nodes = BTreeMap<ServerId, Node>;

impl Faults {
    pub(super) fn new(options: FaultOptions, voters: usize, hosts: Vec<Host>, prng: Prng) -> Self {
        Self {
            options,
            prng,
            hosts,
            voters,
            is_over: false,
            counts: BTreeMap::new(),
        }
    }

    /// Lets the first of each kind come.
    pub(super) fn start(&mut self, stage: &mut Stage) {
        for fault in [
            FaultEvent::Crash,
            FaultEvent::Blackout,
            FaultEvent::Partition,
            FaultEvent::Clog,
            FaultEvent::Reset,
            FaultEvent::Pause,
            FaultEvent::SlowDisk,
            FaultEvent::BreakDisk,
            FaultEvent::WallJump,
        ] {
            self.arm(stage, fault);
        }
    }

    pub(super) fn on_event(&mut self, stage: &mut Stage, nodes: &mut Nodes, event: FaultEvent) {
        match event {
            FaultEvent::Restart(server) => {
                let node = nodes.get_mut(&server).unwrap();
                if !node.is_up() {
                    stage.fault(FaultFact::Restart(server));
                    node.start(stage);
                }
                return;
            }
            FaultEvent::Resume(server) => {
                stage.fault(FaultFact::Resume(server));
                return nodes.get_mut(&server).unwrap().resume(stage);
            }
            FaultEvent::Rejoin => return stage.heal_network(),
            _ if self.is_over => return,
            FaultEvent::Crash => self.crash(stage, nodes),
            FaultEvent::Blackout => self.black_out(stage, nodes),
            FaultEvent::Partition => self.partition(stage),
            FaultEvent::Clog => self.clog(stage),
            FaultEvent::Reset => self.reset(stage),
            FaultEvent::Pause => self.pause(stage, nodes),
            FaultEvent::SlowDisk => {
                let node = self.some_node(nodes);
                let until = stage.now().after(Micros::from_millis(1000));
                stage.fault(FaultFact::SlowDisk(node.id, until));
                node.slow_disk(until);
                self.count("slow disks");
            }
            FaultEvent::BreakDisk => {
                let node = self.some_node(nodes);
                stage.fault(FaultFact::BrokenDisk(node.id));
                node.break_disk();
                self.count("broken disks");
            }
            FaultEvent::WallJump => {
                let skew_ms = i64::try_from(self.prng.below(7_200_000)).unwrap() - 3_600_000;
                let node = self.some_node(nodes);
                stage.fault(FaultFact::WallClock(node.id, skew_ms));
                node.set_wall_skew(skew_ms);
                self.count("jumps of a wall clock");
            }
        }
        self.arm(stage, event);
    }

    /// A server stopped by itself: it is started again some time later.
    pub(super) fn revive(&mut self, stage: &mut Stage, server: ServerId) {
        let down_ms = if self.is_over {
            1
        } else {
            1 + self.prng.around(self.options.down_mean_ms)
        };
        let restart = Event::Fault(FaultEvent::Restart(server));
        stage.timeline.after(Micros::from_millis(down_ms), restart);
    }

    /// Nothing breaks from here on, and all that is broken is whole again.
    pub(super) fn heal(&mut self, stage: &mut Stage, nodes: &mut Nodes) {
        self.is_over = true;
        stage.fault(FaultFact::Heal);
        stage.heal_network();
        for node in nodes.values_mut() {
            node.mend_disk();
            node.slow_disk(stage.now());
            if node.is_paused() {
                node.resume(stage);
            }
            if !node.is_up() {
                node.start(stage);
            }
        }
    }

    fn crash(&mut self, stage: &mut Stage, nodes: &mut Nodes) {
        let down = nodes.values().filter(|node| !node.is_up()).count();
        let down_max = if self.options.downs_majorities {
            self.voters
        } else {
            (self.voters - 1) / 2
        };
        // A server on its own is always a majority.
        if down >= down_max.max(1) {
            return;
        }
        let ending = if self.prng.per_mille(self.options.power_loss_per_mille) {
            Ending::Silent
        } else {
            *self.prng.pick(&[Ending::Closes, Ending::Resets])
        };
        let node = self.some_node(nodes);
        if !node.is_up() {
            return;
        }
        let server = node.id;
        stage.fault(FaultFact::Crash(server, ending));
        node.crash(stage, ending);
        self.count(match ending {
            Ending::Silent => "losses of power",
            _ => "crashes",
        });
        self.revive(stage, server);
    }

    /// Some servers lose power at once, all of them perhaps.
    fn black_out(&mut self, stage: &mut Stage, nodes: &mut Nodes) {
        let per_mille = *self.prng.pick(&[500, 800, 1000]);
        for (server, node) in nodes {
            if node.is_up() && self.prng.per_mille(per_mille) {
                stage.fault(FaultFact::Crash(*server, Ending::Silent));
                node.crash(stage, Ending::Silent);
                self.revive(stage, *server);
            }
        }
        self.count("blackouts");
    }

    fn partition(&mut self, stage: &mut Stage) {
        let mut hosts = self.hosts.clone();
        self.prng.shuffle(&mut hosts);
        let (one, other) = hosts.split_at(1 + self.prng.index(hosts.len() - 1));
        let one_way = self.prng.per_mille(self.options.one_way_per_mille);
        for a in one {
            for b in other {
                stage.network().block(*a, *b);
                if !one_way {
                    stage.network().block(*b, *a);
                }
            }
        }
        let kind = if one_way { "one way" } else { "both ways" };
        let text = format!("{one:?} from {other:?}, {kind}");
        stage.fault(FaultFact::Partition(text));
        self.count("partitions");
        let length = 1 + self.prng.around(self.options.partition_length_ms);
        let rejoin = Event::Fault(FaultEvent::Rejoin);
        stage.timeline.after(Micros::from_millis(length), rejoin);
    }

    fn clog(&mut self, stage: &mut Stage) {
        let (a, b) = (*self.prng.pick(&self.hosts), *self.prng.pick(&self.hosts));
        let length = 1 + self.prng.around(self.options.clog_length_ms);
        let until = stage.now().after(Micros::from_millis(length));
        stage.network().clog(a, b, until);
        stage.fault(FaultFact::Clog(format!("{a} to {b} until {until}")));
        self.count("clogs");
    }

    fn reset(&mut self, stage: &mut Stage) {
        let (a, b) = (*self.prng.pick(&self.hosts), *self.prng.pick(&self.hosts));
        let ends = stage.network().between(a, b);
        if ends.is_empty() {
            return;
        }
        let end = *self.prng.pick(&ends);
        stage.fault(FaultFact::Reset(format!("{a} and {b}: {end}")));
        stage.reset(end);
        self.count("resets");
    }

    fn pause(&mut self, stage: &mut Stage, nodes: &mut Nodes) {
        let length = 1 + self.prng.around(self.options.pause_length_ms);
        let span = Micros::from_millis(length);
        let node = self.some_node(nodes);
        if !node.is_up() || node.is_paused() {
            return;
        }
        node.pause();
        let server = node.id;
        stage.fault(FaultFact::Pause(server, span));
        let resume = Event::Fault(FaultEvent::Resume(server));
        stage.timeline.after(span, resume);
        self.count("pauses");
    }

    fn some_node<'n>(&mut self, nodes: &'n mut Nodes) -> &'n mut Node {
        let at = self.prng.index(nodes.len());
        nodes.values_mut().nth(at).expect("there are as many")
    }

    fn arm(&mut self, stage: &mut Stage, fault: FaultEvent) {
        let options = &self.options;
        let mean_ms = match fault {
            FaultEvent::Crash => options.crash_mean_ms,
            FaultEvent::Blackout => options.blackout_mean_ms,
            FaultEvent::Partition if self.hosts.len() > 1 => options.partition_mean_ms,
            FaultEvent::Clog => options.clog_mean_ms,
            FaultEvent::Reset => options.reset_mean_ms,
            FaultEvent::Pause => options.pause_mean_ms,
            FaultEvent::SlowDisk => options.slow_disk_mean_ms,
            FaultEvent::BreakDisk => options.broken_disk_mean_ms,
            FaultEvent::WallJump => options.wall_jump_mean_ms,
            _ => None,
        };
        if let Some(mean_ms) = mean_ms {
            let span = Micros::from_millis(1 + self.prng.around(mean_ms));
            stage.timeline.after(span, Event::Fault(fault));
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

/// The hosts of servers.
pub(super) fn hosts_of<'n>(servers: impl Iterator<Item = &'n ServerId>) -> Vec<Host> {
    servers.map(|server| host_of(*server)).collect()
}
