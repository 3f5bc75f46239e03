//! Equal states: servers that serve have equal digests at equal zxids, and at the end, when all is
//! healed, all have the same state, which is the model's.

use std::collections::BTreeMap;

use crate::base::{ServerId, SessionId, Zxid};
use crate::sim::check::logs::Logs;
use crate::sim::check::model::Model;
use crate::sim::check::{Verdict, Violation};
use crate::sim::facts::{FinalState, ServerFact};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Digests {
    known: BTreeMap<Zxid, (u64, ServerId)>,
    finals: BTreeMap<ServerId, FinalState>,
}

impl Digests {
    pub(super) fn observe(
        &mut self,
        node: ServerId,
        what: &ServerFact,
        logs: &Logs,
        model: &Model,
    ) -> Verdict {
        match what {
            ServerFact::Digest { zxid, digest } if logs.serves(node) => {
                let (known, other) = *self.known.entry(*zxid).or_insert((*digest, node));
                if known != *digest {
                    let text =
                        format!("at {zxid} {other} has the digest {known:x}, {node} {digest:x}");
                    return Err(violation(text));
                }
                Ok(())
            }
            ServerFact::Final(state) => {
                self.finals.insert(node, state.clone());
                is_the_models(node, state, model)
            }
            _ => Ok(()),
        }
    }

    /// All servers ended in one state.
    pub(super) fn finish(&self) -> Verdict {
        let mut states = self.finals.iter();
        let Some((first, state)) = states.next() else {
            return Err(violation("no server is there at the end".to_owned()));
        };
        // The start of an epoch is where the leader is before its first transaction.
        let is_start = |state: &FinalState| state.zxid.counter() == 0;
        for (node, other) in states {
            let same_zxid = state.zxid == other.zxid || is_start(state) || is_start(other);
            if !same_zxid || state.digest != other.digest {
                let text = format!(
                    "{first} ends with {} {:x}, {node} with {} {:x}",
                    state.zxid, state.digest, other.zxid, other.digest
                );
                return Err(violation(text));
            }
            if state.config != other.config {
                let text = format!(
                    "{first} ends with the members {:?}, {node} with {:?}",
                    state.config, other.config
                );
                return Err(violation(text));
            }
        }
        Ok(())
    }
}

fn is_the_models(node: ServerId, state: &FinalState, model: &Model) -> Verdict {
    let sessions: Vec<SessionId> = model.open_sessions().collect();
    if state.sessions != sessions {
        let text = format!(
            "{node} has the sessions {:?}, not {sessions:?}",
            state.sessions
        );
        return Err(violation(text));
    }
    let mut expected = model.all();
    for (path, data, version) in &state.nodes {
        let has = (&**path, data.as_slice(), *version);
        let wanted = expected.next();
        let wanted = wanted.map(|(path, node)| (path, &node.data[..], node.facts.version));
        if wanted != Some(has) {
            return Err(violation(format!("{node} has {has:?}, not {wanted:?}")));
        }
    }
    match expected.next() {
        None => Ok(()),
        Some((path, _)) => Err(violation(format!("{node} lacks {path}"))),
    }
}

fn violation(text: String) -> Violation {
    Violation {
        checker: "digests",
        text,
    }
}
