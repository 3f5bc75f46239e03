//! Apache's own JUnit suite as the judge: every class of it is in `suites/apache/list.txt` with what
//! became of its tests on Apache's server and on ours, or with the reason why it cannot run.
//! `src/suite/held.rs` says what is run when.

use compat_tests::suite::{Apache, held};

#[test]
fn the_list_has_every_class_of_the_suite() {
    held::every_class_is_listed::<Apache>("suite_apache::list");
}

#[test]
fn the_readme_has_the_figures_of_the_list() {
    held::the_readme_has_the_figures::<Apache>();
}

#[test]
fn part_of_the_suite_on_ours() {
    held::part::<Apache>("suite_apache::part");
}

#[test]
fn whole_suite_on_both() {
    held::whole::<Apache>("suite_apache::whole");
}
