//! A socket of the quorum port, with or without TLS, that several threads use at once and none of them
//! waits for: what it does not take or have now is `WouldBlock`, as with tokio's `try_` methods.
//!
//! With TLS what is written may stay with the session until the socket takes it: only when
//! [`Socket::try_flush`] succeeds all has left. Read until `WouldBlock` before waiting for
//! [`Socket::readable`], as the session may have what the socket has no more.

use std::io::{self, BufRead, IoSlice, Read, Write};

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use crate::net::tls::stream::PeerStream;

#[derive(Debug)]
pub(in crate::net) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsSocket>),
}

#[derive(Debug)]
pub(in crate::net) struct TlsSocket {
    tcp: TcpStream,
    /// Held for as long as it takes to encrypt or decrypt what is at hand.
    session: Mutex<rustls::Connection>,
}

impl From<PeerStream> for Socket {
    fn from(stream: PeerStream) -> Self {
        let (io, session) = match stream {
            PeerStream::Plain(tcp) => return Self::Plain(tcp),
            PeerStream::Tls(stream) => match *stream {
                tokio_rustls::TlsStream::Client(stream) => {
                    let (io, session) = stream.into_inner();
                    (io, rustls::Connection::from(session))
                }
                tokio_rustls::TlsStream::Server(stream) => {
                    let (io, session) = stream.into_inner();
                    (io, rustls::Connection::from(session))
                }
            },
        };
        Self::Tls(Box::new(TlsSocket {
            tcp: io.tcp,
            session: Mutex::new(session),
        }))
    }
}

impl Socket {
    pub(in crate::net) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(socket) => &socket.tcp,
        }
    }

    pub(in crate::net) async fn readable(&self) -> io::Result<()> {
        self.tcp().readable().await
    }

    pub(in crate::net) async fn writable(&self) -> io::Result<()> {
        self.tcp().writable().await
    }

    /// Appends to `buffer`; 0 is the end.
    pub(in crate::net) fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_read_buf(buffer),
            Self::Tls(socket) => socket.read(buffer),
        }
    }

    pub(in crate::net) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write(bytes),
            Self::Tls(socket) => socket.write(&[IoSlice::new(bytes)]),
        }
    }

    pub(in crate::net) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write_vectored(slices),
            Self::Tls(socket) => socket.write(slices),
        }
    }

    /// Whether all that was written has left.
    pub(in crate::net) fn try_flush(&self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(socket) => flush(&mut socket.session.lock(), &socket.tcp),
        }
    }

    /// Says that nothing more comes.
    pub(in crate::net) fn end(&self) {
        if let Self::Tls(socket) = self {
            let mut session = socket.session.lock();
            session.send_close_notify();
            // A socket that takes no more has no use for it either.
            let _ = flush(&mut session, &socket.tcp);
        }
        // It may be broken already.
        let _ = rustix::net::shutdown(self.tcp(), rustix::net::Shutdown::Write);
    }
}

impl TlsSocket {
    fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        let mut session = self.session.lock();
        loop {
            let mut reader = session.reader();
            match reader.fill_buf() {
                Ok(bytes) => {
                    let count = bytes.len();
                    buffer.extend_from_slice(bytes);
                    reader.consume(count);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Without a farewell: packets have lengths, so it shows if one is missing.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
            session.read_tls(&mut Tcp(&self.tcp))?;
            let processed = session.process_new_packets();
            // What TLS itself has to say, an alert for one.
            let flushed = flush(&mut session, &self.tcp);
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            match flushed {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = self.session.lock();
        flush(&mut session, &self.tcp)?;
        let count = session.writer().write_vectored(slices)?;
        match flush(&mut session, &self.tcp) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }
}

fn flush(session: &mut rustls::Connection, tcp: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(&mut Tcp(tcp))?;
    }
    Ok(())
}

/// A socket as a session uses it.
struct Tcp<'a>(&'a TcpStream);

impl Read for Tcp<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Tcp<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
