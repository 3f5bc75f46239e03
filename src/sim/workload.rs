//! What clients ask next: registers, counters, locks, watches, ephemerals, several at once, and
//! now and then the end of the session.
//!
//! Every written value names its client and its number, so that no two writes look the same.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::sim::asked::{Answer, Asked, CreateMode};
use crate::sim::facts::ClientId;
use crate::sim::options::ClientOptions;
use crate::sim::prng::Prng;

/// The kinds of request, in the order of their weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Set,
    Get,
    Create,
    Delete,
    /// Sets a register only if it is as this client saw it last.
    CompareAndSet,
    Exists,
    Children,
    /// A read that sets a watch.
    Watch,
    WatchLasting,
    Ephemeral,
    Sequential,
    Multi,
    Sync,
    Close,
    /// Other members of the ensemble, or other roles of them.
    Reconfigure,
}

/// How many kinds of request there are.
pub const CHOICES: usize = ALL.len();

const ALL: [Choice; 15] = [
    Choice::Set,
    Choice::Get,
    Choice::Create,
    Choice::Delete,
    Choice::CompareAndSet,
    Choice::Exists,
    Choice::Children,
    Choice::Watch,
    Choice::WatchLasting,
    Choice::Ephemeral,
    Choice::Sequential,
    Choice::Multi,
    Choice::Sync,
    Choice::Close,
    Choice::Reconfigure,
];

/// What one client has in mind.
#[derive(Debug)]
pub struct Workload {
    client: ClientId,
    options: ClientOptions,
    prng: Prng,
    /// Values written.
    values: u64,
    requests: u64,
    /// Versions of registers as last seen.
    versions: BTreeMap<Box<str>, i32>,
    /// Sequential nodes made.
    made: Vec<Box<str>>,
}

/// Between two bursts of a client that has asked for much already.
const SLOW_MS: u64 = 500;

/// The parent of all that is not at the top.
const PARENT: &str = "/p";

impl Workload {
    pub fn new(client: ClientId, options: ClientOptions, prng: Prng) -> Self {
        Self {
            client,
            options,
            prng,
            values: 0,
            requests: 0,
            versions: BTreeMap::new(),
            made: Vec::new(),
        }
    }

    /// From here on nothing but what gets on when the ensemble does.
    pub fn be_plain(&mut self) {
        self.options.weights = ALL
            .iter()
            .map(|choice| match choice {
                Choice::Set | Choice::Create => 3,
                Choice::Get => 1,
                _ => 0,
            })
            .collect();
    }

    /// The requests of a burst. Nothing comes behind the end of the session.
    pub fn next_burst(&mut self) -> Vec<Asked> {
        let count = self.prng.between(1, self.options.burst_max);
        let mut burst = Vec::new();
        for _ in 0..count {
            let asked = self.next();
            self.requests += 1;
            let ends = asked == Asked::CloseSession;
            burst.push(asked);
            if ends {
                break;
            }
        }
        burst
    }

    /// How long to wait before the next burst, in milliseconds.
    pub fn think_ms(&mut self) -> u64 {
        let mut mean = self.options.think_mean_ms;
        if self.requests > self.options.requests_max {
            mean = mean.max(SLOW_MS);
        }
        1 + self.prng.around(mean)
    }

    /// Learns from an answer.
    pub fn learn(&mut self, asked: &Asked, answer: &Answer) {
        match (asked, answer) {
            (Asked::GetData { path, .. }, Answer::Data(_, facts))
            | (Asked::SetData { path, .. } | Asked::Exists { path, .. }, Answer::Stat(facts)) => {
                self.versions.insert(path.clone(), facts.version);
            }
            (Asked::Create { mode, .. }, Answer::Path(path)) if mode.is_sequential() => {
                self.made.push(path.clone());
            }
            _ => {}
        }
    }

    fn next(&mut self) -> Asked {
        let choice = ALL[self.prng.weighted(&self.options.weights)];
        match choice {
            Choice::Set => self.set(-1),
            Choice::Get => Asked::GetData {
                path: self.key(),
                watch: false,
            },
            Choice::Create => self.create(CreateMode::Persistent),
            Choice::Delete => Asked::Delete {
                path: self.key(),
                version: -1,
            },
            Choice::CompareAndSet => self.compare_and_set(),
            Choice::Exists => Asked::Exists {
                path: self.key(),
                watch: false,
            },
            Choice::Children => Asked::Children {
                path: PARENT.into(),
                watch: false,
            },
            Choice::Watch => self.watch(),
            Choice::WatchLasting => self.watch_lasting(),
            Choice::Ephemeral => self.create(CreateMode::Ephemeral),
            Choice::Sequential => self.sequential(),
            Choice::Multi => self.multi(),
            Choice::Sync => Asked::Sync { path: self.key() },
            Choice::Close if self.prng.per_mille(50) => Asked::CloseSession,
            Choice::Close => Asked::Ping,
            Choice::Reconfigure => self.reconfigure(),
        }
    }

    /// A server goes, or comes, or votes or not.
    fn reconfigure(&mut self) -> Asked {
        let server = self.prng.between(1, self.options.servers.into());
        let role = match self.prng.below(6) {
            0 => {
                return Asked::Reconfigure {
                    joining: None,
                    leaving: Some(server.to_string().into()),
                };
            }
            1 | 2 => "observer",
            _ => "participant",
        };
        let joining = format!("server.{server}=10.0.0.{server}:2888:3888:{role};2181");
        Asked::Reconfigure {
            joining: Some(joining.into()),
            leaving: None,
        }
    }

    fn set(&mut self, version: i32) -> Asked {
        Asked::SetData {
            path: self.key(),
            data: self.value(),
            version,
        }
    }

    fn compare_and_set(&mut self) -> Asked {
        let path = self.key();
        let version = self.versions.get(&path).copied().unwrap_or_default();
        Asked::SetData {
            path,
            data: self.value(),
            version,
        }
    }

    fn create(&mut self, mode: CreateMode) -> Asked {
        let path = match self.prng.below(10) {
            0 => PARENT.into(),
            _ => self.key(),
        };
        // The parent of others is no ephemeral for long, or nothing would be below it.
        let mode = if &*path == PARENT {
            CreateMode::Persistent
        } else {
            mode
        };
        Asked::Create {
            path,
            data: self.value(),
            mode,
            wants_stat: self.prng.per_mille(500),
        }
    }

    fn sequential(&mut self) -> Asked {
        if self.made.len() > 3 || (!self.made.is_empty() && self.prng.per_mille(400)) {
            let path = self.made.remove(0);
            return Asked::Delete { path, version: -1 };
        }
        let mode = *self
            .prng
            .pick(&[CreateMode::Sequential, CreateMode::EphemeralSequential]);
        Asked::Create {
            path: format!("{PARENT}/s").into(),
            data: self.value(),
            mode,
            wants_stat: false,
        }
    }

    fn watch(&mut self) -> Asked {
        let path = self.key();
        let watch = true;
        match self.prng.below(4) {
            0 => Asked::GetData { path, watch },
            1 => Asked::Exists { path, watch },
            2 => Asked::Children { path, watch },
            _ => Asked::Children {
                path: PARENT.into(),
                watch,
            },
        }
    }

    fn watch_lasting(&mut self) -> Asked {
        let path = match self.prng.below(3) {
            0 => PARENT.into(),
            _ => self.key(),
        };
        Asked::AddWatch {
            path,
            recursive: self.prng.per_mille(500),
        }
    }

    fn multi(&mut self) -> Asked {
        let count = self.prng.between(1, 4);
        let parts = (0..count).map(|_| match self.prng.below(6) {
            0 => Asked::Check {
                path: self.key(),
                version: if self.prng.per_mille(500) { -1 } else { 0 },
            },
            1 => self.plain_create(),
            2 => Asked::Delete {
                path: self.key(),
                version: -1,
            },
            _ => self.set(-1),
        });
        let parts = parts.collect();
        Asked::Multi(parts)
    }

    fn plain_create(&mut self) -> Asked {
        Asked::Create {
            path: self.key(),
            data: self.value(),
            mode: CreateMode::Persistent,
            wants_stat: false,
        }
    }

    /// A register at the top or below the parent.
    fn key(&mut self) -> Box<str> {
        let number = self.prng.below(self.options.keys);
        match number % 3 {
            2 => format!("{PARENT}/k{number}").into(),
            _ => format!("/k{number}").into(),
        }
    }

    fn value(&mut self) -> Bytes {
        self.values += 1;
        let mut value = format!("{}:{}", self.client, self.values);
        if self.prng.per_mille(20) {
            value.push_str(&"+".repeat(self.prng.index(3000)));
        }
        value.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::options::Options;

    #[test]
    fn every_kind_of_request_comes_and_nothing_behind_the_end() {
        let mut options = Options::new(1).clients;
        options.weights = vec![1; CHOICES];
        options.burst_max = 10;
        let mut workload = Workload::new(ClientId(1), options, Prng::new(3));
        let mut asked = Vec::new();
        for _ in 0..2000 {
            let burst = workload.next_burst();
            let end = burst.iter().position(|asked| *asked == Asked::CloseSession);
            assert!(end.is_none_or(|end| end + 1 == burst.len()));
            asked.extend(burst);
        }
        let kinds: std::collections::BTreeSet<i32> =
            asked.iter().map(|asked| asked.op().number()).collect();
        assert_eq!(kinds.len(), 13, "{kinds:?}");
    }
}
