//! A machine with a disk, clocks and, most of the time, a server's process on it: it starts, is
//! killed, loses power, stands still for a while.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use crate::auth::{AuthOptions, Policy};
use crate::base::{ConnId, QuorumLink, ServerId, Zxid, path};
use crate::election::{ElectionOptions, LinkId};
use crate::peer::{MemberOptions, MemberStart, Mode, Peer, PeerOptions};
use crate::prep::PrepOptions;
use crate::quorum::{Membership, ViewRules};
use crate::sim::disk_thread::{DiskThread, Storage, explain};
use crate::sim::election_port::ElectionPort;
use crate::sim::facts::{FinalState, ServerFact, StopReason};
use crate::sim::lying_disk::LyingDisk;
use crate::sim::member_config;
use crate::sim::mutation::Mutation;
use crate::sim::network::{Arrival, End, Ending};
use crate::sim::options::Options;
use crate::sim::prng::Prng;
use crate::sim::process::{Process, ProcessCounts};
use crate::sim::quorum_port::{QuorumPort, QuorumPortOptions};
use crate::sim::scene::{Clock, Mailbox, Scene};
use crate::sim::stage::{Stage, host_of};
use crate::sim::world::Micros;
use crate::store::disk::Disk;
use crate::store::epoch::Epochs;
use crate::store::log_writer::LogOptions;
use crate::store::recover::{Recovered, Remark, StorageOptions};
use crate::store::sim_disk::{Fault, SimDisk};
use crate::store::trigger::TriggerOptions;
use crate::store::worker::WorkerOptions;
use crate::tree::TreeOptions;
use crate::zab::ZabOptions;

/// What happens within a process.
#[derive(Debug, Clone, Copy)]
pub enum NodeEvent {
    /// The writer's turn.
    Turn,
    /// Some deadline may have come.
    Alarm,
    /// The disk's batch is done.
    DiskDone,
    /// A client connection's turn.
    Client(ConnId),
    /// An election message is written.
    Written(LinkId),
    /// The next slice of what is streamed to a learner.
    Slice(QuorumLink),
    /// The next attempt to reach the leader.
    DialLeader(QuorumLink),
    /// The next slice of a snapshot.
    SnapshotSlice,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Node {
    pub id: ServerId,
    options: Options,
    membership: Arc<Membership>,
    disk: SimDisk,
    clock: Clock,
    prng: Prng,
    mutation: Option<Mutation>,
    process: Option<Process>,
    mailbox: Mailbox,
    /// How many processes there were.
    processes: u32,
    /// What waits while the process stands still.
    standstill: Option<VecDeque<Deferred>>,
    /// The run made the disk fail.
    is_broken: bool,
    /// Of earlier processes.
    counts: NodeCounts,
}

#[derive(Debug)]
enum Deferred {
    Event(NodeEvent),
    Arrival(End, Arrival),
}

/// What a server did in all its processes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NodeCounts {
    pub process: ProcessCounts,
    pub snapshots_sent: u64,
    pub ranges_sent: u64,
    pub ranges_fed: u64,
    pub snapshots_taken: u64,
}

impl Node {
    pub(super) fn new(
        id: ServerId,
        options: &Options,
        membership: Arc<Membership>,
        mut prng: Prng,
        mutation: Option<Mutation>,
    ) -> Self {
        let rate_max = options.clock.rate_ppm_max;
        let rate = i64::try_from(prng.below(2 * rate_max + 1)).unwrap();
        let skew_max = options.clock.wall_skew_ms;
        let skew = i64::try_from(prng.below(2 * skew_max + 1)).unwrap();
        let mut rate_ppm = rate - i64::try_from(rate_max).unwrap();
        if mutation == Some(Mutation::FastClock) {
            rate_ppm += 1_000_000;
        }
        let disk = SimDisk::new(prng.draw());
        if options.changes_members {
            member_config::write_first(&disk, id, options, membership.committed());
        }
        Self {
            id,
            options: options.clone(),
            membership,
            disk,
            clock: Clock {
                rate_ppm,
                wall_skew_ms: skew - i64::try_from(skew_max).unwrap(),
            },
            prng,
            mutation,
            process: None,
            mailbox: Mailbox::default(),
            processes: 0,
            standstill: None,
            is_broken: false,
            counts: NodeCounts::default(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.standstill.is_some()
    }

    /// What it is to its clients, if it serves them whole.
    pub(super) fn serving(&self) -> Option<Mode> {
        let serving = self.process.as_ref()?.serving;
        serving.filter(|mode| *mode != Mode::ReadOnly)
    }

    pub(super) fn last_zxid(&self) -> Option<Zxid> {
        self.process.as_ref().map(|process| process.db.last_zxid())
    }

    /// How many sessions are open.
    pub(super) fn session_count(&self) -> usize {
        self.process
            .as_ref()
            .map_or(0, |process| process.db.sessions.len())
    }

    pub(super) fn counts(&self) -> NodeCounts {
        let mut counts = self.counts;
        if let Some(process) = &self.process {
            counts.add(process);
        }
        counts
    }

    /// Starts a process on what the disk has.
    pub(super) fn start(&mut self, stage: &mut Stage) {
        assert!(self.process.is_none(), "one process at a time");
        self.disk.power_on();
        stage.network().power_on(host_of(self.id));
        self.is_broken = false;
        self.processes += 1;
        self.mailbox = Mailbox::default();
        match self.recover(stage) {
            Ok(process) => {
                self.process = Some(process);
                self.with_process(stage, |process, scene| {
                    if process.election.is_none() {
                        process.serve(scene, Mode::Standalone);
                    }
                    scene.call_writer();
                    Ok(())
                });
            }
            Err(reason) => {
                let reason = StopReason::DiskError(reason);
                stage.server(self.id, ServerFact::Stopped(reason));
            }
        }
    }

    /// Ends the process, or the machine with it.
    pub(super) fn crash(&mut self, stage: &mut Stage, ending: Ending) {
        self.standstill = None;
        let Some(mut process) = self.process.take() else {
            return;
        };
        self.counts.add(&process);
        if process.disk.is_busy() {
            // What was in progress is done up to some call.
            let calls = self.prng.below(12);
            self.disk.inject(Fault::PowerLossAt(calls));
            let _ = process.disk.carry_out(&process.db);
        }
        if ending == Ending::Silent {
            self.disk.crash();
        } else {
            self.disk.power_on();
        }
        stage.end_process(host_of(self.id), ending);
        stage.server(self.id, ServerFact::Stopped(StopReason::Killed));
    }

    /// The process gets no turn from now on.
    pub(super) fn pause(&mut self) {
        self.standstill.get_or_insert_default();
    }

    /// All that waited happens, one thing after the other.
    pub(super) fn resume(&mut self, stage: &mut Stage) {
        for deferred in self.standstill.take().into_iter().flatten() {
            match deferred {
                Deferred::Event(event) => self.on_event(stage, self.processes, event),
                Deferred::Arrival(end, arrival) => self.on_arrival(stage, end, arrival),
            }
        }
    }

    /// One of the next calls of the disk fails.
    pub(super) fn break_disk(&mut self) {
        if self.process.is_some() {
            self.is_broken = true;
            self.disk.inject(Fault::FailAt(self.prng.below(20)));
        }
    }

    /// The disk works again.
    pub(super) fn mend_disk(&mut self) {
        self.is_broken = false;
        self.disk.inject(Fault::None);
    }

    pub(super) fn slow_disk(&mut self, until: Micros) {
        if let Some(process) = &mut self.process {
            process.disk.slow_down(until);
        }
    }

    pub(super) fn set_wall_skew(&mut self, skew_ms: i64) {
        self.clock.wall_skew_ms = skew_ms;
    }

    pub(super) fn on_event(&mut self, stage: &mut Stage, process: u32, event: NodeEvent) {
        if process != self.processes {
            return;
        }
        if let Some(deferred) = &mut self.standstill {
            deferred.push_back(Deferred::Event(event));
            return;
        }
        self.with_process(stage, |process, scene| process.on_event(scene, event));
    }

    pub(super) fn on_arrival(&mut self, stage: &mut Stage, end: End, arrival: Arrival) {
        if let Some(deferred) = &mut self.standstill {
            deferred.push_back(Deferred::Arrival(end, arrival));
            return;
        }
        self.with_process(stage, |process, scene| {
            process.on_arrival(scene, end, arrival);
            Ok(())
        });
    }

    /// What the server has when all is over.
    pub(super) fn final_state(&self) -> Option<FinalState> {
        let db = &self.process.as_ref()?.db;
        let mut nodes = Vec::new();
        let mut paths = vec![String::from("/")];
        while let Some(node_path) = paths.pop() {
            let lookup = if node_path == "/" { "" } else { &node_path };
            let node = db.tree.node(lookup).expect("it was listed");
            if node_path != "/" {
                let data = node.data().unwrap_or_default().to_vec();
                nodes.push((node_path.clone().into(), data, node.stat().version));
            }
            for name in node.child_names() {
                let name = String::from_utf8_lossy(name);
                let child = format!("{lookup}/{name}");
                if !path::is_at_or_below(&child, path::ZOOKEEPER) {
                    paths.push(child);
                }
            }
        }
        nodes.sort_unstable();
        let config = db.tree.node(path::CONFIG).and_then(|node| node.data());
        Some(FinalState {
            config: String::from_utf8_lossy(config.unwrap_or_default()).into(),
            zxid: db.last_zxid(),
            digest: db.tree.digest(),
            sessions: db.sessions.keys().copied().collect(),
            nodes,
        })
    }

    /// One line for someone who wonders why a run does not end.
    pub(super) fn describe(&self) -> String {
        match &self.process {
            None => format!("{}: down", self.id),
            Some(process) => format!(
                "{}: {:?} at {}, paused {}, {:?}, {} clients",
                self.id,
                process.serving,
                process.db.last_zxid(),
                self.is_paused(),
                process.peer.quorum(),
                process.clients.len()
            ),
        }
    }

    /// Lets the process do something, which may be its last.
    fn with_process(
        &mut self,
        stage: &mut Stage,
        act: impl FnOnce(&mut Process, &mut Scene<'_>) -> Result<(), StopReason>,
    ) {
        let Some(process) = &mut self.process else {
            return;
        };
        let mut scene = Scene {
            stage,
            me: self.id,
            process: self.processes,
            clock: self.clock,
            prng: &mut self.prng,
            mailbox: &mut self.mailbox,
        };
        if let Err(reason) = act(process, &mut scene) {
            let reason = match reason {
                StopReason::DiskError(_) if self.is_broken => StopReason::DiskFailed,
                reason => reason,
            };
            self.counts.add(process);
            self.process = None;
            stage.end_process(host_of(self.id), Ending::Resets);
            stage.server(self.id, ServerFact::Stopped(reason));
        }
    }

    fn recover(&mut self, stage: &mut Stage) -> Result<Process, String> {
        let storage = self.storage();
        let recovered = storage.recover()?;
        let has_mismatch = |remark: &Remark| matches!(remark, Remark::DigestMismatch { .. });
        if let Some(remark) = recovered.remarks.iter().find(|remark| has_mismatch(remark)) {
            return Err(format!("{remark}"));
        }
        let (disk, dirs) = (&*storage.disk, &storage.options.storage.dirs);
        let last = recovered.database.last_zxid();
        let epochs = Epochs::load(disk, dirs, last).map_err(explain)?;
        let history = storage.history()?;
        stage.server(
            self.id,
            ServerFact::Started {
                history,
                accepted: epochs.accepted,
                current: epochs.current,
            },
        );
        Ok(self.process(stage, storage, recovered, epochs))
    }

    fn process(
        &mut self,
        stage: &mut Stage,
        storage: Storage,
        recovered: Recovered,
        epochs: Epochs,
    ) -> Process {
        let auth = AuthOptions {
            skip_acl: self.options.changes_members,
            ..AuthOptions::default()
        };
        let policy = Arc::new(Policy::new(&auth).expect("the defaults are good"));
        let (mut db, recent) = (recovered.database, recovered.recent);
        let last = db.last_zxid();
        let seed = self.prng.draw();
        let mut scene = Scene {
            stage,
            me: self.id,
            process: self.processes,
            clock: self.clock,
            prng: &mut self.prng,
            mailbox: &mut self.mailbox,
        };
        let now = scene.now();
        let membership = if self.options.changes_members {
            let found = member_config::read(&self.disk, self.id);
            Arc::new(found.unwrap_or_else(|reason| panic!("{}: {reason}", self.id)))
        } else {
            self.membership.clone()
        };
        let is_alone = self.options.servers() == 1;
        let peer_options = peer_options(&self.options, self.id);
        let (peer, election) = if is_alone {
            (Peer::new(peer_options, policy.clone(), &mut db, now), None)
        } else {
            let start = MemberStart {
                accepted_epoch: epochs.accepted,
                current_epoch: epochs.current,
                recent,
            };
            let member = member_options(&self.options, self.id, membership.clone(), seed);
            let own = membership.committed().members().get(&self.id);
            let address = own.and_then(|own| own.election_addresses().next());
            let address = address.expect("who starts is a member by its own files");
            let peer = Peer::member(peer_options, member, policy.clone(), start, now);
            (peer, Some(ElectionPort::open(&mut scene, address)))
        };
        let server = &self.options.server;
        let quorum = QuorumPort::new(QuorumPortOptions {
            disk: storage.disk.clone(),
            storage: storage.options.storage.clone(),
            tree: storage.options.tree,
            dial_budget_ms: server.tick_ms * server.init_limit,
            dial_pause_max_ms: 100,
            slice_mean_us: server.slice_mean_us,
        });
        let disk = DiskThread::new(
            storage.clone(),
            self.options.disk,
            last,
            self.mutation,
            seed,
        );
        Process::new(peer, db, policy, storage, disk, election, quorum)
            .with_options(server, self.mutation)
    }

    fn storage(&self) -> Storage {
        let server = &self.options.server;
        let disk: Arc<dyn Disk> = match self.mutation {
            Some(Mutation::DropSync) => Arc::new(LyingDisk(self.disk.clone())),
            _ => Arc::new(self.disk.clone()),
        };
        let dir = Path::new("/data");
        let storage = StorageOptions {
            recent_max: server.recent_max,
            field_bytes_max: FIELD_BYTES_MAX,
            ..StorageOptions::new(dir, dir)
        };
        Storage {
            disk,
            options: WorkerOptions {
                storage,
                tree: TreeOptions::default(),
                log: LogOptions {
                    preallocation_bytes: server.preallocation_bytes,
                    ..LogOptions::default()
                },
                trigger: TriggerOptions {
                    records: server.snap_count,
                    log_bytes: 0,
                },
                keeps_log: true,
                files: self
                    .options
                    .changes_members
                    .then(|| (member_config::files(), self.id)),
            },
        }
    }
}

impl NodeCounts {
    fn add(&mut self, process: &Process) {
        let ProcessCounts {
            truncations,
            installs,
            reloads,
            terms_led,
        } = process.counts;
        self.process.truncations += truncations;
        self.process.installs += installs;
        self.process.reloads += reloads;
        self.process.terms_led += terms_led;
        self.snapshots_sent += process.quorum.snapshots_sent;
        self.ranges_sent += process.quorum.ranges_sent;
        self.ranges_fed += process.quorum.ranges_fed;
        self.snapshots_taken += process.snapshots_taken;
    }
}

fn peer_options(options: &Options, id: ServerId) -> PeerOptions {
    let tick_ms = options.server.tick_ms;
    let ticks = |count: u64| i32::try_from(count * tick_ms).unwrap();
    PeerOptions {
        prep: PrepOptions {
            record_bytes_max: FIELD_BYTES_MAX,
            reconfig_enabled: options.changes_members,
            ..PrepOptions::default()
        },
        tick_ms,
        session_timeout_min_ms: ticks(2),
        session_timeout_max_ms: ticks(20),
        session_id_byte: u8::try_from(id.0).unwrap(),
        local_sessions: options.server.local_sessions,
        ..PeerOptions::default()
    }
}

fn member_options(
    options: &Options,
    me: ServerId,
    membership: Arc<Membership>,
    seed: u64,
) -> MemberOptions {
    let server = &options.server;
    MemberOptions {
        me,
        membership,
        zab: ZabOptions {
            tick_ms: server.tick_ms,
            init_limit: server.init_limit,
            sync_limit: server.sync_limit,
            snapshot_size_factor: server.snapshot_size_factor,
            force_snapshot_sync: server.force_snapshot_sync,
            snap_syncs_max: 10,
            diff_syncs_max: 100,
            wait_for_epoch_max_ms: None,
            reconfig_enabled: options.changes_members,
        },
        reconfig_enabled: options.changes_members,
        view_rules: ViewRules::default(),
        election: ElectionOptions {
            reconfig_enabled: options.changes_members,
            ..ElectionOptions::default()
        },
        observer_rest_ms: 200,
        observer_reconnect_ms: server.observer_reconnect_ms,
        observer_master_port: server.observer_masters.then_some(OBSERVER_MASTER_PORT),
        observer_queue_bytes_max: 1024 * 1024,
        leader_serves: true,
        read_only_after_ms: server.read_only_after_ms,
        commit_log_count: server.recent_max,
        recent_bytes_max: server.recent_bytes_max,
        field_bytes_max: FIELD_BYTES_MAX,
        seed,
    }
}

const FIELD_BYTES_MAX: usize = 1024 * 1024;

/// The network here knows no numbers.
const OBSERVER_MASTER_PORT: u16 = 2191;
