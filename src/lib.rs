//! Gamekeeper, a ZooKeeper server: Apache ZooKeeper 3.9's protocols and files.

pub mod base;
pub mod proto;

#[cfg(test)]
mod tidy;
//! Gamekeeper, a ZooKeeper server.

pub mod config;
pub mod auth;
