//! The inbox: what all peers send to us.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::dispatcher::{Dispatcher, Next};
use crate::receive_queue::{Permit, ReceiveQueue, Visit};
use crate::{CloseReason, Message, Source};

/// What comes out of an inbox. For each connection: `Opened` first, then its
/// messages, `Closed` last and once.
#[derive(Debug)]
pub enum Arrival {
    /// A peer has connected and introduced itself.
    Opened {
        /// The connection's number, never used twice by an inbox.
        connection: u64,
        /// The peer.
        from: Arc<Source>,
    },
    /// Messages, in the order in which they were sent.
    Batch(Batch),
    /// The connection has ended; everything that came over it was delivered.
    Closed {
        /// The connection's number.
        connection: u64,
        /// The peer.
        from: Arc<Source>,
        /// Why it has ended.
        reason: CloseReason,
    },
    /// A peer with another key has connected under the identity of a live
    /// connection. It was refused; several in a row may be reported once.
    Denied {
        /// The peer that was refused.
        from: Arc<Source>,
    },
}

/// Messages of one connection. While the batch is held, its messages count
/// against the bounds of its connection: to hold a batch is to hold its sender
/// back.
pub struct Batch {
    /// The connection's number.
    pub connection: u64,
    /// The peer that sent them.
    pub from: Arc<Source>,
    /// The messages, in the order in which they were sent; never empty.
    pub messages: Vec<Message>,
    permit: Permit,
}

impl Batch {
    /// How much the batch counts against the bounds, in bytes.
    pub fn cost(&self) -> usize {
        self.permit.cost()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("connection", &self.connection)
            .field("from", &self.from)
            .field("messages", &self.messages.len())
            .field("cost", &self.cost())
            .finish()
    }
}

/// Our side of all connections that peers have opened to us. It only receives.
///
/// Messages that aren't read here stay, within bounds, in the kernel's buffers
/// and in the queues of their senders. Dropping the inbox ends all its
/// connections.
pub struct Inbox {
    dispatcher: Arc<Dispatcher>,
    /// The queue that is being read. It is read to its end before the next has
    /// its turn: the end of a replaced connection comes before the beginning of
    /// its successor.
    current: Option<Arc<ReceiveQueue>>,
}

impl Inbox {
    pub(crate) fn new(dispatcher: Arc<Dispatcher>) -> Self {
        Self {
            dispatcher,
            current: None,
        }
    }

    /// The next arrival; `None` when the links were shut and everything was
    /// read. Connections take turns.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Arrival> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) as a function that polls.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arrival>> {
        loop {
            if let Some(arrival) = self.read_current() {
                return Poll::Ready(Some(arrival));
            }
            match self.dispatcher.poll_next(cx) {
                Poll::Ready(Some(Next::Queue(queue))) => self.current = Some(queue),
                Poll::Ready(Some(Next::Denied(from))) => {
                    return Poll::Ready(Some(Arrival::Denied { from }));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The next arrival if there is one now.
    pub fn try_recv(&mut self) -> Option<Arrival> {
        loop {
            if let Some(arrival) = self.read_current() {
                return Some(arrival);
            }
            match self.dispatcher.next()? {
                Next::Queue(queue) => self.current = Some(queue),
                Next::Denied(from) => return Some(Arrival::Denied { from }),
            }
        }
    }

    /// The next arrival from the current queue.
    fn read_current(&mut self) -> Option<Arrival> {
        let queue = self.current.take()?;
        let connection = queue.connection();
        match queue.visit() {
            Visit::Opened => {
                let from = Arc::clone(queue.from());
                self.current = Some(queue);
                Some(Arrival::Opened { connection, from })
            }
            Visit::Messages(segment) => {
                let batch = Batch {
                    connection,
                    from: Arc::clone(queue.from()),
                    messages: segment.messages,
                    permit: Permit::new(&queue, segment.cost),
                };
                self.current = Some(queue);
                Some(Arrival::Batch(batch))
            }
            Visit::Closed(reason) => Some(Arrival::Closed {
                connection,
                from: Arc::clone(queue.from()),
                reason,
            }),
            Visit::Nothing => None,
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.dispatcher.abandon(self.current.take());
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod threads;
