//! Limits of subtrees, with enforcement on and off.

use super::*;

use ErrorCode::QuotaExceeded;

/// Creates `subtree` with a quota, as the shell's `setquota` does.
pub(super) fn limit(world: &mut World, subtree: &str, limits: &'static [u8]) {
    world.done(Create {
        data: None,
        ..create(subtree)
    });
    let below = format!("/zookeeper/quota{subtree}");
    world.done(create(&below));
    world.done(Create {
        data: Some(Bytes::from_static(limits)),
        ..create(&format!("{below}/zookeeper_limits"))
    });
    world.done(create(&format!("{below}/zookeeper_stats")));
}

fn enforcing() -> World {
    World::with(|options| options.enforce_quota = true)
}

#[test]
fn hard_count() {
    let mut world = enforcing();
    limit(&mut world, "/q", b"count=-1,bytes=-1=;countHardLimit=3");
    world.done(create("/q/1"));
    world.done(create("/q/2"));
    assert_eq!(world.refusal(create("/q/3")), Some(QuotaExceeded));
    let multi = vec![MultiOp::from(create("/q/3"))];
    assert_eq!(world.refusal(multi), Some(QuotaExceeded));
    // Deletions are not measured, nor is what does not grow the count.
    world.done(set("/q/1", -1));
    world.done(delete("/q/1", -1));
    world.done(create("/q/3"));
    // Another subtree with the same beginning has no quota.
    world.done(create("/qq"));
    world.done(create("/qq/1"));
}

#[test]
fn hard_bytes() {
    let mut world = enforcing();
    limit(&mut world, "/q", b"count=-1,bytes=-1=;byteHardLimit=10");
    world.done(create("/q/1"));
    world.done(create("/q/2"));
    assert_eq!(world.refusal(create("/q/3")), Some(QuotaExceeded));
    assert_eq!(
        world.refusal(set_to("/q/1", b"1234567", -1)),
        Some(QuotaExceeded)
    );
    world.done(set_to("/q/1", b"123456", -1));
    // A shrinking write that stays above a limit lowered meanwhile is refused as well.
    let limits = "/zookeeper/quota/q/zookeeper_limits";
    world.done(set_to(limits, b"count=-1,bytes=-1=;byteHardLimit=3", -1));
    assert_eq!(
        world.refusal(set_to("/q/1", b"12345", -1)),
        Some(QuotaExceeded)
    );
    world.done(set_to("/q/1", b"654321", -1));
    let empty = Create {
        data: None,
        ..create("/q/empty")
    };
    world.done(empty);
}

#[test]
fn soft_limits_only_warn() {
    let mut world = enforcing();
    limit(&mut world, "/q", b"count=1,bytes=1");
    world.done(create("/q/1"));
    world.done(create("/q/2"));
    world.done(set("/q/1", -1));
    // A hard limit stands in front of a soft one.
    limit(&mut world, "/h", b"count=1,bytes=-1=;countHardLimit=2");
    world.done(create("/h/1"));
    assert_eq!(world.refusal(create("/h/2")), Some(QuotaExceeded));
}

#[test]
fn nothing_is_enforced_when_it_is_off() {
    let mut world = World::new();
    limit(
        &mut world,
        "/q",
        b"count=-1,bytes=-1=;byteHardLimit=1;countHardLimit=1",
    );
    world.done(create("/q/1"));
    world.done(set("/q/1", -1));
}

#[test]
fn deleting_the_limits_ends_the_quota() {
    let mut world = enforcing();
    limit(&mut world, "/q", b"count=-1,bytes=-1=;countHardLimit=1");
    assert_eq!(world.refusal(create("/q/1")), Some(QuotaExceeded));
    world.done(delete("/zookeeper/quota/q/zookeeper_limits", -1));
    world.done(create("/q/1"));
}

#[test]
fn what_stops_apaches_server_does_not_stop_this_one() {
    let mut world = enforcing();
    // A quota on the root.
    world.done(create("/zookeeper/quota/zookeeper_limits"));
    world.done(create("/zookeeper/quota/zookeeper_stats"));
    world.done(create("/a"));
    // Text in the stats, and in the limits, that is none of theirs.
    limit(&mut world, "/q", b"count=-1,bytes=-1=;countHardLimit=9");
    world.done(set_to("/zookeeper/quota/q/zookeeper_stats", b"garbage", -1));
    world.done(create("/q/1"));
    world.done(set_to(
        "/zookeeper/quota/q/zookeeper_limits",
        b"garbage",
        -1,
    ));
    world.done(create("/q/2"));
}
