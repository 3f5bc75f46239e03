//! What everything above speaks in: ids, zxids, time as values, paths, limits. No I/O, no state,
//! nothing that knows an operation or a file.

pub mod acl;
pub mod id;
pub mod limits;
pub mod path;
pub mod sizes;
pub mod time;
pub mod zxid;

pub use acl::{Acl, AclList, Identity, perms};
pub use id::{ConnId, QuorumLink, ServerId, SessionId, Xid};
pub use sizes::SizeSpread;
pub use time::{Monotonic, Now, WallMillis};
pub use zxid::{Epoch, Zxid};
