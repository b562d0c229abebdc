//! Links between nodes of one process: no socket, no task. A message goes from
//! the sender's hands into the receiver's lane.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::budget::Budget;
use crate::intake::{Feeder, Gone, Intake};
use crate::lane::Refused;
use crate::mailbox::{Class, Outlet, PendingWrite, Queued, measure};
use crate::notices::Reporter;
use crate::{CloseReason, Closed, Identity, Link, LinkLimits, Message, Source, TrySendError};

/// The nodes of this process that can be reached in memory: by network
/// namespace, because two of them are two hosts, and by identity.
static NODES: Mutex<BTreeMap<(u64, Identity), Neighbour>> = Mutex::new(BTreeMap::new());

fn nodes() -> MutexGuard<'static, BTreeMap<(u64, Identity), Neighbour>> {
    NODES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A node of this process.
#[derive(Clone)]
pub(crate) struct Neighbour {
    intake: Weak<Intake>,
    limits: Arc<LinkLimits>,
}

/// Keeps a node in the list of those that can be reached in memory.
pub(crate) struct Registration {
    key: (u64, Identity),
    intake: Weak<Intake>,
}

impl Registration {
    /// Enters a node. `None`: another one lives under this identity, and keeps
    /// its place (this one can be reached over tcp).
    pub(crate) fn new(
        namespace: u64,
        identity: &Identity,
        intake: &Arc<Intake>,
        limits: &Arc<LinkLimits>,
    ) -> Option<Self> {
        let key = (namespace, identity.clone());
        let mut nodes = nodes();
        if nodes
            .get(&key)
            .is_some_and(|node| node.intake.strong_count() > 0)
        {
            return None;
        }
        let neighbour = Neighbour {
            intake: Arc::downgrade(intake),
            limits: Arc::clone(limits),
        };
        nodes.insert(key.clone(), neighbour);
        Some(Self {
            key,
            intake: Arc::downgrade(intake),
        })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut nodes = nodes();
        if nodes
            .get(&self.key)
            .is_some_and(|node| Weak::ptr_eq(&node.intake, &self.intake))
        {
            nodes.remove(&self.key);
        }
    }
}

/// The node of this identity, if it lives in this process and in that network
/// namespace.
pub(crate) fn find(namespace: u64, identity: &Identity) -> Option<Neighbour> {
    nodes().get(&(namespace, identity.clone())).cloned()
}

/// The number of this thread's network namespace; 0 where there are none. It
/// takes a system call to know.
pub(crate) fn namespace() -> u64 {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |file| file.ino())
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// A mailbox's end of a link in memory. Dropping it closes the link.
pub(crate) struct Memory {
    feeder: Feeder,
    report: Reporter,
    /// Ours, and the receiver's where they are tighter. Mostly all nodes of a
    /// process have the same, and then every link shares them.
    limits: Arc<LinkLimits>,
}

/// The reason of a lane's end, as the one who fills it sees it.
fn seen_by_sender(reason: &CloseReason) -> CloseReason {
    match reason {
        // "Here" was the receiver's side.
        CloseReason::Local => CloseReason::PeerClosed,
        other => other.clone(),
    }
}

impl Memory {
    /// Connects to a node of this process.
    ///
    /// # Errors
    /// Gives the reporter back when the node doesn't let us in.
    pub(crate) fn connect(
        neighbour: &Neighbour,
        own: &Arc<Source>,
        peer: &Identity,
        limits: &Arc<LinkLimits>,
        budget: &Arc<Budget>,
        report: Reporter,
    ) -> Result<Arc<Self>, Reporter> {
        let Some(intake) = neighbour.intake.upgrade() else {
            return Err(report);
        };
        let feeder = match intake.open_counted(Arc::clone(own), Arc::clone(budget)) {
            Ok(feeder) => feeder,
            Err(reason) => {
                tracing::debug!(%peer, %reason, "not let in over memory");
                return Err(report);
            }
        };
        report.up(Link::Inproc, None, None, Some(peer.clone()));
        let theirs = &neighbour.limits;
        let tighter = theirs.frame_bytes < limits.frame_bytes
            || theirs.message_bytes < limits.message_bytes
            || theirs.parts < limits.parts;
        let limits = if tighter {
            Arc::new(LinkLimits {
                frame_bytes: limits.frame_bytes.min(theirs.frame_bytes),
                message_bytes: limits.message_bytes.min(theirs.message_bytes),
                parts: limits.parts.min(theirs.parts),
                ..LinkLimits::clone(limits)
            })
        } else {
            Arc::clone(limits)
        };
        let memory = Arc::new(Self {
            feeder,
            report,
            limits,
        });
        if let Err(Gone(reason)) = memory.feeder.tell(Arc::downgrade(&memory)) {
            memory.lane_ended(&reason, 0);
        }
        Ok(memory)
    }

    /// The lane has ended from the inside: the receiver has gone, or another
    /// connection took its place. `unread` messages were never read and never
    /// will be.
    pub(crate) fn lane_ended(&self, reason: &CloseReason, unread: u64) {
        self.report.closed(seen_by_sender(reason), unread);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

impl Outlet for Memory {
    fn enqueue(
        &self,
        head: &[u8],
        body: &[Bytes],
        class: Class,
    ) -> Result<PendingWrite<'_>, TrySendError> {
        let cost = measure(head, body, &self.limits)?;
        let reserve = match class {
            Class::Data => 0,
            Class::Control => self.limits.control_reserve_bytes,
        };
        let message = || Message::new(head, body);
        self.feeder
            .try_push(message, cost, self.limits.queue_bytes_per_peer, reserve)
            .map(PendingWrite::delivered)
            .map_err(|refused| match refused {
                Refused::Full => TrySendError::Full,
                Refused::Gone => TrySendError::Closed,
            })
    }

    fn room(&self, cost: usize) -> Result<bool, Closed> {
        if self.ended() {
            return Err(Closed);
        }
        let budget = self.feeder.total();
        let (_, held) = self.feeder.held();
        let fits = held == 0 || held.saturating_add(cost) <= self.limits.queue_bytes_per_peer;
        Ok(fits && budget.has(cost.min(budget.limit())))
    }

    fn changed(&self) -> &Notify {
        self.feeder.total().freed()
    }

    fn budget(&self) -> &Budget {
        self.feeder.total()
    }

    /// What was accepted lies in the peer's inbox already.
    fn unsent(&self) -> u64 {
        self.report.lost()
    }

    fn ended(&self) -> bool {
        self.feeder.has_ended()
    }

    fn close(&self, _linger: Duration) {
        // There is nothing to wait for. The report comes first, or the lane's
        // end would be taken for the receiver's doing.
        if !self.feeder.has_ended() {
            self.report.closed(CloseReason::Local, 0);
            self.feeder.close(CloseReason::PeerClosed);
        }
    }

    fn queued(&self) -> Queued {
        let (messages, bytes) = self.feeder.held();
        Queued { messages, bytes }
    }

    fn link(&self) -> Option<Link> {
        Some(Link::Inproc)
    }
}
