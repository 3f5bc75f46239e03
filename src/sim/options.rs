//! What one run is like, all of it drawn from its seed: how many servers, how fast the network, the
//! disks and the clocks are, what breaks and how often, what clients do.
//!
//! Each kind of fault and of request is left out of many runs altogether: what happens all the time
//! hides what happens when it does not.

use crate::peer::LocalSessions;
use crate::sim::network::NetworkOptions;
use crate::sim::prng::Prng;
use crate::zab::RECENT_BYTES_MAX;

/// A whole run.
#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    /// 1 to 7.
    pub voters: u32,
    pub observers: u32,
    /// Whether clients ask for other members, and other roles of them.
    pub changes_members: bool,
    pub server: ServerOptions,
    pub network: NetworkOptions,
    pub disk: DiskOptions,
    pub clock: ClockOptions,
    pub faults: FaultOptions,
    pub clients: ClientOptions,
    /// How long things break.
    pub safety_ms: u64,
    /// How long all may take to serve again, and then to become equal.
    pub liveness_ms: u64,
}

/// What an operator would set.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    pub tick_ms: u64,
    pub init_limit: u64,
    pub sync_limit: u64,
    /// `commitLogCount`.
    pub recent_max: usize,
    /// Bytes of what is kept of that.
    pub recent_bytes_max: usize,
    /// How long a slice of a stream to a learner takes, in microseconds.
    pub slice_mean_us: u64,
    pub snapshot_size_factor: Option<f64>,
    pub force_snapshot_sync: bool,
    /// `snapCount`: transactions between two snapshots.
    pub snap_count: u64,
    /// How many snapshots a purge leaves; it comes after each new one.
    pub snapshots_kept: Option<usize>,
    /// `preAllocSize`.
    pub preallocation_bytes: u64,
    /// `observerMasterPort`: observers learn from followers.
    pub observer_masters: bool,
    /// `observer.reconnectDelayMs`.
    pub observer_reconnect_ms: u64,
    pub local_sessions: LocalSessions,
    /// `readonlymode.enabled`: how long a server looks before it serves reads.
    pub read_only_after_ms: Option<u64>,
}

/// How long the disk takes.
#[derive(Debug, Clone, Copy)]
pub struct DiskOptions {
    pub sync_min_us: u64,
    /// What is added to it, mostly; up to sixteen times that.
    pub sync_mean_us: u64,
    /// So many batches of a thousand take up to `stall_us` more.
    pub stall_per_mille: u64,
    pub stall_us: u64,
}

/// How wrong clocks are.
#[derive(Debug, Clone, Copy)]
pub struct ClockOptions {
    /// The rate of a server's clock is off by up to so many parts of a million.
    pub rate_ppm_max: u64,
    /// Wall clocks are off by up to so much.
    pub wall_skew_ms: u64,
}

/// How often what breaks. The means are between two faults of a kind; `None`: never.
#[derive(Debug, Clone)]
pub struct FaultOptions {
    pub crash_mean_ms: Option<u64>,
    /// So many crashes of a thousand are losses of power.
    pub power_loss_per_mille: u64,
    /// Several servers lose power at the same moment.
    pub blackout_mean_ms: Option<u64>,
    /// How long a server is down.
    pub down_mean_ms: u64,
    /// Whether more servers than a minority may be down at once.
    pub downs_majorities: bool,
    pub partition_mean_ms: Option<u64>,
    /// So many partitions of a thousand are one way only.
    pub one_way_per_mille: u64,
    pub partition_length_ms: u64,
    /// Whether partitions take clients too.
    pub cuts_clients: bool,
    pub clog_mean_ms: Option<u64>,
    pub clog_length_ms: u64,
    pub reset_mean_ms: Option<u64>,
    pub pause_mean_ms: Option<u64>,
    pub pause_length_ms: u64,
    pub slow_disk_mean_ms: Option<u64>,
    pub broken_disk_mean_ms: Option<u64>,
    pub wall_jump_mean_ms: Option<u64>,
}

/// What clients are like.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub count: u32,
    pub session_timeout_ms: i32,
    /// Between two bursts of requests of one client.
    pub think_mean_ms: u64,
    /// Requests sent without waiting for answers.
    pub burst_max: u64,
    /// Requests of each client while things break; then it becomes slow.
    pub requests_max: u64,
    /// How many servers there are to be members.
    pub servers: u32,
    pub keys: u64,
    /// A client goes to another server after about so long.
    pub move_mean_ms: Option<u64>,
    /// A client vanishes without a word after about so long; another takes its place.
    pub vanish_mean_ms: Option<u64>,
    /// Whether they go to a server that only lets them read.
    pub read_only: bool,
    /// By the order of [`Choice`](crate::sim::workload::Choice).
    pub weights: Vec<u64>,
}

impl Options {
    pub fn new(seed: u64) -> Self {
        let mut prng = Prng::new(seed);
        let prng = &mut prng;
        let voters = [1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7];
        let voters = *prng.pick(&voters);
        let observers = [0, 0, 0, 1, 1, 2];
        let mut observers = *prng.pick(&observers);
        if voters == 1 {
            // One participant is a server on its own.
            observers = 0;
        }
        let mut server = ServerOptions::draw(prng);
        let mut clients = ClientOptions::draw(prng, server.tick_ms);
        let network = draw_network(prng);
        let disk = DiskOptions::draw(prng);
        let clock = ClockOptions {
            rate_ppm_max: *prng.pick(&[0, 100, 10_000]),
            wall_skew_ms: *prng.pick(&[0, 50, 100_000]),
        };
        let faults = FaultOptions::draw(prng);
        // Drawn from a stream of its own: what a seed meant before it still means.
        let own = &mut Prng::new(seed ^ 0x6f62_7365_7276_6572);
        server.observer_masters = observers > 0 && own.per_mille(600);
        server.observer_reconnect_ms = *own.pick(&[0, 0, 100, 1000]);
        draw_kinds_of_serving(seed, voters, &mut server, &mut clients);
        draw_streams(seed, &mut server);
        clients.servers = voters + observers;
        // Likewise.
        let changes_members = voters > 1 && Prng::new(seed ^ MEMBERS).per_mille(400);
        clients.weights.push(u64::from(changes_members));
        Self {
            seed,
            voters,
            observers,
            changes_members,
            network,
            disk,
            clock,
            faults,
            safety_ms: (prng.between(50, 200) * server.tick_ms).clamp(5000, 60_000),
            liveness_ms: 60_000 + 40 * server.tick_ms,
            server,
            clients,
        }
    }

    /// A run that takes little time, for the tests.
    pub fn make_small(&mut self) {
        self.safety_ms = self.safety_ms.min(5000);
        self.clients.requests_max = 150;
    }

    pub fn servers(&self) -> u32 {
        self.voters + self.observers
    }
}

impl ServerOptions {
    fn draw(prng: &mut Prng) -> Self {
        let tick_ms = *prng.pick(&[50, 100, 200, 500, 2000]);
        Self {
            tick_ms,
            init_limit: *prng.pick(&[5, 10, 10, 20]),
            sync_limit: *prng.pick(&[3, 5, 5, 10]),
            recent_max: *prng.pick(&[1, 5, 50, 500]),
            recent_bytes_max: RECENT_BYTES_MAX,
            slice_mean_us: 200,
            snapshot_size_factor: *prng.pick(&[None, Some(0.33), Some(1.0), Some(100.0)]),
            force_snapshot_sync: prng.per_mille(50),
            snap_count: *prng.pick(&[10, 50, 200, 1000, 100_000]),
            snapshots_kept: *prng.pick(&[None, Some(3)]),
            preallocation_bytes: *prng.pick(&[1024, 16 * 1024, 64 * 1024]),
            observer_masters: false,
            observer_reconnect_ms: 0,
            local_sessions: LocalSessions::Off,
            read_only_after_ms: None,
        }
    }
}

impl DiskOptions {
    fn draw(prng: &mut Prng) -> Self {
        Self {
            sync_min_us: *prng.pick(&[10, 100, 1000]),
            sync_mean_us: *prng.pick(&[10, 500, 5000]),
            stall_per_mille: *prng.pick(&[0, 0, 10, 50]),
            stall_us: *prng.pick(&[50_000, 1_000_000]),
        }
    }
}

impl FaultOptions {
    fn draw(prng: &mut Prng) -> Self {
        Self {
            crash_mean_ms: seldom(prng, &[500, 2000, 5000, 20_000]),
            power_loss_per_mille: *prng.pick(&[0, 300, 1000]),
            blackout_mean_ms: seldom(prng, &[3000, 10_000]),
            down_mean_ms: *prng.pick(&[50, 500, 3000]),
            downs_majorities: prng.per_mille(300),
            partition_mean_ms: seldom(prng, &[1000, 5000, 15_000]),
            one_way_per_mille: *prng.pick(&[0, 300, 1000]),
            partition_length_ms: *prng.pick(&[100, 1000, 5000]),
            cuts_clients: prng.per_mille(500),
            clog_mean_ms: seldom(prng, &[200, 1000, 5000]),
            clog_length_ms: *prng.pick(&[20, 200, 2000]),
            reset_mean_ms: seldom(prng, &[200, 1000, 5000]),
            pause_mean_ms: seldom(prng, &[1000, 5000, 20_000]),
            pause_length_ms: *prng.pick(&[50, 1000, 8000]),
            slow_disk_mean_ms: seldom(prng, &[2000, 10_000]),
            broken_disk_mean_ms: seldom(prng, &[5000, 20_000]),
            wall_jump_mean_ms: seldom(prng, &[2000, 10_000]),
        }
    }

    /// Nothing breaks.
    pub fn none() -> Self {
        Self {
            crash_mean_ms: None,
            power_loss_per_mille: 0,
            blackout_mean_ms: None,
            down_mean_ms: 1,
            downs_majorities: false,
            partition_mean_ms: None,
            one_way_per_mille: 0,
            partition_length_ms: 1,
            cuts_clients: false,
            clog_mean_ms: None,
            clog_length_ms: 1,
            reset_mean_ms: None,
            pause_mean_ms: None,
            pause_length_ms: 1,
            slow_disk_mean_ms: None,
            broken_disk_mean_ms: None,
            wall_jump_mean_ms: None,
        }
    }
}

impl ClientOptions {
    fn draw(prng: &mut Prng, tick_ms: u64) -> Self {
        let ticks = prng.between(2, 20);
        let mut weights = vec![0; crate::sim::workload::CHOICES - 1];
        for weight in &mut weights {
            *weight = *prng.pick(&[0, 1, 1, 3, 10]);
        }
        // Something is always written and read.
        weights[0] += 3;
        weights[1] += 1;
        let count = prng.between(1, 8);
        Self {
            count: u32::try_from(count).unwrap(),
            session_timeout_ms: i32::try_from(ticks * tick_ms).unwrap(),
            think_mean_ms: *prng.pick(&[5, 20, 100]),
            burst_max: *prng.pick(&[1, 3, 10]),
            requests_max: *prng.pick(&[500, 2000, 8000]) / count,
            servers: 0,
            keys: prng.between(1, 12),
            move_mean_ms: seldom(prng, &[1000, 5000]),
            vanish_mean_ms: seldom(prng, &[5000, 20_000]),
            read_only: false,
            weights,
        }
    }
}

/// Sessions of one server, and reads without a leader. Drawn apart, so that all else of a seed is what
/// it was before there were such.
fn draw_kinds_of_serving(
    seed: u64,
    voters: u32,
    server: &mut ServerOptions,
    clients: &mut ClientOptions,
) {
    let mut prng = Prng::new(seed ^ 0x006c_6f63_616c);
    let kinds = [
        LocalSessions::Off,
        LocalSessions::Fixed,
        LocalSessions::Upgradable,
        LocalSessions::Upgradable,
    ];
    let local_sessions = *prng.pick(&kinds);
    let read_only = seldom(&mut prng, &[2 * server.tick_ms, 2000]);
    clients.read_only = prng.per_mille(700);
    // A server on its own has neither.
    if voters > 1 {
        server.local_sessions = local_sessions;
        server.read_only_after_ms = read_only;
    }
}

/// Streams that take long, and a window that does not reach over one. Drawn apart, likewise.
fn draw_streams(seed: u64, server: &mut ServerOptions) {
    let mut prng = Prng::new(seed ^ STREAMS);
    server.recent_bytes_max = *prng.pick(&[RECENT_BYTES_MAX, RECENT_BYTES_MAX, 1000, 10_000]);
    server.slice_mean_us = *prng.pick(&[200, 200, 5000, 20_000]);
}

fn draw_network(prng: &mut Prng) -> NetworkOptions {
    NetworkOptions {
        delay_min_us: *prng.pick(&[20, 100, 1000]),
        delay_mean_us: *prng.pick(&[20, 200, 2000]),
        spike_per_mille: *prng.pick(&[0, 5, 50]),
        spike_us: *prng.pick(&[5000, 100_000]),
        split_per_mille: *prng.pick(&[0, 10, 200]),
        dial_timeout_us: 1_000_000,
    }
}

/// Sets the numbers of a run apart that decide about its members.
const MEMBERS: u64 = 0x6d65_6d62_6572_7321;

/// And about streams.
const STREAMS: u64 = 0x7374_7265_616d_7321;

/// One of several means, or, every second time, never.
fn seldom(prng: &mut Prng, means: &[u64]) -> Option<u64> {
    let mean = *prng.pick(means);
    prng.per_mille(500).then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_give_runs_of_all_kinds_and_always_the_same() {
        let runs: Vec<Options> = (0..300).map(Options::new).collect();
        for voters in 1..=7 {
            assert!(runs.iter().any(|run| run.voters == voters));
        }
        assert!(runs.iter().any(|run| run.observers == 2));
        for kind in [
            LocalSessions::Off,
            LocalSessions::Fixed,
            LocalSessions::Upgradable,
        ] {
            let reads =
                |run: &Options| run.clients.read_only && run.server.read_only_after_ms.is_some();
            let is_it = |run: &&Options| run.server.local_sessions == kind;
            assert!(runs.iter().filter(is_it).any(reads));
        }
        assert!(runs.iter().any(|run| run.faults.crash_mean_ms.is_none()));
        assert!(runs.iter().all(|run| run.clients.weights[0] > 0));
        let again = format!("{:?}", Options::new(7));
        assert_eq!(format!("{:?}", runs[7]), again);
    }
}
