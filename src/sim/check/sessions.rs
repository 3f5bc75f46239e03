//! When sessions end: because their client closed them, or because the leader has not heard of them
//! for their whole timeout; and a client is told so only then. A closed session does nothing more.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Epoch, ServerId, SessionId, Xid};
use crate::peer::Mode;
use crate::proto::{SubTxn, Txn};
use crate::sim::check::model::Model;
use crate::sim::check::{Verdict, Violation};
use crate::sim::facts::{ClientFact, Entry, ServerFact};
use crate::sim::world::Micros;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    timeouts_ms: BTreeMap<SessionId, i32>,
    /// When each server last heard of a session while it led.
    heard: BTreeMap<(ServerId, SessionId), Micros>,
    /// When a server last began to lead: every session has its full timeout from then.
    leads_since: BTreeMap<ServerId, Micros>,
    /// Some leader meant to end it.
    doomed: BTreeSet<SessionId>,
    closed: BTreeSet<SessionId>,
    /// The term each server serves in.
    epochs: BTreeMap<ServerId, Epoch>,
    newest: Epoch,
}

impl Sessions {
    pub(super) fn on_server(&mut self, at: Micros, node: ServerId, what: &ServerFact) -> Verdict {
        match what {
            ServerFact::Heard(session) => {
                self.heard.insert((node, *session), at);
            }
            ServerFact::Serving { mode, epoch } => {
                self.epochs.insert(node, *epoch);
                self.newest = self.newest.max(*epoch);
                if matches!(mode, Mode::Leader | Mode::Standalone) {
                    self.leads_since.insert(node, at);
                }
            }
            ServerFact::Proposed(entry) => return self.on_proposal(at, node, entry),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn on_client(&self, what: &ClientFact, model: &Model) -> Verdict {
        if let ClientFact::Expired { server, session } = what
            && model.is_open(*session)
            && !self.doomed.contains(session)
            // A server whose term is over and who has not noticed knows no better, as in Apache.
            && self.epochs.get(server) == Some(&self.newest)
        {
            let text = format!("{server} says that {session} is not valid, and it is open");
            return Err(violation(text));
        }
        Ok(())
    }

    pub(super) fn on_commit(&mut self, entry: &Entry) -> Verdict {
        let session = entry.txn.session;
        match &entry.txn.txn {
            Txn::Error { .. } => {}
            Txn::Multi(parts) if parts.iter().any(is_refusal) => {}
            // It expired while its client closed it: as in Apache both become transactions.
            Txn::CloseSession { .. } => {
                self.closed.insert(session);
            }
            _ if self.closed.contains(&session) => {
                let text = format!("{} is of {session}, which is closed", entry.zxid);
                return Err(violation(text));
            }
            _ => {}
        }
        Ok(())
    }

    fn on_proposal(&mut self, at: Micros, node: ServerId, entry: &Entry) -> Verdict {
        let session = entry.txn.session;
        match &entry.txn.txn {
            Txn::CreateSession { timeout_ms } => {
                self.timeouts_ms.insert(session, *timeout_ms);
                self.heard.insert((node, session), at);
            }
            Txn::CloseSession { .. } => {
                self.doomed.insert(session);
                if entry.txn.cxid == Xid(0) {
                    return self.check_expiry(at, node, session);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_expiry(&self, at: Micros, node: ServerId, session: SessionId) -> Verdict {
        let leads_since = self.leads_since.get(&node).copied().unwrap_or_default();
        let heard = self.heard.get(&(node, session)).copied();
        let since = heard.unwrap_or_default().max(leads_since);
        let timeout_ms = self.timeouts_ms.get(&session).copied().unwrap_or_default();
        // Clocks of servers may be fast.
        let least_ms = u64::try_from(timeout_ms).unwrap_or_default() * CLOCK_PERCENT / 100;
        let silent_ms = at.since(since).as_millis();
        if silent_ms < least_ms {
            let text =
                format!("{node} ends {session} of {timeout_ms} ms after {silent_ms} ms of silence");
            return Err(violation(text));
        }
        Ok(())
    }
}

/// How long a timeout takes at least by the fastest clock.
const CLOCK_PERCENT: u64 = 95;

fn is_refusal(part: &SubTxn) -> bool {
    matches!(part, SubTxn::Error { .. })
}

fn violation(text: String) -> Violation {
    Violation {
        checker: "sessions",
        text,
    }
}
