//! The client protocol as bytes, as little of it as a load needs.
//!
//! Written by hand instead of with the server's own codec: a mistake there must not cancel itself out here, and a
//! request costs the generator one copy. In: paths and values. Out: whole frames appended to a buffer, and replies
//! taken off one. A reply's body is not parsed, except where a caller asks for an int in it.

use crate::error::LoadError;

/// Operation codes as in `ZooDefs.OpCode`.
const OP_CREATE: i32 = 1;
const OP_DELETE: i32 = 2;
const OP_GET_DATA: i32 = 4;
const OP_SET_DATA: i32 = 5;
const OP_ALL_CHILDREN_NUMBER: i32 = 104;
const OP_CLOSE_SESSION: i32 = -11;

const FLAG_PERSISTENT: i32 = 0;
const FLAG_SEQUENTIAL: i32 = 2;
const PERM_ALL: i32 = 31;
const ANY_VERSION: i32 = -1;

/// Reply header: xid, zxid, err.
const REPLY_HEADER_BYTES: usize = 16;
/// `jute.maxbuffer` is 1 MiB less one; a reply beyond this bound means the stream is out of step.
const FRAME_BYTES_MAX: usize = 4 << 20;

/// What a client shows to take its session to another server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) id: i64,
    pub(crate) password: Vec<u8>,
}

/// A ConnectRequest for a new session, or for one that was granted before.
pub(crate) fn connect(out: &mut Vec<u8>, session_timeout_ms: i32, known: Option<&Credentials>) {
    frame(out, |out| {
        int(out, 0);
        long(out, 0);
        int(out, session_timeout_ms);
        long(out, known.map_or(0, |known| known.id));
        buffer(out, known.map_or(&[0; 16], |known| &known.password));
        out.push(0);
    });
}

/// Appends a getData without a watch.
pub(crate) fn get_data(out: &mut Vec<u8>, xid: i32, path: &str) {
    request(out, xid, OP_GET_DATA, |out| {
        buffer(out, path.as_bytes());
        out.push(0);
    });
}

/// Appends a setData for any version.
pub(crate) fn set_data(out: &mut Vec<u8>, xid: i32, path: &str, value: &[u8]) {
    request(out, xid, OP_SET_DATA, |out| {
        buffer(out, path.as_bytes());
        buffer(out, value);
        int(out, ANY_VERSION);
    });
}

/// Appends a create of a persistent node open to all.
pub(crate) fn create(out: &mut Vec<u8>, xid: i32, path: &str, value: &[u8], sequential: bool) {
    request(out, xid, OP_CREATE, |out| {
        buffer(out, path.as_bytes());
        buffer(out, value);
        int(out, 1);
        int(out, PERM_ALL);
        buffer(out, b"world");
        buffer(out, b"anyone");
        int(
            out,
            if sequential {
                FLAG_SEQUENTIAL
            } else {
                FLAG_PERSISTENT
            },
        );
    });
}

/// Appends a delete of any version.
pub(crate) fn delete(out: &mut Vec<u8>, xid: i32, path: &str) {
    request(out, xid, OP_DELETE, |out| {
        buffer(out, path.as_bytes());
        int(out, ANY_VERSION);
    });
}

/// Appends a getAllChildrenNumber; the reply's body is one int.
pub(crate) fn all_children_number(out: &mut Vec<u8>, xid: i32, path: &str) {
    request(out, xid, OP_ALL_CHILDREN_NUMBER, |out| {
        buffer(out, path.as_bytes())
    });
}

/// Appends a closeSession.
pub(crate) fn close_session(out: &mut Vec<u8>, xid: i32) {
    request(out, xid, OP_CLOSE_SESSION, |_| ());
}

fn request(out: &mut Vec<u8>, xid: i32, op: i32, body: impl FnOnce(&mut Vec<u8>)) {
    frame(out, |out| {
        int(out, xid);
        int(out, op);
        body(out);
    });
}

fn frame(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    int(out, 0);
    body(out);
    let length = wire_len(out.len() - start - 4).to_be_bytes();
    for (slot, byte) in out.iter_mut().skip(start).zip(length) {
        *slot = byte;
    }
}

fn int(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn long(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn buffer(out: &mut Vec<u8>, bytes: &[u8]) {
    int(out, wire_len(bytes.len()));
    out.extend_from_slice(bytes);
}

fn wire_len(len: usize) -> i32 {
    i32::try_from(len).expect("the load's own paths and values are a few KiB")
}

/// A reply as it lies in the buffer it was read into.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    pub(crate) xid: i32,
    pub(crate) error: i32,
    pub(crate) body: &'a [u8],
}

impl Reply<'_> {
    /// The body's first int.
    pub(crate) fn int(&self) -> Result<i32, LoadError> {
        read_int(self.body, 0).ok_or(LoadError::Protocol("a reply too short for its int"))
    }
}

/// Takes the first whole frame off `bytes`: its payload and the bytes it took, or `None` if it is not all there.
pub(crate) fn split_frame(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, LoadError> {
    let Some(prefix) = bytes.first_chunk() else {
        return Ok(None);
    };
    let length = payload_len(*prefix)?;
    Ok(bytes
        .get(4..4 + length)
        .map(|payload| (payload, 4 + length)))
}

/// What a frame's first four bytes say about the length of the rest.
pub(crate) fn payload_len(prefix: [u8; 4]) -> Result<usize, LoadError> {
    usize::try_from(i32::from_be_bytes(prefix))
        .ok()
        .filter(|&length| length <= FRAME_BYTES_MAX)
        .ok_or(LoadError::Protocol("a frame length out of bounds"))
}

/// Reads a frame's payload as a reply.
pub(crate) fn reply(payload: &[u8]) -> Result<Reply<'_>, LoadError> {
    const SHORT: LoadError = LoadError::Protocol("a reply shorter than its header");
    Ok(Reply {
        xid: read_int(payload, 0).ok_or(SHORT)?,
        error: read_int(payload, 12).ok_or(SHORT)?,
        body: payload.get(REPLY_HEADER_BYTES..).ok_or(SHORT)?,
    })
}

/// The session that a ConnectResponse grants; `None` if it refuses one.
pub(crate) fn granted(payload: &[u8]) -> Result<Option<Credentials>, LoadError> {
    const SHORT: LoadError = LoadError::Protocol("a ConnectResponse shorter than its fields");
    let timeout_ms = read_int(payload, 4).ok_or(SHORT)?;
    let id = payload.get(8..16).ok_or(SHORT)?;
    let password = payload.get(20..36).ok_or(SHORT)?;
    Ok((timeout_ms > 0).then(|| Credentials {
        id: i64::from_be_bytes(id.try_into().expect("the slice is eight bytes long")),
        password: password.to_vec(),
    }))
}

fn read_int(bytes: &[u8], at: usize) -> Option<i32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(i32::from_be_bytes(
        bytes.try_into().expect("the slice is four bytes long"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_documented_bytes() {
        let mut out = Vec::new();
        get_data(&mut out, 7, "/a");
        assert_eq!(
            out,
            [
                0, 0, 0, 15, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, 2, b'/', b'a', 0
            ]
        );
        out.clear();
        connect(&mut out, 4000, None);
        assert_eq!(out.len(), 4 + 45);
        let known = Credentials {
            id: 0x0102,
            password: vec![7; 16],
        };
        out.clear();
        connect(&mut out, 4000, Some(&known));
        assert_eq!(out[20..28], [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(out[32..48], [7; 16]);
        out.clear();
        set_data(&mut out, 1, "/a", b"v");
        assert_eq!(
            out[12..],
            [0, 0, 0, 2, b'/', b'a', 0, 0, 0, 1, b'v', 255, 255, 255, 255]
        );
        out.clear();
        close_session(&mut out, 2);
        assert_eq!(out, [0, 0, 0, 8, 0, 0, 0, 2, 255, 255, 255, 245]);
    }

    #[test]
    fn creates_differ_by_their_flags_alone() {
        let (mut plain, mut sequential) = (Vec::new(), Vec::new());
        create(&mut plain, 1, "/a", b"", false);
        create(&mut sequential, 1, "/a", b"", true);
        let last = plain.len() - 1;
        assert_eq!((plain[last], sequential[last]), (0, 2));
        assert_eq!(plain[..last], sequential[..last]);
    }

    #[test]
    fn frames_split_only_when_whole() {
        let bytes = [0, 0, 0, 2, 8, 9, 0];
        assert_eq!(split_frame(&bytes).unwrap(), Some((&bytes[4..6], 6)));
        assert_eq!(split_frame(&bytes[..5]).unwrap(), None);
        assert_eq!(split_frame(&bytes[..3]).unwrap(), None);
        assert!(split_frame(&[255, 255, 255, 255]).is_err());
        assert!(split_frame(&[127, 0, 0, 0]).is_err());
    }

    #[test]
    fn a_granted_session_is_taken_from_the_response() {
        let mut payload = vec![0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 16];
        payload.extend([8; 16]);
        payload.push(0);
        let known = granted(&payload).unwrap().unwrap();
        assert_eq!((known.id, known.password), (5, vec![8; 16]));
        payload[7] = 0;
        assert_eq!(granted(&payload).unwrap(), None);
        assert!(granted(&payload[..30]).is_err());
    }

    #[test]
    fn replies_are_read_by_their_header() {
        let mut payload = vec![0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 255, 255, 255, 155];
        payload.extend([0, 0, 1, 0]);
        let parsed = reply(&payload).unwrap();
        assert_eq!((parsed.xid, parsed.error), (5, -101));
        assert_eq!(parsed.int().unwrap(), 256);
        assert!(reply(&payload[..15]).is_err());
    }
}
