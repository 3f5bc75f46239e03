//! The text of a configuration, as notifications, NEWLEADER, `/zookeeper/config` and the dynamic
//! file carry it.
//!
//! ```text
//! server.<id>=<server line>\n ...
//! [group.<id>=<id>:<id>...\n ...] [weight.<id>=<number>\n ...]
//! version=<hex>                                        (no newline at the end)
//! ```
//!
//! In: [`parse`](QuorumView::parse) takes such a text, in the part of the properties grammar that
//! such texts use: comments, blank lines, `=` or `:` or blanks between key and value, but no `\`
//! escapes, which Apache never writes here. [`ViewLines`] takes keys and values that were read by
//! someone else, such as the ones of `zoo.cfg`. Out: a [`QuorumView`] that Apache would accept, or
//! a [`ViewError`]; no text makes this panic. Printing gives the bytes of `QuorumMaj.toString` and
//! `QuorumHierarchical.toString`.

use std::{collections::BTreeMap, fmt};

use thiserror::Error;

use super::{
    address::excerpt,
    member::{LineError, Member},
    verifier::{GroupId, Groups, GroupsError, Verifier},
    view::{ConfigVersion, QuorumView, participants},
};
use crate::base::ServerId;

/// The switches of this server that decide which configurations it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewRules {
    /// `multiAddress.enabled`: several addresses per server.
    pub multi_address_enabled: bool,
    /// `standaloneEnabled`: one participant alone is a standalone server and has no observers.
    pub standalone_enabled: bool,
}

impl Default for ViewRules {
    fn default() -> Self {
        Self {
            multi_address_enabled: false,
            standalone_enabled: true,
        }
    }
}

impl QuorumView {
    /// Reads a configuration text.
    pub fn parse(text: &str, rules: ViewRules) -> Result<Self, ViewError> {
        let mut lines = ViewLines::default();
        for line in text.split(['\n', '\r']) {
            let line = line.trim_start_matches(is_blank);
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            if line.contains('\\') {
                return Err(ViewError::Escape(excerpt(line)));
            }
            let (key, value) = key_and_value(line);
            lines.add(key, value, rules)?;
        }
        lines.finish(rules)
    }
}

/// A configuration under construction. As in a Java map of properties, the last of two lines for
/// one server, group, weight or version holds.
#[derive(Debug, Default)]
pub struct ViewLines {
    version: ConfigVersion,
    members: BTreeMap<ServerId, Member>,
    groups: BTreeMap<GroupId, Vec<ServerId>>,
    weights: BTreeMap<ServerId, u64>,
}

impl ViewLines {
    /// Whether a key of `zoo.cfg` belongs here.
    pub fn is_key(key: &str) -> bool {
        key == "version"
            || ["server.", "group", "weight"]
                .iter()
                .any(|prefix| key.starts_with(prefix))
    }

    /// Takes one line.
    pub fn add(&mut self, key: &str, value: &str, rules: ViewRules) -> Result<(), ViewError> {
        let value = value.trim();
        if key == "version" {
            self.version = version(value)?;
        } else if key.starts_with("server.") {
            let server = ServerId(number_after_dot(key)?);
            let member = Member::parse(value, rules.multi_address_enabled)
                .map_err(|error| ViewError::Line { server, error })?;
            self.members.insert(server, member);
        } else if key.starts_with("group") {
            let group = GroupId(number_after_dot(key)?);
            self.groups.insert(group, group_members(key, value)?);
        } else if key.starts_with("weight") {
            let server = ServerId(number_after_dot(key)?);
            let weight = value
                .parse::<i64>()
                .ok()
                .and_then(|w| u64::try_from(w).ok());
            let weight = weight.ok_or_else(|| ViewError::weight(key, value))?;
            self.weights.insert(server, weight);
        } else {
            return Err(ViewError::UnknownKey(excerpt(key)));
        }
        Ok(())
    }

    /// The whole, checked.
    pub fn finish(self, rules: ViewRules) -> Result<QuorumView, ViewError> {
        let voters = participants(&self.members);
        let observers = self.members.len() - voters.len();
        match voters.len() {
            0 => return Err(ViewError::NoParticipant),
            1 if rules.standalone_enabled && observers > 0 => {
                return Err(ViewError::ObserversOfOne);
            }
            _ => {}
        }
        let verifier = if self.groups.is_empty() && self.weights.is_empty() {
            Verifier::Majority
        } else {
            let mut group_of = BTreeMap::new();
            for (group, servers) in self.groups {
                for server in servers {
                    if group_of.insert(server, group).is_some() {
                        return Err(ViewError::TwoGroups(server));
                    }
                }
            }
            Verifier::Hierarchical(Groups::new(&voters, group_of, self.weights)?)
        };
        Ok(QuorumView::new(self.version, self.members, verifier))
    }
}

impl QuorumView {
    /// The content of a dynamic file: the sorted lines, without a newline at the end. The file of a
    /// committed view has its version in its name, the one of a proposed view has it among the
    /// lines (`QuorumPeerConfig.writeDynamicConfig`).
    pub fn file_text(&self, with_version: bool) -> String {
        let text = self.to_string();
        let lines = text.lines();
        let mut lines: Vec<&str> = lines
            .filter(|line| with_version || !line.starts_with("version"))
            .collect();
        lines.sort_unstable();
        lines.join("\n")
    }
}

impl fmt::Display for QuorumView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (server, member) in java_order(self.members()) {
            writeln!(f, "server.{server}={member}")?;
        }
        if let Verifier::Hierarchical(groups) = self.verifier() {
            print_groups(groups, f)?;
        }
        write!(f, "version={}", self.version())
    }
}

/// Why a text is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ViewError {
    #[error("a configuration has no key {0:?}")]
    UnknownKey(String),
    #[error("a configuration has no escapes, found {0:?}")]
    Escape(String),
    #[error("expected a number after the dot of {0:?}")]
    Id(String),
    #[error("server.{server}: {error}")]
    Line { server: ServerId, error: LineError },
    #[error("{key}: expected a number that is not negative, found {value:?}")]
    Weight { key: String, value: String },
    #[error("{key}: expected server numbers with colons between them, found {value:?}")]
    Group { key: String, value: String },
    #[error("version: expected a hexadecimal number, found {0:?}")]
    Version(String),
    #[error("server {0} is in two groups")]
    TwoGroups(ServerId),
    #[error(transparent)]
    Groups(#[from] GroupsError),
    #[error("no server is a participant")]
    NoParticipant,
    #[error("one participant alone, while standaloneEnabled is true, has no observers")]
    ObserversOfOne,
}

impl ViewError {
    /// Whether Apache raises a `ConfigException` that its election port survives, because a newer
    /// release may write such a text, rather than one that ends the receiving thread.
    pub fn may_be_newer_form(&self) -> bool {
        matches!(self, Self::UnknownKey(_) | Self::Line { .. })
    }

    fn weight(key: &str, value: &str) -> Self {
        let (key, value) = (excerpt(key), excerpt(value));
        Self::Weight { key, value }
    }
}

/// Key, then blanks with at most one `=` or `:` among them, then value.
fn key_and_value(line: &str) -> (&str, &str) {
    let end = line
        .find(|c| is_blank(c) || matches!(c, '=' | ':'))
        .unwrap_or(line.len());
    let (key, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

fn number_after_dot(key: &str) -> Result<i64, ViewError> {
    let number = key.split_once('.').map(|(_, number)| number.parse());
    match number {
        Some(Ok(number)) => Ok(number),
        _ => Err(ViewError::Id(excerpt(key))),
    }
}

fn group_members(key: &str, value: &str) -> Result<Vec<ServerId>, ViewError> {
    let servers: Result<Vec<i64>, _> = value
        .trim_end_matches(':')
        .split(':')
        .map(str::parse)
        .collect();
    match servers {
        Ok(servers) => Ok(servers.into_iter().map(ServerId).collect()),
        Err(_) => Err(ViewError::Group {
            key: excerpt(key),
            value: excerpt(value),
        }),
    }
}

fn version(value: &str) -> Result<ConfigVersion, ViewError> {
    match i64::from_str_radix(value, 16) {
        // Java would read a minus and then print what it cannot read again.
        Ok(version) if version >= 0 => Ok(ConfigVersion(version)),
        _ => Err(ViewError::Version(excerpt(value))),
    }
}

fn print_groups(groups: &Groups, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut servers_of: BTreeMap<GroupId, Vec<String>> = BTreeMap::new();
    for (server, group) in java_order(groups.group_of()) {
        let servers = servers_of.entry(*group).or_default();
        servers.push(server.to_string());
    }
    for (group, servers) in java_order(&servers_of) {
        writeln!(f, "group.{}={}", group.0, servers.join(":"))?;
    }
    for (server, weight) in java_order(groups.weights()) {
        writeln!(f, "weight.{server}={weight}")?;
    }
    Ok(())
}

/// The entries in the order of a `java.util.HashMap` with `Long` keys, which Apache prints in: by
/// bucket, where the table doubles whenever it is three quarters full. Within one bucket Java's
/// order depends on the past; here the smaller key is first.
fn java_order<K: Copy + Into<i64>, V>(entries: &BTreeMap<K, V>) -> Vec<(&K, &V)> {
    let mut buckets: u64 = 16;
    while u64::try_from(entries.len()).is_ok_and(|count| count > buckets / 4 * 3) {
        buckets *= 2;
    }
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|(key, _)| {
        let bits = u64::from_be_bytes(Into::<i64>::into(**key).to_be_bytes());
        let hash = (bits ^ (bits >> 32)) & 0xffff_ffff;
        (hash ^ (hash >> 16)) & (buckets - 1)
    });
    sorted
}

impl From<ServerId> for i64 {
    fn from(server: ServerId) -> Self {
        server.0
    }
}

impl From<GroupId> for i64 {
    fn from(group: GroupId) -> Self {
        group.0
    }
}
