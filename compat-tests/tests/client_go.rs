//! The Go client: `go/steps.go` against either server, alone and as an ensemble.

use compat_tests::{clients::Site, languages::Language, server::Kind};

/// What this client has beside what all have.
const FURTHER: [&str; 1] = ["containers"];

fn run(test: &str, kind: Kind, site: fn(Kind) -> Site) {
    Language::Go.take_steps(kind, site, &FURTHER, test);
}

compat_tests::cases! {
    apache: run(Kind::Apache, Site::one);
    ours: run(Kind::Ours, Site::one);
    three_of_apache: run(Kind::Apache, Site::three);
    three_of_ours: run(Kind::Ours, Site::three);
}
