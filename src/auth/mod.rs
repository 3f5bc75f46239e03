//! Who a connection is and what it may do: identities, authentication packets, access control
//! lists.
//!
//! In: a connection's address, the packets it authenticates with, the lists it gives and the lists
//! of nodes. Out: identities, lists fit to be stored, yes or no. Nothing here keeps state between
//! calls: a connection carries its identities as [`AuthIds`], a snapshot that each request takes
//! along, so that an authentication affects only what was read from the socket after it.
//!
//! Schemes are variants of one enum (`scheme.rs`): `ip`, `digest`, `ensemble`, `sasl`, `x509` and `key`.
//! `world`, `auth` and `super` are not schemes one can authenticate with but rules of [`Policy`]. For `sasl`
//! a client sends no packet but tokens of an exchange (`sasl`), as servers do among themselves. Who a client
//! is by its certificate is known when it comes, see [`Policy::certify`].

mod digest;
mod ensemble;
mod ip;
mod key;
mod memo;
mod options;
mod policy;
pub mod sasl;
mod scheme;
#[cfg(test)]
mod tests;
mod x509;

pub use digest::HashAlgorithm;
pub use ensemble::EnsembleNames;
pub use memo::PermitMemo;
pub use options::{AuthOptions, AuthOptionsError, X509Options};
pub use policy::{AuthIds, AuthRefused, Policy, Shown};
pub use sasl::{SaslAnswer, SaslLogin};
