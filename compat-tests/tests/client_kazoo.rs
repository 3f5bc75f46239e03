//! kazoo, the Python client, with its recipes: `python/scenarios.py` against either server, alone and as an
//! ensemble that loses its leader; and `python/kazoo_steps.py`, the steps of every client that are not among them.

use compat_tests::{
    clients::Site,
    ensemble::{Ensemble, EnsembleOptions, can_run_or_skip},
    python::{Python, python_or_skip},
    server::{Kind, Server, ServerOptions},
};

const SCENARIOS: usize = 18;
const STEPS: [&str; 5] = ["session", "pipeline", "moves", "leader", "expiry"];

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

fn run_steps(kind: Kind, site: fn(Kind) -> Site, test: &str) {
    if !can_run_or_skip(test, &[kind]) {
        return;
    }
    let Some(python) = python_or_skip(test) else {
        return;
    };
    let mut site = site(kind);
    let mut steps = site.steps(&[]);
    steps.retain(|step| STEPS.contains(step));
    let connect = site.connect_string();
    let mut arguments = vec![connect.as_str()];
    arguments.extend(&steps);
    let program = python.start("kazoo_steps.py", &arguments);
    site.accompany(program, &steps);
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

#[test]
fn steps_on_apache() {
    let test = "client_kazoo::steps_on_apache";
    run_steps(Kind::Apache, Site::one, test);
}

#[test]
fn steps_on_ours() {
    run_steps(Kind::Ours, Site::one, "client_kazoo::steps_on_ours");
}

#[test]
fn steps_on_three_of_apache() {
    let test = "client_kazoo::steps_on_three_of_apache";
    run_steps(Kind::Apache, Site::three, test);
}

#[test]
fn steps_on_three_of_ours() {
    let test = "client_kazoo::steps_on_three_of_ours";
    run_steps(Kind::Ours, Site::three, test);
}
