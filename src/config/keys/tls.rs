//! Rows of TLS: the same ones for clients under `ssl.` and for the servers of an ensemble under
//! `ssl.quorum.`.

use super::{ANY, Key, MS, PORT, decimal, int, rows};
use crate::config::value::Kind;

/// The rows of one of the two.
pub(in crate::config) struct TlsKeys {
    pub(in crate::config) protocol: &'static Key,
    pub(in crate::config) enabled_protocols: &'static Key,
    pub(in crate::config) cipher_suites: &'static Key,
    pub(in crate::config) key_store: StoreKeys,
    pub(in crate::config) trust_store: StoreKeys,
    pub(in crate::config) hostname_verification: &'static Key,
    pub(in crate::config) client_hostname_verification: &'static Key,
    pub(in crate::config) reverse_dns: &'static Key,
    pub(in crate::config) crl: &'static Key,
    pub(in crate::config) ocsp: &'static Key,
    pub(in crate::config) client_auth: &'static Key,
    pub(in crate::config) detection_timeout: &'static Key,
}

/// The rows of a key store or a trust store.
pub(in crate::config) struct StoreKeys {
    pub(in crate::config) location: &'static Key,
    pub(in crate::config) password: &'static Key,
    pub(in crate::config) password_path: &'static Key,
    pub(in crate::config) kind: &'static Key,
}

pub(in crate::config) static CLIENT: TlsKeys = TlsKeys {
    protocol: &PROTOCOL,
    enabled_protocols: &ENABLED_PROTOCOLS,
    cipher_suites: &CIPHER_SUITES,
    key_store: StoreKeys {
        location: &KEY_STORE,
        password: &KEY_STORE_PASSWORD,
        password_path: &KEY_STORE_PASSWORD_PATH,
        kind: &KEY_STORE_TYPE,
    },
    trust_store: StoreKeys {
        location: &TRUST_STORE,
        password: &TRUST_STORE_PASSWORD,
        password_path: &TRUST_STORE_PASSWORD_PATH,
        kind: &TRUST_STORE_TYPE,
    },
    hostname_verification: &HOSTNAME_VERIFICATION,
    client_hostname_verification: &CLIENT_HOSTNAME_VERIFICATION,
    reverse_dns: &REVERSE_DNS,
    crl: &CRL,
    ocsp: &OCSP,
    client_auth: &CLIENT_AUTH,
    detection_timeout: &DETECTION_TIMEOUT,
};

pub(in crate::config) static QUORUM: TlsKeys = TlsKeys {
    protocol: &QUORUM_PROTOCOL,
    enabled_protocols: &QUORUM_ENABLED_PROTOCOLS,
    cipher_suites: &QUORUM_CIPHER_SUITES,
    key_store: StoreKeys {
        location: &QUORUM_KEY_STORE,
        password: &QUORUM_KEY_STORE_PASSWORD,
        password_path: &QUORUM_KEY_STORE_PASSWORD_PATH,
        kind: &QUORUM_KEY_STORE_TYPE,
    },
    trust_store: StoreKeys {
        location: &QUORUM_TRUST_STORE,
        password: &QUORUM_TRUST_STORE_PASSWORD,
        password_path: &QUORUM_TRUST_STORE_PASSWORD_PATH,
        kind: &QUORUM_TRUST_STORE_TYPE,
    },
    hostname_verification: &QUORUM_HOSTNAME_VERIFICATION,
    client_hostname_verification: &QUORUM_CLIENT_HOSTNAME_VERIFICATION,
    reverse_dns: &QUORUM_REVERSE_DNS,
    crl: &QUORUM_CRL,
    ocsp: &QUORUM_OCSP,
    client_auth: &QUORUM_CLIENT_AUTH,
    detection_timeout: &QUORUM_DETECTION_TIMEOUT,
};

rows! {
    /// Port for clients with TLS; 0 picks a free one.
    SECURE_CLIENT_PORT = PORT, "secureClientPort", "";
    /// Address secureClientPort is bound to; all of the machine's when not set.
    SECURE_CLIENT_PORT_ADDRESS = Kind::Text, "secureClientPortAddress", "";
    /// TLS and plain text on clientPort.
    CLIENT_PORT_UNIFICATION = Kind::Loose, "client.portUnification", "false";
    /// Take new key stores and trust stores of ssl. for new connections when their files change.
    CLIENT_CERT_RELOAD = Kind::Loose, "client.certReload", "false";
    /// TLS handshakes of clients at once, those beyond are closed; 0 or less for no limit.
    HANDSHAKES_MAX = int(ANY, "handshakes"), "netty.server.outstandingHandshake.limit", "-1",
        aliases(&["outstandingHandshake.limit"]);
    /// Close connections of clients with TLS while there is no leader.
    EARLY_DROP = Kind::Loose, "netty.server.earlyDropSecureConnectionHandshakes", "false";
    /// Keep to what Java does in its FIPS mode: no DIGEST-MD5 where this server logs in to another,
    /// names of servers are not looked at, and with
    /// clientHostnameVerification no client certificate passes.
    FIPS_MODE = Kind::Loose, "fips-mode", "true";
    /// TLS for elections and between leaders and followers.
    SSL_QUORUM = Kind::Strict, "sslQuorum", "false", quiet(ALONE), used_in_ensemble();
    /// Take TLS and plain text of other servers, for a change from one to the other.
    PORT_UNIFICATION = Kind::Strict, "portUnification", "false", quiet(ALONE), used_in_ensemble();
    /// Take new key stores and trust stores of ssl.quorum. for new connections when their files
    /// change.
    QUORUM_CERT_RELOAD = Kind::Strict, "sslQuorumReloadCertFiles", "false",
        quiet(ALONE), used_in_ensemble();

    /// Highest TLS version for clients, and unless ssl.enabledProtocols is set the only one.
    PROTOCOL = Kind::Text, "ssl.protocol", "TLSv1.3";
    /// TLS versions for clients: TLSv1.2, TLSv1.3 or both with a comma.
    ENABLED_PROTOCOLS = Kind::Text, "ssl.enabledProtocols", "";
    /// Cipher suites for clients, best first, separated by commas.
    CIPHER_SUITES = Kind::Text, "ssl.ciphersuites", "";
    /// File with this server's key and certificates for clients.
    KEY_STORE = Kind::Text, "ssl.keyStore.location", "";
    /// Password of that file, and of the key in it.
    KEY_STORE_PASSWORD = Kind::Text, "ssl.keyStore.password", "", secret();
    /// File with that password; wins over it.
    KEY_STORE_PASSWORD_PATH = Kind::Text, "ssl.keyStore.passwordPath", "";
    /// Type of the key store; by the end of its name when not set.
    KEY_STORE_TYPE = Kind::Choice(STORE_TYPES), "ssl.keyStore.type", "";
    /// File with the certificates that those of clients are held against.
    TRUST_STORE = Kind::Text, "ssl.trustStore.location", "";
    /// Password of that file.
    TRUST_STORE_PASSWORD = Kind::Text, "ssl.trustStore.password", "", secret();
    /// File with that password; wins over it.
    TRUST_STORE_PASSWORD_PATH = Kind::Text, "ssl.trustStore.passwordPath", "";
    /// Type of the trust store; by the end of its name when not set.
    TRUST_STORE_TYPE = Kind::Choice(STORE_TYPES), "ssl.trustStore.type", "";
    /// With false names are not looked at, whatever ssl.clientHostnameVerification says.
    HOSTNAME_VERIFICATION = Kind::Loose, "ssl.hostnameVerification", "true";
    /// Hold the address of a client against its certificate.
    CLIENT_HOSTNAME_VERIFICATION = Kind::Loose, "ssl.clientHostnameVerification", "false";
    /// Look the name of a client up by its address.
    REVERSE_DNS = Kind::Loose, "ssl.allowReverseDnsLookup", "false";
    /// Look for certificates of clients in the revocation lists that they name.
    CRL = Kind::Loose, "ssl.crl", "false";
    /// Ask the OCSP responders that certificates of clients name; where these cannot tell, look for them in
    /// the revocation lists that they name, also without ssl.crl.
    OCSP = Kind::Loose, "ssl.ocsp", "false";
    /// Whether clients need certificates, may have them, or are not asked.
    CLIENT_AUTH = Kind::Choice(CLIENT_AUTHS), "ssl.clientAuth", "need";
    /// Time until it must be clear whether a connection has TLS, with client.portUnification.
    DETECTION_TIMEOUT = decimal(ANY, MS), "ssl.handshakeDetectionTimeoutMillis", "5000";

    /// Highest TLS version between servers.
    QUORUM_PROTOCOL = Kind::Text, "ssl.quorum.protocol", "TLSv1.3",
        quiet(ALONE), used_in_ensemble();
    /// TLS versions between servers: TLSv1.2, TLSv1.3 or both with a comma.
    QUORUM_ENABLED_PROTOCOLS = Kind::Text, "ssl.quorum.enabledProtocols", "",
        quiet(ALONE), used_in_ensemble();
    /// Cipher suites between servers, best first, separated by commas.
    QUORUM_CIPHER_SUITES = Kind::Text, "ssl.quorum.ciphersuites", "",
        quiet(ALONE), used_in_ensemble();
    /// File with this server's key and certificates for other servers and of the AdminServer.
    QUORUM_KEY_STORE = Kind::Text, "ssl.quorum.keyStore.location", "";
    /// Password of that file, and of the key in it.
    QUORUM_KEY_STORE_PASSWORD = Kind::Text, "ssl.quorum.keyStore.password", "", secret();
    /// File with that password; wins over it.
    QUORUM_KEY_STORE_PASSWORD_PATH = Kind::Text, "ssl.quorum.keyStore.passwordPath", "";
    /// Type of the key store; by the end of its name when not set.
    QUORUM_KEY_STORE_TYPE = Kind::Choice(STORE_TYPES), "ssl.quorum.keyStore.type", "";
    /// File with the certificates that those of other servers, and of the AdminServer's clients, are
    /// held against; the system's for servers when not set.
    QUORUM_TRUST_STORE = Kind::Text, "ssl.quorum.trustStore.location", "";
    /// Password of that file.
    QUORUM_TRUST_STORE_PASSWORD = Kind::Text, "ssl.quorum.trustStore.password", "", secret();
    /// File with that password; wins over it.
    QUORUM_TRUST_STORE_PASSWORD_PATH = Kind::Text, "ssl.quorum.trustStore.passwordPath", "";
    /// Type of the trust store; by the end of its name when not set.
    QUORUM_TRUST_STORE_TYPE = Kind::Choice(STORE_TYPES), "ssl.quorum.trustStore.type", "";
    /// Hold the name of a server that is dialled against its certificate, unless fips-mode is on.
    QUORUM_HOSTNAME_VERIFICATION = Kind::Loose, "ssl.quorum.hostnameVerification", "true",
        quiet(ALONE), used_in_ensemble();
    /// Hold the address of a server that dials in against its certificate, unless fips-mode is on.
    QUORUM_CLIENT_HOSTNAME_VERIFICATION = Kind::Loose, "ssl.quorum.clientHostnameVerification",
        "true", quiet(ALONE), used_in_ensemble();
    /// Look names of servers up by their addresses.
    QUORUM_REVERSE_DNS = Kind::Loose, "ssl.quorum.allowReverseDnsLookup", "true",
        quiet(ALONE), used_in_ensemble();
    /// Look for certificates of servers in the revocation lists that they name.
    QUORUM_CRL = Kind::Loose, "ssl.quorum.crl", "false", quiet(ALONE), used_in_ensemble();
    /// Ask the OCSP responders that certificates of servers name; where these cannot tell, look for them in
    /// the revocation lists that they name, also without ssl.quorum.crl.
    QUORUM_OCSP = Kind::Loose, "ssl.quorum.ocsp", "false", quiet(ALONE), used_in_ensemble();
    /// Whether servers that dial in need certificates, may have them, or are not asked.
    QUORUM_CLIENT_AUTH = Kind::Choice(CLIENT_AUTHS), "ssl.quorum.clientAuth", "need",
        quiet(ALONE), used_in_ensemble();
    /// Time until it must be clear whether a connection has TLS, and then for the handshake.
    QUORUM_DETECTION_TIMEOUT = decimal(ANY, MS), "ssl.quorum.handshakeDetectionTimeoutMillis",
        "5000", quiet(ALONE), used_in_ensemble();

    /// Time to reach an OCSP responder: seconds, or milliseconds with ms; 0 for no limit of its own.
    OCSP_TIMEOUT = Kind::Text, "com.sun.security.ocsp.timeout", "", bare();
    /// Time for the answer of an OCSP responder; as com.sun.security.ocsp.timeout when not set.
    OCSP_READ_TIMEOUT = Kind::Text, "com.sun.security.ocsp.readtimeout", "", bare();
    /// Ask OCSP responders by GET where the question is short.
    OCSP_USE_GET = Kind::Switch { on: "true", off: "false" }, "com.sun.security.ocsp.useget", "true", bare();
    /// How far the clock of an OCSP responder may be off.
    OCSP_CLOCK_SKEW = int(ANY, "seconds"), "com.sun.security.ocsp.clockSkew", "900", bare();
    /// Send a number that the answer of an OCSP responder has to repeat.
    OCSP_NONCE = Kind::Loose, "jdk.security.certpath.ocspNonce", "false", bare();
    unnamed {
        Key::new("ssl.authProvider", Kind::Choice(&["x509"]), "x509",
            "Scheme that client certificates are taken for.").quiet("there is no other");
        Key::new("ssl.sslProvider", Kind::Text, "JDK", "TLS library of Java.").quiet(NO_JAVA);
        Key::new("ssl.context.supplier.class", Kind::Text, "", "Java class in place of ssl.")
            .refused(NO_JAVA);
        Key::new("ssl.quorum.context.supplier.class", Kind::Text, "",
            "Java class in place of ssl.quorum.").quiet(ALONE).refused_in_ensemble(NO_JAVA);
        Key::new("jdk.tls.rejectClientInitiatedRenegotiation", Kind::Loose, "true",
            "Refuse renegotiation.").bare().quiet("renegotiation is always refused");
        Key::new("com.sun.net.ssl.checkRevocation", Kind::Loose, "false",
            "Look at revocation lists.").bare().quiet("Apache 3.9 asks ssl.crl and ssl.ocsp instead");
    }
}

/// The empty ones are as if not set.
const STORE_TYPES: &[&str] = &["JKS", "PEM", "PKCS12", "BCFKS", ""];
const CLIENT_AUTHS: &[&str] = &["need", "want", "none", ""];

const ALONE: &str = "a standalone server has no peers";
const NO_JAVA: &str = "this server has no Java classes";
