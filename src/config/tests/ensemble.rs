//! When a server is one of an ensemble, what it knows then, and what is wrong with a description of
//! one, in the very words.

use std::fs;

use super::{ZooCfg, options::golden};
use crate::{
    base::ServerId,
    config::{EnsembleOptions, ListenAddress, ListenHost, keys},
    peer::LocalSessions,
    quorum::Role,
};

const THREE: &str = "server.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888\n";

fn member(text: &str) -> EnsembleOptions {
    ZooCfg::member(text).config().ensemble.unwrap()
}

#[test]
fn several_participants_are_an_ensemble() {
    let file = ZooCfg::member(THREE);
    let (config, warnings) = file.load(&[]).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    let ensemble = config.ensemble.unwrap();
    assert_eq!(
        (ensemble.me, ensemble.role),
        (ServerId(1), Role::Participant)
    );
    assert_eq!(
        ensemble.view.to_string(),
        "server.1=a:2888:3888:participant\nserver.2=b:2888:3888:participant\n\
         server.3=c:2888:3888:participant\nversion=0"
    );
    assert_eq!(config.listen.address.as_ref().unwrap().port, 2181);
    let own = &ensemble.view.members()[&ServerId(1)];
    assert_eq!(own.client.as_ref().unwrap().to_string(), "0.0.0.0:2181");
    assert!(own.client_from_static);
}

#[test]
fn one_participant_is_a_server_of_its_own_unless_standalone_is_off() {
    // Neither myid nor the limits matter to a server of its own.
    let alone = ZooCfg::whole("dataDir=/data\nserver.5=a:2888:3888;2181\n");
    assert!(alone.config().ensemble.is_none());
    assert!(ZooCfg::with("").config().ensemble.is_none());
    let one = ZooCfg::member("standaloneEnabled=false\nserver.1=a:2888:3888\n");
    let (config, warnings) = one.load(&[]).unwrap();
    assert_eq!(config.ensemble.unwrap().view.voters().len(), 1);
    assert_eq!(
        warnings,
        ["zoo.cfg:5: No server failure will be tolerated. You need at least 3 servers."]
    );
    let observed = "standaloneEnabled=false\nserver.1=a:2888:3888\nserver.2=b:2888:3888:observer\n";
    assert_eq!(member(observed).view.members().len(), 2);
}

#[test]
fn the_options_by_default() {
    let ensemble = member(THREE);
    golden("ensemble_defaults.txt", &shown(&ensemble));
}

#[test]
fn every_option_can_be_set() {
    let file = ZooCfg::whole(include_bytes!("../testdata/ensemble.cfg"));
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
    let file = include_str!("../testdata/ensemble.cfg");
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
fn the_client_port_is_that_of_the_own_line() {
    let port = |text: &str| {
        let config = ZooCfg::member(text).config();
        let member = config.ensemble.unwrap().view.members()[&ServerId(1)].to_string();
        (
            config.listen.address.clone().unwrap().host,
            config.listen.address.as_ref().unwrap().port,
            member,
        )
    };
    let others = "server.2=b:1:2;2182\nserver.3=c:1:2\n";
    assert_eq!(
        port(&format!("server.1=a:1:2;2181\n{others}")),
        (
            ListenHost::All,
            2181,
            "a:1:2:participant;0.0.0.0:2181".to_owned()
        )
    );
    let ip = ListenHost::Ip("127.0.0.1".parse().unwrap());
    assert_eq!(
        port(&format!("server.1=a:1:2;127.0.0.1:2181\n{others}")),
        (
            ip.clone(),
            2181,
            "a:1:2:participant;127.0.0.1:2181".to_owned()
        )
    );
    assert_eq!(
        port(&format!(
            "clientPortAddress=127.0.0.1\nserver.1=a:1:2\n{others}"
        )),
        (ip, 2181, "a:1:2:participant".to_owned())
    );
}

#[test]
fn the_client_part_of_the_only_line() {
    let ip = |text: &str| ListenHost::Ip(text.parse().unwrap());
    let name = |name: &str| ListenHost::Name(name.to_owned());
    let table = [
        ("localhost:2888:3888;2181", ListenHost::All),
        ("h:2888:3888:participant;2181", ListenHost::All),
        ("h:2888:3888;10.0.0.1:2181", ip("10.0.0.1")),
        ("h:2888:3888;zk-1.example_x:2181", name("zk-1.example_x")),
        ("[::1]:2888:3888;[::1]:2181", ip("::1")),
        ("[::1]:2888:3888;[::]:2181", ListenHost::All),
        ("h:2888:3888;0.0.0.0:2181", ListenHost::All),
        ("h:2888:3888;2181;", ListenHost::All),
    ];
    for (line, host) in table {
        let config = ZooCfg::whole(format!("dataDir=/data\nserver.1={line}\n")).config();
        let address = ListenAddress { host, port: 2181 };
        assert_eq!(config.listen.address, Some(address), "of {line}");
    }
    for line in ["h:2888:3888", "h:2888:3888;", "h:2888:3888;;"] {
        let file = ZooCfg::whole(format!("dataDir=/data\nserver.1={line}\n"));
        assert_eq!(
            file.errors(&[]),
            ["zoo.cfg: clientPort is not set: no client could connect"]
        );
    }
}

#[test]
fn a_client_port_that_the_own_line_contradicts() {
    let differs = ZooCfg::member("server.1=a:1:2;2182\nserver.2=b:1:2;2181\nserver.3=c:1:2\n");
    assert_eq!(
        differs.errors(&[]),
        ["zoo.cfg:4: server.1 = \"a:1:2;2182\": \
          the client address differs from clientPort and clientPortAddress"]
    );
    let (flagged, _) = differs.load(&["--client-port", "2183"]).unwrap();
    assert_eq!(flagged.listen.address.as_ref().unwrap().port, 2183);
    let alone = ZooCfg::with("server.1=a:2888:3888;2182\n");
    assert_eq!(
        alone.errors(&[]),
        ["zoo.cfg:3: server.1 = \"a:2888:3888;2182\": \
          the client address differs from clientPort and clientPortAddress"]
    );
    let (flagged, _) = alone.load(&["--client-port", "2183"]).unwrap();
    assert_eq!(flagged.listen.address.as_ref().unwrap().port, 2183);
    let address = ZooCfg::member(&format!(
        "clientPortAddress=127.0.0.1\n{}",
        THREE.replacen("3888", "3888;2181", 1)
    ));
    assert_eq!(address.errors(&[]).len(), 1);
    let nowhere = ZooCfg::whole(format!("initLimit=5\nsyncLimit=2\n{THREE}"));
    nowhere.live_here("1\n");
    assert_eq!(
        nowhere.errors(&[]),
        ["zoo.cfg: clientPort is not set: no client could connect"]
    );
}

#[test]
fn the_number_of_this_server() {
    let errors = |id: &str| ZooCfg::member_with_id(id, THREE).errors(&[]);
    let table = [
        ("", "myid:1: serverid \"\" is not a number"),
        ("one\n", "myid:1: serverid \"one\" is not a number"),
        ("1 \n", "myid:1: serverid \"1 \" is not a number"),
        ("\n1\n", "myid:1: serverid \"\" is not a number"),
        (
            "-1\n",
            "myid:1: serverid -1 cannot be taken; expected 0 or more",
        ),
        (
            "4\n",
            "myid:1: serverid 4 is not among the server lines, which have 1, 2, 3",
        ),
        (
            "9223372036854775807\n",
            "myid:1: serverid 9223372036854775807 cannot be taken; expected 0 or more",
        ),
        (
            "9223372036854775808\n",
            "myid:1: serverid \"9223372036854775808\" is not a number",
        ),
    ];
    for (id, expected) in table {
        assert_eq!(errors(id), [expected], "of {id:?}");
    }
    for id in ["2", "2\n", "2\r\n", "2\nthe second one\n", "+2", "02"] {
        let file = ZooCfg::member_with_id(id, THREE);
        assert_eq!(file.config().ensemble.unwrap().me, ServerId(2), "of {id:?}");
    }
    let missing = ZooCfg::member(THREE);
    fs::remove_file(missing.dir.path().join("myid")).unwrap();
    assert_eq!(
        missing.errors(&[]),
        ["myid: myid file is missing; it holds the number of this server"]
    );
    fs::create_dir(missing.dir.path().join("myid")).unwrap();
    let [error] = <[String; 1]>::try_from(missing.errors(&[])).unwrap();
    assert!(error.starts_with("myid: cannot be read: "), "{error}");
}

#[test]
fn a_server_whose_nodes_may_have_a_time_to_live_has_a_small_number() {
    let lines = "server.1=a:1:2\nserver.2=b:1:2\nserver.255=c:1:2\n";
    let extended = ZooCfg::member_with_id("255\n", &format!("{lines}extendedTypesEnabled=true\n"));
    assert_eq!(
        extended.errors(&[]),
        [
            "myid:1: serverid 255 is too large: extendedTypesEnabled is true, \
          which leaves room for numbers up to 254"
        ]
    );
    let plain = ZooCfg::member_with_id("255\n", lines);
    assert_eq!(plain.config().ensemble.unwrap().me, ServerId(255));
}

#[test]
fn the_role_is_that_of_the_own_line() {
    let lines = "server.1=a:1:2:observer\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2\n";
    assert_eq!(member(lines).role, Role::Observer);
    assert_eq!(
        ZooCfg::member(&format!("{lines}peerType=observer\n")).warnings(&[]),
        Vec::<String>::new()
    );
    let says_otherwise = ZooCfg::member(&format!("{lines}peerType=participant\n"));
    let (config, warnings) = says_otherwise.load(&[]).unwrap();
    assert_eq!(config.ensemble.unwrap().role, Role::Observer);
    assert_eq!(
        warnings,
        ["zoo.cfg:8: peerType = \"participant\": \
          does not match the line server.1, which says observer and counts"]
    );
    // Nobody to observe.
    let alone = ZooCfg::with("peerType=observer\n").warnings(&[]);
    assert_eq!(
        alone,
        ["zoo.cfg:3: peerType = \"observer\": ignored: a standalone server has no peers"]
    );
}

#[test]
fn numbers_of_servers_that_gain_nothing() {
    let two = ZooCfg::member("server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer\n");
    assert_eq!(
        two.warnings(&[]),
        ["zoo.cfg:4: No server failure will be tolerated. You need at least 3 servers."]
    );
    let four = ZooCfg::member(&format!("{THREE}server.4=d:1:2\n"));
    assert_eq!(
        four.warnings(&[]),
        ["zoo.cfg:4: Non-optimal configuration, consider an odd number of servers."]
    );
}

#[test]
fn all_that_is_wrong_with_an_ensemble_is_reported_at_once() {
    let file = ZooCfg::whole(
        "clientPort=2181\nserver.1=a:2888\nserver.2=b:2888:3888\nsyncLimit=0\ngroup.1=1;2\n\
         weight.1=-1\nserver.x=c:2888:3888\nserver.3=d:2888:2888\nserver.4=d:2888:3888:leader\n\
         server.02=e:2888:3888\nelectionAlg=0\ncnxTimeout=0\nsslQuorum=true\n\
         leader.maxConcurrentSnapSyncs=0\nelectionPortBindRetry=-1\n",
    );
    file.live_here("-2\n");
    let rejection = file.load(&[]).unwrap_err();
    assert_eq!(
        file.shorten(&rejection.to_string()),
        "warning: zoo.cfg:15: electionPortBindRetry = \"-1\": less than 0; the default of 3 stays
error: myid:1: serverid -2 cannot be taken; expected 0 or more
error: zoo.cfg: initLimit is not set, and an ensemble needs it
error: zoo.cfg:2: server.1 = \"a:2888\": expected host:port:port[:role][|host:port:port[:role]...][;[host:]port]
error: zoo.cfg:3: server.2 = \"b:2888:3888\": the same as server.02; one of the two must go
error: zoo.cfg:4: syncLimit = \"0\": expected a whole number of ticks, at least 1
error: zoo.cfg:5: group.1 = \"1;2\": expected numbers of servers with colons between them
error: zoo.cfg:6: weight.1 = \"-1\": expected a whole number, at least 0
error: zoo.cfg:7: server.x = \"c:2888:3888\": expected a number after \"server.\"
error: zoo.cfg:8: server.3 = \"d:2888:2888\": the quorum port and the election port are both 2888, they must differ
error: zoo.cfg:9: server.4 = \"d:2888:3888:leader\": expected the role participant or observer, found \"leader\"
error: zoo.cfg:11: electionAlg = \"0\": expected \"3\"
error: zoo.cfg:12: cnxTimeout = \"0\": expected at least 1 in an ensemble
error: zoo.cfg:13: sslQuorum = \"true\": a server with TLS needs ssl.quorum.keyStore.location
error: zoo.cfg:14: leader.maxConcurrentSnapSyncs = \"0\": expected at least 1 in an ensemble
"
    );
}

#[test]
fn lines_that_make_no_ensemble() {
    let table = [
        (
            "server.1=a:1:2:observer\n",
            "zoo.cfg:4: server.1 = \"a:1:2:observer\": \
             Observers w/o participants is an invalid configuration",
        ),
        (
            "server.1=a:1:2:observer\nserver.2=b:1:2:observer\n",
            "zoo.cfg:4: server.1 = \"a:1:2:observer\": \
             Observers w/o participants is an invalid configuration",
        ),
        (
            "server.1=a:1:2\nserver.2=b:1:2:observer\n",
            "zoo.cfg:4: server.1 = \"a:1:2\": Observers w/o quorum is an invalid configuration; \
             with standaloneEnabled=false one participant may have observers",
        ),
        (
            "standaloneEnabled=false\n",
            "zoo.cfg:4: standaloneEnabled = \"false\": \
             standaloneEnabled = false then number of participants should be >0",
        ),
        (
            "standaloneEnabled=false\nserver.1=a:1:2:observer\n",
            "zoo.cfg:5: server.1 = \"a:1:2:observer\": \
             standaloneEnabled = false then number of participants should be >0",
        ),
        (
            "group.1=1\n",
            "zoo.cfg:4: group.1 = \"1\": there are no server lines that this could be about",
        ),
        (
            "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1\n",
            "zoo.cfg:6: group.1 = \"1\": server 2 is in no group",
        ),
        (
            "server.1=a:1:2\nserver.2=b:1:2\nweight.1=1\n",
            "zoo.cfg:6: weight.1 = \"1\": server 1 is in no group",
        ),
        (
            "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2\ngroup.2=2\n",
            "zoo.cfg:6: group.1 = \"1:2\": server 2 is in two groups",
        ),
        (
            "server.1=a:1:2|b:1:2\nserver.2=c:1:2\n",
            "zoo.cfg:4: server.1 = \"a:1:2|b:1:2\": \
             several addresses of one server need multiAddress.enabled=true",
        ),
        (
            "server.1=a:1:2;2181;2281\nserver.2=b:1:2\n",
            "zoo.cfg:4: server.1 = \"a:1:2;2181;2281\": a port for TLS is not part of such a line in 3.9; expected secureClientPort in zoo.cfg",
        ),
        (
            "server.1=a:1:2;;2281\n",
            "zoo.cfg:4: server.1 = \"a:1:2;;2281\": a port for TLS is not part of such a line in 3.9; expected secureClientPort in zoo.cfg",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(ZooCfg::member(text).errors(&[]), [expected], "of {text:?}");
    }
}

#[test]
fn the_limits_are_needed() {
    let file = ZooCfg::whole(format!("clientPort=2181\n{THREE}"));
    file.live_here("1\n");
    assert_eq!(
        file.errors(&[]),
        [
            "zoo.cfg: initLimit is not set, and an ensemble needs it",
            "zoo.cfg: syncLimit is not set, and an ensemble needs it"
        ]
    );
    let odd = ZooCfg::member(&format!("{THREE}initLimit=-1\nsyncLimit=x\n"));
    assert_eq!(
        odd.errors(&[]),
        [
            "zoo.cfg:7: initLimit = \"-1\": expected a whole number of ticks, at least 1",
            "zoo.cfg:8: syncLimit = \"x\": expected a whole number of ticks"
        ]
    );
}

/// What a standalone server has no use for and takes without a word, an ensemble would miss.
#[test]
fn what_an_ensemble_cannot_have_yet_is_refused() {
    let table = [(
        "oraclePath=/oracle",
        "an oracle is not supported by this version",
    )];
    for (line, reason) in table {
        let (key, value) = line.split_once('=').unwrap();
        let errors = ZooCfg::member(&format!("{THREE}{line}\n")).errors(&[]);
        assert_eq!(
            errors,
            [format!("zoo.cfg:7: {key} = \"{value}\": {reason}")]
        );
        assert_eq!(
            ZooCfg::with(&format!("{line}\n")).warnings(&[]),
            Vec::<String>::new()
        );
    }
    let inert = "localSessionsEnabled=false\nobserverMasterPort=0\nsslQuorum=false\noraclePath=\n\
        readonlymode.enabled=false\nreconfigEnabled=false\nleader.nodelay=true\nfollower.nodelay=false\n";
    let warnings = ZooCfg::member(&format!("{THREE}{inert}")).warnings(&[]);
    assert_eq!(warnings, Vec::<String>::new());
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

#[test]
fn the_members_may_stand_in_a_file_of_their_own() {
    let file = ZooCfg::member("");
    let path = file.dir.path().join("zoo.cfg.dynamic.1a");
    file.append(&format!("dynamicConfigFile={}\n", path.display()));
    file.write(
        "zoo.cfg.dynamic.1a",
        "# the members\nserver.1=a:1:2;2181\n server.2 = b:1:2\nserver.2=c:1:2\nserver.3=d:1:2\n",
    );
    let (config, warnings) = file.load(&[]).unwrap();
    assert_eq!(
        config.ensemble.unwrap().view.to_string(),
        "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=c:1:2:participant\n\
         server.3=d:1:2:participant\nversion=1a"
    );
    assert_eq!(
        warnings,
        ["zoo.cfg.dynamic.1a:3: server.2: also set on line 4, which counts"]
    );
    // One server there is a standalone one, as one here would be.
    file.write("zoo.cfg.dynamic.1a", "server.1=a:1:2;2181\n");
    assert!(file.config().ensemble.is_none());
}

#[test]
fn what_is_wrong_with_a_file_of_members() {
    let file = ZooCfg::member("server.1=a:1:2\nweight.1=1\n");
    let path = file.dir.path().join("members");
    file.append(&format!("dynamicConfigFile={}\n", path.display()));
    let shown = |errors: Vec<String>| errors.join("\n");
    let mixed = "zoo.cfg:4: server.1 = \"a:1:2\": parameter: server.1 must be in a separate dynamic \
        config file, since dynamicConfigFile names one\n\
        zoo.cfg:5: weight.1 = \"1\": parameter: weight.1 must be in a separate dynamic config file, \
        since dynamicConfigFile names one";
    file.write("members", THREE);
    assert_eq!(shown(file.errors(&[])), mixed);

    let file = ZooCfg::member("");
    let path = file.dir.path().join("members");
    file.append(&format!("dynamicConfigFile={}\n", path.display()));
    let [absent] = <[String; 1]>::try_from(file.errors(&[])).unwrap();
    assert!(
        absent.starts_with("zoo.cfg:5: dynamicConfigFile = ")
            && absent.contains(": cannot be read: No such file"),
        "{absent}"
    );
    file.write(
        "members",
        "version=5\nserver.1=a:1:2\nclientPort=2181\nserver.2=b:x:2\n\\u00=1\n",
    );
    assert_eq!(
        shown(file.errors(&[])),
        "members:1: version = \"5\": dynamic file shouldn't have version inside; its name ends with it\n\
         members:3: clientPort = \"2181\": Unrecognised parameter: a dynamic file has server, group \
         and weight lines\n\
         members:4: server.2 = \"b:x:2\": expected a port from 0 to 65535, found \"x\"\n\
         members:5: expected four hexadecimal digits after \\u in \"\\\\u00=1\""
    );
    let empty = ZooCfg::with("dynamicConfigFile=\n");
    assert_eq!(
        empty.errors(&[]),
        ["zoo.cfg:3: dynamicConfigFile = \"\": expected a path"]
    );
}

const NEXT: &str = "server.1=a:2888:3888:participant;0.0.0.0:2181\n\
    server.2=b:2888:3888:participant\nserver.4=d:2888:3888:participant\nversion=300000007";

/// A member whose lines stand in a file of their own, named by its version.
fn dynamic_member(settings: &str) -> ZooCfg {
    let file = ZooCfg::member(settings);
    file.write("zoo.cfg.dynamic.200000001", THREE);
    let path = file.dir.path().join("zoo.cfg.dynamic.200000001");
    file.append(&format!("dynamicConfigFile={}\n", path.display()));
    file
}

#[test]
fn a_proposed_configuration_is_read_back_qp_127_qp_138() {
    let file = dynamic_member("reconfigEnabled=true\n");
    let ensemble = file.config().ensemble.unwrap();
    assert_eq!(ensemble.view.version().0, 0x2_0000_0001);
    assert!(ensemble.reconfig_enabled && !ensemble.is_inline);
    assert_eq!(ensemble.file, Some(file.path()));
    assert_eq!(ensemble.last_seen, None);
    file.write("zoo.cfg.dynamic.next", NEXT);
    let ensemble = file.config().ensemble.unwrap();
    assert_eq!(ensemble.last_seen.unwrap().to_string(), NEXT);
    assert!(
        ensemble.view.members().len() == 3,
        "what is committed stays"
    );
}

#[test]
fn a_proposed_configuration_means_nothing_where_members_do_not_change_qp_136() {
    for settings in ["", "reconfigEnabled=false\n"] {
        let file = dynamic_member(settings);
        file.write("zoo.cfg.dynamic.next", "nonsense=1");
        let ensemble = file.config().ensemble.unwrap();
        assert_eq!(ensemble.last_seen, None);
        assert!(!ensemble.reconfig_enabled && !ensemble.election().reconfig_enabled);
        assert!(!ensemble.zab().reconfig_enabled);
    }
    // Nor beside a zoo.cfg that has the members itself, as with Apache's.
    let inline = ZooCfg::member(&format!("{THREE}reconfigEnabled=true\n"));
    inline.write("zoo.cfg.dynamic.next", NEXT);
    let ensemble = inline.config().ensemble.unwrap();
    assert_eq!(ensemble.last_seen, None);
    assert!(ensemble.is_inline && ensemble.zab().reconfig_enabled);
}

#[test]
fn a_proposed_configuration_that_cannot_be_read_stops_the_start() {
    let file = dynamic_member("reconfigEnabled=true\n");
    let broken = [
        (
            "nonsense=1",
            "zoo.cfg.dynamic.next:1: a configuration has no key \"nonsense\"",
        ),
        (
            "version=1",
            "zoo.cfg.dynamic.next: no server is a participant",
        ),
        (
            "server.1=a:1:2\nserver.2=b:1",
            "zoo.cfg.dynamic.next:2: server.2: expected host:port:port[:role]\
             [|host:port:port[:role]...][;[host:]port], found \"b:1\"",
        ),
    ];
    for (text, error) in broken {
        file.write("zoo.cfg.dynamic.next", text);
        assert_eq!(file.errors(&[]), [error]);
    }
}
