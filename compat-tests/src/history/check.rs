//! The checks of what concerns one client or one session; those of shared nodes are in `chain.rs`, of
//! watches in `watch.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Answer, Call, Event, History, Rule, Rules, Violation, chain, watch};

const NO_NODE: i32 = -101;
const NODE_EXISTS: i32 = -110;
const BAD_VERSION: i32 = -103;

/// All that the history shows to be wrong.
pub fn check(history: &History, rules: Rules) -> Vec<Violation> {
    let operations: Vec<Vec<Operation>> = history
        .records
        .iter()
        .enumerate()
        .map(|(client, _)| operations(history, client))
        .collect();
    let mut verdict = Verdict(Vec::new());
    for of_client in &operations {
        refusals(of_client, &mut verdict);
        zxids(of_client, &mut verdict);
    }
    writes_in_real_time(&operations, &mut verdict);
    let written = chain::check(history, &operations, rules, &mut verdict);
    for (client, of_client) in operations.iter().enumerate() {
        numbered_nodes(history, client, of_client, &written, &mut verdict);
        session_ends(history, client, rules, &mut verdict);
    }
    ephemerals(history, &operations, &mut verdict);
    watch::check(history, &mut verdict);
    verdict.0
}

pub(super) struct Verdict(Vec<Violation>);

impl Verdict {
    pub(super) fn add(&mut self, rule: Rule, what: String) {
        self.0.push(Violation { rule, what });
    }
}

/// An operation with all that is known of it.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) client: usize,
    pub(super) number: u64,
    pub(super) call: Call,
    pub(super) session: i64,
    /// Counts the client's connections.
    pub(super) connection: usize,
    pub(super) sent: Duration,
    pub(super) answer: Option<(Duration, Answer)>,
}

impl Operation {
    /// What it writes, which no other operation does.
    pub(super) fn value(&self) -> String {
        format!("{}.{}", self.client, self.number)
    }

    pub(super) fn succeeded(&self) -> bool {
        self.error() == Some(0)
    }

    pub(super) fn error(&self) -> Option<i32> {
        self.answer.as_ref().map(|(_, answer)| answer.error)
    }

    pub(super) fn name(&self) -> String {
        format!("{} {:?}", self.value(), self.call)
    }
}

/// A client's operations in the order sent, which is the order answered too.
fn operations(history: &History, client: usize) -> Vec<Operation> {
    let (mut session, mut connection) = (0, 0);
    let mut operations: BTreeMap<u64, Operation> = BTreeMap::new();
    for record in &history.records[client] {
        match &record.event {
            Event::Connected { session: of, .. } => {
                session = *of;
                connection += 1;
            }
            Event::Sent(number, call) => {
                let operation = Operation {
                    client,
                    number: *number,
                    call: *call,
                    session,
                    connection,
                    sent: record.at,
                    answer: None,
                };
                operations.insert(*number, operation);
            }
            Event::Answered(number, answer) => {
                let operation = operations.get_mut(number).expect("sent before answered");
                operation.answer = Some((record.at, answer.clone()));
            }
            Event::Disconnected | Event::SessionOver { .. } | Event::Fired { .. } => {}
        }
    }
    operations.into_values().collect()
}

fn refusals(operations: &[Operation], verdict: &mut Verdict) {
    for operation in operations {
        let rule = match (operation.call, operation.error()) {
            (_, None | Some(0)) => continue,
            (Call::Swap { .. }, Some(BAD_VERSION)) => continue,
            // Whether it may be gone is a matter of its session.
            (Call::DeleteEphemeral { .. }, Some(NO_NODE)) => continue,
            (Call::Create | Call::CreateEphemeral, Some(NODE_EXISTS)) => Rule::Invented,
            _ => Rule::Refused,
        };
        verdict.add(
            rule,
            format!("{}: {:?}", operation.name(), operation.answer),
        );
    }
}

fn zxids(operations: &[Operation], verdict: &mut Verdict) {
    let mut last: BTreeMap<i64, i64> = BTreeMap::new();
    for operation in operations {
        let Some((_, answer)) = &operation.answer else {
            continue;
        };
        let last = last.entry(operation.session).or_default();
        let grows = if operation.call.is_write() {
            answer.zxid > *last
        } else {
            answer.zxid >= *last
        };
        if !grows {
            verdict.add(
                Rule::Zxid,
                format!("{} at {:#x} after {last:#x}", operation.name(), answer.zxid),
            );
        }
        *last = (*last).max(answer.zxid);
    }
}

/// Transaction ids order all writes, so they must agree with what was answered before what was sent.
fn writes_in_real_time(operations: &[Vec<Operation>], verdict: &mut Verdict) {
    let mut writes: Vec<(i64, Duration, &Operation)> = operations
        .iter()
        .flatten()
        .filter(|operation| operation.call.is_write())
        .filter_map(|operation| {
            let (at, answer) = operation.answer.as_ref()?;
            Some((answer.zxid, *at, operation))
        })
        .collect();
    writes.sort_by_key(|(zxid, ..)| *zxid);
    for pair in writes.windows(2) {
        let ((zxid, _, one), (next, _, other)) = (pair[0], pair[1]);
        if zxid == next {
            let names = [one.name(), other.name()];
            verdict.add(Rule::Zxid, format!("{zxid:#x} twice: {names:?}"));
        }
    }
    in_real_time(
        writes
            .iter()
            .map(|(_, at, operation)| (*operation, Some(*at))),
        verdict,
    );
}

/// Takes operations in the order of their effects, with the times of their answers.
pub(super) fn in_real_time<'a>(
    effects: impl Iterator<Item = (&'a Operation, Option<Duration>)>,
    verdict: &mut Verdict,
) {
    let mut last_sent: Option<&Operation> = None;
    for (operation, answered) in effects {
        match last_sent {
            Some(earlier) if answered.is_some_and(|at| at < earlier.sent) => verdict.add(
                Rule::NotLinearizable,
                format!(
                    "{} took effect before {}, which was answered before that was sent",
                    earlier.name(),
                    operation.name()
                ),
            ),
            Some(earlier) if earlier.sent >= operation.sent => {}
            _ => last_sent = Some(operation),
        }
    }
}

/// The nodes a client numbered, and the order in which its writes took effect. `written` are the values
/// that somebody saw.
fn numbered_nodes(
    history: &History,
    client: usize,
    operations: &[Operation],
    written: &BTreeSet<String>,
    verdict: &mut Verdict,
) {
    let children = &history.found.homes[client].children;
    let mut sent = BTreeSet::new();
    // The first write of a connection that never was.
    let mut missing: Option<&Operation> = None;
    for operation in operations {
        if missing.is_some_and(|missing| missing.connection != operation.connection) {
            missing = None;
        }
        let carried_out = match operation.call {
            Call::Create => {
                sent.insert(operation.number);
                let there = children.contains(&operation.number);
                if operation.succeeded() && !there {
                    verdict.add(Rule::Lost, format!("{} is not there", operation.name()));
                }
                there
            }
            Call::Set | Call::Swap { .. } => written.contains(&operation.value()),
            _ => operation.succeeded(),
        };
        match missing {
            Some(missing) if carried_out => verdict.add(
                Rule::Order,
                format!("{} without {}", operation.name(), missing.name()),
            ),
            None if operation.call == Call::Create && !carried_out => missing = Some(operation),
            _ => {}
        }
    }
    for child in children.difference(&sent) {
        verdict.add(Rule::Invented, format!("a node {client}.{child}"));
    }
}

fn session_ends(history: &History, client: usize, rules: Rules, verdict: &mut Verdict) {
    let mut granted = Duration::ZERO;
    for record in &history.records[client] {
        match record.event {
            Event::Connected { timeout, .. } => granted = timeout,
            Event::SessionOver { away }
                if rules.no_session_ends || away + rules.unheard < granted =>
            {
                verdict.add(
                    Rule::Expired,
                    format!(
                        "client {client} at {:?}: away for {away:?} of {granted:?}",
                        record.at
                    ),
                );
            }
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SessionEnd {
    Over,
    /// Its client asked for it and does not know what came of it.
    Unknown,
}

fn ephemerals(history: &History, operations: &[Vec<Operation>], verdict: &mut Verdict) {
    let ends = session_end_by_id(history, operations);
    let mut known = BTreeSet::new();
    for of_client in operations {
        let deletes: BTreeMap<u64, &Operation> = of_client
            .iter()
            .filter_map(|operation| match operation.call {
                Call::DeleteEphemeral { created } => Some((created, operation)),
                _ => None,
            })
            .collect();
        for create in of_client {
            if create.call == Call::CreateEphemeral {
                let key = (create.client, create.number);
                known.insert(key);
                let owner = history.found.ephemerals.get(&key);
                let delete = deletes.get(&create.number).copied();
                let end = ends.get(&create.session).copied();
                if let Some(wrong) = wrong_ephemeral(create, delete, end, owner) {
                    verdict.add(Rule::Ephemeral, format!("{} {wrong}", create.name()));
                }
            }
        }
    }
    for (client, number) in history.found.ephemerals.keys() {
        if !known.contains(&(*client, *number)) {
            verdict.add(Rule::Invented, format!("an ephemeral {client}.{number}"));
        }
    }
}

fn session_end_by_id(
    history: &History,
    operations: &[Vec<Operation>],
) -> BTreeMap<i64, SessionEnd> {
    let mut ends = BTreeMap::new();
    for close in operations.iter().flatten() {
        if close.call == Call::Close {
            let end = match close.answer {
                Some(_) => SessionEnd::Over,
                None => SessionEnd::Unknown,
            };
            ends.insert(close.session, end);
        }
    }
    for records in &history.records {
        let mut current = 0;
        for record in records {
            match record.event {
                Event::Connected { session, .. } => current = session,
                Event::SessionOver { .. } => drop(ends.insert(current, SessionEnd::Over)),
                _ => {}
            }
        }
    }
    ends
}

fn wrong_ephemeral(
    create: &Operation,
    delete: Option<&Operation>,
    session_end: Option<SessionEnd>,
    owner: Option<&i64>,
) -> Option<&'static str> {
    let delete_error = delete.and_then(Operation::error);
    if create.succeeded() && delete_error == Some(NO_NODE) {
        return Some("was gone before its session deleted it");
    }
    match owner {
        Some(owner) if *owner != create.session => Some("belongs to another session"),
        Some(_) if session_end == Some(SessionEnd::Over) => Some("outlived its session"),
        Some(_) if delete_error == Some(0) => Some("outlived its deletion"),
        None if create.succeeded() && delete.is_none() && session_end.is_none() => {
            Some("is gone, and its session lives")
        }
        _ => None,
    }
}
