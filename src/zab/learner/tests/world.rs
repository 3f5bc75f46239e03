//! A learner with a disk that does one thing after the other and a leader whose history is known.
//! After every step, what is on disk must be a history that a crash may leave, and no word may say
//! more than it.

use std::collections::VecDeque;

use super::*;

/// What a disk is asked for.
#[derive(Debug, Clone, Copy)]
enum Command {
    Accept(Epoch),
    Join(Epoch),
    Append(Zxid),
    Cut(Zxid),
    Store(Zxid),
}

/// What a restart would find.
#[derive(Debug)]
struct Disk {
    accepted: Epoch,
    current: Epoch,
    /// The snapshot.
    base: Zxid,
    /// Behind it.
    log: Vec<Zxid>,
    queue: VecDeque<Command>,
}

impl Disk {
    fn last(&self) -> Zxid {
        self.log.last().copied().unwrap_or(self.base)
    }
}

/// See the module.
pub(super) struct World {
    pub(super) learner: Learner,
    kind: LearnerKind,
    now: Monotonic,
    disk: Disk,
    /// The leader's history, in order.
    truth: Vec<Zxid>,
    /// The last of it that belongs to earlier epochs.
    initial: Zxid,
    /// What the learner came with and the leader has not.
    surplus: Vec<Zxid>,
    /// The last in the state in memory.
    state: Zxid,
    /// The last that the leader has told the learner of as committed.
    told: Zxid,
    /// The same, when it sent NEWLEADER.
    committed_at_new_leader: Option<Zxid>,
    acks: Vec<Zxid>,
    pub(super) served: usize,
}

impl World {
    /// The learner has the first `has` of the leader's history, and `surplus` behind them.
    pub(super) fn new(
        kind: LearnerKind,
        truth: Vec<Zxid>,
        initial: Zxid,
        has: usize,
        surplus: Vec<Zxid>,
    ) -> Self {
        let log = [&truth[..has], &surplus].concat();
        let last = log.last().copied().unwrap_or(Zxid::ZERO);
        let epoch = last.epoch().max(initial.epoch());
        let standing = Standing {
            accepted_epoch: epoch,
            current_epoch: epoch,
            last_zxid: last,
        };
        let now = Monotonic(0);
        let mut world = Self {
            learner: Learner::new(ServerId(3), kind, OPTIONS, standing, 0, now),
            kind,
            now,
            disk: Disk {
                accepted: epoch,
                current: epoch,
                base: Zxid::ZERO,
                log,
                queue: VecDeque::new(),
            },
            truth,
            initial,
            surplus,
            state: last,
            told: last,
            committed_at_new_leader: None,
            acks: Vec::new(),
            served: 0,
        };
        world.feed(LearnerInput::Connected);
        world.packet(leader_info(5));
        world
    }

    pub(super) fn packet(&mut self, packet: ToLearner) {
        match &packet {
            ToLearner::Trunc { zxid } | ToLearner::Snap { zxid } => self.told = *zxid,
            ToLearner::Commit { zxid } | ToLearner::Inform { zxid, .. } => {
                self.told = self.told.max(*zxid);
            }
            ToLearner::NewLeader { .. } => self.committed_at_new_leader = Some(self.told),
            _ => {}
        }
        self.feed(LearnerInput::Received(packet));
    }

    pub(super) fn is_disk_busy(&self) -> bool {
        !self.disk.queue.is_empty()
    }

    /// Whether the ACK of NEWLEADER was sent.
    pub(super) fn has_acknowledged(&self) -> bool {
        !self.acks.is_empty()
    }

    /// Lets the disk do what it was asked for first, and up to `batch` appends in one go.
    pub(super) fn complete(&mut self, batch: usize) {
        let command = self.disk.queue.pop_front().expect("the disk is busy");
        let input = match command {
            Command::Accept(epoch) => {
                self.disk.accepted = epoch;
                LearnerInput::AcceptedEpochSaved(epoch)
            }
            Command::Join(epoch) => {
                self.disk.current = epoch;
                LearnerInput::CurrentEpochSaved(epoch)
            }
            Command::Append(zxid) => LearnerInput::Appended(self.append(zxid, batch)),
            Command::Cut(zxid) => {
                self.disk.log.retain(|logged| *logged <= zxid);
                assert_eq!(self.disk.last(), zxid, "cut behind a transaction");
                self.surplus.clear();
                self.state = zxid;
                LearnerInput::Truncated(zxid)
            }
            Command::Store(zxid) => {
                self.disk.base = zxid;
                self.disk.log.clear();
                self.surplus.clear();
                LearnerInput::SnapshotStored(zxid)
            }
        };
        self.check_disk();
        self.feed(input);
    }

    fn append(&mut self, zxid: Zxid, batch: usize) -> Zxid {
        self.disk.log.push(zxid);
        for _ in 1..batch {
            let Some(Command::Append(zxid)) = self.disk.queue.front().copied() else {
                break;
            };
            self.disk.queue.pop_front();
            self.disk.log.push(zxid);
        }
        self.disk.last()
    }

    pub(super) fn drain(&mut self) {
        while self.is_disk_busy() {
            self.complete(1);
        }
    }

    fn feed(&mut self, input: LearnerInput) {
        let mut out = Vec::new();
        self.learner.handle(self.now, input, &mut out);
        for output in out {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: LearnerOutput) {
        match output {
            LearnerOutput::Send(bytes) => {
                for packet in unpack(&bytes) {
                    self.check_word(&packet);
                }
            }
            LearnerOutput::SaveAcceptedEpoch(epoch) => self.ask(Command::Accept(epoch)),
            LearnerOutput::SaveCurrentEpoch(epoch) => self.ask(Command::Join(epoch)),
            LearnerOutput::Append { zxid, payload } => {
                checked(zxid, &payload);
                self.ask(Command::Append(zxid));
            }
            LearnerOutput::Truncate(zxid) => self.ask(Command::Cut(zxid)),
            LearnerOutput::StoreSnapshot => self.ask(Command::Store(self.state)),
            LearnerOutput::InstallSnapshot { zxid } => {
                self.state = zxid;
            }
            LearnerOutput::Commit { zxid, payload, .. } => {
                checked(zxid, &payload);
                assert_eq!(Some(zxid), self.behind(self.state), "commits in order");
                assert!(!self.is_cutting(), "into memory that will be thrown away");
                self.state = zxid;
            }
            LearnerOutput::Serve(epoch) => {
                assert_eq!(epoch, Epoch(5));
                let said = self.acks.iter().filter(|zxid| **zxid == NEW_LEADER);
                assert_eq!((said.count(), self.acks.last()), (2, Some(&NEW_LEADER)));
                self.served += 1;
            }
            LearnerOutput::Ping { .. } => assert_eq!(self.served, 1, "pings before service"),
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, command: Command) {
        self.disk.queue.push_back(command);
    }

    fn is_cutting(&self) -> bool {
        let mut commands = self.disk.queue.iter();
        commands.any(|command| matches!(command, Command::Cut(_)))
    }

    /// The transaction that follows `zxid` in the leader's history.
    fn behind(&self, zxid: Zxid) -> Option<Zxid> {
        self.truth.iter().copied().find(|truth| *truth > zxid)
    }

    /// What is said is on disk.
    fn check_word(&mut self, packet: &ToLeader) {
        match packet {
            ToLeader::Info { .. } => {}
            ToLeader::AckEpoch { last_zxid, .. } => {
                assert_eq!(self.disk.accepted, Epoch(5), "promised");
                assert_eq!(self.disk.last(), *last_zxid, "what it has");
            }
            ToLeader::Ack { zxid } if *zxid == NEW_LEADER => {
                assert_eq!(
                    self.disk.current,
                    Epoch(5),
                    "its history is that of the epoch"
                );
                let history = self.committed_at_new_leader.expect("NEWLEADER came");
                assert!(self.disk.last() >= history, "all that was committed");
                assert!(self.disk.last() >= self.initial, "and all before the epoch");
                assert!(self.surplus.is_empty(), "and nothing else");
                assert!(!self.learner.memory_is_ahead());
                self.acks.push(*zxid);
            }
            ToLeader::Ack { zxid } => {
                assert_eq!(self.kind, LearnerKind::Follower, "observers do not");
                assert_eq!(
                    self.acks.first(),
                    Some(&NEW_LEADER),
                    "not before NEWLEADER's"
                );
                assert!(self.disk.last() >= *zxid, "it is on disk");
                self.acks.push(*zxid);
            }
            other => panic!("{other:?}"),
        }
    }

    /// What a crash at this point would leave.
    fn check_disk(&self) {
        let disk = &self.disk;
        assert!(disk.accepted >= disk.current, "joined without a promise");
        assert!(
            disk.accepted >= disk.last().epoch(),
            "logged without a promise"
        );
        if disk.current == Epoch(5) {
            assert!(disk.last() >= self.initial, "joined without its history");
        }
        let start = self.truth.partition_point(|truth| *truth <= disk.base);
        let history = &self.truth[start..];
        let own = disk.log.iter().filter(|zxid| !self.surplus.contains(zxid));
        let own: Vec<_> = own.copied().collect();
        assert!(history.starts_with(&own), "a hole or a stranger: {own:?}");
    }

    /// All of the leader's history was proposed and committed, and the disk is done.
    pub(super) fn check_end(&self) {
        let last = *self.truth.last().expect("there is history");
        assert_eq!(self.served, 1, "service begins once");
        assert_eq!(self.state, last, "all is committed");
        assert_eq!(self.disk.last(), last, "all is on disk");
        assert!(!self.learner.memory_is_ahead());
        assert_eq!(
            self.acks.iter().filter(|zxid| **zxid == NEW_LEADER).count(),
            2
        );
        let from = self
            .committed_at_new_leader
            .expect("NEWLEADER came")
            .max(NEW_LEADER);
        // What was committed then is acknowledged only when it comes again.
        let mut own = self.acks.clone();
        own.retain(|zxid| *zxid != NEW_LEADER && *zxid != from);
        assert!(own.is_sorted(), "in order");
        own.dedup();
        let mut due = self.truth.clone();
        due.retain(|zxid| *zxid > from && self.kind == LearnerKind::Follower);
        assert_eq!(own, due, "each that was not committed at NEWLEADER");
    }
}
