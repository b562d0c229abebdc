use std::fmt;
use std::num::NonZeroU64;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time, as the duration since an origin that the caller chose.
///
/// The state machine never reads a clock: its driver passes the time. On a real host
/// the driver counts from its own start on a monotonic clock, in a simulation from
/// zero.
///
/// It counts nanoseconds, up to 584 years. A peer table holds ten times for each peer;
/// a [`Duration`] would take twice the memory, and so would an `Option<Time>` if the
/// origin were 0 instead of 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(NonZeroU64);

const fn nanoseconds(duration: Duration) -> u64 {
    let nanoseconds = duration.as_nanos();
    if nanoseconds > u64::MAX as u128 {
        u64::MAX
    } else {
        nanoseconds as u64
    }
}

impl Time {
    /// The origin.
    pub const ZERO: Self = Self(NonZeroU64::MIN);

    /// The point that lies `elapsed` after the origin, or the end of time.
    #[must_use]
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(Self::ZERO.0.saturating_add(nanoseconds(elapsed)))
    }

    /// The time since the origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(Self::ZERO.0.get()))
    }
}

/// The origin.
impl Default for Time {
    fn default() -> Self {
        Self::ZERO
    }
}

/// Saturates at the end of time.
impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(rhs)))
    }
}

/// Zero if the right side is the later time.
impl Sub for Time {
    type Output = Duration;

    fn sub(self, rhs: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(rhs.0.get()))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.since_origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates() {
        let end = Time::from_origin(Duration::MAX);
        assert_eq!(end, end + Duration::from_nanos(1));
        assert_eq!(Time::ZERO - end, Duration::ZERO);
        let point = Time::from_origin(Duration::new(7, 9));
        assert_eq!(point.since_origin(), Duration::new(7, 9));
        assert_eq!(point + Duration::MAX, end);
        assert_eq!(format!("{point:?}"), "7.000000009s");
    }
}
