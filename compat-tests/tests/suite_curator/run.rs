//! The suite as Maven builds it, and its runner: one Java process per class of tests, as Curator's own
//! build has it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use compat_tests::{
    eventually::within,
    java,
    maven::{self, target_dir},
    ports::Ports,
    server::{self, Kind},
};
use rustix::process::{Pid, Signal, kill_process_group};

pub(crate) const MODULES: [&str; 5] = [
    "curator-client",
    "curator-framework",
    "curator-recipes",
    "curator-x-async",
    "curator-x-discovery",
];

const RUNNER: &str = "gamekeeper.suite.Runner";
/// The runner ends a test after five minutes; this is for a whole class, some of which take long.
const CLASS_PATIENCE: Duration = Duration::from_secs(1800);
/// Servers that stand alone get their ports from these.
const PORTS: u16 = 40;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    Failed,
    Skipped,
}

#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    pub(crate) millis: u64,
    pub(crate) why: String,
}

/// The compiled suite.
#[derive(Debug)]
pub(crate) struct Suite {
    built: PathBuf,
    libraries: Vec<String>,
    published: Vec<String>,
}

impl Suite {
    /// The suite, or `None` after saying on the terminal why `test` is skipped.
    pub(crate) fn or_skip(test: &str) -> Option<&'static Self> {
        static SUITE: OnceLock<Suite> = OnceLock::new();
        maven::apache_or_skip(test)?;
        Some(SUITE.get_or_init(|| {
            let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/curator");
            let built = java::build(&sources, "suite-curator")
                .unwrap_or_else(|why| panic!("Curator's tests do not build: {why}"));
            let libraries = java::libraries(&built).expect("the build wrote it");
            let (published, libraries) = libraries
                .split(':')
                .map(str::to_owned)
                .partition(|jar| jar.ends_with("-tests.jar"));
            Self {
                built,
                libraries,
                published,
            }
        }))
    }

    /// Every test of a module, `class#test`.
    pub(crate) fn tests(&self, module: &str) -> Vec<String> {
        let output = self
            .java(module, &[])
            .args(["list", &self.home(module)])
            .output()
            .expect("java starts");
        assert!(output.status.success(), "{output:?}");
        let names = String::from_utf8(output.stdout).expect("names are text");
        names.lines().map(str::to_owned).collect()
    }

    /// Runs tests of one class on servers of one kind. What is said on the way is in files of `directory`,
    /// named after the class, or after the test if it is one.
    pub(crate) fn run(
        &self,
        kind: Kind,
        module: &str,
        class: &str,
        tests: &[String],
        directory: &Path,
    ) -> BTreeMap<String, Outcome> {
        let name = match tests {
            [only] => only.replace('#', "."),
            _ => class.to_owned(),
        };
        let file = |end: &str| directory.join(format!("{name}.{end}"));
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let ports = Ports::reserve(PORTS);
        let command_file = scratch.path().join("command");
        fs::write(&command_file, server::command_line(kind).join("\n")).expect("it is written");
        let definitions = [
            format!("-Djava.io.tmpdir={}", scratch.path().display()),
            format!("-Dgamekeeper.suite.command={}", command_file.display()),
            format!("-Dgamekeeper.suite.ports={}:{PORTS}", ports.port(0)),
            format!("-Dgamekeeper.suite.log={}", file("servers.log").display()),
        ];
        let create = |end: &str| fs::File::create(file(end)).expect("a file for output");
        let mut command = self.java(module, &definitions);
        command
            .arg("run")
            .args(tests)
            // The runner ends when this is closed, so it outlives nobody who starts it.
            .stdin(Stdio::piped())
            .stdout(create("out"))
            .stderr(create("log"));
        let in_time = Group::start(&mut command).ends_within(CLASS_PATIENCE);
        let said = fs::read_to_string(file("out")).expect("it was created");
        let mut outcomes = parse(&said);
        for test in tests {
            outcomes.entry(test.clone()).or_insert_with(|| Outcome {
                ended: Ended::Failed,
                millis: 0,
                why: format!("no end of it was seen (the class ended in time: {in_time})"),
            });
        }
        outcomes
    }

    /// The shim's classes come first; a module sees only the tests that it does in Curator's build, for two
    /// have classes of the same name.
    fn java(&self, module: &str, definitions: &[String]) -> Command {
        let mut classpath = vec![
            self.built.join("classes").display().to_string(),
            self.home(module),
        ];
        if module == "curator-recipes" {
            classpath.push(self.home("curator-framework"));
        }
        classpath.extend(self.libraries.iter().cloned());
        let mut command = Command::new("java");
        command
            .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-XX:-UsePerfData")
            .args(definitions)
            .args(["-cp", &classpath.join(":"), RUNNER]);
        command
    }

    /// The jar or directory with the tests of a module.
    fn home(&self, module: &str) -> String {
        let is_its = |jar: &&String| {
            Path::new(jar)
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(module))
        };
        match self.published.iter().find(is_its) {
            Some(jar) => jar.clone(),
            None => {
                let classes = self.built.join(format!("{module}-tests"));
                classes.display().to_string()
            }
        }
    }
}

/// Where the files of one run are kept: the last one of its kind and name.
pub(crate) fn directory(kind: Kind, name: &str) -> PathBuf {
    let directory = target_dir().join(format!("suites/curator/{kind}/{name}"));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory below the target directory");
    directory
}

/// A process and all that it started, which end with this.
struct Group(Child);

impl Group {
    fn start(command: &mut Command) -> Self {
        Self(command.process_group(0).spawn().expect("java starts"))
    }

    fn ends_within(&mut self, patience: Duration) -> bool {
        within(patience, || {
            self.0.try_wait().expect("the child is ours").map(drop)
        })
        .is_some()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let leader = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        // Nobody may be left in it.
        let _ = kill_process_group(leader.expect("a child has a pid"), Signal::KILL);
        let _ = self.0.wait();
    }
}

fn parse(said: &str) -> BTreeMap<String, Outcome> {
    said.lines()
        .filter_map(|line| {
            let mut words = line.splitn(4, ' ');
            let ended = match words.next()? {
                "passed" => Ended::Passed,
                "failed" => Ended::Failed,
                "skipped" => Ended::Skipped,
                _ => return None,
            };
            let name = words.next()?.to_owned();
            let outcome = Outcome {
                ended,
                millis: words.next()?.parse().ok()?,
                why: words.next().unwrap_or_default().to_owned(),
            };
            Some((name, outcome))
        })
        .collect()
}
