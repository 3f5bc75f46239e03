//! Our own Java programs in `compat-tests/{java,hadoop,kafka,solr}`, each with its libraries, compiled once through
//! Maven.
//!
//! Classes and the class path of their dependencies land in `<target>/java/<folder>-<hash of the sources>/`, under the same kind of lock and behind the same gate as Apache's jars (see [`maven`]).

use std::{
    collections::hash_map::DefaultHasher,
    ffi::OsStr,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::{
    maven::{self, target_dir},
    program::Program,
};

/// The file that a project's class path is written to, by its `pom.xml`.
const CLASSPATH: &str = "classpath";

/// The compiled programs.
#[derive(Debug)]
pub struct Java {
    classes: String,
    jars: String,
}

impl Java {
    /// Starts a class with small heap; `properties` are `-D` definitions.
    pub fn start(&self, class: &str, properties: &[(&str, &str)], arguments: &[&str]) -> Program {
        Program::start(self.command(&self.jars, class, properties, arguments))
    }

    /// Starts a class that uses this package, which the JDK keeps for itself: `module/package`.
    pub fn start_with_package(&self, package: &str, class: &str) -> Program {
        let mut command = java();
        command
            .arg(format!("--add-exports={package}=ALL-UNNAMED"))
            .args(["-cp", &self.classes, class]);
        Program::start(command)
    }

    /// Starts a class that prints both its standard output and its errors into `output`.
    pub fn start_into(
        &self,
        class: &str,
        properties: &[(&str, &str)],
        arguments: &[&str],
        output: &fs::File,
    ) -> Program {
        Program::start_into(
            self.command(&self.jars, class, properties, arguments),
            output,
        )
    }

    /// Starts one of the tools in Apache's server jars, some of whose libraries a client lacks.
    pub fn start_tool(&self, class: &str, arguments: &[&str]) -> Program {
        let apache = maven::apache().unwrap_or_else(|why| panic!("Apache's jars: {why}"));
        let libraries = format!("{}:{}", self.jars, apache.classpath);
        Program::start(self.command(&libraries, class, &[], arguments))
    }

    /// Starts one of our programs with the libraries of `pom` instead of those it was compiled with.
    pub fn start_with(&self, pom: &Path, class: &str, arguments: &[&str]) -> Program {
        let name = pom
            .file_stem()
            .and_then(OsStr::to_str)
            .expect("a file name");
        let jars = maven::resolve(pom, &format!("client-{name}"))
            .unwrap_or_else(|why| panic!("{}: {why}", pom.display()));
        let libraries = maven::classpath(&jars);
        Program::start(self.command(&libraries, class, &[], arguments))
    }

    fn command(
        &self,
        libraries: &str,
        class: &str,
        properties: &[(&str, &str)],
        arguments: &[&str],
    ) -> Command {
        let classpath = format!("{}:{libraries}", self.classes);
        let mut command = java();
        command
            .args(
                properties
                    .iter()
                    .map(|(key, value)| format!("-D{key}={value}")),
            )
            .args(["-cp", &classpath, class])
            .args(arguments);
        command
    }
}

/// A JVM for a small program that does not live long.
fn java() -> Command {
    let mut command = Command::new("java");
    command
        .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg("-XX:-UsePerfData");
    command
}

/// The programs in `compat-tests/java`, or `None` after saying on the terminal why `test` is skipped. With
/// `GAMEKEEPER_REQUIRE_JAVA=1` there is no skipping.
pub fn java_or_skip(test: &str) -> Option<&'static Java> {
    static JAVA: OnceLock<Result<Java, String>> = OnceLock::new();
    compiled_or_skip(test, &JAVA, "java")
}

/// The same for those in `compat-tests/hadoop`.
pub fn hadoop_or_skip(test: &str) -> Option<&'static Java> {
    static HADOOP: OnceLock<Result<Java, String>> = OnceLock::new();
    compiled_or_skip(test, &HADOOP, "hadoop")
}

/// The same for those in `compat-tests/solr`, with all that a node needs.
pub fn solr_or_skip(test: &str) -> Option<&'static Java> {
    static SOLR: OnceLock<Result<Java, String>> = OnceLock::new();
    compiled_or_skip(test, &SOLR, "solr")
}

/// The same for those in `compat-tests/kafka`, with the broker and its tools.
pub fn kafka_or_skip(test: &str) -> Option<&'static Java> {
    static KAFKA: OnceLock<Result<Java, String>> = OnceLock::new();
    compiled_or_skip(test, &KAFKA, "kafka")
}

fn compiled_or_skip(
    test: &str,
    programs: &'static OnceLock<Result<Java, String>>,
    folder: &str,
) -> Option<&'static Java> {
    maven::apache_or_skip(test)?;
    match programs.get_or_init(|| compile(folder)) {
        Ok(java) => Some(java),
        // Java, Maven and the jars are there, so this is a fault of ours or a missing download.
        Err(why) => panic!("the Java programs do not compile: {why}"),
    }
}

fn compile(folder: &str) -> Result<Java, String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let built = build(&project, &[project.join("src")], folder)?;
    Ok(Java {
        classes: built.join("classes").display().to_string(),
        jars: libraries(&built)?,
    })
}

/// Lets Maven build a project, whose `sources` are below these directories, unless that was done, and
/// returns the directory with the classes. `name` only makes that directory readable.
pub fn build(project: &Path, sources: &[PathBuf], name: &str) -> Result<PathBuf, String> {
    let base = target_dir().join("java");
    fs::create_dir_all(&base).map_err(|error| format!("{}: {error}", base.display()))?;
    let lock_path = base.join(format!("{name}.lock"));
    let lock = fs::File::create(&lock_path).map_err(|error| error.to_string())?;
    lock.lock()
        .map_err(|error| format!("{}: {error}", lock_path.display()))?;

    let pom = project.join("pom.xml");
    let mut files = vec![pom.clone()];
    for directory in sources {
        files.extend(files_below(directory)?);
    }
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        fs::read(&file)
            .map_err(|error| error.to_string())?
            .hash(&mut hasher);
    }
    let built = base.join(format!("{name}-{:016x}", hasher.finish()));
    // Maven writes the class path after all compilation, so its presence means success.
    if !built.join(CLASSPATH).is_file() {
        run_maven(&pom, &built)?;
    }
    Ok(built)
}

/// The class path of the libraries of a project that [`build`] built.
pub fn libraries(built: &Path) -> Result<String, String> {
    let jars = fs::read_to_string(built.join(CLASSPATH)).map_err(|error| error.to_string())?;
    Ok(jars.trim().to_owned())
}

fn run_maven(pom: &Path, built: &Path) -> Result<(), String> {
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(pom)
        .arg(format!("-Dbuild.dir={}", built.display()))
        .arg("process-classes")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("mvn does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn files_below(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let entries = fs::read_dir(directory).map_err(|error| error.to_string())?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
