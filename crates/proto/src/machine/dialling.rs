//! Opening mailboxes, and what follows if they don't open.

use std::cmp::Reverse;
use std::time::Duration;

use uuid::Uuid;

use super::address::Address;
use super::bounds::TRIED;
use super::counters::count;
use super::mailbox::Mailbox;
use super::peer::{Peer, Phase};
use super::pending::PendingPeer;
use super::remote_hello::RemoteHello;
use super::sessions::Owner;
use super::shared_outgoing::SharedOutgoing;
use super::{DialTarget, Machine, Output, SessionId, Up};
use crate::{Endpoint, Outgoing, State, Time};

/// How many times longer a HELLO may go unanswered between two nodes of one
/// process. Such a peer lives as long as we do, so it is only busy: hundreds of
/// nodes may be meeting at once. To give up would make all of them busier.
const IN_MEMORY_PATIENCE: u32 = 12;

/// The same between two processes of a host that has many, if the handshake has named the
/// peer: the system reports its death, and hundreds of processes may start at once.
const SAME_HOST_PATIENCE: u32 = 6;
const MANY_PROCESSES: usize = 16;

/// A dial that isn't answered for that long gives way to another.
pub(super) const QUIET_DIAL: Duration = Duration::from_secs(1);

/// One way to dial a peer.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    pub(super) over_loopback: bool,
}

impl From<&Address> for Route {
    fn from(address: &Address) -> Self {
        Self {
            endpoint: address.endpoint.clone(),
            over_loopback: address.over_loopback,
        }
    }
}

impl Machine {
    /// Dials a peer that has no session, unless there is a reason to wait.
    pub(super) fn dial_if_due(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get(&uuid) else {
            return;
        };
        let Phase::Known { retry_at } = peer.phase else {
            return;
        };
        // A peer that drains or sleeps is left alone until its state changes.
        let away = matches!(
            peer.announced,
            State::Exit | State::Draining | State::Asleep
        );
        if away || self.departure.is_some() {
            return;
        }
        if now < retry_at {
            self.schedule_persistent(uuid, retry_at);
            return;
        }
        let Some(address) = peer.dial_address() else {
            return;
        };
        let (route, bounded) = (Route::from(address), !address.is_vouched_for());
        if let Some((mailbox, deadline)) = self.take_bootstrap_dial(now, &route.endpoint, uuid) {
            self.sessions
                .insert(mailbox.session, Owner::Peer(uuid), &mailbox.endpoint);
            self.await_hello(now, uuid, mailbox, deadline);
            return;
        }
        if self.is_held_by_another(uuid, &route.endpoint) {
            // A second link to the same inbox would take the place of the first.
            // The holder has been probed, and exits if it doesn't answer.
            self.schedule_persistent(uuid, now + self.config.hello_timeout);
            return;
        }
        let counted = bounded.then(|| route.endpoint.ip()).flatten();
        let blocked = counted.is_some_and(|ip| !self.failed_dials.has_room(now, ip));
        if blocked || self.sessions.unanswered() >= self.config.limits.dials {
            self.queue_dial(uuid);
            return;
        }
        if let Some(ip) = counted {
            self.failed_dials.count(now, ip);
        }
        let mailbox = self.open_mailbox(Owner::Peer(uuid), Some(uuid), route);
        self.sessions.await_answer(now, mailbox.session, counted);
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Dialling(mailbox);
        }
        self.schedule(uuid, now + QUIET_DIAL);
    }

    /// The peer at the other end of a dial exists.
    pub(super) fn note_answer(&mut self, session: SessionId) {
        if let Some(ip) = self.sessions.note_answer(session) {
            self.failed_dials.give_back(ip);
        }
    }

    /// Sets the timer of a peer that is dialled again by itself. For any other its
    /// next beacon does that.
    fn schedule_persistent(&mut self, uuid: Uuid, at: Time) {
        if self
            .peers
            .get(&uuid)
            .is_some_and(|peer| peer.is_persistent())
        {
            self.schedule(uuid, at);
        }
    }

    fn queue_dial(&mut self, uuid: Uuid) {
        if self.dial_queue.len() >= self.config.limits.peers {
            // It is full of peers that are gone. They are swept soon, and the next
            // beacon asks again.
            count(&mut self.counters.overflow);
            return;
        }
        if let Some(peer) = self.peers.get_mut(&uuid)
            && !peer.queued
        {
            peer.queued = true;
            let at = peer
                .dial_address()
                .filter(|known| !known.is_vouched_for())
                .and_then(|known| known.endpoint.ip());
            if peer.failures > 0 || !peer.tried.is_empty() {
                self.dial_queue.push_failed(at, uuid);
            } else {
                self.dial_queue.push_fresh(at, uuid);
            }
        }
    }

    /// Dials the peers that wait for it, as far as there is room now.
    pub(super) fn dial_queued(&mut self, now: Time) {
        // It is called after each message, and mostly nobody waits.
        while self.dial_queue.len() > 0
            && self.sessions.unanswered() < self.config.limits.dials
            && let Some(uuid) = self.pop_queued(now)
        {
            if let Some(peer) = self.peers.get_mut(&uuid) {
                peer.queued = false;
                self.dial_if_due(now, uuid);
            }
        }
    }

    fn pop_queued(&mut self, now: Time) -> Option<Uuid> {
        let windows = &mut self.failed_dials;
        self.dial_queue
            .pop(|at| at.is_none_or(|ip| windows.has_room(now, ip)))
    }

    /// Waits for a peer's HELLO, by the deadline if ours is out.
    fn await_hello(
        &mut self,
        now: Time,
        uuid: Uuid,
        mailbox: Box<Mailbox>,
        deadline: Option<Time>,
    ) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        match deadline {
            None => peer.phase = Phase::Dialling(mailbox),
            Some(deadline) => {
                peer.phase = Phase::Greeting(mailbox, deadline);
                let clock = self.clock.at(now);
                let due = self.clock.due(now, deadline.min(clock + QUIET_DIAL));
                self.schedule(uuid, due);
            }
        }
    }

    /// Whether a dial that has no answer gives way to others that wait: it could be to an
    /// address where nothing of ours is.
    pub(super) fn gives_way(&self, now: Time, session: SessionId) -> bool {
        let since = self.sessions.unanswered_since(session);
        self.dial_queue.len() > 0
            && self.sessions.unanswered() >= self.config.limits.dials
            && !self.clock.is_paused()
            && since.is_some_and(|since| now - since >= QUIET_DIAL)
    }

    /// Whether this host has so many processes that their HELLOs and PING-OKs may be late.
    pub(super) fn is_among_many(&self) -> bool {
        let met = usize::try_from(self.same_host).unwrap_or(usize::MAX);
        met.saturating_add(self.sessions.unanswered()) >= MANY_PROCESSES
    }

    /// Asks the driver for a mailbox.
    pub(super) fn open_mailbox(
        &mut self,
        owner: Owner,
        peer: Option<Uuid>,
        route: Route,
    ) -> Box<Mailbox> {
        let Route {
            endpoint,
            over_loopback,
        } = route;
        self.last_session = self.last_session.saturating_add(1);
        let session = SessionId(self.last_session);
        let short = peer.is_some_and(|peer| self.short_wraps.contains(peer));
        let outgoing = SharedOutgoing::new(Outgoing::new(short));
        self.sessions.insert(session, owner, &endpoint);
        match peer {
            Some(uuid) => tracing::debug!(%uuid, ?session, %endpoint, "dialling"),
            None => tracing::debug!(?session, %endpoint, "dialling whichever node is there"),
        }
        self.outputs.push_back(Output::Connect {
            session,
            target: DialTarget::new(peer, endpoint.clone(), over_loopback),
            outgoing: outgoing.clone(),
        });
        Box::new(Mailbox {
            session,
            endpoint,
            outgoing,
            token: self.random.next(),
            sent_state: self.state,
            sent_revision: self.updates.revision,
            in_memory: false,
            same_host: false,
            opened: None,
            proven: false,
        })
    }

    /// A mailbox has opened. Our HELLO goes out as its first message.
    ///
    /// RFC 36: "Each node SHALL start a dialog by sending HELLO as the first
    /// command on an connection to a peer."
    pub fn handle_session_up(&mut self, now: Time, session: SessionId, up: Up) {
        match self.sessions.get(session).cloned() {
            None => {}
            Some(Owner::Bootstrap(endpoint)) => {
                self.handle_bootstrap_up(now, session, &endpoint, up);
            }
            Some(Owner::Peer(uuid)) => self.handle_peer_up(now, session, uuid, up),
        }
        self.dial_queued(now);
    }

    fn handle_peer_up(&mut self, now: Time, session: SessionId, uuid: Uuid, up: Up) {
        let opening = |peer: &Peer| matches!(peer.phase, Phase::Dialling(_) | Phase::Entering(..));
        if !self.peers.get(&uuid).is_some_and(|peer| opening(peer)) {
            // It is open already, and opens only once.
            return;
        }
        if up.peer.is_some_and(|found| found != uuid) {
            // Another node lives at that address now.
            self.disconnect(session);
            self.session_failed(now, uuid);
            return;
        }
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        tracing::debug!(%uuid, ?session, in_memory = up.in_memory, "greeting");
        match peer.take_phase(now) {
            Phase::Dialling(mut mailbox) => {
                self.greet(now, &mut mailbox, up);
                let mut patience = self.config.hello_timeout;
                if up.in_memory {
                    self.note_answer(session);
                    patience = patience.saturating_mul(IN_MEMORY_PATIENCE);
                } else if up.same_host && up.peer == Some(uuid) && self.is_among_many() {
                    patience = patience.saturating_mul(SAME_HOST_PATIENCE);
                }
                let deadline = self.clock.at(now) + patience;
                self.await_hello(now, uuid, mailbox, Some(deadline));
            }
            Phase::Entering(mut mailbox, pending) => {
                self.greet(now, &mut mailbox, up);
                self.establish(now, uuid, *mailbox, *pending);
            }
            other => peer.phase = other,
        }
    }

    /// A mailbox has ended, or it never opened.
    pub fn handle_session_closed(&mut self, now: Time, session: SessionId) {
        match self.sessions.remove(session) {
            None => {}
            Some(Owner::Bootstrap(endpoint)) => self.bootstrap_failed(now, &endpoint),
            Some(Owner::Peer(uuid)) => {
                match self.peers.get_mut(&uuid).map(|peer| &mut peer.phase) {
                    Some(Phase::Established(established)) => {
                        // What it sent before the end is still delivered: its own
                        // connection ends after that.
                        if let Some(dispute) = &mut established.dispute {
                            // Whoever the newcomer is, it needs another mailbox.
                            dispute.echo = false;
                            self.admit_newcomer(now, uuid);
                        } else {
                            let reason = self.reason_of_end(now, uuid);
                            self.begin_leaving(now, uuid, reason);
                        }
                    }
                    Some(Phase::Leaving(..)) | None => {}
                    Some(_) => self.session_failed(now, uuid),
                }
            }
        }
        self.dial_queued(now);
    }

    /// A dial has failed: tries the next address, or takes a rest.
    pub(super) fn session_failed(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        if let Some(mailbox) = peer.mailbox() {
            let failed = mailbox.endpoint.clone();
            tracing::debug!(%uuid, session = ?mailbox.session, endpoint = %failed, "no session");
            peer.tried.insert(failed);
        }
        if matches!(peer.phase, Phase::Entering(..)) {
            self.answer_elsewhere(now, uuid);
            return;
        }
        let untried = peer.dial_address().is_some() && peer.tried.len() < TRIED;
        let retry_at = if untried {
            now
        } else {
            peer.count_failure();
            now + self.backoff_of(uuid)
        };
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Known { retry_at };
            if !untried {
                peer.tried.clear();
            }
        }
        self.dial_if_due(now, uuid);
    }

    /// The routes to a peer whose HELLO came, the best first: the endpoint of its
    /// HELLO if it was heard there; then the addresses where it was heard with the
    /// port of that endpoint, the latest first; then the address that the HELLO came
    /// from, and the endpoint that it names although nothing was heard there. A process
    /// that restarted has another port.
    fn routes_to(peer: &Peer, hello: &RemoteHello) -> Vec<Route> {
        let port = hello.endpoint.as_ref().map(Endpoint::port);
        let mut heard: Vec<&Address> = peer
            .addresses
            .iter()
            .filter(|known| port.is_none_or(|port| known.endpoint.port() == port))
            .collect();
        heard.sort_by_key(|known| {
            let named = Some(&known.endpoint) == hello.endpoint.as_ref();
            Reverse((named, known.heard))
        });
        let mut routes: Vec<Route> = heard.into_iter().map(Route::from).collect();
        if let Some(named) = &hello.endpoint {
            let source = hello.source_of_third_party(named);
            for endpoint in source.into_iter().chain([named.clone()]) {
                if !routes.iter().any(|route| route.endpoint == endpoint) {
                    routes.push(Route {
                        endpoint,
                        over_loopback: hello.ip().is_none_or(|from| from.is_loopback()),
                    });
                }
            }
        }
        routes
    }

    /// The best route that hasn't just failed. If it leads to a third party, it counts
    /// as dialled.
    pub(super) fn next_route(
        &mut self,
        now: Time,
        uuid: Uuid,
        hello: &RemoteHello,
    ) -> Option<Route> {
        let peer = self.peers.get(&uuid)?;
        Self::routes_to(peer, hello).into_iter().find(|route| {
            if peer.tried.contains(&route.endpoint) {
                return false;
            }
            match hello.third_party(&route.endpoint) {
                Some((source, target)) if !peer.addresses.contains(&route.endpoint) => {
                    self.third_parties.allow(now, source, target)
                }
                _ => true,
            }
        })
    }

    /// A mailbox to a peer that greeted us didn't open: tries the next route, or
    /// takes a rest. What the peer sent is kept.
    fn answer_elsewhere(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let pending = match peer.take_phase(now) {
            Phase::Entering(_, pending) => pending,
            other => {
                peer.phase = other;
                return;
            }
        };
        let untried = peer.tried.len() < TRIED;
        if untried && let Some(route) = self.next_route(now, uuid, &pending.hello) {
            self.open_answer(uuid, pending, route);
            return;
        }
        self.answer_later(now, uuid, pending);
    }

    /// No address of a peer that greeted us answers: it is dialled again after a rest.
    fn answer_later(&mut self, now: Time, uuid: Uuid, pending: Box<PendingPeer>) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        peer.tried.clear();
        peer.count_failure();
        let retry_at = now + self.backoff_of(uuid);
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Waiting(pending, retry_at);
        }
        self.schedule(uuid, retry_at);
    }

    /// The rest is over, and the peer still waits for our HELLO.
    pub(super) fn answer_again(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        match peer.take_phase(now) {
            Phase::Waiting(pending, _) => match self.next_route(now, uuid, &pending.hello) {
                Some(route) => self.open_answer(uuid, pending, route),
                None => self.answer_later(now, uuid, pending),
            },
            other => peer.phase = other,
        }
    }

    /// Opens a mailbox to a peer whose HELLO came.
    pub(super) fn open_answer(&mut self, uuid: Uuid, pending: Box<PendingPeer>, route: Route) {
        let mailbox = self.open_mailbox(Owner::Peer(uuid), Some(uuid), route);
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Entering(mailbox, pending);
        }
    }

    pub(super) fn backoff_of(&mut self, uuid: Uuid) -> Duration {
        let failures = self.peers.get(&uuid).map_or(1, |peer| peer.failures);
        self.backoff(failures)
    }

    /// The wait after that many failures in a row.
    pub(super) fn backoff(&mut self, failures: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1).min(16));
        let wait = self.config.backoff_min.saturating_mul(doubled);
        self.random.jitter(wait.min(self.config.backoff_max))
    }

    /// Closes a mailbox without sending what it has queued.
    pub(super) fn disconnect(&mut self, session: SessionId) {
        if self.sessions.remove(session).is_some() {
            self.outputs.push_back(Output::Disconnect {
                session,
                linger: false,
            });
        }
    }
}
