//! Curator's own tests as the judge, through the one class of its testing server that starts a server: every
//! class of them is in `suites/curator/list.txt` with what became of its tests on Apache's server and on ours.
//! `src/suite/held.rs` says what is run when.

use compat_tests::suite::{Curator, List, Suite, Word, held};

#[test]
fn the_list_has_every_class_of_the_suite() {
    held::every_class_is_listed::<Curator>("suite_curator::list");
}

#[test]
fn the_readme_has_the_figures_of_the_list() {
    held::the_readme_has_the_figures::<Curator>();
}

#[test]
fn few_are_left_out() {
    let list = List::read(Curator::NAME);
    let left_out: usize = list
        .runs()
        .map(|(_, run)| run.of(Word::Omits).count())
        .sum();
    let run: usize = list.runs().map(|(_, run)| run.passed).sum();
    assert!(left_out * 20 <= run, "{left_out} are left out");
    assert_eq!(list.runs().count(), list.entries.len(), "no whole class");
}

#[test]
fn part_of_the_suite_on_ours() {
    held::part::<Curator>("suite_curator::part");
}

/// At least one of each module, and of what our class does: restarts, properties, ensembles.
#[test]
fn proof_on_apache() {
    let framework = "curator-framework/org.apache.curator.framework.imps";
    let proof: [(&str, &[&str]); 7] = [
        (
            "curator-client/org.apache.curator.BasicTests",
            &["testExpiredSession"],
        ),
        (&format!("{framework}.TestReconfiguration"), &["testAdd"]),
        (&format!("{framework}.TestTransactionsNew"), &["testBasic"]),
        (&format!("{framework}.TestTtlNodes"), &["testBasic"]),
        (
            "curator-recipes/org.apache.curator.framework.recipes.locks.TestInterProcessReadWriteLock",
            &["testSetNodeData"],
        ),
        (
            "curator-x-async/org.apache.curator.x.async.TestBasicOperations",
            &["testCrud"],
        ),
        (
            "curator-x-discovery/org.apache.curator.x.discovery.details.TestServiceDiscovery",
            &["testBasic", "testCrashedServer"],
        ),
    ];
    held::proof::<Curator>("suite_curator::proof", &proof);
}

#[test]
fn whole_suite_on_both() {
    held::whole::<Curator>("suite_curator::whole");
}
