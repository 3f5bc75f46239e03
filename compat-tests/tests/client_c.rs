//! Apache's C client: `c/steps.c` against either server, alone and as an ensemble.

use compat_tests::{clients::Site, languages::Language, server::Kind};

/// What this client has beside what all have.
const FURTHER: [&str; 1] = ["containers"];

fn run(kind: Kind, site: fn(Kind) -> Site, test: &str) {
    Language::C.take_steps(kind, site, &FURTHER, test);
}

#[test]
fn apache() {
    run(Kind::Apache, Site::one, "client_c::apache");
}

#[test]
fn ours() {
    run(Kind::Ours, Site::one, "client_c::ours");
}

#[test]
fn three_of_apache() {
    run(Kind::Apache, Site::three, "client_c::three_of_apache");
}

#[test]
fn three_of_ours() {
    run(Kind::Ours, Site::three, "client_c::three_of_ours");
}
