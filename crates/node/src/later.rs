use std::time::Duration;

use tokio::time::Instant;

/// A hundred years: for ever, and what a clock can tell.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// When so much time from then on is over.
pub(crate) fn later(then: Instant, time: Duration) -> Instant {
    then.checked_add(time)
        .or_else(|| then.checked_add(FOR_EVER))
        .unwrap_or(then)
}

/// When so much time from now on is over.
pub(crate) fn in_time(time: Duration) -> Instant {
    later(Instant::now(), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_clock_can_tell_is_for_ever() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(later(now, second), now + second);
        assert_eq!(later(now, Duration::MAX), now + FOR_EVER);
    }
}
