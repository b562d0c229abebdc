//! The mailbox: what we send to one peer.

use std::fmt;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::budget::Budget;
use crate::memory::Memory;
use crate::nowhere::Nowhere;
use crate::{Closed, LinkLimits, TrySendError};

/// What carries a connection.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Link {
    /// A tcp connection.
    Tcp,
    /// A unix domain socket, between processes of one host.
    Ipc,
    /// Memory, inside one process. Nothing is encrypted there, whatever the
    /// node's mechanism: a process trusts itself.
    Inproc,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Ipc => "ipc",
            Self::Inproc => "inproc",
        })
    }
}

/// What a mailbox has accepted and not yet handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// How many messages.
    pub messages: usize,
    /// What counts against the bound of the queue, in bytes (see [`LinkLimits`]).
    /// In memory this goes down only when the receiver has dropped the batch.
    pub bytes: usize,
}

/// What a flush has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flushed {
    /// Everything that had been accepted was handed to the kernel, or, in
    /// memory, lies in the peer's inbox.
    All,
    /// The deadline passed, or the connection ended, with this many messages
    /// not handed over.
    Left(u64),
}

/// Whether a message may use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Data,
    Control,
}

/// What remains to be done for a message that a [`Mailbox`] has accepted: to
/// write it, to wake the task that writes it, or nothing.
///
/// [`write`](Self::write) does that in the caller's thread and doesn't wait;
/// dropping it does the same. Until then the message, and what others queue
/// behind it, may stay where it is.
#[must_use = "the message is queued, and written when this is written or dropped"]
pub struct PendingWrite<'a>(Remaining<'a>);

enum Remaining<'a> {
    Nothing,
    /// The caller writes.
    Write(&'a dyn Outlet),
    /// A task writes.
    Notify(&'a Notify),
    /// The receiver, in this process, reads.
    Wake(Waker),
}

impl<'a> PendingWrite<'a> {
    /// Somebody writes it who has been notified already.
    pub(crate) fn by_others() -> Self {
        Self(Remaining::Nothing)
    }

    /// The caller writes what is queued: nobody else needs to be notified.
    pub(crate) fn by_caller(outlet: &'a dyn Outlet) -> Self {
        Self(Remaining::Write(outlet))
    }

    /// The task writes that waits for this.
    pub(crate) fn by_task(work: &'a Notify) -> Self {
        Self(Remaining::Notify(work))
    }

    /// The message lies where its receiver finds it.
    pub(crate) fn delivered(receiver: Option<Waker>) -> Self {
        Self(receiver.map_or(Remaining::Nothing, Remaining::Wake))
    }

    /// Writes, or has it written.
    pub fn write(self) {}
}

impl Drop for PendingWrite<'_> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.0, Remaining::Nothing) {
            Remaining::Nothing => {}
            Remaining::Write(outlet) => outlet.write_pending(),
            Remaining::Notify(work) => work.notify_one(),
            Remaining::Wake(receiver) => receiver.wake(),
        }
    }
}

impl fmt::Debug for PendingWrite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PendingWrite").finish_non_exhaustive()
    }
}

/// What an engine, or the link in memory, puts behind a [`Mailbox`].
pub(crate) trait Outlet: Send + Sync + 'static {
    /// Accepts the message or leaves everything as it was.
    fn enqueue(
        &self,
        head: &[u8],
        body: &[Bytes],
        class: Class,
    ) -> Result<PendingWrite<'_>, TrySendError>;
    /// Keeps the promise of [`PendingWrite::by_caller`].
    fn write_pending(&self) {}
    /// Whether a message of this cost would be accepted now.
    fn room(&self, cost: usize) -> Result<bool, Closed>;
    /// Told (`notify_waiters`) whenever room, `unsent` or the stage may have
    /// changed.
    fn changed(&self) -> &Notify;
    /// What all mailboxes of the node share.
    fn budget(&self) -> &Budget;
    /// Messages that were accepted and not handed over (for good, if the
    /// connection has ended).
    fn unsent(&self) -> u64;
    /// Whether the connection, or the attempt, has ended.
    fn ended(&self) -> bool;
    /// Takes nothing more, and ends when all was handed over or the time is
    /// up. A later call can only shorten the time.
    fn close(&self, linger: Duration);
    /// What is queued.
    fn queued(&self) -> Queued;
    /// What carries the connection, once it stands.
    fn link(&self) -> Option<crate::Link>;
}

/// A one-way connection to a peer's inbox, opened by
/// [`Links::connect`](crate::Links::connect).
///
/// It accepts messages at once, also while it still connects, into a queue
/// bounded in bytes; order is kept, and each message goes out once at most. It
/// never connects again by itself: when the connection ends, for any reason,
/// [`Notice::Closed`](crate::Notice::Closed) says so, and that is the end.
///
/// A clone is another handle to the same connection. When the last handle is
/// dropped the mailbox closes, and what it had accepted goes out in the
/// background for up to [`LinkLimits::linger`] (while the runtime lives).
#[derive(Clone)]
pub struct Mailbox(Handle);

#[derive(Clone)]
enum Handle {
    /// Closes when it is dropped.
    Memory(Arc<Memory>),
    Engine(Arc<Handles>),
}

/// The handles to a mailbox of an engine, whose task holds the outlet too.
struct Handles {
    outlet: Arc<dyn Outlet>,
    linger: Duration,
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.outlet.close(self.linger);
    }
}

impl Mailbox {
    /// A mailbox that is closed from the start, for tests of what holds mailboxes.
    #[must_use]
    pub fn closed() -> Self {
        let budget = Arc::new(Budget::new(0));
        Self::new(Nowhere::new(&budget), Duration::ZERO)
    }

    pub(crate) fn in_memory(memory: Arc<Memory>) -> Self {
        Self(Handle::Memory(memory))
    }

    /// When the last handle is dropped, what was accepted goes out for up to
    /// `linger`.
    pub(crate) fn new(outlet: Arc<dyn Outlet>, linger: Duration) -> Self {
        Self(Handle::Engine(Arc::new(Handles { outlet, linger })))
    }

    fn outlet(&self) -> &dyn Outlet {
        match &self.0 {
            Handle::Memory(memory) => &**memory,
            Handle::Engine(handles) => &*handles.outlet,
        }
    }

    pub(crate) fn downgrade(&self) -> Weak<dyn Outlet> {
        match &self.0 {
            Handle::Memory(memory) => {
                let memory: Weak<Memory> = Arc::downgrade(memory);
                memory
            }
            Handle::Engine(handles) => Arc::downgrade(&handles.outlet),
        }
    }

    /// Accepts a message, the frame `head` followed by the frames of `body`, or
    /// says why not. Nothing is consumed: the head is copied, the body is
    /// copied where it is small and shared where it is large.
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
    /// may go beyond the bounds by [`LinkLimits::control_reserve_bytes`]. They keep
    /// their place in the order.
    ///
    /// # Errors
    /// [`TrySendError`]; nothing was taken then.
    pub fn try_send_control(&self, head: &[u8], body: &[Bytes]) -> Result<(), TrySendError> {
        self.enqueue_control(head, body).map(PendingWrite::write)
    }

    /// [`try_send`](Self::try_send) in two steps: the message has its place in
    /// the order when this returns; the returned [`PendingWrite`] writes it.
    ///
    /// A caller that orders its messages under a lock of its own calls this
    /// under the lock and writes after it: a write can take as long as the
    /// kernel needs to copy 1 MiB.
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
            Handle::Engine(handles) => handles.outlet.enqueue(head, body, class),
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
    /// Nothing is reserved, so nothing is lost when the future is dropped.
    pub async fn writable(&self, bytes: usize) -> Result<(), Closed> {
        let outlet = self.outlet();
        let cost = bytes.saturating_add(2 * crate::config::FRAME_OVERHEAD);
        loop {
            let changed = outlet.changed().notified();
            let freed = outlet.budget().freed().notified();
            tokio::pin!(changed, freed);
            // Registered before looking, so that no change in between is missed.
            changed.as_mut().enable();
            freed.as_mut().enable();
            if outlet.room(cost)? {
                return Ok(());
            }
            tokio::select! {
                () = changed => {}
                () = freed => {}
            }
        }
    }

    /// Waits until everything that was accepted, also by other handles
    /// meanwhile, was handed to the kernel or lies in the peer's inbox in
    /// memory, but for `deadline` at most.
    ///
    /// That the peer has read it isn't known by this. On the zeromq engine the
    /// library's own write buffer (up to 128 KiB and one message) lies beyond
    /// what can be waited for here; [`close`](Self::close) does wait for it.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn flush(&self, deadline: Duration) -> Flushed {
        let outlet = self.outlet();
        // Whether the time is up doesn't matter: what is left does.
        let _ = tokio::time::timeout(deadline, async {
            loop {
                let changed = outlet.changed().notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if outlet.unsent() == 0 || outlet.ended() {
                    return;
                }
                changed.await;
            }
        })
        .await;
        match outlet.unsent() {
            0 => Flushed::All,
            left => Flushed::Left(left),
        }
    }

    /// Closes: nothing more is accepted, what was accepted goes out within
    /// `linger`, and then a `Closed` notice says how it ended. A later call can
    /// only shorten the time.
    pub fn close(&self, linger: Duration) {
        self.outlet().close(linger);
    }

    /// What was accepted and not yet handed over.
    pub fn queued(&self) -> Queued {
        self.outlet().queued()
    }

    /// What carries the connection, once it stands.
    pub fn link(&self) -> Option<Link> {
        self.outlet().link()
    }

    /// Whether the connection, or the attempt to make one, has ended.
    pub fn is_closed(&self) -> bool {
        self.outlet().ended()
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

/// When that time from now on is over. One too long for the clock is as good as
/// a day.
pub(crate) fn after(linger: Duration) -> tokio::time::Instant {
    let now = tokio::time::Instant::now();
    now.checked_add(linger)
        .or_else(|| now.checked_add(Duration::from_secs(86_400)))
        .unwrap_or(now)
}

/// Whether a message can ever be sent, and what it costs.
///
/// # Errors
/// [`TrySendError::TooLarge`], with what is too large.
pub(crate) fn measure(
    head: &[u8],
    body: &[Bytes],
    limits: &LinkLimits,
) -> Result<usize, TrySendError> {
    let too_large = |what, size, limit| Err(TrySendError::TooLarge { what, size, limit });
    let parts = body.len().saturating_add(1);
    if parts > limits.parts {
        return too_large("the number of frames", parts, limits.parts);
    }
    let largest = body.iter().map(Bytes::len).fold(head.len(), usize::max);
    if largest > limits.frame_bytes {
        return too_large("a frame", largest, limits.frame_bytes);
    }
    let bytes = body
        .iter()
        .fold(head.len(), |sum, frame| sum.saturating_add(frame.len()));
    if bytes > limits.message_bytes {
        return too_large("the message", bytes, limits.message_bytes);
    }
    let cost = LinkLimits::cost(head, body);
    if cost > limits.queue_bytes_total {
        return too_large("the message", cost, limits.queue_bytes_total);
    }
    Ok(cost)
}
