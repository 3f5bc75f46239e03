//! Gamekeeper, a ZooKeeper server: Apache ZooKeeper 3.9's protocols and files.

pub mod base;
pub mod proto;
pub mod store;
pub mod tree;

pub mod auth;
pub mod session;

pub mod watch;

pub mod exec;
