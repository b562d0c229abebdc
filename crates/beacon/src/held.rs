//! Datagrams that don't wake their owner.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::datagram::Datagram;

/// How many different datagrams are known as familiar. Anybody can send any number of them;
/// further ones wake the owner.
const MAX: usize = 8192;

/// The datagrams that are familiar to the owner, and those of them that have arrived since it
/// last looked.
#[derive(Debug, Default)]
pub(crate) struct Held {
    table: Mutex<Table>,
    /// Whether any have arrived. The owner looks often.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Table {
    /// With a secret key, so that nobody can send a datagram that passes for another.
    hasher: RandomState,
    familiar: HashSet<u64>,
    arrived: Vec<(u64, Datagram)>,
}

impl Table {
    fn digest(&self, datagram: &Datagram) -> u64 {
        self.hasher.hash_one((
            &datagram.payload,
            datagram.from,
            datagram.interface,
            datagram.cast,
        ))
    }
}

impl Held {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, datagrams like this one are familiar, or not.
    pub(crate) fn set_familiar(&self, datagram: &Datagram, familiar: bool) {
        let mut table = self.table();
        let digest = table.digest(datagram);
        if !familiar {
            table.familiar.remove(&digest);
        } else if table.familiar.len() < MAX {
            table.familiar.insert(digest);
        }
    }

    /// Keeps a familiar datagram, unless an equal one waits, after it was counted. Gives
    /// others back.
    pub(crate) fn keep(&self, datagram: Datagram, count: impl FnOnce()) -> Option<Datagram> {
        let mut table = self.table();
        if table.familiar.is_empty() {
            return Some(datagram);
        }
        let digest = table.digest(&datagram);
        if !table.familiar.contains(&digest) {
            return Some(datagram);
        }
        count();
        if !table.arrived.iter().any(|(other, _)| *other == digest) {
            table.arrived.push((digest, datagram));
        }
        self.any.store(true, Ordering::Release);
        None
    }

    /// Takes those that have arrived.
    pub(crate) fn take(&self) -> Vec<Datagram> {
        // One that comes at the same moment is taken the next time.
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut table = self.table();
        self.any.store(false, Ordering::Release);
        let arrived = table.arrived.drain(..);
        arrived.map(|(_, datagram)| datagram).collect()
    }

    /// Nothing is familiar any more. Those that have arrived are dropped.
    pub(crate) fn clear(&self) {
        let mut table = self.table();
        self.any.store(false, Ordering::Release);
        table.familiar.clear();
        table.arrived.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::CastKind;

    fn datagram(number: usize) -> Datagram {
        Datagram {
            payload: number.to_string().into(),
            from: ([10, 0, 0, 1], 1).into(),
            interface: 1,
            interface_name: Arc::from("eth0"),
            loopback: false,
            cast: CastKind::Multicast,
            same_process: false,
        }
    }

    fn keep(held: &Held, datagram: Datagram) -> Option<Datagram> {
        let mut counted = false;
        let back = held.keep(datagram, || counted = true);
        assert_eq!(counted, back.is_none());
        back
    }

    #[test]
    fn only_the_familiar_are_kept_and_each_once() {
        let held = Held::default();
        assert_eq!(keep(&held, datagram(1)), Some(datagram(1)));
        held.set_familiar(&datagram(1), true);
        assert!(held.take().is_empty());
        assert_eq!(keep(&held, datagram(1)), None);
        assert_eq!(keep(&held, datagram(1)), None);
        assert_eq!(keep(&held, datagram(2)), Some(datagram(2)));
        assert_eq!(held.take(), [datagram(1)]);
        assert!(held.take().is_empty());
        // From elsewhere it may mean something else.
        let mut other = datagram(1);
        other.from.set_port(2);
        assert_eq!(keep(&held, other.clone()), Some(other));
        let mut other = datagram(1);
        other.interface = 2;
        assert_eq!(keep(&held, other.clone()), Some(other));
        held.set_familiar(&datagram(1), false);
        assert_eq!(keep(&held, datagram(1)), Some(datagram(1)));
    }

    #[test]
    fn nothing_is_kept_once_nothing_is_familiar() {
        let held = Held::default();
        held.set_familiar(&datagram(1), true);
        assert_eq!(keep(&held, datagram(1)), None);
        held.clear();
        assert!(held.take().is_empty());
        assert_eq!(keep(&held, datagram(1)), Some(datagram(1)));
    }

    #[test]
    fn a_flood_does_not_grow_the_table_without_bound() {
        let held = Held::default();
        for number in 0..2 * MAX {
            held.set_familiar(&datagram(number), true);
        }
        assert_eq!(held.table().familiar.len(), MAX);
        assert_eq!(keep(&held, datagram(MAX)), Some(datagram(MAX)));
        assert_eq!(keep(&held, datagram(0)), None);
    }
}
