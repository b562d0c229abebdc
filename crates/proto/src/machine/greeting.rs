//! From a beacon or a HELLO to a session in both directions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::peer::{Contest, Greeted, Held, Live, Mailbox, Peer, Phase, STATE_HEADER};
use super::timers::Timer;
use super::{Event, ExitReason, Inbound, Machine, Output, Owner, PeerInfo, Session, Source, Up};
use crate::{Command, Endpoint, Hello, Outgoing, State, Time};

/// Re-greetings of one UUID that are followed within [`RESTART_WINDOW`]; what
/// comes beyond is a loop or an attack.
const RESTARTS: u32 = 8;
const RESTART_WINDOW: Duration = Duration::from_secs(10);

/// A session that lasted that long counts as a success: the next failure
/// starts the backoff anew.
const STEADY: Duration = Duration::from_secs(10);

/// How long a UUID that two nodes claim isn't contested again.
const CONTEST_REST: Duration = Duration::from_secs(10);

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
            self.set_unanswered(uuid, mailbox, deadline);
            return;
        }
        if self.is_held_by_another(uuid, &address.endpoint) {
            // A second link to the same inbox would take the place of the first.
            // The holder has been asked, and goes if it doesn't answer.
            let retry_at = now + self.config.hello_timeout;
            if self.peers.get(&uuid).is_some_and(Peer::is_lasting) {
                self.schedule(uuid, retry_at);
            }
            return;
        }
        let mailbox = self.connect(
            Owner::Peer(uuid),
            Some(uuid),
            address.endpoint,
            address.over_loopback,
        );
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Dialling(mailbox);
        }
    }

    fn set_unanswered(&mut self, uuid: Uuid, mailbox: Mailbox, deadline: Option<Time>) {
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = match deadline {
                Some(deadline) => Phase::Greeting(mailbox, deadline),
                None => Phase::Dialling(mailbox),
            };
            if let Some(deadline) = deadline {
                self.schedule(uuid, deadline);
            }
        }
    }

    pub(super) fn connect(
        &mut self,
        owner: Owner,
        peer: Option<Uuid>,
        endpoint: Endpoint,
        over_loopback: bool,
    ) -> Mailbox {
        self.last_session += 1;
        let session = Session(self.last_session);
        let short = peer.is_some_and(|peer| self.short_wraps.contains(peer));
        let outgoing = Arc::new(Mutex::new(Outgoing::new(short)));
        self.sessions.insert(session, owner, &endpoint);
        self.outputs.push_back(Output::Connect {
            session,
            peer,
            endpoint: endpoint.clone(),
            over_loopback,
            outgoing: outgoing.clone(),
        });
        Mailbox {
            session,
            endpoint,
            outgoing,
            told: self.state,
            in_memory: false,
        }
    }

    /// A mailbox has opened: our HELLO goes out as its first message.
    ///
    /// RFC 36: "Each node SHALL start a dialog by sending HELLO as the first
    /// command on an connection to a peer."
    pub fn handle_session_up(&mut self, now: Time, session: Session, up: Up) {
        match self.sessions.get(&session).cloned() {
            None => {}
            Some(Owner::Seed(endpoint)) => self.handle_seed_up(now, session, &endpoint, up),
            Some(Owner::Peer(uuid)) => self.handle_peer_up(now, session, uuid, up),
        }
    }

    fn handle_peer_up(&mut self, now: Time, session: Session, uuid: Uuid, up: Up) {
        if up.peer.is_some_and(|found| found != uuid) {
            // Somebody else lives at that address now.
            self.disconnect(session);
            self.session_failed(now, uuid);
            return;
        }
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        match peer.take_phase(now) {
            Phase::Dialling(mut mailbox) => {
                self.greet(&mut mailbox, up);
                let deadline = now + self.config.hello_timeout;
                self.set_unanswered(uuid, mailbox, Some(deadline));
            }
            Phase::Entering(mut mailbox, greeted, held) => {
                self.greet(&mut mailbox, up);
                self.enter(now, uuid, mailbox, *greeted, held);
            }
            other => peer.phase = other,
        }
    }

    /// Sends our HELLO.
    pub(super) fn greet(&mut self, mailbox: &mut Mailbox, up: Up) {
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
        let hello = Hello {
            endpoint: endpoint.to_wire(),
            groups: self.own_groups.iter().map(ToString::to_string).collect(),
            status: self.status,
            name: self.config.name.clone(),
            headers,
        };
        self.send(mailbox.session, Command::Hello(hello));
    }

    /// A mailbox has ended, or never opened.
    pub fn handle_session_closed(&mut self, now: Time, session: Session) {
        match self.sessions.remove(&session) {
            None => {}
            Some(Owner::Seed(endpoint)) => self.seed_failed(now, &endpoint),
            Some(Owner::Peer(uuid)) => match self.peers.get(&uuid).map(|peer| &peer.phase) {
                Some(Phase::Ready(live)) => {
                    // Deliver what it sent before its end: its own connection
                    // ends after that.
                    if live.contest.is_some() {
                        self.newcomer_wins(now, uuid);
                    } else {
                        self.begin_leaving(now, uuid, ExitReason::Disconnected);
                    }
                }
                Some(Phase::Leaving(..)) | None => {}
                Some(_) => self.session_failed(now, uuid),
            },
        }
    }

    /// A session that never became one: the next address, or a rest.
    pub(super) fn session_failed(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        peer.next_address = peer.next_address.wrapping_add(1);
        peer.failures = peer.failures.saturating_add(1);
        let untried = peer.next_address < peer.addresses.len();
        let retry_at = if untried {
            now
        } else {
            now + self.backoff_of(uuid)
        };
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Known { retry_at };
            if !untried {
                peer.next_address = 0;
            }
        }
        self.dial_if_due(now, uuid);
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
        if self.sessions.remove(&session).is_some() {
            self.outputs.push_back(Output::Disconnect {
                session,
                linger: false,
            });
        }
    }

    /// A HELLO came, with sequence 1.
    ///
    /// One that comes while ours is unanswered is the answer. Only a peer that
    /// had greeted us on this session before has started anew: two nodes that
    /// answered each HELLO with another would greet each other for ever.
    pub(super) fn handle_hello(&mut self, now: Time, from: &Inbound, hello: Hello) {
        let uuid = from.peer;
        let greeted = Greeted::new(from, hello);
        if uuid == self.config.uuid {
            self.found_self(&greeted);
            return;
        }
        if self.departure.is_some() || greeted.state == State::Exit {
            self.counters.refused += 1;
            return;
        }
        if greeted.groups.len() > self.config.limits.groups_per_peer {
            self.counters.limited += 1;
            return;
        }
        self.tombstones.retain(|(buried, _), _| *buried != uuid);
        if let Some(endpoint) = &greeted.endpoint {
            self.doubt_holder(now, uuid, &endpoint.clone());
        }
        let Some(peer) = self.require_peer(now, uuid) else {
            return;
        };
        peer.heard = now;
        if peer.is_refused(now, greeted.endpoint.as_ref()) {
            self.counters.refused += 1;
            return;
        }
        if peer.note_move(now, greeted.endpoint.as_ref()) {
            self.tell_conflict(now, uuid);
        }
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let greeted = Box::new(greeted);
        match peer.take_phase(now) {
            Phase::Known { .. } => self.answer(now, uuid, greeted),
            Phase::Dialling(mailbox) | Phase::Entering(mailbox, ..) => {
                peer.phase = Phase::Entering(mailbox, greeted, Held::default());
            }
            Phase::Greeting(mailbox, _) => {
                self.enter(now, uuid, mailbox, *greeted, Held::default());
            }
            Phase::Ready(live) => {
                let elsewhere = live.greeted.connection != greeted.connection
                    && port(&live.greeted) != port(&greeted);
                peer.phase = Phase::Ready(live);
                if elsewhere {
                    self.contest(now, uuid, greeted);
                } else {
                    self.replace(now, uuid, greeted);
                }
            }
            Phase::Leaving(live, reason, until) => {
                peer.phase = Phase::Leaving(live, reason, until);
                self.exit(now, uuid, reason);
                self.answer(now, uuid, greeted);
            }
        }
    }

    /// It started anew.
    pub(super) fn replace(&mut self, now: Time, uuid: Uuid, greeted: Box<Greeted>) {
        self.judge_wrap(uuid);
        self.exit(now, uuid, ExitReason::Replaced);
        self.answer(now, uuid, greeted);
    }

    /// Opens a mailbox to somebody who greeted us first.
    ///
    /// RFC 36: "If the recipient has not already connected to this peer it
    /// SHALL create a ZeroMQ DEALER socket and connect it to the endpoint".
    pub(super) fn answer(&mut self, now: Time, uuid: Uuid, greeted: Box<Greeted>) {
        let Some(peer) = self.require_peer(now, uuid) else {
            return;
        };
        if now - peer.restarts.0 > RESTART_WINDOW {
            peer.restarts = (now, 0);
        }
        peer.restarts.1 = peer.restarts.1.saturating_add(1);
        if peer.restarts.1 > RESTARTS {
            tracing::debug!(%uuid, "greets too often");
            self.counters.refused += 1;
            return;
        }
        if peer.via.is_empty() {
            peer.via.insert(Source::Hello);
        }
        let adopted = self
            .adopt_dial(now, &greeted)
            .or_else(|| self.take_over_dial(now, uuid, &greeted));
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        if let Some((mailbox, source, greeted_already)) = adopted {
            if let Some(source) = source {
                peer.via.remove(&Source::Hello);
                peer.via.insert(source);
            }
            self.sessions
                .insert(mailbox.session, Owner::Peer(uuid), &mailbox.endpoint);
            if greeted_already {
                self.enter(now, uuid, mailbox, *greeted, Held::default());
            } else if let Some(peer) = self.peers.get_mut(&uuid) {
                peer.phase = Phase::Entering(mailbox, greeted, Held::default());
            }
            return;
        }
        // Where its beacon was heard is where it can be reached; but a node
        // that started anew has another port.
        let heard = peer
            .addresses
            .iter()
            .find(|known| known.endpoint.port() == port(&greeted));
        let (endpoint, over_loopback) = match (heard, &greeted.endpoint) {
            (Some(known), _) => (known.endpoint.clone(), known.over_loopback),
            (None, Some(told)) => {
                let local = greeted.from.is_none_or(|from| from.ip().is_loopback());
                (told.clone(), local)
            }
            (None, None) => {
                tracing::debug!(%uuid, "its endpoint can't be dialled");
                self.counters.refused += 1;
                return;
            }
        };
        let comes_from_there = greeted
            .from
            .is_none_or(|from| endpoint.ip() == Some(from.ip()));
        if !comes_from_there && self.is_held_by_another(uuid, &endpoint) {
            // Anybody can claim the address of another; a second link to it
            // would cost us the first. The holder has been asked.
            tracing::debug!(%uuid, "claims the address of another");
            self.counters.refused += 1;
            return;
        }
        let mailbox = self.connect(Owner::Peer(uuid), Some(uuid), endpoint, over_loopback);
        if let Some(peer) = self.peers.get_mut(&uuid) {
            peer.phase = Phase::Entering(mailbox, greeted, Held::default());
        }
    }

    /// The unanswered dial of somebody else at the address from which this HELLO
    /// comes: a new node lives there, and our HELLO has reached it already.
    fn take_over_dial(
        &mut self,
        now: Time,
        uuid: Uuid,
        greeted: &Greeted,
    ) -> Option<(Mailbox, Option<Source>, bool)> {
        let told = greeted.endpoint.as_ref()?;
        if !self.sessions.lead_to_port_of(told) {
            return None;
        }
        let from = greeted.from.map(|from| from.ip());
        let former = self.peers.iter().find_map(|(other, peer)| {
            let (Phase::Dialling(mailbox) | Phase::Greeting(mailbox, _)) = &peer.phase else {
                return None;
            };
            let comes_from_there = from.is_none_or(|from| mailbox.endpoint.ip() == Some(from));
            let dialled = mailbox.endpoint.port() == told.port() && comes_from_there;
            (*other != uuid && dialled).then_some(*other)
        })?;
        let peer = self.peers.get_mut(&former)?;
        let (mailbox, greeted_already) = match peer.take_phase(now) {
            Phase::Dialling(mailbox) => (mailbox, false),
            Phase::Greeting(mailbox, _) => (mailbox, true),
            other => {
                peer.phase = other;
                return None;
            }
        };
        peer.failures = peer.failures.saturating_add(1);
        let retry_at = now + self.backoff_of(former);
        if let Some(peer) = self.peers.get_mut(&former) {
            peer.phase = Phase::Known { retry_at };
            if peer.is_lasting() {
                self.schedule(former, retry_at);
            }
        }
        Some((mailbox, None, greeted_already))
    }

    /// Whether a session with somebody else leads to that address, or is being
    /// opened there.
    fn is_held_by_another(&self, uuid: Uuid, endpoint: &Endpoint) -> bool {
        let held = |(other, peer): (&Uuid, &Peer)| {
            *other != uuid
                && peer
                    .mailbox()
                    .is_some_and(|mailbox| mailbox.endpoint == *endpoint)
        };
        self.sessions.lead_to_port_of(endpoint) && self.peers.iter().any(held)
    }

    /// Both have greeted.
    pub(super) fn enter(
        &mut self,
        now: Time,
        uuid: Uuid,
        mailbox: Mailbox,
        greeted: Greeted,
        held: Held,
    ) {
        let clock = self.clock(now);
        let session = mailbox.session;
        let mut stale = None;
        let live = Live::new(now, clock, mailbox, greeted);
        if live.greeted.shows_state && live.mailbox.told != self.state {
            stale = Some(self.state);
        }
        let info = Box::new(PeerInfo {
            name: live.greeted.name.clone(),
            headers: live.greeted.headers.clone(),
            endpoint: live.mailbox.endpoint.clone(),
            state: live.state,
            via: self
                .peers
                .get(&uuid)
                .map(|peer| peer.via.clone())
                .unwrap_or_default(),
        });
        let groups: Vec<Arc<str>> = live.groups.iter().cloned().collect();
        let inbound = Inbound {
            peer: uuid,
            connection: live.greeted.connection,
            from: live.greeted.from,
        };
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        peer.next_address = 0;
        peer.phase = Phase::Ready(Box::new(live));
        tracing::debug!(%uuid, name = %info.name, endpoint = %info.endpoint, "enter");
        self.event(Event::Enter {
            peer: uuid,
            session,
            info,
        });
        for group in groups {
            self.event(Event::Join { peer: uuid, group });
        }
        if let Some(state) = stale {
            self.send(session, Command::State(state));
            if let Some(live) = self.peers.get_mut(&uuid).and_then(Peer::live_mut) {
                live.mailbox.told = state;
            }
        }
        self.tend(now, uuid);
        for frames in held.into_frames() {
            self.handle_message(now, &inbound, frames);
        }
    }

    /// The application has seen the last of a peer.
    pub(super) fn exit(&mut self, now: Time, uuid: Uuid, reason: ExitReason) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let live = match peer.take_phase(now) {
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
        if reason == ExitReason::Goodbye {
            self.peers.remove(&uuid);
            self.timers.clear(&Timer::Peer(uuid));
        } else if peer.failures > 0 {
            let retry_at = now + self.backoff_of(uuid);
            if let Some(peer) = self.peers.get_mut(&uuid) {
                peer.phase = Phase::Known { retry_at };
            }
        }
        self.disconnect(live.mailbox.session);
        tracing::debug!(%uuid, %reason, "exit");
        self.event(Event::Exit {
            peer: uuid,
            reason,
            unconfirmed,
        });
        self.no_longer_awaited(now, uuid);
        self.retry_seeds_of(now, uuid);
        self.dial_lasting(now, uuid);
    }

    fn dial_lasting(&mut self, now: Time, uuid: Uuid) {
        let lasting = self.peers.get(&uuid).is_some_and(Peer::is_lasting);
        if lasting && let Some(peer) = self.peers.get(&uuid) {
            // Not within this input: whoever caused the exit may go on.
            let Phase::Known { retry_at } = peer.phase else {
                return;
            };
            self.schedule(uuid, retry_at.max(now + self.config.farewell));
        }
    }

    /// A HELLO under the UUID of a live peer, from elsewhere: whether that one
    /// still answers a PING decides.
    fn contest(&mut self, now: Time, uuid: Uuid, newcomer: Box<Greeted>) {
        let timeout = self.config.ping_timeout;
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let contested_until = peer.contested_until;
        let Phase::Ready(live) = &mut peer.phase else {
            return;
        };
        if contested_until.is_some_and(|until| now < until) {
            self.counters.refused += 1;
            return;
        }
        live.pings = live.pings.saturating_add(1);
        live.contest = Some(Contest {
            newcomer,
            held: Held::default(),
            pings: live.pings,
            until: now + timeout,
        });
        let session = live.mailbox.session;
        self.send(session, Command::Ping);
        self.schedule(uuid, now + timeout);
    }

    /// The older one answered: two live nodes share a UUID.
    pub(super) fn newcomer_loses(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        if let Some(live) = peer.live_mut() {
            live.contest = None;
        }
        self.tell_conflict(now, uuid);
    }

    /// Two live nodes claim that UUID. The application is told once.
    fn tell_conflict(&mut self, now: Time, uuid: Uuid) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let first = peer.contested_until.is_none();
        peer.contested_until = Some(now + CONTEST_REST);
        if first {
            tracing::debug!(%uuid, "two live nodes claim this UUID");
            self.event(Event::Conflict { peer: uuid });
        }
    }

    /// The older one is gone: it started anew elsewhere.
    pub(super) fn newcomer_wins(&mut self, now: Time, uuid: Uuid) {
        let contest = self
            .peers
            .get_mut(&uuid)
            .and_then(Peer::live_mut)
            .and_then(|live| live.contest.take());
        let Some(contest) = contest else {
            return;
        };
        self.replace(now, uuid, contest.newcomer);
        if let Some(Phase::Entering(_, _, held)) =
            self.peers.get_mut(&uuid).map(|peer| &mut peer.phase)
        {
            *held = contest.held;
        }
    }

    /// Another UUID claims the address of a peer. Container and link-local
    /// addresses collide, and a HELLO can say anything: the older one goes only
    /// if it doesn't answer.
    pub(super) fn doubt_holder(&mut self, now: Time, claimant: Uuid, endpoint: &Endpoint) {
        if !self.sessions.lead_to_port_of(endpoint) {
            return;
        }
        let holder = self.peers.iter_mut().find_map(|(uuid, peer)| {
            let Phase::Ready(live) = &mut peer.phase else {
                return None;
            };
            let held = *uuid != claimant && live.mailbox.endpoint == *endpoint && !live.doubted;
            held.then(|| {
                live.doubted = true;
                *uuid
            })
        });
        if let Some(holder) = holder {
            self.ask(now, holder);
        }
    }

    /// A peer dropped us. Where that was exactly at our 65535, it is one of
    /// those whose sequence goes from 65534 to 0.
    pub(super) fn judge_wrap(&mut self, uuid: Uuid) {
        let at_the_wrap = self
            .peers
            .get(&uuid)
            .and_then(Peer::live)
            .is_some_and(|live| {
                live.mailbox
                    .numbering(|outgoing| outgoing.wrapped_unconfirmed())
            });
        if at_the_wrap {
            self.short_wraps.toggle(uuid);
        }
    }
}

fn port(greeted: &Greeted) -> Option<u16> {
    greeted.endpoint.as_ref().and_then(Endpoint::port)
}
