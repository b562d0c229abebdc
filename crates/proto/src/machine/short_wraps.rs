//! Peers whose sequence wraps early.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::bounds::SHORT_WRAPS;

/// The UUIDs of peers that were seen to wrap from 65534 to 0, as pyre and zyre.js
/// do.
#[derive(Debug, Default)]
pub(super) struct ShortWraps(BTreeSet<Uuid>);

impl ShortWraps {
    pub(super) fn contains(&self, peer: Uuid) -> bool {
        self.0.contains(&peer)
    }

    /// A peer was seen to wrap early.
    pub(super) fn insert(&mut self, peer: Uuid) {
        if self.0.len() < SHORT_WRAPS {
            self.0.insert(peer);
        }
    }

    /// A peer dropped us where the two ways to wrap differ: it uses the other one.
    pub(super) fn toggle(&mut self, peer: Uuid) {
        if !self.0.remove(&peer) {
            self.insert(peer);
        }
    }
}
