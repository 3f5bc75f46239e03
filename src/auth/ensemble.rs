//! The scheme `ensemble`: a client says which ensemble it looks for, and a server of another one lets it
//! go on to the next of its addresses. It makes nobody anyone.

use std::collections::BTreeSet;

/// Which names are taken for this ensemble's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EnsembleNames {
    /// `zookeeper.ensembleAuthName` is not set.
    #[default]
    Any,
    These(BTreeSet<String>),
}

impl EnsembleNames {
    /// Whether a client that says this may stay; one that says nothing may
    /// (`EnsembleAuthenticationProvider.handleAuthentication`).
    pub(super) fn has(&self, token: &[u8]) -> bool {
        match self {
            _ if token.is_empty() => true,
            Self::Any => true,
            Self::These(names) => names.contains(&*String::from_utf8_lossy(token)),
        }
    }
}
