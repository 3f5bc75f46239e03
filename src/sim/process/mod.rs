//! One run of a server: the peer with its state, its links, its disk thread and its clients, wired
//! as `runtime` wires them.
//!
//! ```text
//! links, clients, disk --> mailbox --> writer's turn: handle each, carry out, apply, carry out,
//!                                      deliver to clients, whose own turns come later
//! ```

mod clients;
mod planted;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::auth::Policy;
use crate::base::{ConnId, Epoch, QuorumLink, Zxid};
use crate::peer::{ClientOutput, Input, Mode, Output, Peer};
use crate::proto::TxnRecord;
use crate::sim::disk_thread::{DiskThread, Slices, Storage, explain, tail_of};
use crate::sim::election_port::ElectionPort;
use crate::sim::facts::{Entry, ServerFact, StopReason, hash_of};
use crate::sim::mutation::Mutation;
use crate::sim::network::{Arrival, End, Port};
use crate::sim::node::NodeEvent;
use crate::sim::options::ServerOptions;
use crate::sim::quorum_port::QuorumPort;
use crate::sim::scene::{Mail, Scene};
use crate::sim::serving::ClientConn;
use crate::sim::world::Micros;
use crate::store::log_range;
use crate::store::purge::purge;
use crate::store::worker::DiskCommand;
use crate::tree::{Database, SnapshotCursor};
use crate::watch::WatchTable;
use crate::zab::{ToLeader, ToLearner};

/// See the module.
#[derive(Debug)]
pub(super) struct Process {
    pub peer: Peer,
    pub db: Database,
    pub watches: Mutex<WatchTable>,
    pub policy: Arc<Policy>,
    pub storage: Storage,
    pub disk: DiskThread,
    /// `None` for a server on its own.
    pub election: Option<ElectionPort>,
    pub quorum: QuorumPort,
    pub serving: Option<Mode>,
    pub clients: BTreeMap<ConnId, ClientConn>,
    pub ends: BTreeMap<End, ConnId>,
    pub next_conn: u64,
    /// Connects and writes for which the peer had no room.
    pub held: VecDeque<Mail>,
    /// When the process is woken next.
    pub alarm: Option<Micros>,
    /// The state that came with SNAP and was not installed yet.
    pub received: Option<Box<Database>>,
    /// Hashes of payloads that this process has seen and not applied.
    pub payloads: BTreeMap<Zxid, u64>,
    pub snapshots_kept: Option<usize>,
    pub snapshot: Option<SnapshotJob>,
    pub snapshots_taken: u64,
    pub size_factor: Option<f64>,
    pub mutation: Option<Mutation>,
    /// Where [`Mutation::CommitEarly`] is planted.
    committed_early: BTreeSet<Zxid>,
    /// Where [`Mutation::AckBeforeDisk`] is planted: the last that was said to be durable.
    acknowledged: Zxid,
    pub counts: ProcessCounts,
}

/// What a process did, for the summary.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ProcessCounts {
    pub truncations: u64,
    pub installs: u64,
    pub reloads: u64,
    pub terms_led: u64,
}

/// A snapshot that is being made while the server goes on.
#[derive(Debug)]
pub(super) struct SnapshotJob {
    cursor: SnapshotCursor,
    bytes: Vec<u8>,
}

/// Why a process ends by itself.
pub(super) type Fatal = StopReason;

impl Process {
    pub(super) fn new(
        peer: Peer,
        db: Database,
        policy: Arc<Policy>,
        storage: Storage,
        disk: DiskThread,
        election: Option<ElectionPort>,
        quorum: QuorumPort,
    ) -> Self {
        Self {
            peer,
            db,
            watches: Mutex::default(),
            policy,
            storage,
            disk,
            election,
            quorum,
            serving: None,
            clients: BTreeMap::new(),
            ends: BTreeMap::new(),
            next_conn: 1,
            held: VecDeque::new(),
            alarm: None,
            received: None,
            payloads: BTreeMap::new(),
            snapshots_kept: None,
            snapshot: None,
            snapshots_taken: 0,
            size_factor: None,
            mutation: None,
            committed_early: BTreeSet::new(),
            acknowledged: Zxid::ZERO,
            counts: ProcessCounts::default(),
        }
    }

    pub(super) fn with_options(
        mut self,
        server: &ServerOptions,
        mutation: Option<Mutation>,
    ) -> Self {
        self.snapshots_kept = server.snapshots_kept;
        self.size_factor = server.snapshot_size_factor;
        self.mutation = mutation;
        self
    }

    pub(super) fn on_event(
        &mut self,
        scene: &mut Scene<'_>,
        event: NodeEvent,
    ) -> Result<(), Fatal> {
        match event {
            NodeEvent::Turn => return self.turn(scene),
            NodeEvent::Alarm => {
                if self.alarm.is_some_and(|at| at <= scene.stage.now()) {
                    self.alarm = None;
                    if let Some(election) = &mut self.election {
                        election.wake(scene);
                    }
                    scene.call_writer();
                }
            }
            NodeEvent::DiskDone => {
                let batch = self.disk.on_done(scene, &self.db).map_err(disk_failed)?;
                if batch.stops_snapshots {
                    self.snapshot = None;
                }
                for mail in batch.done {
                    scene.post(mail);
                }
                if batch.snapshot_is_due {
                    self.begin_snapshot(scene);
                }
            }
            NodeEvent::Client(conn) => self.client_turn(scene, conn),
            NodeEvent::Written(link) => {
                if let Some(election) = &mut self.election {
                    election.on_written(scene, link);
                }
            }
            NodeEvent::Slice(link) => self.quorum.on_slice(scene, &self.db, link),
            NodeEvent::DialLeader(link) => self.quorum.dial_again(scene, link),
            NodeEvent::SnapshotSlice => return self.snapshot_slice(scene),
        }
        Ok(())
    }

    pub(super) fn on_arrival(&mut self, scene: &mut Scene<'_>, end: End, arrival: Arrival) {
        match arrival {
            Arrival::Accepted { port, .. } => match port {
                Port::Client => self.accept(end),
                Port::Election => {
                    if let Some(election) = &mut self.election {
                        election.on_accepted(end);
                    }
                }
                Port::Quorum | Port::Observers => self.quorum.on_accepted(scene, end),
            },
            arrival if self.quorum.owns(end) => match arrival {
                Arrival::Dialled => self.quorum.on_dialled(scene, end),
                Arrival::Bytes(bytes) => self.quorum.on_bytes(scene, end, &bytes),
                Arrival::DialFailed => self.quorum.on_dial_failed(scene),
                _ => self.quorum.on_closed(scene, end),
            },
            arrival => match (&mut self.election, arrival) {
                (Some(election), Arrival::Dialled) if election.owns(end) => {
                    election.on_dialled(scene, end);
                }
                (Some(election), Arrival::Bytes(bytes)) if election.owns(end) => {
                    election.on_bytes(scene, end, &bytes);
                }
                (Some(election), _) if election.owns(end) => election.on_closed(scene, end),
                (_, Arrival::Bytes(bytes)) => self.on_client_bytes(scene, end, &bytes),
                (_, Arrival::Closed) => self.on_client_closed(scene, end),
                _ => {}
            },
        }
        if self.election.is_some() {
            self.set_alarm(scene);
        }
    }

    /// The writer's turn.
    fn turn(&mut self, scene: &mut Scene<'_>) -> Result<(), Fatal> {
        let mut client = Vec::new();
        let now = scene.now();
        if let Some(due) = self.peer.next_deadline()
            && due <= now.monotonic
        {
            self.feed(scene, Mail::from(Input::Wake), &mut client)?;
        }
        let mut mail = std::mem::take(&mut self.held);
        mail.extend(scene.mailbox.take());
        for mail in self.mutated(mail) {
            let needs_room = matches!(mail.input, Input::Connect { .. } | Input::Write(_));
            if needs_room && (!self.held.is_empty() || !self.peer.has_room()) {
                self.held.push_back(mail);
            } else if self.quorum.wants(&mail.input) {
                self.feed(scene, mail, &mut client)?;
            }
        }
        if self.peer.has_committed() {
            self.apply(scene, &mut client)?;
        }
        self.deliver(scene, client);
        if self.peer.has_committed() || (!self.held.is_empty() && self.peer.has_room()) {
            scene.call_writer();
        }
        self.set_alarm(scene);
        Ok(())
    }

    fn feed(
        &mut self,
        scene: &mut Scene<'_>,
        mail: Mail,
        client: &mut Vec<ClientOutput>,
    ) -> Result<(), Fatal> {
        let Mail { input, state, fact } = mail;
        if let Some(fact) = fact {
            scene.stage.server(scene.me, fact);
        }
        match (&input, state) {
            (Input::Truncated { .. } | Input::Reloaded { .. }, Some(state)) => {
                self.db = *state;
                self.payloads.clear();
            }
            (Input::FromLeader { packet, .. }, state) => {
                if let ToLearner::Proposal { zxid, payload }
                | ToLearner::Inform { zxid, payload }
                | ToLearner::InformAndActivate { zxid, payload, .. } = packet
                {
                    self.payloads.insert(*zxid, hash_of(payload));
                }
                self.received = state.or_else(|| self.received.take());
            }
            (Input::FromLearner { link, packet }, _) if self.quorum.is_open(*link) => {
                hear_learner(scene, packet);
            }
            _ => {}
        }
        let mut out = Vec::new();
        self.peer
            .handle(scene.now(), &self.db, input, &mut out, client);
        self.carry_out(scene, out)
    }

    fn apply(
        &mut self,
        scene: &mut Scene<'_>,
        client: &mut Vec<ClientOutput>,
    ) -> Result<(), Fatal> {
        let before = self.db.last_zxid();
        let mut out = Vec::new();
        let now = scene.now();
        let watches = self.watches.get_mut();
        self.peer
            .apply_committed(now, &mut self.db, watches, &mut out, client);
        let after = self.db.last_zxid();
        // An epoch that a leader begins is no transaction.
        let begins = (after.epoch() > before.epoch() && self.leads_by(&out))
            .then_some(Zxid::start_of(after.epoch()));
        let rest = self.payloads.split_off(&after.next());
        for (zxid, hash) in std::mem::replace(&mut self.payloads, rest) {
            if zxid > before {
                let applied = ServerFact::Applied { zxid, hash };
                scene.stage.server(scene.me, applied);
            }
        }
        if let Some(start) = begins {
            scene.stage.server(scene.me, ServerFact::TermBegan(start));
        }
        self.carry_out(scene, out)?;
        if after > before && self.serving.is_some() {
            let digest = self.db.tree.digest();
            let fact = ServerFact::Digest {
                zxid: after,
                digest,
            };
            scene.stage.server(scene.me, fact);
        }
        Ok(())
    }

    fn leads_by(&self, out: &[Output]) -> bool {
        out.contains(&Output::Serve(Mode::Leader))
    }

    fn carry_out(&mut self, scene: &mut Scene<'_>, out: Vec<Output>) -> Result<(), Fatal> {
        for output in out {
            match output {
                Output::Append { .. }
                | Output::SaveAcceptedEpoch(_)
                | Output::SaveCurrentEpoch(_)
                | Output::SaveSeenView(_)
                | Output::SaveCommittedView { .. }
                | Output::Truncate { .. }
                | Output::StoreSnapshot { .. }
                | Output::Reload
                | Output::Drain => self.command_disk(scene, output),
                Output::ProbeLog { link, after, upto } => self.probe(scene, link, after, upto),
                Output::Notify { to, message } => {
                    self.election().notify(scene, to, message);
                }
                Output::Eager(eager) => self.election().set_eager(scene, eager),
                Output::OpenQuorumPort(door) => self.quorum.open(scene, door),
                Output::CloseQuorumPort => self.quorum.close(scene),
                Output::Send { link, packets } => {
                    self.quorum.send(scene, &self.db, link, packets);
                }
                Output::Stream { link, item } => self.quorum.stream(scene, &self.db, link, item),
                Output::CloseLink { link } => self.quorum.close_link(scene, link),
                Output::DialLeader { leader, door, .. } => self.quorum.dial(scene, leader, door),
                Output::HangUp => self.quorum.hang_up(scene),
                Output::InstallSnapshot { zxid } => self.install(scene, zxid),
                Output::Serve(mode) => self.serve(scene, mode),
                Output::Retire => self.retire(scene),
                // Every server has a host of its own, and is always dialled there.
                Output::Members(_) => {}
                Output::Exit { code, reason } => return Err(StopReason::Exit { code, reason }),
            }
        }
        Ok(())
    }

    fn command_disk(&mut self, scene: &mut Scene<'_>, output: Output) {
        let me = scene.me;
        let command = match output {
            Output::Append { zxid, payload } => {
                self.append(scene, zxid, payload);
                return;
            }
            Output::SaveAcceptedEpoch(epoch) => {
                if self.mutation == Some(Mutation::ForgetEpoch) {
                    let fact =
                        ServerFact::EpochSaved(crate::sim::facts::EpochKind::Accepted, epoch);
                    scene.stage.server(me, fact);
                    return scene.submit(Input::AcceptedEpochSaved(epoch));
                }
                DiskCommand::SaveAcceptedEpoch(epoch)
            }
            Output::SaveCurrentEpoch(epoch) => DiskCommand::SaveCurrentEpoch(epoch),
            Output::SaveSeenView(view) => DiskCommand::SaveSeenView(view),
            Output::SaveCommittedView { view, keeps_seen } => {
                DiskCommand::SaveCommittedView { view, keeps_seen }
            }
            Output::Truncate { zxid } => {
                self.counts.truncations += 1;
                scene.stage.server(me, ServerFact::Truncating { zxid });
                DiskCommand::Truncate { zxid }
            }
            Output::StoreSnapshot { zxid } => {
                scene.stage.server(me, ServerFact::StoringSnapshot);
                DiskCommand::StoreSnapshot { zxid }
            }
            Output::Reload => {
                self.counts.reloads += 1;
                DiskCommand::Reload
            }
            _ => DiskCommand::Drain,
        };
        self.disk.command(scene, command);
    }

    fn append(&mut self, scene: &mut Scene<'_>, zxid: Zxid, payload: Bytes) {
        let hash = hash_of(&payload);
        self.payloads.insert(zxid, hash);
        // A server on its own uses numbers again that no disk has kept.
        let is_new = scene.stage.is_new(zxid) || self.election.is_none();
        let fact = if is_new {
            let txn = TxnRecord::decode(&payload, usize::MAX).expect("it was prepared here");
            let txn = Arc::new(txn);
            ServerFact::Proposed(Entry { zxid, hash, txn })
        } else {
            ServerFact::Appended { zxid, hash }
        };
        scene.stage.server(scene.me, fact);
        if self.mutation == Some(Mutation::AckBeforeDisk) {
            let fact = Some(ServerFact::Durable(zxid));
            let input = Input::Appended { zxid };
            let state = None;
            scene.post(Mail { input, state, fact });
        }
        let command = DiskCommand::Append { zxid, payload };
        self.disk.command(scene, command);
    }

    /// A snapshot holds what is committed and nothing else, so only who serves takes one.
    fn begin_snapshot(&mut self, scene: &mut Scene<'_>) {
        if self.snapshot.is_none() && self.serving.is_some() {
            self.snapshot = Some(SnapshotJob {
                cursor: SnapshotCursor::new(&self.db),
                bytes: Vec::new(),
            });
            self.await_slice(scene);
        }
    }

    fn await_slice(&self, scene: &mut Scene<'_>) {
        let delay = Micros(scene.prng.around(500));
        scene.after(delay, NodeEvent::SnapshotSlice);
    }

    fn snapshot_slice(&mut self, scene: &mut Scene<'_>) -> Result<(), Fatal> {
        let Some(mut job) = self.snapshot.take() else {
            return Ok(());
        };
        let slice_bytes = 1 + scene.prng.index(4000);
        if job.cursor.next_slice(&self.db, slice_bytes, &mut job.bytes) {
            self.snapshot = Some(job);
            self.await_slice(scene);
            return Ok(());
        }
        let slices = Slices {
            zxid: job.cursor.zxid(),
            bytes: job.bytes,
            tail: tail_of(&self.db),
        };
        self.storage.write_snapshot(slices).map_err(disk_failed)?;
        self.snapshots_taken += 1;
        if let Some(kept) = self.snapshots_kept {
            let dirs = &self.storage.options.storage.dirs;
            purge(&*self.storage.disk, dirs, kept).map_err(|error| disk_failed(explain(error)))?;
        }
        Ok(())
    }

    fn probe(&self, scene: &mut Scene<'_>, link: QuorumLink, after: Zxid, upto: Zxid) {
        let (disk, storage) = (&*self.storage.disk, &self.storage.options.storage);
        let found = log_range::probe(disk, storage, after, upto, self.size_factor);
        // One that cannot be read cannot serve.
        let found = found.unwrap_or_default();
        scene.submit(Input::LogProbed { link, found });
    }

    fn install(&mut self, scene: &mut Scene<'_>, zxid: Zxid) {
        self.counts.installs += 1;
        self.snapshot = None;
        self.db = *self.received.take().expect("it came with SNAP");
        assert_eq!(self.db.last_zxid(), zxid, "the state is that of the packet");
        scene.stage.server(scene.me, ServerFact::Installed { zxid });
    }

    pub(super) fn serve(&mut self, scene: &mut Scene<'_>, mode: Mode) {
        self.serving = Some(mode);
        self.counts.terms_led += u64::from(mode == Mode::Leader);
        let epoch = self.epoch();
        let me = scene.me;
        scene.stage.listen(scene.host(), Port::Client);
        // Nobody is promised anything there.
        if mode != Mode::ReadOnly {
            scene.stage.server(me, ServerFact::Serving { mode, epoch });
        }
    }

    /// The epoch of the term.
    fn epoch(&self) -> Epoch {
        let report = self.peer.quorum();
        match report {
            Some(quorum) => quorum.current_epoch,
            None => self.db.last_zxid().epoch(),
        }
    }

    fn retire(&mut self, scene: &mut Scene<'_>) {
        if self
            .serving
            .take()
            .is_some_and(|mode| mode != Mode::ReadOnly)
        {
            scene.stage.server(scene.me, ServerFact::Retired);
        }
        scene.stage.stop_listening(scene.host(), Port::Client);
        for (_, conn) in std::mem::take(&mut self.clients) {
            scene.stage.close(conn.end);
        }
        self.ends.clear();
        *self.watches.get_mut() = WatchTable::default();
        self.committed_early.clear();
        // What these connections have handed over is of no use any more.
        self.held.clear();
    }

    fn set_alarm(&mut self, scene: &mut Scene<'_>) {
        let election = self.election.as_ref();
        let links = election.and_then(ElectionPort::next_deadline);
        let deadlines = [self.peer.next_deadline(), links];
        let Some(deadline) = deadlines.into_iter().flatten().min() else {
            return;
        };
        let least = scene.stage.now().after(ALARM_MIN);
        let at = scene.clock.moment_of(deadline).max(least);
        // One that comes too early sets the next.
        if self.alarm.is_none_or(|set| at < set) {
            self.alarm = Some(at);
            scene.after(at.since(scene.stage.now()), NodeEvent::Alarm);
        }
    }

    fn election(&mut self) -> &mut ElectionPort {
        let election = self.election.as_mut();
        election.expect("only a member of an ensemble asks for this")
    }
}

/// Nothing that is due at once is done more often than this.
const ALARM_MIN: Micros = Micros(100);

fn disk_failed(reason: String) -> Fatal {
    StopReason::DiskError(reason)
}

/// The checkers want to know which sessions a leader has heard of.
fn hear_learner(scene: &mut Scene<'_>, packet: &ToLeader) {
    let mut heard = |session| {
        let heard = ServerFact::Heard(session);
        scene.stage.server(scene.me, heard);
    };
    match packet {
        ToLeader::Ping { touched, .. } => touched.iter().for_each(|(session, _)| heard(*session)),
        ToLeader::Revalidate { session, .. } => heard(*session),
        _ => {}
    }
}
