//! Who a connection is.

use crate::record_macro::record;
use crate::{Buffer, Ustring};

record! {
    /// Operation 100.
    pub struct AuthPacket<'a> {
        /// Ignored by servers.
        auth_type: i32,
        scheme: Ustring<'a>,
        auth: Buffer<'a>,
    }
}

record! {
    /// Operation 102.
    pub struct GetSaslRequest<'a> {
        token: Buffer<'a>,
    }
}

record! {
    /// The same on its way back to a server; used nowhere.
    pub struct SetSaslRequest<'a> {
        token: Buffer<'a>,
    }
}

record! {
    /// The answer to operation 102.
    pub struct SetSaslResponse<'a> {
        token: Buffer<'a>,
    }
}
