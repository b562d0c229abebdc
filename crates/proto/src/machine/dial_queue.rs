//! Peers that wait until fewer dials are unanswered.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::ops::Bound;

use uuid::Uuid;

/// Peers that wait to be dialled. Those whose last dial didn't fail come first, and the
/// addresses that they are at take turns: no host can fill the queue for the others.
#[derive(Debug, Default)]
pub(super) struct DialQueue {
    fresh: BTreeMap<Option<IpAddr>, VecDeque<Uuid>>,
    failed: VecDeque<Uuid>,
    /// The address whose turn it was last.
    last: Option<IpAddr>,
    len: usize,
}

impl DialQueue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push_fresh(&mut self, at: Option<IpAddr>, uuid: Uuid) {
        self.fresh.entry(at).or_default().push_back(uuid);
        self.len = self.len.saturating_add(1);
    }

    pub(super) fn push_failed(&mut self, uuid: Uuid) {
        self.failed.push_back(uuid);
        self.len = self.len.saturating_add(1);
    }

    pub(super) fn pop(&mut self) -> Option<Uuid> {
        let later = (Bound::Excluded(self.last), Bound::Unbounded);
        let turn = self.fresh.range(later).next().or(self.fresh.iter().next());
        let uuid = match turn.map(|(at, _)| *at) {
            None => self.failed.pop_front(),
            Some(at) => {
                self.last = at;
                let waiting = self.fresh.get_mut(&at)?;
                let uuid = waiting.pop_front();
                if waiting.is_empty() {
                    self.fresh.remove(&at);
                }
                uuid
            }
        }?;
        self.len = self.len.saturating_sub(1);
        Some(uuid)
    }

    pub(super) fn retain(&mut self, stays: impl Fn(&Uuid) -> bool) {
        self.failed.retain(&stays);
        self.fresh.retain(|_, waiting| {
            waiting.retain(&stays);
            !waiting.is_empty()
        });
        let fresh = self.fresh.values().map(VecDeque::len).sum::<usize>();
        self.len = fresh.saturating_add(self.failed.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns_and_those_that_failed_come_last() {
        let at = |host: u8| Some(IpAddr::from([10, 0, 0, host]));
        let mut queue = DialQueue::default();
        queue.push_failed(Uuid::from_u128(9));
        for number in 0..3 {
            queue.push_fresh(at(1), Uuid::from_u128(10 + number));
        }
        queue.push_fresh(at(2), Uuid::from_u128(20));
        queue.push_fresh(at(3), Uuid::from_u128(30));
        queue.retain(|uuid| uuid.as_u128() != 12);
        assert_eq!(queue.len(), 5);
        let order: Vec<u128> = std::iter::from_fn(|| queue.pop())
            .map(|uuid| uuid.as_u128())
            .collect();
        assert_eq!(order, [10, 20, 30, 11, 9]);
        assert_eq!(queue.len(), 0);
    }
}
