//! The leader's side: from the election that was won to the end of the term.
//!
//! ```text
//!  discovery                               synchronisation            broadcast
//!  ChoosingEpoch -> SavingEpoch -> AwaitingPromises -> Synchronising -> Broadcasting -> Over
//!    a quorum       saved: LEADER-    a quorum has       own epoch        StepDown
//!    has joined     INFO to all       promised           saved, NEWLEADER
//!                                                        acked by a quorum
//! ```
//!
//! A learner goes its own way beside that, see `learner`: one that comes late passes through
//! what the others waited for.
//!
//! What a learner lacks is decided on, and all that happens from then on is queued behind it, within
//! one call: nothing that is committed meanwhile is lost or comes twice. Proposals go to every
//! follower that has been sent the history, whether or not it has acknowledged it: the COMMIT it
//! will get needs them.
//!
//! The peer pushes each [`LeaderOutput::Committed`] into the window before it feeds anything else,
//! appends what it proposes to its own log itself, and takes off the window's pin when it drops a
//! leader.
//!
//! Deviations from Apache, all towards safety: a history that may have been cut across an epoch
//! (`catch_up::plan`) or of which nothing is known gets a snapshot; ACKs of proposals that overtake the
//! ACK of NEWLEADER are kept for it; the counter's last number is committed before the term ends; a
//! leader whose disk hangs gives way to those that go on without it.
//! Time is counted in ticks of which none is made up for, so that a process that was stopped does
//! not take its learners for silent.
//!
//! | row | where |
//! |---|---|
//! | QP-052, QP-053, QP-055 to QP-061 | `discovery` |
//! | QP-063 to QP-073 | `catch_up::plan` |
//! | QP-075 to QP-078, QP-084, QP-090 | `sync` |
//! | QP-093 | [`Leader::committed`], [`LeaderOutput::Established`]; the state keeps its zxid until there is a transaction |
//! | QP-097 to QP-099, QP-102, QP-103, QP-107, QP-113 | `broadcast` |
//! | QP-110 | the peer: sessions are not known here |
//! | QP-111, QP-112 | `liveness` |
//! | QP-114 | `catch_up::plan`: the own log is committed history |
//! | QP-126, QP-130 to QP-132 | `reconfig` |
//! | 2.8, QP-046 | `discovery`: [`LeaderInput::VoterLooks`] |

mod broadcast;
mod discovery;
mod learner;
pub(in crate::zab) mod liveness;
mod reconfig;
mod sync;

#[cfg(test)]
pub(in crate::zab) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use broadcast::Proposals;
use learner::Learner;
use liveness::{Ticks, Unacknowledged};

use super::catch_up::queue::LinkOutput;
use super::{
    LearnerKind, LearnerRequest, LogProbe, Recent, Standing, StreamItem, ToLeader, ToLearner,
    ZabOptions,
};
use crate::base::{Epoch, Monotonic, QuorumLink, ServerId, SessionId, Zxid};
use crate::quorum::{AckSet, Membership, QuorumView};

/// What can happen to a leader.
#[derive(Debug, Clone)]
pub enum LeaderInput {
    /// A learner has dialled in.
    Connected {
        link: QuorumLink,
    },
    Received {
        link: QuorumLink,
        packet: ToLeader,
    },
    /// The link is closed, by the other side or by a failure.
    Gone {
        link: QuorumLink,
    },
    AcceptedEpochSaved(Epoch),
    CurrentEpochSaved(Epoch),
    /// The own log holds everything up to this, durably.
    Appended(Zxid),
    /// The answer to [`LeaderOutput::ProbeLog`]; `None`: the log cannot serve.
    LogProbed {
        link: QuorumLink,
        found: Option<LogProbe>,
    },
    /// What was asked for by a [`LeaderOutput::Stream`] is sent. Until then the learner is not
    /// expected to say anything.
    Streamed {
        link: QuorumLink,
    },
    /// A voter is looking for a leader although this one's election may rest on its vote. `has_left`: it
    /// votes for a better candidate, or in a later election, so it will not come by itself.
    VoterLooks {
        voter: ServerId,
        has_left: bool,
    },
    /// Time has passed.
    Wake,
}

/// What a leader asks for, in order.
#[derive(Debug, Clone)]
pub enum LeaderOutput {
    /// Send the bytes of one packet or of several.
    Send {
        link: QuorumLink,
        packets: Bytes,
    },
    /// Send what is too much to pass through here, in its place among the packets;
    /// [`LeaderInput::Streamed`] answers.
    Stream {
        link: QuorumLink,
        item: StreamItem,
    },
    /// Close the link behind what is sent; no answer.
    Close {
        link: QuorumLink,
        reason: CloseReason,
    },
    SaveAcceptedEpoch(Epoch),
    SaveCurrentEpoch(Epoch),
    /// Look whether the log on disk has what lies behind `after`, up to `upto`, and is small enough.
    ProbeLog {
        link: QuorumLink,
        after: Zxid,
        upto: Zxid,
    },
    /// This view is to be kept as the last seen one, durably before what is asked for behind it.
    ViewSeen(Arc<QuorumView>),
    /// This view is committed. From here on `leader` leads: if that is another server, nothing more
    /// is committed here.
    ViewCommitted {
        view: Arc<QuorumView>,
        leader: ServerId,
    },
    /// A quorum has this leader's history under this epoch: the term begins.
    Established(Epoch),
    /// The next proposal is committed. One for each, in order.
    Committed {
        zxid: Zxid,
        payload: Bytes,
    },
    /// A learner passes on a client's request. `sid` is the learner.
    Request {
        link: QuorumLink,
        sid: ServerId,
        request: LearnerRequest,
    },
    /// A learner has heard of these sessions; with their timeouts.
    Touched {
        link: QuorumLink,
        sessions: Vec<(SessionId, i32)>,
    },
    /// A client came back to a learner with its session: the peer answers it.
    Revalidate {
        link: QuorumLink,
        session: SessionId,
        timeout_ms: i32,
    },
    /// The term is over.
    StepDown(StepDown),
}

impl LinkOutput for LeaderOutput {
    fn send(link: QuorumLink, packets: Bytes) -> Self {
        Self::Send { link, packets }
    }

    fn stream(link: QuorumLink, item: StreamItem) -> Self {
        Self::Stream { link, item }
    }
}

/// Why a leader, or a follower that serves observers, closes the link of a learner.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloseReason {
    #[error("too many learners are connected")]
    TooMany,
    #[error("its first packet is neither FOLLOWERINFO nor OBSERVERINFO")]
    NotALearner,
    #[error("its first packet is not OBSERVERINFO")]
    NotAnObserver,
    #[error("it has the id of this server")]
    OwnId,
    #[error("it has promised the last epoch there is")]
    LastEpoch,
    #[error("it has promised epoch {0}, which is later than this one")]
    LaterEpoch(Epoch),
    #[error("it has more of this term than has come here in time")]
    Ahead,
    #[error("it knows a configuration that is newer than ours")]
    NewerConfig,
    #[error("it answered LEADERINFO with something other than ACKEPOCH")]
    NoAckEpoch,
    #[error("its history (epoch {epoch}, zxid {zxid}) is longer than the leader's")]
    MoreRecent { epoch: Epoch, zxid: Zxid },
    #[error("it sent {0}, which has no place there")]
    OutOfTurn(&'static str),
    #[error("it has said nothing for too long")]
    Silent,
    #[error("it has not acknowledged a proposal for too long")]
    Lagging,
    #[error("too many observers are catching up")]
    Busy,
    #[error("the same server has dialled in again")]
    Replaced,
}

/// Why a leader stops leading.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StepDown {
    #[error("no quorum has joined in time: {0}")]
    NotEstablished(&'static str),
    #[error("its voters are looking for another leader")]
    Abandoned,
    #[error("a quorum of synced voters is gone")]
    QuorumLost,
    #[error("its disk has not taken a proposal for too long, and the others can go on without it")]
    OwnDiskLags,
    #[error("the counter of the epoch is used up")]
    CounterUsedUp,
    #[error("the new configuration has another leader, and the followers have left for it")]
    HandedOver,
}

/// What an operator may see of a leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderReport {
    /// `None` while it is being chosen.
    pub epoch: Option<Epoch>,
    pub is_established: bool,
    pub committed: Zxid,
    /// Proposals that are not committed yet.
    pub proposals: usize,
    /// Syncs of learners' clients that wait for what was proposed before them.
    pub pending_syncs: usize,
    /// By link.
    pub learners: Vec<LearnerReport>,
}

/// One learner in a [`LeaderReport`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnerReport {
    pub link: QuorumLink,
    pub sid: ServerId,
    pub kind: LearnerKind,
    /// Whether its acknowledgements count.
    pub is_voter: bool,
    /// Whether it has the history of the term.
    pub is_synced: bool,
}

/// Links of learners, those that have said nothing yet included. At the bound new ones are closed.
const LINKS_MAX: usize = 4096;

/// The highest counter a transaction may have; after it the term ends.
const LAST_COUNTER: u32 = 0xffff_fffe;

/// See the module.
#[derive(Debug)]
pub struct Leader {
    me: ServerId,
    options: ZabOptions,
    membership: Arc<Membership>,
    standing: Standing,
    phase: Phase,
    /// Links that have said nothing yet, with the tick up to which they may be silent.
    strangers: BTreeMap<QuorumLink, u64>,
    /// Invariant: no two have the same id.
    learners: BTreeMap<QuorumLink, Learner>,
    ticks: Ticks,
    /// What the own disk has not taken.
    unappended: Unacknowledged,
    /// The id for the next learner that has none; falls.
    nameless: ServerId,
    /// Whether a learner is ready but the state in memory is behind the window.
    waits_for_state: bool,
    /// What the own log had when it lacked what comes next for a learner that is fed.
    awaits_disk: Option<Zxid>,
    has_pinned: bool,
}

#[derive(Debug)]
enum Phase {
    /// The epoch is one more than the highest that this server and those that have joined promised.
    ChoosingEpoch {
        epoch: Epoch,
        joined: BTreeSet<ServerId>,
        /// The voters that vote elsewhere and have not come since.
        left: BTreeSet<ServerId>,
        since: Monotonic,
    },
    SavingEpoch {
        epoch: Epoch,
    },
    AwaitingPromises {
        epoch: Epoch,
        promised: BTreeSet<ServerId>,
        since: Monotonic,
    },
    Synchronising {
        epoch: Epoch,
        /// Who has the history of the epoch; this server when it has saved the epoch.
        acked: AckSet,
        since: Monotonic,
    },
    Broadcasting(Proposals),
    Over,
}

/// What a leader has to send its learners from.
struct History<'a> {
    recent: &'a mut Recent,
    applied: Zxid,
}

impl Leader {
    /// Begins a term's discovery: the election is won. What it asks for at once is appended to `out`.
    pub fn new(
        me: ServerId,
        options: ZabOptions,
        membership: Arc<Membership>,
        standing: Standing,
        now: Monotonic,
        out: &mut Vec<LeaderOutput>,
    ) -> Self {
        assert!(
            standing.accepted_epoch >= standing.current_epoch
                && standing.current_epoch >= standing.last_zxid.epoch(),
            "epochs are promised, then entered, then written in: {standing:?}"
        );
        let mut leader = Self {
            me,
            options,
            membership,
            standing,
            phase: Phase::ChoosingEpoch {
                epoch: standing.accepted_epoch,
                joined: BTreeSet::new(),
                left: BTreeSet::new(),
                since: now,
            },
            strangers: BTreeMap::new(),
            learners: BTreeMap::new(),
            ticks: Ticks::new(options.tick_ms, now),
            unappended: Unacknowledged::default(),
            nameless: ServerId(-1),
            waits_for_state: false,
            awaits_disk: None,
            has_pinned: false,
        };
        leader.join(me, standing.accepted_epoch, true, out);
        leader
    }

    /// Takes one input; what follows from it is appended to `out`, in order. `recent` ends with the
    /// last transaction that is committed, `applied` is the last one in the state in memory.
    pub fn handle(
        &mut self,
        now: Monotonic,
        recent: &mut Recent,
        applied: Zxid,
        input: LeaderInput,
        out: &mut Vec<LeaderOutput>,
    ) {
        let mut history = History { recent, applied };
        if self.waits_for_state {
            self.sync_all(&mut history, out);
        }
        if self.awaits_disk.is_some_and(|then| self.durable() > then) {
            self.feed_all(&mut history, out);
        }
        match input {
            LeaderInput::Connected { link } => self.on_connected(link, out),
            LeaderInput::Received { link, packet } => {
                self.on_packet(link, packet, now, &mut history, out);
            }
            LeaderInput::Gone { link } => self.on_gone(link, out),
            LeaderInput::AcceptedEpochSaved(saved) => {
                self.on_accepted_epoch_saved(saved, now, &mut history, out);
            }
            LeaderInput::CurrentEpochSaved(saved) => self.on_current_epoch_saved(saved, out),
            LeaderInput::Appended(zxid) => self.on_appended(zxid, out),
            LeaderInput::LogProbed { link, found } => {
                self.on_log_probed(link, found, &mut history, out);
            }
            LeaderInput::Streamed { link } => self.on_streamed(link, &mut history, out),
            LeaderInput::VoterLooks { voter, has_left } => {
                self.on_voter_looks(voter, has_left, now, out);
            }
            LeaderInput::Wake => self.on_wake(now, out),
        }
        self.maybe_unpin(recent);
    }

    /// When to be woken, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        if matches!(self.phase, Phase::Over) {
            return None;
        }
        let beat = self.ticks.next_beat();
        let wait = self.wait_deadline();
        Some(wait.map_or(beat, |wait| wait.min(beat)))
    }

    /// The term's epoch, once it is chosen.
    pub fn epoch(&self) -> Option<Epoch> {
        match &self.phase {
            Phase::ChoosingEpoch { .. } | Phase::Over => None,
            Phase::SavingEpoch { epoch }
            | Phase::AwaitingPromises { epoch, .. }
            | Phase::Synchronising { epoch, .. } => Some(*epoch),
            Phase::Broadcasting(proposals) => Some(proposals.epoch()),
        }
    }

    /// Whether the term has begun, and not ended.
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Broadcasting(_))
    }

    /// The last transaction that this term has committed, the start of its epoch until there is one;
    /// zero before the term begins.
    pub fn committed(&self) -> Zxid {
        match &self.phase {
            Phase::Broadcasting(proposals) => proposals.committed(),
            _ => Zxid::ZERO,
        }
    }

    pub fn report(&self) -> LeaderReport {
        let learners = self.learners.iter().map(|(link, learner)| LearnerReport {
            link: *link,
            sid: learner.sid,
            kind: learner.kind,
            is_voter: self.is_voting(learner),
            is_synced: learner.is_synced(),
        });
        LeaderReport {
            epoch: self.epoch(),
            is_established: self.is_established(),
            committed: self.committed(),
            proposals: match &self.phase {
                Phase::Broadcasting(proposals) => proposals.len(),
                _ => 0,
            },
            pending_syncs: match &self.phase {
                Phase::Broadcasting(proposals) => proposals.pending_syncs(),
                _ => 0,
            },
            learners: learners.collect(),
        }
    }

    fn on_connected(&mut self, link: QuorumLink, out: &mut Vec<LeaderOutput>) {
        if self.strangers.len() + self.learners.len() >= LINKS_MAX {
            let reason = CloseReason::TooMany;
            out.push(LeaderOutput::Close { link, reason });
            return;
        }
        let silent_until = self.ticks.after(self.options.init_limit);
        self.strangers.insert(link, silent_until);
    }

    fn on_gone(&mut self, link: QuorumLink, out: &mut Vec<LeaderOutput>) {
        self.strangers.remove(&link);
        self.learners.remove(&link);
        self.maybe_hand_over(out);
    }

    /// Packets of a link that is closed already are passed over.
    fn on_packet(
        &mut self,
        link: QuorumLink,
        packet: ToLeader,
        now: Monotonic,
        history: &mut History<'_>,
        out: &mut Vec<LeaderOutput>,
    ) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        if self.strangers.remove(&link).is_some() {
            self.on_first_packet(link, packet, now, history, out);
            return;
        }
        let Some(learner) = self.learners.get(&link) else {
            return;
        };
        if learner.is_joining() {
            self.on_promise_packet(link, packet, now, history, out);
        } else if learner.is_synced() {
            self.on_synced_packet(link, packet, out);
        } else {
            self.on_sync_packet(link, packet, out);
        }
    }

    /// Whether what this learner says counts in the epoch and in what is committed.
    fn is_voting(&self, learner: &Learner) -> bool {
        learner.kind == LearnerKind::Follower && self.membership.is_voter(learner.sid)
    }

    fn close(&mut self, link: QuorumLink, reason: CloseReason, out: &mut Vec<LeaderOutput>) {
        if let Some(learner) = self.learners.remove(&link) {
            tracing::info!(%link, sid = %learner.sid, %reason, "closing a learner's link");
        } else {
            tracing::info!(%link, %reason, "closing a learner's link");
        }
        self.strangers.remove(&link);
        out.push(LeaderOutput::Close { link, reason });
    }

    fn step_down(&mut self, reason: StepDown, out: &mut Vec<LeaderOutput>) {
        tracing::warn!(sid = %self.me, epoch = ?self.epoch(), %reason, "stops leading");
        self.phase = Phase::Over;
        self.strangers.clear();
        self.learners.clear();
        out.push(LeaderOutput::StepDown(reason));
    }
}

fn send(link: QuorumLink, packet: &ToLearner, out: &mut Vec<LeaderOutput>) {
    let packets = packet.to_bytes();
    out.push(LeaderOutput::Send { link, packets });
}
