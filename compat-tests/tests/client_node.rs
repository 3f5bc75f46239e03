//! node-zookeeper-client: `node/scenarios.js` against either server, alone and as an ensemble.

use compat_tests::{clients::Site, ensemble::can_run_or_skip, languages::Language, server::Kind};

fn run(kind: Kind, site: fn(Kind) -> Site, test: &str) {
    if !can_run_or_skip(test, &[kind]) {
        return;
    }
    let Some(scenarios) = Language::Node.or_skip(test) else {
        return;
    };
    let mut site = site(kind);
    let steps = site.steps(&[]);
    let program = scenarios.start(&site.connect_string(), &steps);
    site.accompany(program, &steps);
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
