//! The one source of chance: a generator made from the seed, and forks of it for each use, so that
//! one part that draws more often does not change what all others draw.

/// A seeded generator (splitmix64).
#[derive(Debug, Clone)]
pub struct Prng {
    state: u64,
}

impl Prng {
    pub fn new(seed: u64) -> Self {
        let mut prng = Self { state: seed };
        prng.draw();
        prng
    }

    /// A generator of its own for one use, told apart from others by `label`.
    #[must_use]
    pub fn fork(&mut self, label: u64) -> Self {
        let seed = self.draw();
        Self::new(seed ^ label.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing is below 0");
        self.draw() % bound
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        assert!(least <= most, "a range goes upwards");
        least + self.below(most - least + 1)
    }

    /// True so many times of a thousand.
    pub fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }

    /// Mostly below `mean`, seldom up to sixteen times it: the shape of delays.
    pub fn around(&mut self, mean: u64) -> u64 {
        let halvings = self.draw().trailing_zeros().min(4);
        let ceiling = mean.saturating_mul(1 << halvings).max(1);
        self.below(ceiling)
    }

    /// One of several, of which there is at least one.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let index = self.index(among.len());
        &among[index]
    }

    /// An index below `len`, which is not 0.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    /// Which of several, by their weights, of which one is not 0.
    pub fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        unreachable!("a number below the sum falls to one of them")
    }

    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for end in (1..values.len()).rev() {
            let other = self.index(end + 1);
            values.swap(end, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let draw = |seed| {
            let mut prng = Prng::new(seed);
            let mut fork = prng.fork(3);
            (0..10)
                .map(|_| (prng.draw(), fork.draw()))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut prng = Prng::new(7);
        for _ in 0..1000 {
            assert!((3..=5).contains(&prng.between(3, 5)));
            assert!(prng.around(10) < 160);
            assert_eq!(prng.weighted(&[0, 1, 0]), 1);
        }
        let mut values = [1, 2, 3, 4];
        prng.shuffle(&mut values);
        values.sort_unstable();
        assert_eq!(values, [1, 2, 3, 4]);
    }
}
