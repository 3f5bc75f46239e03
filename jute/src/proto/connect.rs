//! The handshake. Its last field is optional: clients up to 3.3 neither send nor expect it.

use bytes::BufMut;

use crate::{Buffer, Decode, DecodeError, Encode, Reader};

/// The first frame of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectRequest<'a> {
    /// Ignored by servers.
    pub protocol_version: i32,
    /// The highest zxid the client has seen in a reply.
    pub last_zxid_seen: i64,
    /// The session timeout it asks for, milliseconds.
    pub time_out: i32,
    /// 0 to open a session.
    pub session_id: i64,
    pub passwd: Buffer<'a>,
    /// Whether a read-only server will do; `None` when the field was absent.
    pub read_only: Option<bool>,
}

impl<'a> Decode<'a> for ConnectRequest<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol_version: Decode::decode(reader)?,
            last_zxid_seen: Decode::decode(reader)?,
            time_out: Decode::decode(reader)?,
            session_id: Decode::decode(reader)?,
            passwd: Decode::decode(reader)?,
            read_only: bool::decode(reader).ok(),
        })
    }
}

impl Encode for ConnectRequest<'_> {
    fn encode(&self, out: &mut impl BufMut) {
        self.protocol_version.encode(out);
        self.last_zxid_seen.encode(out);
        self.time_out.encode(out);
        self.session_id.encode(out);
        self.passwd.encode(out);
        if let Some(read_only) = self.read_only {
            read_only.encode(out);
        }
    }

    fn encoded_len(&self) -> usize {
        24 + self.passwd.encoded_len() + usize::from(self.read_only.is_some())
    }
}

/// The server's answer to a [`ConnectRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectResponse<'a> {
    /// Always 0.
    pub protocol_version: i32,
    /// The negotiated timeout, milliseconds; 0 says the session is not valid.
    pub time_out: i32,
    /// 0 when the session is not valid.
    pub session_id: i64,
    /// 16 bytes; zeroes when the session is not valid.
    pub passwd: Buffer<'a>,
    /// Present when the request had it: whether this server is read-only.
    pub read_only: Option<bool>,
}

impl<'a> Decode<'a> for ConnectResponse<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol_version: Decode::decode(reader)?,
            time_out: Decode::decode(reader)?,
            session_id: Decode::decode(reader)?,
            passwd: Decode::decode(reader)?,
            read_only: bool::decode(reader).ok(),
        })
    }
}

impl Encode for ConnectResponse<'_> {
    fn encode(&self, out: &mut impl BufMut) {
        self.protocol_version.encode(out);
        self.time_out.encode(out);
        self.session_id.encode(out);
        self.passwd.encode(out);
        if let Some(read_only) = self.read_only {
            read_only.encode(out);
        }
    }

    fn encoded_len(&self) -> usize {
        16 + self.passwd.encoded_len() + usize::from(self.read_only.is_some())
    }
}
