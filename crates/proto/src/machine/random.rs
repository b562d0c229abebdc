//! Jitter, from a seed.

use std::time::Duration;

/// splitmix64, which is good enough for jitter.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A duration between half of the given one and all of it.
    pub(super) fn jitter(&mut self, duration: Duration) -> Duration {
        let half = duration.checked_div(2).unwrap_or(duration);
        let span = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        half.saturating_add(Duration::from_millis(
            self.next().checked_rem(span).unwrap_or(0),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn these_are_the_first_numbers_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        let first = [(); 3].map(|()| random.next());
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
            ]
        );
    }

    #[test]
    fn jitter_is_anything_from_half_to_all() {
        let mut random = Random::new(1);
        let all: Vec<_> = (0..1000)
            .map(|_| random.jitter(Duration::from_millis(10)))
            .collect();
        for millis in 5..10 {
            assert!(all.contains(&Duration::from_millis(millis)), "{millis}");
        }
        assert!(all.iter().all(|it| (5..10).contains(&it.as_millis())));
        assert_eq!(random.jitter(Duration::ZERO), Duration::ZERO);
    }
}
