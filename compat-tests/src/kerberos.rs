//! A Kerberos realm on loopback, with a KDC of MIT's krb5, and servers of ours that are built with Kerberos.
//!
//! The realm `EXAMPLE.COM` lives in a directory of its own and dies with the value. Its principals have random
//! keys, which lie in keytabs. The server is a build of its own, in `<target>/kerberos`, made on demand: it takes
//! libraries that the usual build does without.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{
    cargo,
    eventually::{PATIENCE, eventually},
    maven::{announce, target_dir},
    ports::Ports,
    process, server,
};

/// The gate of a test file all of whose servers of ours are to have Kerberos: from here on this process starts
/// only such.
pub fn kerberos_or_skip(test: &str) -> bool {
    let is_there = is_there_or_skip(test);
    if is_there {
        server::use_binary(binary());
    }
    is_there
}

/// The gate of a test that needs Kerberos. False after saying on the terminal why `test` is skipped; with
/// `GAMEKEEPER_REQUIRE_JAVA=1` there is no skipping.
pub fn is_there_or_skip(test: &str) -> bool {
    match missing() {
        None => true,
        Some(why) if env::var_os("GAMEKEEPER_REQUIRE_JAVA").is_some_and(|it| it == "1") => {
            panic!("{test} needs Kerberos, and GAMEKEEPER_REQUIRE_JAVA=1 forbids to skip: {why}")
        }
        Some(why) => {
            announce(&format!("NO KERBEROS TESTED: {test}: {why}"));
            false
        }
    }
}

/// What Debian's packages `krb5-kdc`, `krb5-admin-server`, `libkrb5-dev` and `libclang-dev` have to be installed
/// for, if they are not.
fn missing() -> Option<String> {
    let missing = |tool: &str, question: &str| {
        let asked = tool_command(tool)
            .arg(question)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.err().map(|error| format!("{tool}: {error}"))
    };
    let tools = [
        ("krb5kdc", "-?"),
        ("kadmin.local", "-?"),
        ("krb5-config", "--version"),
    ];
    let absent = tools
        .into_iter()
        .find_map(|(tool, question)| missing(tool, question));
    absent.or_else(|| (!has_libclang()).then(|| "libclang is not there".to_owned()))
}

/// Where the build of the bindings looks for it first.
fn has_libclang() -> bool {
    let Ok(entries) = fs::read_dir("/usr/lib") else {
        return false;
    };
    let folders = entries.flatten().map(|entry| entry.path());
    let mut versions = folders.filter(|path| path.display().to_string().contains("/llvm-"));
    let has_one = |folder: PathBuf| {
        let files = fs::read_dir(folder.join("lib"))
            .into_iter()
            .flatten()
            .flatten();
        let mut names = files.map(|file| file.file_name());
        let is_libclang = |name: &str| {
            let kind = name.strip_prefix("libclang").unwrap_or_default();
            kind.starts_with(".so") || (kind.starts_with('-') && kind.contains(".so"))
        };
        names.any(|name| is_libclang(&name.to_string_lossy()))
    };
    env::var_os("LIBCLANG_PATH").is_some() || versions.any(has_one)
}

/// The `gamekeeper` binary with Kerberos, built now if its sources are newer.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let directory = target_dir().join("kerberos");
        cargo::build_into(&directory, &["gamekeeper/gssapi"]).join("gamekeeper")
    })
}

/// A realm with its KDC.
#[derive(Debug)]
pub struct Realm {
    kdc: Child,
    dir: TempDir,
    _ports: Ports,
}

impl Realm {
    /// The default realm of [`Realm::configuration`].
    pub const NAME: &str = "EXAMPLE.COM";

    /// Makes the realm and waits until its KDC answers.
    pub fn start() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let ports = Ports::reserve(1);
        let (port, path, name) = (ports.port(0), dir.path().display(), Self::NAME);
        // By TCP alone, or a lost datagram costs a second.
        let configuration = format!(
            "[libdefaults]\ndefault_realm = {name}\ndns_lookup_kdc = false\ndns_lookup_realm = false\n\
             udp_preference_limit = 1\n[realms]\n{name} = {{\n kdc = 127.0.0.1:{port}\n}}\n"
        );
        let of_kdc = format!(
            "[kdcdefaults]\nkdc_listen = \"\"\nkdc_tcp_listen = 127.0.0.1:{port}\n[realms]\n{name} = {{\n \
             database_name = {path}/principals\n key_stash_file = {path}/stash\n acl_file = {path}/acl\n \
             supported_enctypes = aes256-cts-hmac-sha1-96:normal\n}}\n[logging]\n kdc = FILE:{path}/kdc.log\n"
        );
        fs::write(dir.path().join("krb5.conf"), configuration).expect("it is written");
        fs::write(dir.path().join("kdc.conf"), of_kdc).expect("it is written");
        let created = output(within(&dir, "kdb5_util").args(["create", "-s", "-P", "master"]));
        assert!(created.status.success(), "no realm: {created:?}");
        let kdc = within(&dir, "krb5kdc")
            .arg("-n")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the KDC starts");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let realm = Self {
            kdc,
            dir,
            _ports: ports,
        };
        eventually("the KDC listens", PATIENCE, || {
            TcpStream::connect(address).ok()
        });
        realm
    }

    /// Has a principal's tickets end after so many seconds, from its next ones on.
    pub fn limit_tickets(&self, principal: &str, seconds: u64) {
        let query = format!("modprinc -maxlife \"{seconds} seconds\" {principal}");
        let limited = output(within(&self.dir, "kadmin.local").args(["-q", &query]));
        let said = String::from_utf8_lossy(&limited.stdout);
        assert!(said.contains("modified"), "{limited:?}");
    }

    /// Has the KDC answer nobody until [`Realm::speak`], while its port takes connections.
    pub fn fall_silent(&mut self) {
        process::pause(&mut self.kdc, "the KDC");
    }

    pub fn speak(&mut self) {
        process::resume(&mut self.kdc);
    }

    /// What clients and servers are told by `java.security.krb5.conf`.
    pub fn configuration(&self) -> PathBuf {
        self.dir.path().join("krb5.conf")
    }

    /// A directory that lives as long as the realm.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A keytab of this name with the keys of these principals, which are made. A principal that is made again
    /// gets another key, and other keytabs then have an old one.
    pub fn keytab(&self, name: &str, principals: &[&str]) -> PathBuf {
        let keytab = self.dir.path().join(name);
        for principal in principals {
            let queries = [
                format!("addprinc -randkey {principal}"),
                format!("ktadd -k {} {principal}", keytab.display()),
            ];
            for query in queries {
                output(within(&self.dir, "kadmin.local").args(["-q", &query]));
            }
        }
        assert!(keytab.is_file(), "{}", keytab.display());
        keytab
    }

    /// A section of a JAAS file that logs in by a keytab.
    pub fn section(name: &str, keytab: &Path, principal: &str) -> String {
        format!(
            "{name} {{\n  com.sun.security.auth.module.Krb5LoginModule required\n  useKeyTab=true\n  \
             keyTab=\"{}\"\n  storeKey=true\n  useTicketCache=false\n  principal=\"{principal}\";\n}};\n",
            keytab.display()
        )
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        // It may have ended already; either way it must be reaped.
        let _ = self.kdc.kill();
        let _ = self.kdc.wait();
    }
}

/// A tool that works on the realm in this directory.
fn within(dir: &TempDir, tool: &str) -> Command {
    let mut command = tool_command(tool);
    command
        .env("KRB5_CONFIG", dir.path().join("krb5.conf"))
        .env("KRB5_KDC_PROFILE", dir.path().join("kdc.conf"));
    command
}

fn tool_command(tool: &str) -> Command {
    let of_system = Path::new("/usr/sbin").join(tool);
    if of_system.exists() {
        Command::new(of_system)
    } else {
        Command::new(tool)
    }
}

fn output(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .expect("it was there a moment ago")
}
