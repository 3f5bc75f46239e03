//! What a member of an ensemble has in every role: who is in it, the elections, the epochs it has
//! promised and joined, and the newest of what is committed.

use std::sync::Arc;

use crate::base::{Epoch, Monotonic, ServerId, Zxid};
use crate::election::{Election, ElectionOptions};
use crate::peer::Door;
use crate::peer::masters::Masters;
use crate::quorum::{Address, Membership, Role, ViewRules};
use crate::zab::{Committed, LearnerKind, Recent, Standing, ZabOptions};

/// The settings of a member of an ensemble.
#[derive(Debug, Clone)]
pub struct MemberOptions {
    pub me: ServerId,
    /// At the start: what the files say.
    pub membership: Arc<Membership>,
    /// `reconfigEnabled`: the members may change.
    pub reconfig_enabled: bool,
    /// Which views are accepted from elsewhere.
    pub view_rules: ViewRules,
    pub zab: ZabOptions,
    pub election: ElectionOptions,
    /// `zookeeper.observer.election.DelayMs`: an observer that lost its leader rests for a random
    /// time below this before it looks for one.
    pub observer_rest_ms: u64,
    /// `zookeeper.observer.reconnectDelayMs`: and for a random time below this before it dials the
    /// leader, or the first of the followers.
    pub observer_reconnect_ms: u64,
    /// `observerMasterPort`: where followers serve observers.
    pub observer_master_port: Option<u16>,
    /// `zookeeper.observerMaster.sizeLimit`: bytes that may wait for one of them.
    pub observer_queue_bytes_max: usize,
    /// `leaderServes`: clients may connect to the leader.
    pub leader_serves: bool,
    /// `readonlymode.enabled`: how long this server looks for a leader before it lets clients read
    /// that ask for no more; `None` for ever.
    pub read_only_after_ms: Option<u64>,
    /// `commitLogCount`: committed transactions kept at hand for learners.
    pub commit_log_count: usize,
    /// Their bytes; [`RECENT_BYTES_MAX`](crate::zab::RECENT_BYTES_MAX) but in tests.
    pub recent_bytes_max: usize,
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
    /// Who is in the ensemble.
    pub(super) membership: Arc<Membership>,
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
    masters: Masters,
    random: u64,
}

impl Member {
    pub(super) fn new(options: MemberOptions, start: MemberStart) -> Self {
        let mut member = Self {
            membership: options.membership.clone(),
            election: None,
            accepted_epoch: start.accepted_epoch,
            current_epoch: start.current_epoch,
            recent: Recent::bounded(options.commit_log_count, options.recent_bytes_max),
            config_is_stale: true,
            needs_snapshot: false,
            masters: Masters::default(),
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
        match self.membership.role(self.options.me) {
            Role::Participant => LearnerKind::Follower,
            Role::Observer => LearnerKind::Observer,
        }
    }

    /// The version of the committed configuration.
    pub(super) fn config_version(&self) -> i64 {
        self.membership.committed().version().0
    }

    /// When an observer that lost its leader may look for another.
    pub(super) fn rest_until(&mut self, now: Monotonic) -> Monotonic {
        if self.learner_kind() != LearnerKind::Observer {
            return now;
        }
        let rest = self.draw_below(self.options.observer_rest_ms);
        let begins_round = !self.uses_masters() || self.masters.is_new_round();
        let delay = if begins_round {
            self.draw_below(self.options.observer_reconnect_ms)
        } else {
            0
        };
        now.after(rest.saturating_add(delay))
    }

    /// Whom to learn from in the term of `leader`, and where it is dialled.
    pub(super) fn next_master(&mut self, leader: ServerId) -> (ServerId, Door, Vec<Address>) {
        let membership = self.membership.clone();
        let view = membership.committed();
        let addresses = |server| {
            let member = view.members().get(&server);
            let addresses = member.map(|member| member.quorum_addresses().collect());
            addresses.unwrap_or_default()
        };
        if let Some(port) = self.options.observer_master_port
            && self.learner_kind() == LearnerKind::Observer
        {
            let random = &mut self.random;
            let draw = || draw(random);
            if let Some(master) = self
                .masters
                .next(view.voters().iter().copied(), leader, draw)
            {
                let mut addresses: Vec<Address> = addresses(master);
                for address in &mut addresses {
                    address.port = port;
                }
                addresses.dedup();
                return (master, Door::Follower, addresses);
            }
        }
        (leader, Door::Leader, addresses(leader))
    }

    /// An observer has got all that a follower has.
    pub(super) fn on_served_by(&mut self, master: ServerId) {
        let membership = self.membership.clone();
        let voters = membership.committed().voters().iter().copied();
        let random = &mut self.random;
        self.masters.on_served(voters, master, || draw(random));
    }

    /// The members are others: whoever serves observers among them is tried anew.
    pub(super) fn forget_masters(&mut self) {
        self.masters = Masters::default();
    }

    fn uses_masters(&self) -> bool {
        self.options.observer_master_port.is_some()
    }

    fn draw_below(&mut self, below: u64) -> u64 {
        if below == 0 {
            0
        } else {
            draw(&mut self.random) % below
        }
    }
}

/// The next of the generator SplitMix64.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
