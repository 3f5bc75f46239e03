//! Peers as an ensemble, over a network and disks that do at once what they are asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::{TICK, options};
use crate::auth::{AuthOptions, Policy};
use crate::base::{
    Acl, ConnId, Epoch, Monotonic, Now, QuorumLink, ServerId, SessionId, WallMillis, Xid, Zxid,
};
use crate::election::{ElectionOptions, LinkState, Received};
use crate::peer::{
    ClientOutput, ConnectAsk, Door, Input, LocalSessions, MemberOptions, MemberStart, Mode, Output,
    Peer, Write,
};
use crate::proto::{Op, TxnRecord, WriteReply, WriteRequest};
use crate::quorum::{Membership, QuorumView, ViewRules};
use crate::session::password;
use crate::tree::Database;
use crate::watch::WatchTable;
use crate::zab::{Committed, StreamItem, ToLeader, ToLearner, ZabOptions, packet_len};

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

/// A client of one server.
#[derive(Clone, Copy)]
pub(super) struct Client {
    pub(super) at: usize,
    pub(super) conn: ConnId,
    pub(super) session: SessionId,
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

    /// Feeds all there is, until nothing happens any more.
    pub(super) fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the ensemble does not come to rest");
    }

    /// Feeds one input. Whether there may be more to do.
    pub(super) fn step(&mut self) -> bool {
        for at in 0..self.nodes.len() {
            self.apply(at);
            self.dial(at);
        }
        if let Some((at, input)) = self.events.pop_front() {
            self.feed(at, input);
            return true;
        }
        let has_committed = |node: &Node| node.is_up && node.peer.has_committed();
        self.nodes.iter().any(has_committed)
    }

    /// Lets time pass in steps of 10 ms.
    pub(super) fn pass(&mut self, millis: u64) {
        for _ in 0..millis.div_ceil(10) {
            self.now.monotonic = self.now.monotonic.after(10);
            self.now.wall.0 += 10;
            for at in 0..self.nodes.len() {
                let node = &self.nodes[at];
                let deadline = node.peer.next_deadline();
                if node.is_up && deadline.is_some_and(|due| due <= self.now.monotonic) {
                    self.events.push_back((at, Input::Wake));
                }
            }
            self.settle();
        }
    }

    pub(super) fn feed(&mut self, at: usize, input: Input) {
        let node = &mut self.nodes[at];
        if !node.is_up {
            return;
        }
        if let (Some(held), Input::FromLeader { .. }) = (&mut node.held, &input) {
            return held.push(input);
        }
        if let Input::Truncated { .. } | Input::Reloaded { .. } = &input {
            node.db = replayed(&node.log, node.snapshot);
        }
        let (mut out, mut client) = (Vec::new(), Vec::new());
        node.peer
            .handle(self.now, &node.db, input, &mut out, &mut client);
        node.client.append(&mut client);
        self.carry_out(at, out);
    }

    pub(super) fn apply(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        // Also when there is nothing to do: a driver applies what else it has at hand too.
        if !node.is_up {
            return;
        }
        let has_committed = node.peer.has_committed();
        let (mut out, mut client) = (Vec::new(), Vec::new());
        node.peer.apply_committed(
            self.now,
            &mut node.db,
            &mut node.watches,
            &mut out,
            &mut client,
        );
        node.client.append(&mut client);
        self.carry_out(at, out);
        if has_committed {
            // Rests of no length are over at once.
            self.events.push_back((at, Input::Wake));
        }
    }

    pub(super) fn carry_out(&mut self, at: usize, outputs: Vec<Output>) {
        for output in outputs {
            let node = &mut self.nodes[at];
            match output {
                Output::Append { zxid, payload } => {
                    assert!(node.log.last().is_none_or(|last| last.zxid < zxid));
                    node.log.push(Committed { zxid, payload });
                    self.events.push_back((at, Input::Appended { zxid }));
                }
                Output::SaveAcceptedEpoch(epoch) => {
                    node.epochs.0 = epoch;
                    self.events
                        .push_back((at, Input::AcceptedEpochSaved(epoch)));
                }
                Output::SaveCurrentEpoch(epoch) => {
                    node.epochs.1 = epoch;
                    self.events.push_back((at, Input::CurrentEpochSaved(epoch)));
                }
                Output::SaveSeenView(view) => node.views = node.views.seeing(view),
                Output::SaveCommittedView { view, .. } => {
                    node.views = node.views.committing(view);
                }
                Output::Members(_) => {}
                Output::Truncate { zxid } => {
                    let done = node.truncate(zxid);
                    self.events.push_back((at, done));
                }
                Output::Reload => self.events.push_back((at, node.reload())),
                Output::Drain => self.events.push_back((at, Input::Drained)),
                Output::Notify { to, message } => self.notify(at, to, &message),
                Output::Eager(_) => {}
                Output::OpenQuorumPort(door) => node.open_door = Some(door),
                Output::CloseQuorumPort => {
                    node.open_door = None;
                    self.cut_links_of(at);
                }
                Output::Send { link, packets } => self.send(at, link, packets),
                Output::Stream { link, item } => self.stream(at, link, item),
                Output::CloseLink { link } => self.cut(link, at),
                Output::DialLeader {
                    leader,
                    door,
                    addresses,
                } => {
                    assert_eq!(addresses.len(), 1, "the leader's address is known");
                    node.dialling = Some((leader, door, self.now.monotonic));
                }
                Output::HangUp => {
                    node.dialling = None;
                    self.cut_links_of(at);
                }
                Output::Serve(mode) => node.mode = Some(mode),
                Output::Retire => node.mode = None,
                Output::InstallSnapshot { zxid } => {
                    let (db, _) = node.received.as_mut().expect("it came with SNAP");
                    assert_eq!(db.last_zxid(), zxid);
                    std::mem::swap(&mut node.db, db);
                }
                Output::StoreSnapshot { zxid } => {
                    self.nodes[at].log = self.records_of(at, zxid);
                    self.nodes[at].snapshot = zxid;
                    self.events.push_back((at, Input::SnapshotStored { zxid }));
                }
                Output::ProbeLog { link, .. } => {
                    self.events
                        .push_back((at, Input::LogProbed { link, found: None }));
                }
                Output::Exit { code, reason } => panic!("{at} exits with {code}: {reason}"),
            }
        }
    }

    pub(super) fn notify(&mut self, at: usize, to: ServerId, message: &Bytes) {
        let to = usize::try_from(to.0 - 1).unwrap();
        let message = Received::decode(message, false).unwrap();
        let from = self.nodes[at].id;
        self.events
            .push_back((to, Input::Notification { from, message }));
    }

    pub(super) fn dial(&mut self, at: usize) {
        let Some((leader, door, since)) = self.nodes[at].dialling else {
            return;
        };
        if door == Door::Follower && self.now.monotonic.since(since) >= 500 {
            // Nobody listens there.
            self.nodes[at].dialling = None;
            let link = QuorumLink(self.next_link);
            self.next_link += 1;
            let reason = "it does not answer".to_owned();
            let gone = Input::LeaderGone { link, reason };
            return self.events.push_back((at, gone));
        }
        let leader = usize::try_from(leader.0 - 1).unwrap();
        if self.nodes[leader].is_up && self.nodes[leader].open_door == Some(door) {
            self.nodes[at].dialling = None;
            let link = QuorumLink(self.next_link);
            self.next_link += 1;
            self.links.insert(link, (leader, at));
            self.events
                .push_back((leader, Input::LearnerConnected { link }));
            self.events.push_back((at, Input::LeaderConnected { link }));
        }
    }

    pub(super) fn send(&mut self, from: usize, link: QuorumLink, mut packets: Bytes) {
        let Some((leader, learner)) = self.links.get(&link).copied() else {
            return;
        };
        while let Some(len) = packet_len(&packets, FIELD_MAX).unwrap() {
            let packet = packets.split_to(len);
            if from == leader {
                let packet = ToLearner::decode(&packet).unwrap();
                self.events
                    .push_back((learner, Input::FromLeader { link, packet }));
            } else {
                let packet = ToLeader::decode(&packet).unwrap();
                self.events
                    .push_back((leader, Input::FromLearner { link, packet }));
            }
        }
        assert!(packets.is_empty(), "whole packets are sent");
    }

    /// What the sender of the last SNAP has up to `zxid`.
    pub(super) fn records_of(&self, at: usize, zxid: Zxid) -> Vec<Committed> {
        let received = self.nodes[at].received.as_ref();
        let (_, sender) = received.expect("it came with SNAP");
        let log = self.nodes[*sender].log.iter();
        log.filter(|record| record.zxid <= zxid).cloned().collect()
    }

    pub(super) fn stream(&mut self, from: usize, link: QuorumLink, item: StreamItem) {
        assert_eq!(item, StreamItem::Snapshot, "no log here is asked for");
        let zxid = self.nodes[from].db.last_zxid();
        if let Some((_, learner)) = self.links.get(&link).copied() {
            let mut log = self.nodes[from].log.clone();
            log.retain(|record| record.zxid <= zxid);
            self.nodes[learner].received = Some((replayed(&log, zxid), from));
            self.events.push_back((from, Input::Streamed { link }));
            let packet = ToLearner::Snap { zxid };
            self.events
                .push_back((learner, Input::FromLeader { link, packet }));
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

    pub(super) fn connect(&mut self, at: usize, session: SessionId) -> Client {
        let conn = self.knock(at, session);
        while self.step() {}
        let heard = std::mem::take(&mut self.nodes[at].client);
        let session = heard.iter().find_map(|output| connected(output, conn));
        let session = session.unwrap_or_else(|| panic!("no session: {heard:?}"));
        Client { at, conn, session }
    }

    /// A client connects, and does not wait.
    pub(super) fn knock(&mut self, at: usize, session: SessionId) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let last_zxid_seen = Zxid::ZERO;
        let password = Some(Bytes::copy_from_slice(&password(session)));
        let request = ConnectAsk {
            last_zxid_seen,
            timeout_ms: 10_000,
            session,
            password: password.filter(|_| session != SessionId::NONE),
            read_only: true,
        };
        self.events
            .push_back((at, Input::Connect { conn, request }));
        conn
    }

    /// Asks, without waiting.
    pub(super) fn ask(&mut self, client: Client, op: Op, body: &[u8]) -> Xid {
        self.next_xid += 1;
        let xid = Xid(self.next_xid);
        let write = write(client, xid, op, body);
        self.events.push_back((client.at, Input::Write(write)));
        xid
    }

    /// What the client was answered, in order.
    pub(super) fn replies(&mut self, client: Client) -> Vec<(Xid, WriteReply)> {
        self.settle();
        let heard = std::mem::take(&mut self.nodes[client.at].client);
        let replies = heard.into_iter().filter_map(|output| match output {
            ClientOutput::Reply {
                conn, xid, reply, ..
            } if conn == client.conn => Some((xid, reply)),
            _ => None,
        });
        replies.collect()
    }

    pub(super) fn create(&mut self, client: Client, path: &str) {
        let xid = self.ask(client, Op::Create, &create_body(path, 0));
        let replies = self.replies(client);
        assert_eq!(replies, [(xid, WriteReply::Path(path.into()))]);
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

pub(super) fn write(client: Client, xid: Xid, op: Op, body: &[u8]) -> Write {
    let body = Bytes::copy_from_slice(body);
    Write {
        conn: client.conn,
        session: client.session,
        xid,
        op,
        request: WriteRequest::decode(op, &body),
        ids: Policy::initial("10.0.0.1".parse().unwrap()),
        body,
    }
}

/// The session that a connection is told of.
pub(super) fn connected(output: &ClientOutput, to: ConnId) -> Option<SessionId> {
    match output {
        ClientOutput::Connected { conn, session, .. } if *conn == to => Some(session.id()),
        _ => None,
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

pub(super) fn create_body(path: &str, flags: i32) -> Vec<u8> {
    use jute::Encode as _;
    let acl = Acl::anyone(31);
    jute::proto::CreateRequest {
        path: Some(path.into()),
        data: Some(b"data"),
        acl: Some(vec![acl.as_record()]),
        flags,
    }
    .to_vec()
}
