//! The folder's tests: one leader by script; the plan as a table and against random histories;
//! a leader with model learners, and with learners that send anything, by seed.

pub(in crate::zab) mod bench;
mod direct;
mod noise;
mod random;
mod scripts;
