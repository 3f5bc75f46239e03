//! The harness itself: what it starts answers, takes its options, keeps its data, and stops when told.

use compat_tests::{
    maven,
    server::{Kind, Server, ServerOptions},
    wire::Client,
};
use tempfile::TempDir;

#[test]
fn apache_starts_answers_and_stops() {
    if maven::apache_or_skip("apache_starts_answers_and_stops").is_some() {
        starts_answers_and_stops(Kind::Apache);
    }
}

#[test]
fn ours_starts_answers_and_stops() {
    starts_answers_and_stops(Kind::Ours);
}

fn starts_answers_and_stops(kind: Kind) {
    let data = TempDir::new().expect("a temporary directory");
    let options = ServerOptions::new()
        .data_dir(data.path())
        .config("tickTime", 500)
        .property("readonlymode.enabled", true);
    let mut server = Server::start(kind, &options);
    assert_eq!(
        server.four_letter_word("isro"),
        "rw",
        "a -D property arrives"
    );
    let (_client, session) = Client::open_session(server.address(), 1);
    assert_eq!(session.timeout_ms, 1000, "a line of zoo.cfg arrives");
    server.stop();
    assert!(server.has_ended());

    let mut again = Server::start(kind, &options.port_of(&server));
    assert_eq!(
        again.address(),
        server.address(),
        "the port is free again at once"
    );
    again.kill();
    assert!(
        data.path().join("version-2").is_dir(),
        "a given data directory stays"
    );
}
