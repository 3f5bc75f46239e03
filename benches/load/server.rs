//! Starting and stopping the servers that are compared.
//!
//! In: how to start each of the two, where data may lie. Out: processes that serve on a loopback port, with the same
//! zoo.cfg but for ports and directory. A server is killed, and its directory removed, when it is dropped.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    conn,
    error::{Doing as _, LoadError},
    process,
    workload::Subject,
};

/// Enough for a JVM that loads a million nodes on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(60);
/// The error of a restart time.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// How to start one of the servers: program and arguments, but for the zoo.cfg that comes last.
pub(crate) struct Installation {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl Installation {
    pub(crate) fn gamekeeper(binary: PathBuf) -> Self {
        Self {
            name: "Gamekeeper",
            program: binary,
            arguments: vec!["serve".to_owned()],
        }
    }

    /// Apache's own start script gives the server 1000 MB of heap by default.
    pub(crate) fn apache(class_path: &str, heap_mb: u32) -> Self {
        let arguments = [
            &format!("-Xmx{heap_mb}m"),
            "-cp",
            class_path,
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        ];
        Self {
            name: "Apache",
            program: PathBuf::from("java"),
            arguments: arguments.map(str::to_owned).to_vec(),
        }
    }
}

/// Asks Maven for the class path that `benches/apache/pom.xml` describes.
pub(crate) fn apache_class_path(scratch: &Path) -> Result<String, LoadError> {
    let output = scratch.join("apache.classpath");
    let status = Command::new("mvn")
        .args([
            "-q",
            "-B",
            "-f",
            concat!(env!("CARGO_MANIFEST_DIR"), "/apache/pom.xml"),
        ])
        .args(["dependency:build-classpath", "-DincludeScope=runtime"])
        .arg(format!("-Dmdep.outputFile={}", output.display()))
        .stdout(Stdio::null())
        .status()
        .doing("run mvn")?;
    if !status.success() {
        return Err(LoadError::Failed(format!("mvn ended with {status}")));
    }
    let class_path = fs::read_to_string(&output).doing("read Maven's class path")?;
    Ok(class_path.trim().to_owned())
}

/// On which core servers run and on which the generator.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) load: usize,
}

/// A standalone server, or an ensemble of several that count as one.
pub(crate) struct Server<'a> {
    installation: &'a Installation,
    cores: Option<Cores>,
    members: Vec<Member>,
}

/// One process in a directory of its own.
struct Member {
    dir: PathBuf,
    address: SocketAddr,
    child: Child,
}

impl<'a> Server<'a> {
    /// Starts `size` servers without data and waits until all of them serve; a single one is standalone.
    pub(crate) fn start(
        installation: &'a Installation,
        size: usize,
        scratch: &Path,
        cores: Option<Cores>,
    ) -> Result<Self, LoadError> {
        let mut server = Self {
            installation,
            cores,
            members: Vec::new(),
        };
        // Ports are drawn before any server starts, since each member's zoo.cfg names those of all.
        let addresses = free_addresses(size * 3)?;
        let (clients, peers) = addresses.split_at(size);
        for (index, address) in clients.iter().copied().enumerate() {
            let dir = scratch.join(format!("{}-{}", installation.name, address.port()));
            remove_dir(&dir)?;
            let data = dir.join("data");
            fs::create_dir_all(&data).doing(format!("create {}", data.display()))?;
            let mut config = zoo_cfg(&data, address.port());
            if size > 1 {
                config.push_str(&ensemble_cfg(peers));
                fs::write(data.join("myid"), (index + 1).to_string()).doing("write myid")?;
            }
            fs::write(dir.join("zoo.cfg"), config).doing("write zoo.cfg")?;
            let child = spawn(
                installation,
                &dir,
                cores.map(|cores| (cores, vec![cores.server])),
            )?;
            server.members.push(Member {
                dir,
                address,
                child,
            });
        }
        for member in &mut server.members {
            member.wait_until_serving(installation.name)?;
        }
        Ok(server)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.installation.name
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject {
            targets: self.members.iter().map(|member| member.address).collect(),
            pids: self
                .members
                .iter()
                .map(|member| member.child.id())
                .collect(),
        }
    }

    /// Which member says that it leads, if one does.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.members.iter().position(|member| {
            conn::four_letter_word(member.address, "srvr")
                .is_ok_and(|answer| answer.contains("Mode: leader"))
        })
    }

    /// `kill -9`; returns when the process is gone.
    pub(crate) fn kill(&mut self, member: usize) -> Result<(), LoadError> {
        let member = self.member(member)?;
        member.child.kill().doing("kill a server")?;
        member.child.wait().doing("wait for the server").map(drop)
    }

    /// Starts a member that was killed and waits until it serves.
    pub(crate) fn revive(&mut self, member: usize) -> Result<(), LoadError> {
        let (installation, cores) = (self.installation, self.cores);
        let member = self.member(member)?;
        let cores = cores.map(|cores| (cores, vec![cores.server]));
        member.child = spawn(installation, &member.dir, cores)?;
        member.wait_until_serving(installation.name)
    }

    fn member(&mut self, number: usize) -> Result<&mut Member, LoadError> {
        let missing = || LoadError::Failed(format!("there is no member {number}"));
        self.members.get_mut(number).ok_or_else(missing)
    }

    /// Stops the servers with SIGTERM, starts them again on their data, and returns how long the start took until
    /// all of them granted a session. Nothing else runs then, so they have all cores, and keep them.
    pub(crate) fn restart(&mut self) -> Result<Duration, LoadError> {
        for member in &mut self.members {
            member.stop(self.installation.name)?;
        }
        let started = Instant::now();
        for member in &mut self.members {
            let cores = self
                .cores
                .map(|cores| (cores, vec![cores.server, cores.load]));
            member.child = spawn(self.installation, &member.dir, cores)?;
        }
        for member in &mut self.members {
            member.wait_until_serving(self.installation.name)?;
        }
        Ok(started.elapsed())
    }
}

impl Member {
    fn stop(&mut self, name: &str) -> Result<(), LoadError> {
        process::terminate(self.child.id())?;
        let deadline = Instant::now() + STOP_MAX;
        while self
            .child
            .try_wait()
            .doing("wait for the server")?
            .is_none()
        {
            if Instant::now() > deadline {
                return Err(self.failure(name, "does not stop"));
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    fn wait_until_serving(&mut self, name: &str) -> Result<(), LoadError> {
        let deadline = Instant::now() + START_MAX;
        while !conn::is_serving(self.address) {
            if self.child.try_wait().doing("watch the server")?.is_some() {
                return Err(self.failure(name, "ended"));
            }
            if Instant::now() > deadline {
                return Err(self.failure(name, "does not serve"));
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    fn failure(&self, name: &str, what: &str) -> LoadError {
        let log = fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(5)..)
            .unwrap_or_default()
            .join("\n");
        LoadError::Failed(format!("{name} {what}; the end of its log:\n{tail}"))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // A server that has already ended is what we want; a directory that stays is only litter.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = remove_dir(&self.dir);
    }
}

/// The server inherits the cores this thread may use at that moment.
fn spawn(
    installation: &Installation,
    dir: &Path,
    cores: Option<(Cores, Vec<usize>)>,
) -> Result<Child, LoadError> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(dir.join("server.log"))
        .doing("open the server's log")?;
    let stderr = log.try_clone().doing("open the server's log twice")?;
    if let Some((_, of_server)) = &cores {
        process::pin_to(of_server)?;
    }
    let child = Command::new(&installation.program)
        .args(&installation.arguments)
        .arg(dir.join("zoo.cfg"))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(stderr)
        .spawn()
        .doing(format!("start {}", installation.program.display()));
    if let Some((cores, _)) = &cores {
        process::pin_to(&[cores.load])?;
    }
    child
}

/// Everything that costs time is left at the defaults both servers share: fsync on, snapshots every 100,000
/// transactions, 64 MiB of preallocated log.
fn zoo_cfg(data: &Path, port: u16) -> String {
    format!(
        "tickTime=2000\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\n\
         maxClientCnxns=0\nadmin.enableServer=false\n",
        data.display()
    )
}

/// The server lines, from two addresses for each member.
fn ensemble_cfg(peers: &[SocketAddr]) -> String {
    let mut text = "initLimit=10\nsyncLimit=5\n".to_owned();
    for (index, ports) in peers.chunks_exact(2).enumerate() {
        let ports: Vec<String> = ports.iter().map(|peer| peer.port().to_string()).collect();
        text.push_str(&format!(
            "server.{}=127.0.0.1:{}\n",
            index + 1,
            ports.join(":")
        ));
    }
    text
}

/// Below the ports that the system hands out to connections, so that a server that was killed finds its
/// own free again. Processes begin at different places. No port comes twice, though it may seem free: only the member
/// that leads listens on its port for followers.
fn free_addresses(count: usize) -> Result<Vec<SocketAddr>, LoadError> {
    const FIRST: u32 = 10_000;
    const PORTS: u32 = 10_000;
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(64);
    let mut listeners = Vec::new();
    while listeners.len() < count {
        let step = TRIED.fetch_add(1, Ordering::Relaxed);
        if step >= PORTS {
            break;
        }
        let port = FIRST + begin.wrapping_add(step) % PORTS;
        let port = u16::try_from(port).unwrap_or_default();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            listeners.push(listener);
        }
    }
    if listeners.len() < count {
        return Err(LoadError::Failed(format!("no {count} free ports")));
    }
    let addresses: io::Result<Vec<SocketAddr>> =
        listeners.iter().map(TcpListener::local_addr).collect();
    addresses.doing("find free ports")
}

fn remove_dir(dir: &Path) -> Result<(), LoadError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).doing(format!("remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}
