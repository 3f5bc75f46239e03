//! Gamekeeper, a ZooKeeper server: Apache ZooKeeper 3.9's protocols and files.
//!
//! The modules stand in the order of their ranks; each imports only from those above it.
//! `ARCHITECTURE.md` draws the picture.

pub mod base;

pub mod proto;
pub mod quorum;

pub mod auth;
pub mod election;
pub mod order;
pub mod session;
pub mod tree;
pub mod zab;

pub mod prep;
pub mod watch;

pub mod exec;

pub mod peer;

pub mod config;
pub mod store;

pub mod admin;
pub mod net;
pub mod telemetry;

pub mod runtime;
pub mod sim;

#[cfg(test)]
mod known_bugs;
#[cfg(test)]
mod tidy;
