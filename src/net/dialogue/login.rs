//! How far one client is in logging in by SASL.
//!
//! In: its tokens, one at a time. Out: what comes of each, at once by DIGEST-MD5, later by GSSAPI, whose steps
//! are taken elsewhere (see `kerberos`). Until then nothing more is read from the client, as what it sends next
//! may be said as somebody else. A step of GSSAPI that takes too long ends in a failure, and the exchange with it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::auth::sasl::{
    Acceptor, GssapiServer, SaslError, ServerExchange, ServerStep, ServiceKey,
};
use crate::base::Xid;
use crate::net::kerberos::{self, ServerOutcome};
use crate::net::nonce;

/// A client's side of the connection.
#[derive(Debug, Default)]
pub(super) struct ClientLogin {
    digest: ServerExchange,
    gssapi: Gssapi,
}

#[derive(Debug, Default)]
enum Gssapi {
    #[default]
    Unused,
    /// The client's turn.
    Idle(GssapiServer),
    /// A step is under way, for the request of this number.
    Working(Xid, JoinHandle<ServerOutcome>),
    /// It is done and to be answered.
    Done(Xid, Option<GssapiServer>, Result<ServerStep, SaslError>),
    /// The exchange was lost.
    Over,
}

impl ClientLogin {
    /// Takes a token. `None`: what comes of it will be there later, in [`ClientLogin::take_done`].
    pub(super) fn take_token(
        &mut self,
        acceptor: &Acceptor,
        xid: Xid,
        token: &[u8],
    ) -> io::Result<Option<Result<ServerStep, SaslError>>> {
        match acceptor {
            Acceptor::Digest(accounts) => {
                let nonce = nonce::fresh()?;
                Ok(Some(self.digest.evaluate(accounts, token, nonce)))
            }
            Acceptor::Kerberos(key) => Ok(self.begin_step(key, xid, token)),
        }
    }

    fn begin_step(
        &mut self,
        key: &ServiceKey,
        xid: Xid,
        token: &[u8],
    ) -> Option<Result<ServerStep, SaslError>> {
        let exchange = match std::mem::replace(&mut self.gssapi, Gssapi::Over) {
            Gssapi::Unused => kerberos::server(key),
            Gssapi::Idle(exchange) => exchange,
            Gssapi::Working(..) | Gssapi::Done(..) | Gssapi::Over => {
                return Some(Err(SaslError::Over));
            }
        };
        let step = kerberos::server_step(exchange, token.to_vec());
        let limited = async {
            let overdue = || (None, Err(SaslError::Overdue));
            timeout(STEP_LIMIT, step)
                .await
                .unwrap_or_else(|_| overdue())
        };
        self.gssapi = Gssapi::Working(xid, tokio::spawn(limited));
        None
    }

    /// Whether the client's next request has to wait.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.gssapi, Gssapi::Working(..) | Gssapi::Done(..))
    }

    /// Whether a step is done that took its time.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.gssapi, Gssapi::Done(..))
    }

    /// Looks whether a step is done, and has the task woken when it is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Gssapi::Working(xid, step) = &mut self.gssapi
            && let Poll::Ready(outcome) = Pin::new(step).poll(cx)
        {
            let (exchange, step) = outcome.unwrap_or((None, Err(SaslError::Over)));
            self.gssapi = Gssapi::Done(*xid, exchange, step);
        }
    }

    /// What came of a step, once, and the number of its request.
    pub(super) fn take_done(&mut self) -> Option<(Xid, Result<ServerStep, SaslError>)> {
        match std::mem::replace(&mut self.gssapi, Gssapi::Over) {
            Gssapi::Done(xid, exchange, step) => {
                self.gssapi = exchange.map_or(Gssapi::Over, Gssapi::Idle);
                Some((xid, step))
            }
            other => {
                self.gssapi = other;
                None
            }
        }
    }
}

/// A service asks no KDC: this is for a disk that hangs, and for the steps of others.
const STEP_LIMIT: Duration = Duration::from_secs(10);
