//! The first bytes on an election link: who dials, and where it can be dialled.
//!
//! ```text
//! offset   0  version    long   -65536 one address, -65535 several
//!          8  sid        long   the sender
//!         16  length     int    1 to 2048
//!         20  addresses  bytes  host:port, several with "|" between them
//! ```
//!
//! A first long that is not negative is the sid itself and all there is: servers before 3.4.6.
//! In: bytes as they come. Out: the message and its length, "more is needed", or an
//! [`InitialMessageError`], which closes the link. Ours is one buffer for one write: Apache reads
//! the addresses with a single read and takes a short one for an error.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::{
    base::ServerId,
    quorum::{Address, AddressError},
};

/// Who dials, and where its own election port is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialMessage {
    pub sid: ServerId,
    /// Where the sender can be dialled, wildcards left out; may be empty.
    pub addresses: Vec<Address>,
}

impl InitialMessage {
    /// The message for one write. With `multi_address_enabled` in the second version with all
    /// addresses, else in the first with the first of them, since servers before 3.6 know no other.
    pub fn encode(&self, multi_address_enabled: bool) -> Bytes {
        let (version, count) = if multi_address_enabled {
            (VERSION_2, self.addresses.len())
        } else {
            (VERSION_1, 1)
        };
        let addresses: Vec<String> = self.addresses.iter().map(Address::to_string).collect();
        let mut text = String::new();
        for (index, address) in addresses.iter().take(count).enumerate() {
            let separator = if index == 0 { "" } else { "|" };
            if text.len() + separator.len() + address.len() > ADDRESS_BYTES_MAX {
                break;
            }
            text += separator;
            text += address;
        }
        let length = i32::try_from(text.len()).expect("addresses are at most 2048 bytes");
        let mut out = BytesMut::with_capacity(HEADER_BYTES + text.len());
        out.put_i64(version);
        out.put_i64(self.sid.0);
        out.put_i32(length);
        out.put_slice(text.as_bytes());
        out.freeze()
    }

    /// Reads the message off the front of what has come so far, with the bytes it took; `None`
    /// while more is needed.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, InitialMessageError> {
        let Some(version) = long_at(bytes, 0) else {
            return Ok(None);
        };
        if version >= 0 {
            let message = Self {
                sid: ServerId(version),
                addresses: Vec::new(),
            };
            return Ok(Some((message, 8)));
        }
        if version != VERSION_1 && version != VERSION_2 {
            return Err(InitialMessageError::Version(version));
        }
        let length = bytes.get(16..20).and_then(|b| b.try_into().ok());
        let (Some(sid), Some(length)) = (long_at(bytes, 8), length.map(i32::from_be_bytes)) else {
            return Ok(None);
        };
        let end = match usize::try_from(length) {
            Ok(length) if (1..=ADDRESS_BYTES_MAX).contains(&length) => HEADER_BYTES + length,
            _ => return Err(InitialMessageError::Length(length)),
        };
        let Some(text) = bytes.get(HEADER_BYTES..end) else {
            return Ok(None);
        };
        let message = Self {
            sid: ServerId(sid),
            addresses: addresses(text)?,
        };
        Ok(Some((message, end)))
    }
}

/// The bytes an initial message has at most.
pub const INITIAL_MESSAGE_BYTES_MAX: usize = HEADER_BYTES + ADDRESS_BYTES_MAX;

/// Why a link is closed after its first bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InitialMessageError {
    #[error("no initial message has version {0}")]
    Version(i64),
    #[error("{0} bytes of addresses in an initial message, expected 1 to {ADDRESS_BYTES_MAX}")]
    Length(i32),
    #[error("the addresses of an initial message are not UTF-8")]
    NotUtf8,
    #[error("an address of an initial message: {0}")]
    Address(#[from] AddressError),
}

const VERSION_1: i64 = -65536;
const VERSION_2: i64 = -65535;
const HEADER_BYTES: usize = 20;
const ADDRESS_BYTES_MAX: usize = 2048;

fn long_at(bytes: &[u8], offset: usize) -> Option<i64> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(i64::from_be_bytes(*bytes))
}

fn addresses(text: &[u8]) -> Result<Vec<Address>, InitialMessageError> {
    let text = std::str::from_utf8(text).map_err(|_| InitialMessageError::NotUtf8)?;
    let mut addresses = Vec::new();
    for part in text.trim_end_matches('|').split('|') {
        let address = Address::parse(part)?;
        if !address.host.is_wildcard() {
            addresses.push(address);
        }
    }
    Ok(addresses)
}
