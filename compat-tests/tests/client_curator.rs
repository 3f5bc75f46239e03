//! Recipes of Apache Curator, run by our own Java programs through Apache's client library: what
//! applications build on a server works on ours as it does on Apache's.

use compat_tests::{
    java::java_or_skip,
    server::{Kind, Server, ServerOptions},
};

const MAIN: &str = "gamekeeper.compat.Main";

#[derive(Debug, Clone, Copy)]
enum End {
    Stop,
    Kill,
}

fn options() -> ServerOptions {
    ServerOptions::new()
        .config("4lw.commands.whitelist", "*")
        .config("extendedTypesEnabled", true)
        .property("znode.container.checkIntervalMs", 200)
}

fn run(kind: Kind, test: &str, scenarios: &[&str]) {
    let Some(java) = java_or_skip(test) else {
        return;
    };
    let server = Server::start(kind, &options());
    let connect = server.connect_string();
    let arguments: Vec<&str> = [connect.as_str()]
        .iter()
        .chain(scenarios)
        .copied()
        .collect();
    let lines = java
        .start(MAIN, &[("jute.maxbuffer", "4194304")], &arguments)
        .finish();
    let expected: Vec<String> = scenarios.iter().map(|name| format!("ok {name}")).collect();
    assert_eq!(lines, expected);
}

fn run_with_restart(kind: Kind, test: &str, scenario: &str, end: End) {
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
    let server = Server::start(kind, &options.client_port(server.address().port()));
    program.say("restarted");
    assert_eq!(
        program.finish(),
        [format!("ok {scenario}")],
        "{}",
        server.log()
    );
}

macro_rules! on_both {
    ($name:ident, $scenarios:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn apache() {
                run(
                    Kind::Apache,
                    concat!(stringify!($name), "::apache"),
                    &$scenarios,
                );
            }

            #[test]
            fn ours() {
                run(
                    Kind::Ours,
                    concat!(stringify!($name), "::ours"),
                    &$scenarios,
                );
            }
        }
    };
}

on_both!(
    services,
    [
        "configuration_node_cache",
        "configuration_curator_cache",
        "naming_sequential",
        "naming_protected",
        "discovery_round_robin",
        "membership_group_member",
        "membership_session_death",
        "session_expires_for_its_owner",
    ]
);

on_both!(
    coordination,
    [
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
    ]
);

on_both!(
    operations,
    [
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
    ]
);

on_both!(
    load,
    [
        "load_pipeline",
        "load_many_children",
        "load_large_transaction",
        "load_many_ephemerals",
    ]
);

macro_rules! restarted {
    ($($name:ident: $kind:ident, $scenario:expr, $end:ident;)*) => {
        $(#[test]
        fn $name() {
            run_with_restart(
                Kind::$kind,
                concat!("client_curator::", stringify!($name)),
                $scenario,
                End::$end,
            );
        })*
    };
}

restarted! {
    reattach_apache_stopped: Apache, "reattach", Stop;
    reattach_apache_killed: Apache, "reattach", Kill;
    reattach_many_watches_apache: Apache, "reattach_many_watches", Stop;
    reattach_ours_stopped: Ours, "reattach", Stop;
    reattach_ours_killed: Ours, "reattach", Kill;
    reattach_many_watches_ours: Ours, "reattach_many_watches", Kill;
}
