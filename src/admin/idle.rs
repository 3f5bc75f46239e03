//! A socket that gives up when nothing has come or gone for a while, unless its request is being
//! worked on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Whether a request is being worked on: then the other side waits for us.
#[derive(Debug, Clone, Default)]
pub(super) struct Busy(Arc<AtomicBool>);

/// Work until this is dropped.
pub(super) struct Working(Busy);

impl Busy {
    pub(super) fn working(&self) -> Working {
        self.0.store(true, Ordering::Relaxed);
        Working(self.clone())
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

/// See the module.
pub(super) struct Idle {
    stream: TcpStream,
    limit: Option<Limit>,
    busy: Busy,
}

struct Limit {
    timeout: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl Idle {
    /// Without a timeout it never gives up.
    pub(super) fn new(stream: TcpStream, timeout: Option<Duration>, busy: Busy) -> Self {
        let limit = timeout.map(|timeout| Limit {
            timeout,
            alarm: Box::pin(sleep(timeout)),
        });
        Self {
            stream,
            limit,
            busy,
        }
    }

    /// Something came or went, or the socket is to be waited for.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Some(limit) = &mut self.limit else {
            return outcome;
        };
        if outcome.is_ready() {
            limit.alarm.set(sleep(limit.timeout));
            return outcome;
        }
        while limit.alarm.as_mut().poll(cx).is_ready() {
            if !self.busy.0.load(Ordering::Relaxed) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            limit.alarm.set(sleep(limit.timeout));
        }
        Poll::Pending
    }
}

impl AsyncRead for Idle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(cx, into);
        self.watch(cx, outcome)
    }
}

impl AsyncWrite for Idle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
