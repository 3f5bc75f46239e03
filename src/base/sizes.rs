//! The sizes of things that went by.

/// Of at least one thing, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeSpread {
    pub last: usize,
    pub min: usize,
    pub max: usize,
}

impl SizeSpread {
    /// `spread` with one thing more.
    pub fn count(spread: &mut Option<Self>, bytes: usize) {
        let counted = Self {
            last: bytes,
            min: bytes,
            max: bytes,
        };
        let before = spread.replace(counted);
        if let (Some(spread), Some(before)) = (spread, before) {
            spread.min = before.min.min(bytes);
            spread.max = before.max.max(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_and_largest_stay() {
        let mut spread = None;
        for bytes in [5, 2, 9, 4] {
            SizeSpread::count(&mut spread, bytes);
        }
        let expected = SizeSpread {
            last: 4,
            min: 2,
            max: 9,
        };
        assert_eq!(spread, Some(expected));
    }
}
