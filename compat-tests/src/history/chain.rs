//! The checks of nodes that are set again and again: each version must have exactly one writer, and the
//! chain of versions must agree with real time, with comparisons, with reads, and with transaction ids.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::{
    Call, History, Rule, Rules, Seen,
    check::{Operation, Verdict, in_real_time},
};

/// A node with a chain of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Register(usize),
    /// The home of a client.
    Home(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register(number) => write!(f, "register {number}"),
            Self::Home(client) => write!(f, "home of {client}"),
        }
    }
}

fn place(operation: &Operation) -> Option<Place> {
    match operation.call {
        Call::Set => Some(Place::Home(operation.client)),
        Call::Swap { register, .. } | Call::Read { register, .. } => {
            Some(Place::Register(register))
        }
        _ => None,
    }
}

/// Checks all places, and gives all values that are known to have been written.
pub(super) fn check(
    history: &History,
    operations: &[Vec<Operation>],
    rules: Rules,
    verdict: &mut Verdict,
) -> BTreeSet<String> {
    let mut by_place: BTreeMap<Place, Vec<&Operation>> = BTreeMap::new();
    for operation in operations.iter().flatten() {
        if let Some(place) = place(operation) {
            by_place.entry(place).or_default().push(operation);
        }
    }
    let registers = history.found.registers.iter().enumerate();
    let homes = history.found.homes.iter().enumerate();
    let found = registers
        .map(|(number, seen)| (Place::Register(number), seen))
        .chain(homes.map(|(client, home)| (Place::Home(client), &home.node)));
    let mut written = BTreeSet::new();
    let mut acknowledged = BTreeMap::new();
    for (place, last) in found {
        let operations = by_place.remove(&place).unwrap_or_default();
        let chain = Chain::build(place, &operations, last, verdict);
        chain.expect_each_version_explained(verdict);
        chain.expect_real_time(verdict);
        chain.expect_refusals(verdict);
        chain.expect_reads(verdict);
        acknowledged.insert(place, Acknowledged::of(&operations));
        written.extend(chain.links.into_values().map(|link| link.value));
    }
    assert!(by_place.is_empty(), "every place is found: {by_place:?}");
    for of_client in operations {
        sessions_go_forward(of_client, verdict);
        if rules.sync_is_fresh {
            reads_after_syncs(of_client, &acknowledged, verdict);
        }
    }
    written
}

/// What is known of one version.
struct Link<'a> {
    value: String,
    mzxid: i64,
    writer: Option<&'a Operation>,
}

struct Chain<'a> {
    place: Place,
    operations: &'a [&'a Operation],
    last: i32,
    links: BTreeMap<i32, Link<'a>>,
    /// Where each version begins.
    by_zxid: Vec<(i64, i32)>,
}

impl<'a> Chain<'a> {
    fn build(
        place: Place,
        operations: &'a [&'a Operation],
        last: &Seen,
        verdict: &mut Verdict,
    ) -> Self {
        let mut chain = Self {
            place,
            operations,
            last: last.version,
            links: BTreeMap::new(),
            by_zxid: Vec::new(),
        };
        let writers: BTreeMap<String, &Operation> = operations
            .iter()
            .filter(|operation| operation.call.is_write())
            .map(|operation| (operation.value(), *operation))
            .collect();
        for operation in operations {
            let Some((at, answer)) = &operation.answer else {
                continue;
            };
            if let Some(seen) = &answer.seen {
                let mut seen = seen.clone();
                if operation.call.is_write() {
                    seen.value = operation.value();
                }
                chain.learn(seen, *at, &writers, verdict);
            }
        }
        chain.learn(last.clone(), Duration::MAX, &writers, verdict);
        let begins = chain
            .links
            .iter()
            .map(|(version, link)| (link.mzxid, *version));
        chain.by_zxid = begins.collect();
        chain.by_zxid.sort_unstable();
        chain
    }

    fn learn(
        &mut self,
        seen: Seen,
        at: Duration,
        writers: &BTreeMap<String, &'a Operation>,
        verdict: &mut Verdict,
    ) {
        let place = self.place;
        if let Some(known) = self.links.get(&seen.version) {
            if (&known.value, known.mzxid) != (&seen.value, seen.mzxid) {
                verdict.add(
                    Rule::Lost,
                    format!(
                        "{place} version {}: {} at {:#x} and {} at {:#x}",
                        seen.version, known.value, known.mzxid, seen.value, seen.mzxid
                    ),
                );
            }
            return;
        }
        if seen.version > self.last {
            verdict.add(
                Rule::Lost,
                format!("{place}: {seen:?}, and at the end version {}", self.last),
            );
        }
        let writer = writers.get(&seen.value).copied();
        let possible = match writer {
            None => seen.version == 0 && seen.value.is_empty(),
            Some(writer) => writer.sent <= at && matches!(writer.error(), None | Some(0)),
        };
        if !possible {
            verdict.add(
                Rule::Invented,
                format!("{place}: {seen:?} at {at:?}, writer {writer:?}"),
            );
        }
        if let Some(Call::Swap { expected, .. }) = writer.map(|writer| writer.call)
            && seen.version != expected + 1
        {
            verdict.add(
                Rule::NotLinearizable,
                format!("{place}: {seen:?} by a swap of version {expected}"),
            );
        }
        let Seen {
            value,
            version,
            mzxid,
        } = seen;
        let link = Link {
            value,
            mzxid,
            writer,
        };
        self.links.insert(version, link);
    }

    /// Each version nobody saw needs an unanswered write of its own that may have made it; no value comes
    /// twice.
    fn expect_each_version_explained(&self, verdict: &mut Verdict) {
        let mut values = BTreeSet::new();
        for (version, link) in &self.links {
            if !values.insert(&link.value) {
                verdict.add(
                    Rule::Invented,
                    format!("{} version {version}: {} again", self.place, link.value),
                );
            }
        }
        let mut unknown: Vec<&Operation> = self
            .operations
            .iter()
            .copied()
            .filter(|operation| operation.call.is_write() && operation.answer.is_none())
            .filter(|operation| !values.contains(&operation.value()))
            .collect();
        for version in 1..=self.last {
            if self.links.contains_key(&version) {
                continue;
            }
            let may_be = |operation: &&Operation| match operation.call {
                Call::Swap { expected, .. } => expected + 1 == version,
                _ => true,
            };
            match unknown.iter().position(may_be) {
                Some(at) => drop(unknown.swap_remove(at)),
                None => verdict.add(
                    Rule::Invented,
                    format!("{} version {version} has no writer", self.place),
                ),
            }
        }
    }

    fn expect_real_time(&self, verdict: &mut Verdict) {
        let mut last = i64::MIN;
        for (version, link) in &self.links {
            if link.mzxid <= last {
                verdict.add(
                    Rule::NotLinearizable,
                    format!(
                        "{} version {version} at {:#x} after {last:#x}",
                        self.place, link.mzxid
                    ),
                );
            }
            last = link.mzxid;
        }
        let writers = self.links.values().filter_map(|link| link.writer);
        in_real_time(
            writers.map(|writer| (writer, writer.answer.as_ref().map(|(at, _)| *at))),
            verdict,
        );
    }

    /// A swap that was refused found another version than it expected.
    fn expect_refusals(&self, verdict: &mut Verdict) {
        for operation in self.operations {
            let (Call::Swap { expected, .. }, Some((_, answer))) =
                (operation.call, &operation.answer)
            else {
                continue;
            };
            if answer.error != 0 && self.version_at(answer.zxid) == Some(expected) {
                verdict.add(
                    Rule::NotLinearizable,
                    format!(
                        "{} was refused at {:#x}, and that was the version",
                        operation.name(),
                        answer.zxid
                    ),
                );
            }
        }
    }

    /// A read shows the state at the transaction id that it is answered with.
    fn expect_reads(&self, verdict: &mut Verdict) {
        for operation in self.operations {
            if operation.call.is_write() {
                continue;
            }
            let Some((_, answer)) = &operation.answer else {
                continue;
            };
            let Some(seen) = &answer.seen else { continue };
            let then = self.version_at(answer.zxid);
            if seen.mzxid > answer.zxid || then.is_some_and(|then| then != seen.version) {
                verdict.add(
                    Rule::NotLinearizable,
                    format!(
                        "{} at {:#x}: {seen:?}, and then the version was {then:?}",
                        operation.name(),
                        answer.zxid
                    ),
                );
            }
        }
    }

    /// The version at a transaction id, if it is known together with its successor.
    fn version_at(&self, zxid: i64) -> Option<i32> {
        let later = self.by_zxid.partition_point(|(mzxid, _)| *mzxid <= zxid);
        let (_, version) = *self.by_zxid.get(later.checked_sub(1)?)?;
        let is_certain = version == self.last || self.links.contains_key(&(version + 1));
        is_certain.then_some(version)
    }
}

/// Within one session no place goes back, whether it reads or writes it.
fn sessions_go_forward(operations: &[Operation], verdict: &mut Verdict) {
    let mut seen_before: BTreeMap<(i64, Place), i32> = BTreeMap::new();
    for operation in operations {
        let (Some(place), Some((_, answer))) = (place(operation), &operation.answer) else {
            continue;
        };
        let Some(seen) = &answer.seen else { continue };
        let before = seen_before.entry((operation.session, place)).or_insert(-1);
        let is_new = seen.version > *before;
        if !is_new && (operation.call.is_write() || seen.version < *before) {
            verdict.add(
                Rule::WentBack,
                format!("{}: {seen:?} after version {before}", operation.name()),
            );
        }
        *before = (*before).max(seen.version);
    }
}

/// A read that follows a sync on the same connection.
fn reads_after_syncs(
    of_client: &[Operation],
    acknowledged: &BTreeMap<Place, Acknowledged>,
    verdict: &mut Verdict,
) {
    for pair in of_client.windows(2) {
        let (sync, read) = (&pair[0], &pair[1]);
        if sync.call != Call::Sync || sync.connection != read.connection || read.call.is_write() {
            continue;
        }
        let (Some(place), Some((_, answer))) = (place(read), &read.answer) else {
            continue;
        };
        let Some(seen) = &answer.seen else { continue };
        let before = acknowledged
            .get(&place)
            .and_then(|acknowledged| acknowledged.before(sync.sent));
        if before.is_some_and(|version| version > seen.version) {
            verdict.add(
                Rule::Stale,
                format!(
                    "{}: {seen:?} after a sync, {before:?} acknowledged before",
                    read.name()
                ),
            );
        }
    }
}

/// The highest version of a place that had been acknowledged by a time, in the order of times.
struct Acknowledged(Vec<(Duration, i32)>);

impl Acknowledged {
    fn of(operations: &[&Operation]) -> Self {
        let writes = operations.iter().filter(|it| it.call.is_write());
        let mut versions: Vec<(Duration, i32)> = writes
            .filter_map(|write| write.answer.as_ref())
            .filter_map(|(at, answer)| Some((*at, answer.seen.as_ref()?.version)))
            .collect();
        versions.sort_unstable();
        let mut highest = 0;
        for (_, version) in &mut versions {
            highest = highest.max(*version);
            *version = highest;
        }
        Self(versions)
    }

    fn before(&self, at: Duration) -> Option<i32> {
        let later = self.0.partition_point(|(answered, _)| *answered < at);
        Some(self.0.get(later.checked_sub(1)?)?.1)
    }
}
