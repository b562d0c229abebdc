use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::wait::{wait, wait_until};
use crate::Event;

/// The events of a node: an iterator that ends when the node has stopped.
///
/// Not reading slows the peers down, as with [`zre::Events`](crate::Events).
/// Dropping it discards later events; it isn't a handle, therefore the node goes on.
pub struct Events {
    events: crate::Events,
    waker: Option<Waker>,
}

impl Events {
    pub(crate) fn new(events: crate::Events) -> Self {
        Self {
            events,
            waker: None,
        }
    }

    /// Waits for the next event; `None` once the node has stopped.
    pub fn recv(&mut self) -> Option<Event> {
        wait(self.events.recv())
    }

    /// Waits for the next event for that long.
    ///
    /// # Errors
    /// `Timeout` if none came in time, `Disconnected` once the node has stopped.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Event, RecvTimeoutError> {
        let next = self.events.recv();
        let waited = match Instant::now().checked_add(timeout) {
            Some(deadline) => wait_until(next, deadline),
            // Longer than a clock can tell is for ever.
            None => Some(wait(next)),
        };
        match waited {
            Some(Some(event)) => Ok(event),
            Some(None) => Err(RecvTimeoutError::Disconnected),
            None => self.try_recv().ok_or(RecvTimeoutError::Timeout),
        }
    }

    /// The next event if one is there.
    pub fn try_recv(&mut self) -> Option<Event> {
        let event = self.events.try_recv();
        let Some(waker) = &self.waker else {
            return event;
        };
        if event.is_some() {
            return event;
        }
        // Looks once more after it has registered, so that no event is missed.
        let next = pin!(tokio::task::coop::unconstrained(self.events.recv()));
        match next.poll(&mut Context::from_waker(waker)) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    /// Sets a function that wakes another event loop: it is called once after each
    /// [`try_recv`](Self::try_recv) that found no event, as soon as there is one or the
    /// node has stopped. It replaces a function that was set before.
    ///
    /// Read by `try_recv` until that gives `None`, now and whenever the function was
    /// called; to learn whether the node has stopped,
    /// [`recv_timeout`](Self::recv_timeout) with no time gives `Disconnected`. After
    /// [`recv`](Self::recv) or an event by `recv_timeout`, too, the function isn't called
    /// until `try_recv` has found none.
    ///
    /// The function is called by the node's thread: it must neither block nor call the
    /// node. A socket makes a file descriptor of it, for `poll`, asyncio or glib:
    ///
    #[cfg_attr(unix, doc = "```no_run")]
    #[cfg_attr(not(unix), doc = "```ignore")]
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// # fn run(mut events: zre::blocking::Events) -> std::io::Result<()> {
    /// let (mut readable, writer) = UnixStream::pair()?;
    /// events.set_waker(move || {
    ///     let _ = (&writer).write(&[1]);
    /// });
    /// loop {
    ///     while let Some(event) = events.try_recv() {
    ///         println!("{event:?}");
    ///     }
    ///     // Or wait until it is readable beside other descriptors.
    ///     readable.read_exact(&mut [0])?;
    /// }
    /// # }
    /// ```
    pub fn set_waker(&mut self, wake: impl Fn() + Send + Sync + 'static) {
        self.waker = Some(Arc::new(Callback(wake)).into());
    }

    /// The same events for a program that reads them with async after all.
    #[must_use]
    pub fn into_async(self) -> crate::Events {
        self.events
    }
}

struct Callback<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Callback<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.fmt(f)
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}
