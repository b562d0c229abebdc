//! Opening mailboxes, and what becomes of those that don't open.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::guest::{Greeted, Guest};
use super::output::count;
use super::peer::{Address, Mailbox, Peer, Phase};
use super::{ExitReason, Machine, Output, Owner, Session, Up};
use crate::{Endpoint, Outgoing, State, Time};

/// Addresses of one peer that are tried without a rest.
const TRIED: usize = 8;

/// How many times longer a HELLO may go unanswered between two nodes of one
/// process.
const IN_MEMORY: u32 = 12;

impl Machine {
    /// Dials a peer that has no session, where nothing speaks against it.
    pub(super) fn dial_if_due(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get(&uuid) else {
            return;
        };
        let Phase::Known { retry_at } = peer.phase else {
            return;
        };
        // Who drains or sleeps is left alone until it says otherwise.
        let away = matches!(
            peer.announced,
            State::Exit | State::Draining | State::Asleep
        );
        if away || self.departure.is_some() {
            return;
        }
        if now < retry_at {
            if peer.is_lasting() {
                self.schedule(uuid, retry_at);
            }
            return;
        }
        let Some(address) = peer.dial_address().cloned() else {
            return;
        };
        if let Some((mailbox, deadline)) = self.take_seed_dial(now, &address.endpoint, uuid) {
            self.sessions
                .insert(mailbox.session, Owner::Peer(uuid), &mailbox.endpoint);
            self.set_unanswered(now, uuid, mailbox, deadline);
            return;
        }
        if self.is_held_by_another(uuid, &address.endpoint) {
            // A second link to the same inbox would take the place of the first.
            // The holder has been asked, and goes if it doesn't answer.
            let retry_at = now + self.config.hello_timeout;
            if self.peers.get(&uuid).is_some_and(|peer| peer.is_lasting()) {
                self.schedule(uuid, retry_at);
            }
            return;
        }
        if self.sessions.unanswered() >= self.config.limits.dials {
            self.queue_dial(uuid);
            return;
        }
        let mailbox = self.connect(
            Owner::Peer(uuid),
            Some(uuid),
            address.endpoint,
            address.over_loopback,
        );
        self.sessions.await_answer(mailbox.session);
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Dialling(mailbox);
        }
    }

    fn queue_dial(&mut self, uuid: Uuid) {
        if self.dial_queue.len() >= self.config.limits.peers {
            // Full of those who have gone: swept soon, and the next beacon asks
            // again.
            count(&mut self.counters.overflow);
            return;
        }
        if let Some(peer) = self.peers.get_mut(&uuid)
            && !peer.queued
        {
            peer.queued = true;
            self.dial_queue.push_back(uuid);
        }
    }

    /// Dials those who wait for it, as far as there is room by now.
    pub(super) fn dial_queued(&mut self, now: Time) {
        while self.sessions.unanswered() < self.config.limits.dials
            && let Some(uuid) = self.dial_queue.pop_front()
        {
            if let Some(peer) = self.peers.get_mut(&uuid) {
                peer.queued = false;
                self.dial_if_due(now, uuid);
            }
        }
    }

    fn set_unanswered(
        &mut self,
        now: Time,
        uuid: Uuid,
        mailbox: Box<Mailbox>,
        deadline: Option<Time>,
    ) {
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = match deadline {
                Some(deadline) => Phase::Greeting(mailbox, deadline),
                None => Phase::Dialling(mailbox),
            };
            if let Some(deadline) = deadline {
                let due = self.due(now, deadline);
                self.schedule(uuid, due);
            }
        }
    }

    pub(super) fn connect(
        &mut self,
        owner: Owner,
        peer: Option<Uuid>,
        endpoint: Endpoint,
        over_loopback: bool,
    ) -> Box<Mailbox> {
        self.last_session = self.last_session.saturating_add(1);
        let session = Session(self.last_session);
        let short = peer.is_some_and(|peer| self.short_wraps.contains(peer));
        let outgoing = Arc::new(Mutex::new(Outgoing::new(short)));
        self.sessions.insert(session, owner, &endpoint);
        match peer {
            Some(uuid) => tracing::debug!(%uuid, ?session, %endpoint, "dialling"),
            None => tracing::debug!(?session, %endpoint, "dialling whoever is there"),
        }
        self.outputs.push_back(Output::Connect {
            session,
            peer,
            endpoint: endpoint.clone(),
            over_loopback,
            outgoing: outgoing.clone(),
        });
        Box::new(Mailbox {
            session,
            endpoint,
            outgoing,
            told: self.state,
            in_memory: false,
            opened: None,
            proven: false,
        })
    }

    /// A mailbox has opened: our HELLO goes out as its first message.
    ///
    /// RFC 36: "Each node SHALL start a dialog by sending HELLO as the first
    /// command on an connection to a peer."
    pub fn handle_session_up(&mut self, now: Time, session: Session, up: Up) {
        match self.sessions.get(session).cloned() {
            None => {}
            Some(Owner::Seed(endpoint)) => self.handle_seed_up(now, session, &endpoint, up),
            Some(Owner::Peer(uuid)) => self.handle_peer_up(now, session, uuid, up),
        }
        self.dial_queued(now);
    }

    fn handle_peer_up(&mut self, now: Time, session: Session, uuid: Uuid, up: Up) {
        let opening = |peer: &Peer| matches!(peer.phase, Phase::Dialling(_) | Phase::Entering(..));
        if !self.peers.get(&uuid).is_some_and(|peer| opening(peer)) {
            // It is open already: that is said once.
            return;
        }
        if up.peer.is_some_and(|found| found != uuid) {
            // Somebody else lives at that address now.
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
                    self.sessions.note_answer(session);
                    // It lives as long as we do, and so does the session: where
                    // hundreds of nodes meet at once, it is just busy. Who gave
                    // up would have to begin anew, and make all of them busier.
                    patience = patience.saturating_mul(IN_MEMORY);
                }
                let deadline = self.clock(now) + patience;
                self.set_unanswered(now, uuid, mailbox, Some(deadline));
            }
            Phase::Entering(mut mailbox, guest) => {
                self.greet(now, &mut mailbox, up);
                self.enter(now, uuid, mailbox, *guest);
            }
            other => peer.phase = other,
        }
    }

    /// A mailbox has ended, or never opened.
    pub fn handle_session_closed(&mut self, now: Time, session: Session) {
        match self.sessions.remove(session) {
            None => {}
            Some(Owner::Seed(endpoint)) => self.seed_failed(now, &endpoint),
            Some(Owner::Peer(uuid)) => match self.peers.get(&uuid).map(|peer| &peer.phase) {
                Some(Phase::Ready(live)) => {
                    // Deliver what it sent before its end: its own connection
                    // ends after that.
                    if live.watch.contest.is_some() {
                        self.newcomer_wins(now, uuid);
                    } else {
                        self.begin_leaving(now, uuid, ExitReason::Disconnected);
                    }
                }
                Some(Phase::Leaving(..)) | None => {}
                Some(_) => self.session_failed(now, uuid),
            },
        }
        self.dial_queued(now);
    }

    /// A session that never became one: the next address, or a rest.
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
        // Liars may name ever new addresses: some time there is a rest.
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

    /// Where somebody can be dialled whose HELLO came, the best first: what it
    /// told, if that was heard of, then where it is heard with the port that it
    /// told, the latest first, then what it told. A node that started anew has
    /// another port.
    fn ways_to(peer: &Peer, greeted: &Greeted) -> Vec<(Endpoint, bool)> {
        let port = greeted.endpoint.as_ref().map(Endpoint::port);
        let mut heard: Vec<&Address> = peer
            .addresses
            .iter()
            .filter(|known| port.is_none_or(|port| known.endpoint.port() == port))
            .collect();
        heard.sort_by_key(|known| {
            let told = Some(&known.endpoint) == greeted.endpoint.as_ref();
            std::cmp::Reverse((told, known.heard))
        });
        let mut ways: Vec<(Endpoint, bool)> = heard
            .iter()
            .map(|known| (known.endpoint.clone(), known.over_loopback))
            .collect();
        if let Some(told) = &greeted.endpoint
            && !ways.iter().any(|(endpoint, _)| endpoint == told)
        {
            let local = greeted.ip().is_none_or(|from| from.is_loopback());
            ways.push((told.clone(), local));
        }
        ways
    }

    /// The best of them that hasn't just failed.
    pub(super) fn next_way(peer: &Peer, greeted: &Greeted) -> Option<(Endpoint, bool)> {
        Self::ways_to(peer, greeted)
            .into_iter()
            .find(|(way, _)| !peer.tried.contains(way))
    }

    /// A mailbox to somebody who greeted us didn't open: the next way to it, or
    /// a rest, without forgetting what it said.
    fn answer_elsewhere(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let guest = match peer.take_phase(now) {
            Phase::Entering(_, guest) => guest,
            other => {
                peer.phase = other;
                return;
            }
        };
        if peer.tried.len() < TRIED
            && let Some((endpoint, over_loopback)) = Self::next_way(peer, &guest.greeted)
        {
            self.open(uuid, guest, endpoint, over_loopback);
            return;
        }
        peer.tried.clear();
        peer.count_failure();
        let retry_at = now + self.backoff_of(uuid);
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Waiting(guest, retry_at);
        }
        self.schedule(uuid, retry_at);
    }

    /// The rest is over, and the peer still waits for our HELLO.
    pub(super) fn answer_again(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        match peer.take_phase(now) {
            Phase::Waiting(guest, _) => {
                let way = Self::next_way(peer, &guest.greeted);
                if let Some((endpoint, over_loopback)) = way {
                    self.open(uuid, guest, endpoint, over_loopback);
                }
            }
            other => peer.phase = other,
        }
    }

    /// Opens a mailbox to somebody whose HELLO came.
    pub(super) fn open(
        &mut self,
        uuid: Uuid,
        guest: Box<Guest>,
        endpoint: Endpoint,
        over_loopback: bool,
    ) {
        let mailbox = self.connect(Owner::Peer(uuid), Some(uuid), endpoint, over_loopback);
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Entering(mailbox, guest);
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

    /// Closes a mailbox that isn't wanted any more.
    pub(super) fn disconnect(&mut self, session: Session) {
        if self.sessions.remove(session).is_some() {
            self.outputs.push_back(Output::Disconnect {
                session,
                linger: false,
            });
        }
    }
}
