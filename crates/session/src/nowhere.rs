//! What stands behind a mailbox that has ended before it began.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::budget::Budget;
use crate::mailbox::{Class, Outlet, PendingWrite, Queued};
use crate::{Closed, Link, TrySendError};

/// It accepts nothing.
pub(crate) struct Nowhere {
    budget: Arc<Budget>,
    changed: Notify,
}

impl Nowhere {
    /// Why is for the caller to report.
    pub(crate) fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            budget: Arc::clone(budget),
            changed: Notify::new(),
        })
    }
}

impl Outlet for Nowhere {
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
