//! One election from its start to its decision: `FastLeaderElection.lookForLeader`.
//!
//! Invariants: the proposal is never worse than the own candidacy; `votes` holds votes of this
//! round only; while `finalize_at` is set, a quorum of `votes` supports the proposal.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    ElectionOptions, FINALIZE_WAIT_MS, Notification, Output, Scene, Standing,
    vote::{Ballot, Candidate, PeerState, Vote},
};
use crate::{
    base::{Epoch, Monotonic, ServerId, Zxid},
    quorum::{Membership, Role},
};

/// How a campaign ended.
pub(super) struct Decision {
    pub(super) vote: Vote,
    pub(super) supporters: Vec<ServerId>,
}

/// A server's part in one election.
#[derive(Debug)]
pub(super) struct Campaign {
    standing: Standing,
    /// Its own candidacy; nobody, for a server that does not vote.
    own: Candidate,
    /// The best candidate heard of in this round.
    proposal: Candidate,
    /// `recvset`: what servers said in this round. As in Apache, what a settled server says is
    /// kept here under version 0, so that of its vote only the leader counts.
    votes: BTreeMap<ServerId, Ballot>,
    /// `outofelection`: what settled servers said, of whatever round.
    settled: BTreeMap<ServerId, Ballot>,
    /// When to tell everyone again.
    resend_at: Monotonic,
    resend_interval_ms: u64,
    options: ElectionOptions,
    /// When the wait for a better vote is over, while a quorum is for the proposal.
    finalize_at: Option<Monotonic>,
}

impl Campaign {
    pub(super) fn new(
        me: ServerId,
        standing: Standing,
        membership: &Membership,
        options: ElectionOptions,
    ) -> Self {
        let own = own_candidate(me, standing, membership);
        Self {
            standing,
            own,
            proposal: own,
            votes: BTreeMap::new(),
            settled: BTreeMap::new(),
            resend_at: Monotonic::default(),
            resend_interval_ms: options.notification_interval_min_ms,
            options,
            finalize_at: None,
        }
    }

    /// A new round, as if this server had not looked before.
    pub(super) fn start(&mut self, scene: &mut Scene<'_>) -> Option<Decision> {
        *scene.round = scene.round.next();
        self.settled.clear();
        self.resend_interval_ms = self.options.notification_interval_min_ms;
        self.enter_round(self.own, scene);
        self.evaluate(scene)
    }

    /// A voter's word.
    pub(super) fn on_ballot(
        &mut self,
        from: ServerId,
        ballot: Ballot,
        scene: &mut Scene<'_>,
    ) -> Option<Decision> {
        assert!(scene.membership.is_voter(from), "others get a reply only");
        let candidate = ballot.vote.candidate;
        if !scene.membership.is_voter(candidate.leader) {
            return None;
        }
        if self.finalize_at.is_some() {
            if beats(candidate, self.proposal, scene) {
                // Whatever becomes of this vote, it is the reason to go on voting.
                self.finalize_at = None;
            } else if ballot.state == PeerState::Looking
                && ballot.vote.round > *scene.round
                && !scene.is_gone(self.proposal.leader)
            {
                // A latecomer with less: it will learn what is decided here.
                return None;
            }
        }
        match ballot.state {
            PeerState::Looking => self.on_looking(from, ballot, scene),
            PeerState::Following | PeerState::Leading => self.on_settled(from, ballot, scene),
            PeerState::Observing => None,
        }
    }

    /// A server was found to be gone.
    pub(super) fn on_gone(&mut self, peer: ServerId, scene: &mut Scene<'_>) -> Option<Decision> {
        let is_voter = scene.membership.is_voter(scene.me);
        if is_voter && peer == self.proposal.leader && peer != scene.me {
            return self.start(scene);
        }
        self.finalize_at.and_then(|_| self.evaluate(scene))
    }

    /// Time has passed.
    pub(super) fn on_wake(&mut self, scene: &mut Scene<'_>) -> Option<Decision> {
        if self.finalize_at.is_some_and(|at| at <= scene.now) {
            return Some(self.decide(scene));
        }
        if self.resend_at <= scene.now {
            let doubled = self.resend_interval_ms.saturating_mul(2);
            self.resend_interval_ms = doubled.min(self.resend_interval_max_ms(scene));
            self.tell_all(scene);
            return self.evaluate(scene);
        }
        None
    }

    pub(super) fn next_deadline(&self) -> Monotonic {
        self.finalize_at
            .map_or(self.resend_at, |at| at.min(self.resend_at))
    }

    pub(super) fn proposal(&self) -> Candidate {
        self.proposal
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    fn on_looking(
        &mut self,
        from: ServerId,
        ballot: Ballot,
        scene: &mut Scene<'_>,
    ) -> Option<Decision> {
        let Vote { candidate, round } = ballot.vote;
        if self.standing_is_missing() || candidate.zxid == MISSING {
            return None;
        }
        if round < *scene.round && !self.goes_back_for(candidate, scene) {
            return None;
        }
        if round != *scene.round {
            *scene.round = round;
            // Against the own candidacy: the proposal so far may be of a server that is gone.
            let better = beats(candidate, self.own, scene);
            self.enter_round(if better { candidate } else { self.own }, scene);
        } else if beats(candidate, self.proposal, scene) {
            self.proposal = candidate;
            self.tell_all(scene);
        } else if !self.votes.contains_key(&from) {
            // It may have begun to look only now, and have passed over what was said before.
            self.tell(from, scene);
        }
        self.votes.insert(from, Ballot::looking(ballot.vote));
        self.evaluate(scene)
    }

    fn on_settled(
        &mut self,
        from: ServerId,
        ballot: Ballot,
        scene: &mut Scene<'_>,
    ) -> Option<Decision> {
        if ballot.vote.round == *scene.round {
            let version = 0;
            self.votes.insert(from, Ballot { version, ..ballot });
            if let Some(decision) = join(&self.votes, ballot, scene) {
                return Some(decision);
            }
        }
        self.settled.insert(from, ballot);
        if let Some(decision) = join(&self.settled, ballot, scene) {
            return Some(decision);
        }
        if ballot.vote.round == *scene.round {
            self.evaluate(scene)
        } else {
            None
        }
    }

    /// Whether the round of this candidate, which is an earlier one, is as good as the own: a server
    /// that has nobody to vote for cannot bring others into its round, as they pass over its vote.
    fn goes_back_for(&self, candidate: Candidate, scene: &Scene<'_>) -> bool {
        let has_nobody = self.proposal.leader == Candidate::NOBODY.leader;
        has_nobody && beats(candidate, self.own, scene)
    }

    /// Starts over in the current round.
    fn enter_round(&mut self, proposal: Candidate, scene: &mut Scene<'_>) {
        assert!(proposal >= self.own, "the own candidacy or a better one");
        self.votes.clear();
        self.finalize_at = None;
        self.proposal = proposal;
        self.tell_all(scene);
    }

    /// Sends the proposal to every voter; the own vote arrives at once.
    fn tell_all(&mut self, scene: &mut Scene<'_>) {
        for to in scene.membership.voters() {
            if to != scene.me {
                self.tell(to, scene);
            } else if !self.standing_is_missing() && scene.membership.is_voter(self.proposal.leader)
            {
                let vote = self.vote(scene);
                self.votes.insert(to, Ballot::looking(vote));
            }
        }
        self.resend_at = scene.now.after(self.resend_interval_ms);
    }

    fn tell(&self, to: ServerId, scene: &mut Scene<'_>) {
        let notification = Notification {
            state: PeerState::Looking,
            vote: self.vote(scene),
            config: Arc::clone(scene.membership.committed()),
        };
        scene.out.push(Output::Send { to, notification });
    }

    /// Whether the votes of this round decide it, now or after the wait. One that went ahead and
    /// follows the candidate, perhaps under the epoch of its term, counts like one that votes the
    /// same - once there was a quorum of the latter, or while the candidate itself stands.
    fn evaluate(&mut self, scene: &mut Scene<'_>) -> Option<Decision> {
        let probe = Ballot::looking(self.vote(scene));
        let has_quorum = if self.finalize_at.is_some() || self.candidate_stands(probe, scene) {
            has_quorum(&self.votes, scene, |ballot| supports(ballot, probe))
        } else {
            has_quorum(&self.votes, scene, |ballot| ballot.agrees_with(&probe))
        };
        if !has_quorum {
            self.finalize_at = None;
            return None;
        }
        if self.has_nobody_to_wait_for(probe, scene) {
            return Some(self.decide(scene));
        }
        let wait_end = scene.now.after(FINALIZE_WAIT_MS);
        self.finalize_at.get_or_insert(wait_end);
        None
    }

    /// Whether every voter whose word has weight supports the proposal or is gone; the argument
    /// stands in the folder's documentation. A server that does not vote hears of votes late and by
    /// chance, so it always waits.
    fn has_nobody_to_wait_for(&self, probe: Ballot, scene: &Scene<'_>) -> bool {
        if !scene.membership.is_voter(scene.me) || scene.is_gone(self.proposal.leader) {
            return false;
        }
        let mut voters = scene.membership.voters().into_iter();
        voters.all(|voter| {
            let word = self.votes.get(&voter);
            let mut views = scene.membership.views();
            let has_weight =
                views.any(|view| view.voters().contains(&voter) && view.weight(voter) > 0);
            word.is_some_and(|ballot| supports(ballot, probe))
                || !has_weight
                || scene.is_gone(voter)
        })
    }

    /// Whether the candidate is there, in this round, and for itself.
    fn candidate_stands(&self, probe: Ballot, scene: &Scene<'_>) -> bool {
        let leader = self.proposal.leader;
        let word = self.votes.get(&leader);
        leader == scene.me || word.is_some_and(|ballot| supports(ballot, probe))
    }

    /// The proposal has won.
    fn decide(&self, scene: &Scene<'_>) -> Decision {
        let vote = self.vote(scene);
        let probe = Ballot::looking(vote);
        let has_quorum = has_quorum(&self.votes, scene, |ballot| supports(ballot, probe));
        assert!(has_quorum, "what is decided has a quorum");
        Decision {
            vote,
            supporters: servers(&self.votes, |ballot| supports(ballot, probe)),
        }
    }

    fn vote(&self, scene: &Scene<'_>) -> Vote {
        Vote {
            candidate: self.proposal,
            round: *scene.round,
        }
    }

    fn resend_interval_max_ms(&self, scene: &Scene<'_>) -> u64 {
        let set = self.options.notification_interval_max_ms;
        if scene.membership.is_voter(scene.me) {
            set
        } else {
            set.min(NON_VOTER_INTERVAL_MAX_MS)
        }
    }

    fn standing_is_missing(&self) -> bool {
        self.own.zxid == MISSING
    }
}

/// The zxid of a server whose data is missing: it must not win by being alone, so it neither votes
/// nor is voted for.
const MISSING: Zxid = Zxid(-1);

/// Nobody tells a server that does not vote of the end of an election unless it asks, so it asks
/// more often than the setting says, which is about servers that tell each other.
const NON_VOTER_INTERVAL_MAX_MS: u64 = 1000;

/// The candidacy a server enters with. By the committed view: a participant that is not in it
/// shows its history, but proposes nobody; an observer shows nothing.
fn own_candidate(me: ServerId, standing: Standing, membership: &Membership) -> Candidate {
    let votes = membership.committed().voters().contains(&me);
    let participates = membership.role(me) == Role::Participant;
    let Candidate {
        epoch: Epoch(least_epoch),
        zxid: Zxid(least_zxid),
        leader: nobody,
    } = Candidate::NOBODY;
    Candidate {
        epoch: Epoch(if participates {
            standing.epoch.0
        } else {
            least_epoch
        }),
        zxid: Zxid(if participates {
            standing.zxid.0
        } else {
            least_zxid
        }),
        leader: if votes { me } else { nobody },
    }
}

/// `totalOrderPredicate`: strictly better, and with a weight in the committed view.
fn beats(candidate: Candidate, current: Candidate, scene: &Scene<'_>) -> bool {
    scene.membership.committed().weight(candidate.leader) > 0 && candidate > current
}

/// Whether a running ensemble is there to be joined: a quorum has the same leader as this server
/// says, and the leader itself says it leads. Without the second, servers would elect a dead leader
/// over and over because its followers have not noticed yet. To be made leader by what others say,
/// this server must be in their round.
///
/// A quorum of the committed view is enough to follow: whoever leads asks for the quorums of all views
/// that it knows. Apache's servers need one of the last view seen too, and one that saw a change which
/// came to nothing stays out of the ensemble if its own vote was needed for that.
fn join(said: &BTreeMap<ServerId, Ballot>, ballot: Ballot, scene: &Scene<'_>) -> Option<Decision> {
    let leader = ballot.vote.candidate.leader;
    let leads = if leader == scene.me {
        *scene.round == ballot.vote.round
    } else {
        let word = said.get(&leader);
        word.is_some_and(|word| word.state == PeerState::Leading)
    };
    let agrees = |other: &Ballot| ballot.agrees_with(other);
    let has_quorum = if leader == scene.me {
        has_quorum(said, scene, agrees)
    } else {
        let committed = scene.membership.committed();
        committed.has_quorum(|server| said.get(&server).is_some_and(agrees))
    };
    if !leads || !has_quorum {
        return None;
    }
    Some(Decision {
        vote: ballot.vote,
        supporters: servers(said, agrees),
    })
}

/// Whether what a server said in this round is for the proposal: the very vote, or that it follows
/// or is the candidate.
fn supports(ballot: &Ballot, probe: Ballot) -> bool {
    let is_settled = ballot.state != PeerState::Looking;
    let same_leader = ballot.vote.candidate.leader == probe.vote.candidate.leader;
    ballot.agrees_with(&probe) || (is_settled && same_leader)
}

fn has_quorum(
    said: &BTreeMap<ServerId, Ballot>,
    scene: &Scene<'_>,
    counts: impl Fn(&Ballot) -> bool,
) -> bool {
    let membership = scene.membership;
    membership.has_quorum(|server| said.get(&server).is_some_and(&counts))
}

fn servers(said: &BTreeMap<ServerId, Ballot>, counts: impl Fn(&Ballot) -> bool) -> Vec<ServerId> {
    let counting = said.iter().filter(|(_, ballot)| counts(ballot));
    counting.map(|(server, _)| *server).collect()
}
