use std::collections::BTreeSet;
use std::mem;
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use smallvec::SmallVec;
use uuid::Uuid;

use super::guest::Guest;
use super::live::Live;
use super::output::{Heard, Session, SharedOutgoing, Source};
use super::sources::Sources;
use crate::{Beacon, Endpoint, Outgoing, State, Time};

/// The HELLO header in which our nodes tell their state. A peer that shows it
/// understands [`Command::State`](crate::Command::State).
pub const STATE_HEADER: &str = "X-ZRE-STATE";

/// The HELLO header by which our nodes tell that they take requests and answers.
/// A peer that shows it understands [`Command::Request`](crate::Command::Request)
/// and [`Command::Reply`](crate::Command::Reply).
pub const REQUEST_HEADER: &str = "X-ZRE-REQUEST";

/// The HELLO header by which our nodes tell that they take part in elections. A
/// peer that shows it understands [`Command::Elect`](crate::Command::Elect) and
/// [`Command::Leader`](crate::Command::Leader), as one does that sends them.
pub const ELECTION_HEADER: &str = "X-ZRE-ELECT";

/// An address that wasn't heard for that long and is heard again is as good as
/// a new one.
const LAPSE: Duration = Duration::from_secs(5);

/// How late a datagram may be.
const LATE: Duration = Duration::from_secs(2);

/// Addresses remembered for one peer: its interfaces, twice over. Those that a
/// source keeps naming stay longest.
const ADDRESSES: usize = 8;

/// Moves of one peer from place to place within a time that no traveller makes.
const MOVES: u8 = 4;
const MOVES_WINDOW: Duration = Duration::from_secs(120);

/// Somebody who is known, by a beacon or by a session. There may be thousands, so
/// what few of them have is in places of its own.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) phase: Phase,
    /// Where it can be dialled, the best first. Most have one address.
    pub(super) addresses: SmallVec<[Address; 1]>,
    pub(super) via: Sources,
    /// What its beacons show.
    pub(super) announced: State,
    /// Whether its last session showed its state: beacons have no say then.
    pub(super) shows_state: bool,
    /// When it was last heard of outside a session.
    pub(super) heard: Time,
    /// Re-greetings and when their count began, so that they can be bounded.
    pub(super) restarted: Time,
    pub(super) restarts: u8,
    /// Where it said it was when it last greeted; since when it has said
    /// another place each time, and how often.
    pub(super) greeted_at: Option<Endpoint>,
    moved: Time,
    moves: u8,
    /// Dials that failed and sessions that broke early, in a row.
    pub(super) failures: u32,
    /// The addresses at which a dial has failed since the last rest.
    pub(super) tried: BTreeSet<Endpoint>,
    /// Until then, no second dispute over this UUID is opened.
    pub(super) disputed_until: Option<Time>,
    /// When its timer is set.
    pub(super) timer: Option<Time>,
    /// Whether it stands in the queue of those to be dialled.
    pub(super) queued: bool,
}

/// Where a peer stands. It is always in exactly one of these.
#[derive(Debug)]
pub(super) enum Phase {
    /// No session. Not dialled before the given time.
    Known { retry_at: Time },
    /// A mailbox is being opened.
    Dialling(Box<Mailbox>),
    /// Our HELLO is out; theirs is due by the given time on the silence clock.
    Greeting(Box<Mailbox>, Time),
    /// Their HELLO came; the mailbox is being opened.
    Entering(Box<Mailbox>, Box<Guest>),
    /// Their HELLO came and no mailbox could be opened; it is tried again at the
    /// given time. They won't greet twice.
    Waiting(Box<Guest>, Time),
    /// Both have greeted: the application knows it.
    Ready(Box<Live>),
    /// It is going. What it sent before is delivered until the given time on
    /// the silence clock.
    Leaving(Box<Live>, super::ExitReason, Time),
}

/// One mailbox of ours, as the machine sees it.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) session: Session,
    pub(super) endpoint: Endpoint,
    pub(super) outgoing: SharedOutgoing,
    /// Our state, as our HELLO or a later message told it.
    pub(super) told: State,
    pub(super) in_memory: bool,
    /// When it opened, and whether the handshake said who is at its other end.
    pub(super) opened: Option<Time>,
    pub(super) proven: bool,
}

/// An address, and when and how it was last heard.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) endpoint: Endpoint,
    pub(super) over_loopback: bool,
    /// Which sources name it; the first decides when it is dialled.
    pub(super) sources: Sources,
    pub(super) heard: Time,
}

impl Address {
    pub(super) fn new(endpoint: Endpoint, source: Source, over_loopback: bool, now: Time) -> Self {
        Self {
            endpoint,
            over_loopback,
            sources: source.into(),
            heard: now,
        }
    }

    fn rank(&self) -> Option<Source> {
        self.sources.first()
    }

    /// Whether a source names it that keeps its word by itself.
    fn is_lasting(&self) -> bool {
        self.sources.iter().any(|source| source.is_lasting())
    }
}

impl Peer {
    pub(super) fn new(now: Time) -> Self {
        Self {
            phase: Phase::Known { retry_at: now },
            addresses: SmallVec::new(),
            via: Sources::default(),
            announced: State::Ready,
            shows_state: false,
            heard: now,
            restarted: now,
            restarts: 0,
            greeted_at: None,
            moved: now,
            moves: 0,
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

    /// Remembers an address. The order of the sources decides which is dialled
    /// first; within one source, the newest.
    pub(super) fn note_address(&mut self, mut address: Address) {
        self.heard = address.heard;
        let known = self
            .addresses
            .iter()
            .position(|known| known.endpoint == address.endpoint);
        if let Some(index) = known
            && let Some(known) = self.addresses.get_mut(index)
        {
            known.over_loopback |= address.over_loopback;
            let rank = known.rank();
            known.sources.extend(address.sources);
            let last = std::mem::replace(&mut known.heard, address.heard);
            // Heard all the time, or as good as before: it keeps its place.
            if address.heard - last < LAPSE && known.rank() == rank {
                return;
            }
            address = self.addresses.remove(index);
        }
        let at = self
            .addresses
            .partition_point(|known| known.rank() < address.rank());
        self.addresses.insert(at, address);
        if self.addresses.len() > ADDRESSES
            && let Some((stalest, _)) = self
                .addresses
                .iter()
                .enumerate()
                .min_by_key(|(_, known)| (known.is_lasting(), known.heard))
        {
            self.addresses.remove(stalest);
        }
    }

    /// A source no longer names an address.
    pub(super) fn drop_source(&mut self, endpoint: &Endpoint, source: Source) {
        let mut dropped = false;
        self.addresses.retain(|known| {
            dropped |= known.endpoint == *endpoint && known.sources.remove(source);
            !known.sources.is_empty()
        });
        if dropped
            && !self
                .addresses
                .iter()
                .any(|known| known.sources.contains(source))
        {
            self.via.remove(source);
        }
    }

    /// Whether a beacon could tell no more than that the peer is still there:
    /// it has a session, or is about to, and shows the state that it showed.
    pub(super) fn is_as_shown(&self, beacon: &Beacon) -> bool {
        let told = match &self.phase {
            Phase::Known { .. } => return false,
            Phase::Ready(live) if !self.shows_state => live.state,
            _ => self.announced,
        };
        beacon
            .state()
            .is_none_or(|state| state == self.announced && state == told)
    }

    /// Takes note that it was heard where it is heard all the time. False where
    /// that is news in any way: nothing has changed then.
    pub(super) fn hear_again(&mut self, now: Time, endpoint: &Endpoint, heard: &Heard) -> bool {
        let known = self.addresses.iter_mut().find(|known| {
            known.sources.contains(heard.source)
                && now - known.heard < LAPSE
                && (known.over_loopback || !heard.over_loopback)
                && known.endpoint == *endpoint
        });
        if let Some(known) = known {
            known.heard = now;
            self.heard = now;
            return true;
        }
        false
    }

    /// Whether its mailbox leads to it for sure and to nobody who came after it:
    /// the handshake said so, or its beacons still came from there when the
    /// mailbox had long been open.
    pub(super) fn is_at_mailbox(&self) -> bool {
        self.mailbox().is_some_and(|mailbox| mailbox.proven) || self.last_beacon().is_some()
    }

    /// Whether its beacons come from where its mailbox leads to.
    pub(super) fn beacons_from_mailbox(&self, now: Time) -> bool {
        self.last_beacon().is_some_and(|heard| now - heard < LATE)
    }

    /// The last from where its mailbox leads, if it can't have been sent before
    /// that opened.
    fn last_beacon(&self) -> Option<Time> {
        let mailbox = self.mailbox()?;
        let opened = mailbox.opened?;
        self.addresses
            .iter()
            .filter(|known| known.endpoint == mailbox.endpoint)
            .filter(|known| known.sources.iter().any(Source::is_beacon))
            .map(|known| known.heard)
            .find(|heard| *heard > opened + LATE)
    }

    pub(super) fn knows(&self, endpoint: &Endpoint) -> bool {
        self.addresses
            .iter()
            .any(|known| known.endpoint == *endpoint)
    }

    /// Takes note of where it says it is. True where it has said another place
    /// so often that it must be two: an inbox that lets a new connection take the
    /// place of the old one of the same identity hears them in turns.
    pub(super) fn note_move(&mut self, now: Time, endpoint: Option<&Endpoint>) -> bool {
        if endpoint.is_none() || self.greeted_at.as_ref() == endpoint {
            return false;
        }
        if self.greeted_at.is_none() || now - self.moved > MOVES_WINDOW {
            (self.moved, self.moves) = (now, 0);
        }
        self.greeted_at = endpoint.cloned();
        self.moves = self.moves.saturating_add(1);
        self.moves > MOVES
    }

    /// Whether a HELLO from that place has to wait: two nodes claim this UUID, and
    /// the other one has its turn.
    pub(super) fn is_refused(&self, now: Time, endpoint: Option<&Endpoint>) -> bool {
        let resting = self.disputed_until.is_some_and(|until| now < until);
        resting && self.greeted_at.as_ref() != endpoint
    }

    /// Whether it is dialled again although nothing more is heard of it: a
    /// source that keeps its word names it. A seed, which names nobody, is
    /// dialled on its own account, whoever is met there.
    pub(super) fn is_lasting(&self) -> bool {
        self.addresses.iter().any(Address::is_lasting)
    }

    /// The address to dial now: the best that hasn't just failed.
    pub(super) fn dial_address(&self) -> Option<&Address> {
        self.addresses
            .iter()
            .find(|known| !self.tried.contains(&known.endpoint))
    }

    /// Whether the application knows it.
    pub(super) fn live(&self) -> Option<&Live> {
        match &self.phase {
            Phase::Ready(live) | Phase::Leaving(live, ..) => Some(live),
            _ => None,
        }
    }

    pub(super) fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.phase {
            Phase::Ready(live) | Phase::Leaving(live, ..) => Some(live),
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
            Phase::Ready(live) => Some(&live.mailbox),
        }
    }

    /// The mailbox, if it carried our HELLO.
    pub(super) fn greeted_mailbox_mut(&mut self) -> Option<&mut Mailbox> {
        match &mut self.phase {
            Phase::Greeting(mailbox, _) => Some(mailbox),
            Phase::Ready(live) => Some(&mut live.mailbox),
            _ => None,
        }
    }

    /// Whether there is anything with it beyond its being known.
    pub(super) fn is_engaged(&self) -> bool {
        !matches!(self.phase, Phase::Known { .. })
    }

    /// Takes the phase out, to be replaced by the next one.
    pub(super) fn take_phase(&mut self, now: Time) -> Phase {
        mem::replace(&mut self.phase, Phase::Known { retry_at: now })
    }

    /// Whether it was ever heard at that address, by beacon or in a session.
    pub(super) fn was_heard_at(&self, ip: IpAddr) -> bool {
        let heard_at =
            |endpoint: &Endpoint| matches!(endpoint, Endpoint::Tcp(addr) if addr.ip() == ip);
        self.addresses.iter().any(|known| heard_at(&known.endpoint))
            || self.live().is_some_and(|live| {
                heard_at(&live.mailbox.endpoint) || live.greeted.ip() == Some(ip)
            })
    }
}

impl Mailbox {
    pub(super) fn numbering<T>(&self, f: impl FnOnce(&mut Outgoing) -> T) -> T {
        f(&mut self.outgoing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The UUIDs whose sequence wraps from 65534 to 0, as far as was seen.
#[derive(Debug, Default)]
pub(super) struct ShortWraps(BTreeSet<Uuid>);

impl ShortWraps {
    /// More than that are forgotten: each costs its session one more break.
    const MAX: usize = 1024;

    pub(super) fn contains(&self, peer: Uuid) -> bool {
        self.0.contains(&peer)
    }

    /// A peer was seen to do so.
    pub(super) fn insert(&mut self, peer: Uuid) {
        if self.0.len() < Self::MAX {
            self.0.insert(peer);
        }
    }

    /// A peer dropped us where the two wraps part: it uses the other one.
    pub(super) fn toggle(&mut self, peer: Uuid) {
        if !self.0.remove(&peer) && self.0.len() < Self::MAX {
            self.0.insert(peer);
        }
    }
}
