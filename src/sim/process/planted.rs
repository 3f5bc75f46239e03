//! What planted bugs do to what a process is told and tells.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::base::Zxid;
use crate::peer::{ClientOutput, Input, Mode};
use crate::proto::TxnRecord;
use crate::sim::mutation::Mutation;
use crate::sim::process::Process;
use crate::sim::scene::Mail;
use crate::zab::ToLearner;

impl Process {
    /// What a planted bug makes of the inputs.
    pub(super) fn mutated(&mut self, mail: VecDeque<Mail>) -> VecDeque<Mail> {
        let follows = self.serving == Some(Mode::Follower);
        match self.mutation {
            Some(Mutation::CommitEarly) => self.commit_early(mail, follows),
            Some(Mutation::AckBeforeDisk) => say_once(mail, &mut self.acknowledged),
            Some(Mutation::SwapProposals) if follows => swap_proposals(mail),
            Some(Mutation::ForgetSeen) => forget_seen(mail),
            _ => mail,
        }
    }

    /// Whether everything before a proposal is committed, early or not.
    fn is_next(&self, zxid: Zxid) -> bool {
        let before = Zxid(zxid.0 - 1);
        self.db.last_zxid() == before || self.committed_early.contains(&before)
    }

    /// A proposal counts as committed as soon as it comes, if clients are served.
    fn commit_early(&mut self, mail: VecDeque<Mail>, serves: bool) -> VecDeque<Mail> {
        let mut mutated = VecDeque::new();
        for mail in mail {
            let Input::FromLeader { link, packet } = &mail.input else {
                mutated.push_back(mail);
                continue;
            };
            let link = *link;
            match packet {
                ToLearner::Commit { zxid } if self.committed_early.remove(zxid) => {}
                ToLearner::Proposal { zxid, .. } if serves && self.is_next(*zxid) => {
                    let zxid = *zxid;
                    self.committed_early.insert(zxid);
                    let packet = ToLearner::Commit { zxid };
                    mutated.push_back(mail);
                    mutated.push_back(Mail::from(Input::FromLeader { link, packet }));
                }
                _ => mutated.push_back(mail),
            }
        }
        mutated
    }
}

/// What was said before the disk said it is not said again.
fn say_once(mail: VecDeque<Mail>, said: &mut Zxid) -> VecDeque<Mail> {
    let mut is_new = |mail: &Mail| match mail.input {
        Input::Appended { zxid } => std::mem::replace(said, zxid.max(*said)) < zxid,
        _ => true,
    };
    mail.into_iter().filter(|mail| is_new(mail)).collect()
}

/// Of two proposals that come together, each does what the other was to do.
fn swap_proposals(mut mail: VecDeque<Mail>) -> VecDeque<Mail> {
    let mut first: Option<&mut Bytes> = None;
    for mail in &mut mail {
        let Input::FromLeader {
            packet: ToLearner::Proposal { payload, .. },
            ..
        } = &mut mail.input
        else {
            continue;
        };
        let Some(other) = first.take() else {
            first = Some(payload);
            continue;
        };
        let mut records = [&*other, &*payload].map(|payload| {
            TxnRecord::decode(payload, usize::MAX).expect("the leader's are well formed")
        });
        let [one, two] = &mut records;
        std::mem::swap(&mut one.zxid, &mut two.zxid);
        let [one, two] = records.map(|record| {
            let mut payload = BytesMut::new();
            record.encode(&mut payload);
            payload.freeze()
        });
        (*other, *payload) = (two, one);
    }
    mail
}

/// Whoever comes has seen nothing.
fn forget_seen(mut mail: VecDeque<Mail>) -> VecDeque<Mail> {
    for mail in &mut mail {
        if let Input::Connect { request, .. } = &mut mail.input {
            request.last_zxid_seen = Zxid::ZERO;
        }
    }
    mail
}

/// Replies overtake events.
pub(super) fn events_last(outputs: Vec<ClientOutput>) -> Vec<ClientOutput> {
    let is_event = |output: &ClientOutput| matches!(output, ClientOutput::Event { .. });
    let (events, mut others): (Vec<_>, Vec<_>) = outputs.into_iter().partition(is_event);
    others.extend(events);
    others
}
