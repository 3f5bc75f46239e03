//! Broadcast: what a learner does while it serves clients. `Follower.processPacket` and
//! `Observer.processPacket`, and what goes to the leader for its clients.

use super::{End, Learner, LearnerOutput, history::History, unexpected};
use crate::base::{SessionId, Zxid};
use crate::zab::{LearnerKind, LearnerRequest, ToLeader, ToLearner};

impl Learner {
    /// Passes on a client's request: a write, a sync, the beginning or the end of a session. Like
    /// the other messages here it goes nowhere unless this serves: the term it was for is over.
    pub fn forward(&mut self, request: LearnerRequest, out: &mut Vec<LearnerOutput>) {
        self.tell(&ToLeader::Request(request), out);
    }

    /// Asks whether a session that a client came back with is alive.
    pub fn revalidate(
        &mut self,
        session: SessionId,
        timeout_ms: i32,
        out: &mut Vec<LearnerOutput>,
    ) {
        let ask = ToLeader::Revalidate {
            session,
            timeout_ms,
        };
        self.tell(&ask, out);
    }

    /// Answers [`LearnerOutput::Ping`] with the sessions heard of since the last one; with several
    /// packets if they are more than a leader of Apache's reads from one.
    pub fn answer_ping(
        &mut self,
        zxid: Zxid,
        touched: Vec<(SessionId, i32)>,
        out: &mut Vec<LearnerOutput>,
    ) {
        let mut rest = touched;
        loop {
            let more = rest.split_off(rest.len().min(TOUCHED_MAX));
            let touched = std::mem::replace(&mut rest, more);
            self.tell(&ToLeader::Ping { zxid, touched }, out);
            if rest.is_empty() {
                return;
            }
        }
    }

    fn tell(&self, packet: &ToLeader, out: &mut Vec<LearnerOutput>) {
        if self.is_serving() {
            out.push(LearnerOutput::Send(packet.to_bytes()));
        }
    }
}

/// Sessions in one answer to a ping: 12 bytes each, and a buffer has less than 1 MiB by default.
const TOUCHED_MAX: usize = 64 * 1024;

pub(super) fn on_packet(
    history: &mut History,
    packet: ToLearner,
    out: &mut Vec<LearnerOutput>,
) -> Result<(), End> {
    match packet {
        // An observer that serves hears of a transaction when it is committed.
        ToLearner::Proposal { .. }
        | ToLearner::Commit { .. }
        | ToLearner::CommitAndActivate { .. }
            if history.kind() == LearnerKind::Observer => {}
        ToLearner::Proposal { zxid, payload } => history.propose(zxid, payload, out)?,
        ToLearner::Commit { zxid } => history.commit(zxid, None, out)?,
        ToLearner::CommitAndActivate { zxid, leader } => {
            history.commit(zxid, Some(leader), out)?;
        }
        ToLearner::Inform { zxid, payload } => history.inform(zxid, payload, None, out)?,
        ToLearner::InformAndActivate {
            zxid,
            leader,
            payload,
        } => history.inform(zxid, payload, Some(leader), out)?,
        ToLearner::Ping { zxid } => out.push(LearnerOutput::Ping { zxid }),
        ToLearner::Revalidate { session, is_valid } => {
            out.push(LearnerOutput::Revalidated { session, is_valid });
        }
        ToLearner::Sync => out.push(LearnerOutput::Synced),
        ToLearner::UpToDate | ToLearner::Unknown { .. } => {
            tracing::warn!(?packet, "passing over a packet that means nothing here");
        }
        ToLearner::LeaderInfo { .. }
        | ToLearner::Diff { .. }
        | ToLearner::Trunc { .. }
        | ToLearner::Snap { .. }
        | ToLearner::NewLeader { .. } => return Err(unexpected(&packet)),
    }
    Ok(())
}
