//! The interoperability harness: Gamekeeper and Apache ZooKeeper as processes behind one interface,
//! and a client that speaks raw bytes to either.
//!
//! - [`server`]: start, stop and kill one server of either [`server::Kind`].
//! - [`ensemble`]: several servers that form one; [`network`]: hosts for them that can be cut off.
//! - [`load`]: clients whose sessions move between servers; [`history`]: what they saw, and whether it may be so.
//! - [`changing`]: servers whose ensemble changes while it runs.
//! - [`scenarios`]: what several tests do to ensembles of different members.
//! - [`cargo`]: programs of this workspace.
//! - [`ports`]: ports that nobody else gets.
//! - [`small_disk`]: a file system that is easily full.
//! - [`tree`]: all that a client can see on a server.
//! - [`maven`]: Apache's jars, and the gate for tests that need Java.
//! - [`java`]: our own Java programs, compiled and started; [`program`]: such a process.
//! - [`process`]: signals to processes.
//! - [`kinds`]: tests that are the same for several kinds of server, written once.
//! - [`kerberos`]: a realm with a KDC, and our server with Kerberos.
//! - [`languages`]: our programs in C, Go and Node.js, built once; [`clients`]: the steps that they and others
//!   take, and what happens to servers and programs meanwhile.
//! - [`suite`]: the tests that Apache and Curator publish, each held against a list of how they fare.
//! - [`python`]: our Python programs in their virtual environment.
//! - [`ocsp`]: who says whether certificates are revoked.
//! - [`wire`]: framed bytes, written without the `jute` crate so that a test shares no bug with it.
//! - [`calls`]: a few operations in those bytes.
//! - [`http`]: requests to an AdminServer.
//! - [`eventually`]: wait for a condition with a deadline; the only place that sleeps.
//!
//! Every failure of the harness itself is a panic with its reason: its callers are tests.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a harness fails a test by panicking"
)]

pub mod calls;
pub mod cargo;
pub mod changing;
pub mod clients;
pub mod ensemble;
pub mod eventually;
pub mod history;
pub mod http;
pub mod java;
pub mod kerberos;
pub mod keys;
pub mod kinds;
pub mod languages;
pub mod load;
pub mod maven;
pub mod network;
pub mod ocsp;
pub mod ports;
pub mod process;
pub mod program;
pub mod python;
pub mod scenarios;
pub mod server;
pub mod small_disk;
pub mod suite;
pub mod tree;
pub mod wire;
