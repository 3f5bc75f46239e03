//! Client sockets: accepting them, cutting their bytes into requests, answering reads, handing
//! writes to the writer, and carrying its replies and events back.
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
pub mod frames;
mod links;
mod listen;
mod outbox;
mod server;
mod stats;
mod submission;
mod throttle;

pub use links::ConnReport;
pub use listen::{Listener, bind};
pub use server::{Clock, NetOptions, Server, Woken, Words};
pub use stats::{ConnFigures, EventFigures, LatencySpread, ServerFigures};
pub use submission::Submissions;
