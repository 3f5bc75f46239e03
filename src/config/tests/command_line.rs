//! Which of several settings counts, and the command line itself.

use std::path::PathBuf;

use clap::Parser as _;

use super::ZooCfg;
use crate::config::{Arguments, Command};

#[test]
fn a_line_of_the_file_wins_over_a_property() {
    let file = ZooCfg::with("snapCount=111\nfsync.warningthresholdms=5\n");
    let properties = [
        "-Dzookeeper.snapCount=222",
        "-Dzookeeper.preAllocSize=64",
        "-Dfsync.warningthresholdms=7",
    ];
    let (config, warnings) = file.load(&properties).unwrap();
    assert_eq!(config.storage.snap_count, 111);
    assert_eq!(config.storage.pre_alloc_bytes, Some(65536));
    assert_eq!(config.storage.fsync_warning_ms, 5);
    assert_eq!(
        warnings,
        [
            "command line: zookeeper.snapCount: overridden by snapCount on zoo.cfg:3",
            "command line: fsync.warningthresholdms: overridden by fsync.warningthresholdms on zoo.cfg:4",
        ]
    );
}

#[test]
fn a_property_without_prefix_wins_over_the_file_that_apache_does_not_ask() {
    let file = ZooCfg::with("jute.maxbuffer=2000\nznode.container.checkIntervalMs=10\n");
    assert_eq!(file.config().wire.jute_max_buffer, 2000);
    let (config, warnings) = file.load(&["-Djute.maxbuffer=0x1000"]).unwrap();
    assert_eq!(config.wire.jute_max_buffer, 4096);
    assert_eq!(config.containers.check_interval_ms, 10);
    assert_eq!(
        warnings,
        ["zoo.cfg:3: jute.maxbuffer: overridden by jute.maxbuffer on command line"]
    );
}

#[test]
fn the_prefixed_property_wins_over_the_bare_one_and_flags_win_over_all() {
    let file = ZooCfg::with("");
    let both = [
        "-Dzookeeper.fsync.warningthresholdms=5",
        "-Dfsync.warningthresholdms=7",
    ];
    assert_eq!(file.load(&both).unwrap().0.storage.fsync_warning_ms, 5);
    let (config, warnings) = file
        .load(&["--client-port", "9", "--data-dir", "/elsewhere"])
        .unwrap();
    assert_eq!(config.listen.address.as_ref().unwrap().port, 9);
    assert_eq!(config.storage.snapshot_dir, PathBuf::from("/elsewhere"));
    assert_eq!(
        warnings,
        [
            "zoo.cfg:1: dataDir: overridden by --data-dir on command line",
            "zoo.cfg:2: clientPort: overridden by --client-port on command line",
        ]
    );
    // Saying the same twice is nothing to tell.
    assert_eq!(
        file.warnings(&["--client-port", "2181", "-Dzookeeper.dataDir=/data"]),
        Vec::<String>::new()
    );
}

#[test]
fn the_last_of_two_lines_counts() {
    let file = ZooCfg::with("tickTime=1000\ntickTime=1500\nsuperUser=a\n zookeeper.superUser=b\n");
    assert_eq!(file.config().session.tick_time_ms, 1500);
    assert_eq!(
        file.warnings(&[]),
        [
            "zoo.cfg:3: tickTime: also set on line 4, which counts",
            "zoo.cfg:6: zookeeper.superUser = \"b\": Apache ignores this name; \
             taken as superUser, which is the one it reads",
            "zoo.cfg:6: zookeeper.superUser: also set on line 5, which counts",
        ]
    );
    assert_eq!(
        ZooCfg::with("").warnings(&["-Dzookeeper.snapCount=5", "-Dzookeeper.snapCount=6"]),
        ["command line: zookeeper.snapCount: also set as zookeeper.snapCount, which counts"]
    );
}

#[test]
fn arguments() {
    let read = |arguments: &[&str]| {
        let arguments = ["gamekeeper"].into_iter().chain(arguments.iter().copied());
        Arguments::try_parse_from(arguments)
    };
    let exit_code = |arguments: &[&str]| read(arguments).unwrap_err().exit_code();
    assert_eq!(exit_code(&["--version"]), 0);
    assert_eq!(exit_code(&["serve", "--help"]), 0);
    for wrong in [
        &[][..],
        &["serve", "a", "b"],
        &["serve", "-D", ""],
        &["serve", "--client-port=x"],
        &["bogus"],
    ] {
        assert_eq!(exit_code(wrong), 2, "of {wrong:?}");
    }
    let Command::Serve(serve) = read(&["serve", "-Da=b=c", "-Dempty", "-D", "spaced=1"])
        .unwrap()
        .command
    else {
        panic!("serve is what was asked for");
    };
    let properties: Vec<_> = serve
        .properties
        .iter()
        .map(|p| (p.name.as_str(), p.value.as_str()))
        .collect();
    assert_eq!(properties, [("a", "b=c"), ("empty", ""), ("spaced", "1")]);
    assert!(matches!(read(&["keys"]).unwrap().command, Command::Keys));
}

#[test]
fn the_level_of_the_log() {
    let filter = |arguments: &[&str], rust_log| {
        let arguments = ["gamekeeper", "serve"]
            .into_iter()
            .chain(arguments.iter().copied());
        Arguments::try_parse_from(arguments)
            .unwrap()
            .log_filter(rust_log)
    };
    assert_eq!(filter(&[], None), Ok("info".to_owned()));
    assert_eq!(filter(&[], Some("")), Ok("info".to_owned()));
    assert_eq!(
        filter(&[], Some("warn,gamekeeper=debug")),
        Ok("warn,gamekeeper=debug".to_owned())
    );
    assert_eq!(
        filter(&["--log-level", "trace"], Some("warn")),
        Ok("trace".to_owned())
    );
    assert!(
        filter(&[], Some("loud"))
            .unwrap_err()
            .starts_with("environment: RUST_LOG = \"loud\": expected off,")
    );
    assert!(Arguments::try_parse_from(["gamekeeper", "serve", "--log-level=infos"]).is_err());
}
