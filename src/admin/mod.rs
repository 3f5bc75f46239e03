//! What operators ask a server: four-letter words and their answers, as Apache 3.9 words them.
//!
//! In: plain facts, gathered by the runtime. Out: text. Nothing here knows where the facts come
//! from, and no answer is anything but a function of them.

pub mod facts;
mod java;
mod monitor;
mod text;
pub mod word;

pub use facts::{
    ConfFacts, ConnFacts, ConnSession, EnsembleFacts, ExpiryFacts, Latency, LeaderFacts,
    MemberFacts, MonitorFacts, ProposalSizes, QuorumFacts, RoleFacts, ServerFacts, SessionDump,
    SessionFacts, Spread,
};
pub use monitor::mntr;
pub use text::{conf, cons, dirs, dump, envi, hash, srvr, stat, wchc, wchp, wchs};
pub use word::{Word, not_serving};

/// The version operators and their tools see: the release of Apache's we stand in for, and ours.
pub const VERSION: &str = concat!(
    "3.9.5-gamekeeper-",
    env!("CARGO_PKG_VERSION"),
    ", built on 2026-11-21 00:00 UTC"
);
