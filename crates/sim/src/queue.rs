//! What is still to happen, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use zre_proto::Time;

/// Happenings by time, and among those of one moment by when they were planned:
/// so the same plans give the same order.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<Planned<T>>>,
    planned: u64,
}

#[derive(Debug)]
struct Planned<T> {
    at: Time,
    number: u64,
    what: T,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            planned: 0,
        }
    }

    pub(crate) fn push(&mut self, at: Time, what: T) {
        self.planned += 1;
        let number = self.planned;
        self.heap.push(Reverse(Planned { at, number, what }));
    }

    /// The next happening, if it comes no later than `until`.
    pub(crate) fn pop(&mut self, until: Time) -> Option<(Time, T)> {
        if self.heap.peek()?.0.at > until {
            return None;
        }
        let Reverse(planned) = self.heap.pop()?;
        Some((planned.at, planned.what))
    }
}

impl<T> Planned<T> {
    fn key(&self) -> (Time, u64) {
        (self.at, self.number)
    }
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Planned<T> {}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_comes_first_and_ties_in_the_order_of_planning() {
        let at = |seconds| Time::from_origin(Duration::from_secs(seconds));
        let mut queue = Queue::new();
        for (seconds, what) in [(2, 'c'), (1, 'a'), (2, 'd'), (1, 'b'), (3, 'e')] {
            queue.push(at(seconds), what);
        }
        let mut seen = String::new();
        while let Some((_, what)) = queue.pop(at(2)) {
            seen.push(what);
        }
        assert_eq!(seen, "abcd");
        assert_eq!(queue.pop(at(3)), Some((at(3), 'e')));
        assert_eq!(queue.pop(at(9)), None);
    }
}
