//! A suite on servers, held against its list: what the tests of each suite call, which say nothing else.
//!
//! Every run of the tests takes the classes marked `part`, without what is slow, on ours.
//! `GAMEKEEPER_SUITES=all` takes all that can run, on Apache's server and on ours (hours), and
//! `GAMEKEEPER_SUITES=<class>,<class>` those. With `REWRITE=1` the list is then written anew.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    env, fs,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use super::{
    Apache, Curator, Entry, List, Outcome, Run, Suite, Tests, Verdict, Word,
    runner::{self, CLASS, method},
    suite_or_skip,
};
use crate::{maven::announce, server::Kind};

/// The list has the classes that there are.
pub fn every_class_is_listed<S: Suite>(test: &str) {
    let Some(suite) = suite_or_skip::<S>(test) else {
        return;
    };
    let listed: Vec<String> = List::read(S::NAME).entries.into_keys().collect();
    let mut published = suite.classes();
    published.sort();
    assert_eq!(listed, published);
}

/// What always runs of the suite, on ours.
pub fn part<S: Suite>(test: &str) {
    if wanted().is_some_and(|wanted| wanted == "all") {
        // The whole has it.
        return;
    }
    let list = List::read(S::NAME);
    let part = list.runs().filter(|(_, run)| run.part);
    let chosen: Vec<Chosen<'_>> = part.map(|(class, run)| (class, run.tests(true))).collect();
    assert!(!chosen.is_empty(), "the list marks a part");
    some::<S>(test, Kind::Ours, &list, &chosen);
}

/// A few tests on Apache's server, which show that a failure on ours would be no fault of our classes.
pub fn proof<S: Suite>(test: &str, tests: &[(&str, &[&str])]) {
    let only = |tests: &[&str]| Tests::Only(tests.iter().map(|&test| test.to_owned()).collect());
    let chosen: Vec<Chosen<'_>> = tests
        .iter()
        .map(|&(class, tests)| (class, only(tests)))
        .collect();
    some::<S>(test, Kind::Apache, &List::read(S::NAME), &chosen);
}

fn some<S: Suite>(test: &str, kind: Kind, list: &List, chosen: &[Chosen<'_>]) {
    let Some(suite) = suite_or_skip::<S>(test) else {
        return;
    };
    let [outcomes] = run_all(suite, list, [kind], chosen);
    tell::<S>(test, kind, &outcomes);
    assert_as_listed(list, kind, chosen, &outcomes);
}

/// What `GAMEKEEPER_SUITES` wants of the suite, on both kinds of server.
pub fn whole<S: Suite>(test: &str) {
    let Some(wanted) = wanted() else {
        return;
    };
    let suite = suite_or_skip::<S>(test).expect("GAMEKEEPER_SUITES asks for it");
    let does_rewrite = env::var_os("REWRITE").is_some();
    let mut list = List::read(S::NAME);
    if does_rewrite {
        for entry in list.entries.values_mut() {
            if matches!(entry, Entry::Waits(_)) {
                *entry = Entry::Run(Run::default());
            }
        }
    }
    let named: Vec<&str> = wanted.split(',').collect();
    let wants_all = wanted == "all";
    assert!(
        wants_all || named.iter().all(|class| is_listed(class)),
        "no list has all of {wanted}"
    );
    let chosen: Vec<Chosen<'_>> = list
        .runs()
        .filter(|(class, _)| wants_all || named.contains(class))
        .filter(|(class, _)| S::can_run_or_skip(class))
        .map(|(class, run)| (class, run.tests(false)))
        .collect();
    if chosen.is_empty() {
        // They are the other suite's.
        return;
    }
    let [on_apache, on_ours] = run_all(suite, &list, [Kind::Apache, Kind::Ours], &chosen);
    tell::<S>(test, Kind::Apache, &on_apache);
    tell::<S>(test, Kind::Ours, &on_ours);
    if does_rewrite {
        let mut rewritten = List::read(S::NAME);
        for (class, apache) in &on_apache {
            let run = run_of(&list, class).rewritten(apache, &on_ours[class]);
            rewritten.entries.insert(class.clone(), Entry::Run(run));
        }
        rewritten.write(S::NAME);
        return;
    }
    assert_as_listed(&list, Kind::Apache, &chosen, &on_apache);
    assert_as_listed(&list, Kind::Ours, &chosen, &on_ours);
}

/// Whether a suite has this class.
fn is_listed(class: &str) -> bool {
    let has = |suite| List::read(suite).entries.contains_key(class);
    has(Apache::NAME) || has(Curator::NAME)
}

fn wanted() -> Option<String> {
    env::var("GAMEKEEPER_SUITES").ok()
}

/// The README has a row for the suite, or for each of its modules, with the figures of the list.
pub fn the_readme_has_the_figures<S: Suite>() {
    let list = List::read(S::NAME);
    let mut modules: BTreeMap<&str, BTreeMap<&str, &Entry>> = BTreeMap::new();
    for (class, entry) in &list.entries {
        let module = class.split_once('/').map_or("", |(module, _)| module);
        modules.entry(module).or_default().insert(class, entry);
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("the README is there");
    let rows = modules.into_iter().map(|(module, entries)| match module {
        "" => row(S::TITLE, &entries),
        module => row(&format!("{}, {module}", S::TITLE), &entries),
    });
    let missing: Vec<String> = rows.filter(|row| !readme.contains(row)).collect();
    assert!(
        missing.is_empty(),
        "README.md lacks the rows\n{}",
        missing.join("\n")
    );
}

fn row(title: &str, entries: &BTreeMap<&str, &Entry>) -> String {
    let runs: Vec<&Run> = entries
        .values()
        .filter_map(|entry| match entry {
            Entry::Run(run) => Some(run),
            Entry::Left(_) | Entry::Waits(_) => None,
        })
        .collect();
    let of = |words: &[Word]| -> usize {
        let of_word = |word| runs.iter().map(move |run| run.of(word).count());
        words.iter().map(|&word| of_word(word).sum::<usize>()).sum()
    };
    let passed: usize = runs.iter().map(|run| run.passed).sum();
    let with_server: usize = runs.iter().map(|run| run.with_server).sum();
    let only_apache = of(&[Word::Lacks, Word::Differs]);
    let only_ours = of(&[Word::Ours]);
    let neither = of(&[Word::Neither, Word::Unsteady, Word::Disabled, Word::Omits]);
    let waits = |entry: &&&Entry| matches!(entry, Entry::Waits(_));
    let waiting = entries.values().filter(waits).count();
    let left = entries.len() - runs.len() - waiting;
    let out: Vec<String> = [
        (neither, "test", "tests"),
        (left, "class", "classes"),
        (
            waiting,
            "class not run on both yet",
            "classes not run on both yet",
        ),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, several)| format!("{count} {}", if count == 1 { one } else { several }))
    .collect();
    format!(
        "| {title} | {} in {} classes | {} | {}, {with_server} of them with a server | {} |",
        passed + only_apache + only_ours + neither,
        runs.len(),
        passed + only_apache,
        passed + only_ours,
        out.join(", "),
    )
}

/// A class, and what of it is run.
type Chosen<'a> = (&'a str, Tests);

/// What became of the tests of each class.
type Outcomes = BTreeMap<String, Vec<Outcome>>;

/// All classes on the first kind, then on the next, without a pause between them; then what failed on either
/// and should not, again.
fn run_all<S: Suite, const N: usize>(
    suite: &S,
    list: &List,
    kinds: [Kind; N],
    chosen: &[Chosen<'_>],
) -> [Outcomes; N] {
    // One test of ours after the other: together they would only slow each other down.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = lock(&TURN);
    let mut chosen: Vec<&Chosen<'_>> = chosen.iter().collect();
    // The longest first, so that nothing long is left at the end.
    chosen.sort_by_key(|(class, _)| {
        let run = run_of(list, class);
        Reverse((run.slow.len(), run.passed))
    });
    let of_kind = |index| {
        chosen
            .iter()
            .map(move |(class, tests)| (index, *class, tests.clone()))
    };
    let mut jobs: Vec<Job<'_>> = (0..N).flat_map(of_kind).collect();
    let mut outcomes = [(); N].map(|()| Outcomes::new());
    let mut further = 0;
    while !jobs.is_empty() {
        let mut again = Vec::new();
        for ((index, class, tests), new) in run_jobs(suite, &kinds, jobs) {
            let run = run_of(list, class);
            let failed = failed(run, kinds[index], &tests, &new).into_iter();
            let worth = failed.filter(|tests| further < further_runs::<S>(run, tests));
            again.extend(worth.map(|tests| (index, class, tests)));
            let known = outcomes[index].entry(class.to_owned()).or_default();
            known.retain(|old| !tests.has(&old.test));
            known.extend(new);
        }
        for (index, class, tests) in &again {
            announce(&format!(
                "run again on {}: {class} {tests:?}",
                kinds[*index]
            ));
        }
        jobs = again;
        further += 1;
    }
    outcomes
}

/// One that wins its race every second time fails so often in a row once in a thousand times.
const FURTHER_RACES: usize = 9;

/// How often these tests are run again at most, if they fail.
fn further_runs<S: Suite>(run: &Run, tests: &Tests) -> usize {
    match tests {
        Tests::Only(only) if only.iter().all(|test| run.races.contains_key(test)) => FURTHER_RACES,
        _ => S::FURTHER_RUNS,
    }
}

/// What of these tests should have passed, each alone: what one left behind may be why the next one failed. All
/// of them if what stands before them failed.
fn failed(run: &Run, kind: Kind, tests: &Tests, outcomes: &[Outcome]) -> Vec<Tests> {
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| outcome.verdict == Verdict::Failed)
        .filter(|outcome| run.should_pass(kind, &outcome.test))
        .map(|outcome| method(&outcome.test))
        .collect();
    if failed.contains(&CLASS) {
        return vec![tests.clone()];
    }
    let methods: BTreeSet<&str> = failed.into_iter().collect();
    let alone = |method: &str| Tests::Only(vec![method.to_owned()]);
    methods.into_iter().map(alone).collect()
}

/// On which of the kinds, what.
type Job<'a> = (usize, &'a str, Tests);

fn run_jobs<'a, S: Suite>(
    suite: &S,
    kinds: &[Kind],
    jobs: Vec<Job<'a>>,
) -> Vec<(Job<'a>, Vec<Outcome>)> {
    let queue = Mutex::new(VecDeque::from(jobs));
    let done = Mutex::new(Vec::new());
    let next = || lock(&queue).pop_front();
    thread::scope(|scope| {
        for _ in 0..S::WORKERS {
            scope.spawn(|| {
                while let Some((index, class, tests)) = next() {
                    let outcomes = runner::run(suite, kinds[index], class, &tests);
                    lock(&done).push(((index, class, tests), outcomes));
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run_of<'a>(list: &'a List, class: &str) -> &'a Run {
    match list.entries.get(class) {
        Some(Entry::Run(run)) => run,
        _ => panic!("{class} is not listed as one that runs"),
    }
}

fn tell<S: Suite>(test: &str, kind: Kind, outcomes: &Outcomes) {
    let count = |verdict| {
        let all = outcomes.values().flatten();
        all.filter(|outcome| outcome.verdict == verdict).count()
    };
    announce(&format!(
        "{test}: {}, {} classes on {kind}: {} tests passed, {} failed, {} were skipped",
        S::TITLE,
        outcomes.len(),
        count(Verdict::Passed),
        count(Verdict::Failed),
        count(Verdict::Skipped),
    ));
}

fn assert_as_listed(list: &List, kind: Kind, chosen: &[Chosen<'_>], outcomes: &Outcomes) {
    let mut complaints = Vec::new();
    for (class, tests) in chosen {
        for complaint in run_of(list, class).complaints(kind, tests, &outcomes[*class]) {
            complaints.push(format!("{class} on {kind}: {complaint}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_should_have_passed_is_run_again_alone() {
        let list = List::parse("run org.A 2 1\n    neither never a reason\n").unwrap();
        let run = run_of(&list, "org.A");
        let failed = |names: &[&str]| {
            let outcomes: Vec<Outcome> = names
                .iter()
                .map(|test| Outcome {
                    verdict: Verdict::Failed,
                    test: (*test).to_owned(),
                    programs: 0,
                    reason: String::new(),
                })
                .collect();
            failed(run, Kind::Ours, &Tests::All, &outcomes)
        };
        let only = |test: &str| Tests::Only(vec![test.to_owned()]);
        let alone = vec![only("other"), only("some")];
        assert_eq!(failed(&["some[1]", "never", "some[2]", "other"]), alone);
        assert_eq!(failed(&["never"]), []);
        assert_eq!(failed(&["some[1]", CLASS]), [Tests::All]);
    }

    #[test]
    fn what_races_is_run_again_more_often() {
        let list = List::parse("run org.A 3 1\n    races quick with the answer\n").unwrap();
        let run = run_of(&list, "org.A");
        let further = |tests| further_runs::<Curator>(run, &tests);
        let only = |test: &str| Tests::Only(vec![test.to_owned()]);
        assert_eq!(further(only("quick")), FURTHER_RACES);
        assert_eq!(further(only("other")), Curator::FURTHER_RUNS);
        assert_eq!(further(Tests::All), Curator::FURTHER_RUNS);
        assert_eq!(further_runs::<Apache>(run, &only("other")), 0);
    }

    #[test]
    fn a_row_has_what_the_list_counts() {
        let text = "\
run org.A 3 2
    neither a why
    differs b why
    ours c why
    unsteady d why
left org.B why
waits org.C why
";
        let list = List::parse(text).unwrap();
        let entries: BTreeMap<&str, &Entry> = list
            .entries
            .iter()
            .map(|(class, entry)| (class.as_str(), entry))
            .collect();
        assert_eq!(
            row("Title", &entries),
            "| Title | 7 in 1 classes | 4 | 4, 2 of them with a server \
             | 2 tests, 1 class, 1 class not run on both yet |"
        );
    }
}
