//! The table of peers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::counters::count;
use super::peer::{Peer, Phase};
use super::timers::Timer;
use super::{Event, Machine};
use crate::{State, Time};

/// How often forgotten peers and old tombstones are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// How long a peer without a session is remembered after its last beacon.
const FORGET: Duration = Duration::from_secs(60);

impl Machine {
    /// The peers that the application knows: those that have entered and not
    /// exited.
    pub fn peers(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.peers
            .iter()
            .filter_map(|(uuid, peer)| peer.established().map(|_| *uuid))
    }

    /// The groups of a peer, or `None` if the application doesn't know it.
    #[must_use]
    pub fn peer_groups(&self, peer: Uuid) -> Option<&BTreeSet<Arc<str>>> {
        Some(&self.peers.get(&peer)?.established()?.hello.groups)
    }

    /// The entry of a peer. It is made if it is new and there is room.
    pub(super) fn require_peer(&mut self, now: Time, uuid: Uuid) -> Option<&mut Peer> {
        if !self.peers.contains_key(&uuid) && self.peers.len() >= self.config.limits.peers {
            count(&mut self.counters.overflow);
            tracing::debug!(%uuid, "no room in the peer table");
            return None;
        }
        Some(self.peers.entry(uuid).or_insert_with(|| {
            self.timers.set_if_none(Timer::Sweep, now + SWEEP);
            tracing::debug!(%uuid, "heard of");
            Box::new(Peer::new(now))
        }))
    }

    pub(super) fn set_peer_state(&mut self, uuid: Uuid, to: State) {
        if let Some(established) = self.established_mut(uuid)
            && established.state != to
        {
            let from = std::mem::replace(&mut established.state, to);
            self.event(Event::State {
                peer: uuid,
                from,
                to,
            });
        }
    }

    /// Forgets peers that haven't been heard of for long, and tombstones that have
    /// done their work.
    pub(super) fn sweep(&mut self, now: Time) {
        self.tombstones.retain(|_, tombstone| now < tombstone.until);
        self.peers.retain(|uuid, peer| {
            let idle = matches!(peer.phase, Phase::Known { .. });
            let stays = !idle || peer.is_persistent() || now - peer.heard < FORGET;
            if !stays {
                self.timers.set_peer(*uuid, peer.timer, None);
            }
            stays
        });
        self.dial_queue.retain(|uuid| self.peers.contains_key(uuid));
        if !self.tombstones.is_empty() || !self.peers.is_empty() {
            self.timers.set(Timer::Sweep, now + SWEEP);
        }
    }
}
