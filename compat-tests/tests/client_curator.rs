//! Recipes of Apache Curator, run by our own Java programs through Apache's client library: what
//! applications build on a server works on ours as it does on Apache's, also where it is an ensemble that
//! loses its leader.

use compat_tests::{
    ensemble::{Ensemble, EnsembleOptions},
    java::java_or_skip,
    server::{
        Kind,
        Kind::{Apache, Ours},
        Server, ServerOptions,
    },
};

const MAIN: &str = "gamekeeper.compat.Main";
/// For replies with the names of many children.
const CLIENT_BUFFER: (&str, &str) = ("jute.maxbuffer", "4194304");

const CONTAINER_INTERVAL_KEY: &str = "znode.container.checkIntervalMs";
const CONTAINER_INTERVAL_MS: u32 = 200;

const SERVICES: [&str; 8] = [
    "configuration_node_cache",
    "configuration_curator_cache",
    "naming_sequential",
    "naming_protected",
    "discovery_round_robin",
    "membership_group_member",
    "membership_session_death",
    "session_expires_for_its_owner",
];

const COORDINATION: [&str; 11] = [
    "election_latch",
    "election_selector",
    "lock_exclusive_no_herd",
    "lock_freed_by_session_death",
    "lock_shared_no_herd",
    "semaphore",
    "queue_simple",
    "queue_distributed",
    "barrier",
    "barrier_double",
    "counter",
];

const OPERATIONS: [&str; 15] = [
    "transaction_commits",
    "transaction_fails_whole",
    "transaction_reads",
    "watch_one_shot",
    "watch_persistent",
    "watch_recursive",
    "watch_tree_cache",
    "watch_remove",
    "node_ttl",
    "node_container",
    "node_stat_and_errors",
    "node_data_sizes",
    "acl_digest",
    "acl_creator",
    "acl_world_and_versions",
];

const LOAD: [&str; 4] = [
    "load_pipeline",
    "load_many_children",
    "load_large_transaction",
    "load_many_ephemerals",
];

#[derive(Debug, Clone, Copy)]
enum End {
    Stop,
    Kill,
}

fn options() -> ServerOptions {
    ServerOptions::new()
        .config("4lw.commands.whitelist", "*")
        .config("extendedTypesEnabled", true)
        .property(CONTAINER_INTERVAL_KEY, CONTAINER_INTERVAL_MS)
}

fn run(test: &str, kind: Kind, scenarios: &[&str]) {
    let Some(java) = java_or_skip(test) else {
        return;
    };
    let server = Server::start(kind, &options());
    let connect = server.connect_string();
    let arguments = [&[connect.as_str()], scenarios].concat();
    let lines = java.start(MAIN, &[CLIENT_BUFFER], &arguments).finish();
    assert_eq!(lines, passed(scenarios));
}

/// The leader is lost in the middle of all, under the eyes of a client.
fn run_on_ensemble(test: &str, kind: Kind) {
    let Some(java) = java_or_skip(test) else {
        return;
    };
    let options = EnsembleOptions::new()
        .config("extendedTypesEnabled", true)
        .property(CONTAINER_INTERVAL_KEY, CONTAINER_INTERVAL_MS);
    let mut ensemble = Ensemble::start(&[kind; 3], &options);
    let scenarios = [
        &SERVICES[..],
        &OPERATIONS,
        &["reattach"],
        &COORDINATION,
        &LOAD,
    ]
    .concat();
    let connect = ensemble.connect_string();
    let arguments = [&[connect.as_str()], &scenarios[..]].concat();
    let mut program = java.start(MAIN, &[CLIENT_BUFFER], &arguments);
    let mut lines = program.expect_line("restart");
    let leader = ensemble.await_leader();
    ensemble.kill(leader);
    program.say("killed");
    lines.extend(program.finish());
    assert_eq!(lines, passed(&scenarios));
}

fn passed(scenarios: &[&str]) -> Vec<String> {
    scenarios.iter().map(|name| format!("ok {name}")).collect()
}

fn run_with_restart(test: &str, kind: Kind, scenario: &str, end: End) {
    let Some(java) = java_or_skip(test) else {
        return;
    };
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = options().data_dir(data.path());
    let mut server = Server::start(kind, &options);
    let mut program = java.start(MAIN, &[], &[&server.connect_string(), scenario]);
    program.expect_line("restart");
    match end {
        End::Stop => server.stop(),
        End::Kill => server.kill(),
    };
    let server = Server::start(kind, &options.port_of(&server));
    program.say("restarted");
    assert_eq!(
        program.finish(),
        [format!("ok {scenario}")],
        "{}",
        server.log()
    );
}

compat_tests::pairs! {
    services: |test, kind| run(test, kind, &SERVICES);
    coordination: |test, kind| run(test, kind, &COORDINATION);
    operations: |test, kind| run(test, kind, &OPERATIONS);
    load: |test, kind| run(test, kind, &LOAD);
}

compat_tests::cases! {
    three_of_apache: run_on_ensemble(Apache);
    three_of_ours: run_on_ensemble(Ours);
    reattach_apache_stopped: run_with_restart(Apache, "reattach", End::Stop);
    reattach_apache_killed: run_with_restart(Apache, "reattach", End::Kill);
    reattach_many_watches_apache: run_with_restart(Apache, "reattach_many_watches", End::Stop);
    reattach_ours_stopped: run_with_restart(Ours, "reattach", End::Stop);
    reattach_ours_killed: run_with_restart(Ours, "reattach", End::Kill);
    reattach_many_watches_ours: run_with_restart(Ours, "reattach_many_watches", End::Kill);
}
