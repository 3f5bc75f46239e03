//! SASL as Apache's servers use it: the mechanisms DIGEST-MD5 and, over a context of Kerberos that others
//! make, GSSAPI (see `gssapi`), with clients and among servers, both sides of them.
//!
//! ```text
//! other side                     here
//!    |------- empty token --------->|   ServerExchange, one per connection, nonce from outside
//!    |<------ digest-challenge -----|
//!    |------- digest-response ----->|   Accounts: who there is, with which password
//!    |<------ rspauth --------------|   and who the other side is: Principal
//! ```
//!
//! In: tokens, accounts, random bytes. Out: tokens, and who was authenticated. No token makes this
//! panic; one that is longer than the mechanism allows is refused unread. Deliberately absent: Kerberos
//! itself, and the layers that protect what follows (`auth-int`, `auth-conf`), which no ZooKeeper negotiates.

mod client;
mod directives;
mod gssapi;
mod login;
mod names;
mod rules;
mod server;
mod session_key;
#[cfg(test)]
mod tests;

pub use client::{ClientExchange, Credentials};
pub use gssapi::{Context, GssapiClient, GssapiServer};
pub use login::{SaslAnswer, SaslLogin};
pub use names::is_of_hosts;
pub(super) use names::is_valid_id;
pub use rules::{NameRules, RuleError};
pub use server::{Accounts, Principal, ServerExchange, ServerStep};
pub use session_key::Nonce;

/// What the two sides name each other by; part of what is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    pub protocol: &'static str,
    /// Also the realm.
    pub server_name: &'static str,
}

impl Service {
    /// As `ZooKeeperSaslServer`.
    pub const CLIENTS: Self = Self {
        protocol: "zookeeper",
        server_name: "zk-sasl-md5",
    };

    /// As `QuorumAuth`.
    pub const SERVERS: Self = Self {
        protocol: "zookeeper-quorum",
        server_name: "zk-quorum-sasl-md5",
    };

    fn digest_uri(self) -> String {
        format!("{}/{}", self.protocol, self.server_name)
    }
}

/// How those show who they are who log in here, as `SecurityUtils` chooses it: by the mechanism that this
/// server's own login is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptor {
    /// DIGEST-MD5, by a password.
    Digest(Accounts),
    /// GSSAPI, by a ticket for this service.
    Kerberos(ServiceKey),
}

/// A service of Kerberos, and where its key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKey {
    /// `service/host`, and `@REALM` unless that is the default one.
    pub principal: String,
    /// The path of the keytab; `None` for the Kerberos library's default.
    pub keytab: Option<String>,
}

/// Why an exchange has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    #[error("a token of {0} bytes is too long")]
    TooLong(usize),
    #[error("the token cannot be read: {0}")]
    Malformed(&'static str),
    #[error("the token has no {0}")]
    Missing(&'static str),
    #[error("the token has an unexpected {0}")]
    Mismatched(&'static str),
    #[error("there is no such user or it has no password")]
    UnknownUser,
    #[error("wrong password")]
    WrongPassword,
    #[error("the user may not act as another one")]
    NotAuthorized,
    #[error("{0} has no host of a member in its name")]
    NoMember(String),
    #[error("the exchange is over")]
    Over,
    #[error("{0}")]
    Kerberos(String),
    #[error("the Kerberos library takes too long")]
    Overdue,
}

/// The longest token of GSSAPI that is taken between servers. A ticket may carry the groups of who has it;
/// 48 KB are what Windows puts there at most. Those of clients are bounded by `jute.maxbuffer`.
pub const GSSAPI_TOKEN_BYTES_MAX: usize = 64 * 1024;

/// The longest token a server takes, as the JDK's (`DigestMD5Base.MAX_RESPONSE_LENGTH`). RFC 2831 says
/// the same.
pub const RESPONSE_BYTES_MAX: usize = 4096;

/// The longest token a client takes, as the JDK's (`MAX_CHALLENGE_LENGTH`).
pub const CHALLENGE_BYTES_MAX: usize = 2048;
