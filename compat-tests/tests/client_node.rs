//! node-zookeeper-client: `node/scenarios.js` against either server, alone and as an ensemble.

use compat_tests::{clients::Site, languages::Language, server::Kind};

fn run(kind: Kind, site: fn(Kind) -> Site, test: &str) {
    Language::Node.take_steps(kind, site, &[], test);
}

#[test]
fn apache() {
    run(Kind::Apache, Site::one, "client_node::apache");
}

#[test]
fn ours() {
    run(Kind::Ours, Site::one, "client_node::ours");
}

#[test]
fn three_of_apache() {
    run(Kind::Apache, Site::three, "client_node::three_of_apache");
}

#[test]
fn three_of_ours() {
    run(Kind::Ours, Site::three, "client_node::three_of_ours");
}
