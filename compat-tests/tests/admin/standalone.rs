//! Every command of a server on its own, and every way to ask wrongly.

use std::collections::BTreeMap;

use compat_tests::{
    calls::{GET_DATA, PERSISTENT, call, create, delete},
    eventually::{PATIENCE, within},
    http,
    server::{Kind, Server, ServerOptions},
    wire::{Body, Client},
};

use super::{AUTHORIZED, busy_session, transcript::Transcript};

fn start(kind: Kind) -> Server {
    let options = ServerOptions::new()
        .admin()
        .config("4lw.commands.whitelist", "*")
        .config("admin.rateLimiterIntervalInMS", 0);
    Server::start(kind, &options)
}

/// OP-096 to OP-103, OP-112, OP-113.
fn commands(kind: Kind) {
    let server = start(kind);
    let admin = server.admin_address();
    let (_client, _) = busy_session(server.address());
    let mut transcript = Transcript::new(kind);
    for command in COMMANDS {
        transcript.get(admin, command);
    }
    transcript.title("aliases");
    for alias in [
        "conf", "config", "cons", "crst", "gtmk", "icfg", "isro", "lsnp", "lead", "orst", "rest",
        "srvr", "stmk", "snap", "stat", "srst", "obsr", "wchc", "wchp", "wchs",
    ] {
        transcript.get(admin, alias);
    }
    transcript.title("methods and paths");
    for (method, path) in [
        ("POST", "/commands"),
        ("POST", "/commands/ruok"),
        ("POST", "/commands/nonsense"),
        ("HEAD", "/commands/ruok"),
        ("TRACE", "/commands/ruok"),
        ("PUT", "/commands/ruok"),
        ("DELETE", "/commands/ruok"),
        ("OPTIONS", "/commands/ruok"),
        ("NONSENSE", "/commands/ruok"),
        ("GET", "/"),
        ("GET", "/commandsruok"),
    ] {
        transcript.ask(admin, method, path, &[]);
    }
    transcript.title("who may");
    for header in [
        "digest",
        "digest a b",
        "nonsense a",
        "world anyone",
        "x509",
        "",
    ] {
        let path = "/commands/snapshot?streaming=false";
        transcript.ask(admin, "GET", path, &[("Authorization", header)]);
    }
    for header in ["digest user:password", "digest nocolon", "ip"] {
        let path = "/commands/snapshot?streaming=false";
        let response = transcript.ask(admin, "GET", path, &[("Authorization", header)]);
        assert!(response.header("last_zxid").unwrap().starts_with("0x"));
        let size = response.header("snapshot_size").unwrap();
        assert!(size.parse::<u64>().unwrap() > 0);
    }
    transcript.ask(admin, "GET", "/commands/restore", &[AUTHORIZED]);
    transcript.ask(admin, "POST", "/commands/snapshot", &[AUTHORIZED]);
    transcript.ask(admin, "POST", "/commands/restore", &[AUTHORIZED]);
    transcript.ask(admin, "POST", "/commands/restore", &[]);
    transcript.assert_is("standalone.txt");
}

/// Every command that is not about the machine, in an order in which one may tell of another.
const COMMANDS: &[&str] = &[
    "",
    "connections",
    "stats",
    "server_stats",
    "configuration",
    "connection_stat_reset",
    "dirs",
    "dump",
    "get_trace_mask",
    "hash",
    "initial_configuration",
    "is_read_only",
    "last_snapshot",
    "leader",
    "observer_connection_stat_reset",
    "observers",
    "restore",
    "ruok",
    "set_trace_mask",
    "set_trace_mask?traceMask=x",
    "set_trace_mask?traceMask=7&traceMask=8",
    "get_trace_mask",
    "snapshot",
    "stat_reset",
    "voting_view",
    "watch_summary",
    "watches",
    "watches_by_path",
    "zabstate",
    "nonsense",
    "ruok/",
    "RUOK",
    "a%20b%22c",
];

/// What depends on the machine and its Java: the names of the fields, and those of our own choosing.
fn of_the_machine(kind: Kind) {
    let server = start(kind);
    let admin = server.admin_address();
    let fields = |command: &str| -> BTreeMap<String, serde_json::Value> {
        let response = http::get(admin, &format!("/commands/{command}"));
        assert_eq!(response.status, 200);
        serde_json::from_slice(&response.body).unwrap()
    };
    let names = |command: &str| -> Vec<String> {
        let response = http::get(admin, &format!("/commands/{command}"));
        let object: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        object.as_object().unwrap().keys().cloned().collect()
    };
    for alias in ["environment", "env", "envi"] {
        assert_eq!(names(alias), ENVIRONMENT);
        assert_eq!(fields(alias)["command"], "environment");
    }
    for alias in ["system_properties", "sysp"] {
        let properties = fields(alias);
        let of_server = properties.keys();
        let of_server: Vec<&str> = of_server
            .map(String::as_str)
            .filter(|name| name.starts_with("zookeeper."))
            .collect();
        assert_eq!(
            of_server,
            [
                "zookeeper.4lw.commands.whitelist",
                "zookeeper.admin.enableServer",
                "zookeeper.admin.rateLimiterIntervalInMS",
                "zookeeper.admin.serverPort",
            ]
        );
        assert_eq!(properties["zookeeper.4lw.commands.whitelist"], "*");
        assert_eq!(properties["os.name"], "Linux");
        assert_eq!(properties["command"], "system_properties");
    }
    for alias in ["monitor", "mntr"] {
        let monitor = fields(alias);
        assert_eq!(monitor["server_state"], "standalone");
        assert_eq!(monitor["znode_count"], 5);
        assert_eq!(monitor["connection_drop_probability"], 0.0);
        assert!(monitor["avg_latency"].is_f64());
        assert!(monitor["uptime"].is_u64());
        assert_eq!(monitor["command"], "monitor");
        for line in server.four_letter_word("mntr").lines() {
            let (key, value) = line.strip_prefix("zk_").unwrap().split_once('\t').unwrap();
            let in_json = &monitor[key];
            let is_number = value.parse::<f64>().is_ok() && key != "version";
            assert_eq!(in_json.is_number(), is_number, "{key}: {value}, {in_json}");
        }
    }
}

/// All that is sent to clients counts, but the answer to the handshake and the length fields.
fn response_sizes(kind: Kind) {
    let server = start(kind);
    let sizes = || {
        let text = server.four_letter_word("mntr");
        ["last", "min", "max"].map(|which| {
            let key = format!("zk_{which}_client_response_size\t");
            let value = text.lines().find_map(|line| line.strip_prefix(&key));
            value.map(|value| value.parse::<i64>().unwrap())
        })
    };
    // Apache's server counts a reply when it is on its way already.
    let expect = |expected: [i64; 3]| {
        let mut seen = [None; 3];
        within(PATIENCE, || {
            seen = sizes();
            (seen == expected.map(Some)).then_some(())
        });
        assert_eq!(seen, expected.map(Some));
    };
    let (mut client, _) = Client::open_session(server.address(), 40_000);
    // Nothing but the handshake.
    expect([-1; 3]);
    create(&mut client, "/node", &[7; 100], PERSISTENT);
    let of_create = HEADER + 4 + 5;
    expect([of_create; 3]);
    let get = Body::new().string("/node").boolean(true);
    assert_eq!(call(&mut client, GET_DATA, &get).error, 0);
    let of_get = HEADER + 4 + 100 + STAT;
    expect([of_get, of_create, of_get]);
    let stats = http::get(server.admin_address(), "/commands/server_stats");
    let stats: serde_json::Value = serde_json::from_slice(&stats.body).unwrap();
    let of_server = &stats["server_stats"]["client_response_stats"];
    for sizes in [of_server, &stats["client_response"]] {
        assert_eq!(sizes["last_buffer_size"], of_get);
        assert_eq!(sizes["min_buffer_size"], of_create);
        assert_eq!(sizes["max_buffer_size"], of_get);
    }
    // The event comes first; the reply is nothing but a header.
    delete(&mut client, "/node");
    expect([HEADER, HEADER, of_get]);
    assert_eq!(server.four_letter_word("srst"), "Server stats reset.\n");
    expect([-1; 3]);
}

/// Bytes of what stands before a reply's body, and of a node's `Stat`.
const HEADER: i64 = 16;
const STAT: i64 = 68;

const ENVIRONMENT: [&str; 20] = [
    "zookeeper.version",
    "host.name",
    "java.version",
    "java.vendor",
    "java.home",
    "java.class.path",
    "java.library.path",
    "java.io.tmpdir",
    "java.compiler",
    "os.name",
    "os.arch",
    "os.version",
    "user.name",
    "user.home",
    "user.dir",
    "os.memory.free",
    "os.memory.max",
    "os.memory.total",
    "command",
    "error",
];

compat_tests::pairs!(commands, of_the_machine, response_sizes);

/// OP-111, a deliberate difference: Apache's server shows them.
#[test]
fn secrets_are_masked() {
    let options = ServerOptions::new()
        .admin()
        .config("DigestAuthenticationProvider.superDigest", "super:hush")
        .property("my.password", "hush");
    let server = Server::start(Kind::Ours, &options);
    for command in ["system_properties", "initial_configuration"] {
        let response = http::get(server.admin_address(), &format!("/commands/{command}"));
        let text = response.text();
        assert!(!text.contains("hush"), "{text}");
        assert!(text.contains("superDigest"), "{text}");
    }
}
