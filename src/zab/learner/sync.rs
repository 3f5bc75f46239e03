//! Synchronisation: from the leader's choice to UPTODATE. `Learner.syncWithLeader`.
//!
//! Invariants: NEWLEADER is acknowledged when all that came before it is on disk and the epoch is
//! saved as current, and before any transaction is; service begins after both that and UPTODATE,
//! with all commits that came before it given out.

use super::{End, LearnerOutput, LeaveReason, history::History, unexpected};
use crate::base::{Epoch, Zxid};
use crate::zab::{ToLeader, ToLearner};

/// A learner that is being brought up to date.
#[derive(Debug)]
pub(super) struct Syncing {
    pub(super) history: History,
    /// UPTODATE came.
    is_up_to_date: bool,
}

impl Syncing {
    pub(super) fn new(history: History) -> Self {
        Self {
            history,
            is_up_to_date: false,
        }
    }

    pub(super) fn on_packet(
        &mut self,
        packet: ToLearner,
        out: &mut Vec<LearnerOutput>,
    ) -> Result<(), End> {
        match packet {
            ToLearner::Proposal { zxid, payload } => self.history.propose(zxid, payload, out),
            ToLearner::Commit { zxid } => self.history.commit(zxid, None, out),
            ToLearner::CommitAndActivate { zxid, leader } => {
                self.history.commit(zxid, Some(leader), out)
            }
            ToLearner::Inform { zxid, payload } => self.history.inform(zxid, payload, None, out),
            ToLearner::InformAndActivate {
                zxid,
                leader,
                payload,
            } => self.history.inform(zxid, payload, Some(leader), out),
            ToLearner::NewLeader { zxid, config } => {
                if zxid.epoch() != self.history.epoch() || self.history.is_complete() {
                    return Err(LeaveReason::Unexpected("another NEWLEADER").into());
                }
                if let Some(config) = config.filter(|text| text.len() > EMPTY_CONFIG_BYTES) {
                    out.push(LearnerOutput::Config(config));
                }
                self.history.complete(out);
                Ok(())
            }
            ToLearner::UpToDate => {
                if !self.history.is_complete() {
                    return Err(LeaveReason::Unexpected("UPTODATE before NEWLEADER").into());
                }
                self.is_up_to_date = true;
                Ok(())
            }
            // Signs of life; answers begin with service.
            ToLearner::Ping { .. }
            | ToLearner::Revalidate { .. }
            | ToLearner::Sync
            | ToLearner::Unknown { .. } => Ok(()),
            ToLearner::LeaderInfo { .. }
            | ToLearner::Diff { .. }
            | ToLearner::Trunc { .. }
            | ToLearner::Snap { .. } => Err(unexpected(&packet)),
        }
    }

    /// Acknowledges what has come to be on disk. Returns whether service may begin.
    pub(super) fn advance(&mut self, out: &mut Vec<LearnerOutput>) -> bool {
        if !self.history.has_acknowledged() {
            if !self.history.is_whole() {
                return false;
            }
            out.push(acknowledge_new_leader(self.history.epoch()));
            self.history.begin_acknowledging();
        }
        self.history.acknowledge(out);
        if self.is_up_to_date {
            // Apache's learner says this a second time, for UPTODATE.
            out.push(acknowledge_new_leader(self.history.epoch()));
        }
        self.is_up_to_date
    }
}

/// A configuration of this length or less is none.
const EMPTY_CONFIG_BYTES: usize = 1;

fn acknowledge_new_leader(epoch: Epoch) -> LearnerOutput {
    let ack = ToLeader::Ack {
        zxid: Zxid::start_of(epoch),
    };
    LearnerOutput::Send(ack.to_bytes())
}
