//! What lies between the hosts.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;

/// What happens to datagrams on their way. Chances are from 0 to 1.
///
/// Links know no loss: like TCP, they turn it into delay, and keep the order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weather {
    /// Chance that a datagram never arrives.
    pub loss: f64,
    /// Chance that it arrives twice.
    pub duplicate: f64,
    /// Chance that it is late, by up to [`lateness`](Self::lateness), and so
    /// arrives after others that were sent later.
    pub late: f64,
    /// How late at most.
    pub lateness: Duration,
    /// The longest ordinary delay.
    pub delay: Duration,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            loss: 0.0,
            duplicate: 0.0,
            late: 0.0,
            lateness: Duration::from_millis(1500),
            delay: Duration::from_millis(2),
        }
    }
}

impl Weather {
    /// Bad in every way, with this much loss.
    pub fn rough(loss: f64) -> Self {
        Self {
            loss,
            duplicate: 0.02,
            late: 0.02,
            ..Self::default()
        }
    }
}

/// How long a sender waits before it sends a lost segment again.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// Between a number of hosts.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) weather: Weather,
    /// Hosts cut off from all others, but not from each other.
    island: BTreeSet<usize>,
    /// (from, to): nothing that `from` sends reaches `to`.
    blocked: BTreeSet<(usize, usize)>,
}

impl Network {
    pub(crate) fn new(weather: Weather) -> Self {
        Self {
            weather,
            island: BTreeSet::new(),
            blocked: BTreeSet::new(),
        }
    }

    pub(crate) fn partition(&mut self, island: &[usize]) {
        self.island = island.iter().copied().collect();
    }

    pub(crate) fn block(&mut self, from: usize, to: usize) {
        self.blocked.insert((from, to));
    }

    pub(crate) fn heal(&mut self) {
        self.island.clear();
        self.blocked.clear();
    }

    /// Whether a datagram gets from one to the other.
    pub(crate) fn passes(&self, from: usize, to: usize) -> bool {
        self.island.contains(&from) == self.island.contains(&to)
            && !self.blocked.contains(&(from, to))
    }

    /// Whether a link between the two moves: it needs both ways.
    pub(crate) fn links(&self, a: usize, b: usize) -> bool {
        self.passes(a, b) && self.passes(b, a)
    }

    /// An ordinary delay.
    pub(crate) fn delay(&self, random: &mut Rng) -> Duration {
        let most = u64::try_from(self.weather.delay.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random.u64(most / 10..=most))
    }

    /// The delay of what goes over a link.
    pub(crate) fn link_delay(&self, random: &mut Rng) -> Duration {
        let mut delay = self.delay(random);
        // A segment that is lost eight times in a row isn't worth a simulation.
        for _ in 0..8 {
            if random.f64() >= self.weather.loss {
                break;
            }
            delay += RETRANSMISSION;
        }
        delay
    }

    /// When the copies of one datagram arrive, after its ordinary delay:
    /// nothing for a lost one, twice for a doubled one.
    pub(crate) fn copies(&self, random: &mut Rng) -> [Option<Duration>; 2] {
        let weather = self.weather;
        let mut copy = || {
            let late = weather.late > 0.0 && random.f64() < weather.late;
            (weather.loss == 0.0 || random.f64() >= weather.loss).then(|| {
                weather
                    .lateness
                    .mul_f64(if late { random.f64() } else { 0.0 })
            })
        };
        let first = copy();
        let doubled = weather.duplicate > 0.0 && random.f64() < weather.duplicate;
        [first, doubled.then(|| weather.lateness / 10)]
    }
}
