//! What kind of node an owner value stands for, as `EphemeralType`.
//!
//! | value | kind |
//! |---|---|
//! | 0 | persistent |
//! | `80 00 00 00 00 00 00 00` | container |
//! | `ff 00 00` and five bytes of milliseconds, with extended types | TTL |
//! | the top bit and milliseconds, with extended types and the 3.5.3 emulation | TTL |
//! | anything else | ephemeral of that session |

use crate::base::SessionId;
use crate::tree::TreeOptions;

/// Whose a node is, and when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Persistent,
    /// Goes with its session.
    Ephemeral(SessionId),
    /// Goes some time after its last child.
    Container,
    /// Goes this many milliseconds after its last change if it has no children.
    Ttl(i64),
}

/// The owner value of containers.
pub const CONTAINER_OWNER: i64 = i64::MIN;

const EXTENDED_MASK: i64 = 0xff_i64 << 56;
const FEATURE_MASK: i64 = 0xffff << 40;
const TTL_MASK: i64 = (1 << 40) - 1;

/// The owner value of a node with this time to live, which is 1 to `0xFF_FFFF_FFFF`.
pub fn ttl_owner(ttl_ms: i64) -> i64 {
    EXTENDED_MASK | (ttl_ms & TTL_MASK)
}

/// Whether `value` is what [`ttl_owner`] gives, leaving aside that a session may have it too.
pub(crate) fn looks_like_ttl(value: i64) -> bool {
    value & (EXTENDED_MASK | FEATURE_MASK) == EXTENDED_MASK
}

/// The kind that `value` stands for.
pub(crate) fn owner_of(value: i64, options: TreeOptions) -> Owner {
    match value {
        0 => Owner::Persistent,
        CONTAINER_OWNER => Owner::Container,
        _ if options.extended_types && options.emulate_353_ttl && value < 0 => {
            Owner::Ttl(value & i64::MAX)
        }
        _ if options.extended_types && looks_like_ttl(value) => Owner::Ttl(value & TTL_MASK),
        // An extended type of the future; Apache stops at it. Kept until someone deletes it.
        _ if options.extended_types && value & EXTENDED_MASK == EXTENDED_MASK => Owner::Persistent,
        _ => Owner::Ephemeral(SessionId(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_kinds() {
        let plain = TreeOptions::default();
        let extended = TreeOptions {
            extended_types: true,
            ..plain
        };
        let emulating = TreeOptions {
            emulate_353_ttl: true,
            ..extended
        };
        let ttl = 0xff00_0000_0000_03e8_u64.cast_signed();
        assert_eq!(ttl_owner(1000), ttl);
        assert_eq!(owner_of(ttl, extended), Owner::Ttl(1000));
        assert_eq!(owner_of(ttl, plain), Owner::Ephemeral(SessionId(ttl)));
        let old = 0x8000_0000_0000_03e8_u64.cast_signed();
        assert_eq!(owner_of(old, emulating), Owner::Ttl(1000));
        assert_eq!(owner_of(old, extended), Owner::Ephemeral(SessionId(old)));
        for options in [plain, extended, emulating] {
            assert_eq!(owner_of(0, options), Owner::Persistent);
            assert_eq!(owner_of(i64::MIN, options), Owner::Container);
            let session = SessionId(0x0100_0000_0000_0001);
            assert_eq!(owner_of(session.0, options), Owner::Ephemeral(session));
        }
        let future = 0xff00_0100_0000_0001_u64.cast_signed();
        assert_eq!(owner_of(future, extended), Owner::Persistent);
        assert!(!looks_like_ttl(future));
    }
}
