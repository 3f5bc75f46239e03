//! From the link to the leader's choice of DIFF, TRUNC or SNAP: which epoch this is, and what this
//! server has of its history. `Learner.registerWithLeader`.
//!
//! Invariants: the epoch in an ACKEPOCH is on disk as accepted; accepted epochs only rise.

use std::cmp::Ordering;

use super::{
    End, Learner, LearnerOutput, LeaveReason, NO_DATA, Phase, history::BYTES_HELD_MAX,
    history::History, sync::Syncing, unexpected,
};
use crate::base::{Epoch, Monotonic, Zxid};
use crate::zab::{LearnerIdentity, LearnerKind, PROTOCOL_VERSION, ToLeader, ToLearner};

/// How far discovery is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Discovery {
    /// The leader knows who this is.
    Introduced,
    /// The epoch is being saved as accepted.
    Promising(Epoch),
    /// ACKEPOCH was sent: the leader knows what this server has.
    Promised(Epoch),
}

impl Discovery {
    pub(super) fn epoch(self) -> Option<Epoch> {
        match self {
            Self::Introduced => None,
            Self::Promising(epoch) | Self::Promised(epoch) => Some(epoch),
        }
    }
}

impl Learner {
    /// The link is there: who this is, and what it has promised.
    pub(super) fn introduce(&mut self, out: &mut Vec<LearnerOutput>) {
        assert!(
            matches!(self.phase, Phase::Dialling),
            "one link to a leader"
        );
        let info = ToLeader::Info {
            kind: self.kind,
            accepted_epoch: self.standing.accepted_epoch,
            info: Some(LearnerIdentity {
                sid: self.me,
                protocol_version: PROTOCOL_VERSION,
                config_version: self.config_version,
            }),
        };
        out.push(LearnerOutput::Send(info.to_bytes()));
        self.phase = Phase::Discovering(Discovery::Introduced);
    }

    pub(super) fn on_discovery_packet(
        &mut self,
        packet: ToLearner,
        out: &mut Vec<LearnerOutput>,
    ) -> Result<(), End> {
        let Phase::Discovering(discovery) = self.phase else {
            panic!("discovery is over");
        };
        match (discovery, packet) {
            (_, ToLearner::Ping { .. } | ToLearner::Unknown { .. }) => {}
            (Discovery::Introduced, ToLearner::LeaderInfo { epoch, .. }) => {
                self.on_leader_info(epoch, out)?;
            }
            (Discovery::Promised(_), ToLearner::Diff { .. }) if self.has_no_data() => {
                return Err(LeaveReason::Unexpected("DIFF to a server without data").into());
            }
            (Discovery::Promised(epoch), ToLearner::Diff { zxid }) => {
                self.log_sync("DIFF", epoch, zxid);
                // The zxid is where the history will end. What this server has moves only with
                // what arrives.
                let history = History::on_disk(self.kind, epoch, self.standing.last_zxid);
                self.phase = Phase::Syncing(Syncing::new(history));
            }
            (Discovery::Promised(epoch), ToLearner::Trunc { zxid }) => {
                self.log_sync("TRUNC", epoch, zxid);
                self.truncate(epoch, zxid, out)?;
            }
            (Discovery::Promised(epoch), ToLearner::Snap { zxid }) => {
                self.log_sync("SNAP", epoch, zxid);
                self.take_snapshot(epoch, zxid, out)?;
            }
            // This includes NEWLEADER in place of LEADERINFO, which leaders before 3.4 sent.
            (_, packet) => return Err(unexpected(&packet)),
        }
        Ok(())
    }

    fn on_leader_info(&mut self, proposed: Epoch, out: &mut Vec<LearnerOutput>) -> Result<(), End> {
        let accepted = self.standing.accepted_epoch;
        match proposed.cmp(&accepted) {
            Ordering::Less => return Err(LeaveReason::OldEpoch { proposed, accepted }.into()),
            Ordering::Equal => self.acknowledge_epoch(proposed, None, out),
            Ordering::Greater => {
                out.push(LearnerOutput::SaveAcceptedEpoch(proposed));
                self.phase = Phase::Discovering(Discovery::Promising(proposed));
            }
        }
        Ok(())
    }

    pub(super) fn on_accepted_epoch_saved(&mut self, epoch: Epoch, out: &mut Vec<LearnerOutput>) {
        let Phase::Discovering(Discovery::Promising(promised)) = self.phase else {
            panic!("an epoch was saved that nobody proposed");
        };
        assert_eq!(promised, epoch, "another epoch was to be saved");
        assert!(epoch > self.standing.accepted_epoch, "accepted epochs rise");
        self.standing.accepted_epoch = epoch;
        self.acknowledge_epoch(epoch, Some(self.standing.current_epoch), out);
    }

    /// `current_epoch` is `None` from a server that had promised this epoch before: it counted then.
    fn acknowledge_epoch(
        &mut self,
        epoch: Epoch,
        current_epoch: Option<Epoch>,
        out: &mut Vec<LearnerOutput>,
    ) {
        assert_eq!(
            self.standing.accepted_epoch, epoch,
            "saved before it is said"
        );
        let ack = ToLeader::AckEpoch {
            last_zxid: self.standing.last_zxid,
            current_epoch,
        };
        out.push(LearnerOutput::Send(ack.to_bytes()));
        self.phase = Phase::Discovering(Discovery::Promised(epoch));
    }

    fn has_no_data(&self) -> bool {
        self.standing.last_zxid == NO_DATA
    }

    fn truncate(
        &mut self,
        epoch: Epoch,
        zxid: Zxid,
        out: &mut Vec<LearnerOutput>,
    ) -> Result<(), End> {
        if zxid < Zxid::ZERO || zxid > self.standing.last_zxid {
            return Err(LeaveReason::Unexpected("TRUNC to what is not there").into());
        }
        out.push(LearnerOutput::Truncate(zxid));
        self.phase = Phase::Truncating(Truncating {
            kind: self.kind,
            epoch,
            zxid,
            held: Vec::new(),
            held_bytes: 0,
        });
        Ok(())
    }

    fn take_snapshot(
        &mut self,
        epoch: Epoch,
        zxid: Zxid,
        out: &mut Vec<LearnerOutput>,
    ) -> Result<(), End> {
        if zxid < Zxid::ZERO || zxid.epoch() > epoch {
            return Err(LeaveReason::Unexpected("SNAP of another term").into());
        }
        out.push(LearnerOutput::InstallSnapshot { zxid });
        let history = History::in_memory(self.kind, epoch, zxid);
        self.phase = Phase::Syncing(Syncing::new(history));
        Ok(())
    }

    /// Log and state are cut: what came meanwhile has its turn.
    pub(super) fn on_truncated(
        &mut self,
        now: Monotonic,
        zxid: Zxid,
        out: &mut Vec<LearnerOutput>,
    ) -> Result<(), End> {
        let Phase::Truncating(truncating) = self.take_phase() else {
            panic!("a log was cut that nobody wanted cut");
        };
        assert_eq!(truncating.zxid, zxid, "the log was to be cut elsewhere");
        let history = History::on_disk(truncating.kind, truncating.epoch, zxid);
        self.phase = Phase::Syncing(Syncing::new(history));
        for packet in truncating.held {
            self.on_packet(now, packet, out)?;
        }
        Ok(())
    }

    fn log_sync(&self, mode: &'static str, epoch: Epoch, zxid: Zxid) {
        let last = self.standing.last_zxid;
        tracing::debug!(sid = %self.me, %epoch, %zxid, %last, mode, "synchronising");
    }
}

/// The log is being cut; until then memory is of no use.
#[derive(Debug)]
pub(super) struct Truncating {
    kind: LearnerKind,
    epoch: Epoch,
    /// What log and state will end with.
    zxid: Zxid,
    /// What came meanwhile, in order.
    held: Vec<ToLearner>,
    held_bytes: usize,
}

impl Truncating {
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Keeps a packet until the log is cut. At the bound the leader is left.
    pub(super) fn hold(&mut self, packet: ToLearner) -> Result<(), End> {
        let payload_bytes = match &packet {
            ToLearner::Ping { .. } | ToLearner::Unknown { .. } => return Ok(()),
            ToLearner::Proposal { payload, .. }
            | ToLearner::Inform { payload, .. }
            | ToLearner::InformAndActivate { payload, .. }
            | ToLearner::NewLeader {
                config: Some(payload),
                ..
            } => payload.len(),
            _ => 0,
        };
        self.held_bytes += size_of::<ToLearner>() + payload_bytes;
        if self.held_bytes > BYTES_HELD_MAX {
            return Err(LeaveReason::Unexpected("more than can be held").into());
        }
        self.held.push(packet);
        Ok(())
    }
}
