//! From settings to options: holds the values against each other and puts them into the units of
//! their consumers.
//!
//! In: [`RawConfig`]. Out: [`Config`] with the warnings, or every error at once; no option leaves
//! here then.

use std::{collections::BTreeSet, path::PathBuf};

use super::{
    Files,
    keys::{Key, client, security, storage, tls, tree},
    membership::OwnLine,
    options::{
        AuthOptions, ClientListen, Config, ConnectionThrottle, ContainerOptions, DigestAlgorithm,
        DigestOptions, EnsembleAuthOptions, LargeRequests, PurgeOptions, RequestThrottle,
        SaslListOptions, Secret, SessionOptions, SessionWeights, SnapshotCompression,
        StorageOptions, ThrottleOptions, TreeOptions, Whitelist, WireLimits, X509Options,
    },
    raw::{RawConfig, Setting},
    report::{ConfigError, Origin, Rejection, Warning, shown},
    sasl::Jaas,
    values::{Values, default_int},
};

/// Turns what was written into what is meant. `file` is where a missing key should have stood;
/// without one there are defaults for everything; `text` is what stands in it. `files` has the files that the settings name.
pub(super) fn build(
    raw: RawConfig,
    file: Option<Origin>,
    text: &[u8],
    files: &Files<'_>,
) -> Result<(Config, Vec<Warning>), Rejection> {
    let mut values = Values::read(raw, file);
    let membership = values.membership(files);
    values.check_effects(membership.in_ensemble);
    let listen = values.listen(&membership.own);
    let client_tls = values.client_tls();
    let jaas = values.jaas(files);
    values.check_peer_sasl();
    let ensemble = values.ensemble(membership, listen.address.as_ref(), jaas.as_ref());
    let auth = values.auth(jaas.as_ref());
    let peers = ensemble.as_ref().and_then(|it| it.sasl.as_ref());
    let config = Config {
        kerberos: values.kerberos(files, jaas.as_ref(), auth.sasl.as_ref(), peers),
        ensemble,
        listen,
        client_tls,
        wire: values.wire(),
        session: values.session(),
        throttle: values.throttle(),
        four_letter: values.four_letter(),
        auth,
        tree: values.tree(),
        containers: values.containers(),
        storage: values.storage(),
        admin: values.admin(),
        as_written: values.as_written(text),
    };
    values.warnings.sort_by(|a, b| a.origin().cmp(b.origin()));
    values.errors.sort_by(|a, b| a.origin().cmp(b.origin()));
    if values.errors.is_empty() {
        Ok((config, values.warnings))
    } else {
        Err(Rejection {
            errors: values.errors,
            warnings: values.warnings,
        })
    }
}

/// The sections of [`Config`].
impl Values {
    fn listen(&mut self, own: &OwnLine) -> ClientListen {
        ClientListen {
            address: self.client_address(own),
            secure_address: self.secure_address(),
            backlog: positive_u32(self.int(&client::CLIENT_PORT_LISTEN_BACKLOG)),
            keep_alive: self.bool(&client::CLIENT_TCP_KEEP_ALIVE),
            connections_max: positive_u32(self.int(&client::MAX_CNXNS)),
            connections_per_address_max: positive_u32(self.int(&client::MAX_CLIENT_CNXNS)),
            sessionless_timeout_ms: natural(self.int(&client::SESSIONLESS_CNXN_TIMEOUT)),
        }
    }

    fn wire(&mut self) -> WireLimits {
        let jute_max_buffer = natural_u32(self.int(&client::JUTE_MAXBUFFER));
        let extra_size = match self.set_int(&client::JUTE_MAXBUFFER_EXTRASIZE) {
            Some(bytes) => {
                natural_u32(self.at_least(&client::JUTE_MAXBUFFER_EXTRASIZE, bytes, EXTRA_SIZE_MIN))
            }
            None => jute_max_buffer.max(natural_u32(EXTRA_SIZE_MIN)),
        };
        let mut unread_bytes_max = natural(self.int(&client::UNREAD_BYTES_MAX));
        if unread_bytes_max < u64::from(jute_max_buffer) {
            let keys = [&client::JUTE_MAXBUFFER, &client::UNREAD_BYTES_MAX];
            if self.setting(&client::UNREAD_BYTES_MAX).is_some() && self.readable(&keys) {
                let text = format!("expected at least jute.maxbuffer, which is {jute_max_buffer}");
                self.error(&client::UNREAD_BYTES_MAX, text);
            }
            unread_bytes_max = u64::from(jute_max_buffer);
        }
        WireLimits {
            jute_max_buffer,
            jute_extra_size: extra_size,
            unread_bytes_max,
        }
    }

    fn session(&mut self) -> SessionOptions {
        let tick_time = self.int(&client::TICK_TIME);
        let timeout = |values: &Self, key, ticks: i64| match values.int(key) {
            -1 => (tick_time * ticks).min(i64::from(i32::MAX)),
            ms => ms,
        };
        let min = timeout(self, &client::MIN_SESSION_TIMEOUT, 2);
        let max = timeout(self, &client::MAX_SESSION_TIMEOUT, 20);
        let keys = [
            &client::TICK_TIME,
            &client::MIN_SESSION_TIMEOUT,
            &client::MAX_SESSION_TIMEOUT,
        ];
        if min > max && self.readable(&keys) {
            let text = format!(
                "minSessionTimeout must not be larger than maxSessionTimeout ({min} > {max})"
            );
            let key = match self.setting(&client::MIN_SESSION_TIMEOUT) {
                Some(_) => &client::MIN_SESSION_TIMEOUT,
                None => &client::MAX_SESSION_TIMEOUT,
            };
            self.error(key, text);
        }
        SessionOptions {
            tick_time_ms: natural_u32(tick_time),
            timeout_min_ms: natural_u32(min),
            timeout_max_ms: natural_u32(max),
        }
    }

    fn throttle(&mut self) -> ThrottleOptions {
        ThrottleOptions {
            outstanding_requests_max: natural_u32(self.int(&client::GLOBAL_OUTSTANDING_LIMIT)),
            requests: RequestThrottle {
                requests_max: positive_u32(self.int(&client::REQUEST_THROTTLE_MAX)),
                stall_ms: natural(self.int(&client::REQUEST_THROTTLE_STALL)),
                drop_stale: self.bool(&client::REQUEST_THROTTLE_DROP_STALE),
                stale_without_connection: self.bool(&client::REQUEST_STALE_CONNECTION),
                stale_beyond_timeout: self.bool(&client::REQUEST_STALE_LATENCY),
                op_wait_max_ms: positive(self.int(&client::THROTTLED_OP_WAIT)),
                shutdown_timeout_ms: natural(self.int(&client::REQUEST_SHUTDOWN_TIMEOUT)),
            },
            connections: self.connection_throttle(),
            large_requests: self.large_requests(),
        }
    }

    fn connection_throttle(&mut self) -> Option<ConnectionThrottle> {
        let weighted = self.bool(&client::CONNECTION_WEIGHTS);
        let weights = self.session_weights();
        let weights = if weighted { weights } else { EQUAL_WEIGHTS };
        let per_global = u64::from(weights.global);
        let tokens = positive(self.int(&client::CONNECTION_TOKENS))?;
        Some(ConnectionThrottle {
            tokens_max: tokens * per_global,
            fill_time_ms: natural(self.int(&client::CONNECTION_FILL_TIME)),
            fill_tokens: natural(self.int(&client::CONNECTION_FILL_COUNT)) * per_global,
            freeze_time_ms: match self.int(&client::CONNECTION_FREEZE_TIME) {
                -1 => None,
                ms => Some(natural(ms)),
            },
            drop_increase: self.fraction(&client::CONNECTION_DROP_INCREASE),
            drop_decrease: self.fraction(&client::CONNECTION_DROP_DECREASE),
            decrease_ratio: self.fraction(&client::CONNECTION_DECREASE_RATIO),
            weights,
        })
    }

    /// As `BlueThrottle`: a weight below 1 falls back to its default, and none is less than that of
    /// a local session.
    fn session_weights(&mut self) -> SessionWeights {
        let mut weight = |key: &'static Key| {
            let written = self.int(key);
            if written >= 1 {
                return natural_u32(written);
            }
            let default = default_int(key);
            self.warn(key, format!("less than 1; the default of {default} stays"));
            natural_u32(default)
        };
        let local = weight(&client::LOCAL_SESSION_WEIGHT);
        let global = weight(&client::GLOBAL_SESSION_WEIGHT);
        let renewed = weight(&client::RENEW_SESSION_WEIGHT);
        for (key, value) in [
            (&client::GLOBAL_SESSION_WEIGHT, global),
            (&client::RENEW_SESSION_WEIGHT, renewed),
        ] {
            if value < local {
                self.warn(
                    key,
                    format!("less than the weight of a local session; raised to {local}"),
                );
            }
        }
        SessionWeights {
            global: global.max(local),
            local,
            renewed: renewed.max(local),
        }
    }

    fn large_requests(&mut self) -> Option<LargeRequests> {
        let threshold = self.int(&client::LARGE_REQUEST_THRESHOLD);
        if threshold == 0 || threshold < -1 {
            self.warn(
                &client::LARGE_REQUEST_THRESHOLD,
                "expected -1 or a positive number; taken as -1".to_owned(),
            );
        }
        let mut budget = self.int(&client::LARGE_REQUEST_MAX_BYTES);
        if budget <= 0 {
            budget = default_int(&client::LARGE_REQUEST_MAX_BYTES);
            let text = format!("expected a positive number; the default of {budget} stays");
            self.warn(&client::LARGE_REQUEST_MAX_BYTES, text);
        }
        Some(LargeRequests {
            threshold_bytes: positive_u32(threshold)?,
            in_flight_bytes_max: natural_u32(budget),
        })
    }

    fn four_letter(&mut self) -> Whitelist {
        let mut words = BTreeSet::from(["srvr"]);
        if self.bool(&client::READ_ONLY_MODE) {
            words.insert("isro");
        }
        let list = self.text(&client::FOUR_LETTER_WORDS);
        let mut unknown = Vec::new();
        for item in list
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            if item == "*" {
                words.extend(FOUR_LETTER_WORDS);
            } else if let Some(word) = FOUR_LETTER_WORDS.iter().find(|word| **word == item) {
                words.insert(word);
            } else {
                unknown.push(shown(item));
            }
        }
        if !unknown.is_empty() {
            let text = format!("no four-letter word, ignored: {}", unknown.join(", "));
            self.warn(&client::FOUR_LETTER_WORDS, text);
        }
        Whitelist { words }
    }

    fn auth(&mut self, jaas: Option<&Jaas>) -> AuthOptions {
        let skip_acl = self.bool(&security::SKIP_ACL);
        if skip_acl {
            let text = "no access list is looked at: every client may read and write everything";
            self.warn(&security::SKIP_ACL, text.to_owned());
        }
        self.check_auth_providers();
        let digest = self
            .bool(&security::DIGEST_AUTH_ENABLED)
            .then(|| DigestOptions {
                algorithm: digest_algorithm(&self.text(&security::DIGEST_ALGORITHM)),
                super_digest: Some(self.text(&security::SUPER_DIGEST))
                    .filter(|digest| !digest.is_empty())
                    .map(Secret),
            });
        let super_digest = self.text(&security::SUPER_DIGEST);
        if !super_digest.is_empty() && !super_digest.contains(':') {
            let text = "expected name:hash; as it is, nobody can match it";
            self.warn(&security::SUPER_DIGEST, text.to_owned());
        }
        let x509 = self.x509();
        let enforced_schemes = self.enforced_schemes(digest.is_some(), x509.is_some());
        AuthOptions {
            skip_acl,
            digest,
            x509,
            ensemble: self.ensemble_auth(),
            key: self.names_provider(KEY_PROVIDER),
            sasl: self.sasl_login(jaas),
            sasl_lists: self.names_provider(SASL_PROVIDER).then(|| SaslListOptions {
                any_user: self.set_text(&security::ANY_SASL_USER),
            }),
            enforced_schemes,
            requires_realm: self.bool(&security::REQUIRE_KERBEROS),
        }
    }

    /// As `QuorumPeerConfig.configureSSLAuth`, a port with TLS brings the scheme.
    fn x509(&self) -> Option<X509Options> {
        let is_there = self.names_provider(X509_PROVIDER)
            || self.setting(&tls::SECURE_CLIENT_PORT).is_some()
            || self.bool(&tls::CLIENT_PORT_UNIFICATION);
        is_there.then(|| X509Options {
            super_user: self.set_text(&security::X509_SUPER_USER),
        })
    }

    fn enforced_schemes(&mut self, digest: bool, x509: bool) -> Option<BTreeSet<String>> {
        let mut available = vec!["ip"];
        if digest {
            available.insert(0, "digest");
        }
        if x509 {
            available.push("x509");
        }
        for (provider, scheme) in [(SASL_PROVIDER, "sasl"), (KEY_PROVIDER, "key")] {
            if self.names_provider(provider) {
                available.push(scheme);
            }
        }
        if self.bool(&security::REQUIRE_CLIENT_SASL) {
            if !available.contains(&"sasl") {
                let text = format!("expected authProvider.1={SASL_PROVIDER} beside it");
                self.error(&security::REQUIRE_CLIENT_SASL, text);
            }
            return Some(["sasl".to_owned()].into());
        }
        if !self.bool(&security::ENFORCE_AUTH) {
            return None;
        }
        let text = self.text(&security::ENFORCE_AUTH_SCHEMES);
        let schemes: BTreeSet<String> = text
            .split(',')
            .map(str::trim)
            .filter(|scheme| !scheme.is_empty())
            .map(str::to_owned)
            .collect();
        if schemes.is_empty() {
            let text = "is true, so enforce.auth.schemes must name a scheme";
            self.error(&security::ENFORCE_AUTH, text.to_owned());
        }
        for scheme in &schemes {
            if !available.contains(&scheme.as_str()) {
                let text = format!(
                    "Authentication scheme {} is not available; expected {}",
                    shown(scheme),
                    available.join(" or ")
                );
                self.error(&security::ENFORCE_AUTH_SCHEMES, text);
            }
        }
        Some(schemes)
    }

    fn auth_providers(&self) -> impl Iterator<Item = &Setting> {
        let settings = self.settings.values();
        settings.filter(|setting| setting.key.name == security::AUTH_PROVIDERS.name)
    }

    /// The two schemes that are always there may be named again; any that is not there at all would be
    /// missed silently.
    fn check_auth_providers(&mut self) {
        let unknown = self
            .auth_providers()
            .filter(|setting| !PROVIDERS.contains(&setting.value.as_str()));
        let errors: Vec<_> = unknown
            .map(|setting| {
                let text = format!(
                    "this authentication scheme is not supported by this version; expected {}",
                    PROVIDERS.join(" or ")
                );
                ConfigError::new(setting.remark(text))
            })
            .collect();
        self.errors.extend(errors);
    }

    fn names_provider(&self, class: &str) -> bool {
        self.auth_providers().any(|setting| setting.value == class)
    }

    fn ensemble_auth(&mut self) -> Option<EnsembleAuthOptions> {
        let is_named = self.names_provider(ENSEMBLE_PROVIDER);
        let names = self.set_text(&security::ENSEMBLE_AUTH_NAME);
        if names.is_some() && !is_named {
            let text = format!("has no effect without authProvider.1={ENSEMBLE_PROVIDER}");
            self.warn(&security::ENSEMBLE_AUTH_NAME, text);
        }
        let names = names.map(|names| names.split(',').map(|it| it.trim().to_owned()).collect());
        is_named.then_some(EnsembleAuthOptions { names })
    }

    fn tree(&self) -> TreeOptions {
        TreeOptions {
            extended_types: self.bool(&tree::EXTENDED_TYPES),
            emulate_353_ttl: self.bool(&tree::EMULATE_353_TTL),
            enforce_quota: self.bool(&tree::ENFORCE_QUOTA),
            close_session_txn: self.bool(&tree::CLOSE_SESSION_TXN),
            digest: self.bool(&tree::DIGEST_ENABLED),
            reconfig: self.bool(&tree::RECONFIG_ENABLED),
        }
    }

    fn containers(&self) -> ContainerOptions {
        ContainerOptions {
            check_interval_ms: natural(self.int(&tree::CONTAINER_CHECK_INTERVAL)),
            deletions_per_minute_max: natural_u32(self.int(&tree::CONTAINER_MAX_PER_MINUTE)),
            never_used_max_ms: positive(self.int(&tree::CONTAINER_NEVER_USED)),
        }
    }

    fn storage(&mut self) -> StorageOptions {
        let (snapshot_dir, log_dir) = self.directories();
        let force_sync = self.bool(&storage::FORCE_SYNC);
        if !force_sync {
            let text = "writes are acknowledged before they are on disk: \
                        a crash of the machine LOSES them";
            self.warn(&storage::FORCE_SYNC, text.to_owned());
        }
        let flush_delay = self.int(&storage::FLUSH_DELAY);
        let poll = self.set_int(&storage::MAX_WRITE_QUEUE_POLL_TIME);
        let snap_count = self.int(&storage::SNAP_COUNT);
        let commit_log_count = self.int(&storage::COMMIT_LOG_COUNT);
        StorageOptions {
            snapshot_dir,
            log_dir,
            dir_autocreate: self.bool(&storage::DATADIR_AUTOCREATE),
            db_autocreate: self.bool(&storage::DB_AUTOCREATE),
            pre_alloc_bytes: positive(self.int(&storage::PRE_ALLOC_SIZE)).map(kib),
            snap_count: natural_u32(self.at_least(&storage::SNAP_COUNT, snap_count, 2)),
            snap_size_limit_bytes: positive(self.int(&storage::SNAP_SIZE_LIMIT)).map(kib),
            log_size_limit_bytes: positive(self.int(&storage::TXN_LOG_SIZE_LIMIT)).map(kib),
            force_sync,
            fsync_warning_ms: natural(self.int(&storage::FSYNC_WARNING_THRESHOLD)),
            flush_delay_ms: natural(flush_delay),
            write_queue_poll_ms: natural(poll.unwrap_or(flush_delay / 3)),
            batch_max: positive_u32(self.int(&storage::MAX_BATCH_SIZE)),
            compression: match self.text(&storage::SNAPSHOT_COMPRESSION).as_str() {
                "gz" => SnapshotCompression::Gzip,
                "snappy" => SnapshotCompression::Snappy,
                _ => SnapshotCompression::None,
            },
            trust_empty: self.bool(&storage::SNAPSHOT_TRUST_EMPTY),
            serialize_last_zxid: self.bool(&storage::SERIALIZE_LAST_ZXID),
            commit_log_count: natural_u32(self.at_least(
                &storage::COMMIT_LOG_COUNT,
                commit_log_count,
                500,
            )),
            purge: self.purge(),
        }
    }

    fn purge(&mut self) -> Option<PurgeOptions> {
        let retained = self.int(&storage::PURGE_RETAIN_COUNT);
        let retained = self.at_least(&storage::PURGE_RETAIN_COUNT, retained, 3);
        Some(PurgeOptions {
            snapshots_kept: natural_u32(retained),
            interval_ms: positive(self.int(&storage::PURGE_INTERVAL))?,
        })
    }

    fn directories(&mut self) -> (PathBuf, PathBuf) {
        for key in [&storage::DATA_DIR, &storage::DATA_LOG_DIR] {
            let relative = self
                .setting(key)
                .is_some_and(|dir| !dir.value.starts_with('/') && !dir.value.starts_with("./"));
            if relative {
                let text = "a relative path, taken from the directory the server is started in; \
                            write ./ before it if that is meant";
                self.warn(key, text.to_owned());
            }
        }
        let written =
            |values: &Self, key: &Key| values.setting(key).map(|dir| PathBuf::from(&dir.value));
        let snapshot_dir = match (written(self, &storage::DATA_DIR), self.file.clone()) {
            (Some(dir), _) => dir,
            (None, None) => PathBuf::from(DATA_DIR_WITHOUT_FILE),
            (None, Some(origin)) => {
                self.missing(origin, "dataDir is not set");
                PathBuf::new()
            }
        };
        let log_dir = written(self, &storage::DATA_LOG_DIR).unwrap_or_else(|| snapshot_dir.clone());
        (snapshot_dir, log_dir)
    }
}

/// By a name of the key's row.
fn digest_algorithm(name: &str) -> DigestAlgorithm {
    match name.trim_start_matches("SHA").trim_start_matches('-') {
        "224" => DigestAlgorithm::Sha224,
        "256" => DigestAlgorithm::Sha256,
        "384" => DigestAlgorithm::Sha384,
        "512" => DigestAlgorithm::Sha512,
        "512/224" => DigestAlgorithm::Sha512T224,
        "512/256" => DigestAlgorithm::Sha512T256,
        _ => DigestAlgorithm::Sha1,
    }
}

/// A number that its row keeps from being negative.
pub(super) fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number that its row keeps within a signed 32-bit one and from being negative.
pub(super) fn natural_u32(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

/// `None` for the numbers that mean "off".
pub(super) fn positive(value: i64) -> Option<u64> {
    u64::try_from(value).ok().filter(|value| *value > 0)
}

pub(super) fn positive_u32(value: i64) -> Option<u32> {
    u32::try_from(value).ok().filter(|value| *value > 0)
}

fn kib(count: u64) -> u64 {
    count.saturating_mul(1024)
}

const DATA_DIR_WITHOUT_FILE: &str = "./gamekeeper-data";

/// The least `jute.maxbuffer.extrasize` that Apache goes by.
const EXTRA_SIZE_MIN: i64 = 1024;

const EQUAL_WEIGHTS: SessionWeights = SessionWeights {
    global: 1,
    local: 1,
    renewed: 1,
};

const PROVIDERS: [&str; 6] = [
    "org.apache.zookeeper.server.auth.DigestAuthenticationProvider",
    "org.apache.zookeeper.server.auth.IPAuthenticationProvider",
    ENSEMBLE_PROVIDER,
    SASL_PROVIDER,
    X509_PROVIDER,
    KEY_PROVIDER,
];

const ENSEMBLE_PROVIDER: &str = "org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider";
const SASL_PROVIDER: &str = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider";
const KEY_PROVIDER: &str = "org.apache.zookeeper.server.auth.KeyAuthenticationProvider";

const X509_PROVIDER: &str = "org.apache.zookeeper.server.auth.X509AuthenticationProvider";

/// Every word of `FourLetterCommands`.
const FOUR_LETTER_WORDS: [&str; 18] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst",
    "srvr", "stat", "stmk", "wchc", "wchp", "wchs",
];
