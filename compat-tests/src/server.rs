//! One server process, Apache's or ours, behind one interface.
//!
//! [`Server::start`] writes a `zoo.cfg` into a directory of its own, picks a port, starts the process
//! and returns once `srvr` says that it serves. The process dies with the value. A data directory may
//! be handed in, so that it can move from one kind of server to the other.

use std::{
    fmt, fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    cargo,
    eventually::{eventually, within},
    maven,
    ports::Ports,
    process,
};

/// A JVM on a busy two-core machine takes a few seconds; a hung one must not hang the suite.
const START_PATIENCE: Duration = Duration::from_secs(120);
const STOP_PATIENCE: Duration = Duration::from_secs(60);
/// Another process may take the picked port before the server binds it.
const START_ATTEMPTS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Apache,
    /// Apache's server of an older release, by its version; `apache/<version>.xml` names its jars.
    Old(&'static str),
    Ours,
}

impl Kind {
    pub fn is_apache(self) -> bool {
        self != Self::Ours
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apache => f.write_str("Apache"),
            Self::Old(version) => write!(f, "Apache {version}"),
            Self::Ours => f.write_str("Gamekeeper"),
        }
    }
}

/// What differs between two servers of a test. The default is a standalone server with `tickTime` 2000.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    config: Vec<(String, String)>,
    properties: Vec<(String, String)>,
    data_dir: Option<PathBuf>,
    client_port: Option<u16>,
    /// What holds the port for longer than a server lives.
    ports: Option<Arc<Ports>>,
    host: Option<Ipv4Addr>,
    namespace: Option<String>,
    log: Option<PathBuf>,
    config_file: Option<PathBuf>,
    admin: bool,
}

impl ServerOptions {
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of `zoo.cfg`; the last one for a key wins.
    #[must_use]
    pub fn config(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.config.retain(|(known, _)| known != key);
        self.config.push((key.to_owned(), value.to_string()));
        self
    }

    /// A `-Dkey=value` on the command line.
    #[must_use]
    pub fn property(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.properties.push((key.to_owned(), value.to_string()));
        self
    }

    /// Use this directory, and leave it there afterwards, instead of one that lives with the server.
    #[must_use]
    pub fn data_dir(mut self, directory: &Path) -> Self {
        self.data_dir = Some(directory.to_path_buf());
        self
    }

    /// Use this port: for a server that comes back under the address its clients know.
    #[must_use]
    pub fn client_port(mut self, port: u16) -> Self {
        self.client_port = Some(port);
        self
    }

    /// Serve clients where this server did, which has ended.
    #[must_use]
    pub fn port_of(mut self, server: &Server) -> Self {
        self.ports.clone_from(&server.ports);
        self.client_port(server.address.port())
    }

    /// Serve clients on this address instead of loopback.
    #[must_use]
    pub fn host(mut self, host: Ipv4Addr) -> Self {
        self.host = Some(host);
        self
    }

    /// Run in this network namespace, made by [`crate::network`].
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = Some(name.to_owned());
        self
    }

    /// Append to this log, and leave it there afterwards.
    #[must_use]
    pub fn log(mut self, file: &Path) -> Self {
        self.log = Some(file.to_path_buf());
        self
    }

    /// Use the `zoo.cfg` at this place, which the server may change; it is written if it is not there.
    #[must_use]
    pub fn config_file(mut self, file: &Path) -> Self {
        self.config_file = Some(file.to_path_buf());
        self
    }

    /// Have an AdminServer, on a port of its own; else there is none.
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.admin = true;
        self
    }

    fn zoo_cfg(&self, data_dir: &Path, address: SocketAddr, admin: Option<u16>) -> String {
        let mut lines = vec![
            ("tickTime".to_owned(), "2000".to_owned()),
            ("dataDir".to_owned(), data_dir.display().to_string()),
            ("clientPort".to_owned(), address.port().to_string()),
            ("clientPortAddress".to_owned(), address.ip().to_string()),
            ("admin.enableServer".to_owned(), admin.is_some().to_string()),
        ];
        if let Some(port) = admin {
            lines.push(("admin.serverPort".to_owned(), port.to_string()));
        }
        for (key, value) in &self.config {
            lines.retain(|(known, _)| known != key);
            lines.push((key.clone(), value.clone()));
        }
        lines
            .iter()
            .map(|(key, value)| format!("{key}={value}\n"))
            .collect()
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    child: Child,
    address: SocketAddr,
    data_dir: PathBuf,
    log: PathBuf,
    ports: Option<Arc<Ports>>,
    /// That of the AdminServer.
    admin: Option<Ports>,
    /// Holds `zoo.cfg`, and the log and the data unless those were given; removed with the server.
    work_dir: TempDir,
}

impl Server {
    /// Starts a server and waits until it serves.
    pub fn start(kind: Kind, options: &ServerOptions) -> Self {
        for _ in 1..START_ATTEMPTS {
            let mut server = Self::spawn(kind, options);
            if server.becomes_serving() {
                return server;
            }
            let port_was_taken = server.log().contains("Address already in use")
                || server.log().contains("AddressInUse");
            assert!(port_was_taken, "{kind} does not start:\n{}", server.log());
        }
        let mut server = Self::spawn(kind, options);
        assert!(
            server.becomes_serving(),
            "{kind} does not start:\n{}",
            server.log()
        );
        server
    }

    /// Starts the process and returns at once: for members of an ensemble, and for starts that must fail.
    pub fn spawn(kind: Kind, options: &ServerOptions) -> Self {
        let work_dir = TempDir::new().expect("a temporary directory");
        let data_dir = options
            .data_dir
            .clone()
            .unwrap_or_else(|| work_dir.path().join("data"));
        fs::create_dir_all(&data_dir).expect("a data directory");
        let mut ports = options.ports.clone();
        let port = options.client_port.unwrap_or_else(|| {
            let own = ports.insert(Arc::new(Ports::reserve(1)));
            own.port(0)
        });
        let address = SocketAddr::from((options.host.unwrap_or(Ipv4Addr::LOCALHOST), port));
        let admin = options.admin.then(|| Ports::reserve(1));
        let admin_port = admin.as_ref().map(|ports| ports.port(0));
        let own_cfg = || work_dir.path().join("zoo.cfg");
        let cfg = options.config_file.clone().unwrap_or_else(own_cfg);
        if options.config_file.is_none() || !cfg.exists() {
            fs::write(&cfg, options.zoo_cfg(&data_dir, address, admin_port))
                .expect("zoo.cfg is written");
        }
        let log = options
            .log
            .clone()
            .unwrap_or_else(|| work_dir.path().join("server.log"));
        let output = fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log file");
        let mut command = command(kind, &cfg, &options.properties);
        if let Some(namespace) = &options.namespace {
            command = inside(namespace, &command);
        }
        let child = command
            .current_dir(work_dir.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle of the log"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{kind} cannot be started: {error}"));
        Self {
            kind,
            child,
            address,
            data_dir,
            log,
            ports,
            admin,
            work_dir,
        }
    }

    /// Waits until `srvr` names a mode; false if the process ended first. Panics on a missed deadline.
    pub fn becomes_serving(&mut self) -> bool {
        let serving = within(START_PATIENCE, || {
            if self.has_ended() {
                return Some(false);
            }
            four_letter_word(self.address, "srvr")
                .is_ok_and(|answer| answer.contains("Mode: "))
                .then_some(true)
        });
        serving.unwrap_or_else(|| panic!("{} does not serve in time:\n{}", self.kind, self.log()))
    }

    /// SIGTERM, then waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        process::signal(&mut self.child, Signal::TERM);
        self.wait()
    }

    /// `kill -9`, then waits for the end.
    pub fn kill(&mut self) -> ExitStatus {
        process::signal(&mut self.child, Signal::KILL);
        self.wait()
    }

    /// SIGSTOP: the process keeps its sockets and, once this returns, does nothing more.
    pub fn pause(&mut self) {
        process::pause(&mut self.child, &self.kind.to_string());
    }

    /// SIGCONT, after [`Self::pause`].
    pub fn resume(&mut self) {
        process::resume(&mut self.child);
    }

    /// Waits for a process that ends by itself or was signalled.
    pub fn wait(&mut self) -> ExitStatus {
        let kind = self.kind;
        eventually(&format!("{kind} ends"), STOP_PATIENCE, || {
            self.child.try_wait().expect("the child is ours")
        })
    }

    pub fn has_ended(&mut self) -> bool {
        process::has_ended(&mut self.child)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its AdminServer listens.
    pub fn admin_address(&self) -> SocketAddr {
        let ports = self.admin.as_ref().expect("it has an AdminServer");
        SocketAddr::from((Ipv4Addr::LOCALHOST, ports.port(0)))
    }

    /// `host:port`, as clients' connect strings want it.
    pub fn connect_string(&self) -> String {
        self.address.to_string()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub fn work_dir(&self) -> &Path {
        self.work_dir.path()
    }

    /// Everything the process has printed so far.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    pub fn four_letter_word(&self, word: &str) -> String {
        four_letter_word(self.address, word)
            .unwrap_or_else(|error| panic!("{} does not answer {word}: {error}", self.kind))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already; either way it must be reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a four-letter word and reads the answer to the end of the connection.
pub fn four_letter_word(address: SocketAddr, word: &str) -> std::io::Result<String> {
    let timeout = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.write_all(word.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

static BINARY: OnceLock<PathBuf> = OnceLock::new();

/// The `gamekeeper` binary of the profile under test, built now if its sources are newer.
pub fn gamekeeper_binary() -> &'static Path {
    BINARY.get_or_init(|| cargo::build().join("gamekeeper"))
}

/// Has this process start another build of ours than it would. Nothing of ours may have been started.
pub fn use_binary(binary: &Path) {
    let used = BINARY.get_or_init(|| binary.to_path_buf());
    assert_eq!(used, binary, "another build was started already");
}

/// Where the path of `zoo.cfg` stands in a [`command_line`].
pub const CONFIG: &str = "{config}";
/// Where the `-Dkey=value` stand in a [`command_line`].
pub const PROPERTIES: &str = "{properties}";

/// How a server is started, argument by argument, also by programs that start servers themselves.
pub fn command_line(kind: Kind) -> Vec<String> {
    let jars = match kind {
        Kind::Apache => maven::apache().map(|apache| apache.classpath.clone()),
        Kind::Old(version) => maven::old_apache(version),
        Kind::Ours => {
            let binary = gamekeeper_binary().display().to_string();
            return words(&[&binary, "serve", CONFIG, NO_ADMIN, PROPERTIES]);
        }
    };
    let jars = jars.unwrap_or_else(|why| panic!("the jars of {kind}: {why}"));
    words(&[
        "java",
        // A test server is small and short-lived: the quick compiler and the plain collector.
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        NO_ADMIN,
        PROPERTIES,
        "-cp",
        &jars,
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        CONFIG,
    ])
}

/// Many servers run at once, and there is one default port. A line of `zoo.cfg` wins over it.
const NO_ADMIN: &str = "-Dzookeeper.admin.enableServer=false";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn command(kind: Kind, cfg: &Path, properties: &[(String, String)]) -> Command {
    let line = command_line(kind);
    let mut command = Command::new(&line[0]);
    for word in &line[1..] {
        match word.as_str() {
            CONFIG => command.arg(cfg),
            PROPERTIES => command.args(
                properties
                    .iter()
                    .map(|(key, value)| format!("-D{key}={value}")),
            ),
            word => command.arg(word),
        };
    }
    command
}

/// The same command in a network namespace; `ip` replaces itself by it, so the process id is the command's.
fn inside(namespace: &str, command: &Command) -> Command {
    let mut outer = Command::new("ip");
    outer
        .args(["netns", "exec", namespace])
        .arg(command.get_program())
        .args(command.get_args());
    outer
}
