//! The command line of the one binary, with Java-style `-Dname=value` pairs as Apache's scripts
//! pass them on.

use std::{
    fmt::{self, Debug, Formatter},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::report::shown;

/// Everything the process was started with.
#[derive(Debug, Parser)]
#[command(name = "gamekeeper", version, about = "A ZooKeeper server")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What to log: a level (error, warn, info, debug, trace) or a tracing filter; RUST_LOG when
    /// not given
    #[arg(long, global = true, value_name = "FILTER", value_parser = log_filter)]
    log_level: Option<String>,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a server
    Serve(CommandLine),
    /// List every configuration key with its default and its effect
    Keys,
}

/// The part of the command line that is configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct CommandLine {
    /// Configuration file; without one, clients are served on port 2181 from ./gamekeeper-data
    #[arg(value_name = "zoo.cfg")]
    pub config_file: Option<PathBuf>,
    /// Set a property as on Java's command line; a line of the file wins over it
    #[arg(short = 'D', value_name = "name=value", value_parser = property)]
    pub properties: Vec<Property>,
    /// Port for clients, whatever the file says
    #[arg(long, value_name = "PORT")]
    pub client_port: Option<u16>,
    /// Directory for snapshots and log, whatever the file says
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
}

/// One `-Dname=value`.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    /// What stands before the first `=`.
    pub name: String,
    /// What stands after it; empty when there is none, as in Java.
    pub value: String,
}

/// Leaves the value out: it may be a password.
impl Debug for Property {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "-D{}=..", self.name)
    }
}

impl Arguments {
    /// Reads the process's arguments. Ends the process after `--help`, `--version` (0) and wrong
    /// arguments (2).
    pub fn read() -> Self {
        Self::parse()
    }

    /// What to log: `--log-level`, else the given value of `RUST_LOG`, else `info`. `Err` is a
    /// sentence about a `RUST_LOG` that cannot be read.
    pub fn log_filter(&self, rust_log: Option<&str>) -> Result<String, String> {
        match (&self.log_level, rust_log) {
            (Some(filter), _) => Ok(filter.clone()),
            (None, Some(text)) if !text.is_empty() => log_filter(text)
                .map_err(|reason| format!("environment: RUST_LOG = \"{}\": {reason}", shown(text))),
            _ => Ok("info".to_owned()),
        }
    }
}

/// A bare word is a level here, although a filter would take any other one for the name of a module
/// and so hide a typing error.
fn log_filter(text: &str) -> Result<String, String> {
    let readable = EnvFilter::try_new(text).is_ok()
        && text
            .split(',')
            .all(|part| part.contains(['=', '[']) || part.trim().parse::<LevelFilter>().is_ok());
    if readable {
        Ok(text.to_owned())
    } else {
        Err(
            "expected off, error, warn, info, debug or trace, or a filter like gamekeeper=debug"
                .to_owned(),
        )
    }
}

fn property(text: &str) -> Result<Property, String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err("expected name=value".to_owned());
    }
    Ok(Property {
        name: name.to_owned(),
        value: value.trim().to_owned(),
    })
}
