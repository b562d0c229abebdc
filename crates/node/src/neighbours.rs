use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Told when a node starts while others of the process don't listen.
static NEWCOMERS: Notify = Notify::const_new();

/// How many nodes of the process don't listen to its beacons.
static RESTING: AtomicUsize = AtomicUsize::new(0);

/// How many neighbours it takes to rest: below that, beacons cost next to
/// nothing.
const MANY: usize = 16;

/// How long nobody must have come or gone before a node rests.
const QUIET: Duration = Duration::from_secs(3);

/// The longest time between two beacons, for which no implementation is
/// waited for: pyre gives up after ten seconds, others don't judge by beacons.
const LONGEST: Duration = Duration::from_secs(5);

/// How much each neighbour adds to the time between two beacons, beyond the
/// hundred for which a second is enough.
const EACH: Duration = Duration::from_millis(10);

/// The other nodes of this process, whom we know in memory.
///
/// N nodes that all beacon every second to N - 1 others of their process make
/// N x N deliveries a second that say nothing new: a session in memory tells
/// its own end. So the more neighbours a node has, the rarer its beacons, and
/// when nobody comes and goes any more it stops listening to those of its own
/// process. It listens again as soon as a node starts here, when a peer comes
/// or goes, and while there is anybody whom it doesn't know. Beacons from
/// other processes are always heard.
#[derive(Debug)]
pub(crate) struct Neighbours {
    count: usize,
    changed: Instant,
    resting: bool,
}

impl Neighbours {
    pub(crate) fn new() -> Self {
        Self {
            count: 0,
            changed: Instant::now(),
            resting: false,
        }
    }

    /// Somebody has come or gone; `neighbour` if it lives in this process.
    pub(crate) fn changed(&mut self, came: bool, neighbour: bool) {
        self.changed = Instant::now();
        match (neighbour, came) {
            (false, _) => {}
            (true, true) => self.count = self.count.saturating_add(1),
            (true, false) => self.count = self.count.saturating_sub(1),
        }
    }

    /// How long beacons wait at the least.
    pub(crate) fn interval(&self) -> Duration {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        EACH.saturating_mul(count).min(LONGEST)
    }

    /// Whether to listen to the beacons of this process, where that has
    /// changed. `strangers`: there is somebody whom we have heard of and not
    /// met.
    pub(crate) fn turn(&mut self, strangers: bool) -> Option<bool> {
        let rest = self.count >= MANY && !strangers && self.changed.elapsed() >= QUIET;
        (rest != self.resting).then(|| {
            self.rest(rest);
            !rest
        })
    }

    /// A node has started in this process: listen.
    pub(crate) fn wake(&mut self) {
        self.changed = Instant::now();
        self.rest(false);
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.resting
    }

    fn rest(&mut self, resting: bool) {
        if resting && !self.resting {
            RESTING.fetch_add(1, Ordering::AcqRel);
        } else if !resting && self.resting {
            RESTING.fetch_sub(1, Ordering::AcqRel);
        }
        self.resting = resting;
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.rest(false);
    }
}

/// Completes when a node starts in this process, from the call on.
pub(crate) fn newcomer() -> tokio::sync::futures::Notified<'static> {
    NEWCOMERS.notified()
}

/// Says that a node starts here. True where somebody didn't listen, and so
/// hasn't heard of it.
pub(crate) fn introduce() -> bool {
    let unheard = RESTING.load(Ordering::Acquire) > 0;
    if unheard {
        NEWCOMERS.notify_waiters();
    }
    unheard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_who_know_each_other_rest_until_somebody_comes() {
        let mut neighbours = Neighbours::new();
        for _ in 0..MANY {
            assert_eq!(neighbours.turn(false), None);
            neighbours.changed(true, true);
        }
        assert_eq!(neighbours.turn(false), None, "not before it is quiet");
        tokio::time::advance(QUIET).await;
        assert_eq!(neighbours.turn(true), None, "not while there are strangers");
        assert_eq!(neighbours.turn(false), Some(false));
        let newcomer = newcomer();
        assert!(introduce());
        newcomer.await;
        neighbours.wake();
        assert_eq!(neighbours.turn(false), None);
        tokio::time::advance(QUIET).await;
        assert_eq!(neighbours.turn(false), Some(false));
        neighbours.changed(false, true);
        assert_eq!(neighbours.turn(false), Some(true), "too few");
    }

    #[test]
    fn the_interval_grows_with_the_neighbours_and_is_bounded() {
        let mut neighbours = Neighbours::new();
        neighbours.changed(true, false);
        assert_eq!(neighbours.interval(), Duration::ZERO);
        for _ in 0..200 {
            neighbours.changed(true, true);
        }
        assert_eq!(neighbours.interval(), Duration::from_secs(2));
        for _ in 0..2000 {
            neighbours.changed(true, true);
        }
        assert_eq!(neighbours.interval(), LONGEST);
    }
}
