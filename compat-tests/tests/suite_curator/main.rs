//! Curator's own tests, unmodified, as the judge: on Apache's server and on ours, through the same few
//! classes that take the place of the server in Curator's testing server and cluster
//! (`compat-tests/suites/curator`).
//!
//! `expected.txt` lists every test and how it fares. What ends otherwise is a failure here, also when it
//! is better than listed. `GAMEKEEPER_SUITES=all` runs all of it on both kinds of server; else what is
//! not `slow` runs on ours. What was said on the way is below `<target>/suites/curator`.

mod list;
mod run;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    env,
    fmt::Write as _,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
};

use compat_tests::{maven::announce, server::Kind};

use list::{Class, Verdict};
use run::{Ended, MODULES, Outcome, Suite};

/// So many classes run at a time: most of what they do is wait.
const JOBS: usize = 4;
/// Many of these tests count on being quick enough. As Curator's own build does, a test that fails is run
/// again, so often at most; what needed that is told.
const FURTHER_RUNS: usize = 2;

#[test]
fn every_test_is_listed() {
    let Some(suite) = Suite::or_skip("suite_curator::every_test_is_listed") else {
        return;
    };
    for module in MODULES {
        let listed: BTreeSet<String> = list::classes()
            .iter()
            .filter(|class| class.module == module)
            .flat_map(|class| class.tests.iter().map(|test| class.full_name(test)))
            .collect();
        let there: BTreeSet<String> = suite.tests(module).into_iter().collect();
        let missing: Vec<_> = there.difference(&listed).collect();
        let unknown: Vec<_> = listed.difference(&there).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "{module}: not listed: {missing:#?}, listed but not there: {unknown:#?}"
        );
    }
}

#[test]
fn few_are_left_out() {
    let classes = list::classes();
    let tests: Vec<_> = classes.iter().flat_map(|class| &class.tests).collect();
    let left_out = tests
        .iter()
        .filter(|test| test.verdict == Verdict::LeftOut)
        .count();
    assert!(left_out * 20 <= tests.len(), "{left_out} are left out");
}

#[test]
fn what_proves_is_listed() {
    let classes = list::classes();
    let listed: Vec<String> = classes
        .iter()
        .flat_map(|class| Part::Proof.tests(class))
        .collect();
    for name in PROOF {
        assert!(
            listed.iter().any(|test| test == name),
            "{name} is unknown or slow"
        );
    }
}

#[test]
fn ours() {
    let part = if runs_all() { Part::All } else { Part::Quick };
    hold(Kind::Ours, part, "suite_curator::ours");
}

#[test]
fn apache() {
    let part = if runs_all() { Part::All } else { Part::Proof };
    hold(Kind::Apache, part, "suite_curator::apache");
}

/// What of the suite is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    /// What is not slow.
    Quick,
    /// A few tests, which show that a failure on ours would be no fault of the shim.
    Proof,
}

/// At least one of each module, and of what the shim does: restarts, properties, ensembles.
const PROOF: [&str; 8] = [
    "org.apache.curator.BasicTests#testExpiredSession",
    "org.apache.curator.framework.imps.TestReconfiguration#testAdd",
    "org.apache.curator.framework.imps.TestTransactionsNew#testBasic",
    "org.apache.curator.framework.imps.TestTtlNodes#testBasic",
    "org.apache.curator.framework.recipes.locks.TestInterProcessReadWriteLock#testSetNodeData",
    "org.apache.curator.x.async.TestBasicOperations#testCrud",
    "org.apache.curator.x.discovery.details.TestServiceDiscovery#testBasic",
    "org.apache.curator.x.discovery.details.TestServiceDiscovery#testCrashedServer",
];

impl Part {
    fn tests(self, class: &Class) -> Vec<String> {
        class
            .tests
            .iter()
            .filter(|test| test.verdict != Verdict::LeftOut)
            .filter(|test| self == Self::All || !test.is_slow)
            .map(|test| class.full_name(test))
            .filter(|name| self != Self::Proof || PROOF.contains(&name.as_str()))
            .collect()
    }
}

fn runs_all() -> bool {
    env::var("GAMEKEEPER_SUITES").is_ok_and(|value| value == "all")
}

/// Runs a part of the suite on servers of one kind and holds it against the list.
fn hold(kind: Kind, part: Part, test: &str) {
    // One kind after the other: together they would only slow each other down.
    static TURN: Mutex<()> = Mutex::new(());
    let Some(suite) = Suite::or_skip(test) else {
        return;
    };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = run::directory(kind, "first");
    let classes = list::classes();
    let mut chosen: Vec<(&Class, Vec<String>)> = classes
        .iter()
        .map(|class| (class, part.tests(class)))
        .filter(|(_, tests)| !tests.is_empty())
        .collect();
    // The longest first, so that nothing long is left at the end.
    chosen.sort_by_key(|(class, tests)| {
        let slow = class.tests.iter().filter(|test| test.is_slow).count();
        std::cmp::Reverse((slow, tests.len()))
    });
    let mut outcomes = run_all(suite, kind, &chosen, &directory);
    let mut repeated = Vec::new();
    for further in 0..FURTHER_RUNS {
        let failed = failed_of(kind, &classes, &outcomes);
        for (class, tests) in &failed {
            repeated.extend(tests.iter().filter_map(|test| {
                let outcome = outcomes.get(&(class.module, test.clone()))?;
                Some(format!("{} {test}: {}", class.module, outcome.why))
            }));
        }
        let directory = run::directory(kind, &format!("again-{further}"));
        outcomes.extend(run_all(suite, kind, &failed, &directory));
    }
    let breaches = breaches(kind, &classes, &outcomes);
    let table = table(&classes, &outcomes);
    fs::write(
        directory.join("results.txt"),
        results(&classes, &outcomes, &repeated),
    )
    .expect("the directory is there");
    announce(&format!("{test}:\n{table}"));
    if !repeated.is_empty() {
        announce(&format!("{test}: run again: {repeated:#?}"));
    }
    assert!(
        breaches.is_empty(),
        "on {kind}, {} tests ended otherwise than listed: {breaches:#?}\nsee {}",
        breaches.len(),
        directory.display()
    );
}

/// By module and `class#test`; two modules have tests of the same name.
type Outcomes<'a> = BTreeMap<(&'a str, String), Outcome>;

fn run_all<'a>(
    suite: &Suite,
    kind: Kind,
    chosen: &[(&'a Class, Vec<String>)],
    directory: &Path,
) -> Outcomes<'a> {
    let queue: Mutex<VecDeque<_>> = Mutex::new(chosen.iter().collect());
    let outcomes = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no panic holds it").pop_front();
                    let Some((class, tests)) = next else {
                        return;
                    };
                    let directory = directory.join(class.module);
                    fs::create_dir_all(&directory).expect("a directory for output");
                    let ended = suite.run(kind, class.module, class.name, tests, &directory);
                    outcomes.lock().expect("no panic holds it").extend(
                        ended
                            .into_iter()
                            .map(|(test, outcome)| ((class.module, test), outcome)),
                    );
                }
            });
        }
    });
    outcomes.into_inner().expect("no panic held it")
}

/// The tests that should have passed, each alone: what one left behind may be why the next one failed.
fn failed_of<'a>(
    kind: Kind,
    classes: &'a [Class],
    outcomes: &Outcomes<'_>,
) -> Vec<(&'a Class, Vec<String>)> {
    let mut failed = Vec::new();
    for class in classes {
        for test in &class.tests {
            let name = class.full_name(test);
            let has_failed = outcomes
                .get(&(class.module, name.clone()))
                .is_some_and(|outcome| outcome.ended == Ended::Failed);
            if has_failed && test.verdict.expected(kind) == Some(Ended::Passed) {
                failed.push((class, vec![name]));
            }
        }
    }
    failed
}

fn breaches(kind: Kind, classes: &[Class], outcomes: &Outcomes<'_>) -> Vec<String> {
    let mut breaches = Vec::new();
    for class in classes {
        for test in &class.tests {
            let name = class.full_name(test);
            let Some(outcome) = outcomes.get(&(class.module, name.clone())) else {
                continue;
            };
            if let Some(what) = test.verdict.breach(kind, outcome) {
                breaches.push(format!("{} {name} {what}", class.module));
            }
        }
    }
    breaches
}

fn table(classes: &[Class], outcomes: &Outcomes<'_>) -> String {
    let mut table = String::new();
    for module in MODULES {
        let tests = || {
            let of_module = classes.iter().filter(move |class| class.module == module);
            of_module.flat_map(|class| class.tests.iter().map(move |test| (class, test)))
        };
        let ended = |ended| {
            tests()
                .filter_map(|(class, test)| outcomes.get(&(module, class.full_name(test))))
                .filter(|outcome| outcome.ended == ended)
                .count()
        };
        let (passed, failed) = (ended(Ended::Passed), ended(Ended::Failed));
        writeln!(
            table,
            "{module}: {} tests, {} run, {passed} passed, {failed} failed",
            tests().count(),
            passed + failed,
        )
        .expect("a string takes everything");
    }
    table
}

fn results(classes: &[Class], outcomes: &Outcomes<'_>, repeated: &[String]) -> String {
    let mut text = String::new();
    for class in classes {
        for test in &class.tests {
            let name = class.full_name(test);
            if let Some(outcome) = outcomes.get(&(class.module, name.clone())) {
                writeln!(
                    text,
                    "{:?} {} {name} {} ms {}",
                    outcome.ended, class.module, outcome.millis, outcome.why
                )
                .expect("a string takes everything");
            }
        }
    }
    for line in repeated {
        writeln!(text, "again {line}").expect("a string takes everything");
    }
    text
}
