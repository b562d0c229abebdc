use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time, as the duration since an origin that the caller chose.
///
/// The state machine never reads a clock: whoever drives it says what time it
/// is. A driver on a real machine counts from its own start on a monotonic
/// clock, a simulator from zero.
///
/// Counted in nanoseconds, up to 584 years: a peer table holds ten of these for
/// each peer, and a [`Duration`] would take twice the room.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

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
    pub const ZERO: Self = Self(0);

    /// The point that lies `elapsed` after the origin, or the end of time.
    #[must_use]
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(nanoseconds(elapsed))
    }

    /// How far this point lies after the origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

/// Saturates at the end of time.
impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(rhs)))
    }
}

/// Zero where the right side is the later one.
impl Sub for Time {
    type Output = Duration;

    fn sub(self, rhs: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(rhs.0))
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
    fn time_ends_and_does_not_wrap() {
        let end = Time::from_origin(Duration::MAX);
        assert_eq!(end, end + Duration::from_nanos(1));
        assert_eq!(Time::ZERO - end, Duration::ZERO);
        let point = Time::from_origin(Duration::new(7, 9));
        assert_eq!(point.since_origin(), Duration::new(7, 9));
        assert_eq!(point + Duration::MAX, end);
        assert_eq!(format!("{point:?}"), "7.000000009s");
    }
}
