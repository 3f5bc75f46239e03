//! A whole server over loopback, asked by a raw client.

mod client;
mod disk_failure;
mod front;
mod limits;
mod panics;
mod protocol;
mod restart;
mod words;

use std::path::Path;

use tempfile::TempDir;

use crate::config::{CommandLine, Config, Property};
use crate::runtime::Running;

/// A server of its own with its data.
struct Fixture {
    server: Running,
    dir: TempDir,
}

impl Fixture {
    fn start(properties: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let server = start_in(dir.path(), properties);
        Self { server, dir }
    }
}

fn start_in(dir: &Path, properties: &[(&str, &str)]) -> Running {
    Running::start(&config(dir, properties)).unwrap()
}

fn config(dir: &Path, properties: &[(&str, &str)]) -> Config {
    let property = |(name, value): &(&str, &str)| Property {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    let small = [
        ("zookeeper.preAllocSize", "64"),
        ("zookeeper.admin.enableServer", "false"),
    ];
    let command_line = CommandLine {
        properties: small.iter().chain(properties).map(property).collect(),
        client_port: Some(0),
        data_dir: Some(dir.display().to_string()),
        ..CommandLine::default()
    };
    Config::load(&command_line).unwrap().0
}
