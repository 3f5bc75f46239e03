//! A leader whose learners send anything, in any order, while time passes: nothing of it is more than
//! the end of a link, or of the term.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::bench::{Bench, OPTIONS, packets, payload};
use crate::base::{Epoch, QuorumLink, ServerId, SessionId, Xid, Zxid};
use crate::zab::{
    LeaderInput, LeaderOutput, LearnerIdentity, LearnerKind, LearnerRequest, PROTOCOL_VERSION,
    Recent, Standing, ToLeader, ZabOptions,
};

const VIEW: &str = "server.1=h1:1:2\nserver.2=h2:1:2\nserver.3=h3:1:2\nserver.4=h4:1:2:observer\n";

/// Something that need not make sense.
#[derive(Debug, Clone)]
enum Noise {
    Connected(u64),
    Gone(u64),
    Streamed(u64),
    Received(u64, ToLeader),
    Disk,
    Propose,
    Append,
    Pass(u64),
    /// Whether for another candidate.
    Looks(i64, bool),
}

fn noise_packet() -> impl Strategy<Value = ToLeader> {
    let zxid = || {
        prop_oneof![
            4 => (0..5_i64, 0..5_i64).prop_map(|(epoch, counter)| Zxid((epoch << 32) + counter)),
            1 => any::<i64>().prop_map(Zxid),
        ]
    };
    let epoch = || prop_oneof![4 => 0..5_i64, 1 => any::<i32>().prop_map(i64::from)];
    let kind = prop_oneof![Just(LearnerKind::Follower), Just(LearnerKind::Observer)];
    let version = prop_oneof![4 => Just(PROTOCOL_VERSION), 1 => any::<i32>()];
    let info = (0..5_i64, version, -1..2_i64).prop_map(|(sid, protocol_version, version)| {
        LearnerIdentity {
            sid: ServerId(sid),
            protocol_version,
            config_version: version,
        }
    });
    let info = prop_oneof![6 => info.prop_map(Some), 1 => Just(None)];
    prop_oneof![
        4 => (kind, epoch(), info).prop_map(|(kind, accepted_epoch, info)| ToLeader::Info {
            kind,
            accepted_epoch: Epoch(accepted_epoch),
            info,
        }),
        4 => (zxid(), prop::option::of(epoch())).prop_map(|(last_zxid, epoch)| {
            ToLeader::AckEpoch { last_zxid, current_epoch: epoch.map(Epoch) }
        }),
        8 => zxid().prop_map(|zxid| ToLeader::Ack { zxid }),
        1 => Just(ToLeader::Ping { zxid: Zxid::ZERO, touched: vec![(SessionId(7), 1)] }),
        1 => Just(ToLeader::Revalidate { session: SessionId(7), timeout_ms: 1 }),
        1 => Just(ToLeader::Unknown { number: 99 }),
        1 => Just(ToLeader::Request(LearnerRequest {
            session: SessionId(7),
            xid: Xid(1),
            op: 1,
            body: Bytes::new(),
            ids: [].into(),
        })),
    ]
}

fn noise() -> impl Strategy<Value = Noise> {
    let link = || 1..6_u64;
    prop_oneof![
        4 => link().prop_map(Noise::Connected),
        1 => link().prop_map(Noise::Gone),
        1 => link().prop_map(Noise::Streamed),
        20 => (link(), noise_packet()).prop_map(|(link, packet)| Noise::Received(link, packet)),
        6 => Just(Noise::Disk),
        3 => Just(Noise::Propose),
        2 => Just(Noise::Append),
        1 => (0..5000_u64).prop_map(Noise::Pass),
        1 => (0..5_i64, any::<bool>()).prop_map(|(sid, left)| Noise::Looks(sid, left)),
    ]
}

/// The leader under noise, with its disk.
struct Noisy {
    bench: Bench,
    disk: VecDeque<LeaderInput>,
    proposed: Zxid,
    /// Links that the leader has closed, or has been told are gone, say nothing more.
    open: BTreeMap<u64, QuorumLink>,
    next_link: u64,
}

impl Noisy {
    fn new() -> Self {
        let history = [1, 2, 3].map(|counter| Zxid(0x2_0000_0000 + counter));
        let standing = Standing {
            accepted_epoch: Epoch(2),
            current_epoch: Epoch(2),
            last_zxid: history[2],
        };
        let mut recent = Recent::new(3);
        for zxid in history {
            recent.push(zxid, payload(zxid));
        }
        let options = ZabOptions {
            wait_for_epoch_max_ms: Some(3000),
            diff_syncs_max: 1,
            snap_syncs_max: 1,
            ..OPTIONS
        };
        let mut out = Vec::new();
        let mut noisy = Self {
            bench: Bench::new(ServerId(1), options, VIEW, standing, recent, &mut out),
            disk: VecDeque::new(),
            proposed: Zxid::ZERO,
            open: BTreeMap::new(),
            next_link: 1,
        };
        noisy.take(&out);
        noisy
    }

    fn run(&mut self, noise: Noise) {
        let link = |at| self.open.get(&at).copied();
        let input = match noise {
            Noise::Connected(at) => {
                let link = QuorumLink(self.next_link);
                self.next_link += 1;
                self.open.insert(at, link);
                Some(LeaderInput::Connected { link })
            }
            Noise::Gone(at) => link(at).map(|link| LeaderInput::Gone { link }),
            Noise::Streamed(at) => link(at).map(|link| LeaderInput::Streamed { link }),
            Noise::Received(at, packet) => {
                link(at).map(|link| LeaderInput::Received { link, packet })
            }
            Noise::Disk => self.disk.pop_front(),
            Noise::Looks(sid, has_left) => Some(LeaderInput::VoterLooks {
                voter: ServerId(sid),
                has_left,
            }),
            Noise::Propose => return self.propose(),
            Noise::Append if self.bench.leader.is_established() => {
                Some(LeaderInput::Appended(self.proposed))
            }
            Noise::Append => None,
            Noise::Pass(millis) => {
                let passed = self.bench.pass(millis);
                let out: Vec<LeaderOutput> = passed.into_iter().map(|(_, output)| output).collect();
                return self.take(&out);
            }
        };
        if let Some(input) = input {
            let out = self.bench.handle(input);
            self.take(&out);
        }
    }

    fn propose(&mut self) {
        let Some(epoch) = self.bench.leader.epoch() else {
            return;
        };
        if self.bench.leader.is_established() {
            self.proposed = self.proposed.max(Zxid::start_of(epoch)).next();
            let out = self.bench.propose(self.proposed, payload(self.proposed));
            self.take(&out);
        }
    }

    fn take(&mut self, out: &[LeaderOutput]) {
        for output in out {
            match output {
                LeaderOutput::SaveAcceptedEpoch(epoch) => {
                    self.disk.push_back(LeaderInput::AcceptedEpochSaved(*epoch));
                }
                LeaderOutput::SaveCurrentEpoch(epoch) => {
                    self.disk.push_back(LeaderInput::CurrentEpochSaved(*epoch));
                }
                LeaderOutput::ProbeLog { link, .. } => {
                    let (link, found) = (*link, None);
                    self.disk.push_back(LeaderInput::LogProbed { link, found });
                }
                LeaderOutput::Send { packets: p, .. } => assert!(!packets(p).is_empty()),
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 250,
        rng_seed: RngSeed::Fixed(0x6b65_6570),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_learner_breaks_the_leader(steps in prop::collection::vec(noise(), 0..200)) {
        let mut noisy = Noisy::new();
        for step in steps {
            noisy.run(step);
        }
    }
}
