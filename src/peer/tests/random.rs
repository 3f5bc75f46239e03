//! Random clients over a disk that lags: whatever happens, what must always hold holds.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Connect,
    ComeBack(u8),
    Disconnect(u8),
    Write(u8, WriteRequest),
    Sync(u8),
    Apply,
    Pass(u16),
}

fn request() -> impl Strategy<Value = WriteRequest> {
    let path = prop::sample::select(&["/a", "/b", "/a/x", "/a/y", "/b/x", "bad"][..]);
    prop_oneof![
        6 => (path.clone(), 0..4_i32).prop_map(|(path, flags)| create(path, flags)),
        3 => path.clone().prop_map(|path| WriteRequest::Delete(Delete {
            path: path.into(),
            version: -1,
        })),
        3 => path.prop_map(|path| WriteRequest::SetData(SetData {
            path: path.into(),
            data: None,
            version: -1,
        })),
        1 => Just(WriteRequest::Sync { path: None }),
        1 => any::<bool>().prop_map(|takes_zxid| WriteRequest::Malformed {
            code: ErrorCode::MarshallingError,
            takes_zxid,
        }),
        1 => Just(WriteRequest::Multi(vec![])),
        1 => Just(WriteRequest::CloseSession),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Connect),
        1 => any::<u8>().prop_map(Step::ComeBack),
        1 => any::<u8>().prop_map(Step::Disconnect),
        12 => (any::<u8>(), request()).prop_map(|(at, request)| Step::Write(at, request)),
        4 => (0..6_u8).prop_map(Step::Sync),
        4 => Just(Step::Apply),
        2 => (0..3000_u16).prop_map(Step::Pass),
    ]
}

/// What one connection has sent and heard.
#[derive(Default)]
struct Seen {
    session: Option<Arc<SessionHandle>>,
    /// Xids of writes that were fed while the session was open, in order.
    unanswered: Vec<i32>,
    last_zxid: i64,
    is_over: bool,
}

struct Run {
    bench: Bench,
    seen: BTreeMap<u64, Seen>,
}

impl Run {
    /// Looks at all that clients were told since the last look.
    fn look(&mut self) {
        let durable = self
            .bench
            .durable
            .checked_sub(1)
            .map_or(0, |at| self.bench.log[at].0.0);
        for output in std::mem::take(&mut self.bench.client) {
            match output {
                ClientOutput::Connected { conn, session, .. } => {
                    let seen = self.seen.get_mut(&conn.0).unwrap();
                    assert!(!seen.is_over && seen.session.is_none());
                    seen.session = Some(session);
                }
                ClientOutput::SessionInvalid { conn } | ClientOutput::Close { conn } => {
                    let seen = self.seen.get_mut(&conn.0).unwrap();
                    assert!(!seen.is_over, "once");
                    seen.is_over = true;
                }
                ClientOutput::Reply {
                    conn, xid, zxid, ..
                } => {
                    let seen = self.seen.get_mut(&conn.0).unwrap();
                    assert!(!seen.is_over && seen.session.is_some());
                    assert_eq!(seen.unanswered.remove(0), xid.0, "in order, one each");
                    assert!(zxid.0 >= seen.last_zxid, "never backwards");
                    assert!(zxid.0 <= durable, "only what is durable");
                    seen.last_zxid = zxid.0;
                }
                ClientOutput::Event { conn, zxid, .. } => {
                    let seen = self.seen.get_mut(&conn.0).unwrap();
                    assert!(zxid.0 >= seen.last_zxid && zxid.0 <= durable);
                }
            }
        }
    }

    fn pick(&self, at: u8) -> Option<Client> {
        let held: Vec<_> = self
            .seen
            .iter()
            .filter_map(|(conn, seen)| Some((*conn, seen.session.clone()?)))
            .collect();
        let (conn, session) = held.get(usize::from(at).checked_rem(held.len())?)?;
        Some(Client {
            conn: ConnId(*conn),
            session: session.clone(),
        })
    }

    fn step(&mut self, step: Step) {
        let bench = &mut self.bench;
        match step {
            Step::Connect => {
                self.seen.insert(bench.next_conn + 1, Seen::default());
                bench.connect(|_| {});
            }
            Step::ComeBack(at) => {
                if let Some(client) = self.pick(at) {
                    let conn = self.bench.next_conn + 1;
                    self.seen.insert(conn, Seen::default());
                    self.bench.come_back(client.id(), 6000);
                }
            }
            Step::Disconnect(at) => {
                if let Some(client) = self.pick(at) {
                    self.bench.feed(Input::Disconnected { conn: client.conn });
                    self.seen.get_mut(&client.conn.0).unwrap().is_over = true;
                }
            }
            Step::Write(at, request) => {
                if let Some(client) = self.pick(at) {
                    let is_open = client.session.is_open();
                    let op = match &request {
                        WriteRequest::CloseSession => Op::CloseSession,
                        WriteRequest::Multi(_) => Op::Multi,
                        _ => Op::Create,
                    };
                    let xid = self.bench.write(&client, op, request);
                    let seen = self.seen.get_mut(&client.conn.0).unwrap();
                    if is_open && !seen.is_over {
                        seen.unanswered.push(xid);
                    }
                }
            }
            Step::Sync(count) => bench.sync(usize::from(count)),
            Step::Apply => bench.apply(),
            Step::Pass(millis) => bench.pass(u64::from(millis)),
        }
        self.look();
        assert_eq!(
            self.bench.peer.has_committed(),
            self.bench.peer.has_committed()
        );
    }
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
    #![proptest_config(fixed_seed(150))]

    #[test]
    fn clients_over_a_disk_that_lags(steps in prop::collection::vec(step(), 1..150)) {
        let mut run = Run { bench: Bench::new(), seen: BTreeMap::new() };
        for step in steps {
            run.step(step);
            // Whoever crashes now comes back with the durable prefix, which holds all that was
            // applied.
            prop_assert!(run.bench.durable == 0
                || run.bench.db.last_zxid() <= run.bench.log[run.bench.durable - 1].0);
        }
        run.bench.sync(usize::MAX - run.bench.durable);
        run.bench.apply();
        run.look();
        for (conn, seen) in &run.seen {
            prop_assert!(seen.is_over || seen.unanswered.is_empty(), "{conn} waits for ever");
        }
        let recovered = run.bench.recovered();
        prop_assert_eq!(recovered.tree.digest(), run.bench.db.tree.digest());
        prop_assert_eq!(&recovered.sessions, &run.bench.db.sessions);
        prop_assert_eq!(recovered.last_zxid(), run.bench.db.last_zxid());
    }
}
