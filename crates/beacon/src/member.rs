//! One open beacon, as its hub sees it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use crate::binding::{Binding, BindingCounters};
use crate::config::{CastKind, Config};
use crate::datagram::{Datagram, QUEUE};
use crate::held::Held;
use crate::interface::Interface;
use crate::stats::{InterfaceStats, Stats};

/// The number of the next member.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// One open beacon: shared by its handles and its hub's thread.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) config: Config,
    pub(crate) hears_process: Arc<AtomicBool>,
    /// Those that don't wake the owner.
    pub(crate) held: Arc<Held>,
    /// Notified when the hub's thread has panicked.
    pub(crate) died: Arc<Notify>,
    pub(crate) counters: Counters,
    bindings: RwLock<Arc<[Arc<Binding>]>>,
    /// Chosen interfaces that have no binding, a line for each.
    missing: RwLock<Vec<String>>,
    queue: mpsc::Sender<Datagram>,
}

/// The figures behind [`Stats`] that no binding has.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) too_long: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) same_process: AtomicU64,
    pub(crate) echoes: AtomicU64,
    pub(crate) oversized: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

impl Member {
    pub(crate) fn new(config: Config) -> (Arc<Self>, mpsc::Receiver<Datagram>) {
        let (queue, datagrams) = mpsc::channel(QUEUE);
        let member = Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            config,
            hears_process: Arc::new(AtomicBool::new(true)),
            held: Arc::default(),
            died: Arc::default(),
            counters: Counters::default(),
            bindings: RwLock::new(Arc::new([])),
            missing: RwLock::default(),
            queue,
        });
        (member, datagrams)
    }

    pub(crate) fn bindings(&self) -> Arc<[Arc<Binding>]> {
        Arc::clone(&self.bindings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_bindings(&self, bindings: Vec<Arc<Binding>>, missing: Vec<String>) {
        *self
            .bindings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = bindings.into();
        *self.missing.write().unwrap_or_else(PoisonError::into_inner) = missing;
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        let missing = self.missing.read().unwrap_or_else(PoisonError::into_inner);
        let mut problems = missing.clone();
        for interface in self.bindings().iter().map(|binding| &binding.interface) {
            if let Some(problem) = &interface.problem {
                problems.push(format!("{interface}: {problem}"));
            }
        }
        problems
    }

    pub(crate) fn stats(&self) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let interfaces: Vec<InterfaceStats> = self.bindings().iter().map(|b| b.stats()).collect();
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

/// A member that hears a target over an interface.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    pub(crate) member: Arc<Member>,
    pub(crate) interface: Arc<Interface>,
    pub(crate) cast: CastKind,
    pub(crate) counters: Arc<BindingCounters>,
}

impl Listener {
    /// Queues a datagram, or holds it if the owner knows it, or drops and counts it if the
    /// queue is full. Never waits.
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
        // Counted first: whoever reads the datagram must find it in the figures.
        let count = || {
            member.counters.received.fetch_add(1, Ordering::Relaxed);
            self.counters.received.fetch_add(1, Ordering::Relaxed);
        };
        let datagram = match same_process {
            true => Some(datagram),
            false => member.held.keep(datagram, count),
        };
        let Some(datagram) = datagram else {
            return;
        };
        match member.queue.try_reserve() {
            Ok(permit) => {
                if same_process {
                    member.counters.same_process.fetch_add(1, Ordering::Relaxed);
                } else {
                    count();
                }
                permit.send(datagram);
            }
            Err(TrySendError::Full(())) => {
                // Logged at powers of two, so that a flood writes few lines.
                let before = member.counters.dropped.fetch_add(1, Ordering::Relaxed);
                let dropped = before.wrapping_add(1);
                if dropped.is_power_of_two() {
                    tracing::debug!(dropped, "the owner doesn't read its datagrams");
                }
            }
            // The owner has dropped its `Datagrams` and only sends.
            Err(TrySendError::Closed(())) => {}
        }
    }
}
