//! What a node does about the silence of its peers.

use std::time::Duration;

use uuid::Uuid;

use super::dialling::QUIET_DIAL;
use super::liveness::{Moment, Presence};
use super::peer::Phase;
use super::{Event, ExitReason, Machine};
use crate::{Command, Time};

/// The inbox may be paused and resumed many times a second. The peers are checked
/// for it no more often than this.
const PAUSED_CHECK: Duration = Duration::from_millis(500);

/// How many silent peers on this host get a PING in [`ping_after`](super::Config::ping_after)
/// at most. If there are more, each gets it later.
const SAME_HOST_PINGED: u32 = 10;

/// How much longer the answer to it may take if this host has many processes. All of them may
/// be starting, and the system reports the death of each.
const SAME_HOST_PING_PATIENCE: u32 = 10;

/// How much later that PING comes at most, as a multiple of the same time.
const SAME_HOST_LONGEST: u32 = 12;

/// How long the beacons of a process of this host may stand for its messages, as a multiple of
/// the same time.
const SHOWN_LONGEST: u32 = 60;

/// A host with many processes judges the silence of each so often in the same time.
const SAME_HOST_JUDGED: u32 = 2;

impl Machine {
    /// For how long nothing has been heard of a peer. Time in which nobody read the
    /// inbox, or in which we stood still, doesn't count. `None` if the peer isn't
    /// here, or if its link is in memory, where silence means nothing.
    #[must_use]
    pub fn silence(&self, now: Time, peer: Uuid) -> Option<Duration> {
        let established = self.peers.get(&peer)?.established()?;
        (!established.mailbox.in_memory)
            .then(|| self.clock.at(now) - established.liveness.last_heard)
    }

    /// Sets a peer's timer, unless it is set for an earlier time already. Whatever
    /// is found then sets it again.
    pub(super) fn schedule(&mut self, uuid: Uuid, at: Time) {
        if let Some(peer) = self.peers.get_mut(&uuid)
            && peer.timer.is_none_or(|set| at < set)
        {
            let was = peer.timer.replace(at);
            self.timers.set_peer(uuid, was, Some(at));
        }
    }

    pub(super) fn unschedule(&mut self, uuid: Uuid) {
        if let Some(peer) = self.peers.get_mut(&uuid)
            && let Some(was) = peer.timer.take()
        {
            self.timers.set_peer(uuid, Some(was), None);
        }
    }

    /// From now on nobody reads the inbox (`true`), or somebody does again.
    ///
    /// Meanwhile no silence counts, and every peer gets PINGs. Otherwise peers
    /// whose messages wait would give us up.
    pub fn handle_paused(&mut self, now: Time, paused: bool) {
        if paused {
            // Timers were set for a clock that stops here.
            if self.clock.pause(now) && now - self.paused_check >= PAUSED_CHECK {
                self.paused_check = now;
                self.check_all(now);
            }
        } else if let Some(stood) = self.clock.resume(now) {
            self.skip(now, stood);
            if stood >= self.config.ping_interval {
                self.probe_all(now);
            }
        }
    }

    /// Does what is due for a peer, and sets its timer for what comes next.
    pub(super) fn check_peer(&mut self, now: Time, uuid: Uuid) {
        let clock = self.clock.at(now);
        let Some(peer) = self.peers.get(&uuid) else {
            return;
        };
        match &peer.phase {
            Phase::Known { .. } => {
                if peer.is_persistent() {
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
            Phase::Entering(..) => {}
            Phase::Dialling(mailbox) => {
                let session = mailbox.session;
                if self.gives_way(now, session) {
                    self.disconnect(session);
                    self.session_failed(now, uuid);
                } else if self.sessions.unanswered_since(session).is_some() {
                    self.schedule(uuid, now + QUIET_DIAL);
                }
            }
            Phase::Greeting(mailbox, deadline) => {
                let deadline = *deadline;
                if clock < deadline && !self.gives_way(now, mailbox.session) {
                    let look = deadline.min(clock + QUIET_DIAL);
                    let due = self.clock.due(now, look);
                    self.schedule(uuid, due);
                } else {
                    let session = mailbox.session;
                    let endpoint = mailbox.endpoint.clone();
                    self.disconnect(session);
                    if clock >= deadline {
                        self.event(Event::Unanswered {
                            peer: uuid,
                            endpoint,
                        });
                    }
                    self.session_failed(now, uuid);
                }
            }
            Phase::Established(established) => {
                let claimed = established.exit_claim.is_some();
                let disputed = established.dispute.is_some();
                if claimed && self.check_exit_claim(now, uuid) {
                    return;
                }
                if disputed && self.check_dispute(now, uuid) {
                    return;
                }
                self.judge_silence(now, uuid);
            }
            Phase::Leaving(_, reason, until) => {
                if clock < *until {
                    let due = self.clock.due(now, *until);
                    self.schedule(uuid, due);
                } else {
                    let reason = *reason;
                    self.exit(now, uuid, reason);
                }
            }
        }
    }

    fn check_all(&mut self, now: Time) {
        let all: Vec<Uuid> = self.peers.keys().copied().collect();
        for uuid in all {
            self.check_peer(now, uuid);
        }
    }

    /// The silence after which one of our library's nodes on this host gets a PING. With N
    /// processes on a host, N × N pairs would exchange PINGs, and the system reports the
    /// death of each anyway.
    fn relaxed_ping_after(&self) -> Duration {
        let usual = self.config.ping_after;
        let longest = usual.saturating_mul(SAME_HOST_LONGEST);
        usual
            .saturating_mul(self.same_host)
            .checked_div(SAME_HOST_PINGED)
            .unwrap_or(usual)
            .clamp(usual, longest)
    }

    fn judge_silence(&mut self, now: Time, uuid: Uuid) {
        let relaxed = self.relaxed_ping_after();
        let among_many = self.is_among_many();
        let Some(Phase::Established(established)) =
            self.peers.get_mut(&uuid).map(|peer| &mut peer.phase)
        else {
            return;
        };
        let usual = self.config.ping_interval;
        let ours_on_this_host = established.mailbox.same_host && established.hello.shows_state;
        let moment = Moment {
            now,
            clock: self.clock.at(now),
            paused: self.clock.is_paused(),
            ping_after: match ours_on_this_host {
                true => relaxed,
                false => self.config.ping_after,
            },
            patience: match ours_on_this_host && among_many {
                true => usual.saturating_mul(SAME_HOST_PING_PATIENCE),
                false => usual,
            },
            shown_for: self.config.ping_after.saturating_mul(SHOWN_LONGEST),
            grid: match ours_on_this_host && relaxed > self.config.ping_after {
                true => self.config.ping_after.checked_div(SAME_HOST_JUDGED),
                false => None,
            }
            .unwrap_or_default(),
        };
        if established.mailbox.in_memory {
            return;
        }
        let judged = established
            .liveness
            .judge(moment, &established.mailbox, &self.config);
        let silent = established.liveness.is_silent();
        let judgement = match judged {
            Ok(judgement) => judgement,
            Err(reason) => {
                self.exit(now, uuid, reason);
                return;
            }
        };
        if judgement.ping {
            self.send_ping(now, uuid);
        }
        self.schedule(uuid, judgement.next);
        match judgement.transition {
            Some(Presence::Evasive(_)) => {
                self.event(Event::Evasive { peer: uuid });
                self.announce_soon(now);
            }
            Some(Presence::Silent) => self.event(Event::Silent { peer: uuid }),
            _ => {}
        }
        if silent {
            // It may have been heard at its old address a moment before it became evasive.
            self.follow_if_moved(now, uuid);
        }
    }

    /// Looks for a peer that doesn't answer at the address where it is heard now.
    pub(super) fn follow_if_moved(&mut self, now: Time, uuid: Uuid) {
        if self.has_moved(now, uuid) {
            self.exit(now, uuid, ExitReason::Disconnected);
            self.dial_if_due(now, uuid);
        }
    }

    /// Whether a peer that doesn't answer is heard at another address and no longer
    /// at this one. A host with two interfaces sends beacons from both.
    fn has_moved(&self, now: Time, uuid: Uuid) -> bool {
        let recent = self.config.interval.unwrap_or_default().saturating_mul(3);
        let Some(peer) = self.peers.get(&uuid) else {
            return false;
        };
        let Some(established) = peer.established() else {
            return false;
        };
        if established.mailbox.same_host {
            // The system would have ended the connection.
            return false;
        }
        let mut fresh = peer
            .addresses
            .iter()
            .filter(|address| now - address.heard <= recent)
            .peekable();
        fresh.peek().is_some() && !fresh.any(|known| known.endpoint == established.mailbox.endpoint)
    }

    /// Sends a PING at once and expects its answer, however short the silence is.
    pub(super) fn probe(&mut self, now: Time, uuid: Uuid) {
        let clock = self.clock.at(now);
        let deadline = self.clock.due(now, clock + self.config.ping_interval);
        let Some(Phase::Established(established)) =
            self.peers.get_mut(&uuid).map(|peer| &mut peer.phase)
        else {
            return;
        };
        let liveness = &mut established.liveness;
        if established.mailbox.in_memory || liveness.presence != Presence::Healthy {
            return;
        }
        liveness.doubt(clock, &self.config);
        self.send_ping(now, uuid);
        self.schedule(uuid, deadline);
    }

    /// Sends a PING to an established peer, and counts that its answer is due.
    pub(super) fn send_ping(&mut self, now: Time, uuid: Uuid) {
        if let Some(Phase::Established(established)) =
            self.peers.get_mut(&uuid).map(|peer| &mut peer.phase)
        {
            established.liveness.note_ping(now);
            let session = established.mailbox.session;
            let token = established.hello.takes_requests;
            let token = token.then_some(established.mailbox.token);
            self.send(session, Command::Ping(token));
        }
    }

    /// The numbers of our messages to a peer wrap soon ([`nears_wrap`](crate::nears_wrap)).
    /// Sends it a PING if it may wrap the other way.
    pub fn handle_near_wrap(&mut self, now: Time, peer: Uuid) {
        let known = self.peers.get(&peer).and_then(|peer| peer.established());
        if known.is_some_and(|established| !established.hello.takes_requests) {
            self.send_ping(now, peer);
        }
    }

    pub(super) fn probe_all(&mut self, now: Time) {
        let established: Vec<Uuid> = self.peers().collect();
        for uuid in established {
            self.probe(now, uuid);
        }
        self.check_all(now);
    }

    /// A message came from a peer that had been probed or was thought silent.
    pub(super) fn recover(&mut self, uuid: Uuid) {
        let established = self
            .peers
            .get_mut(&uuid)
            .and_then(|peer| peer.established_mut());
        if established.is_some_and(|established| established.liveness.recover()) {
            self.event(Event::Responsive { peer: uuid });
        }
    }

    /// We stood still for that long, or didn't read: that time doesn't count. If it
    /// was long enough for a peer to notice, no peer is judged before the messages
    /// that came meanwhile could be read.
    pub(super) fn skip(&mut self, now: Time, stood: Duration) {
        self.clock.skip(stood);
        if stood.saturating_mul(2) < self.config.ping_interval {
            return;
        }
        let clock = self.clock.at(now);
        let answer = clock + self.config.ping_interval;
        let farewell = clock + self.config.farewell;
        for peer in self.peers.values_mut() {
            match &mut peer.phase {
                Phase::Greeting(_, deadline) => *deadline = answer.max(*deadline),
                Phase::Leaving(_, _, until) => *until = farewell.max(*until),
                Phase::Established(established) => {
                    established.liveness.spare(clock);
                    if let Some(dispute) = &mut established.dispute {
                        dispute.until = answer.max(dispute.until);
                    }
                    if let Some(claim) = &mut established.exit_claim {
                        claim.spare(clock);
                    }
                }
                _ => {}
            }
        }
        self.spare_bootstraps(answer);
    }
}
