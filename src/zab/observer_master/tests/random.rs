//! Observers of our own behind a follower that gets commits at random times: whatever is streamed,
//! probed, lost and dialled anew, each ends with the follower's history, whole and in order.

use std::collections::{BTreeMap, VecDeque};

use super::{Bench, packets};
use crate::base::{Epoch, Monotonic, QuorumLink, ServerId, Zxid};
use crate::zab::leader::tests::bench::{OPTIONS, payload, show};
use crate::zab::observer_master::{ObserverMasterInput, ObserverMasterOutput};
use crate::zab::{
    Learner, LearnerInput, LearnerKind, LearnerOutput, LogProbe, Standing, StreamItem, ToLeader,
    ToLearner, packet_len,
};

struct Observer {
    sid: ServerId,
    learner: Learner,
    standing: Standing,
    /// What it has committed.
    history: Vec<Zxid>,
    link: QuorumLink,
    /// Something was streamed to it over this link.
    is_fed: bool,
    /// What is on its way to it.
    queue: VecDeque<Parcel>,
}

enum Parcel {
    Packet(ToLearner),
    /// A stream: what it is made of is seen when its turn comes.
    Stream(StreamItem),
    /// A state, with all of the history up to then.
    State(Vec<Zxid>),
}

struct World {
    bench: Bench,
    /// All that is committed.
    history: Vec<Zxid>,
    /// How many of it the follower has on disk.
    durable: usize,
    observers: Vec<Observer>,
    next_link: u64,
    random: u64,
    ways: BTreeMap<&'static str, u32>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            bench: Bench::with("2.1 2.2 2.3", |options| {
                options.queue_bytes_max = [100, 1000, 1 << 20][usize::try_from(seed % 3).unwrap()];
                options.zab.snap_syncs_max = 2;
            }),
            history: ["2.1", "2.2", "2.3"].map(super::zxid).to_vec(),
            durable: 3,
            observers: Vec::new(),
            next_link: 1,
            random: seed,
            ways: BTreeMap::new(),
        };
        world.bench.applies = false;
        for sid in 20..23 {
            let standing = Standing {
                accepted_epoch: Epoch(2),
                current_epoch: Epoch(2),
                last_zxid: Zxid::ZERO,
            };
            let learner = learner(sid, standing, world.bench.now);
            let sid = ServerId(sid);
            world.observers.push(Observer {
                sid,
                learner,
                standing,
                history: Vec::new(),
                link: QuorumLink(0),
                is_fed: false,
                queue: VecDeque::new(),
            });
            let at = world.observers.len() - 1;
            world.dial(at);
        }
        world
    }

    fn draw(&mut self, below: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % below
    }

    /// An observer whose link is gone, if it had one, begins anew with what it has.
    fn dial(&mut self, at: usize) {
        let observer = &mut self.observers[at];
        let link = QuorumLink(self.next_link);
        self.next_link += 1;
        observer.link = link;
        observer.queue.clear();
        observer.is_fed = false;
        observer.standing.last_zxid = observer.history.last().copied().unwrap_or_default();
        observer.learner = learner(observer.sid.0, observer.standing, self.bench.now);
        self.feed(ObserverMasterInput::Connected { link });
        self.learn(at, LearnerInput::Connected);
    }

    fn lose(&mut self, at: usize) {
        let link = self.observers[at].link;
        self.feed(ObserverMasterInput::Gone { link });
        self.dial(at);
    }

    fn feed(&mut self, input: ObserverMasterInput) {
        let out = self.bench.handle(input);
        self.carry_out(out);
    }

    fn carry_out(&mut self, out: Vec<ObserverMasterOutput>) {
        for output in out {
            match output {
                ObserverMasterOutput::Send {
                    link,
                    packets: bytes,
                } => {
                    if let Some(at) = self.at(link) {
                        let packets = packets(&bytes).into_iter().map(Parcel::Packet);
                        self.observers[at].queue.extend(packets);
                    }
                }
                ObserverMasterOutput::Stream { link, item } => {
                    if let Some(at) = self.at(link) {
                        self.observers[at].queue.push_back(Parcel::Stream(item));
                    }
                }
                ObserverMasterOutput::Close { link, .. } => {
                    if let Some(at) = self.at(link) {
                        self.dial(at);
                    }
                }
                ObserverMasterOutput::ProbeLog { link, after, upto } => {
                    let floor = self.history.iter().copied().rfind(|zxid| *zxid <= after);
                    let next = self.history.iter().copied().find(|zxid| *zxid > after);
                    let found = floor
                        .zip(next)
                        .map(|(floor, next)| LogProbe { floor, next });
                    let found = found.filter(|_| upto <= self.history[self.durable - 1]);
                    // It takes a while.
                    if self.draw(2) == 0 {
                        self.commit();
                    }
                    let found = if self.draw(4) == 0 { None } else { found };
                    self.feed(ObserverMasterInput::LogProbed { link, found });
                }
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }

    /// What is streamed comes before all else; then it is sent.
    fn stream(&mut self, at: usize, item: StreamItem) {
        let mut parcels = Vec::new();
        match item {
            StreamItem::Snapshot => {
                *self.ways.entry("snapshot").or_default() += 1;
                let applied = self.bench.applied;
                let state = self.history.iter().copied();
                let state = state.filter(|zxid| *zxid <= applied).collect();
                parcels.push(Parcel::State(state));
            }
            StreamItem::LogRange { after, upto } => {
                let durable = self.history[self.durable - 1];
                assert!(upto <= durable, "{upto} is read, {durable} is on disk");
                let way = if self.observers[at].is_fed {
                    "fed"
                } else {
                    "log"
                };
                *self.ways.entry(way).or_default() += 1;
                let range = self.history.iter().copied();
                let range = range.filter(|zxid| *zxid > after && *zxid <= upto);
                for zxid in range {
                    let payload = payload(zxid);
                    parcels.push(Parcel::Packet(ToLearner::Proposal { zxid, payload }));
                    parcels.push(Parcel::Packet(ToLearner::Commit { zxid }));
                }
            }
        }
        let observer = &mut self.observers[at];
        observer.is_fed = true;
        assert!(
            observer.queue.is_empty(),
            "nothing is queued behind a stream"
        );
        observer.queue.extend(parcels);
        let link = observer.link;
        self.feed(ObserverMasterInput::Streamed { link });
    }

    /// The disk gets further.
    fn append(&mut self) {
        let left = self.history.len() - self.durable;
        self.durable += self.draw(left + 1);
        let durable = self.history[self.durable - 1];
        self.feed(ObserverMasterInput::Appended(durable));
    }

    fn at(&self, link: QuorumLink) -> Option<usize> {
        self.observers.iter().position(|it| it.link == link)
    }

    fn learn(&mut self, at: usize, input: LearnerInput) {
        let now = self.bench.now;
        let mut out = Vec::new();
        let observer = &mut self.observers[at];
        observer.learner.handle(now, input, &mut out);
        let link = observer.link;
        for output in out {
            let observer = &mut self.observers[at];
            if observer.link != link {
                return;
            }
            match output {
                LearnerOutput::Send(mut bytes) => {
                    while let Some(length) = packet_len(&bytes, 1 << 20).unwrap() {
                        let packet = ToLeader::decode(&bytes.split_to(length)).unwrap();
                        self.feed(ObserverMasterInput::Received { link, packet });
                    }
                }
                LearnerOutput::SaveAcceptedEpoch(epoch) => {
                    observer.standing.accepted_epoch = epoch;
                    self.learn(at, LearnerInput::AcceptedEpochSaved(epoch));
                }
                LearnerOutput::SaveCurrentEpoch(epoch) => {
                    observer.standing.current_epoch = epoch;
                    self.learn(at, LearnerInput::CurrentEpochSaved(epoch));
                }
                LearnerOutput::Append { zxid, .. } => self.learn(at, LearnerInput::Appended(zxid)),
                LearnerOutput::Commit {
                    zxid,
                    payload: bytes,
                    ..
                } => {
                    assert_eq!(bytes, payload(zxid));
                    observer.history.push(zxid);
                }
                LearnerOutput::StoreSnapshot => {
                    let zxid = observer.history.last().copied().unwrap_or_default();
                    self.learn(at, LearnerInput::SnapshotStored(zxid));
                }
                LearnerOutput::InstallSnapshot { .. }
                | LearnerOutput::Config(_)
                | LearnerOutput::Serve(_)
                | LearnerOutput::Ping { .. } => {}
                other => panic!("an observer asks for {other:?}"),
            }
        }
    }

    fn commit(&mut self) {
        let last = *self.history.last().unwrap();
        let next = if last.epoch() < Epoch(3) {
            Zxid::start_of(Epoch(3)).next()
        } else {
            last.next()
        };
        self.history.push(next);
        let out = self.bench.commit(&show(next));
        self.carry_out(out);
    }

    fn deliver(&mut self, at: usize) {
        match self.observers[at].queue.pop_front() {
            None => {}
            Some(Parcel::Stream(item)) => self.stream(at, item),
            Some(Parcel::Packet(packet)) => self.learn(at, LearnerInput::Received(packet)),
            Some(Parcel::State(history)) => {
                let zxid = history.last().copied().unwrap_or_default();
                self.observers[at].history = history;
                self.learn(at, LearnerInput::Received(ToLearner::Snap { zxid }));
            }
        }
    }

    /// The state catches up with what is committed, or a little.
    fn apply(&mut self) {
        let applied = self.bench.applied;
        let pending = self.history.iter().filter(|zxid| **zxid > applied).count();
        if pending > 0 {
            let count = 1 + self.draw(pending);
            let at = self.history.len() - pending + count - 1;
            self.bench.applied = self.history[at];
        }
        if self.bench.master.has_waiting() {
            self.feed(ObserverMasterInput::Wake);
        }
    }

    fn step(&mut self) {
        let at = self.draw(self.observers.len());
        match self.draw(20) {
            0..5 => self.commit(),
            5..7 => self.apply(),
            7 => self.append(),
            8 => {
                self.bench.now = self.bench.now.after(500);
                self.feed(ObserverMasterInput::Wake);
            }
            9 if self.draw(4) == 0 => self.lose(at),
            _ => self.deliver(at),
        }
        for observer in &self.observers {
            let prefix = &self.history[..observer.history.len().min(self.history.len())];
            assert_eq!(observer.history, prefix, "{} lost the thread", observer.sid);
        }
    }

    fn settle(&mut self) {
        self.bench.applied = *self.history.last().unwrap();
        self.durable = self.history.len();
        self.feed(ObserverMasterInput::Appended(self.bench.applied));
        for _ in 0..100_000 {
            if self.bench.master.has_waiting() {
                self.feed(ObserverMasterInput::Wake);
            }
            let Some(at) = self.observers.iter().position(|it| !it.queue.is_empty()) else {
                break;
            };
            self.deliver(at);
        }
        for observer in &self.observers {
            assert_eq!(
                observer.history, self.history,
                "{} has not all",
                observer.sid
            );
            assert!(observer.learner.is_serving());
        }
    }
}

fn learner(sid: i64, standing: Standing, now: Monotonic) -> Learner {
    Learner::new(
        ServerId(sid),
        LearnerKind::Observer,
        OPTIONS,
        standing,
        0,
        now,
    )
}

#[test]
fn observers_get_every_transaction_once_and_in_order_qp_143() {
    let mut ways = BTreeMap::new();
    for seed in 0..200 {
        let mut world = World::new(seed);
        for _ in 0..300 {
            world.step();
        }
        world.settle();
        for (way, count) in world.ways {
            *ways.entry(way).or_insert(0) += count;
        }
    }
    for way in ["snapshot", "log", "fed"] {
        assert!(ways[way] > 100, "{ways:?}");
    }
}
