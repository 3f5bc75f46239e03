//! Gamekeeper, a ZooKeeper server: Apache ZooKeeper 3.9's protocols and files.

pub mod base;

pub mod proto;

pub mod auth;
pub mod order;
pub mod session;

pub mod config;

pub mod net;
