//! The mailboxes of a node that haven't ended: who is to be told of a shutdown.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::mailbox::Outlet;

/// The mailboxes that haven't ended.
#[derive(Default)]
pub(crate) struct Live {
    state: Mutex<LiveState>,
    changed: Notify,
    /// Nothing more is to be begun.
    pub(crate) shut: AtomicBool,
}

#[derive(Default)]
struct LiveState {
    next: u64,
    mailboxes: HashMap<u64, Option<Weak<dyn Outlet>>>,
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a mailbox that is about to be made.
    pub(crate) fn enter(&self) -> u64 {
        let mut state = self.lock();
        state.next = state.next.saturating_add(1);
        let key = state.next;
        state.mailboxes.insert(key, None);
        key
    }

    /// The mailbox for it, unless it has ended already.
    pub(crate) fn settle(&self, key: u64, outlet: &Arc<dyn Outlet>) {
        if let Some(place) = self.lock().mailboxes.get_mut(&key) {
            *place = Some(Arc::downgrade(outlet));
        }
    }

    /// The mailbox has ended.
    pub(crate) fn leave(&self, key: u64) {
        self.lock().mailboxes.remove(&key);
        self.changed.notify_waiters();
    }

    /// Those that can be told something.
    pub(crate) fn outlets(&self) -> Vec<Arc<dyn Outlet>> {
        let state = self.lock();
        state
            .mailboxes
            .values()
            .filter_map(|place| place.as_ref()?.upgrade())
            .collect()
    }

    /// Waits until none is left. Cancel safe.
    pub(crate) async fn all_gone(&self) {
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
