//! The mailboxes of a node that haven't ended: where they report, and who is to
//! be told of a shutdown.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, mpsc};

use crate::Notice;
use crate::mailbox::Outlet;

/// The mailboxes that haven't ended.
pub(crate) struct Live {
    state: Mutex<LiveState>,
    changed: Notify,
    notices: mpsc::UnboundedSender<Notice>,
    /// Nothing more is to be begun.
    pub(crate) shut: AtomicBool,
}

/// A mailbox's place among them, until it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

#[derive(Default)]
struct LiveState {
    seats: Vec<Seat>,
    /// The seats that are free.
    free: Vec<Place>,
    /// How many mailboxes haven't ended.
    count: usize,
}

/// Each mailbox is settled once and ends once, in whichever order.
enum Seat {
    Free,
    /// The mailbox is being made.
    Entered,
    Settled(Weak<dyn Outlet>),
    /// It has ended before it was settled.
    Left,
}

impl LiveState {
    fn seat(&mut self, place: Place) -> Option<&mut Seat> {
        self.seats.get_mut(usize::try_from(place.0).ok()?)
    }

    fn set(&mut self, place: Place, to: Seat) {
        if let Some(seat) = self.seat(place) {
            *seat = to;
        }
    }

    fn free(&mut self, place: Place) {
        self.set(place, Seat::Free);
        self.free.push(place);
    }
}

impl Live {
    pub(crate) fn new(notices: mpsc::UnboundedSender<Notice>) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            notices,
            shut: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a notice to the node.
    pub(crate) fn say(&self, notice: Notice) {
        // The receiver may be gone: then nobody wants to know.
        let _ = self.notices.send(notice);
    }

    /// A place for a mailbox that is about to be made.
    pub(crate) fn enter(&self) -> Place {
        let mut state = self.lock();
        state.count = state.count.saturating_add(1);
        if let Some(place) = state.free.pop() {
            state.set(place, Seat::Entered);
            return place;
        }
        // Nobody has four thousand million mailboxes.
        let next = u32::try_from(state.seats.len()).unwrap_or(u32::MAX);
        state.seats.push(Seat::Entered);
        Place(next)
    }

    /// The mailbox for it, unless it has ended already.
    pub(crate) fn settle(&self, place: Place, outlet: Weak<dyn Outlet>) {
        let mut state = self.lock();
        match state.seat(place) {
            Some(seat @ Seat::Entered) => *seat = Seat::Settled(outlet),
            Some(Seat::Left) => state.free(place),
            _ => {}
        }
    }

    /// The mailbox has ended.
    pub(crate) fn leave(&self, place: Place) {
        {
            let mut state = self.lock();
            state.count = state.count.saturating_sub(1);
            match state.seat(place) {
                Some(seat @ Seat::Entered) => *seat = Seat::Left,
                Some(Seat::Settled(_)) => state.free(place),
                _ => {}
            }
        }
        self.changed.notify_waiters();
    }

    /// Those that can be told something.
    pub(crate) fn outlets(&self) -> Vec<Arc<dyn Outlet>> {
        let state = self.lock();
        let outlet = |seat: &Seat| match seat {
            Seat::Settled(outlet) => outlet.upgrade(),
            _ => None,
        };
        state.seats.iter().filter_map(outlet).collect()
    }

    /// Waits until none is left. Cancel safe.
    pub(crate) async fn all_gone(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.lock().count == 0 {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::nowhere::Nowhere;

    fn outlet() -> Arc<dyn Outlet> {
        Nowhere::new(&Arc::new(Budget::new(1)))
    }

    #[test]
    fn a_seat_is_free_again_when_its_mailbox_was_settled_and_has_ended() {
        let (notices, _) = mpsc::unbounded_channel();
        let live = Live::new(notices);
        let (early, late) = (live.enter(), live.enter());
        let (first, second) = (outlet(), outlet());
        live.settle(early, Arc::downgrade(&first));
        // This one ends before it is settled: its seat isn't given away until
        // then.
        live.leave(late);
        let third = live.enter();
        assert!(third != late && third != early);
        live.settle(late, Arc::downgrade(&second));
        assert_eq!(live.enter(), late);
        assert_eq!(live.outlets().len(), 1);
        live.leave(early);
        assert!(live.outlets().is_empty());
        assert_eq!(live.enter(), early);
        assert_eq!(live.lock().count, 3);
        for place in [early, late, third] {
            live.leave(place);
        }
        assert_eq!(live.lock().count, 0);
        assert_eq!(live.lock().seats.len(), 3);
    }
}
