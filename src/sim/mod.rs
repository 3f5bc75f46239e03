//! The simulator: whole ensembles of the real cores on virtual time, one run for each seed.
//!
//! ```text
//! prng      the seed's chance           client     sessions that move, histories
//! options   what a run is like          workload   what clients ask
//! world     virtual time                node       one server: peer, state, links, disk
//! network   links                       faults     what breaks, and when all heals
//! trace     facts, one line each        check      what must hold of the facts
//! ```
//!
//! A run has a safety phase, in which things break, and a liveness phase, in which everything heals
//! and the ensemble must serve. Nothing here reads a clock, a file or a random source; what a run
//! does follows from its seed and the code alone.
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
pub mod trace;
pub mod workload;
pub mod world;

pub use run::{Outcome, Summary, Totals, run, run_with};
