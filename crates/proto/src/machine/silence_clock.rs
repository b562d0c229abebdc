//! The clock that measures the silence of peers.

use std::time::Duration;

use crate::Time;

/// While nobody reads the inbox, a deadline is looked at again after that long at
/// the earliest: the clock that it waits for stands still.
const PAUSED_LOOK: Duration = Duration::from_millis(50);

/// The clock that all patience with peers runs on. It stands while nobody reads the
/// inbox, and leaves out the time that our process stood still: an answer may be
/// among the messages that wait.
#[derive(Debug, Default)]
pub(super) struct SilenceClock {
    paused_at: Option<Time>,
    skipped: Duration,
}

impl SilenceClock {
    /// What the clock shows.
    #[inline]
    pub(super) fn at(&self, now: Time) -> Time {
        let reading = self.paused_at.unwrap_or(now);
        Time::from_origin(reading.since_origin().saturating_sub(self.skipped))
    }

    /// When the clock will show `at`, if nothing stops it.
    pub(super) fn due(&self, now: Time, at: Time) -> Time {
        let left = at - self.at(now);
        if self.is_paused() {
            now + left.max(PAUSED_LOOK)
        } else {
            now + left
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }

    /// Stops the clock. Returns whether it ran.
    pub(super) fn pause(&mut self, now: Time) -> bool {
        let ran = !self.is_paused();
        self.paused_at.get_or_insert(now);
        ran
    }

    /// Lets the clock run again. Returns for how long it stood; the caller skips
    /// that time.
    pub(super) fn resume(&mut self, now: Time) -> Option<Duration> {
        self.paused_at.take().map(|since| now - since)
    }

    /// Leaves out a time that has passed.
    pub(super) fn skip(&mut self, time: Duration) {
        self.skipped = self.skipped.saturating_add(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn a_pause_does_not_count() {
        let mut clock = SilenceClock::default();
        assert_eq!((clock.at(at(5)), clock.due(at(5), at(7))), (at(5), at(7)));
        assert!(clock.pause(at(10)) && !clock.pause(at(11)));
        assert_eq!(clock.at(at(20)), at(10));
        assert_eq!(clock.due(at(20), at(10)), at(20) + PAUSED_LOOK);
        let stood = clock.resume(at(30)).unwrap();
        clock.skip(stood);
        assert_eq!(clock.resume(at(31)), None);
        assert_eq!(
            (clock.at(at(40)), clock.due(at(40), at(25))),
            (at(20), at(45))
        );
    }
}
