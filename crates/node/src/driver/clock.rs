//! The machine's time, and the host's sleep.

use std::time::Duration;

use tokio::time::Instant;
use zre_proto::Time;

use crate::later::later;

/// The machine's time: since the start, on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Time {
        Time::from_origin(self.0.elapsed())
    }

    pub(super) fn instant(self, time: Time) -> Instant {
        later(self.0, time.since_origin())
    }
}

/// How long the host has slept since it started, where the system tells: the
/// monotonic clock stands meanwhile, the boot clock doesn't.
#[cfg(target_os = "linux")]
pub(super) fn time_asleep() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    let read = |clock| Duration::try_from(clock_gettime(clock)).ok();
    let boot = read(ClockId::Boottime)?;
    Some(boot.saturating_sub(read(ClockId::Monotonic)?))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn time_asleep() -> Option<Duration> {
    None
}
