use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{Endpoint, Time};

/// What a timer is for. Each has at most one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Announce,
    Departure,
    Sweep,
    Peer(Uuid),
    Seed(Endpoint),
}

/// All timers of a node, by time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Time, Timer)>,
    set: BTreeMap<Timer, Time>,
}

impl Timers {
    pub(super) fn next(&self) -> Option<Time> {
        self.queue.first().map(|(at, _)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Sets or moves a timer.
    pub(super) fn set(&mut self, timer: Timer, at: Time) {
        self.clear(&timer);
        self.queue.insert((at, timer.clone()));
        self.set.insert(timer, at);
    }

    pub(super) fn set_if_none(&mut self, timer: Timer, at: Time) {
        if !self.set.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    pub(super) fn when(&self, timer: &Timer) -> Option<Time> {
        self.set.get(timer).copied()
    }

    pub(super) fn clear(&mut self, timer: &Timer) {
        if let Some(at) = self.set.remove(timer) {
            self.queue.remove(&(at, timer.clone()));
        }
    }

    /// The first timer that is due.
    pub(super) fn pop(&mut self, now: Time) -> Option<Timer> {
        if self.queue.first()?.0 > now {
            return None;
        }
        let (_, timer) = self.queue.pop_first()?;
        self.set.remove(&timer);
        Some(timer)
    }
}
