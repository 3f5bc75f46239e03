//! The scenarios, one file per area of the checklist.

pub(crate) mod auth;
pub(crate) mod connect;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod encoding;
pub(crate) mod expiry;
pub(crate) mod four_letter;
pub(crate) mod framing;
pub(crate) mod hazards;
pub(crate) mod header;
pub(crate) mod limits;
pub(crate) mod multi;
pub(crate) mod paths;
pub(crate) mod permissions;
pub(crate) mod quota;
pub(crate) mod random;
pub(crate) mod reads;
pub(crate) mod sequence;
pub(crate) mod session;
pub(crate) mod set;
pub(crate) mod ttl;
pub(crate) mod watch_reset;
pub(crate) mod watches;
