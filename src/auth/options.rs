//! What an operator may choose about authentication, and why a choice is refused.

use crate::auth::{EnsembleNames, SaslLogin};

/// The settings of `auth`, as the configuration gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthOptions {
    /// `zookeeper.skipACL`: every check of a list passes.
    pub skip_acl: bool,
    /// `zookeeper.DigestAuthenticationProvider.enabled`.
    pub digest_enabled: bool,
    /// `zookeeper.DigestAuthenticationProvider.digestAlg`, by the names Java gives them.
    pub digest_alg: String,
    /// `zookeeper.DigestAuthenticationProvider.superDigest`: who shows this digest is super.
    pub super_digest: Option<String>,
    /// The scheme `x509`, when it is switched on.
    pub x509: Option<X509Options>,
    /// The scheme `ensemble`, when it is switched on.
    pub ensemble: Option<EnsembleNames>,
    /// The scheme `key`, of `KeyAuthenticationProvider`, is switched on.
    pub key_enabled: bool,
    /// How clients log in by SASL, if they can.
    pub sasl: Option<SaslLogin>,
    /// Lists may have entries of the scheme `sasl`.
    pub sasl_enabled: bool,
    /// `zookeeper.letAnySaslUserDoX`: an id in lists that any SASL user fits.
    pub any_sasl_user: Option<String>,
    /// `zookeeper.enforce.auth.schemes` when `zookeeper.enforce.auth.enabled`, else `None`.
    pub enforce_schemes: Option<Vec<String>>,
    /// `zookeeper.sessionRequireClientSASLAuth`: stands for enforcing `sasl` alone.
    pub session_require_client_sasl_auth: bool,
}

/// The settings of the scheme `x509`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct X509Options {
    /// `zookeeper.X509AuthenticationProvider.superUser`: whose certificate has this name is super.
    pub super_user: Option<String>,
}

impl Default for AuthOptions {
    fn default() -> Self {
        Self {
            skip_acl: false,
            digest_enabled: true,
            digest_alg: "SHA1".to_owned(),
            super_digest: None,
            x509: None,
            ensemble: None,
            key_enabled: false,
            sasl: None,
            sasl_enabled: false,
            any_sasl_user: None,
            enforce_schemes: None,
            session_require_client_sasl_auth: false,
        }
    }
}

/// Settings a server must not start with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthOptionsError {
    #[error("don't support this ACL digest algorithm: {0}")]
    UnknownHash(String),
    #[error("zookeeper.enforce.auth.enabled is true: zookeeper.enforce.auth.schemes must be set")]
    NoSchemesToEnforce,
    #[error("authentication scheme {0} is not available")]
    SchemeNotAvailable(String),
}
