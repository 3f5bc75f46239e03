//! How a client becomes somebody: by a packet with credentials, or by a login in several steps.

use bytes::Bytes;

use jute::Decode;
use jute::proto::{AuthPacket, GetSaslRequest, SetSaslResponse};

use super::Dialogue;
use crate::auth::sasl::{SaslError, ServerStep};
use crate::auth::{AuthRefused, SaslAnswer, Shown};
use crate::base::{Xid, Zxid};
use crate::net::batch::Batch;
use crate::net::connection::Ending;
use crate::order::Ticket;
use crate::proto::{ErrorCode, Op, reply};

impl Dialogue {
    /// Authentication, which takes effect for what comes after it and is answered at once.
    pub(super) fn authenticate(&mut self, batch: &mut Batch<'_>, ticket: Ticket, body: &[u8]) {
        if ticket.op == Some(Op::Sasl) {
            return self.take_sasl_token(batch, ticket, body);
        }
        let Ok(packet) = AuthPacket::from_slice(body) else {
            return self.end(Ending::Malformed("an authentication packet"));
        };
        let scheme = packet.scheme.as_deref().unwrap_or_default();
        let key_node = if batch.server.policy.reads_key_node(scheme) {
            self.lock(batch);
            let node = batch.state.as_ref().and_then(|db| db.tree.node("/key"));
            node.and_then(|node| node.data().map(Bytes::copy_from_slice))
        } else {
            None
        };
        let shown = Shown {
            certificate: self.certified.as_deref(),
            key_node,
            ..Shown::new(packet.auth, self.link.peer.ip())
        };
        let policy = &batch.server.policy;
        match policy.authenticate(&self.ids, scheme, &shown) {
            Ok(ids) => {
                self.ids = ids.clone();
                self.link.outbox.set_ids(ids);
                reply::encode_header_frame(ticket.xid, Zxid::ZERO, 0, batch.out);
                batch.count.sent += 1;
            }
            Err(AuthRefused::OtherEnsemble) => {
                let name = packet.auth.map(String::from_utf8_lossy);
                tracing::warn!(peer = %self.link.peer, ?name, "Unexpected ensemble name");
                self.end(Ending::Closed("the client looks for another ensemble"));
            }
            Err(reason) => {
                tracing::warn!(peer = %self.link.peer, scheme, %reason, "Authentication failed");
                let code = ErrorCode::AuthFailed;
                self.refuse(batch, ticket, code, "authentication failed");
            }
        }
    }

    /// One step of a login by SASL. What comes of it is answered before anything that follows.
    fn take_sasl_token(&mut self, batch: &mut Batch<'_>, ticket: Ticket, body: &[u8]) {
        let Ok(GetSaslRequest { token: Some(token) }) = GetSaslRequest::from_slice(body) else {
            return self.end(Ending::Malformed("a SASL packet"));
        };
        let Some(acceptor) = batch.server.policy.sasl_acceptor() else {
            let nothing = SetSaslResponse { token: None };
            reply::encode_coded_frame(ticket.xid, Zxid::ZERO, 0, &nothing, batch.out);
            batch.count.sent += 1;
            return;
        };
        match self.login.take_token(acceptor, ticket.xid, token) {
            Ok(Some(step)) => self.answer_sasl_token(batch, ticket.xid, step),
            Ok(None) => {}
            Err(error) => self.end(error.into()),
        }
    }

    pub(super) fn answer_sasl_token(
        &mut self,
        batch: &mut Batch<'_>,
        xid: Xid,
        step: Result<ServerStep, SaslError>,
    ) {
        let peer = self.link.peer;
        let policy = &batch.server.policy;
        let (code, token) = match policy.sasl_answer(&self.ids, step) {
            SaslAnswer::Token(token) => (0, token),
            SaslAnswer::LoggedIn { token, ids } => {
                self.ids = ids.clone();
                self.link.outbox.set_ids(ids);
                (0, token)
            }
            SaslAnswer::Kept(reason) => {
                tracing::warn!(%peer, %reason, "SASL failed, the client goes on as nobody");
                (0, None)
            }
            SaslAnswer::Refused(code, reason) => {
                tracing::warn!(%peer, %reason, "SASL failed");
                self.end(Ending::Closed("SASL failed"));
                (code.number(), None)
            }
            SaslAnswer::Closed(reason) => {
                tracing::warn!(%peer, reason, "SASL failed");
                return self.end(Ending::Closed(reason));
            }
        };
        let response = SetSaslResponse {
            token: token.as_deref(),
        };
        reply::encode_coded_frame(xid, Zxid::ZERO, code, &response, batch.out);
        batch.count.sent += 1;
    }
}
