//! The settings of a peer, made of those of its parts.

use crate::peer::JanitorOptions;
use crate::prep::PrepOptions;

/// The settings of a peer.
#[derive(Debug, Clone)]
pub struct PeerOptions {
    pub prep: PrepOptions,
    pub janitor: JanitorOptions,
    /// `tickTime`: sessions expire in buckets of this width.
    pub tick_ms: u64,
    /// `minSessionTimeout`; what clients ask for is raised to it.
    pub session_timeout_min_ms: i32,
    /// `maxSessionTimeout`; what clients ask for is lowered to it. Not below the minimum.
    pub session_timeout_max_ms: i32,
    /// The top byte of session ids: the low byte of the server's id, 1 for a standalone server.
    pub session_id_byte: u8,
    pub local_sessions: LocalSessions,
}

/// `localSessionsEnabled`, `localSessionsUpgradingEnabled`: sessions that only the server knows
/// which opened them. A server on its own has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocalSessions {
    /// Every session is opened by a transaction.
    #[default]
    Off,
    /// New sessions are local and stay so.
    Fixed,
    /// New sessions are local until they ask for an ephemeral node.
    Upgradable,
}

impl LocalSessions {
    /// Whether new sessions are local.
    pub fn are_on(self) -> bool {
        self != Self::Off
    }
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self {
            prep: PrepOptions::default(),
            janitor: JanitorOptions::default(),
            tick_ms: 3000,
            session_timeout_min_ms: 6000,
            session_timeout_max_ms: 60_000,
            session_id_byte: 1,
            local_sessions: LocalSessions::Off,
        }
    }
}
