//! The queue of a mailbox that is closed from the start.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::budget::Budget;
use crate::send_queue::{Class, SendQueue};
use crate::sync::Notify;
use crate::{Closed, Link, PendingWrite, Queued, TrySendError};

/// A queue that accepts nothing. Its maker reports why.
pub(crate) struct ClosedQueue {
    budget: Arc<Budget>,
    changed: Notify,
}

impl ClosedQueue {
    pub(crate) fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            budget: Arc::clone(budget),
            changed: Notify::new(),
        })
    }
}

impl SendQueue for ClosedQueue {
    fn enqueue(&self, _: &[u8], _: &[Bytes], _: Class) -> Result<PendingWrite<'_>, TrySendError> {
        Err(TrySendError::Closed)
    }

    fn room(&self, _: usize) -> Result<bool, Closed> {
        Err(Closed)
    }

    fn changed(&self) -> &Notify {
        &self.changed
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }

    fn unsent(&self) -> u64 {
        0
    }

    fn ended(&self) -> bool {
        true
    }

    fn close(&self, _: Duration) {}

    fn queued(&self) -> Queued {
        Queued::default()
    }

    fn link(&self) -> Option<Link> {
        None
    }
}
