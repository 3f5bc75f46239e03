//! One class of a suite in a JVM of its own, as the builds of its authors run it.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::Suite;
use crate::{eventually::within, maven::target_dir, server::Kind};

/// The slowest class (`QuorumSSLTest` of Apache's) makes long keys and starts three servers twice in most of
/// its tests, and waits half a minute to see that one does not get in.
const CLASS_PATIENCE: Duration = Duration::from_secs(3600);

/// The class that all suites share, in `suites/java`.
pub(super) const RUNNER: &str = "gamekeeper.suite.Runner";

/// Which tests of a class are run, by the names of their methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tests {
    All,
    Without(Vec<String>),
    Only(Vec<String>),
}

impl Tests {
    /// Whether this test is one of them.
    pub fn has(&self, test: &str) -> bool {
        let names = |names: &[String]| names.iter().any(|name| name == method(test));
        match self {
            Self::All => true,
            Self::Without(without) => !names(without),
            Self::Only(only) => names(only),
        }
    }

    /// As the runner is told it.
    fn words(&self) -> Vec<&str> {
        let (word, names) = match self {
            Self::All => return Vec::new(),
            Self::Without(without) => ("without", without),
            Self::Only(only) => ("only", only),
        };
        let names = names.iter().map(String::as_str);
        [word].into_iter().chain(names).collect()
    }
}

/// The method of a test, which with several sets of parameters is several tests.
pub(super) fn method(test: &str) -> &str {
    test.split('[').next().unwrap_or(test)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
    /// By its own word, as on a machine that lacks what it needs.
    Skipped,
}

/// As the runner names what stands before and behind all tests of a class, where that fails.
pub(super) const CLASS: &str = "class";

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    /// The method, with `[n]` for the n-th set of parameters; [`CLASS`] for what stands before all tests.
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

/// Runs tests of a class on servers of this kind. What was said on the way stays in [`directory`].
pub fn run<S: Suite>(suite: &S, kind: Kind, class: &str, tests: &Tests) -> Vec<Outcome> {
    let work = directory::<S>(kind, class, tests);
    // What an earlier run left.
    let _ = fs::remove_dir_all(&work);
    let build = work.join("build");
    fs::create_dir_all(&build).expect("a directory to work in");
    let results = work.join("results");
    let (mut command, _holds) = suite.java(class, &work);
    command
        .arg(format!("-Djava.io.tmpdir={}", build.display()))
        .arg(format!("-Dgamekeeper.suite.work={}", work.display()))
        .arg(format!(
            "-Dgamekeeper.suite.command={}",
            suite.server_command(kind, class)
        ))
        .args([RUNNER, "run", class.rsplit('/').next().unwrap_or(class)])
        .args(tests.words())
        .current_dir(&work)
        // The runner ends when this is closed, so it outlives nobody who starts it.
        .stdin(Stdio::piped())
        .stdout(File::create(&results).expect("a file for the results"))
        .stderr(File::create(work.join("log")).expect("a log file"));
    Group::start(&mut command).await_end();
    let text = fs::read_to_string(&results).expect("the results are text");
    let mut outcomes: Vec<Outcome> = text.lines().filter_map(Outcome::parse).collect();
    if text.lines().last() != Some("end") {
        outcomes.push(Outcome {
            verdict: Verdict::Failed,
            test: CLASS.to_owned(),
            programs: 0,
            reason: format!("its JVM did not reach the end; {}", work.display()),
        });
    }
    // Data directories; one that a test made read-only is left, and so are logs, to be looked at.
    let _ = fs::remove_dir_all(build);
    outcomes
}

/// Where the last run of these tests left its results, its log, and those of its servers.
pub fn directory<S: Suite>(kind: Kind, class: &str, tests: &Tests) -> PathBuf {
    let name = match tests {
        Tests::Only(only) if only.len() == 1 => format!("{class}.{}", only[0]),
        Tests::Only(_) => format!("{class}.some"),
        Tests::All | Tests::Without(_) => class.to_owned(),
    };
    let kinds = target_dir().join("suites").join(S::NAME);
    kinds.join(kind.to_string()).join(name)
}

/// A process and all that it started, which end with this.
struct Group(Child);

impl Group {
    fn start(command: &mut Command) -> Self {
        Self(command.process_group(0).spawn().expect("java starts"))
    }

    fn await_end(mut self) {
        within(CLASS_PATIENCE, || {
            self.0.try_wait().expect("the child is ours").map(drop)
        });
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
