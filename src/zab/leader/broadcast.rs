//! Broadcast: proposals, their acknowledgements, commits in order; and what synchronised learners
//! send.
//!
//! The proposals in flight are a row without a hole, so a zxid is an index. The first is committed
//! when a quorum of every view has it on disk; the leader's own disk need not be among them.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::super::{Committed, LearnerKind, ToLeader, ToLearner};
use super::learner::{Learner, Stage};
use super::{CloseReason, LAST_COUNTER, Leader, LeaderOutput, Phase, StepDown, send};
use crate::base::{Epoch, Monotonic, QuorumLink, ServerId, SessionId, Zxid};
use crate::quorum::{AckSet, Membership, QuorumView};

/// The transactions of a term that are not committed yet. Invariant: the first is the one behind
/// `committed`, each is followed by the next.
#[derive(Debug)]
pub(super) struct Proposals {
    membership: Arc<Membership>,
    committed: Zxid,
    /// This server has everything up to this on disk.
    appended: Zxid,
    row: VecDeque<Proposal>,
    /// Whose syncs are answered behind the COMMIT of which transaction, in order.
    syncs: VecDeque<(Zxid, QuorumLink)>,
    /// Another server leads from here on, and nothing more is committed: the tick up to which learners
    /// may take to hear of it.
    over: Option<u64>,
}

#[derive(Debug)]
struct Proposal {
    zxid: Zxid,
    payload: Bytes,
    acks: AckSet,
    /// What it brings, if it changes the members.
    view: Option<Arc<QuorumView>>,
}

/// A transaction whose turn has come.
#[derive(Debug)]
struct Due {
    committed: Committed,
    /// The view that is in force from here on, and who leads under it.
    activates: Option<(Arc<QuorumView>, ServerId)>,
}

impl Proposals {
    pub(super) fn new(epoch: Epoch, membership: Arc<Membership>) -> Self {
        let start = Zxid::start_of(epoch);
        Self {
            membership,
            committed: start,
            appended: start,
            row: VecDeque::new(),
            syncs: VecDeque::new(),
            over: None,
        }
    }

    /// What is proposed from here on is counted under these views.
    pub(super) fn set_membership(&mut self, membership: Arc<Membership>) {
        self.membership = membership;
    }

    /// Nothing more is committed here. Learners may take up to this tick to hear of it.
    pub(super) fn end(&mut self, tick: u64) {
        self.over = Some(tick);
    }

    pub(super) fn over(&self) -> Option<u64> {
        self.over
    }

    /// Who has acknowledged what is proposed and not committed, in order.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = &[ServerId]> {
        self.row.iter().map(|proposal| proposal.acks.servers())
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.committed.epoch()
    }

    /// What of the term the own log has, durably; the start of the epoch before the first.
    pub(super) fn appended(&self) -> Zxid {
        self.appended
    }

    pub(super) fn committed(&self) -> Zxid {
        self.committed
    }

    pub(super) fn last_proposed(&self) -> Zxid {
        self.row.back().map_or(self.committed, |last| last.zxid)
    }

    pub(super) fn len(&self) -> usize {
        self.row.len()
    }

    /// Syncs that wait for a commit.
    pub(super) fn pending_syncs(&self) -> usize {
        self.syncs.len()
    }

    /// In order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Zxid, &Bytes)> {
        self.row
            .iter()
            .map(|proposal| (proposal.zxid, &proposal.payload))
    }

    fn push(&mut self, zxid: Zxid, payload: Bytes, view: Option<Arc<QuorumView>>) {
        assert_eq!(zxid, self.last_proposed().next(), "zxids leave no hole");
        assert!(zxid.epoch() == self.epoch(), "a term has one epoch");
        self.row.push_back(Proposal {
            zxid,
            payload,
            acks: AckSet::new(Arc::clone(&self.membership)),
            view,
        });
    }

    /// Takes an acknowledgement. Those of unknown transactions, of committed ones, and of starts of
    /// epochs are passed over.
    fn ack(&mut self, server: ServerId, zxid: Zxid) {
        let index = zxid.0.checked_sub(self.committed.0 + 1);
        let index = index.and_then(|index| usize::try_from(index).ok());
        if let Some(proposal) = index.and_then(|index| self.row.get_mut(index)) {
            assert_eq!(proposal.zxid, zxid, "the row has no hole");
            proposal.acks.add(server);
        }
    }

    /// This server has everything up to `zxid` on disk.
    fn append(&mut self, me: ServerId, zxid: Zxid) {
        assert!(
            zxid <= self.last_proposed(),
            "{zxid} is on disk and was never proposed"
        );
        while self.appended < zxid {
            self.appended = self.appended.next();
            self.ack(me, self.appended);
        }
    }

    /// Takes the syncs that wait for nothing that is not committed.
    fn take_syncs(&mut self) -> Vec<(Zxid, QuorumLink)> {
        let due = self
            .syncs
            .partition_point(|(zxid, _)| *zxid <= self.committed);
        self.syncs.drain(..due).collect()
    }

    /// Takes the next transaction that is committed.
    fn pop_committed(&mut self) -> Option<Proposal> {
        if self.over.is_some() || !self.row.front()?.acks.has_quorum() {
            return None;
        }
        let proposal = self.row.pop_front()?;
        assert_eq!(proposal.zxid, self.committed.next(), "commits are in order");
        self.committed = proposal.zxid;
        Some(proposal)
    }
}

impl Leader {
    /// Proposes the next transaction of the term to every follower that has been sent the history.
    /// The peer appends it to this server's log. One that has no counter left ends the term instead.
    pub fn propose(
        &mut self,
        _now: Monotonic,
        zxid: Zxid,
        payload: Bytes,
        out: &mut Vec<LeaderOutput>,
    ) {
        self.put_forward(zxid, payload, None, out);
    }

    /// Proposes what brings another view. From here on until that view is committed, everything
    /// needs a quorum of it too.
    pub fn propose_view(
        &mut self,
        (zxid, payload): (Zxid, Bytes),
        view: Arc<QuorumView>,
        out: &mut Vec<LeaderOutput>,
    ) {
        if matches!(self.phase, Phase::Broadcasting(_)) {
            self.see_view(view.clone(), out);
        }
        self.put_forward(zxid, payload, Some(view), out);
    }

    fn put_forward(
        &mut self,
        zxid: Zxid,
        payload: Bytes,
        view: Option<Arc<QuorumView>>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let Phase::Broadcasting(proposals) = &mut self.phase else {
            // The term ended while this was being prepared.
            assert!(
                matches!(self.phase, Phase::Over),
                "nothing is proposed before the term begins"
            );
            return;
        };
        if zxid.counter() > LAST_COUNTER {
            self.step_down(StepDown::CounterUsedUp, out);
            return;
        }
        proposals.push(zxid, payload.clone(), view);
        let tick = self.ticks.now();
        self.unappended.on_proposed(zxid, tick);
        let mut packets = None;
        for (&link, learner) in &mut self.learners {
            if learner.gets_proposals() {
                if learner.is_synced() {
                    learner.unacknowledged.on_proposed(zxid, tick);
                }
                let packets = packets.get_or_insert_with(|| {
                    let payload = payload.clone();
                    ToLearner::Proposal { zxid, payload }.to_bytes()
                });
                let packets = Bytes::clone(packets);
                out.push(LeaderOutput::Send { link, packets });
            }
        }
    }

    /// Whether a transaction may have this zxid. After the last that may, the term ends as soon as
    /// it is committed: [`StepDown::CounterUsedUp`].
    pub fn has_counter_left(&self, zxid: Zxid) -> bool {
        zxid.counter() <= LAST_COUNTER
    }

    /// Answers [`LeaderOutput::Revalidate`].
    pub fn answer_revalidate(
        &mut self,
        link: QuorumLink,
        session: SessionId,
        is_valid: bool,
        out: &mut Vec<LeaderOutput>,
    ) {
        if self.learners.contains_key(&link) {
            send(link, &ToLearner::Revalidate { session, is_valid }, out);
        }
    }

    /// A learner's client asks for a sync. It is answered right behind the COMMIT of what was
    /// proposed before: a learner matches answers and commits by their order. No quorum is asked, as
    /// in Apache (ZOOKEEPER-1675, 2136): a leader that was replaced and has not noticed answers too,
    /// until the next tick finds it without a quorum.
    pub fn sync_asked(&mut self, link: QuorumLink, out: &mut Vec<LeaderOutput>) {
        let Phase::Broadcasting(proposals) = &mut self.phase else {
            return;
        };
        let last = proposals.last_proposed();
        if last > proposals.committed() {
            proposals.syncs.push_back((last, link));
        } else if self.learners.contains_key(&link) {
            send(link, &ToLearner::Sync, out);
        }
    }

    pub(super) fn on_appended(&mut self, zxid: Zxid, out: &mut Vec<LeaderOutput>) {
        if let Phase::Broadcasting(proposals) = &mut self.phase {
            proposals.append(self.me, zxid);
            self.unappended.on_acknowledged(zxid);
            self.commit(out);
        }
    }

    /// A learner that is up to date, or will be with its UPTODATE, has sent something.
    pub(super) fn on_synced_packet(
        &mut self,
        link: QuorumLink,
        packet: ToLeader,
        out: &mut Vec<LeaderOutput>,
    ) {
        let limit = self.ticks.after(self.options.sync_limit);
        let Some(learner) = self.learners.get_mut(&link) else {
            return;
        };
        let sid = learner.sid;
        let has_term = matches!(
            learner.stage,
            Stage::Synced {
                is_up_to_date: true
            }
        );
        learner.supports_until = limit;
        learner.silent_until = has_term.then_some(limit);
        match packet {
            ToLeader::Ack { zxid } => self.on_ack(link, zxid, out),
            ToLeader::Ping { touched, .. } if !touched.is_empty() => {
                let sessions = touched;
                out.push(LeaderOutput::Touched { link, sessions });
            }
            ToLeader::Request(_) | ToLeader::Revalidate { .. } if !has_term => {
                self.close(link, CloseReason::OutOfTurn(packet.name()), out);
            }
            ToLeader::Request(request) => {
                out.push(LeaderOutput::Request { link, sid, request });
            }
            ToLeader::Revalidate {
                session,
                timeout_ms,
            } => out.push(LeaderOutput::Revalidate {
                link,
                session,
                timeout_ms,
            }),
            // Passed over, as Apache does.
            ToLeader::Ping { .. }
            | ToLeader::Info { .. }
            | ToLeader::AckEpoch { .. }
            | ToLeader::Unknown { .. } => {}
        }
    }

    pub(super) fn on_ack(&mut self, link: QuorumLink, zxid: Zxid, out: &mut Vec<LeaderOutput>) {
        let Some(learner) = self.learners.get_mut(&link) else {
            return;
        };
        learner.unacknowledged.on_acknowledged(zxid);
        if let Phase::Broadcasting(proposals) = &mut self.phase
            && learner.kind == LearnerKind::Follower
        {
            proposals.ack(learner.sid, zxid);
            self.commit(out);
        }
    }

    /// Commits what a quorum has, in order.
    fn commit(&mut self, out: &mut Vec<LeaderOutput>) {
        let due = self.take_due();
        let Phase::Broadcasting(proposals) = &mut self.phase else {
            return;
        };
        if due.is_empty() {
            return;
        }
        let is_last = proposals.committed().counter() == LAST_COUNTER;
        let syncs = proposals.take_syncs();
        self.send_committed(Learner::gets_proposals, commit_of, &due, &syncs, out);
        self.send_committed(Learner::gets_informs, inform_of, &due, &syncs, out);
        for due in due {
            let Committed { zxid, payload } = due.committed;
            out.push(LeaderOutput::Committed { zxid, payload });
            if let Some((view, leader)) = due.activates {
                out.push(LeaderOutput::ViewCommitted { view, leader });
            }
        }
        if is_last {
            self.step_down(StepDown::CounterUsedUp, out);
        }
    }

    /// Takes all whose turn has come. A change of the members has its effect on what follows it.
    fn take_due(&mut self) -> Vec<Due> {
        let mut taken = Vec::new();
        while let Phase::Broadcasting(proposals) = &mut self.phase
            && let Some(proposal) = proposals.pop_committed()
        {
            let Proposal {
                zxid,
                payload,
                acks,
                view,
            } = proposal;
            let activates = view.map(|view| {
                let leader = self.commit_view(&view, acks.servers());
                (view, leader)
            });
            let committed = Committed { zxid, payload };
            taken.push(Due {
                committed,
                activates,
            });
        }
        taken
    }

    /// What is committed, for all of a kind, each with the answers behind it to the syncs that waited
    /// for it.
    fn send_committed(
        &self,
        is_meant: impl Fn(&Learner) -> bool,
        packet_of: impl Fn(&Due) -> ToLearner,
        mut committed: &[Due],
        mut syncs: &[(Zxid, QuorumLink)],
        out: &mut Vec<LeaderOutput>,
    ) {
        while let Some((zxid, _)) = syncs.first() {
            let behind = committed.partition_point(|due| due.committed.zxid <= *zxid);
            let same = syncs.partition_point(|(other, _)| other <= zxid);
            let (first, rest) = committed.split_at(behind);
            let (answered, waiting) = syncs.split_at(same);
            self.send_all(&is_meant, first.iter().map(&packet_of), out);
            for (_, link) in answered {
                if self.learners.get(link).is_some_and(&is_meant) {
                    send(*link, &ToLearner::Sync, out);
                }
            }
            (committed, syncs) = (rest, waiting);
        }
        self.send_all(&is_meant, committed.iter().map(&packet_of), out);
    }

    /// Sends the same packets to all of a kind; they are encoded once, and only if there is one.
    pub(super) fn send_all(
        &self,
        is_meant: impl Fn(&Learner) -> bool,
        packets: impl Iterator<Item = ToLearner>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let mut meant = self
            .learners
            .iter()
            .filter(|(_, learner)| is_meant(learner))
            .peekable();
        if meant.peek().is_none() {
            return;
        }
        let mut bytes = BytesMut::new();
        for packet in packets {
            packet.encode(&mut bytes);
        }
        if bytes.is_empty() {
            return;
        }
        let bytes = bytes.freeze();
        for (&link, _) in meant {
            let packets = bytes.clone();
            out.push(LeaderOutput::Send { link, packets });
        }
    }
}

fn commit_of(due: &Due) -> ToLearner {
    let zxid = due.committed.zxid;
    match due.activates {
        None => ToLearner::Commit { zxid },
        Some((_, leader)) => ToLearner::CommitAndActivate { zxid, leader },
    }
}

fn inform_of(due: &Due) -> ToLearner {
    let (zxid, payload) = (due.committed.zxid, due.committed.payload.clone());
    match due.activates {
        None => ToLearner::Inform { zxid, payload },
        Some((_, leader)) => ToLearner::InformAndActivate {
            zxid,
            leader,
            payload,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::bench::{Bench, OPTIONS, describe, payload};
    use super::*;
    use crate::zab::{LeaderInput, Recent, Standing};

    /// Alone, two transactions before the last number.
    fn near_the_end() -> Bench {
        let standing = Standing {
            accepted_epoch: Epoch(0),
            current_epoch: Epoch(0),
            last_zxid: Zxid::ZERO,
        };
        let view = "server.1=h1:1:2\n";
        let mut out = Vec::new();
        let recent = Recent::new(500);
        let mut bench = Bench::new(ServerId(1), OPTIONS, view, standing, recent, &mut out);
        bench.handle(LeaderInput::AcceptedEpochSaved(Epoch(1)));
        bench.handle(LeaderInput::CurrentEpochSaved(Epoch(1)));
        let Phase::Broadcasting(proposals) = &mut bench.leader.phase else {
            panic!("one is a quorum of one");
        };
        proposals.committed = Zxid(0x1_ffff_fffc);
        proposals.appended = proposals.committed;
        bench
    }

    #[test]
    fn the_last_counter_is_committed_and_then_the_term_ends_qp_113() {
        let mut bench = near_the_end();
        let last = Zxid(0x1_ffff_fffe);
        assert!(bench.leader.has_counter_left(last));
        assert!(!bench.leader.has_counter_left(last.next()));
        for zxid in [Zxid(0x1_ffff_fffd), last] {
            assert_eq!(describe(&bench.propose(zxid, payload(zxid))), "");
        }
        let out = bench.handle(LeaderInput::Appended(last));
        let expected = "committed 1.4294967293\ncommitted 1.4294967294\n\
                        step down: the counter of the epoch is used up";
        assert_eq!(describe(&out), expected);
        assert_eq!(bench.leader.next_deadline(), None);
    }

    #[test]
    fn a_transaction_behind_the_last_counter_ends_the_term_instead_qp_113() {
        let mut bench = near_the_end();
        for zxid in [Zxid(0x1_ffff_fffd), Zxid(0x1_ffff_fffe)] {
            bench.propose(zxid, payload(zxid));
        }
        let beyond = Zxid(0x1_ffff_ffff);
        let out = bench.propose(beyond, payload(beyond));
        assert_eq!(
            describe(&out),
            "step down: the counter of the epoch is used up"
        );
        assert_eq!(describe(&bench.propose(beyond.next(), Bytes::new())), "");
    }

    #[test]
    #[should_panic(expected = "zxids leave no hole")]
    fn a_hole_is_a_broken_invariant() {
        near_the_end().propose(Zxid(0x1_ffff_fffe), Bytes::new());
    }

    #[test]
    #[should_panic(expected = "was never proposed")]
    fn what_was_not_proposed_is_not_on_disk() {
        near_the_end().handle(LeaderInput::Appended(Zxid(0x1_ffff_fffd)));
    }
}
