//! The queue between one connection and the inbox.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError, Weak};

use crate::backlog::{Backlog, Segment};
use crate::budget::Budget;
use crate::sync::{AtomicBool, Mutex, MutexGuard, Notify};
use crate::{CloseReason, Link, Source};

/// What one connection has sent and the inbox hasn't read, and its end.
///
/// A [producer](crate::producer) fills it, the inbox reads it, and the
/// [dispatcher](crate::dispatcher) decides whose turn it is.
pub(crate) struct ReceiveQueue {
    connection: u64,
    from: Arc<Source>,
    /// Whether whoever reads the inbox has admitted it.
    admitted: AtomicBool,
    state: Mutex<ReceiveState>,
    /// The bound in which the messages count. It notifies of every release.
    total: Arc<Budget>,
}

/// What a receive queue holds.
pub(crate) struct ReceiveState {
    pub(crate) backlog: Backlog,
    /// What the backlog costs, and what is in batches that are still held.
    pub(crate) held: usize,
    /// Whether anything has ever come.
    pub(crate) spoken: bool,
    producer: Producer,
    opened: bool,
    pub(crate) end_reported: bool,
    /// The dispatcher has it in line, or the inbox is reading it.
    pub(crate) scheduled: bool,
}

/// What fills a receive queue, and is told when the queue ends.
enum Producer {
    /// A task that reads a socket. It is notified of the end only: a task that
    /// waits for the end isn't to be woken for each batch.
    Reader(Arc<Notify>),
    /// A mailbox of this process.
    Mailbox(Weak<dyn EndOfQueue>),
    /// The queue has ended, for this reason.
    Ended(Box<CloseReason>),
}

/// A mailbox of this process, as the queue knows it that it fills.
pub(crate) trait EndOfQueue: Send + Sync {
    /// The queue has ended from the inside: the receiver is gone, or another
    /// connection has taken its place. `unread` messages will never be read.
    fn queue_ended(&self, reason: &CloseReason, unread: u64);
}

/// What the inbox reads next.
pub(crate) enum Visit {
    Opened,
    Messages(Segment),
    Closed(CloseReason),
    Nothing,
}

impl ReceiveState {
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.producer, Producer::Ended(_))
    }

    /// Why it has ended, if it has.
    pub(crate) fn end_reason(&self) -> Option<CloseReason> {
        match &self.producer {
            Producer::Ended(reason) => Some(CloseReason::clone(reason)),
            _ => None,
        }
    }

    /// Ends it. Only the first reason counts; with it comes the producer, to be
    /// notified.
    pub(crate) fn end(&mut self, reason: &CloseReason) -> Option<Ended> {
        if self.has_ended() {
            return None;
        }
        let ended = Producer::Ended(Box::new(reason.clone()));
        Some(Ended(std::mem::replace(&mut self.producer, ended)))
    }

    /// From now on this mailbox is told of the end.
    pub(crate) fn set_mailbox(&mut self, mailbox: Weak<dyn EndOfQueue>) {
        self.producer = Producer::Mailbox(mailbox);
    }

    /// Notified when the queue of a connection over a socket ends.
    pub(crate) fn end_notice(&self) -> Arc<Notify> {
        match &self.producer {
            Producer::Reader(ended) => Arc::clone(ended),
            _ => Arc::default(),
        }
    }
}

/// The producer of a queue that has just ended.
#[must_use]
pub(crate) struct Ended(Producer);

impl ReceiveQueue {
    pub(crate) fn new(connection: u64, from: Arc<Source>, total: Arc<Budget>) -> Arc<Self> {
        let producer = match from.link {
            Link::Inproc => Producer::Mailbox(Weak::<Nobody>::new()),
            _ => Producer::Reader(Arc::default()),
        };
        let state = ReceiveState {
            backlog: Backlog::default(),
            held: 0,
            spoken: false,
            producer,
            opened: false,
            end_reported: false,
            scheduled: false,
        };
        Arc::new(Self {
            connection,
            from,
            admitted: AtomicBool::new(false),
            state: Mutex::new(state),
            total,
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ReceiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection's number.
    pub(crate) fn connection(&self) -> u64 {
        self.connection
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Relaxed)
    }

    pub(crate) fn admit(&self) {
        self.admitted.store(true, Ordering::Relaxed);
    }

    /// Whether anything has ever come. `None` while something is unread, or is being
    /// read.
    pub(crate) fn has_spoken(&self) -> Option<bool> {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        (state.held == 0).then_some(state.spoken)
    }

    /// Who fills it.
    pub(crate) fn from(&self) -> &Arc<Source> {
        &self.from
    }

    /// The bound in which its messages count.
    pub(crate) fn total(&self) -> &Budget {
        &self.total
    }

    /// Notifies the producer of the end, after which `unread` messages will
    /// never be read.
    pub(crate) fn notify_end(&self, ended: &Ended, reason: &CloseReason, unread: u64) {
        self.total.freed().notify_waiters();
        match &ended.0 {
            Producer::Reader(ended) => ended.notify_waiters(),
            Producer::Mailbox(mailbox) => {
                if let Some(mailbox) = mailbox.upgrade() {
                    mailbox.queue_ended(reason, unread);
                }
            }
            Producer::Ended(_) => {}
        }
    }

    /// What the inbox reads next. If there is nothing, the inbox reads it no more until it
    /// is in line again.
    pub(crate) fn visit(&self) -> Visit {
        let mut state = self.lock();
        if !state.opened {
            state.opened = true;
            return Visit::Opened;
        }
        if let Some(segment) = state.backlog.take() {
            return Visit::Messages(segment);
        }
        match state.end_reason() {
            Some(reason) if !state.end_reported => {
                state.end_reported = true;
                Visit::Closed(reason)
            }
            _ => {
                // Under the lock: what comes from now on puts the queue in line, before
                // what comes later in another queue.
                state.scheduled = false;
                Visit::Nothing
            }
        }
    }

    /// Gives back what a batch has held.
    fn release(&self, cost: usize) {
        {
            let mut state = self.lock();
            state.held = state.held.saturating_sub(cost);
        }
        self.total.give(cost);
    }

    /// Throws away what nobody will read.
    pub(crate) fn discard(&self) {
        let cost = std::mem::take(&mut self.lock().backlog).cost();
        self.release(cost);
    }
}

impl Drop for ReceiveQueue {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let unread = state.backlog.cost();
        // Messages that were never read still count against the total.
        if unread > 0 {
            self.total.give(unread);
        }
    }
}

/// No mailbox yet.
struct Nobody;

impl EndOfQueue for Nobody {
    fn queue_ended(&self, _: &CloseReason, _: u64) {}
}

/// Keeps what a batch costs counted until it is dropped.
pub(crate) struct Permit {
    queue: Arc<ReceiveQueue>,
    cost: usize,
}

impl Permit {
    pub(crate) fn new(queue: &Arc<ReceiveQueue>, cost: usize) -> Self {
        Self {
            queue: Arc::clone(queue),
            cost,
        }
    }

    pub(crate) fn cost(&self) -> usize {
        self.cost
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.queue.release(self.cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, Message};

    #[test]
    fn what_nobody_read_counts_until_its_queue_is_gone() {
        let total = Arc::new(Budget::new(1000));
        let source = Source {
            identity: Identity::new("peer").unwrap(),
            link: Link::Tcp,
            addr: None,
            credentials: None,
            key: None,
        };
        let queue = ReceiveQueue::new(1, Arc::new(source), Arc::clone(&total));
        let unread = Message::new(b"unread", &[]);
        queue.lock().backlog.push(unread, 700);
        total.force(700);
        assert!(!total.has(400, 0));
        drop(queue);
        assert_eq!(total.used(), 0);
    }
}
