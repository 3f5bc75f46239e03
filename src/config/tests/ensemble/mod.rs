//! When a server is one of an ensemble, as what, and what is wrong with a description of one, in the very
//! words.

mod members;
mod options;

use std::fs;

use crate::{
    base::ServerId,
    config::{EnsembleOptions, tests::ZooCfg},
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
