//! From a beacon or a HELLO to a session in both directions.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::guest::{Greeted, Guest, Held};
use super::live::Live;
use super::output::count;
use super::peer::{ELECTION_HEADER, Mailbox, Peer, Phase, REQUEST_HEADER, STATE_HEADER};
use super::sources::Sources;
use super::{Event, ExitReason, Inbound, Machine, Owner, PeerInfo, Source, Up};
use crate::{Command, Endpoint, Hello, Incoming, State, Time};

/// A HELLO that comes so soon after a session began, from the same place over
/// a new connection, is the echo of ours: the peer took ours for a restart (as
/// C Zyre takes every second one), began anew and greeted back.
const ECHO: Duration = Duration::from_secs(1);

/// Re-greetings of one UUID that are followed within [`RESTART_WINDOW`]; what
/// comes beyond is a loop or an attack.
const RESTARTS: u8 = 8;
const RESTART_WINDOW: Duration = Duration::from_secs(10);

/// A session that lasted that long counts as a success: the next failure
/// starts the backoff anew.
const STEADY: Duration = Duration::from_secs(10);

impl Machine {
    /// Sends our HELLO.
    pub(super) fn greet(&mut self, now: Time, mailbox: &mut Mailbox, up: Up) {
        mailbox.opened = Some(now);
        mailbox.proven = up.peer.is_some();
        mailbox.in_memory = up.in_memory;
        mailbox.told = self.state;
        let endpoint = match (&self.config.advertise, up.local, &mailbox.endpoint) {
            (Some(advertise), ..) => advertise.clone(),
            (None, Some(local), _) => Endpoint::Tcp((local, self.config.port).into()),
            // A link without addresses is of this host: the peer's is ours too.
            (None, None, Endpoint::Tcp(addr)) => {
                Endpoint::Tcp((addr.ip(), self.config.port).into())
            }
            (None, None, Endpoint::Host { host, .. }) => Endpoint::Host {
                host: host.clone(),
                port: self.config.port,
            },
            (None, None, Endpoint::Ipc(_)) => {
                Endpoint::Tcp((std::net::Ipv4Addr::LOCALHOST, self.config.port).into())
            }
        };
        let mut headers = self.config.headers.clone();
        headers.insert(STATE_HEADER.into(), u8::from(self.state).to_string());
        headers.insert(REQUEST_HEADER.into(), "1".into());
        headers.insert(ELECTION_HEADER.into(), "1".into());
        let hello = Hello {
            endpoint: endpoint.to_wire(),
            groups: self.own_groups.iter().map(ToString::to_string).collect(),
            status: self.status,
            name: self.config.name.clone(),
            headers,
        };
        self.send(mailbox.session, Command::Hello(hello));
    }

    /// A HELLO came, with sequence 1.
    ///
    /// One that comes while ours is unanswered is the answer. Only a peer that
    /// had greeted us on this session before has started anew: two nodes that
    /// answered each HELLO with another would greet each other for ever.
    pub(super) fn handle_hello(&mut self, now: Time, from: &Inbound, hello: Hello) {
        let uuid = from.peer;
        let greeted = Greeted::new(from, &hello);
        tracing::debug!(
            %uuid,
            name = %hello.name,
            connection = greeted.connection,
            from = ?greeted.from,
            endpoint = greeted.endpoint.as_ref().map(tracing::field::display),
            "hello"
        );
        if uuid == self.config.uuid {
            self.found_self(&greeted);
            return;
        }
        if self.departure.is_some() || greeted.state == State::Exit {
            count(&mut self.counters.refused);
            return;
        }
        if greeted.groups.len() > self.config.limits.groups_per_peer {
            count(&mut self.counters.limited);
            return;
        }
        let lives: Vec<(Uuid, u16)> = self
            .tombstones
            .range((uuid, 0)..=(uuid, u16::MAX))
            .map(|(life, _)| *life)
            .collect();
        for life in lives {
            self.tombstones.remove(&life);
        }
        if let Some(endpoint) = &greeted.endpoint {
            self.doubt_holder(now, uuid, endpoint);
        }
        self.suspect_seeds(uuid);
        let held = Held::new(&self.held);
        let Some(peer) = self.require_peer(now, uuid) else {
            return;
        };
        peer.heard = now;
        if peer.is_refused(now, greeted.endpoint.as_ref()) {
            count(&mut self.counters.refused);
            return;
        }
        if peer.note_move(now, greeted.endpoint.as_ref()) {
            self.tell_conflict(now, uuid);
        }
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let guest = Box::new(Guest::new(greeted, hello, held));
        if !peer.is_engaged() {
            self.answer(now, uuid, guest);
            return;
        }
        match peer.take_phase(now) {
            Phase::Known { .. } | Phase::Waiting(..) => self.answer(now, uuid, guest),
            Phase::Dialling(mailbox) | Phase::Entering(mailbox, _) => {
                peer.phase = Phase::Entering(mailbox, guest);
            }
            Phase::Greeting(mailbox, _) => self.enter(now, uuid, mailbox, *guest),
            Phase::Ready(mut live) => {
                let (before, greeted) = (&live.greeted, &guest.greeted);
                let anew = before.connection != greeted.connection;
                let elsewhere = before.endpoint != greeted.endpoint || before.is_far(greeted);
                if anew && !elsewhere && live.age(now) < ECHO {
                    peer.phase = Phase::Ready(live);
                    self.greeted_again(now, uuid, guest.greeted);
                } else if anew && elsewhere {
                    peer.phase = Phase::Ready(live);
                    self.dispute(now, uuid, guest);
                } else {
                    live.end_contest();
                    peer.phase = Phase::Ready(live);
                    self.judge_wrap(uuid);
                    self.exit(now, uuid, ExitReason::Replaced);
                    self.answer(now, uuid, guest);
                }
            }
            Phase::Leaving(mut live, reason, until) => {
                live.end_contest();
                peer.phase = Phase::Leaving(live, reason, until);
                self.exit(now, uuid, reason);
                self.answer(now, uuid, guest);
            }
        }
    }

    /// Opens a mailbox to somebody who greeted us first.
    ///
    /// RFC 36: "If the recipient has not already connected to this peer it
    /// SHALL create a ZeroMQ DEALER socket and connect it to the endpoint".
    pub(super) fn answer(&mut self, now: Time, uuid: Uuid, guest: Box<Guest>) {
        let Some(peer) = self.require_peer(now, uuid) else {
            return;
        };
        if now - peer.restarted > RESTART_WINDOW {
            (peer.restarted, peer.restarts) = (now, 0);
        }
        peer.restarts = peer.restarts.saturating_add(1);
        if peer.restarts > RESTARTS {
            tracing::debug!(%uuid, "greets too often");
            count(&mut self.counters.refused);
            return;
        }
        if peer.via.is_empty() {
            peer.via.insert(Source::Hello);
        }
        let adopted = self
            .adopt_dial(now, uuid, &guest.greeted)
            .or_else(|| self.take_over_dial(now, uuid, &guest.greeted));
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        if let Some((mailbox, source, greeted_already)) = adopted {
            if let Some(source) = source {
                peer.via.remove(Source::Hello);
                peer.via.insert(source);
            }
            self.sessions
                .insert(mailbox.session, Owner::Peer(uuid), &mailbox.endpoint);
            if greeted_already {
                self.enter(now, uuid, mailbox, *guest);
            } else {
                peer.phase = Phase::Entering(mailbox, guest);
            }
            return;
        }
        peer.tried.clear();
        let way = Self::next_way(peer, &guest.greeted);
        let Some((endpoint, over_loopback)) = way else {
            tracing::debug!(%uuid, "its endpoint can't be dialled");
            count(&mut self.counters.refused);
            return;
        };
        let comes_from_there = guest
            .greeted
            .ip()
            .is_none_or(|from| endpoint.ip() == Some(from));
        let holder_is_there = |other: Uuid| {
            let beacons = |peer: &Peer| peer.beacons_from_mailbox(now);
            other != uuid
                && (!comes_from_there || self.peers.get(&other).is_some_and(|peer| beacons(peer)))
        };
        if self.peers_dialled_at(&endpoint).any(holder_is_there) {
            // Anybody can claim the address of another, and a HELLO that nobody
            // read for long may be of somebody whose address it was; a second
            // link to it would cost us the first. The holder has been asked.
            tracing::debug!(%uuid, "claims the address of another");
            count(&mut self.counters.refused);
            return;
        }
        self.open(uuid, guest, endpoint, over_loopback);
    }

    /// A HELLO that is the echo of ours, on a new connection of the same peer:
    /// it has the session that it had, with another beginning.
    fn greeted_again(&mut self, now: Time, uuid: Uuid, greeted: Greeted) {
        let clock = self.clock(now);
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        peer.shows_state = greeted.shows_state;
        let Some(live) = peer.live_mut() else {
            return;
        };
        tracing::debug!(%uuid, "greeted us back once more");
        live.status = greeted.status;
        live.incoming = Incoming::greeted();
        live.watch.last_heard = clock;
        let state = greeted.shows_state.then_some(greeted.state);
        let groups = greeted.groups.clone();
        let before = std::mem::replace(&mut live.greeted, greeted).groups;
        self.heard_again(uuid);
        for group in before.difference(&groups).cloned() {
            self.election_member_went(now, uuid, &group);
            self.event(Event::Leave { peer: uuid, group });
        }
        for group in groups.difference(&before) {
            self.event(Event::Join {
                peer: uuid,
                group: group.clone(),
            });
            self.election_member_came(now, uuid, group);
        }
        if let Some(state) = state {
            self.set_peer_state(uuid, state);
        }
    }

    /// Both have greeted.
    pub(super) fn enter(&mut self, now: Time, uuid: Uuid, mailbox: Box<Mailbox>, guest: Guest) {
        let Guest {
            mut greeted,
            name,
            headers,
            mut held,
        } = guest;
        let clock = self.clock(now);
        let session = mailbox.session;
        let mut stale = None;
        if !greeted.shows_state
            && let Some(peer) = self.peers.get(&uuid)
        {
            greeted.state = peer.announced;
        }
        self.sessions.note_answer(session);
        let live = Live::new(now, clock, mailbox, greeted);
        if live.greeted.shows_state && live.mailbox.told != self.state {
            stale = Some(self.state);
        }
        let info = Box::new(PeerInfo {
            name,
            headers,
            endpoint: live.mailbox.endpoint.clone(),
            state: live.state,
            takes_requests: live.greeted.takes_requests,
            via: self
                .peers
                .get(&uuid)
                .map_or(Sources::default(), |peer| peer.via)
                .iter()
                .collect(),
        });
        let groups: Vec<Arc<str>> = live.greeted.groups.iter().cloned().collect();
        let inbound = Inbound {
            peer: uuid,
            connection: live.greeted.connection,
            from: live.greeted.from,
        };
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        peer.tried.clear();
        peer.shows_state = live.greeted.shows_state;
        peer.phase = Phase::Ready(Box::new(live));
        self.event(Event::Enter {
            peer: uuid,
            session,
            info,
        });
        for group in groups {
            self.event(Event::Join {
                peer: uuid,
                group: group.clone(),
            });
            self.election_member_came(now, uuid, &group);
        }
        if let Some(state) = stale {
            self.send(session, Command::State(state));
            if let Some(live) = self.peers.get_mut(&uuid).and_then(|peer| peer.live_mut()) {
                live.mailbox.told = state;
            }
        }
        // It was set for the HELLO that has come.
        self.unschedule(uuid);
        self.tend(now, uuid);
        for (header, content) in held.take() {
            self.handle_message(now, &inbound, &header, content);
        }
    }

    /// The application has seen the last of a peer.
    pub(super) fn exit(&mut self, now: Time, uuid: Uuid, reason: ExitReason) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let mut live = match peer.take_phase(now) {
            Phase::Ready(live) | Phase::Leaving(live, ..) => live,
            other => {
                peer.phase = other;
                return;
            }
        };
        peer.failures = match reason {
            ExitReason::Goodbye | ExitReason::Replaced => 0,
            _ if live.age(now) >= STEADY => 0,
            _ => peer.failures.saturating_add(1),
        };
        let unconfirmed = live.mailbox.numbering(|outgoing| outgoing.unconfirmed());
        if live.incoming.wraps_early() {
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
        self.disconnect(live.mailbox.session);
        self.pings.forget(uuid);
        self.event(Event::Exit {
            peer: uuid,
            reason,
            unconfirmed,
        });
        self.election_peer_went(now, uuid, &live.greeted.groups);
        self.no_longer_awaited(now, uuid);
        self.retry_seeds_of(now, uuid);
        self.dial_lasting(now, uuid);
        // Who greeted us under its UUID and waited for that.
        if let Some(contest) = live.end_contest()
            && self.departure.is_none()
        {
            self.answer(now, uuid, contest.newcomer);
        }
    }

    fn dial_lasting(&mut self, now: Time, uuid: Uuid) {
        let lasting = self.peers.get(&uuid).is_some_and(|peer| peer.is_lasting());
        if lasting && let Some(peer) = self.peers.get(&uuid) {
            // Not within this input: whoever caused the exit may go on.
            let Phase::Known { retry_at } = peer.phase else {
                return;
            };
            self.schedule(uuid, retry_at.max(now + self.config.farewell));
        }
    }

    /// A peer dropped us. Where that was exactly at our 65535, it is one of
    /// those whose sequence goes from 65534 to 0.
    pub(super) fn judge_wrap(&mut self, uuid: Uuid) {
        let at_the_wrap = self
            .peers
            .get(&uuid)
            .and_then(|peer| peer.live())
            .is_some_and(|live| {
                live.mailbox
                    .numbering(|outgoing| outgoing.wrapped_unconfirmed())
            });
        if at_the_wrap {
            self.short_wraps.toggle(uuid);
        }
    }
}
