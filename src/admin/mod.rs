//! What operators ask a server: four-letter words, and commands over HTTP, with their answers as
//! Apache 3.9 words them.
//!
//! In: plain facts, gathered by the runtime. Out: text and JSON. Nothing here knows where the facts
//! come from, and no answer is anything but a function of them. The AdminServer's sockets are in
//! `http`; what its commands do to the server is filled in from above ([`Commands`]).

pub mod answers;
mod command;
pub mod facts;
mod http;
mod https;
mod idle;
mod java;
mod json;
mod limiter;
mod monitor;
mod reply;
mod route;
mod text;
pub mod word;

pub use command::Command;
pub use facts::{
    ConfFacts, ConnFacts, ConnSession, EnsembleFacts, ExpiryFacts, HostPort, Latency, LeaderFacts,
    MemberFacts, MonitorFacts, ObserverFacts, PlaceFacts, QuorumFacts, RoleFacts, ServerFacts,
    SessionDump, SessionFacts, Sizes, SnapshotFacts, Spread, StatFacts, VoterFacts,
};
pub use http::{Commands, HttpServer};
pub use https::Https;
pub use limiter::RateLimiter;
pub use monitor::mntr;
pub use reply::Reply;
pub use route::{Ask, Method};
pub use text::{conf, cons, dirs, dump, envi, hash, srvr, stat, wchc, wchp, wchs};
pub use word::{Word, not_serving};

/// The version operators and their tools see: the release of Apache's we stand in for, and ours.
pub const VERSION: &str = concat!(
    "3.9.5-gamekeeper-",
    env!("CARGO_PKG_VERSION"),
    ", built on 2026-11-21 00:00 UTC"
);
