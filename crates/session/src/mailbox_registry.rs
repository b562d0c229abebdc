//! The mailboxes of a node that haven't ended.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::mpsc;

use crate::Notice;
use crate::send_queue::SendQueue;
use crate::sync::{AtomicBool, Mutex, MutexGuard, Notify};

/// The mailboxes that haven't ended: where they report, and how a shutdown finds
/// them.
pub(crate) struct MailboxRegistry {
    state: Mutex<State>,
    changed: Notify,
    notices: mpsc::UnboundedSender<Notice>,
    /// The links were shut: no mailbox is opened any more.
    shut: AtomicBool,
}

/// A mailbox's number in the registry, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u64);

#[derive(Default)]
struct State {
    /// `None` while the mailbox is being made.
    mailboxes: BTreeMap<Slot, Option<Weak<dyn SendQueue>>>,
    last: u64,
}

impl MailboxRegistry {
    pub(crate) fn new(notices: mpsc::UnboundedSender<Notice>) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            notices,
            shut: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a notice to the node.
    pub(crate) fn notify(&self, notice: Notice) {
        // The node may have dropped its end: then nobody wants to know.
        let _ = self.notices.send(notice);
    }

    /// Reserves a slot for a mailbox that is about to be made.
    pub(crate) fn reserve(&self) -> Slot {
        let mut state = self.lock();
        state.last = state.last.saturating_add(1);
        let slot = Slot(state.last);
        state.mailboxes.insert(slot, None);
        slot
    }

    /// Registers the mailbox in its slot, unless it has ended already.
    pub(crate) fn register(&self, slot: Slot, queue: Weak<dyn SendQueue>) {
        if let Some(mailbox) = self.lock().mailboxes.get_mut(&slot) {
            *mailbox = Some(queue);
        }
    }

    /// The mailbox has ended.
    pub(crate) fn remove(&self, slot: Slot) {
        self.lock().mailboxes.remove(&slot);
        self.changed.notify_waiters();
    }

    /// From now on no mailbox is to be opened.
    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::Release);
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    /// The queues of all mailboxes that are made.
    pub(crate) fn queues(&self) -> Vec<Arc<dyn SendQueue>> {
        let state = self.lock();
        let queues = state.mailboxes.values().flatten();
        queues.filter_map(Weak::upgrade).collect()
    }

    /// Waits until every mailbox has ended. Cancel safe.
    pub(crate) async fn all_ended(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.lock().mailboxes.is_empty() {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::closed_queue::ClosedQueue;

    fn queue() -> Arc<dyn SendQueue> {
        ClosedQueue::new(&Arc::new(Budget::new(1)))
    }

    #[tokio::test]
    async fn a_mailbox_that_ends_before_it_is_registered_stays_ended() {
        let (notices, _) = mpsc::unbounded_channel();
        let registry = MailboxRegistry::new(notices);
        let (early, late) = (registry.reserve(), registry.reserve());
        let (first, second) = (queue(), queue());
        registry.register(early, Arc::downgrade(&first));
        registry.remove(late);
        registry.register(late, Arc::downgrade(&second));
        assert_eq!(registry.queues().len(), 1);
        assert!(registry.reserve() > late);
        registry.remove(early);
        assert!(registry.queues().is_empty());
        let slots: Vec<Slot> = registry.lock().mailboxes.keys().copied().collect();
        assert_eq!(slots.len(), 1);
        registry.remove(slots[0]);
        registry.all_ended().await;
    }
}
