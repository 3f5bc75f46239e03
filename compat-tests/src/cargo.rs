//! Programs of this workspace, built now if their sources are newer than they.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::maven::target_dir;

/// Builds what these arguments of `cargo build` choose, with the profile under test, and gives the
/// directory of that profile.
pub fn build(chosen: &[&str]) -> PathBuf {
    build_into(&target_dir(), chosen)
}

/// The same into another target directory, where other features do not undo what others have built.
pub fn build_into(target_dir: &Path, chosen: &[&str]) -> PathBuf {
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
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet"])
        .args(chosen)
        .arg("--target-dir")
        .arg(target_dir)
        .arg("--profile")
        .arg(profile)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .expect("cargo built this test, so it can be run");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{chosen:?} do not build:\n{log}");
    target_dir.join(directory)
}
