//! What the options are: by default, from files people have, and value by value.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;

use super::ZooCfg;
use crate::config::{
    CommandLine, Config, DigestAlgorithm, ListenAddress, ListenHost, PurgeOptions, Revocation,
    SessionWeights, SnapshotCompression, key_listing, keys, value::Reading,
};

#[test]
fn without_a_file_there_is_a_default_for_everything() {
    let (config, warnings) = Config::load(&CommandLine::default()).unwrap();
    assert_eq!(warnings, []);
    let everywhere = ListenAddress {
        host: ListenHost::All,
        port: 2181,
    };
    assert_eq!(config.listen.address, Some(everywhere));
    assert_eq!(
        config.storage.snapshot_dir,
        PathBuf::from("./gamekeeper-data")
    );
    assert_eq!(config.storage.log_dir, PathBuf::from("./gamekeeper-data"));
}

/// The options when nothing but the two needed keys is written, all at once: a default that changes
/// shows here.
#[test]
fn the_options_by_default() {
    let config = ZooCfg::with("").config();
    golden("defaults.txt", &format!("{config:#?}\n"));
}

#[test]
fn every_option_can_be_set() {
    let file = ZooCfg::whole(include_bytes!("../testdata/everything.cfg"));
    let (config, warnings) = file.load(&[]).unwrap();
    golden(
        "everything.txt",
        &file.shorten(&format!("{config:#?}\n{}\n", warnings.join("\n"))),
    );
}

/// No key that has an effect is missing from the file of the test above, nor at its default there.
#[test]
fn the_file_of_every_option_names_every_key() {
    let file = include_str!("../testdata/everything.cfg");
    let used = keys::all().filter(|key| key.effect == keys::Effect::Used);
    // Without the digest scheme its other options would not show, nor with SASL enforced the other
    // schemes; the last five are of ensembles.
    let elsewhere = [
        "DigestAuthenticationProvider.enabled",
        "sessionRequireClientSASLAuth",
        "server.*",
        "group.*",
        "weight.*",
        "standaloneEnabled",
        "dynamicConfigFile",
        // Off, none of its other options would show.
        "admin.enableServer",
    ];
    for key in used.filter(|key| !elsewhere.contains(&key.name)) {
        let name = key.name.trim_end_matches('*');
        let line = file.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| Some(line.split_once('=')?.1));
        assert!(value.is_some_and(|value| value != key.default), "{name}");
    }
}

/// As the JDK reads the times that its responders have; what it cannot read leaves the default.
#[test]
fn times_of_responders_are_seconds_or_milliseconds() {
    let secure =
        "secureClientPort=2281\nssl.keyStore.location=k.p12\nssl.trustStore.location=t.p12\n";
    let file = ZooCfg::with(&format!("{secure}ssl.ocsp=true\n"));
    for (text, connect_ms, read_ms) in [
        ("7", 7000, 7000),
        ("7s", 7000, 7000),
        ("700MS", 700, 700),
        ("0", 0, 0),
        ("-1", 15_000, 15_000),
        ("soon", 15_000, 15_000),
        ("", 15_000, 15_000),
    ] {
        let setting = format!("-Dcom.sun.security.ocsp.timeout={text}");
        let (config, warnings) = file.load(&[&setting]).unwrap();
        let Revocation::Responders(options) = config.client_tls.unwrap().tls.revocation else {
            panic!("responders are asked");
        };
        assert_eq!(options.connect_timeout_ms, connect_ms, "{text}");
        assert_eq!(options.read_timeout_ms, read_ms, "{text}");
        assert_eq!(
            warnings.len(),
            usize::from(["-1", "soon", ""].contains(&text))
        );
    }
    let with = |settings: &[&str]| {
        let (config, _) = file.load(settings).unwrap();
        config.client_tls.unwrap().tls.revocation
    };
    let Revocation::Responders(options) = with(&["-Dcom.sun.security.ocsp.clockSkew=-5"]) else {
        panic!("responders are asked");
    };
    assert_eq!(options.clock_skew_s, 900);
    let lists = ZooCfg::with(&format!("{secure}ssl.crl=true\n"));
    let (config, _) = lists.load(&[]).unwrap();
    assert_eq!(config.client_tls.unwrap().tls.revocation, Revocation::Lists);
}

proptest! {
    /// Whatever stands in the file, there are options or errors, and every report is one line.
    #[test]
    fn any_file_gives_options_or_errors(
        lines in proptest::collection::vec((any::<proptest::sample::Index>(), any_value()), 0..8),
        noise: Vec<u8>,
    ) {
        let names: Vec<&str> = keys::all().map(|key| key.name).collect();
        let mut text = noise;
        text.extend_from_slice(b"\ndataDir=/data\nclientPort=2181\n");
        for (position, (index, value)) in lines.into_iter().enumerate() {
            let name = index.get(&names).replace('*', &(position % 3).to_string());
            text.extend_from_slice(format!("{name}={value}\n").as_bytes());
        }
        let path = Path::new("zoo.cfg");
        let files = |path: &Path| match path.file_name() {
            Some(name) if name == "myid" => Ok(b"1\n".to_vec()),
            Some(name) if name == "jaas" => Ok(include_bytes!("../testdata/jaas.conf").to_vec()),
            _ => Ok(text.clone()),
        };
        let read = Config::read_with(path, &text, &CommandLine::default(), &files);
        let (errors, warnings) = match read {
            Ok((config, warnings)) => {
                prop_assert!(config.session.timeout_min_ms <= config.session.timeout_max_ms);
                prop_assert!(config.wire.unread_bytes_max >= config.wire.jute_max_buffer.into());
                prop_assert!(config.storage.snap_count >= 2);
                (Vec::new(), warnings)
            }
            Err(rejection) => {
                prop_assert!(!rejection.errors.is_empty());
                (rejection.errors, rejection.warnings)
            }
        };
        let errors = errors.iter().map(|error| (error.origin(), error.to_string()));
        let warnings = warnings.iter().map(|warning| (warning.origin(), warning.to_string()));
        for (origin, report) in errors.chain(warnings) {
            prop_assert!(report.starts_with(&origin.to_string()), "{report}");
            prop_assert!(!report.contains(char::is_control), "{report}");
        }
    }
}

/// Values near what keys accept, and far from it.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (-3_i32..4).prop_map(|number| number.to_string()),
        any::<u32>().prop_map(|number| format!("{number:#x}")),
        any::<f64>().prop_map(|number| number.to_string()),
        "(true|false|yes|no|\\*|,|h:1:2;3|gz|1d|/d|/jaas|Clients|Peers)",
        any::<String>(),
    ]
}

/// The text of Apache's `conf/zoo_sample.cfg`, in our words.
#[test]
fn a_sample_like_apaches_is_accepted_without_a_word() {
    let sample = b"# The number of milliseconds of each tick\r
tickTime=2000\r
# ticks for the first synchronization, and between a request and its answer\r
initLimit=10\r
syncLimit=5\r
# where the snapshot is stored\r
dataDir=/tmp/zookeeper\r
# the port at which the clients will connect\r
clientPort=2181\r
#maxClientCnxns=60\r
#\r
# https://zookeeper.apache.org/doc/current/zookeeperAdmin.html#sc_maintenance\r
#autopurge.snapRetainCount=3\r
#autopurge.purgeInterval=1\r
\r
## Metrics Providers\r
#metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\r
#metricsProvider.httpPort=7000\r
";
    let (config, warnings) = ZooCfg::whole(sample).load(&[]).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(config.session.tick_time_ms, 2000);
    assert_eq!(
        (config.session.timeout_min_ms, config.session.timeout_max_ms),
        (4000, 40_000)
    );
    assert_eq!(config.storage.snapshot_dir, PathBuf::from("/tmp/zookeeper"));
}

/// What the entrypoint of the official image writes when nothing is set.
#[test]
fn the_file_of_the_official_image_is_a_standalone_server() {
    let file = ZooCfg::whole(
        "dataDir=/data\ndataLogDir=/datalog\ntickTime=2000\ninitLimit=5\nsyncLimit=2\nautopurge.snapRetainCount=3\n\
         autopurge.purgeInterval=0\nmaxClientCnxns=60\nstandaloneEnabled=true\nadmin.enableServer=true\n\
         server.1=localhost:2888:3888;2181\n",
    );
    let (config, warnings) = file.load(&[]).unwrap();
    let everywhere = ListenAddress {
        host: ListenHost::All,
        port: 2181,
    };
    assert_eq!(config.listen.address, Some(everywhere));
    assert_eq!(config.storage.log_dir, PathBuf::from("/datalog"));
    assert_eq!(config.admin.map(|admin| admin.address.port), Some(8080));
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn the_whitelist_of_four_letter_words() {
    let allowed = |text: &str| {
        let config = ZooCfg::with(text).config();
        let words = ["srvr", "isro", "ruok", "mntr", "nope"];
        words
            .into_iter()
            .filter(|word| config.four_letter.allows(word))
            .collect::<Vec<_>>()
    };
    assert_eq!(allowed(""), ["srvr"]);
    assert_eq!(
        allowed("4lw.commands.whitelist=ruok , mntr\n"),
        ["srvr", "ruok", "mntr"]
    );
    assert_eq!(
        allowed("4lw.commands.whitelist=*\n"),
        ["srvr", "isro", "ruok", "mntr"]
    );
    assert_eq!(allowed("readonlymode.enabled=true\n"), ["srvr", "isro"]);
}

#[test]
fn throttles_are_given_in_tokens() {
    assert_eq!(
        ZooCfg::with("connection_throttle_fill_count=9\n")
            .config()
            .throttle
            .connections,
        None
    );
    let plain = ZooCfg::with("connection_throttle_tokens=10\n")
        .config()
        .throttle
        .connections
        .unwrap();
    assert_eq!(
        (plain.tokens_max, plain.fill_tokens, plain.freeze_time_ms),
        (10, 1, None)
    );
    assert_eq!(
        plain.weights,
        SessionWeights {
            global: 1,
            local: 1,
            renewed: 1
        }
    );
    let weighted =
        ZooCfg::with("connection_throttle_tokens=10\nconnection_throttle_weight_enabled=true\n");
    let weighted = weighted.config().throttle.connections.unwrap();
    assert_eq!((weighted.tokens_max, weighted.fill_tokens), (30, 3));
    assert_eq!(
        weighted.weights,
        SessionWeights {
            global: 3,
            local: 1,
            renewed: 2
        }
    );
}

#[test]
fn numbers_of_mapped_keys_may_be_hexadecimal_or_octal() {
    let config =
        ZooCfg::with("snapCount=0x10\nmaxCnxns=#ff\nmaxBatchSize=010\ncommitLogCount=0700\n")
            .config();
    assert_eq!(config.storage.snap_count, 16);
    assert_eq!(config.listen.connections_max, Some(255));
    assert_eq!(config.storage.batch_max, Some(8));
    // Read by Integer.parseInt in Apache, which knows no octal.
    assert_eq!(config.storage.commit_log_count, 700);
}

#[test]
fn words_become_what_they_stand_for() {
    let digest = |name: &str| {
        let line = format!("DigestAuthenticationProvider.digestAlg={name}\n");
        ZooCfg::with(&line).config().auth.digest.unwrap().algorithm
    };
    assert_eq!(digest("sha1"), DigestAlgorithm::Sha1);
    assert_eq!(digest("SHA"), DigestAlgorithm::Sha1);
    assert_eq!(digest("SHA-256"), DigestAlgorithm::Sha256);
    assert_eq!(digest("Sha512"), DigestAlgorithm::Sha512);
    assert_eq!(digest("SHA-512/256"), DigestAlgorithm::Sha512T256);
    for algorithm in [
        DigestAlgorithm::Sha1,
        DigestAlgorithm::Sha384,
        DigestAlgorithm::Sha512T224,
    ] {
        assert_eq!(digest(algorithm.java_name()), algorithm);
    }
    let compression = |name: &str| {
        let line = format!("snapshot.compression.method={name}\n");
        ZooCfg::with(&line).config().storage.compression
    };
    assert_eq!(compression("GZ"), SnapshotCompression::Gzip);
    assert_eq!(compression("snappy"), SnapshotCompression::Snappy);
    assert_eq!(compression(""), SnapshotCompression::None);
    let purge = |text: &str| {
        let line = format!("autopurge.purgeInterval={text}\n");
        ZooCfg::with(&line).config().storage.purge
    };
    assert_eq!(purge("-1"), None);
    let hourly = PurgeOptions {
        snapshots_kept: 3,
        interval_ms: 3_600_000,
    };
    assert_eq!(purge("1"), Some(hourly));
    assert_eq!(purge("60m"), Some(hourly));
}

#[test]
fn addresses_to_listen_on() {
    let address = |text: &str| ZooCfg::with(text).config().listen.address.unwrap();
    let candidates = |text: &str| {
        let found = address(text).candidates().unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(candidates(""), ["[::]:2181", "0.0.0.0:2181"]);
    assert_eq!(
        candidates("clientPortAddress=0.0.0.0\n"),
        ["[::]:2181", "0.0.0.0:2181"]
    );
    assert_eq!(
        candidates("clientPortAddress=127.0.0.1\n"),
        ["127.0.0.1:2181"]
    );
    assert_eq!(candidates("clientPortAddress=[::1]\n"), ["[::1]:2181"]);
    assert_eq!(
        address("clientPortAddress=zk-1\n").host,
        ListenHost::Name("zk-1".to_owned())
    );
    assert_eq!(
        ZooCfg::with("clientPortAddress=a b\n").errors(&[]),
        ["zoo.cfg:3: clientPortAddress = \"a b\": expected an address or a host name"]
    );
}

/// The table of keys with their properties, defaults and effects.
#[test]
fn the_listing_of_keys() {
    golden("keys.txt", &key_listing());
}

#[test]
fn the_table_is_sound() {
    let mut names = std::collections::BTreeSet::new();
    for key in keys::all() {
        for name in key.aliases.iter().chain([&key.name]) {
            assert!(names.insert(*name), "{name} is listed twice");
        }
        let reading = key.kind.read(key.default);
        let readable = key.default.is_empty() || matches!(reading, Ok(Reading::Plain(_)));
        assert!(
            readable,
            "the default of {} is not what it accepts",
            key.name
        );
        assert!(
            key.doc.trim().ends_with('.'),
            "{} has no sentence",
            key.name
        );
        assert_eq!(keys::find(key.name).map(|found| found.name), Some(key.name));
    }
    assert!(names.len() > 200);
}

/// Compares with a file of `testdata`; `REWRITE=1` writes it instead, for the difference to be
/// reviewed.
#[track_caller]
pub(super) fn golden(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/config/testdata")
        .join(name);
    if std::env::var_os("REWRITE").is_some() {
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{name} differs; run with REWRITE=1 and review:\n{actual}"
    );
}
