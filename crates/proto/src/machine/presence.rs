//! What a peer's silence means.
//!
//! All patience with others runs on the silence clock, which stands while
//! nobody reads the inbox and leaves out the time that we stood still
//! ourselves: an answer may be among what waits.

use std::time::Duration;

use uuid::Uuid;

use super::live::{Live, Presence, Watch};
use super::peer::{Mailbox, Phase};
use super::{Event, ExitReason, Machine};
use crate::{Command, Time};

/// While we don't read, what is due is looked at again after that long at the
/// earliest.
const PAUSED_LOOK: Duration = Duration::from_millis(50);

/// A queue of events may fill and drain many times a second; peers are looked
/// through for it no more often than this.
const PAUSED_ROUND: Duration = Duration::from_millis(500);

impl Machine {
    /// How long nothing has been heard of a peer, as far as that counts: not
    /// while nobody reads the inbox, nor while we stood still. `None` where it
    /// isn't here, or its link is in memory, where silence means nothing.
    #[must_use]
    pub fn silence(&self, now: Time, peer: Uuid) -> Option<Duration> {
        let live = self.peers.get(&peer)?.live()?;
        (!live.mailbox.in_memory).then(|| self.clock(now) - live.watch.last_heard)
    }

    /// The silence clock.
    pub(super) fn clock(&self, now: Time) -> Time {
        let reading = self.paused_at.unwrap_or(now);
        Time::from_origin(reading.since_origin().saturating_sub(self.skipped))
    }

    /// When the silence clock will show `at`, if nothing stops it.
    pub(super) fn due(&self, now: Time, at: Time) -> Time {
        let left = at - self.clock(now);
        if self.paused_at.is_some() {
            now + left.max(PAUSED_LOOK)
        } else {
            now + left
        }
    }

    /// Sets a peer's timer, unless it comes earlier already: what it finds then
    /// sets it anew.
    pub(super) fn schedule(&mut self, uuid: Uuid, at: Time) {
        if let Some(peer) = self.peers.get_mut(&uuid)
            && peer.timer.is_none_or(|set| at < set)
        {
            let was = peer.timer.replace(at);
            self.timers.set_peer(uuid, was, Some(at));
        }
    }

    /// A peer's timer isn't wanted any more.
    pub(super) fn unschedule(&mut self, uuid: Uuid) {
        if let Some(peer) = self.peers.get_mut(&uuid)
            && let Some(was) = peer.timer.take()
        {
            self.timers.set_peer(uuid, Some(was), None);
        }
    }

    /// Nobody reads the inbox from now on (`true`), or somebody does again.
    ///
    /// Meanwhile nobody's silence counts, and everybody is pinged, so that
    /// peers whose messages wait don't give us up.
    pub fn handle_paused(&mut self, now: Time, paused: bool) {
        match (paused, self.paused_at) {
            (true, None) => {
                self.paused_at = Some(now);
                // Timers were set for the silence that ends here.
                if now - self.paused_round >= PAUSED_ROUND {
                    self.paused_round = now;
                    self.tend_all(now);
                }
            }
            (false, Some(since)) => {
                self.paused_at = None;
                let stood = now - since;
                self.skip(now, stood);
                if stood >= self.config.ping_timeout {
                    self.ask_all(now);
                }
            }
            _ => {}
        }
    }

    /// Does what is due for a peer, and sets its timer for what comes next.
    pub(super) fn tend(&mut self, now: Time, uuid: Uuid) {
        let clock = self.clock(now);
        let Some(peer) = self.peers.get(&uuid) else {
            return;
        };
        match &peer.phase {
            Phase::Known { .. } => {
                if peer.is_lasting() {
                    self.dial_if_due(now, uuid);
                }
            }
            Phase::Waiting(_, retry_at) => {
                let retry_at = *retry_at;
                if now < retry_at {
                    self.schedule(uuid, retry_at);
                } else {
                    self.answer_again(now, uuid);
                }
            }
            Phase::Dialling(_) | Phase::Entering(..) => {}
            Phase::Greeting(mailbox, deadline) => {
                if clock < *deadline {
                    let due = self.due(now, *deadline);
                    self.schedule(uuid, due);
                } else {
                    let session = mailbox.session;
                    self.disconnect(session);
                    self.session_failed(now, uuid);
                }
            }
            Phase::Ready(_) => self.tend_live(now, uuid),
            Phase::Leaving(_, reason, until) => {
                if clock < *until {
                    let due = self.due(now, *until);
                    self.schedule(uuid, due);
                } else {
                    let reason = *reason;
                    self.exit(now, uuid, reason);
                }
            }
        }
    }

    fn tend_all(&mut self, now: Time) {
        let all: Vec<Uuid> = self.peers.keys().copied().collect();
        for uuid in all {
            self.tend(now, uuid);
        }
    }

    fn tend_live(&mut self, now: Time, uuid: Uuid) {
        let clock = self.clock(now);
        let paused = self.paused_at.is_some();
        let config = &self.config;
        let Some(Phase::Ready(live)) = self.peers.get_mut(&uuid).map(|peer| &mut peer.phase) else {
            return;
        };
        let watch = &mut live.watch;
        let mut next: Option<Time> = None;
        let mut due = |at: Time| next = Some(next.map_or(at, |other| other.min(at)));
        if let Some(contest) = &watch.contest {
            if clock >= contest.until {
                self.newcomer_wins(now, uuid);
                return;
            }
            due(now + (contest.until - clock));
        }
        let silence = clock - watch.last_heard;
        // Whether a PING is wanted as far as the time since the last one allows.
        let mut ping_after = None;
        let mut event = None;
        if live.mailbox.in_memory {
            // Its end is told; silence means nothing.
        } else if silence >= config.expired {
            self.exit(now, uuid, ExitReason::Expired);
            return;
        } else {
            due(now + config.expired.saturating_sub(silence));
            match watch.presence {
                Presence::Healthy if silence < config.evasive => {
                    due(now + config.evasive.saturating_sub(silence));
                    if paused {
                        // It may have filled its queue to us, and hears nothing.
                        ping_after = Some(config.evasive);
                    } else {
                        if watch.owes_a_word(now, &live.mailbox, silence, config.evasive) {
                            ping_after = Some(Duration::ZERO);
                        }
                        due(watch.looked_at + Watch::word(config.evasive));
                    }
                }
                Presence::Healthy => {
                    ping_after = Some(Duration::ZERO);
                    watch.presence = Presence::Pinged(clock);
                    due(now + config.ping_timeout);
                }
                Presence::Pinged(since) if clock - since < config.ping_timeout => {
                    ping_after = paused.then_some(config.evasive);
                    due(now + config.ping_timeout.saturating_sub(clock - since));
                }
                Presence::Pinged(_) => {
                    ping_after = Some(config.ping_timeout);
                    watch.presence = Presence::Evasive(clock);
                    event = Some(Event::Evasive { peer: uuid });
                }
                Presence::Evasive(since) if clock - since < config.silent => {
                    ping_after = Some(config.ping_timeout);
                    due(now + config.silent.saturating_sub(clock - since));
                }
                // Somebody else has its address, and it had time to object.
                Presence::Evasive(_) | Presence::Silent if watch.doubted => {
                    self.exit(now, uuid, ExitReason::Replaced);
                    return;
                }
                Presence::Evasive(_) => {
                    ping_after = Some(config.ping_timeout);
                    watch.presence = Presence::Silent;
                    event = Some(Event::Silent { peer: uuid });
                }
                Presence::Silent => ping_after = Some(config.ping_timeout),
            }
        }
        let mut ping = false;
        if let Some(after) = ping_after {
            ping = now >= watch.pinged + after;
            let last = if ping { now } else { watch.pinged };
            due(last + after.max(config.ping_timeout));
        }
        if paused {
            // What the silence clock has to reach, it may never reach.
            next = next.map(|at| at.max(now + config.ping_timeout));
        }
        let session = live.mailbox.session;
        if ping {
            live.note_ping(now);
            self.send(session, Command::Ping);
        }
        let evasive = matches!(event, Some(Event::Evasive { .. }));
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
        let recent = self.config.interval.unwrap_or_default().saturating_mul(3);
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
        let clock = self.clock(now);
        let deadline = self.due(now, clock + self.config.ping_timeout);
        let Some(Phase::Ready(live)) = self.peers.get_mut(&uuid).map(|peer| &mut peer.phase) else {
            return;
        };
        if live.mailbox.in_memory || live.watch.presence != Presence::Healthy {
            return;
        }
        live.watch.presence = Presence::Pinged(clock);
        live.note_ping(now);
        let session = live.mailbox.session;
        self.send(session, Command::Ping);
        self.schedule(uuid, deadline);
    }

    /// A message came from a peer that had been asked, or given half up.
    pub(super) fn heard_again(&mut self, uuid: Uuid) {
        let Some(live) = self.peers.get_mut(&uuid).and_then(|peer| peer.live_mut()) else {
            return;
        };
        let was = std::mem::replace(&mut live.watch.presence, Presence::Healthy);
        if matches!(was, Presence::Evasive(_) | Presence::Silent) {
            self.event(Event::Responsive { peer: uuid });
        }
    }

    /// We stood still for that long, or didn't read: it doesn't count, and after
    /// a stand that a peer could notice, nobody is judged before what came
    /// meanwhile had its chance to be read.
    pub(super) fn skip(&mut self, now: Time, stood: Duration) {
        self.skipped = self.skipped.saturating_add(stood);
        if stood.saturating_mul(2) < self.config.ping_timeout {
            return;
        }
        let clock = self.clock(now);
        let answer = clock + self.config.ping_timeout;
        let farewell = clock + self.config.farewell;
        for peer in self.peers.values_mut() {
            match &mut peer.phase {
                Phase::Greeting(_, deadline) => *deadline = answer.max(*deadline),
                Phase::Leaving(_, _, until) => *until = farewell.max(*until),
                Phase::Ready(live) => {
                    let watch = &mut live.watch;
                    // Heard before we knew that we had stood still.
                    watch.last_heard = watch.last_heard.min(clock);
                    if let Presence::Pinged(since) | Presence::Evasive(since) = &mut watch.presence
                    {
                        *since = clock;
                    }
                    if let Some(contest) = &mut watch.contest {
                        contest.until = answer.max(contest.until);
                    }
                }
                _ => {}
            }
        }
        self.spare_seeds(answer);
    }

    /// Everybody is asked whether they are there.
    pub(super) fn ask_all(&mut self, now: Time) {
        let live: Vec<Uuid> = self.peers().collect();
        for uuid in live {
            self.ask(now, uuid);
        }
        self.tend_all(now);
    }
}

impl Live {
    pub(super) fn note_ping(&mut self, now: Time) {
        self.watch.pings = self.watch.pings.saturating_add(1);
        self.watch.pinged = now;
    }
}

impl Watch {
    /// How long we may be silent towards a peer that speaks to us.
    fn word(evasive: Duration) -> Duration {
        evasive.saturating_sub(evasive.checked_div(10).unwrap_or_default())
    }

    /// Whether a peer that keeps us busy should hear from us: because we have
    /// said nothing for long, and our PING-OK to its next PING may wait behind
    /// all that it sends; or because nothing confirms what we have said.
    ///
    /// The answer to such a PING isn't waited for.
    fn owes_a_word(
        &mut self,
        now: Time,
        mailbox: &Mailbox,
        silence: Duration,
        evasive: Duration,
    ) -> bool {
        if now < self.looked_at + Self::word(evasive) {
            return false;
        }
        let (total, unconfirmed) =
            mailbox.numbering(|outgoing| (outgoing.total(), outgoing.unconfirmed()));
        let speaks = silence.saturating_mul(2) < evasive;
        let owes = speaks && (total == self.said || unconfirmed > 0);
        self.looked_at = now;
        // The PING itself takes a number.
        self.said = total.saturating_add(u64::from(owes));
        owes
    }
}
