use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::wait::{wait, wait_until};
use crate::Event;

/// What a node's application reads: an iterator that ends when the node has
/// stopped.
///
/// Not reading slows the peers down, as with [`zre::Events`](crate::Events).
/// Dropping it discards the events from then on; it isn't a handle, so the node
/// goes on.
#[derive(Debug)]
pub struct Events(crate::Events);

impl Events {
    pub(super) fn new(events: crate::Events) -> Self {
        Self(events)
    }

    /// Waits for the next event; `None` once the node has stopped.
    pub fn recv(&mut self) -> Option<Event> {
        wait(self.0.recv())
    }

    /// Waits for the next event for that long.
    ///
    /// # Errors
    /// `Timeout` where none came in time, `Disconnected` once the node has
    /// stopped.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Event, RecvTimeoutError> {
        let next = self.0.recv();
        let waited = match Instant::now().checked_add(timeout) {
            Some(deadline) => wait_until(next, deadline),
            // Longer than a clock can tell is for ever.
            None => Some(wait(next)),
        };
        match waited {
            Some(Some(event)) => Ok(event),
            Some(None) => Err(RecvTimeoutError::Disconnected),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// The next event if one is there.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.0.try_recv()
    }

    /// For a program that reads them with async after all.
    #[must_use]
    pub fn into_async(self) -> crate::Events {
        self.0
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}
