//! The harness itself: what it starts answers, takes its options, and stops when told.

use compat_tests::{
    maven,
    server::{Kind, Server, ServerOptions},
    wire::Client,
};

#[test]
fn apache_starts_answers_and_stops() {
    if maven::apache_or_skip("apache_starts_answers_and_stops").is_none() {
        return;
    }
    let options = ServerOptions::new()
        .config("tickTime", 500)
        .property("readonlymode.enabled", true);
    let mut server = Server::start(Kind::Apache, &options);
    assert_eq!(
        server.four_letter_word("isro"),
        "rw",
        "a -D property arrives"
    );
    let (_client, session) = Client::open_session(server.address(), 1);
    assert_eq!(session.timeout_ms, 1000, "a line of zoo.cfg arrives");
    server.stop();
    assert!(server.has_ended());
}
