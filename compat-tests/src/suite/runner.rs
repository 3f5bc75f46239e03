//! One class of the suite in a JVM of its own, as Apache's own build runs it.

use std::{
    env,
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::resources;
use crate::{
    eventually::{eventually, within},
    java, kerberos, maven,
    server::{Kind, gamekeeper_binary},
};

/// The slowest class (`QuorumSSLTest`) makes long keys and starts three servers twice in most of its
/// tests, and waits half a minute to see that one does not get in.
const CLASS_PATIENCE: Duration = Duration::from_secs(3600);
/// How long a JVM that is told to end may take to end its servers first.
const END_PATIENCE: Duration = Duration::from_secs(30);
const SLOT_PATIENCE: Duration = Duration::from_secs(3600);
/// `PortAssignment` of the suite divides 11221 to 32767 among so many JVMs. The first few shares lie
/// below the ports of [`crate::ports`].
const PORT_SHARES: u16 = 20;
const SLOTS: u16 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
    /// By its own word, as on a machine that lacks what it needs.
    Skipped,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    /// The method, with `[n]` for the n-th set of parameters; `class` for what stands before all tests.
    pub test: String,
    /// How many server programs it started.
    pub programs: u32,
    pub reason: String,
}

impl Outcome {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(5, '\t');
        let verdict = match fields.next()? {
            "passed" => Verdict::Passed,
            "failed" | "internals" => Verdict::Failed,
            "aborted" | "skipped" => Verdict::Skipped,
            _ => return None,
        };
        let test = fields.next()?.to_owned();
        let programs = fields.next()?.parse().ok()?;
        let _millis = fields.next()?;
        Some(Self {
            verdict,
            test,
            programs,
            reason: fields.next()?.to_owned(),
        })
    }
}

/// The compiled classes that take the server's place, and the libraries, among them the suite.
#[derive(Debug)]
pub struct Suite {
    classes: String,
    jars: String,
    resources: PathBuf,
}

/// The suite, or `None` after saying on the terminal why `test` is skipped. With
/// `GAMEKEEPER_REQUIRE_JAVA=1` there is no skipping.
pub fn suite_or_skip(test: &str) -> Option<&'static Suite> {
    static SUITE: OnceLock<Result<Suite, String>> = OnceLock::new();
    maven::apache_or_skip(test)?;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/apache");
    let suite = SUITE.get_or_init(|| {
        let built = java::build(&sources, "suite-apache")?;
        let classes = built.join("classes").display().to_string();
        Ok(Suite {
            classes,
            jars: java::libraries(&built)?,
            resources: resources::made_in(&built)?,
        })
    });
    match suite {
        Ok(suite) => Some(suite),
        // Java, Maven and the jars are there, so this is a fault of ours or a missing download.
        Err(why) => panic!("the suite does not compile: {why}"),
    }
}

impl Suite {
    /// The test classes of the published jar, by Apache's own rule: their names end in `Test`.
    pub fn classes(&self) -> Vec<String> {
        let output = Command::new("jar")
            .args(["tf", self.jar("-tests.jar")])
            .output()
            .expect("a JDK has `jar`");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout)
            .expect("names of classes")
            .lines()
            .filter(|name| !name.contains('$'))
            .filter_map(|name| name.strip_suffix(".class"))
            .filter(|name| name.ends_with("Test"))
            .map(|name| name.replace('/', "."))
            .collect()
    }

    /// Runs all tests of a class on servers of this kind.
    pub fn run(&self, kind: Kind, class: &str) -> Vec<Outcome> {
        let work = maven::target_dir()
            .join("suite-apache")
            .join(kind.to_string())
            .join(class);
        // What an earlier run left.
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(work.join("build")).expect("a directory to work in");
        let place = work.join(resources::PLACE);
        fs::create_dir_all(place.parent().expect("it is below `work`"))
            .and_then(|()| symlink(&self.resources, &place))
            .expect("a link in the directory to work in");
        let slot = Slot::take();
        let results = work.join("results");
        let child = self
            .command(kind, class, &work, slot.number)
            .current_dir(&work)
            .stdin(Stdio::null())
            .stdout(File::create(&results).expect("a file for the results"))
            .stderr(File::create(work.join("log")).expect("a log file"))
            .spawn()
            .expect("java starts");
        await_end(child);
        let text = fs::read_to_string(&results).expect("the results are text");
        let mut outcomes: Vec<Outcome> = text.lines().filter_map(Outcome::parse).collect();
        if text.lines().last() != Some("end") {
            outcomes.push(Outcome {
                verdict: Verdict::Failed,
                test: "class".to_owned(),
                programs: 0,
                reason: format!("its JVM did not reach the end; {}", work.display()),
            });
        }
        // Data directories; logs stay to be looked at.
        for entry in fs::read_dir(work.join("build")).expect("it was made above") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() && path.extension().is_some_and(|end| end == "dir") {
                // A directory that a test made read-only is left.
                let _ = fs::remove_dir_all(path);
            }
        }
        outcomes
    }

    fn command(&self, kind: Kind, class: &str, work: &Path, slot: u16) -> Command {
        let mut command = Command::new("java");
        command
            // Not held to the quick compiler: with it a test that makes two long keys takes two minutes.
            .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData"])
            // A class that reaches into the server in one of its tests is to load for the others.
            .args([
                "-XX:+UnlockDiagnosticVMOptions",
                "-XX:-BytecodeVerificationRemote",
            ])
            .arg(format!("-javaagent:{}", self.jar("jmockit-")))
            .arg(format!("-Dtest.junit.threads={PORT_SHARES}"))
            .arg(format!("-Dzookeeper.junit.threadid={slot}"))
            .arg(format!("-Dbuild.test.dir={}", work.join("build").display()))
            .arg(format!("-Djava.io.tmpdir={}", work.join("build").display()))
            // As Apache's build sets it.
            .arg(format!("-D{SUPER_DIGEST}"))
            .arg(format!(
                "-Dgamekeeper.suite.command={}",
                self.server_command(kind, class).join("\n")
            ))
            .args(["-cp", &format!("{}:{}", self.classes, self.jars)])
            .args(["gamekeeper.suite.Runner", class]);
        command
    }

    /// The words that start a server; `Program.java` puts zoo.cfg and properties into them.
    fn server_command(&self, kind: Kind, class: &str) -> Vec<String> {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        match kind {
            Kind::Ours => {
                let program = if needs_kerberos(class) {
                    kerberos::binary()
                } else {
                    gamekeeper_binary()
                };
                let program = program.display().to_string();
                owned(&[&program, "serve", "{config}", "{properties}"])
            }
            Kind::Apache | Kind::Old(_) => {
                let logback = Path::new(env!("CARGO_MANIFEST_DIR")).join("logback/logback.xml");
                owned(&[
                    "java",
                    "-Xmx256m",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-XX:-UsePerfData",
                    &format!("-Dlogback.configurationFile={}", logback.display()),
                    "{properties}",
                    "-cp",
                    &self.jars,
                    "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                    "{config}",
                ])
            }
        }
    }

    fn jar(&self, part: &str) -> &str {
        self.jars
            .split(':')
            .find(|path| {
                path.rsplit('/')
                    .next()
                    .is_some_and(|name| name.contains(part))
            })
            .unwrap_or_else(|| panic!("no {part} among the suite's libraries"))
    }
}

/// Whether the servers of a class need Kerberos. It has a KDC of its own.
pub fn needs_kerberos(class: &str) -> bool {
    class.contains(".QuorumKerberos")
}

const SUPER_DIGEST: &str =
    "zookeeper.DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=";

/// A JVM that hangs is told to end, so that it ends its servers.
fn await_end(mut child: Child) {
    let ended = within(CLASS_PATIENCE, || {
        child.try_wait().expect("the child is ours")
    });
    if ended.is_none() {
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::TERM).expect("the child is ours");
        let mut has_ended = || child.try_wait().expect("the child is ours");
        if within(END_PATIENCE, &mut has_ended).is_none() {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
        }
    }
}

/// The right to one share of the suite's ports.
struct Slot {
    number: u16,
    _lock: File,
}

impl Slot {
    fn take() -> Self {
        let locks = env::temp_dir().join("gamekeeper-ports");
        fs::create_dir_all(&locks).expect("a directory for lock files");
        let lock_file = |number: u16| -> PathBuf { locks.join(format!("suite-{number}")) };
        eventually(
            "a share of the suite's ports is free",
            SLOT_PATIENCE,
            || {
                (1..=SLOTS).find_map(|number| {
                    let lock = File::create(lock_file(number)).expect("a lock file");
                    lock.try_lock().is_ok().then_some(Self {
                        number,
                        _lock: lock,
                    })
                })
            },
        )
    }
}
