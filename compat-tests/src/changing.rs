//! Servers whose ensemble changes: each keeps its `zoo.cfg`, which it rewrites, over its restarts, and
//! a client asks for the changes. When a test fails, the ends of all logs are shown and the
//! directories stay.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    path::PathBuf,
};

use tempfile::TempDir;

use crate::{
    calls::{self, CREATE, PERSISTENT, Reply, call, create_body},
    ensemble::ENSEMBLE_PATIENCE,
    eventually::eventually,
    maven::announce,
    ports::Ports,
    server::{Kind, Server, ServerOptions, four_letter_word},
    tree,
    wire::{Body, Client, Inbound, Reader},
};

pub const RECONFIG: i32 = 16;
const AUTH: i32 = 100;
const SESSION_TIMEOUT_MS: i32 = 20_000;
/// `super:secret`.
const SUPER_DIGEST: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";
pub const NEW_CONFIG_NO_QUORUM: i32 = -13;
const RECONFIG_IN_PROGRESS: i32 = -14;

/// Servers with their files, by id.
#[derive(Debug)]
pub struct Cluster {
    members: BTreeMap<usize, Member>,
    ports: Ports,
    /// What differs from the usual in everyone's `zoo.cfg`.
    settings: Vec<(&'static str, String)>,
    /// Each has an address of its own, so that all can listen on the same port.
    hosts_apart: bool,
    dir: Option<TempDir>,
}

#[derive(Debug)]
struct Member {
    kind: Kind,
    server: Option<Server>,
    /// What it serves clients on; a change may move it.
    client_port: u16,
}

/// Ids up to this have ports of their own; the places behind it are free for moves.
pub const MEMBERS_MAX: usize = 6;
/// For clients, learners and elections.
const PORTS_PER_PLACE: u16 = 3;
/// Those of the members, two to move to, and one for observers.
const PLACES: u16 = 9;

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    /// No servers yet.
    pub fn new() -> Self {
        Self {
            members: BTreeMap::new(),
            ports: Ports::reserve(PORTS_PER_PLACE * PLACES),
            settings: Vec::new(),
            hosts_apart: false,
            dir: Some(TempDir::new().expect("it is there")),
        }
    }

    pub fn with(mut self, key: &'static str, value: &str) -> Self {
        self.settings.push((key, value.to_owned()));
        self
    }

    /// Observers learn from followers.
    pub fn with_observer_masters(mut self) -> Self {
        self.hosts_apart = true;
        let port = self.ports(usize::from(PLACES) - 1).start;
        self.with("observerMasterPort", &port.to_string())
    }

    /// Servers 1, 2, ... of these kinds as the ensemble; the last one leads.
    pub fn start(kinds: &[Kind]) -> Self {
        Self::new().started(kinds)
    }

    pub fn started(mut self, kinds: &[Kind]) -> Self {
        let lines: Vec<String> = (1..=kinds.len()).map(|id| self.server_line(id)).collect();
        let quorum = kinds.len() / 2 + 1;
        let first = kinds.len() - quorum + 1;
        for id in (first..=kinds.len()).chain(1..first) {
            self.launch(id, kinds[id - 1], &lines);
            if id == kinds.len() {
                self.await_serving(id);
            }
        }
        for id in 1..=kinds.len() {
            self.await_serving(id);
        }
        self
    }

    /// A new server that knows `lines`.
    pub fn launch(&mut self, id: usize, kind: Kind, lines: &[String]) {
        let dir = self.dir(id);
        fs::create_dir_all(dir.join("data")).expect("it is there");
        fs::write(dir.join("data/myid"), id.to_string()).expect("it is there");
        let client_port = self.ports(id - 1).start;
        let mut cfg = format!(
            "tickTime=500\ninitLimit=20\nsyncLimit=6\ndataDir={}\nreconfigEnabled=true\n\
             standaloneEnabled=false\nmaxClientCnxns=0\n4lw.commands.whitelist=*\n\
             admin.enableServer=false\n",
            dir.join("data").display()
        );
        for (key, value) in &self.settings {
            writeln!(cfg, "{key}={value}").expect("a text grows");
        }
        for line in lines {
            writeln!(cfg, "server.{line}").expect("a text grows");
        }
        fs::write(dir.join("zoo.cfg"), cfg).expect("it is there");
        self.members.insert(
            id,
            Member {
                kind,
                server: None,
                client_port,
            },
        );
        self.restart(id);
    }

    pub fn restart(&mut self, id: usize) {
        let dir = self.dir(id);
        let member = &self.members[&id];
        let options = ServerOptions::new()
            .config_file(&dir.join("zoo.cfg"))
            .data_dir(&dir.join("data"))
            .log(&dir.join("log"))
            .client_port(member.client_port)
            .property(
                "zookeeper.DigestAuthenticationProvider.superDigest",
                SUPER_DIGEST,
            );
        let server = Server::spawn(member.kind, &options);
        self.member_mut(id).server = Some(server);
    }

    pub fn kill(&mut self, id: usize) {
        let member = self.member_mut(id);
        member.server.take().expect("it is there").kill();
    }

    /// A change has moved its client port.
    pub fn moved(&mut self, id: usize, client_port: u16) {
        self.member_mut(id).client_port = client_port;
    }

    /// The ports of a place: for clients, learners and elections.
    pub fn ports(&self, place: usize) -> Range<u16> {
        let place = u16::try_from(place).expect("a few places");
        let first = self.ports.port(place * PORTS_PER_PLACE);
        first..first + PORTS_PER_PLACE
    }

    fn member_mut(&mut self, id: usize) -> &mut Member {
        self.members.get_mut(&id).expect("it was launched")
    }

    fn dir(&self, id: usize) -> PathBuf {
        self.dir
            .as_ref()
            .expect("it is there")
            .path()
            .join(id.to_string())
    }

    pub fn file(&self, id: usize, name: &str) -> Option<String> {
        fs::read_to_string(self.dir(id).join(name)).ok()
    }

    /// `N=host:quorum:election:participant;client`, as Apache prints it.
    pub fn server_line(&self, id: usize) -> String {
        self.line(id, id, "participant")
    }

    /// One of each.
    pub fn server_lines(&self, ids: &[usize]) -> Vec<String> {
        ids.iter().map(|id| self.server_line(*id)).collect()
    }

    /// The same with the ports of `at`, and another role.
    pub fn line(&self, id: usize, at: usize, role: &str) -> String {
        self.line_for_clients(id, at, role, self.ports(at - 1).start)
    }

    /// The same, but clients are served where they were.
    pub fn line_of_moved(&self, id: usize, at: usize, role: &str) -> String {
        self.line_for_clients(id, at, role, self.ports(id - 1).start)
    }

    fn line_for_clients(&self, id: usize, at: usize, role: &str, client: u16) -> String {
        let ports = self.ports(at - 1);
        let (quorum, election) = (ports.start + 1, ports.start + 2);
        let host = self.host(id);
        format!("{id}={host}:{quorum}:{election}:{role};{host}:{client}")
    }

    pub fn address(&self, id: usize) -> SocketAddr {
        (self.host(id), self.members[&id].client_port).into()
    }

    fn host(&self, id: usize) -> Ipv4Addr {
        let last = if self.hosts_apart { id } else { 1 };
        Ipv4Addr::new(127, 0, 0, u8::try_from(last).expect("a few members"))
    }

    /// Whom an observer learns from, once it does.
    pub fn await_master(&self, id: usize) -> usize {
        let what = format!("observer {id} tells its master");
        eventually(&what, ENSEMBLE_PATIENCE, || {
            let answer = four_letter_word(self.address(id), "mntr").ok()?;
            let mut values = answer.lines().filter_map(|line| line.split_once('\t'));
            let (_, master) = values.find(|(key, _)| *key == "zk_observer_master_id")?;
            master.parse().ok()
        })
    }

    pub fn mode(&self, id: usize) -> Option<String> {
        let answer = four_letter_word(self.address(id), "srvr").ok()?;
        let line = answer
            .lines()
            .find_map(|line| line.strip_prefix("Mode: "))?;
        Some(line.to_owned())
    }

    pub fn await_serving(&mut self, id: usize) -> String {
        let what = format!("server {id} ({}) serves", self.members[&id].kind);
        eventually(&what, ENSEMBLE_PATIENCE, || self.mode(id))
    }

    pub fn await_mode(&self, id: usize, mode: &str) {
        let what = format!("server {id} ({}) is a {mode}", self.members[&id].kind);
        eventually(&what, ENSEMBLE_PATIENCE, || {
            (self.mode(id).as_deref() == Some(mode)).then_some(())
        });
    }

    pub fn leader(&self) -> usize {
        eventually("one server leads", ENSEMBLE_PATIENCE, || {
            let mut leaders = self
                .members
                .keys()
                .copied()
                .filter(|id| self.mode(*id).as_deref() == Some("leader"));
            let leader = leaders.next()?;
            leaders.next().is_none().then_some(leader)
        })
    }

    /// A client with all rights, at a server that serves.
    pub fn admin(&self, id: usize) -> Client {
        let mut client = self.client(id);
        let body = Body::new().int(0).string("digest").buffer(b"super:secret");
        client.request(-4, AUTH, &body);
        let reply = client.frame("an answer to auth");
        let (_, _, error) = calls::header(&mut Reader::new(&reply));
        assert_eq!(error, 0, "the super user is known");
        client
    }

    pub fn client(&self, id: usize) -> Client {
        eventually("a server takes a client", ENSEMBLE_PATIENCE, || {
            let address = self.address(id);
            let client =
                std::panic::catch_unwind(|| Client::open_session(address, SESSION_TIMEOUT_MS).0);
            client.ok()
        })
    }

    /// Asks for it at a server until it is done: a joiner may not be up to date yet.
    pub fn reconfigure(&self, at: usize, change: &Change) -> String {
        eventually("the members are changed", ENSEMBLE_PATIENCE, || {
            let mut client = self.admin(at);
            client.request(1, RECONFIG, &change.body());
            // The leader may go with the change, and its clients' connections with it.
            let Inbound::Frame(reply) = client.read_frame() else {
                return self.has(change);
            };
            let mut reader = Reader::new(&reply);
            let (_, _, error) = calls::header(&mut reader);
            match error {
                0 => reader.string().flatten(),
                NEW_CONFIG_NO_QUORUM | RECONFIG_IN_PROGRESS => None,
                other => panic!("{change:?} is refused with {other}"),
            }
        })
    }

    /// What the servers have by now, if it is what was asked for.
    fn has(&self, change: &Change) -> Option<String> {
        self.members.keys().find_map(|id| {
            self.mode(*id)?;
            let config = config(&mut self.client(*id));
            let joined = change
                .joining
                .iter()
                .all(|line| config.contains(&format!("server.{line}")));
            let left = change
                .leaving
                .iter()
                .all(|id| !config.contains(&format!("server.{id}=")));
            (joined && left).then_some(config)
        })
    }

    /// Every one of these shows the same configuration with these servers, and wrote it down.
    pub fn await_config(&mut self, on: &[usize], lines: &[String]) -> String {
        let mut found = None;
        for id in on {
            self.await_serving(*id);
            let what = format!("server {id} knows the members {lines:?}");
            let text = eventually(&what, ENSEMBLE_PATIENCE, || {
                self.mode(*id)?;
                let text = config(&mut self.client(*id));
                let servers: Vec<String> = text
                    .lines()
                    .filter_map(|line| Some(line.strip_prefix("server.")?.to_owned()))
                    .collect();
                (servers == lines).then_some(text)
            });
            let first = found.get_or_insert_with(|| text.clone());
            assert_eq!(*first, text, "on server {id}");
            let version = version_of(&text).to_owned();
            eventually(
                &format!("server {id} has written it"),
                ENSEMBLE_PATIENCE,
                || {
                    let cfg = self.file(*id, "zoo.cfg")?;
                    let named = cfg
                        .lines()
                        .find_map(|line| line.strip_prefix("dynamicConfigFile="))?;
                    let is_named = named.ends_with(&format!(".dynamic.{version}"));
                    (is_named && !self.has_change_pending(*id, &version)).then_some(())
                },
            );
            let mut sorted: Vec<String> =
                lines.iter().map(|line| format!("server.{line}")).collect();
            sorted.sort();
            let written = self.file(*id, &format!("zoo.cfg.dynamic.{version}"));
            assert_eq!(written.expect("it is there"), sorted.join("\n"));
        }
        found.expect("it is there")
    }

    /// Whether the server has written down a change that is not in force. Apache's leaves one behind that
    /// is, when it hears of it in the election first and of the proposal then.
    fn has_change_pending(&self, id: usize, in_force: &str) -> bool {
        let next = self.file(id, "zoo.cfg.dynamic.next");
        let is_apache = self.members[&id].kind == Kind::Apache;
        let repeats = |next: &str| is_apache && version_of(next) == in_force;
        next.is_some_and(|next| !repeats(&next))
    }

    /// Writes at one server, and reads it at all of these.
    pub fn expect_writes(&self, on: &[usize]) {
        let mut client = self.client(on[0]);
        let path = format!("/w{}", tree::dump(self.address(on[0]), "/").len());
        let reply = call(&mut client, CREATE, &create_body(&path, b"x", PERSISTENT));
        assert_eq!(reply.error, 0);
        for id in on {
            let mut client = self.client(*id);
            calls::sync(&mut client, "/");
            assert!(calls::exists(&mut client, &path), "{path} on server {id}");
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for id in self.members.keys() {
                let log = self.file(*id, "log").unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = lines.len().saturating_sub(60);
                announce(&format!(
                    "the end of the log of server {id}:\n{}",
                    lines[tail..].join("\n")
                ));
            }
            if let Some(dir) = self.dir.take() {
                announce(&format!("logs and data stay in {}", dir.keep().display()));
            }
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub joining: Vec<String>,
    pub leaving: Vec<usize>,
    /// All members at once.
    pub all: Option<String>,
    /// The version that is to be changed; any.
    pub version: Option<i64>,
}

impl Change {
    pub fn join(lines: &[String]) -> Self {
        Self {
            joining: lines.to_vec(),
            ..Self::default()
        }
    }

    pub fn leave(ids: &[usize]) -> Self {
        Self {
            leaving: ids.to_vec(),
            ..Self::default()
        }
    }

    pub fn all(lines: &[String]) -> Self {
        let lines: Vec<String> = lines.iter().map(|line| format!("server.{line}")).collect();
        Self {
            all: Some(lines.join(",")),
            ..Self::default()
        }
    }

    /// The body of the request.
    pub fn body(&self) -> Body {
        let joining: Vec<String> = self
            .joining
            .iter()
            .map(|line| format!("server.{line}"))
            .collect();
        let leaving: Vec<String> = self.leaving.iter().map(ToString::to_string).collect();
        let text = |body: Body, texts: &[String]| match texts {
            [] => body.null(),
            texts => body.string(&texts.join(",")),
        };
        let body = text(Body::new(), &joining);
        let body = text(body, &leaving);
        let body = match &self.all {
            None => body.null(),
            Some(all) => body.string(all),
        };
        body.long(self.version.unwrap_or(-1))
    }
}

pub fn reconfig(client: &mut Client, change: &Change) -> Reply {
    call(client, RECONFIG, &change.body())
}

/// The data of `/zookeeper/config`, whose version is always -1.
pub fn config(client: &mut Client) -> String {
    let body = Body::new().string("/zookeeper/config").boolean(false);
    let reply = call(client, calls::GET_DATA, &body);
    assert_eq!(reply.error, 0);
    let mut reader = Reader::new(&reply.body);
    let text = reader.string().flatten().expect("it is there");
    reader.raw(8).expect("it is there");
    let mzxid = reader.long().expect("it is there");
    reader.raw(16).expect("it is there");
    assert_eq!(reader.int(), Some(-1), "the version of the data");
    assert_eq!(
        format!("{mzxid:x}"),
        version_of(&text),
        "mzxid is the version"
    );
    text
}

pub fn version_of(config: &str) -> &str {
    config
        .lines()
        .find_map(|line| line.strip_prefix("version="))
        .expect("it is there")
}
