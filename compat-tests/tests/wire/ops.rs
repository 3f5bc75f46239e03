//! Request records and the numbers of the protocol, as the tests write them.
//!
//! One function per record, fields in wire order. Nothing here is shared with the server.

use compat_tests::wire::Body;

pub(crate) mod op {
    pub(crate) const CREATE: i32 = 1;
    pub(crate) const DELETE: i32 = 2;
    pub(crate) const EXISTS: i32 = 3;
    pub(crate) const GET_DATA: i32 = 4;
    pub(crate) const SET_DATA: i32 = 5;
    pub(crate) const GET_ACL: i32 = 6;
    pub(crate) const SET_ACL: i32 = 7;
    pub(crate) const GET_CHILDREN: i32 = 8;
    pub(crate) const SYNC: i32 = 9;
    pub(crate) const PING: i32 = 11;
    pub(crate) const GET_CHILDREN2: i32 = 12;
    pub(crate) const CHECK: i32 = 13;
    pub(crate) const MULTI: i32 = 14;
    pub(crate) const CREATE2: i32 = 15;
    pub(crate) const RECONFIG: i32 = 16;
    pub(crate) const CHECK_WATCHES: i32 = 17;
    pub(crate) const REMOVE_WATCHES: i32 = 18;
    pub(crate) const CREATE_CONTAINER: i32 = 19;
    pub(crate) const DELETE_CONTAINER: i32 = 20;
    pub(crate) const CREATE_TTL: i32 = 21;
    pub(crate) const MULTI_READ: i32 = 22;
    pub(crate) const AUTH: i32 = 100;
    pub(crate) const SET_WATCHES: i32 = 101;
    pub(crate) const SASL: i32 = 102;
    pub(crate) const GET_EPHEMERALS: i32 = 103;
    pub(crate) const GET_ALL_CHILDREN_NUMBER: i32 = 104;
    pub(crate) const SET_WATCHES2: i32 = 105;
    pub(crate) const ADD_WATCH: i32 = 106;
    pub(crate) const WHO_AM_I: i32 = 107;
    pub(crate) const CREATE_SESSION: i32 = -10;
    pub(crate) const CLOSE_SESSION: i32 = -11;
}

pub(crate) mod err {
    pub(crate) const RUNTIME_INCONSISTENCY: i32 = -2;
    pub(crate) const MARSHALLING: i32 = -5;
    pub(crate) const UNIMPLEMENTED: i32 = -6;
    pub(crate) const BAD_ARGUMENTS: i32 = -8;
    pub(crate) const NO_NODE: i32 = -101;
    pub(crate) const NO_AUTH: i32 = -102;
    pub(crate) const BAD_VERSION: i32 = -103;
    pub(crate) const NO_CHILDREN_FOR_EPHEMERALS: i32 = -108;
    pub(crate) const NODE_EXISTS: i32 = -110;
    pub(crate) const NOT_EMPTY: i32 = -111;
    pub(crate) const SESSION_EXPIRED: i32 = -112;
    pub(crate) const INVALID_ACL: i32 = -114;
    pub(crate) const AUTH_FAILED: i32 = -115;
    pub(crate) const NO_WATCHER: i32 = -121;
    pub(crate) const RECONFIG_DISABLED: i32 = -123;
    pub(crate) const SESSION_CLOSED_REQUIRE_AUTH: i32 = -124;
    pub(crate) const QUOTA_EXCEEDED: i32 = -125;
    pub(crate) const THROTTLED_OP: i32 = -127;
}

/// Event types.
pub(crate) const CREATED: i32 = 1;
pub(crate) const DELETED: i32 = 2;
pub(crate) const DATA_CHANGED: i32 = 3;
pub(crate) const CHILDREN_CHANGED: i32 = 4;

/// addWatch modes.
pub(crate) const PERSISTENT: i32 = 0;
pub(crate) const RECURSIVE: i32 = 1;

/// Create flags.
pub(crate) const PLAIN: i32 = 0;
pub(crate) const EPHEMERAL: i32 = 1;
pub(crate) const SEQUENTIAL: i32 = 2;
pub(crate) const EPHEMERAL_SEQUENTIAL: i32 = 3;
pub(crate) const CONTAINER: i32 = 4;
pub(crate) const TTL: i32 = 5;
pub(crate) const TTL_SEQUENTIAL: i32 = 6;

/// Permission bits.
pub(crate) const READ: i32 = 1;
pub(crate) const WRITE: i32 = 2;
pub(crate) const CREATE: i32 = 4;
pub(crate) const DELETE: i32 = 8;
pub(crate) const ADMIN: i32 = 16;
pub(crate) const ALL: i32 = 31;

/// (perms, scheme, id)
pub(crate) type Acl<'a> = (i32, &'a str, &'a str);

pub(crate) const OPEN: &[Acl<'static>] = &[(ALL, "world", "anyone")];

pub(crate) fn acl_vector(acl: &[Acl<'_>]) -> Body {
    let count = i32::try_from(acl.len()).expect("tests send short lists");
    acl.iter()
        .fold(Body::new().int(count), |body, (perms, scheme, id)| {
            body.int(*perms).string(scheme).string(id)
        })
}

pub(crate) fn create(path: &str, data: &[u8], acl: &[Acl<'_>], flags: i32) -> Body {
    Body::new()
        .string(path)
        .buffer(data)
        .append(&acl_vector(acl))
        .int(flags)
}

pub(crate) fn create_ttl(path: &str, flags: i32, ttl: i64) -> Body {
    create(path, b"", OPEN, flags).long(ttl)
}

pub(crate) fn path_only(path: &str) -> Body {
    Body::new().string(path)
}

/// Delete, check, addWatch, checkWatches and removeWatches all look like this.
pub(crate) fn path_int(path: &str, number: i32) -> Body {
    Body::new().string(path).int(number)
}

/// exists, getData, getChildren and getChildren2.
pub(crate) fn path_watch(path: &str, watch: bool) -> Body {
    Body::new().string(path).boolean(watch)
}

pub(crate) fn set_data(path: &str, data: &[u8], version: i32) -> Body {
    Body::new().string(path).buffer(data).int(version)
}

pub(crate) fn set_acl(path: &str, acl: &[Acl<'_>], version: i32) -> Body {
    Body::new()
        .string(path)
        .append(&acl_vector(acl))
        .int(version)
}

pub(crate) fn auth(scheme: &str, data: &[u8]) -> Body {
    Body::new().int(0).string(scheme).buffer(data)
}

pub(crate) fn set_watches(zxid: i64, lists: &[&[&str]]) -> Body {
    lists
        .iter()
        .fold(Body::new().long(zxid), |body, list| body.strings(list))
}

/// A multi or multiRead: (type, record) each, and the terminator.
pub(crate) fn multi(ops: &[(i32, Body)]) -> Body {
    unterminated_multi(ops).int(-1).boolean(true).int(-1)
}

pub(crate) fn unterminated_multi(ops: &[(i32, Body)]) -> Body {
    ops.iter().fold(Body::new(), |body, (kind, record)| {
        body.int(*kind).boolean(false).int(-1).append(record)
    })
}

pub(crate) fn reconfig(members: &str, config_id: i64) -> Body {
    Body::new().null().null().string(members).long(config_id)
}
