//! node-zookeeper-client: `node/scenarios.js` against either server, alone and as an ensemble.

use compat_tests::{clients::Site, languages::Language, server::Kind};

fn run(test: &str, kind: Kind, site: fn(Kind) -> Site) {
    Language::Node.take_steps(kind, site, &[], test);
}

compat_tests::cases! {
    apache: run(Kind::Apache, Site::one);
    ours: run(Kind::Ours, Site::one);
    three_of_apache: run(Kind::Apache, Site::three);
    three_of_ours: run(Kind::Ours, Site::three);
}
