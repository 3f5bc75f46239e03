//! The AdminServer's sockets: HTTP 1.1 in front of the commands, with [`Https`] in front of it.
//!
//! ```text
//! connection's task: request -> route -> a thread that may wait: Commands::answer -> reply
//!                       body --- a few chunks at a time ----^            \--- stream -> socket
//! ```
//!
//! In: requests. Out: [`Ask`]s for [`Commands`], which is filled in from above, and replies. Bounds:
//! connections ([`CONNECTIONS`], the next one waits to be accepted), commands that run at once
//! ([`COMMANDS`], the next one waits), the head of a request ([`HEAD_BYTES`], answered 431), how
//! long a handshake may take, and how long a connection may be silent, be it within a head, a body or an
//! answer. A body is read as far as a command asks for it and never kept.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue,
    STRICT_TRANSPORT_SECURITY,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::admin::https::{Https, Opened};
use crate::admin::idle::{Busy, Idle};
use crate::admin::reply::{Content, Reply};
use crate::admin::route::{self, Ask, Route};
use crate::config::AdminOptions;

/// Runs commands.
pub trait Commands: Send + Sync {
    /// Runs one, on a thread that may wait. Of `body` as much is read as the command needs.
    fn answer(&self, ask: &Ask, body: &mut (dyn Read + Send)) -> Reply;

    /// Counts a connection without TLS where it could have had it.
    fn count_plain(&self);
}

/// The AdminServer, bound to its port.
pub struct HttpServer {
    listener: TcpListener,
    door: Arc<Door>,
}

/// What all connections share.
struct Door {
    commands: Arc<dyn Commands>,
    https: Option<Https>,
    command_url: String,
    idle_timeout: Option<Duration>,
    running: Semaphore,
}

impl HttpServer {
    /// Binds the port; within a runtime. Nothing is accepted before [`HttpServer::run`]. Without `https`
    /// there is HTTP alone.
    pub fn bind(
        options: &AdminOptions,
        https: Option<Https>,
        commands: Arc<dyn Commands>,
    ) -> io::Result<Self> {
        let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
        for address in options.address.candidates()? {
            outcome = listen(address);
            if outcome.is_ok() {
                break;
            }
        }
        Ok(Self {
            listener: outcome?,
            door: Arc::new(Door {
                commands,
                https,
                command_url: options.command_url.clone(),
                idle_timeout: options.idle_timeout_ms.map(Duration::from_millis),
                running: Semaphore::new(COMMANDS),
            }),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the runtime ends.
    pub async fn run(self) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let door = self.door.clone();
                    tokio::spawn(async move {
                        door.serve(stream, peer).await;
                        drop(place);
                    });
                }
                // Out of descriptors, most likely: what closes meanwhile makes room.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection to the AdminServer");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

impl Door {
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let busy = Busy::default();
        let watched = |stream| Idle::new(stream, self.idle_timeout, busy.clone());
        let opened = match &self.https {
            None => Ok(Opened::Plain(watched(stream))),
            Some(https) => timeout(self.opening_timeout(), https.open(stream, watched))
                .await
                .unwrap_or(Err(io::ErrorKind::TimedOut.into())),
        };
        match opened {
            Ok(Opened::Plain(stream)) => {
                if self.https.is_some() {
                    self.commands.count_plain();
                }
                self.converse(stream, &busy, peer, false).await;
            }
            Ok(Opened::Tls(stream)) => self.converse(stream, &busy, peer, true).await,
            Err(error) => {
                tracing::debug!(%peer, %error, "no connection to the AdminServer");
            }
        }
    }

    /// Answers one request after the other.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        busy: &Busy,
        peer: SocketAddr,
        has_tls: bool,
    ) {
        let service = service_fn(|request| async move {
            let _working = busy.working();
            let mut response = self.respond(request, peer).await;
            if has_tls {
                let headers = response.headers_mut();
                headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_TLS_FOR_A_DAY);
            }
            Ok::<_, Infallible>(response)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.opening_timeout())
            .max_buf_size(HEAD_BYTES)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%peer, %error, "a connection to the AdminServer ended");
        }
    }

    /// How long a handshake may take, and the head of a request.
    fn opening_timeout(&self) -> Duration {
        self.idle_timeout.unwrap_or(OPENING_TIMEOUT)
    }

    async fn respond(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Outgoing> {
        let path = request.uri().path();
        let reply = match route::route(request.method().as_str(), path, &self.command_url) {
            Route::Index => Reply::index(&self.command_url),
            Route::Methods => Reply::methods(),
            Route::Forbidden => Reply::bare(403),
            Route::NotAllowed => Reply::bare(405),
            Route::NotImplemented => Reply::bare(501),
            Route::NotFound => Reply::page(404, path),
            Route::Run { name, method } => {
                let ask = Ask {
                    name,
                    method,
                    arguments: route::arguments(request.uri().query().unwrap_or_default()),
                    authorization: text_of(request.headers(), &AUTHORIZATION),
                    forwarded_for: text_of(request.headers(), &X_FORWARDED_FOR),
                    peer: peer.ip().to_canonical(),
                };
                self.run(ask, request.into_body()).await
            }
        };
        response(reply)
    }

    /// Has the command run, feeding it the body.
    async fn run(&self, ask: Ask, mut body: Incoming) -> Reply {
        let _turn = self.running.acquire().await;
        let path = format!("{}/{}", self.command_url, ask.name);
        let (chunks, received) = mpsc::channel(CHUNKS);
        let mut source = Chunks {
            received,
            current: Bytes::new(),
        };
        let commands = self.commands.clone();
        let answer = move || commands.answer(&ask, &mut source);
        let mut answer = pin!(tokio::task::spawn_blocking(answer));
        let mut is_wanted = true;
        loop {
            tokio::select! {
                biased;
                reply = &mut answer => {
                    return reply.unwrap_or_else(|_| Reply::page(500, &path));
                }
                chunk = self.next_chunk(&mut body), if is_wanted => {
                    let is_last = !matches!(chunk, Some(Ok(_)));
                    let is_taken = match chunk {
                        // The command may end without having taken it.
                        Some(chunk) => tokio::select! {
                            sent = chunks.send(chunk) => sent.is_ok(),
                            reply = &mut answer => {
                                return reply.unwrap_or_else(|_| Reply::page(500, &path));
                            }
                        },
                        None => {
                            let end = Ok(Bytes::new());
                            chunks.send(end).await.is_ok()
                        }
                    };
                    is_wanted = is_taken && !is_last;
                }
            }
        }
    }

    /// The next part of a body; `None` at its end.
    async fn next_chunk(&self, body: &mut Incoming) -> Option<io::Result<Bytes>> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        let frame = match self.idle_timeout {
            Some(timeout) => match tokio::time::timeout(timeout, frame).await {
                Ok(frame) => frame,
                Err(_) => return Some(Err(io::ErrorKind::TimedOut.into())),
            },
            None => frame.await,
        };
        // Trailers are no part of what a command reads.
        let data = |frame: Frame<Bytes>| frame.into_data().unwrap_or_default();
        Some(frame?.map(data).map_err(io::Error::other))
    }
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A request's body, for a thread that may wait. An empty chunk from the connection is its end.
struct Chunks {
    received: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.received.blocking_recv() {
                Some(Ok(chunk)) if chunk.is_empty() => {
                    self.received.close();
                    return Ok(0);
                }
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.current.len());
        if let Some(place) = into.get_mut(..count) {
            self.current.copy_to_slice(place);
        }
        Ok(count)
    }
}

fn response(reply: Reply) -> Response<Outgoing> {
    let mut headers = HeaderMap::new();
    if let Some(content_type) = reply.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in &reply.headers {
        let name = match *name {
            "Allow" => ALLOW,
            "Cache-Control" => CACHE_CONTROL,
            name => HeaderName::from_static(name),
        };
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    let mut response = Response::new(Outgoing::of(reply.body));
    *response.headers_mut() = headers;
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// An answer's body.
enum Outgoing {
    Text(Bytes),
    Stream {
        chunks: mpsc::Receiver<io::Result<Bytes>>,
        /// Bytes still to come.
        left: u64,
    },
}

impl Outgoing {
    fn of(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text.into()),
            Content::Stream(source, size) => {
                let (sender, chunks) = mpsc::channel(CHUNKS);
                tokio::task::spawn_blocking(move || pump(source, size, &sender));
                Self::Stream { chunks, left: size }
            }
        }
    }
}

/// Reads `size` bytes as fast as they are sent. A source that ends sooner breaks the answer off.
fn pump(mut source: Box<dyn Read + Send>, size: u64, to: &mpsc::Sender<io::Result<Bytes>>) {
    let mut left = size;
    while left > 0 {
        let room = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let mut chunk = vec![0; room];
        let read = match source.read(&mut chunk) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                chunk.truncate(count);
                left = left.saturating_sub(count as u64);
                Ok(Bytes::from(chunk))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_broken = read.is_err();
        if to.blocking_send(read).is_err() || is_broken {
            return;
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Text(text) if text.is_empty() => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::Stream { chunks, left } => chunks.poll_recv(cx).map(|chunk| {
                let chunk = chunk?;
                if let Ok(bytes) = &chunk {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                Some(chunk.map(Frame::data))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Stream { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(text) => text.len() as u64,
            Self::Stream { left, .. } => *left,
        })
    }
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Connections at once; the next waits to be accepted. So many threads Jetty has.
const CONNECTIONS: usize = 200;

/// Commands at once; the next waits.
const COMMANDS: usize = 8;

/// The longest head of a request, as Jetty has it: 8 KiB is the least that the library takes.
const HEAD_BYTES: usize = 8 * 1024;

/// How long a handshake or a head may take where connections may be idle for as long as they like.
const OPENING_TIMEOUT: Duration = Duration::from_secs(30);

/// As `JettyAdminServer`: browsers are not to come without TLS, nor to hosts whose names end with ours.
const ONLY_TLS_FOR_A_DAY: HeaderValue =
    HeaderValue::from_static("max-age=86400; includeSubDomains");

/// Parts of a body on their way between a socket and a thread.
const CHUNKS: usize = 4;

/// Bytes of such a part of an answer.
const CHUNK_BYTES: usize = 64 * 1024;

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::runtime::Runtime;

    use super::*;
    use crate::admin::Command;
    use crate::base::Zxid;
    use crate::config::{ListenAddress, ListenHost};

    /// Does what its command's name says.
    struct Script;

    impl Commands for Script {
        fn answer(&self, ask: &Ask, body: &mut (dyn Read + Send)) -> Reply {
            let stream = |size, bytes: &[u8]| {
                let bytes: Box<dyn Read + Send> = Box::new(io::Cursor::new(bytes.to_vec()));
                Reply::snapshot(Zxid(7), size, Some(bytes))
            };
            match &*ask.name {
                "panics" => panic!("as it was told"),
                "streams" => stream(5, b"12345"),
                "ends-early" => stream(6, b"12345"),
                "reads" => {
                    let mut text = String::new();
                    let count = body.read_to_string(&mut text);
                    Reply::refused(200, &ask.name, &format!("{count:?} {text}"))
                }
                _ => Reply::failed(500, Command::Ruok),
            }
        }

        fn count_plain(&self) {}
    }

    struct Bench {
        _tokio: Runtime,
        address: SocketAddr,
    }

    impl Bench {
        fn new() -> Self {
            let tokio = Runtime::new().unwrap();
            let options = AdminOptions {
                address: ListenAddress {
                    host: ListenHost::Ip([127, 0, 0, 1].into()),
                    port: 0,
                },
                tls: None,
                command_url: "/commands".to_owned(),
                idle_timeout_ms: Some(20_000),
                snapshot_enabled: true,
                restore_enabled: true,
                rate_interval_ms: 0,
                trusts_forwarded_for: false,
            };
            let inside = tokio.enter();
            let server = HttpServer::bind(&options, None, Arc::new(Script)).unwrap();
            let address = server.address().unwrap();
            drop(inside);
            tokio.spawn(server.run());
            Self {
                _tokio: tokio,
                address,
            }
        }

        /// What comes back until the connection ends, as text.
        fn send(&self, request: &str) -> String {
            let mut stream = std::net::TcpStream::connect(self.address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            // An answer that is broken off ends with an error.
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8(answer).unwrap()
        }

        fn get(&self, command: &str) -> String {
            self.send(&format!(
                "GET /commands/{command} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            ))
        }
    }

    #[test]
    fn a_command_that_panics_costs_its_answer() {
        let bench = Bench::new();
        let answer = bench.get("panics");
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains("<td>/commands/panics</td>"), "{answer}");
        assert!(bench.get("streams").ends_with("\r\n\r\n12345"));
    }

    #[test]
    fn a_stream_has_its_length_and_its_headers() {
        let answer = Bench::new().get("streams");
        for line in [
            "content-length: 5\r\n",
            "last_zxid: 0x7\r\n",
            "snapshot_size: 5\r\n",
            "content-type: application/octet-stream\r\n",
        ] {
            assert!(answer.contains(line), "{answer}");
        }
    }

    #[test]
    fn a_source_that_ends_early_is_no_whole_answer() {
        let bench = Bench::new();
        let answer = bench.get("ends-early");
        // As many bytes as were promised never come.
        assert!(!answer.contains("content-length: 5\r\n"), "{answer}");
        assert!(bench.get("streams").ends_with("12345"), "it still serves");
    }

    #[test]
    fn a_body_is_read_whole_or_not_at_all() {
        let bench = Bench::new();
        let head = "POST /commands/reads HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        let whole = bench.send(&format!("{head}Content-Length: 4\r\n\r\nbody"));
        assert!(whole.contains("Ok(4) body"), "{whole}");
        let chunked =
            format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n");
        assert!(bench.send(&chunked).contains("Ok(4) body"));
        // One that is broken off is an error, and not a shorter body.
        let mut stream = std::net::TcpStream::connect(bench.address).unwrap();
        let cut = format!("{head}Content-Length: 5\r\n\r\nbody");
        stream.write_all(cut.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(!answer.contains("Ok("), "{answer}");
    }
}
