//! Apache's client libraries of older releases, by `OldClient.java`: what a site has not upgraded yet.

use std::path::Path;

use compat_tests::{
    java::java_or_skip,
    server::{Kind, Server, ServerOptions},
};

/// The library of 3.4 finds no server on a JDK newer than 13 (ZOOKEEPER-3779); what it sends is among
/// the bytes of the wire tests.
const VERSIONS: [&str; 3] = ["3.5.10", "3.6.4", "3.8.6"];

fn run(kind: Kind, test: &str) {
    let Some(java) = java_or_skip(test) else {
        return;
    };
    let server = Server::start(kind, &ServerOptions::new());
    let poms = Path::new(env!("CARGO_MANIFEST_DIR")).join("java/clients");
    for version in VERSIONS {
        let pom = poms.join(format!("{version}.xml"));
        let arguments = [server.connect_string(), version.to_owned()];
        let program = java.start_with(
            &pom,
            "gamekeeper.compat.OldClient",
            &arguments.each_ref().map(String::as_str),
        );
        let lines = program.finish();
        let expected = format!("ok {version}");
        assert_eq!(lines.last(), Some(&expected), "{lines:#?}");
    }
}

#[test]
fn apache() {
    run(Kind::Apache, "client_old::apache");
}

#[test]
fn ours() {
    run(Kind::Ours, "client_old::ours");
}
