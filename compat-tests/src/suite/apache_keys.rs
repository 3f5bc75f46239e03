//! The keys for TLS that some classes of the suite read and that are not published with it, made here under
//! the names that they look for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
};

/// Where Apache's build has it, from the directory that a class runs in.
pub(super) const PLACE: &str = "src/test/resources";

const PASSWORD: &str = "testpass";
const NAME: &str = "CN=localhost,OU=Gamekeeper,O=Tests";

/// The directory with them, made below `built` if it is not there.
pub(super) fn made_in(built: &Path) -> Result<PathBuf, String> {
    let resources = built.join("resources");
    if !resources.is_dir() {
        // Renamed when it is whole: other processes may be making one too, and one is as good as the other.
        let partial = built.join(format!("resources-{}.partial", process::id()));
        make(&partial)?;
        let renamed = fs::rename(&partial, &resources);
        if let Err(error) = renamed.or_else(|_| fs::remove_dir_all(&partial)) {
            return Err(format!("{}: {error}", partial.display()));
        }
    }
    Ok(resources)
}

fn make(resources: &Path) -> Result<(), String> {
    let keys = resources.join("data/ssl");
    fs::create_dir_all(&keys).map_err(|error| format!("{}: {error}", keys.display()))?;
    let (store, trusted) = (
        keys.join("testKeyStore.jks"),
        keys.join("testTrustStore.jks"),
    );
    let certificate = keys.join("certificate");
    key_pair(&store)?;
    // `SSLAuthTest` looks for one that is not trusted.
    key_pair(&keys.join("testUntrustedKeyStore.jks"))?;
    keytool(&store, &["-exportcert", "-file", &text(&certificate)])?;
    keytool(
        &trusted,
        &["-importcert", "-noprompt", "-file", &text(&certificate)],
    )
}

fn key_pair(store: &Path) -> Result<(), String> {
    let kind = [
        "-genkeypair",
        "-keyalg",
        "RSA",
        "-keysize",
        "2048",
        "-dname",
        NAME,
    ];
    let names = [
        "-ext",
        "SAN=DNS:localhost,IP:127.0.0.1",
        "-validity",
        "36500",
    ];
    keytool(store, &[&kind[..], &names[..]].concat())
}

/// In the format that the names of the files promise.
fn keytool(store: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("keytool")
        .args(arguments)
        .args([
            "-alias",
            "test",
            "-storetype",
            "JKS",
            "-storepass",
            PASSWORD,
        ])
        .args(["-keystore", &text(store)])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("keytool does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Err(format!("keytool failed ({}): {said}", output.status))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
