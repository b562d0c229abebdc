//! A node that is open, with its events.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use zre::blocking::{self, Bell};

use crate::error::{Failure, Outcome};

/// How long a node that is destroyed waits for peers that don't confirm what was sent to
/// them.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Open {
    pub(crate) node: blocking::Node,
    events: Mutex<blocking::Events>,
    bell: Arc<Bell>,
    /// Whether the node was destroyed.
    closed: AtomicBool,
}

/// What a look at the events finds.
enum Look {
    Event(zre::Event),
    Nothing,
    Ended,
}

impl Open {
    pub(crate) fn new(node: blocking::Node, mut events: blocking::Events) -> Self {
        let bell = Arc::new(Bell::default());
        let ringer = bell.clone();
        events.set_waker(move || ringer.ring());
        Self {
            node,
            events: Mutex::new(events),
            bell,
            closed: AtomicBool::new(false),
        }
    }

    /// The next event, waited for until the deadline, or without one for ever.
    ///
    /// Nobody holds the lock while waiting, therefore each of several threads that read
    /// waits no longer than it wants to.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Outcome<zre::Event> {
        loop {
            let count = self.bell.count();
            match self.look() {
                Look::Event(event) => return Ok(event),
                Look::Ended => return Err(Failure::stopped()),
                Look::Nothing => {}
            }
            if !self.bell.wait(count, deadline) {
                return Err(Failure::elapsed());
            }
        }
    }

    /// Takes the next event if one is there.
    ///
    /// The descriptor is unreadable only while the node's waker is armed: `try_recv` arms
    /// it if it finds nothing, after which the descriptor is cleared, and because an event
    /// may have come in between, there is a second look.
    fn look(&self) -> Look {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::Acquire) {
            return Look::Ended;
        }
        if let Some(event) = events.try_recv() {
            return Look::Event(event);
        }
        self.bell.clear();
        let look = match events.recv_timeout(Duration::ZERO) {
            Ok(event) => Look::Event(event),
            Err(RecvTimeoutError::Disconnected) => Look::Ended,
            Err(RecvTimeoutError::Timeout) => return Look::Nothing,
        };
        self.bell.set();
        look
    }

    /// The descriptor that is readable while an event may be there.
    pub(crate) fn descriptor(&self) -> Outcome<i32> {
        #[cfg(unix)]
        return self.bell.descriptor().map_err(|error| {
            Failure::new(
                crate::Error::System,
                "descriptor",
                format!("no file descriptor: {error}"),
            )
        });
        #[cfg(not(unix))]
        Err(Failure::new(
            crate::Error::Unsupported,
            "unsupported",
            "this system polls no such descriptors: read with a time limit on a thread",
        ))
    }

    /// Leaves, and wakes whoever reads events.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.bell.ring();
        self.node.clone().close(PATIENCE);
    }
}
