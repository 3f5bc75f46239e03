//! Any bytes as a zoo.cfg: options, or errors that name their place.
#![no_main]

use std::path::Path;

use gamekeeper::config::{CommandLine, Config};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The file of the members holds the same, of which the server is the first.
    let files = |path: &Path| match path.ends_with("myid") {
        true => Ok(b"1".to_vec()),
        false => Ok(data.to_vec()),
    };
    let command_line = CommandLine::default();
    match Config::read_with(Path::new("zoo.cfg"), data, &command_line, &files) {
        Ok((config, _)) => {
            assert!(config.session.timeout_min_ms <= config.session.timeout_max_ms);
        }
        Err(rejection) => assert!(!rejection.to_string().is_empty()),
    }
});
