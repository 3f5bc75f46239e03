//! Transaction ids: 32 bits of epoch above 32 bits of counter.

use std::fmt;

/// A transaction id. Order is the order of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Zxid(pub i64);

impl Zxid {
    /// Before the first transaction.
    pub const ZERO: Self = Self(0);

    /// The first position of an epoch, which no transaction has.
    pub fn start_of(epoch: Epoch) -> Self {
        Self(epoch.0 << 32)
    }

    /// The one after this.
    ///
    /// # Panics
    /// When all 63 bits are used up, which no ensemble reaches.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("zxids do not run out"))
    }

    /// The leader's term this belongs to.
    pub fn epoch(self) -> Epoch {
        Epoch(self.0 >> 32)
    }

    /// The position within its epoch.
    pub fn counter(self) -> u32 {
        let [_, _, _, _, a, b, c, d] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A leader's term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub i64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_and_counter_are_the_two_halves() {
        let zxid = Zxid(0x0000_0005_ffff_fffe);
        assert_eq!((zxid.epoch(), zxid.counter()), (Epoch(5), 0xffff_fffe));
        assert_eq!(Zxid::start_of(Epoch(5)), Zxid(0x5_0000_0000));
        assert_eq!(zxid.next().to_string(), "0x5ffffffff");
    }
}
