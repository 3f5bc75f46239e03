//! The schemes a client can authenticate with and a list can name, one variant each.

use crate::auth::{digest, ip, sasl, x509};

/// An authentication scheme that is there at all. Whether this server has it switched on is
/// `Policy`'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Ip,
    Digest,
    /// The name in a certificate.
    X509,
    /// Nobody has an id of it.
    Ensemble,
    Sasl,
    Key,
}

impl Scheme {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "ip" => Some(Self::Ip),
            "digest" => Some(Self::Digest),
            "x509" => Some(Self::X509),
            "ensemble" => Some(Self::Ensemble),
            "sasl" => Some(Self::Sasl),
            "key" => Some(Self::Key),
            _ => None,
        }
    }

    /// Whether its ids say who someone is, and so stand in for an `auth` entry.
    pub(super) fn is_authenticating(self) -> bool {
        match self {
            Self::Ip | Self::Ensemble => false,
            Self::Digest | Self::Sasl | Self::X509 | Self::Key => true,
        }
    }

    /// Whether an entry of a list may have this id.
    pub(super) fn is_valid_id(self, id: &str) -> bool {
        match self {
            Self::Ip => ip::is_valid_id(id),
            Self::Digest => digest::is_valid_id(id),
            Self::X509 => x509::is_valid_id(id),
            Self::Ensemble => false,
            Self::Sasl => sasl::is_valid_id(id),
            Self::Key => true,
        }
    }

    /// Whether the caller's id fits an entry's, both of this scheme.
    pub(super) fn matches(self, caller: &str, entry: &str) -> bool {
        match self {
            Self::Ip => ip::matches(caller, entry),
            Self::Digest | Self::X509 | Self::Key => caller == entry,
            Self::Sasl => caller == entry || caller == "super",
            Self::Ensemble => false,
        }
    }

    /// What `whoAmI` tells of an id.
    pub(super) fn user_of(self, id: &str) -> &str {
        match self {
            Self::Ip | Self::Ensemble | Self::Sasl | Self::X509 | Self::Key => id,
            Self::Digest => digest::user_of(id),
        }
    }
}
