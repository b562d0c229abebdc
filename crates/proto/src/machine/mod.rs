//! The node's state machine.
//!
//! Read in this order:
//!
//! 1. What goes in and out: `input`, `output`, `event`.
//! 2. A peer and its phases: `peer`, with its `address`es; `pending` (it has
//!    greeted us) and `established` (the application knows it).
//! 3. How it gets there: `beacons` and their `pace`, `dialling`, `greeting`, and `bootstrap` for
//!    addresses without a UUID.
//! 4. What it sends: `traffic`; what we show of ourselves: `own_state` and
//!    `own_profile`; what its silence means: `presence` and `liveness`;
//!    how far away it is: `ping`; which member leads a group: `election`.
//! 5. How it leaves: `leaving`, and `exit_claim` if only a beacon says so; how we leave: `departure`.
//! 6. Two nodes that claim the same UUID or address: `conflict`. What strangers
//!    can't exceed: `bounds`.

mod address;
mod beacons;
mod bootstrap;
mod bounds;
mod config;
mod conflict;
mod counters;
mod departure;
mod description;
mod dial_queue;
mod dial_windows;
mod dialling;
mod election;
mod established;
mod event;
mod exit_claim;
mod greeting;
mod input;
mod leaving;
mod liveness;
mod log;
mod mailbox;
mod output;
mod own_profile;
mod own_state;
mod pace;
mod peer;
mod peer_table;
mod pending;
mod ping;
mod presence;
mod random;
mod remote_hello;
mod sessions;
mod shared_outgoing;
mod short_wraps;
mod silence_clock;
mod source;
#[cfg(test)]
mod threads;
mod timers;
mod traffic;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::{Command, Endpoint, State, Time};

pub use crate::hello_headers::{
    ELECTION_HEADER, KEY_HEADER, REQUEST_HEADER, STATE_HEADER, UPDATE_HEADER,
};
pub use config::Config;
pub use counters::Counters;
pub use event::{Event, ExitReason, PeerInfo};
pub use input::{Found, Heard, Inbound, Up};
pub use output::{Audience, DialTarget, Output, SessionId};
pub use ping::PingRefused;
pub use shared_outgoing::{NotSent, SharedOutgoing};
pub use source::{Source, Sources};

use beacons::Duplicate;
use bootstrap::Bootstrap;
use counters::count;
use departure::Departure;
use dial_queue::DialQueue;
use dial_windows::{DialWindows, ThirdParties};
use election::Elections;
use leaving::Tombstone;
use own_profile::Updates;
use pace::Pace;
use peer::{Peer, Phase};
use ping::Pings;
use random::Random;
use sessions::Sessions;
use short_wraps::ShortWraps;
use silence_clock::SilenceClock;
use timers::{Timer, Timers};

/// How late a datagram may be.
const DATAGRAM_LATENESS: Duration = Duration::from_secs(2);

/// A timeout that comes that late means that we stood still, and that an answer may
/// wait to be read. Shorter delays come from a busy machine; the patience with a
/// PING allows for them.
const LATE: Duration = Duration::from_millis(500);

/// After we stood still for that long, every peer is probed.
const STALL: Duration = Duration::from_secs(2);

/// One ZRE node, without its sockets and its clock.
///
/// Inputs are the `handle_*` methods and the application's commands; each takes the
/// time. After each of them, drain [`poll_output`](Self::poll_output) until it is
/// empty, then call [`handle_timeout`](Self::handle_timeout) at the time that
/// [`poll_timeout`](Self::poll_timeout) returns. Time must not go backwards.
///
/// The same inputs and the same seed give the same outputs. No input panics, and
/// whatever a peer sends costs at most that peer's session.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    state: State,
    status: u8,
    updates: Updates,
    own_groups: BTreeSet<Arc<str>>,
    /// Boxed, because a large map has room for as many entries again.
    peers: BTreeMap<Uuid, Box<Peer>>,
    /// Until then a full table isn't searched for peers that give way.
    next_eviction: Option<Time>,
    bootstraps: BTreeMap<Endpoint, Bootstrap>,
    sessions: Sessions,
    last_session: u64,
    /// Peers that wait until fewer dials are unanswered.
    dial_queue: DialQueue,
    /// The dials that nobody has answered, by address.
    failed_dials: DialWindows,
    /// By UUID and port.
    tombstones: BTreeMap<(Uuid, u16), Tombstone>,
    short_wraps: ShortWraps,
    third_parties: ThirdParties,
    duplicate: Option<Duplicate>,
    started: Time,
    pace: Pace,
    /// How many established peers are other processes of this host.
    same_host: u32,
    departure: Option<Departure>,
    pings: Pings,
    elections: Elections,
    timers: Timers,
    clock: SilenceClock,
    /// When the peers were last checked because nobody reads the inbox.
    paused_check: Time,
    /// Bytes that wait for mailboxes to open, of all peers together.
    held_bytes: Arc<AtomicUsize>,
    /// Bytes of what all peers together have told of themselves.
    description_bytes: Arc<AtomicUsize>,
    outputs: VecDeque<Output>,
    counters: Counters,
    random: Random,
}

impl Machine {
    /// A node that starts now. Its first beacon is the first output. The seed is for
    /// the jitter of its waits.
    #[must_use]
    pub fn new(mut config: Config, seed: u64, now: Time) -> Self {
        config.correct();
        let mut machine = Self {
            state: config.state,
            status: 0,
            updates: Updates::default(),
            own_groups: BTreeSet::new(),
            peers: BTreeMap::new(),
            next_eviction: None,
            bootstraps: BTreeMap::new(),
            sessions: Sessions::default(),
            last_session: 0,
            dial_queue: DialQueue::default(),
            failed_dials: DialWindows::of_failures(config.limits.peers),
            config,
            tombstones: BTreeMap::new(),
            short_wraps: ShortWraps::default(),
            third_parties: ThirdParties::default(),
            duplicate: None,
            started: now,
            pace: Pace::default(),
            same_host: 0,
            departure: None,
            pings: Pings::default(),
            elections: Elections::default(),
            timers: Timers::default(),
            clock: SilenceClock::default(),
            paused_check: Time::ZERO,
            held_bytes: Arc::default(),
            description_bytes: Arc::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            random: Random::new(seed),
        };
        machine.announce(now);
        machine
    }

    /// The next thing to do.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Time) {
        if let Some(due) = self.timers.next()
            && !self.clock.is_paused()
        {
            let late = now - due;
            if late >= LATE {
                self.skip(now, late);
            }
            if late >= STALL {
                self.probe_all(now);
            }
        }
        while let Some((due, timer)) = self.timers.pop(now) {
            match timer {
                Timer::Announce => self.announce_again(now),
                Timer::Departure => self.depart(now),
                Timer::Sweep => self.sweep(now),
                Timer::Elections => self.check_elections(now),
                Timer::Update => self.send_updates(now),
                Timer::Peer(uuid) => {
                    if let Some(peer) = self.peers.get_mut(&uuid)
                        && peer.timer == Some(due)
                    {
                        peer.timer = None;
                        self.check_peer(now, uuid);
                    }
                }
                Timer::Bootstrap(endpoint) => self.check_bootstrap(now, &endpoint),
            }
        }
        self.dial_queued(now);
    }

    /// The host has slept, which the monotonic clock doesn't show. Announces us to
    /// all and probes every peer.
    pub fn handle_resume(&mut self, now: Time) {
        if self.departure.as_ref().is_some_and(Departure::is_announced) {
            return;
        }
        self.announce(now);
        self.probe_all(now);
        let all: Vec<Uuid> = self.peers.keys().copied().collect();
        for uuid in all {
            if let Some(peer) = self.peers.get_mut(&uuid)
                && let Phase::Known { retry_at } = &mut peer.phase
            {
                *retry_at = now;
                peer.failures = 0;
            }
            self.check_peer(now, uuid);
        }
        self.retry_bootstraps(now);
    }

    /// Our UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.config.uuid
    }

    /// How many entries the tables have: peers, sessions, bootstrap addresses,
    /// tombstones and timers. Nothing that peers send may let them grow without
    /// bound.
    #[must_use]
    pub fn table_sizes(&self) -> [usize; 5] {
        [
            self.peers.len(),
            self.sessions.len(),
            self.bootstraps.len(),
            self.tombstones.len(),
            self.timers.len(),
        ]
    }

    /// How much input was dropped.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The bytes of what peers have told of themselves, as
    /// [`MessageLimits::description_bytes`](crate::MessageLimits::description_bytes)
    /// counts them.
    #[must_use]
    pub fn description_bytes(&self) -> usize {
        self.description_bytes.load(Ordering::Relaxed)
    }

    fn event(&mut self, event: Event) {
        event.log();
        self.outputs.push_back(Output::Event(event));
    }

    fn admit(&mut self, connection: u64) {
        self.outputs.push_back(Output::Admit { connection });
    }

    fn refuse(&mut self, connection: u64) {
        count(&mut self.counters.refused);
        self.outputs.push_back(Output::Refuse { connection });
    }

    fn send(&mut self, session: SessionId, command: Command) {
        self.outputs.push_back(Output::Send { session, command });
    }
}
