//! Accepted connections whose handshake isn't over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use crate::CloseReason;

/// A handshake under way may be an honest one that a busy process hasn't looked at
/// yet, if it is no older.
const YOUNG: Duration = Duration::from_millis(100);

/// The handshakes under way on the accepting side, bounded in number: one more
/// replaces the oldest, once its task has begun. A stranger that opens silent connections
/// therefore replaces its own first, while an honest handshake takes milliseconds.
#[derive(Debug)]
pub(super) struct HalfOpen {
    state: Mutex<State>,
    limit: usize,
    /// A slot was freed, or a handshake has begun.
    changed: Notify,
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
    has_begun: bool,
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
            changed: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is a slot, or one that can be replaced.
    ///
    /// A busy process accepts a whole burst of connections before it reads from the first of
    /// them. Those beyond the limit wait in the listener until then: replaced, they would end
    /// handshakes whose bytes have all arrived.
    pub(super) async fn room(&self) {
        loop {
            let changed = self.changed.notified();
            if self.has_room() {
                return;
            }
            changed.await;
        }
    }

    fn has_room(&self) -> bool {
        let state = self.lock();
        let oldest = state.slots.values().next();
        state.slots.len() < self.limit || oldest.is_some_and(|it| it.has_begun)
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
                has_begun: false,
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

impl Slot {
    /// The handshake's task reads from the connection now.
    pub(super) fn begin(&self) {
        if let Some(handshake) = self.half_open.lock().slots.get_mut(&self.number) {
            handshake.has_begun = true;
        }
        self.half_open.changed.notify_waiters();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.half_open.lock().slots.remove(&self.number);
        self.half_open.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn a_handshake_that_has_not_begun_is_not_replaced() {
        let half_open = HalfOpen::new(2);
        let is_pending = |room: Pin<&mut dyn Future<Output = ()>>| {
            room.poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        };
        assert!(!is_pending(pin!(half_open.room())));
        let (first, _first_lost) = half_open.add();
        let (second, mut second_lost) = half_open.add();

        second.begin();
        let mut room = pin!(half_open.room());
        assert!(is_pending(room.as_mut()), "the oldest has not begun");
        drop(first);
        assert!(!is_pending(room.as_mut()), "a slot is free");
        let (_third, _third_lost) = half_open.add();
        assert!(!is_pending(pin!(half_open.room())), "the oldest has begun");
        let (_fourth, _fourth_lost) = half_open.add();
        assert_eq!(second_lost.try_recv(), Ok(CloseReason::Limit("half_open")));
    }

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
