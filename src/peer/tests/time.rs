//! What happens because time passes: sessions expire, containers and TTL nodes go.

use super::*;
use crate::base::limits;
use crate::peer::JanitorOptions;
use crate::tree::TreeOptions;

#[test]
fn a_silent_session_expires_between_its_timeout_and_a_tick_more() {
    let mut bench = Bench::new();
    let client = bench.client();
    bench.ephemeral(&client, "/e");
    bench.settle();
    bench.watch(&client, "/e");
    // It was heard of at 1_000_000 last; 1_004_000 lies in the bucket that ends at 1_006_000.
    assert_eq!(bench.peer.next_deadline(), Some(Monotonic(1_006_000)));
    bench.pass(5999);
    assert_eq!(bench.settle(), [""; 0]);
    bench.pass(1);
    assert!(!client.session.is_open());
    bench.create(&client, "/late");
    assert_eq!(bench.heard(), [""; 0], "not before it is durable");
    let expected = ["1: NodeDeleted /e at 3", "1: close"];
    assert_eq!(bench.settle(), expected);
    assert!(!bench.exists("/e") && !bench.exists("/late"));
    assert!(bench.db.sessions.is_empty());
    assert_eq!(bench.peer.counters().sessions_expired, 1);
    bench.come_back(client.id(), 4000);
    assert_eq!(bench.settle(), ["2: invalid"]);
}

#[test]
fn requests_keep_a_session_alive() {
    let mut bench = Bench::new();
    let client = bench.client();
    for _ in 0..20 {
        bench.pass(3900);
        client.session.touch(bench.now.monotonic);
    }
    assert_eq!(bench.settle(), [""; 0]);
    assert!(client.session.is_open());
    // Coming back touches as well, with the new timeout.
    bench.come_back(client.id(), 20_000);
    bench.pass(19_999);
    assert!(client.session.is_open());
    for _ in 0..2 {
        bench.pass(TICK);
    }
    assert!(!client.session.is_open());
}

#[test]
fn after_a_restart_sessions_have_their_full_timeout() {
    let mut bench = Bench::new();
    let client = bench.client();
    let mut bench = Bench::on(bench.recovered(), options());
    bench.pass(5999);
    assert_eq!(bench.db.sessions.len(), 1);
    bench.pass(1);
    bench.settle();
    assert!(bench.db.sessions.is_empty());
    assert!(client.session.is_open(), "that was of another process");
}

#[test]
fn expiry_waits_for_room() {
    let mut bench = Bench::new();
    let writer = bench.client();
    let silent = bench.client();
    bench.pass(5000);
    while bench.peer.has_room() {
        bench.set(&writer, "/");
    }
    bench.pass(3000);
    bench.feed(Input::Wake);
    assert!(silent.session.is_open());
    let heard = bench.settle();
    assert_eq!(heard.len(), limits::TRANSACTIONS_IN_FLIGHT);
    assert!(bench.peer.next_deadline() < Some(bench.now.monotonic));
    bench.feed(Input::Wake);
    assert_eq!(bench.settle(), ["2: close"]);
}

fn with_janitor(deletions_per_minute_max: u64, never_used_ms: i64) -> Bench {
    Bench::with(|options| {
        options.janitor = JanitorOptions {
            check_interval_ms: 60_000,
            deletions_per_minute_max,
            never_used_ms,
        };
        options.prep.tree = TreeOptions {
            extended_types: true,
            ..TreeOptions::default()
        };
    })
}

/// Time passes in steps short enough to keep a client alive.
fn pass_alive(bench: &mut Bench, client: &Client, millis: u64) {
    for _ in 0..millis / 1000 {
        bench.pass(1000);
        client.session.touch(bench.now.monotonic);
        bench.sync(usize::MAX - bench.durable);
        bench.apply();
    }
}

fn container(bench: &mut Bench, client: &Client, path: &str) {
    let request = create_as(path, Op::CreateContainer, 4, -1);
    bench.write(client, Op::CreateContainer, request);
}

#[test]
fn a_container_goes_at_the_next_look_after_its_last_child() {
    let mut bench = with_janitor(10_000, 0);
    let client = bench.client();
    container(&mut bench, &client, "/used");
    container(&mut bench, &client, "/never-used");
    bench.create(&client, "/used/child");
    bench.settle();
    bench.watch(&client, "/used");
    pass_alive(&mut bench, &client, 61_000);
    assert!(bench.exists("/used"), "it has a child");
    bench.delete(&client, "/used/child");
    bench.settle();
    pass_alive(&mut bench, &client, 58_000);
    assert!(bench.exists("/used"), "the look comes at 120 s");
    pass_alive(&mut bench, &client, 2000);
    assert!(!bench.exists("/used") && bench.exists("/never-used"));
    assert_eq!(bench.heard(), ["1: NodeDeleted /used at 6"]);
}

#[test]
fn a_container_never_used_goes_only_when_asked_for() {
    let mut bench = with_janitor(10_000, 90_000);
    let client = bench.client();
    container(&mut bench, &client, "/never-used");
    bench.settle();
    pass_alive(&mut bench, &client, 119_000);
    assert!(bench.exists("/never-used"));
    pass_alive(&mut bench, &client, 2000);
    assert!(!bench.exists("/never-used"));
}

#[test]
fn a_ttl_node_goes_when_it_was_not_changed_for_its_time() {
    let mut bench = with_janitor(10_000, 0);
    let client = bench.client();
    for path in ["/plain", "/renewed", "/parent"] {
        let request = create_as(path, Op::CreateTtl, 5, 50_000);
        bench.write(&client, Op::CreateTtl, request);
    }
    bench.create(&client, "/parent/child");
    bench.settle();
    pass_alive(&mut bench, &client, 30_000);
    bench.set(&client, "/renewed");
    bench.settle();
    pass_alive(&mut bench, &client, 31_000);
    assert!(!bench.exists("/plain") && bench.exists("/renewed"));
    pass_alive(&mut bench, &client, 60_000);
    assert!(!bench.exists("/renewed") && bench.exists("/parent"));
}

#[test]
fn deletions_are_spaced() {
    let mut bench = with_janitor(60, 1);
    let client = bench.client();
    for number in 0..5 {
        container(&mut bench, &client, &format!("/c{number}"));
    }
    bench.settle();
    pass_alive(&mut bench, &client, 60_000);
    let left = |bench: &Bench| (0..5).filter(|n| bench.exists(&format!("/c{n}"))).count();
    assert_eq!(left(&bench), 4);
    assert_eq!(
        bench.peer.next_deadline(),
        Some(bench.now.monotonic.after(1000))
    );
    for expected in [3, 2, 1, 0] {
        pass_alive(&mut bench, &client, 1000);
        assert_eq!(left(&bench), expected);
    }
}

#[test]
fn a_child_that_came_in_between_saves_a_container() {
    let mut bench = with_janitor(10_000, 1);
    let client = bench.client();
    container(&mut bench, &client, "/c");
    bench.settle();
    pass_alive(&mut bench, &client, 59_000);
    bench.create(&client, "/c/child");
    bench.pass(1000);
    assert_eq!(
        bench.peer.in_flight().requests,
        2,
        "it is tried and refused"
    );
    let heard = bench.settle();
    assert_eq!(heard, ["1: reply 2 at 3: /c/child"]);
    assert!(bench.exists("/c"));
    assert_eq!(bench.db.last_zxid(), Zxid(4));
}
