//! The whole way from a file and a command line to options, errors and warnings.

use super::{CommandLine, Config};

#[test]
fn without_a_file_there_is_a_default_for_everything() {
    let (config, warnings) = Config::load(&CommandLine::default()).unwrap();
    println!("{config:#?}");
    assert_eq!(warnings, []);
    assert_eq!(config.listen.address.port, 2181);
}
