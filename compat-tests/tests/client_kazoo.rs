//! kazoo, the Python client, with its recipes: `python/scenarios.py` against either server.

use compat_tests::{
    maven::apache_or_skip,
    python::python_or_skip,
    server::{Kind, Server, ServerOptions},
};

const SCENARIOS: usize = 18;

fn run(kind: Kind, test: &str) {
    let Some(python) = python_or_skip(test) else {
        return;
    };
    let options = ServerOptions::new().config("4lw.commands.whitelist", "*");
    let server = Server::start(kind, &options);
    let lines = python
        .start("scenarios.py", &[&server.connect_string()])
        .finish();
    assert_eq!(lines.len(), SCENARIOS, "{lines:#?}");
    assert!(
        lines.iter().all(|line| line.starts_with("ok ")),
        "{lines:#?}"
    );
}

#[test]
fn apache() {
    if apache_or_skip("client_kazoo::apache").is_some() {
        run(Kind::Apache, "client_kazoo::apache");
    }
}

#[test]
fn ours() {
    run(Kind::Ours, "client_kazoo::ours");
}
