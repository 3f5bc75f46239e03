//! A few operations over the raw client, for tests that are about something else.
//!
//! Each sends one request and waits for its reply; what must not fail panics.

use std::collections::BTreeSet;

use crate::wire::{Body, Client, Reader};

pub const CREATE: i32 = 1;
pub const DELETE: i32 = 2;
pub const EXISTS: i32 = 3;
pub const GET_DATA: i32 = 4;
pub const SET_DATA: i32 = 5;
pub const GET_CHILDREN: i32 = 8;
pub const SYNC: i32 = 9;
pub const PING: i32 = 11;
pub const MULTI: i32 = 14;
pub const CREATE_CONTAINER: i32 = 19;
pub const CREATE_TTL: i32 = 21;
pub const SET_WATCHES: i32 = 101;
pub const ADD_WATCH: i32 = 106;
pub const CLOSE_SESSION: i32 = -11;

/// Flags of a create request.
pub const PERSISTENT: i32 = 0;
pub const EPHEMERAL: i32 = 1;
pub const CONTAINER: i32 = 4;
pub const PERSISTENT_WITH_TTL: i32 = 5;

/// A reply, its header taken apart.
#[derive(Debug)]
pub struct Reply {
    pub zxid: i64,
    pub error: i32,
    pub body: Vec<u8>,
}

pub fn call(client: &mut Client, op: i32, body: &Body) -> Reply {
    try_call(client, op, body).expect("a reply, and the connection was closed")
}

/// The same; `None` if the server closes the connection.
pub fn try_call(client: &mut Client, op: i32, body: &Body) -> Option<Reply> {
    client.request(1, op, body);
    let reply = client.frame_or_close("a reply")?;
    let mut reader = Reader::new(&reply);
    let (_, zxid, error) = header(&mut reader);
    Some(Reply {
        zxid,
        error,
        body: reader.remaining().to_vec(),
    })
}

/// Takes xid, zxid and error off a reply.
pub fn header(reader: &mut Reader<'_>) -> (i32, i64, i32) {
    let mut read = || Some((reader.int()?, reader.long()?, reader.int()?));
    read().expect("a reply header")
}

/// The body of a create, open to the world. For a time to live, append it as a long.
pub fn create_body(path: &str, data: &[u8], flags: i32) -> Body {
    let world_may_all = Body::new().int(1).int(31).string("world").string("anyone");
    Body::new()
        .string(path)
        .buffer(data)
        .append(&world_may_all)
        .int(flags)
}

pub fn create(client: &mut Client, path: &str, data: &[u8], flags: i32) {
    let reply = call(client, CREATE, &create_body(path, data, flags));
    assert_eq!(reply.error, 0, "{path} is made");
}

/// The body of a change of data, whatever the version.
pub fn set_data_body(path: &str, data: &[u8]) -> Body {
    Body::new().string(path).buffer(data).int(-1)
}

/// The body of a multi or a multiRead: the code and the body of each part.
pub fn multi(parts: &[(i32, Body)]) -> Body {
    let parts = parts.iter().fold(Body::new(), |body, (op, part)| {
        body.int(*op).boolean(false).int(-1).append(part)
    });
    parts.int(-1).boolean(true).int(-1)
}

/// Waits until the client's server knows what the leader had committed.
pub fn sync(client: &mut Client, path: &str) {
    let reply = call(client, SYNC, &Body::new().string(path));
    assert_eq!(reply.error, 0, "a sync is answered");
}

pub fn delete(client: &mut Client, path: &str) {
    let reply = call(client, DELETE, &Body::new().string(path).int(-1));
    assert_eq!(reply.error, 0, "{path} is deleted");
}

pub fn exists(client: &mut Client, path: &str) -> bool {
    let reply = call(client, EXISTS, &Body::new().string(path).boolean(false));
    assert!([0, -101].contains(&reply.error), "{path}: {reply:?}");
    reply.error == 0
}

/// A node's `Stat`.
pub fn stat(client: &mut Client, path: &str) -> Vec<u8> {
    let reply = call(client, EXISTS, &Body::new().string(path).boolean(false));
    assert_eq!(reply.error, 0, "{path} is there");
    reply.body
}

/// The session that an ephemeral node belongs to.
pub fn owner(client: &mut Client, path: &str) -> i64 {
    let stat = stat(client, path);
    let mut reader = Reader::new(&stat);
    reader.raw(4 * 8 + 3 * 4).expect("zxids, times, versions");
    reader.long().expect("an owner")
}

pub fn children(client: &mut Client, path: &str) -> BTreeSet<String> {
    let reply = call(
        client,
        GET_CHILDREN,
        &Body::new().string(path).boolean(false),
    );
    assert_eq!(reply.error, 0, "{path} is there");
    let mut body = Reader::new(&reply.body);
    let count = body.int().expect("a count");
    (0..count)
        .map(|_| body.string().flatten().expect("a name"))
        .collect()
}

/// Data that is text, and its version.
pub fn data_and_version(client: &mut Client, path: &str) -> (String, u64) {
    let reply = call(client, GET_DATA, &Body::new().string(path).boolean(false));
    assert_eq!(reply.error, 0, "{path} is there");
    let mut body = Reader::new(&reply.body);
    let data = body.string().flatten().expect("data");
    body.raw(4 * 8).expect("czxid, mzxid, ctime, mtime");
    let version = body.int().expect("a version");
    (data, u64::try_from(version).expect("versions count up"))
}
