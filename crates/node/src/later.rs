use std::time::Duration;

use tokio::time::Instant;

/// A hundred years: practically for ever, and still within the range of a clock.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The time `time` after `then`, or practically for ever.
pub(crate) fn later(then: Instant, time: Duration) -> Instant {
    then.checked_add(time)
        .or_else(|| then.checked_add(FOR_EVER))
        .unwrap_or(then)
}

/// The time `time` from now, or practically for ever.
pub(crate) fn in_time(time: Duration) -> Instant {
    later(Instant::now(), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_of_range_is_for_ever() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(later(now, second), now + second);
        assert_eq!(later(now, Duration::MAX), now + FOR_EVER);
    }
}
