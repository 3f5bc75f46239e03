//! Apache's own JUnit suite: the published jar, its way of sharing out ports, and what else its build
//! gives to a class.

use std::{
    any::Any,
    env,
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use super::{Suite, apache_keys, built};
use crate::{
    eventually::eventually,
    java,
    kerberos::{self, is_there_or_skip},
    server::gamekeeper_binary,
};

const SLOT_PATIENCE: Duration = Duration::from_secs(3600);
/// `PortAssignment` of the suite divides 11221 to 32767 among so many JVMs. The first few shares lie
/// below the ports of [`crate::ports`].
const PORT_SHARES: u16 = 20;
const SLOTS: u16 = 8;

/// As Apache's build sets it.
const SUPER_DIGEST: &str =
    "zookeeper.DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=";

/// The compiled classes that take the server's place, and the libraries, among them the suite.
#[derive(Debug)]
pub struct Apache {
    classes: String,
    jars: String,
    resources: PathBuf,
}

impl Suite for Apache {
    const NAME: &'static str = "apache";
    const TITLE: &'static str = "Apache's JUnit suite, 3.9.5";
    const WORKERS: usize = 3;
    const FURTHER_RUNS: usize = 0;

    fn build() -> Result<Self, String> {
        let built = built::<Self>()?;
        Ok(Self {
            classes: built.join("classes").display().to_string(),
            jars: java::libraries(&built)?,
            resources: apache_keys::made_in(&built)?,
        })
    }

    fn once() -> &'static OnceLock<Result<Self, String>> {
        static ONCE: OnceLock<Result<Apache, String>> = OnceLock::new();
        &ONCE
    }

    /// The test classes of the published jar, by Apache's own rule: their names end in `Test`.
    fn classes(&self) -> Vec<String> {
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

    fn can_run_or_skip(class: &str) -> bool {
        !needs_kerberos(class) || is_there_or_skip(class)
    }

    fn java(&self, _class: &str, work: &Path) -> (Command, Box<dyn Any>) {
        let place = work.join(apache_keys::PLACE);
        fs::create_dir_all(place.parent().expect("it is below `work`"))
            .and_then(|()| symlink(&self.resources, &place))
            .expect("a link in the directory to work in");
        let slot = Slot::take();
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
            .arg(format!("-Dzookeeper.junit.threadid={}", slot.number))
            .arg(format!("-Dbuild.test.dir={}", work.join("build").display()))
            .arg(format!("-D{SUPER_DIGEST}"))
            .args(["-cp", &format!("{}:{}", self.classes, self.jars)]);
        (command, Box::new(slot))
    }

    /// With the suite itself: authentication providers of its tests are in it.
    fn server_jars(&self) -> String {
        self.jars.clone()
    }

    fn binary(class: &str) -> &'static Path {
        if needs_kerberos(class) {
            kerberos::binary()
        } else {
            gamekeeper_binary()
        }
    }
}

impl Apache {
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
fn needs_kerberos(class: &str) -> bool {
    class.contains(".QuorumKerberos")
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
