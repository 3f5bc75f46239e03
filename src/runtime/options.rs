//! The configuration, cut into what each part needs.

use std::path::Path;

use crate::auth::{AuthOptions, Policy};
use crate::config::{Config, DigestAlgorithm, EnsembleOptions, SnapshotCompression};
use crate::net::NetOptions;
use crate::peer::{JanitorOptions, PeerOptions};
use crate::prep::PrepOptions;
use crate::runtime::Failure;
use crate::store::layout::{Compression, DataDirs};
use crate::store::log_writer::LogOptions;
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
        enforce_schemes: schemes.map(|names| names.iter().cloned().collect()),
        session_require_client_sasl_auth: false,
    })
    .map_err(|error| Failure::Configuration(error.to_string()))
}

pub(super) fn net(config: &Config, seed: u64) -> NetOptions {
    NetOptions {
        listen: config.listen.clone(),
        wire: config.wire.clone(),
        throttle: config.throttle.clone(),
        seed,
    }
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

/// A server of its own uses 1 in session ids although it reports 0 as its id.
const STANDALONE_SESSION_ID_BYTE: u8 = 1;
