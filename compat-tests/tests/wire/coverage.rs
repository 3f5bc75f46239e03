//! Every row of the checklist is in a scenario, here or in a test of ensembles, or in `not_covered.txt`
//! with the reason.

use std::collections::BTreeSet;

use crate::sets::SETS;

const ROWS: std::ops::RangeInclusive<u16> = 1..=243;
const COVERED_AT_LEAST: usize = 200;

#[test]
fn every_row_is_covered_or_excused() {
    let scenarios = SETS
        .iter()
        .flat_map(|set| set.scenarios.iter().copied().flatten());
    let mut covered: BTreeSet<u16> = scenarios
        .flat_map(|scenario| scenario.rows)
        .copied()
        .collect();
    let on_ensembles = entries(include_str!("on_ensembles.txt"))
        .chain(entries(include_str!("on_other_ensembles.txt")));
    for row in on_ensembles.map(number) {
        assert!(covered.insert(row), "{row} is covered here as well");
    }
    let excused: BTreeSet<u16> = entries(include_str!("not_covered.txt"))
        .map(|line| {
            let (row, reason) = line.split_once(' ').expect("a row and a reason");
            assert!(!reason.trim().is_empty(), "{row} has no reason");
            number(row)
        })
        .collect();

    let both: Vec<_> = covered.intersection(&excused).collect();
    assert!(
        both.is_empty(),
        "covered, so no longer to be excused: {both:?}"
    );
    let neither: Vec<_> = ROWS
        .filter(|row| !covered.contains(row) && !excused.contains(row))
        .collect();
    assert!(
        neither.is_empty(),
        "neither covered nor excused: {neither:?}"
    );
    let unknown: Vec<_> = covered
        .union(&excused)
        .filter(|row| !ROWS.contains(row))
        .collect();
    assert!(unknown.is_empty(), "no such rows: {unknown:?}");
    assert!(
        covered.len() >= COVERED_AT_LEAST,
        "only {} rows are covered",
        covered.len()
    );
}

fn entries(list: &str) -> impl Iterator<Item = &str> {
    let is_entry = |line: &&str| !line.is_empty() && !line.starts_with('#');
    list.lines().filter(is_entry)
}

fn number(row: &str) -> u16 {
    row.trim_start_matches("CP-").parse().expect("a row number")
}
