//! Files: transaction logs, snapshots, recovery and purge.
mod container;
pub mod disk;
pub mod layout;
mod log_file;
mod log_format;
pub mod log_reader;
pub mod log_writer;
pub mod purge;
pub mod recover;
#[cfg(test)]
pub(crate) mod sim_disk;
pub mod snapshot_reader;
pub mod snapshot_writer;
#[cfg(test)]
mod tests;
pub mod trigger;
