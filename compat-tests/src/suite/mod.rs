//! Tests that others publish, unmodified, run on servers of either kind.
//!
//! - [`runner`]: one class of them, in a JVM in which our classes of `suites/<suite>` take the place of what
//!   starts a server, and start a program instead.
//! - [`list`]: what is known of every class: how many of its tests pass, which cannot and why.
//! - [`held`]: a suite or part of it on a kind of server, held against its list, and its rows of the README.
//! - [`Apache`]: the JUnit suite of Apache's own build; [`Curator`]: Curator's tests.
//!
//! Apache's server is run by the same classes as ours, in a JVM of its own, so what fails for ours
//! alone is ours to mend.

mod apache;
mod apache_keys;
mod curator;
pub mod held;
pub mod list;
pub mod runner;

use std::{
    any::Any,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{
    java, maven,
    server::{Kind, gamekeeper_binary},
};

pub use apache::Apache;
pub use curator::Curator;
pub use list::{Entry, List, Run, Word};
pub use runner::{Outcome, Tests, Verdict};

/// What a suite has of its own.
pub trait Suite: Sized + Sync + 'static {
    /// Its folder in `compat-tests/suites`, and the one in the target directory with what its classes leave.
    const NAME: &'static str;
    /// As the README calls it.
    const TITLE: &'static str;
    /// So many classes run at a time: most of what they do is wait.
    const WORKERS: usize;
    /// So often at most a test that fails is run again, as the suite's own build has it.
    const FURTHER_RUNS: usize;

    /// Builds what takes the server's place; an error is a fault of ours or a missing download.
    fn build() -> Result<Self, String>;

    /// Where it is once it was built.
    fn once() -> &'static OnceLock<Result<Self, String>>;

    /// Its classes, by the names that the list has.
    fn classes(&self) -> Vec<String>;

    /// Whether this machine can run a class; says so if it cannot.
    fn can_run_or_skip(_class: &str) -> bool {
        true
    }

    /// A JVM for a class in its directory, in which servers are started by this command, ready for the name of the
    /// runner; and what it holds while it runs.
    fn java(&self, class: &str, work: &Path) -> (Command, Box<dyn Any>);

    /// The libraries of Apache's server.
    fn server_jars(&self) -> String;

    /// Our server for a class.
    fn binary(_class: &str) -> &'static Path {
        gamekeeper_binary()
    }

    /// The words that start a server; `Program.java` puts zoo.cfg and properties into them.
    fn server_command(&self, kind: Kind, class: &str) -> String {
        if kind == Kind::Ours {
            let binary = Self::binary(class);
            return format!("{}\nserve\n{{config}}\n{{properties}}", binary.display());
        }
        let logback = Path::new(env!("CARGO_MANIFEST_DIR")).join("logback/logback.xml");
        [
            "java",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            &format!("-Dlogback.configurationFile={}", logback.display()),
            "{properties}",
            "-cp",
            &self.server_jars(),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            "{config}",
        ]
        .join("\n")
    }
}

/// The suite, or `None` after saying on the terminal why `test` is skipped. With
/// `GAMEKEEPER_REQUIRE_JAVA=1` there is no skipping.
pub fn suite_or_skip<S: Suite>(test: &str) -> Option<&'static S> {
    maven::apache_or_skip(test)?;
    match S::once().get_or_init(S::build) {
        Ok(suite) => Some(suite),
        Err(why) => panic!("{test}: the suite does not build: {why}"),
    }
}

/// The directory with what Maven built for a suite: its classes that take the server's place, with those that
/// the suites share.
fn built<S: Suite>() -> Result<PathBuf, String> {
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites");
    let project = suites.join(S::NAME);
    let sources = [project.join("src"), suites.join("java")];
    java::build(&project, &sources, &format!("suite-{}", S::NAME))
}
