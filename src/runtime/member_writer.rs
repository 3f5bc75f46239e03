//! The writer of a member of an ensemble: feeds the peer what clients, other servers and the disk
//! have for it, and carries out what it asks for.
//!
//! ```text
//! connections ---\                     /--> disk's thread -- completions ---> Submissions
//! quorum links ---+-> Submissions -> Peer --> quorum links, election port
//! election port -/                     \--> the state (exclusive lock), outboxes
//! ```
//!
//! Unlike the writer of a server on its own this one never waits for the disk: a slow sync must hold
//! up neither pings nor what a quorum has committed without it.

use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::{ConnId, Now, Zxid, limits};
use crate::net::{QuorumPort, Server, Woken, brings_state};
use crate::peer::{ClientOutput, Input, Output, Peer, Restorable};
use crate::runtime::Failure;
use crate::runtime::clock::SystemClock;
use crate::runtime::disk_thread::DiskQueue;
use crate::runtime::link_storage::LinkStorage;
use crate::runtime::member_ports::MemberPorts;
use crate::runtime::restore::{Pending, RestoreDesk, RestoreError};
use crate::runtime::snapshots::SnapshotGate;
use crate::store::worker::DiskCommand;
use crate::tree::Database;

/// See the module.
pub(super) struct MemberWriter {
    pub(super) server: Arc<Server>,
    pub(super) clock: Arc<SystemClock>,
    /// Shared with those who answer questions.
    pub(super) peer: Arc<Mutex<Peer>>,
    pub(super) disk: Arc<DiskQueue>,
    pub(super) ports: MemberPorts,
    pub(super) quorum: QuorumPort,
    pub(super) storage: LinkStorage,
    /// Open while what is in the state is known to be committed.
    pub(super) gate: Arc<SnapshotGate>,
    pub(super) restores: RestoreDesk,
}

/// What is kept between rounds.
#[derive(Default)]
struct Desk {
    /// Inputs whose turn has not come, oldest first.
    inputs: VecDeque<Input>,
    /// Clients' requests for which there was no room, oldest first.
    waiting: VecDeque<Input>,
    outputs: Vec<Output>,
    client: Vec<ClientOutput>,
    /// For the disk, in order.
    commands: Vec<DiskCommand>,
    /// Of those, writes that need no answer any more.
    given_up: usize,
    /// The state that comes with SNAP.
    received: Option<Box<Database>>,
    woken: Woken,
}

impl MemberWriter {
    /// Works until the queue is closed, or the server cannot go on.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let mut desk = Desk::default();
        let mut taken = Vec::new();
        loop {
            let timeout = if desk.has_work(&self.peer.lock()) {
                Some(Duration::ZERO)
            } else {
                self.time_to_wake()
            };
            let is_open = self.server.submissions.take(&mut taken, timeout);
            if !is_open {
                return Ok(());
            }
            desk.inputs.extend(taken.drain(..));
            self.round(&mut desk)?;
        }
    }

    fn time_to_wake(&self) -> Option<Duration> {
        let deadline = self.peer.lock().next_deadline()?;
        let now = self.clock.monotonic();
        Some(Duration::from_millis(deadline.since(now)))
    }

    /// Feeds inputs, as many as make a batch, applies what is committed by then, and sends all that
    /// follows.
    fn round(&mut self, desk: &mut Desk) -> Result<(), Failure> {
        let peer = self.peer.clone();
        let mut peer = peer.lock();
        let now = self.server.clock.now();
        if peer.next_deadline().is_some_and(|due| due <= now.monotonic) {
            self.feed(&mut peer, now, Input::Wake, desk)?;
        }
        let mut requests = 0;
        for _ in 0..limits::WRITES_PER_BATCH {
            let Some(input) = next_input(&peer, desk) else {
                break;
            };
            requests += usize::from(matches!(input, Input::Write(_)));
            self.feed(&mut peer, now, input, desk)?;
        }
        self.send(desk);
        while peer.has_committed() || !desk.client.is_empty() {
            self.apply(&mut peer, now, desk)?;
        }
        if self.restores.0.is_asked() || peer.is_holding() {
            self.restore(&mut peer, now, desk)?;
        }
        drop(peer);
        self.send(desk);
        requests += std::mem::take(&mut desk.given_up);
        self.server.submissions.answered(requests);
        desk.woken.wake();
        Ok(())
    }

    fn feed(
        &mut self,
        peer: &mut Peer,
        now: Now,
        input: Input,
        desk: &mut Desk,
    ) -> Result<(), Failure> {
        let is_wanted = self.quorum.wants(&input);
        if brings_state(&input) {
            let state = self.server.submissions.next_state();
            match &input {
                Input::FromLeader { .. } => desk.received = Some(state).filter(|_| is_wanted),
                // The disk has it so, whatever becomes of the input.
                _ => *self.server.state.write() = *state,
            }
        }
        if !is_wanted {
            return Ok(());
        }
        let db = self.server.state.read();
        peer.handle(now, &db, input, &mut desk.outputs, &mut desk.client);
        drop(db);
        let outcome = self.carry_out(desk);
        // One that was not taken is not kept: it may be most of the memory there is.
        desk.received = None;
        outcome
    }

    fn apply(&mut self, peer: &mut Peer, now: Now, desk: &mut Desk) -> Result<(), Failure> {
        // A panic must not unlock it: nobody may read what is half applied.
        let server = self.server.clone();
        let mut db = ManuallyDrop::new(server.state.write());
        let mut watches = server.watches.lock();
        peer.apply_committed(
            now,
            &mut db,
            &mut watches,
            &mut desk.outputs,
            &mut desk.client,
        );
        drop(watches);
        server.deliver(&mut desk.client, &mut desk.woken);
        drop(ManuallyDrop::into_inner(db));
        if peer.is_in_term() {
            self.gate.open();
        }
        self.carry_out(desk)
    }

    /// Puts another state in the place of this server's as soon as the peer lets it.
    fn restore(&mut self, peer: &mut Peer, now: Now, desk: &mut Desk) -> Result<(), Failure> {
        let restorable = peer.restorable();
        if self.restores.0.is_asked() && restorable == Restorable::Later {
            peer.hold();
            return Ok(());
        }
        if let Some((state, answer)) = self.restores.0.take().map(Pending::into_parts) {
            let outcome = match restorable {
                Restorable::Now => Ok(self.put_in_place(peer, now, *state, desk)),
                Restorable::Later => Err(RestoreError::Busy),
                Restorable::No => Err(RestoreError::NotServing),
            };
            answer.give(outcome);
        }
        let server = self.server.clone();
        peer.release(now, &server.state.read(), &mut desk.outputs);
        self.carry_out(desk)?;
        while peer.has_committed() {
            self.apply(peer, now, desk)?;
        }
        Ok(())
    }

    fn put_in_place(
        &mut self,
        peer: &mut Peer,
        now: Now,
        state: Database,
        desk: &mut Desk,
    ) -> Zxid {
        // A panic must not unlock it: nobody may read what is half done.
        let server = self.server.clone();
        let mut db = ManuallyDrop::new(server.state.write());
        peer.restore(now, &mut db, state, &mut desk.client);
        server.deliver(&mut desk.client, &mut desk.woken);
        let position = db.last_zxid();
        drop(ManuallyDrop::into_inner(db));
        position
    }

    /// Gives the disk and the links what was collected for them.
    fn send(&mut self, desk: &mut Desk) {
        self.disk.push(&mut desk.commands);
        self.quorum.flush();
    }

    fn carry_out(&mut self, desk: &mut Desk) -> Result<(), Failure> {
        let mut outputs = std::mem::take(&mut desk.outputs);
        for output in outputs.drain(..) {
            self.carry_out_one(output, desk)?;
        }
        desk.outputs = outputs;
        Ok(())
    }

    fn carry_out_one(&mut self, output: Output, desk: &mut Desk) -> Result<(), Failure> {
        match output {
            Output::Append { zxid, payload } => {
                desk.commands.push(DiskCommand::Append { zxid, payload });
            }
            Output::SaveAcceptedEpoch(epoch) => {
                desk.commands.push(DiskCommand::SaveAcceptedEpoch(epoch));
            }
            Output::SaveCurrentEpoch(epoch) => {
                desk.commands.push(DiskCommand::SaveCurrentEpoch(epoch));
            }
            Output::SaveSeenView(view) => desk.commands.push(DiskCommand::SaveSeenView(view)),
            Output::SaveCommittedView { view, keeps_seen } => {
                let command = DiskCommand::SaveCommittedView { view, keeps_seen };
                desk.commands.push(command);
            }
            Output::Truncate { zxid } => desk.commands.push(DiskCommand::Truncate { zxid }),
            Output::StoreSnapshot { zxid } => {
                desk.commands.push(DiskCommand::StoreSnapshot { zxid });
            }
            Output::Reload => desk.commands.push(DiskCommand::Reload),
            Output::Drain => desk.commands.push(DiskCommand::Drain),
            Output::ProbeLog { link, after, upto } => self.storage.probe(link, after, upto),
            Output::Notify { to, message } => self.ports.notify(to, message),
            Output::Eager(eager) => self.ports.eager(eager),
            Output::Members(membership) => self.ports.follow(&membership, &self.quorum),
            Output::OpenQuorumPort(door) => self.quorum.open(door),
            Output::CloseQuorumPort => self.quorum.close(),
            Output::Send { link, packets } => self.quorum.send(link, packets),
            Output::Stream { link, item } => self.quorum.stream(link, item),
            Output::CloseLink { link } => self.quorum.close_link(link),
            Output::DialLeader {
                leader,
                door,
                addresses,
            } => {
                self.quorum.dial(leader, door, addresses);
            }
            Output::HangUp => self.quorum.hang_up(),
            Output::InstallSnapshot { .. } => {
                let received = desk.received.take().expect("it came with the packet");
                *self.server.state.write() = *received;
            }
            Output::Serve(mode) => self.server.serve(mode),
            Output::Retire => {
                self.gate.close();
                self.server.retire("the server has no leader any more");
            }
            Output::Exit { code, reason } => return Err(Failure::Protocol { code, reason }),
        }
        Ok(())
    }
}

impl Desk {
    /// Whether there is something to do without waiting for more.
    fn has_work(&self, peer: &Peer) -> bool {
        !self.inputs.is_empty()
            || peer.has_committed()
            || (!self.waiting.is_empty() && peer.has_room())
    }

    /// A connection is gone: the peer must not hear of its requests behind that.
    fn give_up_waiting(&mut self, gone: ConnId) {
        self.waiting.retain(|input| match input {
            Input::Connect { conn, .. } => *conn != gone,
            Input::Write(write) if write.conn == gone => {
                self.given_up += 1;
                false
            }
            _ => true,
        });
    }
}

/// However the thread ends: the disk finishes what it has, and ends too.
impl Drop for MemberWriter {
    fn drop(&mut self) {
        self.disk.close();
    }
}

/// The next input to feed: a request that waited, if there is room for it now, or what came in.
/// Requests for which there is no room are set aside, in their order.
fn next_input(peer: &Peer, desk: &mut Desk) -> Option<Input> {
    let has_room = peer.has_room();
    if has_room && let Some(input) = desk.waiting.pop_front() {
        return Some(input);
    }
    loop {
        let input = desk.inputs.pop_front()?;
        if let Input::Disconnected { conn } = &input {
            desk.give_up_waiting(*conn);
        }
        let needs_room = matches!(input, Input::Connect { .. } | Input::Write(_));
        if !needs_room || has_room {
            return Some(input);
        }
        desk.waiting.push_back(input);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Policy;
    use crate::base::{SessionId, Xid};
    use crate::peer::{ConnectAsk, Write};
    use crate::proto::{Op, WriteRequest};

    fn connect(conn: u64) -> Input {
        Input::Connect {
            conn: ConnId(conn),
            request: ConnectAsk {
                last_zxid_seen: Zxid::ZERO,
                timeout_ms: 1,
                session: SessionId::NONE,
                password: None,
                read_only: false,
            },
        }
    }

    fn write(conn: u64) -> Input {
        Input::Write(Write {
            conn: ConnId(conn),
            session: SessionId(1),
            xid: Xid(1),
            op: Op::Sync,
            request: WriteRequest::Sync { path: None },
            ids: Policy::initial([127, 0, 0, 1].into()),
            body: bytes::Bytes::new(),
        })
    }

    /// Or a session would be given to, or taken over by, a connection that is gone for ever.
    #[test]
    fn nothing_that_waited_comes_behind_the_end_of_its_connection() {
        let mut desk = Desk::default();
        let waiting = [connect(1), write(1), connect(2), write(1), write(2)];
        desk.waiting.extend(waiting);
        desk.give_up_waiting(ConnId(1));
        assert_eq!(desk.given_up, 2);
        assert!(matches!(&desk.waiting[0], Input::Connect { conn, .. } if conn.0 == 2));
        assert!(matches!(&desk.waiting[1], Input::Write(write) if write.conn.0 == 2));
        assert_eq!(desk.waiting.len(), 2);
    }
}
