//! Curator's own tests: of three modules the published jars, of two what Maven compiles of the release.

use std::{
    any::Any,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::{Suite, built, runner::RUNNER};
use crate::{java, maven, ports::Ports};

const MODULES: [&str; 5] = [
    "curator-client",
    "curator-framework",
    "curator-recipes",
    "curator-x-async",
    "curator-x-discovery",
];

/// Servers that stand alone get their ports from these.
const PORTS: u16 = 40;

/// The compiled suite.
#[derive(Debug)]
pub struct Curator {
    built: PathBuf,
    libraries: Vec<String>,
    published: Vec<String>,
}

impl Suite for Curator {
    const NAME: &'static str = "curator";
    const TITLE: &'static str = "Curator 5.9.0";
    const WORKERS: usize = 4;
    /// Many of these tests count on being quick enough.
    const FURTHER_RUNS: usize = 2;

    fn build() -> Result<Self, String> {
        let built = built::<Self>()?;
        let libraries = java::libraries(&built)?;
        let (published, libraries) = libraries
            .split(':')
            .map(str::to_owned)
            .partition(|jar| jar.ends_with("-tests.jar"));
        Ok(Self {
            built,
            libraries,
            published,
        })
    }

    fn once() -> &'static OnceLock<Result<Self, String>> {
        static ONCE: OnceLock<Result<Curator, String>> = OnceLock::new();
        &ONCE
    }

    fn classes(&self) -> Vec<String> {
        let of_module = |module: &&str| {
            let output = self
                .command(module)
                .args([RUNNER, "list", &self.home(module)])
                .stdin(Stdio::null())
                .output()
                .expect("java starts");
            assert!(output.status.success(), "{output:?}");
            let names = String::from_utf8(output.stdout).expect("names are text");
            let names = names.lines().map(|name| format!("{module}/{name}"));
            names.collect::<Vec<_>>()
        };
        MODULES.iter().flat_map(of_module).collect()
    }

    fn java(&self, class: &str, _work: &Path) -> (Command, Box<dyn Any>) {
        let (module, _) = class.split_once('/').expect("a class of a module");
        let ports = Ports::reserve(PORTS);
        let mut command = self.command(module);
        command
            .arg("-Djunit.jupiter.execution.timeout.testable.method.default=300 s")
            .arg(format!(
                "-Dgamekeeper.suite.ports={}:{PORTS}",
                ports.port(0)
            ));
        (command, Box::new(ports))
    }

    fn server_jars(&self) -> String {
        let apache = maven::apache().unwrap_or_else(|why| panic!("Apache's jars: {why}"));
        apache.classpath.clone()
    }
}

impl Curator {
    /// The shim's classes come first; a module sees only the tests that it does in Curator's build, for two
    /// have classes of the same name.
    fn command(&self, module: &str) -> Command {
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
            .args(["-XX:-UsePerfData", "-cp", &classpath.join(":")]);
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
