//! Discovery: who joins, which epoch, and who promises it.
//!
//! The two quorums here have this server in them. So no two terms have one epoch, and no history
//! that a quorum has acknowledged is longer than the leader's: a follower with a longer one is
//! refused as long as it is not outvoted. Only the committed view decides, as in Apache.

use std::collections::BTreeSet;

use super::super::catch_up::LastZxid;
use super::super::{LearnerIdentity, LearnerKind, PROTOCOL_VERSION, ToLeader, ToLearner};
use super::learner::{Learner, Stage};
use super::liveness::Unacknowledged;
use super::{CloseReason, History, Leader, LeaderOutput, Phase, StepDown, send};
use crate::base::{Epoch, Monotonic, QuorumLink, ServerId, Zxid};
use crate::quorum::{AckSet, Membership};

/// The last epoch whose zxids are positive.
const LAST_EPOCH: Epoch = Epoch(0x7fff_ffff);

/// The id of observers that were given none (`QuorumPeer.OBSERVER_ID`).
const OBSERVER_ID: ServerId = ServerId(i64::MAX);

/// What Apache takes a learner for that says nothing of itself.
const NAMELESS_VERSION: i32 = 1;

/// The zxid of a server whose data is missing.
const NO_HISTORY: Zxid = Zxid(-1);

impl Leader {
    /// A server that has promised `accepted_epoch` joins, unless the epoch is chosen already.
    pub(super) fn join(
        &mut self,
        server: ServerId,
        accepted_epoch: Epoch,
        is_voting: bool,
        out: &mut Vec<LeaderOutput>,
    ) {
        let Phase::ChoosingEpoch {
            epoch,
            joined,
            left,
            ..
        } = &mut self.phase
        else {
            return;
        };
        if accepted_epoch >= LAST_EPOCH {
            assert_eq!(server, self.me, "learners with the last epoch are refused");
            self.step_down(StepDown::NotEstablished("the epochs are used up"), out);
            return;
        }
        *epoch = (*epoch).max(Epoch(accepted_epoch.0 + 1));
        if is_voting {
            joined.insert(server);
            left.remove(&server);
        }
        if is_quorum_with(self.me, joined, &self.membership) {
            let epoch = *epoch;
            assert!(
                epoch > self.standing.accepted_epoch && epoch <= LAST_EPOCH,
                "the epoch is one that this server has not promised yet"
            );
            tracing::debug!(sid = %self.me, %epoch, "epoch chosen");
            self.phase = Phase::SavingEpoch { epoch };
            out.push(LeaderOutput::SaveAcceptedEpoch(epoch));
        }
    }

    /// A learner introduces itself.
    pub(super) fn on_first_packet(
        &mut self,
        link: QuorumLink,
        packet: ToLeader,
        now: Monotonic,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let ToLeader::Info {
            kind,
            accepted_epoch,
            info,
        } = packet
        else {
            self.close(link, CloseReason::NotALearner, out);
            return;
        };
        let identity = self.identity(info);
        if let Err(reason) = self.check(identity, accepted_epoch) {
            self.close(link, reason, out);
            return;
        }
        let sid = identity.sid;
        let former = self.learners.iter().find(|(_, other)| other.sid == sid);
        if let Some((&former, _)) = former {
            self.close(former, CloseReason::Replaced, out);
        }
        tracing::debug!(%link, %sid, ?kind, %accepted_epoch, "a learner joins");
        let ticks = self
            .options
            .init_limit
            .saturating_add(self.options.sync_limit);
        let learner = Learner {
            sid,
            kind,
            protocol_version: identity.protocol_version,
            accepted_epoch,
            stage: Stage::Joined,
            supports_until: self.ticks.after(ticks),
            silent_until: None,
            unacknowledged: Unacknowledged::default(),
        };
        let is_voting = self.is_voting(&learner);
        self.learners.insert(link, learner);
        match self.phase {
            Phase::ChoosingEpoch { .. } => self.join(sid, accepted_epoch, is_voting, out),
            Phase::SavingEpoch { .. } | Phase::Over => {}
            Phase::AwaitingPromises { epoch, .. } | Phase::Synchronising { epoch, .. } => {
                self.ask(link, epoch, now, history, out);
            }
            Phase::Broadcasting(ref proposals) => {
                let epoch = proposals.epoch();
                self.ask(link, epoch, now, history, out);
            }
        }
    }

    /// Who a learner is, with an id of our own for one that has none.
    fn identity(&mut self, info: Option<LearnerIdentity>) -> LearnerIdentity {
        let mut identity = info.unwrap_or(LearnerIdentity {
            sid: OBSERVER_ID,
            protocol_version: NAMELESS_VERSION,
            config_version: 0,
        });
        if identity.sid == OBSERVER_ID {
            while self
                .learners
                .values()
                .any(|other| other.sid == self.nameless)
            {
                self.nameless.0 -= 1;
            }
            identity.sid = self.nameless;
            self.nameless.0 -= 1;
        }
        identity
    }

    fn check(&self, identity: LearnerIdentity, accepted_epoch: Epoch) -> Result<(), CloseReason> {
        if identity.sid == self.me {
            return Err(CloseReason::OwnId);
        }
        if identity.config_version > self.membership.committed().version().0 {
            return Err(CloseReason::NewerConfig);
        }
        if accepted_epoch >= LAST_EPOCH {
            return Err(CloseReason::LastEpoch);
        }
        Ok(())
    }

    pub(super) fn on_accepted_epoch_saved(
        &mut self,
        saved: Epoch,
        now: Monotonic,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let Phase::SavingEpoch { epoch } = self.phase else {
            return;
        };
        assert_eq!(saved, epoch, "the epoch that was asked for is saved");
        self.version_view(epoch, out);
        self.phase = Phase::AwaitingPromises {
            epoch,
            promised: BTreeSet::new(),
            since: now,
        };
        let joined: Vec<QuorumLink> = self.learners.keys().copied().collect();
        for link in joined {
            self.ask(link, epoch, now, history, out);
        }
        self.promise(self.me, now, history, out);
    }

    /// Asks a learner to promise the epoch. One from before 3.4 cannot be asked: it counts by what
    /// it had promised, and as its log is of an unknown length, it gets a snapshot.
    fn ask(
        &mut self,
        link: QuorumLink,
        epoch: Epoch,
        now: Monotonic,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let turn_ends = self.ticks.after(self.options.init_limit);
        let Some(learner) = self.learners.get_mut(&link) else {
            return;
        };
        if learner.protocol_version < PROTOCOL_VERSION {
            let accepted = learner.accepted_epoch;
            let summary = Some((accepted, Zxid::start_of(accepted)));
            self.on_promise(link, summary, LastZxid::Unknown, now, history, out);
            return;
        }
        learner.stage = Stage::Asked;
        learner.silent_until = Some(turn_ends);
        let protocol_version = PROTOCOL_VERSION;
        let packet = ToLearner::LeaderInfo {
            epoch,
            protocol_version,
        };
        send(link, &packet, out);
    }

    /// A packet of a learner that has not promised the epoch yet.
    pub(super) fn on_promise_packet(
        &mut self,
        link: QuorumLink,
        packet: ToLeader,
        now: Monotonic,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let is_asked = self
            .learners
            .get(&link)
            .is_some_and(|learner| matches!(learner.stage, Stage::Asked));
        let ToLeader::AckEpoch {
            last_zxid,
            current_epoch,
        } = packet
        else {
            self.close(link, CloseReason::NoAckEpoch, out);
            return;
        };
        if !is_asked {
            self.close(link, CloseReason::OutOfTurn("ACKEPOCH"), out);
            return;
        }
        let summary = current_epoch.map(|epoch| (epoch, last_zxid));
        self.on_promise(link, summary, LastZxid::Known(last_zxid), now, history, out);
    }

    /// A learner has promised the epoch. `summary` is what decides which of two histories is longer;
    /// a learner that had promised before gives none, and does not count.
    fn on_promise(
        &mut self,
        link: QuorumLink,
        summary: Option<(Epoch, Zxid)>,
        last: LastZxid,
        now: Monotonic,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let is_open = matches!(self.phase, Phase::AwaitingPromises { .. });
        let own = (self.standing.current_epoch, self.standing.last_zxid);
        if let Some((epoch, zxid)) = summary.filter(|summary| is_open && *summary > own) {
            self.close(link, CloseReason::MoreRecent { epoch, zxid }, out);
            return;
        }
        let Some(learner) = self.learners.get_mut(&link) else {
            return;
        };
        learner.stage = Stage::Promised { last };
        learner.silent_until = None;
        let sid = learner.sid;
        let counts = summary.is_some_and(|(_, zxid)| zxid != NO_HISTORY)
            && learner.kind == LearnerKind::Follower;
        if !is_open {
            self.sync(link, history, out);
        } else if counts {
            self.promise(sid, now, history, out);
        }
    }

    /// A server's promise counts. When a quorum has promised, the history is settled: it is ours.
    fn promise(
        &mut self,
        server: ServerId,
        now: Monotonic,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        let Phase::AwaitingPromises {
            epoch, promised, ..
        } = &mut self.phase
        else {
            return;
        };
        promised.insert(server);
        if !is_quorum_with(self.me, promised, &self.membership) {
            return;
        }
        let epoch = *epoch;
        tracing::debug!(sid = %self.me, %epoch, "a quorum has promised the epoch");
        self.phase = Phase::Synchronising {
            epoch,
            acked: AckSet::new(self.membership.clone()),
            since: now,
        };
        out.push(LeaderOutput::SaveCurrentEpoch(epoch));
        self.sync_all(history, out);
    }

    /// A leader that has waited long enough for an epoch, and is abandoned by those who voted for
    /// it, gives up (ZOOKEEPER-3109: it would hold up the voters' new election). It need not wait when so
    /// many have left that the rest is no quorum: some elected it while its peers were still voting, and
    /// Apache's leader would sit there up to `initLimit`.
    pub(super) fn on_voter_looks(
        &mut self,
        voter: ServerId,
        has_left: bool,
        now: Monotonic,
        out: &mut Vec<LeaderOutput>,
    ) {
        let Phase::ChoosingEpoch { left, since, .. } = &mut self.phase else {
            return;
        };
        let committed = self.membership.committed();
        if !committed.voters().contains(&voter) {
            return;
        }
        if has_left {
            left.insert(voter);
        }
        let is_over = |max| now.since(*since) >= max;
        let has_waited = self.options.wait_for_epoch_max_ms.is_some_and(is_over);
        if has_waited || !committed.has_quorum(|server| !left.contains(&server)) {
            self.step_down(StepDown::Abandoned, out);
        }
    }
}

/// Whether these, with `me` among them, are a quorum of the committed view.
fn is_quorum_with(me: ServerId, servers: &BTreeSet<ServerId>, membership: &Membership) -> bool {
    let committed = membership.committed();
    servers.contains(&me) && committed.has_quorum(|server| servers.contains(&server))
}
