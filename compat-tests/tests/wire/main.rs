//! The client protocol held against Apache's server, byte for byte.
//!
//! A [`Scenario`] sends bytes on one or several connections; everything the server says becomes a
//! transcript. Each scenario runs on Apache's server and on ours, started with the same options, and
//! the transcripts must be equal. Besides, each scenario asserts what the checklist row it stands for
//! demands, so that it has teeth on a machine without Java too, and so that both servers being wrong
//! in the same way is noticed.
//!
//! `GAMEKEEPER_WIRE=apache` or `=ours` runs one server only, `=apache-twice` proves the masking. Rows are the CP numbers of the checklist;
//! `coverage.rs` holds that every one is either in a scenario or in a list with the reason.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod conn;
mod coverage;
mod ops;
mod reply;
mod runner;
mod sets;
mod target;
mod transcript;

mod scenarios;
