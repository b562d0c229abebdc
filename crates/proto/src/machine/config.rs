use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use crate::{Endpoint, Limits, State};

/// What a node is and how patient it is.
///
/// Durations below a millisecond are taken for one, except
/// [`silent`](Self::silent), [`expired`](Self::expired) and
/// [`tombstone`](Self::tombstone).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Who this node is. Two live nodes must never share one.
    pub uuid: Uuid,
    /// The public name, told in HELLO. At most 255 bytes.
    pub name: String,
    /// The headers, told in HELLO and never changed afterwards.
    pub headers: BTreeMap<String, String>,
    /// The TCP port of the inbox, told in every beacon.
    pub port: u16,
    /// What HELLO tells as our endpoint, instead of the local address of each
    /// session with [`port`](Self::port): for a node behind NAT.
    pub advertise: Option<Endpoint>,
    /// The state that a starting node shows.
    pub state: State,
    /// Time between two beacons; RFC 36 leaves it open, every implementation
    /// sends one a second. `None`: no beacons at all.
    pub interval: Option<Duration>,
    /// Silence after which a peer is sent a PING. RFC 36: "typically five
    /// seconds".
    pub evasive: Duration,
    /// Silence after which a peer is given up. RFC 36: "typically 30 seconds".
    /// Must be longer than [`evasive`](Self::evasive) by several
    /// [`ping_timeout`](Self::ping_timeout)s, or nobody gets a second chance.
    pub expired: Duration,
    /// How long a PING may go unanswered before the peer counts as evasive,
    /// and the time between PINGs from then on.
    pub ping_timeout: Duration,
    /// How long a peer stays evasive before it counts as silent.
    pub silent: Duration,
    /// How long our HELLO may go unanswered before the session is closed.
    pub hello_timeout: Duration,
    /// How long messages of a peer that leaves are still delivered, when
    /// nothing ends its session sooner.
    pub farewell: Duration,
    /// How long beacons of a (UUID, port) that said EXIT are ignored: a
    /// datagram may be delayed or repeated by the network.
    pub tombstone: Duration,
    /// The shortest wait before an address that failed is dialled again; it
    /// doubles up to [`backoff_max`](Self::backoff_max), with jitter.
    pub backoff_min: Duration,
    /// The longest wait before an address that failed is dialled again.
    pub backoff_max: Duration,
    /// What a peer may cost.
    pub limits: Limits,
}

impl Config {
    /// The defaults for a node of that UUID with its inbox on that port.
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
            evasive: Duration::from_secs(5),
            expired: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(1),
            silent: Duration::from_secs(5),
            hello_timeout: Duration::from_secs(5),
            farewell: Duration::from_millis(50),
            tombstone: Duration::from_secs(2),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            limits: Limits::default(),
        }
    }

    /// Waits of no length would be waited for without end.
    pub(super) fn mend(&mut self) {
        const LEAST: Duration = Duration::from_millis(1);
        if let Some(interval) = &mut self.interval {
            *interval = LEAST.max(*interval);
        }
        for wait in [
            &mut self.evasive,
            &mut self.ping_timeout,
            &mut self.hello_timeout,
            &mut self.farewell,
            &mut self.backoff_min,
            &mut self.backoff_max,
        ] {
            *wait = LEAST.max(*wait);
        }
    }
}
