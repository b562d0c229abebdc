//! Handles that can be checked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{Error, Failure, Outcome};

/// No two handles of a process are the same, whatever they are of.
static NEXT: AtomicUsize = AtomicUsize::new(1);

/// All open handles of one kind: numbers in the shape of pointers, which nobody reads
/// through. A number is never given twice, therefore a handle that was destroyed is never
/// taken for another.
pub(crate) struct Handles<T> {
    what: &'static str,
    open: RwLock<BTreeMap<usize, Arc<T>>>,
}

impl<T> Handles<T> {
    pub(crate) const fn of(what: &'static str) -> Self {
        Self {
            what,
            open: RwLock::new(BTreeMap::new()),
        }
    }

    /// A handle of this; `H` is the name of its type in C.
    pub(crate) fn open<H>(&self, what: T) -> *mut H {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(number, Arc::new(what));
        std::ptr::without_provenance_mut(number)
    }

    /// What the handle is of, for the time of a call.
    pub(crate) fn find<H>(&self, handle: *const H) -> Outcome<Arc<T>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.get(&handle.addr()).cloned().ok_or_else(|| {
            let why = if handle.is_null() {
                "is NULL"
            } else {
                "was destroyed, or never was one"
            };
            Failure::new(
                Error::Handle,
                "handle",
                format!("the handle of {} {why}", self.what),
            )
        })
    }

    /// Closes the handle at that place, and makes it NULL. `None` if it was none.
    pub(crate) fn close<H>(&self, place: Option<&mut *mut H>) -> Option<Arc<T>> {
        let handle = std::mem::replace(place?, std::ptr::null_mut());
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.remove(&handle.addr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_found_until_it_is_closed() {
        let numbers = Handles::of("number");
        let mut first: *mut u8 = numbers.open(7);
        let copy = first;
        assert_eq!(*numbers.find(first).unwrap(), 7);
        assert_eq!(numbers.close(Some(&mut first)).as_deref(), Some(&7));
        assert!(first.is_null());
        let second: *mut u8 = numbers.open(8);
        for mut none in [copy, first, second.wrapping_add(1)] {
            assert!(numbers.find(none).is_err());
            assert!(numbers.close(Some(&mut none)).is_none());
        }
        assert!(numbers.close::<u8>(None).is_none());
        assert_eq!(*numbers.find(second).unwrap(), 8);
    }
}
