//! Kafka 3.9, the last that keeps its metadata in ZooKeeper: three brokers on three servers, with producers, a
//! group of consumers and an operator who goes on whatever is lost.
//!
//! What producers are told is safe is there in the end, once and in order, and the group has had it. Brokers
//! that are lost or stopped are seen to be, by the nodes that Kafka keeps; servers that are lost or stopped
//! are noticed by no broker: none gets another session, and none becomes the controller.
//! `GAMEKEEPER_ROUNDS=10` does all of it so often.

mod client;
mod cluster;
mod history;
mod registry;

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use compat_tests::{
    ensemble::{Ensemble, EnsembleOptions, rounds},
    eventually::eventually,
    java::{Java, kafka_or_skip},
    maven::announce,
    server::Kind,
    tree,
};

use client::Client;
use cluster::{BROKERS, Cluster};
use registry::{Registry, partitions};

/// The topic that producers and consumers share.
const EVENTS: &str = "events";
/// What a broker needs to start and to fetch what it missed, with six more JVMs on two busy cores.
const PATIENCE: Duration = Duration::from_secs(120);
const PARTITIONS: usize = 6;
/// Any setting will do that brokers take while they run and that nothing here depends on.
const CLEANER_BACKOFF_MS: u32 = 20_000;

struct World<'a> {
    kafka: &'a Java,
    ensemble: Ensemble,
    cluster: Cluster<'a>,
    client: Client,
    /// How often a setting of all brokers was changed.
    changes: u32,
}

/// All that may happen, on servers of one kind.
fn run(test: &str, kind: Kind) {
    let kinds = [kind; 3];
    run_on(kinds, test, |world| {
        world.operate();
        world.lose_a_broker();
        world.lose_the_controller();
        world.lose_the_leader();
        world.restart_servers(kinds);
        world.restart_brokers();
        world.delete_a_topic();
    });
}

fn run_on(kinds: [Kind; 3], test: &str, steps: impl Fn(&mut World<'_>)) {
    let Some(kafka) = kafka_or_skip(test) else {
        return;
    };
    for _ in 0..rounds(1) {
        let mut world = World::start(kafka, kinds);
        steps(&mut world);
        let records = world.finish();
        announce(&format!("{test}: {records} records, none lost"));
    }
}

impl<'a> World<'a> {
    /// Starts servers, brokers, producers and consumers.
    fn start(kafka: &'a Java, kinds: [Kind; 3]) -> Self {
        let ensemble = Ensemble::start(&kinds, &EnsembleOptions::new());
        let zookeeper = ensemble.connect_string();
        set_scram_credentials(kafka, &zookeeper);
        let mut cluster = Cluster::prepare(kafka, &zookeeper);
        (0..BROKERS).for_each(|id| cluster.start(id));
        let client = Client::start(kafka, &cluster.bootstrap());
        let mut world = Self {
            kafka,
            ensemble,
            cluster,
            client,
            changes: 0,
        };
        let registry = world.await_registry("all brokers are there", |registry| {
            registry.brokers.len() == usize::from(BROKERS) && registry.controller.is_some()
        });
        assert_eq!(registry.controller_epoch, 1, "the first controller");

        world.client.expect("create events 3 3", "created");
        world.client.expect("produce events", "producing");
        world.client.expect("consume events", "consuming");
        world.client.await_progress("all has started");
        world
    }

    /// All that an operator may change, by the brokers or by a tool that writes to the servers itself.
    fn operate(&mut self) {
        let client = &mut self.client;
        client.expect("scram alice", "SCRAM-SHA-256:4096");
        client.expect("create changing 2 3", "created");
        client.await_answer("topics", "changing events");
        client.expect("set-topic changing retention.ms 3600000", "set");
        client.await_answer("topic changing retention.ms", "3600000");
        client.expect("set-quota alice 1048576", "set");
        client.await_answer("quota alice", "1048576.0");
        self.await_word_of_a_change();
        allow_reading(self.kafka, &self.ensemble.connect_string());
        let client = &mut self.client;
        client.await_answer(
            "acls",
            "changing:User:alice:DESCRIBE changing:User:alice:READ",
        );

        client.expect(&format!("partitions {EVENTS} {PARTITIONS}"), "added");
        self.await_in_sync();
        assert_eq!(self.partitions_of_events(), PARTITIONS);
        self.client.await_progress("partitions were added");
    }

    /// A broker dies that is not the controller. What it led, others lead; it comes back as another.
    fn lose_a_broker(&mut self) {
        let before = self.registry();
        let id = (before.controller() + 1) % BROKERS;
        self.cluster.kill(id);
        self.client.await_progress("a broker is lost");
        self.await_gone(id);
        let without = self.registry();
        let mut expected = before;
        let old = expected.brokers.remove(&id);
        assert_eq!(without, expected, "the others are as they were");

        let with = self.bring_back(id);
        let new = with.brokers.get(&id).copied();
        assert!(new > old, "another session");
        expected.brokers.extend(new.map(|new| (id, new)));
        assert_eq!(with, expected, "the others are as they were");
    }

    /// The controller dies. Another one takes over, and carries out what the operator wanted meanwhile.
    fn lose_the_controller(&mut self) {
        let before = self.registry();
        let id = before.controller();
        self.cluster.kill(id);
        self.client.expect("create later 2 2", "created");
        self.client.await_progress("the controller is lost");
        self.await_gone(id);
        let without = self.registry();
        assert_ne!(without.controller(), id, "another controller");
        assert_eq!(without.controller_epoch, before.controller_epoch + 1);

        self.start_again(id);
        self.client.expect("spread later 0,1,2", "spread");
        let with = self.await_settled();
        assert_eq!(with.controller, without.controller, "the new one stays");
        assert_eq!(with.controller_epoch, without.controller_epoch);
    }

    /// The leader of the servers dies and comes back. No broker notices.
    fn lose_the_leader(&mut self) {
        let before = self.registry();
        let leader = self.ensemble.await_leader();
        self.ensemble.kill(leader);
        self.await_word_of_a_change();
        self.ensemble.await_leader();
        self.ensemble.restart(leader);
        self.ensemble.await_all();
        self.client.await_progress("the leader is back");
        assert_eq!(self.registry(), before, "no broker notices");
    }

    /// Server by server is stopped and comes back, maybe as one of another kind. No broker notices.
    fn restart_servers(&mut self, kinds: [Kind; 3]) {
        let before = self.registry();
        for (member, kind) in kinds.into_iter().enumerate() {
            self.ensemble.stop(member);
            self.await_word_of_a_change();
            self.ensemble.restart_as(member, kind);
            self.ensemble.await_serving(member);
            self.client.await_progress("a server is back");
        }
        self.ensemble.await_all();
        assert_eq!(self.registry(), before, "no broker notices");
    }

    /// Broker by broker is stopped and comes back. There is another controller when it was the one, only then.
    fn restart_brokers(&mut self) {
        for id in 0..BROKERS {
            let before = self.registry();
            self.cluster.stop(id);
            let without = self.await_registry("there is a controller", |registry| {
                registry.controller.is_some()
            });
            assert!(!without.brokers.contains_key(&id), "it closed its session");
            let changes = u64::from(before.controller() == id);
            assert_eq!(without.controller_epoch, before.controller_epoch + changes);
            self.client.await_progress("a broker is stopped");
            let with = self.bring_back(id);
            assert_eq!(with.controller, without.controller, "the controller stays");
        }
    }

    /// A topic is deleted, everywhere, and made again.
    fn delete_a_topic(&mut self) {
        let is_there = |cluster: &Cluster<'_>, id| {
            let directories = cluster.partitions(id);
            directories.iter().any(|name| name.starts_with("changing-"))
        };
        for id in 0..BROKERS {
            assert!(is_there(&self.cluster, id), "broker {id} has the topic");
        }
        self.client.expect("delete changing", "deleted");
        eventually("the topic is deleted", PATIENCE, || {
            let tree = tree::dump(self.address(), "/");
            let is_known = |path: &str| tree.contains_key(path);
            let is_left = is_known("/brokers/topics/changing")
                || is_known("/config/topics/changing")
                || is_known("/admin/delete_topics/changing")
                || (0..BROKERS).any(|id| is_there(&self.cluster, id));
            (!is_left).then_some(())
        });
        self.client.await_answer("topics", "events later");
        self.client.expect("create changing 4 3", "created");
        self.await_in_sync();
        let expected = "changing events later";
        self.client.await_answer("topics", expected);
    }

    /// Ends the load and holds what was seen against what is there; gives how much that is.
    fn finish(mut self) -> usize {
        self.client.expect("settle", "settled");
        let read = self.client.read(EVENTS);
        let faults = history::faults_of_topic(&self.client.acknowledged(), &read);
        assert!(faults.is_empty(), "{faults:#?}");
        let mut faults = Vec::new();
        eventually("the group has had everything", PATIENCE, || {
            faults = history::faults_of_group(&self.client.consumed(), &read);
            let is_behind = faults.iter().any(|fault| fault.starts_with("not consumed"));
            (!is_behind).then_some(())
        });
        assert!(faults.is_empty(), "{faults:#?}");
        let used: BTreeSet<u32> = read.iter().map(|record| record.place.partition).collect();
        let partitions = self.partitions_of_events();
        assert_eq!(used.len(), partitions, "each was used: {used:?}");
        self.client.expect("leave", "left");
        self.client.finish();

        for id in 0..BROKERS {
            self.cluster.stop(id);
            // It says so on its own when it hears of it from a server.
            let log = self.cluster.log(id);
            assert!(!log.contains("Session expired"), "broker {id}: {log}");
        }
        let empty = Registry::read(self.ensemble.address(0));
        assert!(empty.brokers.is_empty(), "{empty:?}");
        assert_eq!(empty.controller, None);
        read.len()
    }

    /// A broker writes a change to the servers, and each broker hears of it by a watch, wherever its session
    /// is served by then.
    fn await_word_of_a_change(&mut self) {
        self.changes += 1;
        let value = (CLEANER_BACKOFF_MS + self.changes).to_string();
        let set = format!("set-all-brokers log.cleaner.backoff.ms {value}");
        self.client.expect(&set, "set");
        for id in 0..BROKERS {
            // It answers for itself.
            let asked = format!("broker {id} log.cleaner.backoff.ms");
            self.client.await_answer(&asked, &value);
        }
    }

    /// Waits until a broker is taken for dead: it has no node and leads nothing.
    fn await_gone(&mut self, id: u16) {
        self.await_registry("the broker is gone", |registry| {
            !registry.brokers.contains_key(&id) && registry.controller.is_some()
        });
        eventually("others lead", PATIENCE, || {
            self.cluster.expect_no_ends();
            let partitions = partitions(self.address());
            let is_led = |leader: Option<u16>| leader.is_some_and(|leader| leader != id);
            let all = partitions
                .values()
                .all(|partition| is_led(partition.leader));
            all.then_some(())
        });
    }

    /// Starts a broker and waits until it has what it missed.
    fn bring_back(&mut self, id: u16) -> Registry {
        self.start_again(id);
        self.await_settled()
    }

    fn start_again(&mut self, id: u16) {
        self.cluster.start(id);
        self.await_registry("the broker is back", |registry| {
            registry.brokers.contains_key(&id)
        });
    }

    fn await_settled(&mut self) -> Registry {
        self.await_in_sync();
        self.client.await_progress("a broker is back");
        self.registry()
    }

    fn await_in_sync(&mut self) {
        eventually("all replicas are in sync", PATIENCE, || {
            self.cluster.expect_no_ends();
            let partitions = partitions(self.address());
            let replicas = usize::from(BROKERS);
            let all = partitions
                .values()
                .all(|partition| partition.in_sync == replicas);
            all.then_some(())
        });
    }

    fn await_registry(&mut self, what: &str, wanted: impl Fn(&Registry) -> bool) -> Registry {
        eventually(what, PATIENCE, || {
            self.cluster.expect_no_ends();
            let registry = self.registry();
            wanted(&registry).then_some(registry)
        })
    }

    fn partitions_of_events(&self) -> usize {
        let partitions = partitions(self.address());
        let is_one = |name: &&String| name.starts_with("events-");
        partitions.keys().filter(is_one).count()
    }

    fn registry(&self) -> Registry {
        Registry::read(self.address())
    }

    /// Of a server that runs whenever the registry is looked at: the looks sync.
    fn address(&self) -> SocketAddr {
        self.ensemble.address(0)
    }
}

/// As it must be done before the first broker starts, which needs them of others.
fn set_scram_credentials(kafka: &Java, zookeeper: &str) {
    let arguments = [
        "--zookeeper",
        zookeeper,
        "--alter",
        "--add-config",
        "SCRAM-SHA-256=[iterations=4096,password=secret]",
        "--entity-type",
        "users",
        "--entity-name",
        "alice",
    ];
    let said = kafka
        .start("kafka.admin.ConfigCommand", &[], &arguments)
        .finish();
    let is_done = said
        .iter()
        .any(|line| line == "Completed updating config for entity: user-principal 'alice'.");
    assert!(is_done, "{said:#?}");
}

/// By the tool that writes what brokers hear of by watches.
fn allow_reading(kafka: &Java, zookeeper: &str) {
    let server = format!("zookeeper.connect={zookeeper}");
    let arguments = [
        "--authorizer",
        "kafka.security.authorizer.AclAuthorizer",
        "--authorizer-properties",
        &server,
        "--add",
        "--allow-principal",
        "User:alice",
        "--operation",
        "Read",
        "--operation",
        "Describe",
        "--topic",
        "changing",
    ];
    kafka
        .start("kafka.admin.AclCommand", &[], &arguments)
        .finish();
}

compat_tests::cases! {
    three_of_apache: run(Kind::Apache);
    three_of_ours: run(Kind::Ours);
}

/// What an operator does who moves to ours, and back.
#[test]
fn apache_becomes_ours_and_back() {
    run_on(
        [Kind::Apache; 3],
        "kafka::apache_becomes_ours_and_back",
        |world| {
            world.restart_servers([Kind::Ours; 3]);
            world.lose_the_controller();
            world.restart_servers([Kind::Apache; 3]);
        },
    );
}
