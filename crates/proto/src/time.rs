use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time, as the duration since an origin that the caller chose.
///
/// The state machine never reads a clock: whoever drives it says what time it
/// is. A driver on a real machine counts from its own start on a monotonic
/// clock, a simulator from zero.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Duration);

impl Time {
    /// The origin.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The point that lies `elapsed` after the origin.
    #[must_use]
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How far this point lies after the origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }
}

/// Saturates at the end of time.
impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
    }
}

/// Zero where the right side is the later one.
impl Sub for Time {
    type Output = Duration;

    fn sub(self, rhs: Self) -> Duration {
        self.0.saturating_sub(rhs.0)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
