//! One open beacon, as its hub sees it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::config::Config;
use crate::datagram::{CastKind, Datagram, QUEUE};
use crate::interface::Interface;
use crate::lane::{InterfaceStats, Lane, LaneCounters};

/// Members are told apart by number.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// One open beacon: shared by its handles and its hub's thread.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) config: Config,
    pub(crate) hears_process: AtomicBool,
    pub(crate) counters: Counters,
    lanes: RwLock<Arc<[Arc<Lane>]>>,
    queue: mpsc::Sender<Datagram>,
}

/// The figures behind [`Stats`], but for those of the lanes.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) too_long: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) same_process: AtomicU64,
    pub(crate) echoes: AtomicU64,
    pub(crate) oversized: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

/// What happened since a beacon was opened. Counters only grow.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "BeaconStats"))]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams that left, over all interfaces.
    pub sent: u64,
    /// Datagrams that the system refused to send, over all interfaces.
    pub failed: u64,
    /// Payloads longer than [`MAX_DATAGRAM`](crate::MAX_DATAGRAM) that weren't sent.
    pub too_long: u64,
    /// Datagrams from the network that were put into the queue.
    pub received: u64,
    /// Datagrams of this process's other beacons that were put into the queue.
    pub same_process: u64,
    /// Datagrams of this process that came back from the network and were left out.
    pub echoes: u64,
    /// Datagrams from the network longer than [`MAX_DATAGRAM`](crate::MAX_DATAGRAM),
    /// dropped.
    pub oversized: u64,
    /// Datagrams dropped because the queue was full.
    pub dropped: u64,
    /// Each chosen interface's own figures, of those there are now.
    pub interfaces: Vec<InterfaceStats>,
}

impl Member {
    pub(crate) fn new(config: Config) -> (Arc<Self>, mpsc::Receiver<Datagram>) {
        let (queue, datagrams) = mpsc::channel(QUEUE);
        let member = Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            config,
            hears_process: AtomicBool::new(true),
            counters: Counters::default(),
            lanes: RwLock::new(Arc::new([])),
            queue,
        });
        (member, datagrams)
    }

    pub(crate) fn lanes(&self) -> Arc<[Arc<Lane>]> {
        Arc::clone(&self.lanes.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_lanes(&self, lanes: Vec<Arc<Lane>>) {
        *self.lanes.write().unwrap_or_else(PoisonError::into_inner) = lanes.into();
    }

    pub(crate) fn stats(&self) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let interfaces: Vec<InterfaceStats> =
            self.lanes().iter().map(|lane| lane.stats()).collect();
        Stats {
            sent: interfaces.iter().map(|i| i.sent).sum(),
            failed: interfaces.iter().map(|i| i.failed).sum(),
            too_long: load(&self.counters.too_long),
            received: load(&self.counters.received),
            same_process: load(&self.counters.same_process),
            echoes: load(&self.counters.echoes),
            oversized: load(&self.counters.oversized),
            dropped: load(&self.counters.dropped),
            interfaces,
        }
    }
}

/// A member's wish to hear a target over an interface.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    pub(crate) member: Arc<Member>,
    pub(crate) interface: Arc<Interface>,
    pub(crate) cast: CastKind,
    pub(crate) counters: Arc<LaneCounters>,
}

impl Listener {
    /// Queues a datagram, or counts it where the queue is full: it never waits.
    pub(crate) fn deliver(&self, payload: &Bytes, from: SocketAddr, same_process: bool) {
        let member = &self.member;
        let datagram = Datagram {
            payload: payload.clone(),
            from,
            interface: self.interface.index,
            interface_name: Arc::clone(&self.interface.name),
            loopback: self.interface.loopback,
            cast: self.cast,
            same_process,
        };
        match member.queue.try_reserve() {
            // Counted first, so that who reads the datagram finds it in the figures.
            Ok(place) => {
                if same_process {
                    member.counters.same_process.fetch_add(1, Ordering::Relaxed);
                } else {
                    member.counters.received.fetch_add(1, Ordering::Relaxed);
                    self.counters.received.fetch_add(1, Ordering::Relaxed);
                }
                place.send(datagram);
            }
            Err(TrySendError::Full(())) => {
                // Logged at powers of two: the first, and ever fewer of a flood.
                let before = member.counters.dropped.fetch_add(1, Ordering::Relaxed);
                let dropped = before.wrapping_add(1);
                if dropped.is_power_of_two() {
                    tracing::debug!(dropped, "nobody reads the datagrams");
                }
            }
            // The owner has dropped its datagrams and only sends.
            Err(TrySendError::Closed(())) => {}
        }
    }
}
