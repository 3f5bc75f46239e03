//! Logging: set up once, by whoever starts the process. What is measured is counted where it
//! happens and read by `admin`.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Writes log lines to standard error, those that `filter` lets through. An unreadable filter lets
/// through what operators need.
pub fn log_to_stderr(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
