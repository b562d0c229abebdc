//! How peers leave.

use std::time::Duration;

use uuid::Uuid;

use super::counters::count;
use super::input::Heard;
use super::peer::Phase;
use super::timers::Timer;
use super::{DATAGRAM_LATENESS, Event, ExitReason, Machine};
use crate::{Beacon, Outgoing, State, Time};

/// A session that lasted that long counts as a success: the next failure starts
/// the backoff from its shortest wait.
const STEADY: Duration = Duration::from_secs(10);

/// A peer that announced its exit is looked for as if dialling it had failed that
/// often.
const FAILURES_OF_GONE: u32 = 2;

/// A (UUID, port) that announced EXIT.
#[derive(Debug)]
pub(super) struct Tombstone {
    /// Until then, beacons of it may be late copies.
    pub(super) until: Time,
    /// A process has started under it since. Its EXIT beacons may be late copies now,
    /// and the others are not.
    restarted: bool,
}

impl Machine {
    /// Handles a beacon by which a node announces that it leaves.
    ///
    /// RFC 36: "When a ZRE node receives a beacon from a known node, with a
    /// zero port number, it SHALL disconnect from this peer." A beacon is easily
    /// forged, and may be late, so an established peer gets a PING first. If it was
    /// never heard at the sender's address, it goes only when its silence says so.
    pub(super) fn handle_exit_beacon(&mut self, now: Time, beacon: &Beacon, heard: &Heard) {
        let uuid = beacon.uuid();
        // The classic form names no port.
        let port = (beacon.port() != 0).then(|| beacon.port());
        let Some(peer) = self.peers.get_mut(&uuid) else {
            if let Some(port) = port {
                self.bury(now, uuid, port);
            }
            return;
        };
        let used = peer
            .mailbox()
            .map(|mailbox| &mailbox.endpoint)
            .or_else(|| peer.addresses.first().map(|known| &known.endpoint))
            .and_then(|endpoint| endpoint.port());
        if let (Some(port), Some(used)) = (port, used)
            && port != used
        {
            // A process before this one: it has restarted on another port.
            self.bury(now, uuid, port);
            return;
        }
        let proven = self.config.public_key.is_some() && peer.established().is_some();
        if proven || !peer.was_heard_at(heard.from.ip()) {
            self.probe(now, uuid);
            return;
        }
        let closing = port.or(used);
        // A process may restart under its UUID and port while EXIT beacons of the one
        // before it are still on their way.
        let restarted = closing.is_some_and(|port| self.has_restarted(now, uuid, port));
        let Some(peer) = self.peers.get(&uuid) else {
            return;
        };
        let young = peer
            .established()
            .is_some_and(|established| established.age(now) < DATAGRAM_LATENESS);
        let late = restarted || young;
        if let Phase::Established(_) = &peer.phase {
            self.open_exit_claim(now, uuid, closing, late);
            return;
        }
        if late {
            count(&mut self.counters.buried);
            return;
        }
        if let Some(port) = closing {
            self.bury(now, uuid, port);
        }
        match self.peers.get_mut(&uuid).map(|peer| &mut peer.phase) {
            // Its session ended first, and this is the reason.
            Some(Phase::Leaving(_, reason, _)) => *reason = ExitReason::Goodbye,
            // It has greeted us: the end of its connection tells whether that is true.
            Some(Phase::Entering(..) | Phase::Waiting(..)) | None => {}
            Some(_) => self.forget(now, uuid),
        }
    }

    /// Drops a peer that the application doesn't know, or no longer. If a persistent
    /// source names it, it is looked for again after a rest.
    pub(super) fn forget(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        if !peer.is_persistent() || self.departure.is_some() {
            self.drop_peer(uuid);
            return;
        }
        let session = peer.mailbox().map(|mailbox| mailbox.session);
        peer.announced = State::Ready;
        peer.tried.clear();
        peer.failures = peer.failures.max(FAILURES_OF_GONE);
        let retry_at = now + self.backoff_of(uuid);
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Known { retry_at };
        }
        self.schedule(uuid, retry_at);
        if let Some(session) = session {
            self.disconnect(session);
        }
    }

    /// Drops the entry of a peer, with its mailbox.
    pub(super) fn drop_peer(&mut self, uuid: Uuid) {
        let Some(peer) = self.peers.remove(&uuid) else {
            return;
        };
        self.timers.set_peer(uuid, peer.timer, None);
        if let Some(mailbox) = peer.mailbox() {
            self.disconnect(mailbox.session);
        }
    }

    /// A peer that greeted us went away, or sent too much, before we could answer.
    pub(super) fn give_up_pending(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let session = peer.mailbox().map(|mailbox| mailbox.session);
        peer.count_failure();
        peer.tried.clear();
        let retry_at = now + self.backoff_of(uuid);
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Known { retry_at };
        }
        if let Some(session) = session {
            self.disconnect(session);
        }
        self.dial_if_due(now, uuid);
    }

    /// Stops sending to a peer at once. What it sent before is delivered until its
    /// GOODBYE, the end of its connection, or for a short while.
    pub(super) fn begin_leaving(&mut self, now: Time, uuid: Uuid, reason: ExitReason) {
        let until = self.clock.at(now) + self.config.farewell;
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        match peer.take_phase(now) {
            Phase::Established(established) => {
                let session = established.mailbox.session;
                let ended = established.connection_ended;
                tracing::debug!(%uuid, ?session, %reason, "leaving");
                peer.phase = Phase::Leaving(established, reason, until);
                self.disconnect(session);
                if ended {
                    self.exit(now, uuid, reason);
                } else {
                    let due = self.clock.due(now, until);
                    self.schedule(uuid, due);
                }
            }
            other => peer.phase = other,
        }
    }

    /// Handles GOODBYE, the last message of its session.
    pub(super) fn handle_goodbye(&mut self, now: Time, uuid: Uuid) {
        let port = self
            .peers
            .get(&uuid)
            .and_then(|peer| peer.established())
            .and_then(|established| established.mailbox.endpoint.port());
        if let Some(port) = port {
            self.bury(now, uuid, port);
        }
        self.exit(now, uuid, ExitReason::Goodbye);
    }

    /// A connection to our inbox has ended. Everything that came over it has been
    /// handled.
    pub fn handle_connection_closed(&mut self, now: Time, peer: Uuid, connection: u64) {
        let uuid = peer;
        if let Some(departure) = &mut self.departure {
            departure.connection_closed(uuid, connection);
        }
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        match &mut peer.phase {
            Phase::Leaving(established, reason, _)
                if established.hello.connection == connection =>
            {
                let reason = *reason;
                self.exit(now, uuid, reason);
            }
            Phase::Established(established) if established.hello.connection == connection => {
                established.connection_ended = true;
                if established.dispute.is_some() {
                    self.admit_newcomer(now, uuid);
                } else {
                    self.check_wrap(uuid);
                    let reason = self.reason_of_end(now, uuid);
                    self.exit(now, uuid, reason);
                }
            }
            Phase::Established(established) if established.is_disputed_by(connection) => {
                self.end_dispute(uuid);
            }
            Phase::Entering(_, pending) | Phase::Waiting(pending, _)
                if pending.hello.connection == connection =>
            {
                self.give_up_pending(now, uuid);
            }
            _ => {}
        }
        self.dial_queued(now);
    }

    /// Ends a session for the application.
    pub(super) fn exit(&mut self, now: Time, uuid: Uuid, reason: ExitReason) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let mut established = match peer.take_phase(now) {
            Phase::Established(established) | Phase::Leaving(established, ..) => established,
            other => {
                peer.phase = other;
                return;
            }
        };
        peer.failures = match reason {
            ExitReason::Goodbye | ExitReason::Replaced => 0,
            _ if established.age(now) >= STEADY => 0,
            _ => peer.failures.saturating_add(1),
        };
        // The application's threads may send until the mailbox is closed.
        let unconfirmed = established.mailbox.numbering(Outgoing::end);
        if established.incoming.wraps_early() {
            self.short_wraps.insert(uuid);
        }
        if reason == ExitReason::Goodbye {
            self.forget(now, uuid);
        } else if peer.failures > 0 {
            let retry_at = now + self.backoff_of(uuid);
            if let Some(peer) = self.peers.get_mut(&uuid) {
                peer.phase = Phase::Known { retry_at };
            }
        }
        self.disconnect(established.mailbox.session);
        self.pings.forget(uuid);
        self.event(Event::Exit {
            peer: uuid,
            reason,
            unconfirmed,
        });
        self.election_peer_went(now, uuid, &established.hello.groups);
        if reason != ExitReason::Goodbye {
            self.announce_soon(now);
            if let Some(peer) = self.peers.get_mut(&uuid) {
                peer.lost = true;
            }
        }
        self.no_longer_awaited(now, uuid);
        self.retry_bootstraps_of(now, uuid);
        self.redial_persistent(now, uuid);
        // The newcomer greeted us under its UUID and waited for this exit.
        if let Some(dispute) = established.dispute.take()
            && self.departure.is_none()
        {
            self.answer(now, uuid, dispute.newcomer);
        }
    }

    fn redial_persistent(&mut self, now: Time, uuid: Uuid) {
        if let Some(peer) = self.peers.get(&uuid)
            && peer.is_persistent()
            && let Phase::Known { retry_at } = peer.phase
        {
            // Not within this input: whatever caused the exit may go on.
            self.schedule(uuid, retry_at.max(now + self.config.farewell));
        }
    }

    /// A peer dropped us. If it did so exactly at our 65535, it is one of those
    /// whose sequence goes from 65534 to 0.
    pub(super) fn check_wrap(&mut self, uuid: Uuid) {
        let at_the_wrap = self
            .peers
            .get(&uuid)
            .and_then(|peer| peer.established())
            .is_some_and(|established| {
                established
                    .mailbox
                    .numbering(|outgoing| outgoing.wrapped_unconfirmed())
            });
        if at_the_wrap {
            self.short_wraps.toggle(uuid);
        }
    }

    /// Ignores beacons of that (UUID, port) for a while: they are late copies.
    pub(super) fn bury(&mut self, now: Time, uuid: Uuid, port: u16) {
        if self.tombstones.len() >= self.config.limits.peers {
            count(&mut self.counters.overflow);
            return;
        }
        let tombstone = Tombstone {
            until: now + self.config.tombstone,
            restarted: false,
        };
        self.tombstones.insert((uuid, port), tombstone);
        self.timers
            .set_if_none(Timer::Sweep, now + self.config.tombstone);
    }

    /// A node of that UUID is alive. Its beacons count again, whatever their port, and
    /// late EXIT beacons of the process before it don't.
    pub(super) fn unbury(&mut self, uuid: Uuid) {
        let of_node = (uuid, 0)..=(uuid, u16::MAX);
        for (_, tombstone) in self.tombstones.range_mut(of_node) {
            tombstone.restarted = true;
        }
    }

    /// As [`unbury`](Self::unbury), for a node that is known to have that port.
    pub(super) fn unbury_port(&mut self, uuid: Uuid, port: u16) {
        if let Some(tombstone) = self.tombstones.get_mut(&(uuid, port)) {
            tombstone.restarted = true;
        }
    }

    pub(super) fn is_buried(&self, now: Time, uuid: Uuid, port: u16) -> bool {
        self.tombstones
            .get(&(uuid, port))
            .is_some_and(|tombstone| now < tombstone.until && !tombstone.restarted)
    }

    fn has_restarted(&self, now: Time, uuid: Uuid, port: u16) -> bool {
        self.tombstones
            .get(&(uuid, port))
            .is_some_and(|tombstone| now < tombstone.until && tombstone.restarted)
    }
}
