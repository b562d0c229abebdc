//! The inbox: what all peers send to us.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use zre_zmtp::Message;

use crate::intake::Intake;
use crate::lane::{Hold, Lane, Visit};
use crate::{CloseReason, Identity, Link};

/// Whose process is at the other end of an ipc link, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub uid: u32,
    /// The process, where the system tells.
    pub pid: Option<i32>,
}

/// Who sends over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// What the peer calls itself. Nothing has proved it.
    pub identity: Identity,
    /// What carries the connection.
    pub link: Link,
    /// The peer's address, over tcp.
    pub addr: Option<SocketAddr>,
    /// The peer's process, over ipc, where the engine can ask for it.
    pub credentials: Option<Credentials>,
}

impl Source {
    /// A peer of this identity, of which nothing else is known.
    pub fn new(identity: Identity, link: Link) -> Self {
        Self {
            identity,
            link,
            addr: None,
            credentials: None,
        }
    }
}

/// What an inbox has to say. For each connection: `Opened` first, then its
/// data, `Closed` last and once.
#[derive(Debug)]
pub enum Arrival {
    /// A peer has connected and said who it is.
    Opened {
        /// The connection's number, never used twice by an inbox.
        connection: u64,
        /// Who it is.
        from: Arc<Source>,
    },
    /// Messages, in the order in which they were sent.
    Batch(Batch),
    /// The connection has ended; all that had come over it was delivered.
    Closed {
        /// The connection's number.
        connection: u64,
        /// Who it was.
        from: Arc<Source>,
        /// Why.
        reason: CloseReason,
    },
}

/// Messages of one connection. While it is held, what it carries counts
/// against the bounds of its connection: to hold a batch is to hold its sender
/// back.
pub struct Batch {
    /// The connection's number.
    pub connection: u64,
    /// Who sent them.
    pub from: Arc<Source>,
    /// The messages, in the order in which they were sent; never empty.
    pub messages: Vec<Message>,
    pub(crate) hold: Hold,
}

impl Batch {
    /// What the batch counts against the bounds, in bytes.
    pub fn cost(&self) -> usize {
        self.hold.cost()
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
/// What isn't read here stays, within bounds, in the kernel's buffers and in
/// the queues of those who sent it. Dropping the inbox ends all its
/// connections.
pub struct Inbox {
    intake: Arc<Intake>,
    /// The connection that is being read: it says all it has before the next
    /// has its turn, so that the end of a replaced connection comes before its
    /// successor's beginning.
    current: Option<Arc<Lane>>,
}

impl Inbox {
    pub(crate) fn new(intake: Arc<Intake>) -> Self {
        Self {
            intake,
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

    /// [`recv`](Self::recv) for those who poll.
    pub fn poll_recv(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Arrival>> {
        use std::task::Poll;
        loop {
            if let Some(arrival) = self.visit() {
                return Poll::Ready(Some(arrival));
            }
            match self.intake.poll_next(cx) {
                Poll::Ready(Some(lane)) => self.current = Some(lane),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The next arrival if there is one now.
    pub fn try_recv(&mut self) -> Option<Arrival> {
        loop {
            if let Some(arrival) = self.visit() {
                return Some(arrival);
            }
            self.current = Some(self.intake.next()?);
        }
    }

    /// What the current connection still has to say.
    fn visit(&mut self) -> Option<Arrival> {
        let lane = self.current.take()?;
        match lane.visit() {
            Visit::Opened => {
                let arrival = Arrival::Opened {
                    connection: lane.connection(),
                    from: Arc::clone(lane.from()),
                };
                self.current = Some(lane);
                Some(arrival)
            }
            Visit::Batch(piece) => {
                let batch = Batch {
                    connection: lane.connection(),
                    from: Arc::clone(lane.from()),
                    messages: piece.messages,
                    hold: Hold::new(&lane, piece.cost),
                };
                self.current = Some(lane);
                Some(Arrival::Batch(batch))
            }
            Visit::Closed(reason) => Some(Arrival::Closed {
                connection: lane.connection(),
                from: Arc::clone(lane.from()),
                reason,
            }),
            Visit::Done => {
                self.intake.revisit(lane);
                None
            }
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.intake.abandon(self.current.take());
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}
