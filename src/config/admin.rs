//! The AdminServer: where it listens, what it may do, and what it tells of the configuration.
//!
//! In: the settings, and the text of `zoo.cfg`. Out: [`AdminOptions`], and [`AsWritten`], in which no
//! secret is readable.

use std::fmt::{self, Debug, Formatter};

use super::{
    build::{natural, positive},
    keys::{Key, security, telemetry},
    membership,
    options::{ListenAddress, ListenHost},
    properties,
    raw::{Setting, java_trim},
    report::Origin,
    tls::AdminTlsOptions,
    values::Values,
};

/// The AdminServer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminOptions {
    /// `admin.serverAddress` and `admin.serverPort`.
    pub address: ListenAddress,
    /// `None` for HTTP alone.
    pub tls: Option<AdminTlsOptions>,
    /// `admin.commandURL`: the path of the index, and of the commands with their names behind it.
    /// Begins with a slash and does not end with one.
    pub command_url: String,
    /// `admin.idleTimeout`: how long a connection may be silent; `None` for as long as it likes.
    pub idle_timeout_ms: Option<u64>,
    /// `admin.snapshot.enabled`.
    pub snapshot_enabled: bool,
    /// `admin.restore.enabled`.
    pub restore_enabled: bool,
    /// `admin.rateLimiterIntervalInMS`.
    pub rate_interval_ms: u64,
    /// `IPAuthenticationProvider.usexforwardedfor`: who a client is stands in that header.
    pub trusts_forwarded_for: bool,
}

/// What was written, for those who ask. Values of secret keys are masked, which Apache's server
/// shows.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AsWritten {
    /// The text of `zoo.cfg`; empty without one.
    pub file: String,
    /// The properties that an Apache server would have set, by name.
    pub properties: Vec<(String, String)>,
}

/// Only its size: it repeats what the options say.
impl Debug for AsWritten {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "AsWritten({} properties)", self.properties.len())
    }
}

impl Values {
    /// `None` where it is switched off.
    pub(super) fn admin(&mut self) -> Option<AdminOptions> {
        let is_on = self.bool(&telemetry::ADMIN_ENABLED);
        let host = self.admin_host();
        let port = self.int(&telemetry::ADMIN_PORT);
        let options = AdminOptions {
            address: ListenAddress {
                host,
                port: u16::try_from(port).unwrap_or(0),
            },
            tls: is_on.then(|| self.admin_tls()).flatten(),
            command_url: self.command_url(),
            idle_timeout_ms: positive(self.int(&telemetry::ADMIN_IDLE_TIMEOUT)),
            snapshot_enabled: self.bool(&telemetry::ADMIN_SNAPSHOT),
            restore_enabled: self.bool(&telemetry::ADMIN_RESTORE),
            rate_interval_ms: natural(self.int(&telemetry::ADMIN_RATE_INTERVAL)),
            trusts_forwarded_for: self.bool(&security::TRUSTS_FORWARDED_FOR),
        };
        is_on.then_some(options)
    }

    fn admin_host(&mut self) -> ListenHost {
        let text = self.text(&telemetry::ADMIN_ADDRESS);
        match membership::host(&text) {
            Ok(host) => host,
            Err(expected) => {
                self.error(&telemetry::ADMIN_ADDRESS, format!("expected {expected}"));
                ListenHost::All
            }
        }
    }

    fn command_url(&mut self) -> String {
        let text = self.text(&telemetry::ADMIN_COMMAND_URL);
        if !text.starts_with('/') || text.ends_with('/') {
            let expected = "expected a path that begins with / and does not end with it";
            self.error(&telemetry::ADMIN_COMMAND_URL, expected.to_owned());
        }
        text
    }

    /// `file` is the text of `zoo.cfg`.
    pub(super) fn as_written(&self, file: &[u8]) -> AsWritten {
        let properties = self.settings.values().filter(|it| is_property(it));
        let mut properties: Vec<_> = properties
            .map(|setting| {
                let value = match is_secret(setting.key, &setting.name) {
                    true => MASK.to_owned(),
                    false => setting.value.clone(),
                };
                (setting.property(), value)
            })
            .collect();
        properties.sort();
        AsWritten {
            file: masked(file),
            properties,
        }
    }
}

/// Whether Apache's server makes a property of it: all of the command line's are, and what stands in
/// the file unless `QuorumPeerConfig` keeps it for itself.
fn is_property(setting: &Setting) -> bool {
    let is_kept = PARSED.contains(&setting.key.name);
    match setting.origin {
        Origin::File { .. } => !is_kept,
        Origin::CommandLine => !setting.is_flag(),
        Origin::Default => false,
    }
}

fn is_secret(key: &Key, name: &str) -> bool {
    key.secret || looks_secret(name)
}

/// Also of a key that nobody knows.
fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "superdigest"]
        .iter()
        .any(|part| name.contains(part))
}

fn masked(file: &[u8]) -> String {
    let is_secret = |name: &str| {
        let name = java_trim(name);
        super::keys::find(name).map_or_else(|| looks_secret(name), |key| is_secret(key, name))
    };
    let text = properties::masked(file, is_secret, MASK);
    String::from_utf8_lossy(&text).into_owned()
}

/// What stands in the place of a secret.
const MASK: &str = "***";

/// The keys that `QuorumPeerConfig.parseProperties` makes no property of.
const PARSED: [&str; 41] = [
    "dataDir",
    "dataLogDir",
    "clientPort",
    "localSessionsEnabled",
    "localSessionsUpgradingEnabled",
    "clientPortAddress",
    "secureClientPort",
    "secureClientPortAddress",
    "observerMasterPort",
    "clientPortListenBacklog",
    "tickTime",
    "maxClientCnxns",
    "minSessionTimeout",
    "maxSessionTimeout",
    "initLimit",
    "syncLimit",
    "connectToLearnerMasterLimit",
    "electionAlg",
    "quorumListenOnAllIPs",
    "peerType",
    "syncEnabled",
    "dynamicConfigFile",
    "autopurge.snapRetainCount",
    "autopurge.purgeInterval",
    "standaloneEnabled",
    "reconfigEnabled",
    "sslQuorum",
    "portUnification",
    "sslQuorumReloadCertFiles",
    "quorum.auth.enableSasl",
    "quorum.auth.serverRequireSasl",
    "quorum.auth.learnerRequireSasl",
    "quorum.auth.learner.saslLoginContext",
    "quorum.auth.server.saslLoginContext",
    "quorum.auth.kerberos.servicePrincipal",
    "quorum.cnxn.threads.size",
    "metricsProvider.className",
    "metricsProvider.*",
    "multiAddress.enabled",
    "multiAddress.reachabilityCheckTimeoutMs",
    "multiAddress.reachabilityCheckEnabled",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_file_are_masked() {
        let file = "# password=comment\ntickTime=2000\nssl.keyStore.password = hush\n\
            DigestAuthenticationProvider.superDigest: super\\\n  :hush\nmy.Password hush\nssl.quorum.trustStore.password=hush";
        let text = masked(file.as_bytes());
        assert_eq!(
            text,
            "# password=comment\ntickTime=2000\nssl.keyStore.password=***\n\
             DigestAuthenticationProvider.superDigest=***\nmy.Password=***\nssl.quorum.trustStore.password=***\n"
        );
        let plain = "a=b\r\nserver.1=x\\\n y";
        assert_eq!(masked(plain.as_bytes()), plain, "to the byte");
    }
}
