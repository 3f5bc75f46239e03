//! `expected.txt`: every test of the suite, and how it fares.
//!
//! ```text
//! class <module> <class>
//! <verdict> <test>[ slow][: <why>]
//! ```
//!
//! A `slow` test waits for longer than the part that always runs can. All but `passes` say why.

use std::collections::BTreeMap;

use compat_tests::server::Kind;

use crate::run::{Ended, Outcome};

/// What is known of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// On Apache's server and on ours.
    Passes,
    /// On Apache's server it passes, on ours it fails.
    Differs,
    /// On either server it now passes and now fails, by a race in the test or the client.
    Unsteady,
    /// On either server it fails.
    Fails,
    /// Curator's authors have switched it off.
    Disabled,
    /// It is not run.
    LeftOut,
}

#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) is_slow: bool,
}

#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) tests: Vec<Test>,
}

impl Class {
    /// `class#test`, as the runner calls it.
    pub(crate) fn full_name(&self, test: &Test) -> String {
        format!("{}#{}", self.name, test.name)
    }
}

impl Verdict {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "passes" => Self::Passes,
            "differs" => Self::Differs,
            "unsteady" => Self::Unsteady,
            "fails" => Self::Fails,
            "disabled" => Self::Disabled,
            "left-out" => Self::LeftOut,
            _ => return None,
        })
    }

    /// How the test must end on a server of this kind, or `None` if that is open.
    pub(crate) fn expected(self, kind: Kind) -> Option<Ended> {
        match self {
            Self::Passes => Some(Ended::Passed),
            Self::Differs if kind.is_apache() => Some(Ended::Passed),
            Self::Differs | Self::Fails => Some(Ended::Failed),
            Self::Disabled => Some(Ended::Skipped),
            Self::Unsteady | Self::LeftOut => None,
        }
    }

    /// What is wrong with this end of the test, if anything is.
    pub(crate) fn breach(self, kind: Kind, outcome: &Outcome) -> Option<String> {
        let expected = self.expected(kind)?;
        if expected == outcome.ended {
            return None;
        }
        let what = match outcome.ended {
            Ended::Passed => "passes now, so the list must say so".to_owned(),
            Ended::Failed => format!("failed: {}", outcome.why),
            Ended::Skipped => format!("was skipped: {}", outcome.why),
        };
        Some(format!("{what} (listed as {self:?})"))
    }
}

/// The classes of the list, by module and name.
pub(crate) fn classes() -> Vec<Class> {
    parse(include_str!("expected.txt"))
}

fn parse(text: &'static str) -> Vec<Class> {
    let mut classes: BTreeMap<(&str, &str), Class> = BTreeMap::new();
    let mut current = None;
    for (number, line) in text.lines().enumerate() {
        let complain = |what: &str| -> ! { panic!("expected.txt:{}: {what}", number + 1) };
        let (head, why) = match line.split_once(": ") {
            Some((head, why)) => (head, why),
            None => (line, ""),
        };
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            [] => {}
            [word, ..] if word.starts_with('#') => {}
            ["class", module, name] => {
                let class = Class {
                    module,
                    name,
                    tests: Vec::new(),
                };
                if classes.insert((module, name), class).is_some() {
                    complain("this class is listed twice");
                }
                current = Some((module, name));
            }
            [verdict, name, ref rest @ ..] => {
                let Some(verdict) = Verdict::parse(verdict) else {
                    complain("no such verdict");
                };
                let is_slow = match rest {
                    [] => false,
                    ["slow"] => true,
                    _ => complain("unknown words"),
                };
                if why.is_empty() != (verdict == Verdict::Passes) {
                    complain("all but `passes` say why");
                }
                let Some(class) = current.and_then(|key| classes.get_mut(&key)) else {
                    complain("a test before the first class");
                };
                class.tests.push(Test {
                    name,
                    verdict,
                    is_slow,
                });
            }
            _ => complain("a line says `class` or a verdict, and a name"),
        }
    }
    classes.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [(&str, Verdict); 6] = [
        ("passes", Verdict::Passes),
        ("differs", Verdict::Differs),
        ("unsteady", Verdict::Unsteady),
        ("fails", Verdict::Fails),
        ("disabled", Verdict::Disabled),
        ("left-out", Verdict::LeftOut),
    ];

    #[test]
    fn lines_are_read() {
        let classes = parse(
            "# A word before.\n\nclass module some.Class\npasses one\nfails two slow: for a reason\n",
        );
        let class = &classes[0];
        assert_eq!((class.module, class.name), ("module", "some.Class"));
        let tests: Vec<_> = class
            .tests
            .iter()
            .map(|test| (class.full_name(test), test.verdict, test.is_slow))
            .collect();
        assert_eq!(
            tests,
            [
                ("some.Class#one".to_owned(), Verdict::Passes, false),
                ("some.Class#two".to_owned(), Verdict::Fails, true),
            ]
        );
        for (word, verdict) in WORDS {
            assert_eq!(Verdict::parse(word), Some(verdict));
        }
    }

    #[test]
    #[should_panic(expected = "expected.txt:2: all but `passes` say why")]
    fn what_does_not_pass_has_a_reason() {
        parse("class module some.Class\nfails one\n");
    }

    /// For each verdict the ends that are a breach, on Apache's server and on ours.
    #[test]
    fn other_ends_are_breaches_also_better_ones() {
        use Ended::{Failed, Passed, Skipped};
        let breaches = |verdict: Verdict, kind| {
            let ends = [Passed, Failed, Skipped].into_iter();
            ends.filter(|&ended| {
                let outcome = Outcome {
                    ended,
                    millis: 0,
                    why: String::new(),
                };
                verdict.breach(kind, &outcome).is_some()
            })
            .collect::<Vec<_>>()
        };
        let expected: [(Verdict, &[Ended], &[Ended]); 6] = [
            (Verdict::Passes, &[Failed, Skipped], &[Failed, Skipped]),
            (Verdict::Differs, &[Failed, Skipped], &[Passed, Skipped]),
            (Verdict::Unsteady, &[], &[]),
            (Verdict::Fails, &[Passed, Skipped], &[Passed, Skipped]),
            (Verdict::Disabled, &[Passed, Failed], &[Passed, Failed]),
            (Verdict::LeftOut, &[], &[]),
        ];
        for (verdict, on_apache, on_ours) in expected {
            assert_eq!(breaches(verdict, Kind::Apache), on_apache, "{verdict:?}");
            assert_eq!(breaches(verdict, Kind::Ours), on_ours, "{verdict:?}");
        }
    }
}
