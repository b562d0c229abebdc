//! A bound that all mailboxes of a node share.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A bound in bytes that several queues share.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    limit: usize,
    freed: Notify,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            limit,
            freed: Notify::new(),
        }
    }

    /// Takes `cost`, up to `reserve` beyond the limit. `false`: not so much is
    /// left, and nothing was taken.
    pub(crate) fn take(&self, cost: usize, reserve: usize) -> bool {
        let limit = self.limit.saturating_add(reserve);
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(cost).filter(|sum| *sum <= limit)
            })
            .is_ok()
    }

    /// Takes `cost`, whatever the limit: the bytes are already here.
    pub(crate) fn force(&self, cost: usize) {
        self.used.fetch_add(cost, Ordering::AcqRel);
    }

    /// Gives `cost` back and wakes all waiters.
    pub(crate) fn give(&self, cost: usize) {
        self.used.fetch_sub(cost, Ordering::AcqRel);
        self.freed.notify_waiters();
    }

    /// Whether `cost` could be taken now.
    pub(crate) fn has(&self, cost: usize) -> bool {
        self.used().saturating_add(cost) <= self.limit
    }

    /// The bound.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How much is taken.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    /// Notified whenever something was given back.
    pub(crate) fn freed(&self) -> &Notify {
        &self.freed
    }
}
