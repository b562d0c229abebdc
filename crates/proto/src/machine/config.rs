//! The settings of a node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use uuid::Uuid;

use crate::{Endpoint, MessageLimits, State};

/// The settings of a node: its identity and its patience.
///
/// A duration below a millisecond counts as one, except for
/// [`silent`](Self::silent), [`expired`](Self::expired) and
/// [`tombstone`](Self::tombstone).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The node's UUID. No two live nodes may share one.
    pub uuid: Uuid,
    /// The public name, which HELLO carries. At most 255 bytes.
    pub name: String,
    /// The headers, which HELLO carries.
    pub headers: BTreeMap<String, String>,
    /// The TCP port of the inbox, which every beacon carries.
    pub port: u16,
    /// The endpoint in our HELLO, for a node behind NAT. Without it, HELLO names
    /// the local address of each session with [`port`](Self::port).
    pub advertise: Option<Endpoint>,
    /// The state of the node when it starts.
    pub state: State,
    /// The shortest time between two beacons; `None` for no beacons at all. RFC 36 leaves
    /// it open, and other implementations send one a second. Many nodes share a rate: all
    /// together send four beacons in this time, and each at least one in sixty times it.
    pub interval: Option<Duration>,
    /// The silence after which a peer gets a PING. RFC 36: "typically five
    /// seconds". If more than ten nodes of this library are on this host, they get it
    /// later, after at most twelve times as long.
    pub ping_after: Duration,
    /// The time between two PINGs to a peer that doesn't answer. When the first of
    /// them is unanswered for that long, the peer becomes evasive.
    pub ping_interval: Duration,
    /// How long a peer stays evasive before it becomes silent.
    pub silent: Duration,
    /// The silence after which a peer is given up. RFC 36: "typically 30 seconds". If its
    /// first PING came late, it has as much time to answer as after one that didn't.
    /// It must be longer than [`ping_after`](Self::ping_after) by several times
    /// [`ping_interval`](Self::ping_interval), or no peer gets a second chance.
    pub expired: Duration,
    /// How long our HELLO may be unanswered before its session is closed.
    pub hello_timeout: Duration,
    /// How long messages of a leaving peer are still delivered, if nothing ends its
    /// session sooner.
    pub farewell: Duration,
    /// How long beacons of a (UUID, port) that announced EXIT are ignored. The
    /// network may delay or repeat a datagram.
    pub tombstone: Duration,
    /// The shortest wait before an address that failed is dialled again. It doubles
    /// with each failure up to [`backoff_max`](Self::backoff_max), with jitter.
    pub backoff_min: Duration,
    /// The longest wait before an address that failed is dialled again.
    pub backoff_max: Duration,
    /// The text of our public key, if links prove keys: HELLO shows it in
    /// [`KEY_HEADER`](super::KEY_HEADER). Beacons prove nothing: an EXIT beacon of an
    /// established peer is then only a reason to send it a PING.
    pub public_key: Option<String>,
    /// The groups in which peers without a key may be, if this node has one. In all
    /// others they aren't members, and their shouts are dropped:
    /// [`Inbound::is_plain`](super::Inbound::is_plain).
    pub plain_groups: BTreeSet<String>,
    /// What a peer may cost.
    pub limits: MessageLimits,
}

impl Config {
    /// The defaults for a node of that UUID whose inbox has that port.
    ///
    /// The default name is the first six hex digits of the UUID in upper
    /// case, as in every other implementation.
    #[must_use]
    pub fn new(uuid: Uuid, port: u16) -> Self {
        let mut name = uuid.simple().to_string().to_uppercase();
        name.truncate(6);
        Self {
            uuid,
            name,
            headers: BTreeMap::new(),
            port,
            advertise: None,
            state: State::Init,
            interval: Some(Duration::from_secs(1)),
            ping_after: Duration::from_secs(5),
            ping_interval: Duration::from_secs(1),
            silent: Duration::from_secs(5),
            expired: Duration::from_secs(30),
            hello_timeout: Duration::from_secs(5),
            farewell: Duration::from_millis(50),
            tombstone: Duration::from_secs(2),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            public_key: None,
            plain_groups: BTreeSet::new(),
            limits: MessageLimits::default(),
        }
    }

    /// A zero duration would make its timer spin.
    pub(super) fn correct(&mut self) {
        const LEAST: Duration = Duration::from_millis(1);
        if let Some(interval) = &mut self.interval {
            *interval = LEAST.max(*interval);
        }
        for wait in [
            &mut self.ping_after,
            &mut self.ping_interval,
            &mut self.hello_timeout,
            &mut self.farewell,
            &mut self.backoff_min,
            &mut self.backoff_max,
        ] {
            *wait = LEAST.max(*wait);
        }
    }
}
