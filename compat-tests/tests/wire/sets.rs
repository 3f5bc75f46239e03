//! The option sets: which scenarios run on servers started with which options.
//!
//! Each set is one test with a server of each kind, so the scenarios of a set share their servers and
//! run one after the other; sets run beside each other.

use std::net::{Ipv6Addr, TcpListener};

use compat_tests::server::ServerOptions;

use crate::{
    runner::{self, OptionSet},
    scenarios::{
        auth, connect, create, delete, encoding, expiry, four_letter, framing, hazards, header,
        limits, multi, paths, permissions, quota, random, reads, sequence, session, set, ttl,
        watch_reset, watches,
    },
};

pub(crate) const SHORT_TICK_MS: i32 = 200;

const ENSEMBLE_PROVIDER: &str = "org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider";
const SUPER_DIGEST_KEY: &str = "zookeeper.DigestAuthenticationProvider.superDigest";
/// Of `super:secret`, as `DigestAuthenticationProvider.generateDigest` prints it.
const SUPER_DIGEST: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";

pub(crate) const SETS: &[&OptionSet] = &[
    &DEFAULT,
    &EXTENDED,
    &SHORT_TICK,
    &ENFORCED_AUTH,
    &SKIPPED_ACL,
    &FEW_CONNECTIONS,
    &FEW_IN_ALL,
    &CONNECT_TOKENS,
    &FEW_OUTSTANDING,
    &THROTTLED,
    &RANDOM,
    &BOTH_FAMILIES,
];

const DEFAULT: OptionSet = OptionSet {
    name: "default",
    // Many scenarios hold several connections, and closed ones linger.
    options: || ServerOptions::new().config("maxClientCnxns", 0),
    scenarios: &[
        create::ON_A_FRESH_TREE,
        encoding::SCENARIOS,
        framing::SCENARIOS,
        four_letter::WITH_DEFAULT_LIST,
        connect::SCENARIOS,
        session::SCENARIOS,
        header::SCENARIOS,
        paths::SCENARIOS,
        create::SCENARIOS,
        sequence::SCENARIOS,
        delete::SCENARIOS,
        set::SCENARIOS,
        reads::SCENARIOS,
        multi::SCENARIOS,
        watches::SCENARIOS,
        watch_reset::SCENARIOS,
        auth::SCENARIOS,
        permissions::SCENARIOS,
        quota::TRACKED,
        quota::NOT_ENFORCED,
        ttl::DISABLED,
        // What runs on one server only comes last, so that both have done the same until then.
        create::DEVIATIONS,
        auth::DEVIATIONS,
        hazards::SCENARIOS,
    ],
};

const EXTENDED: OptionSet = OptionSet {
    name: "extended",
    options: || {
        ServerOptions::new()
            .config("maxClientCnxns", 0)
            .config("4lw.commands.whitelist", "*")
            .config("extendedTypesEnabled", true)
            .config("enforceQuota", true)
            .config("reconfigEnabled", true)
            .property("znode.container.checkIntervalMs", 200)
            .property(SUPER_DIGEST_KEY, SUPER_DIGEST)
    },
    scenarios: &[
        four_letter::WITH_ALL,
        ttl::ENABLED,
        quota::TRACKED,
        quota::ENFORCED,
        auth::WITH_SUPER,
        hazards::EXTENDED,
    ],
};

const SHORT_TICK: OptionSet = OptionSet {
    name: "short tick",
    options: || {
        ServerOptions::new()
            .config("tickTime", SHORT_TICK_MS)
            .config("maxSessionTimeout", 60_000)
            .property("readonlymode.enabled", true)
            .property(
                "zookeeper.DigestAuthenticationProvider.digestAlg",
                "SHA-256",
            )
            .property("zookeeper.authProvider.1", ENSEMBLE_PROVIDER)
            .property("zookeeper.ensembleAuthName", " foo,bar, baz ")
            .property("zookeeper.nio.sessionlessCnxnTimeout", 1_000)
            .property("znode.container.checkIntervalMs", 200)
            .property("znode.container.maxNeverUsedIntervalMs", 1_000)
    },
    scenarios: &[
        expiry::SCENARIOS,
        ttl::NEVER_USED,
        four_letter::WITH_READ_ONLY_MODE,
        auth::WITH_SHA256,
        auth::WITH_ENSEMBLE_NAMES,
    ],
};

const ENFORCED_AUTH: OptionSet = OptionSet {
    name: "enforced auth",
    options: || {
        ServerOptions::new()
            .config("enforce.auth.enabled", true)
            .config("enforce.auth.schemes", "digest")
    },
    scenarios: &[auth::ENFORCED],
};

const SKIPPED_ACL: OptionSet = OptionSet {
    name: "skipped ACLs",
    options: || {
        ServerOptions::new()
            .property("zookeeper.skipACL", "yes")
            .config("minSessionTimeout", 1_234)
            .config("maxSessionTimeout", 5_678)
    },
    scenarios: &[auth::SKIPPED, connect::CONFIGURED_TIMEOUTS],
};

const FEW_CONNECTIONS: OptionSet = OptionSet {
    name: "few connections",
    options: || {
        ServerOptions::new()
            .config("maxClientCnxns", 4)
            .property("zookeeper.largeRequestThreshold", 1_000)
            .property("zookeeper.largeRequestMaxBytes", 3_000)
    },
    scenarios: &[limits::CONNECTIONS_AND_SIZES],
};

const FEW_IN_ALL: OptionSet = OptionSet {
    name: "few in all",
    options: || {
        ServerOptions::new()
            .config("maxClientCnxns", 0)
            .config("maxCnxns", 4)
    },
    scenarios: &[limits::ALL_CONNECTIONS],
};

const CONNECT_TOKENS: OptionSet = OptionSet {
    name: "connect tokens",
    options: || {
        ServerOptions::new()
            .property("zookeeper.connection_throttle_tokens", 3)
            .property("zookeeper.connection_throttle_fill_time", 3_600_000)
    },
    scenarios: &[limits::CONNECT_TOKENS],
};

const FEW_OUTSTANDING: OptionSet = OptionSet {
    name: "few outstanding",
    options: || {
        ServerOptions::new()
            .property("zookeeper.globalOutstandingLimit", 5)
            .property("zookeeper.DigestAuthenticationProvider.enabled", false)
            .property("jute.maxbuffer", 2_000)
    },
    scenarios: &[
        limits::OUTSTANDING,
        limits::SMALL_BUFFER,
        auth::WITHOUT_DIGEST,
    ],
};

const THROTTLED: OptionSet = OptionSet {
    name: "throttled",
    options: || {
        ServerOptions::new()
            .property("zookeeper.request_throttle_max_requests", 1)
            .property("zookeeper.throttled_op_wait_time", 1)
    },
    scenarios: &[limits::THROTTLED],
};

const RANDOM: OptionSet = OptionSet {
    name: "random",
    options: || {
        ServerOptions::new()
            .config("maxClientCnxns", 0)
            .config("extendedTypesEnabled", true)
            .config("enforceQuota", true)
            .property(SUPER_DIGEST_KEY, SUPER_DIGEST)
    },
    scenarios: &[random::SCENARIOS],
};

const BOTH_FAMILIES: OptionSet = OptionSet {
    name: "both families",
    options: || {
        let address = if has_v6() { "::" } else { "127.0.0.1" };
        ServerOptions::new().config("clientPortAddress", address)
    },
    scenarios: &[auth::OVER_V6],
};

pub(crate) fn has_v6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn default_options() {
    runner::run(&DEFAULT);
}

#[test]
fn extended_types_and_quota() {
    runner::run(&EXTENDED);
}

#[test]
fn short_tick() {
    runner::run(&SHORT_TICK);
}

#[test]
fn enforced_auth() {
    runner::run(&ENFORCED_AUTH);
}

#[test]
fn skipped_acl() {
    runner::run(&SKIPPED_ACL);
}

#[test]
fn few_connections() {
    runner::run(&FEW_CONNECTIONS);
}

#[test]
fn few_in_all() {
    runner::run(&FEW_IN_ALL);
}

#[test]
fn connect_tokens() {
    runner::run(&CONNECT_TOKENS);
}

#[test]
fn few_outstanding() {
    runner::run(&FEW_OUTSTANDING);
}

#[test]
fn throttled() {
    runner::run(&THROTTLED);
}

#[test]
fn random_requests() {
    runner::run(&RANDOM);
}

#[test]
fn both_address_families() {
    runner::run(&BOTH_FAMILIES);
}
