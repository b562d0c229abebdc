//! The node's state machine.
//!
//! Read in this order: `output` (what goes in and comes out), `peer` (where
//! a peer can stand), `guest` and `live` (one that has greeted us, one that the
//! application knows), `greeting` and `dialling` (how it gets there), `traffic`
//! (what it says then), `presence` (what its silence means), `ping` (how far
//! away it is), `election` (who leads a group), `leaving` (how it and we go), `conflict` (two that claim the
//! same), `seeds` (addresses without a UUID).

mod config;
mod conflict;
mod dialling;
mod election;
mod greeting;
mod guest;
mod leaving;
mod live;
mod log;
mod output;
mod peer;
mod ping;
mod presence;
mod seeds;
mod sessions;
mod sources;
mod timers;
mod traffic;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use uuid::Uuid;

use crate::{Beacon, Command, Endpoint, LimitError, State, Time};

pub use config::Config;
pub use output::{
    Counters, Event, ExitReason, Found, Heard, Inbound, Output, PeerInfo, Session, SharedOutgoing,
    Source, Up,
};
pub use peer::{ELECTION_HEADER, REQUEST_HEADER, STATE_HEADER};
pub use ping::PingRefused;

use election::Elections;
use leaving::Departure;
use output::count;
use peer::{Address, Peer, Phase, ShortWraps};
use ping::Pings;
use seeds::Seed;
use sessions::{Owner, Sessions};
use timers::{Timer, Timers};

/// One ZRE node, without its sockets and its clock.
///
/// Inputs are the `handle_*` methods and the application's commands; each
/// takes the time. After each, drain [`poll_output`](Self::poll_output) until
/// it is empty, then call [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) says so. Time must not go backwards.
///
/// The same inputs and the same seed give the same outputs. No input panics;
/// what a peer sends costs at most that peer's session.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    state: State,
    status: u8,
    own_groups: BTreeSet<Arc<str>>,
    /// Each in a place of its own: a table of a thousand has room for as many
    /// again, and that room should be small.
    peers: BTreeMap<Uuid, Box<Peer>>,
    seeds: BTreeMap<Endpoint, Seed>,
    sessions: Sessions,
    /// Who is dialled when there are fewer dials without an answer.
    dial_queue: VecDeque<Uuid>,
    last_session: u64,
    /// (UUID, port) that said EXIT, and until when their beacons are ignored.
    tombstones: BTreeMap<(Uuid, u16), Time>,
    short_wraps: ShortWraps,
    /// Since when another live node claims our UUID, and whether that was told.
    twin: Option<(Time, bool)>,
    /// The least time between two beacons, if it is longer than the interval.
    stretch: Duration,
    departure: Option<Departure>,
    pings: Pings,
    elections: Elections,
    timers: Timers,
    /// Since when nobody reads what peers send.
    paused_at: Option<Time>,
    /// When the peers were last looked through because of that.
    paused_round: Time,
    /// Time that doesn't count as a peer's silence.
    skipped: Duration,
    /// Bytes that wait for mailboxes to open, of all peers together.
    held: Arc<AtomicUsize>,
    outputs: VecDeque<Output>,
    counters: Counters,
    random: Random,
}

impl Machine {
    /// A node that starts now: its first beacon is the first output. The seed
    /// feeds the jitter of its waits.
    #[must_use]
    pub fn new(mut config: Config, seed: u64, now: Time) -> Self {
        config.mend();
        let mut machine = Self {
            state: config.state,
            config,
            status: 0,
            own_groups: BTreeSet::new(),
            peers: BTreeMap::new(),
            seeds: BTreeMap::new(),
            sessions: Sessions::default(),
            dial_queue: VecDeque::new(),
            last_session: 0,
            tombstones: BTreeMap::new(),
            short_wraps: ShortWraps::default(),
            twin: None,
            stretch: Duration::ZERO,
            departure: None,
            pings: Pings::default(),
            elections: Elections::default(),
            timers: Timers::default(),
            paused_at: None,
            paused_round: Time::ZERO,
            skipped: Duration::ZERO,
            held: Arc::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            random: Random(seed),
        };
        machine.announce(now);
        machine
    }

    /// The next thing to do.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Time) {
        if let Some(due) = self.timers.next()
            && self.paused_at.is_none()
        {
            let late = now - due;
            if late >= LATE {
                self.skip(now, late);
            }
            if late >= STALL {
                self.ask_all(now);
            }
        }
        while let Some((due, timer)) = self.timers.pop(now) {
            match timer {
                Timer::Announce => self.announce(now),
                Timer::Departure => self.depart(now),
                Timer::Sweep => self.sweep(now),
                Timer::Elections => self.tend_elections(now),
                Timer::Peer(uuid) => {
                    if let Some(peer) = self.peers.get_mut(&uuid)
                        && peer.timer == Some(due)
                    {
                        peer.timer = None;
                        self.tend(now, uuid);
                    }
                }
                Timer::Seed(endpoint) => self.tend_seed(now, &endpoint),
            }
        }
        self.dial_queued(now);
    }

    /// A beacon was heard.
    ///
    /// RFC 36: "When a ZRE node receives a beacon from a node that it does not
    /// already know about, with a non-zero port number, it SHALL consider this
    /// to be a new peer."
    pub fn handle_beacon(&mut self, now: Time, beacon: &Beacon, heard: &Heard) {
        let uuid = beacon.uuid();
        // RFC 36: "A node SHALL discard beacons that it receives from itself."
        if uuid == self.config.uuid {
            self.handle_own_beacon(now, beacon);
            return;
        }
        if self.departure.is_some() {
            return;
        }
        if beacon.is_leaving() {
            self.handle_exit_beacon(now, beacon, heard);
            return;
        }
        // A node that starts again under its UUID and port shows INIT, which no
        // late copy of its last beacons does.
        if beacon.state() == Some(State::Init) {
            self.tombstones.remove(&(uuid, beacon.port()));
        }
        if self.is_buried(now, uuid, beacon.port()) {
            count(&mut self.counters.buried);
            return;
        }
        let mut addr = heard.from;
        addr.set_port(beacon.port());
        let endpoint = Endpoint::from(addr);
        // Nearly all are such: each second one of each peer, and there may be
        // a thousand peers.
        if let Some(peer) = self.peers.get_mut(&uuid)
            && peer.is_as_shown(beacon)
            && peer.hear_again(now, &endpoint, heard)
        {
            return;
        }
        let news = self
            .peers
            .get(&uuid)
            .is_none_or(|peer| !peer.knows(&endpoint));
        if news {
            self.doubt_holder(now, uuid, &endpoint);
        }
        let Some(peer) = self.require_peer(now, uuid) else {
            return;
        };
        peer.via.insert(heard.source);
        peer.note_address(Address::new(
            endpoint,
            heard.source,
            heard.over_loopback,
            now,
        ));
        if let Some(state) = beacon.state() {
            peer.announced = state;
            if let Phase::Ready(live) = &peer.phase
                && !live.greeted.shows_state
            {
                self.set_peer_state(uuid, state);
            }
        }
        self.dial_if_due(now, uuid);
    }

    fn handle_own_beacon(&mut self, now: Time, beacon: &Beacon) {
        count(&mut self.counters.own);
        let other_port = beacon.port() != self.config.port && beacon.port() != 0;
        if !other_port || beacon.is_leaving() || self.departure.is_some() {
            return;
        }
        match self.twin {
            // It may be the last that we said in a life before.
            None => self.twin = Some((now, false)),
            Some((since, false)) if now - since >= TWIN => {
                self.twin = Some((since, true));
                let peer = self.config.uuid;
                self.event(Event::Conflict { peer });
            }
            Some(_) => {}
        }
    }

    /// The host has slept, for which the monotonic clock doesn't account:
    /// everybody is told that we are here and asked whether they are.
    pub fn handle_resume(&mut self, now: Time) {
        if self.departure.as_ref().is_some_and(Departure::is_said) {
            return;
        }
        self.announce(now);
        self.ask_all(now);
        let waiting: Vec<Uuid> = self.peers.keys().copied().collect();
        for uuid in waiting {
            if let Some(peer) = self.peers.get_mut(&uuid)
                && let Phase::Known { retry_at } = &mut peer.phase
            {
                *retry_at = now;
                peer.failures = 0;
            }
            self.tend(now, uuid);
        }
        self.retry_seeds(now);
    }

    /// Joins a group. True where we weren't in it.
    ///
    /// RFC 36: "When a node joins a group it SHALL broadcast a JOIN command to
    /// all its peers."
    ///
    /// # Errors
    /// The name is empty or too long, or we are in too many groups.
    pub fn join(&mut self, now: Time, group: &str) -> Result<bool, LimitError> {
        self.config.limits.validate_group(group)?;
        if self.own_groups.contains(group) {
            return Ok(false);
        }
        self.config
            .limits
            .validate_group_count(self.own_groups.len().saturating_add(1))?;
        self.own_groups.insert(group.into());
        self.status = self.status.wrapping_add(1);
        let status = self.status;
        self.tell_all(|| Command::Join {
            group: group.into(),
            status,
        });
        self.election_joined(now, group);
        Ok(true)
    }

    /// Leaves a group. True where we were in it.
    pub fn leave(&mut self, group: &str) -> bool {
        if !self.own_groups.remove(group) {
            return false;
        }
        self.status = self.status.wrapping_add(1);
        let status = self.status;
        self.tell_all(|| Command::Leave {
            group: group.into(),
            status,
        });
        self.election_left(group);
        true
    }

    /// Shows another state, at once: in a beacon, and to the peers that showed
    /// theirs. A state that isn't [settable](State::is_settable) is ignored, and
    /// so is any while the node leaves.
    pub fn set_state(&mut self, now: Time, state: State) {
        if self.state == state || self.departure.is_some() || !state.is_settable() {
            return;
        }
        self.show_state(now, state);
    }

    fn show_state(&mut self, now: Time, state: State) {
        self.state = state;
        self.announce(now);
        for peer in self.peers.values_mut() {
            if let Phase::Ready(live) = &mut peer.phase
                && live.greeted.shows_state
            {
                live.mailbox.told = state;
                self.outputs.push_back(Output::Send {
                    session: live.mailbox.session,
                    command: Command::State(state),
                });
            }
        }
    }

    /// Our UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.config.uuid
    }

    /// The state that we show.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The groups that we are in.
    pub fn own_groups(&self) -> impl Iterator<Item = &Arc<str>> {
        self.own_groups.iter()
    }

    /// The peers that the application knows: entered and not exited.
    pub fn peers(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.peers
            .iter()
            .filter_map(|(uuid, peer)| peer.live().map(|_| *uuid))
    }

    /// The groups of a peer, or `None` where it isn't known.
    #[must_use]
    pub fn peer_groups(&self, peer: Uuid) -> Option<&BTreeSet<Arc<str>>> {
        Some(&self.peers.get(&peer)?.live()?.greeted.groups)
    }

    /// How many entries the tables hold: peers, sessions, seeds, tombstones and
    /// timers. What peers send must not let them grow without bound.
    #[must_use]
    pub fn table_sizes(&self) -> [usize; 5] {
        [
            self.peers.len(),
            self.sessions.len(),
            self.seeds.len(),
            self.tombstones.len(),
            self.timers.len(),
        ]
    }

    /// What was heard and not acted upon.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn announce(&mut self, now: Time) {
        let Some(interval) = self.config.interval else {
            return;
        };
        let state = self.state;
        self.outputs.push_back(Output::Announce { state });
        self.timers
            .set(Timer::Announce, now + interval.max(self.stretch));
    }

    /// From the next beacon on, at least that much time lies between two of
    /// them: where many nodes know each other already, beacons say little.
    /// A change of state is announced at once all the same.
    pub fn stretch_interval(&mut self, least: Duration) {
        self.stretch = least;
    }

    /// The next beacon comes after that time, if it would come later: somebody
    /// who couldn't hear the last one listens from now on.
    pub fn announce_within(&mut self, now: Time, time: Duration) {
        let later = self
            .timers
            .when(&Timer::Announce)
            .is_some_and(|set| now + time < set);
        if later {
            self.timers.set(Timer::Announce, now + time);
        }
    }

    /// To every session that carried our HELLO, greeted back or not: others
    /// count our JOINs and LEAVEs from HELLO's status on, and some assert that
    /// none is missing.
    fn tell_all(&mut self, mut command: impl FnMut() -> Command) {
        for peer in self.peers.values_mut() {
            if let Some(mailbox) = peer.greeted_mailbox_mut() {
                self.outputs.push_back(Output::Send {
                    session: mailbox.session,
                    command: command(),
                });
            }
        }
        for seed in self.seeds.values() {
            if let Some(session) = seed.greeted_session() {
                self.outputs.push_back(Output::Send {
                    session,
                    command: command(),
                });
            }
        }
    }

    fn event(&mut self, event: Event) {
        event.log();
        self.outputs.push_back(Output::Event(event));
    }

    fn send(&mut self, session: Session, command: Command) {
        self.outputs.push_back(Output::Send { session, command });
    }

    /// The entry of a peer, made where there is room for it.
    fn require_peer(&mut self, now: Time, uuid: Uuid) -> Option<&mut Peer> {
        if !self.peers.contains_key(&uuid) && self.peers.len() >= self.config.limits.peers {
            count(&mut self.counters.overflow);
            tracing::debug!(%uuid, "no room in the peer table");
            return None;
        }
        Some(self.peers.entry(uuid).or_insert_with(|| {
            self.timers.set_if_none(Timer::Sweep, now + SWEEP);
            tracing::debug!(%uuid, "heard of");
            Box::new(Peer::new(now))
        }))
    }

    fn set_peer_state(&mut self, uuid: Uuid, to: State) {
        if let Some(live) = self.peers.get_mut(&uuid).and_then(|peer| peer.live_mut())
            && live.state != to
        {
            let from = std::mem::replace(&mut live.state, to);
            self.event(Event::State {
                peer: uuid,
                from,
                to,
            });
        }
    }

    /// Forgets who hasn't been heard of for long, and tombstones that have
    /// done their work.
    fn sweep(&mut self, now: Time) {
        self.tombstones.retain(|_, until| now < *until);
        self.peers.retain(|uuid, peer| {
            let lasting = peer.is_lasting();
            let idle = matches!(peer.phase, Phase::Known { .. });
            let stays = !idle || lasting || now - peer.heard < FORGET;
            if !stays {
                self.timers.set_peer(*uuid, peer.timer, None);
            }
            stays
        });
        self.dial_queue.retain(|uuid| self.peers.contains_key(uuid));
        if !self.tombstones.is_empty() || !self.peers.is_empty() {
            self.timers.set(Timer::Sweep, now + SWEEP);
        }
    }
}

/// A timeout that comes that late means that we stood still, and that an answer
/// may wait to be read. Shorter delays are a busy machine, for which the
/// patience with a PING allows.
const LATE: Duration = Duration::from_millis(500);

/// After that long, whoever we know is asked whether it is still there.
const STALL: Duration = Duration::from_secs(2);

/// Beacons under our UUID and another port that are heard for that long are of
/// another node.
const TWIN: Duration = Duration::from_millis(500);

/// How often forgotten peers and old tombstones are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// How long somebody without a session is remembered after the last beacon.
const FORGET: Duration = Duration::from_secs(60);

/// Jitter needs no more than this: splitmix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between half of the duration and all of it.
    fn jitter(&mut self, duration: Duration) -> Duration {
        let half = duration.checked_div(2).unwrap_or(duration);
        let span = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        half.saturating_add(Duration::from_millis(
            self.next().checked_rem(span).unwrap_or(0),
        ))
    }
}
