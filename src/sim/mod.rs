//! The simulator: whole ensembles of the real cores on virtual time, one run for each seed.
//!
//! ```text
//! prng     the seed's chance            client    sessions that move, histories
//! options  what a run is like           workload  what clients ask
//! world    virtual time                 node      one machine: disk, clocks, process
//! network  links                        process   one server: peer, state, links, disk thread, clients
//! trace    facts, one line each         faults    what breaks, and when all heals
//! facts    what a driver can see        check     what must hold of the facts
//! run      all of it, from start to end  mutation  bugs planted to test the checkers
//! ```
//!
//! What is real: the peer with its election, ZAB and sessions, the election's links, the disk worker
//! with log, snapshots, epochs and recovery, the connections' order, reads, watches; every packet,
//! notification, snapshot and frame goes over the links as its bytes. What is not: sockets, threads,
//! the file system and the clocks. `net` and `runtime` are stood in for by `serving`,
//! `election_port`, `quorum_port` and `process`, which do the same with the same parts.
//!
//! A run has a safety phase, in which things break, and a liveness phase, in which everything heals:
//! then all clients must be served, sessions without a client must end, and all servers must come to
//! one state. Nothing here reads a clock, a file or a random source; what a run does follows from
//! its seed and the code alone.
//!
//! # How to read a failing seed
//!
//! `sim --seed N --trace` prints the options drawn from the seed, then one line for each fact (see
//! [`facts`]), then the violation. Start at the end, find the zxid, session or connection that the
//! violation names, and follow it back; lines with `--` are faults. `--log` adds what the servers
//! log. A seed stands for a run of this very code: any change of what is drawn gives other runs, so
//! note the commit with the seed.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the simulator is a test: where it is wrong itself, it may panic"
)]

pub mod asked;
pub mod check;
pub mod client;
mod disk_thread;
mod election_port;
pub mod facts;
mod faults;
mod lying_disk;
mod member_config;
pub mod mutation;
pub mod network;
mod node;
pub mod options;
pub mod prng;
mod process;
mod quorum_port;
mod run;
mod scene;
mod serving;
mod stage;
#[cfg(test)]
mod tests;
pub mod trace;
mod watched;
pub mod workload;
pub mod world;

pub use run::{Outcome, Summary, Totals, run, run_with};
