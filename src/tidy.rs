//! The house rules a compiler does not know, held by tests: who may import whom, and what every
//! file starts with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A module imports only from lower ranks, and two modules of one rank leave each other alone.
const RANKS: &[(&str, u32)] = &[
    ("base", 0),
    ("proto", 1),
    ("quorum", 1),
    ("tree", 2),
    ("session", 2),
    ("auth", 2),
    ("election", 2),
    ("zab", 2),
    ("order", 2),
    ("watch", 3),
    ("prep", 3),
    ("exec", 4),
    ("peer", 5),
    ("store", 6),
    ("config", 6),
    ("net", 7),
    ("admin", 7),
    ("telemetry", 7),
    ("runtime", 8),
    ("sim", 8),
    ("cli", 8),
    ("bin", 9),
];

/// The folders that do no I/O and read no clock.
const PURE: &[&str] = &[
    "base", "proto", "quorum", "tree", "session", "auth", "election", "zab", "order", "watch",
    "prep", "exec", "peer",
];

/// What a pure folder has no business with.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::thread",
    "tokio::",
    "std::env",
    "Instant::now",
    "SystemTime::now",
    "std::net::Tcp",
    "std::net::Udp",
];

#[test]
fn imports_go_down_the_ranks() {
    let ranks: BTreeMap<&str, u32> = RANKS.iter().copied().collect();
    let mut breaches = Vec::new();
    for file in sources() {
        let Some(folder) = folder_of(&file) else {
            continue;
        };
        let rank = *ranks
            .get(folder.as_str())
            .unwrap_or_else(|| panic!("{folder} has no rank"));
        let text = fs::read_to_string(&file).expect("a source file");
        for (number, line) in text.lines().enumerate() {
            for imported in imported_folders(line) {
                let imported_rank = ranks.get(imported).copied().unwrap_or(0);
                if imported != folder && imported_rank >= rank {
                    breaches.push(format!("{}:{}: {line}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(
        breaches.is_empty(),
        "imports that go up or sideways:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn pure_folders_do_no_io_and_read_no_clock() {
    let mut breaches = Vec::new();
    for file in sources() {
        let pure = folder_of(&file).is_some_and(|folder| PURE.contains(&folder.as_str()));
        if !pure || is_test(&file) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            if !is_comment && IMPURE.iter().any(|banned| line.contains(banned)) {
                breaches.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    assert!(
        breaches.is_empty(),
        "I/O or clocks in pure folders:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn there_is_no_unsafe_code() {
    let allowing: Vec<_> = sources()
        .into_iter()
        .filter(|file| {
            let text = fs::read_to_string(file).expect("a source file");
            text.contains("allow(unsafe_code)") && !file.ends_with("tidy.rs")
        })
        .collect();
    assert!(allowing.is_empty(), "unsafe code is allowed: {allowing:?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|file| {
            let text = fs::read_to_string(file).expect("a source file");
            !text.starts_with("//! ")
        })
        .collect();
    assert!(
        silent.is_empty(),
        "no module documentation on the first line: {silent:?}"
    );
}

/// Every Rust file below `src`.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 10, "the sources were found");
    files.sort();
    files
}

/// The folder directly below `src`; `None` for the files beside it (`main.rs`, `lib.rs`).
fn folder_of(file: &Path) -> Option<String> {
    let below = file
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .ok()?;
    let mut parts = below.components();
    let first = parts.next()?.as_os_str().to_str()?.to_owned();
    parts.next().map(|_| first)
}

fn is_test(file: &Path) -> bool {
    file.components()
        .any(|part| part.as_os_str().to_string_lossy().starts_with("test"))
}

/// The folders a line names after `crate::`, also within braces.
fn imported_folders(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(group) => group.split(',').map(str::trim).collect(),
            None => vec![rest],
        })
        .map(|name| {
            name.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or("")
        })
        .collect()
}

#[test]
fn imported_folders_are_found() {
    assert_eq!(imported_folders("use crate::base::Zxid;"), ["base"]);
    assert_eq!(
        imported_folders("use crate::{base, tree::Tree};"),
        ["base", "tree"]
    );
    assert_eq!(imported_folders("fn f(x: &crate::peer::Peer) {}"), ["peer"]);
    assert!(imported_folders("// crate::peer is above").is_empty());
}
