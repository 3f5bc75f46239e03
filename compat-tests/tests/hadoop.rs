//! Hadoop's failover controllers, those that HDFS runs beside its NameNodes: two of them, with services of ours
//! (`hadoop/`), on three servers. Exactly one service is active, whatever happens to it, to its controller, to its
//! machine or to the servers.

use compat_tests::{
    calls::{GET_DATA, call},
    ensemble::{Ensemble, EnsembleOptions},
    java::{Java, hadoop_or_skip},
    ports::Ports,
    program::Program,
    server::Kind,
    wire::{Body, Client},
};

const CONTROLLER: &str = "gamekeeper.compat.hadoop.Controller";
const LOCK: &str = "/hadoop-ha/gamekeeper/ActiveStandbyElectorLock";
/// What a service and its controller listen on, for two of them.
const PORTS: u16 = 4;
const TIMEOUT_MS: i32 = 30_000;
const NO_AUTH: i32 = -102;

struct Pair<'a> {
    hadoop: &'a Java,
    connect: String,
    ports: Ports,
}

impl Pair<'_> {
    fn start(&self, what: &str) -> Program {
        let ports: Vec<String> = (0..PORTS)
            .map(|index| self.ports.port(index).to_string())
            .collect();
        let mut arguments = vec![what, &self.connect];
        arguments.extend(ports.iter().map(String::as_str));
        self.hadoop.start(CONTROLLER, &[], &arguments)
    }
}

/// The next that a service says of itself, or its controller of the other.
fn expect(program: &mut Program, line: &str) {
    let found = program.line();
    assert_eq!(found.as_deref(), Some(line), "{}", program.stderr());
}

fn run(test: &str, kind: Kind) {
    let Some(hadoop) = hadoop_or_skip(test) else {
        return;
    };
    let mut ensemble = Ensemble::start(&[kind; 3], &EnsembleOptions::new());
    let pair = Pair {
        hadoop,
        connect: ensemble.connect_string(),
        ports: Ports::reserve(PORTS),
    };
    assert_eq!(pair.start("format").finish(), ["format 0"]);
    let denied = pair.start("format").finish();
    assert_eq!(denied, ["format 2"], "what is there is not formatted");

    let mut first = pair.start("0");
    expect(&mut first, "active");
    let mut second = pair.start("1");
    expect(&mut second, "standby");
    let (mut stranger, _) = Client::open_session(ensemble.address(0), TIMEOUT_MS);
    let read = Body::new().string(LOCK).boolean(false);
    let reply = call(&mut stranger, GET_DATA, &read);
    assert_eq!(reply.error, NO_AUTH, "the lock is there, for controllers");

    // A service is sick: its controller leaves, the other tells it to stand by first.
    first.say("sick");
    expect(&mut first, "standby");
    expect(&mut second, "active");
    first.say("healthy");

    // A machine stands still until its session expires. Its service cannot be told, so it is fenced.
    second.pause();
    expect(&mut first, "fence");
    expect(&mut first, "active");
    second.resume();
    expect(&mut second, "standby");

    // The leader is lost and comes back. Neither service hears of it: what each says next is the next change.
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    ensemble.await_leader();
    ensemble.restart(leader);
    ensemble.await_all();
    first.say("sick");
    expect(&mut first, "standby");
    expect(&mut second, "active");
    first.say("healthy");

    // A controller dies with its service.
    drop(second);
    expect(&mut first, "fence");
    expect(&mut first, "active");

    // It comes back, and an operator makes it the active one.
    let mut second = pair.start("1");
    expect(&mut second, "standby");
    second.say("take");
    expect(&mut first, "standby");
    expect(&mut second, "active");
    expect(&mut second, "taken");
    for program in [first, second] {
        let more = program.finish();
        assert!(more.is_empty(), "{more:#?}");
    }
}

compat_tests::cases! {
    three_of_apache: run(Kind::Apache);
    three_of_ours: run(Kind::Ours);
}
