//! What a peer's silence means.

use std::time::Duration;

use uuid::Uuid;

use super::peer::{Peer, Phase, Presence};
use super::timers::Timer;
use super::{Event, ExitReason, Machine};
use crate::{Command, Time};

impl Machine {
    /// The clock by which silence is measured: it stands while nobody reads the
    /// inbox, and leaves out the time that we stood still ourselves.
    pub(super) fn clock(&self, now: Time) -> Time {
        let reading = self.paused_at.unwrap_or(now);
        Time::from_origin(reading.since_origin().saturating_sub(self.skipped))
    }

    /// Sets a peer's timer, unless it comes earlier already: what it finds then
    /// sets it anew.
    pub(super) fn schedule(&mut self, uuid: Uuid, at: Time) {
        if let Some(peer) = self.peers.get_mut(&uuid)
            && peer.timer.is_none_or(|set| at < set)
        {
            peer.timer = Some(at);
            self.timers.set(Timer::Peer(uuid), at);
        }
    }

    /// Does what is due for a peer, and sets its timer for what comes next.
    pub(super) fn tend(&mut self, now: Time, uuid: Uuid) {
        let farewell = self.config.farewell;
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        match &mut peer.phase {
            Phase::Known { .. } => {
                if peer.is_lasting() {
                    self.dial_if_due(now, uuid);
                }
            }
            Phase::Dialling(_) | Phase::Entering(..) => {}
            Phase::Greeting(mailbox, deadline) => {
                if now < *deadline {
                    let deadline = *deadline;
                    self.schedule(uuid, deadline);
                } else {
                    let session = mailbox.session;
                    self.disconnect(session);
                    self.session_failed(now, uuid);
                }
            }
            Phase::Ready(_) => self.tend_live(now, uuid),
            Phase::Leaving(_, reason, until) => {
                if self.paused_at.is_some() {
                    // What it sent waits to be read.
                    *until = now + farewell;
                }
                if now < *until {
                    let until = *until;
                    self.schedule(uuid, until);
                } else {
                    let reason = *reason;
                    self.exit(now, uuid, reason);
                }
            }
        }
    }

    pub(super) fn tend_all(&mut self, now: Time) {
        let all: Vec<Uuid> = self.peers.keys().copied().collect();
        for uuid in all {
            self.tend(now, uuid);
        }
    }

    fn tend_live(&mut self, now: Time, uuid: Uuid) {
        let silence_clock = self.clock(now);
        let Some(Phase::Ready(live)) = self.peers.get_mut(&uuid).map(|peer| &mut peer.phase) else {
            return;
        };
        let mut next: Option<Time> = None;
        let mut due = |at: Time| next = Some(next.map_or(at, |other| other.min(at)));
        if let Some(contest) = &live.contest {
            if now >= contest.until {
                self.newcomer_wins(now, uuid);
                return;
            }
            due(contest.until);
        }
        let silence = silence_clock - live.last_heard;
        let mut ping = false;
        let mut event = None;
        if live.mailbox.in_memory {
            // Its end is told; silence means nothing.
        } else if self.paused_at.is_some() {
            ping = true;
            due(now + self.config.evasive);
        } else if silence >= self.config.expired {
            self.exit(now, uuid, ExitReason::Expired);
            return;
        } else {
            due(now + (self.config.expired - silence));
            match live.presence {
                Presence::Healthy if silence < self.config.evasive => {
                    due(now + (self.config.evasive - silence));
                }
                Presence::Healthy => {
                    ping = true;
                    live.presence = Presence::Pinged(now);
                }
                Presence::Pinged(since) if now - since < self.config.ping_timeout => {
                    due(since + self.config.ping_timeout);
                }
                Presence::Pinged(_) if live.doubted => {
                    self.exit(now, uuid, ExitReason::Replaced);
                    return;
                }
                Presence::Pinged(_) => {
                    ping = true;
                    live.presence = Presence::Evasive(now);
                    event = Some(Event::Evasive { peer: uuid });
                }
                Presence::Evasive(since) => {
                    ping = true;
                    if now - since >= self.config.silent {
                        live.presence = Presence::Silent;
                        event = Some(Event::Silent { peer: uuid });
                    }
                }
                Presence::Silent => ping = true,
            }
            if ping {
                due(now + self.config.ping_timeout);
            }
        }
        let session = live.mailbox.session;
        if ping {
            live.pings = live.pings.saturating_add(1);
            self.send(session, Command::Ping);
        }
        let evasive = event.is_some();
        if let Some(event) = event {
            self.event(event);
        }
        if let Some(next) = next {
            self.schedule(uuid, next);
        }
        if evasive && self.has_moved(now, uuid) {
            self.exit(now, uuid, ExitReason::Disconnected);
            self.dial_if_due(now, uuid);
        }
    }

    /// Whether a peer that doesn't answer is heard at another address, and only
    /// there: a host with two interfaces beacons from both.
    fn has_moved(&self, now: Time, uuid: Uuid) -> bool {
        let recent = self.config.interval.unwrap_or_default() * 3;
        let Some(peer) = self.peers.get(&uuid) else {
            return false;
        };
        let Some(live) = peer.live() else {
            return false;
        };
        let fresh = |address: &&super::peer::Address| now - address.heard <= recent;
        peer.addresses.iter().any(|known| fresh(&known))
            && !peer
                .addresses
                .iter()
                .filter(fresh)
                .any(|known| known.endpoint == live.mailbox.endpoint)
    }

    /// Sends a PING at once, whatever the silence, and expects the answer.
    pub(super) fn ask(&mut self, now: Time, uuid: Uuid) {
        let deadline = now + self.config.ping_timeout;
        let Some(Phase::Ready(live)) = self.peers.get_mut(&uuid).map(|peer| &mut peer.phase) else {
            return;
        };
        if live.presence != Presence::Healthy || live.mailbox.in_memory {
            return;
        }
        live.presence = Presence::Pinged(now);
        live.pings = live.pings.saturating_add(1);
        let session = live.mailbox.session;
        self.send(session, Command::Ping);
        self.schedule(uuid, deadline);
    }

    /// A message came from a peer that had been asked, or given half up.
    pub(super) fn heard_again(&mut self, uuid: Uuid) {
        let Some(live) = self.peers.get_mut(&uuid).and_then(Peer::live_mut) else {
            return;
        };
        let was = std::mem::replace(&mut live.presence, Presence::Healthy);
        if matches!(was, Presence::Evasive(_) | Presence::Silent) {
            self.event(Event::Responsive { peer: uuid });
        }
    }

    /// We stood still for that long, or couldn't hear: nobody is judged by it,
    /// everybody is asked.
    pub(super) fn resume(&mut self, now: Time, stood: Duration) {
        self.skipped = self.skipped.saturating_add(stood);
        let live: Vec<Uuid> = self.peers().collect();
        for uuid in live {
            if let Some(live) = self.peers.get_mut(&uuid).and_then(Peer::live_mut)
                && let Presence::Pinged(since) | Presence::Evasive(since) = &mut live.presence
            {
                *since = now;
            }
            self.ask(now, uuid);
            self.tend(now, uuid);
        }
    }
}
