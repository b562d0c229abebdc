//! Links between nodes of one process: no socket, no task. The sender puts its
//! message into the receiver's queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;

use crate::budget::{Budget, Share};
use crate::dispatcher::Dispatcher;
use crate::producer::{Gone, ProducerHandle, Refused};
use crate::receive_queue::EndOfQueue;
use crate::reporter::Reporter;
use crate::send_queue::{Class, SendQueue};
use crate::sync::Notify;
use crate::{
    CloseReason, Closed, Identity, Link, LinkLimits, Message, PendingWrite, Queued, Source,
    TrySendError,
};

/// The nodes of this process that can be reached in memory: by network
/// namespace, because two of them are two hosts, and by identity.
static NODES: Mutex<BTreeMap<(u64, Identity), Neighbour>> = Mutex::new(BTreeMap::new());

fn nodes() -> MutexGuard<'static, BTreeMap<(u64, Identity), Neighbour>> {
    NODES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A node of this process.
#[derive(Clone)]
pub(crate) struct Neighbour {
    inbox: Weak<Dispatcher>,
    limits: Arc<LinkLimits>,
    key: Option<[u8; 32]>,
}

/// Keeps a node registered as one that can be reached in memory.
pub(crate) struct Registration {
    key: (u64, Identity),
    inbox: Weak<Dispatcher>,
}

impl Registration {
    /// Registers a node. `None`: another node has this identity, and stays
    /// registered (this one can be reached over tcp).
    pub(crate) fn new(
        namespace: u64,
        identity: &Identity,
        inbox: &Arc<Dispatcher>,
        limits: &Arc<LinkLimits>,
        public: Option<[u8; 32]>,
    ) -> Option<Self> {
        let key = (namespace, identity.clone());
        let mut nodes = nodes();
        if nodes
            .get(&key)
            .is_some_and(|node| node.inbox.strong_count() > 0)
        {
            return None;
        }
        let neighbour = Neighbour {
            inbox: Arc::downgrade(inbox),
            limits: Arc::clone(limits),
            key: public,
        };
        nodes.insert(key.clone(), neighbour);
        Some(Self {
            key,
            inbox: Arc::downgrade(inbox),
        })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut nodes = nodes();
        if nodes
            .get(&self.key)
            .is_some_and(|node| Weak::ptr_eq(&node.inbox, &self.inbox))
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

/// The number of this thread's network namespace; 0 on systems without them.
/// This is a system call.
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
    producer: ProducerHandle,
    budget: Share,
    report: Reporter,
    /// Ours, or the receiver's if they are tighter. Mostly all nodes of a
    /// process have the same, and then every link shares them.
    limits: Arc<LinkLimits>,
}

impl Memory {
    /// Links up with a node of this process.
    ///
    /// # Errors
    /// Gives the reporter back when the node doesn't let us in.
    pub(crate) fn link_to(
        neighbour: &Neighbour,
        own: &Arc<Source>,
        peer: &Identity,
        limits: &Arc<LinkLimits>,
        budget: &Arc<Budget>,
        report: Reporter,
    ) -> Result<Arc<Self>, Reporter> {
        let Some(inbox) = neighbour.inbox.upgrade() else {
            return Err(report);
        };
        let opened = ProducerHandle::open_counted(&inbox, Arc::clone(own), Arc::clone(budget));
        let producer = match opened {
            Ok(producer) => producer,
            Err(reason) => {
                tracing::debug!(%peer, %reason, "not let in over memory");
                return Err(report);
            }
        };
        report.up(Link::Inproc, None, None, Some(peer.clone()), neighbour.key);
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
            producer,
            budget: Share::new(Arc::clone(budget)),
            report,
            limits,
        });
        let mailbox: Weak<Self> = Arc::downgrade(&memory);
        if let Err(Gone(reason)) = memory.producer.set_mailbox(mailbox) {
            memory.queue_ended(&reason, 0);
        }
        Ok(memory)
    }
}

impl EndOfQueue for Memory {
    fn queue_ended(&self, reason: &CloseReason, unread: u64) {
        let reason = match reason {
            // "Here" was the receiver's side.
            CloseReason::Local => CloseReason::PeerClosed,
            other => other.clone(),
        };
        self.report.closed(reason, unread);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

impl SendQueue for Memory {
    fn enqueue(
        &self,
        head: &[u8],
        body: &[Bytes],
        class: Class,
    ) -> Result<PendingWrite<'_>, TrySendError> {
        let cost = self.limits.cost_to_send(head, body)?;
        let message = || Message::new(head, body);
        self.producer
            .try_push(message, &self.limits, class, cost)
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
        let (_, held) = self.producer.held();
        Ok(self.limits.has_room(self.budget(), cost, held))
    }

    fn changed(&self) -> &Notify {
        self.producer.total().freed()
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Accepted messages lie in the peer's inbox already.
    fn unsent(&self) -> u64 {
        self.report.lost()
    }

    fn ended(&self) -> bool {
        self.producer.has_ended()
    }

    fn close(&self, _linger: Duration) {
        // There is nothing to wait for. The report comes first, or the end of the
        // queue would be taken for the receiver's doing.
        if !self.producer.has_ended() {
            self.report.closed(CloseReason::Local, 0);
            self.producer.close(CloseReason::PeerClosed);
        }
    }

    fn queued(&self) -> Queued {
        let (messages, bytes) = self.producer.held();
        Queued { messages, bytes }
    }

    fn link(&self) -> Option<Link> {
        Some(Link::Inproc)
    }
}

#[cfg(test)]
mod threads;
