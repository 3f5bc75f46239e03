//! The list of bugs that Apache's server has had or has, held against the tests: each bug of the
//! reference is in `known_bugs.txt` once, and every test that is named there exists.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Numbers of fixed bugs that lost data or took servers apart, `ZOOKEEPER-` before each.
const FIXED: &[u16] = &[
    1154, 1156, 790, 962, 335, 1282, 1291, 1367, 1387, 1419, 1514, 1489, 1413, 2418, 1551, 1558,
    1699, 1732, 1805, 1817, 1818, 3537, 1783, 1324, 2212, 1784, 1863, 2024, 4537, 2247, 261, 2325,
    3056, 3644, 3781, 2678, 2355, 2845, 2872, 2926, 3144, 2959, 2988, 3104, 3589, 3109, 3127, 3125,
    3145, 3249, 3306, 4846, 3472, 2623, 3642, 3701, 3720, 3769, 4787, 2186, 2164, 2836, 3320, 3756,
    4220, 3829, 2819, 3023, 3911, 4394, 4643, 4646, 4685, 4785, 4541, 4712, 4925, 4708, 4886, 2249,
    2574, 3231,
];

/// Bugs that are open or unreported, `H-` before each; findings of the TLA+ work, `T-`; and rows of
/// the checklist of the protocol between servers that have no test of their own, `QP-`.
const OPEN: std::ops::RangeInclusive<u16> = 1..=21;
const FINDINGS: std::ops::RangeInclusive<u16> = 1..=4;
const ROWS: &[u16] = &[
    47, 88, 94, 95, 108, 109, 116, 117, 119, 120, 124, 137, 140, 147, 148, 149, 150, 152, 153,
];

/// What a line may say instead of tests, and how it goes on.
const NOT_BUILT: &str = "not built: ";
const CANNOT_BE: &str = "cannot be: ";
const AS_IN_APACHE: &str = "as in Apache: ";

/// `numbers | rule | tests`.
struct Line<'a> {
    numbers: Vec<&'a str>,
    rule: &'a str,
    cover: &'a str,
}

fn lines() -> impl Iterator<Item = Line<'static>> {
    let text = include_str!("known_bugs.txt");
    let is_entry = |line: &&str| !line.is_empty() && !line.starts_with('#');
    text.lines().filter(is_entry).map(|line| {
        let mut fields = line.split(" | ");
        let mut next = || fields.next().map(str::trim).unwrap_or_default();
        let line = Line {
            numbers: next().split_whitespace().collect(),
            rule: next(),
            cover: next(),
        };
        assert_eq!(fields.next(), None, "three fields: {}", line.rule);
        line
    })
}

#[test]
fn every_known_bug_is_in_the_list_once() {
    let mut due: BTreeMap<String, usize> = BTreeMap::new();
    due.extend(FIXED.iter().map(|number| (number.to_string(), 0)));
    due.extend(OPEN.map(|number| (format!("H-{number:02}"), 0)));
    due.extend(FINDINGS.map(|number| (format!("T-{number}"), 0)));
    due.extend(ROWS.iter().map(|number| (format!("QP-{number:03}"), 0)));
    for line in lines() {
        assert!(!line.rule.is_empty(), "{:?} has a rule", line.numbers);
        for number in line.numbers {
            let count = due.get_mut(number);
            *count.unwrap_or_else(|| panic!("{number} is no known bug")) += 1;
        }
    }
    due.retain(|_, count| *count != 1);
    assert!(due.is_empty(), "not once in the list: {due:?}");
}

#[test]
fn every_test_that_the_list_names_exists() {
    let mut excused = 0;
    for Line { numbers, cover, .. } in lines() {
        let excuses = [CANNOT_BE, AS_IN_APACHE].map(|excuse| cover.strip_prefix(excuse));
        if let Some(reason) = excuses.into_iter().flatten().next() {
            assert!(reason.len() > 20, "{numbers:?}: a reason, not {reason:?}");
            excused += 1;
        } else if let Some(part) = cover.strip_prefix(NOT_BUILT) {
            check_not_built(&numbers, part);
        } else {
            assert!(!cover.is_empty(), "{numbers:?} has a test");
            for name in cover.split_whitespace() {
                let exists = exists(name);
                assert!(exists, "{numbers:?}: there is no test {name}");
            }
        }
    }
    assert!(excused <= 3, "few bugs cannot be tested for: {excused}");
}

/// Whoever builds the part says so in README, and then has to name tests here.
fn check_not_built(numbers: &[&str], part: &str) {
    let readme = read("README.md").expect("there is a README");
    let is_row = |line: &str| line.starts_with('|') && line.ends_with("| not yet |");
    let missing: Vec<_> = readme.lines().filter(|line| is_row(line)).collect();
    assert!(
        missing.iter().any(|row| row.contains(part)),
        "README does not have {part} among what is missing: name the tests of {numbers:?}"
    );
}

/// What of `compat-tests` makes tests, for a file that has none of its own.
const TEST_MACROS: [&str; 3] = [
    "compat_tests::cases!",
    "compat_tests::pairs!",
    "compat_tests::ensembles!",
];

/// `path::function`, of a test or of one that a macro makes; or a script's path, which a test names.
fn exists(name: &str) -> bool {
    let Some((path, function)) = name.split_once("::") else {
        return read(name).is_some();
    };
    let Some(text) = read(path) else {
        return false;
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let starts = |start: String| lines.iter().position(|line| line.starts_with(&start));
    if let Some(at) = starts(format!("fn {function}(")) {
        let above = lines.get(..at).unwrap_or_default().iter().rev();
        let mut attributes = above.take_while(|line| line.starts_with(['#', '/']));
        return attributes.any(|line| *line == "#[test]");
    }
    let has_tests = text.contains("#[test]") || TEST_MACROS.iter().any(|name| text.contains(name));
    starts(format!("{function}: ")).is_some() && has_tests
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

#[test]
fn tests_are_found_by_their_names() {
    let here = "src/known_bugs.rs::tests_are_found_by_their_names";
    assert!(exists(here));
    assert!(!exists("src/known_bugs.rs::exists"), "which is no test");
    assert!(!exists(&here[..here.len() - 1]));
    assert!(!exists("src/none.rs::tests_are_found_by_their_names"));
    assert!(exists("src/zab/leader/testdata/sync.txt") && !exists("src/none.txt"));
    let made_here = "compat-tests/tests/mixed_ensemble.rs::trunc_ours_to_apache";
    let made_elsewhere = "compat-tests/tests/sasl_ensemble.rs::ours_among_apache";
    assert!(exists(made_here) && exists(made_elsewhere));
}
