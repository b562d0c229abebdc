//! The table of peers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::counters::count;
use super::peer::{Peer, Phase};
use super::timers::Timer;
use super::{Event, Machine};
use crate::{MessageLimits, State, Time};

/// How often forgotten peers and old tombstones are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// How long a peer without a session is remembered after its last beacon: longer than the time
/// between two beacons, or each would seem to be a newcomer's.
const FORGET: Duration = Duration::from_secs(90);

/// How often a full table is searched for peers that give way. Each search looks at all
/// of them.
const EVICTION_PAUSE: Duration = Duration::from_millis(10);

/// The part of the table that a search frees, if so many can give way.
const EVICTED_PART: usize = 8;

impl Machine {
    /// The peers that the application knows: those that have entered and not
    /// exited.
    pub fn peers(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.peers
            .iter()
            .filter_map(|(uuid, peer)| peer.established().map(|_| *uuid))
    }

    /// What a peer may cost.
    #[must_use]
    pub fn limits(&self) -> &MessageLimits {
        &self.config.limits
    }

    /// The groups of a peer, or `None` if the application doesn't know it.
    #[must_use]
    pub fn peer_groups(&self, peer: Uuid) -> Option<&BTreeSet<Arc<str>>> {
        Some(&self.peers.get(&peer)?.established()?.hello.groups)
    }

    /// The entry of a peer. It is made if it is new and there is room, or another gives
    /// way.
    pub(super) fn require_peer(&mut self, now: Time, uuid: Uuid) -> Option<&mut Peer> {
        if !self.peers.contains_key(&uuid) && self.peers.len() >= self.config.limits.peers {
            self.evict_strangers(now);
            if self.peers.len() >= self.config.limits.peers {
                count(&mut self.counters.overflow);
                tracing::debug!(%uuid, "no room in the peer table");
                return None;
            }
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

    /// Makes room in a full table: forgets peers without a session, of the addresses that
    /// have the most of them, and there those that were heard longest ago. Anybody can
    /// send beacons of nodes that don't exist; they keep nobody out.
    fn evict_strangers(&mut self, now: Time) {
        if self.next_eviction.is_some_and(|next| now < next) {
            return;
        }
        self.next_eviction = Some(now + EVICTION_PAUSE);
        let mut by_address: BTreeMap<Option<IpAddr>, Vec<(Time, Uuid)>> = BTreeMap::new();
        for (uuid, peer) in &self.peers {
            if matches!(peer.phase, Phase::Known { .. }) && !peer.is_persistent() {
                let ip = peer.addresses.first().and_then(|known| known.endpoint.ip());
                by_address.entry(ip).or_default().push((peer.heard, *uuid));
            }
        }
        // How many of the same address were heard later.
        let mut ranked: Vec<(usize, Reverse<Time>, Uuid)> = Vec::new();
        for mut there in by_address.into_values() {
            there.sort_unstable_by_key(|stranger| Reverse(*stranger));
            let ranks = there.into_iter().enumerate();
            ranked.extend(ranks.map(|(rank, (heard, uuid))| (rank, Reverse(heard), uuid)));
        }
        ranked.sort_unstable_by_key(|stranger| Reverse(*stranger));
        let excess = self.config.limits.peers.div_ceil(EVICTED_PART);
        for (.., uuid) in ranked.into_iter().take(excess) {
            if let Some(peer) = self.peers.remove(&uuid) {
                self.timers.set_peer(uuid, peer.timer, None);
                count(&mut self.counters.overflow);
            }
        }
        self.dial_queue.retain(|uuid| self.peers.contains_key(uuid));
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
        self.keep_pace(now);
        if !self.tombstones.is_empty() || !self.peers.is_empty() {
            self.timers.set(Timer::Sweep, now + SWEEP);
        }
    }
}
