//! What becomes of mailboxes: the outcome of each `connect`, and its end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::live::{Live, Place};
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
    /// Where it is reported, and the mailbox's place there.
    live: Arc<Live>,
    place: Place,
    stage: Mutex<Stage>,
    /// Messages that were accepted and didn't leave, once it has closed.
    lost: AtomicU32,
}

impl Reporter {
    pub(crate) fn new(id: u64, live: &Arc<Live>, place: Place) -> Self {
        Self {
            id,
            live: Arc::clone(live),
            place,
            stage: Mutex::new(Stage::Connecting),
            lost: AtomicU32::new(0),
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
        self.live.say(Notice::Up {
            id: self.id,
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
        self.lost
            .store(u32::try_from(lost).unwrap_or(u32::MAX), Ordering::Release);
        tracing::debug!(id = self.id, %reason, lost, "mailbox ended");
        let id = self.id;
        // Sent under the lock, so that no `Up` can come after it.
        self.live.say(Notice::Closed { id, reason, lost });
        drop(stage);
        self.live.leave(self.place);
    }

    /// How many messages [`closed`](Self::closed) said were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Acquire).into()
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.closed(CloseReason::Local, 0);
    }
}
