//! Client sessions: their numbers, passwords, states, and when they expire.
//!
//! In: sessions that are opened, touched, taken over, closed; time. Out: the sessions that have
//! expired, each once. No transaction is made here: what opens and closes a session for good is
//! `prep`'s and `peer`'s; this is the server's own book of who is alive.
//!
//! ```text
//!            track                commit              start_closing          remove
//!   (none) --------> open, pending ------> open -----------------> closing --------> (none)
//!            createSession        applied   closeSession prepared           applied
//!            prepared                       or expired
//! ```
//!
//! A **local** session is in the book of the server that opened it and in no transaction. It becomes
//! global when it first needs to be, by the same transaction that opens others:
//!
//! ```text
//!            open_local            start_upgrade             commit
//!   (none) -----------> open, local -----------> upgrading ---------> open, global
//!                                              createSession  applied
//! ```
//!
//! A connection's task touches its session through a [`SessionHandle`] with one atomic store and no
//! lock. Expiry looks at that mark only when the session's bucket comes due, and moves it on if it
//! was touched: which sessions expire when is the same as with Apache's `ExpiryQueue`, which moves
//! a session at each touch.
//!
//! Invariants: an open session that expires here is in exactly one bucket, any other in none; a
//! session's bucket is never later than the one its last touch earns.

mod ended;
mod handle;
mod id;
mod table;
#[cfg(test)]
mod tests;

pub use ended::EndedSessions;
pub use handle::SessionHandle;
pub use id::{IdGenerator, PASSWORD_LEN, is_password_of, password};
pub use table::{Owner, Scope, SessionTable, SessionView};
