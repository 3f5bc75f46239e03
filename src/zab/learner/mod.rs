//! The learner's side of ZAB, of a follower and of an observer: from the moment a leader is named
//! until it is left.
//!
//! In: [`LearnerInput`]s - the link, the leader's packets, what the disk has done, time. Out:
//! [`LearnerOutput`]s, to be carried out in order; those for the disk one after the other.
//!
//! ```text
//!  Dialling --link: FOLLOWERINFO--> Introduced --LEADERINFO: save the epoch--> Promising
//!                                        |                                         | saved:
//!                                        | LEADERINFO, promised before:            | ACKEPOCH
//!                                        | ACKEPOCH                                |
//!                                        +-----------------> Promised <------------+
//!                                                            |      |
//!               Truncating <----------------TRUNC------------+      |
//!                   | truncated                                     |
//!                   +--------------------> Syncing <---DIFF, SNAP---+
//!                                             | NEWLEADER, all on disk: ACK
//!                                             | UPTODATE: ACK
//!                                             v
//!                                          Serving
//!
//!  from any: silence, a missing transaction, a packet out of place --> Over
//! ```
//!
//! Invariants: a word is given only when the disk has what it promises: the epoch before ACKEPOCH;
//! the whole history, then the epoch as current, before the ACK of NEWLEADER; a transaction before
//! its own ACK, and none of those before the ACK of NEWLEADER. Transactions are taken in without a
//! hole and once. Of the history before NEWLEADER only what lies behind DIFF or TRUNC is logged as
//! it comes: what comes behind SNAP is in memory until the snapshot of it all is stored.
//!
//! # Differences from Apache
//!
//! * Behind DIFF and TRUNC transactions are logged as they come, and no snapshot is written: TRUNC
//!   has cut log and snapshots for good. The new epoch becomes the current one before its first
//!   transaction is logged, which is when the history before it is whole.
//! * Proposals that are not committed at NEWLEADER are logged, and acknowledged right behind it
//!   instead of after UPTODATE. A leader comes to read these ACKs when it has sent UPTODATE.
//! * What comes behind SNAP and is in the snapshot already is passed over; Apache applies it again.
//!   The state is whole up to the zxid of SNAP, and applying only a part of what led to it, as when
//!   NEWLEADER comes in between, would lead away from it.
//! * A history that does not lead to where TRUNC wants it cut ends the term, not the process: it may
//!   have come with the snapshot of a leader that was never established. The next leader is told that
//!   there is no data, and sends SNAP.
//! * A server whose disk does not take what it hears leaves its leader, and comes again when all is
//!   written; an observer's queue has no bound there.
//! * A later epoch has to start with its first transaction, and holes end the term at any time, not
//!   only before UPTODATE.
//!
//! | row | where |
//! |---|---|
//! | QP-051, QP-053 to QP-055 | `discovery` |
//! | QP-060, QP-091 | here: the deadline |
//! | QP-074, QP-087 | `discovery`, [`Learner::memory_is_ahead`] |
//! | QP-075, QP-076, QP-085, QP-086, QP-096, QP-100, QP-151 | `history` |
//! | QP-079 to QP-083, QP-092 | `sync`, `history` |
//! | QP-101 | `history` |
//! | QP-103 | `history`, `broadcast` |
//! | QP-106 | `broadcast`; which sessions were touched, the peer knows |
//!
//! Left to the driver: QP-062, the dial; QP-074, the stream behind SNAP, whose failure is a lost
//! link; QP-089, a log that the disk fails to cut. The disk is idle when a term begins: completions of
//! what an earlier term asked for have no place here.

mod broadcast;
mod discovery;
mod history;
mod sync;

#[cfg(test)]
mod tests;

use std::mem;

use bytes::Bytes;
use thiserror::Error;

use discovery::{Discovery, Truncating};
use history::History;
use sync::Syncing;

use super::{Committed, LearnerKind, Standing, ToLearner, ZabOptions};
use crate::base::{Epoch, Monotonic, ServerId, SessionId, Zxid};

/// What can happen to a learner.
#[derive(Debug, Clone)]
pub enum LearnerInput {
    /// The link to the leader is there.
    Connected,
    /// A packet. For SNAP the whole snapshot has been received with it and is at hand.
    Received(ToLearner),
    /// More of a snapshot has come.
    Receiving,
    AcceptedEpochSaved(Epoch),
    CurrentEpochSaved(Epoch),
    /// The log holds everything up to this, durably.
    Appended(Zxid),
    /// The log and the state end with this now.
    Truncated(Zxid),
    /// What is on disk does not lead to this, and is as it was.
    NotTruncated(Zxid),
    /// The state in memory is on disk as a snapshot.
    SnapshotStored(Zxid),
    /// Time has passed.
    Wake,
}

/// What a learner asks for, in order.
#[derive(Debug, Clone)]
pub enum LearnerOutput {
    /// Send the bytes of one packet or of several to the leader.
    Send(Bytes),
    SaveAcceptedEpoch(Epoch),
    /// After everything appended before it is durable.
    SaveCurrentEpoch(Epoch),
    Append {
        zxid: Zxid,
        payload: Bytes,
    },
    /// Forget, on disk and in memory, what lies behind this.
    Truncate(Zxid),
    /// The state that was received with the SNAP packet takes the place of the one in memory.
    InstallSnapshot {
        zxid: Zxid,
    },
    /// Write the state in memory, with all commits so far, to disk; what the log has is void.
    StoreSnapshot,
    /// Apply this to the state. In SNAP mode it is in no log.
    Commit {
        zxid: Zxid,
        payload: Bytes,
        /// It is a change of the members: what it says is in force from here on, and this server
        /// leads.
        activates: Option<ServerId>,
    },
    /// The leader's last seen configuration, as a text.
    Config(Bytes),
    /// Clients may be served. The term's epoch.
    Serve(Epoch),
    /// The leader asks for a sign of life: the peer answers with the sessions it has heard of.
    Ping {
        zxid: Zxid,
    },
    /// Whether a session that a client came back with is alive.
    Revalidated {
        session: SessionId,
        is_valid: bool,
    },
    /// The oldest sync that was forwarded is answered.
    Synced,
    /// The term is over for this server.
    Leave(LeaveReason),
    /// The server cannot go on.
    Exit {
        code: u8,
        reason: String,
    },
}

/// Why a learner leaves its leader.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LeaveReason {
    #[error("the leader has said nothing for too long")]
    Silent,
    #[error("the leader proposes epoch {proposed}, {accepted} was promised")]
    OldEpoch { proposed: Epoch, accepted: Epoch },
    #[error("the leader has stopped bringing this server up to date")]
    NotSynced,
    #[error("the leader sent {0}, which has no place there")]
    Unexpected(&'static str),
    #[error("the disk of this server has not taken {0} bytes of transactions")]
    DiskLags(usize),
    #[error("what is on disk does not lead to {0}, where the leader wants it cut")]
    NotTruncated(Zxid),
    #[error("transaction {found} came behind {last}: one is missing")]
    Hole { last: Zxid, found: Zxid },
}

/// One server's part in the term of another. See the module.
#[derive(Debug)]
pub struct Learner {
    me: ServerId,
    kind: LearnerKind,
    options: ZabOptions,
    /// What this server comes with.
    standing: Standing,
    /// The version of its committed configuration.
    config_version: i64,
    /// When the leader is given up. Every sign of life moves it on: by initLimit before the ACK of
    /// NEWLEADER, then by syncLimit.
    deadline: Monotonic,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Dialling,
    Discovering(Discovery),
    Truncating(Truncating),
    Syncing(Syncing),
    Serving(History),
    Over(Remains),
}

/// What a term leaves behind.
#[derive(Debug, Default)]
struct Remains {
    memory_is_ahead: bool,
    uncommitted: Vec<Committed>,
}

/// How a term ends from this side.
#[derive(Debug)]
enum End {
    Leave(LeaveReason),
    Exit { code: u8, reason: String },
}

impl From<LeaveReason> for End {
    fn from(reason: LeaveReason) -> Self {
        Self::Leave(reason)
    }
}

/// The last zxid of a server whose data is missing: it counts for nothing and gets a snapshot.
pub const NO_DATA: Zxid = Zxid(-1);

/// The leader commits what this server has not got next; Apache's code for it.
const EXIT_UNMATCHED_COMMIT: u8 = 12;

impl Learner {
    /// The election named a leader; the link is being dialled. A follower may be one that does not
    /// vote.
    pub fn new(
        me: ServerId,
        kind: LearnerKind,
        options: ZabOptions,
        standing: Standing,
        config_version: i64,
        now: Monotonic,
    ) -> Self {
        let Standing {
            accepted_epoch,
            current_epoch,
            last_zxid,
        } = standing;
        assert!(last_zxid >= NO_DATA, "before all history");
        assert!(accepted_epoch >= current_epoch, "joined without a promise");
        Self {
            me,
            kind,
            options,
            standing,
            config_version,
            deadline: now.after(options.init_limit.saturating_mul(options.tick_ms)),
            phase: Phase::Dialling,
        }
    }

    /// Takes in what happened. Once the term is over, nothing does.
    pub fn handle(&mut self, now: Monotonic, input: LearnerInput, out: &mut Vec<LearnerOutput>) {
        let Err(end) = self.step(now, input, out) else {
            return;
        };
        let remains = self.take_phase().into_remains();
        self.phase = Phase::Over(remains);
        out.push(match end {
            End::Leave(reason) => {
                tracing::debug!(sid = %self.me, %reason, "leaving the leader");
                LearnerOutput::Leave(reason)
            }
            End::Exit { code, reason } => LearnerOutput::Exit { code, reason },
        });
    }

    /// When this wants a [`LearnerInput::Wake`].
    pub fn next_deadline(&self) -> Option<Monotonic> {
        match self.phase {
            Phase::Over(_) => None,
            _ => Some(self.deadline),
        }
    }

    pub fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving(_))
    }

    /// The term's epoch, from when it is known until the term is over.
    pub fn epoch(&self) -> Option<Epoch> {
        match &self.phase {
            Phase::Dialling | Phase::Over(_) => None,
            Phase::Discovering(discovery) => discovery.epoch(),
            Phase::Truncating(truncating) => Some(truncating.epoch()),
            Phase::Syncing(Syncing { history, .. }) | Phase::Serving(history) => {
                Some(history.epoch())
            }
        }
    }

    /// The last transaction that the log is known to hold durably, or the snapshot below it; zero but
    /// while this serves.
    pub fn durable(&self) -> Zxid {
        match &self.phase {
            Phase::Serving(history) => history.durable(),
            _ => Zxid::ZERO,
        }
    }

    /// Whether memory is not what the disk has (a snapshot is not stored yet, the log is being
    /// cut): leaving now means reading the state back.
    pub fn memory_is_ahead(&self) -> bool {
        match &self.phase {
            Phase::Dialling | Phase::Discovering(_) => false,
            Phase::Truncating(_) => true,
            Phase::Syncing(Syncing { history, .. }) | Phase::Serving(history) => {
                history.memory_is_ahead()
            }
            Phase::Over(remains) => remains.memory_is_ahead,
        }
    }

    /// What is in the log, or on its way there, and not committed, in order: the state takes it in
    /// when this server leaves. Nothing while [`Learner::memory_is_ahead`]: reading the state back
    /// brings it.
    pub fn into_uncommitted(self) -> Vec<Committed> {
        self.phase.into_remains().uncommitted
    }

    fn step(
        &mut self,
        now: Monotonic,
        input: LearnerInput,
        out: &mut Vec<LearnerOutput>,
    ) -> Result<(), End> {
        if matches!(self.phase, Phase::Over(_)) {
            return Ok(());
        }
        match input {
            LearnerInput::Connected => self.introduce(out),
            LearnerInput::Received(packet) => return self.on_packet(now, packet, out),
            LearnerInput::Receiving => self.on_sign_of_life(now),
            LearnerInput::AcceptedEpochSaved(epoch) => self.on_accepted_epoch_saved(epoch, out),
            LearnerInput::CurrentEpochSaved(epoch) => {
                self.history_mut().on_current_epoch_saved(epoch);
                self.advance(now, out);
            }
            LearnerInput::Appended(zxid) => {
                self.history_mut().on_appended(zxid);
                self.advance(now, out);
            }
            LearnerInput::SnapshotStored(zxid) => {
                self.history_mut().on_snapshot_stored(zxid);
                self.advance(now, out);
            }
            LearnerInput::Truncated(zxid) => return self.on_truncated(now, zxid, out),
            LearnerInput::NotTruncated(zxid) => {
                return Err(LeaveReason::NotTruncated(zxid).into());
            }
            LearnerInput::Wake => return self.on_wake(now),
        }
        Ok(())
    }

    fn on_packet(
        &mut self,
        now: Monotonic,
        packet: ToLearner,
        out: &mut Vec<LearnerOutput>,
    ) -> Result<(), End> {
        self.on_sign_of_life(now);
        match &mut self.phase {
            Phase::Dialling => panic!("a packet came before the link"),
            Phase::Discovering(_) => self.on_discovery_packet(packet, out),
            Phase::Truncating(truncating) => truncating.hold(packet),
            Phase::Syncing(syncing) => {
                syncing.on_packet(packet, out)?;
                self.advance(now, out);
                Ok(())
            }
            Phase::Serving(history) => broadcast::on_packet(history, packet, out),
            Phase::Over(_) => Ok(()),
        }
    }

    fn on_sign_of_life(&mut self, now: Monotonic) {
        self.deadline = now.after(if self.has_acknowledged() {
            self.sync_limit_ms()
        } else {
            self.init_limit_ms()
        });
    }

    /// Says what can be said now that more may be on disk.
    fn advance(&mut self, now: Monotonic, out: &mut Vec<LearnerOutput>) {
        match &mut self.phase {
            Phase::Syncing(syncing) => {
                let had_acknowledged = syncing.history.has_acknowledged();
                let is_done = syncing.advance(out);
                if !had_acknowledged && syncing.history.has_acknowledged() {
                    self.deadline = now.after(self.sync_limit_ms());
                }
                if is_done {
                    self.become_serving(out);
                }
            }
            Phase::Serving(history) => history.acknowledge(out),
            Phase::Dialling | Phase::Discovering(_) | Phase::Truncating(_) | Phase::Over(_) => {}
        }
    }

    fn become_serving(&mut self, out: &mut Vec<LearnerOutput>) {
        let Phase::Syncing(Syncing { history, .. }) = self.take_phase() else {
            panic!("service begins when history is whole");
        };
        let epoch = history.epoch();
        tracing::debug!(sid = %self.me, %epoch, zxid = %history.committed(), "serving");
        self.phase = Phase::Serving(history);
        out.push(LearnerOutput::Serve(epoch));
    }

    fn on_wake(&self, now: Monotonic) -> Result<(), End> {
        if now < self.deadline {
            return Ok(());
        }
        Err(End::Leave(if self.has_acknowledged() {
            LeaveReason::Silent
        } else {
            LeaveReason::NotSynced
        }))
    }

    /// Whether NEWLEADER was acknowledged, from when on the leader may not be silent.
    fn has_acknowledged(&self) -> bool {
        match &self.phase {
            Phase::Syncing(Syncing { history, .. }) | Phase::Serving(history) => {
                history.has_acknowledged()
            }
            _ => false,
        }
    }

    fn init_limit_ms(&self) -> u64 {
        self.options.init_limit.saturating_mul(self.options.tick_ms)
    }

    fn sync_limit_ms(&self) -> u64 {
        self.options.sync_limit.saturating_mul(self.options.tick_ms)
    }

    fn history_mut(&mut self) -> &mut History {
        match &mut self.phase {
            Phase::Syncing(Syncing { history, .. }) | Phase::Serving(history) => history,
            _ => panic!("the disk has done what nobody asked for"),
        }
    }

    fn take_phase(&mut self) -> Phase {
        mem::replace(&mut self.phase, Phase::Over(Remains::default()))
    }
}

impl Phase {
    fn into_remains(self) -> Remains {
        match self {
            Self::Dialling | Self::Discovering(_) => Remains::default(),
            Self::Truncating(_) => Remains {
                memory_is_ahead: true,
                uncommitted: Vec::new(),
            },
            Self::Syncing(Syncing { history, .. }) | Self::Serving(history) => Remains {
                memory_is_ahead: history.memory_is_ahead(),
                uncommitted: history.into_uncommitted(),
            },
            Self::Over(remains) => remains,
        }
    }
}

/// A packet that may not come there.
fn unexpected(packet: &ToLearner) -> End {
    End::Leave(LeaveReason::Unexpected(match packet {
        ToLearner::LeaderInfo { .. } => "LEADERINFO",
        ToLearner::Diff { .. } => "DIFF",
        ToLearner::Trunc { .. } => "TRUNC",
        ToLearner::Snap { .. } => "SNAP",
        ToLearner::Proposal { .. } => "PROPOSAL",
        ToLearner::Commit { .. } => "COMMIT",
        ToLearner::CommitAndActivate { .. } => "COMMITANDACTIVATE",
        ToLearner::Inform { .. } => "INFORM",
        ToLearner::InformAndActivate { .. } => "INFORMANDACTIVATE",
        ToLearner::NewLeader { .. } => "NEWLEADER",
        ToLearner::UpToDate => "UPTODATE",
        ToLearner::Ping { .. } => "PING",
        ToLearner::Revalidate { .. } => "REVALIDATE",
        ToLearner::Sync => "SYNC",
        ToLearner::Unknown { .. } => "a packet of an unknown type",
    }))
}
