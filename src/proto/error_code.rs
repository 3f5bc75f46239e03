//! The one table of error codes, as `KeeperException.Code`.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$meta:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Why a request failed, as clients are told. Clients throw on codes they do not know, so
        /// this list is closed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$meta])* $name,)*
        }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number on the wire and in error transactions.
            pub fn number(self) -> i32 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            /// Apache's name for it.
            pub fn wire_name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

error_codes! {
    /// A part of a multi that was not reached.
    RuntimeInconsistency = -2, "RUNTIMEINCONSISTENCY";
    /// A body that cannot be read, or an argument out of its range.
    MarshallingError = -5, "MARSHALLINGERROR";
    /// An operation this server does not have, or has switched off.
    Unimplemented = -6, "UNIMPLEMENTED";
    /// A path, a flag or another argument that is not allowed.
    BadArguments = -8, "BADARGUMENTS";
    NewConfigNoQuorum = -13, "NEWCONFIGNOQUORUM";
    ReconfigInProgress = -14, "RECONFIGINPROGRESS";
    NoNode = -101, "NONODE";
    /// The access control list does not let this connection.
    NoAuth = -102, "NOAUTH";
    BadVersion = -103, "BADVERSION";
    NoChildrenForEphemerals = -108, "NOCHILDRENFOREPHEMERALS";
    NodeExists = -110, "NODEEXISTS";
    NotEmpty = -111, "NOTEMPTY";
    SessionExpired = -112, "SESSIONEXPIRED";
    /// An access control list that is empty or has an entry no scheme accepts.
    InvalidAcl = -114, "INVALIDACL";
    AuthFailed = -115, "AUTHFAILED";
    /// Never on the wire: the connection is closed instead.
    SessionMoved = -118, "SESSIONMOVED";
    NotReadOnly = -119, "NOTREADONLY";
    EphemeralOnLocalSession = -120, "EPHEMERALONLOCALSESSION";
    NoWatcher = -121, "NOWATCHER";
    ReconfigDisabled = -123, "RECONFIGDISABLED";
    /// The server wants authenticated clients and this one is not.
    SessionClosedRequireSaslAuth = -124, "SESSIONCLOSEDREQUIRESASLAUTH";
    QuotaExceeded = -125, "QUOTAEXCEEDED";
    ThrottledOp = -127, "THROTTLEDOP";
}

impl ErrorCode {
    /// The code with this number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.number() == number)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire_name())
    }
}
