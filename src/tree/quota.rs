//! Quotas: which subtrees have one, and the text that limits and usage are kept in.
//!
//! As `PathTrie` and `StatsTrack`, with two differences where Apache's server would stop: text that
//! cannot be read counts as no usage and no limit, and the root never gets a quota.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::path;

/// Name of the node with a quota's limits.
pub const LIMITS: &str = "zookeeper_limits";
/// Name of the node with a quota's usage.
pub const STATS: &str = "zookeeper_stats";

/// A quota that covers a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaState {
    /// The subtree it is for.
    pub at: Box<str>,
    pub limits: QuotaNumbers,
    pub usage: QuotaNumbers,
}

/// Limits or usage. -1 stands for a number that is not given: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaNumbers {
    pub count: i64,
    pub bytes: i64,
    pub count_hard: i64,
    pub bytes_hard: i64,
}

/// The subtrees with a quota.
#[derive(Debug, Default)]
pub(crate) struct QuotaPaths(BTreeSet<Box<str>>);

impl QuotaPaths {
    /// A limits node came to be: its subtree has a quota from now on.
    pub(crate) fn add(&mut self, subtree: &str) {
        if subtree.starts_with('/') && subtree != "/" {
            self.0.insert(subtree.into());
        }
    }

    pub(crate) fn remove(&mut self, subtree: &str) {
        self.0.remove(subtree);
    }

    /// The deepest of `path` and its ancestors that has a quota.
    pub(crate) fn deepest<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut candidate = path;
        while !self.0.is_empty() && !candidate.is_empty() {
            if self.0.contains(candidate) {
                return Some(candidate);
            }
            candidate = path::parent(candidate)?;
        }
        None
    }
}

/// The subtree whose quota lives below `quota_path`, which is the parent of a limits or stats node:
/// `None` when that is outside of the quota tree or its root.
pub(crate) fn subtree_of(quota_path: &str) -> Option<&str> {
    quota_path
        .strip_prefix(path::QUOTA)
        .filter(|subtree| !subtree.is_empty())
}

pub(crate) fn limits_path(subtree: &str) -> String {
    format!("{}{subtree}/{LIMITS}", path::QUOTA)
}

pub(crate) fn stats_path(subtree: &str) -> String {
    format!("{}{subtree}/{STATS}", path::QUOTA)
}

/// The text of a limits or stats node as numbers by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct QuotaText(BTreeMap<Box<str>, i64>);

impl QuotaText {
    /// Usage alone.
    pub(crate) fn usage(count: i64, bytes: i64) -> Self {
        let mut text = Self::default();
        text.set("count", count);
        text.set("bytes", bytes);
        text
    }

    /// Pairs `key=value` between runs of commas and semicolons. What follows a second `=` is
    /// ignored, an empty value before it means -1.
    pub(crate) fn parse(data: Option<&[u8]>) -> Option<Self> {
        let text = String::from_utf8_lossy(data?);
        let text = text.trim_end_matches([',', ';']);
        if text.starts_with([',', ';']) {
            return None;
        }
        let mut numbers = Self::default();
        for pair in text.split([',', ';']).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.trim_end_matches('=').split_once('=')?;
            let value = value.split('=').next().unwrap_or_default();
            let number = if value.is_empty() {
                -1
            } else {
                value.parse().ok()?
            };
            numbers.set(key, number);
        }
        Some(numbers)
    }

    /// `count` and `bytes` first, then the others by name behind a `=` that keeps old readers away.
    pub(crate) fn print(&self) -> String {
        let mut text = format!(
            "count={},bytes={}",
            self.number("count"),
            self.number("bytes")
        );
        let others = self.0.iter();
        let others = others.filter(|(key, _)| !matches!(&***key, "count" | "bytes"));
        for (position, (key, value)) in others.enumerate() {
            if position == 0 {
                text.push('=');
            }
            text.push_str(&format!(";{key}={value}"));
        }
        text
    }

    pub(crate) fn number(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }

    pub(crate) fn set(&mut self, key: &str, number: i64) {
        self.0.insert(key.into(), number);
    }

    pub(crate) fn numbers(&self) -> QuotaNumbers {
        QuotaNumbers {
            count: self.number("count"),
            bytes: self.number("bytes"),
            count_hard: self.number("countHardLimit"),
            bytes_hard: self.number("byteHardLimit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reprinted(text: &str) -> Option<String> {
        QuotaText::parse(Some(text.as_bytes())).map(|numbers| numbers.print())
    }

    #[test]
    fn text() {
        let cases = [
            ("", Some("count=-1,bytes=-1")),
            (",;", Some("count=-1,bytes=-1")),
            ("count=3", Some("count=3,bytes=-1")),
            ("bytes=7,;,count=+3;", Some("count=3,bytes=7")),
            ("count==5", Some("count=-1,bytes=-1")),
            ("count=1=9,bytes=2", Some("count=1,bytes=2")),
            (
                "count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=4",
                Some("count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=4"),
            ),
            ("zz=1,aa=2", Some("count=-1,bytes=-1=;aa=2;zz=1")),
            ("count", None),
            ("count=", None),
            ("=", None),
            (",count=1", None),
            ("count=x", None),
            ("count=99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(reprinted(text).as_deref(), expected, "{text:?}");
        }
        assert_eq!(QuotaText::parse(None), None);
    }

    #[test]
    fn the_deepest_prefix_by_whole_components() {
        let mut paths = QuotaPaths::default();
        assert_eq!(paths.deepest("/q"), None);
        paths.add("/q");
        paths.add("/q/a/b");
        paths.add("/");
        paths.add("");
        assert_eq!(paths.deepest("/q/a/b/c"), Some("/q/a/b"));
        assert_eq!(paths.deepest("/q/a"), Some("/q"));
        assert_eq!(paths.deepest("/q"), Some("/q"));
        assert_eq!(paths.deepest("/qq"), None);
        paths.remove("/q");
        assert_eq!(paths.deepest("/q/a"), None);
        assert_eq!(subtree_of("/zookeeper/quota/q"), Some("/q"));
        assert_eq!(subtree_of("/zookeeper/quota"), None);
    }
}
