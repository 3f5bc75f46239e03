//! Reads, and `sync`.

use crate::data::{Acl, ClientInfo, Stat};
use crate::record_macro::record;
use crate::{Buffer, Ustring, Vector};

record! {
    /// Operation 3.
    pub struct ExistsRequest<'a> {
        path: Ustring<'a>,
        watch: bool,
    }
}

record! {
    /// Answer to operation 3.
    pub struct ExistsResponse {
        stat: Stat,
    }
}

record! {
    /// Operation 4.
    pub struct GetDataRequest<'a> {
        path: Ustring<'a>,
        watch: bool,
    }
}

record! {
    /// Answer to operations 4 and 16.
    pub struct GetDataResponse<'a> {
        data: Buffer<'a>,
        stat: Stat,
    }
}

record! {
    /// Operation 8.
    pub struct GetChildrenRequest<'a> {
        path: Ustring<'a>,
        watch: bool,
    }
}

record! {
    /// Answer to operation 8.
    pub struct GetChildrenResponse<'a> {
        children: Vector<Ustring<'a>>,
    }
}

record! {
    /// Operation 12.
    pub struct GetChildren2Request<'a> {
        path: Ustring<'a>,
        watch: bool,
    }
}

record! {
    /// Answer to operation 12.
    pub struct GetChildren2Response<'a> {
        children: Vector<Ustring<'a>>,
        stat: Stat,
    }
}

record! {
    /// Operation 6.
    pub struct GetAclRequest<'a> {
        path: Ustring<'a>,
    }
}

record! {
    /// Answer to operation 6.
    pub struct GetAclResponse<'a> {
        acl: Vector<Acl<'a>>,
        stat: Stat,
    }
}

record! {
    /// Operation 104.
    pub struct GetAllChildrenNumberRequest<'a> {
        path: Ustring<'a>,
    }
}

record! {
    /// Answer to operation 104.
    pub struct GetAllChildrenNumberResponse {
        total_number: i32,
    }
}

record! {
    /// Operation 103.
    pub struct GetEphemeralsRequest<'a> {
        prefix_path: Ustring<'a>,
    }
}

record! {
    /// Answer to operation 103.
    pub struct GetEphemeralsResponse<'a> {
        ephemerals: Vector<Ustring<'a>>,
    }
}

record! {
    /// Answer to operation 107.
    pub struct WhoAmIResponse<'a> {
        client_info: Vector<ClientInfo<'a>>,
    }
}

record! {
    /// Operation 9.
    pub struct SyncRequest<'a> {
        path: Ustring<'a>,
    }
}

record! {
    /// Answer to operation 9.
    pub struct SyncResponse<'a> {
        path: Ustring<'a>,
    }
}

record! {
    /// Declared by Apache and used nowhere.
    pub struct GetMaxChildrenRequest<'a> {
        path: Ustring<'a>,
    }
}

record! {
    /// Declared by Apache and used nowhere.
    pub struct GetMaxChildrenResponse {
        max: i32,
    }
}
