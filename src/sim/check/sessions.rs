//! When sessions end: because their client closed them, or because the leader has not heard of them
//! for their whole timeout; and a client is told so only then. A closed session does nothing more.
//!
//! A session that only its server knows is in no transaction. While that server serves without a
//! break, it ends for silence only. A leader takes a session it does not know for another server's,
//! so that what such an ensemble's closed sessions asked before may still happen; ephemeral nodes, of
//! which the model knows, are never among it.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Epoch, ServerId, SessionId, Xid};
use crate::peer::Mode;
use crate::proto::{SubTxn, Txn};
use crate::sim::check::model::Model;
use crate::sim::check::{Verdict, Violation};
use crate::sim::facts::{ClientConn, ClientFact, ClientId, Entry, ServerFact};
use crate::sim::world::Micros;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    timeouts_ms: BTreeMap<SessionId, i32>,
    /// When they were first proposed.
    opened: BTreeMap<SessionId, Micros>,
    /// When each client last lost, or gave up, a connection.
    left: BTreeMap<ClientId, Micros>,
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
    /// How often each server began or ceased to serve.
    stints: BTreeMap<ServerId, u64>,
    local: Local,
}

/// What is known of sessions that no transaction has opened.
#[derive(Debug, Default)]
struct Local {
    /// Where and when they were opened, and their timeouts.
    homes: BTreeMap<SessionId, Home>,
    conns: BTreeMap<(ClientId, ClientConn), SessionId>,
    /// When requests without an answer left.
    asked: BTreeMap<(ClientId, ClientConn, Xid), Micros>,
    /// Their servers have heard of them then or later.
    heard: BTreeMap<SessionId, Micros>,
    /// There is or was one: unknown sessions count as such.
    exist: bool,
}

#[derive(Debug, Clone, Copy)]
struct Home {
    server: ServerId,
    stint: u64,
    timeout_ms: i32,
}

impl Sessions {
    pub(super) fn on_server(&mut self, at: Micros, node: ServerId, what: &ServerFact) -> Verdict {
        match what {
            ServerFact::Heard(session) => {
                self.heard.insert((node, *session), at);
            }
            ServerFact::Retired | ServerFact::Stopped(_) => {
                self.epochs.remove(&node);
                *self.stints.entry(node).or_default() += 1;
            }
            ServerFact::Serving { mode, epoch } => {
                *self.stints.entry(node).or_default() += 1;
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

    pub(super) fn on_client(
        &mut self,
        at: Micros,
        client: ClientId,
        what: &ClientFact,
        model: &Model,
    ) -> Verdict {
        let stints = &self.stints;
        match what {
            ClientFact::Connected {
                conn,
                server,
                session,
                timeout_ms,
                ..
            } => {
                let stint = stints.get(server).copied().unwrap_or_default();
                let home = Home {
                    server: *server,
                    stint,
                    timeout_ms: *timeout_ms,
                };
                self.local.connected((client, *conn), *session, home);
                self.local.exist |= !model.is_known(*session);
            }
            ClientFact::Invoked { conn, xid, .. } if xid.0 > 0 => {
                self.local.asked.insert((client, *conn, *xid), at);
            }
            ClientFact::Replied { conn, xid, .. } => self.local.replied(client, *conn, *xid),
            ClientFact::Disconnected { conn } => {
                self.left.insert(client, at);
                self.local.disconnected(client, *conn);
            }
            ClientFact::Expired { server, session } if model.is_known(*session) => {
                return self.check_told(client, *server, *session, model);
            }
            ClientFact::Expired { server, session } => {
                let stint = stints.get(server).copied().unwrap_or_default();
                return self.local.check_expiry(at, (*server, stint), *session);
            }
            _ => {}
        }
        Ok(())
    }

    fn check_told(
        &self,
        client: ClientId,
        server: ServerId,
        session: SessionId,
        model: &Model,
    ) -> Verdict {
        // While one is upgraded, its client may ask for it elsewhere before the leader has heard of it.
        let asked_after = self.left.get(&client).copied().unwrap_or_default();
        let was_open = self
            .opened
            .get(&session)
            .is_some_and(|at| *at <= asked_after);
        if was_open
            && model.is_open(session)
            && !self.doomed.contains(&session)
            // A server whose term is over and who has not noticed knows no better, as in Apache.
            && self.epochs.get(&server) == Some(&self.newest)
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
            _ if self.closed.contains(&session) && !self.local.exist => {
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
                self.opened.entry(session).or_insert(at);
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
        let silent_ms = at.since(since).as_millis();
        if silent_ms < least_ms(timeout_ms) {
            let text =
                format!("{node} ends {session} of {timeout_ms} ms after {silent_ms} ms of silence");
            return Err(violation(text));
        }
        Ok(())
    }
}

impl Local {
    fn connected(&mut self, conn: (ClientId, ClientConn), session: SessionId, home: Home) {
        self.conns.insert(conn, session);
        self.homes.insert(session, home);
    }

    /// Whatever was asked before the reply has reached the server too.
    fn replied(&mut self, client: ClientId, conn: ClientConn, xid: Xid) {
        let asked = self.asked.remove(&(client, conn, xid));
        if let (Some(session), Some(asked)) = (self.conns.get(&(client, conn)), asked) {
            let heard = self.heard.entry(*session).or_default();
            *heard = asked.max(*heard);
        }
    }

    fn disconnected(&mut self, client: ClientId, conn: ClientConn) {
        self.conns.remove(&(client, conn));
        let of_conn = |xid| (client, conn, Xid(xid));
        let of_this = self.asked.range(of_conn(i32::MIN)..=of_conn(i32::MAX));
        let gone: Vec<_> = of_this.map(|(key, _)| *key).collect();
        for key in gone {
            self.asked.remove(&key);
        }
    }

    fn check_expiry(
        &self,
        at: Micros,
        (server, stint): (ServerId, u64),
        session: SessionId,
    ) -> Verdict {
        let home = self.homes.get(&session);
        let (Some(home), Some(heard)) = (home, self.heard.get(&session)) else {
            return Ok(());
        };
        let silent_ms = at.since(*heard).as_millis();
        let is_here = home.server == server && home.stint == stint;
        if is_here && silent_ms < least_ms(home.timeout_ms) {
            let text =
                format!("{server} says after {silent_ms} ms that its own {session} is not valid");
            return Err(violation(text));
        }
        Ok(())
    }
}

/// How long a timeout takes at least: clocks of servers may be fast.
fn least_ms(timeout_ms: i32) -> u64 {
    u64::try_from(timeout_ms).unwrap_or_default() * CLOCK_PERCENT / 100
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
