//! What is odd but starts, in the very words.

use clap::Parser as _;

use super::ZooCfg;
use crate::config::Arguments;

#[test]
fn odd_values_are_taken_as_apache_takes_them_and_warned_of() {
    let file = ZooCfg::with(
        "forceSync=NO\nskipACL=Yes\ndigest.enabled=on\nsnapCount=1\ncommitLogCount=10\nautopurge.snapRetainCount=1\n\
         jute.maxbuffer.extrasize=10\nlargeRequestThreshold=0\nlargeRequestMaxBytes=-5\n\
         4lw.commands.whitelist=ruok, mntr,stats,\nconnection_throttle_local_session_weight=0\n",
    );
    let (config, warnings) = file.load(&[]).unwrap();
    assert!(config.storage.force_sync && !config.auth.skip_acl && !config.tree.digest);
    assert_eq!(
        (config.storage.snap_count, config.storage.commit_log_count),
        (2, 500)
    );
    assert_eq!(config.wire.jute_extra_size, 1024);
    assert_eq!(config.throttle.large_requests, None);
    assert_eq!(
        warnings,
        [
            "zoo.cfg:3: forceSync = \"NO\": neither yes nor no; the default stays",
            "zoo.cfg:4: skipACL = \"Yes\": neither yes nor no; the default stays",
            "zoo.cfg:5: digest.enabled = \"on\": neither true nor false; taken as false",
            "zoo.cfg:6: snapCount = \"1\": less than 2; raised to 2",
            "zoo.cfg:7: commitLogCount = \"10\": less than 500; raised to 500",
            "zoo.cfg:8: autopurge.snapRetainCount = \"1\": less than 3; raised to 3",
            "zoo.cfg:9: jute.maxbuffer.extrasize = \"10\": less than 1024; raised to 1024",
            "zoo.cfg:10: largeRequestThreshold = \"0\": expected -1 or a positive number; taken as -1",
            "zoo.cfg:11: largeRequestMaxBytes = \"-5\": expected a positive number; the default of 104857600 stays",
            "zoo.cfg:12: 4lw.commands.whitelist = \"ruok, mntr,stats,\": no four-letter word, ignored: stats",
            "zoo.cfg:13: connection_throttle_local_session_weight = \"0\": less than 1; the default of 1 stays",
        ]
    );
}

#[test]
fn what_endangers_data_is_said_aloud() {
    let file = ZooCfg::whole("dataDir=data\nclientPort=2181\nforceSync=no\nskipACL=yes\n");
    let (config, warnings) = file.load(&[]).unwrap();
    assert!(!config.storage.force_sync && config.auth.skip_acl);
    assert_eq!(
        warnings,
        [
            "zoo.cfg:1: dataDir = \"data\": a relative path, taken from the directory the server is started in; \
             write ./ before it if that is meant",
            "zoo.cfg:3: forceSync = \"no\": writes are acknowledged before they are on disk: \
             a crash of the machine LOSES them",
            "zoo.cfg:4: skipACL = \"yes\": no access list is looked at: every client may read and write everything",
        ]
    );
}

#[test]
fn an_unknown_key_is_a_warning_with_the_name_that_was_meant() {
    let file = ZooCfg::with(
        "clientport=2182\nsnapCuont=5\nautopurge.purgeIntervall=1\nmaxClientCnxn=5\nnonsense=hush\n\
         requestThrottleLimit=7\n=1\n",
    );
    assert_eq!(
        file.warnings(&["-Djava.net.preferIPv4Stack=true", "-Dzookeeper.snapCont=9"]),
        [
            "zoo.cfg:3: clientport: unknown key, ignored; did you mean clientPort?",
            "zoo.cfg:4: snapCuont: unknown key, ignored; did you mean snapCount?",
            "zoo.cfg:5: autopurge.purgeIntervall: unknown key, ignored; did you mean autopurge.purgeInterval?",
            "zoo.cfg:6: maxClientCnxn: unknown key, ignored; did you mean maxClientCnxns?",
            "zoo.cfg:7: nonsense: unknown key, ignored",
            "zoo.cfg:8: requestThrottleLimit = \"7\": Apache ignores this name; \
             taken as request_throttle_max_requests, which is the one it reads",
            "zoo.cfg:9: (empty): unknown key, ignored",
            "command line: java.net.preferIPv4Stack: unknown key, ignored",
            "command line: zookeeper.snapCont: unknown key, ignored; did you mean snapCount?",
        ]
    );
    assert_eq!(file.config().throttle.requests.requests_max, Some(7));
}

#[test]
fn names_of_the_ensemble_take_their_provider() {
    let names = "ensembleAuthName= foo,bar, baz \n";
    let provider =
        "authProvider.9=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider\n";
    let (config, warnings) = ZooCfg::with(names).load(&[]).unwrap();
    assert_eq!(config.auth.ensemble, None);
    assert_eq!(
        warnings,
        [
            "zoo.cfg:3: ensembleAuthName = \"foo,bar, baz\": has no effect without \
             authProvider.1=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider"
        ]
    );
    let config = ZooCfg::with(provider).config();
    assert_eq!(
        config.auth.ensemble.map(|options| options.names),
        Some(None)
    );
    let config = ZooCfg::with(&format!("{names}{provider}")).config();
    let names = config.auth.ensemble.and_then(|options| options.names);
    assert_eq!(names, Some(["foo", "bar", "baz"].map(str::to_owned).into()));
}

#[test]
fn secrets_are_not_shown() {
    let secret = "hush:hush";
    let file = ZooCfg::with(&format!(
        "DigestAuthenticationProvider.superDigest={secret}\nSASLAuthenticationProvider.superPassword={secret}\n\
         ssl.keyStore.password={secret}\nnot.known.password={secret}\nmetricsProvider.ssl.keyStore.password={secret}\n"
    ));
    let (config, warnings) = file.load(&[]).unwrap();
    let shown = format!("{config:?} {warnings:?} {}", warnings.len());
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!(warnings.len(), 2);
    let digest = config.auth.digest.unwrap();
    assert_eq!(digest.super_digest.unwrap().reveal(), secret);
    let arguments = Arguments::try_parse_from(["gamekeeper", "serve", "-Dpassword=hush"]).unwrap();
    assert!(!format!("{arguments:?}").contains("hush"));
}
