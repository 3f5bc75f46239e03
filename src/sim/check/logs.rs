//! One history of transactions, whichever server has it.
//!
//! Every transaction has one content and one predecessor, the same on all servers that have it: so
//! two logs that share a transaction are equal up to it. What a server that serves has applied is
//! committed, and the committed transactions are one line. What a disk said is durable is there
//! after a restart, unless it was cut on purpose. Epochs on disk never fall, and an epoch has one
//! leader, who has everything that was committed before.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{Epoch, ServerId, Zxid};
use crate::peer::Mode;
use crate::proto::TxnRecord;
use crate::sim::check::{Verdict, Violation};
use crate::sim::facts::{Entry, EpochKind, History, ServerFact, StopReason};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Logs {
    /// Every transaction there ever was.
    known: BTreeMap<Zxid, Known>,
    /// For the start of an epoch, the last transaction before it.
    starts: BTreeMap<Zxid, Zxid>,
    /// In order.
    committed: Vec<Zxid>,
    nodes: BTreeMap<ServerId, NodeLog>,
    leaders: BTreeMap<Epoch, ServerId>,
    /// Who made the transactions of an epoch.
    authors: BTreeMap<Epoch, ServerId>,
}

#[derive(Debug)]
struct Known {
    hash: u64,
    txn: Arc<TxnRecord>,
    /// The one before it, once a server has both.
    previous: Option<Zxid>,
}

#[derive(Debug, Default)]
struct NodeLog {
    /// The last transaction of the state in memory.
    tip: Zxid,
    /// The last transaction that surely is on disk.
    durable: Zxid,
    accepted: Epoch,
    current: Epoch,
    serves: bool,
}

impl Logs {
    /// Takes in a fact; what is committed by it.
    pub(super) fn observe(
        &mut self,
        node: ServerId,
        what: &ServerFact,
    ) -> Result<Vec<Entry>, Violation> {
        self.nodes.entry(node).or_default();
        match what {
            ServerFact::Started {
                history,
                accepted,
                current,
            } => {
                self.check_epochs(node, *accepted, *current)?;
                self.restart(node, history)?;
            }
            ServerFact::Stopped(StopReason::Exit { code, reason }) => {
                return Err(violation(format!("{node} stopped with {code}: {reason}")));
            }
            ServerFact::Stopped(StopReason::DiskError(reason)) => {
                return Err(violation(format!("the disk of {node} failed: {reason}")));
            }
            ServerFact::Stopped(_) | ServerFact::Retired => self.node(node).serves = false,
            ServerFact::Proposed(entry) => self.propose(node, entry)?,
            ServerFact::Appended { zxid, hash } => self.check_content(node, *zxid, *hash)?,
            ServerFact::Durable(zxid) => {
                let durable = self.node(node).durable;
                self.node(node).durable = durable.max(*zxid);
            }
            ServerFact::EpochSaved(kind, epoch) => self.save_epoch(node, *kind, *epoch)?,
            ServerFact::Truncating { zxid } => {
                let durable = self.node(node).durable;
                self.node(node).durable = durable.min(*zxid);
            }
            ServerFact::Truncated { zxid, history } => {
                self.reload(node, history)?;
                let tip = self.node(node).tip;
                if tip > *zxid {
                    return Err(violation(format!("{node} has {tip} after a cut to {zxid}")));
                }
                self.node(node).durable = tip;
            }
            ServerFact::Reloaded { history } => self.reload(node, history)?,
            ServerFact::Installed { zxid } => self.node(node).tip = self.resolve(node, *zxid)?,
            // Until it is stored, either what was there is on disk or what was installed.
            ServerFact::StoringSnapshot => self.node(node).durable = Zxid::ZERO,
            ServerFact::SnapshotStored { zxid } => {
                self.node(node).durable = self.resolve(node, *zxid)?;
            }
            ServerFact::Applied { zxid, hash } => {
                self.check_content(node, *zxid, *hash)?;
                self.follow(node, *zxid)?;
                if self.node(node).serves {
                    return self.commit(node);
                }
            }
            ServerFact::TermBegan(start) => {
                let tip = self.node(node).tip;
                let known = *self.starts.entry(*start).or_insert(tip);
                if known != tip {
                    let text = format!("{start} starts behind {known}, for {node} behind {tip}");
                    return Err(violation(text));
                }
            }
            ServerFact::Serving { mode, epoch } => return self.serve(node, *mode, *epoch),
            ServerFact::Digest { .. } | ServerFact::Heard(_) | ServerFact::Final(_) => {}
        }
        Ok(Vec::new())
    }

    /// The last committed transaction.
    pub(super) fn committed(&self) -> Zxid {
        self.committed.last().copied().unwrap_or_default()
    }

    pub(super) fn committed_count(&self) -> usize {
        self.committed.len()
    }

    /// Whether the server serves clients.
    pub(super) fn serves(&self, node: ServerId) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.serves)
    }

    fn propose(&mut self, node: ServerId, entry: &Entry) -> Verdict {
        let epoch = entry.zxid.epoch();
        let author = *self.authors.entry(epoch).or_insert(node);
        if author != node {
            let text = format!("{author} and {node} both propose in epoch {epoch}");
            return Err(violation(text));
        }
        let known = Known {
            hash: entry.hash,
            txn: entry.txn.clone(),
            previous: None,
        };
        let was_known = self.known.insert(entry.zxid, known).is_some();
        // Without an ensemble there are no epochs: what was lost with a disk is made again.
        let is_lost = epoch == Epoch(0) && entry.zxid > self.committed();
        if was_known && !is_lost {
            return Err(violation(format!("{} is proposed twice", entry.zxid)));
        }
        Ok(())
    }

    fn check_content(&self, node: ServerId, zxid: Zxid, hash: u64) -> Verdict {
        match self.known.get(&zxid) {
            None => Err(violation(format!("nobody proposed {zxid} of {node}"))),
            Some(known) if known.hash != hash => Err(violation(format!(
                "{node} has another {zxid} than its author"
            ))),
            Some(_) => Ok(()),
        }
    }

    /// The state in memory goes on with a transaction.
    fn follow(&mut self, node: ServerId, zxid: Zxid) -> Verdict {
        let tip = self.node(node).tip;
        let is_next = if zxid.epoch() == tip.epoch() {
            zxid == tip.next()
        } else {
            zxid.epoch() > tip.epoch() && zxid.counter() == 1
        };
        if !is_next {
            return Err(violation(format!("{node} has {zxid} behind {tip}")));
        }
        let known = self.known.get_mut(&zxid).expect("its content was checked");
        let previous = *known.previous.get_or_insert(tip);
        if previous != tip {
            let text = format!("{zxid} comes behind {previous}, at {node} behind {tip}");
            return Err(violation(text));
        }
        self.node(node).tip = zxid;
        Ok(())
    }

    /// The state in memory is the one on disk.
    fn reload(&mut self, node: ServerId, history: &History) -> Verdict {
        self.node(node).tip = self.resolve(node, history.base)?;
        for (zxid, hash) in &history.entries {
            self.check_content(node, *zxid, *hash)?;
            self.follow(node, *zxid)?;
        }
        Ok(())
    }

    fn restart(&mut self, node: ServerId, history: &History) -> Verdict {
        self.node(node).serves = false;
        self.reload(node, history)?;
        let NodeLog { tip, durable, .. } = *self.node(node);
        if !self.is_behind(durable, tip) {
            let text = format!("{node} had {durable} on disk and comes back with {tip}");
            return Err(violation(text));
        }
        self.node(node).durable = tip;
        Ok(())
    }

    fn check_epochs(&mut self, node: ServerId, accepted: Epoch, current: Epoch) -> Verdict {
        let known = self.node(node);
        if accepted < known.accepted || current < known.current {
            let text = format!(
                "{node} comes back with the epochs {accepted} and {current}, had {} and {}",
                known.accepted, known.current
            );
            return Err(violation(text));
        }
        if current > accepted {
            let text = format!("{node} is in epoch {current}, having accepted {accepted}");
            return Err(violation(text));
        }
        (known.accepted, known.current) = (accepted, current);
        Ok(())
    }

    fn save_epoch(&mut self, node: ServerId, kind: EpochKind, epoch: Epoch) -> Verdict {
        let known = self.node(node);
        let saved = match kind {
            EpochKind::Accepted => &mut known.accepted,
            EpochKind::Current => &mut known.current,
        };
        if epoch < *saved {
            let text = format!("{node} saves {kind:?} {epoch} over {saved}");
            return Err(violation(text));
        }
        *saved = epoch;
        Ok(())
    }

    fn serve(&mut self, node: ServerId, mode: Mode, epoch: Epoch) -> Result<Vec<Entry>, Violation> {
        self.node(node).serves = true;
        let committed = self.commit(node)?;
        if mode == Mode::Leader {
            let leader = *self.leaders.entry(epoch).or_insert(node);
            if leader != node {
                let text = format!("{leader} and {node} both lead epoch {epoch}");
                return Err(violation(text));
            }
            // A quorum may have gone on to later epochs while the last word of this one's was on
            // its way: of what they commit it needs to know nothing.
            let start = Zxid::start_of(epoch);
            let before = self.committed.partition_point(|zxid| *zxid < start);
            let last = before.checked_sub(1).map(|index| self.committed[index]);
            let tip = self.node(node).tip;
            if let Some(last) = last.filter(|last| tip < *last) {
                let text =
                    format!("{node} leads epoch {epoch} and ends with {tip}, {last} is committed");
                return Err(violation(text));
            }
        }
        Ok(committed)
    }

    /// Everything in a server's memory is committed.
    fn commit(&mut self, node: ServerId) -> Result<Vec<Entry>, Violation> {
        let (tip, last) = (self.node(node).tip, self.committed());
        let conflict = || {
            violation(format!(
                "{node} has committed {tip}, which is not in line with {last}"
            ))
        };
        if tip <= last {
            let is_there = tip == Zxid::ZERO || self.committed.binary_search(&tip).is_ok();
            return is_there.then(Vec::new).ok_or_else(conflict);
        }
        let mut fresh = Vec::new();
        let mut zxid = tip;
        while zxid > last {
            let known = &self.known[&zxid];
            fresh.push(Entry {
                zxid,
                hash: known.hash,
                txn: known.txn.clone(),
            });
            zxid = known.previous.unwrap_or_default();
        }
        if zxid != last {
            return Err(conflict());
        }
        fresh.reverse();
        self.committed.extend(fresh.iter().map(|entry| entry.zxid));
        Ok(fresh)
    }

    /// Whether the history that ends with `of` has `zxid`.
    fn is_behind(&self, zxid: Zxid, of: Zxid) -> bool {
        let mut at = of;
        while at > zxid {
            at = self.known[&at].previous.unwrap_or_default();
        }
        at == zxid
    }

    /// The last transaction of a state that is named by `zxid`.
    fn resolve(&self, node: ServerId, zxid: Zxid) -> Result<Zxid, Violation> {
        if zxid == Zxid::ZERO || self.known.contains_key(&zxid) {
            return Ok(zxid);
        }
        let start = self.starts.get(&zxid).copied();
        start.ok_or_else(|| violation(format!("{node} has a state of {zxid}, which never was")))
    }

    fn node(&mut self, node: ServerId) -> &mut NodeLog {
        self.nodes.entry(node).or_default()
    }
}

fn violation(text: String) -> Violation {
    Violation {
        checker: "logs",
        text,
    }
}
