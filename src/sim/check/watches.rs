//! Watch events: for each connection what it must be told is worked out from the committed
//! transactions, and every event must be the next of these. A reply that shows a state comes behind
//! all events up to that state; what was set again on a new connection catches up first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::{Xid, Zxid, path};
use crate::proto::{ErrorCode, EventType};
use crate::sim::asked::{Asked, WatchSet};
use crate::sim::check::model::{Event, Model};
use crate::sim::check::{Verdict, Violation, shows_a_state};
use crate::sim::facts::{ClientConn, ClientFact, ClientId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watches {
    clients: BTreeMap<ClientId, Watching>,
    events: u64,
}

/// One connection. A client has one at a time.
#[derive(Debug, Default)]
struct Watching {
    conn: ClientConn,
    /// How far the transactions were looked at.
    at: Zxid,
    data: BTreeSet<Box<str>>,
    children: BTreeSet<Box<str>>,
    persistent: BTreeSet<Box<str>>,
    recursive: BTreeSet<Box<str>>,
    /// Fired and not told yet.
    expected: VecDeque<(Zxid, Event)>,
    /// Told while watches are set again.
    caught_up: Vec<Event>,
    /// Asked with a watch, or to watch, and not answered.
    asked: BTreeMap<Xid, Asked>,
    set_again: Option<(Xid, Zxid, WatchSet)>,
}

impl Watches {
    pub(super) fn observe(
        &mut self,
        client: ClientId,
        what: &ClientFact,
        model: &Model,
    ) -> Verdict {
        let watching = self.clients.entry(client).or_default();
        let outcome = match what {
            ClientFact::Connected { conn, .. } => {
                *watching = Watching {
                    conn: *conn,
                    ..Watching::default()
                };
                Ok(())
            }
            ClientFact::Invoked { xid, asked, .. } => {
                if may_watch(asked) {
                    watching.asked.insert(*xid, asked.clone());
                }
                Ok(())
            }
            ClientFact::WatchesSet {
                xid, seen, watches, ..
            } => {
                watching.set_again = Some((*xid, *seen, watches.clone()));
                Ok(())
            }
            ClientFact::Replied { xid, err, .. } => match shows_a_state(what) {
                Some(zxid) => watching.on_reply(*xid, zxid, *err, model),
                None => Ok(()),
            },
            ClientFact::Event {
                zxid,
                event_type,
                path,
                ..
            } => {
                self.events += 1;
                watching.on_event(*zxid, *event_type, path, model)
            }
            ClientFact::Expired { .. }
            | ClientFact::Disconnected { .. }
            | ClientFact::Garbled { .. } => Ok(()),
        };
        outcome.map_err(|text| Violation {
            checker: "watches",
            text: format!("{client} #{}: {text}", watching.conn),
        })
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }
}

impl Watching {
    fn on_event(
        &mut self,
        zxid: Zxid,
        event_type: i32,
        event_path: &str,
        model: &Model,
    ) -> Result<(), String> {
        let event = Event {
            event_type: event_type_of(event_type).ok_or("an event of no known type")?,
            path: event_path.into(),
        };
        if zxid == Zxid(-1) {
            if self.set_again.is_none() {
                return Err(format!("{event:?} catches up with nothing"));
            }
            self.caught_up.push(event);
            return Ok(());
        }
        if zxid > model.last() {
            return Err(format!("{event:?} at {zxid}, which is not committed"));
        }
        self.advance(zxid, model);
        let first = self.expected.front().map(|(at, _)| *at);
        // Those of one transaction may come in any order.
        let found = self
            .expected
            .iter()
            .take_while(|(at, _)| Some(*at) == first)
            .position(|(at, expected)| *at == zxid && *expected == event);
        let Some(found) = found else {
            let text = format!("{event:?} at {zxid}, expected was {:?}", self.expected);
            return Err(text);
        };
        self.expected.remove(found);
        Ok(())
    }

    fn on_reply(&mut self, xid: Xid, zxid: Zxid, err: i32, model: &Model) -> Result<(), String> {
        self.advance(zxid, model);
        if let Some(untold) = self.expected.front() {
            return Err(format!("reply {} at {zxid} comes before {untold:?}", xid.0));
        }
        if let Some((_, seen, watches)) = self.set_again.take_if(|(asked, ..)| *asked == xid) {
            return self.on_set_again(seen, &watches, zxid, model);
        }
        let is_missing = err == ErrorCode::NoNode.number();
        match self.asked.remove(&xid) {
            Some(Asked::GetData { path, .. }) if err == 0 => {
                self.data.insert(path);
            }
            Some(Asked::Exists { path, .. }) if err == 0 || is_missing => {
                self.data.insert(path);
            }
            Some(Asked::Children { path, .. }) if err == 0 => {
                self.children.insert(path);
            }
            Some(Asked::AddWatch { path, recursive }) if err == 0 => {
                let watches = if recursive {
                    &mut self.recursive
                } else {
                    &mut self.persistent
                };
                watches.insert(path);
            }
            _ => {}
        }
        Ok(())
    }

    /// Watches were set again in the state after `zxid`: what changed since `seen` was told, the
    /// rest is watched.
    fn on_set_again(
        &mut self,
        seen: Zxid,
        watches: &WatchSet,
        zxid: Zxid,
        model: &Model,
    ) -> Result<(), String> {
        let mut expected = Vec::new();
        let mut tell = |event_type, path: &str| {
            expected.push(Event {
                event_type,
                path: path.into(),
            });
        };
        for node_path in &watches.data {
            match model.node(node_path, zxid) {
                None => tell(EventType::NodeDeleted, node_path),
                Some(node) if node.facts.mzxid > seen => {
                    tell(EventType::NodeDataChanged, node_path);
                }
                Some(_) => {
                    self.data.insert(node_path.clone());
                }
            }
        }
        for node_path in &watches.exists {
            match model.node(node_path, zxid) {
                Some(_) => tell(EventType::NodeCreated, node_path),
                None => {
                    self.data.insert(node_path.clone());
                }
            }
        }
        for node_path in &watches.children {
            match model.node(node_path, zxid) {
                None => tell(EventType::NodeDeleted, node_path),
                Some(node) if node.facts.pzxid > seen => {
                    tell(EventType::NodeChildrenChanged, node_path);
                }
                Some(_) => {
                    self.children.insert(node_path.clone());
                }
            }
        }
        self.persistent.extend(watches.persistent.iter().cloned());
        self.recursive.extend(watches.recursive.iter().cloned());
        let told = std::mem::take(&mut self.caught_up);
        if told != expected {
            return Err(format!(
                "caught up with {told:?}, expected was {expected:?}"
            ));
        }
        Ok(())
    }

    /// Lets the transactions up to `upto` fire.
    fn advance(&mut self, upto: Zxid, model: &Model) {
        if upto <= self.at {
            return;
        }
        let after = std::mem::replace(&mut self.at, upto);
        let sets = [
            &self.data,
            &self.children,
            &self.persistent,
            &self.recursive,
        ];
        if sets.iter().all(|set| set.is_empty()) {
            return;
        }
        for (zxid, event) in model.events(after, upto) {
            if self.fires(event) {
                self.expected.push_back((zxid, event.clone()));
            }
        }
    }

    /// Whether this connection is told of an event. What fires once is used up.
    fn fires(&mut self, event: &Event) -> bool {
        let of_children = event.event_type == EventType::NodeChildrenChanged;
        let of_both = event.event_type == EventType::NodeDeleted;
        let mut fires = self.persistent.contains(&event.path);
        if !of_children {
            let above = |watched: &str| path::is_at_or_below(&event.path, watched);
            fires |= self.data.remove(&event.path);
            fires |= self.recursive.iter().any(|watched| above(watched));
        }
        if of_children || of_both {
            fires |= self.children.remove(&event.path);
        }
        fires
    }
}

fn may_watch(asked: &Asked) -> bool {
    matches!(
        asked,
        Asked::GetData { watch: true, .. }
            | Asked::Exists { watch: true, .. }
            | Asked::Children { watch: true, .. }
            | Asked::AddWatch { .. }
    )
}

fn event_type_of(number: i32) -> Option<EventType> {
    [
        EventType::NodeCreated,
        EventType::NodeDeleted,
        EventType::NodeDataChanged,
        EventType::NodeChildrenChanged,
    ]
    .into_iter()
    .find(|event_type| event_type.number() == number)
}
