//! A leader with model learners that lose links, lag and come back with other histories. No time
//! passes.

use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

use super::bench::{Bench, OPTIONS, packets, payload};
use crate::base::{Epoch, QuorumLink, ServerId, Zxid};
use crate::zab::{
    LeaderInput, LeaderOutput, LearnerIdentity, LearnerKind, LogProbe, PROTOCOL_VERSION,
    RECENT_BYTES_MAX, Recent, Standing, StreamItem, ToLeader, ToLearner, ZabOptions,
};

const VIEW: &str = "server.1=h1:1:2\nserver.2=h2:1:2\nserver.3=h3:1:2\nserver.9=h9:1:2:observer\n";
const ME: ServerId = ServerId(1);
/// The learners: two voters, a follower that is in no view, an observer.
const LEARNERS: [(i64, LearnerKind); 4] = [
    (2, LearnerKind::Follower),
    (3, LearnerKind::Follower),
    (8, LearnerKind::Follower),
    (9, LearnerKind::Observer),
];

/// What is on its way to a learner.
#[derive(Debug)]
enum Item {
    Packet(ToLearner),
    /// Taken when it is sent, not when it is asked for.
    Stream(StreamItem),
    Snapshot(Vec<Zxid>),
}

/// A learner that keeps its log over links.
#[derive(Debug)]
struct Learner {
    sid: ServerId,
    kind: LearnerKind,
    accepted_epoch: Epoch,
    current_epoch: Epoch,
    log: Vec<Zxid>,
    /// How many of the log are committed.
    committed: usize,
    is_synced: bool,
    link: Option<QuorumLink>,
    from_leader: VecDeque<Item>,
    to_leader: VecDeque<ToLeader>,
}

impl Learner {
    fn last(&self) -> Zxid {
        self.log.last().copied().unwrap_or_default()
    }

    fn dial(&mut self, link: QuorumLink) {
        self.from_leader.clear();
        self.to_leader.clear();
        self.is_synced = false;
        // What is committed is told anew.
        self.committed = 0;
        self.link = Some(link);
        self.to_leader.push_back(ToLeader::Info {
            kind: self.kind,
            accepted_epoch: self.accepted_epoch,
            info: Some(LearnerIdentity {
                sid: self.sid,
                protocol_version: PROTOCOL_VERSION,
                config_version: 0,
            }),
        });
    }

    fn receive(&mut self, item: Item) {
        match item {
            Item::Stream(_) => unreachable!("it is taken before"),
            Item::Snapshot(log) => {
                self.committed = log.len();
                self.log = log;
            }
            Item::Packet(packet) => self.receive_packet(packet),
        }
    }

    fn receive_packet(&mut self, packet: ToLearner) {
        match packet {
            ToLearner::LeaderInfo { epoch, .. } => {
                assert!(epoch >= self.accepted_epoch, "the model has one leader");
                let is_new = epoch > self.accepted_epoch;
                self.accepted_epoch = epoch;
                self.to_leader.push_back(ToLeader::AckEpoch {
                    last_zxid: self.last(),
                    current_epoch: is_new.then_some(self.current_epoch),
                });
            }
            ToLearner::Diff { .. } => self.committed = self.log.len(),
            ToLearner::Trunc { zxid } => {
                assert!(self.log.contains(&zxid), "TRUNC to {zxid}: {:?}", self.log);
                self.log.retain(|known| *known <= zxid);
                self.committed = self.log.len();
            }
            ToLearner::Proposal { zxid, payload: p } => {
                assert_eq!(p, payload(zxid));
                self.log(zxid);
                if self.is_synced {
                    self.to_leader.push_back(ToLeader::Ack { zxid });
                }
            }
            ToLearner::Commit { zxid } => self.commit(zxid),
            ToLearner::Inform { zxid, payload: p } => {
                assert_eq!(p, payload(zxid));
                assert_eq!(self.kind, LearnerKind::Observer);
                self.log(zxid);
                self.commit(zxid);
            }
            ToLearner::NewLeader { zxid, .. } => {
                self.current_epoch = zxid.epoch();
                self.is_synced = true;
                self.to_leader.push_back(ToLeader::Ack { zxid });
                for zxid in &self.log[self.committed..] {
                    self.to_leader.push_back(ToLeader::Ack { zxid: *zxid });
                }
            }
            ToLearner::UpToDate => assert!(self.is_synced, "UPTODATE is behind NEWLEADER"),
            ToLearner::Ping { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    fn log(&mut self, zxid: Zxid) {
        let last = self.last();
        if zxid <= last {
            assert!(self.log.contains(&zxid), "{zxid} again, but in no log");
            return;
        }
        let follows = zxid == last.next() || zxid.epoch() > last.epoch() && zxid.counter() == 1;
        // Behind a snapshot whose last is not known here anything may come.
        assert!(follows || self.log.is_empty(), "{zxid} behind {last}");
        self.log.push(zxid);
    }

    fn commit(&mut self, zxid: Zxid) {
        let at = self
            .log
            .binary_search(&zxid)
            .expect("a COMMIT has its PROPOSAL");
        assert!(at <= self.committed, "{zxid} is committed before others");
        self.committed = self.committed.max(at + 1);
    }
}

struct World {
    bench: Bench,
    /// All that the leader has ever proposed or begun with.
    history: Vec<Zxid>,
    /// How many of it are committed.
    committed: usize,
    appended: Zxid,
    learners: Vec<Learner>,
    probes: Vec<(QuorumLink, Zxid, Zxid)>,
    /// Completions of the leader's disk.
    saved: VecDeque<LeaderInput>,
    next_link: u64,
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Dial(Index),
    Cut(Index),
    Deliver(Index),
    Hear(Index),
    Propose,
    Append,
    Apply(Index),
    Saved,
    Probed(bool),
    Wake,
}

fn step() -> impl Strategy<Value = Step> {
    let learner = any::<Index>;
    prop_oneof![
        4 => learner().prop_map(Step::Dial),
        1 => learner().prop_map(Step::Cut),
        20 => learner().prop_map(Step::Deliver),
        20 => learner().prop_map(Step::Hear),
        10 => Just(Step::Propose),
        3 => Just(Step::Append),
        3 => learner().prop_map(Step::Apply),
        3 => Just(Step::Saved),
        3 => prop_oneof![4 => Just(true), 1 => Just(false)].prop_map(Step::Probed),
        1 => Just(Step::Wake),
    ]
}

fn zxids(epoch: i64, count: i64) -> impl Iterator<Item = Zxid> {
    let start = Zxid::start_of(Epoch(epoch)).0;
    (1..=count).map(move |counter| Zxid(start + counter))
}

/// Where a learner's log differs: what it has of epochs 1 and 2 beside the leader's 4 and 5.
fn log((first, second): (i64, i64)) -> Vec<Zxid> {
    // In epoch 2 all began with four of epoch 1.
    let first = if second > 0 { 4 } else { first };
    zxids(1, first).chain(zxids(2, second)).collect()
}

impl World {
    fn new(logs: &[(i64, i64)], (window, bytes): (usize, usize), options: ZabOptions) -> Self {
        let history = log((4, 5));
        let standing = Standing {
            accepted_epoch: Epoch(2),
            current_epoch: Epoch(2),
            last_zxid: *history.last().unwrap(),
        };
        let mut recent = Recent::bounded(window.max(1), bytes);
        for zxid in &history[history.len() - window..] {
            recent.push(*zxid, payload(*zxid));
        }
        let mut out = Vec::new();
        let bench = Bench::new(ME, options, VIEW, standing, recent, &mut out);
        let learners = LEARNERS
            .iter()
            .zip(logs)
            .map(|(&(sid, kind), has)| Learner {
                sid: ServerId(sid),
                kind,
                accepted_epoch: Epoch(2),
                current_epoch: Epoch(if has.1 > 0 { 2 } else { 1 }),
                log: log(*has),
                committed: 0,
                is_synced: false,
                link: None,
                from_leader: VecDeque::new(),
                to_leader: VecDeque::new(),
            });
        let mut world = Self {
            bench,
            committed: history.len(),
            appended: standing.last_zxid,
            history,
            learners: learners.collect(),
            probes: Vec::new(),
            saved: VecDeque::new(),
            next_link: 1,
        };
        world.bench.applies = false;
        world.route(out);
        world
    }

    fn run(&mut self, step: &Step) {
        let count = LEARNERS.len();
        match step {
            Step::Dial(at) => self.dial(at.index(count)),
            Step::Cut(at) => self.cut(at.index(count)),
            Step::Deliver(at) => {
                self.deliver(at.index(count));
            }
            Step::Hear(at) => {
                self.hear(at.index(count));
            }
            Step::Propose => self.propose(),
            Step::Append => self.append(),
            Step::Apply(at) => {
                let has = self.history.iter().position(|z| *z == self.bench.applied);
                let from = has.expect("what is applied is history") + 1;
                let to = from + at.index(self.committed - from + 1);
                self.bench.applied = self.history[to - 1];
            }
            Step::Saved => {
                if let Some(input) = self.saved.pop_front() {
                    self.feed(input);
                }
            }
            Step::Probed(is_there) => self.answer_probe(*is_there),
            Step::Wake => self.feed(LeaderInput::Wake),
        }
    }

    fn dial(&mut self, at: usize) {
        if self.learners[at].link.is_some() {
            return;
        }
        let link = QuorumLink(self.next_link);
        self.next_link += 1;
        self.learners[at].dial(link);
        self.feed(LeaderInput::Connected { link });
    }

    /// The leader hears of it at once, or when the learner has dialled in again.
    fn cut(&mut self, at: usize) {
        if let Some(link) = self.learners[at].link.take()
            && at.is_multiple_of(2)
        {
            self.feed(LeaderInput::Gone { link });
        }
    }

    fn deliver(&mut self, at: usize) -> bool {
        let Some(item) = self.learners[at].from_leader.pop_front() else {
            return false;
        };
        let Item::Stream(stream) = item else {
            self.learners[at].receive(item);
            self.check(at);
            return true;
        };
        let items: Vec<Item> = match stream {
            StreamItem::Snapshot => {
                let applied = self.bench.applied;
                let upto = self.history.iter().filter(|zxid| **zxid <= applied);
                vec![Item::Snapshot(upto.copied().collect())]
            }
            StreamItem::LogRange { after, upto } => {
                assert!(upto <= self.appended, "{upto} is read and not on disk");
                let range = self.history.iter().filter(|z| **z > after && **z <= upto);
                let pair = |&zxid: &Zxid| {
                    let payload = payload(zxid);
                    let proposal = ToLearner::Proposal { zxid, payload };
                    [
                        Item::Packet(proposal),
                        Item::Packet(ToLearner::Commit { zxid }),
                    ]
                };
                range.flat_map(pair).collect()
            }
        };
        for item in items.into_iter().rev() {
            self.learners[at].from_leader.push_front(item);
        }
        if let Some(link) = self.learners[at].link {
            self.feed(LeaderInput::Streamed { link });
        }
        true
    }

    /// Committed prefixes agree.
    fn check(&self, at: usize) {
        let learner = &self.learners[at];
        let committed = &learner.log[..learner.committed];
        assert!(
            self.history[..self.committed].starts_with(committed),
            "{learner:?} commits what the leader has not"
        );
    }

    fn hear(&mut self, at: usize) -> bool {
        let learner = &mut self.learners[at];
        let (Some(link), Some(packet)) = (learner.link, learner.to_leader.pop_front()) else {
            return false;
        };
        self.feed(LeaderInput::Received { link, packet });
        true
    }

    fn propose(&mut self) {
        let Some(epoch) = self.bench.leader.epoch() else {
            return;
        };
        if !self.bench.leader.is_established() {
            return;
        }
        let last = *self.history.last().unwrap();
        let zxid = last.max(Zxid::start_of(epoch)).next();
        self.history.push(zxid);
        let out = self.bench.propose(zxid, payload(zxid));
        self.route(out);
    }

    fn append(&mut self) {
        self.appended = *self.history.last().unwrap();
        if self.bench.leader.is_established() {
            self.feed(LeaderInput::Appended(self.appended));
        }
    }

    fn answer_probe(&mut self, is_there: bool) {
        let Some((link, after, upto)) = self.probes.pop() else {
            return;
        };
        let floor = self.history.iter().rev().find(|zxid| **zxid <= after);
        let next = self.history.iter().find(|zxid| **zxid > after);
        let found = match (floor, next) {
            (Some(&floor), Some(&next)) if is_there && next <= upto && upto <= self.appended => {
                Some(LogProbe { floor, next })
            }
            _ => None,
        };
        self.feed(LeaderInput::LogProbed { link, found });
    }

    fn feed(&mut self, input: LeaderInput) {
        let out = self.bench.handle(input);
        self.route(out);
    }

    fn route(&mut self, out: Vec<LeaderOutput>) {
        for output in out {
            match output {
                LeaderOutput::Send { link, packets: p } => {
                    let items = packets(&p).into_iter().map(Item::Packet);
                    if let Some(learner) = self.learner(link) {
                        learner.from_leader.extend(items);
                    }
                }
                LeaderOutput::Stream { link, item } => {
                    if let Some(learner) = self.learner(link) {
                        learner.from_leader.push_back(Item::Stream(item));
                    }
                }
                LeaderOutput::Close { link, .. } => {
                    if let Some(learner) = self.learner(link) {
                        learner.link = None;
                    }
                }
                LeaderOutput::SaveAcceptedEpoch(epoch) => {
                    self.saved.push_back(LeaderInput::AcceptedEpochSaved(epoch));
                }
                LeaderOutput::SaveCurrentEpoch(epoch) => {
                    self.saved.push_back(LeaderInput::CurrentEpochSaved(epoch));
                }
                LeaderOutput::ProbeLog { link, after, upto } => {
                    self.probes.push((link, after, upto));
                }
                LeaderOutput::Committed { zxid, .. } => self.on_committed(zxid),
                LeaderOutput::Established(_)
                | LeaderOutput::ViewSeen(_)
                | LeaderOutput::ViewCommitted { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Nothing is committed before a quorum has it on disk, and all of it before it.
    fn on_committed(&mut self, zxid: Zxid) {
        assert_eq!(zxid, self.history[self.committed], "in order");
        self.committed += 1;
        let voters = &self.learners[..2];
        let have = voters.iter().filter(|voter| voter.log.contains(&zxid));
        let count = have.count() + usize::from(self.appended >= zxid);
        assert!(count >= 2, "{count} of 3 have {zxid}");
    }

    fn learner(&mut self, link: QuorumLink) -> Option<&mut Learner> {
        let mut learners = self.learners.iter_mut();
        learners.find(|learner| learner.link == Some(link))
    }

    /// Nothing fails any more, and everything that can happen does.
    fn settle(&mut self) {
        for _ in 0..1000 {
            let mut has_moved = false;
            for at in 0..LEARNERS.len() {
                has_moved |= self.learners[at].link.is_none();
                self.dial(at);
                while self.deliver(at) || self.hear(at) {
                    has_moved = true;
                }
            }
            while let Some(input) = self.saved.pop_front() {
                has_moved = true;
                self.feed(input);
            }
            while !self.probes.is_empty() {
                has_moved = true;
                self.answer_probe(true);
            }
            self.append();
            self.bench.applied = self.history[self.committed - 1];
            self.feed(LeaderInput::Wake);
            if !has_moved {
                return;
            }
        }
        panic!("it does not settle");
    }
}

fn learner_log() -> impl Strategy<Value = (i64, i64)> {
    prop_oneof![
        // A part of the leader's, perhaps none; more of the last epoch; more of the one before.
        (0..=4_i64, Just(0)),
        (Just(4_i64), 1..=5_i64),
        (Just(4_i64), 6..=7_i64),
        (5..=6_i64, Just(0)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 250,
        rng_seed: RngSeed::Fixed(0x6b65_6570),
        ..ProptestConfig::default()
    })]

    #[test]
    fn learners_get_the_leaders_history_qp_075(
        logs in prop::collection::vec(learner_log(), LEARNERS.len()),
        window in 0..=9_usize,
        // Some have room for a few transactions only.
        bytes in prop_oneof![Just(RECENT_BYTES_MAX), 0..200_usize],
        may_read_log in any::<bool>(),
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let options = ZabOptions {
            snapshot_size_factor: may_read_log.then_some(0.33),
            ..OPTIONS
        };
        let mut world = World::new(&logs, (window, bytes), options);
        for step in &steps {
            world.run(step);
        }
        world.settle();
        world.propose();
        world.settle();
        if !world.bench.leader.is_established() {
            // Followers that have promised before, or have more, do not count; time would tell.
            return Ok(());
        }
        prop_assert_eq!(world.committed, world.history.len());
        for learner in &world.learners {
            prop_assert_eq!(&learner.log, &world.history);
            prop_assert_eq!(learner.committed, world.history.len());
        }
    }
}
