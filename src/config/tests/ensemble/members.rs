//! Where the members and client ports stand: in the own line, in a file of their own, in a proposed one.

use super::THREE;
use crate::{
    base::ServerId,
    config::{ListenAddress, ListenHost, tests::ZooCfg},
};

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
    let member = ZooCfg::member("server.1=a:1:2;2182\nserver.2=b:1:2;2181\nserver.3=c:1:2\n");
    let alone = ZooCfg::with("server.1=a:2888:3888;2182\n");
    let table = [
        (member, "zoo.cfg:4: server.1 = \"a:1:2;2182\""),
        (alone, "zoo.cfg:3: server.1 = \"a:2888:3888;2182\""),
    ];
    for (file, place) in table {
        let reason = "the client address differs from clientPort and clientPortAddress";
        assert_eq!(file.errors(&[]), [format!("{place}: {reason}")]);
        let (flagged, _) = file.load(&["--client-port", "2183"]).unwrap();
        assert_eq!(flagged.listen.address.as_ref().unwrap().port, 2183);
    }
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
