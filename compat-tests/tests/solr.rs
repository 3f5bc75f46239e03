//! SolrCloud on three servers: a collection on two nodes, to which documents are added all the time, while the node
//! that leads its shard dies and comes back, and the leader of the servers does. Each replica has in the end what
//! was acknowledged.

use compat_tests::{
    ensemble::{Ensemble, EnsembleOptions},
    java::{Java, solr_or_skip},
    ports::Ports,
    program::Program,
    server::Kind,
};

const NODE: &str = "gamekeeper.compat.solr.Node";
const NUMBERS: &str = "gamekeeper.compat.solr.Numbers";
const NODES: u16 = 2;

struct Cloud<'a> {
    solr: &'a Java,
    connect: String,
    ports: Ports,
    homes: tempfile::TempDir,
}

impl Cloud<'_> {
    /// Starts a node on what it left behind; it says so when it serves.
    fn start(&self, number: u16) -> Program {
        let home = self.homes.path().join(number.to_string());
        let home = home.to_str().expect("a path of plain text");
        let port = self.ports.port(number).to_string();
        self.solr.start(NODE, &[], &[&self.connect, home, &port])
    }

    fn number_of(&self, port: &str) -> u16 {
        let mut numbers = 0..NODES;
        let found = numbers.find(|number| self.ports.port(*number).to_string() == port);
        found.unwrap_or_else(|| panic!("no node listens on {port:?}"))
    }
}

/// Tells the program something and gives its answer.
fn ask(numbers: &mut Program, line: &str) -> String {
    numbers.say(line);
    let answer = numbers.line();
    answer.unwrap_or_else(|| panic!("no answer to {line:?}:\n{}", numbers.stderr()))
}

fn run(test: &str, kind: Kind) {
    let Some(solr) = solr_or_skip(test) else {
        return;
    };
    let mut ensemble = Ensemble::start(&[kind; 3], &EnsembleOptions::new());
    let cloud = Cloud {
        solr,
        connect: ensemble.connect_string(),
        ports: Ports::reserve(NODES),
        homes: tempfile::tempdir().expect("a temporary directory"),
    };
    let mut nodes: Vec<Program> = (0..NODES).map(|number| cloud.start(number)).collect();
    for node in &mut nodes {
        node.expect_line("up");
    }
    let mut numbers = solr.start(NUMBERS, &[], &[&cloud.connect]);
    assert_eq!(ask(&mut numbers, "create"), "created");
    assert_eq!(ask(&mut numbers, "whole"), "whole");
    assert_eq!(ask(&mut numbers, "further"), "further");

    // The node that leads the shard is killed: its session expires, and the other leads on.
    let leads = ask(&mut numbers, "leader");
    let lost = cloud.number_of(&leads);
    drop(nodes.remove(usize::from(lost)));
    let leads_now = ask(&mut numbers, &format!("another {leads}"));
    assert_ne!(cloud.number_of(&leads_now), lost);
    assert_eq!(ask(&mut numbers, "further"), "further");

    // It comes back and catches up, while documents come.
    let mut back = cloud.start(lost);
    back.expect_line("up");
    assert_eq!(ask(&mut numbers, "whole"), "whole");
    assert_eq!(ask(&mut numbers, "further"), "further");

    // The leader of the servers is lost: whoever was connected to it goes on elsewhere, with its session.
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    ensemble.await_leader();
    assert_eq!(ask(&mut numbers, "further"), "further");
    ensemble.restart(leader);
    ensemble.await_all();
    assert_eq!(ask(&mut numbers, "leader"), leads_now, "nobody expired");

    assert_eq!(ask(&mut numbers, "whole"), "whole");
    assert_eq!(ask(&mut numbers, "check"), "complete");
    assert!(numbers.finish().is_empty());
}

compat_tests::cases! {
    three_of_apache: run(Kind::Apache);
    three_of_ours: run(Kind::Ours);
}
