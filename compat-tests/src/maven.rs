//! Apache's jars, fetched once through Maven into the target directory, and the gate for tests that
//! need Java.
//!
//! Jars land in `<target>/java/<name>-<hash of the pom>/`; a file lock beside that directory makes
//! concurrent test processes wait for one download. On a machine without a JDK or Maven,
//! [`apache_or_skip`] says so on the terminal and the test passes, unless
//! `GAMEKEEPER_REQUIRE_JAVA=1`, which turns that into a failure.

use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::{Hash, Hasher},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// What is needed to run Apache's server or programs against its classes.
#[derive(Debug, Clone)]
pub struct Apache {
    /// All jars and the directory of `logback.xml`, joined by `:`.
    pub classpath: String,
}

/// The jars of `compat-tests/pom.xml`, or why there are none.
pub fn apache() -> Result<&'static Apache, String> {
    static APACHE: OnceLock<Result<Apache, String>> = OnceLock::new();
    APACHE
        .get_or_init(|| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let jars = resolve(&root.join("pom.xml"), "apache")?;
            Ok(Apache {
                classpath: with_logging(&jars),
            })
        })
        .as_ref()
        .map_err(Clone::clone)
}

/// The class path of the server of an older release, or why there is none.
pub fn old_apache(version: &str) -> Result<String, String> {
    let poms = Path::new(env!("CARGO_MANIFEST_DIR")).join("apache");
    let jars = resolve(
        &poms.join(format!("{version}.xml")),
        &format!("server-{version}"),
    )?;
    Ok(with_logging(&jars))
}

/// `logback.xml` is found as a resource, so its directory stands on the class path.
fn with_logging(jars: &Path) -> String {
    let logging = Path::new(env!("CARGO_MANIFEST_DIR")).join("logback");
    format!("{}:{}", logging.display(), classpath(jars))
}

/// The gate of a test that needs Java: `None` means "say goodbye and pass". `test` is the name shown.
pub fn apache_or_skip(test: &str) -> Option<&'static Apache> {
    match apache() {
        Ok(apache) => Some(apache),
        Err(why) if env::var_os("GAMEKEEPER_REQUIRE_JAVA").is_some_and(|value| value == "1") => {
            panic!(
                "{test} needs Java and Maven, and GAMEKEEPER_REQUIRE_JAVA=1 forbids to skip: {why}"
            )
        }
        Err(why) => {
            announce(&format!(
                "NOT COMPARED WITH APACHE: {test} needs Java and Maven: {why}"
            ));
            None
        }
    }
}

/// Copies the run-time dependencies of `pom` into the target directory and returns the directory of
/// jars. `name` only makes that directory readable.
pub fn resolve(pom: &Path, name: &str) -> Result<PathBuf, String> {
    let text = fs::read_to_string(pom).map_err(|error| format!("{}: {error}", pom.display()))?;
    require_tool("java", "-version")?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let base = target_dir().join("java");
    fs::create_dir_all(&base).map_err(|error| format!("{}: {error}", base.display()))?;
    let jars = base.join(format!("{name}-{:016x}", hasher.finish()));

    let lock_path = base.join(format!("{name}.lock"));
    let lock = fs::File::create(&lock_path).map_err(|error| error.to_string())?;
    lock.lock()
        .map_err(|error| format!("{}: {error}", lock_path.display()))?;
    if !jars.is_dir() {
        require_tool("mvn", "-version")?;
        copy_dependencies(pom, &jars)?;
    }
    Ok(jars)
}

/// Every jar of `directory`, sorted and joined by `:`.
pub fn classpath(directory: &Path) -> String {
    let mut jars: Vec<String> = fs::read_dir(directory)
        .expect("resolve() made this directory")
        .map(|entry| {
            entry
                .expect("a readable entry")
                .path()
                .display()
                .to_string()
        })
        .filter(|path| path.ends_with(".jar"))
        .collect();
    jars.sort();
    jars.join(":")
}

/// The target directory this test executable was built into.
pub fn target_dir() -> PathBuf {
    // <target>/<profile>/deps/<test executable>
    let executable = env::current_exe().expect("a running test has a path");
    executable
        .ancestors()
        .nth(3)
        .expect("cargo's layout has three levels")
        .to_path_buf()
}

/// Writes past the test runner's capture, which hides what passing tests print.
pub fn announce(message: &str) {
    // A closed terminal is no reason to fail a test.
    let _ = writeln!(std::io::stderr().lock(), "\n*** {message}");
}

/// Downloads into a scratch directory and renames, so that a broken-off run leaves no half set.
fn copy_dependencies(pom: &Path, jars: &Path) -> Result<(), String> {
    let scratch = jars.with_extension("partial");
    let _ = fs::remove_dir_all(&scratch);
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(pom)
        .arg("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies")
        .arg("-DincludeScope=runtime")
        .arg(format!("-DoutputDirectory={}", scratch.display()))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("mvn does not start: {error}"))?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stdout);
        return Err(format!("mvn failed ({}): {log}", output.status));
    }
    fs::rename(&scratch, jars).map_err(|error| format!("{}: {error}", jars.display()))
}

fn require_tool(tool: &str, version_flag: &str) -> Result<(), String> {
    let status = Command::new(tool)
        .arg(version_flag)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{tool} {version_flag}` ended with {status}")),
        Err(error) => Err(format!("`{tool}` is not there: {error}")),
    }
}
