//! Peers as an ensemble, over a network and disks that do at once what they are asked: how roles
//! change and how a client's request goes through them. What goes wrong is the simulator's.

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
    ClientOutput, ConnectAsk, Input, MemberOptions, MemberStart, Mode, Output, Peer, Write,
};
use crate::proto::{Op, TxnRecord, WriteReply, WriteRequest};
use crate::quorum::{Membership, QuorumView, ViewRules};
use crate::session::password;
use crate::tree::Database;
use crate::watch::WatchTable;
use crate::zab::{Committed, StreamItem, ToLeader, ToLearner, ZabOptions, packet_len};

const FIELD_MAX: usize = 1 << 20;

struct Node {
    id: ServerId,
    peer: Peer,
    db: Database,
    watches: WatchTable,
    /// All that is on disk, snapshots and log in one.
    log: Vec<Committed>,
    /// The zxid of the last snapshot, which no transaction may have.
    snapshot: Zxid,
    /// The state that came with SNAP, and who sent it.
    received: Option<(Database, usize)>,
    epochs: (Epoch, Epoch),
    mode: Option<Mode>,
    port_is_open: bool,
    dialling: Option<ServerId>,
    is_up: bool,
    client: Vec<ClientOutput>,
}

/// Which two servers a link joins: leader, learner.
type Ends = (usize, usize);

struct Cluster {
    nodes: Vec<Node>,
    now: Now,
    membership: Arc<Membership>,
    links: BTreeMap<QuorumLink, Ends>,
    next_link: u64,
    next_conn: u64,
    next_xid: i32,
    /// What is to be fed to whom.
    events: VecDeque<(usize, Input)>,
    leader_serves: bool,
}

/// A client of one server.
#[derive(Clone, Copy)]
struct Client {
    at: usize,
    conn: ConnId,
    session: SessionId,
}

impl Cluster {
    /// Servers with the numbers 1 to `voters`, then observers, all empty, settled.
    fn new(voters: usize, observers: usize) -> Self {
        Self::with(voters, observers, true)
    }

    fn with(voters: usize, observers: usize, leader_serves: bool) -> Self {
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
            leader_serves,
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

    fn start(
        &self,
        at: usize,
        (log, snapshot): (Vec<Committed>, Zxid),
        epochs: (Epoch, Epoch),
    ) -> Node {
        let id = ServerId(i64::try_from(at).unwrap() + 1);
        let member = MemberOptions {
            me: id,
            membership: self.membership.clone(),
            zab: ZabOptions {
                tick_ms: TICK,
                init_limit: 10,
                sync_limit: 5,
                snapshot_size_factor: Some(0.33),
                force_snapshot_sync: false,
                snap_syncs_max: 10,
                diff_syncs_max: 100,
                wait_for_epoch_max_ms: None,
            },
            election: ElectionOptions::default(),
            observer_rest_ms: 200,
            leader_serves: self.leader_serves,
            commit_log_count: 500,
            field_bytes_max: FIELD_MAX,
            seed: 7,
        };
        let mut peer_options = options();
        peer_options.session_id_byte = u8::try_from(at).unwrap() + 1;
        let start = MemberStart {
            accepted_epoch: epochs.0,
            current_epoch: epochs.1,
            recent: log.clone(),
        };
        let policy = Arc::new(Policy::new(&AuthOptions::default()).unwrap());
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
            mode: None,
            port_is_open: false,
            dialling: None,
            is_up: true,
            client: Vec::new(),
        }
    }

    /// Everyone learns whether `at` can be reached, and it whether they can.
    fn reach(&mut self, at: usize, state: LinkState) {
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
    fn kill(&mut self, at: usize) {
        self.nodes[at].is_up = false;
        self.nodes[at].port_is_open = false;
        self.events.retain(|(to, _)| *to != at);
        self.cut_links_of(at);
        self.reach(at, LinkState::Gone);
    }

    fn restart(&mut self, at: usize) {
        let Node {
            log,
            snapshot,
            epochs,
            ..
        } = &self.nodes[at];
        self.nodes[at] = self.start(at, (log.clone(), *snapshot), *epochs);
        self.reach(at, LinkState::Up);
    }

    fn cut_links_of(&mut self, at: usize) {
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

    /// One end closes a link; the other hears of it.
    fn cut(&mut self, link: QuorumLink, by: usize) {
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
    fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the ensemble does not come to rest");
    }

    /// Feeds one input. Whether there may be more to do.
    fn step(&mut self) -> bool {
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
    fn pass(&mut self, millis: u64) {
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

    fn feed(&mut self, at: usize, input: Input) {
        let node = &mut self.nodes[at];
        if !node.is_up {
            return;
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

    fn apply(&mut self, at: usize) {
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

    fn carry_out(&mut self, at: usize, outputs: Vec<Output>) {
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
                Output::Truncate { zxid } => {
                    node.log.retain(|record| record.zxid <= zxid);
                    let recent = node.log.clone();
                    self.events
                        .push_back((at, Input::Truncated { zxid, recent }));
                }
                Output::Reload => {
                    let (zxid, recent) = (node.db.last_zxid(), node.log.clone());
                    self.events
                        .push_back((at, Input::Reloaded { zxid, recent }));
                }
                Output::Drain => self.events.push_back((at, Input::Drained)),
                Output::Notify { to, message } => self.notify(at, to, &message),
                Output::Eager(_) => {}
                Output::OpenQuorumPort => node.port_is_open = true,
                Output::CloseQuorumPort => {
                    node.port_is_open = false;
                    self.cut_links_of(at);
                }
                Output::Send { link, packets } => self.send(at, link, packets),
                Output::Stream { link, item } => self.stream(at, link, item),
                Output::CloseLink { link } => self.cut(link, at),
                Output::DialLeader { leader, addresses } => {
                    assert_eq!(addresses.len(), 1, "the leader's address is known");
                    node.dialling = Some(leader);
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

    fn notify(&mut self, at: usize, to: ServerId, message: &Bytes) {
        let to = usize::try_from(to.0 - 1).unwrap();
        let message = Received::decode(message, false).unwrap();
        let from = self.nodes[at].id;
        self.events
            .push_back((to, Input::Notification { from, message }));
    }

    fn dial(&mut self, at: usize) {
        let Some(leader) = self.nodes[at].dialling else {
            return;
        };
        let leader = usize::try_from(leader.0 - 1).unwrap();
        if self.nodes[leader].is_up && self.nodes[leader].port_is_open {
            self.nodes[at].dialling = None;
            let link = QuorumLink(self.next_link);
            self.next_link += 1;
            self.links.insert(link, (leader, at));
            self.events
                .push_back((leader, Input::LearnerConnected { link }));
            self.events.push_back((at, Input::LeaderConnected { link }));
        }
    }

    fn send(&mut self, from: usize, link: QuorumLink, mut packets: Bytes) {
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
    fn records_of(&self, at: usize, zxid: Zxid) -> Vec<Committed> {
        let received = self.nodes[at].received.as_ref();
        let (_, sender) = received.expect("it came with SNAP");
        let log = self.nodes[*sender].log.iter();
        log.filter(|record| record.zxid <= zxid).cloned().collect()
    }

    fn stream(&mut self, from: usize, link: QuorumLink, item: StreamItem) {
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

    fn leader(&self) -> usize {
        let is_leader = |node: &Node| node.is_up && node.mode == Some(Mode::Leader);
        self.nodes
            .iter()
            .position(is_leader)
            .expect("there is a leader")
    }

    fn modes(&self) -> Vec<Option<Mode>> {
        self.nodes.iter().map(|node| node.mode).collect()
    }

    fn connect(&mut self, at: usize, session: SessionId) -> Client {
        let conn = self.knock(at, session);
        while self.step() {}
        let heard = std::mem::take(&mut self.nodes[at].client);
        let session = heard.iter().find_map(|output| connected(output, conn));
        let session = session.unwrap_or_else(|| panic!("no session: {heard:?}"));
        Client { at, conn, session }
    }

    /// A client connects, and does not wait.
    fn knock(&mut self, at: usize, session: SessionId) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let last_zxid_seen = Zxid::ZERO;
        let password = Some(Bytes::copy_from_slice(&password(session)));
        let request = ConnectAsk {
            last_zxid_seen,
            timeout_ms: 10_000,
            session,
            password: password.filter(|_| session != SessionId::NONE),
        };
        self.events
            .push_back((at, Input::Connect { conn, request }));
        conn
    }

    /// Asks, without waiting.
    fn ask(&mut self, client: Client, op: Op, body: &[u8]) -> Xid {
        self.next_xid += 1;
        let xid = Xid(self.next_xid);
        let write = write(client, xid, op, body);
        self.events.push_back((client.at, Input::Write(write)));
        xid
    }

    /// What the client was answered, in order.
    fn replies(&mut self, client: Client) -> Vec<(Xid, WriteReply)> {
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

    fn create(&mut self, client: Client, path: &str) {
        let xid = self.ask(client, Op::Create, &create_body(path, 0));
        let replies = self.replies(client);
        assert_eq!(replies, [(xid, WriteReply::Path(path.into()))]);
    }

    fn assert_same_state(&self) {
        let states = self.nodes.iter().filter(|node| node.is_up);
        let mut states = states.map(|node| (node.db.tree.digest(), node.log.clone()));
        let first = states.next().unwrap();
        assert!(
            states.all(|state| state == first),
            "all have the same log and state"
        );
    }
}

fn write(client: Client, xid: Xid, op: Op, body: &[u8]) -> Write {
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
fn connected(output: &ClientOutput, to: ConnId) -> Option<SessionId> {
    match output {
        ClientOutput::Connected { conn, session, .. } if *conn == to => Some(session.id()),
        _ => None,
    }
}

/// The state after `log`, at `snapshot` if that is later.
fn replayed(log: &[Committed], snapshot: Zxid) -> Database {
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

fn create_body(path: &str, flags: i32) -> Vec<u8> {
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

#[test]
fn servers_that_start_together_elect_one_and_serve() {
    for (voters, observers) in [(1, 0), (3, 0), (5, 0), (3, 2)] {
        let cluster = Cluster::new(voters, observers);
        let leader = cluster.leader();
        for (at, mode) in cluster.modes().into_iter().enumerate() {
            let expected = match at {
                at if at == leader => Mode::Leader,
                at if at < voters => Mode::Follower,
                _ => Mode::Observer,
            };
            assert_eq!(mode, Some(expected), "server {at} of {voters}+{observers}");
        }
        assert_eq!(leader, voters - 1, "the greatest number wins");
    }
}

#[test]
fn a_write_is_answered_where_it_was_asked_for() {
    let mut cluster = Cluster::new(3, 1);
    for at in 0..4 {
        let client = cluster.connect(at, SessionId::NONE);
        cluster.create(client, &format!("/at{at}"));
        // Refused, unreadable and synced take their place in the order of the session.
        let asked = [
            cluster.ask(client, Op::Create, &create_body(&format!("/at{at}"), 0)),
            cluster.ask(client, Op::Create, b"no request"),
            cluster.ask(client, Op::Sync, b"\0\0\0\x01/"),
            cluster.ask(client, Op::Create, &create_body(&format!("/at{at}/x"), 1)),
        ];
        let replies = cluster.replies(client);
        let xids: Vec<_> = replies.iter().map(|(xid, _)| *xid).collect();
        assert_eq!(xids, asked, "in order at {at}: {replies:?}");
        assert!(matches!(replies[0].1, WriteReply::Error(_)));
        assert!(matches!(replies[1].1, WriteReply::Error(_)));
        assert_eq!(replies[2].1, WriteReply::Synced(Some("/".into())));
        assert_eq!(replies[3].1, WriteReply::Path(format!("/at{at}/x").into()));
        let closed = cluster.ask(client, Op::CloseSession, b"");
        assert_eq!(cluster.replies(client), [(closed, WriteReply::Done)]);
    }
    cluster.assert_same_state();
    assert!(
        cluster.nodes[0].db.sessions.is_empty(),
        "all sessions were closed"
    );
}

/// The leader commits several transactions at once when an acknowledgement comes late; a sync that
/// was asked for between them is answered between them.
#[test]
fn syncs_between_writes_that_are_committed_together_keep_their_places() {
    for at in 0..4 {
        let mut cluster = Cluster::new(3, 1);
        let client = cluster.connect(at, SessionId::NONE);
        let mut asked = Vec::new();
        for number in 0..20 {
            let path = format!("/n{number}");
            asked.push(cluster.ask(client, Op::Create, &create_body(&path, 0)));
            asked.push(cluster.ask(client, Op::Sync, b"\0\0\0\x01/"));
        }
        let replies = cluster.replies(client);
        let xids: Vec<_> = replies.iter().map(|(xid, _)| *xid).collect();
        assert_eq!(xids, asked, "in order at {at}");
        let is_right = |(at, (_, reply)): (usize, &(Xid, WriteReply))| match reply {
            WriteReply::Path(_) => at % 2 == 0,
            WriteReply::Synced(_) => at % 2 == 1,
            _ => false,
        };
        assert!(replies.iter().enumerate().all(is_right), "{replies:?}");
    }
}

#[test]
fn a_session_moves_to_another_server_and_its_old_one_is_refused() {
    let mut cluster = Cluster::new(3, 0);
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        let old = cluster.connect(from, SessionId::NONE);
        let new = cluster.connect(to, old.session);
        assert_eq!(new.session, old.session);
        cluster.create(new, &format!("/moved{from}"));
        cluster.ask(old, Op::Create, &create_body("/stale", 0));
        assert_eq!(cluster.replies(old), [], "it is closed, not answered");
        assert!(cluster.nodes[0].db.tree.node("/stale").is_none());
    }
}

/// A multi carries what is wrong in its parts, so it would be answered where others are not.
#[test]
fn a_connection_whose_session_moved_on_hears_nothing_more() {
    let mut cluster = Cluster::new(3, 0);
    for (from, to) in [(0, 1), (2, 0)] {
        let old = cluster.connect(from, SessionId::NONE);
        cluster.connect(to, old.session);
        let end_of_parts = b"\xff\xff\xff\xff\x01\xff\xff\xff\xff";
        let mut multi = b"\0\0\0\x02\0\xff\xff\xff\xff\0\0\0\x01/\xff\xff\xff\xff".to_vec();
        multi.extend_from_slice(end_of_parts);
        cluster.ask(old, Op::Create, &create_body("/stale", 0));
        cluster.ask(old, Op::Multi, &multi);
        assert_eq!(cluster.replies(old), []);
    }
}

#[test]
fn when_the_leader_is_lost_the_others_go_on_with_all_that_was_acknowledged() {
    let mut cluster = Cluster::new(3, 1);
    let client = cluster.connect(0, SessionId::NONE);
    cluster.create(client, "/before");
    let leader = cluster.leader();
    cluster.kill(leader);
    cluster.settle();
    cluster.pass(1000);
    let next = cluster.leader();
    assert_ne!(next, leader);
    let client = cluster.connect(0, client.session);
    cluster.create(client, "/between");
    cluster.restart(leader);
    cluster.settle();
    cluster.pass(1000);
    assert_eq!(
        cluster.modes()[leader],
        Some(Mode::Follower),
        "it follows the one there is"
    );
    let client = cluster.connect(leader, client.session);
    cluster.create(client, "/after");
    cluster.assert_same_state();
    let epochs: Vec<_> = cluster.nodes.iter().map(|node| node.epochs).collect();
    assert!(
        epochs.iter().all(|epochs| *epochs == (Epoch(2), Epoch(2))),
        "{epochs:?}"
    );
}

#[test]
fn what_a_lost_leader_did_not_get_acknowledged_is_taken_back() {
    let mut cluster = Cluster::new(3, 0);
    let leader = cluster.leader();
    let client = cluster.connect(leader, SessionId::NONE);
    cluster.create(client, "/kept");
    // Nobody hears of these.
    for other in (0..3).filter(|other| *other != leader) {
        cluster.kill(other);
    }
    for number in 0..3 {
        cluster.ask(
            client,
            Op::Create,
            &create_body(&format!("/lost{number}"), 0),
        );
    }
    assert_eq!(
        cluster.replies(client),
        [],
        "without a quorum nothing is answered"
    );
    cluster.kill(leader);
    for other in (0..3).filter(|other| *other != leader) {
        cluster.restart(other);
    }
    cluster.settle();
    cluster.pass(1000);
    let client = cluster.connect(cluster.leader(), client.session);
    cluster.create(client, "/new");
    cluster.restart(leader);
    cluster.settle();
    cluster.pass(1000);
    assert!(cluster.nodes[leader].db.tree.node("/lost0").is_none());
    assert!(cluster.nodes[leader].db.tree.node("/new").is_some());
    cluster.assert_same_state();
}

#[test]
fn a_leader_without_a_quorum_stops_within_a_tick_and_sessions_expire_only_with_one() {
    let mut cluster = Cluster::new(3, 0);
    let leader = cluster.leader();
    let client = cluster.connect(leader, SessionId::NONE);
    for other in (0..3).filter(|other| *other != leader) {
        cluster.kill(other);
    }
    cluster.settle();
    cluster.pass(2 * TICK);
    assert_eq!(cluster.modes()[leader], None, "it looks again");
    cluster.pass(30_000);
    assert!(
        cluster.nodes[leader]
            .db
            .sessions
            .contains_key(&client.session)
    );
    for other in (0..3).filter(|other| *other != leader) {
        cluster.restart(other);
    }
    cluster.settle();
    cluster.pass(1000);
    assert!(
        cluster.nodes[0].db.sessions.contains_key(&client.session),
        "its timeout starts anew"
    );
    cluster.pass(15_000);
    assert!(
        cluster.nodes[0].db.sessions.is_empty(),
        "nobody came back to it"
    );
    cluster.assert_same_state();
}

#[test]
fn a_learner_keeps_the_sessions_of_its_clients_alive() {
    let mut cluster = Cluster::new(3, 1);
    let clients: Vec<_> = (0..4)
        .map(|at| cluster.connect(at, SessionId::NONE))
        .collect();
    for _ in 0..30 {
        cluster.pass(1000);
        for client in &clients {
            let handle = cluster.nodes[client.at]
                .peer
                .sessions
                .handle(client.session);
            handle.expect("it is open").touch(cluster.now.monotonic);
        }
    }
    assert_eq!(cluster.nodes[0].db.sessions.len(), 4);
    cluster.pass(20_000);
    assert_eq!(cluster.nodes[0].db.sessions.len(), 0);
}

/// A leader that sends what is no transaction, or one under another's number, costs its learner the
/// term and nothing else.
#[test]
fn a_transaction_that_cannot_be_understood_ends_the_term_and_not_the_server() {
    let garbage = Bytes::from_static(b"no transaction");
    for is_misnumbered in [false, true] {
        let mut cluster = Cluster::new(3, 0);
        let client = cluster.connect(cluster.leader(), SessionId::NONE);
        cluster.create(client, "/before");
        let known = cluster.nodes[0].log.last().unwrap().clone();
        let (&link, _) = cluster
            .links
            .iter()
            .find(|(_, (_, learner))| *learner == 0)
            .unwrap();
        let packet = ToLearner::Proposal {
            zxid: known.zxid.next(),
            payload: if is_misnumbered {
                known.payload.clone()
            } else {
                garbage.clone()
            },
        };
        cluster
            .events
            .push_back((0, Input::FromLeader { link, packet }));
        cluster.settle();
        assert_eq!(
            cluster.nodes[0].log.last(),
            Some(&known),
            "it is not logged"
        );
        cluster.pass(1000);
        assert_eq!(cluster.modes()[0], Some(Mode::Follower), "it comes back");
        let client = cluster.connect(0, client.session);
        cluster.create(client, "/after");
        cluster.assert_same_state();
    }
}

/// A server whose data is gone, and that was not told that this is as it should be.
#[test]
fn a_server_without_data_follows_a_leader_and_is_whole_again() {
    let mut cluster = Cluster::new(3, 0);
    let client = cluster.connect(cluster.leader(), SessionId::NONE);
    cluster.create(client, "/kept");
    cluster.kill(0);
    let nothing = (Vec::new(), Zxid(-1));
    cluster.nodes[0] = cluster.start(0, nothing, (Epoch(-1), Epoch(-1)));
    cluster.reach(0, LinkState::Up);
    cluster.settle();
    cluster.pass(1000);
    assert_eq!(cluster.modes()[0], Some(Mode::Follower));
    let client = cluster.connect(0, client.session);
    cluster.create(client, "/after");
    cluster.assert_same_state();
    assert_eq!(cluster.nodes[0].epochs, (Epoch(1), Epoch(1)));
}

/// Some clients number their requests anew with each connection. What was asked for through the
/// connection before is no answer then.
#[test]
fn a_request_is_not_answered_by_an_earlier_one_with_its_number_qp_118() {
    for (from, to) in [(0, 1), (1, 1), (2, 0)] {
        let mut cluster = Cluster::new(3, 0);
        assert_eq!(cluster.leader(), 2);
        let old = cluster.connect(from, SessionId::NONE);
        let xid = cluster.ask(old, Op::Create, &create_body("/first", 0));
        let conn = cluster.knock(to, old.session);
        let is_connected = |cluster: &Cluster| {
            let heard = cluster.nodes[to].client.iter();
            heard
                .into_iter()
                .any(|output| connected(output, conn).is_some())
        };
        while !is_connected(&cluster) {
            assert!(cluster.step(), "the session moves");
        }
        assert!(cluster.nodes[to].db.tree.node("/first").is_none());
        let new = Client {
            at: to,
            conn,
            ..old
        };
        let write = write(new, xid, Op::Create, &create_body("/second", 0));
        cluster.events.push_front((to, Input::Write(write)));
        let replies = cluster.replies(new);
        assert_eq!(replies, [(xid, WriteReply::Path("/second".into()))]);
        cluster.assert_same_state();
    }
}

/// It takes snapshots like any other: its state is known to be committed.
#[test]
fn a_leader_without_clients_is_in_its_term() {
    let mut cluster = Cluster::with(3, 0, false);
    let follower = Some(Mode::Follower);
    assert_eq!(cluster.modes(), [follower, follower, None]);
    assert!(cluster.nodes.iter().all(|node| node.peer.is_in_term()));
    let client = cluster.connect(0, SessionId::NONE);
    cluster.create(client, "/written");
    cluster.assert_same_state();
    cluster.kill(0);
    cluster.kill(1);
    cluster.settle();
    cluster.pass(2 * TICK);
    assert!(!cluster.nodes[2].peer.is_in_term());
}
