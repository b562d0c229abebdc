//! When the machine wants to be called again.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{Endpoint, Time};

/// The purpose of a timer. There is at most one timer for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Announce,
    Departure,
    Sweep,
    Elections,
    Update,
    Peer(Uuid),
    Bootstrap(Box<Endpoint>),
}

/// The timers of a node, by time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Time, Timer)>,
    /// When each timer is set. Those of peers aren't here: the peer knows it.
    set: BTreeMap<Timer, Time>,
    /// The time of the first, which is read after every input.
    next: Option<Time>,
}

impl Timers {
    pub(super) fn next(&self) -> Option<Time> {
        self.next
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Sets or moves a timer that isn't a peer's.
    pub(super) fn set(&mut self, timer: Timer, at: Time) {
        let was = self.set.insert(timer.clone(), at);
        self.replace(timer, was, Some(at));
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
        let was = self.set.remove(timer);
        self.replace(timer.clone(), was, None);
    }

    /// Sets, moves or clears the timer of a peer, whose entry knows when it was
    /// set.
    pub(super) fn set_peer(&mut self, uuid: Uuid, was: Option<Time>, at: Option<Time>) {
        self.replace(Timer::Peer(uuid), was, at);
    }

    /// Takes the first timer that is due, with the time that it was set for.
    pub(super) fn pop(&mut self, now: Time) -> Option<(Time, Timer)> {
        if self.next? > now {
            return None;
        }
        let (at, timer) = self.queue.pop_first()?;
        if !matches!(timer, Timer::Peer(_)) {
            self.set.remove(&timer);
        }
        self.find_next();
        Some((at, timer))
    }

    fn replace(&mut self, timer: Timer, was: Option<Time>, at: Option<Time>) {
        let mut timer = timer;
        if let Some(was) = was {
            let entry = (was, timer);
            self.queue.remove(&entry);
            timer = entry.1;
        }
        if let Some(at) = at {
            self.queue.insert((at, timer));
        }
        if was == self.next || at.is_some_and(|at| self.next.is_none_or(|next| at < next)) {
            self.find_next();
        }
    }

    fn find_next(&mut self) {
        self.next = self.queue.first().map(|(at, _)| *at);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn the_next_time_is_right_after_every_change() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(Timer::Announce, at(5));
        timers.set_peer(Uuid::nil(), None, Some(at(3)));
        timers.set_if_none(Timer::Announce, at(1));
        assert_eq!((timers.next(), timers.len()), (Some(at(3)), 2));
        timers.set_peer(Uuid::nil(), Some(at(3)), Some(at(7)));
        assert_eq!((timers.next(), timers.len()), (Some(at(5)), 2));
        timers.set(Timer::Announce, at(8));
        assert_eq!(timers.next(), Some(at(7)));
        timers.set(Timer::Sweep, at(6));
        timers.clear(&Timer::Sweep);
        timers.clear(&Timer::Sweep);
        assert_eq!(timers.next(), Some(at(7)));
        assert_eq!(timers.pop(at(6)), None);
        assert_eq!(timers.pop(at(7)), Some((at(7), Timer::Peer(Uuid::nil()))));
        assert_eq!(timers.when(&Timer::Announce), Some(at(8)));
        assert_eq!(timers.pop(at(9)), Some((at(8), Timer::Announce)));
        assert_eq!(timers.when(&Timer::Announce), None);
        assert_eq!((timers.next(), timers.len()), (None, 0));
        timers.set_peer(Uuid::nil(), None, Some(at(9)));
        timers.set_peer(Uuid::nil(), Some(at(9)), None);
        assert_eq!((timers.next(), timers.len()), (None, 0));
    }
}
