//! A server's links as leader and as learner, as `net::quorum_port` has them: packets are cut out of
//! the bytes that come, packets and streams leave in the order they were asked for, a leader is
//! dialled with patience.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::base::{QuorumLink, ServerId, Zxid};
use crate::peer::{Door, Input};
use crate::sim::network::{End, Port};
use crate::sim::node::NodeEvent;
use crate::sim::scene::{Mail, Scene};
use crate::sim::stage::host_of;
use crate::sim::world::Micros;
use crate::store::disk::Disk;
use crate::store::log_range::{LogPlace, LogRange};
use crate::store::log_reader::LogRecord;
use crate::store::recover::StorageOptions;
use crate::store::snapshot_stream::{OutgoingSnapshot, receive_snapshot};
use crate::tree::{Database, TreeOptions};
use crate::zab::{StreamItem, ToLeader, ToLearner, packet_len};

/// See the module.
#[derive(Debug)]
pub(super) struct QuorumPort {
    options: QuorumPortOptions,
    links: BTreeMap<QuorumLink, Link>,
    ends: BTreeMap<End, QuorumLink>,
    next_link: u64,
    /// While leading, where the numbers of the learners' links begin.
    learners_from: Option<QuorumLink>,
    leader: Option<QuorumLink>,
    dialling: Option<Dialling>,
    /// How often the whole state was sent.
    pub snapshots_sent: u64,
    /// How often a piece of the log was sent.
    pub ranges_sent: u64,
    /// How often behind another stream: more was written meanwhile than memory has.
    pub ranges_fed: u64,
}

#[derive(Debug, Clone)]
pub(super) struct QuorumPortOptions {
    pub disk: Arc<dyn Disk>,
    pub storage: StorageOptions,
    pub tree: TreeOptions,
    pub dial_budget_ms: u64,
    /// `leaderConnectDelayDuringRetryMs`.
    pub dial_pause_max_ms: u64,
    /// How long a slice of a stream takes, in microseconds.
    pub slice_mean_us: u64,
}

#[derive(Debug)]
struct Dialling {
    link: QuorumLink,
    leader: ServerId,
    door: Door,
    end: Option<End>,
    pause_ms: u64,
    give_up_at: Micros,
}

#[derive(Debug)]
struct Link {
    end: End,
    /// The other side is the leader.
    is_up: bool,
    input: BytesMut,
    /// A SNAP packet came, and what follows is its state.
    receives: Option<Zxid>,
    queue: VecDeque<Item>,
    sending: Option<Source>,
    /// Something was streamed.
    has_streamed: bool,
    /// Where in the log the last stream has ended.
    place: Option<LogPlace>,
    is_closing: bool,
}

#[derive(Debug)]
enum Item {
    Packets(Bytes),
    Stream(StreamItem),
}

enum Source {
    Snapshot(OutgoingSnapshot),
    Log(LogRange),
}

impl QuorumPort {
    pub(super) fn new(options: QuorumPortOptions) -> Self {
        Self {
            options,
            links: BTreeMap::new(),
            ends: BTreeMap::new(),
            next_link: 1,
            learners_from: None,
            leader: None,
            dialling: None,
            snapshots_sent: 0,
            ranges_sent: 0,
            ranges_fed: 0,
        }
    }

    /// Starts to listen for learners.
    pub(super) fn open(&mut self, scene: &mut Scene<'_>, door: Door) {
        self.close(scene);
        scene.stage.listen(scene.host(), port_of(door));
        self.learners_from = Some(QuorumLink(self.next_link));
    }

    /// Closes the port and the links of all learners, whatever they have not yet been sent.
    pub(super) fn close(&mut self, scene: &mut Scene<'_>) {
        for door in [Door::Leader, Door::Follower] {
            scene.stage.stop_listening(scene.host(), port_of(door));
        }
        if let Some(first) = self.learners_from.take() {
            let learners: Vec<QuorumLink> = self.links.range(first..).map(|(id, _)| *id).collect();
            for link in learners {
                self.cut(scene, link);
            }
        }
    }

    /// Dials a leader, or a follower that serves observers, until it answers or the budget is used up.
    pub(super) fn dial(&mut self, scene: &mut Scene<'_>, leader: ServerId, door: Door) {
        self.hang_up(scene);
        let link = self.take_number();
        let budget_ms = match door {
            Door::Leader => self.options.dial_budget_ms,
            Door::Follower => FOLLOWER_PATIENCE_MS.min(self.options.dial_budget_ms),
        };
        let budget = Micros::from_millis(budget_ms);
        self.leader = Some(link);
        self.dialling = Some(Dialling {
            link,
            leader,
            door,
            end: None,
            pause_ms: PAUSE_MIN_MS,
            give_up_at: scene.stage.now().after(budget),
        });
        self.dial_again(scene, link);
    }

    /// Closes the link to the leader, or stops dialling; no answer.
    pub(super) fn hang_up(&mut self, scene: &mut Scene<'_>) {
        if let Some(end) = self.dialling.take().and_then(|dialling| dialling.end) {
            scene.stage.close(end);
        }
        if let Some(link) = self.leader.take() {
            self.cut(scene, link);
        }
    }

    /// The pause between two dials is over.
    pub(super) fn dial_again(&mut self, scene: &mut Scene<'_>, link: QuorumLink) {
        let (me, now) = (scene.host(), scene.stage.now());
        let Some(dialling) = self.dialling.as_mut().filter(|known| known.link == link) else {
            return;
        };
        if now >= dialling.give_up_at {
            self.dialling = None;
            let reason = "it was not reached in time".to_owned();
            return scene.submit(Input::LeaderGone { link, reason });
        }
        let port = port_of(dialling.door);
        let end = scene.stage.dial(me, host_of(dialling.leader), port);
        dialling.end = Some(end);
    }

    pub(super) fn owns(&self, end: End) -> bool {
        let dialled = self.dialling.as_ref().and_then(|dialling| dialling.end);
        self.ends.contains_key(&end) || dialled == Some(end)
    }

    pub(super) fn on_accepted(&mut self, scene: &mut Scene<'_>, end: End) {
        if self.learners_from.is_none() {
            return scene.stage.close(end);
        }
        let link = self.take_number();
        self.add(link, end, false);
        scene.submit(Input::LearnerConnected { link });
    }

    pub(super) fn on_dialled(&mut self, scene: &mut Scene<'_>, end: End) {
        if let Some(Dialling { link, .. }) = self.dialling.take() {
            self.add(link, end, true);
            scene.submit(Input::LeaderConnected { link });
        }
    }

    pub(super) fn on_dial_failed(&mut self, scene: &mut Scene<'_>) {
        let Some(dialling) = &mut self.dialling else {
            return;
        };
        dialling.end = None;
        let pause_ms = dialling.pause_ms.min(self.options.dial_pause_max_ms);
        dialling.pause_ms *= 2;
        let event = NodeEvent::DialLeader(dialling.link);
        scene.after(Micros::from_millis(pause_ms), event);
    }

    pub(super) fn on_closed(&mut self, scene: &mut Scene<'_>, end: End) {
        if let Some(link) = self.ends.remove(&end) {
            self.lose(scene, link, "the other side closed the link");
        }
    }

    pub(super) fn on_bytes(&mut self, scene: &mut Scene<'_>, end: End, bytes: &Bytes) {
        let Some(id) = self.ends.get(&end).copied() else {
            return;
        };
        let link = self.links.get_mut(&id).expect("ends are of links");
        link.input.extend_from_slice(bytes);
        if link.is_closing {
            return;
        }
        if let Err(reason) = self.cut_packets(scene, id) {
            scene.stage.close(end);
            self.ends.remove(&end);
            self.lose(scene, id, &reason);
        }
    }

    /// Whether an input is about a link that was not closed from here, or about none.
    pub(super) fn wants(&self, input: &Input) -> bool {
        match input {
            Input::LearnerConnected { link }
            | Input::FromLearner { link, .. }
            | Input::Streamed { link }
            | Input::LearnerGone { link } => self.learners_from.is_some_and(|first| *link >= first),
            Input::LeaderConnected { link }
            | Input::FromLeader { link, .. }
            | Input::LeaderGone { link, .. } => self.leader == Some(*link),
            _ => true,
        }
    }

    /// Whether a link is neither gone nor being closed from here. What the mailbox still holds of one
    /// that is being closed, a leader passes over.
    pub(super) fn is_open(&self, link: QuorumLink) -> bool {
        let link = self.links.get(&link);
        link.is_some_and(|link| !link.is_closing)
    }

    pub(super) fn send(
        &mut self,
        scene: &mut Scene<'_>,
        db: &Database,
        link: QuorumLink,
        bytes: Bytes,
    ) {
        if let Some(known) = self.links.get_mut(&link) {
            known.queue.push_back(Item::Packets(bytes));
            self.pump(scene, db, link);
        }
    }

    pub(super) fn stream(
        &mut self,
        scene: &mut Scene<'_>,
        db: &Database,
        link: QuorumLink,
        item: StreamItem,
    ) {
        if let Some(known) = self.links.get_mut(&link) {
            known.queue.push_back(Item::Stream(item));
            self.pump(scene, db, link);
        }
    }

    /// Closes a learner's link behind what is queued; no answer.
    pub(super) fn close_link(&mut self, scene: &mut Scene<'_>, link: QuorumLink) {
        let Some(known) = self.links.get_mut(&link) else {
            return;
        };
        known.is_closing = true;
        if known.queue.is_empty() && known.sending.is_none() {
            self.cut(scene, link);
        }
    }

    /// The next slice of what a link streams is due.
    pub(super) fn on_slice(&mut self, scene: &mut Scene<'_>, db: &Database, link: QuorumLink) {
        let Some(known) = self.links.get_mut(&link) else {
            return;
        };
        let Some(source) = &mut known.sending else {
            return;
        };
        let mut slice = Vec::new();
        let records_max = 1 + scene.prng.index(20);
        match source.next_slice(db, records_max, &mut slice) {
            Ok(true) => {
                scene.stage.send(known.end, slice.into());
                let delay = Micros(scene.prng.around(self.options.slice_mean_us));
                scene.after(delay, NodeEvent::Slice(link));
            }
            Ok(false) => {
                scene.stage.send(known.end, slice.into());
                known.place = match known.sending.take() {
                    Some(Source::Log(range)) => range.place(),
                    _ => None,
                };
                known.has_streamed = true;
                scene.submit(Input::Streamed { link });
                self.pump(scene, db, link);
            }
            Err(reason) => {
                let end = known.end;
                scene.stage.close(end);
                self.ends.remove(&end);
                self.lose(scene, link, &reason);
            }
        }
    }

    /// Sends what is queued, up to what has to be made slice by slice.
    fn pump(&mut self, scene: &mut Scene<'_>, db: &Database, id: QuorumLink) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        while link.sending.is_none()
            && let Some(item) = link.queue.pop_front()
        {
            match item {
                Item::Packets(bytes) => scene.stage.send(link.end, bytes),
                Item::Stream(StreamItem::Snapshot) => {
                    self.snapshots_sent += 1;
                    let slice_bytes = 1 + scene.prng.index(2000);
                    let snapshot = OutgoingSnapshot::sliced(db, slice_bytes);
                    let packet = ToLearner::Snap {
                        zxid: snapshot.zxid(),
                    };
                    scene.stage.send(link.end, packet.to_bytes());
                    link.sending = Some(Source::Snapshot(snapshot));
                    scene.after(Micros(1), NodeEvent::Slice(id));
                }
                Item::Stream(StreamItem::LogRange { after, upto }) => {
                    self.ranges_sent += 1;
                    self.ranges_fed += u64::from(link.has_streamed);
                    let (disk, storage) = (self.options.disk.clone(), &self.options.storage);
                    match LogRange::open(disk, storage, after, upto, link.place.as_ref()) {
                        Ok(range) => {
                            link.sending = Some(Source::Log(range));
                            scene.after(Micros(1), NodeEvent::Slice(id));
                        }
                        Err(error) => {
                            let end = link.end;
                            scene.stage.close(end);
                            self.ends.remove(&end);
                            return self.lose(scene, id, &error.to_string());
                        }
                    }
                }
            }
        }
        if link.is_closing && link.sending.is_none() {
            self.cut(scene, id);
        }
    }

    fn cut_packets(&mut self, scene: &mut Scene<'_>, id: QuorumLink) -> Result<(), String> {
        let link = self.links.get_mut(&id).expect("the caller looked");
        loop {
            if let Some(zxid) = link.receives {
                let Some((state, taken)) =
                    receive(&link.input, &self.options.storage, self.options.tree, zxid)?
                else {
                    scene.submit(Input::LeaderSends { link: id });
                    return Ok(());
                };
                let _ = link.input.split_to(taken);
                link.receives = None;
                let packet = ToLearner::Snap { zxid };
                let input = Input::FromLeader { link: id, packet };
                let state = Some(state);
                scene.post(Mail {
                    state,
                    ..Mail::from(input)
                });
                continue;
            }
            let field_max = self.options.storage.field_bytes_max;
            let length = packet_len(&link.input, field_max).map_err(|error| error.to_string())?;
            let Some(length) = length else {
                return Ok(());
            };
            let packet = link.input.split_to(length).freeze();
            if link.is_up {
                match ToLearner::decode(&packet).map_err(|error| error.to_string())? {
                    ToLearner::Snap { zxid } => link.receives = Some(zxid),
                    packet => scene.submit(Input::FromLeader { link: id, packet }),
                }
            } else {
                let packet = ToLeader::decode(&packet).map_err(|error| error.to_string())?;
                scene.submit(Input::FromLearner { link: id, packet });
            }
        }
    }

    fn take_number(&mut self) -> QuorumLink {
        let link = QuorumLink(self.next_link);
        self.next_link += 1;
        link
    }

    fn add(&mut self, id: QuorumLink, end: End, is_up: bool) {
        let link = Link {
            end,
            is_up,
            input: BytesMut::new(),
            receives: None,
            queue: VecDeque::new(),
            sending: None,
            has_streamed: false,
            place: None,
            is_closing: false,
        };
        self.links.insert(id, link);
        self.ends.insert(end, id);
    }

    /// Closes a link from here, which nobody is told of.
    fn cut(&mut self, scene: &mut Scene<'_>, link: QuorumLink) {
        if let Some(link) = self.links.remove(&link) {
            self.ends.remove(&link.end);
            scene.stage.close(link.end);
        }
    }

    /// A link is gone, and not by a wish from here.
    fn lose(&mut self, scene: &mut Scene<'_>, id: QuorumLink, reason: &str) {
        let Some(link) = self.links.remove(&id) else {
            return;
        };
        if link.is_closing {
            return;
        }
        scene.submit(if link.is_up {
            let reason = reason.to_owned();
            Input::LeaderGone { link: id, reason }
        } else {
            Input::LearnerGone { link: id }
        });
    }
}

fn port_of(door: Door) -> Port {
    match door {
        Door::Leader => Port::Quorum,
        Door::Follower => Port::Observers,
    }
}

/// As `net::quorum_port` has it.
const FOLLOWER_PATIENCE_MS: u64 = 500;

impl Source {
    /// Appends the next part, of the log so many records at most; whether there is more.
    fn next_slice(
        &mut self,
        db: &Database,
        records_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        let range = match self {
            Self::Snapshot(snapshot) => return Ok(snapshot.next_slice(db, out)),
            Self::Log(range) => range,
        };
        let mut packets = BytesMut::new();
        let mut has_more = true;
        for _ in 0..records_max {
            let record = range.next().map_err(|error| error.to_string())?;
            let Some(LogRecord { zxid, payload }) = record else {
                has_more = false;
                break;
            };
            ToLearner::Proposal { zxid, payload }.encode(&mut packets);
            ToLearner::Commit { zxid }.encode(&mut packets);
        }
        out.extend_from_slice(&packets);
        Ok(has_more)
    }
}

/// The state at the start of `input` and how many bytes it took, once all of it is there.
fn receive(
    input: &[u8],
    storage: &StorageOptions,
    tree: TreeOptions,
    zxid: Zxid,
) -> Result<Option<(Box<Database>, usize)>, String> {
    if !input.windows(SIGNATURE.len()).any(|part| part == SIGNATURE) {
        return Ok(None);
    }
    let mut rest = input;
    let loaded = receive_snapshot(&mut rest, storage.field_bytes_max, tree, zxid);
    let loaded = loaded.map_err(|error| error.to_string())?;
    Ok(Some((Box::new(loaded.database), input.len() - rest.len())))
}

/// What ends a state.
const SIGNATURE: &[u8] = b"BenWasHere";
const PAUSE_MIN_MS: u64 = 5;

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Snapshot(_) => "a snapshot",
            Self::Log(_) => "a range of the log",
        })
    }
}
