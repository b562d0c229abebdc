//! What peers say.

use std::sync::Arc;

use uuid::Uuid;

use super::live::{Live, Presence};
use super::output::count;
use super::peer::Phase;
use super::{Event, ExitReason, Inbound, Machine};
use crate::{Command, DecodeError, Frames, State, Time};

impl Machine {
    /// A message came into our inbox.
    ///
    /// RFC 36: "When a node receives messages from a new peer it SHALL silently
    /// ignore any commands that precede a HELLO command."
    pub fn handle_message(&mut self, now: Time, from: &Inbound, header: &[u8], content: Frames) {
        match self.peers.get_mut(&from.peer).map(|peer| &mut peer.phase) {
            Some(Phase::Ready(live) | Phase::Leaving(live, ..))
                if live.greeted.connection == from.connection =>
            {
                self.handle_live(now, from, header, content);
            }
            Some(Phase::Ready(live)) if live.is_contested_by(from.connection) => {
                let contest = &mut live.watch.contest;
                let held = contest
                    .as_mut()
                    .is_none_or(|contest| contest.newcomer.held.push(header, content));
                if !held {
                    count(&mut self.counters.limited);
                    *contest = None;
                }
            }
            Some(Phase::Entering(_, guest) | Phase::Waiting(guest, _))
                if guest.greeted.connection == from.connection =>
            {
                if !guest.held.push(header, content) {
                    count(&mut self.counters.limited);
                    self.give_up_greeted(now, from.peer);
                }
            }
            _ => self.handle_stranger(now, from, header, content),
        }
        self.dial_queued(now);
    }

    fn handle_stranger(&mut self, now: Time, from: &Inbound, header: &[u8], content: Frames) {
        match Command::decode_split(header, content, &self.config.limits) {
            Ok((1, Command::Hello(hello))) => self.handle_hello(now, from, hello),
            Ok(_) => {
                count(&mut self.counters.ungreeted);
                tracing::debug!(uuid = %from.peer, "a message from somebody who hasn't greeted");
            }
            Err(error) => self.count(from, &error),
        }
    }

    /// RFC 36: "every message must have a strictly incrementing sequence
    /// number. When a peer detects gaps in the sequence, or an out-of-sequence
    /// message, it" ends the session, as others do.
    fn handle_live(&mut self, now: Time, from: &Inbound, header: &[u8], content: Frames) {
        let uuid = from.peer;
        let whisper = Command::whisper_sequence(header, &content, &self.config.limits);
        if let Some(sequence) = whisper {
            if self.accept(now, uuid, sequence) {
                self.event(Event::Whisper {
                    peer: uuid,
                    content: content.into(),
                });
            }
            return;
        }
        let decoded = Command::decode_split(header, content, &self.config.limits);
        let sequence = match &decoded {
            Ok((1, Command::Hello(_))) => {
                if let Ok((_, Command::Hello(hello))) = decoded {
                    self.handle_hello(now, from, hello);
                }
                return;
            }
            Ok((sequence, _)) => *sequence,
            Err(error) => {
                self.count(from, error);
                match error.sequence() {
                    // Not ZRE at all: no number that it could have used up.
                    None => return,
                    Some(sequence) => sequence,
                }
            }
        };
        if !self.accept(now, uuid, sequence) {
            return;
        }
        match decoded {
            Ok((_, command)) => self.handle_command(now, uuid, command),
            Err(DecodeError::UnknownCommand { .. }) => {}
            Err(_) => self.exit(now, uuid, ExitReason::Protocol),
        }
    }

    /// Whether a message of a peer that is here is the next one; it has been
    /// heard then. Otherwise it is gone now.
    fn accept(&mut self, now: Time, uuid: Uuid, sequence: u16) -> bool {
        let clock = self.clock(now);
        let Some(live) = self.peers.get_mut(&uuid).and_then(|peer| peer.live_mut()) else {
            return false;
        };
        if let Err(gap) = live.incoming.accept(sequence) {
            tracing::debug!(%uuid, %gap, "messages are missing");
            count(&mut self.counters.gaps);
            self.exit(now, uuid, ExitReason::Sequence);
            return false;
        }
        live.watch.last_heard = clock;
        if live.watch.presence != Presence::Healthy {
            self.heard_again(uuid);
        }
        true
    }

    fn handle_command(&mut self, now: Time, uuid: Uuid, command: Command) {
        match command {
            Command::Whisper { content } => self.event(Event::Whisper {
                peer: uuid,
                content,
            }),
            Command::Shout { group, content } => {
                let group = self
                    .own_groups
                    .get(&*group)
                    .cloned()
                    .unwrap_or_else(|| Arc::from(&*group));
                self.event(Event::Shout {
                    peer: uuid,
                    group,
                    content,
                });
            }
            Command::Request { .. } | Command::Reply { .. } if !self.exchanges(uuid) => {
                count(&mut self.counters.unknown);
            }
            Command::Request { id, content } => self.event(Event::Request {
                peer: uuid,
                id,
                content,
            }),
            Command::Reply { id, content } => self.event(Event::Reply {
                peer: uuid,
                id,
                content,
            }),
            Command::Join { group, status } => {
                let most = self.config.limits.groups_per_peer;
                let Some(live) = self.live_mut(uuid) else {
                    return;
                };
                let groups = &mut live.greeted.groups;
                let full = groups.len() >= most;
                let joined = !full && groups.insert(Arc::from(&*group));
                let as_expected = live.count_status(status);
                if !as_expected {
                    count(&mut self.counters.status);
                }
                if full {
                    count(&mut self.counters.limited);
                }
                if joined {
                    let joined = Arc::from(&*group);
                    self.event(Event::Join {
                        peer: uuid,
                        group: joined,
                    });
                    self.election_member_came(now, uuid, &group);
                }
            }
            Command::Leave { group, status } => {
                let Some(live) = self.live_mut(uuid) else {
                    return;
                };
                let as_expected = live.count_status(status);
                let left = live.greeted.groups.take(&*group);
                if !as_expected {
                    count(&mut self.counters.status);
                }
                if let Some(group) = left {
                    self.event(Event::Leave {
                        peer: uuid,
                        group: group.clone(),
                    });
                    self.election_member_went(now, uuid, &group);
                }
            }
            // RFC 36: "When a node receives a PING command it SHALL reply with
            // a PING-OK command."
            Command::Ping => {
                if let Some(Phase::Ready(live)) = self.peers.get(&uuid).map(|peer| &peer.phase) {
                    let session = live.mailbox.session;
                    self.send(session, Command::PingOk);
                }
            }
            Command::PingOk => self.handle_ping_ok(now, uuid),
            Command::Goodbye => self.handle_goodbye(now, uuid),
            Command::State(State::Exit) => {
                self.begin_leaving(now, uuid, ExitReason::Goodbye);
            }
            Command::State(state) => {
                self.set_peer_state(uuid, state);
                if state == State::Draining {
                    self.confirm_rest(now, uuid);
                }
            }
            Command::Elect {
                group,
                challenger_id,
            } => self.handle_elect(now, uuid, &group, &challenger_id),
            Command::Leader { group, leader_id } => self.handle_leader(uuid, &group, &leader_id),
            Command::Hello(_) => self.exit(now, uuid, ExitReason::Sequence),
        }
    }

    /// Whether a peer showed that it knows of requests and answers.
    fn exchanges(&self, uuid: Uuid) -> bool {
        let live = self.peers.get(&uuid).and_then(|peer| peer.live());
        live.is_some_and(|live| live.greeted.takes_requests)
    }

    /// Asks a peer that is about to leave whether it has all that was sent to
    /// it: it answers before its GOODBYE, and `Exit` then counts nothing as lost
    /// that wasn't.
    fn confirm_rest(&mut self, now: Time, uuid: Uuid) {
        if let Some(Phase::Ready(live)) = self.peers.get_mut(&uuid).map(|peer| &mut peer.phase) {
            live.note_ping(now);
            let session = live.mailbox.session;
            self.send(session, Command::Ping);
        }
    }

    fn handle_ping_ok(&mut self, now: Time, uuid: Uuid) {
        let Some(live) = self.live_mut(uuid) else {
            return;
        };
        live.mailbox.numbering(|outgoing| outgoing.confirm());
        let watch = &mut live.watch;
        watch.pings = watch.pings.saturating_sub(1);
        watch.doubted = false;
        let all_answered = watch.pings == 0;
        let older_lives = watch.contest.as_mut().is_some_and(|contest| {
            contest.pings = contest.pings.saturating_sub(1);
            contest.pings == 0
        });
        self.tell_round_trip(now, uuid);
        if older_lives {
            self.newcomer_loses(now, uuid);
        }
        if all_answered {
            self.no_longer_awaited(now, uuid);
        }
    }

    fn live_mut(&mut self, uuid: Uuid) -> Option<&mut Live> {
        self.peers.get_mut(&uuid).and_then(|peer| peer.live_mut())
    }

    fn count(&mut self, from: &Inbound, error: &DecodeError) {
        tracing::debug!(uuid = %from.peer, %error, "a message was dropped");
        let counter = match error {
            DecodeError::NotZre => &mut self.counters.foreign,
            DecodeError::Version(_) => &mut self.counters.version,
            DecodeError::UnknownCommand { .. } => &mut self.counters.unknown,
            DecodeError::Malformed { .. } => &mut self.counters.malformed,
            DecodeError::Limit { .. } => &mut self.counters.limited,
        };
        count(counter);
    }
}

impl Live {
    /// Takes over the peer's status; false where it isn't the next one. Others
    /// assert it; to us it says only that somebody counts differently.
    fn count_status(&mut self, status: u8) -> bool {
        let expected = self.status.wrapping_add(1);
        self.status = status;
        status == expected
    }
}
