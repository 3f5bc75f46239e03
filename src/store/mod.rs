//! Files: transaction logs, snapshots, recovery and purge.
pub mod disk;
pub mod layout;
mod log_file;
mod log_format;
pub mod log_reader;
pub mod log_writer;
mod map;
#[cfg(test)]
pub(crate) mod sim_disk;
#[cfg(test)]
mod tests;
