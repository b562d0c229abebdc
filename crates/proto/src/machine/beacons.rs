//! Beacons: those that are heard, and our own.

use std::time::Duration;

use super::address::Address;
use super::counters::count;
use super::input::Heard;
use super::peer::Phase;
use super::{Event, Machine};
use crate::{Beacon, Endpoint, State, Time};

/// Beacons under our UUID with another port that are heard for that long come from
/// another node. A shorter while, they may be late beacons of our last process.
const DUPLICATE: Duration = Duration::from_millis(500);

/// The least time between two changes of a peer's state that beacons alone cause.
/// Anybody can send them; a state that lasts is shown again each second.
const BEACON_STATE: Duration = Duration::from_millis(500);

/// For how many intervals after our start it means nothing that we haven't met a node.
const NEW: u32 = 10;

/// Another node that beacons under our UUID.
#[derive(Debug)]
pub(super) struct Duplicate {
    since: Time,
    reported: bool,
}

impl Machine {
    /// A beacon was heard.
    ///
    /// RFC 36: "When a ZRE node receives a beacon from a node that it does not
    /// already know about, with a non-zero port number, it SHALL consider this
    /// to be a new peer."
    pub fn handle_beacon(&mut self, now: Time, beacon: &Beacon, heard: &Heard) {
        let uuid = beacon.uuid();
        // RFC 36: "A node SHALL discard beacons that it receives from itself."
        if uuid == self.config.uuid {
            self.handle_own_beacon(now, beacon);
            return;
        }
        if self.departure.is_some() {
            return;
        }
        if beacon.is_leaving() {
            self.handle_exit_beacon(now, beacon, heard);
            return;
        }
        // A node that restarts under its UUID and port shows INIT, which no late
        // copy of its last beacons does.
        if beacon.state() == Some(State::Init) {
            self.unbury_port(uuid, beacon.port());
        }
        if self.is_buried(now, uuid, beacon.port()) {
            count(&mut self.counters.buried);
            return;
        }
        let endpoint = dialled(beacon, heard);
        // Nearly all beacons end here: each peer sends one a second, and there may
        // be a thousand peers.
        if let Some(peer) = self.peers.get_mut(&uuid) {
            // Beacons prove nothing if we have a key.
            if heard.from_this_host && self.config.public_key.is_none() {
                peer.note_process(self.clock.at(now), beacon.port());
            }
            if peer.is_as_shown(beacon) && peer.hear_again(now, &endpoint, heard) {
                return;
            }
        }
        let new_address = self
            .peers
            .get(&uuid)
            .is_none_or(|peer| !peer.addresses.contains(&endpoint));
        if new_address {
            self.suspect_holder(now, uuid, &endpoint);
        }
        let missed = match self.peers.get_mut(&uuid) {
            Some(peer) => std::mem::take(&mut peer.lost),
            // Who starts knows nobody, and beacons anyway.
            None => beacon.state() != Some(State::Init) && !self.is_new(now),
        };
        if missed {
            // It isn't new, and doesn't know us either: the network was cut until now, or
            // datagrams were lost.
            self.announce_soon(now);
        }
        let Some(peer) = self.require_peer(now, uuid) else {
            return;
        };
        peer.via.insert(heard.source);
        peer.note_address(Address::new(
            endpoint,
            heard.source,
            heard.over_loopback,
            now,
        ));
        let silent = peer
            .established()
            .is_some_and(|established| established.liveness.is_silent());
        if let Some(state) = beacon.state() {
            peer.announced = state;
            if let Phase::Established(established) = &mut peer.phase
                && !established.hello.shows_state
                && established.state != state
            {
                if established
                    .beacon_state_since
                    .is_some_and(|at| now - at < BEACON_STATE)
                {
                    count(&mut self.counters.limited);
                } else {
                    established.beacon_state_since = Some(now);
                    self.note_state(uuid, state);
                }
            }
        }
        if silent {
            self.follow_if_moved(now, uuid);
        }
        self.dial_if_due(now, uuid);
    }

    /// Whether another beacon like this one, which has been handled, would tell no more than
    /// that its sender is still there. This holds until an event about that peer is reported,
    /// or a session with it ends. Until then such beacons may be handled late: before the next
    /// timeout, and before messages and ends of sessions that come a moment later.
    #[must_use]
    pub fn is_familiar(&self, beacon: &Beacon, heard: &Heard) -> bool {
        let Some(peer) = self.peers.get(&beacon.uuid()) else {
            return false;
        };
        let undoubted = match &peer.phase {
            Phase::Dialling(_) | Phase::Greeting(..) | Phase::Entering(..) => true,
            Phase::Established(established) => {
                established.exit_claim.is_none()
                    && established.dispute.is_none()
                    && !established.liveness.is_silent()
            }
            Phase::Known { .. } | Phase::Waiting(..) | Phase::Leaving(..) => false,
        };
        undoubted
            && self.departure.is_none()
            && !beacon.is_leaving()
            && !peer.lost
            && peer.is_as_shown(beacon)
            && peer.addresses.contains(&dialled(beacon, heard))
    }

    fn is_new(&self, now: Time) -> bool {
        let interval = self.config.interval.unwrap_or_default();
        now - self.started < interval.saturating_mul(NEW)
    }

    fn handle_own_beacon(&mut self, now: Time, beacon: &Beacon) {
        count(&mut self.counters.own);
        let other_port = beacon.port() != self.config.port && beacon.port() != 0;
        if !other_port || beacon.is_leaving() || self.departure.is_some() {
            return;
        }
        let duplicate = self.duplicate.get_or_insert(Duplicate {
            since: now,
            reported: false,
        });
        if !duplicate.reported && now - duplicate.since >= DUPLICATE {
            duplicate.reported = true;
            let peer = self.config.uuid;
            self.event(Event::Conflict { peer });
        }
    }
}

/// The address at which the sender of a beacon is dialled.
fn dialled(beacon: &Beacon, heard: &Heard) -> Endpoint {
    let mut addr = heard.from;
    addr.set_port(beacon.port());
    Endpoint::from(addr)
}
