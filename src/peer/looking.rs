//! The role of a member that has no leader: it finishes what its last term left, then takes part in
//! an election.
//!
//! ```text
//!  term ends -> draining -- disk is done --> catching up -- tail applied --> resting -> electing
//!                                                                                          |
//!                                                                     leads or learns <----+
//! ```
//!
//! Invariant: a server looks with all that its log holds in its state, committed or not, as its vote
//! speaks for it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::{Monotonic, Now, ServerId, Zxid};
use crate::election::{self, Elected, Election, PeerState};
use crate::peer::leading::Leading;
use crate::peer::learning::Learning;
use crate::peer::read_only::ReadOnly;
use crate::peer::{Door, Output, Peer, Role};
use crate::proto::TxnRecord;
use crate::tree::Database;
use crate::zab::{Leader, LeaderInput, NO_DATA, ZabOptions};

/// See the module.
#[derive(Debug)]
pub(super) struct Looking {
    phase: Phase,
    /// What the log holds beyond the state, in order.
    tail: VecDeque<(TxnRecord, Bytes)>,
    /// The last transaction before the term of a leader, and where that term's zxids began.
    led: Option<(Zxid, Zxid)>,
    pub(super) read_only: ReadOnly,
    /// Who leads next: a change of the members has named it, and there is nothing to elect.
    joins: Option<ServerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The disk does what was asked of it before.
    Draining,
    /// The tail is to be applied.
    CatchingUp,
    /// Until then nothing is asked of others.
    Resting {
        until: Monotonic,
    },
    Electing,
}

impl Looking {
    /// A term is over that left this behind.
    pub(super) fn after_term(
        tail: VecDeque<(TxnRecord, Bytes)>,
        led: Option<(Zxid, Zxid)>,
        joins: Option<ServerId>,
    ) -> Self {
        Self {
            phase: Phase::Draining,
            tail,
            led,
            read_only: ReadOnly::No,
            joins,
        }
    }

    /// The start of a server: its state is what its log holds.
    pub(super) fn at_start() -> Self {
        Self {
            phase: Phase::CatchingUp,
            tail: VecDeque::new(),
            led: None,
            read_only: ReadOnly::No,
            joins: None,
        }
    }

    /// Where the state stands in truth if a term that was led brought no transaction: the start of
    /// an epoch is in no log.
    pub(super) fn stands_at(&self, db: &Database) -> Zxid {
        let last = db.last_zxid();
        match self.led {
            Some((before, start)) if start == last => before,
            _ => last,
        }
    }

    /// Whether it is known who leads next.
    pub(super) fn is_designated(&self) -> bool {
        self.joins.is_some()
    }

    pub(super) fn is_catching_up(&self) -> bool {
        self.phase == Phase::CatchingUp
    }

    /// The state was read back, with all that the log holds.
    pub(super) fn forget_tail(&mut self) {
        self.tail.clear();
    }

    pub(super) fn take_tail(&mut self) -> VecDeque<(TxnRecord, Bytes)> {
        std::mem::take(&mut self.tail)
    }

    pub(super) fn on_drained(&mut self) {
        assert_eq!(self.phase, Phase::Draining, "the disk is drained once");
        self.phase = Phase::CatchingUp;
    }

    /// The tail is applied.
    pub(super) fn rest(&mut self, until: Monotonic) {
        assert!(self.tail.is_empty(), "the state is what the log holds");
        self.phase = Phase::Resting { until };
    }

    pub(super) fn deadline(&self) -> Option<Monotonic> {
        match self.phase {
            Phase::Resting { until } => Some(until),
            Phase::Electing => self.read_only.deadline(),
            Phase::Draining | Phase::CatchingUp => None,
        }
    }

    fn starts_at(&self, now: Monotonic) -> bool {
        matches!(self.phase, Phase::Resting { until } if until <= now)
    }

    fn is_electing(&self) -> bool {
        self.phase == Phase::Electing
    }
}

impl Peer {
    /// Time has passed for a server without a leader.
    pub(super) fn wake_looking(&mut self, now: Now, db: &Database, out: &mut Vec<Output>) {
        if let Role::Looking(role) = &mut self.role
            && role.starts_at(now.monotonic)
        {
            role.phase = Phase::Electing;
            match role.joins.take() {
                Some(leader) => self.join(now, db, leader, out),
                None => {
                    self.await_read_only(now);
                    self.look(now, db, out);
                }
            }
        }
        self.wake_read_only(now, out);
    }

    /// Goes to the leader that a change of the members has named, or leads. If that comes to nothing
    /// this server looks for another.
    fn join(&mut self, now: Now, db: &Database, leader: ServerId, out: &mut Vec<Output>) {
        let zxid = db.last_zxid();
        tracing::info!(%leader, "the configuration names the leader");
        let input = election::Input::Designated { leader, zxid };
        self.feed_election(now, db, input, out);
        let member = self.member.as_ref().expect("only a member joins");
        if leader == member.options.me {
            // Nobody has voted for it: a voter that has missed the change will not find it, but looks.
            let mut zab = member.options.zab;
            let patience_ms = zab.wait_for_epoch_max_ms.unwrap_or(u64::MAX);
            zab.wait_for_epoch_max_ms = Some(patience_ms.min(zab.tick_ms / 2));
            self.become_leading(now, db, zab, out);
        } else {
            self.become_learning(now, db, leader, out);
        }
    }

    fn look(&mut self, now: Now, db: &Database, out: &mut Vec<Output>) {
        let member = self.member.as_mut().expect("only a member looks");
        let standing = member.standing(db.last_zxid());
        let standing = election::Standing {
            zxid: standing.last_zxid,
            epoch: standing.current_epoch,
        };
        tracing::info!(sid = %member.options.me, zxid = %standing.zxid, epoch = %standing.epoch, "LOOKING");
        out.push(Output::Eager(true));
        let Some(election) = member.election.as_mut() else {
            let mut asked = Vec::new();
            let options = &member.options;
            member.election = Some(Election::start(
                options.me,
                options.election,
                member.membership.clone(),
                standing,
                now.monotonic,
                &mut asked,
            ));
            return self.carry_out_election(now, db, asked, out);
        };
        let mut asked = Vec::new();
        election.handle(now.monotonic, election::Input::Look(standing), &mut asked);
        self.carry_out_election(now, db, asked, out);
    }

    /// Feeds the election, whatever the role: servers that have a leader tell others of it.
    pub(super) fn feed_election(
        &mut self,
        now: Now,
        db: &Database,
        input: election::Input,
        out: &mut Vec<Output>,
    ) {
        let member = self.member.as_mut();
        let Some(election) = member.and_then(|member| member.election.as_mut()) else {
            return;
        };
        let mut asked = Vec::new();
        election.handle(now.monotonic, input, &mut asked);
        self.carry_out_election(now, db, asked, out);
    }

    fn carry_out_election(
        &mut self,
        now: Now,
        db: &Database,
        asked: Vec<election::Output>,
        out: &mut Vec<Output>,
    ) {
        for output in asked {
            match output {
                election::Output::Send { to, notification } => {
                    let message = notification.encode();
                    out.push(Output::Notify { to, message });
                }
                election::Output::Elected(elected) => self.on_elected(now, db, &elected, out),
                election::Output::NewerView(view) => self.adopt_view(now, db, &view, out),
                election::Output::VoterLooks { voter, has_left } => {
                    let input = LeaderInput::VoterLooks { voter, has_left };
                    self.feed_leader(now, db, input, out);
                }
                election::Output::LeaderLooks => {
                    if matches!(&self.role, Role::Learning(role) if !role.is_serving()) {
                        self.leave(&"the server that was to lead looks for a leader", out);
                    }
                }
            }
        }
    }

    fn on_elected(&mut self, now: Now, db: &Database, elected: &Elected, out: &mut Vec<Output>) {
        assert!(
            matches!(&self.role, Role::Looking(role) if role.is_electing()),
            "who is elected has looked"
        );
        let leader = elected.vote.candidate.leader;
        let member = self.member.as_ref().expect("only a member is elected");
        tracing::info!(sid = %member.options.me, leader = %leader, round = %elected.vote.round, "{}", elected.state);
        out.push(Output::Eager(false));
        self.end_read_only(out);
        match elected.state {
            PeerState::Leading => {
                let member = self.member.as_ref().expect("only a member leads");
                self.become_leading(now, db, member.options.zab, out);
            }
            PeerState::Following | PeerState::Observing => {
                self.become_learning(now, db, leader, out);
            }
            PeerState::Looking => unreachable!("an election ends with another state"),
        }
    }

    fn become_leading(&mut self, now: Now, db: &Database, zab: ZabOptions, out: &mut Vec<Output>) {
        let member = self.member.as_ref().expect("only a member leads");
        let options = &member.options;
        let mut asked = Vec::new();
        let zab = Leader::new(
            options.me,
            zab,
            member.membership.clone(),
            member.standing(db.last_zxid()),
            now.monotonic,
            &mut asked,
        );
        self.role = Role::Leading(Box::new(Leading::new(zab, db.last_zxid())));
        out.push(Output::OpenQuorumPort(Door::Leader));
        self.carry_out_leader(now, db, asked, out);
    }

    fn become_learning(
        &mut self,
        now: Now,
        db: &Database,
        leader: ServerId,
        out: &mut Vec<Output>,
    ) {
        let member = self.member.as_mut().expect("only a member learns");
        let needs_snapshot = std::mem::take(&mut member.needs_snapshot);
        let (master, door, addresses) = member.next_master(leader);
        let last_zxid = if needs_snapshot {
            NO_DATA
        } else {
            db.last_zxid()
        };
        let learning = Learning::new(member, leader, (master, door), last_zxid, now);
        self.role = Role::Learning(Box::new(learning));
        out.push(Output::DialLeader {
            leader: master,
            door,
            addresses,
        });
    }

    /// The term is over, or never came to be. Clients are let go, the disk finishes what it was
    /// asked, and the server looks for a leader again.
    pub(super) fn leave(&mut self, reason: &dyn std::fmt::Display, out: &mut Vec<Output>) {
        let designated = match &self.role {
            Role::Leading(role) => role.hands_over_to,
            _ => None,
        };
        self.leave_for(designated, reason, out);
    }

    /// The same, for a leader that is known already.
    pub(super) fn leave_for(
        &mut self,
        designated: Option<ServerId>,
        reason: &dyn std::fmt::Display,
        out: &mut Vec<Output>,
    ) {
        let looking = Role::Looking(Looking::after_term(VecDeque::new(), None, None));
        let old = std::mem::replace(&mut self.role, looking);
        let sid = self.member.as_ref().map(|member| member.options.me.0);
        tracing::warn!(sid, "the term is over: {reason}");
        let (tail, led, memory_is_ahead) = match old {
            Role::Leading(role) => {
                out.push(Output::CloseQuorumPort);
                self.unpin_recent();
                let led = role.led();
                (role.into_tail(), led, false)
            }
            Role::Learning(role) => {
                out.push(Output::HangUp);
                if role.observers.is_some() {
                    out.push(Output::CloseQuorumPort);
                    self.unpin_recent();
                }
                let memory_is_ahead = role.memory_is_ahead();
                (self.tail_of(*role), None, memory_is_ahead)
            }
            Role::Standalone(_) | Role::Looking(_) => unreachable!("who leaves had a term"),
        };
        self.role = Role::Looking(Looking::after_term(tail, led, designated));
        self.forget_clients();
        out.push(Output::Retire);
        if memory_is_ahead {
            out.push(Output::Reload);
        }
        out.push(Output::Drain);
    }
}
