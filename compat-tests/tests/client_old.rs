//! Apache's client libraries of older releases, by `OldClient.java`: what a site has not upgraded yet.

use std::path::Path;

use compat_tests::{
    ensemble::{Ensemble, EnsembleOptions},
    java::{Java, java_or_skip},
    server::{Kind, Server, ServerOptions},
};

/// The library of 3.4 finds no server on a JDK newer than 13 (ZOOKEEPER-3779); what it sends is among
/// the bytes of the wire tests.
const VERSIONS: [&str; 3] = ["3.5.10", "3.6.4", "3.8.6"];

fn run(test: &str, kind: Kind) {
    let Some(java) = java_or_skip(test) else {
        return;
    };
    let server = Server::start(kind, &ServerOptions::new());
    run_all(java, &server.connect_string());
}

fn run_on_ensemble(test: &str, kind: Kind) {
    let Some(java) = java_or_skip(test) else {
        return;
    };
    let ensemble = Ensemble::start(&[kind; 3], &EnsembleOptions::new());
    run_all(java, &ensemble.connect_string());
}

fn run_all(java: &Java, connect: &str) {
    let poms = Path::new(env!("CARGO_MANIFEST_DIR")).join("java/clients");
    for version in VERSIONS {
        let pom = poms.join(format!("{version}.xml"));
        let arguments = [connect, version];
        let program = java.start_with(&pom, "gamekeeper.compat.OldClient", &arguments);
        let lines = program.finish();
        let expected = format!("ok {version}");
        // Not the last line: the library's threads still log while it closes.
        assert!(lines.contains(&expected), "{lines:#?}");
    }
}

compat_tests::cases! {
    apache: run(Kind::Apache);
    ours: run(Kind::Ours);
    three_of_apache: run_on_ensemble(Kind::Apache);
    three_of_ours: run_on_ensemble(Kind::Ours);
}
