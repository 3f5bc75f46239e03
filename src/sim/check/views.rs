//! What a session is told: each reply is true of the state its zxid names, and these zxids only go
//! forward, from whichever server they come.

use std::collections::BTreeMap;

use crate::base::{SessionId, Xid, Zxid};
use crate::proto::ErrorCode;
use crate::sim::asked::{Answer, Asked};
use crate::sim::check::model::Model;
use crate::sim::check::{Verdict, Violation, shows_a_state};
use crate::sim::facts::{ClientConn, ClientFact, ClientId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Views {
    clients: BTreeMap<ClientId, View>,
    replies: u64,
}

#[derive(Debug, Default)]
struct View {
    conn: ClientConn,
    session: SessionId,
    last: Zxid,
    reads: BTreeMap<Xid, Asked>,
}

impl Views {
    pub(super) fn observe(
        &mut self,
        client: ClientId,
        what: &ClientFact,
        model: &Model,
    ) -> Verdict {
        let view = self.clients.entry(client).or_default();
        match what {
            ClientFact::Connected { conn, session, .. } => {
                if view.session != *session {
                    *view = View {
                        session: *session,
                        ..View::default()
                    };
                }
                view.conn = *conn;
                view.reads.clear();
            }
            ClientFact::Invoked { xid, asked, .. } if !asked.is_write() => {
                view.reads.insert(*xid, asked.clone());
            }
            ClientFact::Replied {
                xid, err, answer, ..
            } => {
                self.replies += 1;
                let Some(zxid) = shows_a_state(what) else {
                    return Ok(());
                };
                if zxid < view.last {
                    let text = format!("{client} was at {} and is told of {zxid}", view.last);
                    return Err(violation(text));
                }
                view.last = zxid;
                // The start of an epoch comes before its first transaction.
                if zxid > model.last() && zxid.counter() != 0 {
                    let text = format!("{client} is told of {zxid}, which is not committed");
                    return Err(violation(text));
                }
                if let Some(asked) = view.reads.remove(xid)
                    && !is_true(&asked, *err, answer, zxid, model)
                {
                    let text =
                        format!("{client} asked {asked:?} and is told {err} {answer:?} at {zxid}");
                    return Err(violation(text));
                }
            }
            ClientFact::Garbled { text, .. } => {
                return Err(violation(format!("{client}: {text}")));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn replies(&self) -> u64 {
        self.replies
    }
}

fn is_true(asked: &Asked, err: i32, answer: &Answer, zxid: Zxid, model: &Model) -> bool {
    let is_missing = err == ErrorCode::NoNode.number();
    match (asked, answer) {
        (Asked::GetData { path, .. }, answer) => match (model.node(path, zxid), answer) {
            (Some(node), Answer::Data(data, facts)) => node.data == *data && node.facts == *facts,
            (None, Answer::Nothing) => is_missing,
            _ => false,
        },
        (Asked::Exists { path, .. }, answer) => match (model.node(path, zxid), answer) {
            (Some(node), Answer::Stat(facts)) => node.facts == *facts,
            (None, Answer::Nothing) => is_missing,
            _ => false,
        },
        (Asked::Children { path, .. }, answer) => match (model.children(path, zxid), answer) {
            (Some(names), Answer::Names(told)) => names == *told,
            (None, Answer::Nothing) => is_missing,
            _ => false,
        },
        _ => err == 0,
    }
}

fn violation(text: String) -> Violation {
    Violation {
        checker: "views",
        text,
    }
}
