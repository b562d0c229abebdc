//! What stands behind a mailbox, whatever carries its messages.

use std::fmt;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::budget::Budget;
use crate::sync::Notify;
use crate::{Closed, Link, TrySendError};

/// The messages that a mailbox has accepted and not handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// How many messages.
    pub messages: usize,
    /// What counts against the bound of the queue, in bytes (see
    /// [`LinkLimits`](crate::LinkLimits)). In memory this shrinks only when the
    /// receiver has dropped the batch.
    pub bytes: usize,
}

/// Whether a message may use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Data,
    Control,
}

/// The queue of one mailbox. An engine has its own, and so has the link in
/// memory.
pub(crate) trait SendQueue: Send + Sync + 'static {
    /// Accepts the message or leaves everything as it was.
    fn enqueue(
        &self,
        head: &[u8],
        body: &[Bytes],
        class: Class,
    ) -> Result<PendingWrite<'_>, TrySendError>;
    /// Does what [`PendingWrite::by_caller`] has promised.
    fn write_pending(&self) {}
    /// Whether a message of this cost would be accepted now.
    fn room(&self, cost: usize) -> Result<bool, Closed>;
    /// Notified (`notify_waiters`) whenever room, `unsent` or the stage may have
    /// changed.
    fn changed(&self) -> &Notify;
    /// The bound that all mailboxes of the node share.
    fn budget(&self) -> &Budget;
    /// Messages that were accepted and not handed over; if the connection has
    /// ended, they never will be.
    fn unsent(&self) -> u64;
    /// Whether the connection, or the attempt, has ended.
    fn ended(&self) -> bool;
    /// Accepts nothing more, and ends when everything was handed over or the
    /// time is up. A later call can only shorten the time.
    fn close(&self, linger: Duration);
    /// How much is queued.
    fn queued(&self) -> Queued;
    /// What carries the connection, once it is up.
    fn link(&self) -> Option<Link>;
}

/// The work that remains for a message that a [`Mailbox`](crate::Mailbox) has
/// accepted: to write it, to wake the task that writes it, or nothing.
///
/// [`write`](Self::write) does it in the caller's thread and doesn't wait;
/// dropping does the same. Until then the message, and those that others queue
/// behind it, may stay where they are.
#[must_use = "the message is queued, and written when this is written or dropped"]
pub struct PendingWrite<'a>(Remaining<'a>);

enum Remaining<'a> {
    Nothing,
    /// The caller writes.
    Write(&'a dyn SendQueue),
    /// A task writes.
    Notify(&'a Notify),
    /// The receiver, in this process, reads.
    Wake(Waker),
}

impl<'a> PendingWrite<'a> {
    /// Somebody else writes the message and knows it already.
    pub(crate) fn by_others() -> Self {
        Self(Remaining::Nothing)
    }

    /// The caller writes everything that is queued: nobody else is notified.
    pub(crate) fn by_caller(queue: &'a dyn SendQueue) -> Self {
        Self(Remaining::Write(queue))
    }

    /// The task that waits for `work` writes the message.
    pub(crate) fn by_task(work: &'a Notify) -> Self {
        Self(Remaining::Notify(work))
    }

    /// The message lies where its receiver, who may sleep, finds it.
    pub(crate) fn delivered(receiver: Option<Waker>) -> Self {
        Self(receiver.map_or(Remaining::Nothing, Remaining::Wake))
    }

    /// Writes the message, or has it written.
    pub fn write(self) {}
}

impl Drop for PendingWrite<'_> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.0, Remaining::Nothing) {
            Remaining::Nothing => {}
            Remaining::Write(queue) => queue.write_pending(),
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

/// The moment when that time from now on is over. A time too long for the clock
/// counts as a day.
pub(crate) fn deadline_after(linger: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(linger)
        .or_else(|| now.checked_add(Duration::from_secs(86_400)))
        .unwrap_or(now)
}
