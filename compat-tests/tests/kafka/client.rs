//! The program that uses the brokers, `compat-tests/kafka`.

use std::{fs, path::Path, time::Duration};

use compat_tests::{
    eventually::{eventually, within},
    java::Java,
    program::Program,
};
use tempfile::TempDir;

use crate::history::{Record, parse};

const CLIENT: &str = "gamekeeper.compat.kafka.Client";
/// More than all producers have in flight: records that were sent after the last fault are among so many
/// further ones. As the producers deal out to all partitions in turn and wait when much is in flight, every
/// partition takes records then.
const PROGRESS: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(crate) struct Client {
    program: Program,
    dir: TempDir,
}

impl Client {
    pub(crate) fn start(kafka: &Java, bootstrap: &str) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let directory = dir.path().to_str().expect("a path of ours");
        Self {
            program: kafka.start(CLIENT, &[], &[bootstrap, directory]),
            dir,
        }
    }

    /// Has a line obeyed; gives the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.program.say(line);
        let answer = self.program.line();
        answer.unwrap_or_else(|| panic!("{line}: no answer\n{}", self.program.stderr()))
    }

    pub(crate) fn expect(&mut self, line: &str, answer: &str) {
        assert_eq!(self.ask(line), answer, "{line}");
    }

    /// Asks until the answer is the one, as it is once all brokers have heard of a change.
    pub(crate) fn await_answer(&mut self, line: &str, answer: &str) {
        let mut last = String::new();
        let told = within(PATIENCE, || {
            last = self.ask(line);
            (last == answer).then_some(())
        });
        assert!(told.is_some(), "{line}: {last:?} instead of {answer:?}");
    }

    /// Waits until producers and consumers have come on.
    pub(crate) fn await_progress(&mut self, after: &str) {
        let (acknowledged, consumed) = self.count();
        let what = format!("records are produced and consumed: {after}");
        eventually(&what, PATIENCE, || {
            let now = self.count();
            (now.0 >= acknowledged + PROGRESS && now.1 >= consumed + PROGRESS).then_some(())
        });
    }

    /// The records that producers were told are safe.
    pub(crate) fn acknowledged(&self) -> Vec<Record> {
        self.journal("acknowledged")
    }

    /// What the consumers have had so far.
    pub(crate) fn consumed(&mut self) -> Vec<Record> {
        // What it has counted is in the file.
        self.count();
        self.journal("consumed")
    }

    /// All that a topic has.
    pub(crate) fn read(&mut self, topic: &str) -> Vec<Record> {
        let answer = self.ask(&format!("read {topic}"));
        let records = self.journal("read");
        assert_eq!(answer, format!("read {}", records.len()));
        records
    }

    /// Ends the program.
    pub(crate) fn finish(self) {
        let more = self.program.finish();
        assert!(more.is_empty(), "{more:#?}");
    }

    /// How many records are acknowledged, and how many consumed.
    fn count(&mut self) -> (u64, u64) {
        let answer = self.ask("count");
        let counts = answer.split_once(' ').and_then(|(acknowledged, consumed)| {
            Some((acknowledged.parse().ok()?, consumed.parse().ok()?))
        });
        counts.unwrap_or_else(|| panic!("count: {answer}"))
    }

    fn journal(&self, name: &str) -> Vec<Record> {
        let file: &Path = &self.dir.path().join(name);
        let text = fs::read_to_string(file).expect("the program's journal");
        parse(&text)
    }
}
