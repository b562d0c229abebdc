//! How peers go, and how we go.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use super::output::Heard;
use super::output::count;
use super::peer::Phase;
use super::timers::Timer;
use super::{ExitReason, Machine, Output};
use crate::{Beacon, Command, State, Time};

/// EXIT beacons are datagrams: one may be lost, three within 50 ms hardly.
const EXIT_BEACONS: u8 = 3;
const EXIT_SPACING: Duration = Duration::from_millis(20);

/// A classic goodbye names no port, so a late copy could hit a node that has
/// just started anew: a session that young is asked first.
const YOUNG: Duration = Duration::from_secs(1);

/// Who said goodbye is looked for as if it had failed that often.
const FAILURES_OF_GONE: u32 = 2;

/// Our own way out.
#[derive(Debug)]
pub(super) struct Departure {
    /// Peers whose PING-OK is still due: it says that all before has arrived.
    awaited: BTreeSet<Uuid>,
    /// EXIT beacons sent; 0 while we wait for the peers.
    announced: u8,
}

impl Departure {
    /// Whether EXIT has been announced: nothing but that follows.
    pub(super) fn is_said(&self) -> bool {
        self.announced > 0
    }
}

impl Machine {
    /// A beacon says that its node leaves.
    ///
    /// RFC 36: "When a ZRE node receives a beacon from a known node, with a
    /// zero port number, it SHALL disconnect from this peer." A beacon is
    /// easily forged, so one from where the peer was never heard only makes us
    /// ask it.
    pub(super) fn handle_exit_beacon(&mut self, now: Time, beacon: &Beacon, heard: &Heard) {
        let uuid = beacon.uuid();
        let port = (beacon.port() != 0).then(|| beacon.port());
        let Some(peer) = self.peers.get_mut(&uuid) else {
            if let Some(port) = port {
                self.bury(now, uuid, port);
            }
            return;
        };
        let used = peer
            .mailbox()
            .map(|mailbox| mailbox.endpoint.clone())
            .or_else(|| peer.addresses.first().map(|known| known.endpoint.clone()))
            .and_then(|endpoint| endpoint.port());
        if let (Some(port), Some(used)) = (port, used)
            && port != used
        {
            // Of its life before: it has started anew on another port.
            self.bury(now, uuid, port);
            return;
        }
        let known_there = peer.was_heard_at(heard.from.ip());
        let in_doubt = match &peer.phase {
            Phase::Ready(live) => !known_there || (port.is_none() && live.age(now) < YOUNG),
            _ => !known_there,
        };
        if in_doubt {
            self.ask(now, uuid);
            return;
        }
        if let Some(port) = port.or(used) {
            self.bury(now, uuid, port);
        }
        match self.peers.get(&uuid).map(|peer| &peer.phase) {
            Some(Phase::Ready(_)) => self.begin_leaving(now, uuid, ExitReason::Goodbye),
            Some(Phase::Leaving(..)) => {
                // Its session ended first, and this is why.
                if let Some(Phase::Leaving(_, reason, _)) =
                    self.peers.get_mut(&uuid).map(|peer| &mut peer.phase)
                {
                    *reason = ExitReason::Goodbye;
                }
            }
            Some(_) => self.forget(now, uuid),
            None => {}
        }
    }

    /// Drops somebody whom the application doesn't know, or no longer. Who is
    /// named by a source that keeps its word is looked for again after a rest.
    pub(super) fn forget(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let session = peer.mailbox().map(|mailbox| mailbox.session);
        if peer.is_lasting() && self.departure.is_none() {
            peer.announced = State::Ready;
            peer.tried.clear();
            peer.failures = peer.failures.max(FAILURES_OF_GONE);
            let retry_at = now + self.backoff_of(uuid);
            if let Some(peer) = self.peers.get_mut(&uuid) {
                peer.phase = Phase::Known { retry_at };
            }
            self.schedule(uuid, retry_at);
        } else {
            self.drop_peer(uuid);
            return;
        }
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

    /// Somebody greeted us and is gone, or too loud, before we could answer.
    pub(super) fn give_up_greeted(&mut self, now: Time, uuid: Uuid) {
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

    /// Stops sending to a peer at once; what it sent before is delivered until
    /// its GOODBYE, the end of its connection, or a short while.
    pub(super) fn begin_leaving(&mut self, now: Time, uuid: Uuid, reason: ExitReason) {
        let until = self.clock(now) + self.config.farewell;
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        match peer.take_phase(now) {
            Phase::Ready(live) => {
                let session = live.mailbox.session;
                let gone = live.connection_ended;
                tracing::debug!(%uuid, ?session, %reason, "leaving");
                peer.phase = Phase::Leaving(live, reason, until);
                self.disconnect(session);
                if gone {
                    self.exit(now, uuid, reason);
                } else {
                    let due = self.due(now, until);
                    self.schedule(uuid, due);
                }
            }
            other => peer.phase = other,
        }
    }

    /// GOODBYE: the last message of its session.
    pub(super) fn handle_goodbye(&mut self, now: Time, uuid: Uuid) {
        let port = self
            .peers
            .get(&uuid)
            .and_then(|peer| peer.live())
            .and_then(|live| live.mailbox.endpoint.port());
        if let Some(port) = port {
            self.bury(now, uuid, port);
        }
        self.exit(now, uuid, ExitReason::Goodbye);
    }

    /// A connection to our inbox has ended, after all that came over it.
    pub fn handle_connection_closed(&mut self, now: Time, peer: Uuid, connection: u64) {
        let uuid = peer;
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        match &mut peer.phase {
            Phase::Leaving(live, reason, _) if live.greeted.connection == connection => {
                let reason = *reason;
                self.exit(now, uuid, reason);
            }
            Phase::Ready(live) if live.greeted.connection == connection => {
                live.connection_ended = true;
                if live.watch.contest.is_some() {
                    self.newcomer_wins(now, uuid);
                } else {
                    self.judge_wrap(uuid);
                    self.exit(now, uuid, ExitReason::Disconnected);
                }
            }
            Phase::Ready(live) if live.is_contested_by(connection) => {
                live.end_contest();
            }
            Phase::Entering(_, guest) | Phase::Waiting(guest, _)
                if guest.greeted.connection == connection =>
            {
                self.give_up_greeted(now, uuid);
            }
            _ => {}
        }
        self.dial_queued(now);
    }

    pub(super) fn bury(&mut self, now: Time, uuid: Uuid, port: u16) {
        if self.tombstones.len() >= self.config.limits.peers {
            count(&mut self.counters.overflow);
            return;
        }
        self.tombstones
            .insert((uuid, port), now + self.config.tombstone);
        self.timers
            .set_if_none(Timer::Sweep, now + self.config.tombstone);
    }

    pub(super) fn is_buried(&self, now: Time, uuid: Uuid, port: u16) -> bool {
        self.tombstones
            .get(&(uuid, port))
            .is_some_and(|until| now < *until)
    }

    /// Leaves: shows Draining, waits until every peer has confirmed what was
    /// sent to it, but no longer than `patience`, says GOODBYE on each session
    /// and EXIT in beacons. [`Output::Stopped`] comes last.
    ///
    /// GOODBYE is the last message of a session: whoever doesn't know it drops
    /// it uncounted, and no later number shows the gap.
    pub fn shutdown(&mut self, now: Time, patience: Duration) {
        if self.departure.is_some() {
            return;
        }
        self.show_state(now, State::Draining);
        let uuids: Vec<Uuid> = self.peers.keys().copied().collect();
        let mut awaited = BTreeSet::new();
        for uuid in uuids {
            match self.peers.get_mut(&uuid).map(|peer| &mut peer.phase) {
                Some(Phase::Ready(live)) => {
                    live.note_ping(now);
                    let session = live.mailbox.session;
                    self.send(session, Command::Ping);
                    awaited.insert(uuid);
                }
                Some(Phase::Leaving(..)) | None => {}
                Some(_) => self.drop_peer(uuid),
            }
        }
        self.drop_seeds();
        let alone = awaited.is_empty();
        self.departure = Some(Departure {
            awaited,
            announced: 0,
        });
        self.timers.set(Timer::Departure, now + patience);
        if alone {
            self.say_goodbye(now);
        }
    }

    /// A peer has confirmed all, or is gone.
    pub(super) fn no_longer_awaited(&mut self, now: Time, uuid: Uuid) {
        if let Some(departure) = &mut self.departure
            && departure.announced == 0
        {
            departure.awaited.remove(&uuid);
            if departure.awaited.is_empty() {
                self.say_goodbye(now);
            }
        }
    }

    /// The next step of our departure is due.
    pub(super) fn depart(&mut self, now: Time) {
        match self.departure.as_ref().map(|departure| departure.announced) {
            Some(0) => self.say_goodbye(now),
            Some(_) => self.announce_exit(now),
            None => {}
        }
    }

    fn say_goodbye(&mut self, now: Time) {
        self.timers.clear(&Timer::Announce);
        for peer in self.peers.values_mut() {
            if let Phase::Ready(live) = &peer.phase {
                let session = live.mailbox.session;
                self.sessions.remove(session);
                self.outputs.push_back(Output::Send {
                    session,
                    command: Command::Goodbye,
                });
                self.outputs.push_back(Output::Disconnect {
                    session,
                    linger: true,
                });
            }
        }
        self.peers.clear();
        self.announce_exit(now);
    }

    fn announce_exit(&mut self, now: Time) {
        let Some(departure) = &mut self.departure else {
            return;
        };
        self.state = State::Exit;
        departure.announced = departure.announced.saturating_add(1);
        let beacons = self.config.interval.is_some();
        let last = departure.announced >= EXIT_BEACONS || !beacons;
        if beacons {
            self.outputs
                .push_back(Output::Announce { state: State::Exit });
        }
        if last {
            self.timers = super::Timers::default();
            self.outputs.push_back(Output::Stopped);
        } else {
            self.timers.set(Timer::Departure, now + EXIT_SPACING);
        }
    }
}
