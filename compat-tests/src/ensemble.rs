//! Several servers, of any kinds, as one ensemble.
//!
//! Members are numbered from 0 and have the server ids 1, 2, ...; observers come after the voters. A
//! member keeps its data directory, its log and its three ports for the life of the [`Ensemble`], so it
//! can be killed, stopped, paused, and come back as the same kind of server or as another. When a test
//! fails, the ends of all logs are shown and the directories stay.

use std::{
    collections::BTreeMap,
    env,
    fmt::Display,
    fs,
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    eventually::eventually,
    maven::{announce, apache_or_skip},
    network::Network,
    ports::Ports,
    server::{Kind, Server, ServerOptions, four_letter_word},
    wire::Session,
};

/// An election among JVMs that start together on two busy cores.
pub const ENSEMBLE_PATIENCE: Duration = Duration::from_secs(120);
/// What a member listens on, counted among its own ports.
const CLIENT: u16 = 0;
const QUORUM: u16 = 1;
const ELECTION: u16 = 2;
const PORTS_PER_MEMBER: u16 = 3;
/// How much of each log a failed test shows.
const LOG_TAIL_LINES: usize = 40;

/// Whether members of these kinds can run on this machine; says on the terminal why `test` is skipped if
/// not. With `GAMEKEEPER_REQUIRE_JAVA=1` there is no skipping.
pub fn can_run_or_skip(test: &str, kinds: &[Kind]) -> bool {
    !kinds.iter().any(|kind| kind.is_apache()) || apache_or_skip(test).is_some()
}

/// How often a test does what it does over and over: `GAMEKEEPER_ROUNDS`, or a number that is quick.
pub fn rounds(quick: usize) -> usize {
    env::var("GAMEKEEPER_ROUNDS").map_or(quick, |rounds| {
        rounds.parse().expect("GAMEKEEPER_ROUNDS is a number")
    })
}

/// What the members of an ensemble have in common. Defaults: ticks of 500 ms, ten seconds for a start
/// and three for a silence.
#[derive(Debug, Clone)]
pub struct EnsembleOptions {
    server: ServerOptions,
    observers: usize,
    network: Option<Network>,
    observer_masters: bool,
    lines: BTreeMap<usize, String>,
    /// Further lines of single members' `zoo.cfg`.
    own: Vec<(usize, String, String)>,
    data_dirs: Vec<(usize, PathBuf)>,
}

impl Default for EnsembleOptions {
    fn default() -> Self {
        let server = ServerOptions::new()
            .config("tickTime", 500)
            .config("initLimit", 20)
            .config("syncLimit", 6)
            .config("maxClientCnxns", 0)
            .config("4lw.commands.whitelist", "*")
            .config("maxSessionTimeout", 60_000);
        Self {
            server,
            observers: 0,
            network: None,
            observer_masters: false,
            lines: BTreeMap::new(),
            own: Vec::new(),
            data_dirs: Vec::new(),
        }
    }
}

impl EnsembleOptions {
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of every member's `zoo.cfg`; the last one for a key wins.
    #[must_use]
    pub fn config(mut self, key: &str, value: impl Display) -> Self {
        self.server = self.server.config(key, value);
        self
    }

    /// A `-D` property of every member.
    #[must_use]
    pub fn property(mut self, key: &str, value: impl Display) -> Self {
        self.server = self.server.property(key, value);
        self
    }

    /// Every member has an AdminServer.
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.server = self.server.admin();
        self
    }

    /// How many of the last members are observers.
    #[must_use]
    pub fn observers(mut self, count: usize) -> Self {
        self.observers = count;
        self
    }

    /// Put each member on a host of this network.
    #[must_use]
    pub fn network(mut self, network: &Network) -> Self {
        self.network = Some(network.clone());
        self
    }

    /// Have observers learn from followers. Each member has a loopback address of its own then, as all
    /// of them listen on the same port for that.
    #[must_use]
    pub fn observer_masters(mut self) -> Self {
        self.observer_masters = true;
        self
    }

    /// What stands in the line of a member instead of what would; `{quorum}` and `{election}` are its
    /// ports.
    #[must_use]
    pub fn line(mut self, member: usize, line: &str) -> Self {
        self.lines.insert(member, line.to_owned());
        self
    }

    /// A line of one member's `zoo.cfg`; it wins over what all have.
    #[must_use]
    pub fn own_config(mut self, member: usize, key: &str, value: impl Display) -> Self {
        self.own.push((member, key.to_owned(), value.to_string()));
        self
    }

    /// Give a member this data directory instead of one below the ensemble's own.
    #[must_use]
    pub fn data_dir(mut self, member: usize, directory: &Path) -> Self {
        self.data_dirs.push((member, directory.to_path_buf()));
        self
    }
}

/// What a member says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Leader,
    Follower,
    Observer,
}

#[derive(Debug)]
pub struct Ensemble {
    members: Vec<Member>,
    voters: usize,
    options: EnsembleOptions,
    ports: Ports,
    dir: Option<TempDir>,
}

#[derive(Debug)]
struct Member {
    kind: Kind,
    data_dir: PathBuf,
    log: PathBuf,
    server: Option<Server>,
    paused: bool,
}

impl Ensemble {
    /// Starts a member of each kind and waits until all of them serve. The last voter leads: it has the
    /// highest id of the first quorum, and the others are started after it.
    pub fn start(kinds: &[Kind], options: &EnsembleOptions) -> Self {
        let mut ensemble = Self::prepare(kinds, options);
        let last = ensemble.voters - 1;
        let first_quorum = ensemble.voters - ensemble.quorum()..ensemble.voters;
        ensemble.start_members(first_quorum.clone());
        assert_eq!(ensemble.await_leader(), last, "the highest id leads");
        ensemble.start_members(0..first_quorum.start);
        ensemble.start_members(ensemble.voters..ensemble.len());
        ensemble.await_all();
        ensemble
    }

    /// Starts all members at once and waits until all of them serve; any voter may lead.
    pub fn start_at_once(kinds: &[Kind], options: &EnsembleOptions) -> Self {
        let mut ensemble = Self::prepare(kinds, options);
        ensemble.start_members(0..ensemble.len());
        ensemble.await_leader();
        ensemble.await_all();
        ensemble
    }

    /// Starts all members at once and waits until so many say that they serve: for ensembles whose
    /// leader serves nobody.
    pub fn start_until_serving(kinds: &[Kind], options: &EnsembleOptions, count: usize) -> Self {
        let mut ensemble = Self::prepare(kinds, options);
        ensemble.start_members(0..ensemble.len());
        eventually("enough members serve", ENSEMBLE_PATIENCE, || {
            ensemble.expect_no_ends();
            let serving = (0..ensemble.len()).filter(|member| ensemble.mode(*member).is_some());
            (serving.count() >= count).then_some(())
        });
        ensemble
    }

    /// `kill -9`; a paused member too.
    pub fn kill(&mut self, member: usize) {
        self.server_mut(member).kill();
        self.forget(member);
    }

    /// SIGTERM, then waits for the end.
    pub fn stop(&mut self, member: usize) {
        assert!(!self.is_paused(member), "a paused process does not stop");
        self.server_mut(member).stop();
        self.forget(member);
    }

    /// SIGSTOP.
    pub fn pause(&mut self, member: usize) {
        self.server_mut(member).pause();
        self.members[member].paused = true;
    }

    /// SIGCONT.
    pub fn resume(&mut self, member: usize) {
        self.server_mut(member).resume();
        self.members[member].paused = false;
    }

    /// Starts a member that is not running, on its data; does not wait.
    pub fn restart(&mut self, member: usize) {
        assert!(!self.is_running(member), "{} runs", self.name(member));
        let options = self.member_options(member);
        let kind = self.members[member].kind;
        self.members[member].server = Some(Server::spawn(kind, &options));
    }

    /// A line of a member's `zoo.cfg` from its next start on.
    pub fn configure(&mut self, member: usize, key: &str, value: impl Display) {
        self.options = self.options.clone().own_config(member, key, value);
    }

    /// As [`Self::restart`], with a server of another kind.
    pub fn restart_as(&mut self, member: usize, kind: Kind) {
        self.members[member].kind = kind;
        self.restart(member);
    }

    /// Takes all data from a member that is not running, so that it must be given a snapshot.
    pub fn wipe(&mut self, member: usize) {
        assert!(!self.is_running(member), "{} runs", self.name(member));
        fs::remove_dir_all(self.members[member].data_dir.join("version-2"))
            .expect("a server leaves version-2");
    }

    /// The one member that says it leads, of those that run and are not paused.
    pub fn leader(&self) -> Option<usize> {
        let leads = |member: &usize| self.mode(*member) == Some(Mode::Leader);
        let mut leaders = (0..self.len()).filter(leads);
        let leader = leaders.next();
        if leaders.next().is_some() {
            return None;
        }
        leader
    }

    pub fn await_leader(&mut self) -> usize {
        eventually("one member leads", ENSEMBLE_PATIENCE, || {
            self.expect_no_ends();
            self.leader()
        })
    }

    pub fn await_serving(&mut self, member: usize) -> Mode {
        let what = format!("{} serves", self.name(member));
        eventually(&what, ENSEMBLE_PATIENCE, || {
            self.expect_no_ends();
            self.mode(member)
        })
    }

    /// Waits until every member that runs and is not paused serves.
    pub fn await_all(&mut self) {
        for member in 0..self.len() {
            if self.is_running(member) && !self.is_paused(member) {
                self.await_serving(member);
            }
        }
    }

    /// What the member says it is; `None` if it does not run, is paused, or serves nobody or only
    /// readers now.
    pub fn mode(&self, member: usize) -> Option<Mode> {
        if !self.is_running(member) || self.is_paused(member) {
            return None;
        }
        match self.status(member, "Mode")?.as_str() {
            "leader" => Some(Mode::Leader),
            "follower" => Some(Mode::Follower),
            "observer" => Some(Mode::Observer),
            // It has no leader, and clients that want to write go elsewhere.
            "read-only" => None,
            other => panic!("{} has the mode {other}", self.name(member)),
        }
    }

    /// Waits until all members have applied the same transactions.
    pub fn await_same_zxid(&self) {
        eventually("all members have the same zxid", ENSEMBLE_PATIENCE, || {
            let zxid = |member| self.status(member, "Zxid");
            let first = zxid(0)?;
            (1..self.len())
                .all(|member| zxid(member).as_ref() == Some(&first))
                .then_some(())
        });
    }

    /// Waits until a member knows nothing more of a session. To come back with it would keep it alive.
    pub fn await_forgotten(&self, member: usize, session: &Session) {
        eventually("the session is forgotten", ENSEMBLE_PATIENCE, || {
            let dump = four_letter_word(self.address(member), "dump").ok()?;
            (!dump.contains(&format!("0x{:x}", session.id))).then_some(())
        });
    }

    /// A value of what `mntr` answers; `None` if there is none, or the member does not answer.
    pub fn figure(&self, member: usize, key: &str) -> Option<String> {
        let answer = four_letter_word(self.address(member), "mntr").ok()?;
        let mut lines = answer.lines().filter_map(|line| line.split_once('\t'));
        let (_, value) = lines.find(|(name, _)| *name == key)?;
        Some(value.to_owned())
    }

    /// A line of what `srvr` answers.
    fn status(&self, member: usize, key: &str) -> Option<String> {
        let answer = four_letter_word(self.address(member), "srvr").ok()?;
        let mut lines = answer.lines().filter_map(|line| line.split_once(": "));
        let (_, value) = lines.find(|(name, _)| *name == key)?;
        Some(value.to_owned())
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn voters(&self) -> usize {
        self.voters
    }

    /// How many voters are a majority.
    pub fn quorum(&self) -> usize {
        self.voters / 2 + 1
    }

    pub fn kind(&self, member: usize) -> Kind {
        self.members[member].kind
    }

    /// Whether it was started and not ended by us; it may have ended by itself.
    pub fn is_running(&self, member: usize) -> bool {
        self.members[member].server.is_some()
    }

    pub fn is_paused(&self, member: usize) -> bool {
        self.members[member].paused
    }

    /// Where clients reach the member.
    pub fn address(&self, member: usize) -> SocketAddr {
        SocketAddr::from((self.host(member), self.port(member, CLIENT)))
    }

    /// Where clients reach the members, all of them.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        (0..self.len()).map(|member| self.address(member)).collect()
    }

    /// What client libraries are told to connect to.
    pub fn connect_string(&self) -> String {
        let addresses: Vec<String> = self.addresses().iter().map(ToString::to_string).collect();
        addresses.join(",")
    }

    /// Where the AdminServer of a member that runs listens.
    pub fn admin_address(&self, member: usize) -> SocketAddr {
        let server = self.members[member].server.as_ref();
        let server = server.unwrap_or_else(|| panic!("{} does not run", self.name(member)));
        server.admin_address()
    }

    pub fn server_mut(&mut self, member: usize) -> &mut Server {
        let name = self.name(member);
        let server = self.members[member].server.as_mut();
        server.unwrap_or_else(|| panic!("{name} does not run"))
    }

    pub fn data_dir(&self, member: usize) -> &Path {
        &self.members[member].data_dir
    }

    /// Everything the member has printed since the ensemble was made, over all its starts.
    pub fn log(&self, member: usize) -> String {
        fs::read(&self.members[member].log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Forgets a member that has ended by itself, so that it can be restarted.
    pub fn forget(&mut self, member: usize) {
        assert!(self.server_mut(member).has_ended());
        self.members[member].server = None;
        self.members[member].paused = false;
    }

    pub fn name(&self, member: usize) -> String {
        format!("server {} ({})", member + 1, self.kind(member))
    }

    fn prepare(kinds: &[Kind], options: &EnsembleOptions) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let members = kinds.iter().enumerate().map(|(number, kind)| {
            let own = dir.path().join((number + 1).to_string());
            fs::create_dir_all(&own).expect("a member's directory");
            let given = options.data_dirs.iter().find(|(of, _)| *of == number);
            let data_dir = given.map_or_else(|| own.join("data"), |(_, given)| given.clone());
            fs::create_dir_all(&data_dir).expect("a data directory");
            fs::write(data_dir.join("myid"), (number + 1).to_string()).expect("myid is written");
            Member {
                kind: *kind,
                data_dir,
                log: own.join("server.log"),
                server: None,
                paused: false,
            }
        });
        Self {
            members: members.collect(),
            voters: kinds.len() - options.observers,
            options: options.clone(),
            ports: Ports::reserve(PORTS_PER_MEMBER * small(kinds.len()) + 1),
            dir: Some(dir),
        }
    }

    fn start_members(&mut self, members: Range<usize>) {
        members.for_each(|member| self.restart(member));
    }

    fn member_options(&self, member: usize) -> ServerOptions {
        let own = &self.members[member];
        let mut options = self
            .options
            .server
            .clone()
            .data_dir(&own.data_dir)
            .log(&own.log)
            .host(self.host(member))
            .client_port(self.address(member).port());
        if let Some(network) = &self.options.network {
            options = options.namespace(&network.namespace(member));
        }
        if member >= self.voters {
            options = options.config("peerType", "observer");
        }
        if self.options.observer_masters {
            options = options.config("observerMasterPort", self.observer_master_port());
        }
        for (_, key, value) in self.options.own.iter().filter(|(of, ..)| *of == member) {
            options = options.config(key, value);
        }
        for other in 0..self.len() {
            let role = if other < self.voters {
                "participant"
            } else {
                "observer"
            };
            let host = self.host(other);
            let (quorum, election) = (self.port(other, QUORUM), self.port(other, ELECTION));
            let line = match self.options.lines.get(&other) {
                None => format!("{host}:{quorum}:{election}:{role}"),
                Some(line) => line
                    .replace("{quorum}", &quorum.to_string())
                    .replace("{election}", &election.to_string()),
            };
            options = options.config(&format!("server.{}", other + 1), line);
        }
        options
    }

    fn port(&self, member: usize, which: u16) -> u16 {
        self.ports.port(small(member) * PORTS_PER_MEMBER + which)
    }

    /// One port that is no member's own.
    fn observer_master_port(&self) -> u16 {
        self.ports.port(PORTS_PER_MEMBER * small(self.len()))
    }

    fn host(&self, member: usize) -> Ipv4Addr {
        match &self.options.network {
            Some(network) => network.host(member),
            None if self.options.observer_masters => {
                let number = u8::try_from(member + 1).expect("a few members");
                Ipv4Addr::new(127, 0, 0, number)
            }
            None => Ipv4Addr::LOCALHOST,
        }
    }

    /// A member that ends by itself while something is awaited is a failure to report at once.
    fn expect_no_ends(&mut self) {
        for member in 0..self.len() {
            let name = self.name(member);
            if let Some(server) = &mut self.members[member].server {
                assert!(!server.has_ended(), "{name} has ended");
            }
        }
    }

    fn report(&self) {
        for member in 0..self.len() {
            let log = self.log(member);
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.len().saturating_sub(LOG_TAIL_LINES);
            announce(&format!(
                "the end of the log of {}:\n{}",
                self.name(member),
                lines[tail..].join("\n")
            ));
        }
    }
}

fn small(count: usize) -> u16 {
    u16::try_from(count).expect("a few members")
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        self.report();
        if let Some(dir) = self.dir.take() {
            announce(&format!("logs and data stay in {}", dir.keep().display()));
        }
    }
}
