//! Keys and certificates for a test, made by the JDK's `keytool` in a directory of their own.
//!
//! One authority, `ca`, and what it signs. A store has its owner's key with the certificates up to the
//! authority, `trust` has the authority alone. All passwords are [`PASSWORD`].
//!
//! A store of one owner takes five commands, and a JVM takes most of a second of processor time to start: the
//! tests of one process share a JVM for it, `gamekeeper.compat.Keytool`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use tempfile::TempDir;

use crate::{
    java::{Java, java_or_skip},
    program::Program,
};

pub const PASSWORD: &str = "secret";

/// The stores of a test.
#[derive(Debug)]
pub struct Keys {
    dir: TempDir,
    /// `keytool`, which all tests of this process share.
    keytool: &'static Keytool,
}

impl Keys {
    /// An authority, and `trust.p12` and `trust.jks` that trust it; or `None` after saying on the terminal why
    /// `test` is skipped. With `GAMEKEEPER_REQUIRE_JAVA=1` there is no skipping.
    pub fn or_skip(test: &str) -> Option<Self> {
        static KEYTOOL: OnceLock<Keytool> = OnceLock::new();
        let java = java_or_skip(test)?;
        let keys = Self {
            dir: TempDir::new().expect("a temporary directory"),
            keytool: KEYTOOL.get_or_init(|| Keytool::new(java)),
        };
        keys.make("ca", "CN=Test CA", &["-ext", "bc:c"]);
        let ca = keys.path("ca.pem");
        keys.tool("ca", &["-exportcert", "-rfc", "-file", &shown(&ca)]);
        for (store, kind) in [("trust.p12", "PKCS12"), ("trust.jks", "JKS")] {
            keys.keytool(&[
                "-importcert",
                "-noprompt",
                "-alias",
                "ca",
                "-file",
                &shown(&ca),
                "-keystore",
                &shown(&keys.path(store)),
                "-storetype",
                kind,
                "-storepass",
                PASSWORD,
            ]);
        }
        Some(keys)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `<name>.p12`: a key of the owner `subject`, whose certificate the authority has signed, for the
    /// names and addresses in `alternatives` as keytool spells them: `dns:localhost,ip:127.0.0.1`.
    pub fn signed(&self, name: &str, subject: &str, alternatives: &str) -> PathBuf {
        let extension = format!("san={alternatives}");
        let extensions = if alternatives.is_empty() {
            Vec::new()
        } else {
            vec!["-ext", &extension]
        };
        self.signed_with(name, subject, &extensions)
    }

    /// The same with a certificate that names `list` as the place of its revocation list.
    pub fn listed(&self, name: &str, subject: &str, list: &Path) -> PathBuf {
        let extension = format!("crl=uri:file://{}", shown(list));
        self.signed_with(name, subject, &["-ext", &extension])
    }

    /// Writes the authority's list of revoked certificates: those of these owners. By OpenSSL, as lists of
    /// keytool have version 1.
    pub fn revoke(&self, names: &[&str], list: &Path) {
        let database: String = names.iter().map(|name| self.revoked(name)).collect();
        let (index, number, settings) = (
            self.path("index.txt"),
            self.path("crlnumber"),
            self.path("ca.cnf"),
        );
        let lines = format!(
            "[ca]\ndefault_ca=test\n[test]\ndatabase={}\ncrlnumber={}\ndefault_md=sha256\n\
             default_crl_days=30\n",
            shown(&index),
            shown(&number)
        );
        fs::write(&index, database).expect("a file is written");
        fs::write(&number, "01\n").expect("a file is written");
        fs::write(&settings, lines).expect("a file is written");
        let key = self.bare_key("ca");
        let (settings, key, ca) = (shown(&settings), shown(&key), shown(&self.path("ca.pem")));
        let make = [
            "ca", "-gencrl", "-config", &settings, "-keyfile", &key, "-cert", &ca,
        ];
        let made = run(
            "openssl",
            &[&make[..], &["-out", &shown(list)]].concat(),
            &[],
        );
        assert!(made.is_empty(), "it writes the file");
    }

    /// `<name>.key`: the key alone, in PEM, as OpenSSL takes it.
    pub fn bare_key(&self, name: &str) -> PathBuf {
        let (store, password) = (
            shown(&self.path(&format!("{name}.p12"))),
            format!("pass:{PASSWORD}"),
        );
        let export = [
            "pkcs12", "-in", &store, "-passin", &password, "-nocerts", "-nodes",
        ];
        let key = self.path(&format!("{name}.key"));
        fs::write(&key, run("openssl", &export, &[])).expect("a file is written");
        key
    }

    /// `<name>.crt`: the certificate alone, in PEM.
    pub fn bare_certificate(&self, name: &str) -> PathBuf {
        let certificate = self.path(&format!("{name}.crt"));
        fs::write(&certificate, self.certificate(name)).expect("a file is written");
        certificate
    }

    /// The number of a certificate, in upper-case hexadecimal digits.
    pub fn serial(&self, name: &str) -> String {
        let certificate = self.certificate(name);
        let serial = run("openssl", &["x509", "-noout", "-serial"], &certificate);
        let serial = String::from_utf8(serial).expect("serial=<hexadecimal>");
        serial.trim().trim_start_matches("serial=").to_owned()
    }

    fn certificate(&self, name: &str) -> Vec<u8> {
        let store = shown(&self.path(&format!("{name}.p12")));
        let of = [
            "-exportcert",
            "-rfc",
            "-alias",
            name,
            "-keystore",
            &store,
            "-storepass",
            PASSWORD,
        ];
        self.keytool(&of).join("\n").into_bytes()
    }

    /// A line of OpenSSL's database.
    fn revoked(&self, name: &str) -> String {
        let hex = self.serial(name);
        format!("R\t491231235959Z\t200101000000Z\t{hex}\tunknown\t/CN={name}\n")
    }

    /// The same with a certificate that has these extensions, as keytool spells them.
    pub fn signed_with(&self, name: &str, subject: &str, extensions: &[&str]) -> PathBuf {
        self.make(name, subject, &[]);
        let (request, signed) = (self.path("request"), self.path("signed.pem"));
        self.tool(name, &["-certreq", "-file", &shown(&request)]);
        let mut sign = vec!["-gencert", "-rfc", "-validity", "30"];
        sign.extend(extensions);
        let (infile, outfile) = (shown(&request), shown(&signed));
        sign.extend(["-infile", &infile, "-outfile", &outfile]);
        self.tool("ca", &sign);
        let store = shown(&self.path(&format!("{name}.p12")));
        for (alias, file) in [("ca", self.path("ca.pem")), (name, signed)] {
            self.keytool(&[
                "-importcert",
                "-noprompt",
                "-alias",
                alias,
                "-file",
                &shown(&file),
                "-keystore",
                &store,
                "-storepass",
                PASSWORD,
            ]);
        }
        self.path(&format!("{name}.p12"))
    }

    /// `<name>.p12`: a key that no authority knows. A Java client only shows it where the subject, which is its
    /// issuer too, is the name of one that the server trusts: `CN=Test CA`.
    pub fn unsigned(&self, name: &str, subject: &str) -> PathBuf {
        self.make(name, subject, &[]);
        self.path(&format!("{name}.p12"))
    }

    /// The same key as JKS.
    pub fn as_jks(&self, name: &str) -> PathBuf {
        let (from, to) = (
            self.path(&format!("{name}.p12")),
            self.path(&format!("{name}.jks")),
        );
        self.keytool(&[
            "-importkeystore",
            "-noprompt",
            "-srckeystore",
            &shown(&from),
            "-srcstorepass",
            PASSWORD,
            "-srcalias",
            name,
            "-destkeystore",
            &shown(&to),
            "-deststoretype",
            "JKS",
            "-deststorepass",
            PASSWORD,
        ]);
        to
    }

    /// The same key as PEM, encrypted as the JDK before version 19 can decrypt it, with its certificates
    /// before it.
    pub fn as_pem(&self, name: &str) -> PathBuf {
        let store = shown(&self.path(&format!("{name}.p12")));
        let password = format!("pass:{PASSWORD}");
        let export = ["pkcs12", "-in", &store, "-passin", &password];
        let certificates = run("openssl", &[&export[..], &["-nokeys"]].concat(), &[]);
        let key = run(
            "openssl",
            &[&export[..], &["-nocerts", "-nodes"]].concat(),
            &[],
        );
        let encrypt = [
            "pkcs8",
            "-topk8",
            "-v1",
            "PBE-SHA1-3DES",
            "-passout",
            &password,
        ];
        let key = run("openssl", &encrypt, &key);
        let path = self.path(&format!("{name}.pem"));
        // The owner's certificate comes first in what OpenSSL exports.
        fs::write(&path, [certificates, key].concat()).expect("a PEM file is written");
        path
    }

    fn make(&self, name: &str, subject: &str, more: &[&str]) {
        let mut arguments = vec![
            "-genkeypair",
            "-dname",
            subject,
            "-keyalg",
            "EC",
            "-groupname",
            "secp256r1",
            "-validity",
            "30",
        ];
        arguments.extend(more);
        self.tool(name, &arguments);
    }

    /// On the key of `name` in its own store.
    fn tool(&self, name: &str, arguments: &[&str]) {
        let store = shown(&self.path(&format!("{name}.p12")));
        let of = ["-alias", name, "-keystore", &store, "-storepass", PASSWORD];
        self.keytool(&[arguments, &of[..]].concat());
    }

    /// What it prints, line by line.
    fn keytool(&self, arguments: &[&str]) -> Vec<String> {
        self.keytool.run(arguments)
    }
}

/// The program that obeys one command after the other; started by the first, and ended by the end of this
/// process, which closes its standard input.
#[derive(Debug)]
struct Keytool {
    java: &'static Java,
    program: Mutex<Option<Program>>,
}

impl Keytool {
    fn new(java: &'static Java) -> Self {
        Self {
            java,
            program: Mutex::new(None),
        }
    }

    /// What it prints, line by line; panics with its complaints if it fails, and the next command starts anew.
    fn run(&self, arguments: &[&str]) -> Vec<String> {
        let separated = arguments.iter().all(|word| !word.contains(['\t', '\n']));
        assert!(separated, "tabs separate words: {arguments:?}");
        let mut shared = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        let mut program = shared.take().unwrap_or_else(|| {
            self.java
                .start_with_package("java.base/sun.security.tools.keytool", KEYTOOL)
        });
        program.say(&arguments.join("\t"));
        let mut lines = Vec::new();
        loop {
            match program.line() {
                Some(line) if line == END_OF_OUTPUT => break,
                Some(line) => lines.push(line),
                None => panic!("keytool {arguments:?}: {lines:#?}{}", program.stderr()),
            }
        }
        *shared = Some(program);
        lines
    }
}

const KEYTOOL: &str = "gamekeeper.compat.Keytool";
const END_OF_OUTPUT: &str = ".";

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What a tool prints, given `input`; panics with its complaints if it fails.
pub(crate) fn run(tool: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{tool} cannot be started: {error}"));
    // A tool that wants no input may have ended.
    let _ = child.stdin.take().expect("it is piped").write_all(input);
    let output = child.wait_with_output().expect("the child is ours");
    assert!(
        output.status.success(),
        "{tool} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
