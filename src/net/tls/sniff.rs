//! TLS and plain text on one port: which of them a connection is, by its first five bytes.
//!
//! ```text
//! type 20 to 24 | version, the first byte 3 | length, two bytes, not 0
//! ```
//!
//! as Netty's `SslHandler.isEncrypted` has it. What does not even begin so is plain text, and none of it
//! is taken from the socket: a four-letter word may have four bytes only. What begins so and then does
//! not go on is neither: read as a length it would be longer than anything a server takes.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sniffed {
    /// Nothing was taken from the socket.
    Plain,
    /// These were.
    Tls([u8; HEADER_BYTES]),
    /// Nothing came in time.
    Silent,
    Neither,
}

/// Waits for the first byte, at most so long, and then as long for the rest.
pub(super) async fn sniff(stream: &mut TcpStream, limit: Duration) -> io::Result<Sniffed> {
    let mut first = [0];
    let Ok(peeked) = timeout(limit, stream.peek(&mut first)).await else {
        return Ok(Sniffed::Silent);
    };
    if peeked? == 0 || !may_begin_tls(first[0]) {
        return Ok(Sniffed::Plain);
    }
    let mut header = [0; HEADER_BYTES];
    match timeout(limit, stream.read_exact(&mut header)).await {
        Ok(read) => read.map(|_| match is_tls(header) {
            true => Sniffed::Tls(header),
            false => Sniffed::Neither,
        }),
        Err(_) => Ok(Sniffed::Neither),
    }
}

fn may_begin_tls(first: u8) -> bool {
    (20..=24).contains(&first)
}

fn is_tls(header: [u8; HEADER_BYTES]) -> bool {
    let [kind, major, _, high, low] = header;
    may_begin_tls(kind) && major == 3 && (high, low) != (0, 0)
}

/// Type, version and length of a TLS record.
pub(super) const HEADER_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_record_is_tls() {
        let table = [
            ([0x16, 3, 1, 0, 1], true),
            ([0x16, 3, 3, 2, 0], true),
            // An alert, in place of a handshake.
            ([0x15, 3, 3, 0, 2], true),
            ([0x16, 3, 1, 0, 0], false),
            ([0x16, 2, 1, 0, 1], false),
            ([0x13, 3, 1, 0, 1], false),
            ([0x19, 3, 1, 0, 1], false),
            // The length of a connect request, a word, an initial message.
            ([0, 0, 0, 0x2d, 0], false),
            (*b"ruok\n", false),
            ([0xff, 0xff, 0xff, 0xff, 0xff], false),
        ];
        for (header, expected) in table {
            assert_eq!(is_tls(header), expected, "{header:x?}");
        }
    }
}
