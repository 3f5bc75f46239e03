//! What the program needs to know, typed and checked, in one plain struct per consumer.
//!
//! Numbers are in the unit their names end in. "No limit" and "off" are `None`, whichever number
//! Apache spells them with. Everything here has passed the relations between keys; nobody has to
//! check again.

use std::{
    collections::BTreeSet,
    fmt::{self, Debug, Formatter},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

use super::admin::{AdminOptions, AsWritten};
use super::{ensemble::EnsembleOptions, kerberos::KerberosOptions, tls::ClientTlsOptions};
use crate::auth::SaslLogin;

/// The whole configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// The ensemble it is one of; `None` for a standalone server.
    pub ensemble: Option<EnsembleOptions>,
    /// The client ports.
    pub listen: ClientListen,
    /// TLS for clients; `None` when no port has it.
    pub client_tls: Option<ClientTlsOptions>,
    /// Sizes on the client's wire.
    pub wire: WireLimits,
    /// Session timeouts.
    pub session: SessionOptions,
    /// What a client may have in flight.
    pub throttle: ThrottleOptions,
    /// Which four-letter words are answered.
    pub four_letter: Whitelist,
    /// Who may do what.
    pub auth: AuthOptions,
    /// What the Kerberos library is told.
    pub kerberos: KerberosOptions,
    /// What kinds of nodes and transactions there are.
    pub tree: TreeOptions,
    /// Deletion of containers and expired nodes.
    pub containers: ContainerOptions,
    /// Directories, log and snapshots.
    pub storage: StorageOptions,
    /// Commands over HTTP; `None` where they are switched off.
    pub admin: Option<AdminOptions>,
    /// The configuration as it was written.
    pub as_written: AsWritten,
}

/// The client ports, of which there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientListen {
    /// Where to listen; `None` when clients connect with TLS alone.
    pub address: Option<ListenAddress>,
    /// Where to listen for clients with TLS.
    pub secure_address: Option<ListenAddress>,
    /// `clientPortListenBacklog`; `None` leaves it to the system.
    pub backlog: Option<u32>,
    /// `clientTcpKeepAlive`: probe idle connections.
    pub keep_alive: bool,
    /// `maxCnxns`: connections in all.
    pub connections_max: Option<u32>,
    /// `maxClientCnxns`: connections per client address.
    pub connections_per_address_max: Option<u32>,
    /// `nio.sessionlessCnxnTimeout`: the time a connection has to open a session.
    pub sessionless_timeout_ms: u64,
}

/// A host and a port to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// Which of the machine's addresses.
    pub host: ListenHost,
    /// 0 lets the system pick one.
    pub port: u16,
}

/// The host part of an address to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenHost {
    /// Every address of the machine, of both families.
    All,
    /// One address.
    Ip(IpAddr),
    /// A name that the resolver knows.
    Name(String),
}

impl ListenAddress {
    /// The addresses to try to bind, best first; the first that can be bound is the one to use. For
    /// all addresses these are `[::]`, which takes IPv4 as well, and `0.0.0.0` for a machine
    /// without IPv6. Asks the resolver for a name.
    pub fn candidates(&self) -> io::Result<Vec<SocketAddr>> {
        match &self.host {
            ListenHost::All => Ok(vec![
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port)),
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port)),
            ]),
            ListenHost::Ip(ip) => Ok(vec![SocketAddr::from((*ip, self.port))]),
            ListenHost::Name(name) => match without_zone(name) {
                Some(ip) => Ok(vec![SocketAddr::from((ip, self.port))]),
                None => Ok((name.as_str(), self.port).to_socket_addrs()?.collect()),
            },
        }
    }
}

/// The address of `address%interface`, as Java prints addresses of interfaces. Only a link-local one
/// needs the interface, and those the resolver knows; other addresses with one it refuses.
fn without_zone(name: &str) -> Option<Ipv6Addr> {
    let (address, _interface) = name.split_once('%')?;
    let address: Ipv6Addr = address.parse().ok()?;
    (!address.is_unicast_link_local() && !address.is_multicast()).then_some(address)
}

/// Sizes on the client's wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireLimits {
    /// `jute.maxbuffer`: the longest request, and the longest text or buffer inside one. At least
    /// 1.
    pub jute_max_buffer: u32,
    /// `jute.maxbuffer.extrasize`: how much longer than that a record of the log or of a snapshot
    /// may be.
    pub jute_extra_size: u32,
    /// `gamekeeper.client.unreadBytesMax`: bytes of replies and events a client may leave unread
    /// before its connection is closed. Never less than `jute_max_buffer`.
    pub unread_bytes_max: u64,
}

/// Session timeouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// `tickTime`: the width of an expiry bucket. At least 1.
    pub tick_time_ms: u32,
    /// `minSessionTimeout`, or two ticks.
    pub timeout_min_ms: u32,
    /// `maxSessionTimeout`, or twenty ticks. Not less than the minimum; both fit the protocol's
    /// signed int.
    pub timeout_max_ms: u32,
}

/// What clients may have in flight, and what happens to the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct ThrottleOptions {
    /// `globalOutstandingLimit`: above this many requests in flight, a connection with one in
    /// flight is not read.
    pub outstanding_requests_max: u32,
    /// The request throttler.
    pub requests: RequestThrottle,
    /// The token bucket for new sessions, if on.
    pub connections: Option<ConnectionThrottle>,
    /// The budget of large requests, if on.
    pub large_requests: Option<LargeRequests>,
}

/// `request_throttle_*` and its kin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestThrottle {
    /// `request_throttle_max_requests`: requests in the pipeline above which further ones wait.
    pub requests_max: Option<u32>,
    /// `request_throttle_stall_time`: the longest wait before the limit is looked at again.
    pub stall_ms: u64,
    /// `request_throttle_drop_stale`: drop stale requests while others wait.
    pub drop_stale: bool,
    /// `request_stale_connection_check`: a request is stale when its connection is gone.
    pub stale_without_connection: bool,
    /// `request_stale_latency_check`: a request is stale when it is older than its session's
    /// timeout.
    pub stale_beyond_timeout: bool,
    /// `throttled_op_wait_time`: requests that waited longer are answered THROTTLEDOP.
    pub op_wait_max_ms: Option<u64>,
    /// `request_throttler.shutdownTimeout`: how long requests in flight may take when the server
    /// stops.
    pub shutdown_timeout_ms: u64,
}

/// `connection_throttle_*`: a token bucket that may refuse at random before it is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionThrottle {
    /// Tokens in a full bucket, multiplied by the weight of a global session when weights are on.
    pub tokens_max: u64,
    /// Time in which `fill_tokens` come back. At least 1.
    pub fill_time_ms: u64,
    /// Tokens that come back, multiplied as `tokens_max`.
    pub fill_tokens: u64,
    /// How often the chance of refusing is adapted; `None` for never refusing at random.
    pub freeze_time_ms: Option<u64>,
    /// What a shortage adds to that chance.
    pub drop_increase: f64,
    /// What plenty takes off it.
    pub drop_decrease: f64,
    /// The share of missing tokens below which it falls.
    pub decrease_ratio: f64,
    /// What a session costs, by its kind; 1 each when weights are off.
    pub weights: SessionWeights,
}

/// Tokens a session costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionWeights {
    /// A new session.
    pub global: u32,
    /// A new local session.
    pub local: u32,
    /// A session that comes back.
    pub renewed: u32,
}

/// `largeRequest*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargeRequests {
    /// Requests longer than this are large.
    pub threshold_bytes: u32,
    /// Bytes of large requests in flight; a request beyond them closes its connection.
    pub in_flight_bytes_max: u32,
}

/// `4lw.commands.whitelist`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whitelist {
    pub(super) words: BTreeSet<&'static str>,
}

impl Whitelist {
    /// Whether a four-letter word is answered.
    pub fn allows(&self, word: &str) -> bool {
        self.words.contains(word)
    }
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthOptions {
    /// `skipACL`: no access list is looked at.
    pub skip_acl: bool,
    /// The digest scheme; `None` when it is switched off.
    pub digest: Option<DigestOptions>,
    /// The x509 scheme; `None` unless a client port has TLS or its provider is named.
    pub x509: Option<X509Options>,
    /// The ensemble scheme; `None` unless its provider is named.
    pub ensemble: Option<EnsembleAuthOptions>,
    /// The scheme of Apache's `KeyAuthenticationProvider`, if that is named.
    pub key: bool,
    /// How clients log in by SASL; `None` without a section of a JAAS file for it.
    pub sasl: Option<SaslLogin>,
    /// The SASL scheme in access lists; `None` unless its provider is named.
    pub sasl_lists: Option<SaslListOptions>,
    /// `enforce.auth.schemes`, or `sasl` by `sessionRequireClientSASLAuth`: one of these must have succeeded before anything but authentication;
    /// `None` when not enforced. Only schemes that this server has.
    pub enforced_schemes: Option<BTreeSet<String>>,
    /// `requireKerberosConfig`: do not start unless Kerberos has a default realm.
    pub requires_realm: bool,
}

/// The digest scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestOptions {
    /// `DigestAuthenticationProvider.digestAlg`.
    pub algorithm: DigestAlgorithm,
    /// `DigestAuthenticationProvider.superDigest`: the id, `name:hash`, that passes every access
    /// list.
    pub super_digest: Option<Secret>,
}

/// The x509 scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct X509Options {
    /// `X509AuthenticationProvider.superUser`: the name in a certificate that passes every access
    /// list.
    pub super_user: Option<String>,
}

/// The ensemble scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnsembleAuthOptions {
    /// `ensembleAuthName`: what this ensemble may be called; `None` when that is not looked at.
    pub names: Option<BTreeSet<String>>,
}

/// The SASL scheme in access lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslListOptions {
    /// `letAnySaslUserDoX`: the name that any SASL user matches.
    pub any_user: Option<String>,
}

/// The hash of the digest scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say all")]
pub enum DigestAlgorithm {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512T224,
    Sha512T256,
}

impl DigestAlgorithm {
    /// The name Java knows it under, which is also what `digestAlg` says.
    pub const fn java_name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha512T224 => "SHA-512/224",
            Self::Sha512T256 => "SHA-512/256",
        }
    }
}

/// A text that must not get into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub(super) String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What kinds of nodes and transactions there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeOptions {
    /// `extendedTypesEnabled`: nodes may have a time to live.
    pub extended_types: bool,
    /// `emulate353TTLNodes`: owners of such nodes are encoded as 3.5.3 did.
    pub emulate_353_ttl: bool,
    /// `enforceQuota`: a write beyond a quota fails.
    pub enforce_quota: bool,
    /// `closeSessionTxn.enabled`: the transaction that closes a session lists its ephemeral nodes.
    pub close_session_txn: bool,
    /// `digest.enabled`: keep the digest of the tree, and write it into log and snapshots.
    pub digest: bool,
    /// `reconfigEnabled`.
    pub reconfig: bool,
}

/// `znode.container.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerOptions {
    /// How often containers and nodes with a time to live are looked through. At least 1.
    pub check_interval_ms: u64,
    /// Deletions in a minute. At least 1.
    pub deletions_per_minute_max: u32,
    /// The age at which a container that never had a child goes; `None` for never.
    pub never_used_max_ms: Option<u64>,
}

/// Directories, log and snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageOptions {
    /// `dataDir`, without the `version-2` below it.
    pub snapshot_dir: PathBuf,
    /// `dataLogDir`, or `dataDir`.
    pub log_dir: PathBuf,
    /// `datadir.autocreate`: make missing directories.
    pub dir_autocreate: bool,
    /// `db.autocreate`: an empty tree is a start even without the file `initialize`.
    pub db_autocreate: bool,
    /// `preAllocSize`: what a log file grows by; `None` to grow by record.
    pub pre_alloc_bytes: Option<u64>,
    /// `snapCount`: transactions between snapshots. At least 2.
    pub snap_count: u32,
    /// `snapSizeLimitInKb`: bytes of log between snapshots.
    pub snap_size_limit_bytes: Option<u64>,
    /// `txnLogSizeLimitInKb`: the size at which a new log file is begun.
    pub log_size_limit_bytes: Option<u64>,
    /// `forceSync`: wait for the disk before a write is acknowledged.
    pub force_sync: bool,
    /// `fsync.warningthresholdms`: a sync that takes longer is logged.
    pub fsync_warning_ms: u64,
    /// `flushDelay`: how long a write may wait for others to share its sync.
    pub flush_delay_ms: u64,
    /// `maxWriteQueuePollTime`: how often the queue is looked at while one waits.
    pub write_queue_poll_ms: u64,
    /// `maxBatchSize`: writes that may share a sync.
    pub batch_max: Option<u32>,
    /// `snapshot.compression.method`.
    pub compression: SnapshotCompression,
    /// `snapshot.trust.empty`: a log without any snapshot is fine.
    pub trust_empty: bool,
    /// `serializeLastProcessedZxid.enabled`: write the zxid a snapshot stands at behind it.
    pub serialize_last_zxid: bool,
    /// `commitLogCount`: committed transactions kept in memory. At least 500.
    pub commit_log_count: u32,
    /// `autopurge.*`; `None` when nothing is ever purged.
    pub purge: Option<PurgeOptions>,
}

/// How snapshots are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotCompression {
    /// As they are.
    None,
    /// `.gz`.
    Gzip,
    /// `.snappy`.
    Snappy,
}

/// `autopurge.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurgeOptions {
    /// Snapshots that stay. At least 3.
    pub snapshots_kept: u32,
    /// Time between purges; the first is at the start.
    pub interval_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_an_interface_is_one_to_bind() {
        let candidates = |name: &str| {
            let host = ListenHost::Name(name.to_owned());
            ListenAddress { host, port: 2181 }.candidates().ok()
        };
        let loopback = SocketAddr::from((Ipv6Addr::LOCALHOST, 2181));
        assert_eq!(candidates("0:0:0:0:0:0:0:1%lo"), Some(vec![loopback]));
        assert_eq!(without_zone("fe80::1%lo"), None);
        assert_eq!(without_zone("zk%lo"), None);
    }
}
