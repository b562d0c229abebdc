//! Peers that wait until they may be dialled.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::ops::Bound;

use uuid::Uuid;

/// How many addresses are looked at for one peer to dial: it is asked for after each
/// message.
const LOOKS: usize = 16;

/// Peers that wait to be dialled. Those whose last dial didn't fail come first, and the
/// addresses that they are at take turns: no host can fill the queue for the others.
#[derive(Debug, Default)]
pub(super) struct DialQueue {
    fresh: Turns,
    failed: Turns,
}

impl DialQueue {
    pub(super) fn len(&self) -> usize {
        self.fresh.len.saturating_add(self.failed.len)
    }

    pub(super) fn push_fresh(&mut self, at: Option<IpAddr>, uuid: Uuid) {
        self.fresh.push(at, uuid);
    }

    pub(super) fn push_failed(&mut self, at: Option<IpAddr>, uuid: Uuid) {
        self.failed.push(at, uuid);
    }

    /// The next peer whose address may be dialled.
    pub(super) fn pop(&mut self, mut may: impl FnMut(Option<IpAddr>) -> bool) -> Option<Uuid> {
        let fresh = self.fresh.pop(&mut may);
        fresh.or_else(|| self.failed.pop(&mut may))
    }

    pub(super) fn retain(&mut self, stays: impl Fn(&Uuid) -> bool) {
        self.fresh.retain(&stays);
        self.failed.retain(&stays);
    }
}

/// Peers by their addresses, which take turns.
#[derive(Debug, Default)]
struct Turns {
    waiting: BTreeMap<Option<IpAddr>, VecDeque<Uuid>>,
    /// The address whose turn it was last.
    last: Option<IpAddr>,
    len: usize,
}

impl Turns {
    fn push(&mut self, at: Option<IpAddr>, uuid: Uuid) {
        self.waiting.entry(at).or_default().push_back(uuid);
        self.len = self.len.saturating_add(1);
    }

    fn pop(&mut self, mut may: impl FnMut(Option<IpAddr>) -> bool) -> Option<Uuid> {
        for _ in 0..self.waiting.len().min(LOOKS) {
            let later = (Bound::Excluded(self.last), Bound::Unbounded);
            let mut turns = self.waiting.range(later).chain(&self.waiting);
            let at = *turns.next()?.0;
            self.last = at;
            if may(at) {
                return self.take(at);
            }
        }
        None
    }

    fn take(&mut self, at: Option<IpAddr>) -> Option<Uuid> {
        let there = self.waiting.get_mut(&at)?;
        let uuid = there.pop_front()?;
        if there.is_empty() {
            self.waiting.remove(&at);
        }
        self.len = self.len.saturating_sub(1);
        Some(uuid)
    }

    fn retain(&mut self, stays: impl Fn(&Uuid) -> bool) {
        self.waiting.retain(|_, there| {
            there.retain(&stays);
            !there.is_empty()
        });
        self.len = self.waiting.values().map(VecDeque::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, host]))
    }

    fn order(queue: &mut DialQueue, mut may: impl FnMut(Option<IpAddr>) -> bool) -> Vec<u128> {
        let all = std::iter::from_fn(|| queue.pop(&mut may));
        all.map(|uuid| uuid.as_u128()).collect()
    }

    #[test]
    fn addresses_take_turns_and_those_that_failed_come_last() {
        let mut queue = DialQueue::default();
        queue.push_failed(at(1), Uuid::from_u128(9));
        for number in 0..3 {
            queue.push_fresh(at(1), Uuid::from_u128(10 + number));
        }
        queue.push_fresh(at(2), Uuid::from_u128(20));
        queue.push_fresh(at(3), Uuid::from_u128(30));
        queue.retain(|uuid| uuid.as_u128() != 12);
        assert_eq!(queue.len(), 5);
        assert_eq!(order(&mut queue, |_| true), [10, 20, 30, 11, 9]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn an_address_that_may_not_be_dialled_keeps_its_peers_and_delays_no_other() {
        let mut queue = DialQueue::default();
        for host in 1..=40 {
            queue.push_fresh(at(host), Uuid::from_u128(host.into()));
            queue.push_failed(at(host), Uuid::from_u128(u128::from(host) + 100));
        }
        let mut found = Vec::new();
        for _ in 0..10 {
            found.extend(order(&mut queue, |ip| ip == at(40)));
        }
        assert_eq!(found, [40, 140]);
        assert_eq!(queue.len(), 78);
    }
}
