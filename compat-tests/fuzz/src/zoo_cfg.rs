//! Any bytes as a zoo.cfg: options, or errors that name their place.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match gamekeeper::config::Config::from_bytes(data) {
        Ok((config, _)) => assert!(config.session.timeout_min_ms <= config.session.timeout_max_ms),
        Err(rejection) => assert!(!rejection.errors.is_empty()),
    }
});
