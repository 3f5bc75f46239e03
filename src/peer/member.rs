//! What a member of an ensemble has in every role: who is in it, the elections, the epochs it has
//! promised and joined, and the newest of what is committed.

use std::sync::Arc;

use crate::base::{Epoch, Monotonic, ServerId, Zxid};
use crate::election::{Election, ElectionOptions};
use crate::quorum::{Membership, Role};
use crate::zab::{Committed, LearnerKind, Recent, Standing, ZabOptions};

/// The settings of a member of an ensemble.
#[derive(Debug, Clone)]
pub struct MemberOptions {
    pub me: ServerId,
    pub membership: Arc<Membership>,
    pub zab: ZabOptions,
    pub election: ElectionOptions,
    /// `zookeeper.observer.election.DelayMs`: an observer that lost its leader rests for a random
    /// time below this before it looks for one.
    pub observer_rest_ms: u64,
    /// `leaderServes`: clients may connect to the leader.
    pub leader_serves: bool,
    /// `commitLogCount`: committed transactions kept at hand for learners.
    pub commit_log_count: usize,
    /// `jute.maxbuffer` and its extra size together: the longest text or buffer of a transaction.
    pub field_bytes_max: usize,
    /// Where what is random starts.
    pub seed: u64,
}

/// What was on disk when the member starts.
#[derive(Debug, Clone)]
pub struct MemberStart {
    pub accepted_epoch: Epoch,
    pub current_epoch: Epoch,
    /// The newest transactions of the log, in order.
    pub recent: Vec<Committed>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) options: MemberOptions,
    /// Since the first look for a leader.
    pub(super) election: Option<Election>,
    accepted_epoch: Epoch,
    current_epoch: Epoch,
    pub(super) recent: Recent,
    /// `/zookeeper/config` in the state is not the own view: the state was read from elsewhere.
    pub(super) config_is_stale: bool,
    /// What is on disk does not lead to where the last leader wanted it cut: the next one is to send
    /// all.
    pub(super) needs_snapshot: bool,
    random: u64,
}

impl Member {
    pub(super) fn new(options: MemberOptions, start: MemberStart) -> Self {
        let mut member = Self {
            election: None,
            accepted_epoch: start.accepted_epoch,
            current_epoch: start.current_epoch,
            recent: Recent::new(options.commit_log_count),
            config_is_stale: true,
            needs_snapshot: false,
            random: options.seed,
            options,
        };
        assert!(
            member.accepted_epoch >= member.current_epoch,
            "no epoch is joined that was not promised"
        );
        member.replace_recent(start.recent);
        member
    }

    /// What this server brings into a term, its log ending with `last_zxid`.
    pub(super) fn standing(&self, last_zxid: Zxid) -> Standing {
        Standing {
            accepted_epoch: self.accepted_epoch,
            current_epoch: self.current_epoch,
            last_zxid,
        }
    }

    pub(super) fn on_accepted_epoch(&mut self, epoch: Epoch) {
        assert!(epoch >= self.accepted_epoch, "promises are kept");
        self.accepted_epoch = epoch;
    }

    pub(super) fn on_current_epoch(&mut self, epoch: Epoch) {
        assert!(epoch >= self.current_epoch, "an epoch never falls");
        assert!(
            epoch <= self.accepted_epoch,
            "an epoch is promised before it is joined"
        );
        self.current_epoch = epoch;
    }

    /// The state was read back, or came from elsewhere: `recent` is all that is known to lead up to it.
    pub(super) fn replace_recent(&mut self, recent: Vec<Committed>) {
        self.recent.clear();
        for Committed { zxid, payload } in recent {
            self.recent.push(zxid, payload);
        }
    }

    pub(super) fn epochs(&self) -> (Epoch, Epoch) {
        (self.accepted_epoch, self.current_epoch)
    }

    /// What this server is when it does not lead.
    pub(super) fn learner_kind(&self) -> LearnerKind {
        match self.options.membership.role(self.options.me) {
            Role::Participant => LearnerKind::Follower,
            Role::Observer => LearnerKind::Observer,
        }
    }

    /// The version of the committed configuration.
    pub(super) fn config_version(&self) -> i64 {
        self.options.membership.committed().version().0
    }

    /// When an observer that lost its leader may look for another.
    pub(super) fn rest_until(&mut self, now: Monotonic) -> Monotonic {
        let below = self.options.observer_rest_ms;
        let rests = self.learner_kind() == LearnerKind::Observer && below > 0;
        now.after(if rests { self.draw() % below } else { 0 })
    }

    /// The next of the generator SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
