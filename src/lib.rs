//! Gamekeeper, a ZooKeeper server.

pub mod config;
