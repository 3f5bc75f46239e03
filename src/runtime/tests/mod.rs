//! A whole server over loopback, asked by a raw client.

mod client;
mod limits;
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
    let property = |(name, value): &(&str, &str)| Property {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    let small_log = Property {
        name: "zookeeper.preAllocSize".to_owned(),
        value: "64".to_owned(),
    };
    let command_line = CommandLine {
        properties: properties.iter().map(property).chain([small_log]).collect(),
        client_port: Some(0),
        data_dir: Some(dir.display().to_string()),
        ..CommandLine::default()
    };
    let (config, _) = Config::load(&command_line).unwrap();
    Running::start(&config).unwrap()
}
