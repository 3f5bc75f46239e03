//! SASL as Apache's servers use it: the mechanism DIGEST-MD5, with clients and among servers, both
//! sides of it.
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
//! panic; one that is longer than the mechanism allows is refused unread. Deliberately absent: GSSAPI,
//! and the layers that protect what follows (`auth-int`, `auth-conf`), which no ZooKeeper negotiates.

mod client;
mod directives;
mod login;
mod names;
mod server;
mod session_key;
#[cfg(test)]
mod tests;

pub use client::{ClientExchange, Credentials};
pub use login::{SaslAnswer, SaslLogin};
pub(super) use names::is_valid_id;
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
    #[error("the exchange is over")]
    Over,
}

/// The longest token a server takes, as the JDK's (`DigestMD5Base.MAX_RESPONSE_LENGTH`). RFC 2831 says
/// the same.
pub const RESPONSE_BYTES_MAX: usize = 4096;

/// The longest token a client takes, as the JDK's (`MAX_CHALLENGE_LENGTH`).
pub const CHALLENGE_BYTES_MAX: usize = 2048;
