//! What servers ask for is done at once: disks, links and the network between them.

use bytes::Bytes;

use super::{Cluster, FIELD_MAX, Node, replayed};
use crate::base::{QuorumLink, ServerId, Zxid};
use crate::election::Received;
use crate::peer::{Door, Input, Output};
use crate::zab::{Committed, StreamItem, ToLeader, ToLearner, packet_len};

impl Cluster {
    /// Feeds all there is, until nothing happens any more.
    pub(in crate::peer::tests) fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the ensemble does not come to rest");
    }

    /// Feeds one input. Whether there may be more to do.
    pub(in crate::peer::tests) fn step(&mut self) -> bool {
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
    pub(in crate::peer::tests) fn pass(&mut self, millis: u64) {
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

    pub(in crate::peer::tests) fn feed(&mut self, at: usize, input: Input) {
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

    pub(in crate::peer::tests) fn apply(&mut self, at: usize) {
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

    pub(in crate::peer::tests) fn carry_out(&mut self, at: usize, outputs: Vec<Output>) {
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

    pub(in crate::peer::tests) fn notify(&mut self, at: usize, to: ServerId, message: &Bytes) {
        let to = usize::try_from(to.0 - 1).unwrap();
        let message = Received::decode(message, false).unwrap();
        let from = self.nodes[at].id;
        self.events
            .push_back((to, Input::Notification { from, message }));
    }

    pub(in crate::peer::tests) fn dial(&mut self, at: usize) {
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

    pub(in crate::peer::tests) fn send(
        &mut self,
        from: usize,
        link: QuorumLink,
        mut packets: Bytes,
    ) {
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
    pub(in crate::peer::tests) fn records_of(&self, at: usize, zxid: Zxid) -> Vec<Committed> {
        let received = self.nodes[at].received.as_ref();
        let (_, sender) = received.expect("it came with SNAP");
        let log = self.nodes[*sender].log.iter();
        log.filter(|record| record.zxid <= zxid).cloned().collect()
    }

    pub(in crate::peer::tests) fn stream(
        &mut self,
        from: usize,
        link: QuorumLink,
        item: StreamItem,
    ) {
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
}
