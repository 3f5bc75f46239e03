//! Our own client programs in C, Go and Node.js, built once from `compat-tests/c`, `compat-tests/go` and
//! `compat-tests/node`.
//!
//! What is built lands in `<target>/<language>/<hash of the sources>/`, under a file lock. On a machine
//! without the language, or where its registry is out of reach, [`Language::or_skip`] says so on the terminal
//! and the test passes, unless `GAMEKEEPER_REQUIRE_C=1`, `..._GO=1` or `..._NODE=1` turns that into a failure.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    env, fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use crate::{
    clients::Site,
    ensemble::can_run_or_skip,
    maven::{announce, target_dir},
    program::{Program, run},
    server::Kind,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// With Apache's client library, threads and all.
    C,
    Go,
    Node,
}

/// A program that can be started.
#[derive(Debug, Clone)]
pub struct Scenarios {
    language: Language,
    built: PathBuf,
}

impl Scenarios {
    pub fn start(&self, connect: &str, steps: &[&str]) -> Program {
        let mut command = match self.language {
            Language::C | Language::Go => Command::new(self.built.join("scenarios")),
            Language::Node => {
                let mut node = Command::new("node");
                node.env("NODE_PATH", self.built.join("node_modules"))
                    .arg(self.language.sources().join("scenarios.js"));
                node
            }
        };
        command.arg(connect).args(steps);
        Program::start(command)
    }
}

impl Language {
    /// Has the program take the steps that all clients can, and the `further` ones that this one can, on
    /// servers of a kind; or skips `test`.
    pub fn take_steps(
        self,
        kind: Kind,
        site: fn(Kind) -> Site,
        further: &[&'static str],
        test: &str,
    ) {
        if !can_run_or_skip(test, &[kind]) {
            return;
        }
        let Some(scenarios) = self.or_skip(test) else {
            return;
        };
        let mut site = site(kind);
        let steps = site.steps(further);
        let program = scenarios.start(&site.connect_string(), &steps);
        site.accompany(program, &steps);
    }

    /// The program in this language, or `None` after saying on the terminal why `test` is skipped.
    pub fn or_skip(self, test: &str) -> Option<Scenarios> {
        static BUILT: Mutex<Option<HashMap<Language, Result<PathBuf, String>>>> = Mutex::new(None);
        let built = {
            let mut all = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
            let all = all.get_or_insert_default();
            all.entry(self).or_insert_with(|| self.prepare()).clone()
        };
        match built {
            Ok(built) => Some(Scenarios {
                language: self,
                built,
            }),
            Err(why) => {
                self.skip(test, &why);
                None
            }
        }
    }

    /// Says on the terminal why a test is skipped, or fails it if skipping is forbidden.
    pub fn skip(self, test: &str, why: &str) {
        let name = self.name().to_uppercase();
        let switch = format!("GAMEKEEPER_REQUIRE_{name}");
        assert!(
            env::var_os(&switch).is_none_or(|value| value != "1"),
            "{test}, and {switch}=1 forbids to skip: {why}"
        );
        announce(&format!(
            "NOT TRIED WITH THE CLIENT FOR {name}: {test}: {why}"
        ));
    }

    fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Go => "go",
            Self::Node => "node",
        }
    }

    fn sources(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.name())
    }

    /// Builds into a scratch directory and renames, so that a broken-off run leaves no half program.
    fn prepare(self) -> Result<PathBuf, String> {
        let base = target_dir().join(self.name());
        fs::create_dir_all(&base).map_err(|error| format!("{}: {error}", base.display()))?;
        let lock_path = base.join("lock");
        let lock = fs::File::create(&lock_path).map_err(|error| error.to_string())?;
        lock.lock()
            .map_err(|error| format!("{}: {error}", lock_path.display()))?;

        let files = files_in(&self.sources())?;
        let mut hasher = DefaultHasher::new();
        for file in &files {
            file.hash(&mut hasher);
            fs::read(file)
                .map_err(|error| error.to_string())?
                .hash(&mut hasher);
        }
        let built = base.join(format!("{:016x}", hasher.finish()));
        if !built.is_dir() {
            let scratch = built.with_extension("partial");
            let _ = fs::remove_dir_all(&scratch);
            fs::create_dir_all(&scratch).map_err(|error| error.to_string())?;
            self.build(&files, &scratch)?;
            fs::rename(&scratch, &built)
                .map_err(|error| format!("{}: {error}", built.display()))?;
        }
        Ok(built)
    }

    fn build(self, files: &[PathBuf], into: &Path) -> Result<(), String> {
        match self {
            Self::C => run(Command::new("cc")
                .args(["-std=c11", "-D_GNU_SOURCE", "-DTHREADED", "-O1", "-g"])
                .args(["-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
                .arg(into.join("scenarios"))
                .args(files.iter().filter(|file| has_extension(file, "c")))
                .arg("-lzookeeper_mt")),
            Self::Go => run(Command::new("go")
                .args(["build", "-mod=readonly", "-o"])
                .arg(into.join("scenarios"))
                .arg(".")
                .current_dir(self.sources())),
            Self::Node => {
                for name in ["package.json", "package-lock.json"] {
                    fs::copy(self.sources().join(name), into.join(name))
                        .map_err(|error| format!("{name}: {error}"))?;
                }
                run(Command::new("npm")
                    .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
                    .current_dir(into))
            }
        }
    }
}

fn files_in(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|found| found == extension)
}
