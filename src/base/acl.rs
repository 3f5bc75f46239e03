//! Access control lists and identities as owned values. What they mean is `auth`'s.

use std::borrow::Cow;
use std::sync::Arc;

/// Permission bits.
pub mod perms {
    pub const READ: i32 = 1;
    pub const WRITE: i32 = 2;
    pub const CREATE: i32 = 4;
    pub const DELETE: i32 = 8;
    pub const ADMIN: i32 = 16;
    pub const ALL: i32 = 31;
}

/// An authentication scheme and an id within it: who a connection is, or whom an entry is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    pub scheme: Box<str>,
    pub id: Box<str>,
}

impl Identity {
    pub fn new(scheme: &str, id: &str) -> Self {
        Self {
            scheme: scheme.into(),
            id: id.into(),
        }
    }
}

/// One entry of an access control list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acl {
    /// See [`perms`]; other bits are kept as given.
    pub perms: i32,
    pub id: Identity,
}

impl Acl {
    /// `world:anyone` with `perms`.
    pub fn anyone(perms: i32) -> Self {
        Self {
            perms,
            id: Identity::new("world", "anyone"),
        }
    }

    /// The same as a record that borrows from this.
    pub fn as_record(&self) -> jute::data::Acl<'_> {
        jute::data::Acl {
            perms: self.perms,
            id: jute::data::Id {
                scheme: Some(Cow::Borrowed(&self.id.scheme)),
                id: Some(Cow::Borrowed(&self.id.id)),
            },
        }
    }

    /// From a record. A null scheme or id, which only a damaged file or a hostile client has,
    /// reads as empty text, which no scheme is.
    pub fn from_record(record: &jute::data::Acl<'_>) -> Self {
        let text = |field: &jute::Ustring<'_>| Box::from(field.as_deref().unwrap_or_default());
        Self {
            perms: record.perms,
            id: Identity {
                scheme: text(&record.id.scheme),
                id: text(&record.id.id),
            },
        }
    }
}

/// A whole list, shared by all nodes and transactions that carry it.
pub type AclList = Arc<[Acl]>;
