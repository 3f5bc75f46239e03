//! The measurement of the tree with a small one, so that it can't rot.

#![allow(clippy::unwrap_used, reason = "a panic here fails the test")]

use std::process::Command;

#[test]
fn the_tree_is_measured() {
    let output = Command::new(env!("CARGO_BIN_EXE_tree"))
        .args(["--nodes", "2000", "--fan-out", "10"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let report = String::from_utf8(output.stdout).unwrap();
    for figure in [
        "bytes per node",
        "create: ",
        "getData: ",
        "watch: ",
        "snapshot: ",
        "load: ",
    ] {
        assert!(report.contains(figure), "{figure} is missing:\n{report}");
    }
}
