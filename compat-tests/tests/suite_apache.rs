//! Apache's own JUnit suite as the judge: every class of it is in `suites/apache/list.txt` with what
//! became of its tests on Apache's server and on ours, or with the reason why it cannot run.
//!
//! Every run of the tests takes the classes marked `part`, on ours. `GAMEKEEPER_SUITES=all` takes all
//! that can run, on Apache's server and on ours (hours), and `GAMEKEEPER_SUITES=<class>,<class>` those.
//! With `REWRITE=1` the list is then written anew.

use std::{
    collections::{BTreeMap, VecDeque},
    env, fs,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use compat_tests::{
    kerberos::is_there_or_skip,
    server::Kind,
    suite::{Entry, List, Outcome, Run, Suite, Word, needs_kerberos, suite_or_skip},
};

/// Most tests wait for something most of the time.
const WORKERS: usize = 3;

#[test]
fn the_list_has_every_class_of_the_suite() {
    let Some(suite) = suite_or_skip("suite_apache::list") else {
        return;
    };
    let listed: Vec<String> = List::read().entries.into_keys().collect();
    let mut published = suite.classes();
    published.sort();
    assert_eq!(listed, published);
}

#[test]
fn the_readme_has_the_figures_of_the_list() {
    let list = List::read();
    let of = |word| {
        let named = |run: &Run| {
            run.named
                .values()
                .filter(|(known, _)| *known == word)
                .count()
        };
        list.runs().map(|(_, run)| named(run)).sum::<usize>()
    };
    let passed: usize = list.runs().map(|(_, run)| run.passed).sum();
    let with_server: usize = list.runs().map(|(_, run)| run.with_server).sum();
    let (neither, only_apache) = (of(Word::Neither), of(Word::Lacks) + of(Word::Differs));
    let only_ours = of(Word::Ours);
    let classes = list.runs().count();
    let waits = |entry: &&Entry| matches!(entry, Entry::Waits(_));
    let waiting = list.entries.values().filter(waits).count();
    let left = list.entries.len() - classes - waiting;
    let waiting = match waiting {
        0 => String::new(),
        some => format!("; {some} classes not run on both yet"),
    };
    let row = format!(
        "| Apache's JUnit suite, 3.9.5 | {} in {classes} classes | {} | {}, {with_server} of them \
         with a server | {neither} tests, {left} classes{waiting} |",
        passed + only_apache + only_ours + neither,
        passed + only_apache,
        passed + only_ours,
    );
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("the README is there");
    assert!(readme.contains(&row), "README.md lacks the row\n{row}");
}

#[test]
fn part_of_the_suite_on_ours() {
    let Some(suite) = suite_or_skip("suite_apache::part") else {
        return;
    };
    let list = List::read();
    let part: Vec<&str> = list
        .runs()
        .filter(|(_, run)| run.part)
        .map(|(class, _)| class)
        .collect();
    assert!(!part.is_empty(), "the list marks a part");
    let [outcomes] = run_all(suite, [Kind::Ours], &part);
    assert_as_listed(&list, Kind::Ours, &outcomes);
}

#[test]
fn whole_suite_on_both() {
    let Ok(wanted) = env::var("GAMEKEEPER_SUITES") else {
        return;
    };
    let suite = suite_or_skip("suite_apache::whole").expect("GAMEKEEPER_SUITES asks for it");
    let mut list = List::read();
    let does_rewrite = env::var_os("REWRITE").is_some();
    if does_rewrite {
        for entry in list.entries.values_mut() {
            if matches!(entry, Entry::Waits(_)) {
                *entry = Entry::Run(Run::default());
            }
        }
    }
    let named: Vec<&str> = wanted.split(',').collect();
    let classes: Vec<&str> = list
        .runs()
        .map(|(class, _)| class)
        .filter(|class| wanted == "all" || named.contains(class))
        .filter(|class| !needs_kerberos(class) || is_there_or_skip(class))
        .collect();
    assert!(!classes.is_empty(), "no class of the list is {wanted}");
    let [on_apache, on_ours] = run_all(suite, [Kind::Apache, Kind::Ours], &classes);
    if does_rewrite {
        let mut list = List::read();
        for (class, apache) in &on_apache {
            let entry = list.entries.get_mut(class).expect("it is of the list");
            let known = match entry {
                Entry::Run(run) => run.clone(),
                Entry::Left(_) | Entry::Waits(_) => Run::default(),
            };
            *entry = Entry::Run(known.rewritten(apache, &on_ours[class]));
        }
        list.write();
        return;
    }
    assert_as_listed(&list, Kind::Apache, &on_apache);
    assert_as_listed(&list, Kind::Ours, &on_ours);
}

/// What became of the tests of each class.
type Outcomes = BTreeMap<String, Vec<Outcome>>;

/// All classes on the first kind, then on the next, without a pause between them.
fn run_all<const N: usize>(suite: &Suite, kinds: [Kind; N], classes: &[&str]) -> [Outcomes; N] {
    let done = kinds.map(|kind| (kind, Mutex::new(Outcomes::new())));
    let of_kind = |of_kind| classes.iter().map(move |&class| (of_kind, class));
    let queue: Mutex<VecDeque<_>> = Mutex::new(done.iter().flat_map(of_kind).collect());
    let next = || lock(&queue).pop_front();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(((kind, outcomes), class)) = next() {
                    let of_class = suite.run(*kind, class);
                    lock(outcomes).insert(class.to_owned(), of_class);
                }
            });
        }
    });
    done.map(|(_, outcomes)| {
        outcomes
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn assert_as_listed(list: &List, kind: Kind, outcomes: &Outcomes) {
    let mut complaints = Vec::new();
    for (class, outcomes) in outcomes {
        let Some(Entry::Run(run)) = list.entries.get(class) else {
            panic!("{class} is not listed as one that runs");
        };
        for complaint in run.complaints(kind, outcomes) {
            complaints.push(format!("{class} on {kind}: {complaint}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
