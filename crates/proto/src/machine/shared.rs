//! What many know of one neighbour, kept once.
//!
//! Each of a thousand nodes of one process is told by each other who it is and
//! where. All are told the same, so a process holds it once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Endpoint;

/// What a peer's HELLO tells applications.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// Its public name.
    pub name: String,
    /// Its headers, less what ZRE nodes tell each other for themselves
    /// (`X-ZRE-…`).
    pub headers: BTreeMap<String, String>,
}

/// The endpoints that peers are at.
pub(super) static ENDPOINTS: Pool<Endpoint> = Pool::new();

/// What peers have told.
pub(super) static TOLD: Pool<Told> = Pool::new();

/// Values that are the same in many places. It changes what is in memory, and
/// nothing else: what is shared can't be told from a copy.
///
/// What nobody else holds any more is thrown out when there has come twice as
/// much as was left the last time, so a pool is as bounded as those that it
/// serves.
pub(super) struct Pool<T>(Mutex<Values<T>>);

struct Values<T> {
    values: BTreeSet<Arc<T>>,
    /// How many there may be until those that nobody holds are looked for.
    most: usize,
}

/// Fewer than this aren't worth looking through.
const FEW: usize = 16;

impl<T: Ord> Pool<T> {
    const fn new() -> Self {
        Self(Mutex::new(Values {
            values: BTreeSet::new(),
            most: FEW,
        }))
    }

    /// The value, or the same one that is there already.
    pub(super) fn share(&self, value: T) -> Arc<T> {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pool.values.get(&value) {
            return Arc::clone(known);
        }
        if pool.values.len() >= pool.most {
            pool.values.retain(|value| Arc::strong_count(value) > 1);
            pool.most = FEW.max(pool.values.len().saturating_mul(2));
        }
        let value = Arc::new(value);
        pool.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_what_nobody_holds_goes() {
        let pool = Pool::new();
        let held: Vec<Arc<u32>> = (0..100).map(|value| pool.share(value)).collect();
        for value in &held {
            assert!(Arc::ptr_eq(value, &pool.share(**value)));
        }
        for value in 1000..10_000 {
            assert_eq!(*pool.share(value), value);
            let most = 2 * held.len() + FEW;
            assert!(pool.0.lock().unwrap().values.len() <= most);
        }
        drop(held);
        for value in 0..1000 {
            let _ = pool.share(value);
        }
        assert!(pool.0.lock().unwrap().values.len() <= FEW);
    }
}
