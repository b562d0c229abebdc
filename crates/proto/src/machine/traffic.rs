//! What peers send.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use super::bounds::OWED_ANSWERS;
use super::counters::count;
use super::established::EstablishedPeer;
use super::liveness::Presence;
use super::peer::{Peer, Phase};
use super::remote_hello::RemoteHello;
use super::{Event, ExitReason, Inbound, Machine};
use crate::hello_headers::is_reserved;
use crate::{Command, DecodeError, Frames, Profile, State, Str, Time};

impl Machine {
    /// A message came into our inbox.
    ///
    /// RFC 36: "When a node receives messages from a new peer it SHALL silently
    /// ignore any commands that precede a HELLO command."
    pub fn handle_message(&mut self, now: Time, from: &Inbound, header: &[u8], content: Frames) {
        let limits = &self.config.limits;
        match self.peers.get_mut(&from.peer).map(|peer| &mut peer.phase) {
            Some(Phase::Established(established) | Phase::Leaving(established, ..))
                if established.hello.connection == from.connection =>
            {
                self.handle_established(now, from, header, content);
            }
            Some(Phase::Established(established))
                if established.is_disputed_by(from.connection) =>
            {
                let held = established
                    .dispute
                    .as_mut()
                    .is_none_or(|dispute| dispute.newcomer.held.push(header, content, limits));
                if !held {
                    count(&mut self.counters.limited);
                    self.end_dispute(from.peer);
                    self.refuse(from.connection);
                }
            }
            Some(Phase::Entering(_, pending) | Phase::Waiting(pending, _))
                if pending.hello.connection == from.connection =>
            {
                if !pending.held.push(header, content, limits) {
                    count(&mut self.counters.limited);
                    self.give_up_pending(now, from.peer);
                }
            }
            _ => self.handle_stranger(now, from, header, content),
        }
        self.dial_queued(now);
    }

    /// The short way for messages that come by the million: the next whisper of a peer that
    /// is here and not evasive.
    ///
    /// Returns whether the message is one. If so, there is no output for it, not even
    /// [`Event::Whisper`]: the caller gives its content to the application. If not, nothing has
    /// changed, and the caller passes the message to
    /// [`handle_message`](Self::handle_message). So it is while outputs wait, which come first.
    #[inline]
    pub fn handle_whisper(
        &mut self,
        now: Time,
        from: &Inbound,
        header: &[u8],
        content: &Frames,
    ) -> bool {
        let Some(sequence) = Command::whisper_sequence(header, content, &self.config.limits) else {
            return false;
        };
        let Some(Phase::Established(established)) =
            self.peers.get_mut(&from.peer).map(|peer| &mut peer.phase)
        else {
            return false;
        };
        let is_next = self.outputs.is_empty()
            && established.hello.connection == from.connection
            && established.liveness.presence == Presence::Healthy
            && established.incoming.accept(sequence).is_ok();
        if is_next {
            established.liveness.last_heard = self.clock.at(now);
            let bytes = || content.iter().map(Bytes::len).sum::<usize>();
            tracing::trace!(uuid = %from.peer, bytes = bytes(), "whisper");
        }
        is_next
    }

    fn handle_stranger(&mut self, now: Time, from: &Inbound, header: &[u8], content: Frames) {
        match Command::decode_split(header, content, &self.config.limits) {
            Ok((1, Command::Hello(hello))) => self.handle_hello(now, from, hello),
            Ok(_) => {
                count(&mut self.counters.ungreeted);
                tracing::debug!(uuid = %from.peer, "a message from a peer that hasn't greeted");
            }
            Err(error) => self.count_dropped(from, &error),
        }
    }

    /// RFC 36: "every message must have a strictly incrementing sequence
    /// number. When a peer detects gaps in the sequence, or an out-of-sequence
    /// message, it" ends the session, as others do.
    fn handle_established(&mut self, now: Time, from: &Inbound, header: &[u8], content: Frames) {
        let uuid = from.peer;
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
                self.count_dropped(from, error);
                match error.sequence() {
                    // It isn't ZRE at all, so it took no number.
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

    /// Returns whether a message of an established peer is the next one. If it is,
    /// the peer has been heard; otherwise it exits.
    fn accept(&mut self, now: Time, uuid: Uuid, sequence: u16) -> bool {
        let clock = self.clock.at(now);
        let Some(established) = self.established_mut(uuid) else {
            return false;
        };
        if let Err(gap) = established.incoming.accept(sequence) {
            tracing::debug!(%uuid, %gap, "messages are missing");
            count(&mut self.counters.gaps);
            self.exit(now, uuid, ExitReason::Sequence);
            return false;
        }
        established.liveness.last_heard = clock;
        if established.liveness.presence != Presence::Healthy {
            self.recover(uuid);
        }
        true
    }

    fn handle_command(&mut self, now: Time, uuid: Uuid, command: Command) {
        match command {
            Command::Whisper { content } => self.event(Event::Whisper {
                peer: uuid,
                content,
            }),
            Command::Shout { group, .. } if !self.may_be_in(uuid, &group) => {
                count(&mut self.counters.plain);
                tracing::debug!(%uuid, %group, "a shout without a key to a group with keys");
            }
            Command::Shout { group, content } => {
                // All shouts to a group of ours share one name.
                let group = self.own_groups.get(&group).cloned().unwrap_or(group);
                self.event(Event::Shout {
                    peer: uuid,
                    group,
                    content,
                });
            }
            Command::Request { .. } | Command::Reply { .. }
                if !self.has_shown(uuid, |hello| hello.takes_requests) =>
            {
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
            Command::Join { group, status } => self.handle_join(now, uuid, group, status),
            Command::Leave { group, status } => self.handle_leave(now, uuid, &group, status),
            // RFC 36: "When a node receives a PING command it SHALL reply with
            // a PING-OK command."
            Command::Ping(token) => {
                let Some(Phase::Established(established)) =
                    self.peers.get_mut(&uuid).map(|peer| &mut peer.phase)
                else {
                    return;
                };
                if let Some(dispute) = &mut established.dispute {
                    if dispute.owed_answers.len() < OWED_ANSWERS {
                        dispute.owed_answers.push(token);
                    }
                    return;
                }
                let session = established.mailbox.session;
                self.send(session, Command::PingOk(token));
            }
            Command::PingOk(token) => self.handle_ping_ok(now, uuid, token),
            Command::Goodbye => self.handle_goodbye(now, uuid),
            Command::State(State::Exit) => {
                self.begin_leaving(now, uuid, ExitReason::Goodbye);
            }
            Command::State(state) => {
                self.note_state(uuid, state);
                if state == State::Draining {
                    // It answers before its GOODBYE, and its `Exit` then doesn't
                    // count messages as lost that have arrived.
                    self.send_ping(now, uuid);
                }
            }
            Command::Update(_) if !self.has_shown(uuid, |hello| hello.takes_updates) => {
                count(&mut self.counters.unknown);
            }
            Command::Update(profile) => self.handle_update(uuid, profile),
            Command::Elect {
                group,
                challenger_id,
            } => self.handle_elect(now, uuid, &group, &challenger_id),
            Command::Leader { group, leader_id } => self.handle_leader(uuid, &group, &leader_id),
            Command::Hello(_) => self.exit(now, uuid, ExitReason::Sequence),
        }
    }

    fn handle_join(&mut self, now: Time, uuid: Uuid, group: Str, status: u8) {
        let limits = &self.config.limits;
        let Some(established) = established_of(&mut self.peers, uuid) else {
            return;
        };
        let hello = &mut established.hello;
        let closed = !hello.may_be_in(&group, &self.config.plain_groups);
        let known = hello.groups.contains(&group);
        let full = !closed
            && (hello.groups.len() >= limits.groups_per_peer
                || !(known || hello.description.join(&group, limits)));
        let joined = !closed && !full && hello.groups.insert(group.clone());
        let as_expected = established.note_status(status);
        if !as_expected {
            count(&mut self.counters.status);
        }
        if closed {
            count(&mut self.counters.plain);
            tracing::debug!(%uuid, %group, "a peer without a key can't be in a group with keys");
        }
        if full {
            count(&mut self.counters.limited);
        }
        if joined {
            self.event(Event::Join {
                peer: uuid,
                group: group.clone(),
            });
            self.election_member_came(now, uuid, &group);
        }
    }

    fn handle_update(&mut self, uuid: Uuid, mut profile: Profile) {
        profile.headers.retain(|key, _| !is_reserved(key));
        let Some(established) = established_of(&mut self.peers, uuid) else {
            return;
        };
        let description = &mut established.hello.description;
        if !description.update(&profile.name, &profile.headers, &self.config.limits) {
            count(&mut self.counters.limited);
            return;
        }
        self.event(Event::Update {
            peer: uuid,
            profile: Box::new(profile),
        });
    }

    fn handle_leave(&mut self, now: Time, uuid: Uuid, group: &str, status: u8) {
        let Some(established) = self.established_mut(uuid) else {
            return;
        };
        let as_expected = established.note_status(status);
        let left = established.hello.groups.take(group);
        if left.is_some() {
            established.hello.description.leave(group);
        }
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

    /// Whether an established peer may be in that group.
    fn may_be_in(&self, uuid: Uuid, group: &str) -> bool {
        self.has_shown(uuid, |hello| {
            hello.may_be_in(group, &self.config.plain_groups)
        })
    }

    /// Whether the HELLO of an established peer has shown something.
    fn has_shown(&self, uuid: Uuid, what: impl FnOnce(&RemoteHello) -> bool) -> bool {
        let established = self.peers.get(&uuid).and_then(|peer| peer.established());
        established.is_some_and(|established| what(&established.hello))
    }

    fn handle_ping_ok(&mut self, now: Time, uuid: Uuid, token: Option<u64>) {
        let Some(established) = self.established_mut(uuid) else {
            return;
        };
        if token.is_some_and(|token| token != established.mailbox.token) {
            // It answers a PING of our process before this one, which the peer reads only
            // now. It confirms nothing of what we have sent.
            count(&mut self.counters.stale);
            return;
        }
        established.mailbox.numbering(|outgoing| outgoing.confirm());
        let liveness = &mut established.liveness;
        liveness.open_pings = liveness.open_pings.saturating_sub(1);
        liveness.suspect = false;
        let all_answered = liveness.open_pings == 0;
        let claimed = established.exit_claim.is_some();
        let older_lives = established.dispute.as_mut().is_some_and(|dispute| {
            dispute.open_pings = dispute.open_pings.saturating_sub(1);
            dispute.open_pings == 0
        });
        self.report_round_trip(now, uuid);
        if claimed {
            self.answer_exit_claim(now, uuid);
        }
        if older_lives {
            self.reject_newcomer(now, uuid);
        }
        if all_answered {
            self.no_longer_awaited(now, uuid);
        }
    }

    pub(super) fn established_mut(&mut self, uuid: Uuid) -> Option<&mut EstablishedPeer> {
        established_of(&mut self.peers, uuid)
    }

    fn count_dropped(&mut self, from: &Inbound, error: &DecodeError) {
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

/// The established peer of that UUID. The rest of the machine stays free for others.
fn established_of(
    peers: &mut BTreeMap<Uuid, Box<Peer>>,
    uuid: Uuid,
) -> Option<&mut EstablishedPeer> {
    peers.get_mut(&uuid)?.established_mut()
}
