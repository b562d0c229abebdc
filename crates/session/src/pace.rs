//! How fast a node writes, all its mailboxes together.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::sync::{AtomicU32, AtomicU64, Instant};

/// How long after a write the next message is queued instead of written.
///
/// About the time that a write of a small message takes: a sender that is slower
/// loses nothing by a system call for each message, and one that is faster is
/// batched. A round trip takes longer: a dialogue is never batched.
const RECENT: Duration = Duration::from_micros(5);

/// How many mailboxes in a row write at once. A shout to more of them would make
/// one system call for each message: by the time that a mailbox gets its next
/// message, its last write isn't recent any more.
const ROW: u32 = 8;

/// A point in time, in nanoseconds since the pace was made; 0 is long ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment(u64);

/// When the node wrote last, and how often in a row.
#[derive(Debug)]
pub(crate) struct Pace {
    start: Instant,
    last: AtomicU64,
    row: AtomicU32,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
            row: AtomicU32::new(0),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        let since = self.start.elapsed().saturating_add(RECENT);
        Moment(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Whether a message for an idle mailbox is written at once; `own` is when
    /// that mailbox wrote last. Otherwise it waits for other messages to go with.
    pub(crate) fn is_slow(&self, now: Moment, own: Moment) -> bool {
        if is_recent(now, own) {
            return false;
        }
        // Mailboxes that write side by side may count one too few, which makes one
        // more write.
        if !is_recent(now, Moment(self.last.load(Ordering::Relaxed))) {
            self.row.store(1, Ordering::Relaxed);
            return true;
        }
        let row = self.row.load(Ordering::Relaxed);
        if row >= ROW {
            return false;
        }
        self.row.store(row.saturating_add(1), Ordering::Relaxed);
        true
    }

    /// A mailbox has just written.
    pub(crate) fn note_write(&self) -> Moment {
        let now = self.now();
        self.last.store(now.0, Ordering::Relaxed);
        now
    }
}

fn is_recent(now: Moment, then: Moment) -> bool {
    u128::from(now.0.saturating_sub(then.0)) <= RECENT.as_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(microseconds: u64) -> Moment {
        Moment(microseconds * 1000)
    }

    #[test]
    fn few_in_a_row_write_at_once_and_the_rest_when_there_was_a_pause() {
        let pace = Pace::new();
        let write = |now: Moment, own: Moment| {
            let slow = pace.is_slow(now, own);
            pace.last.store(now.0, Ordering::Relaxed);
            slow
        };
        let never = Moment::default();
        for i in 0..u64::from(ROW) {
            assert!(write(at(100 + i), never), "mailbox {i}");
        }
        // All others wait, for as long as somebody writes.
        for i in u64::from(ROW)..100 {
            assert!(!write(at(100 + i), never), "mailbox {i}");
        }
        assert!(write(at(206), never), "there was a pause");
        assert!(!write(at(207), at(206)), "the same mailbox, soon");
        assert!(write(at(208), never), "another one");
    }

    #[test]
    fn the_first_message_of_all_is_written_at_once() {
        let pace = Pace::new();
        assert!(pace.is_slow(pace.now(), Moment::default()));
        let wrote = pace.note_write();
        assert!(wrote != Moment::default());
    }
}
