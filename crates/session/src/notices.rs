//! What becomes of mailboxes: the outcome of each `connect`, and its end.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::{CloseReason, Identity, Link};

/// News of one mailbox, under the number that `connect` was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The mailbox is connected. At most one for each `connect`.
    Up {
        /// The number that `connect` was given.
        id: u64,
        /// What carries it.
        link: Link,
        /// Our end's address, over tcp (where the engine says it).
        local: Option<SocketAddr>,
        /// The peer's address, over tcp.
        remote: Option<SocketAddr>,
        /// What the peer's inbox said of itself in READY, if it said anything:
        /// other implementations say nothing.
        identity: Option<Identity>,
    },
    /// The mailbox has ended. Exactly one for each `connect`, and nothing
    /// after it.
    Closed {
        /// The number that `connect` was given.
        id: u64,
        /// Why it ended.
        reason: CloseReason,
        /// How many messages had been accepted and certainly didn't leave this
        /// process. 0 means "none that we know of": what the kernel still held
        /// when a connection broke can't be known.
        lost: u64,
    },
}

/// The notices of all mailboxes of a node, in the order in which things
/// happened. There are at most two for each `connect`, which is what bounds
/// this queue.
///
/// Dropping it discards notices; the mailboxes go on.
#[derive(Debug)]
pub struct Notices {
    queue: mpsc::UnboundedReceiver<Notice>,
}

impl Notices {
    /// A queue, and what its senders are made of.
    pub(crate) fn new() -> (mpsc::UnboundedSender<Notice>, Self) {
        let (sender, queue) = mpsc::unbounded_channel();
        (sender, Self { queue })
    }

    /// The next notice; `None` when the links and every mailbox are gone and
    /// all notices were read.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Notice> {
        self.queue.recv().await
    }

    /// The next notice if there is one now.
    pub fn try_recv(&mut self) -> Option<Notice> {
        self.queue.try_recv().ok()
    }
}

/// How far a mailbox has come, as its notices have it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Up,
    Closed,
}

/// Reports on one mailbox. It keeps what a [`Notice`] promises: one `Up` at
/// most, exactly one `Closed`, nothing after it. Dropping the reporter of a
/// mailbox that still stands reports that it was closed here (so ends the one
/// whose task died with its runtime).
pub(crate) struct Reporter {
    id: u64,
    notices: mpsc::UnboundedSender<Notice>,
    stage: Mutex<Stage>,
    /// Runs once, after the `Closed` notice went out.
    ended: Box<dyn Fn() + Send + Sync>,
}

impl Reporter {
    pub(crate) fn new(
        id: u64,
        notices: mpsc::UnboundedSender<Notice>,
        ended: Box<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            id,
            notices,
            stage: Mutex::new(Stage::Connecting),
            ended,
        }
    }

    /// Says that the mailbox is connected.
    pub(crate) fn up(
        &self,
        link: Link,
        local: Option<SocketAddr>,
        remote: Option<SocketAddr>,
        identity: Option<Identity>,
    ) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage != Stage::Connecting {
            return;
        }
        *stage = Stage::Up;
        let id = self.id;
        // The receiver may be gone: then nobody wants to know.
        let _ = self.notices.send(Notice::Up {
            id,
            link,
            local,
            remote,
            identity,
        });
    }

    /// Says that the mailbox has ended. Only the first call counts.
    pub(crate) fn closed(&self, reason: CloseReason, lost: u64) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage == Stage::Closed {
            return;
        }
        *stage = Stage::Closed;
        tracing::debug!(id = self.id, %reason, lost, "mailbox ended");
        let id = self.id;
        // Sent under the lock, so that no `Up` can come after it.
        let _ = self.notices.send(Notice::Closed { id, reason, lost });
        drop(stage);
        (self.ended)();
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.closed(CloseReason::Local, 0);
    }
}
