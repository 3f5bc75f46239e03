//! How a connection watches a path: a set of modes in each of the two registries.

/// Which of a node's two sets of watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    /// Of existence and data.
    Data,
    /// Of the list of children.
    Child,
}

/// How long a watch lasts and how far it reaches. All can be there at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchMode {
    /// Fires once.
    Standard,
    /// Stays.
    Persistent,
    /// Stays, and covers everything below. Only in the data registry.
    Recursive,
}

/// What `checkWatches` and `removeWatches` ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchKind {
    Children,
    Data,
    Any,
    Persistent,
    Recursive,
}

impl WatchKind {
    /// The kind with this number on the wire.
    pub fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Children,
            2 => Self::Data,
            3 => Self::Any,
            4 => Self::Persistent,
            5 => Self::Recursive,
            _ => return None,
        })
    }

    /// The modes whose presence `checkWatches` looks for.
    pub(super) fn checked(self) -> Modes {
        match self {
            Self::Persistent => Modes::one(Registry::Data, WatchMode::Persistent),
            _ => self.removed(),
        }
    }

    /// The modes that `removeWatches` takes away.
    pub(super) fn removed(self) -> Modes {
        match self {
            Self::Children => Modes::one(Registry::Child, WatchMode::Standard),
            Self::Data => Modes::one(Registry::Data, WatchMode::Standard),
            Self::Any => Modes::all(Registry::Data).with(Modes::all(Registry::Child)),
            Self::Persistent => Modes::one(Registry::Data, WatchMode::Persistent)
                .with(Modes::one(Registry::Child, WatchMode::Persistent)),
            Self::Recursive => Modes::one(Registry::Data, WatchMode::Recursive),
        }
    }
}

/// A set of modes in both registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Modes(u8);

impl Modes {
    pub(super) fn one(registry: Registry, mode: WatchMode) -> Self {
        let bit = match mode {
            WatchMode::Standard => 1,
            WatchMode::Persistent => 2,
            WatchMode::Recursive => 4,
        };
        match registry {
            Registry::Data => Self(bit),
            Registry::Child => Self(bit << 3),
        }
    }

    pub(super) fn all(registry: Registry) -> Self {
        match registry {
            Registry::Data => Self(0b111),
            Registry::Child => Self(0b11_1000),
        }
    }

    #[must_use]
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}
