//! Messages that wait for room in the queues to slow peers.
//!
//! Messages to one peer keep their order; those to others pass them by.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use zre::{Message, Node, Peer, SendError, Uuid};

/// How long a message may wait, those before it included: as long as a node waits by
/// default.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many messages for one peer, and how many bytes, may wait here. Beyond it, a
/// message is refused as if the peer's queue were full, which it is.
const MESSAGES: usize = 1024;
const BYTES: usize = 16 << 20;

/// What becomes of a message to one peer.
pub(crate) type Delivery = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send>>;

/// The messages that wait, by peer.
#[derive(Debug, Default)]
pub(crate) struct Backlogs(HashMap<Uuid, Backlog>);

#[derive(Debug)]
struct Backlog {
    /// Ends with the last message that waits.
    last: oneshot::Receiver<()>,
    waiting: Arc<Waiting>,
}

/// What waits for one peer.
#[derive(Debug, Default)]
struct Waiting {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

/// The place of one message among those that wait. Dropping it lets the next one go.
struct Turn {
    waiting: Arc<Waiting>,
    bytes: usize,
    _done: oneshot::Sender<()>,
}

impl Backlogs {
    /// Sends a message to a peer, for a group if one is named, after those that wait
    /// for the same peer.
    ///
    /// # Errors
    /// What became of it, if that is known at once. `Ok(Some)`: it waits.
    pub(crate) fn send(
        &mut self,
        node: &Node,
        peer: &Peer,
        group: Option<&str>,
        message: Message,
    ) -> Result<Option<Delivery>, SendError> {
        self.0
            .retain(|_, backlog| backlog.waiting.messages.load(Ordering::Acquire) > 0);
        let bytes = message.len();
        let mut delivery = deliver(
            node.clone(),
            peer.clone(),
            group.map(str::to_owned),
            message,
        );
        let before = self.0.remove(&peer.uuid());
        if before.is_none() {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            if let Poll::Ready(result) = delivery.as_mut().poll(&mut context) {
                return result.map(|()| None);
            }
        }
        let (done, last) = oneshot::channel();
        let (before, waiting) = match before {
            Some(Backlog { last, waiting }) => (Some(last), waiting),
            None => (None, Arc::default()),
        };
        let count = waiting.messages.load(Ordering::Acquire);
        let held = waiting.bytes.load(Ordering::Acquire);
        if count >= MESSAGES || count > 0 && held.saturating_add(bytes) > BYTES {
            // The place behind those that wait stays where it was.
            if let Some(last) = before {
                self.0.insert(peer.uuid(), Backlog { last, waiting });
            }
            return Err(SendError::Full);
        }
        waiting.messages.fetch_add(1, Ordering::AcqRel);
        waiting.bytes.fetch_add(bytes, Ordering::AcqRel);
        let turn = Turn {
            waiting: waiting.clone(),
            bytes,
            _done: done,
        };
        self.0.insert(peer.uuid(), Backlog { last, waiting });
        let deadline = Instant::now() + PATIENCE;
        Ok(Some(Box::pin(async move {
            let _turn = turn;
            let all = async {
                if let Some(before) = before {
                    // It ends by being dropped.
                    let _ = before.await;
                }
                delivery.await
            };
            tokio::time::timeout_at(deadline, all)
                .await
                .unwrap_or(Err(SendError::Full))
        })))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.waiting.messages.fetch_sub(1, Ordering::AcqRel);
    }
}

fn deliver(node: Node, peer: Peer, group: Option<String>, message: Message) -> Delivery {
    Box::pin(async move {
        match group {
            None => node.whisper(&peer, message).await,
            Some(group) => node.shout_to(&peer, group, message).await,
        }
    })
}
