//! Writes.

use crate::data::{Acl, Stat};
use crate::record_macro::record;
use crate::{Buffer, Ustring, Vector};

record! {
    /// Operations 1, 15 and 19.
    pub struct CreateRequest<'a> {
        path: Ustring<'a>,
        data: Buffer<'a>,
        acl: Vector<Acl<'a>>,
        /// Create mode, 0 to 6.
        flags: i32,
    }
}

record! {
    /// Operation 21.
    pub struct CreateTtlRequest<'a> {
        path: Ustring<'a>,
        data: Buffer<'a>,
        acl: Vector<Acl<'a>>,
        flags: i32,
        /// Milliseconds.
        ttl: i64,
    }
}

record! {
    /// Answer to operation 1.
    pub struct CreateResponse<'a> {
        path: Ustring<'a>,
    }
}

record! {
    /// Answer to operations 15, 19 and 21.
    pub struct Create2Response<'a> {
        path: Ustring<'a>,
        stat: Stat,
    }
}

record! {
    /// Operation 2.
    pub struct DeleteRequest<'a> {
        path: Ustring<'a>,
        /// -1 matches any version.
        version: i32,
    }
}

record! {
    /// Operation 20, the server's own.
    pub struct DeleteContainerRequest<'a> {
        path: Buffer<'a>,
    }
}

record! {
    /// Operation 5.
    pub struct SetDataRequest<'a> {
        path: Ustring<'a>,
        data: Buffer<'a>,
        version: i32,
    }
}

record! {
    /// Answer to operation 5.
    pub struct SetDataResponse {
        stat: Stat,
    }
}

record! {
    /// Operation 7.
    pub struct SetAclRequest<'a> {
        path: Ustring<'a>,
        acl: Vector<Acl<'a>>,
        /// Compared with the ACL version.
        version: i32,
    }
}

record! {
    /// Answer to operation 7.
    pub struct SetAclResponse {
        stat: Stat,
    }
}

record! {
    /// Operation 13, only inside a multi.
    pub struct CheckVersionRequest<'a> {
        path: Ustring<'a>,
        version: i32,
    }
}

record! {
    /// Operation 16.
    pub struct ReconfigRequest<'a> {
        joining_servers: Ustring<'a>,
        leaving_servers: Ustring<'a>,
        new_members: Ustring<'a>,
        cur_config_id: i64,
    }
}

record! {
    /// Declared by Apache and used nowhere.
    pub struct SetMaxChildrenRequest<'a> {
        path: Ustring<'a>,
        max: i32,
    }
}
