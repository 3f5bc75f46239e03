//! What stands before every request, reply and part of a multi.

use crate::record_macro::record;

record! {
    /// Before every request but the first of a connection.
    pub struct RequestHeader {
        /// The client's number for this request; -2, -4 and -8 are ping, auth and setWatches.
        xid: i32,
        /// Operation code.
        op: i32,
    }
}

record! {
    /// Before every reply and event, 16 bytes.
    pub struct ReplyHeader {
        xid: i32,
        zxid: i64,
        /// 0, or an error code; a reply with an error has no body.
        err: i32,
    }
}

record! {
    /// Before each part of a multi and of its response; `done` ends the list.
    pub struct MultiHeader {
        op: i32,
        done: bool,
        err: i32,
    }
}

impl MultiHeader {
    /// What ends a list of parts.
    pub const END: Self = Self {
        op: -1,
        done: true,
        err: -1,
    };
}

record! {
    /// The body of a failed part of a multi, and of an addWatch reply.
    pub struct ErrorResponse {
        err: i32,
    }
}
