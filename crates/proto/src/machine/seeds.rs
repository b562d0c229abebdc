//! Addresses at which a node should be, whoever it is.
//!
//! Our HELLO goes out on a provisional session; the peer's HELLO supplies the
//! UUID, and the session becomes that peer's. A second HELLO to a peer would
//! look as if we had started anew, so an address isn't dialled while any
//! session leads there.

use std::net::SocketAddr;

use uuid::Uuid;

use super::guest::Greeted;
use super::output::count;
use super::output::{Found, Source, Up};
use super::peer::{Address, Mailbox, Peer, Phase};
use super::sources::Sources;
use super::timers::Timer;
use super::{Machine, Output, Owner, Session};
use crate::{Endpoint, Time};

/// One address, and what is known of it.
#[derive(Debug)]
pub(super) struct Seed {
    sources: Sources,
    /// Who was last met there.
    peer: Option<Uuid>,
    /// It is ourselves.
    own: bool,
    dial: Option<Dial>,
    failures: u32,
    retry_at: Time,
}

/// A provisional session. With a deadline, on the silence clock, our HELLO is
/// out.
#[derive(Debug)]
struct Dial {
    mailbox: Box<Mailbox>,
    deadline: Option<Time>,
    /// Where it leads, once that is known.
    remote: Option<SocketAddr>,
    /// Who greeted us since our HELLO went out, without being met here.
    suspect: Option<Uuid>,
}

impl Seed {
    /// The session of a dial that carried our HELLO.
    pub(super) fn greeted_session(&self) -> Option<Session> {
        let dial = self.dial.as_ref()?;
        dial.deadline.map(|_| dial.mailbox.session)
    }
}

impl Machine {
    /// A source says that a node should be at an address. Saying it again
    /// changes nothing.
    pub fn handle_found(&mut self, now: Time, found: Found) {
        if self.departure.is_some() {
            return;
        }
        if let Some(uuid) = found.peer {
            if uuid == self.config.uuid {
                count(&mut self.counters.own);
                return;
            }
            let Some(peer) = self.require_peer(now, uuid) else {
                return;
            };
            peer.via.insert(found.source);
            peer.note_address(Address::new(found.endpoint, found.source, true, now));
            self.dial_if_due(now, uuid);
            return;
        }
        if !self.seeds.contains_key(&found.endpoint) && self.seeds.len() >= self.config.limits.seeds
        {
            count(&mut self.counters.overflow);
            return;
        }
        let seed = self.seeds.entry(found.endpoint.clone()).or_insert(Seed {
            sources: Sources::default(),
            peer: None,
            own: false,
            dial: None,
            failures: 0,
            retry_at: now,
        });
        if seed.sources.insert(found.source) {
            self.tend_seed(now, &found.endpoint);
        }
    }

    /// A source no longer says so: the address isn't dialled any more on its
    /// account. A session that leads there goes on.
    pub fn handle_lost(&mut self, endpoint: &Endpoint, source: Source) {
        if let Some(seed) = self.seeds.get_mut(endpoint) {
            seed.sources.remove(source);
            if seed.sources.is_empty() {
                self.timers.clear(&Timer::Seed(Box::new(endpoint.clone())));
                if let Some(dial) = self.seeds.remove(endpoint).and_then(|seed| seed.dial) {
                    self.disconnect(dial.mailbox.session);
                }
            }
        }
        for peer in self.peers.values_mut() {
            peer.drop_source(endpoint, source);
        }
    }

    pub(super) fn tend_seed(&mut self, now: Time, endpoint: &Endpoint) {
        let timer = Timer::Seed(Box::new(endpoint.clone()));
        let clock = self.clock(now);
        let Some(seed) = self.seeds.get(endpoint) else {
            return;
        };
        if seed.own || self.departure.is_some() {
            return;
        }
        if let Some(dial) = &seed.dial {
            let Some(deadline) = dial.deadline else {
                return;
            };
            if clock < deadline {
                let due = self.due(now, deadline);
                self.timers.set(timer, due);
                return;
            }
            let (session, suspect) = (dial.mailbox.session, dial.suspect);
            self.disconnect(session);
            self.seed_failed(now, endpoint);
            // Whoever greeted us meanwhile probably meant this dial: an address
            // of a peer that we know by another one.
            if let Some(uuid) = suspect
                && self.peers.get(&uuid).is_some_and(|peer| peer.is_engaged())
            {
                self.bind_seed(endpoint, uuid);
            }
            return;
        }
        let met = seed
            .peer
            .filter(|uuid| self.peers.get(uuid).is_some_and(|peer| peer.is_engaged()));
        if met.is_some() {
            // A dial that fails tells nobody; look again.
            self.timers.set(timer, now + self.config.backoff_max);
            return;
        }
        let retry_at = seed.retry_at;
        if let Some(uuid) = self.peer_at(endpoint) {
            self.bind_seed(endpoint, uuid);
            // A dial that fails tells nobody; look again.
            self.timers.set(timer, now + self.config.backoff_max);
        } else if now < retry_at {
            self.timers.set(timer, retry_at);
        } else {
            let owner = Owner::Seed(Box::new(endpoint.clone()));
            let mailbox = self.connect(owner, None, endpoint.clone(), true);
            if let Some(seed) = self.seeds.get_mut(endpoint) {
                seed.dial = Some(Dial {
                    mailbox,
                    deadline: None,
                    remote: endpoint.socket_addr(),
                    suspect: None,
                });
            }
        }
    }

    fn bind_seed(&mut self, endpoint: &Endpoint, uuid: Uuid) {
        if let Some(seed) = self.seeds.get_mut(endpoint) {
            seed.peer = Some(uuid);
            seed.failures = 0;
            if let Some(peer) = self.peers.get_mut(&uuid) {
                peer.via.extend(seed.sources);
            }
        }
    }

    /// The name that a session's endpoint bears stands for these addresses.
    /// False where that session is over: a peer that we know is at one of them,
    /// and a second HELLO would look to it as if we had started anew.
    #[must_use]
    pub fn handle_resolved(&mut self, now: Time, session: Session, addrs: &[SocketAddr]) -> bool {
        let endpoint = match self.sessions.get(session) {
            Some(Owner::Seed(endpoint)) => endpoint.clone(),
            Some(Owner::Peer(_)) => return true,
            None => return false,
        };
        let there = addrs
            .iter()
            .find_map(|addr| self.peer_at(&Endpoint::from(*addr)));
        let Some(uuid) = there else {
            return true;
        };
        self.disconnect(session);
        if let Some(seed) = self.seeds.get_mut(&endpoint) {
            seed.dial = None;
        }
        self.bind_seed(&endpoint, uuid);
        // A dial that fails tells nobody; look again.
        self.timers
            .set(Timer::Seed(endpoint), now + self.config.backoff_max);
        false
    }

    /// Whose session leads there, or who says that it is there.
    fn peer_at(&self, endpoint: &Endpoint) -> Option<Uuid> {
        self.peers.iter().find_map(|(uuid, peer)| {
            let leads_there = peer
                .mailbox()
                .is_some_and(|mailbox| mailbox.endpoint == *endpoint)
                || peer
                    .live()
                    .is_some_and(|live| live.greeted.endpoint.as_ref() == Some(endpoint));
            leads_there.then_some(*uuid)
        })
    }

    pub(super) fn handle_seed_up(
        &mut self,
        now: Time,
        session: Session,
        endpoint: &Endpoint,
        up: Up,
    ) {
        if up.peer == Some(self.config.uuid) {
            self.disconnect(session);
            self.mark_own(endpoint);
            return;
        }
        let greeted = |seed: &Seed| seed.greeted_session().is_some();
        if self.seeds.get(endpoint).is_some_and(greeted) {
            return;
        }
        if let Some(uuid) = up.peer {
            self.seed_is(now, session, endpoint, uuid, up);
            return;
        }
        let deadline = self.clock(now) + self.config.hello_timeout;
        let due = self.due(now, deadline);
        let Some(mut dial) = self
            .seeds
            .get_mut(endpoint)
            .and_then(|seed| seed.dial.take())
        else {
            return;
        };
        self.greet(now, &mut dial.mailbox, up);
        dial.deadline = Some(deadline);
        dial.remote = up.remote.or(dial.remote);
        if let Some(seed) = self.seeds.get_mut(endpoint) {
            seed.dial = Some(dial);
        }
        self.timers
            .set(Timer::Seed(Box::new(endpoint.clone())), due);
    }

    /// The handshake says whose mailbox a dial is. Who is known already gets no
    /// second HELLO.
    fn seed_is(&mut self, now: Time, session: Session, endpoint: &Endpoint, uuid: Uuid, up: Up) {
        let engaged = self.peers.get(&uuid).is_some_and(|peer| peer.is_engaged());
        if !engaged && self.require_peer(now, uuid).is_none() {
            self.disconnect(session);
            self.seed_failed(now, endpoint);
            return;
        }
        self.bind_seed(endpoint, uuid);
        self.timers.set(
            Timer::Seed(Box::new(endpoint.clone())),
            now + self.config.backoff_max,
        );
        let dial = self
            .seeds
            .get_mut(endpoint)
            .and_then(|seed| seed.dial.take());
        let Some(dial) = dial else {
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

    /// Somebody greets us while dials wait for a HELLO.
    pub(super) fn suspect_seeds(&mut self, uuid: Uuid) {
        for seed in self.seeds.values_mut() {
            if let Some(dial) = &mut seed.dial
                && dial.deadline.is_some()
            {
                dial.suspect = Some(uuid);
            }
        }
    }

    /// No dial is given up before then, on the silence clock: its HELLO may wait
    /// to be read.
    pub(super) fn spare_seeds(&mut self, until: Time) {
        for seed in self.seeds.values_mut() {
            if let Some(dial) = &mut seed.dial
                && let Some(deadline) = &mut dial.deadline
            {
                *deadline = until.max(*deadline);
            }
        }
    }

    pub(super) fn seed_failed(&mut self, now: Time, endpoint: &Endpoint) {
        let failures = match self.seeds.get_mut(endpoint) {
            None => return,
            Some(seed) => {
                seed.dial = None;
                seed.failures = seed.failures.saturating_add(1);
                seed.failures
            }
        };
        let retry_at = now + self.backoff(failures);
        if let Some(seed) = self.seeds.get_mut(endpoint) {
            seed.retry_at = retry_at;
        }
        self.timers
            .set(Timer::Seed(Box::new(endpoint.clone())), retry_at);
    }

    /// A provisional session to that address, which a beacon has just named.
    pub(super) fn take_seed_dial(
        &mut self,
        now: Time,
        endpoint: &Endpoint,
        uuid: Uuid,
    ) -> Option<(Box<Mailbox>, Option<Time>)> {
        let dial = self.seeds.get_mut(endpoint)?.dial.take()?;
        self.bind_seed(endpoint, uuid);
        self.timers.set(
            Timer::Seed(Box::new(endpoint.clone())),
            now + self.config.backoff_max,
        );
        Some((dial.mailbox, dial.deadline))
    }

    /// The session that a HELLO answers although its peer has none: matched by
    /// endpoint, else by source address where only one dial to it is open.
    /// Tells also by which source, and whether our HELLO is out.
    pub(super) fn adopt_dial(
        &mut self,
        now: Time,
        uuid: Uuid,
        greeted: &Greeted,
    ) -> Option<(Box<Mailbox>, Option<Source>, bool)> {
        let endpoint = self.matching_seed(greeted)?;
        let source = self.seeds.get(&endpoint)?.sources.first();
        let seed = self.seeds.get_mut(&endpoint)?;
        let dial = seed.dial.take()?;
        self.bind_seed(&endpoint, uuid);
        self.timers.set(
            Timer::Seed(Box::new(endpoint)),
            now + self.config.backoff_max,
        );
        Some((dial.mailbox, source, dial.deadline.is_some()))
    }

    fn matching_seed(&self, greeted: &Greeted) -> Option<Endpoint> {
        let leads_to = |seed: &Seed| seed.dial.as_ref().and_then(|dial| dial.remote);
        if let Some(told) = &greeted.endpoint {
            if self.seeds.get(told).is_some_and(|seed| seed.dial.is_some()) {
                return Some(told.clone());
            }
            // A name was dialled, and HELLO tells an address.
            if let Some(addr) = told.socket_addr()
                && let Some((name, _)) = self
                    .seeds
                    .iter()
                    .find(|(_, seed)| leads_to(seed) == Some(addr))
            {
                return Some(name.clone());
            }
        }
        let from = greeted.ip()?;
        // Who says that it is at that very address, with another port, is
        // another node of that host.
        let neighbour = greeted.endpoint.as_ref().and_then(Endpoint::ip) == Some(from);
        let mut there = self
            .seeds
            .iter()
            .filter(|(_, seed)| !neighbour && leads_to(seed).is_some_and(|addr| addr.ip() == from));
        match (there.next(), there.next()) {
            (Some((endpoint, _)), None) => Some(endpoint.clone()),
            _ => None,
        }
    }

    /// Our own HELLO came in: we dialled ourselves.
    pub(super) fn found_self(&mut self, greeted: &Greeted) {
        count(&mut self.counters.own);
        let Some(endpoint) = greeted.endpoint.clone() else {
            return;
        };
        if let Some(dial) = self
            .seeds
            .get_mut(&endpoint)
            .and_then(|seed| seed.dial.take())
        {
            self.disconnect(dial.mailbox.session);
        }
        self.mark_own(&endpoint);
        let claimed: Vec<Uuid> = self
            .peers_dialled_at(&endpoint)
            .filter(|uuid| {
                let ready = |peer: &Peer| matches!(peer.phase, Phase::Ready(_));
                !self.peers.get(uuid).is_some_and(|peer| ready(peer))
            })
            .collect();
        for uuid in claimed {
            self.drop_peer(uuid);
        }
    }

    fn mark_own(&mut self, endpoint: &Endpoint) {
        if let Some(seed) = self.seeds.get_mut(endpoint) {
            seed.own = true;
            seed.dial = None;
            self.timers.clear(&Timer::Seed(Box::new(endpoint.clone())));
        }
    }

    /// The peer that was met at these seeds is gone: they are dialled again,
    /// after a rest.
    pub(super) fn retry_seeds_of(&mut self, now: Time, uuid: Uuid) {
        let of_peer: Vec<Endpoint> = self
            .seeds
            .iter()
            .filter(|(_, seed)| seed.peer == Some(uuid))
            .map(|(endpoint, _)| endpoint.clone())
            .collect();
        for endpoint in of_peer {
            let retry_at = now + self.backoff(2);
            if let Some(seed) = self.seeds.get_mut(&endpoint) {
                seed.retry_at = retry_at;
            }
            self.timers.set(Timer::Seed(Box::new(endpoint)), retry_at);
        }
    }

    /// All seeds that wait are dialled now.
    pub(super) fn retry_seeds(&mut self, now: Time) {
        let waiting: Vec<Endpoint> = self.seeds.keys().cloned().collect();
        for endpoint in waiting {
            if let Some(seed) = self.seeds.get_mut(&endpoint) {
                seed.retry_at = now;
                seed.failures = 0;
            }
            self.tend_seed(now, &endpoint);
        }
    }

    pub(super) fn drop_seeds(&mut self) {
        for (endpoint, seed) in std::mem::take(&mut self.seeds) {
            self.timers.clear(&Timer::Seed(Box::new(endpoint)));
            if let Some(dial) = seed.dial
                && self.sessions.remove(dial.mailbox.session).is_some()
            {
                self.outputs.push_back(Output::Disconnect {
                    session: dial.mailbox.session,
                    linger: false,
                });
            }
        }
    }
}
