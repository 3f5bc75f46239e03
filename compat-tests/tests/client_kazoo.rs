//! kazoo, the Python client, with its recipes: `python/scenarios.py` against either server, alone and as an
//! ensemble that loses its leader.

use compat_tests::{
    ensemble::{Ensemble, EnsembleOptions, can_run_or_skip},
    python::{Python, python_or_skip},
    server::{Kind, Server, ServerOptions},
};

const SCENARIOS: usize = 18;

fn run(kind: Kind, test: &str) {
    let Some(python) = python_or_skip(test) else {
        return;
    };
    let options = ServerOptions::new().config("4lw.commands.whitelist", "*");
    let server = Server::start(kind, &options);
    run_all(python, &server.connect_string());
}

fn run_all(python: &Python, connect: &str) {
    let lines = python.start("scenarios.py", &[connect]).finish();
    assert_eq!(lines.len(), SCENARIOS, "{lines:#?}");
    assert!(
        lines.iter().all(|line| line.starts_with("ok ")),
        "{lines:#?}"
    );
}

/// With a leader, at its loss, and with the next one.
fn run_on_ensemble(kind: Kind, test: &str) {
    let Some(python) = python_or_skip(test) else {
        return;
    };
    let mut ensemble = Ensemble::start(&[kind; 3], &EnsembleOptions::new());
    let connect = ensemble.connect_string();
    run_all(python, &connect);

    let mut program = python.start("scenarios.py", &[&connect, "outlives_a_server"]);
    program.expect_line("restart");
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    program.say("killed");
    assert_eq!(program.finish(), ["ok outlives_a_server"]);

    run_all(python, &connect);
}

#[test]
fn apache() {
    let test = "client_kazoo::apache";
    if can_run_or_skip(test, &[Kind::Apache]) {
        run(Kind::Apache, test);
    }
}

#[test]
fn ours() {
    run(Kind::Ours, "client_kazoo::ours");
}

#[test]
fn three_of_apache() {
    let test = "client_kazoo::three_of_apache";
    if can_run_or_skip(test, &[Kind::Apache]) {
        run_on_ensemble(Kind::Apache, test);
    }
}

#[test]
fn three_of_ours() {
    run_on_ensemble(Kind::Ours, "client_kazoo::three_of_ours");
}
