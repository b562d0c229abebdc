//! Accepted connections whose handshake isn't over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::CloseReason;

/// A handshake under way may be an honest one that a busy process hasn't looked at
/// yet, if it is no older.
const YOUNG: Duration = Duration::from_millis(100);

/// The handshakes under way on the accepting side, bounded in number: one more
/// replaces the oldest. A stranger that opens silent connections therefore
/// replaces its own first, while an honest handshake takes milliseconds.
#[derive(Debug)]
pub(super) struct HalfOpen {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    shut: bool,
    slots: BTreeMap<u64, Handshake>,
}

#[derive(Debug)]
struct Handshake {
    since: Instant,
    lost: oneshot::Sender<CloseReason>,
}

/// A slot of a half-open connection; dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot {
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

    /// Takes a slot. The receiver resolves when the slot is lost.
    pub(super) fn add(self: &Arc<Self>) -> (Slot, oneshot::Receiver<CloseReason>) {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        state.last = state.last.saturating_add(1);
        let number = state.last;
        if state.shut {
            // Lost at once.
            let _ = sender.send(CloseReason::Local);
        } else {
            if state.slots.len() >= self.limit {
                evict(&mut state);
            }
            let handshake = Handshake {
                since: Instant::now(),
                lost: sender,
            };
            state.slots.insert(number, handshake);
        }
        drop(state);
        let half_open = Arc::clone(self);
        (Slot { half_open, number }, receiver)
    }

    /// Ends the oldest handshake, unless it is young.
    pub(super) fn evict_oldest(&self) {
        let mut state = self.lock();
        let oldest = state.slots.values().next();
        if oldest.is_some_and(|it| it.since.elapsed() > YOUNG) {
            evict(&mut state);
        }
    }

    /// Ends all handshakes, those to come as well.
    pub(super) fn shut(&self) {
        let mut state = self.lock();
        state.shut = true;
        for (_, handshake) in std::mem::take(&mut state.slots) {
            let _ = handshake.lost.send(CloseReason::Local);
        }
    }
}

fn evict(state: &mut State) {
    if let Some((_, oldest)) = state.slots.pop_first() {
        let _ = oldest.lost.send(CloseReason::Limit("half_open"));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.half_open.lock().slots.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_replaced_and_dropped_slots_are_free() {
        let half_open = HalfOpen::new(2);
        let (_a, mut a_lost) = half_open.add();
        let (b, mut b_lost) = half_open.add();
        drop(b);
        let (_c, mut c_lost) = half_open.add();
        assert!(a_lost.try_recv().is_err());
        let (_d, mut d_lost) = half_open.add();
        assert_eq!(a_lost.try_recv(), Ok(CloseReason::Limit("half_open")));
        assert!(b_lost.try_recv().is_err());
        half_open.shut();
        assert_eq!(c_lost.try_recv(), Ok(CloseReason::Local));
        assert_eq!(d_lost.try_recv(), Ok(CloseReason::Local));
        let (_e, mut e_lost) = half_open.add();
        assert_eq!(e_lost.try_recv(), Ok(CloseReason::Local));
    }
}
