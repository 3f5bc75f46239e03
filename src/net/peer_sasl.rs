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
    Accounts, CHALLENGE_BYTES_MAX, ClientExchange, Credentials, RESPONSE_BYTES_MAX, SaslError,
    ServerExchange, ServerStep, Service,
};
use crate::config::PeerSaslOptions;
use crate::net::nonce;

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

/// Logs in where this server has dialled. Reads nothing beyond the other side's last word.
pub(super) async fn log_in<S>(
    stream: &mut S,
    credentials: &Credentials,
    limit: Duration,
) -> Result<(), NotLoggedIn>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = async {
        let mut exchange = ClientExchange::new(Service::SERVERS, credentials);
        let mut response = Some(Vec::new());
        while let Some(token) = response {
            send(stream, IN_PROGRESS, &token).await?;
            let (status, token) = answer(stream).await?;
            if status == FAILED {
                return Err(NotLoggedIn::Refused);
            }
            response = exchange.evaluate(&token, nonce::fresh()?)?;
            if (status == DONE) != exchange.is_complete() {
                return Err(NotLoggedIn::Malformed);
            }
        }
        Ok(())
    };
    timeout(limit, exchange)
        .await
        .unwrap_or(Err(NotLoggedIn::Overdue))
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
    let exchange = timeout(limit, hear(stream, received, &options.accounts)).await;
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
    accounts: &Accounts,
) -> Result<String, NotLoggedIn>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fill(stream, received, MAGIC_BYTES).await?;
    if !received.starts_with(&MAGIC.to_be_bytes()) {
        return Err(NotLoggedIn::NotTried);
    }
    let user = exchange(stream, received, accounts).await;
    if let Err(NotLoggedIn::Failed(_) | NotLoggedIn::Malformed) = &user {
        send(stream, FAILED, &[]).await?;
    }
    user
}

async fn exchange<S>(
    stream: &mut S,
    received: &mut BytesMut,
    accounts: &Accounts,
) -> Result<String, NotLoggedIn>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut exchange = ServerExchange::default();
    // It is over by itself after the second token.
    loop {
        fill(stream, received, HEAD_BYTES).await?;
        let (_, length) = head(received, RESPONSE_BYTES_MAX)?;
        fill(stream, received, HEAD_BYTES + length).await?;
        received.advance(HEAD_BYTES);
        let token = received.split_to(length);
        match exchange.evaluate(accounts, &token, nonce::fresh()?)? {
            ServerStep::Challenge(challenge) => send(stream, IN_PROGRESS, &challenge).await?,
            ServerStep::Done { who, .. } if who.authentication_id != who.authorization_id => {
                return Err(SaslError::NotAuthorized.into());
            }
            ServerStep::Done { answer, who } => {
                send(stream, DONE, &answer).await?;
                return Ok(who.authentication_id);
            }
        }
    }
}

/// The next packet of the other side, and not a byte more.
async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(i32, Vec<u8>), NotLoggedIn> {
    let mut bytes = [0; HEAD_BYTES];
    stream.read_exact(&mut bytes).await?;
    let (status, length) = head(&bytes, CHALLENGE_BYTES_MAX)?;
    let mut token = vec![0; length];
    stream.read_exact(&mut token).await?;
    Ok((status, token))
}

/// Status and length of a packet's token. A null one is refused, except with a failure.
fn head(bytes: &[u8], token_bytes_max: usize) -> Result<(i32, usize), NotLoggedIn> {
    let mut bytes = bytes.get(..HEAD_BYTES).ok_or(NotLoggedIn::Malformed)?;
    let (magic, status, length) = (bytes.get_i64(), bytes.get_i32(), bytes.get_i32());
    if magic != MAGIC {
        return Err(NotLoggedIn::Malformed);
    }
    match usize::try_from(length) {
        Ok(length) if length > token_bytes_max => Err(SaslError::TooLong(length).into()),
        Ok(length) => Ok((status, length)),
        Err(_) if status == FAILED => Ok((status, 0)),
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
    let packet = QuorumAuthPacket {
        magic: MAGIC,
        status,
        token: Some(token),
    };
    let mut bytes = BytesMut::with_capacity(HEAD_BYTES + token.len());
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
