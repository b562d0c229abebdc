//! The mailbox: what we send to one peer.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use crate::budget::Budget;
use crate::closed_queue::ClosedQueue;
use crate::limits::FRAME_OVERHEAD;
use crate::memory::Memory;
use crate::send_queue::{Class, SendQueue};
use crate::{Closed, Link, PendingWrite, Queued, TrySendError};

/// The outcome of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flushed {
    /// Every accepted message was handed to the kernel, or, in memory, lies in
    /// the peer's inbox.
    All,
    /// The deadline passed, or the connection ended, with this many messages
    /// not handed over.
    Left(u64),
}

/// A one-way connection to a peer's inbox, opened by
/// [`Links::connect`](crate::Links::connect).
///
/// It accepts messages at once, also while it still connects, into a queue
/// bounded in bytes; order is kept, and each message is sent once at most. It
/// never reconnects: when the connection ends, for any reason,
/// [`Notice::Closed`](crate::Notice::Closed) says why, and that is the end.
///
/// A clone is another handle to the same connection. When the last handle is
/// dropped the mailbox closes, and the messages that it had accepted are sent in
/// the background for up to [`LinkLimits::linger`](crate::LinkLimits::linger)
/// (while the runtime lives).
#[derive(Clone)]
pub struct Mailbox(Handle);

#[derive(Clone)]
enum Handle {
    /// Closes when it is dropped.
    Memory(Arc<Memory>),
    Engine(Arc<EngineHandle>),
}

/// What the handles to a mailbox of an engine share. The engine's task holds the
/// queue, too.
struct EngineHandle {
    queue: Arc<dyn SendQueue>,
    linger: Duration,
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        self.queue.close(self.linger);
    }
}

impl Mailbox {
    /// A mailbox that is closed from the start, to test code that holds mailboxes.
    #[must_use]
    pub fn closed() -> Self {
        let budget = Arc::new(Budget::new(0));
        Self::new(ClosedQueue::new(&budget), Duration::ZERO)
    }

    pub(crate) fn in_memory(memory: Arc<Memory>) -> Self {
        Self(Handle::Memory(memory))
    }

    /// When the last handle is dropped, accepted messages are sent for up to
    /// `linger`.
    pub(crate) fn new(queue: Arc<dyn SendQueue>, linger: Duration) -> Self {
        Self(Handle::Engine(Arc::new(EngineHandle { queue, linger })))
    }

    fn queue(&self) -> &dyn SendQueue {
        match &self.0 {
            Handle::Memory(memory) => &**memory,
            Handle::Engine(handle) => &*handle.queue,
        }
    }

    pub(crate) fn downgrade(&self) -> Weak<dyn SendQueue> {
        match &self.0 {
            Handle::Memory(memory) => {
                let memory: Weak<Memory> = Arc::downgrade(memory);
                memory
            }
            Handle::Engine(handle) => Arc::downgrade(&handle.queue),
        }
    }

    /// Accepts a message, the frame `head` followed by the frames of `body`, or
    /// says why not. Nothing is consumed: the head is copied; the frames of the
    /// body are copied if they are small and shared if they are large.
    ///
    /// "Accepted" means that it will be sent unless the connection ends first,
    /// which is reported.
    ///
    /// # Errors
    /// [`TrySendError`]; nothing was taken then, and no order is disturbed.
    pub fn try_send(&self, head: &[u8], body: &[Bytes]) -> Result<(), TrySendError> {
        self.enqueue(head, body).map(PendingWrite::write)
    }

    /// [`try_send`](Self::try_send) for messages that keep a session alive: they
    /// may go beyond the bounds by
    /// [`LinkLimits::control_reserve_bytes`](crate::LinkLimits::control_reserve_bytes).
    /// They keep their place in the order.
    ///
    /// # Errors
    /// [`TrySendError`]; nothing was taken then.
    pub fn try_send_control(&self, head: &[u8], body: &[Bytes]) -> Result<(), TrySendError> {
        self.enqueue_control(head, body).map(PendingWrite::write)
    }

    /// [`try_send`](Self::try_send) in two steps: when this returns the message
    /// has its place in the order; the returned [`PendingWrite`] writes it.
    ///
    /// A caller that orders its messages under a lock of its own calls this
    /// under the lock and writes after it: a write takes as long as the kernel
    /// needs to copy up to 1 MiB.
    ///
    /// # Errors
    /// [`TrySendError`]; nothing was taken then, and no order is disturbed.
    pub fn enqueue(&self, head: &[u8], body: &[Bytes]) -> Result<PendingWrite<'_>, TrySendError> {
        self.enqueue_as(head, body, Class::Data)
    }

    /// [`try_send_control`](Self::try_send_control) in two steps, as
    /// [`enqueue`](Self::enqueue).
    ///
    /// # Errors
    /// [`TrySendError`]; nothing was taken then.
    pub fn enqueue_control(
        &self,
        head: &[u8],
        body: &[Bytes],
    ) -> Result<PendingWrite<'_>, TrySendError> {
        self.enqueue_as(head, body, Class::Control)
    }

    fn enqueue_as(
        &self,
        head: &[u8],
        body: &[Bytes],
        class: Class,
    ) -> Result<PendingWrite<'_>, TrySendError> {
        match &self.0 {
            Handle::Memory(memory) => memory.enqueue(head, body, class),
            Handle::Engine(handle) => handle.queue.enqueue(head, body, class),
        }
    }

    /// Waits until a message of so many bytes (all its frames together, and 64
    /// more for each frame after the second) would have a chance. Another
    /// sender may take the room first: then wait again.
    ///
    /// # Errors
    /// When the mailbox is closed, or closes meanwhile.
    ///
    /// # Cancel safety
    /// Nothing is reserved: nothing is lost when the future is dropped.
    pub async fn writable(&self, bytes: usize) -> Result<(), Closed> {
        let queue = self.queue();
        let cost = bytes.saturating_add(2 * FRAME_OVERHEAD);
        loop {
            let changed = queue.changed().notified();
            let freed = queue.budget().freed().notified();
            tokio::pin!(changed, freed);
            // Registered before looking, so that no change in between is missed.
            changed.as_mut().enable();
            freed.as_mut().enable();
            if queue.room(cost)? {
                return Ok(());
            }
            tokio::select! {
                () = changed => {}
                () = freed => {}
            }
        }
    }

    /// Waits until every message that was accepted, also by other handles
    /// meanwhile, was handed to the kernel or lies in the peer's inbox in
    /// memory, but for `deadline` at most.
    ///
    /// It doesn't tell whether the peer has read them. On the zeromq engine the
    /// library's own write buffer (up to 128 KiB and one message) isn't covered;
    /// [`close`](Self::close) does wait for it.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn flush(&self, deadline: Duration) -> Flushed {
        let queue = self.queue();
        // How much is left matters, not whether the time is up.
        let _ = tokio::time::timeout(deadline, async {
            loop {
                let changed = queue.changed().notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if queue.unsent() == 0 || queue.ended() {
                    return;
                }
                changed.await;
            }
        })
        .await;
        match queue.unsent() {
            0 => Flushed::All,
            left => Flushed::Left(left),
        }
    }

    /// Closes: nothing more is accepted, accepted messages are sent within
    /// `linger`, and then a `Closed` notice says how it ended. A later call can
    /// only shorten the time.
    pub fn close(&self, linger: Duration) {
        self.queue().close(linger);
    }

    /// How much was accepted and not yet handed over.
    pub fn queued(&self) -> Queued {
        self.queue().queued()
    }

    /// What carries the connection, once it is up.
    pub fn link(&self) -> Option<Link> {
        self.queue().link()
    }

    /// Whether the connection, or the attempt to make one, has ended.
    pub fn is_closed(&self) -> bool {
        self.queue().ended()
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("link", &self.link())
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}
