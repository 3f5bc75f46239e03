//! Fast leader election: which server leads next, agreed over the election port.
//!
//! In: [`Input`]s - the end of a term, other servers' notifications, whether they can be reached,
//! time. Out: [`Output`]s - notifications to send and, once, [`Elected`]. The driver keeps one
//! outgoing notification per server, the newest, and never feeds a server's own back: an
//! [`Election`] counts its own vote itself. [`Links`] is the other half: who dials whom, and which
//! connection is kept.
//!
//! ```text
//!                        better vote, higher round: adopt, tell all
//!                             +-----+
//!                             v     |
//!  Look -- round + 1 --> +-------------+   quorum for    +------------+  all reachable
//!    ^                   |   voting    |---------------->| finalizing |---agree, or 200 ms---+
//!    |                   +-------------+<----------------+------------+                      |
//!    |                          |           better vote                                      v
//!    |                          +-- quorum follows a leader, who says it leads -------> +---------+
//!    +---------------------------------- the term ends -------------------------------- | settled |
//!                                                                                       +---------+
//! ```
//!
//! # Why not waiting is safe
//!
//! Apache waits 200 ms after a quorum has formed, for a better vote that may be on its way. Here
//! the wait ends as soon as it cannot bring anything: every voter with a weight has, in this round,
//! voted for the same candidate, or is known to be gone - its link is lost *and* a dial failed
//! since; for one that was never there, dials failed for 50 ms, so that servers which start
//! together find each other. A better vote would have to come from one of these; those that agree
//! had not heard of one when they voted, and the others cannot send. A voter that is up and silent,
//! or not reached yet, is waited for as in Apache. A candidate that is itself known to be gone is
//! never settled on early.
//!
//! Nothing but speed hangs on it. An election may end with a lesser leader in Apache too: a vote
//! that takes 201 ms is missed. What keeps history is the next phase: a leader leads only after a
//! quorum has accepted its epoch, it refuses a follower whose history is longer than its own, and
//! any two quorums share a voter, so that it has what any quorum had acknowledged. Two servers that
//! both believe to be elected, or one that is elected with too little history, cost time there and
//! nothing else.
//!
//! A server that did go on with a lesser leader need not try to reach it in vain: when that leader
//! is heard to look for another one, it looks again too ([`Output::LeaderLooks`]).
//!
//! When the candidate everyone is voting for is lost in the middle of a round, a new round starts
//! at once instead of electing it, failing to reach it, and starting over.
//!
//! # Differences from Apache
//!
//! * During the wait Apache throws away what does not beat the proposal; here it is counted, so that
//!   a leader's word or a last vote ends the wait.
//! * In one round, votes for a candidate and the word of those that follow it already count
//!   together, while the candidate itself stands in that round. Apache counts them apart and asks
//!   everyone again.
//! * A server's first vote in a round is answered, if it does not change anything. Two servers seldom
//!   lose their leader in the same moment, and what the first says while the other still follows is
//!   passed over there; Apache says it again after 200 ms.
//! * A server with nobody to vote for takes over the round of one that has somebody, an earlier one too.
//!   Apache's begins with the first round again when it takes over a configuration that it is not in.
//! * Resending goes by the time of the last sending, not of the last message heard, and a server
//!   that does not vote, whom nobody tells anything unasked, asks at least once a second.
//! * A configuration from gossip is handed up only when reconfiguration is on: off, Apache still
//!   starts over and over for a greater version.
//!
//! Every byte is Apache's.
//!
//! | row | where |
//! |---|---|
//! | QP-001, QP-002, QP-003 | `initial_message` |
//! | QP-004 to QP-009, QP-011, QP-013, QP-020 | `links` |
//! | QP-010 | `notification::frame_length` |
//! | QP-014 | `campaign`: own votes are counted, not sent |
//! | QP-021 to QP-025 | `notification` |
//! | QP-026 | `vote`, `campaign` |
//! | QP-027 to QP-029, QP-032 to QP-036, QP-039, QP-049 | `campaign` |
//! | QP-030, QP-031, QP-037, QP-038, QP-041, QP-045 | here |
//! | QP-040 | the driver gives both in [`Standing`] |
//! | QP-042 | non-voters here; the random delay before [`Input::Look`] is the driver's |
//! | QP-043, QP-044 | all quorums here are of the [`Membership`] |
//! | QP-046 | [`Output::VoterLooks`]; what follows from it belongs to discovery |
//! | QP-048, QP-050 | scripts and the explorer in `tests` |
//!
//! # What is left to the driver
//!
//! Sockets: QP-012, QP-015 to QP-019. [`LinkInput::Eager`] goes on with each [`Input::Look`] and off
//! with [`Output::Elected`], and every [`LinkOutput::Reach`] becomes an [`Input::Link`]. A dial has
//! a time limit and is always answered. After `Elected` a follower tries to reach its leader with
//! patience: an Apache server that is to lead may still be in its 200 ms. An observer rests a random
//! time before it looks.

mod campaign;
mod initial_message;
mod links;
mod notification;
mod vote;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use initial_message::{INITIAL_MESSAGE_BYTES_MAX, InitialMessage, InitialMessageError};
pub use links::{LinkId, LinkInput, LinkOutput, Links};
pub use notification::{
    FRAME_BYTES_MAX, FrameError, Notification, NotificationError, Received, frame_length,
};
pub use vote::{Ballot, Candidate, PeerState, Round, Vote};

use campaign::{Campaign, Decision};

use crate::{
    base::{Epoch, Monotonic, ServerId, Zxid},
    quorum::{Membership, QuorumView, Role},
};

/// What an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct ElectionOptions {
    /// `zookeeper.fastleader.minNotificationInterval`: from a notification to its first repetition.
    pub notification_interval_min_ms: u64,
    /// `zookeeper.fastleader.maxNotificationInterval`: the interval doubles up to this.
    pub notification_interval_max_ms: u64,
    /// `reconfigEnabled`: newer configurations in notifications are handed up.
    pub reconfig_enabled: bool,
}

impl Default for ElectionOptions {
    fn default() -> Self {
        Self {
            notification_interval_min_ms: 200,
            notification_interval_max_ms: 60_000,
            reconfig_enabled: false,
        }
    }
}

/// How long a quorum waits for a better vote from voters that can be reached and have not agreed.
pub const FINALIZE_WAIT_MS: u64 = 200;

/// The history a server stands for election with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The last transaction in the log, whether or not it is known to be committed. -1: the data
    /// of this server is missing, and it takes no part.
    pub zxid: Zxid,
    /// currentEpoch.
    pub epoch: Epoch,
}

/// Whether a server can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// There is a link.
    Up,
    /// There is none, and why is not known.
    Down,
    /// There is none, and the last attempt to dial failed.
    Gone,
}

/// What can happen to an election.
#[derive(Debug, Clone)]
pub enum Input {
    /// The term is over, or never came to be: start looking.
    Look(Standing),
    /// Another server's notification.
    Received { from: ServerId, message: Received },
    /// Another server can be reached or not.
    Link { peer: ServerId, state: LinkState },
    /// The term this server was elected into has begun, under this epoch.
    TermBegan(Epoch),
    /// Other views are in force. If members changed while looking, the election starts over.
    Reconfigured(Arc<Membership>),
    /// A change of the members named who leads, this server or another: there is nothing to elect.
    Designated { leader: ServerId, zxid: Zxid },
    /// Time has passed.
    Wake,
}

/// What an election asks for.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send to this server; it takes the place of one that still waits to be sent.
    Send {
        to: ServerId,
        notification: Notification,
    },
    /// The election is over.
    Elected(Elected),
    /// A voter knows of a configuration newer than ours, and we are looking.
    NewerView(Arc<QuorumView>),
    /// While we lead, this voter looks. `has_left`: for a better candidate, or in a later round, so that
    /// it will not find this leader by itself.
    VoterLooks { voter: ServerId, has_left: bool },
    /// The server this one was to follow looks for another leader, or again: it will not lead. Look
    /// again, rather than try to reach it.
    LeaderLooks,
}

/// The end of an election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elected {
    /// What this server does now; never [`PeerState::Looking`].
    pub state: PeerState,
    pub vote: Vote,
    /// Whose votes it rests on, in ascending order.
    pub supporters: Vec<ServerId>,
}

/// One server's side of all its elections.
#[derive(Debug)]
pub struct Election {
    me: ServerId,
    options: ElectionOptions,
    membership: Arc<Membership>,
    /// The voters known to be gone.
    gone: BTreeSet<ServerId>,
    /// `logicalclock`: grows, but takes over the number of an ensemble that is joined.
    round: Round,
    /// The outcome of the last finished election, with the epoch of its term once that has begun;
    /// at first, the own standing.
    settled_vote: Vote,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Looking(Campaign),
    Settled(PeerState),
}

impl Election {
    /// A server that starts looking at once.
    pub fn start(
        me: ServerId,
        options: ElectionOptions,
        membership: Arc<Membership>,
        standing: Standing,
        now: Monotonic,
        out: &mut Vec<Output>,
    ) -> Self {
        let settled_vote = Vote {
            candidate: Candidate {
                epoch: standing.epoch,
                zxid: standing.zxid,
                leader: me,
            },
            round: Round(-1),
        };
        let campaign = Campaign::new(me, standing, &membership, options);
        let mut election = Self {
            me,
            options,
            membership,
            gone: BTreeSet::new(),
            round: Round::default(),
            settled_vote,
            phase: Phase::Looking(campaign),
        };
        election.look(standing, now, out);
        election
    }

    /// Takes one input; what follows from it is appended to `out`, in order.
    pub fn handle(&mut self, now: Monotonic, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Look(standing) => self.look(standing, now, out),
            Input::Received { from, message } => self.on_received(from, message, now, out),
            Input::Link { peer, state } => self.on_link(peer, state, now, out),
            Input::TermBegan(epoch) => self.on_term(epoch),
            Input::Reconfigured(membership) => self.on_membership(membership, now, out),
            Input::Designated { leader, zxid } => self.on_designated(leader, zxid),
            Input::Wake => {
                self.campaign(now, out, Campaign::on_wake);
            }
        }
    }

    /// When to be woken, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        match &self.phase {
            Phase::Looking(campaign) => Some(campaign.next_deadline()),
            Phase::Settled(_) => None,
        }
    }

    /// What this server is doing.
    pub fn state(&self) -> PeerState {
        match self.phase {
            Phase::Looking(_) => PeerState::Looking,
            Phase::Settled(state) => state,
        }
    }

    /// The vote other servers are told of while this one is settled.
    pub fn settled_vote(&self) -> Vote {
        self.settled_vote
    }

    /// The number of the election this server is in, or came out of.
    pub fn round(&self) -> Round {
        self.round
    }

    /// What this server votes for now.
    pub fn vote(&self) -> Vote {
        match &self.phase {
            Phase::Looking(campaign) => Vote {
                candidate: campaign.proposal(),
                round: self.round,
            },
            Phase::Settled(_) => self.settled_vote,
        }
    }

    fn look(&mut self, standing: Standing, now: Monotonic, out: &mut Vec<Output>) {
        let campaign = Campaign::new(self.me, standing, &self.membership, self.options);
        self.phase = Phase::Looking(campaign);
        self.campaign(now, out, Campaign::start);
    }

    fn on_received(
        &mut self,
        from: ServerId,
        message: Received,
        now: Monotonic,
        out: &mut Vec<Output>,
    ) {
        if from == self.me {
            return;
        }
        let Received { ballot, config } = message;
        let committed_version = self.membership.committed().version();
        if self.options.reconfig_enabled
            && self.state() == PeerState::Looking
            && let Some(view) = config
            && view.version() > committed_version
        {
            let is_other = !view.same_members(self.membership.committed());
            out.push(Output::NewerView(view));
            if is_other {
                // What it votes is for the election that starts over.
                return;
            }
        }
        let sender_looks = ballot.state == PeerState::Looking;
        if !self.membership.is_voter(from) {
            // The vote of the last election beside the number of this one, also while looking. Who does
            // not look has only answered: Apache's answers that too, and while one looks and the other
            // does not, the two have no end.
            if sender_looks {
                let vote = Vote {
                    candidate: self.settled_vote.candidate,
                    round: self.round,
                };
                out.push(self.reply(from, vote));
            }
            return;
        }
        match self.phase {
            Phase::Looking(_) => {
                if sender_looks && ballot.vote.round < self.round {
                    out.push(self.reply(from, self.vote()));
                }
                self.campaign(now, out, |campaign, scene| {
                    campaign.on_ballot(from, ballot, scene)
                });
            }
            Phase::Settled(state) if sender_looks => {
                let Vote { candidate, round } = self.settled_vote;
                let is_elsewhere =
                    ballot.vote.candidate.leader != from || ballot.vote.round > round;
                if state == PeerState::Leading {
                    let (voted, settled) = (ballot.vote, self.settled_vote);
                    let has_left =
                        (voted.round, voted.candidate) > (settled.round, settled.candidate);
                    let voter = from;
                    out.push(Output::VoterLooks { voter, has_left });
                } else if from == candidate.leader && is_elsewhere {
                    out.push(Output::LeaderLooks);
                }
                out.push(self.reply(from, self.settled_vote));
            }
            Phase::Settled(_) => {}
        }
    }

    fn on_link(&mut self, peer: ServerId, state: LinkState, now: Monotonic, out: &mut Vec<Output>) {
        if state != LinkState::Gone {
            self.gone.remove(&peer);
        } else if self.membership.is_voter(peer) && self.gone.insert(peer) {
            self.campaign(now, out, |campaign, scene| campaign.on_gone(peer, scene));
        }
    }

    /// Other servers learn the epoch of the running term from the vote, by which one that comes
    /// late recognizes that it is the same term everywhere.
    fn on_term(&mut self, epoch: Epoch) {
        if matches!(self.phase, Phase::Settled(_)) {
            self.settled_vote.candidate.epoch = epoch;
        }
    }

    fn on_designated(&mut self, leader: ServerId, zxid: Zxid) {
        let candidate = &mut self.settled_vote.candidate;
        candidate.leader = leader;
        candidate.zxid = zxid;
        self.phase = Phase::Settled(self.state_under(leader));
    }

    /// What this server does while `leader` leads.
    fn state_under(&self, leader: ServerId) -> PeerState {
        if leader == self.me {
            PeerState::Leading
        } else if self.membership.role(self.me) == Role::Observer {
            PeerState::Observing
        } else {
            PeerState::Following
        }
    }

    fn on_membership(
        &mut self,
        membership: Arc<Membership>,
        now: Monotonic,
        out: &mut Vec<Output>,
    ) {
        let members_changed = membership.voters() != self.membership.voters()
            || !membership
                .committed()
                .same_members(self.membership.committed());
        self.membership = membership;
        self.gone.retain(|&peer| self.membership.is_voter(peer));
        let standing = match &self.phase {
            Phase::Looking(campaign) => campaign.standing(),
            Phase::Settled(_) => return,
        };
        if members_changed {
            self.look(standing, now, out);
        }
    }

    /// Runs a step of the campaign, if there is one, and ends it if the step decided.
    fn campaign(
        &mut self,
        now: Monotonic,
        out: &mut Vec<Output>,
        step: impl FnOnce(&mut Campaign, &mut Scene<'_>) -> Option<Decision>,
    ) {
        let Phase::Looking(campaign) = &mut self.phase else {
            return;
        };
        let mut scene = Scene {
            me: self.me,
            membership: &self.membership,
            gone: &self.gone,
            round: &mut self.round,
            now,
            out,
        };
        let Some(Decision { vote, supporters }) = step(campaign, &mut scene) else {
            return;
        };
        let state = self.state_under(vote.candidate.leader);
        self.round = vote.round;
        self.settled_vote = vote;
        self.phase = Phase::Settled(state);
        tracing::debug!(sid = %self.me, %state, vote = %vote.candidate, round = %vote.round, "elected");
        out.push(Output::Elected(Elected {
            state,
            vote,
            supporters,
        }));
    }

    fn reply(&self, to: ServerId, vote: Vote) -> Output {
        let notification = Notification {
            state: self.state(),
            vote,
            config: Arc::clone(self.membership.committed()),
        };
        Output::Send { to, notification }
    }
}

/// What a campaign sees of the election it belongs to, for one step.
struct Scene<'a> {
    me: ServerId,
    membership: &'a Arc<Membership>,
    gone: &'a BTreeSet<ServerId>,
    round: &'a mut Round,
    now: Monotonic,
    out: &'a mut Vec<Output>,
}

impl Scene<'_> {
    fn is_gone(&self, peer: ServerId) -> bool {
        self.gone.contains(&peer)
    }
}
