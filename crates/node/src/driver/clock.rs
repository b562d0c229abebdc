//! The machine's time, and the host's sleep.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;
use zre_proto::Time;

use crate::later::later;

/// Whether [`Instant`] stands while the host sleeps. It does on Linux (CLOCK_MONOTONIC) and
/// on Apple's systems (CLOCK_UPTIME_RAW), it doesn't on Windows and OpenBSD; of the others
/// we don't know.
const STANDS: bool = cfg!(any(target_os = "linux", target_vendor = "apple"));

/// The machine's time: since the start, on a clock that stands while the host sleeps.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    overslept: Option<Overslept>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
            overslept: (!STANDS).then(Overslept::default),
        }
    }

    pub(crate) fn now(&self) -> Time {
        let now = Instant::now();
        let time = now.saturating_duration_since(self.origin);
        Time::from_origin(match &self.overslept {
            Some(overslept) => time.saturating_sub(overslept.until(now)),
            None => time,
        })
    }

    /// When the driver wants to be woken, if at all, as an instant.
    pub(super) fn alarm(&self, due: Option<Time>) -> Option<Instant> {
        let alarm = due.map(|due| later(self.origin, due.since_origin()));
        match &self.overslept {
            Some(overslept) => overslept.set_alarm(alarm),
            None => alarm,
        }
    }

    /// How long the host has slept, from some moment in the past on; `None` where that can't
    /// be known.
    pub(super) fn time_asleep(&self) -> Option<Duration> {
        match &self.overslept {
            Some(overslept) => Some(overslept.sum.get()),
            None => self.difference(),
        }
    }

    /// The boot clock goes on while Linux sleeps.
    #[cfg(target_os = "linux")]
    fn difference(&self) -> Option<Duration> {
        use rustix::time::{ClockId, clock_gettime};
        let read = |clock| Duration::try_from(clock_gettime(clock)).ok();
        let boot = read(ClockId::Boottime)?;
        Some(boot.saturating_sub(read(ClockId::Monotonic)?))
    }

    /// CLOCK_MONOTONIC goes on while a Mac sleeps, unlike on Linux.
    #[cfg(target_vendor = "apple")]
    fn difference(&self) -> Option<Duration> {
        use rustix::time::{ClockId, clock_gettime};
        let monotonic = Duration::try_from(clock_gettime(ClockId::Monotonic)).ok()?;
        // Not tokio's clock, which may be a test's.
        Some(monotonic.saturating_sub(self.origin.into_std().elapsed()))
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    fn difference(&self) -> Option<Duration> {
        None
    }
}

/// The sleep that [`Instant`] counts: whoever is woken far too late has slept.
#[derive(Debug, Default)]
struct Overslept {
    alarm: Cell<Option<Instant>>,
    sum: Cell<Duration>,
}

impl Overslept {
    /// How much too late. A busy host is late as well, though hardly ever so much; if it is,
    /// to judge nobody by that time is right too.
    const LATE: Duration = Duration::from_secs(5);

    /// The sleep until now, with what shows only now.
    fn until(&self, now: Instant) -> Duration {
        if let Some(alarm) = self.alarm.get() {
            let late = now.saturating_duration_since(alarm);
            if late > Self::LATE {
                self.sum.set(self.sum.get().saturating_add(late));
                self.alarm.set(None);
            }
        }
        self.sum.get()
    }

    /// Takes the next alarm by the clock that stands, and returns it by the other.
    fn set_alarm(&self, alarm: Option<Instant>) -> Option<Instant> {
        let alarm = alarm.map(|alarm| later(alarm, self.sum.get()));
        self.alarm.set(alarm);
        alarm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_far_too_late_was_a_sleep() {
        let second = Duration::from_secs(1);
        let overslept = Overslept::default();
        let start = Instant::now();
        assert_eq!(
            overslept.set_alarm(Some(start + second)),
            Some(start + second)
        );
        assert_eq!(overslept.until(start), Duration::ZERO);
        assert_eq!(overslept.until(start + 6 * second), Duration::ZERO);
        assert_eq!(overslept.until(start + 61 * second), 60 * second);
        // Counted once.
        assert_eq!(overslept.until(start + 90 * second), 60 * second);
        // By the machine's clock a second after that.
        let alarm = Some(start + 31 * second);
        assert_eq!(overslept.set_alarm(alarm), Some(start + 91 * second));
        assert_eq!(overslept.until(start + 91 * second), 60 * second);
        assert_eq!(overslept.until(start + 101 * second), 70 * second);
    }

    #[test]
    fn nobody_oversleeps_without_an_alarm() {
        let overslept = Overslept::default();
        let later = Instant::now() + Duration::from_secs(3600);
        assert_eq!(overslept.until(later), Duration::ZERO);
        assert_eq!(overslept.set_alarm(None), None);
        assert_eq!(overslept.until(later), Duration::ZERO);
    }

    /// A clock that counts the sleep shows the machine none of it.
    #[tokio::test(start_paused = true)]
    async fn the_machine_sees_no_sleep() {
        let second = Duration::from_secs(1);
        let clock = Clock {
            origin: Instant::now(),
            overslept: Some(Overslept::default()),
        };
        let due = Time::from_origin(second);
        clock.alarm(Some(due));
        tokio::time::advance(3600 * second).await;
        assert_eq!(clock.now(), due);
        assert_eq!(clock.time_asleep(), Some(3599 * second));
        let next = clock.alarm(Some(Time::from_origin(2 * second)));
        assert_eq!(next, Some(Instant::now() + second));
        tokio::time::advance(second).await;
        assert_eq!(clock.now(), Time::from_origin(2 * second));
    }
}
