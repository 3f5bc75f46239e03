//! What a server of an ensemble knows: every option, and what the cores get of them.

use super::{THREE, member};
use crate::{
    config::{
        EnsembleOptions, keys,
        tests::{ZooCfg, options::golden},
    },
    peer::LocalSessions,
};

#[test]
fn the_options_by_default() {
    let ensemble = member(THREE);
    golden("ensemble_defaults.txt", &shown(&ensemble));
}

#[test]
fn every_option_can_be_set() {
    let file = ZooCfg::whole(include_bytes!("../../testdata/ensemble.cfg"));
    file.live_here("1\n");
    let (config, warnings) = file.load(&[]).unwrap();
    let ensemble = config.ensemble.unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    golden("ensemble.txt", &file.shorten(&shown(&ensemble)));
}

/// The options with the view as its own text.
fn shown(ensemble: &EnsembleOptions) -> String {
    // Its directory is another one at each run.
    let name = ensemble.file.as_ref().and_then(|file| file.file_name());
    let ensemble = EnsembleOptions {
        file: name.map(Into::into),
        ..ensemble.clone()
    };
    let text = format!("{ensemble:#?}\n");
    let (before, rest) = text.split_once("    view: ").unwrap();
    let (_, after) = rest.split_once("\n    role: ").unwrap();
    format!("{before}    role: {after}{}\n", ensemble.view)
}

/// No key that has an effect in an ensemble only is missing from the file of the test above, nor at
/// its default there.
#[test]
fn the_file_of_every_option_names_every_key() {
    let file = include_str!("../../testdata/ensemble.cfg");
    let used = keys::all().filter(|key| key.in_ensemble == Some(keys::Effect::Used));
    // There is one algorithm.
    for key in used.filter(|key| key.name != "electionAlg") {
        let line = file.lines().find_map(|line| line.strip_prefix(key.name));
        let value = line.and_then(|line| line.strip_prefix('='));
        assert!(
            value.is_some_and(|value| value != key.default),
            "{}",
            key.name
        );
    }
}

#[test]
fn what_the_cores_take() {
    let ensemble = member(&format!(
        "{THREE}tickTime=1000\nfastleader.minNotificationInterval=500\n\
         fastleader.maxNotificationInterval=400\nleader.maxTimeToWaitForEpoch=0\n"
    ));
    let zab = ensemble.zab();
    assert_eq!((zab.tick_ms, zab.init_limit, zab.sync_limit), (1000, 5, 2));
    assert_eq!((zab.snap_syncs_max, zab.diff_syncs_max), (10, 100));
    assert_eq!(zab.snapshot_size_factor, Some(0.33));
    assert_eq!(zab.wait_for_epoch_max_ms, Some(0));
    let election = ensemble.election();
    assert_eq!(election.notification_interval_min_ms, 500);
    assert_eq!(election.notification_interval_max_ms, 500);
    assert!(!election.reconfig_enabled);
    assert_eq!(ensemble.connect_budget_ms(), 5000);
    assert_eq!(ensemble.session_id_byte(), 1);
    // The time for an introduction is syncLimit when none is set.
    assert_eq!(ensemble.election_port.introduction_timeout_ms, 2000);
}

#[test]
fn only_the_low_byte_of_a_server_id_gets_into_session_ids() {
    let lines = "server.1=a:1:2\nserver.2=b:1:2\nserver.300=c:1:2\n";
    let ensemble = ZooCfg::member_with_id("300", lines).config().ensemble;
    assert_eq!(ensemble.unwrap().session_id_byte(), 44);
}

#[test]
fn where_observers_are_served() {
    let observer = |lines: &str| member(&format!("{THREE}{lines}")).observer;
    assert_eq!(observer("").master_port, None);
    assert_eq!(observer("observerMasterPort=-1\n").master_port, None);
    assert_eq!(
        observer("observerMasterPort=65535\n").master_port,
        Some(65535)
    );
    let lines = "observerMasterPort=65536\nobserverMaster.sizeLimit=0\n";
    assert_eq!(
        ZooCfg::member(&format!("{THREE}{lines}")).errors(&[]),
        [
            "zoo.cfg:7: observerMasterPort = \"65536\": expected a port up to 65535, or 0 or less for none",
            "zoo.cfg:8: observerMaster.sizeLimit = \"0\": expected at least 1 in an ensemble",
        ]
    );
    // A pause of less than nothing is none, as in Apache.
    let lines = "observer.reconnectDelayMs=-5\n";
    assert_eq!(observer(lines).reconnect_delay_max_ms, 0);
}

#[test]
fn how_much_log_may_be_sent_instead_of_a_snapshot() {
    let factor = |value: &str| {
        let file = ZooCfg::member(&format!("{THREE}snapshotSizeFactor={value}\n"));
        let (config, warnings) = file.load(&[]).unwrap();
        (config.ensemble.unwrap().sync.snapshot_size_factor, warnings)
    };
    assert_eq!(factor("0"), (Some(0.0), Vec::new()));
    assert_eq!(factor("1"), (Some(1.0), Vec::new()));
    assert_eq!(factor("-1"), (None, Vec::new()));
    let (fallen_back, warnings) = factor("1.5");
    assert_eq!(fallen_back, Some(0.33));
    assert_eq!(
        warnings,
        ["zoo.cfg:7: snapshotSizeFactor = \"1.5\": more than 1; the default of 0.33 stays"]
    );
}

#[test]
fn the_log_of_an_observer() {
    let keeps_log = |text: &str| member(&format!("{THREE}{text}")).observer.keeps_log;
    assert!(keeps_log(""));
    assert!(!keeps_log("syncEnabled=false\n"));
    assert!(keeps_log("syncEnabled=false\nobserver.syncEnabled=true\n"));
    assert!(!keeps_log("observer.syncEnabled=false\n"));
}

#[test]
fn sessions_of_one_server_and_reads_without_a_leader() {
    let options = |text: &str| {
        let ensemble = member(&format!("{THREE}{text}"));
        (ensemble.local_sessions, ensemble.read_only_after_ms())
    };
    let (enabled, upgrading) = (
        "localSessionsEnabled=true\n",
        "localSessionsUpgradingEnabled=true\n",
    );
    assert_eq!(options(""), (LocalSessions::Off, None));
    assert_eq!(options(upgrading).0, LocalSessions::Off, "as in Apache");
    assert_eq!(options(enabled).0, LocalSessions::Fixed);
    let both = format!("{enabled}{upgrading}");
    assert_eq!(options(&both).0, LocalSessions::Upgradable);
    let read_only = format!("{enabled}readonlymode.enabled=true\n");
    assert_eq!(options(&format!("{read_only}tickTime=500\n")).1, Some(2000));
    assert_eq!(
        options(&format!("{read_only}tickTime=5000\n")).1,
        Some(5000)
    );
    // To a server on its own they mean nothing.
    let alone = ZooCfg::with(&format!("{both}readonlymode.enabled=true\n"));
    assert_eq!(alone.warnings(&[]), Vec::<String>::new());
    assert_eq!(
        ZooCfg::member(&format!("{THREE}readonlymode.enabled=true\n")).warnings(&[]),
        [
            "zoo.cfg:7: readonlymode.enabled = \"true\": a server without a leader can open no \
             sessions unless localSessionsEnabled is true"
        ]
    );
}
