//! One entry of the peer table.

use std::collections::BTreeSet;
use std::mem;
use std::net::IpAddr;

use super::address::{Address, Addresses};
use super::bounds::{GREETINGS, GREETINGS_WINDOW, MOVES, MOVES_WINDOW};
use super::established::EstablishedPeer;
use super::event::ExitReason;
use super::input::Heard;
use super::mailbox::Mailbox;
use super::pending::PendingPeer;
use super::source::{Source, Sources};
use super::{DATAGRAM_LATENESS, Time};
use crate::{Beacon, Endpoint, State};

/// A node that was heard by beacon, discovery or HELLO.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) phase: Phase,
    pub(super) addresses: Addresses,
    pub(super) via: Sources,
    /// The state that its beacons show.
    pub(super) announced: State,
    /// Whether its last session showed its state. Its beacons don't count then.
    pub(super) shows_state: bool,
    /// Whether it hasn't been heard by a beacon since its session broke.
    pub(super) lost: bool,
    /// When it was last heard outside of a session.
    pub(super) heard: Time,
    /// The greetings that we answered since the time beside them.
    greetings: u8,
    greetings_since: Time,
    /// The endpoint in its last HELLO, and how often that has changed since the
    /// time behind it.
    pub(super) greeted_at: Option<Endpoint>,
    moves: u8,
    moves_since: Time,
    /// Dials that failed and sessions that broke early, in a row.
    pub(super) failures: u32,
    /// The addresses at which a dial has failed since the last rest.
    pub(super) tried: BTreeSet<Endpoint>,
    /// Until then no second dispute over this UUID is opened.
    pub(super) disputed_until: Option<Time>,
    /// When its timer is set.
    pub(super) timer: Option<Time>,
    /// Whether it waits in the dial queue.
    pub(super) queued: bool,
}

/// The phase of a peer. It is in exactly one of them.
#[derive(Debug)]
pub(super) enum Phase {
    /// It has no session, and isn't dialled before the given time.
    Known { retry_at: Time },
    /// A mailbox is being opened.
    Dialling(Box<Mailbox>),
    /// Our HELLO is out. Theirs is due by the given time on the silence clock.
    Greeting(Box<Mailbox>, Time),
    /// Their HELLO came, and the mailbox is being opened.
    Entering(Box<Mailbox>, Box<PendingPeer>),
    /// Their HELLO came, and no mailbox could be opened. We try again at the given
    /// time, because they won't greet twice.
    Waiting(Box<PendingPeer>, Time),
    /// Both have greeted, and the application knows the peer.
    Established(Box<EstablishedPeer>),
    /// It is leaving. Until the given time on the silence clock, what it sent
    /// before is delivered.
    Leaving(Box<EstablishedPeer>, ExitReason, Time),
}

impl Peer {
    pub(super) fn new(now: Time) -> Self {
        Self {
            phase: Phase::Known { retry_at: now },
            addresses: Addresses::default(),
            via: Sources::default(),
            announced: State::Ready,
            shows_state: false,
            lost: false,
            heard: now,
            greetings: 0,
            greetings_since: now,
            greeted_at: None,
            moves: 0,
            moves_since: now,
            failures: 0,
            tried: BTreeSet::new(),
            disputed_until: None,
            timer: None,
            queued: false,
        }
    }

    pub(super) fn count_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Counts a greeting that wants our HELLO. Returns whether it may have one.
    pub(super) fn count_greeting(&mut self, now: Time) -> bool {
        if now - self.greetings_since > GREETINGS_WINDOW {
            (self.greetings_since, self.greetings) = (now, 0);
        }
        self.greetings = self.greetings.saturating_add(1);
        self.greetings <= GREETINGS
    }

    pub(super) fn note_address(&mut self, address: Address) {
        self.heard = address.heard;
        self.addresses.note(address);
    }

    /// A source no longer names an address.
    pub(super) fn drop_source(&mut self, endpoint: &Endpoint, source: Source) {
        if self.addresses.drop_source(endpoint, source) && !self.addresses.names_source(source) {
            self.via.remove(source);
        }
    }

    /// Whether a beacon can tell no more than that the peer is still there: it has
    /// a session, or is about to, and the beacon shows the state that we know.
    pub(super) fn is_as_shown(&self, beacon: &Beacon) -> bool {
        let known = match &self.phase {
            Phase::Known { .. } => return false,
            Phase::Established(established) if !self.shows_state => established.state,
            _ => self.announced,
        };
        beacon
            .state()
            .is_none_or(|state| state == self.announced && state == known)
    }

    /// Notes a beacon that came from this host and names that port: if the peer is there, its
    /// process runs, and the system reports its death.
    pub(super) fn note_process(&mut self, clock: Time, port: u16) {
        if let Phase::Established(established) = &mut self.phase
            && established.mailbox.same_host
            && established.hello.shows_state
            && established.listens_at(port)
        {
            established.liveness.show(clock);
        }
    }

    /// Notes a beacon from an address that is heard all the time. Returns false,
    /// and changes nothing, if it tells anything new.
    pub(super) fn hear_again(&mut self, now: Time, endpoint: &Endpoint, heard: &Heard) -> bool {
        let again = self.addresses.hear_again(now, endpoint, heard);
        if again {
            self.heard = now;
        }
        again
    }

    /// Whether this peer itself, and not a successor at its address, is at the
    /// other end of its mailbox: the handshake named it, or its beacons still came
    /// from there when the mailbox had long been open.
    pub(super) fn is_at_mailbox(&self) -> bool {
        self.mailbox().is_some_and(|mailbox| mailbox.proven)
            || self.beacon_since_mailbox().is_some()
    }

    /// Whether its beacons come from the address that its mailbox leads to.
    pub(super) fn beacons_from_mailbox(&self, now: Time) -> bool {
        self.beacon_since_mailbox()
            .is_some_and(|heard| now - heard < DATAGRAM_LATENESS)
    }

    /// The last beacon from the address that its mailbox leads to, if it can't
    /// have been sent before the mailbox opened.
    fn beacon_since_mailbox(&self) -> Option<Time> {
        let mailbox = self.mailbox()?;
        let opened = mailbox.opened?;
        self.addresses
            .iter()
            .filter(|known| known.endpoint == mailbox.endpoint)
            .filter(|known| known.sources.iter().any(Source::is_beacon))
            .map(|known| known.heard)
            .find(|heard| *heard > opened + DATAGRAM_LATENESS)
    }

    /// Notes the endpoint of its HELLO. Returns whether it has changed so often
    /// that two nodes must be sending: an inbox that gives each new connection of
    /// an identity the place of the old one hears them in turns.
    pub(super) fn note_move(&mut self, now: Time, endpoint: Option<&Endpoint>) -> bool {
        if endpoint.is_none() || self.greeted_at.as_ref() == endpoint {
            return false;
        }
        if self.greeted_at.is_none() || now - self.moves_since > MOVES_WINDOW {
            (self.moves_since, self.moves) = (now, 0);
        }
        self.greeted_at = endpoint.cloned();
        self.moves = self.moves.saturating_add(1);
        self.moves > MOVES
    }

    /// Whether a HELLO with that endpoint has to wait: two nodes claim this UUID,
    /// and it is the other one's turn.
    pub(super) fn is_refused(&self, now: Time, endpoint: Option<&Endpoint>) -> bool {
        self.disputed_until.is_some_and(|until| now < until) && self.greeted_at.as_ref() != endpoint
    }

    /// Whether it is dialled again although nothing more is heard of it, because a
    /// persistent source names it. A bootstrap address names no node; it is
    /// dialled on its own account.
    pub(super) fn is_persistent(&self) -> bool {
        self.addresses.any_persistent()
    }

    /// The address to dial now: the best that hasn't just failed.
    pub(super) fn dial_address(&self) -> Option<&Address> {
        self.addresses
            .iter()
            .find(|known| !self.tried.contains(&known.endpoint))
    }

    /// Whether it has shown that it knows GOODBYE: its HELLO has our header, or it
    /// was found by gossip, and C Zyre leaves by GOODBYE there.
    pub(super) fn takes_goodbye(&self) -> bool {
        self.shows_state || self.via.contains(Source::Gossip)
    }

    /// The peer as the application knows it, if it does.
    pub(super) fn established(&self) -> Option<&EstablishedPeer> {
        match &self.phase {
            Phase::Established(established) | Phase::Leaving(established, ..) => Some(established),
            _ => None,
        }
    }

    pub(super) fn established_mut(&mut self) -> Option<&mut EstablishedPeer> {
        match &mut self.phase {
            Phase::Established(established) | Phase::Leaving(established, ..) => Some(established),
            _ => None,
        }
    }

    /// The open or opening mailbox.
    pub(super) fn mailbox(&self) -> Option<&Mailbox> {
        match &self.phase {
            Phase::Known { .. } | Phase::Waiting(..) | Phase::Leaving(..) => None,
            Phase::Dialling(mailbox)
            | Phase::Greeting(mailbox, _)
            | Phase::Entering(mailbox, ..) => Some(mailbox),
            Phase::Established(established) => Some(&established.mailbox),
        }
    }

    /// The mailbox, if it has carried our HELLO.
    pub(super) fn greeted_mailbox_mut(&mut self) -> Option<&mut Mailbox> {
        match &mut self.phase {
            Phase::Greeting(mailbox, _) => Some(mailbox),
            Phase::Established(established) => Some(&mut established.mailbox),
            _ => None,
        }
    }

    /// Whether it has a session, or is about to.
    pub(super) fn is_engaged(&self) -> bool {
        !matches!(self.phase, Phase::Known { .. })
    }

    /// Takes the phase out. The caller puts in the next one.
    pub(super) fn take_phase(&mut self, now: Time) -> Phase {
        mem::replace(&mut self.phase, Phase::Known { retry_at: now })
    }

    /// Whether it was ever heard at that address, by beacon or in a session.
    pub(super) fn was_heard_at(&self, ip: IpAddr) -> bool {
        let greeted_from = match &self.phase {
            Phase::Entering(_, pending) | Phase::Waiting(pending, _) => pending.hello.ip(),
            _ => None,
        };
        greeted_from == Some(ip)
            || self.addresses.any_at(ip)
            || self.established().is_some_and(|established| {
                established.mailbox.endpoint.ip() == Some(ip) || established.hello.ip() == Some(ip)
            })
    }
}
