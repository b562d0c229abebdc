use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Notified when a node starts while others of the process don't listen.
static NEWCOMERS: Notify = Notify::const_new();

/// How many nodes of this process don't listen to the beacons of the process.
static RESTING: AtomicUsize = AtomicUsize::new(0);

/// A node with fewer neighbours never rests: their beacons cost next to nothing.
const MANY: usize = 16;

/// A node rests only when no peer has come or gone for so long.
const QUIET: Duration = Duration::from_secs(3);

/// The other nodes of this process, which are linked in memory.
///
/// Each beacon of one of N nodes of a process is delivered to the N - 1 others, without
/// news: the end of a session in memory is reported directly. Therefore, when no peer
/// comes or goes any more, a node with many neighbours stops listening to the beacons of
/// its own process: it rests. It listens again when a node starts in this process, when a
/// peer comes or goes, and while it has heard of a node that it hasn't met. Beacons of
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

    /// A peer has come or gone; `neighbour` if it is in this process.
    pub(crate) fn changed(&mut self, came: bool, neighbour: bool) {
        self.changed = Instant::now();
        match (neighbour, came) {
            (false, _) => {}
            (true, true) => self.count = self.count.saturating_add(1),
            (true, false) => self.count = self.count.saturating_sub(1),
        }
    }

    /// Whether to listen to the beacons of this process, if that has changed.
    /// `strangers`: this node has heard of a node that it hasn't met.
    pub(crate) fn update(&mut self, strangers: bool) -> Option<bool> {
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

/// Announces that a node starts in this process. True if another node wasn't
/// listening, and therefore hasn't heard its beacon.
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
    async fn many_that_know_each_other_rest_until_a_node_starts() {
        let mut neighbours = Neighbours::new();
        for _ in 0..MANY {
            assert_eq!(neighbours.update(false), None);
            neighbours.changed(true, true);
        }
        assert_eq!(neighbours.update(false), None, "not before it is quiet");
        tokio::time::advance(QUIET).await;
        assert_eq!(
            neighbours.update(true),
            None,
            "not while there are strangers"
        );
        assert_eq!(neighbours.update(false), Some(false));
        let newcomer = newcomer();
        assert!(introduce());
        newcomer.await;
        neighbours.wake();
        assert_eq!(neighbours.update(false), None);
        tokio::time::advance(QUIET).await;
        assert_eq!(neighbours.update(false), Some(false));
        neighbours.changed(false, true);
        assert_eq!(neighbours.update(false), Some(true), "too few");
    }
}
