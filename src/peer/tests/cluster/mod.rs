//! Peers as an ensemble, over a network and disks that do at once what they are asked.
//!
//! - here: the servers, who is up, and the links between them
//! - [`driver`]: feeds them and carries out what they ask for
//! - [`clients`]: clients that connect, ask and hear

pub(super) mod clients;
mod driver;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{TICK, options};
use crate::auth::{AuthOptions, Policy};
use crate::base::{Epoch, Monotonic, Now, QuorumLink, ServerId, WallMillis, Zxid};
use crate::election::{ElectionOptions, LinkState};
use crate::peer::{
    ClientOutput, Door, Input, LocalSessions, MemberOptions, MemberStart, Mode, Peer,
};
use crate::proto::TxnRecord;
use crate::quorum::{Membership, QuorumView, ViewRules};
use crate::tree::Database;
use crate::watch::WatchTable;
use crate::zab::{Committed, RECENT_BYTES_MAX, ZabOptions};

pub(super) const FIELD_MAX: usize = 1 << 20;

pub(super) struct Node {
    pub(super) id: ServerId,
    pub(super) peer: Peer,
    pub(super) db: Database,
    pub(super) watches: WatchTable,
    /// All that is on disk, snapshots and log in one.
    pub(super) log: Vec<Committed>,
    /// The zxid of the last snapshot, which no transaction may have.
    pub(super) snapshot: Zxid,
    /// The state that came with SNAP, and who sent it.
    pub(super) received: Option<(Database, usize)>,
    pub(super) epochs: (Epoch, Epoch),
    /// The views on disk.
    pub(super) views: Membership,
    pub(super) mode: Option<Mode>,
    pub(super) open_door: Option<Door>,
    /// What its leader sends waits here, if that is to wait.
    pub(super) held: Option<Vec<Input>>,
    /// Whom, where, and since when.
    pub(super) dialling: Option<(ServerId, Door, Monotonic)>,
    pub(super) is_up: bool,
    pub(super) client: Vec<ClientOutput>,
}

/// Which two servers a link joins: leader, learner.
pub(super) type Ends = (usize, usize);

pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) now: Now,
    pub(super) membership: Arc<Membership>,
    pub(super) links: BTreeMap<QuorumLink, Ends>,
    pub(super) next_link: u64,
    pub(super) next_conn: u64,
    pub(super) next_xid: i32,
    /// What is to be fed to whom.
    pub(super) events: VecDeque<(usize, Input)>,
    pub(super) settings: Settings,
    /// Where extended types are switched on, from the next start on.
    pub(super) extended_types: Vec<usize>,
}

/// What all servers are told.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) leader_serves: bool,
    pub(super) local_sessions: LocalSessions,
    pub(super) read_only_after_ms: Option<u64>,
    pub(super) observer_master_port: Option<u16>,
    /// Of servers that are started from then on.
    pub(super) reconfig_enabled: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            leader_serves: true,
            local_sessions: LocalSessions::Off,
            read_only_after_ms: None,
            observer_master_port: None,
            reconfig_enabled: false,
        }
    }
}

impl Node {
    fn truncate(&mut self, zxid: Zxid) -> Input {
        if zxid < self.snapshot {
            return Input::NotTruncated { zxid };
        }
        self.log.retain(|record| record.zxid <= zxid);
        let recent = behind(&self.log, self.snapshot);
        Input::Truncated { zxid, recent }
    }

    fn reload(&self) -> Input {
        let recent = behind(&self.log, self.snapshot);
        let zxid = replayed(&self.log, self.snapshot).last_zxid();
        Input::Reloaded { zxid, recent }
    }
}

impl Cluster {
    /// Servers with the numbers 1 to `voters`, then observers, all empty, settled.
    pub(super) fn new(voters: usize, observers: usize) -> Self {
        Self::with(voters, observers, Settings::default())
    }

    /// With observers that learn from followers.
    pub(super) fn with_masters(voters: usize, observers: usize) -> Self {
        let settings = Settings {
            observer_master_port: Some(2191),
            ..Settings::default()
        };
        Self::with(voters, observers, settings)
    }

    /// The same, whose members may be changed by whoever asks.
    pub(super) fn changeable(voters: usize, observers: usize) -> Self {
        let settings = Settings {
            reconfig_enabled: true,
            ..Settings::default()
        };
        Self::with(voters, observers, settings)
    }

    pub(super) fn with(voters: usize, observers: usize, settings: Settings) -> Self {
        let mut text = String::new();
        for number in 1..=voters + observers {
            let role = if number <= voters {
                "participant"
            } else {
                "observer"
            };
            text += &format!(
                "server.{number}=127.0.0.1:{}:{}:{role}\n",
                2000 + number,
                3000 + number
            );
        }
        let view = QuorumView::parse(&text, ViewRules::default()).unwrap();
        let membership = Arc::new(Membership::new(Arc::new(view)));
        let now = Now {
            monotonic: Monotonic(1_000_000),
            wall: WallMillis(1_700_000_000_000),
        };
        let mut cluster = Self {
            nodes: Vec::new(),
            now,
            membership,
            links: BTreeMap::new(),
            next_link: 1,
            next_conn: 1,
            next_xid: 0,
            events: VecDeque::new(),
            settings,
            extended_types: Vec::new(),
        };
        for at in 0..voters + observers {
            let node = cluster.start(at, (Vec::new(), Zxid::ZERO), (Epoch(0), Epoch(0)));
            cluster.nodes.push(node);
        }
        for at in 0..voters + observers {
            cluster.reach(at, LinkState::Up);
        }
        cluster.settle();
        // An observer rests before it looks, and asks once a second.
        cluster.pass(2000);
        cluster
    }

    pub(super) fn start(
        &self,
        at: usize,
        (log, snapshot): (Vec<Committed>, Zxid),
        epochs: (Epoch, Epoch),
    ) -> Node {
        let id = ServerId(i64::try_from(at).unwrap() + 1);
        let views = match self.nodes.get(at) {
            Some(node) if self.settings.reconfig_enabled => node.views.clone(),
            _ => Membership::clone(&self.membership),
        };
        let member = MemberOptions {
            me: id,
            membership: Arc::new(views.clone()),
            zab: ZabOptions {
                tick_ms: TICK,
                init_limit: 10,
                sync_limit: 5,
                snapshot_size_factor: Some(0.33),
                force_snapshot_sync: false,
                snap_syncs_max: 10,
                diff_syncs_max: 100,
                wait_for_epoch_max_ms: None,
                reconfig_enabled: self.settings.reconfig_enabled,
            },
            reconfig_enabled: self.settings.reconfig_enabled,
            view_rules: ViewRules::default(),
            election: ElectionOptions {
                reconfig_enabled: self.settings.reconfig_enabled,
                ..ElectionOptions::default()
            },
            observer_rest_ms: 200,
            observer_reconnect_ms: 0,
            observer_master_port: self.settings.observer_master_port,
            observer_queue_bytes_max: 32 * 1024 * 1024,
            leader_serves: self.settings.leader_serves,
            read_only_after_ms: self.settings.read_only_after_ms,
            commit_log_count: 500,
            recent_bytes_max: RECENT_BYTES_MAX,
            field_bytes_max: FIELD_MAX,
            seed: 7,
        };
        let mut peer_options = options();
        peer_options.prep.tree.extended_types = self.extended_types.contains(&at);
        peer_options.session_id_byte = u8::try_from(at).unwrap() + 1;
        peer_options.local_sessions = self.settings.local_sessions;
        let start = MemberStart {
            accepted_epoch: epochs.0,
            current_epoch: epochs.1,
            recent: behind(&log, snapshot),
        };
        peer_options.prep.reconfig_enabled = self.settings.reconfig_enabled;
        let auth = AuthOptions {
            skip_acl: self.settings.reconfig_enabled,
            ..AuthOptions::default()
        };
        let policy = Arc::new(Policy::new(&auth).unwrap());
        let db = replayed(&log, snapshot);
        Node {
            id,
            peer: Peer::member(peer_options, member, policy, start, self.now),
            db,
            watches: WatchTable::default(),
            log,
            snapshot,
            received: None,
            epochs,
            views,
            mode: None,
            open_door: None,
            held: None,
            dialling: None,
            is_up: true,
            client: Vec::new(),
        }
    }

    /// A server that is in no view but its own.
    pub(super) fn add(&mut self, view: &str) -> usize {
        let at = self.nodes.len();
        let view = QuorumView::parse(view, ViewRules::default()).unwrap();
        let others = std::mem::replace(
            &mut self.membership,
            Arc::new(Membership::new(Arc::new(view))),
        );
        let node = self.start(at, (Vec::new(), Zxid::ZERO), (Epoch(0), Epoch(0)));
        self.membership = others;
        self.nodes.push(node);
        self.reach(at, LinkState::Up);
        at
    }

    /// Everyone learns whether `at` can be reached, and it whether they can.
    pub(super) fn reach(&mut self, at: usize, state: LinkState) {
        for other in 0..self.nodes.len() {
            if other != at && self.nodes[other].is_up {
                let (a, b) = (self.nodes[at].id, self.nodes[other].id);
                self.events
                    .push_back((other, Input::Reach { peer: a, state }));
                if self.nodes[at].is_up {
                    self.events.push_back((at, Input::Reach { peer: b, state }));
                }
            }
        }
    }

    /// Kills a server; its disk stays.
    pub(super) fn kill(&mut self, at: usize) {
        self.nodes[at].is_up = false;
        self.nodes[at].open_door = None;
        self.events.retain(|(to, _)| *to != at);
        self.cut_links_of(at);
        self.reach(at, LinkState::Gone);
    }

    pub(super) fn restart(&mut self, at: usize) {
        let Node {
            log,
            snapshot,
            epochs,
            ..
        } = &self.nodes[at];
        self.nodes[at] = self.start(at, (log.clone(), *snapshot), *epochs);
        self.reach(at, LinkState::Up);
    }

    pub(super) fn cut_links_of(&mut self, at: usize) {
        let gone: Vec<_> = self
            .links
            .iter()
            .filter(|(_, (leader, learner))| *leader == at || *learner == at)
            .map(|(link, _)| *link)
            .collect();
        for link in gone {
            self.cut(link, at);
        }
    }

    /// What was held back comes now.
    pub(super) fn release(&mut self, at: usize) {
        let held = self.nodes[at].held.take();
        let held = held.into_iter().flatten().map(|input| (at, input));
        self.events.extend(held);
        self.settle();
    }

    /// Cuts the links of those who learn from a server.
    pub(super) fn cut_links_of_learners(&mut self, at: usize) {
        let of_observers = self.links.iter().filter(|(_, (master, _))| *master == at);
        let of_observers: Vec<_> = of_observers.map(|(link, _)| *link).collect();
        for link in of_observers {
            self.cut(link, at);
            self.events.push_back((at, Input::LearnerGone { link }));
        }
    }

    /// One end closes a link; the other hears of it.
    pub(super) fn cut(&mut self, link: QuorumLink, by: usize) {
        let Some((leader, learner)) = self.links.remove(&link) else {
            return;
        };
        let reason = "the link is closed".to_owned();
        if by == leader && self.nodes[learner].is_up {
            self.events
                .push_back((learner, Input::LeaderGone { link, reason }));
        } else if by == learner && self.nodes[leader].is_up {
            self.events.push_back((leader, Input::LearnerGone { link }));
        }
    }

    pub(super) fn leader(&self) -> usize {
        let is_leader = |node: &Node| node.is_up && node.mode == Some(Mode::Leader);
        self.nodes
            .iter()
            .position(is_leader)
            .expect("there is a leader")
    }

    pub(super) fn modes(&self) -> Vec<Option<Mode>> {
        self.nodes.iter().map(|node| node.mode).collect()
    }

    pub(super) fn assert_same_state(&self) {
        let states = self.nodes.iter().filter(|node| node.is_up);
        let mut states = states.map(|node| (node.db.tree.digest(), node.log.clone()));
        let first = states.next().unwrap();
        assert!(
            states.all(|state| state == first),
            "all have the same log and state"
        );
    }
}

/// What is read back of a log.
pub(super) fn behind(log: &[Committed], snapshot: Zxid) -> Vec<Committed> {
    let behind = log.iter().filter(|record| record.zxid > snapshot);
    behind.cloned().collect()
}

/// The state after `log`, at `snapshot` if that is later.
pub(super) fn replayed(log: &[Committed], snapshot: Zxid) -> Database {
    let mut db = Database::new(options().prep.tree);
    for Committed { payload, .. } in log {
        db.apply(
            &TxnRecord::decode(payload, FIELD_MAX).unwrap(),
            &mut Vec::new(),
        );
    }
    let last = log.last().map_or(snapshot, |last| last.zxid.max(snapshot));
    db.set_last_zxid(last);
    db
}
