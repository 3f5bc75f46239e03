//! The Go client: `go/steps.go` against either server, alone and as an ensemble.

use compat_tests::{clients::Site, languages::Language, server::Kind};

/// What this client has beside what all have.
const FURTHER: [&str; 1] = ["containers"];

fn run(kind: Kind, site: fn(Kind) -> Site, test: &str) {
    Language::Go.take_steps(kind, site, &FURTHER, test);
}

#[test]
fn apache() {
    run(Kind::Apache, Site::one, "client_go::apache");
}

#[test]
fn ours() {
    run(Kind::Ours, Site::one, "client_go::ours");
}

#[test]
fn three_of_apache() {
    run(Kind::Apache, Site::three, "client_go::three_of_apache");
}

#[test]
fn three_of_ours() {
    run(Kind::Ours, Site::three, "client_go::three_of_ours");
}
