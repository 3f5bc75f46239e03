//! Sockets. Those of clients: accepting them, cutting their bytes into requests, answering reads,
//! handing writes to the writer, and carrying its replies and events back. And those between
//! servers: `election_port` and its kin drive what is decided in the pure cores.
//!
//! ```text
//! socket -> Connection (one task) --- read ---> exec under the shared lock -----------> socket
//!                                  \- write -> Submissions -> the writer (in `runtime`)
//! socket <- Connection <- wake, Outbox <-------- Server::deliver, under the exclusive lock
//! ```
//!
//! In: sockets, and what the writer has for clients. Out: [`Input`](crate::peer::Input)s for the
//! writer. Invariants: a reply to a read leaves after every event of what it shows; replies leave
//! in the order of their requests; nothing a client sends or leaves unread takes more than bounded
//! memory; a malformed stream closes its own connection and nothing else.
//!
//! What four-letter words answer is not known here: [`Words`] is filled in from above.

mod batch;
mod connection;
mod dialogue;
mod election_port;
pub mod frames;
mod handshake;
mod kerberos;
mod links;
mod listen;
mod nonce;
mod outbox;
mod peer_sasl;
mod quorum_port;
mod server;
mod sockets;
mod stats;
mod submission;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;
mod waiting_room;

pub use election_port::{ElectionPort, ElectionPortFailure, ElectionPortOptions};
pub use handshake::ClientTls;
pub use kerberos::{canonical_host, check as check_service_key, default_realm};
pub use links::ConnReport;
pub use listen::{Listener, bind, sweep};
pub use quorum_port::{
    LinkFigures, LinkReports, LogRange, LogRanges, QuorumPort, QuorumPortOptions, QuorumPortParts,
    SnapshotReceiver,
};
pub use server::{Clock, NetOptions, Server, Woken, Words};
pub use sockets::{Resolver, SystemResolver};
pub use stats::{ConnFigures, EventFigures, LatencySpread, ServerFigures};
pub use submission::{Submissions, brings_state};
pub use tls::{PeerSecurity, StoreError, Tls, TlsError};
