//! The check of watches on registers: one event for each, after the change and before any sight of it.

use std::collections::BTreeMap;

use super::{Call, Event, History, Record, Rule, check::Verdict};

pub(super) fn check(history: &History, verdict: &mut Verdict) {
    for (client, records) in history.records.iter().enumerate() {
        let mut watches = Watches {
            client,
            ..Watches::default()
        };
        for record in records {
            watches.take(record, verdict);
        }
    }
}

#[derive(Default)]
struct Watches {
    client: usize,
    session: i64,
    calls: BTreeMap<u64, Call>,
    /// The version that was seen when the watch on a register was set.
    armed: BTreeMap<usize, i32>,
    /// After an event the same connection shows a version newer than that.
    fired: BTreeMap<usize, i32>,
}

impl Watches {
    fn take(&mut self, record: &Record, verdict: &mut Verdict) {
        let mut wrong = |what: String| {
            verdict.add(Rule::Watch, format!("at {:?}: {what}", record.at));
        };
        match &record.event {
            Event::Connected { session, .. } if *session != self.session => {
                self.session = *session;
                self.armed.clear();
            }
            Event::Connected { .. } | Event::SessionOver { .. } => {}
            // Another server may be behind the event that this one sent.
            Event::Disconnected => self.fired.clear(),
            Event::Sent(number, call) => drop(self.calls.insert(*number, *call)),
            Event::Answered(number, answer) => {
                let call = self.calls.remove(number);
                let Some(seen) = &answer.seen else { return };
                let (register, watch) = match call {
                    Some(Call::Read { register, watch }) => (register, watch),
                    Some(Call::Swap { register, .. }) => (register, false),
                    _ => return,
                };
                let client = self.client;
                if self
                    .armed
                    .get(&register)
                    .is_some_and(|at| seen.version > *at)
                {
                    wrong(format!(
                        "client {client} saw {seen:?} before the event of its watch"
                    ));
                }
                if self
                    .fired
                    .remove(&register)
                    .is_some_and(|at| seen.version <= at)
                {
                    wrong(format!("client {client} saw {seen:?} after the event"));
                }
                if watch {
                    self.armed.insert(register, seen.version);
                }
            }
            Event::Fired { register } => match self.armed.remove(register) {
                Some(version) => drop(self.fired.insert(*register, version)),
                None => wrong(format!(
                    "client {} has no watch on register {register}",
                    self.client
                )),
            },
        }
    }
}
