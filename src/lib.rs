//! Gamekeeper, a ZooKeeper server: Apache ZooKeeper 3.9's protocols and files.

pub mod base;
pub mod proto;

pub mod order;
pub mod auth;
pub mod session;
//! Gamekeeper, a ZooKeeper server.

pub mod config;
