//! The configuration, cut into what each part needs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::admin::Https;
use crate::auth::sasl::Acceptor;
use crate::auth::{AuthOptions, EnsembleNames, Policy, SaslLogin, X509Options};
use crate::base::ServerId;
use crate::config::{
    AdminOptions, Config, DigestAlgorithm, EnsembleOptions, ListenAddress, ListenHost,
    SnapshotCompression, edit_static,
};
use crate::net::{
    self, ClientTls, ElectionPortOptions, NetOptions, PeerSecurity, QuorumPortOptions, Tls,
};
use crate::peer::{JanitorOptions, LocalSessions, MemberOptions, PeerOptions};
use crate::prep::PrepOptions;
use crate::quorum::{Address, Host, Member, Membership, QuorumView};
use crate::runtime::Failure;
use crate::store::layout::{Compression, DataDirs};
use crate::store::log_writer::LogOptions;
use crate::store::member_files::MemberFiles;
use crate::store::recover::StorageOptions;
use crate::store::trigger::TriggerOptions;
use crate::tree::TreeOptions;

pub(super) fn policy(config: &Config) -> Result<Policy, Failure> {
    let auth = &config.auth;
    let defaults = AuthOptions::default();
    let digest_alg = match auth.digest.as_ref().map(|digest| digest.algorithm) {
        None => defaults.digest_alg,
        Some(DigestAlgorithm::Sha1) => "SHA1".to_owned(),
        Some(DigestAlgorithm::Sha224) => "SHA-224".to_owned(),
        Some(DigestAlgorithm::Sha256) => "SHA-256".to_owned(),
        Some(DigestAlgorithm::Sha384) => "SHA-384".to_owned(),
        Some(DigestAlgorithm::Sha512) => "SHA-512".to_owned(),
        Some(DigestAlgorithm::Sha512T224) => "SHA-512/224".to_owned(),
        Some(DigestAlgorithm::Sha512T256) => "SHA-512/256".to_owned(),
    };
    let super_digest = auth
        .digest
        .as_ref()
        .and_then(|digest| digest.super_digest.as_ref());
    let schemes = auth.enforced_schemes.as_ref();
    Policy::new(&AuthOptions {
        skip_acl: auth.skip_acl,
        digest_enabled: auth.digest.is_some(),
        digest_alg,
        super_digest: super_digest.map(|secret| secret.reveal().to_owned()),
        x509: auth.x509.as_ref().map(|options| X509Options {
            super_user: options.super_user.clone(),
        }),
        ensemble: auth.ensemble.as_ref().map(|options| {
            let names = options.names.clone();
            names.map_or(EnsembleNames::Any, EnsembleNames::These)
        }),
        key_enabled: auth.key,
        sasl: sasl_login(config)?,
        sasl_enabled: auth.sasl_lists.is_some(),
        any_sasl_user: auth
            .sasl_lists
            .as_ref()
            .and_then(|lists| lists.any_user.clone()),
        enforce_schemes: schemes.map(|names| names.iter().cloned().collect()),
        session_require_client_sasl_auth: false,
    })
    .map_err(|error| Failure::Configuration(error.to_string()))
}

/// How clients log in, with what the Kerberos library knows. As Apache's server, this one does not start as a
/// service whose key it does not have.
fn sasl_login(config: &Config) -> Result<Option<SaslLogin>, Failure> {
    let clients = config.auth.sasl.as_ref();
    let peers = config.ensemble.as_ref().and_then(|it| it.sasl.as_ref());
    let acceptors = [clients.map(|it| &it.acceptor), peers.map(|it| &it.acceptor)];
    for acceptor in acceptors.into_iter().flatten() {
        if let Acceptor::Kerberos(key) = acceptor {
            let no_key = |error| format!("cannot be the service {}: {error}", key.principal);
            net::check_service_key(key).map_err(|error| Failure::Configuration(no_key(error)))?;
        }
    }
    let is_needed = clients.is_some() || config.auth.requires_realm;
    let realm = is_needed.then(net::default_realm).flatten();
    if config.auth.requires_realm && realm.is_none() {
        let text =
            "requireKerberosConfig is true: expected a Kerberos configuration with a default realm";
        return Err(Failure::Configuration(text.to_owned()));
    }
    Ok(clients.cloned().map(|mut login| {
        login.rules.default_realm = realm.unwrap_or_default();
        login
    }))
}

/// With the hosts that the other servers' Kerberos names may have as the DNS calls them, if that is asked for.
/// Waits for the DNS; as Apache's server, this one does not start with a host that it does not know.
pub(super) fn with_canonical_hosts(ensemble: &EnsembleOptions) -> Result<EnsembleOptions, Failure> {
    let mut ensemble = ensemble.clone();
    if let Some(sasl) = ensemble.sasl.as_mut().filter(|it| it.canonicalizes_hosts) {
        let canonical = |host: &String| {
            let unknown = |error| format!("kerberos.canonicalizeHostNames: host {host}: {error}");
            net::canonical_host(host).map_err(|error| Failure::Configuration(unknown(error)))
        };
        sasl.hosts = sasl.hosts.iter().map(canonical).collect::<Result<_, _>>()?;
    }
    Ok(ensemble)
}

/// Reads the stores of the client ports.
fn client_tls(config: &Config) -> Result<Option<ClientTls>, Failure> {
    let Some(options) = &config.client_tls else {
        return Ok(None);
    };
    let tls = Tls::load(options.tls.clone()).map_err(Failure::from)?;
    Ok(Some(ClientTls {
        tls: Arc::new(tls),
        is_unified: options.is_unified,
        handshakes_max: options.handshakes_max,
        drops_early: options.drops_early,
    }))
}

/// Reads the stores of the AdminServer.
pub(super) fn https(options: &AdminOptions) -> Result<Option<Https>, Failure> {
    let Some(options) = &options.tls else {
        return Ok(None);
    };
    let tls = Tls::load(options.tls.clone()).map_err(Failure::from)?;
    Ok(tls.server_side().map(|tls| Https {
        tls,
        takes_plain: options.takes_plain,
    }))
}

/// Reads the stores of the ports for other servers.
pub(super) fn peer_security(config: &Config) -> Result<PeerSecurity, Failure> {
    let ensemble = config.ensemble.as_ref();
    let Some(options) = ensemble.and_then(|ensemble| ensemble.tls.as_ref()) else {
        return Ok(PeerSecurity::default());
    };
    let tls = Tls::load(options.tls.clone()).map_err(Failure::from)?;
    Ok(PeerSecurity::new(Arc::new(tls), options))
}

pub(super) fn net(config: &Config, seed: u64) -> Result<NetOptions, Failure> {
    let mut throttle = config.throttle.clone();
    if let Some(connections) = &mut throttle.connections
        && local_sessions(config).are_on()
    {
        // That is what new ones are.
        connections.weights.global = connections.weights.local;
    }
    Ok(NetOptions {
        listen: config.listen.clone(),
        wire: config.wire.clone(),
        throttle,
        tls: client_tls(config)?,
        seed,
    })
}

fn local_sessions(config: &Config) -> LocalSessions {
    let ensemble = config.ensemble.as_ref();
    ensemble.map_or(LocalSessions::Off, |ensemble| ensemble.local_sessions)
}

pub(super) fn tree(config: &Config) -> TreeOptions {
    TreeOptions {
        extended_types: config.tree.extended_types,
        emulate_353_ttl: config.tree.emulate_353_ttl,
        digest_enabled: config.tree.digest,
    }
}

pub(super) fn peer(config: &Config) -> PeerOptions {
    let containers = &config.containers;
    let millis = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let never_used_ms = containers.never_used_max_ms.unwrap_or(0);
    let ensemble = config.ensemble.as_ref();
    PeerOptions {
        prep: PrepOptions {
            tree: tree(config),
            enforce_quota: config.tree.enforce_quota,
            reconfig_enabled: config.tree.reconfig,
            close_session_txn: config.tree.close_session_txn,
            record_bytes_max: field_bytes_max(config),
        },
        janitor: JanitorOptions {
            check_interval_ms: containers.check_interval_ms,
            deletions_per_minute_max: u64::from(containers.deletions_per_minute_max),
            never_used_ms: i64::try_from(never_used_ms).unwrap_or(i64::MAX),
        },
        tick_ms: u64::from(config.session.tick_time_ms),
        session_timeout_min_ms: millis(config.session.timeout_min_ms),
        session_timeout_max_ms: millis(config.session.timeout_max_ms),
        session_id_byte: ensemble
            .map_or(STANDALONE_SESSION_ID_BYTE, EnsembleOptions::session_id_byte),
        local_sessions: local_sessions(config),
    }
}

pub(super) fn log(config: &Config) -> LogOptions {
    let storage = &config.storage;
    LogOptions {
        preallocation_bytes: storage.pre_alloc_bytes.unwrap_or(0),
        force_sync: storage.force_sync,
        sync_warning_ms: storage.fsync_warning_ms,
        file_bytes_max: storage.log_size_limit_bytes,
    }
}

pub(super) fn dirs(config: &Config) -> DataDirs {
    let absolute = |dir: &Path| std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    let storage = &config.storage;
    DataDirs::new(
        &absolute(&storage.snapshot_dir),
        &absolute(&storage.log_dir),
    )
}

pub(super) fn compression(config: &Config) -> Compression {
    match config.storage.compression {
        SnapshotCompression::None => Compression::Plain,
        SnapshotCompression::Gzip => Compression::Gzip,
        SnapshotCompression::Snappy => Compression::Snappy,
    }
}

/// What a member of an ensemble brings into every role.
pub(super) fn member(config: &Config, ensemble: &EnsembleOptions, seed: u64) -> MemberOptions {
    MemberOptions {
        me: ensemble.me,
        membership: Arc::new(membership(ensemble)),
        reconfig_enabled: ensemble.reconfig_enabled,
        view_rules: ensemble.view_rules,
        zab: ensemble.zab(),
        election: ensemble.election(),
        observer_rest_ms: ensemble.observer.election_delay_max_ms,
        observer_reconnect_ms: ensemble.observer.reconnect_delay_max_ms,
        observer_master_port: ensemble.observer.master_port,
        observer_queue_bytes_max: ensemble.observer.queue_bytes_max,
        leader_serves: ensemble.leader_serves,
        read_only_after_ms: ensemble.read_only_after_ms(),
        commit_log_count: config.storage.commit_log_count as usize,
        recent_bytes_max: crate::zab::RECENT_BYTES_MAX,
        field_bytes_max: field_bytes_max(config),
        seed,
    }
}

/// Where all others can be dialled for elections, those of the committed view first.
pub(super) fn election_peers(
    me: ServerId,
    membership: &Membership,
) -> BTreeMap<ServerId, Vec<Address>> {
    let mut peers = BTreeMap::new();
    for (sid, member) in membership.views().flat_map(QuorumView::members) {
        if *sid != me {
            let addresses = || member.election_addresses().collect();
            peers.entry(*sid).or_insert_with(addresses);
        }
    }
    peers
}

/// Where clients connect, if the line of the server says so.
pub(super) fn client_address(member: &Member) -> Option<ListenAddress> {
    let address = member
        .client
        .as_ref()
        .filter(|_| !member.client_from_static)?;
    Some(listen_at(address, false))
}

/// Where changes of the members are written, if there may be any.
pub(super) fn member_files(ensemble: &EnsembleOptions) -> Option<MemberFiles> {
    let file = ensemble
        .file
        .as_ref()
        .filter(|_| ensemble.reconfig_enabled)?;
    let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
    Some(MemberFiles::new(file, edit_static))
}

/// What the files say: what is committed, and what may be.
fn membership(ensemble: &EnsembleOptions) -> Membership {
    let committed = Arc::new(ensemble.view.clone());
    match &ensemble.last_seen {
        None => Membership::new(committed),
        Some(seen) => Membership::with_last_seen(committed, Arc::new(seen.clone())),
    }
}

/// The longest text or buffer of a transaction, of a snapshot, and of a packet between servers.
pub(super) fn field_bytes_max(config: &Config) -> usize {
    let wire = &config.wire;
    wire.jute_max_buffer as usize + wire.jute_extra_size as usize
}

pub(super) fn election_port(ensemble: &EnsembleOptions) -> ElectionPortOptions {
    let own: Vec<_> = own_line(ensemble).election_addresses().collect();
    let port = &ensemble.election_port;
    ElectionPortOptions {
        me: ensemble.me,
        listen: listen_on(ensemble, &own),
        advertised: own,
        peers: election_peers(ensemble.me, &membership(ensemble)),
        multi_address_enabled: ensemble.view_rules.multi_address_enabled,
        connect_timeout_ms: port.dial_timeout_ms,
        handshake_timeout_ms: port.introduction_timeout_ms,
        bind_attempts_max: port.bind_retries_max,
        unacknowledged_max_ms: ensemble
            .reachability_check_ms
            .map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)),
        keep_alive: port.keep_alive,
        sasl: ensemble.sasl.clone(),
    }
}

pub(super) fn quorum_port(config: &Config, ensemble: &EnsembleOptions) -> QuorumPortOptions {
    let own: Vec<_> = own_line(ensemble).quorum_addresses().collect();
    QuorumPortOptions {
        listen: listen_on(ensemble, &own),
        listen_for_observers: listen_for_observers(ensemble, &own),
        observer_queue_bytes_max: ensemble.observer.queue_bytes_max,
        field_bytes_max: field_bytes_max(config),
        dial_budget_ms: ensemble.connect_budget_ms(),
        dial_pause_max_ms: ensemble.connect_delay_ms,
        keep_alive: ensemble.election_port.keep_alive,
        sasl: ensemble.sasl.clone(),
        login_limit_ms: u64::from(ensemble.tick_ms) * u64::from(ensemble.init_limit),
        stall_limit_ms: u64::from(ensemble.tick_ms) * u64::from(ensemble.init_limit),
    }
}

/// `observerMasterPort` on each of the own hosts.
fn listen_for_observers(ensemble: &EnsembleOptions, own: &[Address]) -> Vec<ListenAddress> {
    let Some(port) = ensemble.observer.master_port else {
        return Vec::new();
    };
    let own = own.iter().map(|address| Address {
        host: address.host.clone(),
        port,
    });
    listen_on(ensemble, &own.collect::<Vec<_>>())
}

fn own_line(ensemble: &EnsembleOptions) -> &Member {
    let own = ensemble.view.members().get(&ensemble.me);
    own.expect("the configuration has a line for this server")
}

/// Where to listen for other servers; each port once.
pub(super) fn listen_on(ensemble: &EnsembleOptions, own: &[Address]) -> Vec<ListenAddress> {
    let mut listen = Vec::new();
    for address in own {
        let address = listen_at(address, ensemble.listens_on_all);
        if !listen.contains(&address) {
            listen.push(address);
        }
    }
    listen
}

fn listen_at(address: &Address, on_all: bool) -> ListenAddress {
    let host = match &address.host {
        _ if on_all || address.host.is_wildcard() => ListenHost::All,
        Host::Ip(ip) => ListenHost::Ip(*ip),
        Host::Name(name) => ListenHost::Name(name.to_string()),
    };
    let port = address.port;
    ListenAddress { host, port }
}

/// What recovery goes by. A server on its own has no use for the newest transactions.
pub(super) fn storage(config: &Config) -> StorageOptions {
    let storage = &config.storage;
    StorageOptions {
        dirs: dirs(config),
        creates_dirs: storage.dir_autocreate,
        empty_may_vote: storage.db_autocreate,
        trusts_empty: storage.trust_empty,
        field_bytes_max: field_bytes_max(config),
        compression: compression(config),
        writes_last_processed: storage.serialize_last_zxid,
        recent_max: match config.ensemble {
            None => 0,
            Some(_) => storage.commit_log_count as usize,
        },
    }
}

pub(super) fn trigger(config: &Config) -> TriggerOptions {
    let log_bytes = config.storage.snap_size_limit_bytes;
    TriggerOptions {
        records: u64::from(config.storage.snap_count),
        log_bytes: log_bytes.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
    }
}

/// A server of its own uses 1 in session ids although it reports 0 as its id.
const STANDALONE_SESSION_ID_BYTE: u8 = 1;
