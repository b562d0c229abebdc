//! The end at which a receive queue is filled.

use std::sync::{Arc, Weak};
use std::task::Waker;

use crate::backlog::Backlog;
use crate::budget::Budget;
use crate::dispatcher::{Dispatcher, wake};
use crate::receive_queue::{EndOfQueue, ReceiveQueue};
use crate::send_queue::Class;
use crate::{CloseReason, LinkLimits, Message, Source};

/// The queue has ended, for this reason.
#[derive(Clone, Debug)]
pub(crate) struct Gone(pub(crate) CloseReason);

/// Why a message in memory isn't accepted.
pub(crate) enum Refused {
    Full,
    Gone,
}

/// Whether a connection may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    Admitted,
    Unread,
    No,
}

/// The end at which a receive queue is filled. Dropping it ends the queue
/// (`Local`, unless it has another reason already).
pub(crate) struct ProducerHandle {
    dispatcher: Arc<Dispatcher>,
    queue: Arc<ReceiveQueue>,
}

impl ProducerHandle {
    /// Opens a queue for a connection over a socket.
    ///
    /// # Errors
    /// The limit that was reached, or `Local` when the inbox is shut.
    pub(crate) fn open(dispatcher: &Arc<Dispatcher>, source: Source) -> Result<Self, CloseReason> {
        let total = Arc::clone(dispatcher.total());
        Self::open_counted(dispatcher, Arc::new(source), total)
    }

    /// [`open`](Self::open) for a sender in this process: its messages count
    /// against `total`.
    pub(crate) fn open_counted(
        dispatcher: &Arc<Dispatcher>,
        source: Arc<Source>,
        total: Arc<Budget>,
    ) -> Result<Self, CloseReason> {
        let queue = dispatcher.open(source, total)?;
        Ok(Self {
            dispatcher: Arc::clone(dispatcher),
            queue,
        })
    }

    /// The connection's number.
    pub(crate) fn connection(&self) -> u64 {
        self.queue.connection()
    }

    /// Puts messages that have already come in into the queue, whatever the
    /// bounds. Afterwards [`has_room`](Self::has_room) tells whether to read on.
    pub(crate) fn push(&self, mut messages: Backlog) -> Result<(), Gone> {
        let cost = messages.cost();
        let mut state = self.queue.lock();
        if let Some(reason) = state.end_reason() {
            return Err(Gone(reason));
        }
        state.spoken = true;
        state.backlog.append(&mut messages);
        state.held = state.held.saturating_add(cost);
        self.queue.total().force(cost);
        let reader = self.dispatcher.schedule(&self.queue, &mut state);
        drop(state);
        wake(reader);
        Ok(())
    }

    /// Puts a message into the queue if the sender's limits admit it. The caller
    /// wakes the returned reader.
    pub(crate) fn try_push(
        &self,
        message: impl FnOnce() -> Message,
        limits: &LinkLimits,
        class: Class,
        cost: usize,
    ) -> Result<Option<Waker>, Refused> {
        let mut state = self.queue.lock();
        if state.has_ended() {
            return Err(Refused::Gone);
        }
        if !limits.admit(self.queue.total(), class, cost, state.held) {
            return Err(Refused::Full);
        }
        state.spoken = true;
        state.backlog.push(message(), cost);
        state.held = state.held.saturating_add(cost);
        Ok(self.dispatcher.schedule(&self.queue, &mut state))
    }

    /// Has the mailbox that fills the queue told of its end.
    ///
    /// # Errors
    /// It has ended already.
    pub(crate) fn set_mailbox(&self, mailbox: Weak<dyn EndOfQueue>) -> Result<(), Gone> {
        let mut state = self.queue.lock();
        if let Some(reason) = state.end_reason() {
            return Err(Gone(reason));
        }
        state.set_mailbox(mailbox);
        Ok(())
    }

    /// The bound in which the queue's messages count.
    pub(crate) fn total(&self) -> &Budget {
        self.queue.total()
    }

    /// Whether more may be read from the connection's socket.
    pub(crate) fn has_room(&self) -> bool {
        let limit = self.dispatcher.limits().inbox_bytes_per_connection.max(1);
        let held = self.queue.lock().held;
        held < limit && self.queue.total().has(1, 0)
    }

    /// Waits until more may be read from the connection's socket, or its queue
    /// has ended.
    ///
    /// Cancel safe: nothing is taken.
    pub(crate) async fn room(&self) -> Result<(), Gone> {
        loop {
            let freed = self.queue.total().freed().notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(reason) = self.end_reason() {
                return Err(Gone(reason));
            }
            if self.has_room() {
                return Ok(());
            }
            freed.await;
        }
    }

    /// Whether the connection may stay although its time for being admitted is over:
    /// it was admitted, or nobody has read what it sent. The first is for good.
    pub(crate) fn may_stay(&self) -> Stay {
        match self.queue.is_admitted() {
            true => Stay::Admitted,
            false if self.queue.has_spoken().is_none() => Stay::Unread,
            false => Stay::No,
        }
    }

    /// Waits until the queue of a connection over a socket has ended from the
    /// inside.
    pub(crate) async fn ended(&self) -> CloseReason {
        let notice = self.queue.lock().end_notice();
        loop {
            let ended = notice.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if let Some(reason) = self.end_reason() {
                return reason;
            }
            ended.await;
        }
    }

    fn end_reason(&self) -> Option<CloseReason> {
        self.queue.lock().end_reason()
    }

    /// How many messages are unread, and how many bytes are held.
    pub(crate) fn held(&self) -> (usize, usize) {
        let state = self.queue.lock();
        (state.backlog.len(), state.held)
    }

    /// Whether the queue has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.queue.lock().has_ended()
    }

    /// Ends the queue: the inbox reads what is in it, then this reason.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.dispatcher.end(&self.queue, reason);
    }
}

impl Drop for ProducerHandle {
    fn drop(&mut self) {
        self.dispatcher.end(&self.queue, CloseReason::Local);
    }
}
