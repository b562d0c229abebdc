//! A bound that all mailboxes of a node share.
//!
//! # Shares
//!
//! What a mailbox has accepted stays until its peer reads it. If mailboxes took whatever
//! is free, those of peers that never read would take it all. Therefore half of the bound
//! is for anybody. Of what is free of the rest a mailbox may hold one part of `2 n`, if
//! there are `n`. Mailboxes that nobody reads then leave free, whatever the order in which
//! they come and fill:
//!
//! - at least `e^(-1/2)` = 0.6 of that half, if all `n` are there before;
//! - about `0.9 / sqrt(n)` of it, if each is filled before the next one is there.
//!
//! A mailbox that holds nothing may take all that is free, because a message may be as
//! large as the bound.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::sync::{AtomicUsize, Notify};

/// A bound in bytes that several queues share.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    limit: usize,
    sharers: AtomicUsize,
    freed: Notify,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            limit,
            sharers: AtomicUsize::new(0),
            freed: Notify::new(),
        }
    }

    /// Takes `cost` for data, for a queue that holds `held` already. `false`: that is
    /// more than its share, or than is left, and nothing was taken.
    pub(crate) fn take(&self, cost: usize, held: usize) -> bool {
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(cost)
                    .filter(|sum| self.allows(*sum, cost, held))
            })
            .is_ok()
    }

    /// Takes `cost` for a control message, up to `reserve` beyond the limit.
    pub(crate) fn take_reserved(&self, cost: usize, reserve: usize) -> bool {
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

    /// Whether a queue that holds `held` could take `cost` now, or all that there is if
    /// that is less.
    pub(crate) fn has(&self, cost: usize, held: usize) -> bool {
        let cost = cost.min(self.limit);
        self.allows(self.used().saturating_add(cost), cost, held)
    }

    /// Whether a queue that holds `held` may take `cost`, after which `used` is taken.
    fn allows(&self, used: usize, cost: usize, held: usize) -> bool {
        if used <= self.limit / 2 {
            return true;
        }
        let Some(free) = self.limit.checked_sub(used) else {
            return false;
        };
        let sharers = self.sharers.load(Ordering::Relaxed);
        let parts = sharers.max(1).saturating_mul(2);
        held == 0 || held.saturating_add(cost).saturating_mul(parts) <= free
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

/// A mailbox's registration with the budget: it is counted among those that share it.
#[derive(Debug)]
pub(crate) struct Share(Arc<Budget>);

impl Share {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        budget.sharers.fetch_add(1, Ordering::Relaxed);
        Self(budget)
    }
}

impl std::ops::Deref for Share {
    type Target = Budget;

    fn deref(&self) -> &Budget {
        &self.0
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.sharers.fetch_sub(1, Ordering::Relaxed);
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 256 << 20;
    const MESSAGE: usize = 1000;

    /// Fills a queue that nobody reads, up to the bound of one queue.
    fn fill(budget: &Budget) -> usize {
        let mut held = 0;
        while held < 16 << 20 && budget.take(MESSAGE, held) {
            held += MESSAGE;
        }
        held
    }

    #[test]
    fn queues_that_nobody_reads_leave_room_however_they_are_filled() {
        for count in [1, 40, 400] {
            let budget = Arc::new(Budget::new(LIMIT));
            let shares: Vec<_> = (0..count)
                .map(|_| Share::new(Arc::clone(&budget)))
                .collect();
            for _ in &shares {
                assert!(fill(&budget) > 0);
            }
            assert!(LIMIT - budget.used() > LIMIT * 3 / 10, "{count} at once");

            let budget = Arc::new(Budget::new(LIMIT));
            let mut shares = Vec::new();
            for _ in 0..count {
                shares.push(Share::new(Arc::clone(&budget)));
                assert!(fill(&budget) > 0);
            }
            let free = LIMIT - budget.used();
            assert!(free > LIMIT / 50, "{count} one by one: {free}");
        }
    }

    #[test]
    fn those_that_are_gone_leave_their_share_to_the_others() {
        let fill_alone = |gone: usize| {
            let budget = Arc::new(Budget::new(LIMIT));
            budget.force(LIMIT / 2);
            let shares = (0..gone).map(|_| Share::new(Arc::clone(&budget)));
            drop(shares.collect::<Vec<_>>());
            let _own = Share::new(Arc::clone(&budget));
            fill(&budget)
        };
        assert!(fill_alone(0) >= 16 << 20);
        assert!(fill_alone(1000) >= 16 << 20);
    }

    #[test]
    fn one_message_may_take_all_that_is_free() {
        let budget = Budget::new(1000);
        assert!(budget.take(1000, 0));
        assert!(!budget.has(1, 0) && !budget.take(1, 0));
        budget.give(300);
        assert!(budget.has(300, 0) && !budget.has(300, 300));
        assert!(!budget.take(301, 0) && budget.take(300, 0));
    }

    #[test]
    fn control_messages_may_use_the_reserve() {
        let budget = Budget::new(1000);
        assert!(budget.take(1000, 0));
        assert!(!budget.take_reserved(101, 100) && budget.take_reserved(100, 100));
        assert_eq!(budget.used(), 1100);
        budget.give(1100);
        assert_eq!(budget.used(), 0);
    }
}
