//! What many know of one neighbour, kept once.
//!
//! Each of a thousand nodes of one process is told by each other who it is and
//! where. All are told the same, so a process holds it once.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::Endpoint;

/// What a peer's HELLO tells applications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
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
/// A value goes with its last holder. What remains of it here, two words, is
/// thrown out when there is twice as much as was left the last time.
pub(super) struct Pool<T>(Mutex<Values<T>>);

struct Values<T> {
    /// By their hashes. Of two values with one hash, the second isn't shared.
    values: BTreeMap<u64, Weak<T>>,
    /// How many there may be until those that nobody holds are looked for.
    most: usize,
}

/// Fewer than this aren't worth looking through.
const FEW: usize = 16;

impl<T: Eq + Hash> Pool<T> {
    const fn new() -> Self {
        Self(Mutex::new(Values {
            values: BTreeMap::new(),
            most: FEW,
        }))
    }

    /// The value, or the same one that somebody holds already.
    pub(super) fn share(&self, value: T) -> Arc<T> {
        // The same in each run, as all that a machine does. Whoever finds two
        // values with one hash has gained nothing.
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pool.values.get(&hash).and_then(Weak::upgrade) {
            return match *known == value {
                true => known,
                false => Arc::new(value),
            };
        }
        if pool.values.len() >= pool.most {
            pool.values.retain(|_, value| value.strong_count() > 0);
            pool.most = FEW.max(pool.values.len().saturating_mul(2));
        }
        let value = Arc::new(value);
        pool.values.insert(hash, Arc::downgrade(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept<T>(pool: &Pool<T>) -> usize {
        pool.0.lock().unwrap().values.len()
    }

    #[test]
    fn equal_values_are_one_and_what_nobody_holds_goes() {
        let pool = Pool::new();
        let held: Vec<Arc<u32>> = (0..100).map(|value| pool.share(value)).collect();
        for value in &held {
            assert!(Arc::ptr_eq(value, &pool.share(**value)));
        }
        for value in 1000..10_000 {
            let shared = pool.share(value);
            assert_eq!(*shared, value);
            let last = Arc::downgrade(&shared);
            drop(shared);
            assert!(last.upgrade().is_none(), "only its holders hold it");
            assert!(kept(&pool) <= 2 * held.len() + FEW);
        }
        drop(held);
        for value in 0..1000 {
            let _ = pool.share(value);
        }
        assert!(kept(&pool) <= FEW);
    }

    #[test]
    fn values_with_one_hash_stay_what_they_are() {
        #[derive(Debug, PartialEq, Eq)]
        struct Flat(u32);

        impl Hash for Flat {
            fn hash<H: Hasher>(&self, _: &mut H) {}
        }

        let pool = Pool::new();
        let (one, two) = (pool.share(Flat(1)), pool.share(Flat(2)));
        assert_eq!((&*one, &*two), (&Flat(1), &Flat(2)));
        assert!(Arc::ptr_eq(&one, &pool.share(Flat(1))));
    }
}
