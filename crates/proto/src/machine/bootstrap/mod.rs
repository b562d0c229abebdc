//! Bootstrap addresses: a node should be there, but which one is not known.
//!
//! Our HELLO goes out on a provisional session. The peer's HELLO names its UUID,
//! and the session becomes that peer's. A second HELLO to a peer would look as if
//! we had restarted, so an address isn't dialled while any session leads there.

mod adopt;

use std::net::SocketAddr;

use uuid::Uuid;

use super::address::Address;
use super::counters::count;
use super::dialling::Route;
use super::input::{Found, Up};
use super::mailbox::Mailbox;
use super::peer::{Peer, Phase};
use super::sessions::Owner;
use super::source::{Source, Sources};
use super::timers::Timer;
use super::{Machine, SessionId};
use crate::{Endpoint, Time};

/// What is known of one bootstrap address.
#[derive(Debug)]
pub(super) struct Bootstrap {
    sources: Sources,
    /// The peer that was last met there.
    peer: Option<Uuid>,
    /// Whether it is our own address.
    own: bool,
    dial: Option<Dial>,
    failures: u32,
    retry_at: Time,
}

/// A provisional session.
#[derive(Debug)]
struct Dial {
    mailbox: Box<Mailbox>,
    /// When their HELLO is due, on the silence clock, if ours is out.
    deadline: Option<Time>,
    /// The address that it leads to, if that is known.
    remote: Option<SocketAddr>,
    /// The last established peer that greeted us anew while our HELLO was unanswered.
    /// It probably took that HELLO for a restart: this is another address of it.
    greeted_anew: Option<Uuid>,
}

impl Bootstrap {
    fn new(now: Time) -> Self {
        Self {
            sources: Sources::default(),
            peer: None,
            own: false,
            dial: None,
            failures: 0,
            retry_at: now,
        }
    }

    /// The session of a dial that has carried our HELLO.
    pub(super) fn greeted_session(&self) -> Option<SessionId> {
        let dial = self.dial.as_ref()?;
        dial.deadline.map(|_| dial.mailbox.session)
    }
}

impl Machine {
    /// A source names an address at which a node should be. To repeat it changes
    /// nothing.
    pub fn handle_found(&mut self, now: Time, found: Found) {
        if self.departure.is_some() {
            return;
        }
        if let Some(uuid) = found.peer {
            self.handle_found_peer(now, uuid, found);
            return;
        }
        let limit = self.config.limits.bootstraps;
        if !self.bootstraps.contains_key(&found.endpoint) && self.bootstraps.len() >= limit {
            count(&mut self.counters.overflow);
            return;
        }
        let bootstrap = self
            .bootstraps
            .entry(found.endpoint.clone())
            .or_insert_with(|| Bootstrap::new(now));
        if bootstrap.sources.insert(found.source) {
            self.check_bootstrap(now, &found.endpoint);
        }
    }

    fn handle_found_peer(&mut self, now: Time, uuid: Uuid, found: Found) {
        if uuid == self.config.uuid {
            count(&mut self.counters.own);
            return;
        }
        let Some(peer) = self.require_peer(now, uuid) else {
            return;
        };
        peer.via.insert(found.source);
        peer.note_address(Address::new(
            found.endpoint,
            found.source,
            found.over_loopback,
            now,
        ));
        self.dial_if_due(now, uuid);
    }

    /// A source no longer names an address. It isn't dialled any more on that
    /// source's account. A session that leads there goes on.
    pub fn handle_lost(&mut self, endpoint: &Endpoint, source: Source) {
        if let Some(bootstrap) = self.bootstraps.get_mut(endpoint) {
            bootstrap.sources.remove(source);
            if bootstrap.sources.is_empty() {
                self.drop_bootstrap(endpoint);
            }
        }
        for peer in self.peers.values_mut() {
            peer.drop_source(endpoint, source);
        }
    }

    fn drop_bootstrap(&mut self, endpoint: &Endpoint) {
        self.timers
            .clear(&Timer::Bootstrap(Box::new(endpoint.clone())));
        if let Some(bootstrap) = self.bootstraps.remove(endpoint)
            && let Some(dial) = bootstrap.dial
        {
            self.disconnect(dial.mailbox.session);
        }
    }

    pub(super) fn drop_bootstraps(&mut self) {
        let all: Vec<Endpoint> = self.bootstraps.keys().cloned().collect();
        for endpoint in all {
            self.drop_bootstrap(&endpoint);
        }
    }

    fn schedule_bootstrap(&mut self, endpoint: &Endpoint, at: Time) {
        self.timers
            .set(Timer::Bootstrap(Box::new(endpoint.clone())), at);
    }

    /// A peer has been met at the address. A dial to that peer can fail without our
    /// hearing of it, so the address is checked again later.
    fn check_bootstrap_later(&mut self, now: Time, endpoint: &Endpoint) {
        self.schedule_bootstrap(endpoint, now + self.config.backoff_max);
    }

    /// Does what is due for a bootstrap address.
    pub(super) fn check_bootstrap(&mut self, now: Time, endpoint: &Endpoint) {
        let Some(bootstrap) = self.bootstraps.get(endpoint) else {
            return;
        };
        if bootstrap.own || self.departure.is_some() {
            return;
        }
        if bootstrap.dial.is_some() {
            self.check_bootstrap_dial(now, endpoint);
            return;
        }
        let retry_at = bootstrap.retry_at;
        let is_engaged = |uuid| {
            let peer = self.peers.get(&uuid);
            peer.is_some_and(|peer| peer.is_engaged())
        };
        if bootstrap.peer.is_some_and(is_engaged) {
            self.check_bootstrap_later(now, endpoint);
        } else if let Some(uuid) = self.peer_at(endpoint) {
            self.bind_bootstrap(endpoint, uuid);
            self.check_bootstrap_later(now, endpoint);
        } else if now < retry_at {
            self.schedule_bootstrap(endpoint, retry_at);
        } else {
            self.dial_bootstrap(endpoint);
        }
    }

    fn check_bootstrap_dial(&mut self, now: Time, endpoint: &Endpoint) {
        let Some(dial) = self
            .bootstraps
            .get(endpoint)
            .and_then(|it| it.dial.as_ref())
        else {
            return;
        };
        let Some(deadline) = dial.deadline else {
            return;
        };
        if self.clock.at(now) < deadline {
            let due = self.clock.due(now, deadline);
            self.schedule_bootstrap(endpoint, due);
            return;
        }
        let (session, greeted_anew) = (dial.mailbox.session, dial.greeted_anew);
        self.disconnect(session);
        self.bootstrap_failed(now, endpoint);
        if let Some(uuid) = greeted_anew
            && self.peers.get(&uuid).is_some_and(|peer| peer.is_engaged())
        {
            self.bind_bootstrap(endpoint, uuid);
        }
    }

    fn dial_bootstrap(&mut self, endpoint: &Endpoint) {
        let owner = Owner::Bootstrap(Box::new(endpoint.clone()));
        let route = Route {
            endpoint: endpoint.clone(),
            over_loopback: true,
        };
        let mailbox = self.open_mailbox(owner, None, route);
        if let Some(bootstrap) = self.bootstraps.get_mut(endpoint) {
            bootstrap.dial = Some(Dial {
                mailbox,
                deadline: None,
                remote: endpoint.socket_addr(),
                greeted_anew: None,
            });
        }
    }

    fn take_dial(&mut self, endpoint: &Endpoint) -> Option<Dial> {
        self.bootstraps.get_mut(endpoint)?.dial.take()
    }

    /// That peer has been met at the address.
    fn bind_bootstrap(&mut self, endpoint: &Endpoint, uuid: Uuid) {
        if let Some(bootstrap) = self.bootstraps.get_mut(endpoint) {
            bootstrap.peer = Some(uuid);
            bootstrap.failures = 0;
            if let Some(peer) = self.peers.get_mut(&uuid) {
                peer.via.extend(bootstrap.sources);
            }
        }
    }

    /// The name in a session's endpoint stands for these addresses. Returns false,
    /// and ends the session, if a peer that we know is at one of them: to that peer
    /// a second HELLO would look as if we had restarted. The same if gossip names the
    /// name, and one of the addresses was dialled too often without an answer.
    #[must_use]
    pub fn handle_resolved(&mut self, now: Time, session: SessionId, addrs: &[SocketAddr]) -> bool {
        let endpoint = match self.sessions.get(session) {
            Some(Owner::Bootstrap(endpoint)) => Endpoint::clone(endpoint),
            Some(Owner::Peer(uuid)) => {
                let uuid = *uuid;
                return self.count_resolved(now, session, uuid, addrs);
            }
            None => return false,
        };
        let there = addrs
            .iter()
            .find_map(|addr| self.peer_at(&Endpoint::from(*addr)));
        let Some(uuid) = there else {
            return true;
        };
        self.disconnect(session);
        self.take_dial(&endpoint);
        self.bind_bootstrap(&endpoint, uuid);
        self.check_bootstrap_later(now, &endpoint);
        false
    }

    fn count_resolved(
        &mut self,
        now: Time,
        session: SessionId,
        uuid: Uuid,
        addrs: &[SocketAddr],
    ) -> bool {
        let is_configured = |peer: &Peer| {
            let named = peer.mailbox().map(|mailbox| &mailbox.endpoint);
            let mut known = peer.addresses.iter();
            known.any(|it| Some(&it.endpoint) == named && it.is_vouched_for())
        };
        if self.peers.get(&uuid).is_some_and(|it| is_configured(it)) {
            return true;
        }
        let windows = &mut self.failed_dials;
        if !addrs.iter().all(|addr| windows.has_room(now, addr.ip())) {
            self.disconnect(session);
            self.session_failed(now, uuid);
            return false;
        }
        for addr in addrs {
            windows.count(now, addr.ip());
        }
        let first = addrs.first().map(SocketAddr::ip);
        self.sessions.await_answer(now, session, first);
        true
    }

    /// The peer whose session leads to an address, or whose HELLO names it.
    fn peer_at(&self, endpoint: &Endpoint) -> Option<Uuid> {
        self.peers.iter().find_map(|(uuid, peer)| {
            let leads_there = peer
                .mailbox()
                .is_some_and(|mailbox| mailbox.endpoint == *endpoint);
            let is_named = peer
                .established()
                .is_some_and(|it| it.hello.endpoint.as_ref() == Some(endpoint));
            (leads_there || is_named).then_some(*uuid)
        })
    }

    pub(super) fn handle_bootstrap_up(
        &mut self,
        now: Time,
        session: SessionId,
        endpoint: &Endpoint,
        up: Up,
    ) {
        if up.peer == Some(self.config.uuid) {
            self.disconnect(session);
            self.mark_own(endpoint);
            return;
        }
        let greeted = |it: &Bootstrap| it.greeted_session().is_some();
        if self.bootstraps.get(endpoint).is_some_and(greeted) {
            return;
        }
        if let Some(uuid) = up.peer {
            self.bootstrap_is(now, session, endpoint, uuid, up);
            return;
        }
        let deadline = self.clock.at(now) + self.config.hello_timeout;
        let Some(mut dial) = self.take_dial(endpoint) else {
            return;
        };
        self.greet(now, &mut dial.mailbox, up);
        dial.deadline = Some(deadline);
        dial.remote = up.remote.or(dial.remote);
        if let Some(bootstrap) = self.bootstraps.get_mut(endpoint) {
            bootstrap.dial = Some(dial);
        }
        let due = self.clock.due(now, deadline);
        self.schedule_bootstrap(endpoint, due);
    }

    /// The handshake names the node that a dial has reached. A peer that we know
    /// gets no second HELLO.
    fn bootstrap_is(
        &mut self,
        now: Time,
        session: SessionId,
        endpoint: &Endpoint,
        uuid: Uuid,
        up: Up,
    ) {
        let engaged = self.peers.get(&uuid).is_some_and(|peer| peer.is_engaged());
        if !engaged && self.require_peer(now, uuid).is_none() {
            self.disconnect(session);
            self.bootstrap_failed(now, endpoint);
            return;
        }
        self.bind_bootstrap(endpoint, uuid);
        self.check_bootstrap_later(now, endpoint);
        let Some(dial) = self.take_dial(endpoint) else {
            return;
        };
        if engaged {
            self.disconnect(session);
            return;
        }
        self.sessions
            .insert(session, Owner::Peer(uuid), &dial.mailbox.endpoint);
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Dialling(dial.mailbox);
        }
        self.handle_session_up(now, session, up);
    }

    /// An established peer greets us anew while dials wait for a HELLO.
    pub(super) fn note_greeting_anew(&mut self, uuid: Uuid) {
        for bootstrap in self.bootstraps.values_mut() {
            if let Some(dial) = &mut bootstrap.dial
                && dial.deadline.is_some()
            {
                dial.greeted_anew = Some(uuid);
            }
        }
    }

    /// No dial is given up before that time on the silence clock: its HELLO may be
    /// among the messages that wait.
    pub(super) fn spare_bootstraps(&mut self, until: Time) {
        for bootstrap in self.bootstraps.values_mut() {
            if let Some(dial) = &mut bootstrap.dial
                && let Some(deadline) = &mut dial.deadline
            {
                *deadline = until.max(*deadline);
            }
        }
    }

    pub(super) fn bootstrap_failed(&mut self, now: Time, endpoint: &Endpoint) {
        let Some(bootstrap) = self.bootstraps.get_mut(endpoint) else {
            return;
        };
        bootstrap.dial = None;
        bootstrap.failures = bootstrap.failures.saturating_add(1);
        let failures = bootstrap.failures;
        self.retry_bootstrap(now, endpoint, failures);
    }

    /// The address is dialled again after a rest.
    fn retry_bootstrap(&mut self, now: Time, endpoint: &Endpoint, failures: u32) {
        let retry_at = now + self.backoff(failures);
        if let Some(bootstrap) = self.bootstraps.get_mut(endpoint) {
            bootstrap.retry_at = retry_at;
        }
        self.schedule_bootstrap(endpoint, retry_at);
    }

    /// The peer that was met at these addresses is gone.
    pub(super) fn retry_bootstraps_of(&mut self, now: Time, uuid: Uuid) {
        let of_peer: Vec<Endpoint> = self
            .bootstraps
            .iter()
            .filter(|(_, bootstrap)| bootstrap.peer == Some(uuid))
            .map(|(endpoint, _)| endpoint.clone())
            .collect();
        for endpoint in of_peer {
            self.retry_bootstrap(now, &endpoint, FAILURES_OF_GONE);
        }
    }

    /// All addresses that wait are dialled now.
    pub(super) fn retry_bootstraps(&mut self, now: Time) {
        let waiting: Vec<Endpoint> = self.bootstraps.keys().cloned().collect();
        for endpoint in waiting {
            if let Some(bootstrap) = self.bootstraps.get_mut(&endpoint) {
                bootstrap.retry_at = now;
                bootstrap.failures = 0;
            }
            self.check_bootstrap(now, &endpoint);
        }
    }

    fn mark_own(&mut self, endpoint: &Endpoint) {
        if let Some(bootstrap) = self.bootstraps.get_mut(endpoint) {
            bootstrap.own = true;
            bootstrap.dial = None;
            self.timers
                .clear(&Timer::Bootstrap(Box::new(endpoint.clone())));
        }
    }
}

/// The address of a peer that is gone is dialled as if that had failed that often.
const FAILURES_OF_GONE: u32 = 2;
