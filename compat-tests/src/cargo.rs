//! Programs of this workspace, built now if their sources are newer than they.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::maven;

/// Builds the server and the example that tests run, with the profile under test, and gives the directory of that
/// profile.
pub fn build() -> PathBuf {
    build_into(&maven::target_dir(), &[])
}

/// The same with these features, as `<package>/<feature>`, into another target directory, where they do not undo what
/// others have built.
///
/// They are chosen as `cargo test --workspace` chooses: all packages, and a target that takes the libraries of
/// tests. With any other choice some libraries have other features, by which most of them are built once more. What
/// is built on the way lies beside what others have built, in one directory for all.
pub fn build_into(target_dir: &Path, features: &[&str]) -> PathBuf {
    let executable = env::current_exe().expect("a running test has a path");
    let profile_dir = executable
        .ancestors()
        .nth(2)
        .expect("cargo's layout has three levels");
    let directory = profile_dir
        .file_name()
        .expect("a profile directory has a name");
    let profile = if directory == "debug" {
        "dev".as_ref()
    } else {
        directory
    };
    let mut cargo = Command::new(env!("CARGO"));
    for name in told_to_tests() {
        cargo.env_remove(name);
    }
    let output = cargo
        .args(["build", "--quiet", "--workspace"])
        .args(["--bin", "gamekeeper", "--example", "rust_steps"])
        .arg("--features")
        .arg(features.join(","))
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_BUILD_BUILD_DIR", maven::target_dir())
        .arg("--profile")
        .arg(profile)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .expect("cargo built this test, so it can be run");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the server with the features {features:?} does not build:\n{log}"
    );
    target_dir.join(directory)
}

/// What cargo has told this test of its package. Some libraries are built anew, and with them all that stands on them,
/// if that is another package than when they were built, or none.
fn told_to_tests() -> impl Iterator<Item = String> {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
}
