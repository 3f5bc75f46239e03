//! What a member of an ensemble needs to know beside what every server does.
//!
//! In: the settings and the [`Membership`]. Out: [`EnsembleOptions`], which also cuts itself into
//! what the cores take.

use std::path::PathBuf;

use super::{
    build::{natural, natural_u32, positive},
    keys::{Key, client, ensemble, storage, tree},
    membership::{Membership, peer_form, role_of},
    options::ListenAddress,
    report::Origin,
    sasl::{Jaas, PeerSaslOptions},
    tls::PeerTlsOptions,
    values::{Values, default_int},
};
use crate::{
    base::ServerId,
    election::ElectionOptions,
    peer::LocalSessions,
    quorum::{QuorumView, Role, ViewRules},
    zab::ZabOptions,
};

/// This server's place in its ensemble. Limits are in ticks.
#[derive(Debug, Clone)]
pub struct EnsembleOptions {
    /// `dataDir/myid`. One of the view.
    pub me: ServerId,
    /// The servers, as the lines have them; with this server's client address, which may be that of
    /// `clientPort`.
    pub view: QuorumView,
    /// What this server's line says.
    pub role: Role,
    /// `reconfigEnabled`: the members may change, and configurations of others are taken over.
    pub reconfig_enabled: bool,
    /// What `.dynamic.next` has: a view that was proposed and need not be committed. `None` without
    /// such a file, and where the members do not change.
    pub last_seen: Option<QuorumView>,
    /// The zoo.cfg, as the command line names it; what changes is written there and beside it.
    pub file: Option<PathBuf>,
    /// The members stand in the zoo.cfg itself.
    pub is_inline: bool,
    /// Which views are accepted from elsewhere.
    pub view_rules: ViewRules,
    /// `tickTime`. At least 1.
    pub tick_ms: u32,
    /// `initLimit`: how long a learner has to connect and catch up. At least 1.
    pub init_limit: u32,
    /// `syncLimit`: how long a server that has caught up may stay silent. At least 1.
    pub sync_limit: u32,
    /// `connectToLearnerMasterLimit`, or `initLimit`: how long a learner tries to connect.
    pub connect_limit: u32,
    /// `leaderConnectDelayDuringRetryMs`: the pause between its tries.
    pub connect_delay_ms: u64,
    /// `leaderServes`: a leader takes clients.
    pub leader_serves: bool,
    /// `quorumListenOnAllIPs`: bind the ports for peers on every address of the machine.
    pub listens_on_all: bool,
    /// `multiAddress.reachabilityCheck*`: how long a probe of one of several addresses may take;
    /// `None` when servers have one address or it is not to be probed.
    pub reachability_check_ms: Option<u64>,
    pub election_port: ElectionPortOptions,
    /// `fastleader.minNotificationInterval`. At least 1.
    pub notification_interval_min_ms: u64,
    /// `fastleader.maxNotificationInterval`. Not less than the minimum.
    pub notification_interval_max_ms: u64,
    pub observer: ObserverOptions,
    pub sync: SyncOptions,
    /// `localSessionsEnabled`, `localSessionsUpgradingEnabled`.
    pub local_sessions: LocalSessions,
    /// `readonlymode.enabled`: serve reads while there is no leader.
    pub read_only: bool,
    /// `quorum.auth.enableSasl`: how servers log in to each other; `None` when they do not.
    pub sasl: Option<PeerSaslOptions>,
    /// TLS with the other servers; `None` without.
    pub tls: Option<PeerTlsOptions>,
}

/// The connections of the election port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectionPortOptions {
    /// `cnxTimeout`: how long a dial may take. At least 1.
    pub dial_timeout_ms: u64,
    /// `quorumCnxnTimeoutMs`, or `syncLimit`: how long a server that dials in has to say who it is.
    /// At least 1.
    pub introduction_timeout_ms: u64,
    /// `tcpKeepAlive`: probe idle connections.
    pub keep_alive: bool,
    /// `electionPortBindRetry`: how often to try again to bind the port; `None` for ever.
    pub bind_retries_max: Option<u32>,
}

/// What observers go by, and followers that serve them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObserverOptions {
    /// `observer.election.DelayMs`: the longest of the random pauses before it looks for a leader.
    pub election_delay_max_ms: u64,
    /// `observer.reconnectDelayMs`: the longest of the random pauses before it dials the leader, or
    /// the first of the followers.
    pub reconnect_delay_max_ms: u64,
    /// `observerMasterPort`: where followers serve observers, and observers dial followers.
    pub master_port: Option<u16>,
    /// `observerMaster.sizeLimit`: bytes that may wait for one observer of a follower. At least 1.
    pub queue_bytes_max: usize,
    /// `observer.syncEnabled`, `syncEnabled`: it has a log and takes snapshots.
    pub keeps_log: bool,
}

/// How a leader brings learners up to date.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncOptions {
    /// `snapshotSizeFactor`: how large the log may be, as a share of the snapshot, to be sent
    /// instead of it. From 0 to 1; `None`: never sent.
    pub snapshot_size_factor: Option<f64>,
    /// `forceSnapshotSync`: every learner gets a snapshot.
    pub force_snapshot: bool,
    /// `leader.maxConcurrentSnapSyncs`. At least 1.
    pub snap_syncs_max: u32,
    /// `leader.maxConcurrentDiffSyncs`. At least 1.
    pub diff_syncs_max: u32,
    /// `leader.maxTimeToWaitForEpoch`; `None` for as long as it takes.
    pub wait_for_epoch_max_ms: Option<u64>,
}

impl EnsembleOptions {
    /// What agrees on history.
    pub fn zab(&self) -> ZabOptions {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        ZabOptions {
            tick_ms: u64::from(self.tick_ms),
            init_limit: u64::from(self.init_limit),
            sync_limit: u64::from(self.sync_limit),
            snapshot_size_factor: self.sync.snapshot_size_factor,
            force_snapshot_sync: self.sync.force_snapshot,
            snap_syncs_max: count(self.sync.snap_syncs_max),
            diff_syncs_max: count(self.sync.diff_syncs_max),
            wait_for_epoch_max_ms: self.sync.wait_for_epoch_max_ms,
            reconfig_enabled: self.reconfig_enabled,
        }
    }

    /// What agrees on a leader.
    pub fn election(&self) -> ElectionOptions {
        ElectionOptions {
            notification_interval_min_ms: self.notification_interval_min_ms,
            notification_interval_max_ms: self.notification_interval_max_ms,
            reconfig_enabled: self.reconfig_enabled,
        }
    }

    /// How long this server looks for a leader before it serves reads without one; `None` for ever.
    pub fn read_only_after_ms(&self) -> Option<u64> {
        let after_ms = READ_ONLY_AFTER_MS_MIN.max(u64::from(self.tick_ms));
        self.read_only.then_some(after_ms)
    }

    /// How long a learner tries to reach its leader.
    pub fn connect_budget_ms(&self) -> u64 {
        u64::from(self.tick_ms) * u64::from(self.connect_limit)
    }

    /// The top byte of the ids of sessions that this server opens.
    pub fn session_id_byte(&self) -> u8 {
        let [.., low] = self.me.0.to_be_bytes();
        low
    }
}

impl Values {
    /// The options of a member; `None` for a server of its own, and where something is wrong, which
    /// is reported.
    pub(super) fn ensemble(
        &mut self,
        membership: Membership,
        listen: Option<&ListenAddress>,
        jaas: Option<&Jaas>,
    ) -> Option<EnsembleOptions> {
        if !membership.in_ensemble {
            return None;
        }
        let tick_ms = natural_u32(self.int(&client::TICK_TIME));
        let init_limit = self.limit(&ensemble::INIT_LIMIT);
        let sync_limit = self.limit(&ensemble::SYNC_LIMIT);
        let connect_limit = match natural_u32(self.int(&ensemble::CONNECT_LIMIT)) {
            0 => init_limit,
            ticks => ticks,
        };
        let connect_delay_ms = self.at_least_or_error(&ensemble::LEADER_CONNECT_DELAY, 0);
        let reachability_check_ms = self.reachability_check();
        let election_port = self.election_port(u64::from(tick_ms) * u64::from(sync_limit));
        let min_ms = self.at_least_or_error(&ensemble::MIN_NOTIFICATION_INTERVAL, 1);
        let max_ms = self.at_least_or_error(&ensemble::MAX_NOTIFICATION_INTERVAL, 1);
        let observer = self.observer();
        let sync = self.sync();
        let local_sessions = self.local_sessions();
        let read_only = self.read_only(local_sessions);
        let sasl = self.peer_sasl(jaas, membership.view.as_ref());
        let tls = self.peer_tls();
        let (view, me) = (membership.view?, membership.me?);
        Some(EnsembleOptions {
            me,
            role: role_of(&view, me),
            view: match listen {
                Some(listen) => view.with_client(me, peer_form(listen)),
                None => view,
            },
            reconfig_enabled: self.bool(&tree::RECONFIG_ENABLED),
            last_seen: membership.last_seen,
            file: match &self.file {
                Some(Origin::File { path, .. }) => Some(path.clone()),
                _ => None,
            },
            is_inline: self.setting(&ensemble::DYNAMIC_CONFIG_FILE).is_none(),
            view_rules: membership.rules,
            tick_ms,
            init_limit,
            sync_limit,
            connect_limit,
            connect_delay_ms,
            leader_serves: self.bool(&ensemble::LEADER_SERVES),
            listens_on_all: self.bool(&ensemble::LISTEN_ON_ALL_IPS),
            reachability_check_ms,
            election_port,
            notification_interval_min_ms: min_ms,
            notification_interval_max_ms: max_ms.max(min_ms),
            observer,
            sync,
            local_sessions,
            read_only,
            sasl,
            tls,
        })
    }

    fn local_sessions(&self) -> LocalSessions {
        let upgrades = self.bool(&client::LOCAL_SESSIONS_UPGRADING);
        match (self.bool(&client::LOCAL_SESSIONS), upgrades) {
            (false, _) => LocalSessions::Off,
            (true, false) => LocalSessions::Fixed,
            (true, true) => LocalSessions::Upgradable,
        }
    }

    fn read_only(&mut self, local_sessions: LocalSessions) -> bool {
        let read_only = self.bool(&client::READ_ONLY_MODE);
        if read_only && !local_sessions.are_on() {
            let text = "a server without a leader can open no sessions unless localSessionsEnabled \
                is true";
            self.warn(&client::READ_ONLY_MODE, text.to_owned());
        }
        read_only
    }

    /// A number of ticks that an ensemble must have.
    fn limit(&mut self, key: &'static Key) -> u32 {
        match (self.set_int(key), self.setting(key)) {
            (Some(ticks), _) if ticks > 0 => return natural_u32(ticks),
            (Some(_), _) => {
                self.error(
                    key,
                    "expected a whole number of ticks, at least 1".to_owned(),
                );
            }
            (None, None) => {
                let origin = self.file.clone().unwrap_or(Origin::Default);
                let text = format!("{} is not set, and an ensemble needs it", key.name);
                self.missing(origin, text);
            }
            // It cannot be read, which is reported.
            (None, Some(_)) => {}
        }
        1
    }

    fn reachability_check(&mut self) -> Option<u64> {
        let timeout_ms = self.at_least_or_error(&ensemble::REACHABILITY_CHECK_TIMEOUT, 1);
        let is_on = self.bool(&ensemble::MULTI_ADDRESS_ENABLED)
            && self.bool(&ensemble::REACHABILITY_CHECK_ENABLED);
        is_on.then_some(timeout_ms)
    }

    fn election_port(&mut self, sync_limit_ms: u64) -> ElectionPortOptions {
        let introduction_ms = self.int(&ensemble::QUORUM_CNXN_TIMEOUT);
        let mut retries = self.int(&ensemble::ELECTION_PORT_BIND_RETRY);
        if retries < 0 {
            retries = default_int(&ensemble::ELECTION_PORT_BIND_RETRY);
            let text = format!("less than 0; the default of {retries} stays");
            self.warn(&ensemble::ELECTION_PORT_BIND_RETRY, text);
        }
        ElectionPortOptions {
            dial_timeout_ms: self.at_least_or_error(&ensemble::CNX_TIMEOUT, 1),
            introduction_timeout_ms: positive(introduction_ms).unwrap_or(sync_limit_ms),
            keep_alive: self.bool(&ensemble::TCP_KEEP_ALIVE),
            bind_retries_max: match retries {
                0 => None,
                retries => Some(natural_u32(retries)),
            },
        }
    }

    fn observer(&mut self) -> ObserverOptions {
        let master_port = self.observer_master_port();
        let queue_bytes_max = self.at_least_or_error(&ensemble::OBSERVER_MASTER_SIZE_LIMIT, 1);
        let key = match self.setting(&ensemble::OBSERVER_SYNC_ENABLED) {
            Some(_) => &ensemble::OBSERVER_SYNC_ENABLED,
            None => &ensemble::SYNC_ENABLED,
        };
        ObserverOptions {
            election_delay_max_ms: natural(self.int(&ensemble::OBSERVER_ELECTION_DELAY)),
            reconnect_delay_max_ms: natural(self.int(&ensemble::OBSERVER_RECONNECT_DELAY)),
            master_port,
            queue_bytes_max: usize::try_from(queue_bytes_max).unwrap_or(usize::MAX),
            keeps_log: self.bool(key),
        }
    }

    fn observer_master_port(&mut self) -> Option<u16> {
        let port = positive(self.int(&ensemble::OBSERVER_MASTER_PORT))?;
        let port = u16::try_from(port).ok();
        if port.is_none() {
            let text = "expected a port up to 65535, or 0 or less for none".to_owned();
            self.error(&ensemble::OBSERVER_MASTER_PORT, text);
        }
        port
    }

    fn sync(&mut self) -> SyncOptions {
        let mut factor = self.fraction(&storage::SNAPSHOT_SIZE_FACTOR);
        if factor > 1.0 {
            let text = format!("more than 1; the default of {SNAPSHOT_SIZE_FACTOR_DEFAULT} stays");
            self.warn(&storage::SNAPSHOT_SIZE_FACTOR, text);
            factor = SNAPSHOT_SIZE_FACTOR_DEFAULT;
        }
        let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        SyncOptions {
            snapshot_size_factor: Some(factor).filter(|factor| *factor >= 0.0),
            force_snapshot: self.bool(&storage::FORCE_SNAPSHOT_SYNC),
            snap_syncs_max: count(self.at_least_or_error(&ensemble::MAX_SNAP_SYNCS, 1)),
            diff_syncs_max: count(self.at_least_or_error(&ensemble::MAX_DIFF_SYNCS, 1)),
            wait_for_epoch_max_ms: u64::try_from(self.int(&ensemble::MAX_TIME_TO_WAIT_FOR_EPOCH))
                .ok(),
        }
    }

    /// A number that a standalone server takes whatever it is.
    fn at_least_or_error(&mut self, key: &'static Key, least: i64) -> u64 {
        let written = self.int(key);
        if written < least {
            let text = format!("expected at least {least} in an ensemble");
            self.error(key, text);
        }
        natural(written.max(least))
    }
}

const SNAPSHOT_SIZE_FACTOR_DEFAULT: f64 = 0.33;

/// What Apache's server waits at least.
const READ_ONLY_AFTER_MS_MIN: u64 = 2000;
