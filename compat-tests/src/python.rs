//! Our own Python programs in `compat-tests/python`, run in a virtual environment that pip fills once.
//!
//! The environment lands in `<target>/python/env-<hash of requirements.txt>/` under a file lock. On a
//! machine without Python, or where pip reaches no package index, [`python_or_skip`] says so on the
//! terminal and the test passes, unless `GAMEKEEPER_REQUIRE_PYTHON=1`, which turns that into a failure.

use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{
    maven::{announce, target_dir},
    program::{Program, run},
};

/// An interpreter that finds what `requirements.txt` names.
#[derive(Debug)]
pub struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// Starts a program of `compat-tests/python`.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Program {
        let mut command = Command::new(&self.interpreter);
        command
            .arg("-B")
            .arg(folder().join(program))
            .args(arguments);
        Program::start(command)
    }
}

/// Python with its packages, or `None` after saying on the terminal why `test` is skipped.
pub fn python_or_skip(test: &str) -> Option<&'static Python> {
    static PYTHON: OnceLock<Result<Python, String>> = OnceLock::new();
    match PYTHON.get_or_init(prepare) {
        Ok(python) => Some(python),
        Err(why) if env::var_os("GAMEKEEPER_REQUIRE_PYTHON").is_some_and(|value| value == "1") => {
            panic!("{test} needs Python, and GAMEKEEPER_REQUIRE_PYTHON=1 forbids to skip: {why}")
        }
        Err(why) => {
            announce(&format!(
                "NOT TRIED WITH THE CLIENTS FOR PYTHON: {test} needs Python: {why}"
            ));
            None
        }
    }
}

fn prepare() -> Result<Python, String> {
    let requirements = folder().join("requirements.txt");
    let text = fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let base = target_dir().join("python");
    fs::create_dir_all(&base).map_err(|error| format!("{}: {error}", base.display()))?;
    let lock_path = base.join("env.lock");
    let lock = fs::File::create(&lock_path).map_err(|error| error.to_string())?;
    lock.lock()
        .map_err(|error| format!("{}: {error}", lock_path.display()))?;

    let environment = base.join(format!("env-{:016x}", hasher.finish()));
    // A virtual environment cannot be renamed when it is complete, so a mark says that it is.
    let complete = environment.join("complete");
    if !complete.is_file() {
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment))?;
        run(Command::new(environment.join("bin/pip"))
            .args(["install", "--quiet", "--requirement"])
            .arg(&requirements))?;
        fs::write(&complete, "").map_err(|error| error.to_string())?;
    }
    Ok(Python {
        interpreter: environment.join("bin/python"),
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}
