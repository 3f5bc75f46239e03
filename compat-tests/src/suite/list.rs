//! The checked-in list of a suite's classes, `suites/<suite>/list.txt`.
//!
//! ```text
//! run <class> <tests that pass on both> <how many of them start a server> [part]
//!     slow <test> <test> ..
//!     races <test> <with what, so that it passes on both, but not every time>
//!     neither <test> <what of a server's Java it reaches into, or what else keeps it>
//!     lacks <test> <what our server does not have yet>
//!     differs <test> <what our server does otherwise on purpose>
//!     ours <test> <why Apache's server fails it in a JVM of its own>
//!     unsteady <test> <why it now passes and now fails, on either>
//!     disabled <test> <why its authors have switched it off>
//!     omits <test> <why it is not run>
//! left <class> <why none of its tests can run>
//! waits <class> <why it was not run on both yet>
//! ```
//!
//! The tests named below a class are those that do not pass on both; all others do. `part` marks a class
//! of which every run of the tests takes what is not `slow`. Where a suite has modules, a class is
//! `<module>/<class>`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::PathBuf,
};

use super::runner::{CLASS, Outcome, Tests, Verdict, method};
use crate::server::Kind;

/// Why a test is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It cannot pass when the server is a program, whoever's.
    Neither,
    /// It passes on Apache's server, not yet on ours.
    Lacks,
    /// It passes on Apache's server and not on ours, which is meant.
    Differs,
    /// It passes on ours and not on Apache's server.
    Ours,
    /// On either server it now passes and now fails, by a race in the test or the client.
    Unsteady,
    /// The suite's authors have switched it off.
    Disabled,
    /// It is not run.
    Omits,
}

impl Word {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Neither, "neither"),
        (Self::Lacks, "lacks"),
        (Self::Differs, "differs"),
        (Self::Ours, "ours"),
        (Self::Unsteady, "unsteady"),
        (Self::Disabled, "disabled"),
        (Self::Omits, "omits"),
    ];

    fn parse(text: &str) -> Option<Self> {
        let known = Self::ALL.into_iter().find(|(_, known)| *known == text);
        known.map(|(word, _)| word)
    }

    fn text(self) -> &'static str {
        let known = Self::ALL.into_iter().find(|(word, _)| *word == self);
        known.map_or("", |(_, text)| text)
    }

    /// Whether a test of this word may end so.
    fn allows(self, kind: Kind, verdict: Verdict) -> bool {
        let passes = verdict == Verdict::Passed;
        match self {
            Self::Neither => !passes,
            Self::Lacks | Self::Differs => passes == kind.is_apache(),
            Self::Ours => passes != kind.is_apache(),
            Self::Disabled => verdict == Verdict::Skipped,
            Self::Unsteady | Self::Omits => true,
        }
    }

    /// Whether this and the other say the same of who passes.
    fn agrees(self, other: Self) -> bool {
        [Kind::Apache, Kind::Ours]
            .into_iter()
            .all(|kind| self.allows(kind, Verdict::Passed) == other.allows(kind, Verdict::Passed))
    }
}

/// A class whose tests are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    pub passed: usize,
    pub with_server: usize,
    pub part: bool,
    /// They wait for longer than the part that always runs can.
    pub slow: BTreeSet<String>,
    /// They pass, on both, but not every time, and why: they are run again more often than others.
    pub races: BTreeMap<String, String>,
    pub named: BTreeMap<String, (Word, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Run(Run),
    Left(String),
    Waits(String),
}

/// The whole list, by the names of the classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    pub entries: BTreeMap<String, Entry>,
}

impl List {
    fn path(suite: &str) -> PathBuf {
        let suites = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("suites");
        suites.join(suite).join("list.txt")
    }

    /// The list as it is checked in.
    pub fn read(suite: &str) -> Self {
        let path = Self::path(suite);
        let text = fs::read_to_string(&path).expect("the list is checked in");
        Self::parse(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }

    pub fn write(&self, suite: &str) {
        fs::write(Self::path(suite), self.to_string()).expect("the list can be written");
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        let mut current: Option<(String, Run)> = None;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] => {}
                ["run", class, passed, with_server, ref rest @ ..] => {
                    finish(&mut entries, current.take())?;
                    let number = |word: &str| word.parse().map_err(|_| line.to_owned());
                    let run = Run {
                        passed: number(passed)?,
                        with_server: number(with_server)?,
                        part: rest == ["part"],
                        ..Run::default()
                    };
                    current = Some((class.to_owned(), run));
                }
                [word @ ("left" | "waits"), class, ref why @ ..] if !why.is_empty() => {
                    finish(&mut entries, current.take())?;
                    let why = why.join(" ");
                    let entry = if word == "left" {
                        Entry::Left(why)
                    } else {
                        Entry::Waits(why)
                    };
                    finish_entry(&mut entries, class.to_owned(), entry)?;
                }
                ["slow", ref tests @ ..] if !tests.is_empty() => {
                    let (_, run) = current.as_mut().ok_or(line)?;
                    run.slow.extend(tests.iter().map(|&test| test.to_owned()));
                }
                ["races", test, ref why @ ..] if !why.is_empty() => {
                    let (_, run) = current.as_mut().ok_or(line)?;
                    run.races.insert(test.to_owned(), why.join(" "));
                }
                [word, test, ref why @ ..] if !why.is_empty() => {
                    let (Some(word), Some((_, run))) = (Word::parse(word), &mut current) else {
                        return Err(line.to_owned());
                    };
                    run.named.insert(test.to_owned(), (word, why.join(" ")));
                }
                _ => return Err(line.to_owned()),
            }
        }
        finish(&mut entries, current)?;
        Ok(Self { entries })
    }

    pub fn runs(&self) -> impl Iterator<Item = (&str, &Run)> {
        self.entries
            .iter()
            .filter_map(|(class, entry)| match entry {
                Entry::Run(run) => Some((class.as_str(), run)),
                Entry::Left(_) | Entry::Waits(_) => None,
            })
    }
}

fn finish(entries: &mut BTreeMap<String, Entry>, run: Option<(String, Run)>) -> Result<(), String> {
    run.map_or(Ok(()), |(class, run)| {
        finish_entry(entries, class, Entry::Run(run))
    })
}

fn finish_entry(
    entries: &mut BTreeMap<String, Entry>,
    class: String,
    entry: Entry,
) -> Result<(), String> {
    match entries.insert(class.clone(), entry) {
        None => Ok(()),
        Some(_) => Err(format!("{class} is there twice")),
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        for (class, entry) in &self.entries {
            match entry {
                Entry::Left(why) => writeln!(f, "left {class} {why}")?,
                Entry::Waits(why) => writeln!(f, "waits {class} {why}")?,
                Entry::Run(run) => {
                    let part = if run.part { " part" } else { "" };
                    writeln!(f, "run {class} {} {}{part}", run.passed, run.with_server)?;
                    if !run.slow.is_empty() {
                        let slow: Vec<_> = run.slow.iter().map(String::as_str).collect();
                        writeln!(f, "    slow {}", slow.join(" "))?;
                    }
                    for (test, why) in &run.races {
                        writeln!(f, "    races {test} {why}")?;
                    }
                    for (test, (word, why)) in &run.named {
                        writeln!(f, "    {} {test} {why}", word.text())?;
                    }
                }
            }
        }
        Ok(())
    }
}

const HEADER: &str = "\
# Every class of the suite; src/suite/list.rs says how to read this.
";

impl Run {
    /// What of the class is run, in the part that always runs or else.
    pub fn tests(&self, is_part: bool) -> Tests {
        let omitted = self.of(Word::Omits).map(String::as_str);
        let slow = self.slow.iter().filter(|_| is_part).map(String::as_str);
        let without: BTreeSet<&str> = omitted.chain(slow).collect();
        match without.len() {
            0 => Tests::All,
            _ => Tests::Without(without.into_iter().map(str::to_owned).collect()),
        }
    }

    /// The tests named by this word.
    pub fn of(&self, word: Word) -> impl Iterator<Item = &String> {
        let is_it =
            move |(test, (known, _)): (_, &(Word, String))| (*known == word).then_some(test);
        self.named.iter().filter_map(is_it)
    }

    /// Whether a test is one that passes on this kind of server, so that it is worth another try if it fails.
    pub fn should_pass(&self, kind: Kind, test: &str) -> bool {
        self.named.get(test).is_none_or(|(word, _)| {
            word.allows(kind, Verdict::Passed) && !word.allows(kind, Verdict::Failed)
        })
    }

    /// What is otherwise than the list says of these tests, a line each.
    pub fn complaints(&self, kind: Kind, tests: &Tests, outcomes: &[Outcome]) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut passed = 0;
        for outcome in outcomes {
            let test = &outcome.test;
            let does_pass = outcome.verdict == Verdict::Passed;
            match self.named.get(test) {
                None if does_pass => passed += 1,
                None if outcome.verdict == Verdict::Skipped => {}
                None => complaints.push(format!("{test} fails: {}", outcome.reason)),
                Some((word, _)) if !word.allows(kind, outcome.verdict) => {
                    let is = if does_pass { "passes" } else { "fails" };
                    let word = word.text();
                    complaints.push(format!("{test} {is}, listed as {word}: {}", outcome.reason));
                }
                Some(_) => {}
            }
        }
        for test in self.named.keys().filter(|test| tests.has(test)) {
            // Where what comes before all its tests fails, a class has no tests.
            let was_run = |outcome: &Outcome| &outcome.test == test || outcome.test == CLASS;
            if !outcomes.iter().any(was_run) {
                complaints.push(format!("{test} is listed and was not run"));
            }
        }
        let expected = self.passed_of(tests);
        if passed != expected {
            complaints.push(format!("{passed} tests pass, listed are {expected}"));
        }
        complaints
    }

    /// How many of these pass and are named by no word. What is chosen by its method counts as one test.
    fn passed_of(&self, tests: &Tests) -> usize {
        let is_named = |name: &&String| self.named.keys().any(|test| method(test) == *name);
        match tests {
            Tests::All => self.passed,
            Tests::Only(only) => only.iter().filter(|test| !is_named(test)).count(),
            Tests::Without(without) => {
                self.passed - without.iter().filter(|test| !is_named(test)).count()
            }
        }
    }

    /// This class as a run on each kind of server showed it; reasons that are known stay.
    #[must_use]
    pub fn rewritten(&self, on_apache: &[Outcome], on_ours: &[Outcome]) -> Self {
        let mut run = Self {
            passed: 0,
            with_server: 0,
            part: self.part,
            slow: self.slow.clone(),
            races: self.races.clone(),
            named: BTreeMap::new(),
        };
        let stays = |(_, (word, _)): &(&String, &(Word, String))| *word == Word::Omits;
        let omitted = self.named.iter().filter(stays);
        run.named
            .extend(omitted.map(|(test, why)| (test.clone(), why.clone())));
        for outcome in on_apache {
            let known = self.named.get(&outcome.test);
            let ours = on_ours.iter().find(|other| other.test == outcome.test);
            let passes_on_ours = ours.is_some_and(|ours| ours.verdict == Verdict::Passed);
            let word = match (outcome.verdict, passes_on_ours) {
                _ if known.is_some_and(|(word, _)| *word == Word::Unsteady) => Word::Unsteady,
                (Verdict::Skipped, _) if known.is_some_and(|(word, _)| *word == Word::Disabled) => {
                    Word::Disabled
                }
                (Verdict::Skipped, _) => continue,
                (Verdict::Passed, true) => {
                    run.passed += 1;
                    run.with_server += usize::from(outcome.programs > 0);
                    continue;
                }
                (Verdict::Passed, false) => Word::Lacks,
                (Verdict::Failed, true) => Word::Ours,
                (Verdict::Failed, false) => Word::Neither,
            };
            let new = || {
                let ours = ours.map_or("not run", |ours| ours.reason.as_str());
                let why = if word == Word::Lacks {
                    ours
                } else {
                    &outcome.reason
                };
                (word, why.to_owned())
            };
            let known = known.filter(|(before, _)| before.agrees(word));
            run.named
                .insert(outcome.test.clone(), known.cloned().unwrap_or_else(new));
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
run org.A 2 1 part
    slow three two
    races four with the answer
    neither one DataTree
    lacks two[3] TLS
left org.B Apache's own DataTree
waits org.C hours
";

    fn outcome(test: &str, verdict: Verdict) -> Outcome {
        Outcome {
            verdict,
            test: test.to_owned(),
            programs: 1,
            reason: "why".to_owned(),
        }
    }

    fn run() -> Run {
        let list = List::parse(TEXT).unwrap();
        let (_, run) = list.runs().next().unwrap();
        run.clone()
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let list = List::parse(TEXT).unwrap();
        assert_eq!(list.to_string(), format!("{HEADER}{TEXT}"));
    }

    #[test]
    fn a_line_that_says_nothing_is_an_error() {
        for line in [
            "left org.A",
            "neither one DataTree",
            "run org.A 2",
            "slow",
            "slow one",
            "run org.A 2 1\nraces one",
            "passes",
        ] {
            assert!(List::parse(line).is_err(), "{line}");
        }
        assert!(List::parse("left org.A x\nleft org.A y").is_err());
    }

    #[test]
    fn each_difference_is_a_complaint() {
        let as_listed = |one, two| {
            [
                outcome("one", one),
                outcome("two[3]", two),
                outcome("three", Passed),
                outcome("four", Passed),
            ]
        };
        use Verdict::{Failed, Passed};
        let complaints =
            |kind, outcomes: &[Outcome]| run().complaints(kind, &Tests::All, outcomes).len();
        assert_eq!(complaints(Kind::Apache, &as_listed(Failed, Passed)), 0);
        assert_eq!(complaints(Kind::Ours, &as_listed(Failed, Failed)), 0);
        assert_eq!(complaints(Kind::Ours, &as_listed(Failed, Passed)), 1);
        assert_eq!(complaints(Kind::Ours, &as_listed(Passed, Failed)), 1);
        assert_eq!(complaints(Kind::Apache, &as_listed(Failed, Failed)), 1);
        // One fails, so one passes too few.
        let mut fails = as_listed(Failed, Failed);
        fails[2].verdict = Failed;
        assert_eq!(complaints(Kind::Ours, &fails), 2);
        // None of them was there.
        assert_eq!(complaints(Kind::Ours, &[]), 3);
    }

    #[test]
    fn a_run_on_both_is_the_list() {
        let on = |two| {
            [
                outcome("one", Verdict::Failed),
                outcome("two[3]", two),
                outcome("three", Verdict::Passed),
                outcome("four", Verdict::Passed),
            ]
        };
        let rewritten = run().rewritten(&on(Verdict::Passed), &on(Verdict::Failed));
        assert_eq!(rewritten.named, run().named);
        assert_eq!((rewritten.passed, rewritten.with_server), (2, 2));
        let mended = run().rewritten(&on(Verdict::Passed), &on(Verdict::Passed));
        assert_eq!((mended.passed, mended.named.len()), (3, 1));
        let only = |verdict| [outcome("one", verdict)];
        let (fails, passes) = (only(Verdict::Failed), only(Verdict::Passed));
        let better = Run::default().rewritten(&fails, &passes);
        assert_eq!(better.named["one"].0, Word::Ours);
        let complaints = |kind, outcomes| better.complaints(kind, &Tests::All, outcomes);
        assert!(complaints(Kind::Apache, &fails).is_empty());
        assert!(complaints(Kind::Ours, &passes).is_empty());
    }

    #[test]
    fn a_part_is_held_against_what_of_the_list_it_is() {
        let part = run().tests(true);
        let without = ["three", "two"].map(str::to_owned).to_vec();
        assert_eq!(part, Tests::Without(without));
        assert_eq!(run().tests(false), Tests::All);
        let outcomes = [
            outcome("one", Verdict::Failed),
            outcome("four", Verdict::Passed),
        ];
        let complaints = |tests: &Tests| run().complaints(Kind::Ours, tests, &outcomes).len();
        assert_eq!(complaints(&part), 0);
        // Without what is slow, a test that is listed and one that passes are missing.
        assert_eq!(complaints(&Tests::All), 2);
        let only = |test: &str| Tests::Only(vec![test.to_owned()]);
        let four = [outcome("four", Verdict::Passed)];
        assert!(
            run()
                .complaints(Kind::Ours, &only("four"), &four)
                .is_empty()
        );
        assert_eq!(run().complaints(Kind::Ours, &only("four"), &[]).len(), 1);
    }

    /// For each word the ends that it does not allow, on Apache's server and on ours.
    #[test]
    fn other_ends_are_complained_of_also_better_ones() {
        use Verdict::{Failed, Passed, Skipped};
        let refused = |word: Word, kind| {
            let ends = [Passed, Failed, Skipped].into_iter();
            ends.filter(|&end| !word.allows(kind, end))
                .collect::<Vec<_>>()
        };
        let expected: [(&[Verdict], &[Verdict]); 7] = [
            (&[Passed], &[Passed]),
            (&[Failed, Skipped], &[Passed]),
            (&[Failed, Skipped], &[Passed]),
            (&[Passed], &[Failed, Skipped]),
            (&[], &[]),
            (&[Passed, Failed], &[Passed, Failed]),
            (&[], &[]),
        ];
        for ((word, text), (on_apache, on_ours)) in Word::ALL.into_iter().zip(expected) {
            assert_eq!(refused(word, Kind::Apache), on_apache, "{text}");
            assert_eq!(refused(word, Kind::Ours), on_ours, "{text}");
        }
    }

    #[test]
    fn what_was_said_of_a_test_that_is_not_judged_stays() {
        let text = "\
run org.A 0 0
    disabled off by its authors
    unsteady race of a client
    omits within another class of Apache's
";
        let list = List::parse(text).unwrap();
        let (_, run) = list.runs().next().unwrap();
        let outcomes = [
            outcome("off", Verdict::Skipped),
            outcome("race", Verdict::Passed),
        ];
        assert_eq!(&run.rewritten(&outcomes, &outcomes), run);
        assert!(!run.tests(false).has("within"));
        assert!(!run.should_pass(Kind::Ours, "race") && run.should_pass(Kind::Ours, "another"));
    }
}
