//! The one table of operation codes: number, Apache's name, and which way a request goes.

/// Which way a request goes through the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpClass {
    /// Answered by the connection's own task from the shared state.
    Read,
    /// Becomes a transaction, or is refused by the writer in its place in the order of writes.
    Write,
    /// Goes to the writer to take its place behind earlier writes, and changes nothing.
    Sync,
    /// Answered on the spot, outside the order of requests: authentication.
    Connection,
    /// Proves that the session is alive.
    Ping,
    /// Never accepted from a client: answered `Unimplemented`, then closed.
    Internal,
}

macro_rules! ops {
    ($($name:ident = $number:literal, $wire:literal, $class:ident;)*) => {
        /// An operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Op {
            $($name,)*
        }

        impl Op {
            /// Every operation there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The operation with this number.
            pub fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The number on the wire and in transactions.
            pub fn number(self) -> i32 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            /// Apache's name for it.
            pub fn wire_name(self) -> &'static str {
                match self {
                    $(Self::$name => $wire,)*
                }
            }

            /// Which way a client's request goes.
            pub fn class(self) -> OpClass {
                match self {
                    $(Self::$name => OpClass::$class,)*
                }
            }
        }
    };
}

// Check has a place only inside a multi, and the container and session operations come from the
// server itself; Apache's server takes 20 and -10 from clients too, to their harm.
ops! {
    Create = 1, "create", Write;
    Delete = 2, "delete", Write;
    Exists = 3, "exists", Read;
    GetData = 4, "getData", Read;
    SetData = 5, "setData", Write;
    GetAcl = 6, "getACL", Read;
    SetAcl = 7, "setACL", Write;
    GetChildren = 8, "getChildren", Read;
    Sync = 9, "sync", Sync;
    Ping = 11, "ping", Ping;
    GetChildren2 = 12, "getChildren2", Read;
    Check = 13, "check", Internal;
    Multi = 14, "multi", Write;
    Create2 = 15, "create2", Write;
    Reconfig = 16, "reconfig", Write;
    CheckWatches = 17, "checkWatches", Read;
    RemoveWatches = 18, "removeWatches", Read;
    CreateContainer = 19, "createContainer", Write;
    DeleteContainer = 20, "deleteContainer", Internal;
    CreateTtl = 21, "createTTL", Write;
    MultiRead = 22, "multiRead", Read;
    Auth = 100, "auth", Connection;
    SetWatches = 101, "setWatches", Read;
    Sasl = 102, "sasl", Connection;
    GetEphemerals = 103, "getEphemerals", Read;
    GetAllChildrenNumber = 104, "getAllChildrenNumber", Read;
    SetWatches2 = 105, "setWatches2", Read;
    AddWatch = 106, "addWatch", Read;
    WhoAmI = 107, "whoAmI", Read;
    CreateSession = -10, "createSession", Internal;
    CloseSession = -11, "closeSession", Write;
    Error = -1, "error", Internal;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_one_operation_each() {
        for op in Op::ALL {
            assert_eq!(Op::from_number(op.number()), Some(*op));
        }
        for unassigned in [0, 10, 23, 99, 108, -2, -12, i32::MIN, i32::MAX] {
            assert_eq!(Op::from_number(unassigned), None);
        }
    }
}
