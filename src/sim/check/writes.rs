//! What became of each write: it happens once or never, as it was asked, after everything that was
//! acknowledged before it was asked; what was acknowledged did happen; a session's writes happen in
//! the order it asked them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Buf;

use crate::base::{SessionId, Xid, Zxid};
use crate::proto::txn::CreateKind;
use crate::proto::{ErrorCode, SubTxn, Txn};
use crate::sim::asked::{Answer, Asked, Facts, Part};
use crate::sim::check::model::Model;
use crate::sim::check::{Verdict, Violation};
use crate::sim::facts::{ClientConn, ClientFact, ClientId, Entry};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Writes {
    asked: BTreeMap<(SessionId, Xid), Write>,
    /// Of each connection of a session, the xids that are not committed yet, in the order in which
    /// they were asked.
    open: BTreeMap<(SessionId, ClientConn), BTreeSet<Xid>>,
    /// To find what a reply is to.
    sessions: BTreeMap<(ClientId, ClientConn), SessionId>,
    /// The last transaction whose effect some client knows of.
    acknowledged: Zxid,
    /// Of each session, the xid of the last write that took effect.
    last_xid: BTreeMap<SessionId, Xid>,
}

#[derive(Debug)]
struct Write {
    asked: Asked,
    conn: ClientConn,
    /// What was acknowledged to anyone when it was asked.
    floor: Zxid,
    committed: Option<Entry>,
}

impl Writes {
    pub(super) fn observe(
        &mut self,
        client: ClientId,
        what: &ClientFact,
        model: &Model,
    ) -> Verdict {
        match what {
            ClientFact::Connected { conn, session, .. } => {
                self.sessions.insert((client, *conn), *session);
            }
            ClientFact::Disconnected { conn } => {
                self.sessions.remove(&(client, *conn));
            }
            ClientFact::Invoked {
                conn,
                session,
                xid,
                asked,
            } if asked.is_write() => {
                let write = Write {
                    asked: asked.clone(),
                    conn: *conn,
                    floor: self.acknowledged,
                    committed: None,
                };
                self.asked.insert((*session, *xid), write);
                let open = self.open.entry((*session, *conn)).or_default();
                open.insert(*xid);
            }
            ClientFact::Replied {
                conn,
                xid,
                zxid,
                err,
                answer,
            } => {
                let session = self.sessions.get(&(client, *conn)).copied();
                let key = session.map(|session| (session, *xid));
                if let Some(key) = key.filter(|key| self.asked.contains_key(key)) {
                    self.on_reply(key, *zxid, *err, answer, model)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A transaction is committed: someone asked for it, or it is the server's own.
    pub(super) fn on_commit(&mut self, entry: &Entry) -> Verdict {
        let txn = &entry.txn;
        if matches!(txn.txn, Txn::CreateSession { .. }) || txn.cxid == Xid(0) {
            return Ok(());
        }
        let key = (txn.session, txn.cxid);
        let what = format!("{} of {}, xid {}", entry.zxid, txn.session, txn.cxid.0);
        let Some(write) = self.asked.get_mut(&key) else {
            return Err(violation(format!("nobody asked for {what}")));
        };
        if let Some(first) = &write.committed {
            return Err(violation(format!(
                "{what} happened before, at {}",
                first.zxid
            )));
        }
        if !is_what_was_asked(&write.asked, &txn.txn) {
            let text = format!("{what} does {:?}, asked was {:?}", txn.txn, write.asked);
            return Err(violation(text));
        }
        if entry.zxid <= write.floor {
            let text = format!(
                "{what} was asked when {} was acknowledged already",
                write.floor
            );
            return Err(violation(text));
        }
        write.committed = Some(entry.clone());
        let conn = write.conn;
        let open = self.open.entry((txn.session, conn)).or_default();
        open.remove(&txn.cxid);
        if is_error(&txn.txn) {
            return Ok(());
        }
        self.check_order(key, conn, &what)
    }

    /// A write that took effect comes behind all of its session that did, and everything the
    /// session had asked before on the same connection has happened too.
    fn check_order(
        &mut self,
        (session, xid): (SessionId, Xid),
        conn: ClientConn,
        what: &str,
    ) -> Verdict {
        let last = self.last_xid.insert(session, xid).unwrap_or_default();
        if last > xid {
            return Err(violation(format!("{what} happened behind xid {}", last.0)));
        }
        let open = self.open.get(&(session, conn)).and_then(BTreeSet::first);
        if let Some(earlier) = open.filter(|earlier| **earlier < xid) {
            let text = format!("{what} happened and xid {} before it did not", earlier.0);
            return Err(violation(text));
        }
        Ok(())
    }

    fn on_reply(
        &mut self,
        key: (SessionId, Xid),
        zxid: Zxid,
        err: i32,
        answer: &Answer,
        model: &Model,
    ) -> Verdict {
        let write = &self.asked[&key];
        let what = format!("{:?} of {}, xid {}", write.asked, key.0, key.1.0);
        let Some(entry) = &write.committed else {
            // Only its server knew of the session.
            if write.asked == Asked::CloseSession && !model.is_known(key.0) {
                return Ok(());
            }
            // Refused before it became a transaction.
            if err != 0 && !is_logged(err) {
                return Ok(());
            }
            let text = format!("{what} was answered with {err} at {zxid} and never happened");
            return Err(violation(text));
        };
        if entry.zxid != zxid {
            let text = format!("{what} happened at {}, the reply says {zxid}", entry.zxid);
            return Err(violation(text));
        }
        if let Some(reason) = wrong_answer(&write.asked, &entry.txn.txn, zxid, err, answer, model) {
            let text = format!("{what} was answered with {err} {answer:?} at {zxid}: {reason}");
            return Err(violation(text));
        }
        self.acknowledged = self.acknowledged.max(zxid);
        Ok(())
    }
}

/// Whether a transaction, which may be a refusal, is one for this request.
fn is_what_was_asked(asked: &Asked, txn: &Txn) -> bool {
    match (asked, txn) {
        (_, Txn::Error { .. }) => true,
        (
            Asked::Create {
                path, data, mode, ..
            },
            Txn::Create(create),
        ) => {
            let is_ephemeral = matches!(
                create.kind,
                CreateKind::Plain {
                    ephemeral: true,
                    ..
                }
            );
            let named = if mode.is_sequential() {
                create.path.starts_with(&**path) && create.path.len() == path.len() + 10
            } else {
                create.path == *path
            };
            named && create.data.as_ref() == Some(data) && is_ephemeral == mode.is_ephemeral()
        }
        (Asked::Delete { path, .. }, Txn::Delete { path: deleted }) => path == deleted,
        (Asked::SetData { path, data, .. }, Txn::SetData(set)) => {
            set.path == *path && set.data.as_ref() == Some(data)
        }
        (Asked::CloseSession, Txn::CloseSession { .. }) => true,
        (Asked::Reconfigure { joining, leaving }, Txn::Reconfig(set)) => {
            let text = String::from_utf8_lossy(set.data.as_deref().unwrap_or_default());
            let is_there = |line: &str| text.lines().any(|other| other == line);
            let has = |id: &str| text.contains(&format!("server.{id}="));
            let joining = joining
                .as_deref()
                .map(|line| line.replace(";2181", ";0.0.0.0:2181"));
            joining.is_none_or(|line| is_there(&line))
                && leaving.as_deref().is_none_or(|id| !has(id))
        }
        (Asked::Multi(asked), Txn::Multi(parts)) => {
            let mut pairs = asked.iter().zip(parts);
            asked.len() == parts.len() && pairs.all(|(asked, part)| is_part(asked, part))
        }
        _ => false,
    }
}

fn is_part(asked: &Asked, part: &SubTxn) -> bool {
    match (asked, part) {
        (_, SubTxn::Error { .. }) => true,
        (
            Asked::Check { path, version },
            SubTxn::Check {
                path: p,
                version: v,
            },
        ) => path == p && (version + 1 == *v || *version == -1),
        (_, SubTxn::Create(create)) => is_what_was_asked(asked, &Txn::Create(create.clone())),
        (_, SubTxn::SetData(set)) => is_what_was_asked(asked, &Txn::SetData(set.clone())),
        (Asked::Delete { path, .. }, SubTxn::Delete { path: deleted }) => path == deleted,
        _ => false,
    }
}

fn is_error(txn: &Txn) -> bool {
    match txn {
        Txn::Error { .. } => true,
        Txn::Multi(parts) => parts
            .iter()
            .any(|part| matches!(part, SubTxn::Error { .. })),
        _ => false,
    }
}

/// Whether a refusal with this code is a transaction of its own.
fn is_logged(err: i32) -> bool {
    let unlogged = [
        ErrorCode::MarshallingError,
        ErrorCode::ThrottledOp,
        ErrorCode::Unimplemented,
    ];
    !unlogged.iter().any(|code| code.number() == err)
}

/// What is wrong with an answer, if anything is.
fn wrong_answer(
    asked: &Asked,
    txn: &Txn,
    zxid: Zxid,
    err: i32,
    answer: &Answer,
    model: &Model,
) -> Option<&'static str> {
    let is_right = match (txn, answer) {
        (Txn::Error { code }, _) => {
            let is_named = *code == err || is_refused_by_own_server(asked, *code, err);
            is_named && *answer == Answer::Nothing
        }
        (Txn::Multi(parts), Answer::Multi(answers)) => {
            // A failed multi has its errors in its parts, and in Apache's servers none above them.
            let mut pairs = parts.iter().zip(answers);
            err == 0
                && parts.len() == answers.len()
                && pairs.all(|(part, answer)| is_answer_to(part, answer, zxid, model))
        }
        _ if err != 0 => false,
        (Txn::Create(create), Answer::Path(path)) => create.path == *path,
        (Txn::Create(create), Answer::PathAndStat(path, facts)) => {
            create.path == *path && is_as_made(path, facts, zxid, model)
        }
        (Txn::SetData(set), Answer::Stat(facts)) => {
            facts.version == set.version && is_as_made(&set.path, facts, zxid, model)
        }
        (Txn::Delete { .. } | Txn::CloseSession { .. }, Answer::Nothing) => true,
        (Txn::Reconfig(set), Answer::Data(data, facts)) => {
            set.data.as_ref() == Some(data) && (facts.version, facts.mzxid) == (-1, zxid)
        }
        _ => false,
    };
    if !is_right {
        return Some("this is not what it did");
    }
    if let (Txn::Error { .. }, false) = (txn, is_right_refusal(asked, err, zxid, model)) {
        return Some("there was no reason to refuse it");
    }
    None
}

/// What a leader takes for a session that has expired, the client's own server knows better.
fn is_refused_by_own_server(asked: &Asked, code: i32, err: i32) -> bool {
    code == ErrorCode::SessionExpired.number()
        && err == ErrorCode::EphemeralOnLocalSession.number()
        && is_ephemeral(asked)
}

fn is_ephemeral(asked: &Asked) -> bool {
    matches!(asked, Asked::Create { mode, .. } if mode.is_ephemeral())
}

fn is_answer_to(part: &SubTxn, answer: &Part, zxid: Zxid, model: &Model) -> bool {
    match (part, answer) {
        (SubTxn::Error { body }, Part::Error(err)) => {
            body.len() >= 4 && (body.clone().get_i32() == *err || *err == 0)
        }
        // Parts of a multi that failed elsewhere.
        (_, Part::Error(0)) => true,
        (SubTxn::Create(create), Part::Created(path)) => create.path == *path,
        (SubTxn::SetData(set), Part::Stat(facts)) => {
            facts.version == set.version
                && model
                    .node(&set.path, zxid)
                    .is_none_or(|node| node.facts.mzxid == facts.mzxid)
        }
        (SubTxn::Delete { .. } | SubTxn::Check { .. }, Part::Done) => true,
        _ => false,
    }
}

fn is_as_made(path: &str, facts: &Facts, zxid: Zxid, model: &Model) -> bool {
    model
        .node(path, zxid)
        .is_some_and(|node| node.facts == *facts)
}

/// Whether the state before `zxid` is a reason to refuse the request so.
fn is_right_refusal(asked: &Asked, err: i32, zxid: Zxid, model: &Model) -> bool {
    let node = |path: &str| model.node(path, zxid);
    let version_differs = |path: &str, wanted: i32| {
        wanted != -1 && node(path).is_some_and(|node| node.facts.version != wanted)
    };
    let parent_of = |path: &str| {
        let parent = crate::base::path::parent(path).unwrap_or_default();
        (!parent.is_empty()).then(|| parent.to_owned())
    };
    match (ErrorCode::from_number(err), asked) {
        (Some(ErrorCode::SessionExpired | ErrorCode::SessionMoved), _) => true,
        (Some(ErrorCode::EphemeralOnLocalSession), _) => is_ephemeral(asked),
        // By who votes and who is there, which is not known here.
        (
            Some(
                ErrorCode::ReconfigInProgress
                | ErrorCode::BadArguments
                | ErrorCode::NewConfigNoQuorum,
            ),
            Asked::Reconfigure { .. },
        ) => true,
        (Some(ErrorCode::NoNode), Asked::Create { path, .. }) => {
            parent_of(path).is_some_and(|parent| node(&parent).is_none())
        }
        (Some(ErrorCode::NoNode), Asked::Delete { path, .. } | Asked::SetData { path, .. }) => {
            node(path).is_none()
        }
        (Some(ErrorCode::NodeExists), Asked::Create { path, .. }) => node(path).is_some(),
        (Some(ErrorCode::NoChildrenForEphemerals), Asked::Create { path, .. }) => {
            let parent = parent_of(path);
            parent.is_some_and(|parent| {
                node(&parent).is_some_and(|node| node.facts.owner != SessionId::NONE)
            })
        }
        (
            Some(ErrorCode::BadVersion),
            Asked::SetData { path, version, .. } | Asked::Delete { path, version },
        ) => version_differs(path, *version),
        (Some(ErrorCode::NotEmpty), Asked::Delete { path, .. }) => model
            .children(path, zxid)
            .is_some_and(|names| !names.is_empty()),
        _ => false,
    }
}

fn violation(text: String) -> Violation {
    Violation {
        checker: "writes",
        text,
    }
}
