//! Servers log in to each other: what is said by SASL before anything else on a connection between two.
//!
//! ```text
//! who dialled                                  who was dialled
//!    |-- magic, 0, empty token ------------------>|
//!    |<- magic, 0, digest-challenge --------------|
//!    |-- magic, 0, digest-response -------------->|
//!    |<- magic, 1, rspauth -----------------------|   or magic, -1, empty token
//! ```
//!
//! That is DIGEST-MD5. By GSSAPI the first packet has a token already, there may be more of them, and the
//! last has none.
//!
//! In: a connection, who this server is or who may come. Out: whether the other side is who it should be;
//! what it has sent beyond that is kept. On the election port this comes behind the initial message, on
//! the quorum port first. Both sides are bounded in bytes, by the tokens, and in time, by their callers'
//! limit. Rows QP-144, H-17 and ZOOKEEPER-4886: who logs in does so wherever it dials, in the view or not.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use jute::Encode;
use jute::quorum::QuorumAuthPacket;

use crate::auth::sasl::{
    Acceptor, Accounts, CHALLENGE_BYTES_MAX, ClientExchange, GSSAPI_TOKEN_BYTES_MAX, GssapiClient,
    GssapiServer, Principal, RESPONSE_BYTES_MAX, SaslError, ServerExchange, ServerStep, Service,
    is_of_hosts,
};
use crate::config::{PeerLogin, PeerSaslOptions};
use crate::net::{kerberos, nonce};
use crate::quorum::Address;

/// Why a server is not let in, or does not want in.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotLoggedIn {
    #[error("the other side does not try to log in by SASL, and has to")]
    NotTried,
    #[error("the login by SASL takes too long")]
    Overdue,
    #[error("the login by SASL ended early: {0}")]
    Io(#[from] io::Error),
    #[error("the login by SASL failed: {0}")]
    Failed(#[from] SaslError),
    #[error("the other side refuses the login by SASL")]
    Refused,
    #[error("what the other side answers is no login by SASL")]
    Malformed,
}

/// Logs in where this server has dialled, to the server on `host`. Reads nothing beyond the other side's last
/// word.
pub(super) async fn log_in<S>(
    stream: &mut S,
    login: &PeerLogin,
    host: &str,
    limit: Duration,
) -> Result<(), NotLoggedIn>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = async {
        let mut exchange = Dialling::new(login, host);
        let mut response = Some(exchange.first().await?);
        while let Some(token) = response {
            send(stream, IN_PROGRESS, &token).await?;
            let (status, token) = answer(stream, exchange.token_bytes_max()).await?;
            if status == FAILED {
                return Err(NotLoggedIn::Refused);
            }
            response = exchange.evaluate(token).await?;
            if (status == DONE) != response.is_none() {
                return Err(NotLoggedIn::Malformed);
            }
        }
        Ok(())
    };
    timeout(limit, exchange)
        .await
        .unwrap_or(Err(NotLoggedIn::Overdue))
}

/// What a server is called by whoever logs in to it: its host. Of several it is the last in their order, which
/// is that of a dynamic configuration; Apache's takes the last as it is written.
pub(super) fn host_of(addresses: &[Address]) -> String {
    let last = addresses.last();
    last.map_or_else(String::new, |address| address.host.to_string())
}

/// The side that dials, by either mechanism.
enum Dialling<'a> {
    Digest(ClientExchange<'a>),
    /// `None` while a step is taken, and after one that failed.
    Gssapi(Option<GssapiClient>),
}

impl<'a> Dialling<'a> {
    fn new(login: &'a PeerLogin, host: &str) -> Self {
        match login {
            PeerLogin::Digest(credentials) => {
                Self::Digest(ClientExchange::new(Service::SERVERS, credentials))
            }
            PeerLogin::Kerberos(login) => Self::Gssapi(Some(kerberos::client(login, host))),
        }
    }

    fn token_bytes_max(&self) -> usize {
        match self {
            Self::Digest(_) => CHALLENGE_BYTES_MAX,
            Self::Gssapi(_) => GSSAPI_TOKEN_BYTES_MAX,
        }
    }

    /// What opens the exchange.
    async fn first(&mut self) -> Result<Vec<u8>, NotLoggedIn> {
        match self {
            Self::Digest(_) => Ok(Vec::new()),
            Self::Gssapi(exchange) => step(exchange, Vec::new()).await,
        }
    }

    /// Takes a token of the other side. `None`: all is said, and it is who it should be.
    async fn evaluate(&mut self, token: Vec<u8>) -> Result<Option<Vec<u8>>, NotLoggedIn> {
        match self {
            Self::Digest(exchange) => Ok(exchange.evaluate(&token, nonce::fresh()?)?),
            Self::Gssapi(Some(exchange)) if exchange.is_complete() => Ok(None),
            Self::Gssapi(exchange) => step(exchange, token).await.map(Some),
        }
    }
}

async fn step(exchange: &mut Option<GssapiClient>, token: Vec<u8>) -> Result<Vec<u8>, NotLoggedIn> {
    let taken = exchange.take().ok_or(SaslError::Over)?;
    let (taken, answer) = kerberos::client_step(taken, token).await?;
    *exchange = Some(taken);
    Ok(answer)
}

/// Lets a server in that has dialled this one, or not. `received` is what was read of the connection
/// already, and then what came behind the login.
///
/// Unless SASL is demanded, one that does not try, or fails, is let in too, as `SaslQuorumAuthServer`
/// does it: then it may go on with what it has to say.
pub(super) async fn admit<S>(
    stream: &mut S,
    received: &mut BytesMut,
    options: &PeerSaslOptions,
    limit: Duration,
) -> Result<(), NotLoggedIn>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = timeout(limit, hear(stream, received, options)).await;
    match exchange.unwrap_or(Err(NotLoggedIn::Overdue)) {
        Ok(user) => {
            tracing::debug!(user, "a server has logged in by SASL");
            Ok(())
        }
        Err(reason) if options.is_demanded => Err(reason),
        Err(NotLoggedIn::NotTried) => Ok(()),
        Err(reason) => {
            tracing::debug!(%reason, "a server is let in that has not logged in");
            Ok(())
        }
    }
}

/// The server's side of the exchange; who has logged in.
async fn hear<S>(
    stream: &mut S,
    received: &mut BytesMut,
    options: &PeerSaslOptions,
) -> Result<String, NotLoggedIn>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fill(stream, received, MAGIC_BYTES).await?;
    if !received.starts_with(&MAGIC.to_be_bytes()) {
        return Err(NotLoggedIn::NotTried);
    }
    let user = exchange(stream, received, options).await;
    if let Err(NotLoggedIn::Failed(_) | NotLoggedIn::Malformed) = &user {
        send(stream, FAILED, &[]).await?;
    }
    user
}

async fn exchange<S>(
    stream: &mut S,
    received: &mut BytesMut,
    options: &PeerSaslOptions,
) -> Result<String, NotLoggedIn>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut exchange = Dialled::new(&options.acceptor);
    // Either mechanism is over by itself after some tokens.
    loop {
        fill(stream, received, HEAD_BYTES).await?;
        let (_, length) = head(received, exchange.token_bytes_max())?;
        fill(stream, received, HEAD_BYTES + length).await?;
        received.advance(HEAD_BYTES);
        let token = received.split_to(length);
        match exchange.evaluate(&token).await? {
            ServerStep::Challenge(challenge) => send(stream, IN_PROGRESS, &challenge).await?,
            ServerStep::Done { answer, who } => {
                exchange.authorize(&who, options)?;
                send_token(stream, DONE, answer.as_deref()).await?;
                return Ok(who.authentication_id);
            }
        }
    }
}

/// The side that is dialled, by either mechanism.
enum Dialled<'a> {
    Digest(&'a Accounts, ServerExchange),
    /// `None` while a step is taken, and after one that failed.
    Gssapi(Option<GssapiServer>),
}

impl<'a> Dialled<'a> {
    fn new(acceptor: &'a Acceptor) -> Self {
        match acceptor {
            Acceptor::Digest(accounts) => Self::Digest(accounts, ServerExchange::default()),
            Acceptor::Kerberos(key) => Self::Gssapi(Some(kerberos::server(key))),
        }
    }

    fn token_bytes_max(&self) -> usize {
        match self {
            Self::Digest(..) => RESPONSE_BYTES_MAX,
            Self::Gssapi(_) => GSSAPI_TOKEN_BYTES_MAX,
        }
    }

    async fn evaluate(&mut self, token: &[u8]) -> Result<ServerStep, NotLoggedIn> {
        match self {
            Self::Digest(accounts, exchange) => {
                Ok(exchange.evaluate(accounts, token, nonce::fresh()?)?)
            }
            Self::Gssapi(exchange) => {
                let taken = exchange.take().ok_or(SaslError::Over)?;
                let (taken, step) = kerberos::server_step(taken, token.to_vec()).await;
                *exchange = taken;
                Ok(step?)
            }
        }
    }

    /// As `SaslQuorumServerCallbackHandler`: who acts as itself, and by Kerberos is of a member's host.
    fn authorize(&self, who: &Principal, options: &PeerSaslOptions) -> Result<(), SaslError> {
        if who.authentication_id != who.authorization_id {
            return Err(SaslError::NotAuthorized);
        }
        match self {
            Self::Gssapi(_) if !is_of_hosts(&who.authorization_id, &options.hosts) => {
                Err(SaslError::NoMember(who.authorization_id.clone()))
            }
            Self::Gssapi(_) | Self::Digest(..) => Ok(()),
        }
    }
}

/// The next packet of the other side, and not a byte more.
async fn answer<S: AsyncRead + Unpin>(
    stream: &mut S,
    token_bytes_max: usize,
) -> Result<(i32, Vec<u8>), NotLoggedIn> {
    let mut bytes = [0; HEAD_BYTES];
    stream.read_exact(&mut bytes).await?;
    let (status, length) = head(&bytes, token_bytes_max)?;
    let mut token = vec![0; length];
    stream.read_exact(&mut token).await?;
    Ok((status, token))
}

/// Status and length of a packet's token. A null one counts as empty at the end, and is refused before.
fn head(bytes: &[u8], token_bytes_max: usize) -> Result<(i32, usize), NotLoggedIn> {
    let mut bytes = bytes.get(..HEAD_BYTES).ok_or(NotLoggedIn::Malformed)?;
    let (magic, status, length) = (bytes.get_i64(), bytes.get_i32(), bytes.get_i32());
    if magic != MAGIC {
        return Err(NotLoggedIn::Malformed);
    }
    match usize::try_from(length) {
        Ok(length) if length > token_bytes_max => Err(SaslError::TooLong(length).into()),
        Ok(length) => Ok((status, length)),
        Err(_) if matches!(status, FAILED | DONE) => Ok((status, 0)),
        Err(_) => Err(NotLoggedIn::Malformed),
    }
}

/// Reads until there are so many bytes; perhaps more.
async fn fill<S>(stream: &mut S, received: &mut BytesMut, count: usize) -> io::Result<()>
where
    S: AsyncRead + Unpin,
{
    while received.len() < count {
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn send<S>(stream: &mut S, status: i32, token: &[u8]) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    send_token(stream, status, Some(token)).await
}

/// With the null token, too.
async fn send_token<S>(stream: &mut S, status: i32, token: Option<&[u8]>) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    let packet = QuorumAuthPacket {
        magic: MAGIC,
        status,
        token,
    };
    let mut bytes = BytesMut::with_capacity(HEAD_BYTES + token.map_or(0, <[u8]>::len));
    packet.encode(&mut bytes);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// `QuorumAuth.QUORUM_AUTH_MAGIC_NUMBER`. It is positive, whatever is said there.
const MAGIC: i64 = 0x5f24_3501_3501_edcc;
const MAGIC_BYTES: usize = 8;
/// Magic, status, length of the token.
const HEAD_BYTES: usize = 16;

/// `QuorumAuth.Status`.
const IN_PROGRESS: i32 = 0;
const DONE: i32 = 1;
const FAILED: i32 = -1;
