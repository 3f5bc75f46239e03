//! Ports that stay free while a test has no server on them.
//!
//! A server that comes back must find its port free. A port that the system gave out may by then be
//! another test's, or one end of anybody's connection; these lie below those that the system gives out,
//! and a lock file that all tests on the machine know holds them.

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
};

/// A row of ports, for as long as this lives.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    count: u16,
    _lock: File,
}

impl Ports {
    const FIRST: u16 = 20_000;
    const LANES: u16 = 300;
    const LANE_SIZE: u16 = 40;

    /// Takes so many, at most 40, which are free now.
    pub fn reserve(count: u16) -> Self {
        assert!(count <= Self::LANE_SIZE, "{count} ports");
        let locks = env::temp_dir().join("gamekeeper-ports");
        fs::create_dir_all(&locks).expect("a directory for lock files");
        for lane in 0..Self::LANES {
            let lock = File::create(locks.join(lane.to_string())).expect("a lock file");
            let first = Self::FIRST + lane * Self::LANE_SIZE;
            if lock.try_lock().is_ok() && (first..first + count).all(is_free) {
                return Self {
                    first,
                    count,
                    _lock: lock,
                };
            }
        }
        panic!("{} rows of ports are taken already", Self::LANES);
    }

    /// One of them, counted from 0.
    pub fn port(&self, index: u16) -> u16 {
        assert!(index < self.count, "port {index} of {}", self.count);
        self.first + index
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
