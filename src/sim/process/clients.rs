//! The clients of a server's process: their connections come and go, have turns of their own, and
//! are given what the peer has for them.

use bytes::{Bytes, BytesMut};

use crate::base::ConnId;
use crate::peer::{ClientOutput, Input, Mode};
use crate::sim::facts::ServerFact;
use crate::sim::mutation::Mutation;
use crate::sim::network::End;
use crate::sim::node::NodeEvent;
use crate::sim::process::{Process, planted};
use crate::sim::scene::Scene;
use crate::sim::serving::{ClientConn, TurnOf};
use crate::sim::world::Micros;

impl Process {
    pub(super) fn accept(&mut self, end: End) {
        let id = ConnId(self.next_conn);
        self.next_conn += 1;
        self.clients.insert(id, ClientConn::new(id, end));
        self.ends.insert(end, id);
    }

    pub(super) fn on_client_bytes(&mut self, scene: &mut Scene<'_>, end: End, bytes: &Bytes) {
        if let Some(id) = self.ends.get(&end).copied() {
            self.clients
                .get_mut(&id)
                .expect("ends are of clients")
                .receive(bytes);
            self.call_client(scene, id);
        }
    }

    pub(super) fn on_client_closed(&mut self, scene: &mut Scene<'_>, end: End) {
        if let Some(id) = self.ends.remove(&end) {
            self.hang_up(scene, id);
        }
    }

    /// A connection is over.
    pub(super) fn hang_up(&mut self, scene: &mut Scene<'_>, id: ConnId) {
        let conn = self.clients.remove(&id).expect("a connection ends once");
        self.ends.remove(&conn.end);
        scene.stage.close(conn.end);
        self.watches.get_mut().remove_conn(id);
        if conn.is_known {
            scene.submit(Input::Disconnected { conn: id });
        }
    }

    pub(super) fn call_client(&mut self, scene: &mut Scene<'_>, id: ConnId) {
        let conn = self.clients.get_mut(&id).expect("the caller looked");
        if !conn.has_turn {
            conn.has_turn = true;
            let delay = Micros(scene.prng.around(30));
            scene.after(delay, NodeEvent::Client(id));
        }
    }

    pub(super) fn client_turn(&mut self, scene: &mut Scene<'_>, id: ConnId) {
        let Some(conn) = self.clients.get_mut(&id) else {
            return;
        };
        conn.has_turn = false;
        let mut turn = TurnOf {
            now: scene.now().monotonic,
            db: &self.db,
            watches: &self.watches,
            policy: &self.policy,
            inputs: Vec::new(),
            out: BytesMut::new(),
            touches: false,
            reads_wait: self.mutation != Some(Mutation::EarlyReads),
        };
        let is_over = conn.work(&mut turn);
        let TurnOf {
            inputs,
            out,
            touches,
            ..
        } = turn;
        if touches && matches!(self.serving, Some(Mode::Leader | Mode::Standalone)) {
            let heard = ServerFact::Heard(conn.session());
            scene.stage.server(scene.me, heard);
        }
        scene.stage.send(conn.end, out.freeze());
        for input in inputs {
            scene.submit(input);
        }
        if is_over {
            self.hang_up(scene, id);
        }
    }

    pub(super) fn deliver(&mut self, scene: &mut Scene<'_>, outputs: Vec<ClientOutput>) {
        let outputs = match self.mutation {
            Some(Mutation::LateEvents) => planted::events_last(outputs),
            _ => outputs,
        };
        let is_read_only = self.serving == Some(Mode::ReadOnly);
        for output in outputs {
            let id = conn_of(&output);
            let Some(conn) = self.clients.get_mut(&id) else {
                continue;
            };
            let is_event = matches!(output, ClientOutput::Event { .. });
            match self.mutation {
                Some(Mutation::DropEvent) if is_event && scene.prng.per_mille(100) => continue,
                Some(Mutation::DoubleEvent) if is_event && scene.prng.per_mille(100) => {
                    conn.put(&output, &self.policy, is_read_only);
                }
                _ => {}
            }
            conn.put(&output, &self.policy, is_read_only);
            self.call_client(scene, id);
        }
    }
}

fn conn_of(output: &ClientOutput) -> ConnId {
    match output {
        ClientOutput::Connected { conn, .. }
        | ClientOutput::SessionInvalid { conn }
        | ClientOutput::Reply { conn, .. }
        | ClientOutput::Event { conn, .. }
        | ClientOutput::Close { conn } => *conn,
    }
}
