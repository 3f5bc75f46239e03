//! The ports of a member whose ensemble may change: each is where the committed configuration has
//! it, and others are dialled where either configuration in force has them.
//!
//! The election port is closed and opened again when this server's election address changes, the
//! quorum port is opened at the new place the next time this server leads, and the client port moves
//! at once. A server that is not in the configuration stays where it was.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

use crate::base::ServerId;
use crate::config::EnsembleOptions;
use crate::net::{
    ElectionPort, ElectionPortOptions, PeerSecurity, QuorumPort, Server, SystemResolver,
};
use crate::quorum::Membership;
use crate::runtime::common::Common;
use crate::runtime::reports::Reports;
use crate::runtime::{Failure, options};

/// See the module.
pub(super) struct MemberPorts {
    tokio: Handle,
    server: Arc<Server>,
    resolver: Arc<SystemResolver>,
    security: PeerSecurity,
    reports: Arc<Reports>,
    ensemble: EnsembleOptions,
    election: ElectionPort,
    /// What it was opened with.
    election_options: ElectionPortOptions,
    /// Whether an election is on.
    is_eager: bool,
}

impl MemberPorts {
    /// Opens the election port.
    pub(super) fn open(
        common: &Common,
        ensemble: &EnsembleOptions,
        tokio: &Handle,
        resolver: Arc<SystemResolver>,
    ) -> Self {
        let election_options = options::election_port(ensemble);
        let (server, reports) = (common.server.clone(), common.reports.clone());
        Self {
            election: open(
                tokio,
                &server,
                (&resolver, &common.security),
                &reports,
                &election_options,
            ),
            tokio: tokio.clone(),
            server,
            resolver,
            security: common.security.clone(),
            reports,
            ensemble: ensemble.clone(),
            election_options,
            is_eager: false,
        }
    }

    pub(super) fn notify(&self, to: ServerId, message: Bytes) {
        self.election.notify(to, message);
    }

    pub(super) fn eager(&mut self, eager: bool) {
        self.is_eager = eager;
        self.election.eager(eager);
    }

    /// Other servers are members, or are elsewhere, perhaps this one.
    pub(super) fn follow(&mut self, membership: &Membership, quorum: &QuorumPort) {
        let me = self.ensemble.me;
        let peers = options::election_peers(me, membership);
        let mut opened = ElectionPortOptions {
            peers: peers.clone(),
            ..self.election_options.clone()
        };
        if let Some(own) = membership.committed().members().get(&me) {
            let listen_on = |own: &[_]| options::listen_on(&self.ensemble, own);
            opened.advertised = own.election_addresses().collect();
            opened.listen = listen_on(&opened.advertised);
            let quorum_addresses: Vec<_> = own.quorum_addresses().collect();
            quorum.set_listen(listen_on(&quorum_addresses));
            if let Some(client) = options::client_address(own) {
                self.server.move_client_port(client);
            }
        }
        let has_moved = opened.advertised != self.election_options.advertised
            || opened.listen != self.election_options.listen;
        self.election_options = opened;
        if has_moved {
            tracing::info!(at = ?self.election_options.listen, "the election port moves");
            self.election.stop();
            self.election = open(
                &self.tokio,
                &self.server,
                (&self.resolver, &self.security),
                &self.reports,
                &self.election_options,
            );
            self.election.eager(self.is_eager);
        } else {
            self.election.set_peers(peers);
        }
    }
}

fn open(
    tokio: &Handle,
    server: &Arc<Server>,
    (resolver, security): (&Arc<SystemResolver>, &PeerSecurity),
    reports: &Arc<Reports>,
    options: &ElectionPortOptions,
) -> ElectionPort {
    let reports = reports.clone();
    ElectionPort::start(
        tokio,
        server.clone(),
        options.clone(),
        (resolver.clone(), security.clone()),
        move |failure| reports.fail(Failure::ElectionPort(failure)),
    )
}
