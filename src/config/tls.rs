//! TLS of the client ports, between servers and of the AdminServer: from settings to options.
//!
//! In: the settings. Out: [`TlsOptions`] for each of the three. Versions and cipher suites that this
//! server does not have are left out with a warning, and where none is left it is an error. Files are
//! not opened here.

use std::path::{Path, PathBuf};

use super::{
    build::positive_u32,
    keys::{
        Key, telemetry,
        tls::{self, StoreKeys, TlsKeys},
    },
    listen::Door,
    options::{ListenAddress, Secret},
    report::shown,
    values::{Values, default_int},
};

/// TLS for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTlsOptions {
    pub tls: TlsOptions,
    /// `client.portUnification`: `clientPort` takes it as well.
    pub is_unified: bool,
    /// `netty.server.outstandingHandshake.limit`: handshakes at once; `None` for as many as there may
    /// be connections.
    pub handshakes_max: Option<u32>,
    /// `netty.server.earlyDropSecureConnectionHandshakes`: none while clients are not served.
    pub drops_early: bool,
}

/// TLS between servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerTlsOptions {
    pub tls: TlsOptions,
    /// `sslQuorum`: other servers are dialled with it.
    pub dials: bool,
    /// `portUnification`: those that dial without it are taken too.
    pub takes_plain: bool,
}

/// TLS of the AdminServer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminTlsOptions {
    pub tls: TlsOptions,
    /// Without `admin.forceHttps` HTTP is spoken too.
    pub takes_plain: bool,
}

/// One side's TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// Whom it is for.
    pub with: TlsWith,
    /// This server's key and certificates; always there for clients.
    pub key_store: Option<StoreOptions>,
    /// Whose certificates are trusted; `None` for nobody's of clients, and of servers those that the
    /// system trusts.
    pub trust_store: Option<StoreOptions>,
    /// `ssl.enabledProtocols`, `ssl.protocol`: at least one of them.
    pub versions: TlsVersions,
    /// `ssl.ciphersuites`: of [`CIPHER_SUITES`], best first; at least one.
    pub cipher_suites: Vec<&'static str>,
    /// `ssl.clientAuth`.
    pub client_auth: ClientAuth,
    /// `ssl.hostnameVerification`: a server that is dialled must be who its certificate says.
    pub verifies_servers: bool,
    /// `ssl.clientHostnameVerification`: so must those who dial in.
    pub verifies_clients: bool,
    /// `ssl.allowReverseDnsLookup`: names may be looked up by address.
    pub looks_up_names: bool,
    /// `ssl.crl`, `ssl.ocsp`.
    pub revocation: Revocation,
    /// `fips-mode`.
    pub fips_mode: bool,
    /// `ssl.handshakeDetectionTimeoutMillis`. At least 1.
    pub detection_timeout_ms: u64,
    /// `client.certReload`, `sslQuorumReloadCertFiles`: stores that change are read again.
    pub reloads: bool,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsWith {
    Clients,
    Servers,
}

/// Which versions of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsVersions {
    pub v1_2: bool,
    pub v1_3: bool,
}

/// Whether those who dial in need a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    None,
    Want,
    Need,
}

/// How it is found out whether certificates are revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    Unchecked,
    /// `ssl.crl`: by the lists that they name.
    Lists,
    /// `ssl.ocsp`: by the responders that they name, and where these cannot tell, by the lists.
    Responders(OcspOptions),
}

/// How responders are asked. Properties of the JDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OcspOptions {
    /// `com.sun.security.ocsp.timeout`: to reach one; 0 for as long as it takes.
    pub connect_timeout_ms: u64,
    /// `com.sun.security.ocsp.readtimeout`: for its answer; 0 for as long as it takes.
    pub read_timeout_ms: u64,
    /// `com.sun.security.ocsp.useget`: short questions are asked by GET.
    pub uses_get: bool,
    /// `com.sun.security.ocsp.clockSkew`: how far the clocks of responders may be off.
    pub clock_skew_s: u64,
    /// `jdk.security.certpath.ocspNonce`: each question has a number of its own.
    pub sends_nonce: bool,
}

/// A key store or a trust store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// The setting that names the file, with its place, for errors.
    pub setting: String,
    pub path: PathBuf,
    pub password: StorePassword,
    /// `None`: by the end of the file's name.
    pub kind: Option<StoreType>,
    /// The key that would say the type, for errors.
    pub kind_key: &'static str,
}

/// A password, or where it stands. An empty one is as good as none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePassword {
    Text(Secret),
    File(PathBuf),
}

/// What a store may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say all")]
pub enum StoreType {
    Jks,
    Pem,
    Pkcs12,
    Bcfks,
}

impl StoreType {
    /// By the end of a file's name, whose case counts as in `KeyStoreFileType.fromFilename`.
    pub fn of_name(path: &Path) -> Option<Self> {
        let name = path.to_string_lossy();
        let ends = [
            (".jks", Self::Jks),
            (".pem", Self::Pem),
            (".p12", Self::Pkcs12),
            (".bcfks", Self::Bcfks),
        ];
        let end = ends.iter().find(|(end, _)| name.ends_with(end));
        end.map(|(_, kind)| *kind)
    }
}

/// The cipher suites there are, by the names that Java and IANA give them. The first seven are offered
/// unless others are asked for, as those of Apache's server that are not CBC.
const CIPHER_SUITES: [&str; 9] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

const CIPHER_SUITES_BY_DEFAULT: usize = 7;

impl Values {
    /// Where clients connect with TLS alone.
    pub(super) fn secure_address(&mut self) -> Option<ListenAddress> {
        self.address_of(&Door {
            port: &tls::SECURE_CLIENT_PORT,
            host: &tls::SECURE_CLIENT_PORT_ADDRESS,
        })
    }

    /// `None` when no client port has TLS.
    pub(super) fn client_tls(&mut self) -> Option<ClientTlsOptions> {
        let is_unified = self.bool(&tls::CLIENT_PORT_UNIFICATION);
        if !is_unified && self.setting(&tls::SECURE_CLIENT_PORT).is_none() {
            return None;
        }
        let switch = match is_unified {
            true => &tls::CLIENT_PORT_UNIFICATION,
            false => &tls::SECURE_CLIENT_PORT,
        };
        let options = self.tls(TlsWith::Clients, &tls::CLIENT, &tls::CLIENT_CERT_RELOAD);
        if options.key_store.is_none() {
            let text = format!(
                "Keystore is required for SSL server: {}",
                tls::KEY_STORE.name
            );
            self.error(switch, text);
        }
        if options.trust_store.is_none() && options.client_auth == ClientAuth::Need {
            let text = format!(
                "no client can connect: certificates are needed, and without {} none is trusted",
                tls::TRUST_STORE.name
            );
            self.warn(switch, text);
        }
        if options.fips_mode && options.verifies_clients {
            let text = "in fips-mode, which is on unless it is set to false, no client \
                certificate passes this";
            self.warn(&tls::CLIENT_HOSTNAME_VERIFICATION, text.to_owned());
        }
        Some(ClientTlsOptions {
            tls: options,
            is_unified,
            handshakes_max: positive_u32(self.int(&tls::HANDSHAKES_MAX)),
            drops_early: self.bool(&tls::EARLY_DROP),
        })
    }

    /// `None` when servers know nothing of TLS.
    pub(super) fn peer_tls(&mut self) -> Option<PeerTlsOptions> {
        let dials = self.bool(&tls::SSL_QUORUM);
        let takes_plain = self.bool(&tls::PORT_UNIFICATION);
        if !dials && !takes_plain {
            return None;
        }
        let options = self.tls(TlsWith::Servers, &tls::QUORUM, &tls::QUORUM_CERT_RELOAD);
        if options.key_store.is_none() {
            let name = tls::QUORUM_KEY_STORE.name;
            match dials {
                true => {
                    let text = format!("a server with TLS needs {name}");
                    self.error(&tls::SSL_QUORUM, text);
                }
                false => {
                    let text = format!("servers with TLS are refused: {name} is not set");
                    self.warn(&tls::PORT_UNIFICATION, text);
                }
            }
        }
        Some(PeerTlsOptions {
            tls: options,
            dials,
            takes_plain,
        })
    }

    /// `None` when the AdminServer has no HTTPS. As with `JettyAdminServer` its stores are those for other
    /// servers, both of them, and their further settings have no effect on it.
    pub(super) fn admin_tls(&mut self) -> Option<AdminTlsOptions> {
        let is_forced = self.bool(&telemetry::ADMIN_FORCE_HTTPS);
        let is_on = is_forced || self.bool(&telemetry::ADMIN_PORT_UNIFICATION);
        let needs_client = self.bool(&telemetry::ADMIN_NEED_CLIENT_AUTH);
        if !is_on {
            if needs_client {
                let text = format!(
                    "no effect without {} or {}",
                    telemetry::ADMIN_FORCE_HTTPS.name,
                    telemetry::ADMIN_PORT_UNIFICATION.name
                );
                self.warn(&telemetry::ADMIN_NEED_CLIENT_AUTH, text);
            }
            return None;
        }
        let switch = match is_forced {
            true => &telemetry::ADMIN_FORCE_HTTPS,
            false => &telemetry::ADMIN_PORT_UNIFICATION,
        };
        let key_store = self.admin_store(switch, &tls::QUORUM.key_store);
        let trust_store = self.admin_store(switch, &tls::QUORUM.trust_store);
        let tls = TlsOptions {
            with: TlsWith::Servers,
            key_store,
            trust_store,
            versions: TlsVersions {
                v1_2: true,
                v1_3: true,
            },
            cipher_suites: default_cipher_suites(),
            client_auth: match needs_client {
                true => ClientAuth::Need,
                false => ClientAuth::None,
            },
            verifies_servers: false,
            verifies_clients: false,
            looks_up_names: false,
            revocation: Revocation::Unchecked,
            fips_mode: self.bool(&tls::FIPS_MODE),
            detection_timeout_ms: 1,
            reloads: false,
        };
        Some(AdminTlsOptions {
            tls,
            takes_plain: !is_forced,
        })
    }

    fn admin_store(&mut self, switch: &'static Key, keys: &StoreKeys) -> Option<StoreOptions> {
        let store = self.store(keys);
        if store.is_none() {
            let text = format!("HTTPS of the AdminServer needs {}", keys.location.name);
            self.error(switch, text);
        }
        store
    }

    fn tls(&mut self, with: TlsWith, keys: &'static TlsKeys, reload: &Key) -> TlsOptions {
        let verifies_servers = self.bool(keys.hostname_verification);
        TlsOptions {
            with,
            key_store: self.store(&keys.key_store),
            trust_store: self.store(&keys.trust_store),
            versions: self.tls_versions(with, keys),
            cipher_suites: self.cipher_suites(keys.cipher_suites),
            client_auth: match self.text(keys.client_auth).as_str() {
                "none" => ClientAuth::None,
                "want" => ClientAuth::Want,
                _ => ClientAuth::Need,
            },
            verifies_servers,
            verifies_clients: verifies_servers && self.bool(keys.client_hostname_verification),
            looks_up_names: self.bool(keys.reverse_dns),
            revocation: self.revocation(keys),
            fips_mode: self.bool(&tls::FIPS_MODE),
            detection_timeout_ms: self.detection_timeout(keys.detection_timeout),
            reloads: self.bool(reload),
        }
    }

    /// With `ssl.ocsp` lists are looked at whatever `ssl.crl` says, as `X509Util.createTrustManager` has it.
    fn revocation(&mut self, keys: &'static TlsKeys) -> Revocation {
        match (self.bool(keys.ocsp), self.bool(keys.crl)) {
            (true, _) => Revocation::Responders(self.ocsp()),
            (false, true) => Revocation::Lists,
            (false, false) => Revocation::Unchecked,
        }
    }

    fn ocsp(&mut self) -> OcspOptions {
        let connect_timeout_ms = self.timeout(&tls::OCSP_TIMEOUT, OCSP_TIMEOUT_MS);
        OcspOptions {
            connect_timeout_ms,
            read_timeout_ms: self.timeout(&tls::OCSP_READ_TIMEOUT, connect_timeout_ms),
            uses_get: self.bool(&tls::OCSP_USE_GET),
            clock_skew_s: u64::try_from(self.int(&tls::OCSP_CLOCK_SKEW))
                .unwrap_or(OCSP_CLOCK_SKEW_S),
            sends_nonce: self.bool(&tls::OCSP_NONCE),
        }
    }

    /// As `SecurityProperties.getTimeoutSystemProp`: a whole number of seconds, with `s` or without, or of
    /// milliseconds with `ms`.
    fn timeout(&mut self, key: &'static Key, default_ms: u64) -> u64 {
        let Some(text) = self.set_text(key) else {
            return default_ms;
        };
        let lower = text.trim().to_ascii_lowercase();
        let (number, unit_ms) = match (lower.strip_suffix("ms"), lower.strip_suffix('s')) {
            (Some(number), _) => (number, 1),
            (None, Some(number)) => (number, 1000),
            (None, None) => (lower.as_str(), 1000),
        };
        let number = number.parse::<u32>().ok();
        number.map_or_else(
            || {
                let text =
                    "no number of seconds, or of milliseconds with \"ms\"; the default stays";
                self.warn(key, text.to_owned());
                default_ms
            },
            |number| u64::from(number) * unit_ms,
        )
    }

    fn store(&self, keys: &StoreKeys) -> Option<StoreOptions> {
        let setting = self.setting(keys.location)?;
        if setting.value.is_empty() {
            return None;
        }
        let password_path = self.text(keys.password_path);
        Some(StoreOptions {
            setting: format!("{}: {}", setting.origin, shown(&setting.spelling)),
            path: PathBuf::from(&setting.value),
            password: match password_path.is_empty() {
                true => StorePassword::Text(Secret(self.text(keys.password))),
                false => StorePassword::File(PathBuf::from(password_path)),
            },
            kind: match self.text(keys.kind).as_str() {
                "JKS" => Some(StoreType::Jks),
                "PEM" => Some(StoreType::Pem),
                "PKCS12" => Some(StoreType::Pkcs12),
                "BCFKS" => Some(StoreType::Bcfks),
                _ => None,
            },
            kind_key: keys.kind.name,
        })
    }

    /// Unless told otherwise clients get the one version of `protocol`, as Apache's Netty does it, and
    /// servers also the one below, as the JDK does.
    fn tls_versions(&mut self, with: TlsWith, keys: &'static TlsKeys) -> TlsVersions {
        let mut versions = TlsVersions {
            v1_2: false,
            v1_3: false,
        };
        let protocol = self.text(keys.protocol);
        let Some(enabled) = self.set_text(keys.enabled_protocols) else {
            match (protocol.as_str(), with) {
                ("TLSv1.3", TlsWith::Clients) => versions.v1_3 = true,
                ("TLSv1.2", _) => versions.v1_2 = true,
                ("TLSv1.3", TlsWith::Servers) | ("TLS" | "Default", _) => {
                    (versions.v1_2, versions.v1_3) = (true, true);
                }
                _ => self.error(keys.protocol, format!("expected {VERSIONS}")),
            }
            return versions;
        };
        let mut unknown = Vec::new();
        for name in enabled.split(',').map(str::trim) {
            match name {
                "TLSv1.2" => versions.v1_2 = true,
                "TLSv1.3" => versions.v1_3 = true,
                other => unknown.push(shown(other)),
            }
        }
        if !versions.v1_2 && !versions.v1_3 {
            self.error(
                keys.enabled_protocols,
                format!("expected {VERSIONS}, or both"),
            );
        } else if !unknown.is_empty() {
            let text = format!("not offered by this server: {}", unknown.join(", "));
            self.warn(keys.enabled_protocols, text);
        }
        versions
    }

    fn cipher_suites(&mut self, key: &'static Key) -> Vec<&'static str> {
        let Some(list) = self.set_text(key) else {
            return default_cipher_suites();
        };
        let mut suites = Vec::new();
        let mut unknown = Vec::new();
        for name in list.split(',').map(str::trim) {
            match CIPHER_SUITES.iter().find(|known| **known == name) {
                Some(known) => suites.push(*known),
                None => unknown.push(shown(name)),
            }
        }
        if suites.is_empty() {
            let text = format!("expected some of {}", CIPHER_SUITES.join(","));
            self.error(key, text);
        } else if !unknown.is_empty() {
            let text = format!("not offered by this server: {}", unknown.join(", "));
            self.warn(key, text);
        }
        suites
    }

    fn detection_timeout(&mut self, key: &'static Key) -> u64 {
        let written = self.int(key);
        u64::try_from(written)
            .ok()
            .filter(|ms| *ms > 0)
            .unwrap_or_else(|| {
                let default = default_int(key);
                self.warn(key, format!("less than 1; the default of {default} stays"));
                u64::try_from(default).unwrap_or(1)
            })
    }
}

fn default_cipher_suites() -> Vec<&'static str> {
    let suites = CIPHER_SUITES.iter().copied();
    suites.take(CIPHER_SUITES_BY_DEFAULT).collect()
}

const VERSIONS: &str = "TLSv1.2 or TLSv1.3";

/// As `sun.security.provider.certpath.OCSP`.
const OCSP_TIMEOUT_MS: u64 = 15_000;

/// As `sun.security.provider.certpath.OCSPResponse`; for what is negative.
const OCSP_CLOCK_SKEW_S: u64 = 900;
