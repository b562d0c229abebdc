//! What becomes of mailboxes: the outcome of each `connect`, and its end.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use crate::{CloseReason, Identity, Link};

/// What has happened to one mailbox, under the number that `connect` was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The mailbox is connected. At most one for each `connect`.
    Up {
        /// The number that `connect` was given.
        id: u64,
        /// What carries the connection.
        link: Link,
        /// Our end's address, over tcp (if the engine reports it).
        local: Option<SocketAddr>,
        /// The peer's address, over tcp.
        remote: Option<SocketAddr>,
        /// The identity that the peer's inbox claims in READY. Other
        /// implementations claim none.
        identity: Option<Identity>,
        /// The public key that the peer has proved to hold; `None` without a
        /// mechanism that has such keys. In memory it is the one that the peer is
        /// configured with.
        key: Option<[u8; 32]>,
    },
    /// The mailbox has ended. Exactly one for each `connect`, and nothing
    /// after it.
    Closed {
        /// The number that `connect` was given.
        id: u64,
        /// Why it has ended.
        reason: CloseReason,
        /// How many messages had been accepted and certainly didn't leave this
        /// process. 0 means "none that we know of": nobody can know what the
        /// kernel still held when a connection broke.
        lost: u64,
    },
    /// A task that all connections depend on has panicked. The links don't work any
    /// more: shut them down.
    Panicked {
        /// What the task does.
        task: &'static str,
    },
}

/// The notices of all mailboxes of a node, in the order in which things
/// happened. There are at most two for each `connect`, and one for each of a few tasks, which
/// bounds this queue.
///
/// Dropping it discards notices; the mailboxes go on.
#[derive(Debug)]
pub struct Notices {
    queue: mpsc::UnboundedReceiver<Notice>,
}

impl Notices {
    /// A queue, and its sender.
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
