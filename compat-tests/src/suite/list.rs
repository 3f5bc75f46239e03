//! The checked-in list of the suite's classes, `suites/apache/list.txt`.
//!
//! ```text
//! run <class> <tests that pass on both> <how many of them start a server> [part]
//!     neither <test> <what of a server's Java it reaches into, or what else keeps it>
//!     lacks <test> <what our server does not have yet>
//!     differs <test> <what our server does otherwise on purpose>
//!     ours <test> <why Apache's server fails it in a JVM of its own>
//! left <class> <why none of its tests can run>
//! waits <class> <why it was not run on both yet>
//! ```
//!
//! The tests named below a class are those that do not pass on both; all others do. `part` marks a class
//! of which every run of the tests takes a look.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use super::runner::{Outcome, Verdict};
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
}

impl Word {
    const ALL: [Self; 4] = [Self::Neither, Self::Lacks, Self::Differs, Self::Ours];

    fn text(self) -> &'static str {
        match self {
            Self::Neither => "neither",
            Self::Lacks => "lacks",
            Self::Differs => "differs",
            Self::Ours => "ours",
        }
    }

    fn passes_on(self, kind: Kind) -> bool {
        match self {
            Self::Neither => false,
            Self::Lacks | Self::Differs => kind.is_apache(),
            Self::Ours => !kind.is_apache(),
        }
    }
}

/// A class whose tests are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    pub passed: usize,
    pub with_server: usize,
    pub part: bool,
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
    fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("suites/apache/list.txt")
    }

    /// The list as it is checked in.
    pub fn read() -> Self {
        let text = fs::read_to_string(Self::path()).expect("the list is checked in");
        Self::parse(&text).unwrap_or_else(|why| panic!("{}: {why}", Self::path().display()))
    }

    pub fn write(&self) {
        fs::write(Self::path(), self.to_string()).expect("the list can be written");
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
                        named: BTreeMap::new(),
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
                [word, test, ref why @ ..] if !why.is_empty() => {
                    let word = Word::ALL.into_iter().find(|known| known.text() == word);
                    let (Some(word), Some((_, run))) = (word, &mut current) else {
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
# Every class of Apache's JUnit suite; src/suite/list.rs says how to read this.
";

impl Run {
    /// What is otherwise than the list says, a line each.
    pub fn complaints(&self, kind: Kind, outcomes: &[Outcome]) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut passed = 0;
        for outcome in outcomes {
            let test = &outcome.test;
            let does_pass = outcome.verdict == Verdict::Passed;
            match self.named.get(test) {
                None if does_pass => passed += 1,
                None if outcome.verdict == Verdict::Skipped => {}
                None => complaints.push(format!("{test} fails: {}", outcome.reason)),
                Some((word, _)) if does_pass != word.passes_on(kind) => {
                    let is = if does_pass { "passes" } else { "fails" };
                    let word = word.text();
                    complaints.push(format!("{test} {is}, listed as {word}: {}", outcome.reason));
                }
                Some(_) => {}
            }
        }
        for test in self.named.keys() {
            // Where what comes before all its tests fails, a class has no tests.
            let was_run = |outcome: &Outcome| &outcome.test == test || outcome.test == "class";
            if !outcomes.iter().any(was_run) {
                complaints.push(format!("{test} is listed and was not run"));
            }
        }
        if passed != self.passed {
            complaints.push(format!("{passed} tests pass, listed are {}", self.passed));
        }
        complaints
    }

    /// This class as a run on each kind of server showed it; reasons that are known stay.
    #[must_use]
    pub fn rewritten(&self, on_apache: &[Outcome], on_ours: &[Outcome]) -> Self {
        let mut run = Self {
            passed: 0,
            with_server: 0,
            part: self.part,
            named: BTreeMap::new(),
        };
        for outcome in on_apache {
            let ours = on_ours.iter().find(|other| other.test == outcome.test);
            let passes_on_ours = ours.is_some_and(|ours| ours.verdict == Verdict::Passed);
            let word = match (outcome.verdict, passes_on_ours) {
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
            let known = self.named.get(&outcome.test);
            let known = known.filter(|(before, _)| {
                [Kind::Apache, Kind::Ours]
                    .iter()
                    .all(|&kind| before.passes_on(kind) == word.passes_on(kind))
            });
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
        let complaints = |kind, outcomes: &[Outcome]| run().complaints(kind, outcomes).len();
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
        assert!(better.complaints(Kind::Apache, &fails).is_empty());
        assert!(better.complaints(Kind::Ours, &passes).is_empty());
    }
}
