//! One question to an OCSP responder, over HTTP.
//!
//! As `sun.security.provider.certpath.OCSP.getOCSPBytes`: by GET where the whole address has at most 255
//! characters, else by POST; what is not 200 is no answer. Each question has a connection of its own.
//! Absent: HTTPS, proxies, and going where a responder sends us.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::OcspOptions;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("expected http://<host>")]
    Address,
    #[error("it could not be reached in time")]
    ConnectTimedOut,
    #[error("it did not answer in time")]
    ReadTimedOut,
    #[error("{0}")]
    Connect(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Request(#[from] hyper::http::Error),
    #[error("its status is {0}")]
    Status(StatusCode),
    #[error("{0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// The bytes that come back. Both timeouts of `options` hold, one after the other, and an answer that is too
/// long is none.
pub(super) async fn ask(
    place: &str,
    question: &[u8],
    options: &OcspOptions,
) -> Result<Bytes, NoAnswer> {
    let (request, host, port) = request(place, question, options.uses_get)?;
    let connect = TcpStream::connect((host.as_str(), port));
    let connected = timeout(limit(options.connect_timeout_ms), connect).await;
    let stream = connected.map_err(|_| NoAnswer::ConnectTimedOut)??;
    let answered = timeout(limit(options.read_timeout_ms), exchange(stream, request)).await;
    answered.map_err(|_| NoAnswer::ReadTimedOut)?
}

/// Zero is for as long as the whole check takes.
fn limit(milliseconds: u64) -> Duration {
    match milliseconds {
        0 => super::CHECK_TIMEOUT,
        some => Duration::from_millis(some),
    }
}

type Question = Request<Full<Bytes>>;

/// The request with the host and the port that it goes to.
fn request(
    place: &str,
    question: &[u8],
    uses_get: bool,
) -> Result<(Question, String, u16), NoAnswer> {
    let by_get = by_get(place, question).filter(|_| uses_get);
    let uri: Uri = by_get
        .as_deref()
        .unwrap_or(place)
        .parse()
        .map_err(|_| NoAnswer::Address)?;
    let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(NoAnswer::Address);
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .uri(path)
        .header(HOST, authority.as_str())
        .header(ACCEPT, "*/*");
    let request = match by_get {
        Some(_) => request.body(Full::default())?,
        None => request
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/ocsp-request")
            .body(Full::from(question.to_vec()))?,
    };
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    Ok((request, host, authority.port_u16().unwrap_or(80)))
}

/// The address that has the question in it; `None` if it would be too long.
fn by_get(place: &str, question: &[u8]) -> Option<String> {
    let question = STANDARD.encode(question);
    let question = utf8_percent_encode(&question, NON_ALPHANUMERIC);
    let slash = if place.ends_with('/') { "" } else { "/" };
    Some(format!("{place}{slash}{question}")).filter(|whole| whole.len() <= GET_LENGTH_MAX)
}

async fn exchange(stream: TcpStream, request: Question) -> Result<Bytes, NoAnswer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(NoAnswer::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
        Ok(body.await.map_err(NoAnswer::Body)?.to_bytes())
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // What it has brought may still be on its way through.
        _ = &mut connection => exchange.await,
    }
}

const GET_LENGTH_MAX: usize = 255;

/// Far more than the certificates of responders take.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
