//! Connections that haven't said who they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::CloseReason;

/// The handshakes under way on the accepting side, bounded in number: when one
/// more comes, the oldest gives way. A stranger who opens silent connections so
/// displaces his own first, while an honest handshake takes milliseconds.
#[derive(Debug)]
pub(super) struct HalfOpen {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    shut: bool,
    places: BTreeMap<u64, oneshot::Sender<CloseReason>>,
}

/// A place among the half-open; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Place {
    half_open: Arc<HalfOpen>,
    number: u64,
}

impl HalfOpen {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            limit: limit.max(1),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place. The receiver resolves when the place is lost.
    pub(super) fn enter(self: &Arc<Self>) -> (Place, oneshot::Receiver<CloseReason>) {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        state.last = state.last.saturating_add(1);
        let number = state.last;
        if state.shut {
            // The handshake may have ended already; so it has.
            let _ = sender.send(CloseReason::Local);
        } else {
            if state.places.len() >= self.limit {
                evict(&mut state);
            }
            state.places.insert(number, sender);
        }
        drop(state);
        let half_open = Arc::clone(self);
        (Place { half_open, number }, receiver)
    }

    /// Makes the oldest give way, if there is one.
    pub(super) fn evict_oldest(&self) {
        evict(&mut self.lock());
    }

    /// Ends all handshakes, those to come as well.
    pub(super) fn shut(&self) {
        let mut state = self.lock();
        state.shut = true;
        for (_, sender) in std::mem::take(&mut state.places) {
            let _ = sender.send(CloseReason::Local);
        }
    }
}

fn evict(state: &mut State) {
    if let Some((_, oldest)) = state.places.pop_first() {
        let _ = oldest.send(CloseReason::Limit("half_open"));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.half_open.lock().places.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_places_are_given_up() {
        let half_open = HalfOpen::new(2);
        let (_a, mut a_lost) = half_open.enter();
        let (b, mut b_lost) = half_open.enter();
        drop(b);
        let (_c, mut c_lost) = half_open.enter();
        assert!(a_lost.try_recv().is_err());
        let (_d, mut d_lost) = half_open.enter();
        assert_eq!(a_lost.try_recv(), Ok(CloseReason::Limit("half_open")));
        assert!(b_lost.try_recv().is_err());
        half_open.shut();
        assert_eq!(c_lost.try_recv(), Ok(CloseReason::Local));
        assert_eq!(d_lost.try_recv(), Ok(CloseReason::Local));
        let (_e, mut e_lost) = half_open.enter();
        assert_eq!(e_lost.try_recv(), Ok(CloseReason::Local));
    }
}
