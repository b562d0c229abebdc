//! Links between nodes of one process: no socket, no task. A message goes from
//! the sender's hands into the receiver's lane.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::budget::Budget;
use crate::intake::{Feeder, Intake};
use crate::lane::{LaneWatcher, Refused};
use crate::mailbox::{Class, Outlet, Queued, measure};
use crate::notices::Reporter;
use crate::{CloseReason, Closed, Frames, Identity, Limits, Link, Source, TrySendError};

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
    limits: Arc<Limits>,
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
        limits: &Arc<Limits>,
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

/// A mailbox's end of a link in memory.
pub(crate) struct Memory {
    feeder: Feeder,
    end: Arc<End>,
    /// Ours, and the receiver's where they are tighter. Mostly all nodes of a
    /// process have the same, and then every link shares them.
    limits: Arc<Limits>,
    budget: Arc<Budget>,
}

/// How the link ended, and who is to be told. The lane knows this before the
/// mailbox exists, hence the cell.
#[derive(Default)]
struct End {
    report: OnceLock<Reporter>,
    lost: AtomicU64,
}

impl LaneWatcher for End {
    fn lane_ended(&self, reason: &CloseReason, unread: u64) {
        self.lost.store(unread, Ordering::Release);
        if let Some(report) = self.report.get() {
            report.closed(seen_by_sender(reason), unread);
        }
    }
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
        limits: &Arc<Limits>,
        budget: &Arc<Budget>,
        report: Reporter,
    ) -> Result<Arc<Self>, Reporter> {
        let Some(intake) = neighbour.intake.upgrade() else {
            return Err(report);
        };
        let end = Arc::new(End::default());
        let weak: Weak<End> = Arc::downgrade(&end);
        let watcher: Weak<dyn LaneWatcher> = weak;
        let feeder = match intake.open_watched(Arc::clone(own), Arc::clone(budget), Some(watcher)) {
            Ok(feeder) => feeder,
            Err(reason) => {
                tracing::debug!(%peer, %reason, "not let in over memory");
                return Err(report);
            }
        };
        report.up(Link::Inproc, None, None, Some(peer.clone()));
        let report = end.report.get_or_init(|| report);
        if let Some(reason) = feeder.end() {
            // Ended before the lane could know whom to tell.
            report.closed(seen_by_sender(&reason), end.lost.load(Ordering::Acquire));
        }
        let theirs = &neighbour.limits;
        let tighter = theirs.frame_bytes < limits.frame_bytes
            || theirs.message_bytes < limits.message_bytes
            || theirs.parts < limits.parts;
        let limits = if tighter {
            Arc::new(Limits {
                frame_bytes: limits.frame_bytes.min(theirs.frame_bytes),
                message_bytes: limits.message_bytes.min(theirs.message_bytes),
                parts: limits.parts.min(theirs.parts),
                ..Limits::clone(limits)
            })
        } else {
            Arc::clone(limits)
        };
        Ok(Arc::new(Self {
            feeder,
            end,
            limits,
            budget: Arc::clone(budget),
        }))
    }
}

impl Outlet for Memory {
    fn try_send(&self, head: &[u8], body: &[Bytes], class: Class) -> Result<(), TrySendError> {
        let cost = measure(head, body, &self.limits)?;
        let reserve = match class {
            Class::Data => 0,
            Class::Control => self.limits.control_reserve_bytes,
        };
        let frames = || {
            let mut frames = Frames::with_capacity(body.len().saturating_add(1));
            frames.push(Bytes::copy_from_slice(head));
            frames.extend(body.iter().cloned());
            frames
        };
        self.feeder
            .try_push(frames, cost, self.limits.queue_bytes_per_peer, reserve)
            .map_err(|refused| match refused {
                Refused::Full => TrySendError::Full,
                Refused::Gone => TrySendError::Closed,
            })
    }

    fn room(&self, cost: usize) -> Result<bool, Closed> {
        if self.ended() {
            return Err(Closed);
        }
        let (_, held) = self.feeder.held();
        let fits = held == 0 || held.saturating_add(cost) <= self.limits.queue_bytes_per_peer;
        Ok(fits && self.budget.has(cost.min(self.budget.limit())))
    }

    fn changed(&self) -> &Notify {
        self.feeder.changed()
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What was accepted lies in the peer's inbox already.
    fn unsent(&self) -> u64 {
        self.end.lost.load(Ordering::Acquire)
    }

    fn ended(&self) -> bool {
        self.feeder.end().is_some()
    }

    fn close(&self, _linger: Duration) {
        // There is nothing to wait for. The report comes first, or the lane's
        // end would be taken for the receiver's doing.
        if self.feeder.end().is_none() {
            if let Some(report) = self.end.report.get() {
                report.closed(CloseReason::Local, 0);
            }
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
