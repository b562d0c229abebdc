//! When everybody who is here has been met.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use zre::{Node, Uuid};

/// Neighbours answer our first beacon in milliseconds: if nothing new has come for
/// so long, the others aren't here.
const QUIET: Duration = Duration::from_millis(500);

/// By then each neighbour has heard us twice and has announced itself, even if a
/// beacon was lost. Whoever acts on a name or a group waits so long: a peer that is
/// missed would make the act a wrong one.
const CERTAIN: Duration = Duration::from_millis(1200);

/// The peers that have come since a node started.
#[derive(Debug)]
pub(crate) struct Gathering {
    begun: Instant,
    /// The peers, and how many groups each is in.
    seen: BTreeMap<Uuid, usize>,
    /// When that changed last.
    changed: Instant,
}

/// What the peers are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To show who is here.
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

    /// When everybody will have come if nobody new comes until then; `None` while
    /// nobody is here at all.
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

/// Waits until everybody who is here has been met, or the time since the node
/// started is over.
pub(crate) async fn gather(node: &Node, begun: Instant, wait: Duration, purpose: Purpose) {
    let mut gathering = Gathering::begin_at(begun);
    let deadline = begun + wait;
    loop {
        let now = Instant::now();
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
