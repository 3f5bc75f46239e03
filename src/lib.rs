//! Gamekeeper, a ZooKeeper server: Apache ZooKeeper 3.9's protocols and files.
//!
//! The modules stand in the order of their ranks; each imports only from those above it.
//! `ARCHITECTURE.md` draws the picture.

pub mod base;
pub mod proto;
pub mod quorum;

pub mod auth;
pub mod election;

pub mod config;

#[cfg(test)]
mod tidy;
