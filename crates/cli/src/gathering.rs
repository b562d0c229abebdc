//! Decides when all present peers have been met.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use zre::{Node, Uuid};

/// Neighbours answer our first beacon in milliseconds: if nothing has changed for
/// this long, no further peers are present.
const QUIET: Duration = Duration::from_millis(500);

/// After this time each neighbour has heard us twice and has announced itself, even
/// if a beacon was lost. A command that acts on a name or a group waits this long,
/// because a missed peer would make its result wrong.
pub(crate) const CERTAIN: Duration = Duration::from_millis(1200);

/// The peers that have been met since a node started.
#[derive(Debug)]
pub(crate) struct Gathering {
    begun: Instant,
    /// The peers, and how many groups each is in.
    seen: BTreeMap<Uuid, usize>,
    /// The time of the last change of `seen`.
    changed: Instant,
}

/// The purpose of waiting for the peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To list the peers.
    See,
    /// To send them something.
    Act,
}

impl Gathering {
    pub(crate) fn begin_at(begun: Instant) -> Self {
        Self {
            begun,
            seen: BTreeMap::new(),
            changed: begun,
        }
    }

    /// The time at which the peers count as complete unless another one comes before;
    /// `None` while there are no peers.
    pub(crate) fn complete_at(&mut self, node: &Node, purpose: Purpose) -> Option<Instant> {
        let peers = node.peers();
        let seen = peers.iter().map(|peer| (peer.uuid(), peer.groups().len()));
        self.see(seen.collect(), Instant::now());
        let quiet = self.changed + QUIET;
        let at = match purpose {
            Purpose::See => quiet,
            Purpose::Act => quiet.max(self.begun + CERTAIN),
        };
        (!self.seen.is_empty()).then_some(at)
    }

    fn see(&mut self, seen: BTreeMap<Uuid, usize>, now: Instant) {
        if seen != self.seen {
            self.seen = seen;
            self.changed = now;
        }
    }
}

/// Waits until all present peers have been met, at most until `wait` after the start
/// of the node.
pub(crate) async fn gather(node: &Node, begun: Instant, wait: Duration, purpose: Purpose) {
    let mut gathering = Gathering::begin_at(begun);
    let deadline = begun + wait;
    loop {
        let now = Instant::now();
        if now >= deadline {
            return;
        }
        match gathering.complete_at(node, purpose) {
            Some(at) if now >= at.min(deadline) => return,
            Some(at) => tokio::time::sleep_until(at.min(deadline)).await,
            None => {
                let wait = deadline.saturating_duration_since(now);
                if node.wait_for_peers(1, wait).await.is_err() {
                    return;
                }
            }
        }
    }
}
