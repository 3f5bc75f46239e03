//! Any bytes as a zoo.cfg: options, or errors that name their place.
#![no_main]

use std::path::Path;

use gamekeeper::config::{CommandLine, Config};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match Config::read(Path::new("zoo.cfg"), data, &CommandLine::default()) {
        Ok((config, _)) => {
            assert!(config.session.timeout_min_ms <= config.session.timeout_max_ms);
        }
        Err(rejection) => assert!(!rejection.to_string().is_empty()),
    }
});
