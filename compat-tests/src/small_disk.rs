//! A file system that is easily full: a tmpfs of a few megabytes, and a file that takes what is left.

use std::{
    env,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::maven::announce;

/// A mounted tmpfs; unmounted with the value.
#[derive(Debug)]
pub struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// `None` after saying why `test` is skipped on a machine that cannot mount; with
    /// `GAMEKEEPER_REQUIRE_MOUNT=1` there is no skipping.
    pub fn new_or_skip(test: &str, megabytes: u32) -> Option<Self> {
        let dir = TempDir::new().expect("a temporary directory");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(dir.path())
            .output();
        let why = match output {
            Ok(output) if output.status.success() => return Some(Self { dir }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let required = env::var_os("GAMEKEEPER_REQUIRE_MOUNT").is_some_and(|value| value == "1");
        assert!(
            !required,
            "{test} needs to mount, and GAMEKEEPER_REQUIRE_MOUNT=1 forbids to skip: {why}"
        );
        announce(&format!(
            "NO FULL DISK TESTED: {test} needs to mount, so root: {why}"
        ));
        None
    }

    /// Where the owner of the disk may write.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file on the disk");
        for size in [64 * 1024, 4096, 1] {
            // Until there is no room for another piece of the size.
            while ballast.write_all(&vec![7; size]).is_ok() {}
        }
    }

    /// Gives the room back.
    pub fn relieve(&self) {
        fs::remove_file(self.ballast()).expect("the disk was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.dir.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(self.dir.path());
    }
}

/// Lazily, since a server of a failed test may still have files open there.
fn unmount(path: &Path) {
    let unmounted = Command::new("umount").arg("-l").arg(path).status();
    if !unmounted.is_ok_and(|status| status.success()) {
        announce(&format!("{} stays mounted", path.display()));
    }
}
