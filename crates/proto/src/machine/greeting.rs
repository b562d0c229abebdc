//! From a HELLO to a session in both directions.

use std::net::Ipv4Addr;
use std::time::Duration;

use uuid::Uuid;

use super::counters::count;
use super::description::Description;
use super::established::EstablishedPeer;
use super::event::PeerInfo;
use super::mailbox::Mailbox;
use super::peer::{Peer, Phase};
use super::pending::{HeldMessages, PendingPeer};
use super::remote_hello::RemoteHello;
use super::sessions::Owner;
use super::{Event, ExitReason, Inbound, Machine, Source, Up};
use crate::hello_headers::{
    ELECTION_HEADER, KEY_HEADER, REQUEST_HEADER, STATE_HEADER, UPDATE_HEADER,
};
use crate::{Command, Endpoint, Hello, Incoming, State, Time};

/// A HELLO so soon after a session began, from the same place over a new
/// connection, is the echo of ours: the peer took ours for a restart (as C Zyre
/// takes every second one), started again and greeted back.
const ECHO: Duration = Duration::from_secs(1);

impl Machine {
    /// Sends our HELLO.
    pub(super) fn greet(&mut self, now: Time, mailbox: &mut Mailbox, up: Up) {
        mailbox.opened = Some(now);
        mailbox.proven = up.peer.is_some();
        mailbox.in_memory = up.in_memory;
        mailbox.same_host = up.same_host;
        mailbox.sent_state = self.state;
        mailbox.sent_revision = self.updates.revision;
        let mut headers = self.config.headers.clone();
        if let Some(key) = &self.config.public_key {
            headers.insert(KEY_HEADER.into(), key.clone());
        }
        headers.insert(STATE_HEADER.into(), u8::from(self.state).to_string());
        headers.insert(REQUEST_HEADER.into(), "1".into());
        headers.insert(ELECTION_HEADER.into(), "1".into());
        headers.insert(UPDATE_HEADER.into(), "1".into());
        let hello = Hello {
            endpoint: self.own_endpoint(mailbox, up).to_wire(),
            groups: self.own_groups.iter().map(ToString::to_string).collect(),
            status: self.status,
            name: self.config.name.clone(),
            headers,
        };
        self.send(mailbox.session, Command::Hello(hello));
    }

    /// The endpoint that our HELLO on that mailbox names.
    fn own_endpoint(&self, mailbox: &Mailbox, up: Up) -> Endpoint {
        if let Some(advertise) = &self.config.advertise {
            return advertise.clone();
        }
        let port = self.config.port;
        match (up.local, &mailbox.endpoint) {
            (Some(local), _) => Endpoint::Tcp((local, port).into()),
            // A link without addresses stays on this host: the peer's address is
            // ours, too.
            (None, Endpoint::Tcp(addr)) => Endpoint::Tcp((addr.ip(), port).into()),
            (None, Endpoint::Host { host, .. }) => Endpoint::Host {
                host: host.clone(),
                port,
            },
            (None, Endpoint::Ipc(_)) => Endpoint::Tcp((Ipv4Addr::LOCALHOST, port).into()),
        }
    }

    /// Handles a HELLO, with sequence 1.
    ///
    /// A HELLO that comes while ours is unanswered is the answer. Only a peer that
    /// had greeted us on this session before has restarted. Two nodes that answered
    /// each HELLO with another would greet each other for ever.
    pub(super) fn handle_hello(&mut self, now: Time, from: &Inbound, hello: Hello) {
        let uuid = from.peer;
        let description = Description::new(&self.description_bytes);
        let mut remote = RemoteHello::new(from, &hello, description);
        tracing::debug!(
            %uuid,
            name = %hello.name,
            connection = remote.connection,
            from = ?remote.from,
            endpoint = remote.endpoint.as_ref().map(tracing::field::display),
            "hello"
        );
        if uuid == self.config.uuid {
            self.found_self(&remote);
            return;
        }
        if self.departure.is_some() || remote.state == State::Exit {
            count(&mut self.counters.refused);
            return;
        }
        if remote.is_plain {
            let plain_groups = &self.config.plain_groups;
            let told = remote.groups.len();
            remote
                .groups
                .retain(|group| plain_groups.contains(&**group));
            for _ in remote.groups.len()..told {
                count(&mut self.counters.plain);
            }
        }
        let limits = &self.config.limits;
        if remote.groups.len() > limits.groups_per_peer
            || !remote.description.greet(&hello, &remote.groups, limits)
        {
            count(&mut self.counters.limited);
            return;
        }
        self.unbury(uuid);
        if let Some(endpoint) = &remote.endpoint {
            self.suspect_holder(now, uuid, endpoint);
        }
        let known = self.peers.get(&uuid).and_then(|peer| peer.established());
        if known.is_some() {
            self.note_greeting_anew(uuid);
        }
        let held = HeldMessages::new(&self.held_bytes);
        let Some(peer) = self.require_peer(now, uuid) else {
            return;
        };
        peer.heard = now;
        if peer.is_refused(now, remote.endpoint.as_ref()) {
            self.refuse(remote.connection);
            return;
        }
        if peer.note_move(now, remote.endpoint.as_ref()) {
            self.report_conflict(now, uuid);
        }
        let pending = Box::new(PendingPeer::new(remote, hello, held));
        self.handle_greeting(now, uuid, pending);
    }

    /// What a HELLO means depends on the phase of its peer.
    fn handle_greeting(&mut self, now: Time, uuid: Uuid, pending: Box<PendingPeer>) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        if !peer.is_engaged() {
            self.answer(now, uuid, pending);
            return;
        }
        match peer.take_phase(now) {
            Phase::Known { .. } | Phase::Waiting(..) => self.answer(now, uuid, pending),
            Phase::Entering(mailbox, first)
                if first.hello.connection != pending.hello.connection =>
            {
                // Whoever was first has our HELLO in a moment, and is asked then.
                peer.phase = Phase::Entering(mailbox, first);
                self.refuse(pending.hello.connection);
            }
            Phase::Dialling(mailbox) | Phase::Entering(mailbox, _) => {
                let connection = pending.hello.connection;
                peer.phase = Phase::Entering(mailbox, pending);
                self.admit(connection);
            }
            Phase::Greeting(mailbox, _) => self.establish(now, uuid, *mailbox, *pending),
            Phase::Established(mut established) => {
                let (before, hello) = (&established.hello, &pending.hello);
                let new_connection = before.connection != hello.connection;
                let elsewhere = before.endpoint != hello.endpoint || before.is_far(hello);
                if new_connection {
                    let echo = !elsewhere && established.age(now) < ECHO;
                    peer.phase = Phase::Established(established);
                    self.open_dispute(now, uuid, pending, echo);
                } else {
                    established.dispute = None;
                    peer.phase = Phase::Established(established);
                    self.check_wrap(uuid);
                    self.exit(now, uuid, ExitReason::Replaced);
                    self.answer(now, uuid, pending);
                }
            }
            Phase::Leaving(mut established, reason, until) => {
                established.dispute = None;
                peer.phase = Phase::Leaving(established, reason, until);
                self.exit(now, uuid, reason);
                self.answer(now, uuid, pending);
            }
        }
    }

    /// Opens a mailbox to a peer that greeted us first.
    ///
    /// RFC 36: "If the recipient has not already connected to this peer it
    /// SHALL create a ZeroMQ DEALER socket and connect it to the endpoint".
    pub(super) fn answer(&mut self, now: Time, uuid: Uuid, pending: Box<PendingPeer>) {
        let Some(peer) = self.require_peer(now, uuid) else {
            return;
        };
        if !peer.count_greeting(now) {
            tracing::debug!(%uuid, "greets too often");
            count(&mut self.counters.refused);
            return;
        }
        if peer.via.is_empty() {
            peer.via.insert(Source::Hello);
        }
        let adopted = self
            .adopt_dial(now, uuid, &pending.hello)
            .or_else(|| self.take_over_dial(now, uuid, &pending.hello));
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        if let Some(adopted) = adopted {
            let connection = pending.hello.connection;
            if let Some(source) = adopted.source {
                peer.via.remove(Source::Hello);
                peer.via.insert(source);
            }
            let mailbox = adopted.mailbox;
            self.sessions
                .insert(mailbox.session, Owner::Peer(uuid), &mailbox.endpoint);
            if adopted.greeted {
                self.establish(now, uuid, *mailbox, *pending);
            } else {
                peer.phase = Phase::Entering(mailbox, pending);
                self.admit(connection);
            }
            return;
        }
        peer.tried.clear();
        let Some(route) = self.next_route(now, uuid, &pending.hello) else {
            tracing::debug!(%uuid, "its endpoint can't be dialled");
            count(&mut self.counters.refused);
            return;
        };
        if self.is_claimed_from_another(now, uuid, &pending.hello, &route.endpoint) {
            tracing::debug!(%uuid, "claims the address of another");
            count(&mut self.counters.refused);
            return;
        }
        self.admit(pending.hello.connection);
        self.open_answer(uuid, pending, route);
    }

    /// Whether a HELLO names an address that another peer holds. Any node can claim
    /// it, and a HELLO that was read late may be from the node that was there
    /// before. A second link to the holder would cost us the first. The holder has
    /// been probed.
    fn is_claimed_from_another(
        &self,
        now: Time,
        uuid: Uuid,
        hello: &RemoteHello,
        endpoint: &Endpoint,
    ) -> bool {
        let comes_from_there = hello.ip().is_none_or(|from| endpoint.ip() == Some(from));
        let holder_is_there = |other: Uuid| {
            let beacons = |peer: &Peer| peer.beacons_from_mailbox(now);
            other != uuid
                && (!comes_from_there || self.peers.get(&other).is_some_and(|peer| beacons(peer)))
        };
        self.peers_dialled_at(endpoint).any(holder_is_there)
    }

    /// Handles the echo of our HELLO, on a new connection of the same peer. The
    /// session stays, and its messages are numbered from the start again.
    pub(super) fn accept_echo(&mut self, now: Time, uuid: Uuid, newcomer: PendingPeer) {
        let PendingPeer {
            hello, mut held, ..
        } = newcomer;
        let inbound = hello.inbound(uuid);
        let clock = self.clock.at(now);
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        peer.shows_state = hello.shows_state;
        let Some(established) = peer.established_mut() else {
            return;
        };
        tracing::debug!(%uuid, "greeted us back once more");
        established.connection_ended = false;
        established.status = hello.status;
        established.incoming = Incoming::greeted();
        established.liveness.last_heard = clock;
        let state = hello.shows_state.then_some(hello.state);
        let groups = hello.groups.clone();
        let before = std::mem::replace(&mut established.hello, hello).groups;
        self.recover(uuid);
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
        self.admit(inbound.connection);
        for (header, content) in held.take() {
            self.handle_message(now, &inbound, &header, content);
        }
    }

    /// Both have greeted: the application hears of the peer.
    pub(super) fn establish(
        &mut self,
        now: Time,
        uuid: Uuid,
        mailbox: Mailbox,
        pending: PendingPeer,
    ) {
        let PendingPeer {
            mut hello,
            name,
            headers,
            mut held,
        } = pending;
        let clock = self.clock.at(now);
        let session = mailbox.session;
        let dialled = mailbox.endpoint.port();
        self.note_answer(session);
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        peer.tried.clear();
        peer.shows_state = hello.shows_state;
        if !hello.shows_state {
            hello.state = peer.announced;
        }
        let info = PeerInfo {
            name,
            headers,
            endpoint: mailbox.endpoint.clone(),
            state: hello.state,
            takes_requests: hello.takes_requests,
            via: peer.via,
        };
        let inbound = hello.inbound(uuid);
        let groups: Vec<_> = hello.groups.iter().cloned().collect();
        let stale = hello.shows_state && mailbox.sent_state != self.state;
        let established = EstablishedPeer::new(now, clock, mailbox, hello);
        peer.phase = Phase::Established(Box::new(established));
        self.admit(inbound.connection);
        self.event(Event::Enter {
            peer: uuid,
            session,
            info: Box::new(info),
        });
        for group in groups {
            self.event(Event::Join {
                peer: uuid,
                group: group.clone(),
            });
            self.election_member_came(now, uuid, &group);
        }
        if stale {
            self.send_state(uuid);
        }
        self.send_update(uuid);
        // The timer was set for the HELLO that has come.
        self.unschedule(uuid);
        self.check_peer(now, uuid);
        if let Some(port) = dialled.filter(|port| self.is_buried(now, uuid, *port)) {
            // An EXIT beacon came after its HELLO.
            self.open_exit_claim(now, uuid, Some(port), true);
        }
        for (header, content) in held.take() {
            self.handle_message(now, &inbound, &header, content);
        }
    }
}
