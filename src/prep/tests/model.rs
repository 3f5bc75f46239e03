//! Records prepared over others in flight are those that would be prepared one by one, and each
//! foretells the tree's digest, for random workloads.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

const NAMES: [&str; 4] = ["a", "b", "c-", "d"];

#[derive(Debug, Clone)]
enum Step {
    Ask(SessionId, WriteRequest),
    /// The disk and the appliers get this far.
    Apply(u8),
}

fn path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(&NAMES[..]);
    prop_oneof![
        6 => prop::collection::vec(name, 1..4).prop_map(|names| format!("/{}", names.join("/"))),
        1 => Just("/".to_owned()),
        1 => Just("/zookeeper/quota/a".to_owned()),
        1 => Just("/zookeeper/quota/a/zookeeper_limits".to_owned()),
        1 => Just("/zookeeper/quota/a/zookeeper_stats".to_owned()),
        1 => Just("/a/c-0000000001".to_owned()),
        1 => Just("bad".to_owned()),
        1 => Just("/a/".to_owned()),
    ]
}

fn version() -> impl Strategy<Value = i32> {
    prop_oneof![3 => Just(-1), 1 => 0..3]
}

fn data() -> impl Strategy<Value = Option<Bytes>> {
    prop_oneof![
        1 => Just(None),
        4 => prop::collection::vec(any::<u8>(), 0..20).prop_map(|data| Some(data.into())),
    ]
}

fn acl_list() -> impl Strategy<Value = Option<Vec<Acl>>> {
    prop_oneof![
        12 => Just(Some(vec![Acl::anyone(perms::ALL)])),
        2 => Just(Some(vec![acl(31, "ip", "10.0.0.0/8")])),
        1 => Just(Some(vec![Acl::anyone(perms::ALL & !perms::CREATE)])),
        1 => Just(Some(vec![])),
    ]
}

fn create_request() -> impl Strategy<Value = Create> {
    let kind = prop_oneof![
        6 => (Just(Op::Create), 0..5_i32, Just(-1_i64)),
        2 => (Just(Op::Create2), 0..4_i32, Just(-1_i64)),
        1 => (Just(Op::CreateContainer), 0..5_i32, Just(-1_i64)),
        1 => (Just(Op::CreateTtl), 0..8_i32, -1..3_i64),
    ];
    (path(), kind, data(), acl_list()).prop_map(|(path, (op, flags, ttl), data, acl)| Create {
        op,
        path: path.into(),
        data,
        acl,
        flags,
        ttl,
    })
}

fn delete_request() -> impl Strategy<Value = Delete> {
    (path(), version()).prop_map(|(path, version)| delete(&path, version))
}

fn set_request() -> impl Strategy<Value = SetData> {
    (path(), data(), version()).prop_map(|(path, data, version)| SetData {
        path: path.into(),
        data,
        version,
    })
}

fn multi_request() -> impl Strategy<Value = Vec<MultiOp>> {
    let check = (path(), version()).prop_map(|(path, version)| check(&path, version));
    let part = prop_oneof![
        4 => create_request().prop_map(MultiOp::from),
        2 => delete_request().prop_map(MultiOp::from),
        2 => set_request().prop_map(MultiOp::from),
        1 => check.prop_map(MultiOp::from),
    ];
    prop::collection::vec(part, 0..5)
}

fn step() -> impl Strategy<Value = Step> {
    let set_acl = (path(), acl_list(), version()).prop_map(|(path, acl, version)| SetAcl {
        path: path.into(),
        acl,
        version,
    });
    let request = prop_oneof![
        10 => create_request().prop_map(WriteRequest::from),
        4 => delete_request().prop_map(WriteRequest::from),
        4 => set_request().prop_map(WriteRequest::from),
        1 => set_acl.prop_map(WriteRequest::from),
        3 => multi_request().prop_map(WriteRequest::from),
        1 => Just(WriteRequest::CloseSession),
    ];
    let session = (1..4_i64).prop_map(|id| SessionId(0x0100_0000_0000_0000 + id));
    prop_oneof![
        8 => (session, request).prop_map(|(session, request)| Step::Ask(session, request)),
        1 => (1..10_u8).prop_map(Step::Apply),
    ]
}

fn world() -> World {
    let mut world = World::with(extended);
    world.done(create("/a"));
    world.done(create("/zookeeper/quota/a"));
    world
}

/// Always the same cases, so that a run says something about the code and nothing else.
fn fixed_seed(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x6b65_6570),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(fixed_seed(200))]

    #[test]
    fn in_flight_or_one_by_one(steps in prop::collection::vec(step(), 1..120)) {
        let (mut pipelined, mut one_by_one) = (world(), world());
        for step in steps {
            match step {
                Step::Ask(session, request) => {
                    pipelined.session = session;
                    one_by_one.session = session;
                    let ahead = pipelined.ask(request.clone());
                    prop_assert_eq!(ahead, one_by_one.run(request));
                }
                Step::Apply(count) => (0..count).for_each(|_| pipelined.apply_one()),
            }
        }
        pipelined.apply_all();
        prop_assert_eq!(pipelined.db.tree.digest(), one_by_one.db.tree.digest());
        prop_assert_eq!(pipelined.db.last_zxid(), one_by_one.db.last_zxid());
    }
}
